"""Sets of ranks that hold for all areas at once, from estimates and their standard errors.

`rank_sets`: Klein, Wright & Wieczorek 2020, JRSS A 183:589: with intervals for the values that hold jointly, an
area surely ranks below those whose whole interval is above its own. The intervals share the level out over
the areas, by independence or by Bonferroni; the sets are wide, valid, and quick to find.

`stepwise_rank_sets`: Mogstad, Romano, Shaikh & Wilhelm 2024, Rev. Econ. Stud. 91:476: simultaneous tests of all
differences, after each round again without the pairs that are decided. Narrower, and quadratic in the areas.

Both say what the estimates alone can support: nothing is shrunk, and a set that holds for all areas together is
much wider than one area's interval. Higher value = greater need = rank 1.
"""

from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.stats import norm

Vector = NDArray[np.float64]

MAX_PAIRWISE = 500
"""Areas up to which all pairs are compared."""


class RankSets(NamedTuple):
    """Best and worst rank (n,) of each area, 1 = greatest need; NaN where the area is left out.

    Args:
        best: the least rank that the area may have.
        worst: the greatest.
        n_ranked: how many areas have an estimate and an error.
        level: with which all sets hold at once.
    """

    best: Vector
    worst: Vector
    n_ranked: int
    level: float


def _known(values: Vector, errors: Vector, level: float) -> NDArray[np.bool_]:
    if values.ndim != 1 or values.shape != errors.shape:
        raise ValueError(f"values and standard errors must be (n,) alike, not {values.shape} and {errors.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, and is {level}: take 0.9 for 90 %")
    if (errors < 0).any():
        raise ValueError(f"standard error {errors[errors < 0][0]} is negative: 0 is a value known exactly, NaN unknown")
    known: NDArray[np.bool_] = np.isfinite(values) & ~np.isnan(errors)
    return known


def critical_value(n: int, level: float, method: Literal["independence", "bonferroni"]) -> float:
    """Standard errors on either side of n estimates, so that all n intervals hold with probability `level`.

    Raises:
        ValueError: no such method.
    """
    if method == "independence":
        # -expm1(log(level) / n) is 1 - level^(1/n) without the digits lost for many areas.
        return float(norm.isf(-np.expm1(np.log(level) / n) / 2))
    if method == "bonferroni":
        return float(norm.isf((1 - level) / (2 * n)))
    raise ValueError(f"unknown method {method!r}: use independence or bonferroni")


def rank_sets(
    values: Vector,
    standard_errors: Vector,
    *,
    level: float = 0.9,
    method: Literal["independence", "bonferroni"] = "independence",
) -> RankSets:
    """Joint sets of ranks (Klein, Wright & Wieczorek 2020), in O(n log n).

    With intervals [lo, hi] = value -+ z SE, the set of area i runs from 1 + #{j: lo_j >= hi_i} to
    n - #{j: hi_j <= lo_i}, over j other than i. Intervals that only touch are told apart: rounded data make
    that matter. Only two areas known exactly to be equal are not.

    Args:
        values: estimates (n,), higher is greater need; NaN is left out.
        standard_errors: (n,); NaN is left out, 0 is a value known exactly.
        level: probability that all sets hold at once.
        method: "independence" of the estimates' errors, or "bonferroni", which holds for any dependence.

    Raises:
        ValueError: shapes differ, an error is negative, the level is not between 0 and 1, no such method.
    """
    known = _known(values, standard_errors, level)
    n = int(known.sum())
    best, worst = np.full(values.size, np.nan), np.full(values.size, np.nan)
    if n == 0:
        return RankSets(best, worst, 0, level)
    reach = critical_value(n, level, method) * standard_errors[known]
    low, high = values[known] - reach, values[known] + reach
    above = n - np.searchsorted(np.sort(low), high, side="left")
    below = np.searchsorted(np.sort(high), low, side="right")
    # An interval without width counted itself, and its equals, on both sides.
    exact = low == high
    points = np.sort(low[exact])
    equals = np.searchsorted(points, low[exact], side="right") - np.searchsorted(points, low[exact], side="left")
    above[exact] -= equals
    below[exact] -= equals
    best[known], worst[known] = 1 + above, n - below
    return RankSets(best, worst, n, level)


