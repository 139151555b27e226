"""HUD's Fair Market Rents: what a modest home costs by county, and by town where New England has no county rent."""

import re

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VINTAGE
from quality.contract import Column, Table
from sources.source import ParseError, RawFile, Request, Source, Vintage, fetch_addresses, parsed_schema
from sources.states import FIPS_BY_POSTAL
from sources.values import parse_number
from sources.workbook import Workbook

# HUD's server refuses clients that do not look like a browser coming from its own page.
_HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; headwaters)",
    "Referer": "https://www.huduser.gov/portal/datasets/fmr.html",
}
_FOLDER = "https://www.huduser.gov/portal/datasets/fmr"
_WHOLE_COUNTY = "99999"
_NAME = re.compile(
    r"FY(?P<year>\d{2})_FMRs(?P<is_revised>_rev(ised)?)?\.xlsx|FMR20(?P<final>\d{2})_final_revised\.xlsx"
)
_ABOUT = ("stusps", "state", "hud_area_code", "countyname", "county_town_name", "metro", "hud_area_name", "fips")
_RENTS = ("fmr_0", "fmr_1", "fmr_2", "fmr_3", "fmr_4")
_SIZES = ("without a bedroom", "with one bedroom", "with two bedrooms", "with three bedrooms", "with four bedrooms")


def _rent(name: str, size: str) -> Column:
    return Column(
        f"{name}_usd",
        pl.Int64,
        f"Fair Market Rent of a home {size}, utilities included.",
        unit="US dollars a month",
        nullable=False,
        minimum=1,
    )


COUNTY = Table(
    key="core.hud_fmr_county",
    title="Fair Market Rents by county",
    description="Rent that HUD sets for housing vouchers in a fiscal year (October to September), in most areas the "
    "40th percentile of gross rents. It is set for a HUD area and repeated in each of its counties: it tells "
    "neither counties of one area apart, nor neighbourhoods of one county. Only rows with geo_level county are "
    "counties. In New England HUD sets rents for towns: those rows are county_subdivision, their geo_id has ten "
    "digits, and no rent of their county is published or computed.",
    columns=(
        VINTAGE,
        PERIOD,
        Column(
            "geo_level",
            pl.String,
            "county; county_subdivision for a town of New England, which is no county; state for a territory that has "
            "one rent and that HUD gives no county.",
            nullable=False,
            allowed=("county", "county_subdivision", "state"),
        ),
        Column(
            "geo_id",
            pl.String,
            "FIPS of the county, five digits; of a town ten, with its county subdivision; of a territory two.",
            nullable=False,
            pattern=r"^(\d{2}|\d{5}|\d{10})$",
        ),
        GEO_NAME,
        Column(
            "county_id", pl.String, "FIPS of the county that the row lies in; null for a territory.", pattern=r"^\d{5}$"
        ),
        Column("hud_area_code", pl.String, "HUD's code of the area that the rent is set for.", nullable=False),
        Column("hud_area_name", pl.String, "Its name.", nullable=False),
        Column("is_metro", pl.Boolean, "Whether HUD counts the area as metropolitan.", nullable=False),
        *(_rent(name, size) for name, size in zip(_RENTS, _SIZES, strict=True)),
        SNAPSHOT,
    ),
    primary_key=("vintage", "geo_id"),
    may_be_empty=True,
)


def _revisions(year: str) -> tuple[str, ...]:
    """What HUD has called the revised workbook of a fiscal year, by its last two digits."""
    return f"FY{year}_FMRs_revised.xlsx", f"FY{year}_FMRs_rev.xlsx", f"FMR20{year}_final_revised.xlsx"


def _sheet(file: RawFile, book: Workbook, year: str) -> str:
    """The sheet of the rents: `FY25_FMRs`, `FY24_FMRs_rev`; beside it stands one that describes the fields."""
    found = [name for name in book.sheet_names if name.startswith(f"FY{year}_FMRs")]
    if len(found) != 1:
        rule = f"must have one sheet called FY{year}_FMRs..., but has {', '.join(book.sheet_names)}"
        raise ParseError(file.label, rule)
    return found[0]


def _fips(text: str, postal: str, state: str) -> str:
    """The ten digits of a row; a number has lost its leading zero.

    Raises:
        ValueError: they are none, or not those of the row's state.
    """
    if not re.fullmatch(r"\d{9,10}", text):
        raise ValueError(f"fips must have ten digits, but is {text!r}")
    code = text.zfill(10)
    known = FIPS_BY_POSTAL.get(postal)
    if known is None or code[:2] != known or state.zfill(2) != known:
        raise ValueError(f"stusps, state and fips must be of one state, but are {postal!r}, {state!r} and {code!r}")
    return code


