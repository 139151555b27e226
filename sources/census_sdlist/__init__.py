"""Which counties a school district lies in, as the Census Bureau lists it for its poverty estimates."""

import polars as pl

from quality.columns import PERIOD, SNAPSHOT, VINTAGE
from quality.contract import Column, Table
from sources.source import ParseError, RawFile, Request, Source, Vintage, fetch_addresses
from sources.states import FIPS_BY_POSTAL
from sources.workbook import Workbook

_ROOT = "https://www2.census.gov/programs-surveys/saipe/guidance-geographies/districts-counties"
_HEADER_IN = 10  # rows from the top; it stands in row 3
_COLUMNS = (
    "State Postal Code",
    "State FIPS",
    "District ID Number",
    "School District Name",
    "County Names",
    "County FIPS",
)

DISTRICT_COUNTY = Table(
    key="core.census_sdlist_district_county",
    title="School districts and the counties that they lie in",
    description="One row a part of a school district in a county; some four thousand districts lie in several "
    "counties. The list says that a part exists, not how large it is: it is no weight. Elementary and high-school "
    "districts overlap in some states, Illinois among them. Connecticut has its eight former counties.",
    columns=(
        VINTAGE,
        PERIOD,
        Column("district_id", pl.String, "NCES id of the district.", nullable=False, pattern=r"^\d{7}$"),
        Column("district_name", pl.String, "Name of the district as the publisher writes it.", nullable=False),
        Column("county_id", pl.String, "FIPS code of the county.", nullable=False, pattern=r"^\d{5}$"),
        Column("county_name", pl.String, "Name of the county as the publisher writes it.", nullable=False),
        Column("state_postal", pl.String, "Postal code of the state.", nullable=False, pattern=r"^[A-Z]{2}$"),
        SNAPSHOT,
    ),
    primary_key=("vintage", "district_id", "county_id"),
    may_be_empty=True,
)


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read `sdlist-{yy}.xls`.

    Raises:
        ParseError: no whole workbook, a column is lacking, a row has an empty cell, or ids that are none.
    """
    book = Workbook(file)
    sheet = book.sheet_names[0]
    rows = book.rows(sheet)
    titles = [[" ".join((cell or "").split()) for cell in row] for row in rows[:_HEADER_IN]]
    start = max(range(len(titles)), key=lambda n: len({*titles[n]} & {*_COLUMNS}), default=None)
    lacking = [name for name in _COLUMNS if start is None or name not in titles[start]]
    if start is None or lacking:
        raise ParseError(file.label, f"must have a header with the columns {lacking}", sheet=sheet)
    at = [titles[start].index(name) for name in _COLUMNS]
    records = []
    for number, row in enumerate(rows[start + 1 :], start=start + 2):
        if not any(row):
            continue
        postal, state, district, name, county, county_code = cells = [(row[j] or "").strip() for j in at]
        if "" in cells:
            empty = _COLUMNS[cells.index("")]
            raise ParseError(file.label, f"column {empty!r} must not be empty", sheet=sheet, row=number)
        if FIPS_BY_POSTAL.get(postal) != state.zfill(2):
            rule = f"state must be one state, but is {postal!r} and {state!r}"
            raise ParseError(file.label, rule, sheet=sheet, row=number)
        if not (district.isdigit() and county_code.isdigit()):
            rule = f"district and county must be digits, but are {district!r} and {county_code!r}"
            raise ParseError(file.label, rule, sheet=sheet, row=number)
        state = state.zfill(2)
        records.append((state + district.zfill(5), name, state + county_code.zfill(3), county, postal))
    if not records:
        raise ParseError(file.label, "must have rows below its header, but has none", sheet=sheet)
    names = ["district_id", "district_name", "county_id", "county_name", "state_postal"]
    frame = pl.DataFrame(records, schema=dict.fromkeys(names, pl.String), orient="row")
    frame = frame.with_columns(vintage=pl.lit(file.vintage), period=pl.lit(file.vintage))
    return {DISTRICT_COUNTY.key: frame.select("vintage", "period", *names)}


def _request(vintage: str) -> Request:
    name = f"sdlist-{vintage[2:]}.xls"
    return Request(name, f"{_ROOT}/{name}", "workbook")


SOURCE = Source(
    id="census_sdlist",
    title="School districts with associated counties",
    publisher="US Census Bureau",
    licence="Public domain (work of the US government)",
    citation="US Census Bureau, Small Area Income and Poverty Estimates (SAIPE) Program, districts and counties.",
    landing_page="https://www.census.gov/programs-surveys/saipe/guidance-geographies/districts-counties.html",
    cadence="yearly, in December, with the district poverty estimates",
    cadence_days=400,
    # "Created December 2021" stands in the file; the day is inferred.
    vintages=(Vintage("2021", released="2021-12-15"),),
    tables=(DISTRICT_COUNTY,),
    files={DISTRICT_COUNTY.key: ("sdlist-??.xls",)},
    parse=parse,
    fetch=fetch_addresses(lambda vintage: [_request(vintage)]),
    probe=_request,
)
