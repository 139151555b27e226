"""No suppressed cell can be got back by subtraction from what we publish.

Publishers withhold small cells and often forget that a total beside them gives one back. A table says with `additive`
which of its rows sum to which others. Where the published cells of such sums determine a suppressed one, totals are
withheld until they no longer do: the smallest publication that keeps the publisher's promise.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from quality.contract import Additive, ContractError, Table

_TOLERANCE = 1e-9
_CELL = "__cell"


def recoverable(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Suppressed rows that the other rows determine, exactly or because nothing is left for them but zero.

    Args:
        table: whose `additive` says what sums to what.
        frame: rows of the table.

    Returns:
        The rows of `frame` whose suppressed figure can be computed; none where the table is safe.
    """
    numbered = frame.with_row_index(_CELL)
    found: list[int] = []
    for group, _ in _groups(table, numbered):
        found += _determined(table.additive, group)
    return numbered.filter(pl.col(_CELL).is_in(found)).drop(_CELL)


def protect(table: Table, frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Withhold totals until no suppressed row can be computed from what is left.

    Returns:
        The frame, in which withheld totals are suppressed like what they would give away, and how many were withheld.

    Raises:
        ContractError: totals alone cannot keep a cell hidden.
    """
    numbered = frame.with_row_index(_CELL)
    withheld: set[int] = set()
    for group, relations in _groups(table, numbered):
        current = group
        while determined := _determined(table.additive, current):
            exact = _exact(table.additive, current)
            chosen = {cell for one in relations if (cell := _to_withhold(one, determined, exact)) is not None}
            if not chosen:
                keys = group.select(table.primary_key).row(0)
                raise ContractError(f"{table.key}: a suppressed cell beside {keys} can be computed from its neighbours")
            withheld |= chosen
            current = _suppress(table, current, withheld)
    if not withheld:
        return frame, 0
    return _suppress(table, numbered, withheld).drop(_CELL), len(withheld)


def _figure(table: Table) -> str:
    return table.additive[0].figure


def _suppress(table: Table, frame: pl.DataFrame, cells: set[int]) -> pl.DataFrame:
    figure = _figure(table)
    hidden = pl.col(_CELL).is_in(sorted(cells))
    numbers = [name for name in (figure, f"{figure}_lower", f"{figure}_upper") if name in frame.columns]
    return frame.with_columns(
        *(pl.when(hidden).then(None).otherwise(pl.col(name)).alias(name) for name in numbers),
        pl.when(hidden).then(pl.lit("suppressed")).otherwise(pl.col(f"{figure}_kind")).alias(f"{figure}_kind"),
    )


Relation = tuple[int, list[int]]
"""A total and its parts, as cell numbers."""


def _groups(table: Table, numbered: pl.DataFrame) -> list[tuple[pl.DataFrame, list[Relation]]]:
    """Rows that are tied by sums, for those groups in which something is suppressed."""
    if not table.additive or numbered.is_empty():
        return []
    # Rows of different groups never stand in one sum: what all sums have in common splits the table.
    common = [name for name in table.additive[0].within if all(name in one.within for one in table.additive)]
    kind = f"{_figure(table)}_kind"
    hurt = numbered.filter(pl.col(kind) == "suppressed").select(common).unique()
    tied = numbered.join(hurt, on=common, how="semi", nulls_equal=True)
    return [(group, _relations(table.additive, group)) for group in tied.partition_by(common, maintain_order=True)]


def _relations(additive: Sequence[Additive], group: pl.DataFrame) -> list[Relation]:
    found = []
    for one in additive:
        for part in group.partition_by(list(one.within), maintain_order=True):
            total = part.filter(pl.col(one.along) == one.total)[_CELL].to_list()
            parts = part.filter((pl.col(one.along) != one.total) & ~pl.col(one.along).is_in(one.aside))
            if total and parts.height:
                found.append((total[0], parts[_CELL].to_list()))
    return found


def _exact(additive: Sequence[Additive], group: pl.DataFrame) -> dict[int, float]:
    """Figures of the cells that are stated, by cell number."""
    figure = additive[0].figure
    return dict(group.filter(pl.col(f"{figure}_kind") == "exact").select(_CELL, figure).iter_rows())


def _to_withhold(relation: Relation, determined: Sequence[int], exact: Mapping[int, float]) -> int | None:
    """The cell of a sum that must not be told: its total; where the total is what must stay hidden, the least part."""
    total, parts = relation
    if total in determined:
        return min((part for part in parts if part in exact), key=lambda part: (exact[part], part), default=None)
    return total if total in exact and set(parts) & set(determined) else None


def _determined(additive: Sequence[Additive], group: pl.DataFrame) -> list[int]:
    """Suppressed cells of a group that its sums fix: those in which no solution of the sums differs."""
    relations = _relations(additive, group)
    figure = additive[0].figure
    known = _exact(additive, group)
    hidden = set(group.filter(pl.col(f"{figure}_kind") == "suppressed")[_CELL].to_list())
    # A cell that says nothing at all may hold anything: it is as unknown as a suppressed one.
    unknown = sorted(set(group[_CELL].to_list()) - set(known))
    if not relations or not hidden:
        return []
    at = {cell: n for n, cell in enumerate(unknown)}
    matrix = np.zeros((len(relations), len(unknown)))
    rest = np.zeros(len(relations))
    for row, (total, parts) in enumerate(relations):
        for cell, sign in [(total, -1.0), *((part, 1.0) for part in parts)]:
            if cell in at:
                matrix[row, at[cell]] = sign
            else:
                rest[row] -= sign * known[cell]
    fixed = {unknown[n] for n in _fixed(matrix)}
    for row, (total, parts) in enumerate(relations):
        # Counts are not negative: parts that share nothing are all zero.
        if total in known and rest[row] <= _TOLERANCE:
            fixed |= {part for part in parts if part in at}
    return sorted(fixed & hidden)


def _fixed(matrix: npt.NDArray[np.float64]) -> list[int]:
    """Columns in which every solution of `matrix @ x = b` agrees: where the null space is zero."""
    _, singular, rows = np.linalg.svd(matrix)
    rank = int((singular > _TOLERANCE).sum())
    free = np.abs(rows[rank:]).max(axis=0) if rank < matrix.shape[1] else np.zeros(matrix.shape[1])
    return [n for n, size in enumerate(free) if size < _TOLERANCE**0.5]
