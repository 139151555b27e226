"""Shapes inside the honeycomb, and the Census Bureau's zipped shapefiles of them."""

import io
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import shapefile  # type: ignore[import-untyped]

from sources.simulated.region import POSTAL, STATE_FIPS, STATE_NAME, County, Region, centre

Point = tuple[float, float]
Ring = list[Point]

_WEST, _SOUTH = -41.5, 34.0
_SIDE = 0.25  # degrees of latitude
_STRETCH = 1 / math.cos(math.radians(35))  # a degree of longitude is shorter than one of latitude
_AREA = 2e9  # square metres of a cell, near enough

# Two districts share the last tenth of a county between them, as in Illinois; no other file of the sample has them.
_OVERLAP = 0.1
ELEMENTARY, SECONDARY = "90010", "90020"

# The Bureau's own words for its datum, with the spaces that ESRI leaves out.
PRJ = (
    'GEOGCS["GCS_North_American_1983",DATUM["D_North_American_1983",SPHEROID["GRS_1980",6378137,298.257222101]],'
    'PRIMEM["Greenwich",0],UNIT["Degree",0.017453292519943295]]'
)


def middle(county: County) -> Point:
    """The centre of a county's hexagon, in degrees."""
    x, y = centre(county.column, county.row)
    return _WEST + _SIDE * _STRETCH * x, _SOUTH + _SIDE * y


def corners(county: County) -> Ring:
    """Six corners, clockwise from the top, as us-atlas winds its rings and shapefiles wind outer ones."""
    x, y = centre(county.column, county.row)
    turns = [math.radians(90 - 60 * i) for i in range(6)]
    return [(_WEST + _SIDE * _STRETCH * (x + math.cos(turn)), _SOUTH + _SIDE * (y + math.sin(turn))) for turn in turns]


def sector(county: County, start: float, end: float) -> Ring:
    """A slice of the hexagon from one share of its outline to another, clockwise and closed.

    As long as the slice is of the outline, so large is it of the area.
    """
    ring = corners(county)
    if start <= 0 and end >= 1:
        return [*ring, ring[0]]

    def at(share: float) -> Point:
        side, along = divmod(6 * share, 1)
        a, b = ring[int(side) % 6], ring[(int(side) + 1) % 6]
        return a[0] + along * (b[0] - a[0]), a[1] + along * (b[1] - a[1])

    between = [ring[i % 6] for i in range(math.floor(6 * start) + 1, math.ceil(6 * end))]
    return [middle(county), at(start), *between, at(end), middle(county)]


@dataclass(frozen=True)
class Area:
    """An area with its attributes and its parts, one ring each."""

    attributes: Mapping[str, object]
    parts: Sequence[Ring]


def _attributes(
    code: str, level: str, own: Mapping[str, str], name: str, share: float, **after: Mapping[str, str]
) -> dict[str, object]:
    """Attributes in the Bureau's order (since 2023; before, AFFGEOID stood where GEOIDFQ stands).

    Args:
        own: attributes of this level that follow the state.
        after: attributes of this level that follow the named one.
    """
    shared: dict[str, object] = {"GEOIDFQ": f"{level}0000US{code}", "GEOID": code, "NAME": name, "STUSPS": POSTAL}
    shared |= {"STATE_NAME": STATE_NAME, "LSAD": "00", "ALAND": round(_AREA * share), "AWATER": 0}
    ordered: dict[str, object] = {"STATEFP": STATE_FIPS, **own}
    for key, value in shared.items():
        ordered |= {key: value, **after.get(key, {})}
    return ordered


def county_areas(region: Region) -> Iterator[Area]:
    """Hexagons."""
    for county in region.counties:
        own = {"COUNTYFP": county.fips[2:], "COUNTYNS": f"{int(county.fips):08d}"}
        named = {"NAMELSAD": county.name}
        yield Area(_attributes(county.fips, "050", own, county.short_name, 1.0, NAME=named), [sector(county, 0, 1)])


