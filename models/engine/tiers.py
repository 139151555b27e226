"""Tiers of areas that the data cannot tell apart, with the chance that each area is in its tier.

The list in order of mean ranks is cut into a few tiers. Tier t holds places a + 1 to b of the list and stands for
the ranks a + 1 to b; an area is tiered rightly in a draw if its rank there is among them. Cuts and number of
tiers are those for which

    sum over areas of P(tiered rightly) - sum over tiers of (size of the tier)^2 / n

is greatest: the expected number of areas tiered rightly, less the number that would be if areas were dealt out to
tiers of these sizes blindly. The loss, one for each area in a wrong tier, is that of Lin, Louis, Paddock &
Ridgeway 2006, Bayesian Analysis 1:915; what chance alone would achieve is taken off as in Cohen 1960,
Educ. Psychol. Meas. 20:37, because without that a single tier is always right. Noisy ranks give few wide tiers,
precise ones more, and gaps in the scores attract cuts. Weighing an error by how many tiers it spans would not do:
that loss is a sum over cuts, and every cut would move to the same place.

Lin et al. order areas by P(rank <= cut), which differs by cut. Here all tiers follow the mean ranks, so that no
area stands in a better tier than one that is published above it.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.engine.ranks import AREAS_IN_TASK, check_draws, groups_of_areas, in_threads, ranks_by_area

Draws = NDArray[np.float32]
Vector = NDArray[np.float64]

MOST = 5
"""More tiers than this are a ranking again."""
_CUTS = 100
"""Places where the list may be cut: one per cent of it apart, or after every area of a short list."""


class Tiers(NamedTuple):
    """K tiers of n areas; tier 1 is the greatest need.

    Args:
        tier: (n,) 1 to K; 0 where the area has no draws.
        probability: (n,) chance that the area's rank is among those of its tier; NaN where it has no draws.
        last_rank: (K,) the last rank of each tier; the first is one more than the last of the tier before.
        right: expected share of the areas that are in the right tier.
        right_by_chance: the share that would be if areas were dealt out blindly.
    """

    tier: NDArray[np.int64]
    probability: Vector
    last_rank: NDArray[np.int64]
    right: float
    right_by_chance: float


@njit(cache=True, nogil=True)
def _count(ranks, bin_of_rank, counts, total):  # type: ignore[no-untyped-def] # numba infers
    """Of each area (areas, draws): draws in each bin of ranks, and the sum of its ranks.

    Returns the first area that has a value in some draws only, or -1.
    """
    for i in range(ranks.shape[0]):
        missing = 0
        for r in range(ranks.shape[1]):
            rank = ranks[i, r]
            if rank == 0:
                missing += 1
                continue
            counts[i, bin_of_rank[rank]] += 1
            total[i] += rank
        if 0 < missing < ranks.shape[1]:
            return i
    return -1


def _where_ranks_fall(draws: Draws, edges: NDArray[np.int64], threads: int) -> tuple[NDArray[np.int32], Vector]:
    """Draws (n, bins) in which an area's rank is after one edge and up to the next, and its mean rank (n,)."""
    n_draws, n = draws.shape
    counts = np.zeros((n, edges.size - 1), np.int32)
    total = np.zeros(n, np.int64)
    bin_of_rank = np.searchsorted(edges, np.arange(n + 1), side="left").astype(np.int32) - 1
    for areas in groups_of_areas(n_draws, n):
        ranks = ranks_by_area(draws, areas, threads)

        def task(start: int, ranks: NDArray[np.int32] = ranks, first: int = areas.start) -> None:
            some = ranks[start : start + AREAS_IN_TASK]
            where = slice(first + start, first + start + some.shape[0])
            bad = _count(some, bin_of_rank, counts[where], total[where])
            if bad >= 0:
                raise ValueError(
                    f"area {first + start + bad} has a value in some draws and none in others: "
                    "impute it, or make it NaN in all draws"
                )

        in_threads(task, range(0, ranks.shape[0], AREAS_IN_TASK), threads)
        del ranks, task  # before the next group's are made
    return counts, total / n_draws


