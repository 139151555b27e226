"""Common Core of Data: ELSI exports of districts and schools, and pages of the Education Data Portal.

Quirks kept: title lines, byte order mark and notes in the exports, whose states are now in capitals and now not, signs
for missing and not applicable; in the pages numbers without leading zeros, codes below zero, a state-run agency without
territory, a school with a suppressed cell beside its totals, and one that reported nothing.
"""

import csv
import io
import json
import zipfile
from collections.abc import Iterator

from sources.simulated.ccd_schools import RACES, SEXES, STATE_RUN, YEAR, Cells, School, schools
from sources.simulated.region import POSTAL, STATE_FIPS, STATE_NAME, Region, region

PAGE_ROWS = {
    "schools/directory": 40,
    "schools/enrollment": 1000,
    "districts/directory": 20,
    "districts/enrollment": 500,
}
"""Rows of a page; the portal itself sends 10,000."""
_ROOT = "https://educationdata.urban.org/api/v1"
_PATHS = {
    "schools/directory": f"schools/ccd/directory/{YEAR}/",
    "schools/enrollment": f"schools/ccd/enrollment/{YEAR}/grade-99/race/sex/",
    "districts/directory": f"school-districts/ccd/directory/{YEAR}/",
    "districts/enrollment": f"school-districts/ccd/enrollment/{YEAR}/grade-99/race/sex/",
}
_SUM = 99


def _district_names(place: Region) -> dict[str, str]:
    return {district.leaid: district.name for district in place.districts} | {STATE_RUN: "Simulated State Schools"}


def _of_district(leaid: str) -> list[School]:
    return [school for school in schools() if school.district == leaid]


def _with_totals(cells: Cells) -> list[tuple[int, int, int]]:
    """Race, sex and pupils, totals last; -1 throughout where nothing was reported."""
    rows = []
    for race in (*RACES, _SUM):
        for sex in (*SEXES, _SUM):
            parts = [n for (r, s), n in cells.items() if race in (r, _SUM) and sex in (s, _SUM)]
            rows.append((race, sex, sum(parts) if parts else -1))
    return rows


def _school_directory() -> list[dict[str, object]]:
    rows = []
    for school in schools():
        free, reduced = school.lunch if school.cells else (-1, -1)
        direct = round(free * 0.7) if school.level != 3 else -2
        rows.append(
            {
                "year": YEAR,
                "ncessch": school.ncessch,
                "ncessch_num": int(school.ncessch),
                "school_id": school.ncessch[-5:],
                "school_name": school.name,
                "leaid": STATE_FIPS + school.district,
                "lea_name": _district_names(region())[school.district],
                "state_location": POSTAL,
                "fips": int(STATE_FIPS),
                "latitude": round(40 + 0.1 * school.county.row, 4) if school.cells else -1,
                "longitude": round(-90 + 0.1 * school.county.column, 4) if school.cells else -1,
                "county_code": int(school.county.fips),
                "school_level": school.level,
                "school_type": school.kind,
                "school_status": 1,
                "lowest_grade_offered": school.grades[0],
                "highest_grade_offered": school.grades[1],
                "charter": 0,
                "virtual": 0 if school.cells else -1,
                "free_lunch": free,
                "reduced_price_lunch": -9 if reduced == 0 else reduced,
                "free_or_reduced_price_lunch": free + reduced if school.cells else -1,
                "direct_certification": direct if school.cells else -1,
                "enrollment": school.pupils if school.cells else -1,
            }
        )
    return rows


def _district_directory(place: Region) -> list[dict[str, object]]:
    rows = []
    for leaid, name in _district_names(place).items():
        own = _of_district(leaid)
        rows.append(
            {
                "year": YEAR,
                "leaid": STATE_FIPS + leaid,
                "lea_name": name,
                "state_location": POSTAL,
                "fips": int(STATE_FIPS),
                "county_code": int(own[-1].county.fips),
                "county_name": own[-1].county.name,
                "agency_type": 5 if leaid == STATE_RUN else 1,
                "lowest_grade_offered": -1,
                "highest_grade_offered": 12,
                "number_of_schools": len(own),
                "enrollment": sum(school.pupils for school in own),
            }
        )
    return rows


def _school_enrolment() -> list[dict[str, object]]:
    # The least cell of the school for the deaf is withheld, and the publisher forgot its totals.
    hidden = ("Simulated School for the Deaf", 2, 1)
    return [
        {
            "year": YEAR,
            "ncessch": school.ncessch,
            "ncessch_num": int(school.ncessch),
            "grade": 99,
            "race": race,
            "sex": sex,
            "enrollment": -3 if (school.name, race, sex) == hidden else pupils,
            "fips": int(STATE_FIPS),
            "leaid": STATE_FIPS + school.district,
        }
        for school in schools()
        for race, sex, pupils in _with_totals(school.cells)
    ]


