"""A poisoned file stops before publishing, tells file and rule, and leaves yesterday's warehouse as it was."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from filelock import FileLock

from pipelines.assets import WAREHOUSE, asset_key, landing_key
from pipelines.definitions import build_defs
from pipelines.running import run
from pipelines.schedules import EVERYTHING
from pipelines.settings import Settings, resolve
from pipelines.warehouse import checksum_sql
from sources import simulated
from sources.registry import all_sources
from sources.source import ParseError, RawFile
from tests.conftest import copy_home
from tests.editing import Sheet, sheets_of, write_workbook

REGION = "97"  # by FIPS code: a directory is bound to no region of ours
ACS = "census_acs5/2023/county/part-05.json"
SAIPE = "census_saipe/2023/est23all.xls"
SAIPE_DISTRICT = "census_saipe/2022/ussd22.xls"
PIT_COC = "hud_pit/2018/2007-2018-PIT-Counts-by-CoC.xlsx"
PIT_STATE = "hud_pit/2024/2007-2024-PIT-Counts-by-State.xlsb"
CROSSWALK = "coc_county/2017/county_coc_match.csv"
TRACT_SHARES = "coc_county/2025/coc_county_mo_metroeast_2025.csv"
AFCARS = "acf_afcars/2021/afcars_fy2021_glance_by_state.csv"
GEO = "geo/2023/counties-10m.topojson"

HTML = b"<!DOCTYPE html><html><head><title>Scheduled maintenance</title></head><body>Come back later</body></html>"


# --- yesterday ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Yesterday:
    """A directory of good files and the home into which they were published."""

    files: Path
    home: Path


@pytest.fixture(scope="session")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Yesterday:
    """Published once for all worker processes; nobody writes into it."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "yesterday"
    with FileLock(f"{root}.lock"):
        if not (root / "done").exists():
            for source, vintage, name, body in simulated.all_files():
                path = root / "files" / source / vintage / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
            settings = resolve(str(root / "files"), REGION, root / "home", {})
            outcome = run(settings, {}, lambda total: lambda done, step: None)
            assert outcome.succeeded, outcome.failures
            (root / "done").touch()
    return Yesterday(root / "files", root / "home")


@dataclass(frozen=True)
class Today:
    """A copy of yesterday, in which one file is another."""

    settings: Settings
    files: Path

    def spoil(self, label: str, edit: Callable[[bytes], bytes]) -> None:
        path = self.files / label
        good = path.read_bytes()
        path.write_bytes(edit(good))
        assert path.read_bytes() != good, "the edit changed nothing"

    def published(self) -> tuple[str, str, list[str]]:
        """What must not change: the link, the bytes behind it, and which files there are."""
        folder = self.settings.home / "published"
        current = folder / "current.duckdb"
        digest = hashlib.sha256(current.read_bytes()).hexdigest()
        return str(current.readlink()), digest, sorted(path.name for path in folder.iterdir())


@pytest.fixture
def today(yesterday: Yesterday, tmp_path: Path) -> Iterator[Today]:
    shutil.copytree(yesterday.files, tmp_path / "files")
    copy_home(yesterday.home, tmp_path / "home")
    here = Today(resolve(str(tmp_path / "files"), REGION, tmp_path / "home", {}), tmp_path / "files")
    before = here.published()
    yield here
    if before != here.published():
        assert_whole(here.settings.home)  # a test that publishes on purpose must publish something whole


def assert_whole(home: Path) -> None:
    """Every table of the published file is the one whose checksum was published with it."""
    with duckdb.connect(str((home / "published" / "current.duckdb").resolve()), read_only=True) as reader:
        told = reader.execute("SELECT table_key, n_rows, checksum FROM meta.tables").fetchall()
        assert told
        for key, count, checksum in told:
            assert reader.execute(checksum_sql(key)).fetchall() == [(count, checksum)], key


@dataclass(frozen=True)
class Materialized:
    succeeded: bool
    said: str
    written: set[str]


def materialize(settings: Settings, selection: Sequence[dg.AssetKey]) -> Materialized:
    """Materialize some assets with their checks, as the UI does; `said` is what a person is shown of failures."""
    result = (
        build_defs(settings)
        .resolve_job_def(EVERYTHING)
        .execute_in_process(asset_selection=list(selection), raise_on_error=False)
    )
    said = []
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            assert error is not None
            said.append(error.cause.message if error.cause else error.message)
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed:
                said.append(f"{evaluation.check_name}: {evaluation.description}")
    written = {
        event.asset_key.to_user_string()
        for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION" and event.asset_key
    }
    return Materialized(result.success, "\n".join(said), written)


def of_source(label: str) -> list[dg.AssetKey]:
    source = all_sources()[label.split("/")[0]]
    return [landing_key(source.id), *(asset_key(table.key) for table in source.tables)]


