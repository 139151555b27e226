"""Run the pipeline in this process, what is stale of it, and say what happened in terms of files and rules.

A run goes in waves: first every source is asked for news; then, order by order, the steps whose recipes have changed
are taken, one Dagster run a wave, and whoever reads what came out the same is left alone. A night without news takes
no step.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg

from atlas import summary
from pipelines import warehouse
from pipelines.assets import LANDING_OP, WAREHOUSE, asset_key, landing_key
from pipelines.broken import Broken, named_failure
from pipelines.checks import is_check
from pipelines.definitions import build_defs
from pipelines.files import hindrance, sweep
from pipelines.home import Home
from pipelines.inputs import strangers
from pipelines.instance import WAVE, bury, open_instance, retire_runs
from pipelines.locking import locked
from pipelines.redact import redact
from pipelines.releases import retire
from pipelines.run_log import FAILED, JUDGED, MADE, UNCHANGED, WAITING, RunLog, write_last_run
from pipelines.run_log import now as present
from pipelines.schedules import EVERYTHING
from pipelines.settings import Settings, check_binding, retention
from pipelines.staleness import LANDING, ONLY_NEWS, VINTAGES, Step
from pipelines.staleness import WAREHOUSE as WAREHOUSE_STEP
from sources.registry import all_sources

Progress = Callable[[int, str], None]
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its failures and its warnings, in words, and each step that was taken, with the reason."""

    succeeded: bool
    failures: list[str]
    warnings: list[str]
    taken: dict[str, str] = field(default_factory=dict)
    unchanged: int = 0
    broken: list[Broken] = field(default_factory=list)


@dataclass
class _Made:
    """What a step has made so far."""

    began: float
    rows: int | None = None
    bytes: int | None = None


class _Listener(logging.Handler):
    """Turns Dagster's log into progress and the run's own log, and collects warnings; prints nothing itself."""

    def __init__(self, home: Home, log: RunLog, progress: Progress) -> None:
        super().__init__(logging.DEBUG)
        self._home, self._log = home, log
        self._done, self._progress = 0, progress
        self._at_work: dict[str, _Made] = {}
        self.warnings: list[str] = []
        self.why: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            message = meta.get("orig_message") or record.getMessage()
            # After a failure Dagster lists every step that it leaves out; the failure itself says enough.
            if record.levelno >= logging.WARNING and not message.startswith("Dependencies for step"):
                self.warnings.append(redact(message))
            return
        step, kind = event.step_key or "", event.event_type_value
        if kind == "STEP_START":
            self._at_work[step] = _Made(record.created)
        elif kind == "ASSET_MATERIALIZATION":
            self._count(step, event.step_materialization_data.materialization)
        elif kind in ("STEP_SUCCESS", "STEP_FAILURE"):
            self._end(step, event, record.created)
            if not is_check(step):
                self.pass_by(step)

    def _count(self, step: str, made: dg.AssetMaterialization) -> None:
        """Add the rows and bytes of what a step has just made."""
        found = self._at_work[step]
        values = {name: getattr(value, "value", None) for name, value in made.metadata.items()}
        path = self._home.tables.path(".".join(made.asset_key.path))
        size = values.get("bytes") or (path.stat().st_size if path.exists() else 0)
        found.bytes = (found.bytes or 0) + int(size)
        if "dagster/row_count" in values:
            found.rows = (found.rows or 0) + int(values["dagster/row_count"] or 0)

    def _end(self, step: str, event: dg.DagsterEvent, at: float) -> None:
        """Write the line of a step that has ended."""
        made = self._at_work.pop(step, _Made(at))
        seconds, why = round(at - made.began, 3), self.why.get(step)
        if event.is_step_failure:
            self._log.step(step, FAILED, seconds=seconds, why=why, said=message_of(event.step_failure_data.error))
        elif is_check(step):
            self._log.step(step, JUDGED, seconds=seconds)
        elif step.startswith(LANDING_OP) and made.bytes is None:
            self._log.step(step, UNCHANGED, seconds=seconds, why="the source has nothing new")
        else:
            self._log.step(step, MADE, seconds=seconds, why=why, rows=made.rows, bytes=made.bytes)

    def leave(self, step: str, state: str, why: str) -> None:
        """A step that is not taken, and why."""
        self._log.step(step, state, why=why)
        self.pass_by(step)

    def pass_by(self, name: str) -> None:
        """One step less to go."""
        self._done += 1
        self._progress(self._done, name)


