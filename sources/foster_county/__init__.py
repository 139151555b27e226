"""Foster care by county: exports and annual tables that people put into a folder, because no national file exists."""

from collections.abc import Iterable

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level, measured
from quality.contract import Additive, Column, Table
from sources.foster_county import kids_count, state_table
from sources.foster_county.kids_count import Figure
from sources.source import RawFile, Request, Source, SourceError, Vintage, fetch_addresses, parsed_schema

_LEVELS = ("us", "state", "county")
_ADDRESS = "https://datacenter.aecf.org/rawdata.axd"
_MISSOURI = 27  # KIDS COUNT numbers the states by their names; the nation is 1
_NOTE = (
    "Publishers define and count foster care in their own ways: compare only within one source document. A figure of a "
    "state is never allocated to its counties."
)
_ABOUT = (
    VINTAGE,
    Column("source_document", pl.String, "The report or export that states the figure.", nullable=False),
    Column("page", pl.String, "Page of the report, where it has pages."),
    Column(
        "measure",
        pl.String,
        "What is counted: in_care (on the last day), entries, exits, served (in care at any time), aged_out; "
        "kidscount_<number> for an indicator that has no such name here.",
        nullable=False,
        pattern=rf"^({'|'.join(state_table.MEASURES)}|kidscount_[a-z0-9_]+)$",
    ),
    Column("category", pl.String, "Children counted, in the publisher's words; Total for all.", nullable=False),
    PERIOD,
    geo_level(*_LEVELS),
    geo_id(*_LEVELS),
    GEO_NAME,
    Column("state_id", pl.String, "FIPS of the state, 00 for the nation.", nullable=False, pattern=r"^\d{2}$"),
)
_KEY = ("vintage", "source_document", "measure", "category", "period", "geo_id")

COUNT = Table(
    key="core.foster_county_count",
    title="Children in foster care by county",
    description=f"Numbers of children, from exports and annual tables that were put into a folder. {_NOTE}",
    columns=(*_ABOUT, *measured("count", "Number of children.", "children"), SNAPSHOT),
    primary_key=_KEY,
    may_be_empty=True,
    additive=(
        Additive(
            within=("vintage", "source_document", "measure", "category", "period", "state_id"),
            along="geo_level",
            total="state",
            aside=("us",),
        ),
    ),
)
RATE = Table(
    key="core.foster_county_rate",
    title="Foster care rates and shares by county",
    description=f"Rates and shares as their publishers computed them. {_NOTE}",
    columns=(
        *_ABOUT,
        Column(
            "unit",
            pl.String,
            "share: part of the children, 0 to 1; per_1000: for 1,000 children.",
            nullable=False,
            allowed=("share", "per_1000"),
        ),
        *measured("rate", "Share or rate.", "as the column unit says"),
        SNAPSHOT,
    ),
    primary_key=(*_KEY, "unit"),
    may_be_empty=True,
)


def _frame(file: RawFile, table: Table, figures: Iterable[Figure], figure: str) -> pl.DataFrame:
    rows = [
        {
            "vintage": file.vintage,
            "source_document": one.document,
            "page": one.page,
            "measure": one.measure,
            "category": one.category,
            "period": one.period,
            "geo_level": one.place.level,
            "geo_id": one.place.geo_id,
            "geo_name": one.name,
            "state_id": one.place.state_id,
            "unit": one.unit,
            figure: one.value.value,
            f"{figure}_lower": one.value.lower,
            f"{figure}_upper": one.value.upper,
            f"{figure}_kind": one.value.kind,
        }
        for one in figures
    ]
    schema = parsed_schema(table)
    return pl.DataFrame(rows, schema={**schema, "unit": pl.String}).select(list(schema))


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a KIDS COUNT export (`kidscount_*`) or a state's annual table (`county_foster_care_*.csv`)."""
    figures = kids_count.read(file) if file.name.startswith("kidscount_") else state_table.read(file)
    counts = [figure for figure in figures if figure.unit == "count"]
    rates = [figure for figure in figures if figure.unit != "count"]
    found = {COUNT.key: _frame(file, COUNT, counts, "count")} if counts else {}
    return {**found, RATE.key: _frame(file, RATE, rates, "rate")} if rates else found


def _addresses(vintage: str) -> list[Request]:
    return [
        Request(f"kidscount_{number}_{_MISSOURI}.xlsx", f"{_ADDRESS}?ind={number}&loc={_MISSOURI}", "workbook")
        for number in kids_count.MEASURES
    ]


def _probe(vintage: str) -> Request:
    if vintage != _LIVE.id:
        raise SourceError(f"foster_county/{vintage}: the address names no year, so nobody can ask for another one")
    return _addresses(vintage)[0]


# A vintage is the year in which files were fetched or put into the folder: the address always gives the newest.
_LIVE = Vintage("2026")

SOURCE = Source(
    id="foster_county",
    title="Foster care by county",
    publisher="State child welfare agencies; KIDS COUNT Data Center of the Annie E. Casey Foundation",
    licence="KIDS COUNT: reuse with attribution; tables of state agencies: public records",
    citation="Annie E. Casey Foundation, KIDS COUNT Data Center, datacenter.aecf.org; annual reports of the Missouri "
    "Children's Division and of the Illinois Department of Children and Family Services.",
    landing_page="https://datacenter.aecf.org/",
    cadence="irregular",
    cadence_days=730,
    vintages=(Vintage("2024", live=False), Vintage("2025", live=False), _LIVE),
    tables=(COUNT, RATE),
    files={
        COUNT.key: ("kidscount_*.xlsx", "kidscount_*.csv", "county_foster_care_*.csv"),
        RATE.key: ("kidscount_*.xlsx", "kidscount_*.csv"),
    },
    parse=parse,
    fetch=fetch_addresses(_addresses),
    probe=_probe,
)
