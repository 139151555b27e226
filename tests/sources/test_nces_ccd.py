"""CCD: pages of the portal, ELSI exports, what stays suppressed, faults, and how pages are followed."""

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from quality import suppression
from sources.nces_ccd import SOURCE
from sources.nces_ccd.cells import codes, identifiers
from sources.simulated import files
from sources.source import Fetched, ParseError, RawFile, Request, Scope, SourceError
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

TABLES = {table.key: table for table in SOURCE.tables}
SCHOOLS, PUPILS = "schools/directory/97/page-001.json", "schools/enrollment/97/page-001.json"
DISTRICTS, DISTRICT_PUPILS = "districts/directory/97/page-001.json", "districts/enrollment/97/page-001.json"
LEA, ELSI = "leacrosswalk.csv", "elsi_schools_lunch.zip"


@cache
def sample() -> dict[str, tuple[str, bytes]]:
    return {name: (vintage, body) for vintage, name, body in files("nces_ccd")}


def parse(name: str, body: bytes | None = None) -> dict[str, pl.DataFrame]:
    vintage, own = sample()[name]
    found = SOURCE.parse(RawFile("nces_ccd", vintage, name, own if body is None else body))
    return {
        key: TABLES[key].conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64))) for key, frame in found.items()
    }


@cache
def table(key: str) -> pl.DataFrame:
    return pl.concat(frame for name in sample() for found, frame in parse(name).items() if found == f"core.{key}")


def answer(name: str) -> dict[str, Any]:
    return json.loads(sample()[name][1])


def with_rows(name: str, change: Callable[[list[dict[str, Any]]], object]) -> bytes:
    """A page whose rows were changed."""
    page = answer(name)
    change(page["results"])
    return json.dumps(page).encode()


def test_primary_keys_are_unique():
    for key, found in TABLES.items():
        frame = table(key.removeprefix("core."))
        assert frame.height and not frame.select(found.primary_key).is_duplicated().any(), key


def test_a_school_as_published():
    printed = next(row for row in answer(SCHOOLS)["results"] if row["school_name"].endswith("Elementary School"))
    (row,) = table("nces_ccd_school").filter(school_id=printed["ncessch"]).to_dicts()
    assert (row["vintage"], row["period"]) == ("2024", "2023-2024")
    assert (row["school_name"], row["district_id"]) == (printed["school_name"], printed["leaid"])
    assert row["county_id"] == str(printed["county_code"])
    assert (row["school_level"], row["lowest_grade"], row["highest_grade"]) == (1, -1, 5)
    assert (row["latitude"], row["longitude"]) == (printed["latitude"], printed["longitude"])


def test_kinds_of_lunch_figures():
    frame = table("nces_ccd_school_lunch")
    assert set(frame["student_count_kind"]) == {"exact", "interval", "missing", "not_applicable"}
    (rounded,) = frame.filter(student_count_kind="interval").to_dicts()
    assert (rounded["program"], rounded["student_count_lower"], rounded["student_count_upper"]) == (
        "reduced_price",
        0,
        0.5,
    )
    assert frame.filter(student_count_kind="not_applicable")["program"].unique().to_list() == ["direct_certification"]


def test_what_was_not_reported_is_missing_and_nowhere():
    (row,) = table("nces_ccd_school").filter(school_name="Simulated School That Did Not Report").to_dicts()
    assert row["latitude"] is row["longitude"] is row["virtual"] is None
    pupils = table("nces_ccd_enrolment").filter(school_id=row["school_id"])
    assert pupils.height == 27 and set(pupils["enrolment_count_kind"]) == {"missing"}
    assert pupils["enrolment_count"].null_count() == 27


def test_a_suppressed_cell_cannot_be_computed():
    frame = table("nces_ccd_enrolment")
    (hidden,) = frame.filter(enrolment_count_kind="suppressed").to_dicts()
    assert hidden["enrolment_count"] is hidden["enrolment_count_lower"] is None
    found = TABLES["core.nces_ccd_enrolment"]
    assert suppression.recoverable(found, frame).height == 1, "the publisher's own rows give the cell away"
    safe, withheld = suppression.protect(found, frame)
    assert withheld and suppression.recoverable(found, safe).is_empty()
    # The district of that school has no other: its cell is the school's.
    district = {"district_id": hidden["district_id"], "race": hidden["race"], "sex": hidden["sex"]}
    assert set(safe.filter(**district)["enrolment_count_kind"]) == {"suppressed"}
    elsewhere = pl.col("district_id") != hidden["district_id"]
    assert safe.filter(elsewhere).equals(frame.filter(elsewhere))