# --- how files are poisoned --------------------------------------------------------------------------------------


def in_json(edit: Callable[[list[list[str | None]]], object]) -> Callable[[bytes], bytes]:
    def spoil(body: bytes) -> bytes:
        rows = json.loads(body)
        edit(rows)
        return json.dumps(rows).encode()

    return spoil


def in_csv(edit: Callable[[list[list[str]]], object]) -> Callable[[bytes], bytes]:
    def spoil(body: bytes) -> bytes:
        rows = list(csv.reader(io.StringIO(body.decode("cp1252"))))
        edit(rows)
        out = io.StringIO()
        csv.writer(out).writerows(rows)
        return out.getvalue().encode("cp1252")

    return spoil


def in_workbook(kind: str, edit: Callable[[dict[str, Sheet]], object]) -> Callable[[bytes], bytes]:
    """Read a workbook, change it, and write it again in its own format."""

    def spoil(body: bytes) -> bytes:
        sheets = sheets_of(body)
        edit(sheets)
        return write_workbook(kind, sheets)

    return spoil


def cell(sheet: str | None, row: int, column: str | int, value: object) -> Callable[[dict[str, Sheet]], None]:
    """Set a cell; the column by number or by the title in the first row that has it."""

    def edit(sheets: dict[str, Sheet]) -> None:
        rows = sheets[sheet] if sheet else next(iter(sheets.values()))
        at = column if isinstance(column, int) else next(r.index(column) for r in rows if column in r)
        rows[row][at] = value  # type: ignore[call-overload]

    return edit


def negative_with_its_total(sheets: dict[str, Sheet]) -> None:
    """A negative count under a Total that agrees with it: only the range is broken."""
    rows = sheets["2018"]
    at = next(j for j, title in enumerate(rows[0]) if str(title).startswith("Overall Homeless"))
    total = next(row for row in rows if "Total" in (row[0], row[1]))
    was = rows[1][at]
    assert isinstance(was, float) and isinstance(total[at], float)
    rows[1][at], total[at] = -7.0, total[at] - was - 7.0  # type: ignore[operator]


def off_by_one(sheet: str) -> Callable[[dict[str, Sheet]], None]:
    def edit(sheets: dict[str, Sheet]) -> None:
        row = sheets[sheet][1]
        at = max(j for j, value in enumerate(row) if isinstance(value, float))
        row[at] = row[at] + 1  # type: ignore[operator]

    return edit


def doubled(sheets: dict[str, Sheet]) -> None:
    rows = next(iter(sheets.values()))
    rows.append(list(rows[-1]))


def renamed(old: str, new: str) -> Callable[[list[list[str]]], None]:
    def edit(rows: list[list[str]]) -> None:
        rows[0][rows[0].index(old)] = new

    return edit


def put(row: int, column: str, value: object) -> Callable[[list[list[str]]], None]:
    def edit(rows: list[list[str]]) -> None:
        rows[row][rows[0].index(column)] = value  # type: ignore[call-overload]

    return edit


def again(row: int) -> Callable[[list[list[str]]], None]:
    return lambda rows: rows.append(list(rows[row]))


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda body: body[: int(len(body) * share)]


def html(body: bytes) -> bytes:
    return HTML


POVERTY = "Poverty Estimate, Age 0-17"
RANGE, UNIQUE = r"column_values_to_be_between\(min_value=0", r"compound_columns_to_be_unique\(key="