@njit(cache=True, nogil=True)
def _greatest(noise, spread, open_pairs, out):  # type: ignore[no-untyped-def] # numba infers
    """Greatest standardised difference over the open ordered pairs in each draw of noise (draws, n)."""
    n = noise.shape[1]
    for draw in range(noise.shape[0]):
        z = noise[draw]
        greatest = -np.inf
        for i in range(n):
            for j in range(n):
                if open_pairs[i, j]:
                    greatest = max(greatest, (z[i] - z[j]) / spread[i, j])
        out[draw] = greatest


def _root(covariance: Vector) -> Vector:
    """A matrix whose product with its transpose is the covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    if values.min() < -1e-8 * max(values.max(), 0.0):
        raise ValueError("the covariance is no covariance: an eigenvalue is negative")
    root: Vector = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def stepwise_rank_sets(
    values: Vector,
    standard_errors: Vector,
    *,
    seed: int,
    covariance: Vector | None = None,
    level: float = 0.9,
    n_draws: int = 1000,
) -> RankSets:
    """Joint sets of ranks from simultaneous tests of all pairs, step-down (Mogstad et al. 2024).

    Each round simulates the greatest standardised difference over all ordered pairs still undecided and
    decides those whose difference exceeds its `level` quantile; it ends when none does. Area i ranks from
    1 + #{surely above it} to n - #{surely below it}.

    Args:
        values: estimates (n,), higher is greater need; NaN is left out.
        standard_errors: (n,); NaN is left out, 0 is a value known exactly.
        seed: of the simulation.
        covariance: of the estimates (n, n); independent if not given. Where it is, its diagonal takes the
            place of the standard errors, which then only say which areas are left out.
        level: probability that all sets hold at once.
        n_draws: simulated in each round.

    Raises:
        ValueError: more than 500 areas, shapes differ, an error is negative, the level is not between 0 and 1, or
            the covariance is none.
    """
    known = _known(values, standard_errors, level)
    n = int(known.sum())
    best, worst = np.full(values.size, np.nan), np.full(values.size, np.nan)
    if n == 0:
        return RankSets(best, worst, 0, level)
    if n > MAX_PAIRWISE:
        raise ValueError(f"{n} areas make too many pairs (at most {MAX_PAIRWISE} areas): use rank_sets")
    if covariance is None:
        variance = standard_errors[known] ** 2
        root, spread = np.diag(standard_errors[known]), np.sqrt(variance[:, None] + variance)
    elif covariance.shape != (values.size, values.size):
        raise ValueError(f"the covariance of {values.size} areas must be square, not {covariance.shape}")
    else:
        part = covariance[np.ix_(known, known)]
        variance = np.diag(part)
        root, spread = _root(part), np.sqrt(np.maximum(variance[:, None] + variance - 2 * part, 0.0))
    estimate = values[known]
    apart = estimate[:, None] - estimate
    # A difference without error is decided as it stands.
    scale = np.sqrt(np.maximum(variance[:, None], variance))
    certain = spread <= 1e-7 * scale
    decided = certain & (apart > 0)
    open_pairs = ~certain
    greatest = np.empty(n_draws)
    turn = 0
    while open_pairs.any():
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, turn])))
        _greatest(generator.standard_normal((n_draws, n)) @ root.T, spread, open_pairs, greatest)
        limit = np.quantile(greatest, level, method="higher")
        found = open_pairs & (apart > spread * limit)
        if not found.any():
            break
        decided |= found
        open_pairs &= ~found
        turn += 1
    best[known], worst[known] = 1 + decided.sum(axis=0), n - decided.sum(axis=1)
    return RankSets(best, worst, n, level)