def _dollars(name: str, text: str) -> int:
    """A rent in whole dollars.

    Raises:
        ValueError: it is none: HUD publishes a rent of each size for each area.
    """
    value = parse_number(text).value
    if value is None or value < 1 or not value.is_integer():
        raise ValueError(f"{name} must be a rent in whole dollars, but is {text!r}")
    return int(value)


def _place(code: str, row: dict[str, str]) -> dict[str, str | None]:
    """Level, id, name and county of a row."""
    county, town = row["countyname"], f"{row['county_town_name']}, {row['countyname']}"
    if not code.endswith(_WHOLE_COUNTY):
        return {"geo_level": "county_subdivision", "geo_id": code, "geo_name": town, "county_id": code[:5]}
    if code[2:5] == "999":
        return {"geo_level": "state", "geo_id": code[:2], "geo_name": county, "county_id": None}
    return {"geo_level": "county", "geo_id": code[:5], "geo_name": county, "county_id": code[:5]}


def _record(row: dict[str, str]) -> dict[str, object]:
    code = _fips(row["fips"], row["stusps"], row["state"])
    if row["metro"] not in ("0", "1"):
        raise ValueError(f"metro must be 0 or 1, but is {row['metro']!r}")
    if not row["hud_area_code"] or not row["hud_area_name"]:
        raise ValueError("hud_area_code and hud_area_name must not be empty")
    return {
        **_place(code, row),
        "hud_area_code": row["hud_area_code"],
        "hud_area_name": row["hud_area_name"],
        "is_metro": row["metro"] == "1",
        **{f"{name}_usd": _dollars(name, row[name]) for name in _RENTS},
    }


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read `FY{yy}_FMRs.xlsx` or its revised edition, which takes the place of the first where both lie in a folder.

    Raises:
        ParseError: the file is of another year than its folder, a sheet or a column is lacking, a code is no FIPS code
            of the row's state, or a rent is not a number of whole dollars.
    """
    match = _NAME.fullmatch(file.name)
    year = match and (match["year"] or match["final"])
    if match is None or year is None or f"20{year}" != file.vintage:
        raise ParseError(file.label, f"must be a workbook of the fiscal year {file.vintage} by its name")
    is_first = match["year"] is not None and match["is_revised"] is None
    if is_first and any(file.beside(name) is not None for name in _revisions(year)):
        return {COUNTY.key: COUNTY.empty().drop("snapshot_sha256")}
    book = Workbook(file)
    sheet = _sheet(file, book, year)
    header, *body = book.rows(sheet) or [()]
    titles = [(title or "").strip().lower() for title in header]
    if lacking := [name for name in (*_ABOUT, *_RENTS) if name not in titles]:
        raise ParseError(file.label, f"must have the columns {lacking}, but has {titles[:14]}", sheet=sheet, row=1)
    records = []
    for number, cells in enumerate(body, start=2):
        if not any(cells):
            continue
        row = dict(zip(titles, ((cell or "").strip() for cell in cells), strict=True))
        try:
            record = _record(row)
        except ValueError as error:
            raise ParseError(file.label, str(error), sheet=sheet, row=number) from None
        records.append({"vintage": file.vintage, "period": f"FY{file.vintage}", **record})
    if not records:
        raise ParseError(file.label, "must have rows below its header, but has none", sheet=sheet)
    return {COUNTY.key: pl.DataFrame(records, schema=parsed_schema(COUNTY))}


# The revised edition of a year is the one in force; a year that nobody looked up yet has its first edition only.
_IN_FORCE = {"2024": "FMR2024_final_revised.xlsx", "2025": "FY25_FMRs_revised.xlsx", "2026": "FY26_FMRs_revised.xlsx"}


def _request(vintage: str) -> Request:
    name = _IN_FORCE.get(vintage, f"FY{vintage[2:]}_FMRs.xlsx")
    return Request(name, f"{_FOLDER}/fmr{vintage}/{name}", "workbook", _HEADERS)


SOURCE = Source(
    id="hud_fmr",
    title="Fair Market Rents",
    publisher="US Department of Housing and Urban Development",
    licence="Public domain (work of the US government)",
    citation="US Department of Housing and Urban Development, Office of Policy Development and Research, Fair Market "
    "Rents by county and town.",
    landing_page="https://www.huduser.gov/portal/datasets/fmr.html",
    cadence="yearly, in August or September; revised editions in between",
    cadence_days=400,
    vintages=(Vintage("2024"), Vintage("2025"), Vintage("2026", released="2025-08-22")),
    tables=(COUNTY,),
    files={
        COUNTY.key: ("FY??_FMRs.xlsx", "FY??_FMRs_rev.xlsx", "FY??_FMRs_revised.xlsx", "FMR20??_final_revised.xlsx")
    },
    parse=parse,
    fetch=fetch_addresses(lambda vintage: [_request(vintage)]),
    probe=_request,
)
