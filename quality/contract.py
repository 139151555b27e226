"""Declare a table once: columns, units, keys, ranges, allowed values.

Everything else that needs to know a table follows from this declaration: its Great Expectations
suite (`quality.gx`), the column schema in the Dagster UI, the comments and the dictionary in the
published warehouse.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl


class ContractError(ValueError):
    """A frame does not have the shape that its table declares."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        name: snake_case, with the suffix of its unit (`_share`, `_count`, `_usd`, ...).
        dtype: the Polars type that is stored.
        description: what a reader of the dictionary needs to know.
        unit: unit of measure as shown to people, for instance `share of persons, 0 to 1`.
        nullable: whether null is allowed.
        minimum: smallest allowed value, inclusive.
        maximum: largest allowed value, inclusive.
        allowed: the only values that are allowed.
        pattern: a regular expression that every value matches.
    """

    name: str
    dtype: type[pl.DataType]
    description: str
    unit: str | None = None
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None
    pattern: str | None = None


@dataclass(frozen=True)
class Additive:
    """Rows of a table that sum to another row; see `quality.suppression`.

    Args:
        within: columns that are the same in a total and its parts.
        along: the column that tells a total from its parts.
        total: what that column says of the total.
        figure: the column that is summed; `<figure>_kind` says what its cell holds.
        aside: values of `along` that are neither the total nor one of its parts.
    """

    within: tuple[str, ...]
    along: str
    total: str
    figure: str = "count"
    aside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table and everything that is promised about it.

    Args:
        key: `schema.name`; the same in Dagster (`schema/name`), Parquet and DuckDB.
        title: one line for people.
        description: what a row is, where it comes from, what it must not be used for.
        columns: the columns in published order.
        primary_key: the columns that identify a row.
        may_be_empty: whether a table without rows is in order.
        additive: which rows sum to which others, where the publisher suppresses some of them.
    """

    key: str
    title: str
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    may_be_empty: bool = False
    additive: tuple[Additive, ...] = ()

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ContractError(f"{self.key}: columns declared twice: {', '.join(repeated)}")
        unknown = [name for name in self.primary_key if name not in names]
        if unknown:
            raise ContractError(f"{self.key}: primary key names no column: {', '.join(unknown)}")

    @property
    def schema_name(self) -> str:
        return self.key.split(".", 1)[0]

    @property
    def name(self) -> str:
        return self.key.split(".", 1)[1]

    @property
    def path(self) -> tuple[str, str]:
        return self.schema_name, self.name

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    def empty(self) -> pl.DataFrame:
        """A frame without rows in the declared schema."""
        return pl.DataFrame(schema={column.name: column.dtype for column in self.columns})

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Bring a frame into the declared columns, order and types; judge no value.

        Returns:
            The frame with exactly the declared columns, sorted by the primary key.

        Raises:
            ContractError: a declared column is missing, an undeclared one is present, or a value
                cannot be held by its declared type; NaN is no value: what is unknown is null; a number stands
                where its kind says that the publisher gave none, or is lacking where it says `exact`.
        """
        missing = [name for name in self.column_names if name not in frame.columns]
        extra = [name for name in frame.columns if name not in self.column_names]
        if missing or extra:
            raise ContractError(
                f"{self.key}: columns missing: {', '.join(missing) or 'none'}; "
                f"columns not declared: {', '.join(extra) or 'none'}"
            )
        try:
            cast = frame.select(pl.col(column.name).cast(column.dtype) for column in self.columns)
        except pl.exceptions.PolarsError as error:
            raise ContractError(f"{self.key}: {error}") from error
        self._judge_kinds(cast)
        # Great Expectations counts NaN as null, so no rule of a suite would notice it.
        nan = [name for name, dtype in cast.schema.items() if dtype.is_float() and cast[name].is_nan().any()]
        if nan:
            raise ContractError(f"{self.key}: NaN in {', '.join(nan)}; what is unknown is null")
        return cast.sort(self.primary_key)

    def _judge_kinds(self, frame: pl.DataFrame) -> None:
        """Suppressed is never zero: a figure and its `_kind` say the same, row by row."""
        for kind in (column.name for column in self.columns if "suppressed" in (column.allowed or ())):
            name = kind.removesuffix("_kind")
            is_wrong = (pl.col(kind) == "exact") != pl.col(name).is_not_null()
            bounds = [bound for bound in (f"{name}_lower", f"{name}_upper") if bound in frame.columns]
            if bounds:
                has_bound = pl.any_horizontal(pl.col(bounds).is_not_null())
                is_wrong = is_wrong | (pl.col(kind).is_in(["exact", "interval"]) != has_bound)
                is_wrong = is_wrong | (pl.col(bounds[0]) > pl.col(bounds[-1])).fill_null(False)
            wrong = frame.filter(is_wrong)
            if wrong.height:
                keys = {key: wrong[key][0] for key in (*self.primary_key, kind, name)}
                raise ContractError(
                    f"{self.key}: {name} and {kind} contradict each other in {wrong.height} rows: {keys}"
                )


def concat(table: Table, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Stack frames of one table; without any, the empty frame of the table."""
    return pl.concat([table.empty(), *frames], how="vertical") if frames else table.empty()
