"""Releases: list them, go back to one, build one again from what was landed, and let old ones go."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from atlas import summary
from models.geography.regions import Region
from pipelines.files import hindrance
from pipelines.home import Home
from pipelines.locking import locked
from pipelines.settings import Settings
from pipelines.warehouse import point_to, published_files


class ReleaseError(Exception):
    """A release that is not there, or that cannot be built again."""


@dataclass(frozen=True)
class Kept:
    """A release of which the file is still there."""

    number: int
    published_at: str
    region: str
    input: str
    code_version: str
    seed: int
    n_draws: int
    n_files: int
    n_warnings: int
    bytes: int
    is_current: bool


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(path.resolve()), read_only=True)


def _file(home: Home, number: int) -> Path:
    files = published_files(home)
    if number not in files:
        there = ", ".join(map(str, files)) or "none"
        raise ReleaseError(f"release {number} is not in the home {home.root.name!r}; there are {there}")
    return files[number]


def kept(home: Home) -> list[Kept]:
    """The releases whose files are there, oldest first."""
    current = (home.root / summary.CURRENT).resolve()
    found = []
    for number, path in published_files(home).items():
        with _open(path) as reader:
            told = reader.execute(
                "SELECT published_at, region, input, code_version, seed, n_draws, "
                "(SELECT count(*) FROM meta.snapshots) AS n_files, "
                "(SELECT count(*) FROM meta.checks WHERE NOT passed) AS n_warnings "
                "FROM meta.releases WHERE release = ?",
                [number],
            )
            names = [column[0] for column in told.description or ()]
            row = dict(zip(names, told.fetchall()[0], strict=True))
        found.append(Kept(number=number, bytes=path.stat().st_size, is_current=path.resolve() == current, **row))
    return found


def rollback(home: Home, number: int) -> Path:
    """Make a kept release the current one, in one step; readers with an open connection keep what they have.

    It stays until something changes and a new release is published.

    Raises:
        ReleaseError: the release is not there, or the home cannot be written.
        BusyError: a run is at work on this home.
    """
    path = _file(home, number)
    try:
        with locked(home.root):
            point_to(home, path)
    except OSError as error:
        if (why := hindrance(error, home.root)) is None:
            raise
        raise ReleaseError(f"the home {home.root.name!r} cannot be written, {why}") from None
    return path


@dataclass(frozen=True)
class Difference:
    """A table of a release that comes out otherwise when it is built again."""

    table: str
    rows_then: int
    rows_now: int
    only_then: int
    only_now: int


@dataclass(frozen=True)
class Reproduction:
    """What became of building a release again."""

    number: int
    n_tables: int
    n_rows: int
    is_same_code: bool
    differences: list[Difference]


# Generated anew at each publish: when it happened, and where files came from.
_OF_THE_MOMENT = ("meta.check_history", "meta.releases", "meta.snapshots", "meta.tables")


def reproduce(home: Home, number: int, workdir: Path | None = None) -> Reproduction:
    """Build a release again from the landed bytes, in a home of its own, and compare it cell for cell.

    Raises:
        ReleaseError: the release is not there, or a file that it was made from is no longer landed.
    """
    from pipelines.running import run_landed

    path = _file(home, number)
    with _open(path) as reader:
        settings = _settings(reader, number, home.settings)
        snapshots = reader.execute("SELECT source_id, vintage, name, sha256 FROM meta.snapshots").fetchall()
        code = reader.execute("SELECT code_sha256 FROM meta.releases WHERE release = ?", [number]).fetchall()[0][0]
    with tempfile.TemporaryDirectory(prefix="headwaters-", dir=workdir) as scratch:
        again = Home(Settings(Path(scratch) / "home", settings.input, settings.region, tracts=settings.tracts))
        _copy_landing(home, again, snapshots)
        outcome = run_landed(again.settings)
        if not outcome.succeeded:
            raise ReleaseError(f"release {number} cannot be built again: {'; '.join(outcome.failures)}")
        (built,) = published_files(again).values()
        tables, rows, differences = _compare(path, built)
        with _open(built) as reader:
            now = reader.execute("SELECT code_sha256 FROM meta.releases").fetchall()[0][0]
    return Reproduction(number, tables, rows, code == now, differences)


def _settings(reader: duckdb.DuckDBPyConnection, number: int, like: Settings) -> Settings:
    told = reader.execute("SELECT parameters, is_simulated FROM meta.releases WHERE release = ?", [number]).fetchall()
    parameters = json.loads(told[0][0])
    states, counties = parameters["states"], tuple(parameters["counties"])
    region = Region(parameters["region"], parameters["title"], None if states is None else tuple(states), counties)
    kind = like.input if like.is_simulated == told[0][1] else "sample" if told[0][1] else "live"
    return Settings(like.home, kind, region, tracts=parameters["tracts"])


def _copy_landing(home: Home, again: Home, snapshots: list[tuple[str, str, str, str]]) -> None:
    """Put the files of a release into another home's landing; bytes are linked where the file system allows it."""
    lacking = home.landing.copy_to(again.landing, snapshots)
    if lacking:
        raise ReleaseError(f"files of this release are no longer landed: {', '.join(lacking[:5])}")


def _compare(then: Path, now: Path) -> tuple[int, int, list[Difference]]:
    """Tables and rows compared, and the tables that differ."""
    with duckdb.connect(":memory:") as reader:
        for name, path in (("then_", then), ("now_", now)):
            literal = str(path.resolve()).replace("'", "''")
            reader.execute(f"ATTACH '{literal}' AS {name} (READ_ONLY)")
        listed = reader.execute("SELECT table_key, n_rows, checksum FROM then_.meta.tables ORDER BY 1").fetchall()
        again = reader.execute("SELECT table_key, n_rows, checksum FROM now_.meta.tables").fetchall()
        told = {key: (rows, checksum) for key, rows, checksum in again}
        differences = []
        compared = [row for row in listed if row[0] not in _OF_THE_MOMENT]
        for key, rows, checksum in compared:
            if told.get(key) == (rows, checksum):
                continue
            schema, table = key.split(".", 1)
            only = []
            for one, other in (("then_", "now_"), ("now_", "then_")):
                query = (
                    f'SELECT count(*) FROM (FROM {one}.{schema}."{table}" EXCEPT ALL FROM {other}.{schema}."{table}")'
                )
                only.append(reader.execute(query).fetchall()[0][0] if key in told else rows)
            differences.append(Difference(key, rows, told.get(key, (0, ""))[0], *only))
        missing = sorted(set(told) - {row[0] for row in listed})
        differences += [Difference(key, 0, told[key][0], 0, told[key][0]) for key in missing]
    return len(compared), sum(row[1] for row in compared), differences


def retire(home: Home, keep: int, days: int) -> Iterator[Path]:
    """Remove releases beyond the newest `keep` that are older than `days`, and landed bytes that nobody needs.

    The current release is never removed, nor any file that a kept release or the next run reads.
    """
    with locked(home.root):
        limit = datetime.now(UTC) - timedelta(days=days)
        releases = kept(home)
        for release in releases[: max(0, len(releases) - keep)]:
            if not release.is_current and datetime.fromisoformat(release.published_at) < limit:
                path = published_files(home)[release.number]
                path.unlink()
                yield path
        needed: set[str] = set()
        for path in published_files(home).values():
            with _open(path) as reader:
                needed.update(sha for (sha,) in reader.execute("SELECT sha256 FROM meta.snapshots").fetchall())
        yield from home.landing.retire(needed)
