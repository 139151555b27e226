"""No suppressed cell can be got back by subtraction from what we publish.

Publishers withhold small cells and often forget that a total beside them gives one back. A table says with `additive`
which of its rows sum to which others. Where the published cells of such sums determine a suppressed one, totals are
withheld until they no longer do: the smallest publication that keeps the publisher's promise. See docs/adr/0009.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from quality.contract import Additive, ContractError, Table

_TOLERANCE = 1e-9
_CELL = "__cell"

Relation = tuple[int, list[int]]
"""A total and its parts, as cell numbers."""


@dataclass
class _Group:
    """Cells that are tied by sums, by number: what is stated, and what the publisher withholds."""

    relations: list[Relation]
    known: dict[int, float]
    hidden: set[int]

    def withhold(self, cells: set[int]) -> None:
        for cell in cells:
            del self.known[cell]
        self.hidden |= cells


def recoverable(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Suppressed rows that the other rows determine, exactly or because nothing is left for them but zero.

    Args:
        table: whose `additive` says what sums to what.
        frame: rows of the table.

    Returns:
        The rows of `frame` whose suppressed figure can be computed; none where the table is safe.
    """
    numbered = frame.with_row_index(_CELL)
    found = [cell for group in _groups(table, numbered) for cell in _determined(group)]
    return numbered.filter(pl.col(_CELL).is_in(found)).drop(_CELL)


def protect(table: Table, frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Withhold totals until no suppressed row can be computed from what is left.

    Returns:
        The frame, in which withheld totals are suppressed like what they would give away, and how many were withheld.

    Raises:
        ContractError: withholding cannot keep a cell hidden.
    """
    numbered = frame.with_row_index(_CELL)
    withheld: set[int] = set()
    for group in _groups(table, numbered):
        while determined := _determined(group):
            given_away = set(determined)
            chosen = {cell for one in group.relations if (cell := _to_withhold(one, given_away, group)) is not None}
            if not chosen:
                row = dict(zip(table.primary_key, frame.select(table.primary_key).row(determined[0]), strict=True))
                raise ContractError(f"{table.key}: the suppressed cell {row} can be computed from its neighbours")
            withheld |= chosen
            group.withhold(chosen)
    if not withheld:
        return frame, 0
    figure = table.additive[0].figure
    hide = pl.col(_CELL).is_in(sorted(withheld))
    numbers = [name for name in (figure, f"{figure}_lower", f"{figure}_upper") if name in frame.columns]
    hidden = numbered.with_columns(
        *(pl.when(hide).then(None).otherwise(pl.col(name)).alias(name) for name in numbers),
        pl.when(hide).then(pl.lit("suppressed")).otherwise(pl.col(f"{figure}_kind")).alias(f"{figure}_kind"),
    )
    return hidden.drop(_CELL), len(withheld)


def _groups(table: Table, numbered: pl.DataFrame) -> Iterator[_Group]:
    """Rows that are tied by sums, for those groups in which something is suppressed."""
    if not table.additive or numbered.is_empty():
        return
    figure = table.additive[0].figure
    kind = f"{figure}_kind"
    # Rows of different groups never stand in one sum: what all sums have in common splits the table.
    common = [name for name in table.additive[0].within if all(name in one.within for one in table.additive)]
    hurt = numbered.filter(pl.col(kind) == "suppressed").select(common).unique()
    tied = numbered.join(hurt, on=common, how="semi", nulls_equal=True)
    for group in tied.partition_by(common, maintain_order=True):
        stated = group.filter(pl.col(kind) == "exact").select(_CELL, figure)
        hidden = set(group.filter(pl.col(kind) == "suppressed")[_CELL].to_list())
        yield _Group(_relations(table.additive, group), dict(stated.iter_rows()), hidden)


def _relations(additive: Sequence[Additive], group: pl.DataFrame) -> list[Relation]:
    found: list[Relation] = []
    for one in additive:
        is_total = pl.col(one.along) == one.total
        sums = (
            group.filter(~pl.col(one.along).is_in(one.aside))
            .group_by(one.within, maintain_order=True)
            .agg(total=pl.col(_CELL).filter(is_total).first(), parts=pl.col(_CELL).filter(~is_total))
            .filter(pl.col("total").is_not_null() & (pl.col("parts").list.len() > 0))
        )
        found += sums.select("total", "parts").iter_rows()
    return found


def _to_withhold(relation: Relation, given_away: set[int], group: _Group) -> int | None:
    """The cell of a sum that must not be told: its total; where the total is what must stay hidden, the least part."""
    total, parts = relation
    if total in given_away:
        stated = (part for part in parts if part in group.known)
        return min(stated, key=lambda part: (group.known[part], part), default=None)
    return total if total in group.known and given_away.intersection(parts) else None


def _determined(group: _Group) -> list[int]:
    """Suppressed cells of a group that its sums fix: those in which no solution of the sums differs."""
    fixed: set[int] = set()
    rows, columns, signs = [], [], []
    at: dict[int, int] = {}
    for row, (total, parts) in enumerate(group.relations):
        # A cell that says nothing at all may hold anything: it is as unknown as a suppressed one.
        unknown = [
            (cell, sign) for cell, sign in [(total, -1.0), *((p, 1.0) for p in parts)] if cell not in group.known
        ]
        for cell, sign in unknown:
            rows.append(row)
            columns.append(at.setdefault(cell, len(at)))
            signs.append(sign)
        if unknown and total in group.known:
            rest = group.known[total] - sum(group.known.get(part, 0.0) for part in parts)
            # Counts are not negative: parts that share nothing are all zero.
            fixed |= {cell for cell, _ in unknown if rest <= _TOLERANCE}
    cells = list(at)
    for block_rows, block_columns in _blocks(rows, columns, len(group.relations), len(at)):
        inside = [n for n, column in enumerate(columns) if column in block_columns]
        matrix = np.zeros((len(block_rows), len(block_columns)))
        for n in inside:
            matrix[block_rows[rows[n]], block_columns[columns[n]]] = signs[n]
        names = list(block_columns)
        fixed |= {cells[names[n]] for n in _fixed(matrix)}
    return sorted(fixed & group.hidden)


def _blocks(
    rows: Sequence[int], columns: Sequence[int], n_rows: int, n_columns: int
) -> Iterator[tuple[dict[int, int], dict[int, int]]]:
    """Sums and unknown cells that hang together, each with its place inside its block."""
    if not rows:
        return
    size = n_rows + n_columns
    edges = (np.ones(len(rows)), (np.array(rows), np.array(columns) + n_rows))
    _, labels = connected_components(coo_array(edges, shape=(size, size)), directed=False)
    members: dict[int, tuple[dict[int, int], dict[int, int]]] = {}
    for row, column in zip(rows, columns, strict=True):
        inside = members.setdefault(int(labels[row]), ({}, {}))
        inside[0].setdefault(row, len(inside[0]))
        inside[1].setdefault(column, len(inside[1]))
    yield from members.values()


def _fixed(matrix: npt.NDArray[np.float64]) -> list[int]:
    """Columns in which every solution of `matrix @ x = b` agrees: where the null space is zero."""
    _, singular, right = np.linalg.svd(matrix)
    rank = int((singular > _TOLERANCE).sum())
    free = np.abs(right[rank:]).max(axis=0) if rank < matrix.shape[1] else np.zeros(matrix.shape[1])
    return [n for n, size in enumerate(free) if size < _TOLERANCE**0.5]
