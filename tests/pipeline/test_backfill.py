"""Vintages landed by themselves, from the command line and from the UI: they replace their own rows, and no others."""

import asyncio
import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import polars as pl
import pytest

from pipelines import ingest
from pipelines.backfill import BACKFILL, PAUSE, _when_free, parse_vintages, partition_keys
from pipelines.home import Home
from pipelines.inputs import DirectoryInput, LiveInput
from pipelines.instance import open_instance
from pipelines.locking import BusyError
from pipelines.running import Outcome, run
from pipelines.settings import Settings, SettingsError, resolve
from sources import simulated
from sources.registry import all_sources
from sources.source import Fetched
from tests.conftest import copy_home
from tests.editing import Rows, edit

ROOT = Path(__file__).parents[2]
BACKFILLED = {
    "acf_cwo": ("2020", "2021", "2022", "2023", "2024"),
    "ed_acgr": ("2018", "2019", "2020", "2021", "2022"),
    "ed_homeless_students": ("2018", "2019", "2020", "2021", "2022"),
}


@pytest.fixture
def home(tmp_path: Path, sample_home: Path) -> Home:
    return Home(resolve("sample", None, copy_home(sample_home, tmp_path / "home"), {}))


def night(home: Home, **kwargs: Any) -> Outcome:
    return run(home.settings, {}, lambda total: lambda done, step: None, **kwargs)


def tables_of(home: Home, source_id: str) -> dict[str, pl.DataFrame]:
    return {table.key: home.tables.read(table.key) for table in all_sources()[source_id].tables}


def checksums(home: Home) -> dict[str, str]:
    """Of every Parquet file, by the key of its table."""
    return {
        f"{path.parent.name}.{path.stem}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (home.root / "tables").rglob("*.parquet")
    }


def descendants(home: Home, source_id: str) -> set[str]:
    """Tables that are made, at any remove, from what a source lands."""
    reached = {f"landing:{source_id}"}
    for step in sorted(home.steps.all.values(), key=lambda step: step.order):
        if reached & set(step.reads):
            reached.update(step.makes)
    return reached


def revise(monkeypatch: pytest.MonkeyPatch, change: Callable[[str, str, bytes], bytes | None]) -> None:
    """What the sample's publishers say from now on; None where they say nothing."""
    files = simulated.files

    def revised(source_id: str) -> Iterator[tuple[str, str, bytes]]:
        for vintage, name, body in files(source_id):
            if (new := change(source_id, vintage, body)) is not None:
                yield vintage, name, new

    monkeypatch.setattr(simulated, "files", revised)


# --- what can be asked for ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return resolve("sample", home=tmp_path_factory.mktemp("asked") / "home", config={})


def test_vintages_are_asked_for_by_source(anywhere: Settings):
    asked = parse_vintages(anywhere, ["hud_pit=2018, 2024", "seda=2018", "hud_pit=2024,2025"])
    assert asked == {"hud_pit": ("2018", "2024", "2025"), "seda": ("2018",)}
    assert parse_vintages(anywhere, []) == {}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("hud_pit", r"'hud_pit' is not of the form SOURCE=VINTAGE"),
        ("hud_pit=2018,", r"not of the form"),
        ("hud_pti=2018", r"no source is called hud_pti; known are acf_afcars, "),
        ("hud_pit=2019", r"hud_pit has no vintage 2019; declared are 2018, 2024, 2025"),
        ("=2018", r"not of the form"),
    ],
)
def test_what_cannot_be_asked_for_is_named(anywhere: Settings, word: str, said: str):
    with pytest.raises(SettingsError, match=said):
        parse_vintages(anywhere, [word])


