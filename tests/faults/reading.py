"""Readers of the published file: processes that know DuckDB and nothing of this project."""

import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb

CHECKSUM = "SELECT count(*), CAST(bit_xor(md5_number(CAST(t AS VARCHAR))) AS VARCHAR) FROM {} AS t"
"""As the column `checksum` of `meta.tables` is declared."""
_TOLD = "SELECT table_key, n_rows, checksum FROM meta.tables ORDER BY table_key"


def torn(connection: duckdb.DuckDBPyConnection, every: int = 1, first: int = 0) -> list[str]:
    """Tables of an open release that are not as its own list of checksums says; empty where all are whole.

    Args:
        every: compare one table of so many, beginning with `first`.
    """
    listed = connection.execute(_TOLD).fetchall()
    wrong = [
        key
        for key, rows, checksum in listed[first % every :: every]
        if connection.execute(CHECKSUM.format(key)).fetchall() != [(rows, checksum)]
    ]
    there = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE NOT internal "
        "AND database_name = current_database()"
    ).fetchall()
    # The list of checksums cannot hold its own.
    return wrong + sorted({key for (key,) in there} - {key for key, _, _ in listed} - {"meta.tables"})


def release_of(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.execute("SELECT max(release) FROM meta.releases").fetchall()[0][0])


def reader(wire: Connection, current: Path, how: str, every: int, nice: int, running_: Any, stop: Any) -> None:
    """Read without pause, afresh (`opens`) or on one connection (`keeps`), while `running_` is set, until `stop` is.

    Args:
        every: compare one table of so many at a time.
        nice: how far everybody else goes first; 0 is a share like theirs.

    Sends, at the end, the number of reads, the releases in the order in which they were seen and what went wrong.
    """
    reads, seen, wrong = 0, [], []
    os.nice(nice)
    kept = duckdb.connect(str(current), read_only=True) if how == "keeps" else None
    wire.send_bytes(b"ready")
    while not stop.is_set():
        if not running_.wait(0.2):
            continue
        try:
            if kept is not None:
                found, release = torn(kept, every, reads), release_of(kept)
            else:
                with duckdb.connect(str(current), read_only=True) as connection:
                    found, release = torn(connection, every, reads), release_of(connection)
            wrong += found
            reads += 1
            if seen[-1:] != [release]:
                seen.append(release)
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}"[:500])
        if len(wrong) > 20:
            break
    wire.send((reads, seen, wrong))
    os._exit(0)


def burner(wire: Connection, nice: int, running_: Any, stop: Any) -> None:
    """Take as much of the processor as a reader does, and open nothing: what sharing the machine alone costs."""
    os.nice(nice)
    connection = duckdb.connect(":memory:")
    connection.execute("CREATE TABLE t AS SELECT i, md5(CAST(i AS VARCHAR)) AS s FROM range(20000) AS r(i)")
    wire.send_bytes(b"ready")
    while not stop.is_set():
        if running_.wait(0.2):
            connection.execute(CHECKSUM.format("t")).fetchall()
    os._exit(0)
