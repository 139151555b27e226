"""A fault of each kind: the old release or the new one stands, whole, and the next run cleans up and finishes.

The short form; the campaign (`make soak`) makes hundreds of each.
"""

import errno
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import warehouse
from pipelines.files import hindrance, replacing, sweep, write_atomically
from pipelines.home import Home
from pipelines.locking import BusyError, locked
from pipelines.releases import ReleaseError, rollback
from pipelines.running import run
from pipelines.settings import resolve
from pipelines.warehouse import published_files
from tests.conftest import copy_home
from tests.faults.child import SWAP
from tests.faults.invariants import BrokenError, strays
from tests.faults.trials import Bench, fill_once, kill_once, race_once


@pytest.fixture(scope="module")
def bench(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One home that all faults of this file befall: what one leaves behind would meet the next."""
    return Bench(sample_home, tmp_path_factory.mktemp("faults"), seed=6)


def test_a_run_killed_in_the_swap_leaves_a_whole_release_and_the_next_one_finishes(bench: Bench):
    found = kill_once(bench, SWAP)
    assert found["shown"] in ("old", "new")
    assert found["died"] != "too late"


def test_a_disk_without_room_stops_a_run_with_a_sentence_and_nothing_else(bench: Bench):
    bench.random.seed(1)
    found = fill_once(bench, is_mounted=False)
    assert found["result"].startswith("failed: ")
    assert "what is allowed" in found["result"] or "its disk is full" in found["result"]
    assert found["shown"] == "old"
    assert found["strays"] == 0


def test_of_two_runs_that_start_together_one_works(bench: Bench):
    found = race_once(bench, ("publish",))
    assert set(found["results"]) <= {"done", "idle", "busy"}


def test_a_torn_release_would_be_noticed(bench: Bench):
    newest = list(published_files(Home(resolve("sample", home=bench.home, config={}))).values())[-1]
    newest.chmod(0o644)
    with pytest.raises(BrokenError, match="can be written to"):
        bench.watch.known.clear()
        bench.look()
    newest.chmod(0o444)
    record = next((bench.home / "landing").rglob("record.json"))
    body = next(path for path in record.parent.iterdir() if len(path.name) == 64)
    whole = body.read_bytes()
    body.write_bytes(whole[:-1])
    with pytest.raises(BrokenError, match="other bytes"):
        bench.look()
    body.write_bytes(whole)


# --- what cannot be written ----------------------------------------------------------------------------------------


@pytest.fixture
def read_only(sample_home: Path, tmp_path: Path) -> Iterator[Path]:
    """A home that nobody can write to: root is not stopped by modes, but by a file system mounted for reading."""

    home = tmp_path / "home"
    copy_home(sample_home, home)
    if os.geteuid() != 0:
        home.chmod(0o555)
        yield home
        home.chmod(0o755)
        return
    calls = [["mount", "--bind", str(home), str(home)], ["mount", "-o", "remount,ro,bind", str(home)]]
    try:
        for call in calls:
            subprocess.run(call, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        subprocess.run(["umount", str(home)], check=False, capture_output=True)
        pytest.skip(f"root is stopped by a mount only, and mounting is not permitted here: {error}")
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True)


def test_a_read_only_home_is_named_with_what_to_do(read_only: Path):
    settings = resolve("sample", home=read_only, config={})
    outcome = run(settings, {}, lambda total: lambda done, step: None)
    assert not outcome.succeeded
    (said,) = outcome.failures
    assert said.startswith("the home 'home' cannot be written, ")
    assert "--home" in said
    with pytest.raises(ReleaseError, match="cannot be written"):
        rollback(Home(settings), 1)
    assert list(published_files(Home(settings))) == [1]


def test_the_lock_is_had_where_no_byte_can_be_written(tmp_path: Path):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with locked(tmp_path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_publishing_waits_for_no_other_process(bench: Bench):
    from pipelines.warehouse import publish

    with (bench.home / ".lock").open("a") as held:  # another descriptor is as good as another process
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another run is at work"):
            publish(Home(resolve("sample", home=bench.home, config={})))


# --- what a killed run leaves behind -----------------------------------------------------------------------------


def test_a_half_built_release_and_a_half_made_link_are_swept(tmp_path: Path):
    home = Home(resolve("sample", home=tmp_path, config={}))
    home.published.mkdir()
    for name in (".staging-000002-77.duckdb", ".staging-000002-77.duckdb.wal", "headwaters-000001.duckdb"):
        (home.published / name).touch()
    (home.published / ".current.duckdb.77").symlink_to("headwaters-000001.duckdb")
    (home.published / "current.duckdb").symlink_to("headwaters-000001.duckdb")
    warehouse.sweep(home)
    assert sorted(path.name for path in home.published.iterdir()) == ["current.duckdb", "headwaters-000001.duckdb"]


def test_only_what_nobody_writes_any_more_is_swept(tmp_path: Path):
    left = tmp_path / "tables" / ".a.parquet.0f.tmp"
    spared = tmp_path / "dagster" / ".b.0f.tmp"
    for path in (left, spared):
        path.parent.mkdir()
        path.write_bytes(b"half")
    with replacing(tmp_path / "tables" / "c") as stream:
        stream.write(b"whole")
        assert sweep(tmp_path, without=frozenset({"dagster"})) == [left]
    assert (tmp_path / "tables" / "c").read_bytes() == b"whole"
    assert spared.exists()
    assert strays(tmp_path) == []


def test_what_fails_while_it_is_written_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "told"
    write_atomically(path, b"old")
    with pytest.raises(RuntimeError, match="in between"), replacing(path) as stream:
        stream.write(b"ne")
        raise RuntimeError("in between")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "/home/of/ours/x"), "read-only"),
        (OSError(errno.EACCES, "Permission denied", "/home/of/ours/x"), "permissions"),
        (OSError(errno.EACCES, "Permission denied", "/input/of/theirs"), None),
        (ValueError("a county has two names"), None),
        ("IO Error: Could not write file: No space left on device", "disk is full"),
        ("(sqlite3.OperationalError) attempt to write a readonly database", "read-only"),
    ],
)
def test_what_hinders_is_told_from_what_does_not(error: OSError | ValueError | str, said: str | None):
    why = hindrance(error, Path("/home/of/ours"))
    assert (why is None) if said is None else (said in (why or ""))


def test_a_cause_is_found_under_what_was_made_of_it():
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("the storage gave up") from error
    except RuntimeError as error:
        assert "disk is full" in (hindrance(error, Path("/home")) or "")
