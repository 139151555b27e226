"""Counts of one night and beds by Continuum of Care: means of full years, and never a county's."""

import polars as pl
import pytest

from models.indicators.coc_homelessness import BEDS, HIC, PIT, YOUTH
from models.indicators.indicator import AbsentError, all_indicators

SHA = "9" * 64
FULL, SHELTERS = "Sheltered and Unsheltered Count", "Sheltered-Only Count"


def pit(*rows: tuple, coc: str = "MO-501") -> pl.DataFrame:
    """Rows from (vintage, year, count type, unaccompanied, parenting)."""
    out = []
    for vintage, year, kind, *counts in rows:
        prefix = "Overall " if vintage >= "2019" else ""
        out += [(vintage, year, coc, kind, f"{prefix}{m}", n, SHA) for m, n in zip(YOUTH, counts, strict=True)]
    columns = {
        "vintage": pl.String, "period": pl.String, "geo_id": pl.String, "count_type": pl.String, "measure": pl.String,
        "count": pl.Float64, "snapshot_sha256": pl.String,
    }  # fmt: skip
    return pl.DataFrame(out, schema=columns, orient="row")


def hic(*rows: tuple, coc: str = "MO-501") -> pl.DataFrame:
    """Rows from (vintage, year, beds of each of four kinds)."""
    out = [(v, year, coc, m, n, SHA) for v, year, *beds in rows for m, n in zip(BEDS, beds, strict=True)]
    columns = ["vintage", "period", "geo_id", "measure", "count", "snapshot_sha256"]
    return pl.DataFrame(out, schema=dict.fromkeys(columns, pl.String) | {"count": pl.Float64}, orient="row")


def rows_of(name: str, tables: dict) -> dict[str, dict]:
    one = all_indicators()[name]
    frame = one.compute(tables, one)
    assert set(frame["geo_level"]) == {"coc"}
    return {row["period"]: row for row in frame.to_dicts()}


def test_the_mean_is_of_the_three_newest_full_years_and_says_which():
    years = [("2025", str(year), FULL, 10 * n, n) for n, year in enumerate((2020, 2022, 2023, 2024), start=1)]
    row = rows_of("homeless_under_25_count", {PIT: pit(*years)})["2024"]
    # 22, 33 and 44
    assert row["value"] == pytest.approx(33.0)
    assert row["note"] == "mean of 2022, 2023, 2024" and row["source_period"] == "2022-2024"
    # Spread 11 / sqrt(3) is greater than sqrt(99) / 3
    assert row["se"] == pytest.approx(11 / 3**0.5)


def test_chance_stands_in_where_years_hardly_differ():
    years = [("2025", year, FULL, 48, 0) for year in ("2022", "2023", "2024")]
    assert rows_of("homeless_under_25_count", {PIT: pit(*years)})["2024"]["se"] == pytest.approx(12 / 3)


def test_the_waived_year_and_years_of_shelters_only_are_left_out():
    table = pit(
        ("2025", "2020", FULL, 50, 10), ("2025", "2021", FULL, 1, 0), ("2025", "2023", SHELTERS, 2, 0),
        ("2025", "2024", FULL, 70, 10),
    )  # fmt: skip
    found = rows_of("homeless_under_25_count", {PIT: table})
    assert set(found) == {"2020", "2024"}
    assert (found["2024"]["value"], found["2024"]["note"]) == (70.0, "mean of 2020, 2024")


def test_one_year_makes_no_mean_and_a_missing_part_makes_no_year():
    table = pit(("2025", "2015", FULL, 50, 10), ("2025", "2023", FULL, 50, None), ("2025", "2024", FULL, 70, 10))
    found = rows_of("homeless_under_25_count", {PIT: table})
    assert set(found) == {"2015", "2024"}
    assert found["2024"]["value"] is None and "only 2024" in found["2024"]["note"]


def test_a_year_that_two_workbooks_hold_counts_once_as_the_newer_says():
    table = pit(
        ("2018", "2017", None, 50, 10), ("2025", "2017", FULL, 60, 10), ("2018", "2018", None, 80, 10),
    )  # fmt: skip
    assert rows_of("homeless_under_25_count", {PIT: table})["2018"]["value"] == pytest.approx(80.0)
    everybody = table.with_columns(measure=pl.lit("Overall Homeless")).unique(["vintage", "period"])
    assert len(rows_of("homeless_people_count", {PIT: everybody})) == everybody["period"].n_unique()


def test_beds_are_all_kinds_together_and_missing_where_one_is():
    found = rows_of("youth_beds_count", {HIC: hic(("2024", "2023", 20, 10, 5, 1), ("2025", "2024", 20, None, 5, 1))})
    assert found["2023"]["value"] == 36.0
    assert found["2024"]["value"] is None and found["2024"]["note"]


def test_beds_for_each_young_person_have_the_error_of_the_count():
    years = [("2025", year, FULL, 90, 10) for year in ("2022", "2023", "2024")]
    row = rows_of("youth_beds_ratio", {HIC: hic(("2025", "2024", 20, 10, 10, 10)), PIT: pit(*years)})["2024"]
    se = 300**0.5 / 3
    assert row["value"] == pytest.approx(0.5)
    assert row["value_lower"] == pytest.approx(50 / (100 + 1.645 * se))
    assert row["value_upper"] == pytest.approx(50 / (100 - 1.645 * se))


def test_beds_are_not_set_against_a_count_of_long_ago():
    years = [("2018", year, None, 90, 10) for year in ("2016", "2017", "2018")]
    tables = {HIC: hic(("2024", "2020", 20, 10, 10, 10), ("2024", "2021", 20, 10, 10, 10)), PIT: pit(*years)}
    assert set(rows_of("youth_beds_ratio", tables)) == {"2020"}
    one = all_indicators()["youth_beds_ratio"]
    with pytest.raises(AbsentError):
        one.compute({**tables, HIC: hic(("2024", "2024", 20, 10, 10, 10))}, one)


@pytest.mark.parametrize("name", ["homeless_people_count", "homeless_under_25_count", "youth_beds_count"])
def test_without_a_workbook_the_indicator_says_which_would_bring_it(name):
    one = all_indicators()[name]
    with pytest.raises(AbsentError) as caught:
        one.compute({PIT: pit(), HIC: hic()}, one)
    assert caught.value.file_missing.startswith("hud_")


def test_none_of_them_knows_a_county():
    for name in ("homeless_people_count", "homeless_under_25_count", "youth_beds_count", "youth_beds_ratio"):
        one = all_indicators()[name]
        assert (one.levels, one.direction, one.topic) == (("coc",), 0, "context")
