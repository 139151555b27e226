"""Releases: listed, gone back to, built again cell for cell, and let go only where nobody needs them."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from pipelines.home import Home
from pipelines.releases import ReleaseError, kept, reproduce, retire, rollback
from pipelines.settings import SettingsError, resolve, retention
from pipelines.warehouse import publish, published_files
from sources.registry import all_sources
from sources.source import Fetched
from tests.conftest import copy_home


@pytest.fixture
def home(tmp_path: Path, sample_home: Path) -> Home:
    return Home(resolve("sample", None, copy_home(sample_home, tmp_path / "home"), {}))


def test_a_release_is_listed_with_what_it_was_made_of(home: Home):
    (one,) = kept(home)
    assert (one.number, one.region, one.input, one.is_current) == (1, "simulated", "sample", True)
    assert one.n_files == len(home.landing.snapshots()) > 50
    with duckdb.connect(str(published_files(home)[1]), read_only=True) as reader:
        code, parameters = reader.execute("SELECT code_sha256, parameters FROM meta.releases").fetchall()[0]
    assert len(code) == 64
    assert json.loads(parameters)["states"] == ["97"]


def test_readers_see_the_release_that_was_gone_back_to_until_a_new_one_is_published(home: Home):
    publish(home)
    assert [one.is_current for one in kept(home)] == [False, True]
    assert rollback(home, 1) == published_files(home)[1]
    assert [one.is_current for one in kept(home)] == [True, False]
    third = publish(home)
    assert third.number == 3
    with duckdb.connect(str(home.published / "current.duckdb"), read_only=True) as reader:
        assert reader.execute("SELECT list(release ORDER BY release) FROM meta.releases").fetchall() == [([1, 2, 3],)]


def test_a_release_that_is_not_there_is_named_with_those_that_are(home: Home):
    for attempt in (rollback, reproduce):
        with pytest.raises(ReleaseError, match=r"release 7 is not in the home 'home'; there are 1"):
            attempt(home, 7)


def test_a_cell_that_comes_out_otherwise_is_found(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The comparison can fail: a release of which one figure was changed by hand does not reproduce."""
    from pipelines import releases

    path = published_files(home)[1]
    forged = tmp_path / "forged.duckdb"
    shutil.copyfile(path, forged)
    with duckdb.connect(str(forged)) as writer:
        writer.execute("UPDATE core.acf_cwo_state SET geo_name = 'Elsewhere' WHERE rowid = 3")
        writer.execute("UPDATE meta.tables SET checksum = '0' WHERE table_key = 'core.acf_cwo_state'")
    _, _, differences = releases._compare(path, forged)
    assert [(one.table, one.only_then, one.only_now) for one in differences] == [("core.acf_cwo_state", 1, 1)]


def test_landed_bytes_that_a_kept_release_needs_stay_and_the_others_go(home: Home):
    source = all_sources()["bls_laus"]
    (landed,) = home.landing.snapshots("bls_laus")
    for body in (b"another", b"a third"):
        fetched = Fetched(landed.name, body, landed.address)
        home.landing.land(source, landed.vintage, fetched, is_simulated=True)
    folder = home.landing._folder("bls_laus", landed.vintage, landed.name)
    assert len([path for path in folder.iterdir() if len(path.name) == 64]) == 3
    gone = list(retire(home, 5, 0))
    left = {path.name for path in folder.iterdir() if len(path.name) == 64}
    (current,) = home.landing.snapshots("bls_laus")
    assert left == {landed.sha256, current.sha256}, "what release 1 was made of, and what the next run reads"
    assert len(gone) == 1


def test_a_release_whose_bytes_are_gone_cannot_be_built_again_and_says_so(home: Home):
    (landed,) = home.landing.snapshots("bls_laus")
    (home.landing._folder("bls_laus", landed.vintage, landed.name) / landed.sha256).unlink()
    with pytest.raises(ReleaseError, match=rf"no longer landed: bls_laus/{landed.vintage}/"):
        reproduce(home, 1)


def test_the_current_release_is_never_retired(home: Home):
    for _ in range(3):
        publish(home)
    rollback(home, 1)
    assert [path.name for path in retire(home, 1, 0)] == [f"headwaters-{n:06d}.duckdb" for n in (2, 3)]
    assert [one.number for one in kept(home)] == [1, 4]


@pytest.mark.parametrize("section", [{"releases": 0}, {"releases": "many"}, {"days": -1}, {"releases": True}])
def test_a_retention_that_is_none_is_refused(section):
    with pytest.raises(SettingsError, match="must be a whole number"):
        retention({"retention": section})
