"""Each rule's history: what a release said of it stays readable in the releases after it, the last thirty at most."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from atlas import summary
from pipelines import meta, warehouse
from pipelines.home import Home
from pipelines.settings import resolve
from pipelines.warehouse import publish
from quality.gx import CheckResult
from tests.conftest import copy_home


def result(rule: str, passed: bool, observed: str = "", column: str | None = None) -> CheckResult:
    return CheckResult("core.x", rule, column, False, passed, observed, (), None)


def test_a_release_adds_its_results_to_those_before_it():
    first = meta.check_history(meta.CHECK_HISTORY.empty(), 1, [result("a", True), result("b", False, "3 rows", "n")])
    second = meta.check_history(first, 2, [result("a", False, "1 row"), result("b", True, "", "n")])
    told = second.select("release", "rule", "column_name", "passed", "observed").rows()
    assert sorted(told, key=lambda row: (row[0], row[1])) == [
        (1, "a", None, True, ""),
        (1, "b", "n", False, "3 rows"),
        (2, "a", None, False, "1 row"),
        (2, "b", "n", True, ""),
    ]


def test_the_history_goes_back_thirty_releases_and_no_further():
    history = meta.CHECK_HISTORY.empty()
    for number in range(1, 36):
        history = meta.check_history(history, number, [result("a", True)])
    assert history["release"].sort().to_list() == list(range(6, 36))


def test_a_number_that_is_given_again_replaces_what_was_told_under_it():
    history = meta.check_history(meta.CHECK_HISTORY.empty(), 7, [result("a", True)])
    again = meta.check_history(history, 7, [result("a", False)])
    assert again.select("release", "passed").rows() == [(7, False)]


@pytest.fixture
def home(sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A copy of the sample's home whose tables are judged by two rules only."""
    copy_home(sample_home, tmp_path / "home")
    monkeypatch.setattr(warehouse, "_judge_again", lambda home: [result("a", False, "1 row"), result("b", True)])
    return Home(resolve("sample", None, tmp_path / "home", {}))


def read(home: Home, sql: str) -> list[tuple]:
    with duckdb.connect(str((home.root / summary.CURRENT).resolve()), read_only=True) as reader:
        return reader.execute(sql).fetchall()


def test_publishing_keeps_the_history_and_a_first_file_starts_it(home: Home):
    [(judged,)] = read(home, "SELECT count(*) FROM meta.checks")
    assert read(home, "SELECT release, count(*) FROM meta.check_history GROUP BY 1") == [(1, judged)]
    publish(home)
    by_release = "SELECT release, count(*) FROM meta.check_history GROUP BY 1 ORDER BY 1"
    assert read(home, by_release) == [(1, judged), (2, 2)]
    one_rule = "SELECT release, passed, observed FROM meta.check_history WHERE rule = 'a' AND table_key = 'core.x'"
    assert read(home, one_rule) == [(2, False, "1 row")]
    # The last release of the history is what meta.checks says.
    assert read(
        home,
        "SELECT count(*) FROM (SELECT table_key, rule, column_name, passed, observed FROM meta.check_history WHERE "
        "release = 2 EXCEPT SELECT table_key, rule, column_name, passed, observed FROM meta.checks)",
    ) == [(0,)]


def test_a_file_from_before_there_was_a_history_tells_its_own_checks(home: Home):
    newest = (home.root / summary.CURRENT).resolve()
    newest.chmod(0o644)
    with duckdb.connect(str(newest)) as writer:
        [(judged,)] = writer.execute("SELECT count(*) FROM meta.checks").fetchall()
        writer.execute("DROP TABLE meta.check_history")
    number, earlier = meta._told_before(home)
    assert number == 1
    assert earlier.height == judged
    assert earlier.schema == pl.Schema(meta.CHECK_HISTORY.empty().schema)
    assert earlier["release"].unique().to_list() == [1]
