"""Sensors of the Dagster daemon: each looks for one kind of trouble and tells people once."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipelines import alerts
from pipelines.alerts import Alert
from pipelines.home import Home
from pipelines.lateness import late_sources
from pipelines.notify import URLS_VARIABLE, addresses, send
from pipelines.redact import redact
from sources.registry import all_sources

Clock = Callable[[], datetime]
MINUTES, HOURS = 60, 3600
_WILL_RETRY = "dagster/will_retry"
_RUNNING = dg.DefaultSensorStatus.RUNNING


def tell(alert: Alert, config: Mapping[str, Any], log: Any) -> bool:
    """Send an alert to everybody; where there is nobody, it stands in the sensor's log.

    Returns:
        Whether anybody was told.

    Raises:
        AlertError: nobody took it.
    """
    to = addresses(config)
    log.warning(f"{alert.title}\n{alert.body()}")
    if not to:
        log.warning(f"nobody is told: neither [alerts] urls in headwaters.toml nor {URLS_VARIABLE} is set")
        return False
    done = send(alert.title, alert.body(config.get("alerts", {}).get("runbook", alerts.RUNBOOK)), to)
    for label in done.failed:
        log.warning(f"{label} did not take the alert")
    return True


def _now() -> datetime:
    return datetime.now(UTC)


def build_sensors(
    home: Home, config: Mapping[str, Any], night: dg.JobDefinition, clock: Clock = _now
) -> list[dg.SensorDefinition]:
    """The sensors of one home.

    Args:
        config: headwaters.toml, with the section [alerts].
        night: the job whose failures are told.
        clock: tells the time.
    """
    return [
        _night_failed(home, config, night),
        _source_late(home, config, clock),
        _check_suspicious(home, config),
        _nothing_published(home, config, clock),
    ]


def _night_failed(home: Home, config: Mapping[str, Any], night: dg.JobDefinition) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        monitored_jobs=[night],
        default_status=_RUNNING,
        minimum_interval_seconds=MINUTES,
        description="Tells of every night that fails: which source, table and rule.",
    )
    def night_failed(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        if run.tags.get(_WILL_RETRY) == "true":
            return dg.SkipReason("Dagster tries this run again")
        record = context.instance.get_run_record_by_id(run.run_id)
        began = datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else None
        said = "; ".join(_said(event) for event in context.get_step_failure_events())
        tell(alerts.of_failure(home, began, said or redact(context.failure_event.message or "")), config, context.log)
        return None

    return night_failed


def _said(event: dg.DagsterEvent) -> str:
    from pipelines.running import message_of  # loads the definitions, which load this

    return message_of(event.step_failure_data.error)


def _source_late(home: Home, config: Mapping[str, Any], clock: Clock) -> dg.SensorDefinition:
    @dg.sensor(
        default_status=_RUNNING,
        minimum_interval_seconds=6 * HOURS,
        description="Tells of every source of which nothing new was landed within its publisher's cadence, once.",
    )
    def source_late(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        told = json.loads(context.cursor or "{}")
        late = late_sources(all_sources(), home.landing.snapshots(), clock().date())
        due = {one.source_id: one.due.isoformat() for one in late}
        new = [one for one in late if told.get(one.source_id) != due[one.source_id]]
        if new and not tell(alerts.of_late(home, new), config, context.log):
            return dg.SkipReason(f"{len(new)} late, and nobody to tell")
        context.update_cursor(json.dumps(due))
        return dg.SkipReason(f"{len(late)} sources are late, {len(new)} of them since the last look")

    return source_late


def _check_suspicious(home: Home, config: Mapping[str, Any]) -> dg.SensorDefinition:
    @dg.sensor(
        default_status=_RUNNING,
        minimum_interval_seconds=10 * MINUTES,
        description="Tells of warnings that a new release has and the one before it had not.",
    )
    def check_suspicious(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        release = alerts.current_release(home)
        if release is None or str(release) == context.cursor:
            return dg.SkipReason("no new release")
        found = alerts.of_suspicion(home, release)
        if found and not tell(found, config, context.log):
            return dg.SkipReason("new warnings, and nobody to tell")
        context.update_cursor(str(release))
        return dg.SkipReason(f"release {release}: {'people were told' if found else 'nothing newly suspicious'}")

    return check_suspicious


def _nothing_published(home: Home, config: Mapping[str, Any], clock: Clock) -> dg.SensorDefinition:
    @dg.sensor(
        default_status=_RUNNING,
        minimum_interval_seconds=HOURS,
        description="Tells when no night has come to a good end for [alerts] nights, and again after as many more.",
    )
    def nothing_published(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now, nights = clock(), alerts.nights_of(config)
        told = json.loads(context.cursor or "{}")
        first = told.setdefault("first_look", now.isoformat())
        since = alerts.last_good_night(home) or datetime.fromisoformat(first)
        times = (now - since).days // nights
        found = alerts.of_silence(home, since, now, nights)
        mark = f"{since.isoformat()} {times}"
        if found and told.get("told") != mark and tell(found, config, context.log):
            told["told"] = mark
        context.update_cursor(json.dumps(told))
        return dg.SkipReason(f"the last good run ended {since.isoformat(timespec='minutes')}")

    return nothing_published
