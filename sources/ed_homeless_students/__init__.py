"""Students who were homeless at some time of a school year: by district (EDFacts FS118) and by county (Urban)."""

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VALUE_KINDS, VINTAGE, geo_id, geo_level, measured
from quality.contract import Column, Table
from sources.archive import read_member
from sources.edfacts import GROUP_DESCRIPTION, library_file, of_districts, pinned, read_library
from sources.source import RawFile, Request, Source, Vintage, fetch_addresses, parsed_schema
from sources.tabular import read_frame, refuse, with_values
from sources.values import Value, nothing, parse_number

_CAVEAT = (
    "Counts measure how well a district's liaison finds homeless students: rural districts find too few, Illinois "
    "reported in part until 2016-17, and Missouri's rise follows better identification, so the two sides of the river "
    "are not like for like. A zero means that nobody was identified: it is read as missing."
)
COUNTY = Table(
    key="core.ed_homeless_students_county",
    title="Homeless students by county",
    description="Students homeless at some time of the school year, summed by the Urban Institute over the districts "
    "whose office lies in the county. Where districts were suppressed the count is an interval: Urban counts each as "
    "none at least and as two or the state's next smallest figure at most, and as one in count_published. Missing "
    "is fewer than ten students or no report: Urban's files do not always tell which. " + _CAVEAT,
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("county"),
        geo_id("county"),
        *measured("count", "Homeless students of the county's districts.", "students"),
        Column(
            "count_published",
            pl.Float64,
            "Urban's point figure, in which each suppressed district counts as one student.",
            unit="students",
            minimum=0,
        ),
        Column(
            "share_published",
            pl.Float64,
            "Urban's point figure divided by the enrolment of the county's districts.",
            unit="share of students, 0 to 1",
            minimum=0,
            maximum=1,
        ),
        Column(
            "count_quality",
            pl.String,
            "Urban's grade: 1 where the upper bound is at most 1.05 times the lower, 2 at most 1.1 times, else 3; also "
            "3 below thirty students.",
            allowed=("1", "2", "3"),
        ),
        SNAPSHOT,
    ),
    primary_key=("vintage", "period", "geo_id"),
    may_be_empty=True,
)
DISTRICT = Table(
    key="core.ed_homeless_students_district",
    title="Homeless students by school district",
    description="Students homeless at some time of the school year, by district: all, and groups that overlap. The "
    "publisher suppresses counts of 0 to 2, and where that hides a single district the next smallest. Rows by race, "
    "grade and night-time residence are left out: they add up to all students, and with them a suppressed part could "
    "be computed. " + _CAVEAT,
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("school_district"),
        geo_id("school_district"),
        GEO_NAME,
        Column("subgroup", pl.String, GROUP_DESCRIPTION, nullable=False),
        Column("count", pl.Float64, "Homeless students enrolled.", unit="students", minimum=1),
        Column("count_kind", pl.String, "What the cell says.", nullable=False, allowed=VALUE_KINDS),
        SNAPSHOT,
    ),
    primary_key=("vintage", "period", "geo_id", "subgroup"),
    may_be_empty=True,
)
_GROUPS = ("all", "disability", "english_learner", "migratory", "unaccompanied_youth")
_DATA_GROUP = "655"
_EXTRACT = ("School Year", "NCES LEA ID", "LEA", "Data Description", "Value", "Population", "Subgroup")
_COUNTY = (
    "year",
    "state",
    "county",
    "count_homeless",
    "count_homeless_lb",
    "count_homeless_ub",
    "share_homeless",
    "count_homeless_quality",
)


def _count(text: str) -> Value:
    """A count of students; a zero cannot be one, because counts of 0 to 2 are suppressed: nothing was reported."""
    cell = parse_number(text)
    if cell.value is not None and (cell.value < 0 or cell.value % 1):
        raise ValueError(f"{text!r} is no count")
    return nothing("missing") if cell.value == 0 else cell


