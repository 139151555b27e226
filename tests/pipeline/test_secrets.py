"""Live runs on the command line, against publishers on loopback: what a success publishes, and that no key is told."""

import json
import os
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as Asked
from werkzeug import Response

from atlas import summary
from sources.registry import all_sources
from tests.publisher import Publisher, hosts

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

# Needs quoting, so that it could turn up in several forms; every form holds the marker.
MARKER = "MARKER5f1c"
KEY = f"{MARKER}/+={MARKER}%4f"
CENSUS = "https://api.census.gov"
# The command line as it is, but for how long it waits before it asks a publisher again.
COMMAND = """
import functools
from pipelines import assets, cli
from pipelines.http import HttpFetcher
assets.RETRY_DELAY = 0
assets.HttpFetcher = functools.partial(HttpFetcher, attempts=2, wait_initial=0.01, retry_after_max=0.1)
cli.main()
"""


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return ("127.0.0.1", 0)


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def headwaters(home: Path, hosts: dict[str, str], *more: str) -> Ran:
    """`headwaters run --input live --region 97`, in a process of its own, with the key in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"CENSUS_API_KEY": KEY, "HEADWATERS_REWRITE_HOSTS": json.dumps(hosts)}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "run", "--input", "live", "--region", "97", "--home", str(home), *more],
        env=environment,
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher(key=KEY) as server:
        yield server


def with_census(publisher: Publisher, server: str) -> dict[str, str]:
    """Every publisher as it should be, but for the Census API."""
    return {**publisher.rewrite, CENSUS: server}


def assert_nobody_was_told(home: Path, ran: Ran) -> None:
    """The marker is in no file under the home and in nothing that was printed."""
    assert MARKER not in ran.out + ran.err
    files = [path for path in home.rglob("*") if path.is_file()]
    telling = [str(path.relative_to(home)) for path in files if MARKER.encode() in path.read_bytes()]
    assert telling == []
    # Dagster's event log is what holds tracebacks: it is there, and it is among the files that were read.
    logs = [path for path in files if path.suffix == ".db" and path.parent.name == "runs"]
    events = ""
    for path in logs:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'event_logs'").fetchall():
                events += "".join(event for (event,) in connection.execute("SELECT event FROM event_logs"))
        finally:
            connection.close()
    assert "landing__census_acs5" in events
    assert MARKER not in events


# --- a live run that fails ---------------------------------------------------------------------------------------


def tells_what_it_was_asked(status: int, title: str) -> object:
    """A page that repeats the address with the key, as some servers' error pages do."""

    def respond(asked: Asked) -> Response:
        return Response(f"<html><title>{title} {asked.url}</title>{asked.full_path} {asked.args.get('key')}", status)

    return respond


@pytest.fixture
def resets() -> Iterator[str]:
    """A server that reads a request and resets the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen: list[bytes] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                seen.append(connection.recv(65536))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)
        assert any(MARKER.encode() in request for request in seen), "the key was sent, so it could have been told"


@pytest.mark.parametrize(
    ("status", "title", "says"),
    [(500, "Down at", "HTTP 500"), (200, "Invalid Key", r"does not accept the key \(Invalid Key\)")],
    ids=["error 500", "invalid key"],
)
def test_a_failing_live_run_tells_nobody_the_key(
    httpserver: HTTPServer, publisher: Publisher, tmp_path: Path, status: int, title: str, says: str
):
    httpserver.expect_request(re.compile("/census/.*")).respond_with_handler(tells_what_it_was_asked(status, title))  # type: ignore[arg-type]
    home = tmp_path / "home"
    ran = headwaters(home, with_census(publisher, httpserver.url_for("/census")))
    assert any(MARKER in asked.args.get("key", "") for asked, _ in httpserver.log), "the key was sent"
    assert ran.code == 1, ran.err
    assert re.search(says, ran.err)
    assert "nothing is published" in ran.err
    assert "Traceback" not in ran.err + ran.out
    assert_nobody_was_told(home, ran)


def test_a_connection_that_is_reset_tells_nobody_the_key(publisher: Publisher, resets: str, tmp_path: Path):
    home = tmp_path / "home"
    ran = headwaters(home, with_census(publisher, resets), "--json")
    assert ran.code == 1, ran.err
    assert "expected an answer" in ran.err
    assert "Traceback" not in ran.err + ran.out
    assert_nobody_was_told(home, ran)


# --- a live run that succeeds ------------------------------------------------------------------------------------


def test_a_live_run_publishes_what_the_publishers_serve_and_tells_nobody_the_key(publisher: Publisher, tmp_path: Path):
    home = tmp_path / "home"

    ran = headwaters(home, publisher.rewrite, "--json")

    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["status"]["input"], told["status"]["region"], told["status"]["is_simulated"]) == ("live", "97", False)
    assert len(told["areas"]) == 10
    assert_nobody_was_told(home, ran)
    asked_with_key = [one.asked for one in publisher.log if one.asked.host == "api.census.gov"]
    assert {asked.query.get("key") for asked in asked_with_key} == {KEY}
    assert {one.status for one in publisher.log} <= {200, 204}
    # One host is only asked by `headwaters doctor`.
    assert {one.asked.host for one in publisher.log} == set(hosts()) - {"purl.stanford.edu"}

    bound = json.loads((home / "home.json").read_text())
    assert (bound["kind"], bound["region"]) == ("real", "97")
    with duckdb.connect(str((home / summary.CURRENT).resolve()), read_only=True) as reader:
        absent = dict(reader.execute("SELECT part, reason FROM meta.absent").fetchall())
        not_live = [source for source in all_sources().values() if source.fetch is None]
        assert not_live
        for source in not_live:
            for table in source.tables:
                assert absent[table.key] == source.not_live
                assert reader.execute(f"SELECT count(*) FROM {table.key}").fetchall() == [(0,)]
        assert reader.execute("SELECT bool_or(is_simulated) FROM risk.scores").fetchall() == [(False,)]
        comments = reader.execute("SELECT comment FROM duckdb_tables() UNION ALL SELECT comment FROM duckdb_views()")
        assert not [comment for (comment,) in comments.fetchall() if comment and comment.startswith("SIMULATED")]
        snapshots = reader.execute("SELECT address, etag, last_modified, is_simulated FROM meta.snapshots").fetchall()
    assert snapshots
    for address, etag, modified, is_simulated in snapshots:
        assert address.startswith(tuple(publisher.rewrite)), "the publisher's address, not that of its stand-in"
        assert MARKER not in address
        assert etag or modified
        assert not is_simulated
