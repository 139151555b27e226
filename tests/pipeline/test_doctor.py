"""`headwaters doctor`: what it says of publishers that are well, down, changed, ahead or late."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from random import Random

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.doctor import Finding, examine
from pipelines.http import HttpFetcher
from sources.registry import all_sources
from sources.source import Request, Source
from tests.publisher import KEY, Answer, Asked, Publisher
from tests.publisher.faults import FAULTS, Once

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

TODAY = date(2026, 11, 25)
LIVE = [source.id for source in all_sources().values() if source.fetch is not None]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENSUS_API_KEY", KEY)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as server:
        yield server


def ask(source: Source, publisher: Publisher, today: date = TODAY) -> Finding:
    fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01, retry_after_max=0.05, timeout=5.0)
    [found] = examine([source], fetcher, today)
    return found


@pytest.mark.parametrize("source_id", LIVE)
def test_a_publisher_that_is_well(publisher: Publisher, source_id: str):
    source = all_sources()[source_id]
    found = ask(source, publisher)
    assert (found.state, found.newer, found.is_broken) == ("good", None, False), found.said
    assert found.vintage == [vintage.id for vintage in source.vintages if vintage.live][-1]
    assert found.key == ("accepted" if source.key else None)
    # One file for ours, a question for each of the next two years, the key: a doctor is no second download.
    assert 1 <= len(publisher.log) <= 5


@pytest.mark.parametrize("source_id", LIVE)
@pytest.mark.parametrize("fault", ["html_with_200", "server_error", "empty_body"])
def test_a_publisher_that_is_not(publisher: Publisher, source_id: str, fault: str):
    publisher.fault = Once(FAULTS[fault], Random(1), stays=True)
    found = ask(all_sources()[source_id], publisher)
    assert found.state == "broken"
    assert "expected" in found.said and "got" in found.said


def test_an_answer_of_another_shape(publisher: Publisher):
    def renamed(asked: Asked, answer: Answer) -> Answer:
        return replace(answer, body=answer.body.replace(b"county_fips", b"county_code"))

    publisher.fault = renamed
    found = ask(all_sources()["coc_county"], publisher)
    assert found.state == "broken"
    assert "another shape" in found.said and "county_fips" in found.said


def test_nobody_there(publisher: Publisher):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    fetcher = HttpFetcher(rewrite=dict.fromkeys(publisher.rewrite, f"http://127.0.0.1:{port}"), attempts=1, timeout=1.0)
    [found] = examine([all_sources()["coc_county"]], fetcher, TODAY)
    assert (found.state, found.is_broken) == ("broken", True)


def test_a_newer_vintage_and_a_late_one(publisher: Publisher):
    source = all_sources()["coc_county"]
    assert source.probe is not None
    ours = source.probe("2017")
    ahead = replace(source, probe=lambda vintage: replace(ours, name=f"{vintage}.csv"))
    assert ask(ahead, publisher).newer == "2018"
    old = replace(source.vintages[0], id="2017", live=True, released="2025-01-01")

    def nothing_newer(vintage: str) -> Request:
        return ours if vintage == "2017" else replace(ours, address=ours.address.replace("county_coc", "no_such"))

    late = replace(source, probe=nothing_newer, vintages=(old,), cadence_days=365)
    assert (ask(late, publisher).newer, ask(late, publisher).late_days) == (None, 328)
    assert ask(late, publisher, date(2025, 12, 31)).late_days == 0


def test_a_key_that_is_refused_and_one_that_is_not_set(publisher: Publisher, monkeypatch: pytest.MonkeyPatch):
    source = all_sources()["census_acs5"]
    monkeypatch.setenv("CENSUS_API_KEY", "wrong-key-1")
    found = ask(source, publisher)
    assert (found.key, found.is_broken) == ("refused", True)
    assert "wrong-key-1" not in found.said
    monkeypatch.delenv("CENSUS_API_KEY")
    assert (ask(source, publisher).key, ask(source, publisher).is_broken) == ("not set", False)


def test_on_the_command_line(publisher: Publisher, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEADWATERS_REWRITE_HOSTS", json.dumps(publisher.rewrite))
    well = CliRunner().invoke(app, ["doctor", "--json", "--source", "coc_county", "--source", "acf_afcars"])
    assert well.exit_code == 0, well.output
    told = {one["source_id"]: one for one in json.loads(well.stdout)}
    assert told["coc_county"]["state"] == "good"
    assert told["acf_afcars"]["state"] in ("good", "not live")
    publisher.fault = Once(FAULTS["server_error"], Random(1), stays=True)
    ill = CliRunner().invoke(app, ["doctor", "--source", "coc_county"])
    assert ill.exit_code == 1
    assert "broken" in ill.stdout and "HTTP 500" in " ".join(ill.stdout.split())
    assert CliRunner().invoke(app, ["doctor", "--source", "nobody"]).exit_code == 2
