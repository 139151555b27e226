"""`grants.csv`: which grants the fund made, to whom, in which line, for which counties."""

import re

import polars as pl

from sources.local_services import cells
from sources.source import RawFile

COLUMNS = ("grant_id", "provider", "programme_line", "counties", "amount_usd", "start_on", "end_on")
LINES = ("prevention_programmes", "training_education", "survivor_services")
_DOLLARS = re.compile(r"(\d+|\d{1,3}(,\d{3})+)(\.\d{1,2})?")


def _amount(row: dict[str, str]) -> float:
    said = row["amount_usd"]
    if not _DOLLARS.fullmatch(said) or float(said.replace(",", "")) == 0:
        raise ValueError(f"column 'amount_usd': must be dollars above 0, as 25000 or 25000.00, but is {said!r}")
    return float(said.replace(",", ""))


def _line(row: dict[str, str]) -> dict[str, object]:
    start, end = cells.day(row, "start_on"), cells.day(row, "end_on")
    if end < start:
        raise ValueError(f"column 'end_on': must not be before start_on, but is {end} after {start}")
    return {
        "grant_id": cells.text(row, "grant_id"),
        "provider": cells.text(row, "provider"),
        "programme_line": cells.one_of(row, "programme_line", LINES),
        "counties": cells.counties(row, "counties"),
        "amount_usd": _amount(row),
        "start_on": start,
        "end_on": end,
    }


def read(file: RawFile) -> pl.DataFrame:
    """The lines of the list, `counties` as a list of FIPS codes.

    Raises:
        ParseError: a column is lacking, there are no rows, a line of the fund's programme is unknown, a county is no
            FIPS code, an amount is none, a grant ends before it starts, a cell that must say something is empty, or
            an id stands twice.
    """
    frame = cells.lines(file, COLUMNS, _line)
    cells.refuse_again(file, frame, ["grant_id"], "a grant must stand in one row")
    return frame
