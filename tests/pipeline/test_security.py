"""What publishers' files may try, end to end: markup in names, formulas in cells, archives and workbooks that attack.

SECURITY.md says what is defended and against whom; the key's own tests are in test_secrets.py.
"""

import base64
import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import sources.simulated as simulated
from atlas import brief, results, summary
from pipelines import allocating, cli, diffing, indexing, spreadsheet
from pipelines.checks import _table_of
from pipelines.running import run
from pipelines.settings import resolve
from quality.gx import CheckResult, data_docs
from sources import archive
from sources.source import ParseError, RawFile
from sources.workbook import Workbook
from tests.conftest import copy_home
from tests.publisher import hosts

SCRIPT = "<script>alert(1)</script>"
COUNTY = f"{SCRIPT} | County"
FORMULA = "=cmd|' /C calc'!A0"
LINK = '=HYPERLINK("http://example.gov","County")'
STARTS = ("=1+1", "+1+1", "-1+1", "@SUM(1)")
NAMED = {"97007": "Simulated Dapple County", "97041": "Simulated Umber County"}
COC = "Simulated Dapple County CoC"


def _rezipped(body: bytes, change: dict[str, str]) -> bytes:
    """A workbook whose texts are changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            content = old.read(member)
            for text, other in change.items():
                content = content.replace(text.encode(), other.encode())
            new.writestr(member, content)
    return out.getvalue()


def _dirty(source: str, vintage: str, name: str, body: bytes) -> bytes:
    """A file of the sample as an attacker at its publisher would write it."""
    if source == "census_acs5" and name.startswith("county/"):
        text = body.decode()
        for plain, bad in zip(NAMED.values(), (COUNTY, LINK), strict=True):
            text = text.replace(json.dumps(f"{plain}, Simulated State"), json.dumps(bad))
        return text.encode()
    if source == "hud_pit" and name.endswith("CoC.xlsx"):
        return _rezipped(body, {COC: FORMULA})
    if source == "local_services" and name == "providers.csv":
        for number, start in enumerate(STARTS):
            row = f"{start},street_outreach,97007,,12,24,,,2025-09-15,{FORMULA if not number else start}\n"
            body += row.encode()
        return body
    return body


@pytest.fixture(scope="module")
def dirty_home(tmp_path_factory: pytest.TempPathFactory, sample_home: Path) -> Iterator[Path]:
    """The sample's home after a night on which three publishers' files attack: release 1 is clean, 2 is not."""
    home = tmp_path_factory.mktemp("security") / "home"
    copy_home(sample_home, home)
    clean = simulated.files

    def files(source: str) -> Iterator[tuple[str, str, bytes]]:
        for vintage, name, body in clean(source):
            yield vintage, name, _dirty(source, vintage, name, body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "files", files)
        done = run(resolve("sample", None, home, {}), {}, lambda total: lambda done, step: None)
    assert done.succeeded, done.failures
    yield home


@pytest.fixture(scope="module")
def dirty(dirty_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str((dirty_home / summary.CURRENT).resolve()), read_only=True) as reader:
        yield reader


# --- a county named with a script tag --------------------------------------------------------------------------


class Tags(HTMLParser):
    """Elements and attributes that a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.handlers += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(page: str) -> Tags:
    """No script and no handler in a page; returns what it holds."""
    tags = Tags(page)
    assert not {"script", "iframe", "object", "embed", "img"} & set(tags.names)
    assert tags.handlers == []
    return tags


def test_the_name_is_published_as_the_publisher_wrote_it(dirty: duckdb.DuckDBPyConnection):
    named = "SELECT geo_name FROM {} WHERE geo_id = '97007'"
    for table in ("core.census_acs5_county", "risk.priority", "decision.allocation", "analyst.board_memo"):
        found = {name for (name,) in dirty.execute(named.format(table)).fetchall()}
        assert found == {COUNTY}, table


def test_pages_escape_the_name(dirty_home: Path):
    page = assert_harmless(brief.render(dirty_home, ["97007", "97041"]))
    assert SCRIPT in page.text, "the name is there, as text"
    assert_harmless((dirty_home / "data_docs" / "index.html").read_text(encoding="utf-8"))


def test_results_escape_the_name(dirty_home: Path, tmp_path: Path):
    written = {path.name: path.read_text(encoding="utf-8") for path in results.write(dirty_home, tmp_path)}
    for name in ("README.md", "board.md"):
        assert SCRIPT not in written[name]
        assert r"\<script\>alert(1)\</script\> \| County" in written[name]
    assert_harmless(written["map.svg"])
    assert "&lt;script&gt;" in written["map.svg"]


