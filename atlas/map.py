"""A county map as static SVG: the chance of being among those of greatest need, from the published file alone.

The projection is Albers' equal-area conic on the sphere (Snyder 1987, Map Projections: A Working Manual, USGS
Professional Paper 1395, equations 14-1 to 14-6), so that no area looks more than it is. Points are rounded to a
common grid, on which neighbours keep their common border.
"""

import json
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atlas.reading import Published, Row, among
from atlas.words import chance

WIDTH, MARGIN, LINE = 800, 16, 17
GREATEST_HEIGHT = 900
LEAST_MARK = 4.0
"""Pixels: an area that would be smaller than this is drawn as a dot as well."""
TOP = (20, 10, 5)

Line = NDArray[np.float64]


@dataclass(frozen=True)
class Class:
    """A class of the legend; what is hatched cannot be told."""

    at_least: float
    fill: str
    words: str
    is_hatched: bool = False


CLASSES = (
    Class(0.8, "#174a63", "80 % or more"),
    Class(0.5, "#5f9dbb", "50 to 80 %: not sure", True),
    Class(0.2, "#c3dbe7", "20 to 50 %: not sure", True),
    Class(0.0, "#f4f7f9", "below 20 %"),
)
UNSCORED = Class(-1.0, "#d9d9d9", "not ranked")


def class_of(probability: float | None) -> Class:
    """The class of a chance, its lower end included; None is not ranked."""
    if probability is None:
        return UNSCORED
    return next(known for known in CLASSES if probability >= known.at_least)


def rings(geometry: Mapping[str, Any]) -> list[Line]:
    """Every ring of a GeoJSON polygon or multipolygon as (n, 2) degrees; west of the date line throughout.

    Raises:
        ValueError: the geometry is neither.
    """
    kind, coordinates = geometry["type"], geometry["coordinates"]
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"a county's geometry is a {kind}: only Polygon and MultiPolygon can be drawn")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    found = [np.asarray(ring, dtype=float)[:, :2] for polygon in polygons for ring in polygon]
    return [np.column_stack([np.where(ring[:, 0] > 0, ring[:, 0] - 360, ring[:, 0]), ring[:, 1]]) for ring in found]


def albers(points: Line, west: float, east: float, south: float, north: float) -> Line:
    """Longitudes and latitudes (n, 2) in degrees, projected around a frame; unit sphere, y to the north."""
    first, second = np.radians(south + (north - south) / 6), np.radians(north - (north - south) / 6)
    n = (np.sin(first) + np.sin(second)) / 2
    n = n if abs(n) > 1e-3 else 1e-3  # at the equator the cone becomes a cylinder
    c = np.cos(first) ** 2 + 2 * n * np.sin(first)
    rho = np.sqrt(np.maximum(c - 2 * n * np.sin(np.radians(points[:, 1])), 0)) / n
    theta = n * np.radians(points[:, 0] - (west + east) / 2)
    return np.column_stack([rho * np.sin(theta), -rho * np.cos(theta)])


def _fitted(shapes: Mapping[str, list[Line]], top: float) -> tuple[dict[str, list[Line]], float]:
    """Rings in pixels below `top`, and how tall they are."""
    every = np.concatenate([ring for parts in shapes.values() for ring in parts])
    (west, south), (east, north) = every.min(axis=0), every.max(axis=0)
    flat = albers(every, west, east, south, north)
    low, high = flat.min(axis=0), flat.max(axis=0)
    span = np.maximum(high - low, 1e-12)
    scale = min((WIDTH - 2 * MARGIN) / span[0], GREATEST_HEIGHT / span[1])
    left = (WIDTH - scale * span[0]) / 2
    placed = {
        name: [
            (albers(ring, west, east, south, north) - [low[0], high[1]]) * [scale, -scale] + np.array([left, top])
            for ring in parts
        ]
        for name, parts in shapes.items()
    }
    return placed, float(scale * span[1])


