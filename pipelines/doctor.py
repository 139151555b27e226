"""`headwaters doctor`: is every publisher reachable, does it still send what we read, is there something newer?"""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date, timedelta

import polars as pl

from pipelines.redact import redact
from quality.contract import ContractError
from sources.source import Fetcher, ParseError, PassingError, RawFile, Source, SourceError

_WORKERS = 8
_NO_SHA = "0" * 64
_YEARS_AHEAD = 2


@dataclass(frozen=True)
class Finding:
    """What was found of one source.

    Args:
        vintage: the newest that we read live, else the newest that we read at all.
        state: `good`; `broken`, the publisher cannot be reached or sends something else; `not live`, nothing to ask.
        newer: a vintage that the publisher offers and we do not read yet.
        late_days: days since the next vintage was due by the publisher's own cadence; 0 where it is not late.
        key: `accepted`, `refused`, `not set`; None where none is asked for.
        said: what is wrong and what to do, or what was found.
    """

    source_id: str
    vintage: str
    state: str
    newer: str | None
    late_days: int
    key: str | None
    said: str

    @property
    def is_broken(self) -> bool:
        return self.state == "broken" or self.key == "refused"

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "is_broken": self.is_broken}


def examine(sources: Iterable[Source], fetcher: Fetcher, today: date) -> list[Finding]:
    """One finding a source, in the given order; sources are asked side by side."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(lambda source: _examine(source, fetcher, today), sources))


def _examine(source: Source, fetcher: Fetcher, today: date) -> Finding:
    live = [vintage for vintage in source.vintages if vintage.live]
    ours = (live or list(source.vintages))[-1]
    key, key_said = _key(source, fetcher)
    if source.fetch is None or source.probe is None:
        return Finding(source.id, ours.id, "not live", None, 0, key, source.not_live or "it is read from a directory")
    state, said = _sends_what_we_read(source, fetcher, ours.id)
    newer = _newer(source, fetcher, ours.id) if state == "good" else None
    late = 0
    if state == "good" and newer is None and ours.released is not None:
        late = _late_days(ours.released, source.cadence_days, today)
    said = "; ".join(part for part in (said, key_said) if part)
    return Finding(source.id, ours.id, state, newer, late, key, redact(said))


def _sends_what_we_read(source: Source, fetcher: Fetcher, vintage: str) -> tuple[str, str]:
    """Fetch the probe of our vintage and parse it: reachable, of the expected kind, of the expected shape."""
    assert source.probe is not None
    try:
        fetched = fetcher.get(source.probe(vintage))
        file = RawFile(source.id, vintage, fetched.name, fetched.content)
        tables = {table.key: table for table in source.tables}
        rows = 0
        for name, frame in source.parse(file).items() if source.reads(fetched.name) else ():
            shaped = frame.with_columns(snapshot_sha256=pl.lit(_NO_SHA))
            rows += tables[name].conform(shaped).height
    except (ParseError, ContractError) as error:
        return "broken", f"its answer has another shape: {error}"
    except SourceError as error:
        return "broken", str(error)
    return "good", f"{fetched.name}: {rows:,} rows read" if rows else f"{fetched.name}: as expected"


def _newer(source: Source, fetcher: Fetcher, ours: str) -> str | None:
    """A later vintage, if the publisher already offers it; some release every other year."""
    for years in range(1, _YEARS_AHEAD + 1):
        following = str(int(ours) + years)
        if _sends_what_we_read(source, fetcher, following)[0] == "good":
            return following
    return None


def _late_days(released: str, cadence_days: int, today: date) -> int:
    due = date.fromisoformat(released) + timedelta(days=cadence_days)
    return max(0, (today - due).days)


def _key(source: Source, fetcher: Fetcher) -> tuple[str | None, str]:
    if source.key is None:
        return None, ""
    name = source.key.secret
    if not fetcher.has_secret(name):
        without = "nothing of this source can be fetched" if source.key.is_required else "less can be fetched"
        return "not set", f"{name} is not set: without it {without}"
    try:
        with fetcher.session() as session:
            answer = session.get(f"{source.key.address}&key={fetcher.secret(name)}")
        good = answer.status_code == 200 and isinstance(json.loads(answer.content), list)
    except ValueError:
        good = False
    except PassingError as error:
        return "unknown", f"{name} could not be tried: {error}"
    return ("accepted", "") if good else ("refused", f"the publisher does not accept {name}")