def test_a_live_run_is_asked_only_for_what_it_fetches(tmp_path: Path):
    live = resolve("live", home=tmp_path / "home", config={})
    assert parse_vintages(live, ["hud_pit=2025"]) == {"hud_pit": ("2025",)}
    with pytest.raises(SettingsError, match=r"hud_pit/2018 is not fetched by a live run \(2025\): put its files into"):
        parse_vintages(live, ["hud_pit=2018"])
    with pytest.raises(SettingsError, match=r"acf_cwo/2020 is not fetched by a live run \(none\)"):
        parse_vintages(live, ["acf_cwo=2020"])
    assert {"hud_pit/2025", "seda/2018"} <= set(partition_keys(live))
    assert not {"hud_pit/2018", "acf_cwo/2020"} & set(partition_keys(live))


def test_a_source_is_not_both_left_out_and_asked_for(tmp_path: Path):
    without = resolve("sample", home=tmp_path / "home", config={}, without=["seda"])
    with pytest.raises(SettingsError, match="seda is both left out and asked for"):
        parse_vintages(without, ["seda=2018"])


def test_every_declared_vintage_is_a_partition(anywhere: Settings):
    keys = partition_keys(anywhere)
    assert keys == [f"{source.id}/{vintage}" for source in all_sources().values() for vintage in source.vintage_ids]
    dg.StaticPartitionsDefinition(keys)  # which refuses names that it cannot keep apart


# --- what is landed -----------------------------------------------------------------------------------------------


def landed(home: Home, source_id: str) -> dict[str, str]:
    return {snapshot.label: snapshot.sha256 for snapshot in home.landing.snapshots(source_id)}


def put(root: Path, label: str, body: bytes) -> None:
    path = root / label
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def test_the_other_vintages_stay_as_they_were_landed(tmp_path: Path):
    files = tmp_path / "files"
    for vintage, name, body in simulated.files("seda"):
        put(files, f"seda/{vintage}/{name}", body)
    home = Home(resolve(str(files), "97", tmp_path / "home", {}))
    seda = all_sources()["seda"]
    assert ingest.land(home, seda, DirectoryInput(files), ["2018"]).changed == 1
    assert {label.split("/")[1] for label in landed(home, "seda")} == {"2018"}
    ingest.land(home, seda, DirectoryInput(files))
    before = landed(home, "seda")
    for path in files.rglob("*.csv"):
        path.write_bytes(path.read_bytes() + b"\n")
    ingest.land(home, seda, DirectoryInput(files), ["2018"])
    after = landed(home, "seda")
    assert {label.split("/")[1] for label in before if before[label] != after[label]} == {"2018"}
    assert set(before) == set(after)


def test_a_vintage_that_the_input_does_not_have_stays_as_it_was_landed(tmp_path: Path):
    files = tmp_path / "files"
    for vintage, name, body in simulated.files("seda"):
        put(files, f"seda/{vintage}/{name}", body)
    home = Home(resolve(str(files), "97", tmp_path / "home", {}))
    seda = all_sources()["seda"]
    ingest.land(home, seda, DirectoryInput(files))
    before = landed(home, "seda")
    shutil.rmtree(files / "seda" / "2018")
    with pytest.raises(ingest.SourceError, match="seda: the input has no file of 2018 that the source reads"):
        ingest.land(home, seda, DirectoryInput(files), ["2018"])
    assert landed(home, "seda") == before


def test_a_live_night_keeps_what_was_landed_of_vintages_that_it_does_not_fetch(tmp_path: Path):
    """Old vintages come from a directory, new ones from the publisher; the night must not take the old ones away."""
    files = tmp_path / "files"
    for vintage, name, body in simulated.files("acf_cwo"):
        put(files, f"acf_cwo/{vintage}/{name}", body)
    acf_cwo = all_sources()["acf_cwo"]
    ingest.land(Home(resolve(str(files), "97", tmp_path / "home", {})), acf_cwo, DirectoryInput(files), ["2021"])
    live = Home(resolve("live", "97", tmp_path / "home", {}))
    before = landed(live, "acf_cwo")
    assert len(before) == 1
    ingest.land(live, acf_cwo, LiveInput(None))  # type: ignore[arg-type]  # nothing of this source is fetched
    assert landed(live, "acf_cwo") == before


