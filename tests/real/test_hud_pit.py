"""Real Point-in-Time workbooks: every one parses, years sum to their Total, known figures hold.

Of the live edition of 2025 no real workbook is at hand. Its state workbook is compared with the one of 2024. Its
workbook by CoC is inferred: the columns of the state workbook, behind the four text columns that readers of it name.
"""

import re

import polars as pl
import pytest

from sources.hud_pit import COC, SOURCE, STATE
from sources.simulated import files
from sources.source import ParseError, RawFile
from sources.workbook import Workbook

BY_COC, BY_STATE = "2018/2007-2018-PIT-Counts-by-CoC.xlsx", "2024/2007-2024-PIT-Counts-by-State.xlsb"


def parse(real_data, path: str, name: str | None = None) -> pl.DataFrame:
    vintage, real_name = path.split("/")
    file = RawFile("hud_pit", vintage, name or real_name, real_data / "hud_pit" / path)
    ((key, frame),) = SOURCE.parse(file).items()
    table = {table.key: table for table in SOURCE.tables}[key]
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


@pytest.fixture(scope="module")
def by_coc(real_data) -> pl.DataFrame:
    return parse(real_data, BY_COC)


@pytest.fixture(scope="module")
def by_state(real_data) -> pl.DataFrame:
    return parse(real_data, BY_STATE)


def test_every_real_file_is_read_but_the_tidied_copy(real_data):
    here = {path.relative_to(real_data / "hud_pit").as_posix() for path in (real_data / "hud_pit").rglob("*.*")}
    unread = {path for path in here if not SOURCE.reads(path.split("/")[1])}
    assert here - unread == {BY_COC, BY_STATE}
    assert unread == {"2025/pit_coc_detail_2007_2025.parquet"}  # it silently lacks MO-604


def test_rows_and_years(by_coc, by_state):
    assert (by_coc.height, by_state.height) == (230_875, 378_504)
    assert sorted(set(by_coc["period"])) == [str(year) for year in range(2007, 2019)]
    assert sorted(set(by_state["period"])) == [str(year) for year in range(2007, 2025)]
    for frame, table in ((by_coc, COC), (by_state, STATE)):
        assert not frame.select(table.primary_key).is_duplicated().any()


@pytest.mark.parametrize(
    ("geo_id", "measure", "count"),
    [
        ("MO-501", "Overall Homeless", 949),
        ("MO-501", "Homeless Unaccompanied Youth (Under 25)", 54),
        ("MO-500", "Overall Homeless", 450),
        ("IL-508", "Overall Homeless", 250),
        ("MO-604", "Overall Homeless", 1_798),
    ],
)
def test_known_figures_by_coc(geo_id, measure, count, by_coc):
    assert by_coc.filter(period="2018", geo_id=geo_id, measure=measure)["count"].item() == count


@pytest.mark.parametrize(("geo_id", "count"), [("29", 7_312), ("17", 25_832)])
def test_known_figures_by_state(geo_id, count, by_state):
    assert by_state.filter(period="2024", geo_id=geo_id, measure="Overall Homeless")["count"].item() == count


def test_kansas_city_survives_in_every_year_with_its_footnote(by_coc):
    kansas_city = by_coc.filter(geo_id="MO-604", measure="Overall Homeless")
    assert kansas_city.height == 12 and kansas_city["count"].null_count() == 0
    assert "MO-604a" in set(kansas_city["publisher_code"])


@pytest.mark.parametrize(("path", "label"), [(BY_COC, 1), (BY_STATE, 0)])
def test_every_figure_of_people_sums_to_the_printed_total(path, label, real_data, by_coc, by_state):
    """Judged here from the cells themselves, so that a slip in the parser's own check shows."""
    frame = by_coc if path == BY_COC else by_state
    book = Workbook(RawFile("hud_pit", *path.split("/"), real_data / "hud_pit" / path))
    broken = set()
    for (period,), rows in frame.group_by("period"):
        cells = book.rows(str(period))
        [total] = [row for row in cells if (row[label] or "").strip() == "Total"]
        printed = {
            re.sub(r",\s*\d{4}$", "", " ".join(title.split())): float(cell)
            for title, cell in zip(cells[0], total, strict=True)
            if title and cell and re.fullmatch(r"[\d.]+", cell)
        }
        for measure, summed in rows.group_by("measure").agg(pl.col("count").sum()).iter_rows():
            assert measure in printed, (period, measure)
            if printed[measure] != summed:
                broken.add((str(period), measure))
    known = {(c.where["sheet"], c.column) for c in SOURCE.corrections if c.where["sheet"] != "2025"}
    assert broken == (known if path == BY_STATE else set())


def test_known_breaks_are_told_in_every_edition(real_data):
    later = parse(real_data, BY_STATE, "2007-2025-PIT-Counts-by-State.xlsb")
    assert later.height == 378_504
    with pytest.raises(ParseError, match="rows must sum to their Total"):
        parse(real_data, BY_STATE, "some-PIT-Counts-by-State.xlsb")


def header(body, sheet: str) -> list[str]:
    name = "any.xlsb"
    return [(title or "").strip() for title in Workbook(RawFile("any", "any", name, body)).rows(sheet)[0]]


def test_the_simulated_edition_of_2025_is_written_as_that_of_2024(real_data):
    simulated = {name: body for vintage, name, body in files("hud_pit") if vintage == "2025"}
    state = simulated["2007-2025-PIT-Counts-by-State.xlsb"]
    real = real_data / "hud_pit" / BY_STATE
    for sheet, theirs in (("2025", "2024"), ("2024", "2024"), ("2021", "2021")):
        assert set(header(state, sheet)) <= set(header(real, theirs))
        coc = header(simulated["2007-2025-PIT-Counts-by-CoC.xlsb"], sheet)
        assert coc[:4] == ["CoC Number", "CoC Name", "CoC Category", "Count Types"]
        assert set(coc[4:]) <= set(header(real, theirs))
    ours = Workbook(RawFile("any", "any", "any.xlsb", state)).sheet_names
    theirs = Workbook(RawFile("any", "any", "any.xlsb", real)).sheet_names
    # In the same order; HUD's further helper sheets are left out.
    assert [name for name in theirs if name in ours] == [name for name in ours if name != "2025"]
