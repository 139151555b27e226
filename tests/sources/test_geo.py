"""Boundaries: what the simulated files say, what is refused, and the same from the loopback publisher."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from itertools import pairwise

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from quality.contract import Table
from sources.geo import COUNTY, DISTRICT, SOURCE, TRACT
from sources.geo.geometry import polygon
from sources.simulated import files
from sources.simulated.region import region
from sources.source import EVERYTHING, ParseError, RawFile, Scope
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

FILES = {(vintage, name): body for vintage, name, body in files("geo")}
TRACT_ZIP = "cb_2024_97_tract_500k.zip"
UNIFIED_ZIP = "cb_2024_97_unsd_500k.zip"


def parse(vintage: str, name: str, body: bytes | None = None, scope: Scope = EVERYTHING) -> pl.DataFrame:
    found = SOURCE.parse(RawFile("geo", vintage, name, FILES[vintage, name] if body is None else body, scope))
    ((key, frame),) = found.items()
    table = next(table for table in SOURCE.tables if table.key == key)
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def repacked(body: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The archive with its members changed; None leaves one out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            changed = change(name, old.read(name))
            if changed is not None:
                new.writestr(name, changed)
    return out.getvalue()


def area(geometry: str) -> float:
    """Area of the parts in square degrees, without holes."""
    shape = json.loads(geometry)
    parts = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
    total = 0.0
    for ring in (part[0] for part in parts):
        total += abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))) / 2
    return total


@pytest.mark.parametrize(("vintage", "name"), list(FILES))
def test_every_simulated_file_parses(vintage, name):
    frame = parse(vintage, name)
    assert frame.height and set(frame["vintage"]) == {vintage}


def test_counties_of_two_forms_are_the_same_counties():
    topology, shapes = parse("2023", "counties-10m.topojson"), parse("2024", "cb_2024_us_county_500k.zip")
    assert topology["geo_id"].to_list() == shapes["geo_id"].to_list()
    assert topology["geo_name"].to_list() == shapes["geo_name"].to_list()
    for one, other in zip(topology["geometry"], shapes["geometry"], strict=True):
        assert area(one) == pytest.approx(area(other), rel=1e-3)
    assert topology["land_area_m2"].null_count() == 24 and shapes["land_area_m2"].to_list() == [2e9] * 24


def test_tracts_fill_their_county():
    tracts = parse("2024", TRACT_ZIP)
    assert tracts["geo_id"].to_list() == sorted(tract.geoid for tract in region().tracts)
    counties = dict(parse("2024", "cb_2024_us_county_500k.zip").select("geo_id", "geometry").iter_rows())
    for county, geometry in counties.items():
        parts = tracts.filter(pl.col("geo_id").str.starts_with(county))["geometry"]
        assert sum(area(part) for part in parts) == pytest.approx(area(geometry), rel=1e-3)
    passed_on = parse("2020", "zz_tracts.geojson")
    assert passed_on["geo_id"].to_list() == tracts["geo_id"].to_list()
    for one, other in zip(passed_on["geometry"], tracts["geometry"], strict=True):
        assert area(one) == pytest.approx(area(other), rel=1e-2)


def test_districts_cover_as_much_of_a_county_as_they_say():
    frame = parse("2024", UNIFIED_ZIP)
    assert set(frame["layer"]) == {"unified"} and frame.height == len(region().districts)
    hexagon = area(parse("2024", "cb_2024_us_county_500k.zip")["geometry"][0])
    shared = region().counties[0].fips
    for district in region().districts:
        if shared not in district.shares:
            (geometry,) = frame.filter(pl.col("geo_id") == f"97{district.leaid}")["geometry"]
            assert area(geometry) == pytest.approx(hexagon * sum(district.shares.values()), rel=1e-3)
            assert json.loads(geometry)["type"] == ("MultiPolygon" if len(district.shares) > 1 else "Polygon")


def test_elementary_and_secondary_districts_share_their_ground():
    low, high = parse("2024", "cb_2024_us_elsd_500k.zip"), parse("2024", "cb_2024_us_scsd_500k.zip")
    assert (low["layer"].to_list(), high["layer"].to_list()) == (["elementary"], ["secondary"])
    assert low["geometry"].to_list() == high["geometry"].to_list() and low["geo_id"][0] != high["geo_id"][0]


def test_levels_below_the_county_are_those_of_the_runs_states():
    elsewhere = Scope(states=("29", "17"))
    assert parse("2024", "cb_2024_us_elsd_500k.zip", scope=elsewhere).height == 0
    assert parse("2024", "cb_2024_us_county_500k.zip", scope=elsewhere).height == 24
    assert parse("2024", TRACT_ZIP, scope=Scope(states=("97",))).height == len(region().tracts)


def test_coordinates_have_five_decimals():
    square = [[0.123456789, 1.0], [0.2, 1.0], [0.2, 2.0], [0.123456789, 1.0]]
    assert json.loads(polygon("Polygon", [square]))["coordinates"][0][0] == [0.12346, 1.0]


@pytest.mark.parametrize(
    ("ring", "rule"),
    [
        ([[0, 0], [1, 0], [0, 0]], "at least four points"),
        ([[0, 0], [1, 0], [1, 1], [0, 1]], "ends where it starts"),
        ([[0, 0], [190, 0], [1, 1], [0, 0]], "degrees"),
        ([[0, 0], [float("nan"), 0], [1, 1], [0, 0]], "degrees"),
    ],
)
def test_rings_are_judged(ring, rule):
    with pytest.raises(ValueError, match=rule):
        polygon("Polygon", [ring])
    with pytest.raises(ValueError, match="must be a Polygon or MultiPolygon, but is a Point"):
        polygon("Point", [0, 0])


def geojson(**changes: object) -> bytes:
    collection = json.loads(FILES["2020", "zz_tracts.geojson"])
    collection["features"][1].update(changes)
    return json.dumps(collection).encode()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"<html>Not here</html>", "must be a GeoJSON FeatureCollection"),
        (b"", "must be a GeoJSON FeatureCollection"),
        (b'{"features": []}', "no features"),
        (FILES["2020", "zz_tracts.geojson"][:-500], "must be a GeoJSON FeatureCollection"),
        (geojson(properties={"name": "1"}), "row 2: .*none of the properties GEOID, geoid, tract_id"),
        (geojson(properties={"geoid": "9700100010"}), "row 2: .*eleven digits"),
        (geojson(geometry=None), "row 2"),
        (geojson(geometry={"type": "Polygon", "coordinates": [[["a", "b"]] * 4]}), "row 2"),
    ],
)
def test_faults_of_geojson(body, rule):
    with pytest.raises(ParseError, match=rule) as error:
        parse("2020", "zz_tracts.geojson", body)
    assert error.value.file == "geo/2020/zz_tracts.geojson"


def drop(suffix: str) -> Callable[[str, bytes], bytes | None]:
    return lambda name, body: None if name.endswith(suffix) else body


def swap(suffix: str, old: bytes, new: bytes) -> Callable[[str, bytes], bytes | None]:
    return lambda name, body: body.replace(old, new, 1) if name.endswith(suffix) else body


def shorten(name: str, body: bytes) -> bytes:
    return body[:-40] if name.endswith(".shp") else body


def lose_shapes(name: str, body: bytes) -> bytes:
    """The first area alone, and a header that agrees; the attributes stay."""
    if not name.endswith(".shp"):
        return body
    end = 100 + 8 + 2 * struct.unpack(">i", body[104:108])[0]
    return body[:24] + struct.pack(">i", end // 2) + body[28:end]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (drop(".shp"), "must hold one member like '\\*.shp', but holds 0"),
        (drop(".dbf"), "must hold one member like '\\*.dbf', but holds 0"),
        (drop(".prj"), "must hold one member like '\\*.prj', but holds 0"),
        (swap(".prj", b"GEOGCS", b"PROJCS"), "coordinates must be degrees"),
        (swap(".dbf", b"GEOID\0", b"GEOIX\0"), "lacks the attribute GEOID; it has STATEFP, COUNTYFP"),
        (swap(".dbf", b"9700100010097001000100", b"970010001009700100010A"), "row 1: .*must have 11 digits"),
        (swap(".shp", struct.pack(">i", 9994), b"<!DO"), "must be a shapefile"),
        (shorten, "as its header says"),
        (lose_shapes, "must"),
    ],
)
def test_faults_of_shapefiles(change, rule):
    with pytest.raises(ParseError, match=rule) as error:
        parse("2024", TRACT_ZIP, repacked(FILES["2024", TRACT_ZIP], change))
    assert error.value.file.startswith(f"geo/2024/{TRACT_ZIP}")


@pytest.mark.parametrize("body", [b"", b"<html>Not here</html>", FILES["2024", TRACT_ZIP][:-200]])
def test_no_archive(body):
    with pytest.raises(ParseError, match="must be a whole ZIP archive"):
        parse("2024", TRACT_ZIP, body)


def test_a_file_lies_in_the_folder_of_its_year():
    with pytest.raises(ParseError, match="must lie in the folder of its year, but is of 2024"):
        parse("2023", TRACT_ZIP, FILES["2024", TRACT_ZIP])


def test_topojson_faults():
    with pytest.raises(ParseError, match="TopoJSON with the object 'counties'"):
        parse("2023", "counties-10m.topojson", b"<html>")
    broken = json.loads(FILES["2023", "counties-10m.topojson"])
    del broken["objects"]["counties"]["geometries"][2]["id"]
    with pytest.raises(ParseError, match="row 3"):
        parse("2023", "counties-10m.topojson", json.dumps(broken).encode())


def live(publisher: Publisher, scope: Scope) -> dict[str, bytes]:
    fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
    assert SOURCE.fetch is not None
    return {fetched.name: fetched.body for fetched in SOURCE.fetch(fetcher, "2024", scope)}


def test_live_files_are_the_simulated_ones():
    with Publisher() as publisher:
        found = live(publisher, Scope(states=("97",)))
    assert found == {name: body for (vintage, name), body in FILES.items() if vintage == "2024"}


def test_a_national_run_asks_for_national_files():
    with Publisher() as publisher:
        found = live(publisher, EVERYTHING)
    assert sorted(found) == [f"cb_2024_us_{kind}_500k.zip" for kind in ("county", "elsd", "scsd", "tract", "unsd")]
    for kind in ("tract", "unsd"):
        here = parse("2024", f"cb_2024_97_{kind}_500k.zip")
        assert parse("2024", f"cb_2024_us_{kind}_500k.zip", found[f"cb_2024_us_{kind}_500k.zip"]).equals(here)


def test_the_probe_is_one_small_file():
    assert SOURCE.probe is not None
    with Publisher() as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=1, wait_initial=0.01)
        assert fetcher.get(SOURCE.probe("2024")).body[:2] == b"PK"


@pytest.mark.parametrize("table", [COUNTY, TRACT, DISTRICT])
def test_tables_say_their_datum(table: Table):
    assert "NAD 83" in table.description and "WGS 84" in table.description
