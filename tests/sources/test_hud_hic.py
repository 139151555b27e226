"""Housing inventory: what the simulated workbooks say, what is refused, and the same from the loopback publisher."""

from dataclasses import replace

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources import hud, hud_hic
from sources.hud_hic import SOURCE
from sources.simulated import files
from sources.simulated.hud_hic import inventory
from sources.simulated.region import region
from sources.source import EVERYTHING, ParseError, RawFile
from tests.editing import Sheet, sheets_of, write_workbook
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

FILES = {name: (vintage, body) for vintage, name, body in files("hud_hic")}
OLD = "2007-2024-HIC-Counts-by-CoC.xlsx"
BY_COC, BY_STATE = "2007-2025-HIC-Counts-by-CoC.xlsx", "2007-2025-HIC-Counts-by-State.xlsx"


def parse(name: str, body: bytes | None = None) -> pl.DataFrame:
    vintage, content = FILES[name]
    found = SOURCE.parse(RawFile("hud_hic", vintage, name, content if body is None else body))
    ((key, frame),) = found.items()
    table = {table.key: table for table in SOURCE.tables}[key]
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def changed(name: str) -> dict[str, Sheet]:
    return sheets_of(FILES[name][1])


def figure(frame: pl.DataFrame, geo_id: str, period: str, measure: str) -> tuple[float | None, str]:
    [row] = frame.filter(geo_id=geo_id, period=period, measure=measure).select("count", "count_kind").rows()
    return row


def test_figures_by_coc():
    frame = parse(BY_COC)
    for coc in region().cocs:
        beds = inventory(coc, region(), 2025)
        youth = sum(beds[kind]["youth"] for kind in ("ES", "TH", "SH"))
        assert figure(frame, coc.number, "2025", "Dedicated Youth Beds (ES, TH, SH)") == (youth, "exact")
        assert figure(frame, coc.number, "2025", "Total Year-Round Beds (PSH)") == (beds["PSH"]["year_round"], "exact")
    assert not frame["measure"].str.contains("Rate").any()


def test_cocs_sum_to_the_state():
    coc, state = parse(BY_COC), parse(BY_STATE)
    assert set(state["geo_id"]) == {"97"}
    sums = coc.group_by("period", "measure").agg(pl.col("count").sum())
    both = state.join(sums, on=["period", "measure"], suffix="_coc")
    assert both.height == state.height and both["count"].equals(both["count_coc"].alias("count"))


def test_older_sheets_have_other_titles_and_a_note_on_a_coc():
    frame = parse(OLD)
    assert set(frame.filter(period="2016")["publisher_code"]) == {"ZZ-500", "ZZ-501", "ZZ-502a", "ZZ-503"}
    assert set(frame["geo_id"]) == {coc.number for coc in region().cocs}
    assert figure(frame, "ZZ-503", "2012", "Total Year-Round SH Beds") == (None, "missing")
    assert figure(frame, "ZZ-500", "2012", "Total Year-Round SH Beds")[1] == "exact"
    measures = {period: set(rows["measure"]) for (period,), rows in frame.group_by("period")}
    assert "Total Year-Round Beds (RRH & DEM)" in measures["2016"] - measures["2024"]


def test_columns_are_found_by_name_and_headings_are_not_needed():
    sheets = changed(BY_COC)
    for rows in sheets.values():
        for row in rows:
            row[0], row[30], row[5], row[14] = row[30], row[0], row[14], row[5]
    assert parse(BY_COC, write_workbook("xlsx", sheets)).equals(parse(BY_COC))


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (1, 0, "Number", r"sheet '2025', row 2: must have the column 'CoC Number or CoC'"),
        (
            1,
            13,
            "Dedicated Youth Beds (new)",
            r"row 2: has columns that nobody knows: \['Dedicated Youth Beds \(new\)'\]",
        ),
        (1, 1, "Total Overflow Beds (TH)", r"must have a column of all year-round beds"),
        (2, 5, 1.0, r"columns 'Total Year-Round Beds \(ES\)' must agree with each other, but differ"),
        (3, 13, "several", r"row 4: column 'Dedicated Youth Beds \(ES, TH, SH\)': 'several' is neither a number"),
        (3, 13, 9999.0, r"row Total: column 'Dedicated Youth Beds \(ES, TH, SH\)': rows must sum to their Total"),
        (6, 0, "Sum", r"row 7: 'Sum' is neither|must end with a Total row, but has none: the sheet is cut off"),
    ],
)
def test_a_changed_cell_is_refused(row, column, value, message):
    sheets = changed(BY_COC)
    sheets["2025"][row][column] = value
    with pytest.raises(ParseError, match=message) as caught:
        parse(BY_COC, write_workbook("xlsx", sheets))
    assert caught.value.file == f"hud_hic/2025/{BY_COC}"


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><html>", b"", FILES[BY_COC][1][:2000]])
def test_what_is_no_whole_workbook_is_refused(body):
    with pytest.raises(ParseError, match=f"hud_hic/2025/{BY_COC}"):
        parse(BY_COC, body)


@pytest.fixture
def negative(monkeypatch: pytest.MonkeyPatch) -> tuple[str, bytes]:
    """A known negative number of beds in the simulated workbook, counted in its Total."""
    column = "Total Non-DV Year-Round ES Beds"
    known = replace(
        SOURCE.corrections[0], holds="ZZ-501", where={"sheet": "2012", "CoC Number": "ZZ-501"}, column=column
    )
    known = replace(known, published="-7")
    monkeypatch.setattr(hud_hic, "_CORRECTIONS", (known,))
    sheets = changed(OLD)
    at = sheets["2012"][1].index(column)
    areas = {row[0]: row for row in sheets["2012"]}
    areas["Total"][at] -= areas["ZZ-501"][at] + 7
    areas["ZZ-501"][at] = -7.0
    return column, write_workbook("xlsx", sheets)


def test_a_known_negative_number_of_beds_is_missing(negative):
    column, body = negative
    frame = parse(OLD, body)
    assert figure(frame, "ZZ-501", "2012", column) == (None, "missing")
    assert frame.drop_nulls("count")["count"].min() >= 0


def test_a_correction_fails_once_the_publisher_has_mended_its_cell(negative):
    with pytest.raises(ParseError, match=r"expects -7 where  is meant.*remove or renew"):
        parse(OLD)


def test_corrections_speak_of_every_edition():
    assert len(SOURCE.corrections) == 15
    assert {correction.file for correction in SOURCE.corrections} == {"2007-????-HIC-Counts-by-CoC.xlsx"}


def test_live_files_are_those_that_the_publisher_serves():
    with Publisher() as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        fetched = {one.name: one.body for one in SOURCE.fetch(fetcher, "2025", EVERYTHING)}
    assert fetched == {name: body for name, (vintage, body) in FILES.items() if vintage == "2025"}
    assert all(request.startswith(hud.ROOT) for request in (SOURCE.probe("2025").address,))
