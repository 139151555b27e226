"""Service areas: what the file must say, and that an empty one declares none."""

from pathlib import Path

import polars as pl
import pytest

from sources.service_areas import COLUMNS, COUNTIES, SOURCE
from sources.simulated import files
from sources.source import ParseError, RawFile

TEMPLATE = Path(__file__).parents[2] / "docs" / "examples" / "regions.csv"


def read(text: str) -> pl.DataFrame:
    return SOURCE.parse(RawFile("service_areas", "2025", "regions.csv", text.encode()))[COUNTIES.key]


GOOD = (
    "area_id,title,county,source\nriver,River counties,29510,Board minutes\nriver,River counties,29189,Board minutes\n"
)


def test_an_area_is_the_counties_that_it_lists():
    frame = read(GOOD)
    assert frame["geo_id"].to_list() == ["29510", "29189"]
    assert frame["area_id"].unique().to_list() == ["river"]
    COUNTIES.conform(frame.with_columns(snapshot_sha256=pl.lit("ab" * 32)))


def test_the_template_that_ships_declares_no_area():
    assert TEMPLATE.read_text(encoding="utf-8").strip() == ",".join(COLUMNS)
    assert read(TEMPLATE.read_text(encoding="utf-8")).is_empty()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("river,River counties,29189", "River Area,River counties,29189", "must be lower-case letters"),
        ("29189", "2918", "five-digit FIPS"),
        ("29189", "St. Louis County", "five-digit FIPS"),
        ("29189", "29510", "must stand once in an area"),
        ("river,River counties,29189", "river,Other,29189", "one title for one area"),
        ("29189,Board minutes", "29189,", "must not be empty"),
        ("area_id,title", "area,title", "must have the columns"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_rule(old, new, rule):
    with pytest.raises(ParseError, match=rule) as told:
        read(GOOD.replace(old, new))
    assert "regions.csv" in str(told.value)


def test_the_sample_has_two_areas_that_overlap():
    ((vintage, name, body),) = files("service_areas")
    frame = SOURCE.parse(RawFile("service_areas", vintage, name, body))[COUNTIES.key]
    assert frame["area_id"].n_unique() == 2
    assert frame["geo_id"].is_duplicated().any()
