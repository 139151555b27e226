"""Assets, made from the registries: landing, core, indicator, risk, and the warehouse."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl

from models.decisions.decision import Decision, Place, all_decisions
from models.engine.defaults import N_DRAWS, SEED
from models.geography import places
from models.geography import published as crosswalks
from models.geography.counties import COUNTY_VINTAGE
from models.indicators import acs, equivalents
from models.indicators.assemble import AbsentPart, assemble
from models.indicators.indicator import Indicator, all_indicators
from models.indices.spec import IndexSpec, all_indices, leaf_members
from models.indices.tables import index_tables
from pipelines import ingest, plots
from pipelines import staleness as steps
from pipelines.catalogue import catalogue, parts_of
from pipelines.home import Home
from pipelines.http import HttpFetcher
from pipelines.inputs import open_input
from pipelines.redact import redact
from pipelines.settings import LIVE, check_binding
from pipelines.staleness import COUNTIES, decision_reads, index_reads, indicator_reads
from pipelines.warehouse import publish
from quality.contract import Table
from sources.registry import all_sources
from sources.source import PassingError, Source, SourceError

OWNERS = ["team:data"]
RUNBOOK = "docs/operations.md"
WAREHOUSE = dg.AssetKey("warehouse")
LANDING_OP = "landing__"
"""Before a source's id: the name of its landing step."""
RETRY_DELAY = 30
"""Seconds before a publisher is asked again: servers fail for minutes, and the fetcher itself retries for seconds."""
PUBLISHERS = "publishers"
"""Dagster's pool of the steps that ask publishers."""
_PREVIEW_ROWS = 5
_RANKED = ("geo_id", "geo_name", "score", "rank", "rank_p05", "rank_p95", "p_top_10", "coverage", "quality")
_COLUMN_TYPES = {
    pl.String: "string",
    pl.Float64: "double",
    pl.Int64: "bigint",
    pl.Int8: "tinyint",
    pl.Boolean: "boolean",
}


def asset_key(table_key: str) -> dg.AssetKey:
    """`core.hud_pit_coc` in Dagster: core/hud_pit_coc."""
    return dg.AssetKey(table_key.split("."))


def landing_key(source_id: str) -> dg.AssetKey:
    return dg.AssetKey(["landing", source_id])


def _column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=_COLUMN_TYPES[column.dtype],
                description=column.description + (f" [{column.unit}]" if column.unit else ""),
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=table.primary_key == (column.name,)
                ),
            )
            for column in table.columns
        ]
    )


def _spec(
    table: Table,
    deps: Sequence[dg.AssetKey],
    kinds: set[str],
    lineage: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> dg.AssetSpec:
    metadata: dict[str, Any] = {
        "dagster/column_schema": _column_schema(table),
        "dagster/table_name": table.key,
        "runbook": f"{RUNBOOK}#when-a-publisher-changes-something",
    }
    if lineage:
        metadata["dagster/column_lineage"] = dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(asset_key(key), source) for key, source in sources]
                for column, sources in lineage.items()
            }
        )
    return dg.AssetSpec(
        asset_key(table.key),
        deps=list(deps),
        description=f"{table.title}. {table.description}",
        group_name=table.schema_name,
        kinds=kinds,
        owners=OWNERS,
        metadata=metadata,
    )


def _plain(text: object) -> str:
    """Text of a publisher inside markdown: neither a tag nor the end of a cell."""
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _preview(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """The first rows as a markdown table; publishers' text cannot break out of a cell."""
    ranked = "rank" in frame.columns
    shown = (frame.sort("rank", nulls_last=True) if ranked else frame).head(_PREVIEW_ROWS)
    # A table that is wider than the page hides its columns: of scores, what says where and how sure.
    shown = shown.select(column for column in shown.columns if column in _RANKED or not ranked)
    shown = shown.drop("snapshot_sha256", strict=False)

    def cell(value: object) -> str:
        text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
        return _plain(text[:60])

    lines = ["| " + " | ".join(shown.columns) + " |", "|" + " --- |" * shown.width]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in shown.iter_rows()]
    return dg.MetadataValue.md("\n".join(lines))


def _result(
    home: Home, table: Table, frame: pl.DataFrame, absent: Sequence[AbsentPart], **extra: Any
) -> dg.MaterializeResult:
    metadata: dict[str, Any] = {"dagster/row_count": frame.height, "preview": _preview(frame), **extra}
    if home.settings.is_simulated:
        metadata["SIMULATED"] = "These figures describe no real place."
    if absent:
        lines = (f"- **{_plain(one.part)}**: {_plain(one.reason)}" for one in absent)
        metadata["absent"] = dg.MetadataValue.md("\n".join(lines))
    return dg.MaterializeResult(asset_key=asset_key(table.key), metadata=metadata)


