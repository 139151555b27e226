"""Boundaries of counties, for maps."""

import json

import polars as pl

from quality.columns import GEO_NAME, SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.source import ParseError, RawFile, Source, Vintage

COUNTY = Table(
    key="core.geo_county",
    title="County boundaries",
    description="Boundaries of counties of one declared vintage as GeoJSON geometries in longitude and latitude.",
    columns=(
        VINTAGE,
        geo_level("county"),
        geo_id("county"),
        GEO_NAME,
        Column(
            "geometry", pl.String, "GeoJSON geometry, WGS 84.", nullable=False, pattern=r'^\{"type": ?"(Multi)?Polygon"'
        ),
        SNAPSHOT,
    ),
    primary_key=("vintage", "geo_id"),
    may_be_empty=True,
)

_Ring = list[list[float]]


def _arcs(topology: dict) -> list[_Ring]:
    """Decode quantised, delta-encoded arcs into coordinates (TopoJSON specification, 2.1.3)."""
    (scale_x, scale_y), (shift_x, shift_y) = topology["transform"]["scale"], topology["transform"]["translate"]
    decoded = []
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append([round(x * scale_x + shift_x, 5), round(y * scale_y + shift_y, 5)])
        decoded.append(points)
    return decoded


def _ring(indices: list[int], arcs: list[_Ring]) -> _Ring:
    """Join arcs into a ring; a negative index is the arc read backwards (~index)."""
    ring: _Ring = []
    for index in indices:
        points = arcs[index] if index >= 0 else arcs[~index][::-1]
        ring += points[1:] if ring else points
    return ring


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a TopoJSON file with the object `counties`."""
    try:
        topology = json.loads(file.body)
        arcs = _arcs(topology)
        counties = topology["objects"]["counties"]["geometries"]
    except (ValueError, KeyError, TypeError) as error:
        raise ParseError(file.label, f"must be TopoJSON with the object 'counties': {error!r}") from None
    records = []
    for number, area in enumerate(counties, start=1):
        try:
            if area["type"] == "Polygon":
                coordinates: list = [_ring(ring, arcs) for ring in area["arcs"]]
            else:
                coordinates = [[_ring(ring, arcs) for ring in polygon] for polygon in area["arcs"]]
            geometry = json.dumps({"type": area["type"], "coordinates": coordinates}, separators=(",", ":"))
            records.append((file.vintage, "county", str(area["id"]), area["properties"]["name"], geometry))
        except (KeyError, IndexError, TypeError) as error:
            raise ParseError(file.label, f"is no area with id, name and arcs: {error!r}", row=number) from None
    columns = ["vintage", "geo_level", "geo_id", "geo_name", "geometry"]
    return {COUNTY.key: pl.DataFrame(records, schema=columns, orient="row")}


SOURCE = Source(
    id="geo",
    title="County boundaries",
    publisher="US Census Bureau, as TopoJSON by the us-atlas project",
    licence="Boundaries are in the public domain (work of the US government)",
    citation="US Census Bureau, Cartographic Boundary Files.",
    landing_page="https://www.census.gov/geographies/mapping-files/time-series/geo/cartographic-boundary.html",
    cadence="yearly",
    cadence_days=800,
    vintages=(Vintage("2023"),),
    tables=(COUNTY,),
    files={COUNTY.key: ("counties-10m.topojson",)},
    parse=parse,
    not_live="The Census Bureau publishes boundaries as shapefiles, which are not read yet: put a TopoJSON file into "
    "<DIR>/geo/2023/ and run with --input DIR.",
)
