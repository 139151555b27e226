import polars as pl
import pytest

from quality.contract import Column, ContractError, Table, concat

TABLE = Table(
    key="core.example",
    title="Example",
    description="One row an area.",
    columns=(
        Column("geo_id", pl.String, "Id.", nullable=False, pattern=r"^\d{5}$"),
        Column("people_count", pl.Int64, "People.", unit="persons", minimum=0),
    ),
    primary_key=("geo_id",),
)


def test_conform_orders_types_and_sorts():
    frame = pl.DataFrame({"people_count": [2.0, 1.0], "geo_id": ["29510", "29001"]})
    conformed = TABLE.conform(frame)
    assert conformed.columns == ["geo_id", "people_count"]
    assert conformed.schema["people_count"] == pl.Int64
    assert conformed["geo_id"].to_list() == ["29001", "29510"]


def test_conform_names_missing_and_undeclared_columns():
    with pytest.raises(
        ContractError, match=r"core\.example: columns missing: people_count; columns not declared: people"
    ):
        TABLE.conform(pl.DataFrame({"geo_id": ["29510"], "people": [1]}))


def test_conform_refuses_what_a_type_cannot_hold():
    with pytest.raises(ContractError, match=r"core\.example"):
        TABLE.conform(pl.DataFrame({"geo_id": ["29510"], "people_count": ["many"]}))


def test_nan_is_refused_because_what_is_unknown_is_null():
    table = Table("core.x", "X", "X.", (Column("a_share", pl.Float64, "A."),), ("a_share",))
    assert table.conform(pl.DataFrame({"a_share": [0.5, None]})).height == 2
    with pytest.raises(ContractError, match=r"core\.x: NaN in a_share"):
        table.conform(pl.DataFrame({"a_share": [0.5, float("nan")]}))


def test_a_table_cannot_declare_a_column_twice_or_a_key_without_column():
    with pytest.raises(ContractError, match="declared twice: geo_id"):
        Table("core.x", "X", "X.", (TABLE.columns[0], TABLE.columns[0]), ("geo_id",))
    with pytest.raises(ContractError, match="names no column: county"):
        Table("core.x", "X", "X.", (TABLE.columns[0],), ("county",))


def test_concat_of_nothing_is_the_empty_table():
    assert concat(TABLE, []).schema == TABLE.empty().schema
