"""Every alert of the runbook, triggered on purpose against a webhook on loopback; its message is read."""

import json
import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from pytest_httpserver import HTTPServer

from pipelines import alerts
from pipelines.broken import named_failure
from pipelines.definitions import build_defs
from pipelines.home import Home
from pipelines.instance import open_instance
from pipelines.lateness import late_sources
from pipelines.notify import URLS_VARIABLE, AlertError, addresses, send
from pipelines.schedules import JOB
from pipelines.sensors import build_sensors
from pipelines.settings import resolve
from pipelines.warehouse import point_to, published_files
from quality.contract import Table
from quality.gx import CheckResult
from sources.registry import all_sources
from sources.source import Source, SourceError
from tests.conftest import copy_home

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

TOKEN = "T0ken-MARKER9d3e"
RUNBOOK = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def home(tmp_path: Path, sample_home: Path) -> Home:
    return Home(resolve("sample", None, copy_home(sample_home, tmp_path / "home"), {}))


class Webhook:
    """A webhook with a token in its address, and what was sent to it."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.url = f"json://127.0.0.1:{server.port}/{TOKEN}"
        server.expect_request(re.compile("/.*"), method="POST").respond_with_json({})

    @property
    def messages(self) -> list[str]:
        bodies = [json.loads(asked.get_data()) for asked, _ in self.server.log]
        return [f"{body['title']}\n{body['message']}" for body in bodies]


@pytest.fixture
def webhook(httpserver: HTTPServer) -> Webhook:
    return Webhook(httpserver)


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that is logged; the token of the webhook is nowhere in it."""
    with caplog.at_level(logging.DEBUG):
        yield caplog
    assert TOKEN not in caplog.text


def sensor(home: Home, webhook: Webhook, name: str, now: datetime | None = None) -> dg.SensorDefinition:
    config = {"alerts": {"urls": [webhook.url], "nights": 3}}
    night = build_defs(home.settings, config).resolve_job_def(JOB)
    found = build_sensors(home, config, night, (lambda: now) if now else lambda: datetime.now(UTC))
    return next(one for one in found if one.name == name)


def tick(one: dg.SensorDefinition, cursor: str | None = None) -> str | None:
    """Evaluate a sensor once; returns its cursor."""
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance, cursor=cursor) as context:
        return one.evaluate_tick(context).cursor


def assert_says_what_to_do(message: str, kind: str) -> None:
    assert re.search(r"Last good release: \d+, published 20\d\d-", message)
    assert f"What to do: docs/operations.md{alerts.anchor(kind)}" in message
    assert "(SIMULATED)" in message.splitlines()[0]
    assert TOKEN not in message


# --- run failed ----------------------------------------------------------------------------------------------------


