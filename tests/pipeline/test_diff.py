"""Two releases that differ by one vintage and one weight: each area's change is split, and the parts add up."""

import hashlib
import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest

from models.indices.compare import OUTPUT, CompareError
from models.indices.spec import all_indices
from models.limits import NON_USES
from pipelines.diffing import DiffError, find, read_release, run

VINTAGE = "child_poverty_share"


def edit(path: Path, *statements: str) -> Path:
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


@pytest.fixture
def home(sample_home: Path, tmp_path: Path) -> Path:
    """Release 1 without the newest vintage of child poverty and with another weight of it; release 2 as published."""
    published = tmp_path / "home" / "published"
    published.mkdir(parents=True)
    first, second = (published / f"headwaters-{n:06d}.duckdb" for n in (1, 2))
    for path in (first, second):
        shutil.copyfile((sample_home / "published" / "current.duckdb").resolve(), path)
    weight = next(member.weight for member in all_indices()["poverty"].members if member.id == VINTAGE)
    edit(
        first,
        f"DELETE FROM indicator.{VINTAGE} WHERE geo_level = 'county' AND period = '2023'",
        "UPDATE meta.indices SET declaration = replace(declaration, "
        f"'indicator: {VINTAGE}\n    weight: {weight:g}', 'indicator: {VINTAGE}\n    weight: 0.9') "
        "WHERE index_id = 'poverty'",
    )
    return published.parent


def test_one_vintage_and_one_weight_are_told_apart_and_add_up(home: Path, tmp_path: Path):
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((home / "published").iterdir())]
    outcome = run("1", "2", home, tmp_path / "out" / "diff.csv")
    table = outcome.comparison.table
    assert table.schema == OUTPUT
    assert outcome.comparison.notes == ()
    split = table.drop_nulls("from_data")
    assert ((split["from_data"] + split["from_method"] - split["change"]).abs() < 1e-9).all()
    poverty = split.filter(pl.col("index_id") == "poverty")
    assert poverty.height >= 20
    assert poverty["from_data"].abs().max() > 1
    assert poverty["from_method"].abs().max() > 1
    assert set(poverty["largest_data_driver"].drop_nulls()) == {VINTAGE}
    assert set(poverty["largest_method_driver"].drop_nulls()) == {"weights"}
    assert poverty["largest_method_driver"].count() > 10
    # The composite takes both up; an index of other members has neither.
    priority = split.filter(pl.col("index_id") == "priority")
    assert priority["change"].abs().max() > 0.1
    other = split.filter(pl.col("index_id") == "homelessness")
    assert other.select(pl.max_horizontal(pl.col("from_data", "from_method", "change").abs()).max()).item() == 0
    # Both copies hold the same published scores: the remainder is all that those did not move by.
    assert (poverty["published_change"] == 0).all()
    assert ((poverty["remainder"] + poverty["change"]).abs() < 1e-9).all()
    written = pl.read_csv(outcome.written, schema=OUTPUT)
    assert written.height == table.height
    assert written["not_for"].unique().to_list() == [NON_USES]
    assert written["is_simulated"].all()
    after = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((home / "published").iterdir())]
    assert after == before, "releases are only read"


def test_a_release_against_itself_has_no_change(home: Path):
    current = home / "published" / "headwaters-000002.duckdb"
    table = run(str(current), "2", home, None).comparison.table
    assert table["change"].drop_nulls().abs().max() == 0
    assert table["largest_data_driver"].count() == 0
    assert table["largest_method_driver"].count() == 0


def test_published_declarations_score_as_the_run_did_but_for_the_draws(home: Path):
    release = read_release(home / "published" / "headwaters-000002.duckdb", "2")
    table = run("2", "2", home, None).comparison.table
    joined = table.join(release.scores.rename({"geo_name": "name"}), on=["index_id", "geo_id"])
    for (index_id,), part in joined.drop_nulls(["score_a", "score"]).group_by("index_id"):
        assert part.select(pl.corr("score_a", "score")).item() > 0.85, index_id


def test_releases_that_are_not_there_or_cannot_be_compared_are_refused_with_what_to_do(home: Path, tmp_path: Path):
    with pytest.raises(DiffError, match=r"has no release 7: it keeps 1, 2"):
        find("7", home)
    with pytest.raises(DiffError, match="no such file"):
        find("elsewhere.duckdb", home)
    text = tmp_path / "text.duckdb"
    text.write_text("no database")
    with pytest.raises(DiffError, match="no published file"):
        read_release(text, "text")
    second = home / "published" / "headwaters-000002.duckdb"
    with pytest.raises(DiffError, match="cannot be the output"):
        run("1", "2", home, second)
    real = tmp_path / "real.duckdb"
    shutil.copyfile(second, real)
    edit(real, "UPDATE meta.releases SET is_simulated = false")
    with pytest.raises(CompareError, match="SIMULATED"):
        run("2", str(real), home, None)
    edit(real, "ALTER TABLE meta.indices DROP COLUMN declaration")
    with pytest.raises(DiffError, match="before declarations were kept"):
        run("2", str(real), home, None)
