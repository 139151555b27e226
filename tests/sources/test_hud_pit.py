"""Point-in-Time counts: what the simulated workbooks say, what is refused, and the same from the loopback publisher."""

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources.hud_pit import COC, SOURCE, STATE
from sources.simulated import files, xlsb
from sources.simulated.hud_pit import reported
from sources.simulated.pit_counts import counts
from sources.simulated.region import region
from sources.source import EVERYTHING, ParseError, RawFile, SourceError
from sources.workbook import Workbook
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

FILES = {name: (vintage, body) for vintage, name, body in files("hud_pit")}
BY_COC, BY_STATE = "2007-2025-PIT-Counts-by-CoC.xlsb", "2007-2025-PIT-Counts-by-State.xlsb"


def parse(name: str, body: bytes | None = None) -> pl.DataFrame:
    vintage, content = FILES[name]
    found = SOURCE.parse(RawFile("hud_pit", vintage, name, content if body is None else body))
    ((key, frame),) = found.items()
    table = {table.key: table for table in SOURCE.tables}[key]
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def sheets(name: str) -> dict[str, list[list[xlsb.Value]]]:
    book = Workbook(RawFile("any", "any", "any", FILES[name][1]))
    return {sheet: [list(row) for row in book.rows(sheet)] for sheet in book.sheet_names}


def written(changed: dict[str, list[list[xlsb.Value]]]) -> bytes:
    return xlsb.write([xlsb.Sheet(name, rows) for name, rows in changed.items()])


def figure(frame: pl.DataFrame, geo_id: str, period: str, measure: str) -> tuple[float | None, str]:
    [row] = frame.filter(geo_id=geo_id, period=period, measure=measure).select("count", "count_kind").rows()
    return row


def test_figures_by_coc():
    frame = parse(BY_COC)
    for coc in region().cocs:
        drawn = counts(coc, region(), 2025)
        everyone = sum(value for (_, group), value in drawn.items() if group == "Homeless")
        assert figure(frame, coc.number, "2025", "Overall Homeless") == (everyone, "exact")
    assert set(frame["publisher_code"]) == {"ZZ-500", "ZZ-501", "ZZ-502a", "ZZ-503"}
    assert set(frame["count_type"]) == {"Sheltered and Unsheltered Count", "Sheltered-Only Count"}


def test_people_outside_whom_nobody_counted_are_missing_and_not_zero():
    frame = parse(BY_COC)
    assert figure(frame, "ZZ-501", "2021", "Unsheltered Homeless") == (None, "missing")
    assert frame.filter(period="2021", geo_id="ZZ-501", measure="Sheltered Total Homeless")["count"].item() > 0
    # A zero that somebody counted stays one.
    assert frame.filter(count_kind="exact", count=0).height


def test_people_outside_of_an_earlier_year_are_told_by_what_was_counted():
    frame = parse(BY_COC)
    [coc] = [coc for coc in region().cocs if coc.number == "ZZ-503"]
    before = counts(coc, region(), 2023)["Unsheltered", "Homeless"]
    assert figure(frame, "ZZ-503", "2024", "Unsheltered Homeless") == (before, "exact")
    assert reported(coc, region(), 2024)["Unsheltered", "Homeless"] == before
    told = frame.filter(geo_id="ZZ-503", period="2024")["count_type"].unique().to_list()
    assert told == ["Sheltered-Only Count"]


def test_cocs_sum_to_the_state():
    coc, state = parse(BY_COC), parse(BY_STATE)
    for period in ("2025", "2024", "2021"):
        total = coc.filter(period=period, measure="Overall Homeless")["count"].sum()
        assert figure(state, "97", period, "Overall Homeless") == (total, "exact")
    assert figure(state, "60", "2025", "Overall Homeless") == (None, "missing")


def test_older_editions_say_nothing_of_what_was_counted():
    frame = parse("2007-2018-PIT-Counts-by-CoC.xlsx")
    assert frame["count_type"].null_count() == frame.height
    assert figure(frame, "ZZ-503", "2014", "Overall Homeless") == (None, "missing")
    assert not frame["measure"].str.contains(r", \d{4}$").any()


