"""Asset checks: each table's Great Expectations suite, blocking for contract breaches, warning for suspicion."""

from collections.abc import Sequence

import dagster as dg

from pipelines.assets import asset_key
from pipelines.catalogue import catalogue
from pipelines.home import Home
from pipelines.judging import explain, judge_stored, record, write_data_docs
from quality.contract import Table
from quality.gx import CheckResult, Severity, has_expectations
from sources.registry import core_tables


def is_check(step_key: str) -> bool:
    """Whether a step of a run judges a table and makes none."""
    return step_key.endswith(("_contract", "_plausibility"))


def _table_of(results: Sequence[CheckResult]) -> str:
    def cell(text: object) -> str:
        return str(text or "").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")[:160]

    lines = ["| result | column | rule | found |", "| --- | --- | --- | --- |"]
    ordered = sorted(results, key=lambda result: result.passed)
    lines += [
        f"| {'holds' if r.passed else '**broken**'} | {cell(r.column)} | {cell(r.rule)} | {cell(r.observed)} |"
        for r in ordered
    ]
    return "\n".join(lines)


def _check(home: Home, table: Table, name: str, severity: Severity) -> dg.AssetChecksDefinition:
    is_blocking = severity == "critical"

    @dg.asset_check(
        asset=asset_key(table.key),
        name=name,
        blocking=is_blocking,
        description=(
            f"What {table.key} promises: columns, keys, ranges, allowed values. A breach stops everything downstream."
            if is_blocking
            else f"What would be suspicious in {table.key}; nothing is stopped."
        ),
    )
    def check() -> dg.AssetCheckResult:
        results = judge_stored(home, table, severity)
        record(home, results)
        broken = [result for result in results if not result.passed]
        if broken:
            write_data_docs(home)
        if broken and is_blocking:
            home.steps.forget(table.key)
            if table.key in core_tables():
                home.landing.distrust(core_tables()[table.key][0].id)
        return dg.AssetCheckResult(
            passed=not broken,
            severity=dg.AssetCheckSeverity.ERROR if is_blocking else dg.AssetCheckSeverity.WARN,
            description="; ".join(explain(home, result) for result in broken) or f"{len(results)} rules hold",
            metadata={"rules": len(results), "broken": len(broken), "results": dg.MetadataValue.md(_table_of(results))},
        )

    return check


def build_checks(home: Home) -> list[dg.AssetChecksDefinition]:
    """A `contract` check for every table, and `plausibility` where expectations stand beside it."""
    checks = []
    for table in catalogue().values():
        checks.append(_check(home, table, "contract", "critical"))
        if has_expectations(table):
            checks.append(_check(home, table, "plausibility", "warning"))
    return checks
