"""Run the pipeline in this process, what is stale of it, and say what happened in terms of files and rules.

A run goes in waves: first every source is asked for news; then, order by order, the steps whose recipes have changed
are taken, one Dagster run a wave, and whoever reads what came out the same is left alone. A night without news takes
no step.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from pipelines.assets import LANDING_OP, WAREHOUSE, asset_key, landing_key
from pipelines.checks import is_check
from pipelines.definitions import build_defs
from pipelines.home import Home
from pipelines.inputs import strangers
from pipelines.instance import open_instance
from pipelines.locking import locked
from pipelines.redact import redact
from pipelines.releases import retire
from pipelines.schedules import EVERYTHING
from pipelines.settings import Settings, check_binding, retention
from pipelines.staleness import LANDING, ONLY_NEWS, Step
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


class _Listener(logging.Handler):
    """Turns Dagster's log into progress and collects warnings; prints nothing itself."""

    def __init__(self, total: int, progress: Progress) -> None:
        super().__init__(logging.INFO)
        self._total, self._done, self._progress = total, 0, progress
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            message = meta.get("orig_message") or record.getMessage()
            # After a failure Dagster lists every step that it leaves out; the failure itself says enough.
            if record.levelno >= logging.WARNING and not message.startswith("Dependencies for step"):
                self.warnings.append(redact(message))
        elif event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE") and not is_check(event.step_key or ""):
            self.pass_by(event.step_key or "")

    def pass_by(self, name: str) -> None:
        """One step less to go."""
        self._done += 1
        self._progress(self._done, name)


def _message(error: Any) -> str:
    """What our own code said, without Dagster's wrapping and without what a library said below it."""
    while error.cause is not None and (error.cls_name or "").startswith(("Dagster", "RetryRequested")):
        error = error.cause
    return redact(error.message.strip().removeprefix(f"{error.cls_name}: ").rsplit(f"{error.cls_name}: ", 1)[-1])


def run(
    settings: Settings, config: Mapping[str, Any], progress: Callable[[int], Progress], *, everything: bool = False
) -> Outcome:
    """Land, parse, define, score, judge and publish what is stale.

    Args:
        progress: given the number of steps, returns what is told of each step that ends.
        everything: take every step, stale or not.

    Raises:
        BusyError: another run is at work on this home.
        SettingsError: the home is bound to another region or to the other kind of data.
    """
    check_binding(settings)
    home = Home(settings)
    keep, days = retention(config)
    with locked(home.root):
        outcome = _Night(home, config, progress, everything=everything).run()
        if outcome.succeeded:
            for path in retire(home, keep, days):
                _LOG.info("retired %s", path.name)
        return outcome


def run_landed(settings: Settings) -> Outcome:
    """Take every step but the landing: what is landed in the home is all there is.

    Raises:
        BusyError: another run is at work on this home.
    """
    home = Home(settings)
    with locked(home.root):
        night = _Night(home, {}, lambda total: lambda done, step: None, everything=True)
        return night.run(landing=False)


class _Night:
    """One run of a home, wave by wave."""

    def __init__(
        self, home: Home, config: Mapping[str, Any], progress: Callable[[int], Progress], *, everything: bool
    ) -> None:
        self._home, self._everything = home, everything
        self._steps = home.steps.all
        total = len(self._steps) + len(all_sources())
        self._listener = _Listener(total, progress(total))

        @dg.logger
        def console(_: dg.InitLoggerContext) -> logging.Logger:
            logger = logging.Logger("headwaters.run", logging.INFO)  # noqa: LOG001 - Dagster owns it for one run
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
            if landing:
                self._wave(instance, [landing_key(source) for source in all_sources()], tags)
            for order in sorted({step.order for step in self._steps.values()}):
                self._take(instance, [step for step in self._steps.values() if step.order == order], tags)
        failures, warnings = _tell(self._events)
        unread = [f"not read: {folder}" for folder in strangers(self._home.settings)]
        said = list(dict.fromkeys([*unread, *self._listener.warnings, *warnings]))
        return Outcome(not failures, failures, said, self._taken, len(self._steps) - len(self._taken))

    def _take(self, instance: dg.DagsterInstance, steps: Iterable[Step], tags: Mapping[str, str]) -> None:
        """Take the stale steps of one order, apart from those that read what has failed."""
        keys: list[dg.AssetKey] = []
        for step in steps:
            if self._lost & set(step.reads):
                self._lost.update(step.makes)
                continue
            why = "everything was asked for" if self._everything else self._home.steps.why_stale(step)
            if why is None:
                self._listener.pass_by(step.id)
                continue
            self._taken[step.id] = why
            keys += [asset_key(key) for key in step.makes] or [WAREHOUSE]
        if keys:
            self._wave(instance, keys, tags)

    def _wave(self, instance: dg.DagsterInstance, keys: list[dg.AssetKey], tags: Mapping[str, str]) -> None:
        result = self._job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {}}},
            asset_selection=keys,
            tags=dict(tags),
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


def _tell(events: Iterable[dg.DagsterEvent]) -> tuple[list[str], list[str]]:
    """Failures and warnings of a run, each once: what broke, not what Dagster made of it."""
    failures: dict[str, str] = {}
    tried: dict[str | None, str] = {}
    warnings = []
    for event in events:
        if event.event_type_value == "STEP_UP_FOR_RETRY":
            tried[event.step_key] = _message(event.step_retry_data.error)
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            text = redact(evaluation.description or "")
            if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
                failures[event.step_key or ""] = text
            elif not evaluation.passed:
                warnings.append(text)
        elif event.is_step_failure:
            # A blocking check has told more already, and so has what was tried again and again.
            said = tried.get(event.step_key) or _message(event.step_failure_data.error)
            failures.setdefault(event.step_key or "", said)
    return list(dict.fromkeys(failures.values())), warnings
