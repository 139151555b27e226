"""Read columns of a publisher's rows, each cell judged where it stands."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import polars as pl

from sources.source import ParseError, RawFile
from sources.values import Value

_CODES = frozenset({-1, -2, -3, -9})
_SIGNS = frozenset({"", "\u2013", "\u2020", "\u2021"})


def figures(
    file: RawFile, column: str, cells: Sequence[Any], read: Callable[[Any], Value], name: str, first_row: int
) -> list[pl.Series]:
    """The four columns of a `measured` figure.

    Args:
        read: reads one cell; ValueError where it is neither a figure nor a code.
        name: of the figure.
        first_row: number of the first cell's row as an editor shows it.

    Raises:
        ParseError: a cell that cannot be read.
    """
    known: dict[Hashable, Value] = {}
    values = []
    for row, cell in enumerate(cells, start=first_row):
        if cell not in known:
            try:
                known[cell] = read(cell)
            except (ValueError, TypeError) as error:
                raise ParseError(file.label, f"column {column!r}: {error}", row=row) from None
        values.append(known[cell])
    return [
        pl.Series(name, [value.value for value in values], pl.Float64),
        pl.Series(f"{name}_lower", [value.lower for value in values], pl.Float64),
        pl.Series(f"{name}_upper", [value.upper for value in values], pl.Float64),
        pl.Series(f"{name}_kind", [value.kind for value in values], pl.String),
    ]


def identifiers(
    file: RawFile, column: str, cells: Sequence[Any], width: int, first_row: int, *, nullable: bool = False
) -> list[str | None]:
    """Ids as text of full width: spreadsheets and numbers lose leading zeros.

    Raises:
        ParseError: a cell that is no id, or none where one is needed.
    """
    found: list[str | None] = []
    for row, cell in enumerate(cells, start=first_row):
        text = "" if cell is None else str(cell).strip()
        if text.isascii() and text.isdigit() and len(text) <= width:
            found.append(text.zfill(width))
        elif nullable and (text in _SIGNS or text in map(str, _CODES)):
            found.append(None)
        else:
            raise ParseError(
                file.label, f"column {column!r}: must be an id of {width} digits, but is {cell!r}", row=row
            )
    return found


def codes(
    file: RawFile, column: str, cells: Sequence[Any], first_row: int, *, is_grade: bool = False
) -> list[int | None]:
    """Whole numbers that stand for something; the publisher's codes for nothing become null.

    Args:
        is_grade: -1 is prekindergarten, not missing.

    Raises:
        ParseError: a cell that is no whole number.
    """
    nothing = _CODES - {-1} if is_grade else _CODES
    found = []
    for row, cell in enumerate(cells, start=first_row):
        if cell is not None and (isinstance(cell, bool) or not isinstance(cell, int)):
            raise ParseError(file.label, f"column {column!r}: must be a whole number, but is {cell!r}", row=row)
        found.append(None if cell in nothing else cell)
    return found
