"""Indicators of schools, segregation, gaps and homelessness in the real files of Missouri and Metro East."""

import polars as pl
import pytest

from models.indicators.indicator import all_indicators
from tests.real.conftest import Warehouse

CITY, COUNTY, TEXAS = "29510", "29189", "29215"
PRESENT = {
    "homeless_students_share": ("2023", 100, 115),
    "identified_pupils_ratio": ("2023", 100, 115),
    "graduation_share": ("2022", 120, 123),
    "learning_rate_score": ("2018", 115, 123),
    "segregation_theil_share": ("2023", 20, 30),
    "dissimilarity_black_white_share": ("2023", 20, 30),
    "black_isolation_share": ("2023", 20, 30),
    "child_poverty_black_white_gap": ("2023", 20, 35),
    "child_poverty_latinx_white_gap": ("2023", 40, 60),
    "income_black_white_ratio": ("2023", 15, 30),
}
"""Newest period, and how many of the region's 123 counties have a value at least and at most."""
STATE, COC = ("children_in_care_count", "aged_out_count"), ("homeless_under_25_count", "youth_beds_count")


def counties(region: Warehouse, name: str) -> pl.DataFrame:
    """The newest values of the region's counties."""
    period = region.value(f"SELECT max(period) FROM indicator.{name} WHERE value IS NOT NULL AND geo_level = 'county'")
    rows = region.rows(
        f"SELECT i.geo_id, value, value_lower, value_upper, quality, note, period FROM indicator.{name} i "
        "SEMI JOIN risk.scores USING (geo_id) "
        f"WHERE geo_level = 'county' AND period = '{period}'"
    )
    columns = ["geo_id", "value", "value_lower", "value_upper", "quality", "note", "period"]
    return pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)


@pytest.mark.parametrize("name", PRESENT)
def test_every_county_has_a_row_with_a_value_or_a_reason(region: Warehouse, name: str):
    period, least, most = PRESENT[name]
    found = counties(region, name)
    assert (found.height, found["period"][0]) == (123, period)
    assert least <= found["value"].count() <= most
    assert found.filter(pl.col("value").is_null() & pl.col("note").is_null()).is_empty()
    bounded = found.drop_nulls(["value", "value_lower"])
    assert ((bounded["value_lower"] <= bounded["value"]) & (bounded["value"] <= bounded["value_upper"])).all()


def test_homeless_pupils_of_st_louis_city_are_the_publishers_and_more_may_be_missed(region: Warehouse):
    rows = {row["geo_id"]: row for row in counties(region, "homeless_students_share").to_dicts()}
    assert rows[CITY]["value"] == pytest.approx(0.121571, abs=1e-6)
    # 3,648 of 29,999 at most, and a quarter more
    assert rows[CITY]["value_upper"] == pytest.approx(0.1520, abs=2e-4)
    assert rows[CITY]["note"].startswith("3646 to 3648 identified")
    assert rows[TEXAS]["value"] == pytest.approx(0.0202, abs=1e-4)
    missing = [row for row in rows.values() if row["value"] is None]
    assert missing and all("missing, not zero" in row["note"] for row in missing)


def test_few_pupils_are_identified_where_few_are_looked_for(region: Warehouse):
    found = counties(region, "identified_pupils_ratio")
    weak = found.filter(pl.col("note").str.contains("may not look"))
    assert 3 <= weak.height <= 40
    assert weak["quality"].min() == 3
    assert weak["value"].max() < found.filter(pl.col("quality") < 3)["value"].min()


def test_st_louis_city_graduates_fewest_of_the_region_and_its_charters_are_in(region: Warehouse):
    found = counties(region, "graduation_share").sort("value", nulls_last=True)
    assert found["geo_id"][0] == CITY
    # The city's district prints 74 % of 1,404; 468 in its charter schools do better.
    assert found["value"][0] == pytest.approx(0.763, abs=0.01)
    assert found.filter(pl.col("geo_id") == COUNTY)["value"].item() == pytest.approx(0.897, abs=0.01)
    district = region.value("SELECT value FROM indicator.graduation_share WHERE geo_id = '2929280' AND period = '2022'")
    assert district == pytest.approx(0.74, abs=0.005)


def test_st_louis_county_is_the_most_segregated_and_texas_county_is_not_measured(region: Warehouse):
    found = counties(region, "segregation_theil_share").sort("value", descending=True, nulls_last=True)
    assert found["geo_id"].to_list()[:3] == [COUNTY, CITY, "17163"]
    # Its prison made it first by decennial counts.
    assert "1,000 members" in found.filter(pl.col("geo_id") == TEXAS)["note"].item()


def test_gaps_are_missing_where_a_group_is_small(region: Warehouse):
    gaps = {row["geo_id"]: row["value"] for row in counties(region, "child_poverty_black_white_gap").to_dicts()}
    assert gaps[CITY] == pytest.approx(0.20, abs=0.02) and gaps[COUNTY] == pytest.approx(0.25, abs=0.02)
    assert gaps[TEXAS] is None
    incomes = {row["geo_id"]: row["value"] for row in counties(region, "income_black_white_ratio").to_dicts()}
    # Bond County's median of a handful of households is 6,393 dollars: no ratio of it is published.
    assert incomes["17005"] is None
    assert incomes[CITY] == pytest.approx(0.52, abs=0.02)


def test_what_states_and_cocs_know_has_no_row_of_a_county(region: Warehouse):
    for name, level in [*((name, "state") for name in STATE), *((name, "coc") for name in COC)]:
        assert region.rows(f"SELECT DISTINCT geo_level FROM indicator.{name}") == [(level,)]
    assert region.value("SELECT value FROM indicator.aged_out_count WHERE geo_id = '29' AND period = '2024'") == 347


def test_young_people_on_one_night_are_a_mean_of_three_years(region: Warehouse):
    # 68 to 2015; 108 + 41, 77 + 59 and 54 + 28 in 2016 to 2018
    [(value, note)] = region.rows(
        "SELECT value, note FROM indicator.homeless_under_25_count WHERE geo_id = 'MO-501' AND period = '2018'"
    )
    assert value == pytest.approx((149 + 136 + 82) / 3)
    assert note == "mean of 2016, 2017, 2018"


def test_what_no_file_brings_is_absent_with_its_name(region: Warehouse):
    absent = dict(region.rows("SELECT part, file_missing FROM meta.absent WHERE part LIKE 'indicator.%'"))
    for name, folder in (
        ("foster_entry_per_1000", "foster_county/"),
        ("foster_in_care_per_1000", "foster_county/"),
        ("black_children_in_care_ratio", "census_pep/"),
        ("income_extremes_gap", "census_acs5/2023/county/B19001"),
    ):
        assert name in all_indicators()
        assert absent[f"indicator.{name}"].startswith(folder)
