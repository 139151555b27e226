"""The service around the pipeline: sensors, the instance and its upkeep, what a run tells of itself, the unit files."""

import json
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import dagster as dg
import pytest
import yaml
from typer.testing import CliRunner

from atlas import summary
from pipelines import run_log
from pipelines.alerts import last_good_night
from pipelines.assets import PUBLISHERS
from pipelines.cli import app
from pipelines.definitions import build_defs
from pipelines.home import Home
from pipelines.instance import WAVE, bury, open_instance, retire_runs
from pipelines.locking import BusyError, locked
from pipelines.run_log import RunLog, peak_memory_bytes, read_last_run, write_last_run
from pipelines.running import run
from pipelines.settings import resolve
from tests.conftest import copy_home

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
SECRET = "MARKER77aa"


@pytest.fixture
def bare(tmp_path: Path) -> Home:
    """A home in which nothing was done yet."""
    return Home(resolve("sample", None, tmp_path / "home", {}))


def copy(sample_home: Path, to: Path) -> Home:
    copy_home(sample_home, to)
    return Home(resolve("sample", None, to, {}))


# --- sensors -------------------------------------------------------------------------------------------------------


def test_every_sensor_runs_by_itself_and_says_what_it_is_for(bare: Home):
    sensors = {one.name: one for one in build_defs(bare.settings).sensors or () if isinstance(one, dg.SensorDefinition)}
    assert set(sensors) == {"night_failed", "source_late", "check_suspicious", "nothing_published"}
    for one in sensors.values():
        assert one.default_status == dg.DefaultSensorStatus.RUNNING
        assert one.description
    assert not bare.root.exists(), "loading the definitions writes nothing"


@pytest.mark.parametrize("name", ["source_late", "check_suspicious", "nothing_published"])
def test_a_home_in_which_nothing_was_done_alarms_nobody(bare: Home, name: str):
    one = next(one for one in build_defs(bare.settings).sensors or () if one.name == name)
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance) as context:
        told = one.evaluate_tick(context)
    assert told.run_requests in ([], None)
    assert told.skip_message


# --- the instance --------------------------------------------------------------------------------------------------


def test_the_configuration_that_is_documented_is_the_one_that_is_written(bare: Home):
    with open_instance(bare) as instance:
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 1
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds == 6 * 3600
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1  # type: ignore[union-attr]
        assert instance.get_tick_retention_settings(dg._core.scheduler.instigation.InstigatorType.SENSOR)  # type: ignore[attr-defined]
        assert not instance.telemetry_enabled
    written = (bare.dagster / "dagster.yaml").read_bytes()
    assert written == (DEPLOY / "dagster.yaml").read_bytes()
    documented = yaml.safe_load(written)
    postgres = yaml.safe_load((DEPLOY / "dagster-postgres.yaml").read_text(encoding="utf-8"))
    assert postgres.pop("storage") == {"postgres": {"postgres_url": {"env": "HEADWATERS_DAGSTER_POSTGRES_URL"}}}
    assert postgres == documented