# The name of the case, the file, how it is poisoned, and the rule that must be named.
CASES: list[tuple[str, str, Callable[[bytes], bytes], str]] = [
    ("negative count, JSON", ACS, in_json(put(3, "B14005_010E", "-5")), rf"{RANGE}.*'estimate'.*-5.*97\d+"),
    ("negative margin, JSON", ACS, in_json(put(3, "B14005_010M", "-5")), rf"{RANGE}.*'moe'.*-5"),
    ("negative count, xls", SAIPE, in_workbook("xls", cell(None, 8, POVERTY, -5.0)), "row 9.*bounds.*must enclose it"),
    ("negative count, xlsx", PIT_COC, in_workbook("xlsx", negative_with_its_total), rf"{RANGE}.*'count'.*-7"),
    ("negative count, csv", AFCARS, in_csv(put(2, "n", "-3")), rf"{RANGE}.*'count'.*-3"),
    ("share above one, csv", CROSSWALK, in_csv(put(2, "pct_cnty_pop_coc", "250")), r"max_value=1.*'population_share'"),
    ("truncated xls", SAIPE, cut(0.6), "must be a whole workbook"),
    ("truncated xls of districts", SAIPE_DISTRICT, cut(0.9), "must be a whole workbook"),
    ("truncated xlsx", PIT_COC, cut(0.5), "must be a whole workbook"),
    ("truncated xlsb", PIT_STATE, cut(0.99), "must be a whole workbook"),
    ("truncated JSON", ACS, cut(0.7), "must be whole JSON"),
    ("truncated csv", AFCARS, lambda body: body.rstrip()[:-8], "row 31.*values as its header"),
    ("no bytes at all", SAIPE, lambda body: b"", "must be a workbook"),
    ("HTML for JSON", ACS, html, "must be a JSON array.*<!DOCTYPE"),
    ("HTML for xls", SAIPE, html, "must be a workbook.*<!DOCTYPE"),
    ("HTML for xlsb", PIT_STATE, html, "must be a workbook.*<!DOCTYPE"),
    ("HTML for csv", CROSSWALK, html, "must have the columns"),
    ("HTML for another csv", AFCARS, html, "must have the columns"),
    ("HTML for TopoJSON", GEO, html, "must be TopoJSON"),
    ("an error object for JSON", ACS, lambda body: b'{"error": "busy"}', "must be a JSON array"),
    (
        "rows that do not sum, xlsx",
        PIT_COC,
        in_workbook("xlsx", off_by_one("2018")),
        "sheet '2018'.*sum to their Total",
    ),
    ("rows that do not sum, xlsb", PIT_STATE, in_workbook("xlsb", off_by_one("2019")), "sheet '2019'.*their Total"),
    ("renamed column, JSON", ACS, in_json(renamed("B14005_001E", "B14005_1E")), "row 1.*known geography columns"),
    (
        "estimate renamed, JSON",
        ACS,
        in_json(renamed("B14005_001E", "B14005_099E")),
        "must have the estimate B14005_001E",
    ),
    ("renamed geography, JSON", ACS, in_json(renamed("county", "COUNTY")), "row 1.*known geography columns"),
    ("renamed column, xls", SAIPE, in_workbook("xls", cell(None, 3, POVERTY, "Poverty")), "must have a header row"),
    (
        "added column, xls",
        SAIPE,
        in_workbook("xls", lambda s: [r.append("New") for r in s["est23ALL"]]),
        "nobody knows.*New",
    ),
    (
        "renamed column, xlsx",
        PIT_COC,
        in_workbook("xlsx", cell("2018", 0, 0, "Area")),
        r"must have the columns \['CoC Number'\]",
    ),
    (
        "renamed column, csv",
        CROSSWALK,
        in_csv(renamed("pct_cnty_pop_coc", "pop")),
        r"must have the columns \['pct_cnty_pop",
    ),
    ("renamed column, another csv", AFCARS, in_csv(renamed("n", "number")), r"must have the columns \['n'\]"),
    ("duplicated row, JSON", ACS, in_json(again(3)), rf"{UNIQUE}vintage\+geo_id\+cell.*97\d\d\d"),
    ("duplicated row, xls", SAIPE, in_workbook("xls", doubled), rf"{UNIQUE}vintage\+geo_level\+geo_id.*97\d\d\d"),
    ("duplicated row, csv", CROSSWALK, in_csv(again(3)), rf"{UNIQUE}vintage\+county_id\+coc_id"),
    ("duplicated row, another csv", AFCARS, in_csv(again(3)), rf"{UNIQUE}vintage\+period\+geo_id"),
    (
        "text in a number, JSON",
        ACS,
        in_json(put(3, "B14005_010E", "about 5")),
        "row 4.*B14005_010E must be a number.*'about 5'",
    ),
    ("not a number, JSON", ACS, in_json(put(3, "B14005_010E", "NaN")), "row 4.*B14005_010E must be a number.*'NaN'"),
    ("infinite number, JSON", ACS, in_json(put(3, "B14005_010E", "1e999")), "row 4.*must be a number.*'1e999'"),
    ("array in a number, JSON", ACS, in_json(put(3, "B14005_010E", [1])), "row 4.*an array"),
    (
        "text in a number, xls",
        SAIPE,
        in_workbook("xls", cell(None, 8, POVERTY, "few")),
        rf"row 9.*{POVERTY}.*'few' is neither",
    ),
    (
        "text in a number, xlsx",
        PIT_COC,
        in_workbook("xlsx", cell("2018", 1, 4, "few")),
        "sheet '2018', row 2.*'few' is neither",
    ),
    (
        "text in a number, csv",
        TRACT_SHARES,
        in_csv(put(2, "tract_share", "few")),
        "row 3.*tract_share.*'few' is neither",
    ),
]


