"""What a page is made of: sections, tables whose first cell heads its row, and prompts that only people can answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from atlas.reading import Published

Cell = str | Markup


@dataclass(frozen=True)
class Grid:
    """A table; without rows, why there are none.

    Args:
        caption: what the table shows.
        heads: heads of the columns.
        rows: cells; text is escaped, markup is our own.
        gone: what is said in place of a table without rows.
        note: what to mind about the figures.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    gone: str = ""
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Args:
        id: its anchor.
        title: its heading.
        texts: paragraphs before the tables.
        grids: tables.
        prompts: what the applicant fills in, because no data can.
    """

    id: str
    title: str
    texts: tuple[str, ...]
    grids: tuple[Grid, ...] = ()
    prompts: tuple[str, ...] = field(default=())


def gone(published: Published, table: str, what: str) -> str:
    """Why there are no rows of a table: meta.absent's reasons, or that the file or these counties have none."""
    reasons = published.why_absent(table)
    if reasons:
        return f"Not at hand: {what}. {' '.join(f'{r[0].upper()}{r[1:]}.' for r in reasons)}"
    if not published.has(table):
        return f"Not at hand: {what}. The published file has no table {table}."
    return f"Not at hand: {what}. The table {table} has no rows for these counties."


def rank_bar(rank: int, lower: float, upper: float, n: int) -> Markup:
    """A rank on the axis of all ranks with its 90 % interval, as inline SVG; left is greatest need."""
    width, margin = 150, 6
    scale = (width - 2 * margin) / max(n - 1, 1)
    x0, x, x1 = (margin + (value - 1) * scale for value in (lower, rank, upper))
    words = f"rank {rank}, 90 % range {lower:.0f} to {upper:.0f}, of {n}"
    return Markup(  # noqa: S704 - numbers only
        f'<svg viewBox="0 0 {width} 16" width="{width}" height="16" role="img" aria-label="{words}">'
        f'<path d="M{margin},8H{width - margin}" stroke="#8a8a8a"/>'
        f'<path d="M{x0:.1f},8H{x1:.1f}" stroke="#5f9dbb" stroke-width="7"/>'
        f'<circle cx="{x:.1f}" cy="8" r="4" fill="#174a63"/></svg>'
    )


def sentence(parts: Sequence[str]) -> str:
    """Parts with semicolons between them, empty ones left out."""
    return "; ".join(part for part in parts if part)


def long_text(text: str) -> Markup:
    """A cell that may break anywhere: checksums, names of files."""
    return Markup('<span class="long">{}</span>').format(text)