def _path(parts: Sequence[Line]) -> str:
    """An SVG path on a grid of half pixels; points that fall together are one."""
    drawn = []
    for ring in parts:
        grid = np.round(ring * 2) / 2
        kept = grid[np.concatenate([[True], np.any(np.diff(grid, axis=0) != 0, axis=1)])]
        drawn.append("M" + "L".join(f"{x:g},{y:g}" for x, y in kept) + "Z")
    return "".join(drawn)


def _mark(name: str, parts: Sequence[Line], known: Class, said: str, prefix: str, *, outlined: bool) -> str:
    every = np.concatenate(parts)
    path, size = _path(parts), every.max(axis=0) - every.min(axis=0)
    border = 'stroke="#000" stroke-width="2.5"' if outlined else 'stroke="#4d4d4d" stroke-width="0.6"'
    shapes = [f'<path d="{path}" fill="{known.fill}" fill-rule="evenodd" {border}/>']
    if known.is_hatched:
        shapes.append(f'<path d="{path}" fill="url(#{prefix}-hatch)" fill-rule="evenodd"/>')
    if size.max() < LEAST_MARK:
        x, y = every.mean(axis=0)
        shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{LEAST_MARK / 2 + 1}" fill="{known.fill}" {border}/>')
    return f'<g data-area="{escape(name)}"><title>{escape(said)}</title>{"".join(shapes)}</g>'


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="#1a1a1a" {more}>{escape(words)}</text>'


def draw(
    shapes: Mapping[str, list[Line]],
    chances: Mapping[str, float | None],
    said: Mapping[str, str],
    *,
    title: str,
    notes: Sequence[str],
    outlined: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
    is_simulated: bool = False,
    prefix: str = "map",
) -> str:
    """The map as one `<svg>` element that needs nothing from outside.

    Args:
        shapes: rings in degrees by area.
        chances: the chance that is drawn, by area; None is not ranked.
        said: what each area's tooltip and assistive technology say.
        title: what the colours mean.
        notes: paragraphs under the legend.
        outlined: areas with a heavy border.
        labels: names that are written onto areas.
        is_simulated: writes SIMULATED across the map.
        prefix: of the ids in the picture, so that two can stand in one page.

    Raises:
        ValueError: there is no shape.
    """
    if not shapes:
        raise ValueError("there is no geometry to draw: core.geo_county has none of these counties")
    top = 2 * LINE + MARGIN
    placed, tall = _fitted(shapes, top)
    heading = ("SIMULATED, no real place. " if is_simulated else "") + title
    # Those with a heavy border last, so that no neighbour covers it.
    order = sorted(placed, key=lambda name: (name in outlined, name))
    body = [
        _mark(
            name,
            placed[name],
            class_of(chances.get(name)),
            said.get(name, name),
            prefix,
            outlined=name in outlined,
        )
        for name in order
    ]
    halo = 'text-anchor="middle" font-weight="bold" stroke="#fff" stroke-width="3" paint-order="stroke"'
    for name, words in (labels or {}).items():
        if name in placed:
            every = np.concatenate(placed[name])
            x, y = (every.min(axis=0) + every.max(axis=0)) / 2
            body.append(_text(round(float(x), 1), round(float(y) + 4, 1), words, halo))
    if is_simulated:
        across = 'text-anchor="middle" font-size="64" font-weight="bold" opacity="0.25"'
        body.append(_text(WIDTH / 2, top + tall / 2, "SIMULATED", across))
    y = top + tall + 2 * LINE
    known = [*CLASSES, *([UNSCORED] if any(chances.get(name) is None for name in placed) else [])]
    for at, item in enumerate(known):
        x = MARGIN + at * (WIDTH - 2 * MARGIN) / len(known)
        box = f'x="{x:g}" y="{y - 11:g}" width="22" height="14"'
        body.append(f'<rect {box} fill="{item.fill}" stroke="#4d4d4d"/>')
        if item.is_hatched:
            body.append(f'<rect {box} fill="url(#{prefix}-hatch)"/>')
        body.append(_text(x + 28, y, item.words))
    for note in notes:
        for line in textwrap.wrap(note, 118):
            y += LINE
            body.append(_text(MARGIN, y + 6, line))
    hatch = (
        f'<pattern id="{prefix}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path d="M0,0V6" stroke="#fff" stroke-width="2.4"/></pattern>'
    )
    described, large = " ".join(notes), 'font-size="15" font-weight="bold"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + MARGIN:g}" role="img" '
        f'aria-labelledby="{prefix}-title {prefix}-note" font-family="sans-serif" font-size="13">'
        f'<title id="{prefix}-title">{escape(heading)}</title><desc id="{prefix}-note">{escape(described)}</desc>'
        f'<defs>{hatch}</defs><rect width="100%" height="100%" fill="#fff"/>'
        f"{_text(MARGIN, LINE + 6, heading, large)}{''.join(body)}</svg>"
    )


