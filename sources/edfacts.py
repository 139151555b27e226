"""What the Department of Education's EDFacts files have in common: groups of students, school years, district ids."""

import polars as pl

from sources.source import ParseError, RawFile, Request, SourceError
from sources.tabular import read_frame, refuse

_SITE = "https://eddataexpress.ed.gov/sites/default/files/data_download"

LIBRARY = (
    "School Year",
    "State",
    "NCES LEA ID",
    "LEA",
    "NCES SCH ID",
    "Data Group",
    "Data Description",
    "Value",
    "Denominator",
    "Population",
    "Subgroup",
    "Characteristics",
    "Age/Grade",
)
"""Columns of the library's and the download tool's files that sources read; both hold more, in two orders."""

# The codes of the wide files of ACGR, then the labels of the long files, which change from year to year.
GROUPS = {
    "ALL": "all",
    "MAM": "american_indian",
    "MAS": "asian_pacific",
    "MBL": "black",
    "MHI": "hispanic",
    "MTR": "multiracial",
    "MWH": "white",
    "CWD": "disability",
    "ECD": "low_income",
    "LEP": "english_learner",
    "HOM": "homeless",
    "FCS": "foster_care",
    "All Students": "all",
    "All Students in LEA": "all",
    "American Indian or Alaska Native": "american_indian",
    "American Indian/Alaska Native/Native American": "american_indian",
    "Asian": "asian",
    "Asian/Pacific Islander": "asian_pacific",
    "Native Hawaiian or Other Pacific Islander": "pacific",
    "Black or African American": "black",
    "Black (not Hispanic) African American": "black",
    "Hispanic/Latino": "hispanic",
    "Two or more races": "multiracial",
    "Multicultural/Multiethnic/Multiracial/other": "multiracial",
    "White": "white",
    "White or Caucasian (not Hispanic)": "white",
    "Children with disabilities": "disability",
    "Children with one or more disabilities (IDEA)": "disability",
    "Economically Disadvantaged": "low_income",
    "English Learner": "english_learner",
    "Homeless": "homeless",
    "Foster Care": "foster_care",
    "Migratory students": "migratory",
    "Unaccompanied Youth": "unaccompanied_youth",
}
GROUP_DESCRIPTION = (
    "Group of students by one name for all years: all, black, homeless, foster_care and so on; a group that has no "
    "such name yet stands as the publisher prints it."
)


def library_file(folder: str, number: int) -> Request:
    """A file of the ED Data Express library; each has a number of its own, which must be known."""
    name = f"{folder}_data_files.zip"
    return Request(name, f"{_SITE}/EID_{number}/{name}", "zip")


def pinned(found: list[Request], source_id: str, vintage: str) -> list[Request]:
    """The requests of a vintage.

    Raises:
        SourceError: nobody has looked up the file's address yet.
    """
    if not found:
        raise SourceError(
            f"{source_id}/{vintage}: no address is known; the publisher gives each release one of its own: look it up "
            "on the landing page and add it to the source"
        )
    return found


def read_library(file: RawFile, group: str, short: tuple[str, ...] | None = None) -> pl.DataFrame:
    """The rows of a library file that speak of a data group, as text, with `ROW`.

    Args:
        group: number of the data group, such as `655`; a cell may name several, such as `695|696`.
        short: the columns of extracts that somebody cut down; None where only whole files are read.

    Raises:
        ParseError: as `read_frame`; or no row speaks of the group.
    """
    frame = read_frame(file, (LIBRARY,) if short is None else (LIBRARY, short))
    # A whole file of which a column was renamed must not pass for an extract.
    if short is not None and {"State", "Data Group"} & set(frame.columns):
        if lacking := [name for name in LIBRARY if name not in frame.columns]:
            raise ParseError(file.label, f"must have the columns {lacking}", row=1)
    elif "Data Group" not in frame.columns:
        return frame.with_columns(Characteristics=pl.lit(""), **{"Age/Grade": pl.lit("")})
    found = frame.filter(pl.col("Data Group").str.split("|").list.contains(group))
    if found.is_empty():
        raise ParseError(file.label, f"must have rows of data group {group}, but has none")
    return found


def of_districts(file: RawFile, frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows as vintage, period, geo_level, geo_id, geo_name and subgroup beside their own columns.

    A state's rows without a district are dropped: they stand where nothing was reported, and say `MISSING`.

    Raises:
        ParseError: a school year or a district id is none, or a row without a district holds a figure.
    """
    number = pl.col("NCES LEA ID").str.pad_start(7, "0")
    has_district = number.str.contains(r"^\d{7}$") & (number != "0000000")
    is_placeholder = number.is_in(["0000000", "Not Applicable"]) & (pl.col("Value") == "MISSING")
    refuse(file, frame, ~has_district & ~is_placeholder, "must be a district's seven digits", "NCES LEA ID")
    start, end = (pl.col("School Year").str.extract(r"^(\d{4})-(\d{4})$", n).cast(pl.Int64) for n in (1, 2))
    is_year = (end == start + 1).fill_null(False)
    refuse(file, frame, ~is_year, "must be a school year such as 2021-2022", "School Year")
    if "NCES SCH ID" in frame.columns:
        refuse(file, frame, pl.col("NCES SCH ID") != "", "must be empty, as in files of districts", "NCES SCH ID")
    return frame.filter(has_district).with_columns(
        vintage=pl.lit(file.vintage),
        period=pl.col("School Year"),
        geo_level=pl.lit("school_district"),
        geo_id=number,
        geo_name=pl.col("LEA"),
        subgroup=pl.col("Subgroup").replace(GROUPS),
    )


def school_year(file: RawFile, tag: str) -> str:
    """`2013-2014` of a tag such as `1314`.

    Raises:
        ParseError: the tag is no school year.
    """
    start, end = 2000 + int(tag[:2]), 2000 + int(tag[2:])
    if end != start + 1:
        raise ParseError(file.label, f"columns must end in a school year such as 1314, but in {tag!r}", row=1)
    return f"{start}-{end}"
