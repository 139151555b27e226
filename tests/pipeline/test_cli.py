"""The command line: what it prints, what it refuses, and how it ends."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from atlas import summary
from pipelines import running
from pipelines.cli import _print_areas, app

Cli = Callable[..., Result]
BOXES = "│─┃━╭╮╰╯┏┓┗┛╷╵"


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Call the command line in an empty working directory; nothing may end in a traceback."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        assert "\x1b" not in result.output, "not a terminal: no colours, no moving cursor"
        assert not set(BOXES) & set(result.stdout)
        return result

    return call


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[[running.Outcome], None]:
    """Let a run end as told: what a run does is tested elsewhere, here is what the command line makes of it."""

    def end(outcome: running.Outcome) -> None:
        monkeypatch.setattr(running, "run", lambda settings, config, progress, everything, vintages: outcome)

    return end


# --- status ------------------------------------------------------------------------------------------------------


def test_status_in_words(cli: Cli, sample_home: Path):
    result = cli("status", "--home", sample_home)
    assert result.exit_code == 0
    assert result.stdout.startswith("SIMULATED DATA, NO REAL PLACE. release 1 of ")
    assert "region simulated, input sample" in result.stdout
    assert "census_acs5      2018, 2023" in result.stdout
    assert "rules judged" in result.stdout
    assert "parts absent" in result.stdout
    assert result.stderr == ""


def test_status_as_json(cli: Cli, sample_home: Path):
    result = cli("status", "--home", sample_home, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    assert (told["release"], told["region"], told["input"], told["is_simulated"]) == (1, "simulated", "sample", True)
    assert told["vintages"]["census_saipe"] == ["2019", "2022", "2023"]
    with duckdb.connect(str((sample_home / "published" / "current.duckdb").resolve()), read_only=True) as reader:
        checks = reader.execute("SELECT count(*), count(*) FILTER (NOT passed) FROM meta.checks").fetchall()
        absent = reader.execute("SELECT count(*) FROM meta.absent").fetchall()
    assert [(told["checks"], len(told["failed_checks"]))] == checks
    assert [(len(told["absent"]),)] == absent


@pytest.mark.parametrize("command", [["status"], ["query", "SELECT 1"]])
def test_a_home_without_a_publish_says_so(cli: Cli, tmp_path: Path, command: list[str]):
    result = cli(*command, "--home", tmp_path / "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing is published in the home 'nowhere' yet: run `headwaters run` first" in result.stderr
    assert list(tmp_path.iterdir()) == [], "asking makes no home"


def test_the_home_is_found_where_runs_put_it(cli: Cli, sample_home: Path, tmp_path: Path):
    assert cli("status").exit_code == 1
    for kind in ("sample", "real"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        (tmp_path / "data" / kind / "published").symlink_to(sample_home / "published")
        if kind == "sample":
            assert cli("status").exit_code == 0
    result = cli("status")
    assert result.exit_code == 2
    assert "both data/real and data/sample are published: say which with --home" in result.stderr
    assert cli("status", "--home", "data/real").exit_code == 0


# --- query -------------------------------------------------------------------------------------------------------


def test_query_in_words(cli: Cli, sample_home: Path):
    result = cli("query", "SELECT geo_id, '[bold]' AS said FROM risk.priority WHERE rank = 1", "--home", sample_home)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "geo_id" in result.stdout
    assert "97" in result.stdout
    assert "[bold]" in result.stdout, "data are never markup"


def test_query_as_json(cli: Cli, sample_home: Path):
    sql = "SELECT rank, geo_id, tier FROM risk.priority WHERE rank <= 3 ORDER BY rank"
    result = cli("query", sql, "--home", sample_home, "--json")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert set(rows[0]) == {"rank", "geo_id", "tier"}


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELEC 1", "syntax error"),
        ("FROM core.no_such_table", "no_such_table"),
        ("DELETE FROM risk.priority", "read-only"),
    ],
)
def test_a_query_that_fails_ends_with_1_and_says_why(cli: Cli, sample_home: Path, sql: str, says: str):
    result = cli("query", sql, "--home", sample_home, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("headwaters: ")
    assert says in result.stderr


# --- run ---------------------------------------------------------------------------------------------------------


def test_a_home_that_is_bound_to_something_else_is_refused_naming_both(cli: Cli, sample_home: Path, tmp_path: Path):
    home = tmp_path / "copied"
    home.mkdir()
    shutil.copyfile(sample_home / "home.json", home / "home.json")
    for arguments, asked in (
        (["--input", "live"], "real data of region 'mo-metro-east'"),
        (["--region", "97"], "sample data of region '97'"),
    ):
        result = cli("run", "--home", home, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "is bound to sample data of region 'simulated'" in result.stderr
        assert f"but {asked} were asked for" in result.stderr
        assert "--home" in result.stderr
    assert [path.name for path in home.iterdir()] == ["home.json"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--region", "atlantis"], "region 'atlantis' is unknown"),
        (["run", "--input", "no-such-folder"], "'no-such-folder' is neither 'sample' nor 'live' nor a directory"),
        (["run", "--no-such-option"], "No such option"),
        (["no-such-command"], "No such command"),
        (["query"], "Missing argument"),
    ],
)
def test_wrong_usage_ends_with_2(cli: Cli, tmp_path: Path, arguments: list[str], says: str):
    result = cli(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "text", "says"),
    [
        ("run", "[nightly]\nregoin = 'us'\n", "nothing reads regoin"),
        ("ui", "[nightly]\nregoin = 'us'\n", "nothing reads regoin"),
        ("ui", "[nightly]\ninput = 'live'\nregion = 'atlantis'\n", "'atlantis' is unknown"),
    ],
)
def test_a_wrong_headwaters_toml_ends_with_2(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, text: str, says: str
):
    def replaced(*_: object) -> None:
        raise AssertionError("started all the same")

    monkeypatch.setattr(os, "execve", replaced)
    (tmp_path / "headwaters.toml").write_text(text)
    result = cli(command)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_run_that_fails_ends_with_1_names_what_broke_and_what_stays(
    cli: Cli, ran: Callable[[running.Outcome], None], sample_home: Path, tmp_path: Path
):
    ran(running.Outcome(False, ["a/2020/b.xls: rule [x] is broken"], ["something [odd]"]))
    result = cli("run", "--home", sample_home)
    assert result.exit_code == 1
    assert "failed: a/2020/b.xls: rule [x] is broken" in result.stderr
    assert "yesterday's published file stays as it was" in result.stderr
    assert "warning: something [odd]" in result.stdout
    result = cli("run", "--home", tmp_path / "new")
    assert result.exit_code == 1
    assert "nothing is published" in result.stderr


def test_a_run_that_succeeds_prints_ten_areas(cli: Cli, ran: Callable[[running.Outcome], None], sample_home: Path):
    ran(running.Outcome(True, [], []))
    result = cli("run", "--home", sample_home)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "SIMULATED DATA, NO REAL PLACE: Greatest priority of 24 areas, region simulated, release 1" in result.stdout
    assert "1 = greatest need" in result.stdout
    assert len(re.findall(r"(?m)^\| .* \| 97\d{3} \| ", result.stdout)) == 10
    assert f"published  {sample_home / 'published' / 'current.duckdb'}" in result.stdout


def test_a_run_as_json_prints_nothing_else(cli: Cli, ran: Callable[[running.Outcome], None], sample_home: Path):
    ran(running.Outcome(True, [], ["late"]))
    result = cli("run", "--home", sample_home, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["warnings"] == ["late"]
    assert told["status"]["release"] == 1
    assert [area["rank"] for area in told["areas"]] == sorted(area["rank"] for area in told["areas"])
    assert len(told["areas"]) == 10


# --- the installed command ---------------------------------------------------------------------------------------


def test_the_installed_command_prints_plainly_and_fast(sample_home: Path, tmp_path: Path):
    """A process of its own, whose output is no terminal; looking things up loads no Dagster."""
    command = Path(sys.executable).with_name("headwaters")
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(
        [command, "status", "--home", sample_home],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("SIMULATED DATA")
    assert "\x1b" not in done.stdout
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "duckdb" in loaded
    assert not {"dagster", "great_expectations"} & loaded
    done = subprocess.run(
        [command, "query", "SELEC 1", "--home", sample_home], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("headwaters: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width", [80, 140])
def test_no_interval_is_cut_off_however_narrow_the_terminal(sample_home: Path, width: int):
    console = Console(width=width, no_color=True, highlight=False, force_terminal=True, file=io.StringIO())
    areas = summary.top_areas(sample_home)
    _print_areas(console, areas, summary.status(sample_home))
    printed = console.file.getvalue()
    assert "SIMULATED DATA, NO REAL PLACE" in printed
    for area in areas:
        assert f"{area.rank} [{area.rank_p05:.0f} to {area.rank_p95:.0f}]" in printed
        assert f"{area.score:.1f} [{area.score_p05:.1f} to {area.score_p95:.1f}]" in printed
    assert "…" not in printed