def test_a_configuration_that_somebody_has_changed_stays(bare: Home):
    bare.dagster.mkdir(parents=True)
    (bare.dagster / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with open_instance(bare) as instance:
        assert not instance.run_retries_enabled
    assert (bare.dagster / "dagster.yaml").read_text(encoding="utf-8") == "telemetry: {enabled: false}\n"


@dg.asset
def figure() -> int:
    return 1


@dg.op
def nothing() -> None:
    pass


@dg.job
def empty() -> None:
    nothing()


def test_waves_of_a_process_that_was_killed_are_marked_as_failed_and_others_are_left_alone(bare: Home):
    with open_instance(bare) as instance:
        dead = instance.create_run_for_job(empty, status=dg.DagsterRunStatus.STARTED, tags={WAVE: "true"})
        other = instance.create_run_for_job(empty, status=dg.DagsterRunStatus.STARTED)
        ended = empty.execute_in_process(instance=instance, tags={WAVE: "true"})
        slots = instance.event_log_storage
        slots.set_concurrency_slots(PUBLISHERS, 1)
        assert slots.claim_concurrency_slot(PUBLISHERS, dead.run_id, "landing").is_claimed
        assert not slots.claim_concurrency_slot(PUBLISHERS, other.run_id, "landing").is_claimed
        assert bury(instance) == [dead.run_id]
        assert bury(instance) == []
        assert slots.claim_concurrency_slot(PUBLISHERS, other.run_id, "landing").is_claimed
        status = {one.run_id: one.status.name for one in instance.get_runs()}
    assert status == {dead.run_id: "FAILURE", other.run_id: "STARTED", ended.run_id: "SUCCESS"}


def test_old_runs_go_with_their_events_but_for_those_that_made_what_is_there(bare: Home):
    with open_instance(bare) as instance:
        first = dg.materialize([figure], instance=instance)
        second = dg.materialize([figure], instance=instance)
        third = empty.execute_in_process(instance=instance)
        outputs = [bare.dagster / "storage" / one.run_id for one in (first, second, third)]
        assert retire_runs(bare, instance) == [], "nothing is 90 days old"
        assert set(retire_runs(bare, instance, days=-1)) == {first.run_id, third.run_id}
        assert [one.run_id for one in instance.get_runs()] == [second.run_id]
        assert instance.get_latest_materialization_event(figure.key) is not None
        assert list(instance.all_logs(first.run_id)) == []
        assert not outputs[0].exists()


# --- what a run tells of itself ------------------------------------------------------------------------------------


def lines(log: RunLog) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()]


def test_a_step_is_one_line_with_rows_bytes_seconds_and_memory(tmp_path: Path):
    log = RunLog(tmp_path)
    log.step("core_x", run_log.MADE, seconds=1.5, why="its code has changed", rows=3, bytes=100, said=None)
    (line,) = lines(log)
    assert re.fullmatch(r"run-\d{8}T\d{9}Z\.jsonl", log.path.name)
    assert set(line) == {
        "time", "step", "state", "seconds", "why", "rows", "bytes", "peak_memory_bytes", "peak_memory_grew_bytes",
    }  # fmt: skip
    assert 10_000_000 < int(str(line["peak_memory_bytes"])) <= peak_memory_bytes()


def test_no_secret_stands_in_a_log_nor_in_what_is_kept_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CENSUS_API_KEY", SECRET)
    log = RunLog(tmp_path)
    log.step(
        "landing__x", run_log.FAILED, said=f"https://api.census.gov/data?get=NAME&key={SECRET}&for=us said {SECRET}"
    )
    write_last_run(tmp_path, {"ended_at": "now", "succeeded": False, "failures": [f"key={SECRET}"]})
    kept = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) == 2
    assert all(SECRET not in text for text in kept)
    assert lines(log)[0]["state"] == "failed"


def test_a_disk_that_takes_no_log_stops_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "logs").write_text("in the way", encoding="utf-8")
    log = RunLog(tmp_path)
    log.step("core_x", run_log.MADE)
    (tmp_path / "last_run.json").mkdir()
    monkeypatched = {"ended_at": "now", "succeeded": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_log, "read_last_run", lambda home: None)
        write_last_run(tmp_path, monkeypatched)
    assert "this run keeps no log" in caplog.text
    assert "how this run ended is not kept" in caplog.text


def test_old_logs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_log, "KEPT_LOGS", 3)
    (tmp_path / "logs").mkdir()
    for day in range(10, 16):
        (tmp_path / "logs" / f"run-202001{day}T000000000Z.jsonl").touch()
    log = RunLog(tmp_path)
    log.write(run="ended")
    names = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert names == ["run-20200114T000000000Z.jsonl", "run-20200115T000000000Z.jsonl", log.path.name]


