"""What an area lacks, predicted from the other children that it has.

Each child is taken to normal scores through its own empirical distribution; the correlation of the
scores among complete areas makes them jointly normal (a Gaussian copula), and a missing score has
a conditional normal distribution given the observed ones. It goes back through the child's
empirical quantile function, so that a prediction never leaves the range of what was observed.

Sources: Little & Rubin 2019, Statistical Analysis with Missing Data, section 11.2 (the conditional
normal); Hoff 2007, Ann. Appl. Stat. 1:265 (a copula with empirical margins); Blom 1958 and Hazen
1914, Trans. ASCE 77:1539 (normal scores from (rank - 0.5)/n).
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Draws = NDArray[Any]
Vector = NDArray[np.float64]

_RIDGE = 1e-6


class _Margin:
    """One child's empirical distribution: between its knots, value and normal score are linear."""

    def __init__(self, values: Vector) -> None:
        known = ~np.isnan(values)
        self.knots, place, counts = np.unique(values[known], return_inverse=True, return_counts=True)
        through = np.cumsum(counts)
        self.scores = ndtri((through - 0.5 * counts) / through[-1])
        self.own = np.full(values.shape, np.nan)
        self.own[known] = self.scores[place]

    def score(self, values: Draws) -> Vector:
        return np.interp(values, self.knots, self.scores)

    def value(self, scores: Vector) -> Vector:
        return np.interp(scores, self.scores, self.knots)


def _correlation(scores: Vector) -> Vector:
    """(k, k) of the complete rows of (n, k); independent where nothing can be learned."""
    k = scores.shape[1]
    complete = scores[~np.isnan(scores).any(axis=1)]
    found = np.eye(k)
    if k > 1 and complete.shape[0] > k + 1:
        spread = np.ptp(complete, axis=0) > 0
        if spread.sum() > 1:
            # A constant child has no correlation with anything.
            found[np.ix_(spread, spread)] = np.corrcoef(complete[:, spread].T)
    return found + _RIDGE * np.eye(k)


def _block(matrix: Vector, rows: list[int], columns: list[int]) -> Vector:
    # An empty list would index as numbers with a point.
    return matrix[np.ix_(np.array(rows, dtype=int), np.array(columns, dtype=int))]


class Imputer:
    """The joint distribution of the children of a node, fitted on their points.

    Args:
        points: (n,) by child, NaN where there is none. A child without any value cannot be predicted
            and is left out: it stays missing everywhere and carries no weight for anyone. They are kept,
            and fitted when the first gap is filled.
    """

    def __init__(self, points: Mapping[str, Vector]) -> None:
        self.children = tuple(child for child, values in points.items() if not np.isnan(values).all())
        self._points = {child: points[child] for child in self.children}

    @cached_property
    def _margins(self) -> dict[str, _Margin]:
        return {child: _Margin(points) for child, points in self._points.items()}

    @cached_property
    def correlation(self) -> Vector:
        """(k, k) of the normal scores of the children that have values."""
        return _correlation(np.column_stack([self._margins[child].own for child in self.children]))

    def fill(self, blocks: Mapping[str, Draws], generator: np.random.Generator | None = None) -> dict[str, Draws]:
        """Fill what is missing.

        Args:
            blocks: (b, n) by child. They are not written to; a block without gaps is returned as it is.
            generator: of the predictive draws; None fills in the conditional median. An area with nothing
                observed draws from the joint distribution of all.
        """
        filled = dict(blocks)
        gaps = {child: np.isnan(blocks[child]) for child in self.children}
        columns = {child: gap.any(axis=0) for child, gap in gaps.items()}
        areas = np.flatnonzero(np.logical_or.reduce(list(columns.values()))) if gaps else np.empty(0, dtype=int)
        if areas.size == 0:
            return filled
        gap = np.stack([gaps[child][:, areas] for child in self.children])
        for child in self.children:
            if columns[child].any():
                filled[child] = blocks[child].copy()
        if (gap.all(axis=1) == gap.any(axis=1)).all():
            self._fill(filled, slice(None), areas, gap[:, 0], generator)
        else:
            for row in range(gap.shape[1]):
                self._fill(filled, slice(row, row + 1), areas, gap[:, row], generator)
        return filled

    def _fill(
        self,
        blocks: dict[str, Draws],
        rows: slice,
        areas: NDArray[np.int64],
        gap: NDArray[np.bool_],
        generator: np.random.Generator | None,
    ) -> None:
        """Fill some rows of the blocks, all with the same gaps (k, areas), pattern by pattern."""
        patterns, which = np.unique(gap, axis=1, return_inverse=True)
        for number, pattern in enumerate(patterns.T):
            if not pattern.any():
                continue
            these = areas[which.ravel() == number]
            gone, seen = np.flatnonzero(pattern).tolist(), np.flatnonzero(~pattern).tolist()
            slope, root = self._conditional(gone, seen)
            observed = [self._scores(seen_child, blocks, rows, these) for seen_child in seen]
            shape = blocks[self.children[gone[0]]][rows][:, these].shape
            centre = [
                sum((weight * score for weight, score in zip(line, observed, strict=True)), np.zeros(shape))
                for line in slope
            ]
            if generator is not None:
                noise = generator.standard_normal((len(gone), *shape))
                centre = [middle + np.tensordot(line, noise, 1) for middle, line in zip(centre, root, strict=True)]
            for position, scores in zip(gone, centre, strict=True):
                child = self.children[position]
                blocks[child][rows, these] = self._margins[child].value(scores)

    def _scores(self, position: int, blocks: Mapping[str, Draws], rows: slice, areas: NDArray[np.int64]) -> Vector:
        child = self.children[position]
        return self._margins[child].score(blocks[child][rows][:, areas])

    def _conditional(self, gone: list[int], seen: list[int]) -> tuple[Vector, Vector]:
        """Slope of the missing scores on the observed ones, and the lower root of their conditional covariance."""
        c = self.correlation
        slope = np.asarray(np.linalg.solve(_block(c, seen, seen), _block(c, seen, gone))).T
        covariance = _block(c, gone, gone) - slope @ _block(c, seen, gone)
        return slope, np.asarray(np.linalg.cholesky(covariance + 1e-9 * np.eye(len(gone))))
