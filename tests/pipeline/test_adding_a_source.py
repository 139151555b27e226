"""Adding a source takes one folder and one fixture: everything else follows, as docs/adding-a-source.md says."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest

import sources
from atlas import summary
from pipelines.assets import asset_key, landing_key
from pipelines.catalogue import catalogue
from pipelines.definitions import build_defs
from pipelines.running import run
from pipelines.settings import resolve
from sources import registry, simulated
from tests.conftest import copy_home

FOLDER = '''"""Libraries by county: opening hours, as a state might publish them."""

import polars as pl

from quality.columns import PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level, measured
from quality.contract import Column, Table
from sources.tabular import read_rows
from sources.source import ParseError, RawFile, Source, Vintage
from sources.values import parse_number

COUNTY = Table(
    key="core.toy_libraries_county",
    title="Library hours by county",
    description="Hours that public libraries are open in a week, by county.",
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("county"),
        geo_id("county"),
        *measured("hours_count", "Hours a week.", "hours"),
        SNAPSHOT,
    ),
    primary_key=("vintage", "geo_id"),
    may_be_empty=True,
)


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read one file of hours."""
    records = []
    for number, row in enumerate(read_rows(file, (("county", "hours"),)), start=2):
        try:
            hours = parse_number(row["hours"])
        except ValueError as error:
            raise ParseError(file.label, f"column 'hours': {error}", row=number) from None
        records.append((file.vintage, file.vintage, "county", row["county"].zfill(5), *hours))
    names = [name for name in COUNTY.column_names if name != "snapshot_sha256"]
    return {COUNTY.key: pl.DataFrame(records, schema=names, orient="row")}


SOURCE = Source(
    id="toy_libraries",
    title="Library hours",
    publisher="Simulated State Library",
    licence="Public domain",
    citation="Simulated State Library, Hours.",
    landing_page="https://library.example.gov/",
    cadence="yearly",
    cadence_days=400,
    vintages=(Vintage("2024"),),
    tables=(COUNTY,),
    files={COUNTY.key: ("hours.csv",)},
    parse=parse,
    not_live="The publisher offers no address: put hours.csv into <DIR>/toy_libraries/2024/.",
)
'''

FIXTURE = '''"""Hours of the simulated counties; one is withheld."""


def files(region):
    """The one file."""
    rows = [f"{county.fips},{'S' if n == 3 else 10 + n}" for n, county in enumerate(region.counties)]
    yield "2024", "hours.csv", ("county,hours\\n" + "\\n".join(rows) + "\\n").encode()
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One folder and one fixture more, as if they lay in the project."""
    (tmp_path / "sources" / "toy_libraries").mkdir(parents=True)
    (tmp_path / "sources" / "toy_libraries" / "__init__.py").write_text(FOLDER)
    (tmp_path / "simulated").mkdir()
    (tmp_path / "simulated" / "toy_libraries.py").write_text(FIXTURE)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path / "sources")])
    monkeypatch.setattr(simulated, "__path__", [*simulated.__path__, str(tmp_path / "simulated")])
    importlib.invalidate_caches()
    registry.all_sources.cache_clear()
    yield
    registry.all_sources.cache_clear()
    for name in ("sources.toy_libraries", "sources.simulated.toy_libraries"):
        sys.modules.pop(name, None)


def test_one_folder_and_one_fixture_bring_everything_else(toy: None, sample_home: Path, tmp_path: Path):
    settings = resolve("sample", home=copy_home(sample_home, tmp_path / "home"), config={})
    key = "core.toy_libraries_county"
    definitions = build_defs(settings)
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    assert {landing_key("toy_libraries"), asset_key(key)} <= set(specs)
    assert specs[asset_key(key)].metadata["dagster/table_name"] == key
    checks = {spec.asset_key: spec for made in definitions.asset_checks or () for spec in made.check_specs}
    assert checks[asset_key(key)].blocking
    assert key in catalogue()

    outcome = run(settings, {}, lambda total: lambda done, step: None)

    assert outcome.succeeded, outcome.failures
    assert {"core_toy_libraries", "warehouse"} <= set(outcome.taken)
    assert not [step for step in outcome.taken if step.startswith(("indicator_", "risk_"))], "nothing reads it yet"
    with duckdb.connect(str((tmp_path / "home" / summary.CURRENT).resolve()), read_only=True) as reader:

        def rows(sql: str) -> list[tuple]:
            return reader.execute(sql).fetchall()

        assert rows(f"SELECT count(*), count(hours_count), min(hours_count) FROM {key}") == [(24, 23, 10.0)]
        assert rows(f"SELECT hours_count_kind, count(*) FROM {key} GROUP BY 1 ORDER BY 1") == [
            ("exact", 23),
            ("suppressed", 1),
        ]
        named = rows(f"SELECT column_name FROM meta.columns WHERE table_key = '{key}' ORDER BY position")
        assert "hours_count_kind" in [name for (name,) in named]
        [(title, n_rows)] = rows(f"SELECT title, n_rows FROM meta.tables WHERE table_key = '{key}'")
        assert (title, n_rows) == ("Library hours by county", 24)
        assert rows("SELECT publisher, n_files FROM meta.sources WHERE source_id = 'toy_libraries'") == [
            ("Simulated State Library", 1)
        ]
        assert rows("SELECT name FROM meta.snapshots WHERE source_id = 'toy_libraries'") == [("hours.csv",)]
        assert rows(f"SELECT bool_and(passed), count(*) > 8 FROM meta.checks WHERE table_key = '{key}'") == [
            (True, True)
        ]
        comments = rows("SELECT comment FROM duckdb_columns() WHERE table_name = 'toy_libraries_county'")
        assert len(comments) == len(named)
        assert all(comment for (comment,) in comments)
        [(comment,)] = rows("SELECT comment FROM duckdb_tables() WHERE table_name = 'toy_libraries_county'")
        assert comment.endswith("Library hours by county. Hours that public libraries are open in a week, by county.")


def test_without_the_folder_nothing_of_it_is_left():
    assert "core.toy_libraries_county" not in catalogue()
    definitions: dg.Definitions = build_defs(resolve("sample", config={}))
    assert landing_key("toy_libraries") not in {spec.key for spec in definitions.resolve_all_asset_specs()}
    assert "toy" not in json.dumps(sorted(registry.all_sources()))