def _district_enrolment(place: Region) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for leaid in _district_names(place):
        own = [school.cells for school in _of_district(leaid) if school.cells]
        cells = {cell: sum(one[cell] for one in own) for cell in own[0]}
        rows += [
            {"year": YEAR, "leaid": STATE_FIPS + leaid, "grade": 99, "race": race, "sex": sex, "enrollment": pupils}
            | {"fips": int(STATE_FIPS)}
            for race, sex, pupils in _with_totals(cells)
        ]
    return rows


def pages(topic: str, rows: list[dict[str, object]], size: int) -> Iterator[tuple[str, bytes]]:
    """Answers of an endpoint for the state, page by page, under the names at which they land."""

    def address(number: int) -> str | None:
        if not 1 <= number <= last:
            return None
        page = f"&page={number}" if number > 1 else ""
        return f"{_ROOT}/{_PATHS[topic]}?fips={int(STATE_FIPS)}{page}"

    last = -(-len(rows) // size)
    for number in range(1, last + 1):
        answer = {
            "count": len(rows),
            "next": address(number + 1),
            "previous": address(number - 1),
            "results": rows[(number - 1) * size : number * size],
        }
        body = json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()
        yield f"{topic}/{STATE_FIPS}/page-{number:03d}.json", body


_SIGNS = (
    "\u2020 indicates that the data are not applicable.",
    "\u2013 indicates that the data are missing.",
    "\u2021 indicates that the data do not meet NCES data quality standards.",
)


def _export(kind: str, header: list[str], rows: list[list[str]], width: int, end: str) -> bytes:
    """An ELSI export, whose every line is padded to the width: of the table, or of nothing."""
    title = [
        ["ELSI Export"],
        [],
        ["National Center for Education Statistics - http://nces.ed.gov/ccd/elsi/"],
        [],
        [f"This is a {kind} based table with the following filters applied: State(s) (All Years): {STATE_NAME}"],
        [],
    ]
    notes = [[], [], ["Data Source: Simulated data in the layout of the Common Core of Data (CCD)"], []]
    notes += [[sign] for sign in _SIGNS]
    pad = [line + [""] * (width - len(line)) for line in (*title, header, *rows, *notes)]
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows(pad)
    return ("\ufeff" + out.getvalue()).encode()


def _state(n: int) -> str:
    return STATE_NAME.upper() if n % 5 == 2 else STATE_NAME


def district_export(place: Region) -> bytes:
    """`leacrosswalk.csv`: districts and their county, by name."""
    header = ["Agency Name", "State Name [District] Latest available year", "Agency Name [District] 2021-22"]
    header += ["County Number [District] 2021-22", "Agency ID - NCES Assigned [District] Latest available year"]
    rows = [
        [name.upper(), _state(n), name, _of_district(leaid)[-1].county.fips, STATE_FIPS + leaid]
        for n, (leaid, name) in enumerate(_district_names(place).items())
    ]
    return _export("District", header, sorted(rows), len(header), "\n")


def school_export() -> bytes:
    """`elsi_schools_lunch.zip`: schools without ids; one did not report, one has no lunch programme."""
    year = "[Public School] 2022-23"
    header = ["School Name", "State Name [Public School] Latest available year", f"County Number {year}"]
    header += [f"Free and Reduced Lunch Students {year}", f"Total Students All Grades (Excludes AE) {year}"]
    rows = []
    for n, school in enumerate(schools()):
        lunch, pupils = (str(sum(school.lunch)), str(school.pupils)) if school.cells else ("\u2013", "\u2013")
        lunch = {4: "\u2020", 9: "\u2021"}.get(n, lunch)
        rows.append([school.name.upper(), _state(n), school.county.fips, lunch, pupils])
    body = _export("Public School", header, sorted(rows), 0, "\r\n")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("ELSI_csv_export_6380000000000000000000.csv", (2024, 8, 12, 9, 25, 2)), body)
    return out.getvalue()


def files(place: Region) -> Iterator[tuple[str, str, bytes]]:
    """Both exports, and the pages of four endpoints."""
    yield "2022", "leacrosswalk.csv", district_export(place)
    yield "2023", "elsi_schools_lunch.zip", school_export()
    rows = {
        "schools/directory": _school_directory(),
        "schools/enrollment": _school_enrolment(),
        "districts/directory": _district_directory(place),
        "districts/enrollment": _district_enrolment(place),
    }
    for topic, found in rows.items():
        for name, body in pages(topic, found, PAGE_ROWS[topic]):
            yield str(YEAR + 1), name, body
