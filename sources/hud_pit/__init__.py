"""HUD Point-in-Time counts: people homeless on one night in January, by CoC and by state."""

import re
from pathlib import Path

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VALUE_KINDS, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources import corrections
from sources.source import ParseError, RawFile, Request, Source, Vintage, fetch_addresses
from sources.states import FIPS_BY_POSTAL, NAME_BY_FIPS
from sources.values import parse_number
from sources.workbook import Workbook

_ROOT = "https://www.huduser.gov/portal/sites/default/files/xls"
# HUD's server refuses clients that do not look like a browser coming from its own page.
_HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; headwaters)",
    "Referer": "https://www.huduser.gov/portal/datasets/ahar.html",
}
_FIRST_YEAR = "2007"
_CORRECTIONS = corrections.load(Path(__file__).with_name("corrections.yaml"))
_COC = re.compile(r"^(?P<id>[A-Z]{2}-\d{3})(?P<note>[a-z]?)$")
_YEAR_SHEET = re.compile(r"^\d{4}$")


def _table(level: str, what: str) -> Table:
    return Table(
        key=f"core.hud_pit_{level}",
        title=f"Point-in-Time homeless counts by {what}",
        description=f"People counted as homeless on one night in January, by {what}; one row a measure in HUD's own "
        f"words. A count on one night, known only for the whole {what}: context, and never painted on the counties "
        "inside it. Unsheltered counts were waived in 2021.",
        columns=(
            VINTAGE,
            PERIOD,
            geo_level(level),
            geo_id(level),
            GEO_NAME,
            Column("publisher_code", pl.String, "Code as HUD prints it; a letter behind it refers to a footnote."),
            Column("measure", pl.String, "HUD's column title without its year.", nullable=False),
            Column(
                "count", pl.Float64, "The figure; persons unless the measure says otherwise.", unit="persons", minimum=0
            ),
            Column("count_kind", pl.String, "What the cell says.", nullable=False, allowed=VALUE_KINDS),
            SNAPSHOT,
        ),
        primary_key=("vintage", "period", "geo_id", "measure"),
        may_be_empty=True,
    )


COC = _table("coc", "Continuum of Care")
STATE = _table("state", "state")


def _area(file: RawFile, sheet: str, row: int, code: str) -> tuple[str, str | None]:
    """The id and name of the area that a code means."""
    match = _COC.match(code)
    if match:
        return match["id"], None
    fips = FIPS_BY_POSTAL.get(code)
    if fips is None:
        raise ParseError(file.label, f"{code!r} is neither a CoC number nor a state", sheet=sheet, row=row)
    return fips, NAME_BY_FIPS[fips]


def _parse_sheet(file: RawFile, sheet: str, rows: list[tuple[str | None, ...]]) -> pl.DataFrame:
    header = [(title or "").strip() for title in rows[0]]
    if header[0] not in ("CoC Number", "State"):
        raise ParseError(
            file.label, f"must begin with 'CoC Number' or 'State', but with {header[0]!r}", sheet=sheet, row=1
        )
    by_coc = header[0] == "CoC Number"
    text_columns = {"CoC Number", "CoC Name", "CoC Category", "State", ""}
    measures = [(j, re.sub(rf",\s*{sheet}$", "", title)) for j, title in enumerate(header) if title not in text_columns]
    wrong_year = [title for _, title in measures if re.search(r",\s*\d{4}$", title)]
    if wrong_year:
        raise ParseError(file.label, f"columns must be of {sheet}, but one is {wrong_year[0]!r}", sheet=sheet, row=1)
    sums = dict.fromkeys((j for j, _ in measures), 0.0)
    records: list[tuple[object, ...]] = []
    total: tuple[str | None, ...] | None = None
    for number, row in enumerate(rows[1:], start=2):
        code = (row[0] or "").strip()
        if "Total" in ((row[1] or "").strip() if by_coc else code, code):
            total = row
            continue
        if total is not None or not code:
            continue  # what stands below the Total is footnotes
        area, name = _area(file, sheet, number, code)
        label = (row[1] or "").strip() if by_coc else name
        for j, measure in measures:
            try:
                cell = parse_number(row[j])
            except ValueError as error:
                raise ParseError(file.label, f"column {header[j]!r}: {error}", sheet=sheet, row=number) from None
            sums[j] += cell.value or 0.0
            records.append((area, label, code, measure, cell.value, cell.kind))
    if total is None:
        raise ParseError(file.label, "must end with a Total row, but has none: the sheet is cut off", sheet=sheet)
    codes = {record[2] for record in records}
    known = [correction for correction in _CORRECTIONS if correction.holds in codes]
    for j, _ in measures:
        corrections.check_total(
            file,
            sheet,
            header[j],
            published=parse_number(total[j]).value,
            rows_sum=sums[j],
            corrections=known,
        )
    schema = {
        "geo_id": pl.String,
        "geo_name": pl.String,
        "publisher_code": pl.String,
        "measure": pl.String,
        "count": pl.Float64,
        "count_kind": pl.String,
    }
    return pl.DataFrame(records, schema=schema, orient="row").with_columns(
        vintage=pl.lit(file.vintage),
        period=pl.lit(sheet),
        geo_level=pl.lit("coc" if by_coc else "state"),
    )


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a workbook by CoC or by state, one sheet a year; judge each year against its Total."""
    book = Workbook(file)
    years = [sheet for sheet in book.sheet_names if _YEAR_SHEET.match(sheet)]
    if not years:
        raise ParseError(file.label, f"must have a sheet for each year, but has {', '.join(book.sheet_names)}")
    table = STATE if "by-State" in file.name else COC
    columns = [name for name in table.column_names if name != "snapshot_sha256"]
    return {table.key: pl.concat(_parse_sheet(file, year, book.rows(year)) for year in years).select(columns)}


def _addresses(vintage: str) -> list[Request]:
    return [
        Request(name, f"{_ROOT}/{name}", "workbook", _HEADERS)
        for name in (
            f"{_FIRST_YEAR}-{vintage}-PIT-Counts-by-CoC.xlsb",
            f"{_FIRST_YEAR}-{vintage}-PIT-Counts-by-State.xlsb",
        )
    ]


SOURCE = Source(
    id="hud_pit",
    title="Point-in-Time homeless counts",
    publisher="US Department of Housing and Urban Development",
    licence="Public domain (work of the US government)",
    citation="US Department of Housing and Urban Development, PIT Estimates by CoC and by State.",
    landing_page="https://www.huduser.gov/portal/datasets/ahar.html",
    cadence="yearly, in December",
    cadence_days=400,
    vintages=(Vintage("2018", live=False), Vintage("2024")),
    tables=(COC, STATE),
    files={COC.key: ("*-PIT-Counts-by-CoC.xls[xb]",), STATE.key: ("*-PIT-Counts-by-State.xls[xb]",)},
    parse=parse,
    fetch=fetch_addresses(_addresses),
    corrections=_CORRECTIONS,
)
