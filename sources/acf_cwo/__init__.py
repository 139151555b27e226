"""Child Welfare Outcomes: children who leave foster care by growing too old for it, by state and fiscal year."""

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VALUE_KINDS, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.source import ParseError, RawFile, Source, Vintage, parsed_schema
from sources.states import NAME_BY_FIPS
from sources.tabular import read_rows
from sources.values import Value, nothing, parse_number, parse_percent

_PLACES = ("State", "Year")
_COUNT = "Number of Children Exiting to Emancipation"
_SHARES = (
    "Children Age 12 or Younger at Entry (%)",
    "Children Older than 12 Years at Entry (%)",
    "Missing Data (%)",
)
_FIPS_BY_NAME = {name: fips for fips, name in NAME_BY_FIPS.items()}
_NONE_HERE = nothing("not_applicable")

STATE = Table(
    key="core.acf_cwo_state",
    title="Children who age out of foster care, by state",
    description="Children who left foster care by emancipation in a federal fiscal year (October to September), and "
    "what share of them had entered it young; one row a measure in the publisher's own words. A state whose data are "
    "of too low quality is withheld (DQ*). Known only for whole states: context, never allocated to counties. The "
    "figures of AFCARS were reported at another time and differ: never add or average the two.",
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("state"),
        geo_id("state"),
        GEO_NAME,
        Column("measure", pl.String, "The publisher's column title.", nullable=False, allowed=(_COUNT, *_SHARES)),
        Column("count", pl.Float64, "Number of children; null for a share.", unit="children", minimum=0),
        Column(
            "count_kind",
            pl.String,
            "What the cell says; not_applicable where the measure is a share.",
            nullable=False,
            allowed=VALUE_KINDS,
        ),
        Column(
            "share",
            pl.Float64,
            "Share of the children who left by emancipation; null for a count.",
            unit="share, 0 to 1",
            minimum=0,
            maximum=1,
        ),
        Column(
            "share_kind",
            pl.String,
            "What the cell says; not_applicable where the measure is a count.",
            nullable=False,
            allowed=VALUE_KINDS,
        ),
        SNAPSHOT,
    ),
    primary_key=("vintage", "period", "geo_id", "measure"),
    may_be_empty=True,
)


def _figure(file: RawFile, number: int, measure: str, text: str) -> tuple[Value, Value]:
    """Count and share of a cell: one of them is not applicable."""
    try:
        value = parse_number(text) if measure == _COUNT else parse_percent(text)
    except ValueError as error:
        raise ParseError(file.label, f"column {measure!r}: {error}", row=number) from None
    return (value, _NONE_HERE) if measure == _COUNT else (_NONE_HERE, value)


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read the table of exits to emancipation as the data site exports it, one row a state and year.

    A row of the nation is refused like any other that is no state: beside a single withheld state it would give the
    withheld figure away.
    """
    records = []
    for number, row in enumerate(read_rows(file, ((*_PLACES, _COUNT, *_SHARES),)), start=2):
        name, year = row["State"].strip(), row["Year"].strip()
        fips = _FIPS_BY_NAME.get(name)
        if fips is None:
            raise ParseError(file.label, f"{name!r} is no state", row=number)
        if not (len(year) == 4 and year.isdigit()):
            raise ParseError(file.label, f"a year has four digits, but this is {year!r}", row=number)
        for measure in (_COUNT, *_SHARES):
            count, share = _figure(file, number, measure, row[measure])
            records.append(
                {
                    "vintage": file.vintage,
                    "period": f"FY{year}",
                    "geo_level": "state",
                    "geo_id": fips,
                    "geo_name": name,
                    "measure": measure,
                    "count": count.value,
                    "count_kind": count.kind,
                    "share": share.value,
                    "share_kind": share.kind,
                }
            )
    schema = parsed_schema(STATE)
    return {STATE.key: pl.DataFrame(records, schema=schema)}


SOURCE = Source(
    id="acf_cwo",
    title="Child Welfare Outcomes",
    publisher="US Department of Health and Human Services, Children's Bureau",
    licence="Public domain (work of the US government)",
    citation="US Department of Health and Human Services, ACF, Children's Bureau, Child Welfare Outcomes report data.",
    landing_page="https://cwoutcomes.acf.hhs.gov/cwodatasite/",
    cadence="yearly",
    cadence_days=500,
    vintages=tuple(Vintage(str(year), live=False) for year in range(2020, 2025)),
    tables=(STATE,),
    files={STATE.key: ("foster_care_aging_out_????.csv",)},
    parse=parse,
    not_live="The data site exports its tables as CSV from the page only, at no lasting address: open "
    "https://cwoutcomes.acf.hhs.gov/cwodatasite/, choose exits to emancipation by age at entry, all states and one "
    "year, export it as <DIR>/acf_cwo/<year>/foster_care_aging_out_<year>.csv and run with --input DIR.",
)
