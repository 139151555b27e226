"""Cells of the fund's own lists, counties, whole numbers and days, refused with a sentence that says what to write."""

import datetime
import re
from collections.abc import Callable

import polars as pl

from sources.foster_county.places import counties as known_counties
from sources.source import ParseError, RawFile
from sources.states import NAME_BY_FIPS
from sources.tabular import ROW, read_frame


def lines(file: RawFile, columns: tuple[str, ...], read: Callable[[dict[str, str]], dict[str, object]]) -> pl.DataFrame:
    """Every line of a list, read.

    Args:
        read: one line; raises ValueError where it breaks a rule.

    Raises:
        ParseError: the file lacks a column or has no rows, or a line breaks a rule: with its row.
    """
    found = []
    for row in read_frame(file, [columns]).iter_rows(named=True):
        try:
            found.append({ROW: row[ROW], **read(row)})
        except ValueError as error:
            raise ParseError(file.label, str(error), row=row[ROW]) from None
    return pl.DataFrame(found, infer_schema_length=None)


def refuse_again(file: RawFile, frame: pl.DataFrame, columns: list[str], rule: str) -> None:
    """Refuse a line that stands twice, whatever its case and its blanks.

    Raises:
        ParseError: names the second line and the first.
    """
    plain = [pl.col(name).str.to_lowercase().str.replace_all(r"\s+", " ") for name in columns]
    marked = frame.with_columns(first=pl.col(ROW).min().over(plain))
    again = marked.filter(pl.col(ROW) != pl.col("first"))
    if again.height:
        what = " and ".join(again[name][0] for name in columns)
        raise ParseError(file.label, f"{rule}, but row {again['first'][0]} is of {what} too", row=again[ROW][0])


def text(row: dict[str, str], column: str) -> str:
    """A cell that must say something.

    Raises:
        ValueError: it is empty.
    """
    if not row[column]:
        raise ValueError(f"column {column!r}: must not be empty")
    return row[column]


def one_of(row: dict[str, str], column: str, allowed: tuple[str, ...]) -> str:
    """A cell of a closed list.

    Raises:
        ValueError: it is not in the list.
    """
    if row[column] not in allowed:
        raise ValueError(f"column {column!r}: must be one of {', '.join(allowed)}, but is {row[column]!r}")
    return row[column]


def counties(row: dict[str, str], column: str) -> list[str]:
    """FIPS codes with semicolons between them.

    Raises:
        ValueError: there is none, one is no county's code, or one stands twice.
    """
    codes = [code.strip() for code in row[column].split(";")]
    for code in codes:
        if not re.fullmatch(r"\d{5}", code) or code[:2] not in NAME_BY_FIPS or code.endswith("000"):
            rule = "must hold five-digit county FIPS codes with semicolons between them"
            raise ValueError(f"column {column!r}: {rule}, but has {code!r}")
        listed = known_counties().get(code[:2])
        if listed is not None and code not in listed.values():
            raise ValueError(f"column {column!r}: {code} is no county of {NAME_BY_FIPS[code[:2]]}")
    if len(set(codes)) != len(codes):
        raise ValueError(f"column {column!r}: must name a county once, but has {row[column]!r}")
    return codes


def whole(row: dict[str, str], column: str, maximum: int | None = None) -> int | None:
    """A whole number, or nothing where the cell is empty: not known is not zero.

    Raises:
        ValueError: it is neither, or larger than `maximum`.
    """
    said = row[column]
    if not said:
        return None
    if not re.fullmatch(r"\d{1,6}", said) or (maximum is not None and int(said) > maximum):
        most = f" up to {maximum}" if maximum is not None else ""
        raise ValueError(f"column {column!r}: must be empty or a whole number from 0{most}, but is {said!r}")
    return int(said)


def day(row: dict[str, str], column: str) -> str:
    """A day as `2026-03-31`.

    Raises:
        ValueError: it is none.
    """
    said = row[column]
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", said):
            raise ValueError
        datetime.date.fromisoformat(said)
    except ValueError:
        raise ValueError(f"column {column!r}: must be a day written as 2026-03-31, but is {said!r}") from None
    return said
