"""What many tests share: the real files, and one published home of the sample."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[1]

# A test is never timed: a busy machine is no failure.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see neither the settings nor the key of whoever runs them."""
    for name in list(os.environ):
        if (name.startswith("HEADWATERS_") and name != "HEADWATERS_REAL_DATA") or name in (
            "CENSUS_API_KEY",
            "DAGSTER_HOME",
        ):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real publishers' files; the test is skipped, saying so, only where they are absent."""
    path = Path(os.environ.get("HEADWATERS_REAL_DATA") or ROOT.parent / "shared" / "real")
    if not path.is_dir():
        pytest.skip(f"no real data: set HEADWATERS_REAL_DATA, or put the files into {path.name}/ beside the project")
    return path


def _shared(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that all worker processes of one test run share."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / name


def publish_once(tmp_path_factory: pytest.TempPathFactory, name: str, input: str, region: str | None = None) -> Path:
    """Run the pipeline once for all workers; the home is read-only by convention."""
    from pipelines.running import run
    from pipelines.settings import resolve

    home = _shared(tmp_path_factory, name)
    with FileLock(f"{home}.lock"):
        if not (home / "done").exists():
            outcome = run(resolve(input, region, home, {}), {}, lambda total: lambda done, step: None)
            assert outcome.succeeded, outcome.failures
            (home / "done").write_text("\n".join(outcome.warnings), encoding="utf-8")
    return home


def copy_home(home: Path, to: Path) -> Path:
    """A copy of a published home, to write into; what Dagster remembers of it is left behind."""
    return shutil.copytree(home, to, symlinks=True, ignore=lambda _, names: {"dagster"} & set(names))


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which the sample was published once. Do not write into it: copy it."""
    yield publish_once(tmp_path_factory, "sample-home", "sample")


@pytest.fixture(scope="session")
def live_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was published once from the loopback publisher. Do not write into it: copy it."""
    from tests.publisher import KEY, Publisher

    with Publisher() as publisher, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CENSUS_API_KEY", KEY)
        patch.setenv("HEADWATERS_REWRITE_HOSTS", json.dumps(publisher.rewrite))
        return publish_once(tmp_path_factory, "live-home", "live", "97")
