"""Eight analysts read without pause while releases are published: no error, no torn read. Times: `make soak`."""

import shutil
from pathlib import Path

import pytest

from pipelines import warehouse
from pipelines.home import Home
from pipelines.settings import resolve
from pipelines.warehouse import publish, published_files
from tests.faults.trials import Readers

PUBLISHES = 3


def test_eight_analysts_and_three_publishes_do_not_meet(
    sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Judging takes most of a publish and no part in what this test is about.
    monkeypatch.setattr(warehouse, "_judge_again", lambda home: [])
    root = tmp_path / "home"
    shutil.copytree(sample_home, root, symlinks=True, ignore=lambda _, names: {"dagster"} & set(names))
    home = Home(resolve("sample", home=root, config={}))
    (before,) = published_files(home)
    readers = Readers(root / "published" / "current.duckdb", ["opens", "keeps"] * 4, every=40)
    with readers.at_work():
        for _ in range(PUBLISHES):
            publish(home)
    told = readers.end()
    assert len(told) == 8
    assert [wrong for _, _, wrong in told if wrong] == []
    assert all(reads for reads, _, _ in told)
    opened, kept = told[::2], told[1::2]
    # Who keeps a connection keeps its release; who opens anew never goes back.
    assert all(seen == [before] for _, seen, _ in kept)
    assert all(set(seen) <= set(published_files(home)) for _, seen, _ in opened)
    assert max(release for _, seen, _ in opened for release in seen) > before