def message_of(error: Any) -> str:
    """What our own code said, without Dagster's wrapping and without what a library said below it."""
    while error.cause is not None and (error.cls_name or "").startswith(("Dagster", "RetryRequested")):
        error = error.cause
    return redact(error.message.strip().removeprefix(f"{error.cls_name}: ").rsplit(f"{error.cls_name}: ", 1)[-1])


def run(
    settings: Settings,
    config: Mapping[str, Any],
    progress: Callable[[int], Progress],
    *,
    everything: bool = False,
    vintages: Mapping[str, Sequence[str]] | None = None,
) -> Outcome:
    """Land, parse, define, score, judge and publish what is stale.

    Args:
        progress: given the number of steps, returns what is told of each step that ends.
        everything: take every step, stale or not.
        vintages: by source, those to land; no other source is asked, and all else stays as it was landed.

    Raises:
        BusyError: another run is at work on this home.
        SettingsError: the home is bound to another region or to the other kind of data.
    """
    check_binding(settings)
    home = Home(settings)
    keep, days = retention(config)
    try:
        with locked(home.root):
            warehouse.sweep(home)
            sweep(home.root, without=frozenset({home.dagster.name}))
            log = RunLog(home.root)
            try:
                outcome = _Night(home, config, progress, log, everything=everything, vintages=vintages).run()
            except Exception as error:  # of Dagster's own storage, which lies in the home too
                outcome = _hindered(home, error)
            if outcome.succeeded:
                for path in retire(home, keep, days):
                    _LOG.info("retired %s", path.name)
            _keep(home, log, outcome)
            return outcome
    except OSError as error:
        return _hindered(home, error)


def _hindered(home: Home, error: Exception) -> Outcome:
    """The outcome of a run that could not write; any other error goes on its way."""
    if (why := hindrance(error, home.root)) is None:
        raise error
    return Outcome(False, [f"the home {home.root.name!r} cannot be written, {why}"], [])


def _keep(home: Home, log: RunLog, outcome: Outcome) -> None:
    """Tell the log and `last_run.json` how a run ended."""
    ended = present()
    current = home.root / summary.CURRENT
    told = {
        "started_at": log.started_at,
        "ended_at": ended,
        "seconds": round((datetime.fromisoformat(ended) - datetime.fromisoformat(log.started_at)).total_seconds(), 1),
        "succeeded": outcome.succeeded,
        "taken": outcome.taken,
        "unchanged": outcome.unchanged,
        "failures": [asdict(one) for one in outcome.broken],
        "warnings": outcome.warnings,
        "published": current.resolve().name if current.exists() else None,
        "log": log.path.name,
    }
    log.write(run="ended", **{name: told[name] for name in ("succeeded", "seconds", "unchanged", "published")})
    write_last_run(home.root, told)


def run_landed(settings: Settings) -> Outcome:
    """Take every step but the landing: what is landed in the home is all there is.

    Raises:
        BusyError: another run is at work on this home.
    """
    home = Home(settings)
    with locked(home.root):
        night = _Night(home, {}, lambda total: lambda done, step: None, RunLog(home.root), everything=True)
        return night.run(landing=False)


