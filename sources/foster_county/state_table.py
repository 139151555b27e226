"""Annual county tables of a state's child welfare agency, typed from its report into a CSV.

The layout is documented in `docs/foster-county-files.md`.
"""

import re

from sources.foster_county.kids_count import Figure, Place
from sources.foster_county.places import counties, plain
from sources.source import ParseError, RawFile
from sources.states import FIPS_BY_POSTAL
from sources.tabular import read_rows
from sources.values import parse_number

COLUMNS = ("state", "county_fips", "county_name", "fiscal_year", "measure", "value", "source_document", "page")
MEASURES = ("in_care", "entries", "exits", "served", "aged_out")
"""Children in care on the last day; who entered, left, or were in care at any time in the year; who left by age."""


def _place(file: RawFile, number: int, row: dict[str, str]) -> Place:
    state = FIPS_BY_POSTAL.get(row["state"].strip())
    code, name = row["county_fips"].strip(), row["county_name"].strip()
    if state is None:
        raise ParseError(file.label, f"state must be a postal abbreviation, but is {row['state']!r}", row=number)
    if not re.fullmatch(rf"{state}\d{{3}}", code):
        rule = f"county_fips must have five digits that begin with {state}, but is {code!r}"
        raise ParseError(file.label, rule, row=number)
    if code.endswith("000"):
        return Place("state", state, state)
    known = counties().get(state)
    # Typed by hand: the name is there so that a slip in the code shows.
    if known is not None and known.get(plain(name)) != code:
        raise ParseError(file.label, f"{code} is not the code of {name!r} in {row['state'].strip()}", row=number)
    return Place("county", code, state)


def read(file: RawFile) -> list[Figure]:
    """Every row of a table.

    Raises:
        ParseError: a column is missing, a code does not fit its name, a measure is not one of `MEASURES`, a value is
            no number and no known code, or the document is not named.
    """
    found = []
    for number, row in enumerate(read_rows(file, (COLUMNS,)), start=2):
        place = _place(file, number, row)
        measure, year, document = (row[name].strip() for name in ("measure", "fiscal_year", "source_document"))
        if measure not in MEASURES:
            raise ParseError(file.label, f"measure must be one of {MEASURES}, but is {measure!r}", row=number)
        if not re.fullmatch(r"(19|20)\d{2}", year):
            rule = f"fiscal_year must be the year in which it ends, but is {year!r}"
            raise ParseError(file.label, rule, row=number)
        if not document:
            raise ParseError(file.label, "source_document must name the report, but is empty", row=number)
        try:
            value = parse_number(row["value"], intervals=True)
        except ValueError as error:
            raise ParseError(file.label, f"column 'value': {error}", row=number) from None
        name, page = row["county_name"].strip(), row["page"].strip() or None
        found.append(Figure(place, name, measure, "Total", f"FY{year}", "count", value, document, page))
    return found