def test_data_docs_and_the_markdown_of_a_check_escape_what_was_observed():
    bad = CheckResult(
        table="core.x", rule=f"rule {SCRIPT}", column=SCRIPT, is_blocking=False, passed=False,
        observed=f"1 row | {SCRIPT}\n# head", examples=({"geo_id": SCRIPT},), notes=SCRIPT,
    )  # fmt: skip
    page = assert_harmless(data_docs([bad], f"Region {SCRIPT}"))
    assert page.text.count(SCRIPT) >= 4
    cells = _table_of([bad])
    assert "<script" not in cells
    assert len(cells.splitlines()) == 3, "a line break would end the table"


def events(home: Path) -> list[str]:
    """Every event that Dagster has kept of a home's runs, metadata included."""
    found = []
    for path in home.glob("dagster/**/*.db"):
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'event_logs'").fetchall():
                found += [event for (event,) in connection.execute("SELECT event FROM event_logs")]
        finally:
            connection.close()
    return found


def test_asset_metadata_escapes_the_name(dirty_home: Path):
    told = events(dirty_home)
    shown = [event for event in told if "alert(1)" in event]
    assert shown, "previews show the name"
    assert not [event for event in told if "<script" in event]
    pictures = {one for event in told for one in re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", event)}
    drawn = [base64.b64decode(one).decode() for one in pictures]
    assert any("&lt;script&gt;" in svg for svg in drawn), "the plot of ranks shows the name"
    for svg in drawn:
        assert_harmless(svg)


# --- formulas --------------------------------------------------------------------------------------------------------


def test_formulas_in_workbooks_and_csv_are_published_as_the_text_that_they_are(dirty: duckdb.DuckDBPyConnection):
    names = dirty.execute("SELECT DISTINCT geo_name FROM core.hud_pit_coc WHERE vintage = '2018'").fetchall()
    assert (FORMULA,) in names
    told = dirty.execute("SELECT DISTINCT provider FROM core.local_services_provider").fetchall()
    assert {(start,) for start in STARTS} <= set(told)
    assert (LINK,) in dirty.execute("SELECT DISTINCT geo_name FROM risk.scores").fetchall()


def test_a_formula_cell_of_a_workbook_is_never_evaluated():
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet("S")
    sheet.write_formula(0, 0, FORMULA, None, "cached")
    sheet.write_string(0, 1, FORMULA)
    book.close()
    assert Workbook(RawFile("x", "1", "x.xlsx", out.getvalue())).rows("S") == [("cached", FORMULA)]


def cells_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would evaluate a cell; a plain number is none."""
    return cell.lstrip()[:1] in tuple("=+-@") and not re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", cell.strip())


def assert_no_formulas(text: str, *held: str) -> None:
    rows = cells_of(text)
    assert [cell for row in rows for cell in row if is_formula(cell)] == []
    for cell in held:
        assert any(f"'{cell}" in row for row in rows), cell


def test_scores_csv_of_results_holds_no_formula(dirty_home: Path, tmp_path: Path):
    results.write(dirty_home, tmp_path)
    text = (tmp_path / "scores.csv").read_text(encoding="utf-8")
    assert_no_formulas(text, LINK)
    assert all(len(row) == len(cells_of(text)[0]) for row in cells_of(text))


def test_allocate_and_diff_write_no_formula(dirty_home: Path, tmp_path: Path):
    out = tmp_path / "awards.csv"
    done = CliRunner().invoke(
        cli.app, ["allocate", "--home", str(dirty_home), "--budget", "500000", "--output", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert_no_formulas(out.read_text(encoding="utf-8"), LINK)
    diffing.run("1", "2", dirty_home, tmp_path / "diff.csv")
    assert_no_formulas((tmp_path / "diff.csv").read_text(encoding="utf-8"), LINK)


SPEC = (
    "id: need\ntable: {id: area}\nmembers:\n  - {column: poverty, direction: +1}\n  - {column: income, direction: -1}\n"
)


def test_index_writes_no_formula(tmp_path: Path):
    (tmp_path / "need.yaml").write_text(SPEC)
    rows = [f'"{start}",{n},{-n * n}' for n, start in enumerate((*STARTS, FORMULA, "a"), start=1)]
    (tmp_path / "t.csv").write_text("area,poverty,income\n" + "\n".join(rows) + "\n")
    done = CliRunner().invoke(
        cli.app, ["index", str(tmp_path / "need.yaml"), str(tmp_path / "t.csv"), "-o", str(tmp_path / "out.csv")]
    )
    assert done.exit_code == 0, done.output
    assert_no_formulas((tmp_path / "out.csv").read_text(encoding="utf-8"), *STARTS, FORMULA)


def test_every_exporter_goes_through_the_one_that_neutralises():
    for module in (allocating, diffing, indexing):
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        assert "write_csv(line" not in text, module.__name__
        assert module.csv_bytes is spreadsheet.csv_bytes


@given(st.text(max_size=12), st.floats(allow_nan=False, allow_infinity=False))
def test_text_is_neutralised_and_numbers_are_not_touched(text: str, number: float):
    frame = pl.DataFrame({"text": [text], "number": [number], "other": [f"={text}"]})
    schema = {"text": pl.String, "number": pl.Float64, "other": pl.String}
    back = pl.read_csv(spreadsheet.csv_bytes(frame), schema=schema, empty_string_is_null=False)
    assert back["other"].to_list() == [f"'={text}"]
    assert back["number"].to_list() == [number]
    [cell] = back["text"].to_list()
    assert cell in (text, f"'{text}")
    assert not is_formula(cell)
    assert spreadsheet.neutral(text) == cell


@pytest.mark.parametrize("text", ["-5", "+1.5e3", "29510", "", "O'Fallon", "a=b", "St. Louis - city", "'=1"])
def test_harmless_text_and_numbers_written_as_text_stay(text: str):
    assert spreadsheet.neutral(text) == text


@pytest.mark.parametrize("text", [*STARTS, FORMULA, LINK, "\t=1", " =1", "\n=1", "\r=1", "＝1+1", "- a", "+a"])
def test_what_a_spreadsheet_would_evaluate_gets_an_apostrophe(text: str):
    assert spreadsheet.neutral(text) == f"'{text}"
    assert spreadsheet.csv_bytes(pl.DataFrame({text: [text]})).decode().count("'") >= 2


# --- archives, workbooks and XML -----------------------------------------------------------------------------------


def zipped(name: str, body: bytes, kind: int = zipfile.ZIP_DEFLATED) -> RawFile:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as book:
        book.writestr(name, body)
    return RawFile("x", "1", "x.zip", out.getvalue())


@pytest.mark.parametrize(
    "name", ["../../x", "a/../../x", "/etc/x", "C:\\x", "..\\..\\x", "\\\\host\\share\\x", "a/b/../../../x"]
)
def test_a_climbing_member_is_refused_by_name(name: str):
    with pytest.raises(ParseError, match="climbs out of it"):
        archive.members(zipped(name, b"x"))


def test_a_bomb_is_refused_before_it_is_unpacked():
    with pytest.raises(ParseError, match="must not grow more than 200-fold, but claims 60,000,000 bytes"):
        archive.members(zipped("x.csv", bytes(60_000_000)))


def test_a_member_that_lies_about_its_size_is_refused():
    whole = zipped("x.csv", b"a,b\n1,2\n" * 1000, zipfile.ZIP_STORED).body
    # The size stands in the local header and in the directory: 8,000 bytes claimed as 8.
    lying = whole.replace((8000).to_bytes(4, "little") * 2, (8000).to_bytes(4, "little") + (8).to_bytes(4, "little"))
    assert lying != whole
    with pytest.raises(ParseError, match=r"member 'x\.csv'"):
        archive.read_member(RawFile("x", "1", "x.zip", lying), "*.csv")


def test_an_archive_of_too_many_members_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        for n in range(archive.MAX_MEMBERS + 1):
            book.writestr(f"{n}", b"")
    with pytest.raises(ParseError, match="must hold at most"):
        archive.members(RawFile("x", "1", "x.zip", out.getvalue()))


def workbook(cell: str) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    book.add_worksheet("S").write_string(0, 0, cell)
    book.close()
    return out.getvalue()


HEAD = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def with_doctype(body: bytes, doctype: bytes) -> RawFile:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename == "xl/sharedStrings.xml":
                assert HEAD in content
                content = content.replace(HEAD, HEAD + doctype).replace(b"ENTITY_HERE", b"&e;")
            new.writestr(member, content)
    return RawFile("x", "1", "x.xlsx", out.getvalue())


def test_entities_of_a_workbook_read_no_file_and_do_not_multiply(tmp_path: Path):
    (tmp_path / "secret.txt").write_text("MARKER5f1c")
    outside = f'<!DOCTYPE sst [<!ENTITY e SYSTEM "file://{tmp_path}/secret.txt">]>'.encode()
    laughs = b'<!DOCTYPE sst [<!ENTITY a "ha"><!ENTITY b "' + b"&a;" * 50 + b'"><!ENTITY e "' + b"&b;" * 50 + b'">]>'
    for doctype in (outside, laughs):
        try:
            cells = Workbook(with_doctype(workbook("x ENTITY_HERE y"), doctype)).rows("S")
        except ParseError as error:
            assert "MARKER5f1c" not in str(error)
            continue
        text = str(cells)
        assert "MARKER5f1c" not in text
        assert len(text) < 200


def test_a_workbook_with_a_climbing_member_or_macros_is_refused():
    body = workbook("x")
    for name, says in (("../../evil.xml", "climbs out of it"), ("xl/vbaProject.bin", "VBA project")):
        out = io.BytesIO(body)
        with zipfile.ZipFile(out, "a") as book:
            book.writestr(name, b"x")
        with pytest.raises(ParseError, match=says):
            Workbook(RawFile("x", "1", "x.xlsx", out.getvalue()))


# --- what a published file tells of the machine ------------------------------------------------------------------


def test_no_published_text_or_comment_holds_a_path_of_this_machine(dirty: duckdb.DuckDBPyConnection, dirty_home: Path):
    personal = sorted({str(dirty_home), str(dirty_home.parent), str(Path.home()), "/home/", "/root", "/Users/",
                       "/tmp/pytest"} - {"/"})  # fmt: skip
    columns = dirty.execute(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE data_type = 'VARCHAR' "
        "AND schema_name NOT IN ('information_schema', 'pg_catalog', 'main') AND NOT internal"
    ).fetchall()
    by_table: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in columns:
        by_table.setdefault((schema, table), []).append(f'"{column}"')
    assert len(by_table) > 100
    pattern = "|".join(re.escape(path) for path in personal)
    for (schema, table), names in by_table.items():
        found = dirty.execute(
            f'SELECT count(*) FROM {schema}."{table}" WHERE regexp_matches(concat_ws(chr(10), {", ".join(names)}), ?)',
            [pattern],
        ).fetchall()
        assert found == [(0,)], f"{schema}.{table}"
    comments = dirty.execute(
        "SELECT comment FROM duckdb_tables() UNION ALL SELECT comment FROM duckdb_views() "
        "UNION ALL SELECT comment FROM duckdb_columns()"
    ).fetchall()
    assert not [comment for (comment,) in comments if comment and re.search(pattern, comment)]
    assert not [path for path in (dirty_home / "published").iterdir() if path.resolve().stat().st_mode & 0o222]


def test_the_user_interface_is_bound_to_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda command, arguments, environment: started.append(arguments))
    done = CliRunner().invoke(cli.app, ["ui", "--input", "sample", "--home", str(tmp_path / "home")])
    assert done.exit_code == 0, done.output
    [arguments] = started
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1"
    options = {option for parameter in ("--host", "-h") for option in arguments if option == parameter}
    assert options == {"--host"}, "no later option takes the first one back"


def test_the_unit_files_bind_the_user_interface_to_loopback():
    deploy = Path(__file__).parents[2] / "docs" / "deploy"
    starts = [
        line for path in deploy.glob("*.service") for line in path.read_text().splitlines() if "webserver" in line
    ]
    commands = [line for line in starts if line.startswith("ExecStart=")]
    assert commands
    assert all(" -h 127.0.0.1 " in line or " --host 127.0.0.1 " in line for line in commands)


# --- the process list ------------------------------------------------------------------------------------------------

MARKER = "MARKER5f1c"
WATCHED = """
import os, threading
from pathlib import Path
seen, done = set(), threading.Event()
def watch():
    while not done.wait(0.05):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes())
            except OSError:
                pass
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
from pipelines import cli
try:
    cli.main()
finally:
    done.set()
    watcher.join()
    Path(os.environ["SEEN"]).write_bytes(b"\\n".join(seen))
"""


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no process list to look at")
def test_the_key_is_in_no_process_list(tmp_path: Path):
    # Nobody listens at the discard port of loopback: every publisher is asked, with the key where it is needed, and
    # fails at once. A live run that fails is in test_secrets.py; it takes the key from the environment likewise.
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {
        "CENSUS_API_KEY": MARKER, "SEEN": str(tmp_path / "seen"),
        "HEADWATERS_REWRITE_HOSTS": json.dumps({f"https://{host}": "http://127.0.0.1:9" for host in hosts()}),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "doctor"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "census" in done.stdout.lower()
    assert MARKER not in done.stdout + done.stderr
    seen = (tmp_path / "seen").read_bytes()
    assert b"doctor" in seen, "the command itself was seen"
    assert MARKER.encode() not in seen
