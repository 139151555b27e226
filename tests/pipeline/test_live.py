"""A live run against the loopback publisher: the same tables as a directory, and nothing fetched twice."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from pipelines import ingest
from pipelines.catalogue import catalogue
from pipelines.home import Home
from pipelines.http import HttpFetcher
from pipelines.inputs import LiveInput
from pipelines.running import run
from pipelines.settings import SettingsError, resolve
from sources.registry import all_sources
from sources.source import SourceError
from tests.conftest import copy_home
from tests.publisher import KEY, Publisher, simulated_files

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture(scope="module")
def directory_home(tmp_path_factory: pytest.TempPathFactory, live_home: Path) -> Home:
    """What the publishers serve, as files of a directory: the simulated files of the names that a live run landed."""
    root = tmp_path_factory.mktemp("directory")
    for landed in Home(resolve("live", "97", live_home, {})).landing.snapshots():
        path = root / "files" / landed.source_id / landed.vintage / landed.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(simulated_files()[landed.source_id, landed.vintage, landed.name])
    settings = resolve(str(root / "files"), "97", root / "home", {})
    outcome = run(settings, {}, lambda total: lambda done, step: None)
    assert outcome.succeeded, outcome.failures
    return Home(settings)


@pytest.mark.parametrize("key", list(catalogue()))
def test_a_live_run_equals_the_directory_run_table_for_table(live_home: Path, directory_home: Home, key: str):
    live = Home(resolve("live", "97", live_home, {})).tables.read(key)
    same = directory_home.tables.read(key)
    # The same figures may have come in differently cut answers.
    live, same = (frame.drop("snapshot_sha256", strict=False) for frame in (live, same))
    assert live.equals(same)


def test_every_live_source_brings_rows(live_home: Path):
    home = Home(resolve("live", "97", live_home, {}))
    for source in all_sources().values():
        if source.fetch is not None:
            assert any(home.tables.read(table.key).height for table in source.tables), source.id


def test_a_second_run_transfers_no_body_that_has_not_changed(
    live_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    copy_home(live_home, tmp_path / "home")
    settings = resolve("live", "97", tmp_path / "home", {})
    before = {key: Home(settings).tables.sha256(key) for key in catalogue()}
    with Publisher() as publisher:
        monkeypatch.setenv("CENSUS_API_KEY", KEY)
        monkeypatch.setenv("HEADWATERS_REWRITE_HOSTS", json.dumps(publisher.rewrite))
        outcome = run(settings, {}, lambda total: lambda done, step: None)
    assert outcome.succeeded, outcome.failures
    assert publisher.log
    assert [(one.asked.host, one.asked.path) for one in publisher.log if one.status == 200] == []
    assert sum(one.bytes for one in publisher.log if one.status == 304) == 0
    assert {key: Home(settings).tables.sha256(key) for key in catalogue()} == before


def test_without_a_key_counties_come_from_the_summary_files(
    live_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Less can be had without a key, and what can be had is the same."""
    home = Home(resolve("live", "97", tmp_path / "home", {}))
    source = all_sources()["census_acs5"]
    with Publisher() as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, landing=home.landing)
        ingest.land(home, source, LiveInput(fetcher))
    ingest.parse(home, source, lambda parsed: home.tables.write(parsed.table, parsed.frame, parsed.absent))
    keyed = Home(resolve("live", "97", live_home, {}))
    for table in source.tables:
        detailed = pl.col("table_id").str.starts_with("S").not_()
        frames = [h.tables.read(table.key).filter(detailed).drop("snapshot_sha256") for h in (home, keyed)]
        assert frames[0].height
        assert frames[0].equals(frames[1]), table.key


def test_a_body_that_was_damaged_is_fetched_again_although_the_publisher_says_that_nothing_has_changed(
    live_home: Path, tmp_path: Path
):
    copy_home(live_home, tmp_path / "home")
    home, source = Home(resolve("live", "97", tmp_path / "home", {})), all_sources()["coc_county"]
    good = home.tables.read("core.coc_county_crosswalk")

    def run_once(publisher: Publisher) -> None:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, landing=home.landing, attempts=1)
        ingest.land(home, source, LiveInput(fetcher))
        ingest.parse(home, source, lambda parsed: home.tables.write(parsed.table, parsed.frame, parsed.absent))

    with Publisher() as publisher:
        publisher.fault = lambda asked, answer: replace(answer, body=answer.body[: len(answer.body) // 2 - 3])
        with pytest.raises(SourceError, match="coc_county"):
            run_once(publisher)
        publisher.fault = None
        run_once(publisher)
    assert home.tables.read("core.coc_county_crosswalk").equals(good)


def test_a_source_that_a_run_does_without_keeps_what_was_landed_before(
    live_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    copy_home(live_home, tmp_path / "home")
    home = Home(resolve("live", "97", tmp_path / "home", {}, without=["cdc_svi"]))
    fresh = Home(resolve("live", "97", tmp_path / "fresh", {}, without=["cdc_svi"]))
    before = home.tables.read("core.cdc_svi_county")
    with Publisher() as publisher:
        for one in (home, fresh):
            fetcher = HttpFetcher(rewrite=publisher.rewrite, landing=one.landing)
            ingest.land(one, all_sources()["cdc_svi"], LiveInput(fetcher))
        assert publisher.log == []

    def write(one: Home):
        return lambda parsed: one.tables.write(parsed.table, parsed.frame, parsed.absent)

    ingest.parse(home, all_sources()["cdc_svi"], write(home))
    assert home.tables.read("core.cdc_svi_county").equals(before)
    [(parsed, stored), *_] = ingest.parse(fresh, all_sources()["cdc_svi"], write(fresh))
    assert stored.is_empty()
    assert "asked to do without this source" in parsed.absent[0].reason
    with pytest.raises(SettingsError, match="no source is called cdc_sv;"):
        resolve("live", "97", tmp_path / "home", {}, without=["cdc_sv"])
