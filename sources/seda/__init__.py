"""Stanford Education Data Archive (SEDA): what students learn, by county and district, on one national scale."""

import re
from collections.abc import Iterator

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.source import (
    Fetched,
    Fetcher,
    ParseError,
    RawFile,
    Request,
    Scope,
    Source,
    SourceError,
    Vintage,
    parsed_schema,
)
from sources.tabular import read_frame, refuse, with_values
from sources.values import parse_number

_MEASURES = (
    "`learning_rate` is the Urban Institute's: grade levels that one cohort of students gained a year in English "
    "between grades 3 and 8, with 95 % bounds. `gcs_mn_*_ol` are SEDA's own, pooled over grades, years and both "
    "subjects, with a standard error and no bounds: avg is the mean in grade levels, lrn (grd in older releases) the "
    "grade levels gained a year, tav (coh) the change from one year to the next. Never compare the two kinds."
)


def _estimate(suffix: str, what: str) -> Column:
    return Column(f"estimate{suffix}", pl.Float64, what, unit="grade levels", minimum=-25, maximum=25)


def _table(level: str, what: str) -> Table:
    return Table(
        key=f"core.seda_{level.rpartition('_')[2]}",
        title=f"Learning by {what} (SEDA)",
        description=f"Estimates of what public-school students in grades 3 to 8 learn, by {what}; one row a measure "
        f"and group. A null estimate means that too few tests were taken, never zero. SEDA adds noise. {_MEASURES}",
        columns=(
            VINTAGE,
            PERIOD,
            geo_level(level),
            geo_id(level),
            GEO_NAME,
            Column(
                "subgroup",
                pl.String,
                "Group of students by the names of the graduation tables; a group without one stands as printed.",
                nullable=False,
            ),
            Column(
                "measure",
                pl.String,
                "The publisher's name of the figure; the table's description says what each is.",
                nullable=False,
                pattern=r"^(learning_rate|gcs_mn_(avg|lrn|grd|tav|coh)_ol)$",
            ),
            _estimate("", "The estimate."),
            _estimate("_lower", "Lower end of the 95 % interval, where the publisher prints one."),
            _estimate("_upper", "Upper end of the 95 % interval, where the publisher prints one."),
            Column(
                "standard_error",
                pl.Float64,
                "Standard error of the estimate, where the publisher prints one.",
                unit="grade levels",
                minimum=0,
            ),
            Column(
                "estimate_quality",
                pl.String,
                "Urban's grade: 1 rests on five or six grades, 2 on four, each with thirty tests at least; 3 on less.",
                allowed=("1", "2", "3"),
            ),
            SNAPSHOT,
        ),
        primary_key=("vintage", "period", "geo_id", "subgroup", "measure"),
        may_be_empty=True,
    )


COUNTY = _table("county", "county")
DISTRICT = _table("school_district", "school district")

_URBAN = ("year", "state", "county", "learning_rate", "learning_rate_lb", "learning_rate_ub", "learning_rate_quality")
_SUBGROUPS = {
    "asn": "asian",
    "blk": "black",
    "ecd": "low_income",
    "fem": "female",
    "hsp": "hispanic",
    "mal": "male",
    "mtr": "multiracial",
    "nam": "american_indian",
    "nec": "not_low_income",
    "wht": "white",
}
_NAME = re.compile(r"seda_(county|geodist)_pool_gcs_(\d\.\d)(_updated_\d{8})?\.csv")
# The school years that each release pools, by its documentation.
_PERIODS = {"4.1": "2008-2018", "5.0": "2008-2019", "6.0": "2008-2019"}
_STEMS = (("avg",), ("lrn", "grd"), ("tav", "coh"))


