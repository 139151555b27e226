"""Judge tables with Great Expectations; the only importer of it.

A table's suite is generated from its declaration, and hand-written expectations in
`quality/expectations/` are added to it. Tables are read through pandas: see docs/adr/0003.
"""

import importlib
import importlib.util
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import polars as pl

from quality.contract import Column, Table

EXAMPLES = 5
Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class CheckResult:
    """The result of one expectation on one table.

    Args:
        rule: the expectation in words, unique inside its table.
        column: the column that it is about, None for the whole table.
        is_blocking: a failed blocking rule stops publishing; any other is a warning.
        observed: what was found, in words.
        examples: keys of the first rows that break the rule.
    """

    table: str
    rule: str
    column: str | None
    is_blocking: bool
    passed: bool
    observed: str
    examples: tuple[dict[str, Any], ...]
    notes: str | None


@cache
def _great_expectations() -> tuple[Any, Any]:
    """Import on first use: it takes seconds, and most steps never judge anything."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("tables")
    return gxe, source.add_dataframe_asset("table").add_batch_definition_whole_dataframe("whole")


@contextmanager
def _configured_once() -> Iterator[None]:
    """Let each expectation build its configuration once in a validation, in which it does not change.

    It is read some fifty times a rule, and building it anew each time is a third of the time that judging takes.
    """
    from great_expectations.expectations.expectation import Expectation

    name = "configuration"
    before: Any = getattr(Expectation, name)
    built: dict[int, tuple[Any, Any]] = {}

    def configuration(self: Any) -> Any:
        if id(self) not in built:
            built[id(self)] = (self, before.fget(self))  # held, so that no other can take its id
        return built[id(self)][1]

    setattr(Expectation, name, property(configuration))
    try:
        yield
    finally:
        setattr(Expectation, name, before)


def _column_expectations(gxe: Any, column: Column) -> list[Any]:
    made = []
    if not column.nullable:
        made.append(gxe.ExpectColumnValuesToNotBeNull(column=column.name))
    if column.minimum is not None or column.maximum is not None:
        made.append(
            gxe.ExpectColumnValuesToBeBetween(column=column.name, min_value=column.minimum, max_value=column.maximum)
        )
    if column.allowed is not None:
        made.append(gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=list(column.allowed)))
    if column.pattern is not None:
        made.append(gxe.ExpectColumnValuesToMatchRegex(column=column.name, regex=column.pattern))
    return made


def generated(table: Table) -> list[Any]:
    """The expectations that follow from a table's declaration."""
    gxe, _ = _great_expectations()
    made = [gxe.ExpectTableColumnsToMatchOrderedList(column_list=table.column_names)]
    if not table.may_be_empty:
        made.append(gxe.ExpectTableRowCountToBeBetween(min_value=1))
    for column in table.columns:
        made += _column_expectations(gxe, column)
    if len(table.primary_key) == 1:
        made.append(gxe.ExpectColumnValuesToBeUnique(column=table.primary_key[0]))
    else:
        made.append(gxe.ExpectCompoundColumnsToBeUnique(column_list=list(table.primary_key)))
    return made


def suite_for(table: Table) -> list[Any]:
    """The expectations of a table: generated from its declaration, then the hand-written ones."""
    gxe, _ = _great_expectations()
    written = importlib.import_module(_module(table)).expectations(gxe) if has_expectations(table) else []
    return generated(table) + written


def _words(kind: str, kwargs: dict[str, Any]) -> str:
    """`column_values_to_be_between(min_value=0)` and the like: short, and unique inside a table."""
    shown = {k: v for k, v in kwargs.items() if k not in ("batch_id", "column", "column_list") and v is not None}
    if kind.endswith("unique") and "column_list" in kwargs:
        shown["key"] = "+".join(kwargs["column_list"])
    arguments = ", ".join(f"{key}={value}" for key, value in shown.items())
    return kind.removeprefix("expect_") + (f"({arguments})" if arguments else "")


def _observed(result: dict[str, Any], *, passed: bool) -> str:
    if "unexpected_count" in result:
        count, of = result["unexpected_count"], result["element_count"]
        if not count:
            return f"no row of {of:,} breaks it"
        worst = ", ".join(str(value) for value in result.get("partial_unexpected_list", [])[:EXAMPLES])
        return f"{count:,} of {of:,} rows break it" + (f": {worst}" if worst else "")
    observed = result.get("observed_value")
    if observed is None or (passed and isinstance(observed, list)):
        return ""  # a list of columns or values that are all as declared says nothing more to a person
    return str(observed)[:300]


