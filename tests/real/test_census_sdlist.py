"""Districts and their counties, on the real list."""

from pathlib import Path

import fastexcel
import polars as pl
import pytest

from sources.census_sdlist import DISTRICT_COUNTY, parse
from sources.simulated import files
from sources.source import RawFile

PATH = "census_sdlist/2021/sdlist-21.xls"
SHEET = "sdlist_21"


@pytest.fixture(scope="module")
def frame(real_data: Path) -> pl.DataFrame:
    file = RawFile("census_sdlist", "2021", "sdlist-21.xls", real_data / PATH)
    found = parse(file)[DISTRICT_COUNTY.key]
    return DISTRICT_COUNTY.conform(found.with_columns(snapshot_sha256=pl.lit(file.sha256)))


def parts(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by("district_id").len()


def test_every_part_of_every_district(frame: pl.DataFrame):
    assert frame.height == 18_998
    assert not frame.select(DISTRICT_COUNTY.primary_key).is_duplicated().any()
    assert parts(frame).filter(pl.col("len") > 1).height == 4_029
    for state, districts, in_several in (("29", 516, 267), ("17", 851, 321)):
        here = parts(frame.filter(pl.col("district_id").str.starts_with(state)))
        assert (here.height, here.filter(pl.col("len") > 1).height) == (districts, in_several)
    assert frame["district_id"].str.head(2).equals(frame["county_id"].str.head(2))


def test_metro_east_and_st_louis(frame: pl.DataFrame):
    city = frame.filter(county_id="29510")
    assert city.select("district_id", "district_name", "county_name").rows() == [
        ("2929280", "St. Louis City School District", "St. Louis city")
    ]
    metro_east = ["17005", "17013", "17027", "17083", "17117", "17119", "17133", "17163"]
    assert frame.filter(pl.col("county_id").is_in(metro_east)).height == 98


def test_the_simulated_list_has_the_layout_of_the_real_one(real_data: Path):
    [(vintage, name, body)] = files("census_sdlist")
    assert f"census_sdlist/{vintage}/{name}" == PATH
    ours, theirs = (fastexcel.read_excel(source) for source in (body, real_data / PATH))
    assert ours.sheet_names == theirs.sheet_names == [SHEET]
    frames = [book.load_sheet(SHEET, header_row=None, dtypes="string").to_polars().rows() for book in (ours, theirs)]
    assert frames[0][0] == frames[1][0]
    assert [str(rows[1][0])[:31] for rows in frames] == ["Table1:  2021 School Districts "] * 2
    assert frames[0][2] == frames[1][2]
    # Ids are typed as text, or their leading zeros would be gone.
    typed = [book.load_sheet(SHEET, header_row=None, skip_rows=3).to_polars().dtypes for book in (ours, theirs)]
    assert typed[0] == typed[1] == [pl.String] * 6
