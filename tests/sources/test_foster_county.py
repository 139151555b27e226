"""Foster care by county: what the simulated files say, what is refused, and the same from the loopback publisher."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from quality.suppression import protect, recoverable
from sources.foster_county import COUNT, RATE, SOURCE
from sources.foster_county.places import counties, plain
from sources.foster_county.state_table import COLUMNS
from sources.simulated import files
from sources.simulated.region import region
from sources.source import EVERYTHING, ParseError, RawFile, SourceError
from tests.editing import Sheet, sheets_of, write_workbook
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

FILES = {name: (vintage, body) for vintage, name, body in files("foster_county")}
ENTRIES, RATES = "kidscount_1976_27.xlsx", "kidscount_1977_27.xlsx"
MISSOURI, ILLINOIS = "county_foster_care_missouri.csv", "county_foster_care_illinois.csv"
CODED = (
    "Location,LocationID,FilterCategory,DataGroups,TimeFrame,DataFormat,Data,Unit\n"
    "North Carolina,37000,Total,Total,2021,Number,11000,\n"
    "Washington,37187,Total,Total,2021,Number,S,\n"
    "Durham,37063,Total,One,2021,Percent,33.3,%\n"
)


def parse(name: str, body: bytes | None = None, vintage: str = "2026") -> dict[str, pl.DataFrame]:
    content = FILES[name][1] if body is None else body
    found = SOURCE.parse(RawFile("foster_county", vintage, name, content))
    tables = {table.key: table for table in SOURCE.tables}
    return {
        key: tables[key].conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64))) for key, frame in found.items()
    }


def export(change: str | None = None, row: int = 0, column: int = 0, name: str = ENTRIES) -> bytes:
    sheets: dict[str, Sheet] = sheets_of(FILES[name][1])
    if change is not None:
        sheets["Kidscount Export"][row][column] = change
    return write_workbook("xlsx", sheets)


def template(**changed: str) -> bytes:
    row = {
        "state": "MO",
        "county_fips": "29510",
        "county_name": "St. Louis City",
        "fiscal_year": "2025",
        "measure": "in_care",
        "value": "1,024",
        "source_document": "Children's Division Annual Report FY2025",
        "page": "58",
    }
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerow({**row, **changed})
    return out.getvalue().encode()


def test_a_kids_count_export():
    found = parse(ENTRIES)
    count, rate = found[COUNT.key], found[RATE.key]
    assert set(count["measure"]) == {"entries"} and set(count["category"]) == {"Total"}
    assert set(count["geo_level"]) == {"state", "county"}
    assert set(count.filter(geo_level="county")["geo_id"]) == {county.fips for county in region().counties}
    whole = count.filter(period="2019", geo_level="state")["count"].item()
    assert count.filter(period="2019", geo_level="county")["count"].sum() == whole
    small = rate.filter(rate_kind="interval")
    assert small.height and set(small["rate_upper"]) == {0.005} and set(small["rate_lower"]) == {0.0}
    assert rate.filter(geo_level="state")["rate"].to_list() == [1.0, 1.0, 1.0]
    silent = count.filter(count_kind="missing")
    assert silent.select("period", "geo_id").rows() == [("2017", region().counties[3].fips)]


def test_a_kids_count_rate():
    found = parse(RATES)
    assert set(found) == {RATE.key}
    assert set(found[RATE.key]["unit"]) == {"per_1000"}
    assert set(found[RATE.key]["rate_kind"]) == {"exact", "missing"}


def test_an_export_with_codes():
    found = parse("kidscount_placements_nc.csv", CODED.encode())
    count = found[COUNT.key].select("geo_level", "geo_id", "state_id", "count", "count_kind", "measure").rows()
    assert sorted(count) == [
        ("county", "37187", "37", None, "suppressed", "kidscount_placements_nc"),
        ("state", "37", "37", 11000.0, "exact", "kidscount_placements_nc"),
    ]
    [share] = found[RATE.key].select("geo_id", "category", "unit", "rate").rows()
    assert share == ("37063", "One", "share", 0.333)


def test_columns_are_found_by_name():
    sheets = sheets_of(FILES[ENTRIES][1])
    turned = {name: [row[::-1] for row in rows] for name, rows in sheets.items()}
    found = parse(ENTRIES, write_workbook("xlsx", turned))
    assert all(found[key].equals(frame) for key, frame in parse(ENTRIES).items())


@pytest.mark.parametrize(
    ("text", "period"),
    [("FY 2018", "FY2018"), ("2014-2018", "2014-2018"), ("2017-18", "2017-2018"), ("2017\u201318", "2017-2018")],
)
def test_time_frames(text, period):
    assert period in set(parse(ENTRIES, export(text, 1, 2))[COUNT.key]["period"])


@pytest.mark.parametrize(
    ("change", "row", "column", "message"),
    [
        ("Place", 0, 1, r"sheet 'Kidscount Export', row 1: must have the columns \['Location'\]"),
        ("Number (new)", 1, 3, r"row 2: DataFormat 'Number \(new\)' is not known"),
        ("few", 1, 4, r"row 2: 'few' is neither a number nor a known code"),
        ("27", 2, 4, r"row 3: '27.0' is no share of 0 to 1|row 3: '27' is no share of 0 to 1"),
        ("last year", 1, 2, r"row 2: 'last year' is no year and no span of years"),
        ("Region", 3, 0, r"row 4: Region 'Simulated Alder' is no place that is known"),
        ("Simulated Nowhere", 3, 1, r"row 4: 'Simulated Nowhere' is no county of Simulated State"),
        ("Missouri", 1, 1, r"must hold one state beside its counties"),
    ],
)
def test_a_changed_export_is_refused(change, row, column, message):
    with pytest.raises(ParseError, match=message) as caught:
        parse(ENTRIES, export(change, row, column))
    assert caught.value.file == f"foster_county/2026/{ENTRIES}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("37187", "4187", r"row 3: LocationID must be a FIPS code of the one state in the file"),
        ("37000", "1234", r"row 2: LocationID must be a FIPS code"),
        ("LocationID", "Id", r"must have the columns \['LocationID'\]"),
        (",33.3,", ",333,", r"row 4: '333' is no percentage of 0 to 100"),
    ],
)
def test_a_changed_export_with_codes_is_refused(old, new, message):
    with pytest.raises(ParseError, match=message):
        parse("kidscount_nc.csv", CODED.replace(old, new).encode())


def test_an_annual_table():
    [frame] = parse(ILLINOIS, vintage="2025").values()
    assert set(frame["measure"]) == {"in_care", "aged_out"} and set(frame["period"]) == {"FY2024", "FY2025"}
    assert set(frame["count_kind"]) == {"exact", "suppressed"} and set(frame["page"]) == {"41", "42"}
    [row] = parse(MISSOURI, template())[COUNT.key].select("geo_id", "geo_level", "period", "count", "page").rows()
    assert row == ("29510", "county", "FY2025", 1024.0, "58")
    [row] = parse(MISSOURI, template(county_fips="29000"))[COUNT.key].select("geo_id", "geo_level").rows()
    assert row == ("29", "state")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("S", "suppressed"), ("*", "suppressed"), ("N.A.", "missing"), ("", "missing"), ("<5", "interval")],
)
def test_what_is_not_told_is_not_zero(text, kind):
    [row] = parse(MISSOURI, template(value=text))[COUNT.key].select("count", "count_kind").rows()
    assert row == (None, kind)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"state": "Missouri"}, "state must be a postal abbreviation, but is 'Missouri'"),
        ({"county_fips": "510"}, "county_fips must have five digits that begin with 29, but is '510'"),
        ({"county_fips": "29189"}, "29189 is not the code of 'St. Louis City' in MO"),
        ({"county_name": "Saint Louis County"}, "29510 is not the code of 'Saint Louis County' in MO"),
        ({"fiscal_year": "FY25"}, "fiscal_year must be the year in which it ends, but is 'FY25'"),
        ({"measure": "in care"}, "measure must be one of"),
        ({"value": "about 20"}, "column 'value': 'about 20' is neither a number"),
        ({"source_document": " "}, "source_document must name the report"),
    ],
)
def test_a_slip_in_an_annual_table_is_refused(changed, message):
    with pytest.raises(ParseError, match=f"row 2: {message}"):
        parse(MISSOURI, template(**changed))


def test_other_states_are_read_by_code():
    [row] = parse(MISSOURI, template(state="KS", county_fips="20209", county_name="Wyandotte"))[COUNT.key].rows()
    assert "20209" in row


@pytest.mark.parametrize("name", [ENTRIES, MISSOURI, "kidscount_nc.csv"])
@pytest.mark.parametrize("body", [b"<!DOCTYPE html>\n<html></html>", b""])
def test_what_is_no_table_is_refused(name, body):
    with pytest.raises(ParseError, match=name):
        parse(name, body)


def test_a_cut_off_workbook_is_refused():
    with pytest.raises(ParseError, match="must be a whole workbook"):
        parse(ENTRIES, FILES[ENTRIES][1][:-300])


def test_a_state_total_that_would_give_a_county_away_is_withheld():
    frame = pl.concat(parse(name, vintage="2025")[COUNT.key] for name in (MISSOURI, ILLINOIS))
    alone = frame.filter(count_kind="suppressed").group_by("source_document", "measure", "period").len()
    assert alone["len"].min() == 1, "the sample shows a county that is withheld alone"
    assert recoverable(COUNT, frame).height == 1
    safe, withheld = protect(COUNT, frame)
    assert withheld == 1 and recoverable(COUNT, safe).is_empty()
    totals = safe.filter(geo_level="state", count_kind="suppressed")
    assert totals.height == 1 and totals["count"].item() is None


def test_names_of_counties_in_different_words():
    missouri = counties()["29"]
    assert missouri[plain("Saint Louis")] == missouri[plain("St. Louis County")] == "29189"
    assert missouri[plain("St. Louis City")] == "29510"
    assert missouri[plain("Sainte Genevieve")] == missouri[plain("Ste. Genevieve")] == "29186"
    assert counties()["17"][plain("DeWitt")] == "17039"
    assert {state: len(found) for state, found in counties().items()} == {"17": 102, "29": 115, "97": 24}
    assert counties()["97"] == {plain(county.name): county.fips for county in region().counties}


def test_live_files_are_those_that_the_publisher_serves():
    with Publisher() as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        fetched = {one.name: one.body for one in SOURCE.fetch(fetcher, "2026", EVERYTHING)}
    assert fetched == {name: body for name, (vintage, body) in FILES.items() if vintage == "2026"}
    with pytest.raises(SourceError, match="the address names no year"):
        SOURCE.probe("2027")


def test_the_documented_example_is_read():
    text = (Path(__file__).parents[2] / "docs" / "foster-county-files.md").read_text(encoding="utf-8")
    example = text.split("```csv\n")[1].split("```")[0]
    [frame] = parse(MISSOURI, example.encode()).values()
    assert sorted(frame.select("geo_level", "count_kind").rows()) == [
        ("county", "exact"),
        ("county", "suppressed"),
        ("state", "exact"),
    ]