def land_source(home: Home, source: Source, vintages: Collection[str] | None = None) -> tuple[ingest.Landed, list[str]]:
    """Land what the input offers of a source, or of some of its vintages only.

    Returns:
        What was landed, and the files that are there and that nobody reads, each with the reason.

    Raises:
        PassingError: a publisher cannot be reached now; trying again may help.
        dagster.Failure: anything else that is wrong with a file.
    """
    check_binding(home.settings)
    chosen = open_input(home.settings, lambda: HttpFetcher(landing=home.landing))
    try:
        done = ingest.land(home, source, chosen, vintages)
    except PassingError:
        raise
    except SourceError as error:
        # A wrong key or a changed file stays wrong: trying again would only keep the person waiting.
        raise dg.Failure(redact(str(error)), allow_retries=False) from None
    return done, chosen.unread(source)


def landed_metadata(done: ingest.Landed, unread: Sequence[str]) -> dict[str, Any]:
    """What the UI shows of a landing."""
    rows = ["| file | bytes | sha256 |", "| --- | --- | --- |"]
    rows += [f"| {_plain(f'{s.vintage}/{s.name}')} | {s.bytes:,} | `{s.sha256[:16]}` |" for s in done.snapshots]
    return {
        "files": dg.MetadataValue.md("\n".join(rows)),
        "files_landed": len(done.snapshots),
        "files_changed": done.changed,
        "bytes": sum(s.bytes for s in done.snapshots),
        "not_read": dg.MetadataValue.md("\n".join(f"- {_plain(line)}" for line in unread) or "none"),
    }


def landing_retries(home: Home) -> dg.RetryPolicy | None:
    """How often a publisher is asked again; files that lie on this machine are not."""
    return dg.RetryPolicy(max_retries=2, delay=RETRY_DELAY) if home.settings.input == LIVE else None


def landing_pool(home: Home) -> str | None:
    """The pool in which publishers are asked: how hard a host is asked is known to one process only."""
    return PUBLISHERS if home.settings.input == LIVE else None


