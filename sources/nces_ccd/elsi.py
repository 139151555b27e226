"""Tables that people export from ELSI, the table generator of NCES."""

import csv
import io

import polars as pl

from sources.archive import read_member
from sources.nces_ccd.cells import figures, identifiers
from sources.nces_ccd.tables import DISTRICT, ELSI_SCHOOL
from sources.source import ParseError, RawFile, parsed_schema
from sources.values import parse_number

_HEADER_WITHIN = 20
_NOTE = "Data Source:"
_DISTINCT = 10
"""Small programmes share name, county and figures, in Texas even four of them; schools of this size do not."""


def period(file: RawFile) -> str:
    """The school year of a vintage, which is named after the year in which it ends."""
    return f"{int(file.vintage) - 1}-{file.vintage}"


def _school_year(vintage: str) -> str:
    return f"{int(vintage) - 1}-{int(vintage) % 100:02d}"


def _rows(file: RawFile, columns: list[str]) -> tuple[int, list[list[str]]]:
    """The line of the first row below the header, and the wanted columns of every row down to the blank line.

    Raises:
        ParseError: no ELSI export, a column is missing, a row has more or fewer values than the header, or the notes
            that end every export are missing.
    """
    try:
        lines = list(csv.reader(io.StringIO(file.body.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ParseError(file.label, f"must be a CSV file in UTF-8: {error}") from None
    start = next((n for n, line in enumerate(lines[:_HEADER_WITHIN]) if sum(map(bool, line)) > 2), None)
    header = [] if start is None else [cell.strip() for cell in lines[start]]
    lacking = [name for name in columns if name not in header]
    if start is None or lacking:
        raise ParseError(
            file.label, f"must be an ELSI export with the columns {lacking or columns}, but has {header[:8]}"
        )
    at = [header.index(name) for name in columns]
    end = next((n for n in range(start + 1, len(lines)) if not any(lines[n])), len(lines))
    if not any(line and line[0].startswith(_NOTE) for line in lines[end:]):
        raise ParseError(file.label, f"must end with a note that begins {_NOTE!r}: it is cut off", row=len(lines))
    if end == start + 1:
        raise ParseError(file.label, "must have rows below its header, but has none")
    for number, line in enumerate(lines[start + 1 : end], start=start + 2):
        if len(line) != len(header):
            raise ParseError(file.label, f"must have {len(header)} values as its header, not {len(line)}", row=number)
    return start + 2, [[line[j].strip() for j in at] for line in lines[start + 1 : end]]


def districts(file: RawFile) -> pl.DataFrame:
    """Read an export of districts and their counties.

    Raises:
        ParseError: as `_rows`; or an id or county is no number.
    """
    year = _school_year(file.vintage)
    columns = [
        "Agency ID - NCES Assigned [District] Latest available year",
        f"Agency Name [District] {year}",
        f"County Number [District] {year}",
    ]
    first, rows = _rows(file, columns)
    ids, names, counties = (list(column) for column in zip(*rows, strict=True))
    frame = pl.DataFrame(
        {
            "geo_id": identifiers(file, columns[0], ids, 7, first),
            "geo_name": names,
            "county_id": identifiers(file, columns[2], counties, 5, first, nullable=True),
        },
        schema_overrides={"county_id": pl.String},
    )
    unknown = pl.lit(None, pl.Int64)
    return frame.select(
        pl.lit(file.vintage).alias("vintage"),
        pl.lit(period(file)).alias("period"),
        pl.lit("school_district").alias("geo_level"),
        *frame.columns,
        *(unknown.alias(name) for name in ("agency_type", "lowest_grade", "highest_grade", "school_count")),
    ).select(*parsed_schema(DISTRICT))


def schools(file: RawFile) -> pl.DataFrame:
    """Read a zipped export of schools with lunch eligibility and enrolment.

    Raises:
        ParseError: as `_rows`; no whole archive with one CSV member; a figure is neither a number nor a sign; or a
            school of some size stands twice.
    """
    member = read_member(file, "*.csv")
    year = _school_year(file.vintage)
    columns = [
        "School Name",
        "State Name [Public School] Latest available year",
        f"County Number [Public School] {year}",
        f"Free and Reduced Lunch Students [Public School] {year}",
        f"Total Students All Grades (Excludes AE) [Public School] {year}",
    ]
    first, rows = _rows(member, columns)
    names, states, counties, lunches, pupils = (list(column) for column in zip(*rows, strict=True))
    frame = pl.DataFrame(
        {
            "publisher_row": range(first, first + len(rows)),
            "school_name": names,
            "state_name": states,
            "county_id": identifiers(member, columns[2], counties, 5, first, nullable=True),
        },
        schema_overrides={"county_id": pl.String, "publisher_row": pl.Int64},
    ).with_columns(
        *figures(member, columns[3], lunches, parse_number, "lunch_eligible_count", first),
        *figures(member, columns[4], pupils, parse_number, "enrolment_count", first),
    )
    twice = frame.filter(
        ~pl.struct(pl.exclude("publisher_row")).is_first_distinct() & (pl.col("enrolment_count") >= _DISTINCT)
    )
    if twice.height:
        raise ParseError(
            member.label,
            f"a school of {_DISTINCT} or more pupils must stand once, but {twice['school_name'][0]!r} stands twice",
            row=twice["publisher_row"][0],
        )
    return frame.with_columns(vintage=pl.lit(file.vintage), period=pl.lit(period(file))).select(
        *parsed_schema(ELSI_SCHOOL)
    )
