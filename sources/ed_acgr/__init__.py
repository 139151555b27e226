"""Four-year adjusted cohort graduation rates (EDFacts FS150/151) by district and by school: mostly intervals."""

import re

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VALUE_KINDS, VINTAGE, geo_id, geo_level, measured
from quality.contract import Column, Table
from sources.archive import read_member
from sources.ed_acgr.disclosure import withhold
from sources.edfacts import (
    GROUP_DESCRIPTION,
    GROUPS,
    library_file,
    of_districts,
    pinned,
    read_library,
    school_year,
)
from sources.source import ParseError, RawFile, Request, Source, Vintage, fetch_addresses, parsed_schema
from sources.tabular import read_frame, refuse, with_values
from sources.values import Value, parse_number, parse_percent

_CAVEAT = (
    "Rates are whole percentages in large cohorts and bands in smaller ones: the bands are the publisher's, and cohort "
    "counts are published beside suppressed rates. Where those would give away the suppressed rate of a race, the "
    "rates of all races there are withheld too. Groups that a school or district does not have are left out. "
    "Illinois withheld its districts and schools from 2018-19 to 2020-21."
)
_FIGURES = (
    Column("subgroup", pl.String, GROUP_DESCRIPTION, nullable=False),
    Column(
        "cohort_count",
        pl.Float64,
        "Students of the adjusted four-year cohort, as published.",
        unit="students",
        minimum=0,
    ),
    Column("cohort_count_kind", pl.String, "What the cell says.", nullable=False, allowed=VALUE_KINDS),
    *measured(
        "graduation_share",
        "Students of the cohort who graduated with a regular diploma within four years.",
        "share of the cohort, 0 to 1",
        maximum=1,
    ),
)
DISTRICT = Table(
    key="core.ed_acgr_district",
    title="Four-year graduation rate by school district",
    description="Share of the adjusted cohort that graduated within four years, by district and group. " + _CAVEAT,
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("school_district"),
        geo_id("school_district"),
        GEO_NAME,
        *_FIGURES,
        SNAPSHOT,
    ),
    primary_key=("vintage", "period", "geo_id", "subgroup"),
    may_be_empty=True,
)
SCHOOL = Table(
    key="core.ed_acgr_school",
    title="Four-year graduation rate by school",
    description="Share of the adjusted cohort that graduated within four years, by school and group. " + _CAVEAT,
    columns=(
        VINTAGE,
        PERIOD,
        Column(
            "school_id",
            pl.String,
            "NCES id of the school; the first seven digits were its district's id when it opened.",
            nullable=False,
            pattern=r"^\d{12}$",
        ),
        Column("district_id", pl.String, "NCES id of the district.", nullable=False, pattern=r"^\d{7}$"),
        Column("school_name", pl.String, "Name of the school as the publisher writes it."),
        *_FIGURES,
        SNAPSHOT,
    ),
    primary_key=("vintage", "period", "school_id", "subgroup"),
    may_be_empty=True,
)
_DATA_GROUP = "695"
_WIDE = re.compile(r"^([A-Z0-9]+)_(COHORT|RATE)_(\d{4})$")
_NOBODY = ("", ".")
_WIDE_DISTRICT = ("LEAID", "LEANM")
_WIDE_SCHOOL = ("LEAID", "NCESSCH", "SCHNAM")


def _cohort(text: str) -> Value:
    cell = parse_number(text)
    if cell.value is not None and (cell.value < 0 or cell.value % 1):
        raise ValueError(f"{text!r} is no count of students")
    return cell


def _figures(file: RawFile, frame: pl.DataFrame, cohort: str, rate: str) -> pl.DataFrame:
    frame = with_values(file, frame, cohort, "cohort_count", _cohort, bounds=False)
    return with_values(file, frame, rate, "graduation_share", parse_percent)


def _groups(file: RawFile, header: list[str]) -> tuple[list[str], str]:
    """The groups of a wide file and the tag of its school year."""
    found = [match.groups() for name in header if (match := _WIDE.match(name))]
    tags = {tag for _, _, tag in found}
    if len(tags) != 1:
        raise ParseError(file.label, f"must have columns of one school year, but has {sorted(tags)}", row=1)
    kinds = [{group for group, kind, _ in found if kind == wanted} for wanted in ("COHORT", "RATE")]
    if kinds[0] != kinds[1] or "ALL" not in kinds[0]:
        lacking = sorted(kinds[0] ^ kinds[1]) or ["ALL"]
        raise ParseError(file.label, f"must have a cohort and a rate of each group, but not of {lacking}", row=1)
    return list(dict.fromkeys(group for group, _, _ in found)), tags.pop()


