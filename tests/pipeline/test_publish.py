"""Publishing swaps one read-only file whole; readers are never refused nor waited for, and can prove their answers."""

import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from models.indicators.indicator import VALUES, all_indicators
from models.indices.spec import all_indices
from models.indices.tables import UNIONS, index_table
from pipelines import meta, warehouse
from pipelines.catalogue import catalogue
from pipelines.home import Home
from pipelines.releases import retire
from pipelines.settings import KEEP, resolve
from pipelines.warehouse import PublishError, checksum_sql, publish
from quality.contract import ContractError
from tests.conftest import copy_home
from tests.faults.trials import Readers

CHANGED = "core.acf_afcars_state"
META = [table.key for table in meta.STATIC]
VIEWS = [VALUES.key, *(union.key for union in UNIONS)]


def copy_of(sample_home: Path, target: Path) -> Home:
    return Home(resolve("sample", home=copy_home(sample_home, target), config={}))


@pytest.fixture
def home(sample_home: Path, tmp_path: Path) -> Home:
    return copy_of(sample_home, tmp_path / "home")


@pytest.fixture
def published(sample_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str((sample_home / "published" / "current.duckdb").resolve()), read_only=True) as connection:
        yield connection


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging takes most of a publish and no part in what these tests are about: building, swapping, reading."""
    monkeypatch.setattr(warehouse, "_judge_again", lambda home: [])


def change(home: Home, count: float) -> None:
    """Another figure, inside its contract, so that releases differ."""
    frame = home.tables.read(CHANGED)
    first = pl.int_range(pl.len()) == 0
    home.tables.write(
        catalogue()[CHANGED],
        frame.with_columns(count=pl.when(first).then(pl.lit(count)).otherwise("count")),
        home.tables.absent(CHANGED),
    )


# --- readers -----------------------------------------------------------------------------------------------------


def test_eight_readers_are_never_refused_and_every_answer_is_whole(home: Home, unjudged: None):
    """Four open the file again and again, four keep a connection; how much they cost is measured by `make soak`."""
    current = home.published / "current.duckdb"
    readers = Readers(current, ["opens", "keeps"] * 4, every=40, nice=15)
    numbers, checksums = [], set()
    # A reader in the publishing process itself, as the UI or a notebook may be.
    with duckdb.connect(str(current), read_only=True) as inside:
        with readers.at_work():
            for count in range(4):
                change(home, 1000.0 + count)
                release = publish(home)
                numbers.append(release.number)
                with duckdb.connect(str(release.path), read_only=True) as reader:
                    checksums.update(reader.execute(checksum_sql(CHANGED)).fetchall())
        assert inside.execute("SELECT max(release) FROM meta.releases").fetchall() == [(1,)]
    told = readers.end()
    assert numbers == [2, 3, 4, 5]
    assert len(checksums) == 4, "the releases differ, or a whole answer would prove nothing"
    assert len(told) == 8
    assert [wrong for _, _, wrong in told if wrong] == []
    assert all(reads for reads, _, _ in told)
    opened, kept = told[::2], told[1::2]
    assert all(seen == [1] for _, seen, _ in kept), "a connection that is kept keeps its release"
    assert all(seen == sorted(seen) for _, seen, _ in opened), "who opens anew never goes back"
    assert max(release for _, seen, _ in opened for release in seen) > 1
    with duckdb.connect(str(current.resolve()), read_only=True) as reader:
        releases = reader.execute("SELECT release FROM meta.releases ORDER BY release").fetchall()
    assert releases == [(number,) for number in range(1, 6)], "no release is lost from the list"


def test_a_checksum_tells_a_changed_answer(home: Home, unjudged: None):
    """The proof above is one only if a row more, a row less or another figure does not pass."""
    publish(home)
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"ATTACH '{(home.published / 'current.duckdb').resolve()}' AS w (READ_ONLY)")
        connection.execute(f"CREATE SCHEMA core; CREATE TABLE {CHANGED} AS FROM w.{CHANGED}")
        sql = checksum_sql(CHANGED)
        told = connection.execute(
            "SELECT n_rows, checksum FROM w.meta.tables WHERE table_key = ?", [CHANGED]
        ).fetchall()
        assert connection.execute(sql).fetchall() == told
        for edit in (
            f"UPDATE {CHANGED} SET count = count + 1 WHERE rowid = 5",
            f"DELETE FROM {CHANGED} WHERE rowid = 5",
            f"INSERT INTO {CHANGED} FROM {CHANGED} WHERE rowid = 5",
        ):
            connection.execute("BEGIN TRANSACTION")
            connection.execute(edit)
            assert connection.execute(sql).fetchall() != told, edit
            connection.execute("ROLLBACK")


def test_only_the_last_files_are_kept_and_no_other_remains(home: Home, unjudged: None):
    stray = home.published / ".staging-000001-99999.duckdb"
    stray.write_bytes(b"what a killed run left behind")
    for _ in range(KEEP + 1):
        publish(home)
    assert len(list(retire(home, KEEP, days=1))) == 0, "no release of less than a day"
    assert [path.name for path in retire(home, KEEP, days=0)] == [
        f"headwaters-{number:06d}.duckdb" for number in (1, 2)
    ]
    files = sorted(home.published.iterdir())
    newest = [f"headwaters-{number:06d}.duckdb" for number in range(3, 3 + KEEP)]
    assert [path.name for path in files] == ["current.duckdb", *newest]
    current = home.published / "current.duckdb"
    assert current.is_symlink()
    assert str(current.readlink()) == newest[-1], "relative, so that a home can be moved"
    assert {stat.S_IMODE(path.lstat().st_mode) for path in files if not path.is_symlink()} == {0o444}


# --- refusals ----------------------------------------------------------------------------------------------------


def test_a_broken_contract_in_a_stored_table_is_not_published(home: Home):
    before = sorted(path.name for path in home.published.iterdir()), (home.published / "current.duckdb").readlink()
    change(home, -1.0)
    with pytest.raises(PublishError) as caught:
        publish(home)
    said = str(caught.value)
    assert said.startswith(
        f"not published, the released file stays: {CHANGED}: rule column_values_to_be_between(min_value=0"
    )
    assert "'count'" in said
    assert "acf_afcars/2021/" in said
    after = sorted(path.name for path in home.published.iterdir()), (home.published / "current.duckdb").readlink()
    assert after == before


def test_rows_of_a_file_that_was_replaced_are_not_published(home: Home, unjudged: None):
    frame = home.tables.read(CHANGED).with_columns(snapshot_sha256=pl.lit("0" * 64))
    home.tables.write(catalogue()[CHANGED], frame)
    with pytest.raises(PublishError, match=rf"materialize them first: {CHANGED}$"):
        publish(home)


def test_a_failing_build_leaves_the_published_file(home: Home, unjudged: None, monkeypatch: pytest.MonkeyPatch):
    before = (home.published / "current.duckdb").readlink()

    def fails(*_: object) -> None:
        raise ContractError("in the middle of building")

    with monkeypatch.context() as broken:
        broken.setattr(warehouse, "_releases", fails)
        with pytest.raises(ContractError):
            publish(home)
    assert (home.published / "current.duckdb").readlink() == before
    release = publish(home)
    assert [path.name for path in home.published.glob(".*")] == [], "the staging file of the failed one is gone"
    assert (home.published / "current.duckdb").resolve() == release.path.resolve()


# --- what is in the file -----------------------------------------------------------------------------------------


def test_clients_from_duckdb_1_1_on_can_open_the_file(sample_home: Path, published: duckdb.DuckDBPyConnection):
    with (sample_home / "published" / "current.duckdb").open("rb") as stream:
        header = stream.read(20)
    # Main header: checksum (8 bytes), "DUCK", version. 64 is what DuckDB 1.0 and 1.1 write; later ones count on.
    assert header[8:12] == b"DUCK"
    assert struct.unpack("<Q", header[12:20]) == (64,)
    tags = published.execute("SELECT tags FROM duckdb_databases() WHERE NOT internal").fetchall()
    assert tags[0][0]["storage_version"].startswith("v1.0.0")


def test_every_table_view_and_column_has_a_comment(published: duckdb.DuckDBPyConnection):
    tables = dict(published.execute("SELECT schema_name || '.' || table_name, comment FROM duckdb_tables()").fetchall())
    views = dict(
        published.execute(
            "SELECT schema_name || '.' || view_name, comment FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    )
    assert set(tables) == {*catalogue(), *META}
    assert set(views) == set(VIEWS)
    for name, comment in {**tables, **views}.items():
        assert comment and comment.startswith("SIMULATED, describes no real place. "), name
    columns = published.execute(
        "SELECT schema_name || '.' || table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
    ).fetchall()
    declared = {
        (table.key, column.name): column.description
        for table in [*catalogue().values(), *meta.STATIC, VALUES, *UNIONS]
        for column in table.columns
    }
    assert {(table, column) for table, column, _ in columns} == set(declared)
    for table, column, comment in columns:
        assert comment and comment.startswith(declared[table, column]), (table, column)


def test_every_meta_table_is_filled(published: duckdb.DuckDBPyConnection):
    counts = {key: published.execute(f"SELECT count(*) FROM {key}").fetchall()[0][0] for key in META}
    assert [key for key, count in counts.items() if count == 0 and key != "meta.absent"] == []
    told = {
        row[0]: row[1:] for row in published.execute("SELECT table_key, n_rows, checksum FROM meta.tables").fetchall()
    }
    assert set(told) == {*catalogue(), *VIEWS, *META} - {"meta.tables"}
    for key, row in told.items():
        assert published.execute(checksum_sql(key)).fetchall() == [row], key
    described = published.execute("SELECT DISTINCT table_key FROM meta.columns").fetchall()
    assert {key for (key,) in described} == {*catalogue(), *VIEWS, *META}
    judged = published.execute("SELECT DISTINCT table_key FROM meta.checks").fetchall()
    assert {key for (key,) in judged} == set(catalogue())
    release = published.execute("SELECT release, file, region, input, is_simulated FROM meta.releases").fetchall()
    assert release == [(1, "headwaters-000001.duckdb", "simulated", "sample", True)]


def test_views_are_the_unions_of_their_parts(published: duckdb.DuckDBPyConnection):
    for view, parts in (
        (VALUES.key, [f"indicator.{name}" for name in all_indicators()]),
        *((union.key, [index_table(union, spec).key for spec in all_indices().values()]) for union in UNIONS),
    ):
        everything = sorted((row for part in parts for row in published.execute(f"FROM {part}").fetchall()), key=str)
        assert len(everything) > len(parts)
        assert sorted(published.execute(f"FROM {view}").fetchall(), key=str) == everything, view


def test_every_row_can_be_traced_to_a_landed_file(published: duckdb.DuckDBPyConnection):
    keys = [key for key, table in catalogue().items() if "snapshot_sha256" in table.column_names]
    assert {"core", "geography", "indicator"} <= {key.split(".")[0] for key in keys}
    for key in keys:
        traced, unknown = published.execute(
            f"""
            WITH named AS (SELECT unnest(string_split(snapshot_sha256, ',')) AS sha256 FROM {key})
            SELECT count(*), count(*) FILTER (sha256 NOT IN (SELECT sha256 FROM meta.snapshots)) FROM named
            """
        ).fetchall()[0]
        assert traced > 0, key
        assert unknown == 0, key
    known = [key for key in keys if "value" in catalogue()[key].column_names]
    for key in known:
        untraced = published.execute(
            f"SELECT count(*) FROM {key} WHERE value IS NOT NULL AND snapshot_sha256 IS NULL"
        ).fetchall()
        assert untraced == [(0,)], key


def test_the_published_file_cannot_be_written(sample_home: Path):
    with (
        duckdb.connect(str((sample_home / "published" / "current.duckdb").resolve()), read_only=True) as connection,
        pytest.raises(duckdb.Error, match="read-only"),
    ):
        connection.execute("DELETE FROM core.acf_afcars_state")