def _best_cuts(gain: Vector, most: int, least_gain: float) -> list[int]:
    """Indices of the edges that bound the best tiers, by dynamic programming over the last tier.

    Args:
        gain: (m, m) of a tier between two edges; -inf where there can be none.
        most: tiers.
        least_gain: what a further tier has to add.
    """
    value, before = [gain[0]], [np.zeros(gain.shape[0], np.int64)]
    for _ in range(1, most):
        through = value[-1][:, None] + gain
        before.append(through.argmax(axis=0))
        value.append(through.max(axis=0))
    chosen = 0
    for k in range(1, len(value)):
        if value[k][-1] > value[chosen][-1] + (k - chosen) * least_gain:
            chosen = k
    cuts = [gain.shape[0] - 1]
    for k in range(chosen, -1, -1):
        cuts.append(int(before[k][cuts[-1]]))
    return cuts[::-1]


def tiers(draws: Draws, *, most: int = MOST, threads: int = 2) -> Tiers:
    """Cut the list of areas in order of their mean ranks into tiers.

    A further tier has to put more areas right, beyond chance, than the error of the simulation alone could:
    0.5 / sqrt(n_draws) of them. Where nothing can be told apart there is one tier.

    Args:
        draws: scores (n_draws, n), higher is greater need; areas that are not ranked are NaN in all draws.
        most: at most so many tiers.
        threads: that work side by side; results do not depend on it.

    Raises:
        ValueError: no draws, another type or shape, an area has a value in some draws only, or `most` is below one.
    """
    check_draws(draws)
    if most < 1:
        raise ValueError(f"most must be 1 or more tiers, not {most}")
    n_draws, n = draws.shape
    n_ranked = int(n - np.isnan(draws[0]).sum())
    if n_ranked == 0:
        return Tiers(np.zeros(n, np.int64), np.full(n, np.nan), np.zeros(0, np.int64), np.nan, np.nan)
    steps = min(n_ranked, _CUTS)
    edges = np.round(np.arange(steps + 1) * n_ranked / steps).astype(np.int64)
    counts, mean = _where_ranks_fall(draws, edges, threads)

    ranked = np.flatnonzero(counts.any(axis=1))
    ordered = ranked[np.argsort(mean[ranked], kind="stable")]
    # table[p, q]: draws in which an area between edges p of the list had a rank between edges q.
    table = np.add.reduceat(counts[ordered], edges[:-1], axis=0, dtype=np.int64)
    corner = np.zeros((steps + 1, steps + 1))
    corner[1:, 1:] = table.cumsum(axis=0).cumsum(axis=1) / n_draws
    own = np.diag(corner)
    right = own[None, :] - corner - corner.T + own[:, None]
    gain = right - (edges[None, :] - edges[:, None]) ** 2 / n_ranked
    gain[np.tril_indices(steps + 1)] = -np.inf
    # Equal areas are never in different tiers.
    inner = edges[1:-1]
    split = 1 + np.flatnonzero(mean[ordered[inner - 1]] == mean[ordered[inner]])
    gain[split, :] = gain[:, split] = -np.inf

    cuts = _best_cuts(gain, most, 0.5 / np.sqrt(n_draws) * n_ranked)
    last = edges[cuts[1:]]
    tier = np.zeros(n, np.int64)
    tier[ordered] = 1 + np.searchsorted(last, np.arange(1, n_ranked + 1), side="left")
    probability = np.full(n, np.nan)
    for k, (start, end) in enumerate(pairwise(cuts), start=1):
        members = tier == k
        probability[members] = counts[members, start:end].sum(axis=1) / n_draws
    sizes = np.diff(last, prepend=0)
    return Tiers(tier, probability, last, float(probability[ordered].mean()), float(((sizes / n_ranked) ** 2).sum()))
