"""Read publishers' CSV files: whole, in a known encoding, with one of the headers that the source knows."""

import csv
import io
from collections.abc import Sequence

from sources.source import ParseError, RawFile


def read_rows(file: RawFile, headers: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """The rows of a CSV file by column name; row 1 is the header.

    Args:
        headers: the sets of columns that the source reads; the file must hold one of them whole, and
            may hold more.

    Raises:
        ParseError: the file is no text or no CSV, has another header, no rows, or a row with more or
            fewer values than its header.
    """
    try:
        text = file.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Files that were written on Windows hold typographic quotes in cp1252.
        text = file.body.decode("cp1252", errors="replace")
    try:
        reader = csv.DictReader(io.StringIO(text))
        rows, header = list(reader), list(reader.fieldnames or ())
    except csv.Error as error:
        raise ParseError(file.label, f"must be a CSV file: {error}") from None
    lacking = min(([name for name in columns if name not in header] for columns in headers), key=len)
    if lacking:
        raise ParseError(file.label, f"must have the columns {lacking}, but has {header[:8]}", row=1)
    if "\ufffd" in text:
        raise ParseError(file.label, "must be text in UTF-8 or Windows-1252, but some bytes are neither")
    if not rows:
        raise ParseError(file.label, "must have rows below its header, but has none")
    for number, row in enumerate(rows, start=2):
        # DictReader fills a short row with None and keeps what is too much under the key None.
        if None in row or None in row.values():
            raise ParseError(file.label, f"must have {len(header)} values as its header", row=number)
    return rows