def _top_of(scores: Sequence[Row]) -> int:
    """The list of greatest need that the map shows: the longest that is no more than a quarter of the areas."""
    n = max((row["n_ranked"] for row in scores), default=0)
    return next((k for k in TOP if 4 * k <= n), TOP[-1])


def _said(row: Row, k: int) -> str:
    if row["rank"] is None or row["rank_p05"] is None:
        return f"{row['geo_name']}: not ranked"
    return (
        f"{row['geo_name']}: chance of being among the {k} of greatest need {chance(row[f'p_top_{k}'])}; rank "
        f"{row['rank']} of {row['n_ranked']}, 90 % range {row['rank_p05']:.0f} to {row['rank_p95']:.0f}"
    )


def shapes_of(published: Published, areas: Sequence[str]) -> dict[str, list[Line]]:
    """Rings of counties, from the vintage of core.geo_county that has most of them, the newest of equals."""
    rows = published.rows("core.geo_county", among("geo_id", areas), areas, order="vintage, geo_id")
    vintages: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["geometry"]:
            vintages.setdefault(row["vintage"], {})[row["geo_id"]] = row["geometry"]
    best = max(vintages.items(), key=lambda item: (len(item[1]), item[0]), default=("", {}))[1]
    return {name: rings(json.loads(geometry)) for name, geometry in best.items()}


def county_map(
    published: Published, outlined: Collection[str] = (), index_id: str = "priority", prefix: str = "map"
) -> str | None:
    """The map of an index; None where the file has no geometry of its counties.

    Args:
        outlined: geo_ids of counties with a heavy border and a number.
    """
    scores = published.rows("risk.scores", "index_id = ? AND geo_level = 'county'", [index_id], order="geo_id")
    shapes = shapes_of(published, [row["geo_id"] for row in scores])
    if not shapes:
        return None
    k = _top_of(scores)
    ranked = [row for row in scores if row["rank"] is not None]
    declared = published.rows("meta.indices", "index_id = ?", [index_id])
    title = ((declared[0]["title"] if declared else None) or index_id).lower()
    undrawn = len(scores) - len(shapes)
    notes = [
        f"Conditions of places, not of persons: the {title} conditions index of {len(ranked)} ranked counties, release "
        f"{published.release()['release']}. Hatched: whether the county belongs to the list cannot be told."
    ]
    numbers = {row["geo_id"]: str(at) for at, row in enumerate((r for r in scores if r["geo_id"] in outlined), start=1)}
    if numbers:
        bordered = (f"{numbers[row['geo_id']]} {row['geo_name']}" for row in scores if row["geo_id"] in numbers)
        notes.append(f"Heavy border: {'; '.join(bordered)}.")
    if undrawn:
        notes.append(f"{undrawn} counties have no geometry in the file and are not drawn.")
    return draw(
        shapes,
        {row["geo_id"]: row[f"p_top_{k}"] if row["rank"] is not None else None for row in scores},
        {row["geo_id"]: _said(row, k) for row in scores},
        title=f"Chance of being among the {k} counties of greatest need",
        notes=[*notes, published.limits()["non_uses"]],
        outlined=outlined,
        labels=numbers,
        is_simulated=published.release()["is_simulated"],
        prefix=prefix,
    )
