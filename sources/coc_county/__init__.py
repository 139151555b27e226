"""Which counties a HUD Continuum of Care covers, and what share of each county."""

import io
import re

import polars as pl

from quality.columns import SNAPSHOT, VINTAGE
from quality.contract import Column, Table
from sources.source import ParseError, RawFile, Request, Source, SourceError, Vintage, fetch_addresses, parsed_schema
from sources.tabular import read_rows
from sources.values import parse_number

_COUNTY = r"^(\d{5}|NONE)$"
_COC = r"^([A-Z]{2}-\d{3}(_&_[A-Z]{2}-\d{3}_Shared_Jurisdiction)?|NONE)$"
_MATCH = ("county_fips", "coc_number", "coc_name", "pct_cnty_pop_coc", "pct_cnty_pov_coc")
_SHARES = ("COCNUM", "COCNAME", "fips", "area_share_of_county", "tract_share")
_TRACTS = ("GEOID", "fips", "COCNUM", "COCNAME", "w_tract")


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


TRACT = Table(
    key="core.coc_county_tract",
    title="Tracts of each Continuum of Care",
    description="One row a tract and CoC: the share of the tract's area that lies in the CoC. The shares of a tract "
    "sum to 1. Boundaries of two agencies never match quite, so that slivers are among them (Arkansas CoCs on Missouri "
    "tracts): kept here as published; crosswalks drop them and say so. A tract that is not here lies in no CoC.",
    columns=(
        VINTAGE,
        Column(
            "tract_id",
            pl.String,
            "FIPS of the tract as of the 2020 census; those of Connecticut begin with its old counties.",
            nullable=False,
            pattern=r"^\d{11}$",
        ),
        Column("county_id", pl.String, "County FIPS of the tract.", nullable=False, pattern=r"^\d{5}$"),
        Column("coc_id", pl.String, "CoC number; NONE where there is none.", nullable=False, pattern=_COC),
        Column("coc_name", pl.String, "Name of the CoC."),
        Column(
            "tract_share",
            pl.Float64,
            "Share of the tract's area in the CoC; null where there is none.",
            unit="share of the tract, 0 to 1",
            minimum=0,
            maximum=1,
        ),
        SNAPSHOT,
    ),
    primary_key=("vintage", "tract_id", "coc_id"),
    may_be_empty=True,
)


def _parse_tracts(file: RawFile) -> pl.DataFrame:
    """Read tract weights; vectorised, because a nation has some 97,000 of them."""
    try:
        read = pl.read_parquet(io.BytesIO(file.body))
    except (pl.exceptions.PolarsError, OSError) as error:
        start = file.body[:40].decode("latin-1").strip()
        reason = (str(error).splitlines() or [""])[0]
        raise ParseError(file.label, f"must be a whole Parquet file ({reason}), but starts with {start!r}") from None
    if lacking := [name for name in _TRACTS if name not in read.columns]:
        raise ParseError(file.label, f"must have the columns {lacking}, but has {read.columns[:8]}", row=1)
    if read.is_empty():
        raise ParseError(file.label, "must have rows, but has none")
    try:
        frame = read.select(
            vintage=pl.lit(file.vintage),
            tract_id=pl.col("GEOID").cast(pl.String),
            county_id=pl.col("fips").cast(pl.String),
            coc_id=pl.col("COCNUM").cast(pl.String).fill_null("NONE"),
            coc_name=pl.col("COCNAME").cast(pl.String),
            tract_share=pl.col("w_tract").cast(pl.Float64),
        )
    except pl.exceptions.PolarsError as error:
        raise ParseError(file.label, f"shares must be numbers: {error}") from None
    astray = frame.with_row_index("row", 1).filter(
        ~pl.col("tract_id").str.starts_with(pl.col("county_id"))
        | pl.col("tract_id").is_null()
        | ((pl.col("coc_id") != "NONE") & ~pl.col("tract_share").is_between(0, 1).fill_null(False))
    )
    if astray.height:
        rule = "a tract lies in its county, and its share is between 0 and 1"
        raise ParseError(file.label, f"{rule}, but this is {astray.row(0)[2:]}", row=astray["row"][0])
    sums = frame.filter(pl.col("coc_id") != "NONE").group_by("tract_id").agg(pl.col("tract_share").sum())
    wrong = sums.filter((pl.col("tract_share") - 1).abs() > 1e-4).sort("tract_id")
    if wrong.height:
        tract, total = wrong.row(0)
        raise ParseError(file.label, f"the shares of a tract must sum to 1, but those of {tract} sum to {total:g}")
    return frame


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read Byrne's crosswalk (`county_coc_match.csv`), a table of tract shares, or the tracts themselves."""
    if file.name.endswith(".parquet"):
        return {TRACT.key: _parse_tracts(file)}
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
    schema = parsed_schema(CROSSWALK)
    return {CROSSWALK.key: pl.DataFrame(records, schema=schema)}


def _addresses(vintage: str) -> list[Request]:
    # The repository's folder `output` on its branch `master`, as others who read the file name it.
    repository = "https://raw.githubusercontent.com/tomhbyrne/HUD-CoC-Geography-Crosswalk/master"
    return [Request("county_coc_match.csv", f"{repository}/output/county_coc_match.csv", "csv")]


def _probe(vintage: str) -> Request:
    if vintage != "2017":
        raise SourceError(f"coc_county/{vintage}: the address names no year, so nobody can ask for another one")
    return _addresses(vintage)[0]


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
    tables=(CROSSWALK, TRACT),
    files={CROSSWALK.key: ("county_coc_match.csv", "coc_county_*.csv"), TRACT.key: ("tract_coc_wt????.parquet",)},
    parse=parse,
    fetch=fetch_addresses(_addresses),
    probe=_probe,
)
