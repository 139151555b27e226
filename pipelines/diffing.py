"""`headwaters diff`: two published files are opened read-only, compared, and the comparison is written."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from models.indices.compare import Comparison, Release, compare, read_declarations
from pipelines.files import write_atomically
from pipelines.spreadsheet import csv_bytes

_VALUES = (
    "SELECT indicator_id, geo_id, period, value, value_lower, value_upper FROM indicator.values WHERE geo_level = ?"
)
_SCORES = "SELECT index_id, geo_id, geo_name, score, rank FROM risk.scores WHERE geo_level = ?"
_LEVEL = ["county"]
"""Indices of the other levels are not compared: their areas are few, and their lists change with the landed files."""


class DiffError(ValueError):
    """A release that is not there or cannot be compared; says which and what to do."""


@dataclass(frozen=True)
class Outcome:
    """What was compared and where it was written."""

    comparison: Comparison
    written: Path | None


def find(release: str, home: Path) -> Path:
    """The file of a release, named by its number in a home or by its path.

    Raises:
        DiffError: it is not there.
    """
    published = home / "published"
    path = published / f"headwaters-{int(release):06d}.duckdb" if release.isdecimal() else Path(release)
    if path.is_file():
        return path
    if not release.isdecimal():
        raise DiffError(f"{release}: there is no such file: give a release's number or the path of a .duckdb file")
    there = sorted(int(file.stem.split("-")[1]) for file in published.glob("headwaters-*.duckdb"))
    raise DiffError(
        f"{home} has no release {release}: it keeps {', '.join(map(str, there)) or 'none'}; older ones are compared by "
        "the path of a copy"
    )


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    return {str(row[0]) for row in connection.execute(f"DESCRIBE {table}").fetchall()}


def read_release(path: Path, name: str) -> Release:
    """Read what a comparison needs of a published file.

    Raises:
        DiffError: it is no published file, or of before declarations were published whole.
    """
    try:
        with duckdb.connect(str(path.resolve()), read_only=True) as connection:
            if "declaration" not in _columns(connection, "meta.indices"):
                raise DiffError(
                    f"{name}: was published before declarations were kept whole, so its method cannot be computed "
                    "again: compare later releases"
                )
            said = connection.execute("SELECT index_id, declaration FROM meta.indices WHERE geo_level = ?", _LEVEL)
            texts = dict(said.fetchall())
            directions = dict(connection.execute("SELECT indicator_id, direction FROM meta.indicators").fetchall())
            newest = connection.execute("SELECT is_simulated FROM meta.releases ORDER BY release DESC LIMIT 1")
            is_simulated = bool(newest.fetchall()[0][0])
            values, scores = (
                pl.DataFrame(connection.sql(query, params=_LEVEL).to_arrow_table()) for query in (_VALUES, _SCORES)
            )
    except duckdb.Error as error:
        raise DiffError(f"{path}: is no published file of headwaters: {str(error).splitlines()[0]}") from None
    return Release(name, values, read_declarations(texts), directions, scores, is_simulated)


def run(a: str, b: str, home: Path, output: Path | None) -> Outcome:
    """Compare release A with the later release B, and write the comparison as CSV where a file is named.

    Raises:
        DiffError: a release is not there or cannot be compared, or the output cannot be written.
        CompareError: the releases have nothing in common.
        DeclarationError: a declaration cannot be read by this version.
    """
    paths = [find(one, home) for one in (a, b)]
    if output is not None and (output.is_dir() or output.resolve() in [path.resolve() for path in paths]):
        raise DiffError(f"{output}: is a folder or one of the releases, so it cannot be the output: name a new file")
    first, second = (
        read_release(path, f"release {one}" if one.isdecimal() else path.name)
        for path, one in zip(paths, (a, b), strict=True)
    )
    found = compare(first, second)
    if output is not None:
        try:
            write_atomically(output, csv_bytes(found.table))
        except OSError as error:
            raise DiffError(f"{output}: cannot be written: {error.strerror}") from None
    return Outcome(found, output)