def test_the_time_of_the_last_good_run_survives_a_bad_one(tmp_path: Path):
    write_last_run(tmp_path, {"ended_at": "2026-01-01T00:00:00+00:00", "succeeded": True})
    write_last_run(tmp_path, {"ended_at": "2026-01-02T00:00:00+00:00", "succeeded": False})
    kept = read_last_run(tmp_path)
    assert kept is not None
    assert (kept["succeeded"], kept["last_good_at"]) == (False, "2026-01-01T00:00:00+00:00")


# --- backup and restore, as the runbook says ------------------------------------------------------------------------


def test_a_home_that_was_backed_up_and_restored_is_published_and_has_nothing_to_do(sample_home: Path, tmp_path: Path):
    """The commands of docs/operations.md; the restored home takes no step and says how its last run went."""
    home = copy(sample_home, tmp_path / "headwaters")
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (backup, restore) = re.findall(r"^(?:flock|tar) .*headwaters-backup.*$", runbook, re.MULTILINE)
    place = str(tmp_path)
    for command in (backup, restore):
        local = command.replace("/var/lib/headwaters", f"{place}/headwaters").replace("/var/lib", place)
        local = local.replace("/backup/", f"{place}/")
        subprocess.run(local, shell=True, check=True)
        if command is backup:
            before = CliRunner().invoke(app, ["status", "--json", "--home", str(home.root)]).stdout
            shutil.rmtree(home.root)
    after = CliRunner().invoke(app, ["status", "--json", "--home", str(home.root)]).stdout
    assert json.loads(after) == json.loads(before)
    good = last_good_night(home)
    outcome = run(home.settings, {}, lambda total: lambda done, step: None)
    assert (outcome.succeeded, outcome.taken) == (True, {})
    again = last_good_night(home)
    assert good is not None
    assert again is not None
    assert again > good, "a night without news publishes nothing and is a good one"
    told = json.loads(CliRunner().invoke(app, ["status", "--json", "--home", str(home.root)]).stdout)["last_run"]
    assert told == summary.last_run(home.root)
    assert (told["succeeded"], told["taken"], told["unchanged"]) == (True, {}, len(home.steps.all))
    assert told["seconds"] > 0
    newest = max((home.root / "logs").iterdir())
    assert newest.name == told["log"]
    states = [json.loads(line).get("state") for line in newest.read_text(encoding="utf-8").splitlines()]
    assert set(states) == {"unchanged", None}, "a night without news says of every step that it had nothing to do"


def test_no_run_starts_while_a_backup_is_made(tmp_path: Path):
    """flock(1) of the runbook and the lock of a run are the same lock."""
    (tmp_path / "home").mkdir()
    lock = tmp_path / "home" / ".lock"
    with subprocess.Popen(["flock", str(lock), "sh", "-c", "echo held; read answer"], stdin=-1, stdout=-1) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BusyError), locked(tmp_path / "home"):
            pass
        holder.communicate(b"\n")
    with locked(tmp_path / "home"):
        pass


# --- the unit files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["daemon", "webserver"])
def test_a_unit_starts_what_is_installed_as_nobody_special_on_loopback(name: str):
    unit = ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / f"headwaters-{name}.service", encoding="utf-8")
    service = unit["Service"]
    command, *arguments = service["ExecStart"].split()
    assert (ROOT / ".venv" / "bin" / Path(command).name).exists() or shutil.which(Path(command).name)
    assert arguments[-2:] == ["-w", "/opt/headwaters/workspace.yaml"]
    assert (ROOT / "workspace.yaml").exists()
    if name == "webserver":
        assert arguments[:2] == ["-h", "127.0.0.1"]
    assert service["User"] == "headwaters"
    assert service["NoNewPrivileges"] == service["ProtectHome"] == "yes"
    text = (DEPLOY / f"headwaters-{name}.service").read_text(encoding="utf-8")
    assert "Environment=DAGSTER_HOME=/var/lib/headwaters/dagster" in text
    assert "CENSUS_API_KEY=" not in text, "secrets come from the environment file"