def _landing_asset(home: Home, source: Source) -> dg.AssetsDefinition:
    @dg.asset(
        key=landing_key(source.id),
        output_required=False,
        description=f"{source.title}, as {source.publisher} publishes it: bytes kept unaltered, a record beside them. "
        f"{source.cadence[0].upper()}{source.cadence[1:]}. {source.citation}",
        group_name="landing",
        kinds={"file"},
        owners=OWNERS,
        metadata={
            "publisher": source.publisher,
            "runbook": f"{RUNBOOK}#alert-run-failed",
            "licence": source.licence,
            "citation": source.citation,
            "landing_page": dg.MetadataValue.url(source.landing_page),
            "vintages": ", ".join(source.vintage_ids),
        },
        retry_policy=landing_retries(home),
        pool=landing_pool(home),
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(days=source.cadence_days)),
    )
    def land(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        asked = context.run.tags.get(f"{steps.VINTAGES}{source.id}")
        done, unread = land_source(home, source, asked.split(",") if asked else None)
        for line in unread:
            context.log.warning(f"not read: {line}")
        if not done.changed and steps.ONLY_NEWS in context.run.tags:
            context.log.info(f"{source.id}: nothing new")
            return
        if not done.snapshots:
            context.log.warning(f"{source.id}: the input {redact(home.settings.input)} has no file of this source")
        yield dg.MaterializeResult(metadata=landed_metadata(done, unread))

    return land


def _core_assets(home: Home, source: Source) -> dg.AssetsDefinition:
    specs = [_spec(table, [landing_key(source.id)], {"polars", "parquet"}) for table in source.tables]

    @dg.multi_asset(name=f"core_{source.id}", specs=specs)
    def parse() -> Iterator[dg.MaterializeResult]:
        check_binding(home.settings)

        def write(parsed: ingest.Parsed) -> pl.DataFrame:
            return home.tables.write(parsed.table, parsed.frame, parsed.absent)

        with home.steps.making(f"core_{source.id}"):
            for parsed, stored in ingest.parse(home, source, write):
                files = dg.MetadataValue.md("\n".join(f"- {_plain(name)}" for name in parsed.files) or "none")
                yield _result(home, parsed.table, stored, parsed.absent, files=files)

    return parse


def counties_of(home: Home) -> pl.DataFrame:
    """The counties of the declared vintage: geo_id and geo_name, in order of id.

    Raises:
        SourceError: no landed file lists them.
    """
    listed = home.tables.read(COUNTIES, pl.col("vintage") == COUNTY_VINTAGE)
    if listed.is_empty():
        raise SourceError(
            f"the list of counties is read from census_acs5/{COUNTY_VINTAGE}/county/*.json, and none was landed: "
            "without it no area can be ranked"
        )
    return listed.group_by("geo_id").agg(pl.col("geo_name").first()).sort("geo_id")


def _geography_asset(home: Home) -> dg.AssetsDefinition:
    tables = crosswalks.TABLES
    deps = [asset_key(key) for key in steps.GEOGRAPHY_READS]

    @dg.multi_asset(name="geography", specs=[_spec(table, deps, {"polars", "parquet"}) for table in tables])
    def divide() -> Iterator[dg.MaterializeResult]:
        check_binding(home.settings)
        with home.steps.making("geography"):
            inputs = {key: home.tables.read(key) for key in crosswalks.INPUTS}
            built = crosswalks.build_all(inputs, counties_of(home), home.tables.read(COUNTIES))
            for table, frame in zip(tables, built, strict=True):
                yield _result(home, table, home.tables.write(table, frame), [])

    return divide


def _indicator_asset(home: Home, indicator: Indicator, declared: Mapping[str, Table]) -> dg.AssetsDefinition:
    table = indicator.table
    reads = indicator_reads(indicator)
    figures = [
        (key, column.name)
        for key in indicator.tables
        for column in declared[key].columns
        if column.dtype == pl.Float64 and key != crosswalks.CROSSWALK.key
    ]
    spec = _spec(
        table,
        [asset_key(key) for key in reads],
        {"polars", "parquet"},
        {"value": figures, "value_direct": figures, "se": figures},
    )

    @dg.multi_asset(name=f"indicator_{indicator.id}", specs=[spec])
    def define() -> Iterator[dg.MaterializeResult]:
        check_binding(home.settings)
        with home.steps.making(f"indicator_{indicator.id}"):
            yield _defined()

    def _defined() -> dg.MaterializeResult:
        counties = counties_of(home) if COUNTIES in reads else pl.DataFrame()
        # Of the largest tables only the cells that the indicator may use are read.
        cells = pl.col("cell").is_in(equivalents.cells(indicator))
        frame, absent = assemble(
            indicator,
            {key: home.tables.read(key, cells if key in acs.TABLES else None) for key in indicator.tables},
            counties,
        )
        stored = home.tables.write(table, frame, absent)
        known = stored["value"].drop_nulls()
        picture = {}
        if known.len():
            svg = plots.histogram(known.to_list(), indicator.title, is_simulated=home.settings.is_simulated)
            picture["distribution"] = dg.MetadataValue.md(plots.as_markdown(svg, indicator.title))
        return _result(home, table, stored, absent, values=known.len(), **picture)

    return define


def areas_of(home: Home, counties: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The region's areas of each level beside the county; tracts only where they were asked for."""
    lists = {
        level: home.tables.listed(key, "geo_level", "geo_id", "geo_name")
        for level, key in places.LISTS.items()
        if level != "tract" or home.settings.tracts
    }
    return places.region_areas(lists, home.tables.read(crosswalks.CROSSWALK.key), counties)


def _risk_assets(home: Home, spec: IndexSpec) -> dg.AssetsDefinition:
    tables = index_tables(spec)
    scores, *others = tables
    read, needed = index_reads(spec)
    values = [(f"indicator.{member.id}", "value") for member, _ in leaf_members(spec, all_indices())]
    deps = [asset_key(key) for key in needed]
    specs = [
        _spec(scores, deps, {"polars", "numpy"}, {"score": values, "rank": values, "percentile": values}),
        *(
            _spec(table, deps, {"polars", "numpy"}, {name: values})
            for table, name in zip(others, ("score", "contribution", "data_share", "value"), strict=True)
        ),
    ]

    @dg.multi_asset(name=f"risk_{spec.id}", specs=specs)
    def rank() -> Iterator[dg.MaterializeResult]:
        check_binding(home.settings)
        with home.steps.making(f"risk_{spec.id}"):
            yield from _ranked()

    def _ranked() -> Iterator[dg.MaterializeResult]:
        # The engine's compiled loops are loaded where they run: the UI loads the definitions without them.
        from models.indices.areas import score_areas
        from models.indices.assess import assess

        counties = counties_of(home)
        region = home.settings.region.select(counties)
        inputs = (all_indices(), all_indicators(), {name: home.tables.read(f"indicator.{name}") for name in read})
        simulated = home.settings.is_simulated
        found = assess(spec, *inputs, counties, region, is_simulated=simulated)
        areas, not_ranked = score_areas(spec, *inputs, areas_of(home, region), is_simulated=simulated)
        frames = (found.scores, areas, found.drivers, found.sensitivity, found.audit)
        absent = {scores.key: found.absent, others[0].key: not_ranked}
        for table, frame in zip(tables, frames, strict=True):
            shown: dict[str, Any] = {}
            if table is scores:
                shown = {"ranks": _rank_plot(home, spec, frame), "n_draws": N_DRAWS, "seed": SEED}
            elif frame is found.audit:
                shown = {"page": dg.MetadataValue.md(found.page)}
            gone = absent.get(table.key, [])
            yield _result(home, table, home.tables.write(table, frame, gone), gone, **shown)

    return rank


def _rank_plot(home: Home, spec: IndexSpec, scores: pl.DataFrame) -> dg.MarkdownMetadataValue:
    top = scores.drop_nulls("rank").sort("rank").head(20)
    svg = plots.rank_intervals(
        list(top.select("geo_name", "rank", "rank_p05", "rank_p95").iter_rows()),
        int(scores["n_ranked"].max() or 0),  # type: ignore[arg-type]
        f"{spec.title}: rank with 90 % interval, {home.settings.region.title}",
        is_simulated=home.settings.is_simulated,
    )
    return dg.MetadataValue.md(plots.as_markdown(svg, f"{spec.title}: ranks with 90 % intervals"))


def _decision_asset(home: Home, decision: Decision) -> dg.AssetsDefinition:
    name = f"decide_{decision.id}"
    deps = [asset_key(key) for key in decision_reads(decision)]
    specs = [_spec(table, deps, {"polars", "parquet"}) for table in decision.tables]

    @dg.multi_asset(name=name, specs=specs)
    def decide() -> Iterator[dg.MaterializeResult]:
        check_binding(home.settings)
        with home.steps.making(name):
            yield from _decided()

    def _decided() -> Iterator[dg.MaterializeResult]:
        region, simulated = home.settings.region, home.settings.is_simulated
        place = Place(region.id, region.title, region.select(counties_of(home)), simulated)
        read = {key: pl.concat([home.tables.read(part) for part in parts_of(key)]) for key in decision.reads}
        found = decision.compute(read, place)
        for table in decision.tables:
            gone = [part for part in found.absent if part.part.startswith(table.key)]
            yield _result(home, table, home.tables.write(table, found.frames[table.key], gone), gone)

    return decide


def _warehouse_asset(home: Home) -> dg.AssetsDefinition:
    @dg.asset(
        key=WAREHOUSE,
        deps=[asset_key(key) for key in catalogue()],
        description="One read-only DuckDB file with every table, built beside the published one, judged once more and "
        "swapped in whole. Readers are never blocked and never block.",
        group_name="published",
        kinds={"duckdb"},
        owners=OWNERS,
        metadata={"runbook": f"{RUNBOOK}#releases"},
    )
    def warehouse() -> dg.MaterializeResult:
        with home.steps.making(steps.WAREHOUSE):
            release = publish(home)
        return dg.MaterializeResult(
            metadata={
                "release": release.number,
                "file": release.path.name,
                "bytes": release.path.stat().st_size,
                "tables": release.n_tables,
                "dagster/row_count": release.n_rows,
                "absent_parts": release.n_absent,
                "warnings": release.n_warnings,
            }
        )

    return warehouse


def build_assets(home: Home) -> list[dg.AssetsDefinition]:
    """All assets of a home."""
    declared = catalogue()
    return [
        *(_landing_asset(home, source) for source in all_sources().values()),
        *(_core_assets(home, source) for source in all_sources().values()),
        _geography_asset(home),
        *(_indicator_asset(home, indicator, declared) for indicator in all_indicators().values()),
        *(_risk_assets(home, spec) for spec in all_indices().values()),
        *(_decision_asset(home, decision) for decision in all_decisions().values()),
        _warehouse_asset(home),
    ]