def test_columns_are_found_by_name():
    changed = sheets(BY_COC)
    for rows in changed.values():
        width = len(rows[0])
        for row in rows:
            row += [None] * (width - len(row))
            row[0], row[7], row[3], row[20] = row[7], row[0], row[20], row[3]
    assert parse(BY_COC, written(changed)).equals(parse(BY_COC))


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (0, "CoC Number", "CoC Code", r"sheet '2025', row 1: must have the columns \['CoC Number'\]"),
        (0, "Overall Homeless", "Everyone", r"row 1: has columns that nobody knows: \['Everyone'\]"),
        (
            0,
            "Overall Homeless",
            "Overall Homeless, 2019",
            r"columns must be of 2025, but one is 'Overall Homeless, 2019'",
        ),
        (1, "CoC Number", "Simulated", r"row 2: 'Simulated' is neither a CoC number nor a state"),
        (2, "Unsheltered Homeless", "many", r"row 3: column 'Unsheltered Homeless': 'many' is neither a number"),
        (2, "Unsheltered Homeless", "1", r"row Total: column 'Unsheltered Homeless': rows must sum to their Total"),
        (5, "CoC Name", "Sum", r"must end with a Total row, but has none: the sheet is cut off"),
    ],
)
def test_a_changed_cell_is_refused(row, column, value, message):
    changed = sheets(BY_COC)
    header = changed["2025"][0]
    changed["2025"][row][header.index(column)] = value
    with pytest.raises(ParseError, match=message) as caught:
        parse(BY_COC, written(changed))
    assert caught.value.file == f"hud_pit/2025/{BY_COC}"


@pytest.mark.parametrize(
    "change", [lambda rows: rows[:3], lambda rows: [*rows[:2], *rows[1:]]], ids=["cut off", "a CoC twice"]
)
def test_a_sheet_with_too_few_or_too_many_rows_is_refused(change):
    changed = sheets(BY_COC)
    changed["2024"] = change(changed["2024"])
    with pytest.raises(ParseError, match=r"sheet '2024'.*(cut off|rows must sum to their Total)"):
        parse(BY_COC, written(changed))


@pytest.mark.parametrize("body", [b"<html><title>Request Rejected</title></html>", b"", FILES[BY_COC][1][:-900]])
def test_what_is_no_whole_workbook_is_refused(body):
    with pytest.raises(ParseError, match=f"hud_pit/2025/{BY_COC}"):
        parse(BY_COC, body)


def test_a_workbook_without_years_is_refused():
    with pytest.raises(ParseError, match="must have a sheet for each year, but has Notes"):
        parse(BY_COC, xlsb.write([xlsb.Sheet("Notes", [["nothing"]])]))


def test_live_files_are_those_that_the_publisher_serves():
    with Publisher() as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        fetched = {one.name: one for one in SOURCE.fetch(fetcher, "2025", EVERYTHING)}
        assert {name: one.body for name, one in fetched.items()} == {
            name: body for name, (vintage, body) in FILES.items() if vintage == "2025"
        }
        with pytest.raises(SourceError, match="404"):
            fetcher.get(SOURCE.probe("2026"))
    for name, one in fetched.items():
        assert parse(name, one.body).equals(parse(name))
    assert [vintage.id for vintage in SOURCE.vintages if vintage.live] == ["2025"]


def test_the_publisher_refuses_a_client_that_does_not_look_like_a_browser(monkeypatch):
    from sources import hud

    monkeypatch.setattr(hud, "HEADERS", {})
    with Publisher() as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        with pytest.raises(SourceError, match="403"):
            list(SOURCE.fetch(fetcher, "2025", EVERYTHING))


def test_both_tables_are_filled():
    filled = {key for name in FILES for key in SOURCE.parse(RawFile("hud_pit", *FILES[name][:1], name, FILES[name][1]))}
    assert filled == {COC.key, STATE.key}