def test_what_was_simulated_is_never_kept_beside_what_is_real(tmp_path: Path):
    sample = Home(resolve("sample", home=tmp_path / "home", config={}))
    seda = all_sources()["seda"]
    (vintage, name, body), *_ = simulated.files("seda")
    snapshot, _ = sample.landing.land(seda, vintage, Fetched(name, body, "simulated:"), is_simulated=True)
    sample.landing.offer(seda, [snapshot])
    files = tmp_path / "files"
    for other, title, content in simulated.files("seda"):
        put(files, f"seda/{other}/{title}", content)
    real = Home(resolve(str(files), "97", tmp_path / "home", {}))
    (wanted,) = {"2018", "2019"} - {vintage}
    ingest.land(real, seda, DirectoryInput(files), [wanted])
    assert {one.vintage for one in real.landing.snapshots("seda")} == {wanted}


def test_the_runs_of_a_backfill_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked, slept = [], []

    @contextmanager
    def busy_twice(home: Path) -> Iterator[None]:
        asked.append(home)
        if len(asked) < 3:
            raise BusyError("another run is at work")
        yield

    monkeypatch.setattr("pipelines.backfill.locked", busy_twice)
    monkeypatch.setattr("pipelines.backfill.time.sleep", slept.append)
    with _when_free(tmp_path):
        assert len(asked) == 3
    assert slept == [PAUSE, PAUSE]


# --- from the command line ----------------------------------------------------------------------------------------


def dearer(body: bytes, by: int) -> bytes:
    """The rents of HUD's workbook, of which the first county's two-bedroom rent is higher."""

    def change(rows: Rows) -> Rows:
        rows[1][rows[0].index("fmr_2")] += by
        return rows

    changed = edit(body, change)
    assert changed is not None
    return changed


def test_a_revised_vintage_changes_its_own_rows_only(home: Home, monkeypatch: pytest.MonkeyPatch):
    """Two vintages were revised and a third was withdrawn; one is asked for, and the others stay as they were."""
    key, before = "core.hud_fmr_county", checksums(home)
    old = home.tables.read(key)

    def change(source_id: str, vintage: str, body: bytes) -> bytes | None:
        if source_id != "hud_fmr":
            return None
        return {"2024": dearer(body, 50), "2025": dearer(body, 1), "2026": None}[vintage]

    revise(monkeypatch, change)
    outcome = night(home, vintages=parse_vintages(home.settings, ["hud_fmr=2025"]))
    assert outcome.succeeded, outcome.failures
    new, mine = home.tables.read(key), pl.col("vintage") == "2025"
    assert new.filter(~mine).equals(old.filter(~mine))
    revised, said = new.filter(mine), old.filter(mine)
    assert not set(revised["snapshot_sha256"]) & set(said["snapshot_sha256"])
    # The first county's rent was 965, and is 966; no other figure of the vintage differs.
    assert (revised["fmr_2_usd"] - said["fmr_2_usd"]).to_list() == [1, *[0] * (said.height - 1)]
    same = pl.exclude("fmr_2_usd", "snapshot_sha256")
    assert revised.select(same).equals(said.select(same))
    now, reached = checksums(home), descendants(home, "hud_fmr")
    assert set(now) == set(before)
    assert key in {table for table in now if now[table] != before[table]} <= reached
    own = {step.id for step in home.steps.all.values() if reached & set(step.reads)}
    assert {"core_hud_fmr", "warehouse"} <= set(outcome.taken) <= own
    assert len(own) < len(home.steps.all) / 10


# --- from the UI --------------------------------------------------------------------------------------------------

