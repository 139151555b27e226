"""Boundaries of counties, tracts and school districts, for maps and for what lies inside what."""

import re

import polars as pl

from quality.columns import GEO_NAME, SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.geo.geojson import read_tracts
from sources.geo.live import fetch, probe
from sources.geo.shapefile import read_areas
from sources.geo.topojson import read_counties
from sources.source import ParseError, RawFile, Source, Vintage

_DATUM = (
    "Coordinates are longitude and latitude to five decimals (about a metre). The Census Bureau states them in NAD 83, "
)
_DATUM += (
    "which differs from the WGS 84 of GeoJSON by one to two metres, less than these boundaries are simplified by. "
)
_SHARED = (
    Column(
        "geometry",
        pl.String,
        "GeoJSON geometry, five decimals.",
        nullable=False,
        pattern=r'^\{"type": ?"(Multi)?Polygon"',
    ),
    Column(
        "land_area_m2",
        pl.Float64,
        "Land area as the publisher states it; null where the file does not say.",
        unit="square metres",
        minimum=0,
    ),
    SNAPSHOT,
)

COUNTY = Table(
    key="core.geo_county",
    title="County boundaries",
    description=f"Simplified boundaries of counties, a vintage each. {_DATUM}Choose one vintage: Connecticut has nine "
    "planning regions from 2022 on.",
    columns=(VINTAGE, geo_level("county"), geo_id("county"), GEO_NAME, *_SHARED),
    primary_key=("vintage", "geo_id"),
    may_be_empty=True,
)
TRACT = Table(
    key="core.geo_tract",
    title="Census tract boundaries",
    description=f"Simplified boundaries of census tracts, a vintage each, for the states of the run. {_DATUM}",
    columns=(VINTAGE, geo_level("tract"), geo_id("tract"), *_SHARED),
    primary_key=("vintage", "geo_id"),
    may_be_empty=True,
)
DISTRICT = Table(
    key="core.geo_district",
    title="School district boundaries",
    description="Simplified boundaries of school districts in three layers, for the states of the run. Elementary and "
    f"secondary districts cover the same ground: never add residents of both. {_DATUM}",
    columns=(
        VINTAGE,
        geo_level("school_district"),
        geo_id("school_district"),
        GEO_NAME,
        Column(
            "layer",
            pl.String,
            "unified covers all grades; elementary and secondary districts share the ground between them.",
            nullable=False,
            allowed=("unified", "elementary", "secondary"),
        ),
        *_SHARED,
    ),
    primary_key=("vintage", "layer", "geo_id"),
    may_be_empty=True,
)

_ZIP = re.compile(r"cb_(?P<year>\d{4})_(?:us|\d{2})_(?P<kind>county|tract|unsd|elsd|scsd)_500k\.zip")
_LAYERS = {"unsd": "unified", "elsd": "elementary", "scsd": "secondary"}


def _shapefile(file: RawFile) -> dict[str, pl.DataFrame]:
    match = _ZIP.fullmatch(file.name)
    if match is None:
        raise ParseError(file.label, "must be named as the Census Bureau names it, such as cb_2024_29_tract_500k.zip")
    if match["year"] != file.vintage:
        raise ParseError(file.label, f"must lie in the folder of its year, but is of {match['year']}")
    kind = match["kind"]
    table = {"county": COUNTY, "tract": TRACT}.get(kind, DISTRICT)
    frame = read_areas(file, {"county": 5, "tract": 11}.get(kind, 7)).with_columns(
        vintage=pl.lit(file.vintage),
        geo_level=pl.lit({"county": "county", "tract": "tract"}.get(kind, "school_district")),
        layer=pl.lit(_LAYERS.get(kind)),
    )
    if table is not COUNTY and file.scope.states is not None:
        # National files of districts hold every state.
        frame = frame.filter(pl.col("geo_id").str.head(2).is_in(file.scope.states))
    return {table.key: frame.select(name for name in table.column_names if name != SNAPSHOT.name)}


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read zipped shapefiles of the Census Bureau, counties as TopoJSON, or tracts as GeoJSON."""
    if file.name.endswith(".topojson"):
        return {COUNTY.key: read_counties(file)}
    if file.name.endswith(".geojson"):
        return {TRACT.key: read_tracts(file)}
    return _shapefile(file)


SOURCE = Source(
    id="geo",
    title="Boundaries of counties, tracts and school districts",
    publisher="US Census Bureau; counties of 2023 as TopoJSON by the us-atlas project",
    licence="Boundaries are in the public domain (work of the US government)",
    citation="US Census Bureau, Cartographic Boundary Files.",
    landing_page="https://www.census.gov/geographies/mapping-files/time-series/geo/cartographic-boundary.html",
    cadence="yearly",
    cadence_days=800,
    vintages=(
        Vintage("2020", live=False),
        Vintage("2023", live=False),
        # The day is inferred: files of a year appear around the middle of the next.
        Vintage("2024", released="2025-06-30"),
    ),
    tables=(COUNTY, TRACT, DISTRICT),
    files={
        COUNTY.key: ("counties-10m.topojson", "cb_????_us_county_500k.zip"),
        TRACT.key: ("*_tracts.geojson", "cb_????_??_tract_500k.zip"),
        DISTRICT.key: tuple(f"cb_????_??_{kind}_500k.zip" for kind in _LAYERS),
    },
    parse=parse,
    fetch=fetch,
    probe=probe,
)
