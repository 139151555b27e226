"""The Education Data Portal of the Urban Institute: pages of JSON rows, each with the address of the next.

Rows and codes: https://educationdata.urban.org/documentation/schools.html. The portal names a school year after its
autumn, we name the vintage after the year in which it ends.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import polars as pl

from quality.contract import Table
from sources.nces_ccd.cells import codes, figures, identifiers
from sources.nces_ccd.elsi import period
from sources.nces_ccd.tables import ALL, DISTRICT, ENROLMENT, LUNCH, PROGRAMS, RACES, SCHOOL, SEXES
from sources.source import Fetched, Fetcher, ParseError, RawFile, Request, Scope, SourceError, parsed_schema
from sources.values import parse_nces

_ROOT = "https://educationdata.urban.org/api/v1"
# The grade comes first and as `grade-99`: with another order, or without it, the portal answers HTTP 500.
_ENROLMENT = "ccd/enrollment/{year}/grade-99/race/sex"
TOPICS = {
    "schools/directory": "schools/ccd/directory/{year}",
    "schools/enrollment": f"schools/{_ENROLMENT}",
    "districts/directory": "school-districts/ccd/directory/{year}",
    "districts/enrollment": f"school-districts/{_ENROLMENT}",
}
"""Folder of the landed pages, and path of the endpoint."""
_NATION = "us"


class Page(NamedTuple):
    """One answer: rows of all pages together, rows of this one, and where the next is."""

    total: int
    rows: list[dict[str, Any]]
    following: str | None


def read_page(file: RawFile, columns: Sequence[str] = ()) -> Page:
    """Read an answer and judge its shape.

    Args:
        columns: what every row must have.

    Raises:
        ParseError: no such answer, no rows, a row lacks a column or is of another year, or a page that says it is the
            only one does not hold as many rows as it counts.
    """
    try:
        answer = json.loads(file.body)
        page = Page(answer["count"], answer["results"], answer["next"])
    except (ValueError, TypeError, KeyError) as error:
        raise ParseError(file.label, f"must be a page of the portal, with count, next and results: {error}") from None
    if not isinstance(page.rows, list) or not isinstance(page.total, int):
        raise ParseError(file.label, "must be a page of the portal, with a count and a list of results")
    if not page.rows:
        raise ParseError(file.label, "must have rows, but has none: the year or the state is not published")
    year = int(file.vintage) - 1
    for number, row in enumerate(page.rows, start=1):
        lacking = [name for name in ("year", *columns) if name not in row] if isinstance(row, dict) else ["all"]
        if lacking:
            raise ParseError(file.label, f"must have the columns {lacking}", row=number)
        if row["year"] != year:
            raise ParseError(file.label, f"must be of {year}, but is of {row['year']!r}", row=number)
    is_only = file.name.endswith("/page-001.json") and page.following is None
    if page.total < len(page.rows) or (is_only and page.total != len(page.rows)):
        raise ParseError(file.label, f"must have the {page.total:,} rows that it counts, but has {len(page.rows):,}")
    return page


_DIRECTORY = ("leaid", "county_code", "lowest_grade_offered", "highest_grade_offered")
_CODED = ("school_level", "school_type", "school_status", "charter", "virtual")
_SCHOOL = ("ncessch", "school_name", *_CODED, "latitude", "longitude")
_GRADES = {"lowest_grade_offered": "lowest_grade", "highest_grade_offered": "highest_grade"}


def _column(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return [row[name] for row in rows]


def _frame(file: RawFile, table: Table, columns: Sequence[pl.Series]) -> pl.DataFrame:
    same = {"vintage": pl.lit(file.vintage), "period": pl.lit(period(file))}
    if "geo_level" in table.column_names:
        same["geo_level"] = pl.lit("school_district")
    wanted = list(parsed_schema(table))
    return pl.DataFrame(columns).with_columns(**same).select(wanted)


def _text(name: str, cells: Sequence[Any]) -> pl.Series:
    return pl.Series(name, [None if cell is None else str(cell).strip() for cell in cells], pl.String)


def _coded(file: RawFile, rows: list[dict[str, Any]], columns: dict[str, str]) -> list[pl.Series]:
    """Our columns of whole-number codes, by the portal's."""
    return [
        pl.Series(ours, codes(file, theirs, _column(rows, theirs), 1, is_grade="grade" in theirs), pl.Int64)
        for theirs, ours in columns.items()
    ]


def _ids(file: RawFile, rows: list[dict[str, Any]], theirs: str, ours: str, width: int) -> pl.Series:
    nullable = theirs == "county_code"
    return pl.Series(ours, identifiers(file, theirs, _column(rows, theirs), width, 1, nullable=nullable), pl.String)


def _degrees(file: RawFile, rows: list[dict[str, Any]], name: str) -> pl.Series:
    """Latitude or longitude; the codes -1, -2 and -3 lie in the Gulf of Guinea, where no school is."""
    cells = _column(rows, name)
    for number, cell in enumerate(cells, start=1):
        if cell is not None and (isinstance(cell, bool) or not isinstance(cell, int | float)):
            raise ParseError(file.label, f"column {name!r}: must be a number, but is {cell!r}", row=number)
    return pl.Series(name, [None if cell in (None, -1, -2, -3) else float(cell) for cell in cells], pl.Float64)


