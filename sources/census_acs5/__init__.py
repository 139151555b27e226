"""American Community Survey, 5-year: the API's answers or the summary files, cell by cell with their margins."""

from collections.abc import Iterator

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.census_acs5 import summary
from sources.census_acs5.answers import KEYS, parse_json, parse_parquet
from sources.census_acs5.cells import COUNTY, DISTRICT, LAYERS, TRACT
from sources.source import Fetched, Fetcher, KeyProbe, RawFile, Request, Scope, Source, Vintage

_LAYER = Column(
    "layer",
    pl.String,
    "Layer of the district. Elementary and secondary districts lie over each other: never add them.",
    nullable=False,
    allowed=LAYERS,
)


def _table(level: str, what: str, *more: Column) -> Table:
    return Table(
        key=KEYS[level],
        title=f"ACS 5-year estimates by {what}",
        description=f"Cells of ACS 5-year tables by {what}, as the API and the summary files give them: one row a "
        "cell, the estimate and its published 90 % margin of error. Annotation codes are null here and kept as words "
        "beside the number. Only cells that are declared or that an indicator names are fetched; a missing cell is not "
        "a zero.",
        columns=(
            VINTAGE,
            PERIOD,
            geo_level(level),
            *more,
            geo_id(level),
            GEO_NAME,
            Column("table_id", pl.String, "ACS table, for instance B17001.", nullable=False, pattern=r"^[BCS]\d{4,5}"),
            Column("cell", pl.String, "Cell of the table, for instance B17001_002.", nullable=False),
            Column("estimate", pl.Float64, "Estimate, in the cell's own unit.", unit="as the table says", minimum=0),
            Column(
                "moe",
                pl.Float64,
                "90 % margin of error; 0 where the estimate is controlled.",
                unit="as the estimate",
                minimum=0,
            ),
            Column("annotation", pl.String, "What the publisher said in place of the estimate or the margin."),
            SNAPSHOT,
        ),
        # What is left of a state outside all districts of a layer has the same id (99999) in each layer.
        primary_key=("vintage", *(column.name for column in more), "geo_id", "cell"),
        may_be_empty=True,
    )


COUNTY_TABLE = _table(COUNTY, "county")
TRACT_TABLE = _table(TRACT, "tract")
DISTRICT_TABLE = _table(DISTRICT, "school district", _LAYER)

# The file of names feeds no table by itself; the parser of the summary files finds it beside them.
_SUMMARY = ("acsdt5y*.dat", "Geos*5YR.txt")


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read one answer (`county/B14005.json`, `tract/29/part-03.json`), a saved table of tracts or a summary file.

    Raises:
        ParseError: the file is malformed.
    """
    if file.name.startswith("Geos"):
        return {}
    if file.name.endswith(".dat"):
        return summary.parse(file)
    return parse_parquet(file) if file.name.endswith(".parquet") else parse_json(file)


def _fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    """By the API where there is a key, else the summary files."""
    if not fetcher.has_secret("CENSUS_API_KEY"):
        return summary.fetch(fetcher, vintage, scope)
    # The API client is imported only when it is needed: it brings its own network stack.
    from sources.census_acs5.live import fetch

    return fetch(fetcher, vintage, scope)


def _probe(vintage: str) -> Request:
    """The list of tables and cells that comes with the summary files; it needs no key."""
    name = f"ACS{vintage}5YR_Table_Shells.txt"
    return Request(name, f"{summary.ROOT}/{vintage}/table-based-SF/documentation/{name}", "text")


SOURCE = Source(
    id="census_acs5",
    title="American Community Survey, 5-year estimates",
    publisher="US Census Bureau",
    licence="Public domain (work of the US government)",
    citation="US Census Bureau, American Community Survey 5-Year Estimates.",
    landing_page="https://www.census.gov/programs-surveys/acs",
    cadence="yearly, in December or January",
    cadence_days=400,
    # The release of 2020-2024 came on 2026-01-29, by file dates that others noted.
    vintages=(Vintage("2018", live=False), Vintage("2022", live=False), Vintage("2023", released="2024-12-12")),
    tables=(COUNTY_TABLE, TRACT_TABLE, DISTRICT_TABLE),
    files={
        COUNTY_TABLE.key: ("county/*.json", *_SUMMARY),
        TRACT_TABLE.key: ("tract/*.json", "tract/*.parquet", *_SUMMARY),
        DISTRICT_TABLE.key: ("district_*/*.json", *_SUMMARY),
    },
    parse=parse,
    fetch=_fetch,
    probe=_probe,
    key=KeyProbe("CENSUS_API_KEY", "https://api.census.gov/data/2023/acs/acs5?get=NAME&for=us:1", is_required=False),
)