def test_a_suppressed_part_of_lunch_withholds_its_total():
    found = TABLES["core.nces_ccd_school_lunch"]
    body = with_rows(SCHOOLS, lambda rows: rows[0].update(reduced_price_lunch=-3))
    frame = parse(SCHOOLS, body)[found.key]
    safe, withheld = suppression.protect(found, frame)
    assert withheld == 1
    kinds = dict(safe.filter(school_id=frame["school_id"][0]).select("program", "student_count_kind").iter_rows())
    assert kinds == {
        "direct_certification": "exact",
        "free": "exact",
        "free_or_reduced_price": "suppressed",
        "reduced_price": "suppressed",
    }


def test_no_total_of_pupils_stands_beside_the_table_that_protects_it():
    for key in ("core.nces_ccd_school", "core.nces_ccd_district"):
        assert not [name for name in TABLES[key].column_names if "enrol" in name or "lunch" in name]


def test_districts_from_portal_and_export_agree():
    frame = table("nces_ccd_district")
    old, new = (frame.filter(vintage=vintage).sort("geo_id") for vintage in ("2022", "2024"))
    assert old.select("geo_id", "geo_name", "county_id").equals(new.select("geo_id", "geo_name", "county_id"))
    assert old["agency_type"].null_count() == old.height and set(new["agency_type"]) == {1, 5}
    assert set(old["period"]) == {"2021-2022"}


def test_export_of_schools():
    frame = table("nces_ccd_elsi_school")
    assert frame["publisher_row"].to_list() == list(range(8, 8 + frame.height))
    assert set(frame["lunch_eligible_count_kind"]) == {"exact", "missing", "not_applicable", "suppressed"}
    assert set(frame["enrolment_count_kind"]) == {"exact", "missing"}
    totals = table("nces_ccd_enrolment").filter(pl.col("school_id") != "all", race="total", sex="total")
    assert frame["enrolment_count"].sum() == totals["enrolment_count"].sum()


def test_schools_sum_to_their_district():
    frame = table("nces_ccd_enrolment").filter(enrolment_count_kind="exact")
    sums = (
        frame.filter(pl.col("school_id") != "all")
        .group_by("district_id", "race", "sex")
        .agg(pl.col("enrolment_count").sum().alias("sum"))
    )
    both = frame.filter(school_id="all").join(sums, on=["district_id", "race", "sex"])
    # The cell that a school suppressed has no sum.
    assert both.height == frame.filter(school_id="all").height - 1
    assert both["enrolment_count"].to_list() == both["sum"].to_list()


def test_lost_zeros_and_codes():
    file = RawFile("nces_ccd", "2024", DISTRICTS, b"")
    assert identifiers(file, "leaid", [100005, "0100005"], 7, 1) == ["0100005", "0100005"]
    assert identifiers(file, "county_code", [1003, -1, "-2", None, "\u2013"], 5, 1, nullable=True) == [
        "01003",
        *[None] * 4,
    ]
    assert codes(file, "lowest_grade_offered", [-1, -2, 0, 12], 1, is_grade=True) == [-1, None, 0, 12]
    assert codes(file, "charter", [-1, 0, None], 1) == [None, 0, None]


PAGE_FAULTS = [
    (SCHOOLS, lambda rows: rows[3].pop("county_code"), "county_code", 4),
    (SCHOOLS, lambda rows: [row.update(schoolname=row.pop("school_name")) for row in rows], "school_name", 1),
    (SCHOOLS, lambda rows: rows[2].update(year=2022), "must be of 2023", 3),
    (SCHOOLS, lambda rows: rows[1].update(ncessch="97-x"), "id of 12 digits", 2),
    (SCHOOLS, lambda rows: rows[1].update(leaid=None), "id of 7 digits", 2),
    (SCHOOLS, lambda rows: rows[1].update(free_lunch=-4), "'free_lunch': -4", 2),
    (SCHOOLS, lambda rows: rows[1].update(free_lunch="many"), "'free_lunch'", 2),
    (SCHOOLS, lambda rows: rows[1].update(charter="no"), "whole number", 2),
    (SCHOOLS, lambda rows: rows[1].update(latitude="north"), "'latitude'", 2),
    (SCHOOLS, lambda rows: rows.clear(), "must have rows", None),
    (PUPILS, lambda rows: rows[6].update(race=12), "no known code is 12", 7),
    (PUPILS, lambda rows: rows[6].update(sex="m"), "no known code is 'm'", 7),
    (PUPILS, lambda rows: rows[6].update(grade=3), "must be of all grades", 7),
    (PUPILS, lambda rows: rows[6].update(enrollment=-7), "-7 is neither", 7),
    (DISTRICT_PUPILS, lambda rows: rows[0].pop("enrollment"), "enrollment", 1),
    (DISTRICTS, lambda rows: rows[0].pop("agency_type"), "agency_type", 1),
]


