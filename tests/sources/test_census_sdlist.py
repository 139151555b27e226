"""Districts and their counties: what is read, what is refused, and the live road."""

from functools import cache

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources.census_sdlist import DISTRICT_COUNTY, SOURCE, parse
from sources.simulated import files
from sources.simulated.region import region
from sources.source import EVERYTHING, ParseError, RawFile, SourceError
from tests.editing import Rows, edit
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

NAME = "sdlist-21.xls"


@cache
def simulated() -> bytes:
    [(_, name, body)] = files("census_sdlist")
    assert name == NAME
    return body


def read(body: bytes | None = None) -> pl.DataFrame:
    content = simulated() if body is None else body
    frame = parse(RawFile("census_sdlist", "2021", NAME, content))[DISTRICT_COUNTY.key]
    return DISTRICT_COUNTY.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def test_every_part_of_every_district():
    wanted = {(f"97{d.leaid}", fips) for d in region().districts for fips in d.shares}
    assert set(read().select("district_id", "county_id").rows()) == wanted
    assert len(wanted) > len(region().districts)
    row = read().filter(district_id="9700030").row(0, named=True)
    assert row["district_name"] == "Simulated Alder County School District"
    assert (row["county_id"], row["county_name"], row["state_postal"]) == ("97001", "Simulated Alder County", "ZZ")


def test_swapped_columns_give_the_same_table():
    assert read(edit(simulated(), lambda rows: [row[::-1] for row in rows])).equals(read())


def with_cell(row: int, column: int, text: str | None):
    """Rows count from the header, which is row 3 of the sheet."""

    def change(rows: Rows) -> Rows:
        rows[row - 3][column] = text
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_cell(3, 5, "County Code"), r"must have a header with the columns \['County FIPS'\]"),
        (with_cell(6, 5, None), "row 6: column 'County FIPS' must not be empty"),
        (with_cell(6, 1, "29"), "row 6: state must be one state, but is 'ZZ' and '29'"),
        (with_cell(6, 2, "x0030"), "row 6: district and county must be digits, but are 'x0030'"),
        (lambda rows: rows[:1], "must have rows below its header"),
    ],
)
def test_faults_are_refused_with_file_and_row(change, says):
    with pytest.raises(ParseError, match=says) as raised:
        read(edit(simulated(), change))
    assert f"census_sdlist/2021/{NAME}" in str(raised.value)


@pytest.mark.parametrize("body", [b"<html></html>", b"", simulated()[:-600]])
def test_what_is_no_whole_workbook_is_refused(body):
    with pytest.raises(ParseError, match="workbook"):
        read(body)


def test_the_live_form_is_what_the_publisher_serves():
    with Publisher({("census_sdlist", "2021", NAME): simulated()}) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch is not None and SOURCE.probe is not None
        assert [(one.name, one.body) for one in SOURCE.fetch(fetcher, "2021", EVERYTHING)] == [(NAME, simulated())]
        assert fetcher.get(SOURCE.probe("2021")).body == simulated()
        with pytest.raises(SourceError, match="HTTP 404"):
            fetcher.get(SOURCE.probe("2022"))
    assert SOURCE.reads(NAME)
