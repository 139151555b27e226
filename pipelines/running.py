"""Run the whole pipeline in this process, and say what happened in terms of files and rules."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from pipelines.definitions import build_defs
from pipelines.home import Home
from pipelines.inputs import strangers
from pipelines.instance import open_instance
from pipelines.redact import redact
from pipelines.schedules import JOB
from pipelines.settings import Settings

Progress = Callable[[int, str], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its failures and its warnings, in words."""

    succeeded: bool
    failures: list[str]
    warnings: list[str]


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
        elif event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED"):
            self._done += 1
            self._progress(self._done, event.step_key or "")


def _message(error: Any) -> str:
    """What our own code said, without Dagster's wrapping and without what a library said below it."""
    while error.cause is not None and (error.cls_name or "").startswith(("Dagster", "RetryRequested")):
        error = error.cause
    return redact(error.message.strip().removeprefix(f"{error.cls_name}: ").rsplit(f"{error.cls_name}: ", 1)[-1])


def run(settings: Settings, config: Mapping[str, Any], progress: Callable[[int], Progress]) -> Outcome:
    """Land, parse, define, score, judge and publish everything.

    Args:
        progress: given the number of steps, returns what is told of each step that ends.
    """
    home = Home(settings)
    definitions = build_defs(settings, config)
    n_steps = len(definitions.resolve_job_def(JOB).graph.nodes)
    listener = _Listener(n_steps, progress(n_steps))

    @dg.logger
    def console(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("headwaters.run", logging.INFO)  # noqa: LOG001 - Dagster owns it for one run
        logger.addHandler(listener)
        return logger

    job = dg.Definitions.merge(definitions, dg.Definitions(loggers={"console": console})).resolve_job_def(JOB)
    with open_instance(home) as instance:
        result = job.execute_in_process(
            instance=instance, raise_on_error=False, run_config={"loggers": {"console": {}}}
        )
    failures, warnings = _tell(result.all_events)
    unread = [f"not read: {folder}" for folder in strangers(settings)]
    return Outcome(result.success, failures, list(dict.fromkeys([*unread, *listener.warnings, *warnings])))


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
