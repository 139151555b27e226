"""Whatever a publisher does, a run ends with exactly the same tables, or with an error and yesterday's tables.

Runs here are those of one source: landing, parsing, judging, against the loopback publisher, in a home that was
published from the same publisher before. `test_poison.py` shows that a refused file stops a whole run.
"""

import hashlib
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from random import Random

import polars as pl
import pytest

from pipelines import ingest
from pipelines.home import Home
from pipelines.http import HttpFetcher
from pipelines.inputs import LiveInput
from pipelines.judging import explain, judge_stored
from pipelines.settings import resolve
from pipelines.warehouse import PublishError, publish
from quality.contract import ContractError
from sources.registry import all_sources
from sources.source import Source, SourceError
from tests.publisher import KEY, Publisher
from tests.publisher.faults import FAULTS, Once

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

LIVE = [source.id for source in all_sources().values() if source.fetch is not None]
SEEDS = range(200)
PASSING = ["time_out", "reset_in_mid_body", "too_many_requests", "server_error", "wrong_length"]
HANGS_AFTER = 120.0
"""Seconds after which a run counts as hung: every single wait in it is bounded by a second or two."""


@dataclass
class Ended:
    """How a run of one source ended: `said` is empty where it went through."""

    said: str = ""
    stage: str = ""


@pytest.fixture
def home(live_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("CENSUS_API_KEY", KEY)
    # Links, not copies: everything in a home is replaced whole, never written into.
    without = shutil.ignore_patterns("dagster")
    shutil.copytree(live_home, tmp_path / "home", symlinks=True, ignore=without, copy_function=os.link)
    return Home(resolve("live", "97", tmp_path / "home", {}))


def run_source(home: Home, source: Source, publisher: Publisher) -> Ended:
    """Land, parse and judge one source, as its assets and checks do."""
    fetcher = HttpFetcher(
        attempts=3,
        wait_initial=0.01,
        retry_after_max=0.05,
        timeout=0.4,
        deadline=5.0,
        rewrite=publisher.rewrite,
        landing=home.landing,
    )
    stage = "landing"
    try:
        ingest.land(home, source, LiveInput(fetcher))
        stage = "parsing"
        ingest.parse(home, source, lambda parsed: home.tables.write(parsed.table, parsed.frame, parsed.absent))
    except (SourceError, ContractError) as error:
        return Ended(str(error), stage)
    results = [result for table in source.tables for result in judge_stored(home, table, "critical")]
    broken = [explain(home, result) for result in results if not result.passed]
    return Ended("; ".join(broken), "judging" if broken else "")


def bounded(home: Home, source: Source, publisher: Publisher) -> Ended:
    """The same, and a failure where it does not end."""
    ended: list[Ended | BaseException] = []

    def body() -> None:
        try:
            ended.append(run_source(home, source, publisher))
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(HANGS_AFTER)
    assert ended, f"{source.id}: the run hangs"
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return ended[0]


def tables_of(home: Home, source: Source) -> dict[str, pl.DataFrame]:
    """The figures; another order of columns is another file with the same figures."""
    return {table.key: home.tables.read(table.key).drop("snapshot_sha256") for table in source.tables}


def published(home: Home) -> tuple[str, str]:
    current = home.published / "current.duckdb"
    return str(current.readlink()), hashlib.sha256(current.read_bytes()).hexdigest()


def judge_end(home: Home, source: Source, ended: Ended, before: dict[str, pl.DataFrame]) -> None:
    """Exactly the same tables; or an error in words, and nothing new for anybody to read."""
    if not ended.said:
        for key, frame in tables_of(home, source).items():
            assert frame.equals(before[key]), f"{key} was changed without a word"
        return
    assert source.id in ended.said, ended.said
    assert KEY not in ended.said
    if ended.stage == "judging":
        # The table stands in the home: its blocking check holds back what reads it, and publishing judges it again.
        yesterday = published(home)
        with pytest.raises(PublishError, match="not published, the released file stays"):
            publish(home)
        assert published(home) == yesterday
    else:
        for key, frame in tables_of(home, source).items():
            assert frame.equals(before[key]), f"{key} was changed by a run that stopped while {ended.stage}"


@pytest.mark.parametrize("source_id", LIVE)
def test_without_a_fault_a_run_changes_nothing(home: Home, source_id: str):
    source = all_sources()[source_id]
    before = tables_of(home, source)
    assert any(frame.height for frame in before.values())
    with Publisher() as publisher:
        ended = bounded(home, source, publisher)
    assert ended.said == ""
    judge_end(home, source, ended, before)


@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("source_id", LIVE)
def test_each_fault_alone_that_stays(home: Home, source_id: str, fault: str):
    source, before = all_sources()[source_id], tables_of(home, all_sources()[source_id])
    with Publisher() as publisher:
        publisher.fault = trouble = Once(FAULTS[fault], Random(f"{source_id}/{fault}"), stays=True)
        ended = bounded(home, source, publisher)
    if not trouble.befell:
        assert ended.said == ""  # the fault cannot befall any file of this publisher
    judge_end(home, source, ended, before)


@pytest.mark.parametrize(
    "fault", ["time_out", "reset_in_mid_body", "too_many_requests", "server_error", "wrong_length"]
)
@pytest.mark.parametrize("source_id", LIVE)
def test_what_passes_is_recovered_from(home: Home, source_id: str, fault: str):
    source, before = all_sources()[source_id], tables_of(home, all_sources()[source_id])
    with Publisher() as publisher:
        publisher.fault = trouble = Once(FAULTS[fault], Random(f"{source_id}/{fault}"), stays=False)
        ended = bounded(home, source, publisher)
    assert trouble.befell == 1
    assert ended.said == "", "one more attempt would have done"
    judge_end(home, source, ended, before)


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_at_random(home: Home, seed: int):
    random = Random(seed)
    source = all_sources()[random.choice(LIVE)]
    fault = random.choice(list(FAULTS))
    before = tables_of(home, source)
    with Publisher() as publisher:
        publisher.fault = Once(FAULTS[fault], random, nth=random.randrange(6), stays=random.random() < 0.5)
        ended = bounded(home, source, publisher)
    judge_end(home, source, ended, before)
