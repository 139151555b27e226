"""Known errors in publishers' own figures, beside the source in `corrections.yaml`.

Each entry says what, where, why and on what evidence, what the publisher printed and what is expected instead. An
entry holds only while the publisher's file shows exactly the error that it describes: once the publisher has fixed it,
reading the file fails and asks for the entry to be removed. All entries are published in `meta.corrections`.
"""

import fnmatch
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import yaml

from sources.source import Correction, ParseError, RawFile, SourceError

_FIELDS = tuple(field.name for field in fields(Correction))
_KINDS = ("total", "value")


def load(path: Path) -> tuple[Correction, ...]:
    """Read `corrections.yaml`; a source without one has no corrections.

    Raises:
        SourceError: an entry lacks a field, has an unknown one or an unknown kind, or an id stands twice.
    """
    if not path.exists():
        return ()
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    name = f"{path.parent.name}/{path.name}"
    found = []
    for entry in entries:
        if set(entry) != set(_FIELDS):
            raise SourceError(f"{name}: entry {entry.get('id')!r} must have exactly {_FIELDS}")
        if entry["kind"] not in _KINDS or not isinstance(entry["where"], dict):
            raise SourceError(f"{name}: entry {entry['id']!r} must be one of {_KINDS}, with a mapping under `where`")
        where = {str(column): str(text) for column, text in entry["where"].items()}
        texts = {key: str(value) for key, value in entry.items() if key != "where"}
        found.append(Correction(where=where, **texts))
    ids = [item.id for item in found]
    if len(set(ids)) != len(ids):
        raise SourceError(f"{name}: an id stands twice")
    return tuple(found)


def _speaks_of(correction: Correction, file: RawFile) -> bool:
    """`file` is a name or a pattern (fnmatch): later editions of a workbook repeat the errors of the earlier ones."""
    return fnmatch.fnmatchcase(file.name, correction.file)


def _changed(correction: Correction, found: str) -> str:
    return (
        f"column {correction.column!r}: correction {correction.id} expects {correction.published} where "
        f"{correction.expected} is meant, but the file has {found}: the publisher has changed it, so remove or renew "
        "the entry in corrections.yaml"
    )


def apply_values(
    file: RawFile, rows: Sequence[dict[str, str]], corrections: Sequence[Correction], first_row: int = 2
) -> list[dict[str, str]]:
    """The rows of a file with every known wrong cell read as what it means.

    Args:
        first_row: number of the first of `rows` as an editor shows it.

    Raises:
        ParseError: no row is where a correction says, or its cell does not hold what the publisher printed once.
    """
    read = [dict(row) for row in rows]
    for correction in (c for c in corrections if c.kind == "value" and _speaks_of(c, file)):
        if not any(correction.holds in row.values() for row in read):
            continue
        wanted = correction.where.items()
        at = [n for n, row in enumerate(read) if all(row.get(column) == text for column, text in wanted)]
        if not at:
            raise ParseError(file.label, _changed(correction, f"no row with {dict(wanted)}"))
        for n in at:
            if read[n][correction.column] != correction.published:
                raise ParseError(file.label, _changed(correction, repr(read[n][correction.column])), row=first_row + n)
            read[n][correction.column] = correction.expected
    return read


def check_total(
    file: RawFile,
    sheet: str,
    column: str,
    *,
    published: float | None,
    rows_sum: float,
    corrections: Sequence[Correction],
) -> None:
    """Judge one column's Total against the sum of its rows, known breaks apart.

    Args:
        corrections: those whose `holds` stands in the sheet.

    Raises:
        ParseError: the rows do not sum to their Total and no correction says so, or a correction
            describes an error that the file no longer has.
    """
    here = (c for c in corrections if (c.kind, c.column) == ("total", column) and _speaks_of(c, file))
    known = next((c for c in here if c.where.get("sheet") == sheet), None)
    agrees = published is None or abs(published - rows_sum) < 0.5
    if known is None and agrees:
        return
    if known is not None and published == float(known.published) and rows_sum == float(known.expected):
        return
    if known is not None:
        found = f"{'no Total' if published is None else f'a Total of {published:g}'} over rows that sum to {rows_sum:g}"
        raise ParseError(file.label, _changed(known, found), sheet=sheet, row="Total")
    raise ParseError(
        file.label,
        f"column {column!r}: rows must sum to their Total, but sum to {rows_sum:g} and the Total says {published:g}",
        sheet=sheet,
        row="Total",
    )
