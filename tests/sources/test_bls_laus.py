"""Unemployment by county: what is read, what is refused, and the live road."""

from functools import cache

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources.bls_laus import COUNTY, SOURCE, parse
from sources.simulated import files
from sources.source import EVERYTHING, ParseError, RawFile, Request, SourceError
from tests.editing import Rows, edit
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

NAME = "laucnty24.xlsx"
HEADER = 2  # its row in the sheet


@cache
def simulated() -> bytes:
    [(_, name, body)] = files("bls_laus")
    assert name == NAME
    return body


def read(body: bytes | None = None) -> pl.DataFrame:
    content = simulated() if body is None else body
    frame = parse(RawFile("bls_laus", "2024", NAME, content))[COUNTY.key]
    return COUNTY.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def with_cells(row: int, cells: dict[int, object]):
    def change(rows: Rows) -> Rows:
        for column, value in cells.items():
            rows[row - HEADER][column] = value
        return rows

    return change


def test_figures_of_a_county():
    body = edit(simulated(), with_cells(3, {5: 2000.0, 6: 1900.0, 7: 100.0, 8: 5.0}))
    row = read(body).row(0, named=True)
    assert (row["geo_id"], row["geo_name"], row["period"]) == ("97001", "Simulated Alder County, ZZ", "2024")
    assert (row["labor_force_count"], row["employed_count"], row["unemployed_count"]) == (2000, 1900, 100)
    assert (row["unemployment_share"], row["figures_kind"]) == (0.05, "exact")
    assert read().height == 24


def test_not_available_is_missing_and_not_zero():
    body = edit(simulated(), with_cells(3, dict.fromkeys(range(5, 9), "N.A.")))
    row = read(body).row(0, named=True)
    assert row["figures_kind"] == "missing"
    figures = ("labor_force_count", "employed_count", "unemployed_count", "unemployment_share")
    assert [row[name] for name in figures] == [None] * 4
    assert set(read(body)["figures_kind"][1:]) == {"exact"}


def test_swapped_columns_give_the_same_table():
    assert read(edit(simulated(), lambda rows: [row[::-1] for row in rows])).equals(read())


def test_a_header_broken_into_lines_is_the_same_header():
    body = edit(simulated(), with_cells(HEADER, {5: "Labor\nForce", 8: "Unemployment  Rate (%)"}))
    assert read(body).equals(read())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_cells(HEADER, {7: "Jobless"}), r"must have a header with the columns \['Unemployed'\]"),
        (with_cells(5, {6: "N.A."}), "row 5: must have all four figures or none"),
        (with_cells(5, {6: "many"}), "row 5: column 'Employed': 'many' is neither a number nor a known code"),
        (with_cells(5, {6: None}), "row 5: column 'Employed': must be a number or N.A."),
        (with_cells(5, {6: "*"}), "row 5: column 'Employed': must be a number or N.A."),
        (with_cells(5, {5: 1.0}), "row 5: labor force must be employed and unemployed"),
        (with_cells(5, {8: 99.0}), "row 5: rate must be"),
        (with_cells(5, {4: "2023"}), "row 5: must be of 2024, but is of '2023'"),
        (with_cells(5, {1: "MO"}), "row 5: state and county codes must be digits, but are 'MO'"),
        (lambda rows: rows[:20], "must end with a SOURCE line, but has none: the sheet is cut off"),
        (lambda rows: [rows[0], *rows[-3:]], "must have rows below its header"),
    ],
)
def test_faults_are_refused_with_file_and_row(change, says):
    with pytest.raises(ParseError, match=says) as raised:
        read(edit(simulated(), change))
    assert f"bls_laus/2024/{NAME}" in str(raised.value)


@pytest.mark.parametrize("body", [b"<html></html>", b"", simulated()[:-600]])
def test_what_is_no_whole_workbook_is_refused(body):
    with pytest.raises(ParseError, match=r"workbook|ZIP"):
        read(body)


def test_the_live_form_is_what_the_publisher_serves():
    with Publisher({("bls_laus", "2024", NAME): simulated()}) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch is not None and SOURCE.probe is not None
        assert [(one.name, one.body) for one in SOURCE.fetch(fetcher, "2024", EVERYTHING)] == [(NAME, simulated())]
        assert fetcher.get(SOURCE.probe("2024")).body == simulated()
        with pytest.raises(SourceError, match="HTTP 404"):
            fetcher.get(SOURCE.probe("2025"))
        nameless = Request(NAME, SOURCE.probe("2024").address, "workbook", {"User-Agent": "python-requests/2.32"})
        with pytest.raises(SourceError, match="HTTP 403"):
            fetcher.get(nameless)
    assert SOURCE.reads(NAME)
