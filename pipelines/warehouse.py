"""Publish: build one DuckDB file beside the current one, judge it, and swap it in whole.

A reader opens `published/current.duckdb`, a symbolic link to a numbered file that never changes.
The link is replaced in one step, so a reader sees the old release or the new one, and a reader that
keeps its connection keeps its release. Nothing here waits for anyone.
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import duckdb
import polars as pl

from atlas import summary
from models.engine.defaults import N_DRAWS, SEED
from pipelines import code_versions, meta
from pipelines.catalogue import catalogue, unions
from pipelines.files import sync_folder
from pipelines.home import Home
from pipelines.judging import explain, judge_stored, record, write_data_docs
from pipelines.locking import locked
from pipelines.settings import LIVE, SAMPLE, asked, bind, check_binding
from quality.contract import Table
from quality.gx import CheckResult, has_expectations
from quality.suppression import recoverable

# The newest storage format that clients from DuckDB 1.1 on can read.
STORAGE_VERSION = "v1.0.0"
CURRENT = summary.CURRENT.name  # the atlas, which reads nothing else, says where the file is
_NEXT = f".{CURRENT}.next"
_FILE = re.compile(r"^headwaters-(\d{6})\.duckdb$")


class PublishError(Exception):
    """The tables are not fit to be published; the published file stays as it was."""


@dataclass(frozen=True)
class Release:
    """A publish."""

    number: int
    path: Path
    n_tables: int
    n_rows: int
    n_absent: int
    n_warnings: int


def _judge_again(home: Home) -> list[CheckResult]:
    """Judge every table once more: a check in Dagster guards only the run in which it stood."""
    results: list[CheckResult] = []
    for table in catalogue().values():
        results += judge_stored(home, table, "critical")
        if has_expectations(table):
            results += judge_stored(home, table, "warning")
    record(home, results)
    write_data_docs(home)
    broken = [result for result in results if result.is_blocking and not result.passed]
    if broken:
        raise PublishError(
            "not published, the released file stays: " + "; ".join(explain(home, result) for result in broken[:10])
        )
    return results


def _refuse_recoverable(frames: dict[str, pl.DataFrame]) -> None:
    """Refuse tables from which a suppressed cell could be computed: the last look before everybody can subtract."""
    for key, table in catalogue().items():
        if table.additive and (found := recoverable(table, frames[key])).height:
            raise PublishError(
                f"not published, the released file stays: {key} gives back {found.height} suppressed cells, such as "
                f"{found.select(table.primary_key).row(0)}"
            )


def _trace(home: Home, frames: dict[str, pl.DataFrame]) -> None:
    """Refuse tables that name files which the landing has since replaced: their rows could not be traced."""
    landed = {snapshot.sha256 for snapshot in home.landing.snapshots()}
    behind = []
    for key, frame in frames.items():
        if "snapshot_sha256" in frame.columns:
            named = frame["snapshot_sha256"].drop_nulls().unique().str.split(",").explode()
            if not landed.issuperset(named.drop_nulls()):
                behind.append(key)
    if behind:
        raise PublishError(
            "not published, the released file stays: these tables were read from files that have been replaced since, "
            f"materialize them first: {', '.join(behind)}"
        )


def _literal(text: str) -> str:
    """SQL has no parameters in COMMENT; the texts are our own declarations, never data."""
    return "'" + text.replace("'", "''") + "'"


def _describe(connection: duckdb.DuckDBPyConnection, table: Table, kind: str, *, is_simulated: bool) -> None:
    prefix = "SIMULATED, describes no real place. " if is_simulated else ""
    name = f'{table.schema_name}."{table.name}"'
    connection.execute(f"COMMENT ON {kind} {name} IS {_literal(f'{prefix}{table.title}. {table.description}')}")
    for column in table.columns:
        unit = f" Unit: {column.unit}." if column.unit else ""
        connection.execute(f'COMMENT ON COLUMN {name}."{column.name}" IS {_literal(column.description + unit)}')


def _load(connection: duckdb.DuckDBPyConnection, table: Table, frame: pl.DataFrame) -> None:
    columns = ", ".join(
        f'"{c.name}" {meta.DUCKDB_TYPES[c.dtype]}' + ("" if c.nullable else " NOT NULL") for c in table.columns
    )
    connection.execute(f'CREATE TABLE {table.schema_name}."{table.name}" ({columns})')
    connection.register("incoming", frame.to_arrow())
    connection.execute(f'INSERT INTO {table.schema_name}."{table.name}" SELECT * FROM incoming')
    connection.unregister("incoming")


def checksum_sql(table_key: str) -> str:
    """The query that gives a table's rows and checksum, for whoever wants to prove an answer whole."""
    schema, name = table_key.split(".", 1)
    return f'SELECT count(*), CAST(bit_xor(md5_number(CAST(t AS VARCHAR))) AS VARCHAR) FROM {schema}."{name}" AS t'


