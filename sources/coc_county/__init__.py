"""Which counties a HUD Continuum of Care covers, and what share of each county."""

import re

import polars as pl

from quality.columns import SNAPSHOT, VINTAGE
from quality.contract import Column, Table
from sources.delimited import read_rows
from sources.source import ParseError, RawFile, Request, Source, Vintage, fetch_addresses
from sources.values import parse_number

_COUNTY = r"^(\d{5}|NONE)$"
_COC = r"^([A-Z]{2}-\d{3}(_&_[A-Z]{2}-\d{3}_Shared_Jurisdiction)?|NONE)$"
_MATCH = ("county_fips", "coc_number", "coc_name", "pct_cnty_pop_coc", "pct_cnty_pov_coc")
_SHARES = ("COCNUM", "COCNAME", "fips", "area_share_of_county", "tract_share")


def _share(name: str, description: str) -> Column:
    # Shares computed from tract tables overshoot 1 by rounding.
    return Column(name, pl.Float64, description, unit="share of the county, 0 to 1", minimum=0, maximum=1.0001)


CROSSWALK = Table(
    key="core.coc_county_crosswalk",
    title="Counties of each Continuum of Care",
    description="One row a county and CoC. Weigh with population or tracts, never with area: of Clay and Platte "
    "(29047, 29165) about half the people but a fifth of the area lie in MO-604. MO-604 also covers Wyandotte, Kansas. "
    "A county that belongs to no CoC has a null coc_id.",
    columns=(
        VINTAGE,
        Column(
            "county_id",
            pl.String,
            "County FIPS of the crosswalk's own vintage; NONE where the CoC is matched to no county.",
            nullable=False,
            pattern=_COUNTY,
        ),
        Column(
            "coc_id",
            pl.String,
            "CoC number; both numbers where two share the ground; NONE where there is none.",
            nullable=False,
            pattern=_COC,
        ),
        Column("coc_name", pl.String, "Name of the CoC."),
        _share("population_share", "Share of the county's people who live in the CoC."),
        _share("poverty_share", "Share of the county's poor people who live in the CoC."),
        _share("tract_share", "Share of the county's tracts that lie in the CoC."),
        _share("area_share", "Share of the county's area that lies in the CoC; never a weight."),
        SNAPSHOT,
    ),
    primary_key=("vintage", "county_id", "coc_id"),
    may_be_empty=True,
)


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read Byrne's crosswalk (`county_coc_match.csv`) or a table of tract shares."""
    records = []
    for number, row in enumerate(read_rows(file, (_MATCH, _SHARES)), start=2):
        shares = "COCNUM" in row
        county = (row["fips"] if shares else row["county_fips"]).strip()
        coc = (row["COCNUM"] if shares else row["coc_number"]).strip()
        # Two CoCs are matched to no county: they are kept, not dropped.
        county = "NONE" if county in ("", "NA") else county
        if not re.fullmatch(_COUNTY, county):
            raise ParseError(file.label, f"a county code has five digits, but this is {county!r}", row=number)

        def share(column: str, factor: float, row: dict[str, str] = row, number: int = number) -> float | None:
            try:
                value = parse_number(row[column]).value
            except ValueError as error:
                raise ParseError(file.label, f"column {column!r}: {error}", row=number) from None
            return None if value is None else value * factor

        records.append(
            {
                "vintage": file.vintage,
                "county_id": county,
                "coc_id": "NONE" if coc in ("", "NA") else coc,
                "coc_name": None if coc in ("", "NA") else (row["COCNAME"] if shares else row["coc_name"]).strip(),
                "population_share": None if shares else share("pct_cnty_pop_coc", 0.01),
                "poverty_share": None if shares else share("pct_cnty_pov_coc", 0.01),
                "tract_share": share("tract_share", 1.0) if shares else None,
                "area_share": share("area_share_of_county", 1.0) if shares else None,
            }
        )
    schema = {column.name: column.dtype for column in CROSSWALK.columns if column.name != "snapshot_sha256"}
    return {CROSSWALK.key: pl.DataFrame(records, schema=schema)}


def _addresses(vintage: str) -> list[Request]:
    repository = "https://raw.githubusercontent.com/tomhbyrne/HUD-CoC-Geography-Crosswalk/master"
    return [Request("county_coc_match.csv", f"{repository}/output/county_coc_match.csv", "csv")]


SOURCE = Source(
    id="coc_county",
    title="Continuum of Care to county crosswalk",
    publisher="T. Byrne (2017); boundaries of HUD (2025)",
    licence="Published for reuse with attribution by its author; boundaries are works of the US government",
    citation="Byrne, T. HUD CoC Geography Crosswalk. US Department of Housing and Urban Development, CoC boundaries.",
    landing_page="https://github.com/tomhbyrne/HUD-CoC-Geography-Crosswalk",
    cadence="irregular",
    cadence_days=3650,
    vintages=(Vintage("2017"), Vintage("2025", live=False)),
    tables=(CROSSWALK,),
    files={CROSSWALK.key: ("county_coc_match.csv", "coc_county_*.csv")},
    parse=parse,
    fetch=fetch_addresses(_addresses),
)