def _conform(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(*parsed_schema(table))


def _parse_urban(file: RawFile) -> pl.DataFrame:
    frame = read_frame(file, (_URBAN,))
    refuse(file, frame, ~pl.col("year").str.contains(r"^\d{4}$"), "must be a year", "year")
    refuse(file, frame, ~pl.col("state").str.contains(r"^\d{1,2}$"), "must be a state's FIPS code", "state")
    refuse(file, frame, ~pl.col("county").str.contains(r"^\d{1,3}$"), "must be a county's FIPS code", "county")
    for column, name in zip(_URBAN[3:6], ("estimate", "estimate_lower", "estimate_upper"), strict=True):
        frame = with_values(file, frame, column, name, parse_number, bounds=False)
    middle, lower, upper = pl.col("estimate"), pl.col("estimate_lower"), pl.col("estimate_upper")
    is_outside = ((middle < lower) | (middle > upper)).fill_null(middle.is_not_null())
    refuse(file, frame, is_outside, "must lie between two bounds", "learning_rate")
    start = pl.col("year").cast(pl.Int64)
    frame = frame.with_columns(
        vintage=pl.lit(file.vintage),
        # The year is the one in which the school year begins.
        period=pl.format("{}-{}", start, start + 1),
        geo_level=pl.lit("county"),
        geo_id=pl.col("state").str.pad_start(2, "0") + pl.col("county").str.pad_start(3, "0"),
        geo_name=pl.lit(None, pl.String),
        subgroup=pl.lit("all"),
        measure=pl.lit("learning_rate"),
        standard_error=pl.lit(None, pl.Float64),
        estimate_quality=pl.col("learning_rate_quality").replace(["NA", ""], None),
    )
    return _conform(COUNTY, frame)


def _parse_pool(file: RawFile, level: str, version: str) -> dict[str, pl.DataFrame]:
    table, code, digits = (COUNTY, "sedacounty", 5) if level == "county" else (DISTRICT, "sedalea", 7)
    stems = [[f"gcs_mn_{stem}_ol" for stem in names] for names in _STEMS]
    keys = [code, f"{code}name", "subgroup", "gap"]
    forms = [[*keys, *(c for names in stems for c in (names[n], f"{names[n]}_se"))] for n in (0, -1)]
    frame = read_frame(file, forms)
    if version not in _PERIODS:
        raise ParseError(file.label, f"is of release {version}: add the years that it pools, known are {_PERIODS}")
    is_number = pl.col(code).str.contains(rf"^\d{{1,{digits}}}$")
    refuse(file, frame, ~is_number, f"must be an id of up to {digits} digits", code)
    # Rows of gaps hold differences between two groups.
    frame = frame.filter(pl.col("gap") == "0").with_columns(
        vintage=pl.lit(file.vintage),
        period=pl.lit(_PERIODS[version]),
        geo_level=pl.lit("county" if level == "county" else "school_district"),
        geo_id=pl.col(code).str.pad_start(digits, "0"),
        geo_name=pl.col(f"{code}name"),
        subgroup=pl.col("subgroup").replace(_SUBGROUPS),
        estimate_lower=pl.lit(None, pl.Float64),
        estimate_upper=pl.lit(None, pl.Float64),
        estimate_quality=pl.lit(None, pl.String),
    )
    if frame.is_empty():
        raise ParseError(file.label, "must have rows of groups, with gap 0, but has none")
    parts = []
    for column in (name for names in stems for name in names if name in frame.columns):
        part = with_values(file, frame, column, "estimate", parse_number, bounds=False)
        part = with_values(file, part, f"{column}_se", "standard_error", parse_number, bounds=False)
        parts.append(_conform(table, part.with_columns(measure=pl.lit(column))))
    return {table.key: pl.concat(parts)}


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read Urban's county metric (`SEDA_all_county.csv`) or a pooled file of the archive.

    Raises:
        ParseError: as `read_frame`; an id or a figure is none; or the archive's release is not known.
    """
    if match := _NAME.fullmatch(file.name):
        return _parse_pool(file, match[1], match[2])
    return {COUNTY.key: _parse_urban(file)}


# The geodist file's address stands in public code; the county file's is inferred from it. None was fetched.
_RECORD = "xh833nn4025"
_STACKS = f"https://stacks.stanford.edu/file/druid:{_RECORD}"
# Urban moves its folders about: a commit stays.
_METRIC = (
    "https://raw.githubusercontent.com/UI-Research/mobility-from-poverty/048c835e739401685d7016ed1122e0cb928fef66/"
    "08_education/SEDA_all_county.csv"
)


def fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    """The files of a release."""
    if vintage == "2018":
        yield fetcher.get(Request("SEDA_all_county.csv", _METRIC, "csv"))
        return
    for level in ("county", "geodist"):
        name = f"seda_{level}_pool_gcs_6.0.csv"
        yield fetcher.get(Request(name, f"{_STACKS}/{name}", "csv"))


def probe(vintage: str) -> Request:
    """The record of a release, because its files are large.

    Raises:
        SourceError: the number of the release's record is not known.
    """
    if vintage != "2019":
        raise SourceError(f"seda/{vintage}: a release has a record of its own, and that of this one is not known")
    return Request(f"{_RECORD}.json", f"https://purl.stanford.edu/{_RECORD}.json", "json")


SOURCE = Source(
    id="seda",
    title="Stanford Education Data Archive",
    publisher="Educational Opportunity Project at Stanford University; county metric by the Urban Institute",
    licence="SEDA Data Use Agreement: not for commercial use, and its files are not to be published again, in full or "
    "in part; the county metric with attribution to the Urban Institute",
    citation="Reardon, S. F., Ho, A. D., Shear, B. R., Fahle, E. M., Kalogrides, D., and Saliba, J. Stanford Education "
    "Data Archive (Version 6.0). Urban Institute, Upward Mobility Data.",
    landing_page="https://edopportunity.org/opportunity/data/downloads/",
    cadence="irregular; a release every one to two years",
    cadence_days=900,
    # Named after the last spring of the data: 2018 is Urban's metric from release 4.1, 2019 is release 6.0, whose day
    # public notes give as December 2025 or February 2026.
    vintages=(Vintage("2018"), Vintage("2019", released="2025-12-31")),
    tables=(COUNTY, DISTRICT),
    files={
        COUNTY.key: ("SEDA_all_county.csv", "seda_county_pool_gcs_*.csv"),
        DISTRICT.key: ("seda_geodist_pool_gcs_*.csv",),
    },
    parse=parse,
    fetch=fetch,
    probe=probe,
)
