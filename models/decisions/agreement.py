"""How alike two orders of the same areas are, with an interval.

The 90 % intervals are Fisher's z with the standard error sqrt((1 + r^2 / 2) / (n - 3)) (Bonett and Wright 2000,
Psychometrika 65:23, 10.1007/BF02294183). They take areas as independent draws and the measures as known, so they are
rather too short; they are poor below 25 areas and near 1.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

TOP = 20
"""Length of the lists of greatest need that are compared."""
MIN_AREAS = 10
"""Below this many areas a rank correlation says nothing, and none is given."""


class Agreement(NamedTuple):
    """How alike two orders of the same areas are; what cannot be said is None."""

    n_areas: int
    spearman: float | None = None
    spearman_lower: float | None = None
    spearman_upper: float | None = None
    mean_abs_rank_change: float | None = None
    top20_in_common: int | None = None


def spearman_interval(rho: float, n: int, level: float = 0.9) -> tuple[float, float]:
    """The interval of a rank correlation: Fisher's z with the standard error of Bonett and Wright (2000).

    Args:
        rho: the correlation, -1 to 1; at either end the interval is that point.
        n: how many areas, at least 4.
        level: chance that the interval is meant to have of covering the true correlation.

    Raises:
        ValueError: there are fewer than 4 areas, or rho is no correlation.
    """
    if n < 4 or not -1 <= rho <= 1:
        raise ValueError(f"an interval needs a correlation in -1 to 1 of at least 4 areas, not {rho} of {n}")
    if abs(rho) == 1:
        return rho, rho
    quantile = NormalDist().inv_cdf((1 + level) / 2)
    centre, half = np.arctanh(rho), quantile * np.sqrt((1 + rho**2 / 2) / (n - 3))
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def agreement(first: Vector, second: Vector) -> Agreement:
    """How alike two measures order the areas that have both.

    Args:
        first: (n,), higher = greater need, NaN where there is none.
        second: (n,) of the same areas.

    Returns:
        Only the number of areas where there are fewer than MIN_AREAS, or where one measure is equal everywhere.
    """
    from scipy.stats import rankdata, spearmanr  # this module is loaded at definition time, scipy.stats is slow

    both = np.isfinite(first) & np.isfinite(second)
    one, other, n = first[both], second[both], int(both.sum())
    if n < MIN_AREAS or np.ptp(one) == 0 or np.ptp(other) == 0:
        return Agreement(n)
    # Rounding can put a perfect correlation a hair above 1.
    rho = float(np.clip(spearmanr(one, other).statistic, -1, 1))
    rho = float(np.sign(rho)) if abs(rho) > 1 - 1e-12 else rho
    change = np.abs(rankdata(-one) - rankdata(-other)).mean()
    tops = [set(np.argsort(-values, kind="stable")[:TOP].tolist()) for values in (one, other)]
    return Agreement(n, rho, *spearman_interval(rho, n), float(change), len(tops[0] & tops[1]) if n > TOP else None)
