"""Fair Market Rents: what is read, what is refused, and the live road.

No real workbook is at hand, so that nothing here shows that one would be read: `sources/simulated/hud_fmr.py` says what
is known of HUD's workbooks from descriptions, and what is inferred.
"""

from functools import cache

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources import hud_fmr
from sources.hud_fmr import COUNTY, SOURCE
from sources.simulated import files
from sources.simulated.region import region
from sources.source import EVERYTHING, ParseError, RawFile, SourceError
from tests.editing import Rows, edit, sheets_of, write_workbook
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

NAME = "FY25_FMRs_revised.xlsx"
FIRST = "FY25_FMRs.xlsx"
FIPS, METRO, AREA = 7, 5, 2
RENTS = [f"fmr_{n}_usd" for n in range(5)]


@cache
def simulated() -> dict[str, tuple[str, bytes]]:
    return {name: (vintage, body) for vintage, name, body in files("hud_fmr")}


def read(body: bytes | None = None, name: str = NAME, **more) -> pl.DataFrame:
    content = simulated()[NAME][1] if body is None else body
    frame = SOURCE.parse(RawFile("hud_fmr", "2025", name, content, **more))[COUNTY.key]
    return COUNTY.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def with_cells(row: int, cells: dict[int, object]):
    def change(rows: Rows) -> Rows:
        for column, value in cells.items():
            rows[row - 1][column] = value
        return rows

    return change


def edited(row: int, cells: dict[int, object]) -> bytes:
    body = edit(simulated()[NAME][1], with_cells(row, cells))
    assert body is not None
    return body


def test_the_rents_of_a_county():
    frame = read(edited(2, {9: 700.0, 10: 800.0, 11: 970.0, 12: 1250.0, 13: 1400.0}))
    row = frame.row(by_predicate=pl.col("geo_id") == "97001", named=True)
    assert (row["geo_level"], row["geo_name"], row["period"]) == ("county", "Simulated Alder County", "FY2025")
    assert [row[name] for name in RENTS] == [700, 800, 970, 1250, 1400]
    assert (row["hud_area_code"], row["is_metro"], row["county_id"]) == ("NCNTY97001N97001", False, "97001")


@pytest.mark.parametrize("name", list(simulated()))
def test_every_year_holds_each_county_of_the_region_once(name):
    vintage, body = simulated()[name]
    frame = SOURCE.parse(RawFile("hud_fmr", vintage, name, body))[COUNTY.key]
    counties = frame.filter(pl.col("geo_level") == "county")
    assert sorted(counties["geo_id"]) == sorted(county.fips for county in region().counties)
    assert set(frame["period"]) == {f"FY{vintage}"}


def test_counties_of_one_hud_area_have_one_rent():
    together = read().filter(pl.col("is_metro") & (pl.col("geo_level") == "county"))
    assert together.height > 1
    assert together.select("hud_area_code", *RENTS).n_unique() == 1


def test_towns_are_no_counties_and_their_county_has_no_rent():
    frame = read()
    towns = frame.filter(pl.col("geo_level") == "county_subdivision")
    assert towns["geo_id"].to_list() == ["9704910010", "9704920020"]
    assert set(towns["county_id"]) == {"97049"}
    assert towns["geo_name"][0] == "Simulated Harbour town, Simulated Zinnia County"
    assert "97049" not in set(frame["geo_id"])


def test_a_code_that_is_a_number_has_its_leading_zero_back():
    frame = read(edited(2, {0: "AL", 1: 1.0, FIPS: 100199999.0}))
    assert "01001" in set(frame["geo_id"])
    assert "01001" in set(read(edited(2, {0: "AL", 1: "01", FIPS: "0100199999"}))["geo_id"])


def test_a_territory_without_counties_is_no_county():
    row = read(edited(2, {0: "AS", 1: 60.0, FIPS: 6099999999.0})).row(by_predicate=pl.col("geo_id") == "60", named=True)
    assert (row["geo_level"], row["county_id"]) == ("state", None)


def test_swapped_columns_give_the_same_table():
    assert read(edit(simulated()[NAME][1], lambda rows: [row[::-1] for row in rows])).equals(read())


