"""The generated tables `meta.*`: what is published, from whom, by which rule, and what is absent."""

import fnmatch
import json
from collections.abc import Sequence

import duckdb
import polars as pl

from models.indicators.assemble import AbsentPart
from models.indicators.indicator import all_indicators
from models.indices.compare import declaration_text
from models.indices.spec import all_indices
from models.indices.tables import WHAT_IT_IS
from models.limits import NON_USES
from pipelines.catalogue import catalogue
from pipelines.home import Home
from quality.contract import Column, Table
from quality.gx import CheckResult
from sources.registry import all_sources


def _text(name: str, description: str, *, nullable: bool = True) -> Column:
    return Column(name, pl.String, description, nullable=nullable)


def _flag(name: str, description: str) -> Column:
    return Column(name, pl.Boolean, description, nullable=False)


def _whole(name: str, description: str, unit: str | None = None) -> Column:
    return Column(name, pl.Int64, description, unit=unit)


def _meta(name: str, title: str, description: str, columns: Sequence[Column], key: tuple[str, ...]) -> Table:
    return Table(f"meta.{name}", title, description, tuple(columns), key, may_be_empty=True)


SOURCES = _meta(
    "sources", "Sources", "Every source: who publishes it, under what terms, how often.",
    [
        _text("source_id", "Publisher and product.", nullable=False), _text("title", "Title of the product."),
        _text("publisher", "Who publishes it."), _text("licence", "Terms of use."),
        _text("citation", "How to cite it."), _text("landing_page", "Where it is described."),
        _text("cadence", "When the publisher releases."),
        _text("vintages", "Declared vintages."), _whole("n_files", "Files landed in this home.", "files"),
    ],
    ("source_id",),
)  # fmt: skip
SNAPSHOTS = _meta(
    "snapshots", "Landed files", "Every publisher's file behind the tables, with its checksum.",
    [
        _text("source_id", "The source.", nullable=False), _text("vintage", "The vintage.", nullable=False),
        _text("name", "Name of the file inside the vintage.", nullable=False),
        _text("sha256", "SHA-256 of the bytes.", nullable=False), _whole("bytes", "Size.", "bytes"),
        _text("address", "Where it came from."), _text("fetched_at", "When this content was first landed (UTC)."),
        _text("etag", "The server's validator."), _text("last_modified", "The server's date."),
        _text("licence", "Terms of use."), _flag("is_simulated", "Whether the file is SIMULATED."),
    ],
    ("source_id", "vintage", "name"),
)  # fmt: skip
TABLES = _meta(
    "tables", "Tables", "Every published table.",
    [
        _text("table_key", "schema.name", nullable=False), _text("title", "Title."),
        _text("description", "What a row is."),
        _text("primary_key", "Columns that identify a row."), _whole("n_rows", "Number of rows.", "rows"),
        _text("checksum", "XOR over all rows of md5_number(row::VARCHAR), as text; see docs/analysts.md."),
    ],
    ("table_key",),
)  # fmt: skip
COLUMNS = _meta(
    "columns", "Columns", "Every column of every published table.",
    [
        _text("table_key", "schema.name", nullable=False), _text("column_name", "The column.", nullable=False),
        _whole("position", "Position, from 1."), _text("type", "DuckDB type."), _text("unit", "Unit."),
        _text("description", "What it holds."), _flag("is_nullable", "Whether null is allowed."),
    ],
    ("table_key", "column_name"),
)  # fmt: skip
INDICATORS = _meta(
    "indicators", "Indicators", "Every indicator's declaration.",
    [
        _text("indicator_id", "The indicator.", nullable=False), _text("title", "Title."), _text("topic", "Topic."),
        _text("index_id", "The one index that it belongs to; null for context."), _text("definition", "Definition."),
        _text("universe", "Of whom or what."), _text("numerator", "Cells that are counted."),
        _text("denominator", "Cells that they are set against."),
        _whole("direction", "+1: more is greater need; -1: less is; 0: neither."), _text("unit", "Unit."),
        _text("error_model", "How the error is known."), _text("native_level", "Level at which the figure is known."),
        _text("levels", "Levels that have rows."),
        _flag("compares_groups", "Whether it sets groups of people against each other."),
        _text("tables", "Core tables that it reads."), _text("reference", "Why it stands for its topic."),
        _text("bias", "What is known to be wrong with it."),
    ],
    ("indicator_id",),
)  # fmt: skip
INDICES = _meta(
    "indices", "Indices", "Every index's declaration: the judgement that outsiders review.",
    [
        _text("index_id", "The index.", nullable=False), _text("title", "Title."), _text("question", "What it asks."),
        _text("geo_level", "Level that it ranks."), _whole("reference_year", "Year that it stands for.", "year"),
        _text("reference_population", "Population of its percentiles."), _text("normalisation", "Normalisation."),
        _text("aggregation", "Aggregation."), Column("min_coverage", pl.Float64, "Least coverage for a score."),
        _text("members", "Members with weights, greatest age and rationale, as JSON."),
        _text("approved_by", "Who approved it; null until the fund does."),
        _text("changes", "Who changed what, when and why, as JSON, the newest last."),
        _text("declaration", "The whole declaration as YAML, as `headwaters diff` reads it again.", nullable=False),
    ],
    ("index_id",),
)  # fmt: skip
ABSENT = _meta(
    "absent", "What is absent", "What could not be computed from what is there, why, and which file would bring it.",
    [
        _text("part", "The table, indicator or member that is absent.", nullable=False),
        _text("reason", "Why.", nullable=False), _text("file_missing", "The file that would bring it."),
    ],
    ("part", "reason"),
)  # fmt: skip
CHECKS = _meta(
    "checks", "Checks", "The result of every rule on every table, judged when this file was published.",
    [
        _text("table_key", "schema.name", nullable=False), _text("rule", "The rule.", nullable=False),
        _text("column_name", "The column that it is about."), _text("severity", "critical stops publishing."),
        _flag("passed", "Whether the rule holds."), _text("observed", "What was found."),
        _text("examples", "Keys of rows that break it, as JSON."), _text("notes", "Why the rule is there."),
    ],
    ("table_key", "rule", "column_name"),
)  # fmt: skip
CHECK_HISTORY = _meta(
    "check_history", "History of checks",
    "The result of every rule in this release and those before it, the last thirty at most.",
    [
        Column("release", pl.Int64, "Number of the release; see meta.releases.", nullable=False),
        _text("table_key", "schema.name", nullable=False), _text("rule", "The rule.", nullable=False),
        _text("column_name", "The column that it is about."), _flag("passed", "Whether the rule held."),
        _text("observed", "What was found."),
    ],
    ("release", "table_key", "rule", "column_name"),
)  # fmt: skip
CORRECTIONS = _meta(
    "corrections", "Known errors of publishers",
    "Publishers' own figures that are known to be wrong, what is read in their place, and the evidence.",
    [
        _text("correction_id", "The entry.", nullable=False), _text("source_id", "The source.", nullable=False),
        _text("kind", "total: a Total that its rows do not meet; value: a cell that is read as something else."),
        _text("file", "The file."), _text("place", "Sheet or row, as JSON."), _text("column_name", "The column."),
        _text("published", "What the publisher printed."),
        _text("expected", "What its rows sum to, or what the cell is read as."),
        _text("why", "Why."), _text("evidence", "Evidence."),
        _flag("is_applied", "Whether a file of this name was landed, and so read with the correction."),
    ],
    ("correction_id",),
)  # fmt: skip
RELEASES = _meta(
    "releases", "Releases", "Every publish of this home; the last row is this file.",
    [
        _whole("release", "Number of the release."), _text("published_at", "When (UTC)."),
        _text("file", "Name of the file."), _text("region", "Region."), _text("input", "sample, live or directory."),
        _flag("is_simulated", "Whether the figures are SIMULATED."), _text("code_version", "Version of the code."),
        _whole("seed", "Seed of the draws."), _whole("n_draws", "Number of draws."),
        _text("inputs_sha256", "SHA-256 over the checksums of all landed files."),
        _text("code_sha256", "SHA-256 over the parsed code and declarations behind the tables."),
        _text("parameters", "Region, levels and whatever else was asked of the run, as JSON."),
    ],
    ("release",),
)  # fmt: skip

