"""What a run tells of itself: one JSON line a step in `logs/`, and how the last run ended in `last_run.json`.

Neither may stop a run: where the disk is full, the run says so and goes on.
"""

import json
import logging
import resource
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.files import write_atomically
from pipelines.redact import redact

LOGS, LAST_RUN = "logs", "last_run.json"
KEPT_LOGS = 400
"""A year of nights, and some by hand."""
MADE, FAILED, JUDGED, UNCHANGED, WAITING = "made", "failed", "judged", "unchanged", "waiting"
_LOG = logging.getLogger(__name__)


def now() -> str:
    """The present moment, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def peak_memory_bytes() -> int:
    """The greatest memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class RunLog:
    """The lines of one run, `logs/run-<time>.jsonl`."""

    def __init__(self, home: Path) -> None:
        self.started_at = now()
        self._peak = peak_memory_bytes()
        self._broken = False
        folder = home / LOGS
        stamp = self.started_at[:23].translate({ord(sign): None for sign in "-:."})
        self.path = folder / f"run-{stamp}Z.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in sorted(folder.glob("run-*.jsonl"))[: -(KEPT_LOGS - 1)]:
                old.unlink(missing_ok=True)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._broken = True
        _LOG.warning("this run keeps no log: %s", error.strerror)

    def write(self, **told: Any) -> None:
        """Add a line; what is None is left out, and no text holds a secret."""
        if self._broken:
            return
        line = {"time": now()} | {name: value for name, value in told.items() if value is not None}
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(redact(json.dumps(line, ensure_ascii=False, default=str)) + "\n")
        except OSError as error:
            self._give_up(error)

    def step(self, step: str, state: str, **told: Any) -> None:
        """Add the line of a step, with the process's peak memory until then and by how much the step has raised it."""
        peak = peak_memory_bytes()
        grew, self._peak = peak - self._peak, peak
        self.write(step=step, state=state, **told, peak_memory_bytes=peak, peak_memory_grew_bytes=grew)


def write_last_run(home: Path, told: Mapping[str, Any]) -> None:
    """Keep how a run ended; the time of the last good one is carried along."""
    before = read_last_run(home) or {}
    good = told["ended_at"] if told["succeeded"] else before.get("last_good_at")
    body = redact(json.dumps({**told, "last_good_at": good}, indent=1, ensure_ascii=False))
    try:
        write_atomically(home / LAST_RUN, body.encode())
    except OSError as error:
        _LOG.warning("how this run ended is not kept: %s", error.strerror)


def read_last_run(home: Path) -> dict[str, Any] | None:
    """How the last run of a home ended, or None where none has."""
    path = home / LAST_RUN
    if not path.exists():
        return None
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told
