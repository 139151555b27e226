"""Boundaries: a honeycomb in the middle of the Atlantic, as TopoJSON, GeoJSON and zipped shapefiles.

Arcs are shared: two neighbouring counties, the state and the nation refer to one edge, from opposite
sides by its complement (`~i`), and coordinates are integers, delta-encoded, as in `us-atlas`.
"""

import json
from collections.abc import Iterator, Sequence

from sources.simulated.geo_shapes import Point, corners, county_areas, district_areas, tract_areas, zipped
from sources.simulated.region import STATE_FIPS, STATE_NAME, Region

_STEPS = 100_000


def _outline(edges: Sequence[tuple[int, Point, Point]]) -> list[int]:
    """Chain directed edges, which border no other county, to one closed ring of arcs."""
    by_start = {start: (arc, end) for arc, start, end in edges}
    first = edges[0][1]
    ring, at = [], first
    while True:
        arc, at = by_start[at]
        ring.append(arc)
        if at == first:
            return ring


def boundaries(region: Region) -> bytes:
    """`counties-10m.topojson` with the objects counties, states and nation."""
    raw = {county.fips: corners(county) for county in region.counties}
    xs, ys = zip(*(point for ring in raw.values() for point in ring), strict=True)
    low, high = (min(xs), min(ys)), (max(xs), max(ys))
    scale = ((high[0] - low[0]) / (_STEPS - 1), (high[1] - low[1]) / (_STEPS - 1))

    def snap(point: Point) -> tuple[int, int]:
        return round((point[0] - low[0]) / scale[0]), round((point[1] - low[1]) / scale[1])

    arcs: list[list[list[int]]] = []
    known: dict[tuple[tuple[int, int], tuple[int, int]], int] = {}
    rings: dict[str, list[tuple[int, Point, Point]]] = {}
    for fips, outline_points in raw.items():
        points = [snap(point) for point in outline_points]
        ring: list[tuple[int, Point, Point]] = []
        for a, b in zip(points, points[1:] + points[:1], strict=True):
            if (b, a) in known:
                ring.append((~known[b, a], a, b))
            else:
                known[a, b] = len(arcs)
                ring.append((len(arcs), a, b))
                arcs.append([[a[0], a[1]], [b[0] - a[0], b[1] - a[1]]])
        rings[fips] = ring
    shared = {~arc for ring in rings.values() for arc, _, _ in ring if arc < 0}
    outer = [edge for ring in rings.values() for edge in ring if edge[0] >= 0 and edge[0] not in shared]
    outline = _outline(outer)
    counties = [
        {
            "type": "Polygon",
            "arcs": [[arc for arc, _, _ in rings[county.fips]]],
            "id": county.fips,
            "properties": {"name": county.short_name},
        }
        for county in region.counties
    ]
    state = {"type": "MultiPolygon", "arcs": [[outline]], "id": STATE_FIPS, "properties": {"name": STATE_NAME}}
    topology = {
        "type": "Topology",
        "bbox": [*low, *high],
        "transform": {"scale": list(scale), "translate": list(low)},
        "objects": {
            "counties": {"type": "GeometryCollection", "geometries": counties},
            "states": {"type": "GeometryCollection", "geometries": [state]},
            "nation": {
                "type": "GeometryCollection",
                "geometries": [{"type": "MultiPolygon", "arcs": [[outline]]}],
            },
        },
        "arcs": arcs,
    }
    return json.dumps(topology, separators=(",", ":")).encode()


def tracts(region: Region) -> bytes:
    """`zz_tracts.geojson`: tracts as somebody passes them on, with figures of their own in the properties."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[[round(x, 6), round(y, 6)] for x, y in area.parts[0]]]},
            "properties": {"geoid": area.attributes["GEOID"], "county": area.attributes["COUNTYFP"], "population": 1},
        }
        for area in tract_areas(region)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")).encode()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """Tracts of 2020 and counties of 2023 as carriers pass them on; everything of 2024 as the Bureau publishes it."""
    yield "2020", "zz_tracts.geojson", tracts(region)
    yield "2023", "counties-10m.topojson", boundaries(region)
    areas = {"county": list(county_areas(region)), "tract": list(tract_areas(region)), **district_areas(region)}
    for kind, found in areas.items():
        stem = f"cb_2024_{STATE_FIPS if kind in ('tract', 'unsd') else 'us'}_{kind}_500k"
        yield "2024", f"{stem}.zip", zipped(stem, found)
