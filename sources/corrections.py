"""Known errors in publishers' own figures, beside the source in `corrections.yaml`.

Each entry says what, where, why and on what evidence. An entry holds only while the publisher's
file shows exactly the error that it describes: once the publisher has fixed it, reading the file
fails and asks for the entry to be removed.
"""

from collections.abc import Sequence
from pathlib import Path

import yaml

from sources.source import ParseError, SourceError, TotalBreak

_FIELDS = ("id", "file", "sheet", "with_row", "column", "published", "rows_sum", "why", "evidence")


def load(path: Path) -> tuple[TotalBreak, ...]:
    """Read `corrections.yaml`; a source without one has no corrections.

    Raises:
        SourceError: an entry lacks a field, has an unknown one, or an id stands twice.
    """
    if not path.exists():
        return ()
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    breaks = []
    for entry in entries:
        if set(entry) != set(_FIELDS):
            raise SourceError(f"{path.parent.name}/{path.name}: entry {entry.get('id')!r} must have exactly {_FIELDS}")
        breaks.append(TotalBreak(**{**entry, "sheet": str(entry["sheet"])}))
    ids = [item.id for item in breaks]
    if len(set(ids)) != len(ids):
        raise SourceError(f"{path.parent.name}/{path.name}: an id stands twice")
    return tuple(breaks)


def check_total(
    label: str,
    name: str,
    sheet: str,
    column: str,
    *,
    published: float | None,
    rows_sum: float,
    corrections: Sequence[TotalBreak],
) -> None:
    """Judge one column's Total against the sum of its rows, known breaks apart.

    Raises:
        ParseError: the rows do not sum to their Total and no correction says so, or a correction
            describes an error that the file no longer has.
    """
    known = next((c for c in corrections if (c.file, c.sheet, c.column) == (name, sheet, column)), None)
    agrees = published is None or abs(published - rows_sum) < 0.5
    if known is None and agrees:
        return
    if known is not None and published == known.published and rows_sum == known.rows_sum:
        return
    if known is not None:
        raise ParseError(
            label,
            f"column {column!r}: correction {known.id} expects a Total of {known.published:g} over rows that sum to "
            f"{known.rows_sum:g}, but the file has {published} and {rows_sum:g}: the publisher has changed it, so "
            "remove or renew the entry in corrections.yaml",
            sheet=sheet,
            row="Total",
        )
    raise ParseError(
        label,
        f"column {column!r}: rows must sum to their Total, but sum to {rows_sum:g} and the Total says {published:g}",
        sheet=sheet,
        row="Total",
    )
