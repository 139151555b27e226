"""Which sources are late: nothing new has been landed for longer than their publishers leave between releases."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipelines.landing import Snapshot
from sources.source import Source


@dataclass(frozen=True)
class Late:
    """A late source.

    Args:
        vintage: the newest that is landed.
        landed: when something new of it was last landed.
        due: when the next was due at the latest.
        days: for how long it has been late, in days.
    """

    source_id: str
    vintage: str
    landed: date
    due: date
    days: int


def late_sources(sources: Mapping[str, Source], snapshots: Iterable[Snapshot], today: date) -> list[Late]:
    """The late sources, the latest first; one of which nothing was ever landed is absent, not late."""
    landed = list(snapshots)
    newest: dict[str, Snapshot] = {}
    for one in landed:
        if one.source_id not in newest or newest[one.source_id].fetched_at < one.fetched_at:
            newest[one.source_id] = one
    found = []
    vintages: dict[str, str] = {}
    for one in landed:
        vintages[one.source_id] = max(one.vintage, vintages.get(one.source_id, ""))
    for source_id, snapshot in newest.items():
        if source_id not in sources:
            continue
        came = datetime.fromisoformat(snapshot.fetched_at).date()
        due = came + timedelta(days=sources[source_id].cadence_days)
        if today > due:
            found.append(Late(source_id, vintages[source_id], came, due, (today - due).days))
    return sorted(found, key=lambda one: (-one.days, one.source_id))
