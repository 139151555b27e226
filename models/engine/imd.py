"""The English Index of Multiple Deprivation from the ranks of its domains.

Rank 1 and decile 1 are the MOST deprived, which every output has to say. Each domain's ranks become
an exponential distribution from 0 to 100 that gives the tenth most deprived the upper half of the
scale: little deprivation in one domain can hardly make up for much in another.

Source: McLennan et al. 2019, The English Indices of Deprivation 2019, Technical report, chapter 3 and
appendix E; Smith et al. 2015, The English Indices of Deprivation 2015, Technical report.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.engine.normalise import imd_transform

Vector = NDArray[np.float64]

DOMAIN_WEIGHTS = {
    "income": 22.5,
    "employment": 22.5,
    "education": 13.5,
    "health": 13.5,
    "crime": 9.3,
    "barriers": 9.3,
    "environment": 9.3,
}
"""Per cent, of 2015 and of 2019. They add up to 99.9; the publisher's scores come from them as they stand."""


class Deprivation(NamedTuple):
    """The index of n areas; NaN where an area lacks the rank of a domain.

    Args:
        score: (n,) not rounded, 0 to 100, higher = more deprived.
        rank: (n,) of the score before rounding, 1 = most deprived; equal scores share the lower number.
        decile: (n,) 1 = the tenth MOST deprived, 10 = the least.
    """

    score: Vector
    rank: Vector
    decile: Vector

    @property
    def published_score(self) -> Vector:
        """Rounded to three decimals, as it is printed."""
        return np.round(self.score, 3)


def _shares(weights: Sequence[float] | Vector, d: int) -> Vector:
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (d,):
        raise ValueError(f"{d} domains need {d} weights, not {found.shape}")
    if not (np.isfinite(found) & (found > 0)).all():
        raise ValueError("every domain needs a positive weight")
    total = found.sum()
    for whole in (1.0, 100.0):
        if abs(total / whole - 1) < 0.01:
            return found / whole
    return found / total


def _check(ranks: Vector) -> None:
    if ranks.ndim != 2 or ranks.shape[1] == 0:
        raise ValueError(f"ranks must have a row for each area and a column for each domain, not {ranks.shape}")
    counts = (~np.isnan(ranks)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        bad = (ranks < 1) | (ranks > counts)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"domain {column + 1} has the rank {ranks[row, column]:g} among {counts[column]} areas: "
            "ranks go from 1, the most deprived, to the number of areas; rank the areas of the table anew"
        )


def deciles(rank: Vector) -> Vector:
    """ceil(10 rank / N), N the areas that have a rank; decile 1 = the tenth MOST deprived.

    With N no multiple of ten the deciles differ in size by one; tied areas share a decile.
    """
    count = int((~np.isnan(rank)).sum())
    # In whole numbers: 10 rank / N of a rank at a border must not round up into the next decile.
    return np.where(np.isnan(rank), np.nan, -((-10 * np.nan_to_num(rank).astype(np.int64)) // max(count, 1)))


def domain_scores(ranks: Vector) -> Vector:
    """Ranks (n, d) on the exponential scale: R = (N - rank + 1) / N, X = -23 ln(1 - R (1 - exp(-100/23))).

    Raises:
        ValueError: ranks have no two dimensions or lie outside 1 to N.
    """
    ranks = np.asarray(ranks, dtype=np.float64)
    _check(ranks)
    count = (~np.isnan(ranks)).sum(axis=0)
    return np.asarray(imd_transform((count - ranks + 1) / np.maximum(count, 1)), dtype=np.float64)


def imd(ranks: Vector, weights: Sequence[float] | Vector) -> Deprivation:
    """Combine the ranks of domains into an index: the sum of weight times transformed rank.

    Args:
        ranks: (n, d), 1 = most deprived, each domain ranked among the areas of the table (N of them have
            a rank); NaN where there is none. However ties were ranked, they stay as they are.
        weights: (d,) per cent or shares; published ones that miss 100 by rounding are taken as they
            stand. Others are relative.

    Raises:
        ValueError: shapes do not fit, a weight is not positive, or a rank lies outside 1 to N.
    """
    transformed = domain_scores(ranks)
    score = transformed @ _shares(weights, transformed.shape[1])
    ordered = np.sort(-score[~np.isnan(score)])
    rank = np.where(np.isnan(score), np.nan, 1.0 + np.searchsorted(ordered, -score, side="left"))
    return Deprivation(score, rank, deciles(rank))
