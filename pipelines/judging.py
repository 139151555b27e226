"""Judge stored tables, and what becomes of a judgement: broken rules in words, results kept, Data Docs."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from pipelines.files import write_atomically
from pipelines.home import Home
from quality.contract import Table
from quality.gx import CheckResult, Severity, data_docs, judge

_judged: dict[tuple[str, str, Severity], list[CheckResult]] = {}


def judge_stored(home: Home, table: Table, severity: Severity) -> list[CheckResult]:
    """Judge a table as it is stored.

    Publishing judges everything again, because a check guards only the run in which it stood. The same bytes under the
    same rules have the same result: within one process they are judged once.
    """
    what = (table.key, home.tables.sha256(table.key), severity)
    if what not in _judged:
        if len(_judged) > 1000:
            _judged.clear()
        _judged[what] = judge(table, home.tables.read(table.key), severity)
    return _judged[what]


def explain(home: Home, result: CheckResult) -> str:
    """One broken rule in words: rule, column, what was found, which rows of which file."""
    labels = {snapshot.sha256: snapshot.label for snapshot in home.landing.snapshots()}
    shas = [sha for example in result.examples for sha in str(example.get("snapshot_sha256", "")).split(",")]
    files = list(dict.fromkeys(labels[sha] for sha in shas if sha in labels))
    rows = "; ".join(
        ", ".join(f"{key}={value}" for key, value in example.items() if key != "snapshot_sha256")
        for example in result.examples[:3]
    )
    return (
        f"{result.table}: rule {result.rule}"
        + (f" on column {result.column!r}" if result.column else "")
        + f" is broken: {result.observed}"
        + (f"; rows: {rows}" if rows else "")
        + (f"; files: {', '.join(files)}" if files else "")
    )


def record(home: Home, results: Sequence[CheckResult]) -> None:
    """Keep results, one file a table and severity."""
    suites: dict[str, list[CheckResult]] = {}
    for result in results:
        suites.setdefault(f"{result.table}.{'contract' if result.is_blocking else 'plausibility'}", []).append(result)
    for name, suite in suites.items():
        body = json.dumps([asdict(result) for result in suite], default=str)
        write_atomically(home.checks / f"{name}.json", body.encode())


def write_data_docs(home: Home) -> None:
    """Write Data Docs anew from all results that are kept: when something is broken, and when all is published."""
    known = []
    for path in sorted(home.checks.glob("*.json")):
        known += [
            CheckResult(**{**item, "examples": tuple(item["examples"])})
            for item in json.loads(path.read_text(encoding="utf-8"))
        ]
    heading = f"Region {home.settings.region.title}" + (": SIMULATED data" if home.settings.is_simulated else "")
    write_atomically(home.data_docs, data_docs(known, heading).encode())