def _parse_county(file: RawFile) -> pl.DataFrame:
    frame = read_frame(file, (_COUNTY,))
    refuse(file, frame, ~pl.col("year").str.contains(r"^\d{4}$"), "must be a year", "year")
    refuse(file, frame, ~pl.col("state").str.contains(r"^\d{1,2}$"), "must be a state's FIPS code", "state")
    refuse(file, frame, ~pl.col("county").str.contains(r"^\d{1,3}$"), "must be a county's FIPS code", "county")
    for column in _COUNTY[3:7]:
        frame = with_values(file, frame, column, f"__{column}", parse_number, bounds=False)
    point, lower, upper = (pl.col(f"__{column}") for column in _COUNTY[3:6])
    parts = pl.col([f"__{column}" for column in _COUNTY[3:6]])
    is_whole = pl.all_horizontal(parts.is_null()) | pl.all_horizontal(parts.is_not_null())
    refuse(file, frame, ~is_whole, "must have both bounds or neither", "count_homeless")
    is_outside = (point < lower) | (point > upper)
    refuse(file, frame, is_outside.fill_null(False), "must lie within its bounds", "count_homeless")
    has_figure, is_exact = point.is_not_null() & (upper > 0), lower == upper
    start = pl.col("year").cast(pl.Int64)
    return frame.select(
        vintage=pl.lit(file.vintage),
        # The year is the one in which the school year begins.
        period=pl.format("{}-{}", start, start + 1),
        geo_level=pl.lit("county"),
        geo_id=pl.col("state").str.pad_start(2, "0") + pl.col("county").str.pad_start(3, "0"),
        count=pl.when(has_figure & is_exact).then(point),
        count_lower=pl.when(has_figure).then(lower),
        count_upper=pl.when(has_figure).then(upper),
        count_kind=pl.when(~has_figure)
        .then(pl.lit("missing"))
        .when(is_exact)
        .then(pl.lit("exact"))
        .otherwise(pl.lit("interval")),
        count_published=point,
        share_published=pl.col("__share_homeless"),
        count_quality=pl.col("count_homeless_quality").replace(["NA", ""], None),
    )


def _parse_district(file: RawFile) -> pl.DataFrame:
    frame = of_districts(file, read_library(file, _DATA_GROUP, _EXTRACT))
    is_whole_group = (pl.col("Characteristics") == "") & (pl.col("Age/Grade") == "")
    frame = frame.filter(pl.col("subgroup").is_in(_GROUPS) & is_whole_group)
    frame = with_values(file, frame, "Value", "count", _count, bounds=False)
    return frame.select(*parsed_schema(DISTRICT))


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read Urban's county metric, or districts: a library's ZIP archive, its CSV file or an extract of it."""
    if file.name.startswith("homelessness_"):
        return {COUNTY.key: _parse_county(file)}
    if file.name.endswith(".zip"):
        file = read_member(file, "*_lea.csv")
    return {DISTRICT.key: _parse_district(file)}


# Folder and number of each release in the library, as the Urban Institute's public code names them; none was fetched.
_RELEASES = {
    "2018": ("SY1018_FS118_DG655_LEA", 1350),
    "2019": ("SY1819_FS118_DG655_LEA", 2111),
    "2020": ("SY1920_FS118_DG655_LEA", 6526),
    "2021": ("SY2021_FS118_DG655_LEA", 8321),
    "2022": ("SY2122_FS118_DG655_LEA", 11718),
}
# Urban moves its folders about: a commit stays. Their missing counties are blank in part, where later copies say NA.
_URBAN = "https://raw.githubusercontent.com/UI-Research/mobility-from-poverty"
_COUNTY_FILES = {
    "2018": ("homelessness_2014-2018_county.csv", "1ea56aba224d68b496b4d30c2beaa664b7a0897b"),
    "2022": ("homelessness_2019-2022_county.csv", "2f949af27584041ac57106f7b0b663a47bd88e50"),
}


def _addresses(vintage: str) -> list[Request]:
    found = [library_file(*_RELEASES[vintage])] if vintage in _RELEASES else []
    if vintage in _COUNTY_FILES:
        name, commit = _COUNTY_FILES[vintage]
        found.append(Request(name, f"{_URBAN}/{commit}/02_housing/data/final/{name}", "csv"))
    return pinned(found, "ed_homeless_students", vintage)


def _probe(vintage: str) -> Request:
    return _addresses(vintage)[0]


SOURCE = Source(
    id="ed_homeless_students",
    title="Homeless students (McKinney-Vento, EDFacts FS118)",
    publisher="US Department of Education; county metric by the Urban Institute",
    licence="Public domain (work of the US government); county metric with attribution to the Urban Institute",
    citation="US Department of Education, ED Data Express, EDFacts FS118. Urban Institute, Upward Mobility Data.",
    landing_page="https://eddataexpress.ed.gov/download/data-library",
    cadence="yearly; school years 2022-23 on come from the download tool only, which has no address",
    cadence_days=500,
    # Named after the year in which the newest school year of the library's file ends; Urban's after its last year.
    # The day of release is inferred from the numbers of the library's files.
    vintages=(
        Vintage("2018"),
        Vintage("2019"),
        Vintage("2020"),
        Vintage("2021"),
        Vintage("2022", released="2023-06-30"),
    ),
    tables=(COUNTY, DISTRICT),
    files={
        COUNTY.key: ("homelessness_????-????_county.csv",),
        DISTRICT.key: (
            "SY????_FS118_DG655_LEA_data_files.zip",
            "SY????_FS118_DG655_LEA.csv",
            "edfactsdownload*.csv",
            "mckinney_vento_??.csv",
        ),
    },
    parse=parse,
    fetch=fetch_addresses(_addresses),
    probe=_probe,
)
