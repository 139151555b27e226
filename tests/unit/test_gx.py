"""Great Expectations judges what a table declares, and says which rows break which rule."""

from dataclasses import replace

import polars as pl
import pytest

from quality.contract import Column, Table
from quality.gx import data_docs, judge

SHA = "a" * 64
TABLE = Table(
    key="core.example",
    title="Example",
    description="One row an area and year.",
    columns=(
        Column("geo_id", pl.String, "Id.", nullable=False, pattern=r"^\d{5}$"),
        Column("year", pl.Int64, "Year.", nullable=False),
        Column("share", pl.Float64, "Share.", minimum=0, maximum=1),
        Column("kind", pl.String, "Kind.", allowed=("exact", "missing")),
        Column("snapshot_sha256", pl.String, "File.", nullable=False),
    ),
    primary_key=("geo_id", "year"),
)
GOOD = pl.DataFrame(
    {
        "geo_id": ["29001", "29510"],
        "year": [2023, 2023],
        "share": [0.0, 1.0],
        "kind": ["exact", None],
        "snapshot_sha256": [SHA, SHA],
    }
)


def broken(frame: pl.DataFrame, table: Table = TABLE) -> list[str]:
    return [f"{result.rule} {result.column}" for result in judge(table, frame) if not result.passed]


def test_a_good_table_breaks_no_rule():
    assert broken(GOOD) == []


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("geo_id", ["29001", "2951"], "match_regex"),
        ("geo_id", ["29001", None], "not_be_null"),
        ("share", [0.5, -0.1], "between"),
        ("share", [0.5, 1.1], "between"),
        ("kind", ["exact", "guessed"], "in_set"),
        ("geo_id", ["29001", "29001"], "be_unique"),
    ],
)
def test_each_declared_rule_can_break(column, values, rule):
    frame = GOOD.with_columns(pl.Series(column, values))
    found = broken(frame)
    assert len(found) == 1, found
    assert rule in found[0]


def test_a_broken_rule_names_its_rows_and_their_file():
    [result] = [r for r in judge(TABLE, GOOD.with_columns(share=pl.Series([0.5, -3.0]))) if not r.passed]
    assert result.is_blocking
    assert result.column == "share"
    assert "1 of 2 rows break it: -3.0" in result.observed
    assert result.examples == ({"geo_id": "29510", "year": 2023, "snapshot_sha256": SHA},)


def test_a_missing_column_and_an_empty_table_break_the_contract():
    assert any(
        "columns_to_match" in rule for rule in broken(GOOD.select("geo_id", "year", "share", "snapshot_sha256", "kind"))
    )
    assert any("row_count" in rule for rule in broken(GOOD.clear()))
    assert broken(GOOD.clear(), replace(TABLE, may_be_empty=True)) == []


def test_hand_written_expectations_join_the_suite_and_only_warn_where_they_say_so():
    from sources.census_saipe import COUNTY

    frame = COUNTY.empty().with_columns(pl.lit(None).alias("x")).drop("x")
    row = dict.fromkeys(frame.columns) | {
        "vintage": "2023", "period": "2023", "geo_level": "county", "geo_id": "29510", "snapshot_sha256": SHA,
        "poverty_0_17_share": 0.9, "poverty_0_17_share_lower": 0.95, "poverty_0_17_share_upper": 0.99,
    }  # fmt: skip
    results = judge(COUNTY, pl.DataFrame([row], schema=frame.schema))
    failed = {(r.is_blocking, r.column) for r in results if not r.passed}
    assert (True, "poverty_0_17_share") in failed  # the interval does not enclose its estimate
    assert (False, "poverty_0_17_share") in failed  # nine in ten poor children would be suspicious
    assert {r.is_blocking for r in judge(COUNTY, pl.DataFrame([row], schema=frame.schema), "warning")} == {False}


def test_data_docs_need_no_network_and_escape_publishers_text():
    results = judge(TABLE, GOOD.with_columns(kind=pl.Series(["<script>alert(1)</script>", None])))
    page = data_docs(results, "A county named <script>")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page
    assert "src=" not in page


def test_great_expectations_still_loses_duckdb_connections():
    """docs/adr/0003: we hand tables over as pandas because GX closes DuckDB's connection too early.

    When this fails, GX has learnt to keep DuckDB connections (or has moved the list): read the ADR
    again and consider validating in DuckDB.
    """
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    assert "duckdb" not in engine._PERSISTED_CONNECTION_DIALECTS
