"""Modelled poverty: bounds belong to their estimates, and the live road."""

from functools import cache

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources.census_saipe import COUNTY, DISTRICT, SOURCE, parse
from sources.simulated import files
from sources.source import EVERYTHING, ParseError, RawFile, SourceError
from tests.editing import Rows, edit
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

COUNTIES, DISTRICTS = "est23all.xls", "ussd23.xls"
HEADER = 4  # its row in the sheet of counties


@cache
def simulated() -> dict[tuple[str, str], bytes]:
    return {(vintage, name): body for vintage, name, body in files("census_saipe")}


def read(name: str, body: bytes | None = None, vintage: str = "2023") -> pl.DataFrame:
    content = simulated()[vintage, name] if body is None else body
    [(key, frame)] = parse(RawFile("census_saipe", vintage, name, content)).items()
    table = {COUNTY.key: COUNTY, DISTRICT.key: DISTRICT}[key]
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def swapped(one: int, other: int):
    def change(rows: Rows) -> Rows:
        for row in rows:
            row[one], row[other] = row[other], row[one]
        return rows

    return change


def with_cells(row: int, cells: dict[int, object]):
    def change(rows: Rows) -> Rows:
        for column, value in cells.items():
            rows[row - HEADER][column] = value
        return rows

    return change


def test_the_districts_of_both_vintages():
    of_2023, of_2022 = read(DISTRICTS), read("ussd22.xls", vintage="2022")
    assert of_2023["geo_id"].equals(of_2022["geo_id"])
    assert of_2023["population_count"].equals(of_2022["population_count"])
    assert not of_2023["poverty_5_17_related_count"].equals(of_2022["poverty_5_17_related_count"])
    assert set(of_2023["period"]) == {"2023"}


BOUNDS = [column for first in (4, 7, 10, 13, 16, 19, 22, 25, 28) for column in (first + 1, first + 2)]
PAIRS = [(a, b) for a in BOUNDS for b in BOUNDS if a < b]


def test_no_two_columns_of_bounds_can_change_places_unseen():
    """They have the same titles: nothing but their figures tells them apart."""
    unseen = []
    for one, other in PAIRS:
        try:
            read(COUNTIES, edit(simulated()["2023", COUNTIES], swapped(one, other)))
        except ParseError as error:
            assert "census_saipe/2023/est23all.xls, sheet 'est23ALL'" in str(error)
        else:
            unseen.append((one, other))
    assert unseen == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (swapped(3, 4), "must have a header row that reads"),
        (with_cells(4, {10: "Poverty"}), "must have a header row that reads"),
        (with_cells(8, {5: "."}), "row 8: poverty_all_ages_count must have both bounds where it has an estimate"),
        (with_cells(8, {24: 1.0}), "row 8: bounds of median_household_income_usd must enclose it"),
        (with_cells(8, {8: 0.1}), "row 8: poverty_all_ages_share_lower must be in proportion"),
        (with_cells(8, {0: "MO"}), "row 8: state and county codes must be digits, but are 'MO'"),
        (with_cells(8, {4: "many"}), "row 8: column 'Poverty Estimate, All Ages': 'many' is neither"),
        (lambda rows: rows[:1], "must have rows below its header"),
    ],
)
def test_faults_are_refused_with_file_and_row(change, says):
    with pytest.raises(ParseError, match=says) as raised:
        read(COUNTIES, edit(simulated()["2023", COUNTIES], change))
    assert "census_saipe/2023/est23all.xls" in str(raised.value)


@pytest.mark.parametrize("column", range(7))
def test_a_renamed_column_of_districts_is_refused(column):
    def change(rows: Rows) -> Rows:
        rows[0][column] = "New"
        return rows

    with pytest.raises(ParseError, match="must have a header row that reads"):
        read(DISTRICTS, edit(simulated()["2023", DISTRICTS], change))


@pytest.mark.parametrize("body", [b"<html></html>", b"", simulated()["2023", COUNTIES][:-600]])
def test_what_is_no_whole_workbook_is_refused(body):
    with pytest.raises(ParseError, match="workbook"):
        read(COUNTIES, body)


def test_the_live_form_is_what_the_publisher_serves():
    with Publisher({("census_saipe", *where): body for where, body in simulated().items()}) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch is not None and SOURCE.probe is not None
        fetched = {one.name: one.body for one in SOURCE.fetch(fetcher, "2023", EVERYTHING)}
        probe = fetcher.get(SOURCE.probe("2023"))
        with pytest.raises(SourceError, match="HTTP 404"):
            fetcher.get(SOURCE.probe("2024"))
    assert fetched == {name: body for (vintage, name), body in simulated().items() if vintage == "2023"}
    assert set(fetched) == {COUNTIES, DISTRICTS}
    assert probe.body == fetched[probe.name]
