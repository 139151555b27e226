"""Read publishers' CSV files: whole, in a known encoding, with one of the headers that the source knows."""

import csv
import io
from collections.abc import Callable, Sequence

import polars as pl

from sources.source import ParseError, RawFile
from sources.values import Value

ROW = "__row"
"""Number of a row as an editor shows it; the header is row 1."""


def _decode(file: RawFile) -> str:
    try:
        return file.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Files that were written on Windows hold typographic quotes in cp1252.
        text = file.body.decode("cp1252", errors="replace")
    if "\ufffd" in text:
        raise ParseError(file.label, "must be text in UTF-8 or Windows-1252, but some bytes are neither")
    return text


def _refuse_ragged(file: RawFile, text: str, width: int) -> None:
    """Polars fills a short row with nulls: a row that lost values is refused here."""
    lines = pl.Series(text.split("\n")[:-1])
    separators = lines.str.replace_all('"[^"]*"', "").str.count_matches(",", literal=True)
    if (separators == width - 1).all():
        return
    # Either a row is ragged or a quoted value runs over several lines: only a real reader can tell.
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text), strict=True), start=1):
            if len(row) != width:
                raise ParseError(file.label, f"must have {width} values as its header, but has {len(row)}", row=number)
    except csv.Error as error:
        raise ParseError(file.label, f"must be a CSV file: {error}") from None


def read_frame(file: RawFile, headers: Sequence[Sequence[str]]) -> pl.DataFrame:
    """The rows of a CSV file as text, empty cells as empty text, with `ROW`.

    Args:
        headers: the sets of columns that the source reads; the file must hold one of them whole, and
            may hold more.

    Raises:
        ParseError: the file is no text or no CSV, has another header, no rows, or a row with more or
            fewer values than its header.
    """
    text = _decode(file).replace("\r\n", "\n").rstrip("\n") + "\n"
    header = next(csv.reader(io.StringIO(text)), [])
    lacking = min(([name for name in columns if name not in header] for columns in headers), key=len)
    if lacking:
        raise ParseError(file.label, f"must have the columns {lacking}, but has {header[:8]}", row=1)
    if len(set(header)) != len(header):
        raise ParseError(file.label, "must not have two columns of one name", row=1)
    _refuse_ragged(file, text, len(header))
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False, empty_string_is_null=False)
    except pl.exceptions.PolarsError as error:
        raise ParseError(file.label, f"must be a CSV file: {str(error).splitlines()[0]}") from None
    if frame.is_empty():
        raise ParseError(file.label, "must have rows below its header, but has none")
    return frame.with_columns(pl.all().str.strip_chars()).with_row_index(ROW, offset=2)


def read_rows(file: RawFile, headers: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """The same as rows by column name, for files that are read cell by cell."""
    return read_frame(file, headers).drop(ROW).to_dicts()


def refuse(file: RawFile, frame: pl.DataFrame, is_wrong: pl.Expr, rule: str, column: str) -> None:
    """Refuse a file of which some row breaks a rule.

    Raises:
        ParseError: names the first such row, the rule and what stands in `column`.
    """
    wrong = frame.filter(is_wrong)
    if wrong.height:
        raise ParseError(file.label, f"column {column!r}: {rule}, but is {wrong[column][0]!r}", row=wrong[ROW][0])


def with_values(
    file: RawFile,
    frame: pl.DataFrame,
    column: str,
    name: str,
    read: Callable[[str], Value],
    *,
    bounds: bool = True,
) -> pl.DataFrame:
    """Read a column of publisher's cells into `<name>`, `<name>_lower`, `<name>_upper` and `<name>_kind`.

    Each text is read once, however many rows repeat it.

    Args:
        bounds: whether the table has room for bounds.

    Raises:
        ParseError: names the row and column of a cell that `read` refuses.
    """
    cells = {}
    for text in frame[column].unique(maintain_order=True):
        try:
            cells[text] = read(text)
        except ValueError as error:
            row = frame.filter(pl.col(column) == text)[ROW][0]
            raise ParseError(file.label, f"column {column!r}: {error}", row=row) from None
    suffixes = ("", "_lower", "_upper", "_kind") if bounds else ("", "_kind")
    schema = {column: pl.String} | {name + s: pl.String if s == "_kind" else pl.Float64 for s in suffixes}
    records = [
        (text, *((cell.value, cell.lower, cell.upper, cell.kind) if bounds else (cell.value, cell.kind)))
        for text, cell in cells.items()
    ]
    known = pl.DataFrame(records, schema=schema, orient="row")
    return frame.join(known, on=column, how="left", maintain_order="left")
