"""Read a few columns of a large CSV file."""

import csv
import io
from collections.abc import Sequence

import polars as pl

from sources.source import ParseError, RawFile
from sources.tabular import ROW


def _refuse_ragged(file: RawFile, text: str, width: int) -> None:
    """Polars fills a short row with nulls, and passes over what is too much where columns are chosen."""
    lines = pl.Series(text.rstrip("\r\n").split("\n"))
    if '"' in text:
        lines = lines.str.replace_all('"[^"]*"', "")
    values = lines.str.count_matches(",", literal=True) + 1
    if (wrong := (values != width).arg_true()).len():
        row = int(wrong[0])
        rule = f"must have {width} values as its header, but has {values[row]}"
        raise ParseError(file.label, rule, row=row + 1)


def read_columns(file: RawFile, columns: Sequence[str]) -> pl.DataFrame:
    """The wanted columns as text, found by name, with the number of each row as an editor shows it.

    Only these are read: the file by race has 80 columns and more than 100 MB.

    Raises:
        ParseError: no text, no CSV, a column that is lacking or stands twice, no rows, a row with more or fewer values
            than its header, or an empty cell in a wanted column.
    """
    try:
        text = file.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = file.body.decode("cp1252", errors="replace")  # names such as Do\xf1a Ana are one byte a letter
        if "\ufffd" in text:
            raise ParseError(file.label, "must be text in UTF-8 or Windows-1252, but some bytes are neither") from None
    header = next(csv.reader([text.partition("\n")[0].rstrip("\r")]), [])
    if lacking := [name for name in columns if header.count(name) != 1]:
        raise ParseError(file.label, f"must have the columns {lacking} once, but has {header[:8]}", row=1)
    _refuse_ragged(file, text, len(header))
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()),
            columns=list(columns),
            infer_schema=False,
            row_index_name=ROW,
            row_index_offset=2,
        )
    except pl.exceptions.PolarsError as error:
        raise ParseError(file.label, f"must be a CSV file: {str(error).splitlines()[0]}") from None
    empty = frame.filter(pl.any_horizontal(pl.col(columns).is_null()))
    if empty.height:
        name = next(name for name in columns if empty[name][0] is None)
        raise ParseError(file.label, f"column {name!r} must not be empty", row=empty[ROW][0])
    if frame.is_empty():
        raise ParseError(file.label, "must have rows below its header, but has none")
    return frame