def tract_areas(region: Region) -> Iterator[Area]:
    """A county's tracts fan out from its centre, all of one size."""
    for index, county in enumerate(region.counties):
        tracts = [tract for tract in region.tracts if tract.county == index]
        for i, tract in enumerate(tracts):
            own = {"COUNTYFP": county.fips[2:], "TRACTCE": tract.geoid[5:]}
            named, inside = {"NAMELSAD": f"Census Tract {tract.number}"}, {"NAMELSADCO": county.name}
            attributes = _attributes(
                tract.geoid, "140", own, str(tract.number), 1 / len(tracts), NAME=named, STUSPS=inside
            )
            yield Area(attributes, [sector(county, i / len(tracts), (i + 1) / len(tracts))])


def _district(kind: str, leaid: str, name: str, share: float, grades: tuple[str, str]) -> dict[str, object]:
    level = {"UNSD": "970", "ELSD": "950", "SCSD": "960"}[kind]
    span = dict(zip(("LOGRADE", "HIGRADE"), grades, strict=True))
    return _attributes(f"{STATE_FIPS}{leaid}", level, {f"{kind}LEA": leaid}, name, share, LSAD=span)


def district_areas(region: Region) -> dict[str, list[Area]]:
    """Districts by layer: as large a slice of each of their counties as the share of it that they cover."""
    shared = region.counties[0]
    taken = dict.fromkeys((county.fips for county in region.counties), 0.0)
    by_fips = {county.fips: county for county in region.counties}
    unified = []
    for district in region.districts:
        parts = []
        for fips, share in district.shares.items():
            start, end = taken[fips], min(taken[fips] + share, 1.0)
            taken[fips] = end
            parts.append((fips, start, min(end, 1 - _OVERLAP) if fips == shared.fips else end))
        covered = sum(end - start for _, start, end in parts)
        rings = [sector(by_fips[fips], start, end) for fips, start, end in parts]
        unified.append(Area(_district("UNSD", district.leaid, district.name, covered, ("PK", "12")), rings))
    corner = [sector(shared, 1 - _OVERLAP, 1)]
    low, high = (
        f"{shared.short_name} Corner Elementary School District",
        f"{shared.short_name} Corner High School District",
    )
    return {
        "unsd": unified,
        "elsd": [Area(_district("ELSD", ELEMENTARY, low, _OVERLAP, ("PK", "08")), corner)],
        "scsd": [Area(_district("SCSD", SECONDARY, high, _OVERLAP, ("09", "12")), corner)],
    }


_LENGTHS = {"STATEFP": 2, "COUNTYFP": 3, "STUSPS": 2, "LSAD": 2, "LOGRADE": 2, "HIGRADE": 2, "GEOIDFQ": 20, "GEOID": 11}


def zipped(stem: str, areas: Sequence[Area]) -> bytes:
    """A zipped shapefile, the same bytes for the same areas on every day and machine."""
    shp, shx, dbf = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with shapefile.Writer(shp=shp, shx=shx, dbf=dbf, shapeType=shapefile.POLYGON, encoding="utf-8") as writer:
        for name in areas[0].attributes:
            if name in ("ALAND", "AWATER"):
                writer.field(name, "N", size=14)
            else:
                writer.field(name, "C", size=_LENGTHS.get(name, 100))
        for area in areas:
            writer.poly([list(ring) for ring in area.parts])
            writer.record(**area.attributes)
    # A .dbf starts with the day of its writing.
    attributes = dbf.getvalue()[:1] + bytes((125, 1, 1)) + dbf.getvalue()[4:]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for suffix, body in (
            ("cpg", b"UTF-8"),
            ("dbf", attributes),
            ("prj", PRJ.encode()),
            ("shp", shp.getvalue()),
            ("shp.ea.iso.xml", b"<?xml version='1.0'?><simulated/>"),
            ("shp.iso.xml", b"<?xml version='1.0'?><simulated/>"),
            ("shx", shx.getvalue()),
        ):
            entry = zipfile.ZipInfo(f"{stem}.{suffix}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 0
            archive.writestr(entry, body, zipfile.ZIP_STORED)
    return packed.getvalue()
