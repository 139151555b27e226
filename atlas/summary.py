"""What a published file says in short: its release, its first areas with what is known of them, its gaps."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

CURRENT = Path("published") / "current.duckdb"
LAST_RUN = "last_run.json"


class NotPublishedError(Exception):
    """The home has no published file yet."""


@dataclass(frozen=True)
class Area:
    """An area of great priority, and how sure that is. Rank 1 = greatest need; intervals are 90 %."""

    geo_id: str
    geo_name: str
    rank: int
    rank_p05: float
    rank_p95: float
    n_ranked: int
    score: float
    score_p05: float
    score_p95: float
    p_top_10: float
    coverage: float
    quality: int


@dataclass(frozen=True)
class Status:
    """What is published, from when, from which vintages, which checks failed, what is absent."""

    release: int
    published_at: str
    region: str
    input: str
    is_simulated: bool
    file: str
    vintages: dict[str, list[str]]
    checks: int
    failed_checks: list[dict[str, Any]]
    absent: list[dict[str, Any]]
    last_run: dict[str, Any] | None = None
    """When the last run of the home started and ended, the steps that it took and why, and what failed."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def connect(home: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published file, which blocks nobody.

    Raises:
        NotPublishedError: nothing was published in this home yet.
    """
    path = home / CURRENT
    if not path.exists():
        raise NotPublishedError(f"nothing is published in the home {home.name!r} yet: run `headwaters run` first")
    # Resolved, so that two connections in one process never share a file under another's name.
    return duckdb.connect(str(path.resolve()), read_only=True)


def top_areas(home: Path, index_id: str = "priority", count: int = 10) -> list[Area]:
    """The first areas of an index in order of rank."""
    names = ", ".join(Area.__dataclass_fields__)
    with connect(home) as connection:
        rows = connection.execute(
            f"SELECT {names} FROM risk.scores WHERE index_id = ? AND rank IS NOT NULL ORDER BY rank, geo_id LIMIT ?",
            [index_id, count],
        ).fetchall()
    return [Area(*row) for row in rows]


def status(home: Path) -> Status:
    """The state of a home's published file."""
    with connect(home) as connection:
        release, published_at, file, region, origin, simulated = connection.execute(
            "SELECT release, published_at, file, region, input, is_simulated FROM meta.releases "
            "ORDER BY release DESC LIMIT 1"
        ).fetchall()[0]
        vintages: dict[str, list[str]] = {}
        for source, vintage in connection.execute(
            "SELECT DISTINCT source_id, vintage FROM meta.snapshots ORDER BY ALL"
        ).fetchall():
            vintages.setdefault(source, []).append(vintage)
        n_checks = connection.execute("SELECT count(*) FROM meta.checks").fetchall()[0][0]
        failed = connection.execute(
            "SELECT table_key, rule, column_name, severity, observed FROM meta.checks WHERE NOT passed ORDER BY ALL"
        ).fetchall()
        absent = connection.execute("SELECT part, reason, file_missing FROM meta.absent ORDER BY ALL").fetchall()
    return Status(
        release=release,
        published_at=published_at,
        region=region,
        input=origin,
        is_simulated=simulated,
        file=file,
        vintages=vintages,
        checks=n_checks,
        failed_checks=[
            dict(zip(("table", "rule", "column", "severity", "observed"), row, strict=True)) for row in failed
        ],
        absent=[dict(zip(("part", "reason", "file_missing"), row, strict=True)) for row in absent],
        last_run=last_run(home),
    )


def last_run(home: Path) -> dict[str, Any] | None:
    """How the last run of a home ended, as it has kept it itself; None where it has not."""
    path = home / LAST_RUN
    if not path.exists():
        return None
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told