# --- the tests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "poison", "rule"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_poisoned_file_stops_before_publishing_and_names_file_and_rule(
    today: Today, label: str, poison: Callable[[bytes], bytes], rule: str
):
    before = today.published()
    today.spoil(label, poison)
    done = materialize(today.settings, [*of_source(label), WAREHOUSE])
    assert not done.succeeded
    assert "warehouse" not in done.written
    assert label in done.said
    assert re.search(rule, done.said), done.said
    assert today.published() == before
    assert_whole(today.settings.home)


def test_what_depends_on_a_poisoned_table_keeps_yesterdays_state(today: Today):
    """The poisoned table is written before it is judged: its blocking check holds back what reads it."""
    indicator = today.settings.home / "tables" / "indicator" / "disconnected_youth_share.parquet"
    before = indicator.read_bytes()
    reads = asset_key("indicator.disconnected_youth_share")
    today.spoil(ACS, in_json(put(3, "B14005_010E", "-5")))
    done = materialize(today.settings, [*of_source(ACS), reads])
    assert not done.succeeded
    assert "core/census_acs5_county" in done.written
    assert reads.to_user_string() not in done.written
    assert indicator.read_bytes() == before


def test_the_next_good_file_is_published_by_the_same_selection(today: Today, yesterday: Yesterday):
    """Without this the tests above could pass because nothing ever publishes."""
    today.spoil(ACS, html)
    assert not materialize(today.settings, of_source(ACS)).succeeded
    shutil.copyfile(yesterday.files / ACS, today.files / ACS)
    done = materialize(today.settings, [*of_source(ACS), WAREHOUSE])
    assert done.succeeded, done.said
    assert "warehouse" in done.written
    assert today.published()[0] == "headwaters-000002.duckdb"


def test_rewriting_a_workbook_alone_poisons_nothing(yesterday: Yesterday):
    """The edits above break the rule that they are about, not the format."""
    for label, kind in ((SAIPE, "xls"), (SAIPE_DISTRICT, "xls"), (PIT_COC, "xlsx"), (PIT_STATE, "xlsb")):
        source, vintage, name = label.split("/", 2)
        body = (yesterday.files / label).read_bytes()
        rewritten = in_workbook(kind, lambda sheets: None)(body)
        parse = all_sources()[source].parse
        good, same = (parse(RawFile(source, vintage, name, content)) for content in (body, rewritten))
        for key, frame in good.items():
            assert frame.equals(same[key]), label


@pytest.mark.parametrize("label", [SAIPE, SAIPE_DISTRICT, PIT_COC, PIT_STATE, ACS, GEO])
def test_a_file_cut_off_anywhere_is_refused(yesterday: Yesterday, label: str):
    source, vintage, name = label.split("/", 2)
    body = (yesterday.files / label).read_bytes().rstrip()
    for end in {len(body) * n // 24 for n in range(24)} | {len(body) - 1, len(body) - 100}:
        with pytest.raises(ParseError, match=name.replace("*", ".")):
            all_sources()[source].parse(RawFile(source, vintage, name, body[:end]))


def test_poisoned_tables_are_not_published_by_materializing_the_warehouse_alone(today: Today):
    before = today.published()
    poisoned = {"core.census_acs5_county": ACS, "core.coc_county_crosswalk": CROSSWALK}
    today.spoil(ACS, in_json(put(3, "B14005_010E", "-5")))
    today.spoil(CROSSWALK, in_csv(again(3)))
    first = materialize(today.settings, [key for label in poisoned.values() for key in of_source(label)])
    assert not first.succeeded
    written = {key.replace(".", "/") for key in poisoned}
    assert written <= first.written, "the poisoned tables stand in the home: their checks came after"
    alone = materialize(today.settings, [WAREHOUSE])
    assert not alone.succeeded
    assert "not published" in alone.said
    for table, label in poisoned.items():
        assert table in alone.said
        assert label in alone.said
    assert today.published() == before
    assert_whole(today.settings.home)


def test_after_an_unreadable_file_the_warehouse_alone_publishes_nothing_that_cannot_be_traced(today: Today):
    """The landing holds today's file, the tables were read from yesterday's."""
    before = today.published()
    today.spoil(PIT_COC, cut(0.5))
    assert not materialize(today.settings, of_source(PIT_COC)).succeeded
    alone = materialize(today.settings, [WAREHOUSE])
    assert not alone.succeeded
    assert "not published" in alone.said
    assert "core.hud_pit_coc" in alone.said
    assert today.published() == before
    assert_whole(today.settings.home)


def test_a_run_with_a_poisoned_file_fails_in_words(today: Today):
    before = today.published()
    today.spoil(ACS, html)
    outcome = run(today.settings, {}, lambda total: lambda done, step: None)
    assert not outcome.succeeded
    assert len(outcome.failures) == 1
    assert outcome.failures[0].startswith(f"{ACS}: must be a JSON array"), outcome.failures
    assert today.published() == before
    assert_whole(today.settings.home)
