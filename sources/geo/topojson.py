"""Counties as TopoJSON: arcs that neighbours share, quantised and delta-encoded."""

import json

import polars as pl

from sources.geo.geometry import DECIMALS
from sources.source import ParseError, RawFile

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
            points.append([round(x * scale_x + shift_x, DECIMALS), round(y * scale_y + shift_y, DECIMALS)])
        decoded.append(points)
    return decoded


def _ring(indices: list[int], arcs: list[_Ring]) -> _Ring:
    """Join arcs into a ring; a negative index is the arc read backwards (~index)."""
    ring: _Ring = []
    for index in indices:
        points = arcs[index] if index >= 0 else arcs[~index][::-1]
        ring += points[1:] if ring else points
    return ring


def read_counties(file: RawFile) -> pl.DataFrame:
    """The object `counties` of a TopoJSON file as rows of core.geo_county.

    Raises:
        ParseError: no TopoJSON with that object, or an area without id, name or arcs.
    """
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
            records.append((file.vintage, "county", str(area["id"]), area["properties"]["name"], geometry, None))
        except (KeyError, IndexError, TypeError) as error:
            raise ParseError(file.label, f"is no area with id, name and arcs: {error!r}", row=number) from None
    names = ("vintage", "geo_level", "geo_id", "geo_name", "geometry")
    schema = {**dict.fromkeys(names, pl.String), "land_area_m2": pl.Float64}
    return pl.DataFrame(records, schema=schema, orient="row")