@pytest.mark.parametrize(("name", "change", "rule", "row"), PAGE_FAULTS)
def test_faults_of_a_page_are_refused(name, change, rule, row):
    with pytest.raises(ParseError) as error:
        parse(name, with_rows(name, change))
    assert f"nces_ccd/2024/{name}" in str(error.value) and rule in str(error.value)
    assert error.value.row == row


@pytest.mark.parametrize(
    "body", [b"", b"<!DOCTYPE html><title>Down</title>", b"[]", b"{}", b'{"count":1,"next":null,"results":{}}']
)
def test_what_is_no_page_is_refused(body):
    with pytest.raises(ParseError, match="must be a page of the portal"):
        parse(DISTRICTS, body)


def test_a_page_that_lost_rows_is_refused():
    page = answer(DISTRICTS) | {"next": None}
    with pytest.raises(ParseError, match="rows that it counts"):
        parse(DISTRICTS, json.dumps(page).encode())


def test_duplicated_rows_break_the_key():
    frame = parse(DISTRICTS, with_rows(DISTRICTS, lambda rows: rows.append(rows[0])))["core.nces_ccd_district"]
    assert frame.select("vintage", "geo_id").is_duplicated().sum() == 2


def zipped(text: str, name: str = "ELSI_csv_export_1.csv") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text.encode())
    return out.getvalue()


def export(name: str) -> str:
    if name == LEA:
        return sample()[LEA][1].decode()
    with zipfile.ZipFile(io.BytesIO(sample()[ELSI][1])) as archive:
        return archive.read(archive.namelist()[0]).decode()


def swapped(text: str) -> str:
    """The same export with its columns the other way round."""
    return "\n".join(
        ",".join(reversed(line.split(","))) if line.count(",") == 4 else line for line in text.splitlines()
    )


@pytest.mark.parametrize(("name", "key"), [(LEA, "core.nces_ccd_district"), (ELSI, "core.nces_ccd_elsi_school")])
def test_swapped_columns_of_an_export(name, key):
    body = swapped(export(name))
    # What stands alone in the first column stays there.
    body = "\n".join(line.lstrip(",") if line.startswith(",,,,") else line for line in body.splitlines())
    again = parse(name, zipped(body) if name == ELSI else body.encode())[key]
    assert again.equals(parse(name)[key])


