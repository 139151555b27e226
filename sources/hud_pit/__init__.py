"""HUD Point-in-Time counts: people homeless on one night in January, by CoC and by state."""

import re
from pathlib import Path

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VALUE_KINDS, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources import corrections, hud
from sources.source import ParseError, RawFile, Request, Source, Vintage, fetch_addresses

_FIRST_YEAR = "2007"
_CORRECTIONS = corrections.load(Path(__file__).with_name("corrections.yaml"))
_TEXTS = {"CoC Number", "State", "CoC Name", "CoC Category", "Count Types", ""}
# People or households by shelter, and since 2015 by age, sex and race behind a dash. HUD adds words behind the dash
# with the years; a title of any other form is not what it was.
_MEASURE = re.compile(
    r"Number of CoCs|((Overall|Sheltered (ES|TH|SH|Total)|Unsheltered) )?(Chronically )?Homeless"
    r"( Individuals| People in Families| Family Households| Veterans| Children of Parenting Youth"
    r"| (Unaccompanied|Parenting) Youth (\(Under 25\)|Under 18|Age 18-24))?( - [\w ,/-]+)?"
)
# Inferred from notes of people who read the editions of 2024 and 2025: no workbook with this column was at hand.
_COUNT_TYPE = Column(
    "count_type",
    pl.String,
    "What HUD says was counted that year (sheltered and unsheltered people, sheltered only, ...); null where the sheet "
    "does not say. An unsheltered figure of a CoC that counted sheltered people only is of an earlier year.",
)


def _table(level: str, what: str, *extra: Column) -> Table:
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
            *extra,
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


COC = _table("coc", "Continuum of Care", _COUNT_TYPE)
STATE = _table("state", "state")


def _layout(file: RawFile, sheet: str, row: hud.Row, first: str) -> hud.Layout:
    header = hud.titles(row)
    by_coc = first == "CoC Number"
    needed = (first, "CoC Name") if by_coc else (first,)
    if lacking := [title for title in needed if title not in header]:
        raise ParseError(file.label, f"must have the columns {lacking}, but has {header[:6]}", sheet=sheet, row=1)
    measures = [
        hud.Measure(j, title, re.sub(rf",\s*{sheet}$", "", title))
        for j, title in enumerate(header)
        if title not in _TEXTS
    ]
    wrong_year = [measure.name for measure in measures if re.search(r",\s*\d{4}$", measure.name)]
    if wrong_year:
        raise ParseError(file.label, f"columns must be of {sheet}, but one is {wrong_year[0]!r}", sheet=sheet, row=1)
    if strange := [measure.title for measure in measures if not _MEASURE.fullmatch(measure.name)]:
        raise ParseError(file.label, f"has columns that nobody knows: {strange[:5]}", sheet=sheet, row=1)
    if not any(measure.name == "Overall Homeless" for measure in measures):
        raise ParseError(file.label, "must have a column 'Overall Homeless', but has none", sheet=sheet, row=1)
    texts = {"count_type": header.index("Count Types")} if "Count Types" in header else {}
    return hud.Layout(header.index(first), header.index("CoC Name") if by_coc else None, texts, measures, 1)


def _not_counted() -> pl.Expr:
    """A CoC that counted sheltered people only has no unsheltered zero: nobody looked."""
    only_sheltered = pl.col("count_type").str.contains(r"(?i)^sheltered.only")
    return (only_sheltered & pl.col("measure").str.starts_with("Unsheltered") & (pl.col("count") == 0)).fill_null(False)


def _parse_sheet(file: RawFile, table: Table, sheet: str, rows: list[hud.Row]) -> pl.DataFrame:
    layout = _layout(file, sheet, rows[0], "CoC Number" if table is COC else "State")
    read = hud.read_sheet(file, sheet, rows, layout, _CORRECTIONS)
    if table is COC:
        if "count_type" not in read.columns:
            read = read.with_columns(count_type=pl.lit(None, pl.String))
        read = read.with_columns(
            count=pl.when(_not_counted()).then(None).otherwise(pl.col("count")),
            count_kind=pl.when(_not_counted()).then(pl.lit("missing")).otherwise(pl.col("count_kind")),
        )
    return read


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a workbook by CoC or by state, one sheet a year; judge each year against its Total."""
    return hud.read_workbook(file, COC, STATE, _parse_sheet)


def _addresses(vintage: str) -> list[Request]:
    return [hud.request(f"{_FIRST_YEAR}-{vintage}-PIT-Counts-by-{level}.xlsb") for level in ("CoC", "State")]


def _probe(vintage: str) -> Request:
    """The smaller of the two workbooks."""
    return _addresses(vintage)[1]


SOURCE = Source(
    id="hud_pit",
    title="Point-in-Time homeless counts",
    publisher="US Department of Housing and Urban Development",
    licence="Public domain (work of the US government)",
    citation="US Department of Housing and Urban Development, PIT Estimates by CoC and by State.",
    landing_page="https://www.huduser.gov/portal/datasets/ahar.html",
    cadence="yearly, of late between December and May",
    cadence_days=500,
    vintages=(
        Vintage("2018", live=False),
        Vintage("2024", live=False),
        # The month is that of a third party's note on the release; the day is its last.
        Vintage("2025", released="2026-05-31"),
    ),
    tables=(COC, STATE),
    files={COC.key: ("*-PIT-Counts-by-CoC.xls[xb]",), STATE.key: ("*-PIT-Counts-by-State.xls[xb]",)},
    parse=parse,
    fetch=fetch_addresses(_addresses),
    probe=_probe,
    corrections=_CORRECTIONS,
)
