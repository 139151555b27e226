"""A scheduled night with Dagster's memory in Postgres: a real server, installed where it can be, started here."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from pipelines.definitions import build_defs
from pipelines.home import Home
from pipelines.instance import WAVE, open_instance
from pipelines.schedules import JOB
from pipelines.settings import resolve
from tests.conftest import copy_home

pytest.importorskip("dagster_postgres", reason='dagster-postgres is not installed: pip install -e ".[postgres]"')

ROOT = Path(__file__).parents[2]
PASSWORD = "MARKER-pg-4c1d"
VARIABLE = "HEADWATERS_DAGSTER_POSTGRES_URL"


def binaries() -> Path | None:
    """The folder of a server's programs, or None."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    candidates = [*reversed(folders), *([Path(found).resolve().parent] if found else [])]
    return next((path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()), None)


def install() -> None:
    """Install a server where that is allowed: root, with apt; the test is skipped, saying so, where it is not."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("no Postgres server here, and none can be installed without root and apt-get")
    command = ["apt-get", "install", "-y", "--no-install-recommends", "postgresql"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode or binaries() is None:
        pytest.skip(f"no Postgres server here, and installing one failed: {done.stderr.strip()[-200:]}")


@dataclass
class Server:
    """A server on loopback with a password, its programs run as a user who is not root."""

    programs: Path
    folder: Path
    port: int

    def run(self, program: str, *arguments: str) -> None:
        # Postgres refuses to run as root.
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        with (self.folder / "said").open("ab") as said:
            command = [str(self.programs / program), *arguments]
            done = subprocess.run(command, stdout=said, stderr=said, cwd=self.folder, timeout=60, check=False, **user)  # type: ignore[call-overload]
        assert done.returncode == 0, (self.folder / "said").read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://headwaters:{PASSWORD}@127.0.0.1:{self.port}/postgres"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if binaries() is None:
        install()
    programs = binaries()
    assert programs is not None
    # A folder that another user can reach: pytest's own are for the user who runs the tests.
    folder = Path(tempfile.mkdtemp(prefix="headwaters-pg-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        (folder / "said").touch()
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, "postgres", "postgres")
        one = Server(programs, folder, port)
        data = str(folder / "data")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off"
        account = ["-U", "headwaters", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}"]
        one.run("initdb", "-D", data, *account, "--no-sync", "--locale=C", "--encoding=UTF8")
        one.run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield one
        finally:
            one.run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def home(tmp_path: Path, sample_home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Home:
    copy_home(sample_home, tmp_path / "home")
    (tmp_path / "home" / "dagster").mkdir()
    shutil.copyfile(ROOT / "docs" / "deploy" / "dagster-postgres.yaml", tmp_path / "home" / "dagster" / "dagster.yaml")
    monkeypatch.setenv(VARIABLE, server.url)
    return Home(resolve("sample", None, tmp_path / "home", {}))


def test_a_scheduled_night_is_kept_in_postgres(home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The tick of 02:30 asks for a run, the run takes place, and another process reads of it from the server."""
    region = home.settings.region.id
    config = {"nightly": {"input": "sample", "region": region, "home": str(home.root)}}
    definitions = build_defs(home.settings, config)
    (schedule,) = definitions.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    at = datetime(2026, 11, 25, 2, 30, tzinfo=ZoneInfo("America/Chicago"))
    with open_instance(home) as instance:
        assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
        with dg.build_schedule_context(instance, scheduled_execution_time=at) as context:
            tick = schedule.evaluate_tick(context)
        (request,) = tick.run_requests or ()
        tags = {**request.tags, "dagster/schedule_name": schedule.name}
        result = definitions.resolve_job_def(JOB).execute_in_process(instance=instance, tags=tags)
        assert result.success

    asked = (
        "import dagster as dg, json\n"
        "with dg.DagsterInstance.get() as instance:\n"
        "    runs = instance.get_runs()\n"
        "    print(json.dumps([[run.run_id, run.job_name, run.status.name, run.tags] for run in runs]))\n"
    )
    environment = {**os.environ, "DAGSTER_HOME": str(home.dagster)}
    told = subprocess.run(
        [sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    runs = {run_id: (job, status, tags) for run_id, job, status, tags in json.loads(told.stdout)}
    job, status, tags = runs[result.run_id]
    assert (job, status, tags["dagster/schedule_name"]) == (JOB, "SUCCESS", "nightly_schedule")
    waves = [status for _, status, tags in runs.values() if tags.get(WAVE) == "true"]
    assert waves
    assert set(waves) == {"SUCCESS"}
    assert not list(home.dagster.rglob("*.db")), "nothing is kept in SQLite files"
    written = [path for path in home.root.rglob("*") if path.is_file() and path.suffix != ".duckdb"]
    assert not [path.name for path in written if PASSWORD.encode() in path.read_bytes()]
    assert PASSWORD not in caplog.text