def test_a_revised_edition_takes_the_place_of_the_first_in_its_folder():
    def beside(name: str) -> RawFile | None:
        return RawFile("hud_fmr", "2025", name, simulated()[NAME][1]) if name == NAME else None

    assert read(name=FIRST).drop("snapshot_sha256").equals(read().drop("snapshot_sha256"))
    assert read(name=FIRST, beside=beside).is_empty()
    assert read(beside=beside).height == read().height


@pytest.mark.parametrize(
    ("row", "cells", "says"),
    [
        (1, {11: "rent_2"}, r"row 1: must have the columns \['fmr_2'\]"),
        (5, {11: "N/A"}, "row 5: fmr_2 must be a rent in whole dollars, but is 'N/A'"),
        (5, {11: None}, "row 5: fmr_2 must be a rent in whole dollars, but is ''"),
        (5, {11: 0.0}, "row 5: fmr_2 must be a rent in whole dollars"),
        (5, {11: -900.0}, "row 5: fmr_2 must be a rent in whole dollars"),
        (5, {11: 900.5}, "row 5: fmr_2 must be a rent in whole dollars"),
        (5, {11: "many"}, "row 5: 'many' is neither a number nor a known code"),
        (5, {FIPS: 97007.0}, "row 5: fips must have ten digits, but is '97007'"),
        (5, {FIPS: 2951099999.0}, "row 5: stusps, state and fips must be of one state"),
        (5, {0: "MO"}, "row 5: stusps, state and fips must be of one state"),
        (5, {1: 29.0}, "row 5: stusps, state and fips must be of one state"),
        (5, {METRO: 2.0}, "row 5: metro must be 0 or 1, but is '2'"),
        (5, {AREA: None}, "row 5: hud_area_code and hud_area_name must not be empty"),
    ],
)
def test_faults_are_refused_with_file_and_row(row, cells, says):
    with pytest.raises(ParseError, match=says) as raised:
        read(edited(row, cells))
    assert f"hud_fmr/2025/{NAME}" in str(raised.value)


def test_a_workbook_of_another_year_than_its_folder_is_refused():
    with pytest.raises(ParseError, match="must be a workbook of the fiscal year 2025 by its name"):
        read(name="FY24_FMRs.xlsx")
    sheets = sheets_of(simulated()["FMR2024_final_revised.xlsx"][1])
    with pytest.raises(ParseError, match=r"must have one sheet called FY25_FMRs\.\.\., but has FY24_FMRs_rev"):
        read(write_workbook("xlsx", sheets))


def test_a_workbook_without_rows_is_refused():
    with pytest.raises(ParseError, match="must have rows below its header"):
        read(edit(simulated()[NAME][1], lambda rows: rows[:1]))


@pytest.mark.parametrize("body", [b"<html></html>", b"", simulated()[NAME][1][:-600]])
def test_what_is_no_whole_workbook_is_refused(body):
    with pytest.raises(ParseError, match=r"workbook|ZIP"):
        read(body)


def test_the_live_form_is_what_the_publisher_serves():
    with Publisher({("hud_fmr", vintage, name): body for name, (vintage, body) in simulated().items()}) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch is not None and SOURCE.probe is not None
        for name, (vintage, body) in simulated().items():
            assert [(one.name, one.body) for one in SOURCE.fetch(fetcher, vintage, EVERYTHING)] == [(name, body)]
            assert SOURCE.reads(name)
        assert SOURCE.probe("2027").name == "FY27_FMRs.xlsx" and SOURCE.reads("FY27_FMRs.xlsx")
        with pytest.raises(SourceError, match="HTTP 404"):
            fetcher.get(SOURCE.probe("2027"))


def test_the_publisher_refuses_a_client_that_does_not_look_like_a_browser(monkeypatch):
    monkeypatch.setattr(hud_fmr, "_HEADERS", {})
    with Publisher() as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        with pytest.raises(SourceError, match="403"):
            list(SOURCE.fetch(fetcher, "2025", EVERYTHING))
