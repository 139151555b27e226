import polars as pl
import pytest

from models.geography.regions import RegionError, find_region

COUNTIES = pl.DataFrame(
    {
        "geo_id": ["09110", "17005", "17163", "29189", "29510", "46102", "72001"],
        "geo_name": ["Capitol", "Bond", "St. Clair", "St. Louis County", "St. Louis city", "Oglala Lakota", "Adjuntas"],
    }
)


def test_states_and_counties_by_code():
    assert find_region("29").select(COUNTIES)["geo_id"].to_list() == ["29189", "29510"]
    assert find_region("29,17005").select(COUNTIES)["geo_id"].to_list() == ["17005", "29189", "29510"]
    assert find_region("29510").select(COUNTIES)["geo_name"].to_list() == ["St. Louis city"]


def test_the_nation_leaves_territories_out():
    assert find_region("us").select(COUNTIES)["geo_id"].to_list() == [
        "09110",
        "17005",
        "17163",
        "29189",
        "29510",
        "46102",
    ]


def test_a_declared_number_of_counties_is_held_against_the_list():
    with pytest.raises(RegionError, match="mo-metro-east: the county list has no 17013"):
        find_region("mo-metro-east").select(COUNTIES)
    everything = COUNTIES.vstack(
        pl.DataFrame({"geo_id": [f"17{n}" for n in ("013", "027", "083", "117", "119", "133")]}).with_columns(
            geo_name=pl.lit("x")
        )
    )
    with pytest.raises(RegionError, match="declared with 123 counties, but the list has 10"):
        find_region("mo-metro-east").select(everything)


def test_an_unknown_region_says_which_are_known():
    with pytest.raises(RegionError, match="'atlantis' is unknown; known are mo-metro-east, simulated, st-louis, us"):
        find_region("atlantis")
    with pytest.raises(RegionError, match="'295'"):
        find_region("295")


def test_regions_of_the_configuration_are_judged():
    assert find_region("mine", {"mine": {"title": "Mine", "counties": ["29510"]}}).title == "Mine"
    with pytest.raises(RegionError, match="unknown colour"):
        find_region("mine", {"mine": {"counties": ["29510"], "colour": "red"}})
    with pytest.raises(RegionError, match="two-digit states or five-digit counties"):
        find_region("mine", {"mine": {"counties": ["St. Louis"]}})
    with pytest.raises(RegionError, match="two-digit states or five-digit counties"):
        find_region("mine", {"mine": {"title": "empty"}})