class _Night:
    """One run of a home, wave by wave."""

    def __init__(
        self,
        home: Home,
        config: Mapping[str, Any],
        progress: Callable[[int], Progress],
        log: RunLog,
        *,
        everything: bool,
        vintages: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._home, self._everything = home, everything
        self._vintages = vintages or {}
        self._sources = list(self._vintages or all_sources())
        self._steps = home.steps.all
        self._listener = _Listener(home, log, progress(len(self._steps) + len(self._sources)))

        @dg.logger
        def console(_: dg.InitLoggerContext) -> logging.Logger:
            logger = logging.Logger("headwaters.run", logging.DEBUG)  # noqa: LOG001 - Dagster owns it for one run
            logger.addHandler(self._listener)
            return logger

        loggers = dg.Definitions(loggers={"console": console})
        self._job = dg.Definitions.merge(build_defs(home.settings, config), loggers).resolve_job_def(EVERYTHING)
        self._events: list[dg.DagsterEvent] = []
        self._lost: set[str] = set()
        self._taken: dict[str, str] = {}

    def run(self, *, landing: bool = True) -> Outcome:
        tags = {} if self._everything else {ONLY_NEWS: "true"}
        with open_instance(self._home) as instance:
            bury(instance)
            if landing:
                asked = {f"{VINTAGES}{source}": ",".join(chosen) for source, chosen in self._vintages.items()}
                self._wave(instance, [landing_key(source) for source in self._sources], tags | asked)
            for order in sorted({step.order for step in self._steps.values()}):
                self._take(instance, [step for step in self._steps.values() if step.order == order], tags)
            retire_runs(self._home, instance)
        told, warnings = _tell(self._events)
        for step, text in told.items():
            if (why := hindrance(text, self._home.root)) is not None:
                told[step] = f"{text} (the home {self._home.root.name!r} cannot be written, {why})"
        failures = list(dict.fromkeys(told.values()))
        unread = [f"not read: {folder}" for folder in strangers(self._home.settings)]
        said = list(dict.fromkeys([*unread, *self._listener.warnings, *warnings]))
        named = [named_failure(self._home, step, text) for step, text in told.items()]
        return Outcome(not failures, failures, said, self._taken, len(self._steps) - len(self._taken), named)

    def _take(self, instance: dg.DagsterInstance, steps: Iterable[Step], tags: Mapping[str, str]) -> None:
        """Take the stale steps of one order, apart from those that read what has failed."""
        keys: list[dg.AssetKey] = []
        for step in steps:
            if lost := self._lost & set(step.reads):
                self._lost.update(step.makes)
                self._listener.leave(step.id, WAITING, f"it reads {', '.join(sorted(lost)[:5])}, which failed")
                continue
            why = "everything was asked for" if self._everything else self._home.steps.why_stale(step)
            if why is None:
                self._listener.leave(step.id, UNCHANGED, "what it reads, what is asked and its code are as they were")
                continue
            self._taken[step.id] = self._listener.why[step.id] = why
            keys += [asset_key(key) for key in step.makes] or [WAREHOUSE]
        if keys:
            self._wave(instance, keys, tags)

    def _wave(self, instance: dg.DagsterInstance, keys: list[dg.AssetKey], tags: Mapping[str, str]) -> None:
        result = self._job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {}}},
            asset_selection=keys,
            tags={**tags, WAVE: "true"},
        )
        self._events += result.all_events
        for event in result.all_events:
            if event.is_step_failure and not is_check(event.step_key or ""):
                self._lose(event.step_key or "")
            elif event.event_type_value == "ASSET_CHECK_EVALUATION":
                found = event.asset_check_evaluation_data
                if not found.passed and found.severity == dg.AssetCheckSeverity.ERROR:
                    self._lost.add(".".join(found.asset_key.path))

    def _lose(self, step_key: str) -> None:
        """Whoever reads what a step should have made has to wait for the next run."""
        if step_key in self._steps:
            self._lost.update(self._steps[step_key].makes or [WAREHOUSE_STEP])
        else:
            self._lost.add(f"{LANDING}{step_key.removeprefix(LANDING_OP)}")


def _tell(events: Iterable[dg.DagsterEvent]) -> tuple[dict[str, str], list[str]]:
    """Failures of a run by step, and its warnings: what broke, not what Dagster made of it."""
    failures: dict[str, str] = {}
    tried: dict[str | None, str] = {}
    warnings = []
    for event in events:
        if event.event_type_value == "STEP_UP_FOR_RETRY":
            tried[event.step_key] = message_of(event.step_retry_data.error)
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            text = redact(evaluation.description or "")
            if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
                failures[event.step_key or ""] = text
            elif not evaluation.passed:
                warnings.append(text)
        elif event.is_step_failure:
            # A blocking check has told more already, and so has what was tried again and again.
            said = tried.get(event.step_key) or message_of(event.step_failure_data.error)
            failures.setdefault(event.step_key or "", said)
    return failures, warnings