LIMITS = _meta(
    "limits", "What the figures are not for", "What every export of these figures carries.",
    [_text("limit_id", "The statement.", nullable=False), _text("text", "Its words.", nullable=False)],
    ("limit_id",),
)  # fmt: skip

STATIC = (
    LIMITS, SOURCES, SNAPSHOTS, COLUMNS, INDICATORS, INDICES, ABSENT, CHECKS, CHECK_HISTORY, CORRECTIONS, RELEASES,
    TABLES,
)  # fmt: skip
KEPT_RELEASES = 30
"""How many releases the history of checks goes back."""
DUCKDB_TYPES = {
    pl.String: "VARCHAR",
    pl.Float64: "DOUBLE",
    pl.Int64: "BIGINT",
    pl.Int8: "TINYINT",
    pl.Boolean: "BOOLEAN",
}


def _frame(table: Table, rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    schema = {column.name: column.dtype for column in table.columns}
    return table.conform(pl.DataFrame(list(rows), schema=schema, orient="row"))


def absent_parts(home: Home) -> list[AbsentPart]:
    """What is absent from the stored tables, each part and reason once."""
    return sorted(
        {part for key in catalogue() for part in home.tables.absent(key)}, key=lambda part: (part.part, part.reason)
    )


def _told_before(home: Home) -> tuple[int, pl.DataFrame]:
    """The number of the newest release, 0 where there is none, and the history that its file holds.

    The newest file knows every release; the current one may be older, after a rollback. A file from before there was
    a history tells its own checks.
    """
    empty = CHECK_HISTORY.empty()
    files = sorted(home.published.glob("headwaters-*.duckdb"))
    if not files:
        return 0, empty
    number = int(files[-1].stem.rsplit("-", 1)[1])
    with duckdb.connect(str(files[-1]), read_only=True) as reader:
        has_history = reader.execute(
            "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'meta' AND table_name = 'check_history'"
        ).fetchall()
        if has_history:
            rows = reader.execute(
                "SELECT release, table_key, rule, column_name, passed, observed FROM meta.check_history"
            ).fetchall()
        else:
            rows = reader.execute(
                "SELECT CAST(? AS BIGINT), table_key, rule, column_name, passed, observed FROM meta.checks", [number]
            ).fetchall()
    return number, pl.DataFrame(rows, schema=empty.schema, orient="row")


def check_history(earlier: pl.DataFrame, number: int, checks: Sequence[CheckResult]) -> pl.DataFrame:
    """The rows of `CHECK_HISTORY`: what earlier releases told and the results of this one.

    Args:
        earlier: rows of the table in the release before.
        number: of the release that is about to be published.
        checks: its results.
    """
    now = _frame(CHECK_HISTORY, [(number, r.table, r.rule, r.column, r.passed, r.observed) for r in checks])
    kept = earlier.filter((pl.col("release") > number - KEPT_RELEASES) & (pl.col("release") < number))
    return CHECK_HISTORY.conform(pl.concat([kept, now]))


def build(home: Home, checks: Sequence[CheckResult], tables: Sequence[Table]) -> dict[str, tuple[Table, pl.DataFrame]]:
    """All `meta` tables but `tables` and `releases`, which the publishing itself completes.

    Args:
        checks: the judgement of every table that is about to be published.
        tables: every table and view of the file, for the dictionary.
    """
    snapshots = home.landing.snapshots()
    newest, earlier = _told_before(home)
    index_of = {member.id: spec.id for spec in all_indices().values() for member in spec.members if not member.is_index}
    members = {spec.id: json.dumps([vars(m) for m in spec.members]) for spec in all_indices().values()}
    rows: dict[str, tuple[Table, Sequence[tuple[object, ...]]]] = {
        "limits": (LIMITS, [("what_it_is", WHAT_IT_IS), ("non_uses", NON_USES)]),
        "sources": (SOURCES, [
            (s.id, s.title, s.publisher, s.licence, s.citation, s.landing_page, s.cadence, ", ".join(s.vintage_ids),
             sum(snapshot.source_id == s.id for snapshot in snapshots))
            for s in all_sources().values()
        ]),
        "snapshots": (SNAPSHOTS, [tuple(getattr(s, name) for name in SNAPSHOTS.column_names) for s in snapshots]),
        "columns": (COLUMNS, [
            (t.key, c.name, n, DUCKDB_TYPES[c.dtype], c.unit, c.description, c.nullable)
            for t in tables for n, c in enumerate(t.columns, start=1)
        ]),
        "indicators": (INDICATORS, [
            (i.id, i.title, i.topic, index_of.get(i.id), i.definition, i.universe, i.numerator, i.denominator,
             i.direction, i.unit, i.error, i.native_level, ", ".join(i.levels), i.compares_groups, ", ".join(i.tables),
             i.reference, i.bias)
            for i in all_indicators().values()
        ]),
        "indices": (INDICES, [
            (s.id, s.title, s.question, s.geo_level, s.reference_year, s.reference_population, s.normalisation,
             s.aggregation, s.min_coverage, members[s.id], s.approved_by,
             json.dumps([vars(change) for change in s.changes], default=str), declaration_text(s.id))
            for s in all_indices().values()
        ]),
        "absent": (ABSENT, absent_parts(home)),
        "checks": (CHECKS, [
            (r.table, r.rule, r.column, "critical" if r.is_blocking else "warning", r.passed, r.observed,
             json.dumps(r.examples, default=str), r.notes)
            for r in checks
        ]),
        "corrections": (CORRECTIONS, [
            (c.id, s.id, c.kind, c.file, json.dumps(c.where), c.column, c.published, c.expected, c.why, c.evidence,
             any(n.source_id == s.id and fnmatch.fnmatchcase(n.name, c.file) for n in snapshots))
            for s in all_sources().values() for c in s.corrections
        ]),
    }  # fmt: skip
    made = {name: (table, _frame(table, entries)) for name, (table, entries) in rows.items()}
    return {**made, "check_history": (CHECK_HISTORY, check_history(earlier, newest + 1, checks))}
