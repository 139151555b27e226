"""A night without news makes nothing; a change makes anew what depends on it, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from models.indices import spec as indices
from models.indices.spec import all_indices
from pipelines import code_versions as code
from pipelines import staleness
from pipelines.home import Home
from pipelines.instance import open_instance
from pipelines.locking import BusyError, locked
from pipelines.running import Outcome, run
from pipelines.settings import resolve
from pipelines.warehouse import published_files
from sources.simulated import all_files
from tests.conftest import copy_home

Night = Callable[[], Outcome]


@pytest.fixture
def here(tmp_path: Path, sample_home: Path) -> Path:
    """A copy of the published sample's home."""
    return copy_home(sample_home, tmp_path / "home")


def night(home: Path, **kwargs: bool) -> Outcome:
    outcome = run(resolve("sample", None, home, {}), {}, lambda total: lambda done, step: None, **kwargs)
    assert outcome.succeeded, outcome.failures
    return outcome


def materialized(home: Path) -> set[str]:
    """Every asset that the home's instance has seen made."""
    with open_instance(Home(resolve("sample", None, home, {}))) as instance:
        events = instance.fetch_materializations(dg.DagsterEventType.ASSET_MATERIALIZATION, limit=5000)
        return {event.asset_key.to_user_string() for event in events.records if event.asset_key}


def test_a_night_without_news_makes_and_publishes_nothing(here: Path):
    before = sorted((path, path.stat().st_mtime_ns) for path in (here / "tables").rglob("*.parquet"))
    outcome = night(here)
    assert outcome.taken == {}
    assert outcome.unchanged == len(Home(resolve("sample", None, here, {})).steps.all)
    assert list(published_files(Home(resolve("sample", None, here, {})))) == [1]
    assert sorted((path, path.stat().st_mtime_ns) for path in (here / "tables").rglob("*.parquet")) == before


def test_a_changed_weight_touches_risk_and_decision_only(here: Path, monkeypatch: pytest.MonkeyPatch):
    changed = dict(all_indices())
    poverty = changed["poverty"]
    first, *others = poverty.members
    changed["poverty"] = replace(poverty, members=(replace(first, weight=first.weight * 1.5), *others))
    indices.judge(changed.values(), staleness.all_indicators())
    monkeypatch.setattr(staleness, "all_indices", lambda: changed)
    steps = Home(resolve("sample", None, here, {})).steps
    stale = {step.id for step in steps.all.values() if steps.why_stale(step)}
    assert stale == {"risk_poverty", "risk_priority"}
    reading = {
        s.id for s in steps.all.values() if any(key.startswith(("risk.poverty", "risk.priority")) for key in s.reads)
    }
    assert all(step.startswith("decide_") or step == "warehouse" for step in reading)


def test_one_changed_file_makes_anew_its_own_descendants_only(tmp_path: Path):
    files = tmp_path / "files"
    for source, vintage, name, body in all_files():
        path = files / source / vintage / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    settings = resolve(str(files), "97", tmp_path / "home", {})
    first = run(settings, {}, lambda total: lambda done, step: None)
    assert first.succeeded, first.failures
    assert set(first.taken) == set(Home(settings).steps.all)
    (book,) = (files / "acf_cwo" / "2024").glob("*.csv")
    book.write_bytes(book.read_bytes().rstrip(b"\n") + b"\n\n")  # other bytes with another checksum, the same figures
    second = run(settings, {}, lambda total: lambda done, step: None)
    assert second.succeeded, second.failures
    steps = Home(settings).steps.all
    reached = {"landing:acf_cwo"}
    for step in sorted(steps.values(), key=lambda step: step.order):
        if reached & set(step.reads):
            reached.update(step.makes)
    own = {step.id for step in steps.values() if reached & set(step.reads)}
    assert set(second.taken) <= own
    assert {"core_acf_cwo", "warehouse"} <= set(second.taken)
    assert not any(step.startswith("risk_") for step in second.taken)
    assert all("landing:acf_cwo has changed" in why for step, why in second.taken.items() if step == "core_acf_cwo")


def test_what_comes_out_the_same_leaves_everything_after_it_alone(here: Path):
    """A parser whose code has changed is run again; its tables are the same, and nobody else has anything to do."""
    steps = Home(resolve("sample", None, here, {})).steps
    (here / "recipes" / "core_seda.json").unlink()
    outcome = night(here)
    assert outcome.taken == {"core_seda": "never made in this home"}
    assert steps.why_stale(steps.all["core_seda"]) is None


def test_everything_can_be_asked_for(here: Path):
    steps = Home(resolve("sample", None, here, {})).steps
    assert steps.why_stale(steps.all["geography"]) is None
    (here / "tables" / "geography" / "crosswalk.parquet").unlink()
    assert steps.why_stale(steps.all["geography"]) == "geography.crosswalk is gone"


def test_a_table_that_breaks_a_rule_is_made_again_the_next_night(here: Path):
    home = Home(resolve("sample", None, here, {}))
    home.steps.forget("core.seda_county")
    assert home.steps.why_stale(home.steps.all["core_seda"]) == "never made in this home"


def test_two_runs_of_one_home_do_not_meet(here: Path, tmp_path: Path):
    import subprocess
    import sys

    holder = subprocess.Popen(
        [sys.executable, "-c", f"""
from pathlib import Path
from pipelines.locking import locked
with locked(Path({str(here)!r})):
    print("held", flush=True)
    input()
"""],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"another run is at work .*process {holder.pid}"):
            night(here)
    finally:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()
    with locked(here), locked(here):
        pass  # the lock has died with its owner, and who holds it may hold it twice


# --- versions of code --------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project of two modules, in place of the real one."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "base.py").write_text("WIDTH = 2\n")
    (tmp_path / "models" / "topic.py").write_text(
        "from models.base import WIDTH\n"
        "def mark(f):\n    return f\n"
        "@mark\ndef one():\n    return WIDTH\n"
        "@mark\ndef two():\n    return 'table.yaml'\n"
    )
    (tmp_path / "models" / "table.yaml").write_text("a: 1\n")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    for cached in (code._tree, code.closure, code._own):
        cached.cache_clear()


def versions() -> tuple[str, str, str]:
    forget()
    return (
        code.of_modules(["models.topic"]),
        code.of_function("models.topic", "one"),
        code.of_function("models.topic", "two"),
    )


def edit(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_comments_docstrings_and_layout_are_no_change(project: Path):
    before = versions()
    edit(project / "models" / "topic.py", "    return WIDTH", '    """Says how wide."""\n\n    return WIDTH  # wide')
    assert versions() == before


def test_a_change_of_one_function_leaves_the_others_of_its_module(project: Path):
    whole, one, two = versions()
    edit(project / "models" / "topic.py", "return WIDTH", "return WIDTH + 1")
    assert [new == old for new, old in zip(versions(), (whole, one, two), strict=True)] == [False, False, True]


def test_what_a_module_imports_or_reads_belongs_to_it(project: Path):
    whole, one, two = versions()
    edit(project / "models" / "base.py", "2", "3")
    imported = versions()
    assert [new == old for new, old in zip(imported, (whole, one, two), strict=True)] == [False, False, False]
    edit(project / "models" / "table.yaml", "1", "2")
    assert versions()[0] != imported[0]


def test_a_changed_parser_is_not_the_code_of_an_index():
    assert "sources.seda" in code.closure("sources.seda")
    assert not any(name.startswith("sources") for name in code.closure("models.indices.assess"))
    assert "models.engine.shrinkage" in code.closure("models.indicators.assemble")
    forget()
