"""CSV files that people open in a spreadsheet: no text of a publisher is taken for a formula.

A spreadsheet evaluates a cell that begins with = + - @, a tab or a line break (OWASP, CSV Injection), and quoting does
not hinder it. An apostrophe in front does, in the programs in use. The published DuckDB file keeps such text as it is:
nothing there evaluates it.
"""

import re

import polars as pl

FIRST = "=+-@\t\r\n"
"""Characters with which a spreadsheet begins a formula; full-width forms are read as these by some."""
_FULL_WIDTH = "＝＋－＠"
_BEGINS = f"[{re.escape(FIRST + _FULL_WIDTH)}]"
_FORMULA = rf"^\s*{_BEGINS}"
_NUMBER = r"^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*$"


def neutral(text: str) -> str:
    """Text with an apostrophe in front where a spreadsheet would take it for a formula; a plain number stays."""
    return f"'{text}" if re.match(_FORMULA, text) and not re.match(_NUMBER, text) else text


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """A frame as CSV in UTF-8: numbers as they are, text and names of columns neutralised.

    Args:
        frame: any; nested columns are not written.
    """
    texts = [pl.col(name) for name, dtype in frame.schema.items() if dtype == pl.String]
    safe = frame.with_columns(
        pl.when(text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER))
        .then(pl.concat_str(pl.lit("'"), text))
        .otherwise(text)
        .alias(text.meta.output_name())
        for text in texts
    )
    return safe.rename(neutral).write_csv(line_terminator="\n").encode()
