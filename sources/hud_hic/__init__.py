"""HUD Housing Inventory Count: beds for people without a home, by CoC and by state."""

import re
from pathlib import Path

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VALUE_KINDS, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources import corrections, hud
from sources.source import ParseError, RawFile, Request, Source, Vintage, fetch_addresses

_FIRST_YEAR = "2007"
_CORRECTIONS = corrections.load(Path(__file__).with_name("corrections.yaml"))
_COC_TITLES = ("CoC Number", "CoC")  # the second until 2012
_TEXTS = {*_COC_TITLES, "State", "CoC Name", ""}
# Not read: HMIS beds over beds that are not for victims of domestic violence, both of which are. The ratio that HUD
# prints is above one in hundreds of rows of 2007 to 2009, and negative in some.
_RATIO = "HMIS Participation Rate"
_KIND = "(ES|TH|SH|RRH|DEM|PSH|OPH)"
_OF = rf"\({_KIND}(( &|,) ?{_KIND})*\)"
_FOR = "(Units|Beds) for Households (with|without|with only) Children"
_MEASURE = re.compile(
    rf"Total (Non-DV |HMIS )?Year-Round Beds {_OF}|Total (Seasonal|Overflow) Beds {_OF}|Total {_FOR} {_OF}"
    rf"|Dedicated (Veteran|Youth|Chronically Homeless) Beds {_OF}"
    # until 2013
    rf"|Total ((Non-DV |HMIS )?Year-Round |Seasonal |Overflow(/Voucher)? |Chronic Homeless )?{_KIND} Beds"
    rf"|Total {_KIND} {_FOR}|Total [A-Z][A-Za-z ]+ \({_KIND}\) Beds( \(excluding seasonal\+(overflow|O/V)\))?"
)


def _table(level: str, what: str) -> Table:
    return Table(
        key=f"core.hud_hic_{level}",
        title=f"Housing inventory by {what}",
        description=f"Beds and units for people without a home on one night in January, by {what}; one row a measure "
        "in HUD's own words. Known only for the whole area: never painted on the "
        "counties inside it. Titles change over the years: the same beds are called otherwise before 2014.",
        columns=(
            VINTAGE,
            PERIOD,
            geo_level(level),
            geo_id(level),
            GEO_NAME,
            Column("publisher_code", pl.String, "Code as HUD prints it; a letter behind it refers to a footnote."),
            Column(
                "measure",
                pl.String,
                "HUD's column title. ES emergency shelter, TH transitional housing, SH safe haven, RRH rapid "
                "re-housing, DEM demonstrations of it, PSH permanent supportive and OPH other permanent housing.",
                nullable=False,
            ),
            Column(
                "count", pl.Float64, "Number of beds, or of units where the measure says so.", unit="beds", minimum=0
            ),
            Column("count_kind", pl.String, "What the cell says.", nullable=False, allowed=VALUE_KINDS),
            SNAPSHOT,
        ),
        primary_key=("vintage", "period", "geo_id", "measure"),
        may_be_empty=True,
    )


COC = _table("coc", "Continuum of Care")
STATE = _table("state", "state")


def _layout(file: RawFile, sheet: str, rows: list[hud.Row], firsts: tuple[str, ...]) -> hud.Layout:
    if len(rows) < 3:
        raise ParseError(file.label, "must have two header rows and areas below them", sheet=sheet)
    header = hud.titles(rows[1])
    code = next((header.index(title) for title in firsts if title in header), None)
    if code is None:
        raise ParseError(
            file.label, f"must have the column {' or '.join(firsts)!r}, but has {header[:4]}", sheet=sheet, row=2
        )
    measures = [
        hud.Measure(j, title, title)
        for j, title in enumerate(header)
        if title not in _TEXTS and _RATIO not in title and header.index(title) == j
    ]
    if strange := [measure.title for measure in measures if not _MEASURE.fullmatch(measure.title)]:
        raise ParseError(file.label, f"has columns that nobody knows: {strange[:5]}", sheet=sheet, row=2)
    if not any(measure.title.startswith("Total Year-Round Beds (ES,") for measure in measures):
        raise ParseError(file.label, "must have a column of all year-round beds, but has none", sheet=sheet, row=2)
    for j, title in enumerate(header):
        # Beds of a kind of project stand under the heading of all shelters and again under their own.
        first = header.index(title)
        if title not in _TEXTS and first != j and any(row[first] != row[j] for row in rows[2:]):
            raise ParseError(file.label, f"columns {title!r} must agree with each other, but differ", sheet=sheet)
    return hud.Layout(code, None, {}, measures, 2)


def _parse_sheet(file: RawFile, table: Table, sheet: str, rows: list[hud.Row]) -> pl.DataFrame:
    layout = _layout(file, sheet, rows, _COC_TITLES if table is COC else ("State",))
    return hud.read_sheet(file, sheet, rows, layout, _CORRECTIONS)


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a workbook by CoC or by state, one sheet a year; judge each year against its Total."""
    return hud.read_workbook(file, COC, STATE, _parse_sheet)


def _addresses(vintage: str) -> list[Request]:
    return [hud.request(f"{_FIRST_YEAR}-{vintage}-HIC-Counts-by-{level}.xlsx") for level in ("CoC", "State")]


def _probe(vintage: str) -> Request:
    """The smaller of the two workbooks."""
    return _addresses(vintage)[1]


SOURCE = Source(
    id="hud_hic",
    title="Housing Inventory Count",
    publisher="US Department of Housing and Urban Development",
    licence="Public domain (work of the US government)",
    citation="US Department of Housing and Urban Development, Housing Inventory Count by CoC and by State.",
    landing_page="https://www.huduser.gov/portal/datasets/ahar.html",
    cadence="yearly, of late between December and May",
    cadence_days=500,
    # Released with the Point-in-Time counts; see there.
    vintages=(Vintage("2024", live=False), Vintage("2025", released="2026-05-31")),
    tables=(COC, STATE),
    files={COC.key: ("*-HIC-Counts-by-CoC.xls[xb]",), STATE.key: ("*-HIC-Counts-by-State.xls[xb]",)},
    parse=parse,
    fetch=fetch_addresses(_addresses),
    probe=_probe,
    corrections=_CORRECTIONS,
)