EXPORT_FAULTS = [
    (LEA, lambda text: text[: len(text) // 2], "it is cut off", None),
    (LEA, lambda text: text[: text.index("Data Source")], "it is cut off", None),
    (LEA, lambda text: text.replace("County Number [District] 2021-22", "County"), "County Number [District]", None),
    (LEA, lambda text: text.replace("2021-22", "2020-21"), "Agency Name [District] 2021-22", None),
    (LEA, lambda text: text.replace(",97001,", ",97x01,"), "id of 5 digits", 8),
    (LEA, lambda text: text.replace("97001,9700030", "97001"), "must have 5 values", 8),
    (LEA, lambda text: "<html><body>Please wait</body></html>", "must be an ELSI export", None),
    (LEA, lambda text: "", "must be an ELSI export", None),
    (ELSI, lambda text: text[: len(text) // 2], "it is cut off", None),
    (ELSI, lambda text: text.replace("Total Students", "All Students"), "Total Students", None),
    (ELSI, lambda text: text.replace(",\u2020,", ",n/k,"), "'n/k' is neither a number nor a known code", None),
]


@pytest.mark.parametrize(("name", "change", "rule", "row"), EXPORT_FAULTS)
def test_faults_of_an_export_are_refused(name, change, rule, row):
    text = change(export(name))
    assert text != export(name)
    with pytest.raises(ParseError) as error:
        parse(name, zipped(text) if name == ELSI else text.encode())
    assert name in str(error.value) and rule in str(error.value)
    assert row is None or error.value.row == row


def test_an_export_of_schools_that_is_doubled_is_refused():
    lines = export(ELSI).splitlines()
    end = lines.index("", 7)
    doubled = "\n".join([*lines[:end], *lines[7:end], *lines[end:]])
    with pytest.raises(ParseError, match="stands twice") as error:
        parse(ELSI, zipped(doubled))
    assert error.value.row == end + 1


@pytest.mark.parametrize("body", [b"PK\x03\x04 broken", b"<html></html>", b""])
def test_no_archive_is_refused(body):
    with pytest.raises(ParseError, match="must be a whole ZIP archive"):
        parse(ELSI, body)


def live(
    states: tuple[str, ...] | None, bodies: dict[str, bytes] | None = None
) -> tuple[dict[str, Fetched], list[str]]:
    """What a live fetch lands, and the queries that it sent."""
    served = {("nces_ccd", vintage, name): body for name, (vintage, body) in sample().items()}
    served |= {("nces_ccd", "2024", name): body for name, body in (bodies or {}).items()}
    with Publisher(served) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch is not None
        found = {one.name: one for one in SOURCE.fetch(fetcher, "2024", Scope(states=states))}
        return found, [str(dict(one.asked.query)) for one in publisher.log]


def test_live_is_what_was_simulated():
    found, queries = live(("97",))
    assert {name: one.body for name, one in found.items()} == {
        name: body for name, (vintage, body) in sample().items() if vintage == "2024"
    }
    assert all(SOURCE.reads(name) for name in found)
    assert "{'fips': '97', 'page': '2'}" in queries and len(queries) == len(found)


def test_the_nation_is_fetched_without_a_filter():
    found, queries = live(None)
    assert all("/us/page-" in name for name in found) and "{}" in queries
    for key in TABLES:
        vintage = "2024"
        frames = [SOURCE.parse(RawFile("nces_ccd", vintage, name, one.content)).get(key) for name, one in found.items()]
        rows = [frame for frame in frames if frame is not None]
        of_state = table(key.removeprefix("core.")).filter(vintage=vintage).drop("snapshot_sha256")
        if rows:
            assert pl.concat(rows).sort(TABLES[key].primary_key).equals(of_state.sort(TABLES[key].primary_key))


def test_a_state_without_rows_stops_the_fetch():
    with pytest.raises(SourceError, match="must have rows, but has none"):
        live(("29",))


PAGED = "schools/directory/97/page-001.json"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"next": None}, "rows that it counts"),
        ({"next": "https://elsewhere.example/api/v1/schools/ccd/directory/2023/?page=2"}, "same endpoint"),
        ({"next": "https://educationdata.urban.org/api/v1/schools/ccd/directory/2022/?page=2"}, "same endpoint"),
        ({"next": "https://educationdata.urban.org/api/v1/schools/ccd/directory/2023/?fips=97"}, "must be one of"),
        ({"count": 1000}, "must be one of"),
    ],
)
def test_pages_that_lead_astray_are_refused(change, rule):
    with pytest.raises(SourceError, match=rule):
        live(("97",), {PAGED: json.dumps(answer(PAGED) | change).encode()})


def test_pages_that_end_early_are_refused():
    *_, early, last = sorted(name for name in sample() if name.startswith("schools/directory/"))
    rows = answer(last)["count"] - len(answer(last)["results"])
    with pytest.raises(SourceError, match=f"ends after {rows}$"):
        live(("97",), {early: json.dumps(answer(early) | {"next": None}).encode()})


def test_the_probe_is_small_and_readable():
    assert SOURCE.probe is not None
    request: Request = SOURCE.probe("2024")
    served = {("nces_ccd", vintage, name): body for name, (vintage, body) in sample().items()}
    with Publisher(served) as publisher:
        fetched = HttpFetcher(rewrite=publisher.rewrite, attempts=1).get(request)
        with pytest.raises(SourceError):
            HttpFetcher(rewrite=publisher.rewrite, attempts=1).get(SOURCE.probe("2025"))
    (frame,) = SOURCE.parse(RawFile("nces_ccd", "2024", fetched.name, fetched.content)).values()
    assert frame["agency_type"].to_list() == [5] and SOURCE.reads(fetched.name)
