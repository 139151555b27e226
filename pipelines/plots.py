"""Small pictures for the UI: inline SVG, no plotting library, SIMULATED written on what is simulated."""

import base64
from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT, MARGIN = 600, 150, 24


def _svg(body: str, title: str, height: int, *, is_simulated: bool) -> str:
    caption = f"SIMULATED: {title}" if is_simulated else title
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="{MARGIN}" y="15" fill="#222">{escape(caption)}</text>'
        f"{body}</svg>"
    )


def histogram(values: Sequence[float], title: str, *, is_simulated: bool, bins: int = 40) -> str:
    """How the values are distributed, as SVG."""
    counts, edges = np.histogram(np.asarray(values, dtype=float), bins=bins)
    step = (WIDTH - 2 * MARGIN) / bins
    scale = (HEIGHT - 3 * MARGIN) / max(int(counts.max()), 1)
    base = HEIGHT - MARGIN
    bars = "".join(
        f'<rect x="{MARGIN + i * step:.1f}" y="{base - n * scale:.1f}" width="{step - 1:.1f}" height="{n * scale:.1f}" '
        'fill="#2c6e8f"/>'
        for i, n in enumerate(counts)
    )
    ends = "".join(
        f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="{anchor}" fill="#222">{value:,.3g}</text>'
        for x, anchor, value in ((MARGIN, "start", edges[0]), (WIDTH - MARGIN, "end", edges[-1]))
    )
    return _svg(bars + ends, title, HEIGHT, is_simulated=is_simulated)


def rank_intervals(rows: Sequence[tuple[str, float, float, float]], n: int, title: str, *, is_simulated: bool) -> str:
    """(name, rank, lower, upper) as dots with 90 % intervals on one axis of ranks, as SVG."""
    left, line = 260, 16
    scale = (WIDTH - left - MARGIN) / max(n - 1, 1)
    drawn = []
    for i, (name, rank, lower, upper) in enumerate(rows):
        y = 34 + i * line
        x0, x, x1 = (left + (value - 1) * scale for value in (lower, rank, upper))
        drawn.append(
            f'<text x="{left - 8}" y="{y + 4}" text-anchor="end" fill="#222">{escape(name[:42])}</text>'
            f'<line x1="{x0:.1f}" x2="{x1:.1f}" y1="{y}" y2="{y}" stroke="#8fb4c6" stroke-width="5"/>'
            f'<circle cx="{x:.1f}" cy="{y}" r="3.5" fill="#174a63"/>'
        )
    foot = 34 + len(rows) * line + 8
    axis = (
        f'<text x="{left}" y="{foot}" fill="#222">rank 1 = greatest need</text>'
        f'<text x="{WIDTH - MARGIN}" y="{foot}" text-anchor="end" fill="#222">{n}</text>'
    )
    return _svg("".join(drawn) + axis, title, foot + 10, is_simulated=is_simulated)


def as_markdown(svg: str, alt: str) -> str:
    """The picture inside markdown, as Dagster's metadata shows it."""
    return f"![{alt}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
