"""The long exports of the KIDS COUNT Data Center: a row for each place, category, time and format.

Workbooks name places (`LocationType`, `Location`); CSV exports carry FIPS codes (`LocationID`, 37000 for the state).
What the file counts stands nowhere in it: the number of the indicator is part of its address, and of its name here.
"""

import re
from typing import NamedTuple

from sources.foster_county.places import counties, plain
from sources.source import ParseError, RawFile
from sources.states import NAME_BY_FIPS
from sources.tabular import read_rows
from sources.values import Value, exact, parse_number, parse_percent
from sources.workbook import Workbook

_NAME = re.compile(r"kidscount_(?P<indicator>\w+?)(_\d+)?\.(xlsx|csv)")
_COMMON = ("Location", "TimeFrame", "DataFormat", "Data")
_NO_CATEGORY = {*_COMMON, "LocationType", "LocationID", "Unit", ""}
_FIPS_BY_NAME = {name: fips for fips, name in NAME_BY_FIPS.items()}
_LEVELS = {"Nation": "us", "State": "state", "Territory": "state", "County": "county", "City": "county"}
_TIME = re.compile(r"(?P<fiscal>FY)? ?(?P<first>\d{4})([-\u2013](?P<last>\d{4}|\d{2}))?")

# Children entering or re-entering state custody in Missouri: their number, and as a rate per 1,000 children. The titles
# are those of the indicators' own pages on the KIDS COUNT Data Center.
MEASURES = {"1976": "entries", "1977": "entries"}
_PER_1000 = {"1977"}


class Place(NamedTuple):
    """An area: its level, its id, and the state that it lies in (00 for the nation)."""

    level: str
    geo_id: str
    state_id: str


class Figure(NamedTuple):
    """One row of an export, read."""

    place: Place
    name: str
    measure: str
    category: str
    period: str
    unit: str
    value: Value
    document: str
    page: str | None = None


def indicator(file: RawFile) -> str:
    """The indicator that a file's name says: `1976` of `kidscount_1976_27.xlsx`.

    Raises:
        ParseError: the name does not say it.
    """
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise ParseError(file.label, "must be named kidscount_<indicator>_<location>.xlsx or .csv")
    return match["indicator"]


def _rows(file: RawFile) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The header, and the rows by column name with the numbers that an editor shows."""
    if file.name.endswith(".csv"):
        rows = read_rows(file, ((*_COMMON, "LocationID"),))
        return list(rows[0]), list(enumerate(rows, start=2))
    book = Workbook(file)
    sheet = book.sheet_names[0]
    header, *body = book.rows(sheet) or [()]
    titles = [(title or "").strip() for title in header]
    if lacking := [name for name in (*_COMMON, "LocationType") if name not in titles]:
        raise ParseError(file.label, f"must have the columns {lacking}, but has {titles[:8]}", sheet=sheet, row=1)
    found = [
        (number, dict(zip(titles, ((cell or "").strip() for cell in row), strict=True)))
        for number, row in enumerate(body, start=2)
        if any(row)
    ]
    if not found:
        raise ParseError(file.label, "must have rows below its header, but has none", sheet=sheet)
    return titles, found


def _code(row: dict[str, str]) -> str:
    return row.get("LocationID", "").strip().zfill(5)


def _state_of(rows: list[tuple[int, dict[str, str]]]) -> str | None:
    """The one state that the counties of an export lie in; None where it holds no or several states.

    Counties bear names of states (Washington County, North Carolina): only a row that is said to be a state is one.
    """
    named = [(_FIPS_BY_NAME.get(row["Location"]), row) for _, row in rows]
    states = {
        fips
        for fips, row in named
        if fips and (row.get("LocationType") in ("State", "Territory") or _code(row) == f"{fips}000")
    }
    return states.pop() if len(states) == 1 else None


def _named(file: RawFile, number: int, row: dict[str, str], state: str | None) -> Place:
    kind, name = row["LocationType"], row["Location"]
    level = _LEVELS.get(kind)
    if level == "us":
        return Place("us", "00", "00")
    if fips := _FIPS_BY_NAME.get(name) if level == "state" or name == "District of Columbia" else None:
        return Place("state", fips, fips)
    if level != "county":
        raise ParseError(file.label, f"{kind} {name!r} is no place that is known", row=number)
    if state is None:
        raise ParseError(file.label, "must hold one state beside its counties, so that they can be told", row=number)
    county = counties().get(state, {}).get(plain(name))
    if county is None:
        rule = f"{name!r} is no county of {NAME_BY_FIPS[state]} in sources/foster_county/counties.csv"
        raise ParseError(file.label, rule, row=number)
    return Place("county", county, state)


def _coded(file: RawFile, number: int, row: dict[str, str], state: str | None) -> Place:
    code = _code(row)
    if state is None or not re.fullmatch(rf"{state}\d{{3}}", code):
        # KIDS COUNT also numbers places for itself: only ids that fit the state's own row are FIPS codes.
        rule = f"LocationID must be a FIPS code of the one state in the file, but {row['Location']!r} has {code!r}"
        raise ParseError(file.label, rule, row=number)
    return Place("state", state, state) if code == f"{state}000" else Place("county", code, state)


def _period(text: str) -> str:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no year and no span of years")
    last = match["last"]
    if last and len(last) == 2:
        last = match["first"][:2] + last
    return f"{match['fiscal'] or ''}{match['first']}{f'-{last}' if last else ''}"


def _figure(row: dict[str, str], number_of: str) -> tuple[str, Value]:
    """Unit and value of a cell. Workbooks hold percentages as fractions, CSV exports as per cents."""
    kind, text = row["DataFormat"].strip(), row["Data"]
    if kind == "Number":
        return "count", parse_number(text, intervals=True)
    if kind == "Percent":
        if "%" in text or "Unit" in row:
            return "share", parse_percent(text)
        value = parse_number(text)
        if value.value is not None and not 0 <= value.value <= 1:
            raise ValueError(f"{text!r} is no share of 0 to 1")
        return "share", exact(round(value.value, 8)) if value.value is not None else value
    if kind == "Rate per 1,000" or (kind == "Rate" and number_of in _PER_1000):
        return "per_1000", parse_number(text, intervals=True)
    raise ValueError(f"DataFormat {kind!r} is not known")


def read(file: RawFile) -> list[Figure]:
    """Every row of an export.

    Raises:
        ParseError: a column is missing, a place is not known, or a cell is no figure and no known code.
    """
    number_of = indicator(file)
    header, rows = _rows(file)
    is_coded = "LocationID" in header
    state = _state_of(rows)
    breakdowns = [name for name in header if name not in _NO_CATEGORY]
    found = []
    for number, row in rows:
        place = _coded(file, number, row, state) if is_coded else _named(file, number, row, state)
        try:
            unit, value = _figure(row, number_of)
            period = _period(row["TimeFrame"])
        except ValueError as error:
            raise ParseError(file.label, str(error), row=number) from None
        parts = [row[name].strip() for name in breakdowns]
        found.append(
            Figure(
                place=place,
                name=row["Location"],
                measure=MEASURES.get(number_of, f"kidscount_{number_of.lower()}"),
                category=", ".join(part for part in parts if part not in ("", "Total")) or "Total",
                period=period,
                unit=unit,
                value=value,
                document=f"KIDS COUNT Data Center, indicator {number_of}",
            )
        )
    return found
