"""What people are told of: a run that failed, a late source, a suspicious figure, silence.

Every alert names the source, the rule and the last good release, and the section of the runbook that says what to do.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from atlas import summary
from pipelines.broken import sources_of
from pipelines.home import Home
from pipelines.lateness import Late
from pipelines.redact import redact
from pipelines.run_log import read_last_run
from pipelines.warehouse import published_files

RUNBOOK = "docs/operations.md"
RUN_FAILED, SOURCE_LATE, CHECK_SUSPICIOUS, NOTHING_PUBLISHED = (
    "run failed",
    "source late",
    "check suspicious",
    "nothing published",
)
KINDS = (RUN_FAILED, SOURCE_LATE, CHECK_SUSPICIOUS, NOTHING_PUBLISHED)
NIGHTS = 3
"""After how many nights without a good run people are told."""
_SHOWN, _LONGEST = 5, 1500


def anchor(kind: str) -> str:
    """The section of the runbook on a kind of alert: `#alert-run-failed`."""
    return f"#alert-{kind.replace(' ', '-')}"


@dataclass(frozen=True)
class Alert:
    """One message.

    Args:
        source: the sources that it concerns, as a text.
        rule: the rule that is broken, in words.
        said: what was found.
        last_good: the release that readers see.
    """

    kind: str
    source: str
    rule: str
    said: str
    last_good: str
    region: str

    @property
    def title(self) -> str:
        return redact(f"Headwaters, {self.region}: {self.kind}: {self.source}")

    def body(self, runbook: str = RUNBOOK) -> str:
        said = self.said if len(self.said) <= _LONGEST else f"{self.said[:_LONGEST]} ..."
        return redact(
            f"Source: {self.source}\n"
            f"Rule: {self.rule}\n"
            f"Found: {said}\n"
            f"Last good release: {self.last_good}\n"
            f"What to do: {runbook}{anchor(self.kind)}"
        )


def nights_of(config: Mapping[str, Any]) -> int:
    """After how many nights without a good run people are told: `[alerts] nights`.

    Raises:
        ValueError: not a whole number of 1 or more.
    """
    nights = config.get("alerts", {}).get("nights", NIGHTS)
    if isinstance(nights, bool) or not isinstance(nights, int) or nights < 1:
        raise ValueError(f"[alerts] nights must be a whole number of 1 or more, not {nights!r}")
    return nights


def _few(names: Iterable[str], what: str) -> str:
    """Names as a text, or how many there are."""
    found = list(dict.fromkeys(names))
    return ", ".join(found) if 0 < len(found) <= _SHOWN else f"{len(found) or 'no'} {what}"


def _alert(home: Home, kind: str, source: str, rule: str, said: str) -> Alert:
    region = home.settings.region.title + (" (SIMULATED)" if home.settings.is_simulated else "")
    return Alert(kind, source, rule, said, last_good(home), region)


def last_good(home: Home) -> str:
    """The release that readers see, and when it was published."""
    current = home.root / summary.CURRENT
    if not current.exists():
        return "none, nothing is published"
    number, published_at = _current(current)
    return f"{number}, published {published_at}"


def _current(path: Path) -> tuple[int, str]:
    with duckdb.connect(str(path.resolve()), read_only=True) as reader:
        query = "SELECT release, published_at FROM meta.releases ORDER BY release DESC LIMIT 1"
        number, published_at = reader.execute(query).fetchall()[0]
    return int(number), str(published_at)


def of_failure(home: Home, began: datetime | None, said: str) -> Alert:
    """A night that failed.

    Args:
        began: when its Dagster run began; what the home has kept of an earlier run is not read.
        said: what Dagster knows of the failure; used where the run came to no end of its own.
    """
    kept = read_last_run(home.root)
    failures: Sequence[Mapping[str, Any]] = []
    if kept and began and datetime.fromisoformat(kept["started_at"]) >= began:
        failures = kept["failures"]
    if not failures:
        return _alert(home, RUN_FAILED, "not known", "a night must come to its end", said)
    source = _few((source for one in failures for source in one["sources"]), "sources")
    rules = [f"{', '.join(one['tables'])}: {'; '.join(one['rules'])}" for one in failures if one["rules"]]
    rules += [f"the step {one['step']} must succeed" for one in failures if not one["rules"]]
    more = f"\n... and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
    found = "\n".join(one["said"] for one in failures[:_SHOWN]) + more
    return _alert(home, RUN_FAILED, source, " | ".join(rules[:_SHOWN]), found)


def of_late(home: Home, late: Sequence[Late]) -> Alert:
    """Sources of which nothing new was landed in time."""
    lines = [
        f"{one.source_id}: newest vintage {one.vintage}, new file {one.landed}, due {one.due}, {one.days} days late"
        for one in late
    ]
    rule = "freshness: something new is landed within the publisher's cadence"
    return _alert(home, SOURCE_LATE, ", ".join(one.source_id for one in late), rule, "\n".join(lines))


Suspicion = tuple[str, str, str | None, str]
"""Table, rule, column and what was found."""


def _suspicions(path: Path) -> list[Suspicion]:
    with duckdb.connect(str(path.resolve()), read_only=True) as reader:
        return reader.execute(
            "SELECT table_key, rule, column_name, observed FROM meta.checks "
            "WHERE NOT passed AND severity = 'warning' ORDER BY ALL"
        ).fetchall()


def current_release(home: Home) -> int | None:
    """The number of the release that readers see."""
    current = (home.root / summary.CURRENT).resolve()
    return next((number for number, path in published_files(home).items() if path.resolve() == current), None)


def of_suspicion(home: Home, release: int) -> Alert | None:
    """Warnings of a release that the one before it did not have; None where there are none, or none before it."""
    files = published_files(home)
    earlier = [number for number in files if number < release]
    if release not in files or not earlier:
        return None
    known = {found[:3] for found in _suspicions(files[max(earlier)])}
    new = [found for found in _suspicions(files[release]) if found[:3] not in known]
    if not new:
        return None
    source = _few((source for table, *_ in new for source in sources_of(home, table)), "sources")
    rules = _few((f"{table}: {rule}" for table, rule, *_ in new), "rules")
    lines = [f"{table} {column or ''}: {rule}: {found}" for table, rule, column, found in new[:_SHOWN]]
    more = [f"... and {len(new) - _SHOWN} more: headwaters status"] if len(new) > _SHOWN else []
    before = f"new since release {max(earlier)}, in release {release}: {len(new)} of the warnings"
    return _alert(home, CHECK_SUSPICIOUS, source, rules, "\n".join([before, *lines, *more]))


def last_good_night(home: Home) -> datetime | None:
    """When a run last came to a good end, whether or not it had anything to publish."""
    kept = read_last_run(home.root) or {}
    moments = [datetime.fromisoformat(kept["last_good_at"])] if kept.get("last_good_at") else []
    current = home.root / summary.CURRENT
    if current.exists():
        moments.append(datetime.fromisoformat(_current(current)[1]))
    return max(moments, default=None)


def of_silence(home: Home, since: datetime, now: datetime, nights: int) -> Alert | None:
    """No good run for so many nights, counted from `since`; None where it is not so long yet."""
    quiet = (now - since).days
    if quiet < nights:
        return None
    kept = read_last_run(home.root)
    how = f"the last run ended {kept['ended_at']} and {'succeeded' if kept['succeeded'] else 'failed'}" if kept else ""
    said = f"{quiet} nights without a good run, since {since.isoformat(timespec='minutes')}"
    sources = [source for one in (kept or {}).get("failures", []) for source in one["sources"]]
    rule = f"a run must succeed at least every {nights} nights"
    return _alert(home, NOTHING_PUBLISHED, _few(sources, "source is known"), rule, "; ".join(filter(None, (said, how))))
