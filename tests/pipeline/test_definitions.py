"""What Dagster is shown: every table as a described asset with a blocking check, the schedule, and a light import."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from models.decisions.decision import all_decisions
from models.indicators.indicator import all_indicators
from models.indices.spec import all_indices
from models.indices.tables import UNIONS
from pipelines.assets import LANDING_OP, PUBLISHERS, WAREHOUSE, asset_key, landing_key
from pipelines.catalogue import catalogue
from pipelines.definitions import build_defs
from pipelines.home import Home
from pipelines.schedules import EVERYTHING, JOB
from pipelines.settings import resolve
from pipelines.staleness import LANDING
from quality.contract import Table
from quality.gx import has_expectations
from sources.registry import all_sources, core_tables

ROOT = Path(__file__).parents[2]
TABLES = pytest.mark.parametrize("table", [pytest.param(table, id=key) for key, table in catalogue().items()])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("definitions") / "home"


@pytest.fixture(scope="module")
def definitions(home: Path) -> dg.Definitions:
    return build_defs(resolve("sample", home=home, config={}))


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in definitions.resolve_all_asset_specs()}


@pytest.fixture(scope="module")
def checks(definitions: dg.Definitions) -> dict[tuple[dg.AssetKey, str], dg.AssetCheckSpec]:
    return {(spec.asset_key, spec.name): spec for made in definitions.asset_checks or () for spec in made.check_specs}


def test_the_definitions_load_and_write_nothing(definitions: dg.Definitions, home: Path):
    dg.Definitions.validate_loadable(definitions)
    assert not home.exists()


@pytest.mark.parametrize(("input", "pools"), [("sample", {None}), ("live", {PUBLISHERS})])
def test_publishers_are_asked_in_one_pool_and_files_on_this_machine_in_none(home: Path, input: str, pools: set):
    made = build_defs(resolve(input, "97" if input == "live" else None, home, {})).assets or ()
    landing = [one for one in made if isinstance(one, dg.AssetsDefinition) and one.op.name.startswith(LANDING_OP)]
    assert len(landing) == len(all_sources())
    assert {one.op.pool for one in landing} == pools


def test_there_is_an_asset_for_every_table_landing_and_the_warehouse_and_no_other(
    specs: dict[dg.AssetKey, dg.AssetSpec],
):
    assert set(specs) == {
        *(asset_key(key) for key in catalogue()),
        *(landing_key(source) for source in all_sources()),
        WAREHOUSE,
    }
    assert {key.split(".")[0] for key in catalogue()} <= {
        "core", "geography", "indicator", "risk", "decision", "analyst",
    }  # fmt: skip
    decided = sum(len(decision.tables) for decision in all_decisions().values())
    n_scored = len(UNIONS) * len(all_indices())
    assert len(catalogue()) == len(core_tables()) + 3 + len(all_indicators()) + n_scored + decided


@TABLES
def test_every_table_is_described(specs: dict[dg.AssetKey, dg.AssetSpec], table: Table):
    spec = specs[asset_key(table.key)]
    assert spec.group_name == table.schema_name
    assert spec.owners == ["team:data"]
    assert {"polars"} < set(spec.kinds)
    assert (spec.description or "").startswith(f"{table.title}. ")
    assert spec.metadata["dagster/table_name"] == table.key
    schema = spec.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns] == table.column_names
    for column, declared in zip(schema.columns, table.columns, strict=True):
        assert (column.description or "").startswith(declared.description)
        assert declared.unit is None or declared.unit in (column.description or "")
        assert column.constraints.nullable == declared.nullable
        assert column.type in ("string", "double", "bigint", "tinyint", "boolean")


@TABLES
def test_lineage_of_columns_names_columns_that_exist(specs: dict[dg.AssetKey, dg.AssetSpec], table: Table):
    spec = specs[asset_key(table.key)]
    lineage = spec.metadata.get("dagster/column_lineage")
    decided = {one.key for decision in all_decisions().values() for one in decision.tables}
    if table.schema_name in ("core", "geography") or table.key in decided:
        assert lineage is None, "a core table's columns come from files; a weight or a decision rests on whole tables"
        return
    assert isinstance(lineage, dg.TableColumnLineage)
    upstream = {dep.asset_key for dep in spec.deps}
    for column, sources in lineage.deps_by_column.items():
        assert column in table.column_names
        assert sources, column
        for source in sources:
            assert source.asset_key in upstream
            assert source.column_name in catalogue()[".".join(source.asset_key.path)].column_names


@TABLES
def test_every_table_has_a_blocking_contract(checks: dict[tuple[dg.AssetKey, str], dg.AssetCheckSpec], table: Table):
    key = asset_key(table.key)
    assert checks[key, "contract"].blocking
    assert ((key, "plausibility") in checks) == has_expectations(table)
    if has_expectations(table):
        assert not checks[key, "plausibility"].blocking


def test_there_is_no_check_of_anything_else(checks: dict[tuple[dg.AssetKey, str], dg.AssetCheckSpec]):
    assert {name for _, name in checks} == {"contract", "plausibility"}
    assert {key for key, _ in checks} == {asset_key(key) for key in catalogue()}


def test_every_landing_says_who_publishes_and_when_it_is_stale(specs: dict[dg.AssetKey, dg.AssetSpec]):
    for source in all_sources().values():
        spec = specs[landing_key(source.id)]
        assert spec.group_name == "landing"
        assert spec.owners == ["team:data"]
        assert source.publisher in (spec.description or "")
        assert spec.metadata["licence"] == source.licence
        policy = spec.freshness_policy
        assert policy is not None
        assert policy == dg.FreshnessPolicy.time_window(fail_window=policy.fail_window.to_timedelta())  # type: ignore[attr-defined]
        assert policy.fail_window.to_timedelta().days == source.cadence_days  # type: ignore[attr-defined]


def test_data_flow_from_landing_to_the_warehouse(specs: dict[dg.AssetKey, dg.AssetSpec]):
    assert {dep.asset_key for dep in specs[WAREHOUSE].deps} == {asset_key(key) for key in catalogue()}
    for key, (source, _) in core_tables().items():
        assert {dep.asset_key for dep in specs[asset_key(key)].deps} == {landing_key(source.id)}
    for indicator in all_indicators().values():
        assert {dep.asset_key for dep in specs[asset_key(indicator.table.key)].deps} >= {
            asset_key(key) for key in indicator.tables
        }


def test_the_schedule_looks_for_what_is_stale_every_night(definitions: dg.Definitions):
    (schedule,) = definitions.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 2 * * *", "America/Chicago")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == JOB
    assert [node.name for node in definitions.resolve_job_def(JOB).graph.nodes] == ["night"]
    selected = definitions.resolve_job_def(EVERYTHING).asset_layer.selected_asset_keys
    assert selected == {spec.key for spec in definitions.resolve_all_asset_specs()}


def test_every_step_of_the_pipeline_has_a_recipe_and_reads_what_its_assets_depend_on(definitions: dg.Definitions):
    """What decides whether a step is stale, and the graph that the UI shows, cannot differ."""
    steps = Home(resolve(config={})).steps.all
    made = {key: step for step in steps.values() for key in step.makes}
    assert set(made) == set(catalogue())
    for spec in definitions.resolve_all_asset_specs():
        table = ".".join(spec.key.path)
        if table in made:
            reads = {
                f"landing.{key.removeprefix(LANDING)}" if key.startswith(LANDING) else key for key in made[table].reads
            }
            assert {".".join(dep.asset_key.path) for dep in spec.deps} == reads, table
            assert all(made[key].order < made[table].order for key in made[table].reads if key in made), table
    assert steps["warehouse"].order == max(step.order for step in steps.values())


# Everything that is opened to be written, every folder made, every connection: told by Python itself.
WATCH = """
import json, os, sys
touched, read = [], []