def judge(table: Table, frame: pl.DataFrame, severity: Severity | None = None) -> list[CheckResult]:
    """Run a table's suite on a frame.

    Args:
        frame: the rows, any order.
        severity: run only the expectations of this severity; all of them when None.

    Returns:
        One result an expectation, in the suite's order.

    Raises:
        RuntimeError: an expectation could not be evaluated at all.
    """
    # What is said about rows beyond the contract means nothing of a table that is rightly empty.
    rightly_empty = table.may_be_empty and frame.is_empty()
    expectations = generated(table) if rightly_empty else suite_for(table)
    expectations = [e for e in expectations if severity in (None, _severity(e))]
    keys = [name for name in table.primary_key if name in frame.columns]
    trace = [name for name in ("snapshot_sha256",) if name in frame.columns and name not in keys]
    found = _validate(table, frame, expectations, {"result_format": "BASIC"})
    if not all(item["success"] for item in found):
        # Looking up which rows break a rule costs as much as judging it: only where one is broken.
        named = {"unexpected_index_column_names": keys + trace, "partial_unexpected_count": EXAMPLES}
        found = _validate(table, frame, expectations, {"result_format": "SUMMARY", **named})
    results = []
    for item in found:
        config = item["expectation_config"]
        kwargs, result = config["kwargs"], item["result"]
        examples = result.get("partial_unexpected_index_list") or []
        results.append(
            CheckResult(
                table=table.key,
                rule=_words(config["type"], kwargs),
                column=kwargs.get("column") or kwargs.get("column_A"),
                is_blocking=config.get("severity", "critical") == "critical",
                passed=bool(item["success"]),
                observed=_observed(result, passed=bool(item["success"])),
                examples=tuple({k: row[k] for k in keys + trace if k in row} for row in examples[:EXAMPLES]),
                notes=config.get("notes") if isinstance(config.get("notes"), str) else None,
            )
        )
    return results


def _validate(table: Table, frame: pl.DataFrame, expectations: list[Any], format_: dict[str, Any]) -> list[Any]:
    """Results of expectations as Great Expectations tells them, in their order."""
    _, batch_definition = _great_expectations()
    import great_expectations as gx

    suite = gx.ExpectationSuite(table.key, expectations=expectations)
    with warnings.catch_warnings(), _configured_once():
        # pandas doubts that a pattern with groups is meant to match; ours are.
        warnings.filterwarnings("ignore", message="This pattern is interpreted as a regular expression")
        batch = batch_definition.get_batch({"dataframe": frame.to_pandas()})
        # What holds is read as it is: turning all of it into JSON takes another quarter of the time.
        found = [
            item.to_json_dict()
            if not item.success
            else {
                "success": True,
                "result": item.result,
                "expectation_config": item.expectation_config.to_json_dict(),
                "exception_info": item.exception_info,
            }
            for item in batch.validate(suite, result_format=format_).results
        ]
    for item in found:
        if failure := _failure(item["exception_info"]):
            raise RuntimeError(f"{table.key}: {item['expectation_config']['type']} could not be evaluated: {failure}")
    return found


def _failure(info: dict[str, Any]) -> str | None:
    """Why an expectation could not be evaluated; told once, or once for each metric that it needs."""
    told = [info] if "raised_exception" in info else list(info.values())
    return next((str(one["exception_message"]) for one in told if one.get("raised_exception")), None)


def _severity(expectation: Any) -> str:
    return str(getattr(expectation.severity, "value", expectation.severity))


def has_expectations(table: Table) -> bool:
    """Whether hand-written expectations stand beside the table's contract."""
    return importlib.util.find_spec(_module(table)) is not None


def _module(table: Table) -> str:
    return f"quality.expectations.{table.schema_name}_{table.name}"


def data_docs(results: Sequence[CheckResult], heading: str) -> str:
    """Data Docs of a run: one HTML page without any outside resource, publishers' text escaped."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("quality", "templates"), autoescape=True)
    tables: dict[str, list[CheckResult]] = {}
    for result in results:
        tables.setdefault(result.table, []).append(result)
    return environment.get_template("data_docs.html").render(heading=heading, tables=tables)
