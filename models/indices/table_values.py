"""The cells of a table as numbers, judged: what no index may be computed from is refused by row and column.

A row is counted as a spreadsheet shows it: the header is row 1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.indices.table_spec import TableSpec
from models.indices.yaml_lines import DeclarationError, Path, nearest

Vector = NDArray[np.float64]
FIRST_ROW = 2
MIN_ROWS = 2
_LARGEST = 1e30
"""Draws are float32, which end at 3e38."""


class TableError(ValueError):
    """A table that no index can be computed from; says file, row, column and rule."""


@dataclass(frozen=True)
class Values:
    """What an index reads of a table.

    Args:
        ids: of the rows, as they are written.
        names: for people; None where the declaration names no such column.
        columns: column -> (n,), NaN where a cell is empty or holds a code of what is missing.
    """

    ids: pl.Series
    names: pl.Series | None
    columns: Mapping[str, Vector]

    @property
    def n(self) -> int:
        return self.ids.len()


def columns_of(spec: TableSpec) -> dict[str, Path]:
    """Every numeric column that a declaration names, with the path of its key."""
    found: dict[str, Path] = {}
    for position, member in enumerate(spec.members):
        path: Path = ("members", position)
        found.setdefault(member.column, (*path, "column"))
        for role, column in member.error.columns.items():
            short = role in spec.entry.data["members"][position]
            found.setdefault(column, (*path, role) if short else (*path, "error", role))
    if spec.preset is None:
        return found
    if spec.preset.population:
        found[spec.preset.population] = ("population",)
    for variables in spec.preset.themes.values():
        at = "themes" if "themes" in spec.entry.data else "vintage"
        found.update(dict.fromkeys((f"EP_{variable}" for variable in variables), (at,)))
    at = "domains" if "domains" in spec.entry.data else "preset"
    found.update({column: (at, column) for column in spec.preset.domains})
    return found


def read_values(spec: TableSpec, frame: pl.DataFrame, where: str, optional: Iterable[str] = ()) -> Values:
    """Read what a declaration names from a table.

    Args:
        frame: every cell as text; empty text or null is an empty cell.
        where: the file, as errors name it.
        optional: further columns of numbers, read where the table has them.

    Raises:
        DeclarationError: a column is named that the table does not have; with line and key.
        TableError: too few rows, an id that is empty or stands twice, or a cell that is no number.
    """
    texts = frame.with_columns(pl.all().cast(pl.String).str.strip_chars())
    wanted: dict[str, Path] = {spec.id_column: ("table", "id")}
    if spec.name_column:
        wanted[spec.name_column] = ("table", "name")
    numeric = columns_of(spec)
    for column, path in {**wanted, **numeric}.items():
        if column not in texts.columns:
            raise _no_column(spec, column, path, texts.columns, where)
    ids = texts[spec.id_column].fill_null("")
    _judge_ids(ids, spec.id_column, where)
    if texts.height < MIN_ROWS:
        raise TableError(
            f"{where}: has {texts.height or 'no'} row{'' if texts.height == 1 else 's'} below its header: "
            "a rank is a place among others, so an index needs at least two"
        )
    names = texts[spec.name_column] if spec.name_column else None
    also = [column for column in optional if column in texts.columns and column not in numeric]
    return Values(
        ids=ids,
        names=names,
        columns={column: _numbers(texts[column], ids, spec.missing_codes, where) for column in (*numeric, *also)},
    )


def _no_column(spec: TableSpec, column: str, path: Path, known: list[str], where: str) -> DeclarationError:
    hint = nearest(column, known)
    if len(known) == 1:
        hint = f"; its header is the one column {known[0][:60]!r}: cells must be divided by commas"
    return spec.entry.error(f"{where} has no column {column}{hint}", *path)


def refuse(
    where: str, column: str, ids: pl.Series, wrong: NDArray[np.bool_], rule: str, cells: Iterable | None = None
) -> None:
    """Refuse a table of which some rows break a rule.

    Raises:
        TableError: names the first such row, the rule, and how many more there are.
    """
    rows = np.flatnonzero(wrong)
    if rows.size == 0:
        return
    first = int(rows[0])
    is_what = "" if cells is None else f", but is {list(cells)[first]!r}"
    named = f" (id {ids[first]})" if ids[first] else ""
    more = f"; so are {rows.size - 1} more rows" if rows.size > 2 else "; so is one more row" if rows.size == 2 else ""
    raise TableError(f"{where}: row {first + FIRST_ROW}{named}, column {column}: {rule}{is_what}{more}")


def _judge_ids(ids: pl.Series, column: str, where: str) -> None:
    refuse(where, column, ids, (ids == "").to_numpy(), "an id must not be empty")
    seen: dict[str, int] = {}
    for position, name in enumerate(ids):
        if name in seen:
            raise TableError(
                f"{where}: row {position + FIRST_ROW}, column {column}: the id {name} stands already in row "
                f"{seen[name] + FIRST_ROW}; an id names one row"
            )
        seen[name] = position


def _numbers(texts: pl.Series, ids: pl.Series, codes: Iterable[str], where: str) -> Vector:
    """A column as numbers; NaN where a cell is empty or says so by a code."""
    cells = texts.fill_null("")
    numbers = cells.cast(pl.Float64, strict=False)
    code_numbers = [number for code in codes if (number := _as_number(code)) is not None]
    is_missing = (cells == "") | cells.is_in(list(codes)) | numbers.is_in(code_numbers).fill_null(False)
    wrong = ~is_missing & ~(numbers.is_finite().fill_null(False))
    rule = "must be a number, with a point for decimals and nothing else, or empty"
    refuse(where, texts.name, ids, wrong.to_numpy(), rule, cells)
    too_large = (~is_missing & (numbers.abs() > _LARGEST)).fill_null(False)
    refuse(where, texts.name, ids, too_large.to_numpy(), "is too large to compute with: give it in another unit", cells)
    return np.where(is_missing.to_numpy(), np.nan, numbers.fill_null(np.nan).to_numpy())


def _as_number(code: str) -> float | None:
    try:
        return float(code)
    except ValueError:
        return None
