"""AFCARS: children in foster care, entering and leaving it, by state and fiscal year."""

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VALUE_KINDS, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.source import ParseError, RawFile, Source, Vintage, parsed_schema
from sources.states import FIPS_BY_POSTAL, NAME_BY_FIPS
from sources.tabular import read_rows
from sources.values import parse_number

_GLANCE = ("state", "fiscal_year", "measure", "n")
_DISTRIBUTIONS = ("state", "section", "label", "pct", "n")
SECTIONS = ("glance", "in_care", "entries", "exits")

STATE = Table(
    key="core.acf_afcars_state",
    title="Foster care by state",
    description="Children in foster care by state and federal fiscal year (October to September): numbers at a glance, "
    "and distributions of those in care, entering and leaving. Known only for whole states: context, never allocated "
    "to counties.",
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("state"),
        geo_id("state"),
        GEO_NAME,
        Column("section", pl.String, "Part of the report.", nullable=False, allowed=SECTIONS),
        Column("measure", pl.String, "Measure or category in the publisher's words.", nullable=False),
        Column("count", pl.Float64, "Number of children.", unit="children", minimum=0),
        Column("count_kind", pl.String, "What the cell says.", nullable=False, allowed=VALUE_KINDS),
        Column(
            "share",
            pl.Float64,
            "Share of the section as published, whole per cents.",
            unit="share, 0 to 1",
            minimum=0,
            maximum=1,
        ),
        SNAPSHOT,
    ),
    primary_key=("vintage", "period", "geo_id", "section", "measure"),
    may_be_empty=True,
)


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read the numbers at a glance, or the distributions, in long form."""
    rows = read_rows(file, (_GLANCE, _DISTRIBUTIONS))
    glance = "fiscal_year" in rows[0]
    records = []
    for number, row in enumerate(rows, start=2):
        fips = FIPS_BY_POSTAL.get((row["state"] or "").strip())
        if fips is None:
            raise ParseError(file.label, f"{row['state']!r} is no state", row=number)
        try:
            count = parse_number(row["n"])
            percent = None if glance else parse_number(row["pct"]).value
        except ValueError as error:
            raise ParseError(file.label, str(error), row=number) from None
        records.append(
            {
                "vintage": file.vintage,
                "period": f"FY{row['fiscal_year'] if glance else file.vintage}",
                "geo_level": "state",
                "geo_id": fips,
                "geo_name": NAME_BY_FIPS[fips],
                "section": "glance" if glance else row["section"],
                "measure": row["measure"] if glance else row["label"],
                "count": count.value,
                "count_kind": count.kind,
                "share": None if percent is None else percent / 100,
            }
        )
    schema = parsed_schema(STATE)
    return {STATE.key: pl.DataFrame(records, schema=schema)}


SOURCE = Source(
    id="acf_afcars",
    title="Adoption and Foster Care Analysis and Reporting System",
    publisher="US Department of Health and Human Services, Children's Bureau",
    licence="Public domain (work of the US government)",
    citation="US Department of Health and Human Services, ACF, Children's Bureau, AFCARS state data.",
    landing_page="https://www.acf.hhs.gov/cb/data-research/adoption-fostercare",
    cadence="yearly",
    cadence_days=500,
    vintages=(Vintage("2021", live=False),),
    tables=(STATE,),
    files={STATE.key: ("afcars_fy*_glance_by_state.csv", "afcars_fy*_distributions_by_state.csv")},
    parse=parse,
    not_live="The publisher offers state figures as PDF pages and a dashboard only: put the two CSV files into "
    "<DIR>/acf_afcars/<year>/ and run with --input DIR.",
)
