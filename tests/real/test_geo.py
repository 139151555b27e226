"""Real boundaries: every file parses; the simulated ones are written as they are.

The live form, zipped shapefiles of the Census Bureau, has no real counterpart among the files at hand: its members and
attributes follow the Bureau's record layout, and only `tests/sources/test_geo.py` reads it.
"""

import json

import polars as pl
import pytest

from sources.geo import COUNTY, SOURCE, TRACT
from sources.simulated import files
from sources.source import RawFile

REAL = ["2020/mo_tracts.geojson", "2020/il_tracts.geojson", "2023/counties-10m.topojson"]


def parse(real_data, path: str) -> pl.DataFrame:
    vintage, name = path.split("/")
    ((key, frame),) = SOURCE.parse(RawFile("geo", vintage, name, real_data / "geo" / path)).items()
    table = next(table for table in SOURCE.tables if table.key == key)
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def test_every_real_file_is_read(real_data):
    here = {path.relative_to(real_data / "geo").as_posix() for path in (real_data / "geo").rglob("*") if path.is_file()}
    assert here == set(REAL)
    assert all(SOURCE.reads(path.split("/")[1]) for path in here)


@pytest.mark.parametrize(("path", "rows", "state"), [(REAL[0], 1654, "29"), (REAL[1], 3263, "17")])
def test_tracts(path, rows, state, real_data):
    frame = parse(real_data, path)
    assert frame.height == rows and set(frame["geo_id"].str.head(2)) == {state}
    longest = max(
        len(str(number).partition(".")[2]) for number in json.loads(frame["geometry"][0])["coordinates"][0][0]
    )
    assert longest <= 5


def test_counties(real_data):
    frame = parse(real_data, REAL[2])
    assert frame.height == 3233
    assert frame.filter(pl.col("geo_id").str.starts_with("29")).height == 115
    assert frame.filter(pl.col("geo_id").str.starts_with("09")).height == 9
    louis = frame.filter(pl.col("geo_id").is_in(["29189", "29510"]))
    assert louis["geo_name"].to_list() == ["St. Louis", "St. Louis"]


def test_tracts_lie_in_known_counties(real_data):
    counties = set(parse(real_data, REAL[2])["geo_id"])
    for path in REAL[:2]:
        assert set(parse(real_data, path)["geo_id"].str.head(5)) <= counties


def test_simulated_tracts_are_written_as_real_ones(real_data):
    """The same members and the same place of the id as in one of the real files."""
    ours = json.loads(next(body for vintage, name, body in files("geo") if name == "zz_tracts.geojson"))
    theirs = json.loads((real_data / "geo" / REAL[0]).read_bytes())
    assert set(ours) <= set(theirs) and set(ours["features"][0]) == set(theirs["features"][0])
    assert set(ours["features"][0]["properties"]) <= set(theirs["features"][0]["properties"])
    assert len(theirs["features"][0]["properties"]["geoid"]) == 11
    for found in (ours, theirs):
        assert {feature["geometry"]["type"] for feature in found["features"]} == {"Polygon"}


def test_tables_of_real_files():
    assert {COUNTY.key, TRACT.key} <= set(SOURCE.files)