def _schools(file: RawFile) -> dict[str, pl.DataFrame]:
    rows = read_page(file, (*_DIRECTORY, *_SCHOOL, *PROGRAMS)).rows
    ids = [_ids(file, rows, "ncessch", "school_id", 12), _ids(file, rows, "leaid", "district_id", 7)]
    school = _frame(
        file,
        SCHOOL,
        [
            *ids,
            _text("school_name", _column(rows, "school_name")),
            _ids(file, rows, "county_code", "county_id", 5),
            *_coded(file, rows, {name: name for name in _CODED} | _GRADES),
            _degrees(file, rows, "latitude"),
            _degrees(file, rows, "longitude"),
        ],
    )
    lunch = [
        _frame(
            file,
            LUNCH,
            [
                *ids,
                pl.Series("program", [program] * len(rows)),
                *figures(file, theirs, _column(rows, theirs), parse_nces, "student_count", 1),
            ],
        )
        for theirs, program in PROGRAMS.items()
    ]
    return {SCHOOL.key: school, LUNCH.key: pl.concat(lunch)}


def _districts(file: RawFile) -> dict[str, pl.DataFrame]:
    rows = read_page(file, (*_DIRECTORY, "lea_name", "agency_type", "number_of_schools")).rows
    columns = [
        _ids(file, rows, "leaid", "geo_id", 7),
        _text("geo_name", _column(rows, "lea_name")),
        _ids(file, rows, "county_code", "county_id", 5),
        *_coded(file, rows, {"agency_type": "agency_type", "number_of_schools": "school_count"} | _GRADES),
    ]
    return {DISTRICT.key: _frame(file, DISTRICT, columns)}


def _labels(file: RawFile, rows: list[dict[str, Any]], column: str, labels: dict[int, str]) -> pl.Series:
    for number, row in enumerate(rows, start=1):
        if row[column] not in labels:
            raise ParseError(file.label, f"column {column!r}: no known code is {row[column]!r}", row=number)
    return pl.Series(column, [labels[row[column]] for row in rows], pl.String)


def _enrolment(file: RawFile) -> dict[str, pl.DataFrame]:
    of_schools = file.name.startswith("schools/")
    unit = ("ncessch",) if of_schools else ()
    rows = read_page(file, (*unit, "leaid", "grade", "race", "sex", "enrollment")).rows
    if number := next((n for n, row in enumerate(rows, start=1) if row["grade"] != 99), None):
        raise ParseError(file.label, f"must be of all grades, 99, but is of {rows[number - 1]['grade']!r}", row=number)
    school = _ids(file, rows, "ncessch", "school_id", 12) if of_schools else pl.Series("school_id", [ALL] * len(rows))
    columns = [
        _ids(file, rows, "leaid", "district_id", 7),
        school,
        _labels(file, rows, "race", RACES),
        _labels(file, rows, "sex", SEXES),
        *figures(file, "enrollment", _column(rows, "enrollment"), parse_nces, "enrolment_count", 1),
    ]
    return {ENROLMENT.key: _frame(file, ENROLMENT, columns)}


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a page of any topic."""
    if "/enrollment/" in file.name:
        return _enrolment(file)
    return _schools(file) if file.name.startswith("schools/") else _districts(file)


def _address(topic: str, vintage: str, query: str) -> str:
    path = TOPICS[topic].format(year=int(vintage) - 1)
    return f"{_ROOT}/{path}/" + (f"?{query}" if query else "")


def _name(topic: str, area: str, number: int) -> str:
    return f"{topic}/{area}/page-{number:03d}.json"


def probe(vintage: str) -> Request:
    """The districts that states run themselves: some hundreds, and every state has them."""
    return Request(
        _name("districts/directory", _NATION, 1), _address("districts/directory", vintage, "agency_type=5"), "json"
    )


def _pages(fetcher: Fetcher, vintage: str, topic: str, area: str) -> Iterator[Fetched]:
    """All pages of a topic in a state.

    Raises:
        SourceError: an answer leads elsewhere, or there are more or fewer pages or rows than the first page announced.
    """
    # `fips` is written without its leading zero there.
    query = "" if area == _NATION else f"fips={int(area)}"
    count = pages = rows = number = 0
    while not number or query:
        number += 1
        address = _address(topic, vintage, query)
        fetched = fetcher.get(Request(_name(topic, area, number), address, "json"))
        page = read_page(RawFile("nces_ccd", vintage, fetched.name, fetched.content))
        if number == 1:
            count, pages = page.total, math.ceil(page.total / len(page.rows))
        rows += len(page.rows)
        where = f"nces_ccd/{vintage}/{fetched.name}"
        if page.total != count or rows > count or number > pages:
            raise SourceError(
                f"{where}: must be one of {pages:,} pages with {count:,} rows, but is page {number:,} up to row "
                f"{rows:,} of {page.total:,}"
            )
        yield fetched
        query = _following(where, address, page.following) if page.following else ""
    if rows != count:
        raise SourceError(f"nces_ccd/{vintage}/{topic}/{area}: must have {count:,} rows, but ends after {rows:,}")


def _following(where: str, address: str, following: str) -> str:
    """The query of the next page: only that is taken over, host and path stay ours."""
    here, there = urlsplit(address), urlsplit(following)
    if (here.hostname, here.path.rstrip("/")) != (there.hostname, there.path.rstrip("/")) or not there.query:
        raise SourceError(f"{where}: the next page must be of the same endpoint, but is {following!r}")
    return there.query


def fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    """Every topic, by state of the region, or of the whole nation at once."""
    for area in (_NATION,) if scope.states is None else scope.states:
        for topic in TOPICS:
            yield from _pages(fetcher, vintage, topic, area)