def _parse_wide(file: RawFile, frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Read the older form: a row a school or district, two columns a group."""
    table = SCHOOL if "NCESSCH" in frame.columns else DISTRICT
    groups, tag = _groups(file, frame.columns)
    refuse(file, frame, ~pl.col("LEAID").str.contains(r"^\d{6,7}$"), "must be a district's seven digits", "LEAID")
    district = pl.col("LEAID").str.pad_start(7, "0")
    where = {"geo_level": pl.lit("school_district"), "geo_id": district, "geo_name": pl.col("LEANM")}
    if table is SCHOOL:
        is_school = pl.col("NCESSCH").str.contains(r"^\d{11,12}$")
        refuse(file, frame, ~is_school, "must be a school's twelve digits", "NCESSCH")
        school = pl.col("NCESSCH").str.pad_start(12, "0")
        where = {"school_id": school, "district_id": district, "school_name": pl.col("SCHNAM")}
    keys = {"vintage": pl.lit(file.vintage), "period": pl.lit(school_year(file, tag)), **where}
    parts = []
    for group in groups:
        cohort, rate = f"{group}_COHORT_{tag}", f"{group}_RATE_{tag}"
        # A dot or nothing in both columns: there is no such group here.
        part = frame.filter(~(pl.col(cohort).is_in(_NOBODY) & pl.col(rate).is_in(_NOBODY)))
        part = _figures(file, part, cohort, rate).with_columns(subgroup=pl.lit(GROUPS.get(group, group)), **keys)
        parts.append(part.select(*parsed_schema(table)))
    return {table.key: withhold(pl.concat(parts), "school_id" if table is SCHOOL else "geo_id")}


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a library's ZIP archive, a file of the download tool, or a wide file of districts or schools."""
    if file.name.endswith(".zip"):
        file = read_member(file, "*_lea.csv")
    elif file.name.startswith("acgr"):
        wide = _WIDE_SCHOOL if re.match("acgr.sch", file.name) else _WIDE_DISTRICT
        return _parse_wide(file, read_frame(file, (wide,)))
    frame = of_districts(file, read_library(file, _DATA_GROUP))
    frame = _figures(file, frame, "Denominator", "Value")
    years = [withhold(year, "geo_id") for year in frame.partition_by("period")]
    frame = pl.concat(years) if years else frame
    return {DISTRICT.key: frame.select(*parsed_schema(DISTRICT))}


_EDFACTS = "https://www.ed.gov/sites/ed/files/about/inits/ed/edfacts/data-files"
# Numbers and folders are documented, which belongs to which is inferred from their order; none was fetched.
_RELEASES = {
    "2019": ("SY1819_FS150_FS151_DG695_DG696_LEA", 3288),
    "2020": ("SY1920_FS150_FS151_DG695_DG696_LEA", 8511),
    "2021": ("SY2021_FS150_FS151_DG695_DG696_LEA", 9090),
}


def _addresses(vintage: str) -> list[Request]:
    found = [library_file(*_RELEASES[vintage])] if vintage in _RELEASES else []
    if vintage == "2018":
        name = "acgr-lea-sy2017-18.csv"
        found.append(Request(name, f"{_EDFACTS}/{name}", "csv"))
    return pinned(found, "ed_acgr", vintage)


def _probe(vintage: str) -> Request:
    return _addresses(vintage)[0]


SOURCE = Source(
    id="ed_acgr",
    title="Adjusted cohort graduation rates (EDFacts FS150, FS151)",
    publisher="US Department of Education",
    licence="Public domain (work of the US government)",
    citation="US Department of Education, ED Data Express, EDFacts FS150 and FS151: adjusted cohort graduation rates.",
    landing_page="https://eddataexpress.ed.gov/download/data-library",
    cadence="yearly; districts of 2021-22 came from the download tool only, which has no address",
    cadence_days=500,
    # Named after the year in which the school year ends. The day of release is inferred from the file's number.
    vintages=(
        Vintage("2014", live=False),
        Vintage("2015", live=False),
        Vintage("2018"),
        Vintage("2019"),
        Vintage("2020"),
        Vintage("2021", released="2022-12-31"),
        Vintage("2022", live=False),
    ),
    tables=(DISTRICT, SCHOOL),
    files={
        DISTRICT.key: (
            "SY????_FS150_FS151_DG695_DG696_LEA_data_files.zip",
            "edfactsdownload*.csv",
            "acgr-lea-sy*.csv",
            "acgr-release2-lea-sy*.csv",
        ),
        SCHOOL.key: ("acgr_sch_*.csv", "acgr-sch-sy*.csv"),
    },
    parse=parse,
    fetch=fetch_addresses(_addresses),
    probe=_probe,
)
