"""Homeless pupils: suppression, the declared undercount, and how well schools look."""

import polars as pl
import pytest

from models.indicators.assemble import assemble
from models.indicators.homeless_students import POOR, PUPILS, identified
from models.indicators.indicator import AbsentError, all_indicators

SHA, OTHER = "a" * 64, "b" * 64
COUNTIES = pl.DataFrame({"geo_id": [f"29{n:03d}" for n in range(1, 26, 2)], "geo_name": ["x"] * 13})


def pupils(*rows: tuple, period: str = "2022-2023", vintage: str = "2022") -> pl.DataFrame:
    """Rows from (county, published, lower, upper, share, grade)."""
    return pl.DataFrame(
        [(vintage, period, g, n, low, up, share, grade, SHA) for g, n, low, up, share, grade in rows],
        schema={
            "vintage": pl.String, "period": pl.String, "geo_id": pl.String, "count_published": pl.Float64,
            "count_lower": pl.Float64, "count_upper": pl.Float64, "share_published": pl.Float64,
            "count_quality": pl.String, "snapshot_sha256": pl.String,
        },
        orient="row",
    )  # fmt: skip


def poor(*rows: tuple, period: str = "2023") -> pl.DataFrame:
    """Rows from (county, related children in poverty, lower, upper)."""
    name = "poverty_5_17_related_count"
    return pl.DataFrame(
        [(period, period, g, n, low, up, OTHER) for g, n, low, up in rows],
        schema={
            "vintage": pl.String, "period": pl.String, "geo_id": pl.String, name: pl.Float64,
            f"{name}_lower": pl.Float64, f"{name}_upper": pl.Float64, "snapshot_sha256": pl.String,
        },
        orient="row",
    )  # fmt: skip


def share(pupil_rows: pl.DataFrame, poor_rows: pl.DataFrame) -> dict[str, dict]:
    frame, _ = assemble(all_indicators()["homeless_students_share"], {PUPILS: pupil_rows, POOR: poor_rows}, COUNTIES)
    return {row["geo_id"]: row for row in frame.to_dicts()}


TEN = [(f"29{n:03d}", 20.0 + n, 20.0 + n, 20.0 + n, 0.02, "1") for n in range(3, 23, 2)]
"""Ten counties with 23 to 41 homeless pupils among 50 times as many."""
NEEDY = [(row[0], 100.0, 80.0, 125.0) for row in TEN]


def test_the_interval_is_the_declared_factor_on_the_bounds_of_suppression():
    # 100 of 2,000 pupils, 98 to 104 with suppression: 98 x 0.95 / 2,000 and 104 x 1.25 / 2,000
    row = share(pupils(("29001", 100, 98, 104, 0.05, "2"), *TEN), poor(("29001", 400, 300, 500), *NEEDY))["29001"]
    assert (row["value"], row["value_lower"], row["value_upper"]) == pytest.approx((0.05, 0.04655, 0.065))
    assert row["note"] == "98 to 104 identified: some districts are suppressed"
    assert row["quality"] == 2


def test_a_county_that_identifies_few_of_its_poor_pupils_gets_a_wide_upper_side_and_quality_3():
    # 10 for 400 poor pupils is the lowest of eleven ratios, below their tenth percentile; upper side twice 10 / 1,000
    row = share(pupils(("29001", 10, 10, 10, 0.01, "1"), *TEN), poor(("29001", 400, 300, 500), *NEEDY))["29001"]
    assert (row["value"], row["value_lower"], row["value_upper"]) == pytest.approx((0.01, 0.0095, 0.02))
    assert row["quality"] == 3 and "may not look" in row["note"]


@pytest.mark.parametrize("published", [0.0, None])
def test_nobody_identified_is_missing_with_a_note_and_never_zero(published):
    found = share(pupils(("29001", published, published, published, published, None), *TEN), poor(*NEEDY))
    assert found["29001"]["value"] is None and found["29001"]["value_kind"] == "missing"
    assert "missing, not zero" in found["29001"]["note"]
    # A county that the file does not list has a row too.
    assert found["29025"]["value"] is None and found["29025"]["note"]


def test_the_publishers_grade_makes_quality_worse_and_never_better():
    found = share(pupils(("29001", 100, 60, 140, 0.05, "3"), *TEN), poor(("29001", 200, 180, 220), *NEEDY))
    assert found["29001"]["quality"] == 3
    # Grade 1 without a standard error is no better than usable.
    assert found["29021"]["quality"] == 2


def test_pupils_for_each_poor_pupil_take_the_nearest_year_of_at_most_two_away():
    rows = pl.concat(
        [pupils(("29001", 50, 50, 50, 0.05, "1"), period=f"{year - 1}-{year}") for year in (2016, 2018, 2020, 2023)]
    )
    money = pl.concat([poor(("29001", 100, 80, 125), period="2018"), poor(("29001", 200, 160, 250), period="2023")])
    found = identified(rows, money)
    assert found["period"].to_list() == ["2016", "2018", "2020", "2023"]
    assert found["poor"].to_list() == [100, 100, 100, 200]
    assert identified(pupils(("29001", 50, 50, 50, 0.05, "1"), period="2014-2015"), money)["poor"].to_list() == [None]


def test_the_ratios_interval_sets_the_ends_against_each_other():
    one = all_indicators()["identified_pupils_ratio"]
    tables = {PUPILS: pupils(("29001", 100, 90, 110, 0.05, "2")), POOR: poor(("29001", 400, 300, 500))}
    [row] = one.compute(tables, one).to_dicts()
    # 100 / 400; 90 / 500 and 110 / 300
    assert (row["value"], row["value_lower"], row["value_upper"]) == pytest.approx((0.25, 0.18, 110 / 300))
    assert row["snapshot_sha256"] == f"{SHA},{OTHER}"


def test_the_newest_vintage_of_a_year_counts_once():
    rows = pl.concat(
        [pupils(("29001", 50, 50, 50, 0.05, "1")), pupils(("29001", 60, 60, 60, 0.06, "1"), vintage="2023")]
    )
    assert identified(rows, poor(("29001", 100, 80, 125)))["count"].to_list() == [60]


@pytest.mark.parametrize("name", ["homeless_students_share", "identified_pupils_ratio"])
def test_without_a_file_the_indicator_says_which_would_bring_it(name):
    one = all_indicators()[name]
    with pytest.raises(AbsentError) as caught:
        one.compute({PUPILS: pupils(), POOR: poor()}, one)
    assert caught.value.file_missing.startswith("ed_homeless_students/")