LAUNCH = """
mutation Launch($wanted: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $wanted) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
ASK = """
query Ask($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status numPartitions partitionStatuses { results { partitionName runStatus } } }
  }
}
"""


def forget(home: Home, source_id: str, vintages: tuple[str, ...]) -> None:
    """Leave a home as it is before these vintages were ever landed."""
    source = all_sources()[source_id]
    left = [one for one in home.landing.snapshots(source_id) if one.vintage not in vintages]
    home.landing.offer(source, left)
    for vintage in vintages:
        shutil.rmtree(home.root / "landing" / source_id / vintage)
    for table in source.tables:
        home.tables.write(table, home.tables.read(table.key, ~pl.col("vintage").is_in(vintages)), [])
    (home.root / "recipes" / f"core_{source_id}.json").unlink()


@contextmanager
def served(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Callable[[str, dict[str, Any]], Any]]]:
    """The workspace of a home, and what its webserver answers to GraphQL; runs are made in this process."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.webserver import DagsterWebserver

    for name, value in (("INPUT", "sample"), ("HOME", str(home.root))):
        monkeypatch.setenv(f"HEADWATERS_{name}", value)
    home.dagster.mkdir()
    (home.dagster / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        "run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}\n"
        "run_launcher: {module: dagster._core.launcher.sync_in_memory_run_launcher, class: SyncInMemoryRunLauncher}\n"
    )
    with (
        open_instance(home) as instance,
        WorkspaceProcessContext(instance, WorkspaceFileTarget([str(ROOT / "workspace.yaml")])) as workspace,
    ):
        transport = httpx.ASGITransport(DagsterWebserver(workspace).create_asgi_app())

        async def post(body: dict[str, Any]) -> dict[str, Any]:
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return (await client.post("/graphql", json=body)).raise_for_status().json()

        def ask(query: str, variables: dict[str, Any]) -> Any:
            answer = asyncio.run(post({"query": query, "variables": variables}))
            assert "errors" not in answer, answer
            (told,) = answer["data"].values()
            return told

        yield workspace, ask


def test_five_vintages_of_three_sources_are_backfilled_from_the_ui(home: Home, monkeypatch: pytest.MonkeyPatch):
    from dagster._daemon.backfill import execute_backfill_iteration

    before, bytes_before = {source: tables_of(home, source) for source in BACKFILLED}, checksums(home)
    for source, vintages in BACKFILLED.items():
        forget(home, source, vintages)
        for frame in tables_of(home, source).values():
            assert not set(frame["vintage"]) & set(vintages)
    wanted = [f"{source}/{vintage}" for source, vintages in BACKFILLED.items() for vintage in vintages]
    with served(home, monkeypatch) as (workspace, ask):
        job = {
            "partitionSetName": f"{BACKFILL}_partition_set",
            "repositorySelector": {"repositoryName": "__repository__", "repositoryLocationName": "headwaters"},
        }
        started = ask(LAUNCH, {"wanted": {"selector": job, "partitionNames": wanted}})
        assert started["__typename"] == "LaunchBackfillSuccess", started
        list(execute_backfill_iteration(workspace, logging.getLogger("daemon")))
        told = ask(ASK, {"id": started["backfillId"]})
        assert told["status"] == "COMPLETED_SUCCESS"
        assert {
            one["partitionName"]: one["runStatus"] for one in told["partitionStatuses"]["results"]
        } == dict.fromkeys(wanted, "SUCCESS")
        for source, vintages in BACKFILLED.items():
            landing = dg.AssetKey(["landing", source])
            assert workspace.instance.get_materialized_partitions(landing) == set(vintages)
    for source in BACKFILLED:
        assert {one.vintage for one in home.landing.snapshots(source)} == set(all_sources()[source].vintage_ids)
    outcome = night(home)
    assert outcome.succeeded, outcome.failures
    assert set(outcome.taken) == {f"core_{source}" for source in BACKFILLED}
    for frames in before.values():
        for key, frame in frames.items():
            assert home.tables.read(key).equals(frame), key
    assert checksums(home) == bytes_before