def watch(event, args):
    if event == "open":
        path, mode, flags = args
        if isinstance(path, (str, bytes)):
            path = os.fsdecode(path)
            if path != os.devnull and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                touched.append(path)
            elif path.startswith(ROOT) and "/.venv/" not in path:
                read.append(path)
    elif event in ("socket.connect", "socket.getaddrinfo", "os.mkdir", "os.rename", "os.remove", "sqlite3.connect"):
        touched.append(event)

ROOT = sys.argv[1]
sys.addaudithook(watch)
import pipelines.definitions
print(json.dumps({
    "touched": touched,
    "read": [path for path in read if not path.endswith((".py", ".pyc"))],
    "loaded": sorted(name for name in sys.modules if name.split(".")[0] in ("great_expectations", "dask", "census")),
    "definitions": "pipelines.definitions" in sys.modules,
}))
"""


def test_importing_the_definitions_touches_neither_disk_nor_network(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCH, str(ROOT)], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"touched": [], "read": [], "loaded": [], "definitions": True}
    assert list(tmp_path.iterdir()) == []


def test_loading_the_definitions_imports_no_great_expectations(tmp_path: Path):
    """They are loaded by every process of the UI; Great Expectations costs seconds."""
    code = (
        "import sys, pipelines.definitions as d; d.defs(); "
        "print([name for name in sys.modules if name.split('.')[0] in ('great_expectations', 'scipy.stats')])"
    )
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []
