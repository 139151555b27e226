"""Ranks with their uncertainty, from draws of scores.

Source: Goldstein & Spiegelhalter 1996, JRSS A 159:385 (intervals for ranks); Laird & Louis 1989,
J. Educ. Stat. 14:29 (posterior mean ranks and expected percentiles).
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.stats import rankdata

from models.engine.defaults import TOP
from models.engine.kernels import rank_rows

Draws = NDArray[np.float32]
Vector = NDArray[np.float64]

PER_CENT = (5, 50, 95)
"""Quantiles of the rank."""

_LINE = 16
"""Draws that are ranked before they are turned round: their ranks of one area fill a cache line."""
_RANKS_AT_ONCE = 50_000_000
"""Ranks held in memory (200 MB). For more, areas are summarised in groups, and the draws are ranked for each anew."""
_DRAWS_IN_TASK, AREAS_IN_TASK = 128, 1024


class RankSummary(NamedTuple):
    """For each of n areas; rank 1 is the greatest need. Areas without draws are not ranked: NaN, and rank 0.

    Args:
        rank: of the mean rank, ties get the least; 0 where the area is not ranked.
        mean: mean rank over the draws (posterior mean rank).
        p05: 5 % quantile of the rank, rounded down.
        p95: 95 % quantile of the rank, rounded up.
        p_top: k -> chance that the area is among the k of greatest need.
        p_top_tenth: the same for the tenth of the ranked areas, at least one.
        sd: standard deviation of the rank over the draws.
        p50: median rank.
        percentile: expected share of the ranked areas with less need, its own half counted, 0 to 100.
        n_ranked: how many areas have draws.
        tenth: how many areas are a tenth.
        n_draws: how many draws there are.
        max_se: greatest standard error of any chance here that comes from the number of draws, 0.5 / sqrt(n_draws).
    """

    rank: NDArray[np.int64]
    mean: Vector
    p05: Vector
    p95: Vector
    p_top: dict[int, Vector]
    p_top_tenth: Vector
    sd: Vector
    p50: Vector
    percentile: Vector
    n_ranked: int
    tenth: int
    n_draws: int
    max_se: float


def in_threads(task: Callable[[int], None], starts: Iterable[int], threads: int) -> None:
    """Do a task at each start; tasks write to places of their own, so their order does not matter.

    Raises:
        ValueError: threads is below one. What a task raises comes through.
    """
    if threads < 1:
        raise ValueError(f"threads must be 1 or more, not {threads}")
    if threads == 1:
        for start in starts:
            task(start)
        return
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(task, start) for start in starts]:
            future.result()


@njit(cache=True, nogil=True)
def _turn(ranks, first_area, first_draw, out):  # type: ignore[no-untyped-def] # numba infers
    """Ranks (draws, all areas) into out (areas of the group, draws), from the group's first area on."""
    for i in range(out.shape[0]):
        for r in range(ranks.shape[0]):
            out[i, first_draw + r] = ranks[r, first_area + i]


def groups_of_areas(n_draws: int, n: int) -> list[slice]:
    """The n areas in groups of like size whose ranks are held in memory together."""
    n_groups = max(1, -(-n * n_draws // _RANKS_AT_ONCE))
    size = max(1, -(-n // n_groups))
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def ranks_by_area(draws: Draws, areas: slice, threads: int) -> NDArray[np.int32]:
    """Rank of some areas among all in each draw: (areas, n_draws), 0 where there is no value.

    Args:
        draws: scores (n_draws, n).
        areas: which of the n, without a step.
        threads: that work side by side.
    """
    n_draws, n = draws.shape
    first, last, _ = areas.indices(n)
    out = np.empty((last - first, n_draws), np.int32)

    def rank(start: int) -> None:
        ranks = np.empty((_LINE, n), np.int32)
        for draw in range(start, min(start + _DRAWS_IN_TASK, n_draws), _LINE):
            block = draws[draw : draw + _LINE]
            rank_rows(block, ranks[: block.shape[0]], descending=True)
            _turn(ranks[: block.shape[0]], first, draw, out)

    in_threads(rank, range(0, n_draws, _DRAWS_IN_TASK), threads)
    return out


@njit(cache=True, nogil=True)
def _quantile(ordered, per_cent):  # type: ignore[no-untyped-def] # numba infers
    """Linear quantile as whole part, numerator and denominator 100: exact, so that rounding up or down is."""
    place = (ordered.size - 1) * per_cent
    low = place // 100
    left = place - 100 * low
    step = ordered[low + 1] - ordered[low] if left > 0 else 0
    over = np.int64(step) * left
    return ordered[low] + over // 100, over % 100


@njit(cache=True, nogil=True)
def _summary(ranks, tops, moments, quantiles, counts):  # type: ignore[no-untyped-def] # numba infers
    """Of each area's ranks in order (areas, draws): mean and sd, three quantiles, how often it is among the first k.

    Returns the first area that has a value in some draws only, or -1.
    """
    n_draws = ranks.shape[1]
    for i in range(ranks.shape[0]):
        line = ranks[i]
        if line[n_draws - 1] == 0:
            moments[:, i] = np.nan
            quantiles[:, i] = np.nan
            counts[:, i] = np.nan
            continue
        if line[0] == 0:
            return i
        total, square = np.int64(0), np.int64(0)
        for r in range(n_draws):
            rank = np.int64(line[r])
            total += rank
            square += rank * rank
        moments[0, i] = total / n_draws
        # Whole numbers up to here: nothing cancels.
        moments[1, i] = np.sqrt(np.float64(square * n_draws - total * total)) / n_draws
        whole, rest = _quantile(line, 5)
        quantiles[0, i] = whole
        whole, rest = _quantile(line, 50)
        quantiles[1, i] = whole + rest / 100
        whole, rest = _quantile(line, 95)
        quantiles[2, i] = whole + (rest > 0)
        for t in range(tops.size):
            low, high = 0, n_draws
            while low < high:
                middle = (low + high) // 2
                if line[middle] <= tops[t]:
                    low = middle + 1
                else:
                    high = middle
            counts[t, i] = low / n_draws
    return -1


def check_draws(draws: Draws) -> None:
    """Judge type and shape.

    Raises:
        ValueError: draws are not float32 (n_draws, n), or there are none.
    """
    if draws.ndim != 2 or draws.dtype != np.float32:
        raise ValueError(f"draws must be float32 (n_draws, areas), not {draws.dtype} {draws.shape}: convert them")
    if draws.shape[0] == 0:
        raise ValueError("there are no draws: nothing can be said of ranks")


def _summarise_group(
    draws: Draws,
    areas: slice,
    tops: NDArray[np.int64],
    moments: Vector,
    quantiles: Vector,
    chances: Vector,
    threads: int,
) -> None:
    ranks = ranks_by_area(draws, areas, threads)

    def task(start: int) -> None:
        some = slice(start, start + AREAS_IN_TASK)
        ranks[some].sort(axis=1)
        bad = _summary(ranks[some], tops, moments[:, some], quantiles[:, some], chances[:, some])
        if bad >= 0:
            raise ValueError(
                f"area {areas.start + start + bad} has a value in some draws and none in others: "
                "impute it, or make it NaN in all draws"
            )

    in_threads(task, range(0, ranks.shape[0], AREAS_IN_TASK), threads)


def summarise(draws: Draws, *, threads: int = 2) -> RankSummary:
    """Rank areas in each draw and summarise; the published order is that of the mean ranks.

    Beside the draws it takes 200 MB at most.

    Args:
        draws: scores (n_draws, n), higher is greater need; areas that are not ranked are NaN in all draws.
        threads: that work side by side; results do not depend on it.

    Raises:
        ValueError: no draws, another type or shape, or an area has a value in some draws only.
    """
    check_draws(draws)
    n_draws, n = draws.shape
    n_ranked = int(n - np.isnan(draws[0]).sum())
    tenth = max(1, round(n_ranked / 10))
    tops = np.array([*TOP, tenth])
    moments, quantiles, chances = np.empty((2, n)), np.empty((3, n)), np.empty((tops.size, n))
    for areas in groups_of_areas(n_draws, n):
        _summarise_group(draws, areas, tops, moments[:, areas], quantiles[:, areas], chances[:, areas], threads)
    mean = moments[0]
    ranked = ~np.isnan(mean)
    rank = np.zeros(n, np.int64)
    rank[ranked] = rankdata(mean[ranked], method="min")
    return RankSummary(
        rank=rank,
        mean=mean,
        p05=quantiles[0],
        p95=quantiles[2],
        p_top=dict(zip(TOP, chances, strict=False)),
        p_top_tenth=chances[-1],
        sd=moments[1],
        p50=quantiles[1],
        percentile=100.0 * (n_ranked + 0.5 - mean) / max(n_ranked, 1),
        n_ranked=n_ranked,
        tenth=tenth,
        n_draws=n_draws,
        max_se=0.5 / float(np.sqrt(n_draws)),
    )


def pairwise(draws: Draws, i: int, j: int) -> float:
    """Chance that area i has greater need than area j; draws in which they are equal count half.

    Args:
        draws: scores (n_draws, n), higher is greater need.
        i: one area.
        j: another.

    Returns:
        0 to 1; NaN where either has no draws.
    """
    check_draws(draws)
    one, other = draws[:, i], draws[:, j]
    if np.isnan(one).any() or np.isnan(other).any():
        return float("nan")
    return float(np.mean(one > other) + np.mean(one == other) / 2)