def test_a_night_that_fails_names_the_sources_the_rules_and_the_last_good_release(
    home: Home, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, watched: pytest.LogCaptureFixture
):
    """One source cannot be read, and a table of another breaks a rule; both are in the one message of that night."""
    from pipelines import checks, ingest

    land, judge = ingest.land, checks.judge_stored

    def cannot_read(home: Home, source: Source, *rest: Any) -> Any:
        if source.id == "hud_pit":
            raise SourceError("the workbook has the columns A, B, but CoC Number is expected")
        return land(home, source, *rest)

    def breaks_a_rule(home: Home, table: Table, severity: Any) -> list[CheckResult]:
        first, *others = judge(home, table, severity)
        broken = table.key == "core.bls_laus_county"
        return [replace(first, passed=False, rule="keys are unique", observed="2 rows") if broken else first, *others]

    monkeypatch.setattr(ingest, "land", cannot_read)
    monkeypatch.setattr(checks, "judge_stored", breaks_a_rule)
    home.steps.forget("core.bls_laus_county")
    config = {"alerts": {"urls": [webhook.url]}}
    job = build_defs(home.settings, config).resolve_job_def(JOB)
    with open_instance(home) as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        assert not result.success
        (ended,) = [event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE"]
        context = dg.build_run_status_sensor_context("night_failed", ended, instance, result.dagster_run)
        sensor(home, webhook, "night_failed")(context.for_run_failure())

    (message,) = webhook.messages
    assert message.splitlines()[0].endswith(": run failed: hud_pit, bls_laus")
    assert "Source: hud_pit, bls_laus\n" in message
    assert "Rule: core.bls_laus_county: keys are unique | the step landing__hud_pit must succeed\n" in message
    assert "the workbook has the columns A, B, but CoC Number is expected" in message
    assert re.search(r"core\.bls_laus_county: rule keys are unique.* is broken: 2 rows", message)
    assert_says_what_to_do(message, alerts.RUN_FAILED)
    lines = [json.loads(line) for line in newest_log(home).read_text(encoding="utf-8").splitlines()]
    states = {line["step"]: line for line in lines if "step" in line}
    assert states["landing__hud_pit"]["state"] == "failed"
    assert "CoC Number is expected" in states["landing__hud_pit"]["said"]
    assert states["core_hud_pit"] == states["core_hud_pit"] | {
        "state": "waiting",
        "why": "it reads landing:hud_pit, which failed",
    }
    assert states["core_bls_laus"]["rows"] > 0


def newest_log(home: Home) -> Path:
    return max((home.root / "logs").glob("run-*.jsonl"))


def test_a_run_that_dagster_tries_again_is_not_told(home: Home, webhook: Webhook):
    with dg.DagsterInstance.ephemeral() as instance:
        gone = dg.DagsterRun(JOB, status=dg.DagsterRunStatus.FAILURE, tags={"dagster/will_retry": "true"})
        event = dg.DagsterEvent("PIPELINE_FAILURE", JOB, message="the process was killed")
        context = dg.build_run_status_sensor_context("night_failed", event, instance, gone)
        sensor(home, webhook, "night_failed")(context.for_run_failure())
    assert webhook.messages == []


def test_a_night_of_which_the_process_died_is_told_with_what_dagster_knows(home: Home, webhook: Webhook):
    with dg.DagsterInstance.ephemeral() as instance:
        gone = dg.DagsterRun(JOB, status=dg.DagsterRunStatus.FAILURE)
        event = dg.DagsterEvent("PIPELINE_FAILURE", JOB, message="Exceeded maximum runtime of 21600 seconds.")
        context = dg.build_run_status_sensor_context("night_failed", event, instance, gone)
        sensor(home, webhook, "night_failed")(context.for_run_failure())
    (message,) = webhook.messages
    assert "Rule: a night must come to its end\nFound: Exceeded maximum runtime of 21600 seconds." in message
    assert_says_what_to_do(message, alerts.RUN_FAILED)


def test_a_broken_rule_is_named_with_the_sources_of_its_table(home: Home):
    """As `judging.explain` words it; an indicator's sources are those of the tables that it reads."""
    said = (
        "core.hud_pit_coc: rule a total is the sum of its parts on column 'count' is broken: 3 rows; rows: coc=MO-500; "
        "files: hud_pit/2024/a.xlsb; core.hud_pit_coc: rule keys are unique is broken: 1 row"
    )
    found = named_failure(home, "core__hud_pit_coc_contract", said)
    assert (found.tables, found.sources) == (["core.hud_pit_coc"], ["hud_pit"])
    assert found.rules == ["a total is the sum of its parts", "keys are unique"]
    indicator = named_failure(home, "x", "indicator.learning_rate_score: rule values are finite is broken: 1 row")
    assert "seda" in indicator.sources
    assert "bls_laus" not in indicator.sources


# --- source late ---------------------------------------------------------------------------------------------------


def test_a_source_is_late_when_nothing_new_came_within_its_cadence(home: Home, webhook: Webhook):
    landed = {one.fetched_at for one in home.landing.snapshots("bls_laus")}
    day = datetime.fromisoformat(max(landed)).date()
    due = day + timedelta(days=all_sources()["bls_laus"].cadence_days)
    snapshots = home.landing.snapshots("bls_laus")
    assert late_sources(all_sources(), snapshots, due) == []
    (late,) = late_sources(all_sources(), snapshots, due + timedelta(days=1))
    assert (late.source_id, late.landed, late.due, late.days) == ("bls_laus", day, due, 1)


def test_a_late_source_is_told_once(home: Home, webhook: Webhook, watched: pytest.LogCaptureFixture):
    """401 days on, what is due within 400 days is late, and what is due within 500 is not."""
    day = max(datetime.fromisoformat(one.fetched_at) for one in home.landing.snapshots())
    one = sensor(home, webhook, "source_late", day + timedelta(days=401))
    cursor = tick(one)
    (message,) = webhook.messages
    late = {source.id for source in all_sources().values() if source.cadence_days <= 400}
    assert set(re.search(r"Source: (.*)", message).group(1).split(", ")) == late  # type: ignore[union-attr]
    assert "Rule: freshness: something new is landed within the publisher's cadence" in message
    assert f"census_acs5: newest vintage 2023, new file {day.date()}" in message
    assert_says_what_to_do(message, alerts.SOURCE_LATE)
    assert tick(one, cursor) == cursor
    assert len(webhook.messages) == 1
    assert sorted(json.loads(cursor or "")) == sorted(late)


def test_no_source_is_late_on_the_day_after_it_was_landed(home: Home, webhook: Webhook):
    tick(sensor(home, webhook, "source_late", datetime.now(UTC) + timedelta(days=1)))
    assert webhook.messages == []
    assert late_sources(all_sources(), [], date(2099, 1, 1)) == []


# --- check suspicious ----------------------------------------------------------------------------------------------


def release_with_warnings(home: Home, number: int, *rules: tuple[str, str]) -> None:
    """A further release of the home: a copy of the first in which these rules, all that it has, are suspicious."""
    path = home.published / f"headwaters-{number:06d}.duckdb"
    shutil.copyfile(published_files(home)[number - 1], path)
    path.chmod(0o644)
    with duckdb.connect(str(path)) as writer:
        writer.execute("UPDATE meta.checks SET passed = true")
        for table, rule in rules:
            writer.execute(
                "INSERT INTO meta.checks BY NAME SELECT * REPLACE "
                "(? AS table_key, ? AS rule, 'count' AS column_name, 'warning' AS severity, false AS passed, "
                "'fell by 31%' AS observed) FROM meta.checks LIMIT 1",
                [table, rule],
            )
    point_to(home, path)


def test_warnings_that_the_release_before_did_not_have_are_told(
    home: Home, webhook: Webhook, watched: pytest.LogCaptureFixture
):
    one, at = sensor(home, webhook, "check_suspicious"), alerts.current_release(home)
    assert at is not None
    cursor = tick(one, str(at))
    assert (cursor, webhook.messages) == (str(at), []), "no new release"
    assert alerts.of_suspicion(home, min(published_files(home))) is None, "there is no release before the first"
    old, new = ("core.hud_pit_coc", "rows stay"), ("core.census_saipe_county", "shares move less than 30%")
    release_with_warnings(home, at + 1, old)
    cursor = tick(one, cursor)
    release_with_warnings(home, at + 2, old, new)
    cursor = tick(one, cursor)
    first, second = webhook.messages
    assert "Source: hud_pit\nRule: core.hud_pit_coc: rows stay\n" in first
    assert "Source: census_saipe\nRule: core.census_saipe_county: shares move less than 30%\n" in second
    assert f"new since release {at + 1}, in release {at + 2}: 1 of the warnings" in second
    assert "core.census_saipe_county count: shares move less than 30%: fell by 31%" in second
    assert "hud_pit" not in second
    assert_says_what_to_do(second, alerts.CHECK_SUSPICIOUS)
    release_with_warnings(home, at + 3, old)
    tick(one, cursor)
    assert len(webhook.messages) == 2, "what was told, and what has gone, is not told again"


# --- nothing published ---------------------------------------------------------------------------------------------


def test_nights_without_a_good_run_are_told_and_told_again(
    home: Home, webhook: Webhook, watched: pytest.LogCaptureFixture
):
    good = alerts.last_good_night(home)
    assert good is not None
    cursor = None
    for days, told in ((1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 2)):
        one = sensor(home, webhook, "nothing_published", good + timedelta(days=days, minutes=5))
        cursor = tick(one, cursor)
        assert len(webhook.messages) == told, days
    message = webhook.messages[0]
    assert "Rule: a run must succeed at least every 3 nights" in message
    assert f"3 nights without a good run, since {good.isoformat(timespec='minutes')}" in message
    assert_says_what_to_do(message, alerts.NOTHING_PUBLISHED)


# --- telling -------------------------------------------------------------------------------------------------------


def test_addresses_come_from_the_file_and_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(URLS_VARIABLE, "slack://a/b/c\n json://example.org")
    assert addresses({"alerts": {"urls": ["mailto://one"]}}) == ["mailto://one", "slack://a/b/c", "json://example.org"]
    for wrong in ({"urls": f"json://{TOKEN}"}, {"urls": [1]}, {"url": [f"json://{TOKEN}"]}):
        with pytest.raises(AlertError, match=r"\[alerts\]") as error:
            addresses({"alerts": wrong})
        assert TOKEN not in str(error.value)


def test_an_address_that_nobody_answers_at_is_named_by_its_place(
    httpserver: HTTPServer, webhook: Webhook, watched: pytest.LogCaptureFixture
):
    httpserver.clear()
    httpserver.expect_request("/good").respond_with_json({})
    httpserver.expect_request(re.compile("/bad.*")).respond_with_data("no", status=500)
    good, bad = (f"json://127.0.0.1:{httpserver.port}/{path}" for path in ("good", f"bad/{TOKEN}"))
    done = send("title", f"a body that repeats {bad}", [good, bad])
    assert (done.taken, done.failed) == (1, ["address 2 (json)"])
    assert [asked.path for asked, _ in httpserver.log] == ["/good", f"/bad/{TOKEN}", f"/bad/{TOKEN}"]
    assert all(TOKEN not in asked.get_data(as_text=True) for asked, _ in httpserver.log)
    with pytest.raises(AlertError, match=r"^nobody was told of 'title': address 1 \(json\) did not take it$"):
        send("title", "body", [bad])
    with pytest.raises(AlertError, match=r"^address 1 \(nosuch\) of .* is none that apprise knows") as error:
        send("title", "body", [f"nosuch://{TOKEN}"])
    assert TOKEN not in str(error.value)


def test_a_sensor_with_nobody_to_tell_says_so_and_looks_again(home: Home, webhook: Webhook):
    day = max(datetime.fromisoformat(one.fetched_at) for one in home.landing.snapshots())
    night = build_defs(home.settings, {}).resolve_job_def(JOB)
    one = build_sensors(home, {}, night, lambda: day + timedelta(days=450))[1]
    assert tick(one) is None, "the cursor stays: once there is somebody, they are told"


def test_the_secrets_of_publishers_are_in_no_alert(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CENSUS_API_KEY", TOKEN)
    alert = alerts.of_failure(home, None, f"https://api.census.gov/data?key={TOKEN} said {TOKEN}")
    assert TOKEN not in alert.title + alert.body()


@pytest.mark.parametrize("kind", alerts.KINDS)
def test_the_runbook_has_a_section_on_every_alert(kind: str):
    headings = re.findall(r"^#+ (.*)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {f"#{heading.lower().replace(' ', '-').replace(':', '').replace('`', '')}" for heading in headings}
    assert alerts.anchor(kind) in anchors