def _build(
    home: Home, path: Path, frames: dict[str, pl.DataFrame], checks: Sequence[CheckResult], number: int
) -> Release:
    simulated = home.settings.is_simulated
    published = list(catalogue().values())
    united = unions()
    generated = meta.build(home, checks, [*published, *(view for view, _ in united), *meta.STATIC])
    connection = duckdb.connect()
    try:
        connection.execute(f"ATTACH {_literal(str(path))} AS warehouse (STORAGE_VERSION '{STORAGE_VERSION}')")
        connection.execute("USE warehouse")
        for schema in dict.fromkeys(table.schema_name for table in [*published, *meta.STATIC]):
            connection.execute(f"CREATE SCHEMA {schema}")
        for table in published:
            _load(connection, table, frames[table.key])
        for view, parts in united:
            union = " UNION ALL BY NAME ".join(f"SELECT * FROM {part}" for part in parts)
            connection.execute(f"CREATE VIEW {view.key} AS {union}")
            _describe(connection, view, "VIEW", is_simulated=simulated)
        for table, frame in generated.values():
            _load(connection, table, frame)
        _load(connection, meta.RELEASES, _releases(home, number))
        # Last, so that it can prove every other table whole.
        others = [*published, *(table for table in meta.STATIC if table is not meta.TABLES)]
        rows = []
        for table in [*others, *(view for view, _ in united)]:
            count, checksum = connection.execute(checksum_sql(table.key)).fetchall()[0]
            rows.append((table.key, table.title, table.description, ", ".join(table.primary_key), count, checksum))
        _load(connection, meta.TABLES, pl.DataFrame(rows, schema=meta.TABLES.column_names, orient="row"))
        for table in [*published, *meta.STATIC]:
            _describe(connection, table, "TABLE", is_simulated=simulated)
        connection.execute("CHECKPOINT warehouse")
        connection.execute("USE memory")
        connection.execute("DETACH warehouse")
    finally:
        connection.close()
    stored = {table.key for table in published}
    return Release(
        number=number,
        path=path,
        n_tables=len(rows) + 1,
        n_rows=sum(row[4] for row in rows if row[0] in stored),
        n_absent=generated["absent"][1].height,
        n_warnings=sum(not check.passed for check in checks),
    )


def _releases(home: Home, number: int) -> pl.DataFrame:
    settings = home.settings
    checksums = "".join(snapshot.sha256 for snapshot in home.landing.snapshots())
    row = (
        number,
        datetime.now(UTC).isoformat(timespec="seconds"),
        f"headwaters-{number:06d}.duckdb",
        settings.region.id,
        settings.input if settings.input in (SAMPLE, LIVE) else "directory",
        settings.is_simulated,
        version("headwaters"),
        SEED,
        N_DRAWS,
        hashlib.sha256(checksums.encode()).hexdigest(),
        code_versions.of_everything(),
        json.dumps(asked(settings)),
    )
    schema = {column.name: column.dtype for column in meta.RELEASES.columns}
    earlier: list[tuple[object, ...]] = []
    # The newest file knows every release; the current one may be older, after a rollback.
    if files := list(published_files(home).values()):
        with duckdb.connect(str(files[-1]), read_only=True) as connection:
            there = {
                name for (name,) in connection.execute("SELECT column_name FROM (DESCRIBE meta.releases)").fetchall()
            }
            names = ", ".join(name if name in there else f"NULL AS {name}" for name in schema)
            earlier = connection.execute(f"SELECT {names} FROM meta.releases ORDER BY release").fetchall()
    return pl.DataFrame([*earlier, row], schema=schema, orient="row")


def published_files(home: Home) -> dict[int, Path]:
    """The numbered files of a home, oldest first."""
    found = {int(match[1]): path for path in home.published.glob("*.duckdb") if (match := _FILE.match(path.name))}
    return dict(sorted(found.items()))


def point_to(home: Home, target: Path) -> None:
    """Make a published file the current one, in one step."""
    temporary = home.published / _NEXT
    with locked(home.root):
        temporary.unlink(missing_ok=True)  # what a killed run left behind
        temporary.symlink_to(target.name)
        temporary.replace(home.published / CURRENT)
        sync_folder(home.published)


def sweep(home: Home) -> None:
    """Remove what a killed run left in the folder of published files; to be called with the home's lock held."""
    for stray in (*home.published.glob(".staging-*"), *home.published.glob(f".{CURRENT}.*")):
        stray.unlink()


def publish(home: Home) -> Release:
    """Publish what the home's tables hold.

    Returns:
        The new release; `published/current.duckdb` points to its file.

    Raises:
        SettingsError: the home is bound to another region or to the other kind of data.
        TableMissingError: a table was never materialized.
        PublishError: a contract is broken; the published file stays as it was.
        BusyError: another process is at work on this home: two that publish would give out one number twice.
    """
    with locked(home.root):
        return _publish(home)


def _publish(home: Home) -> Release:
    check_binding(home.settings)
    frames = {key: home.tables.read(key) for key in catalogue()}
    checks = _judge_again(home)
    _refuse_recoverable(frames)
    _trace(home, frames)
    home.published.mkdir(parents=True, exist_ok=True)
    sweep(home)
    number = max(published_files(home), default=0) + 1
    staging = home.published / f".staging-{number:06d}-{os.getpid()}.duckdb"
    final = home.published / f"headwaters-{number:06d}.duckdb"
    try:
        built = _build(home, staging, frames, checks, number)
        with staging.open("rb") as stream:
            os.fsync(stream.fileno())
        staging.chmod(0o444)
        staging.rename(final)
    except BaseException:
        sweep(home)  # on a full disk a half-built file would keep everything else from being written
        raise
    bind(home.settings)
    point_to(home, final)
    return Release(number, final, built.n_tables, built.n_rows, built.n_absent, built.n_warnings)
