"""County boundaries as a quantised TopoJSON: a honeycomb in the middle of the Atlantic.

Arcs are shared: two neighbouring counties, the state and the nation refer to one edge, from opposite
sides by its complement (`~i`), and coordinates are integers, delta-encoded, as in `us-atlas`.
"""

import json
import math
from collections.abc import Iterator, Sequence

from sources.simulated.region import STATE_FIPS, STATE_NAME, County, Region, centre

Point = tuple[float, float]

_WEST, _SOUTH = -41.5, 34.0
_SIDE = 0.25  # degrees of latitude
_STRETCH = 1 / math.cos(math.radians(35))  # a degree of longitude is shorter than one of latitude
_STEPS = 100_000


def _corners(county: County) -> list[Point]:
    """Six corners, clockwise from the top, as us-atlas winds its rings."""
    x, y = centre(county.column, county.row)
    turns = [math.radians(90 - 60 * i) for i in range(6)]
    return [(_WEST + _SIDE * _STRETCH * (x + math.cos(turn)), _SOUTH + _SIDE * (y + math.sin(turn))) for turn in turns]


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
    raw = {county.fips: _corners(county) for county in region.counties}
    xs, ys = zip(*(point for ring in raw.values() for point in ring), strict=True)
    low, high = (min(xs), min(ys)), (max(xs), max(ys))
    scale = ((high[0] - low[0]) / (_STEPS - 1), (high[1] - low[1]) / (_STEPS - 1))

    def snap(point: Point) -> tuple[int, int]:
        return round((point[0] - low[0]) / scale[0]), round((point[1] - low[1]) / scale[1])

    arcs: list[list[list[int]]] = []
    known: dict[tuple[tuple[int, int], tuple[int, int]], int] = {}
    rings: dict[str, list[tuple[int, Point, Point]]] = {}
    for fips, corners in raw.items():
        points = [snap(point) for point in corners]
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


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """The one file of boundaries."""
    yield "2023", "counties-10m.topojson", boundaries(region)
