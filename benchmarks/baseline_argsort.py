"""What the engine's Monte Carlo is compared with: the same figures from NumPy alone, as one would write them.

Nothing here comes from the engine. Ranks are NumPy's float32 argsort and a scatter, draws its float32 standard
normals; threads share out the draws, since NumPy releases the GIL in both. Buffers are reused, percentiles are
scattered without a pass of their own, and quantiles come from a partition of contiguous blocks.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

TOP = (5, 10, 20)
AREAS_AT_ONCE = 2048


def _rank(column: NDArray[np.float32], places: NDArray, out: NDArray) -> None:
    """Put places[0] where the least value is, and so on; ties fall as the sort leaves them."""
    out[np.argsort(column)] = places


def rank_only(columns: NDArray[np.float32], threads: int, out: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
    """Ascending ranks (columns, areas), from 1: the ranking part alone.

    Args:
        columns: (columns, areas).
        threads: that share the columns.
        out: where the ranks go; give it where the time of fresh memory should not count.
    """
    ranks = np.empty(columns.shape, np.int32) if out is None else out
    places = np.arange(1, columns.shape[1] + 1, dtype=np.int32)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda i: _rank(columns[i], places, ranks[i]), range(columns.shape[0])))
    return ranks


def _draw_scores(
    values: NDArray[np.float32],
    ses: NDArray[np.float32],
    weights: NDArray[np.float32],
    generator: np.random.Generator,
    places: NDArray[np.float32],
    buffers: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Weighted sum of the percentiles of one draw of every indicator (indicators, areas)."""
    drawn, percentile, score = buffers
    score[:] = 0
    for value, se, weight in zip(values, ses, weights, strict=True):
        generator.standard_normal(dtype=np.float32, out=drawn)
        drawn *= se
        drawn += value
        _rank(drawn, places, percentile)
        percentile *= weight
        score += percentile
    return score


def _summarise(ranks: NDArray[np.int32], out: dict[str, NDArray[np.float64]], first: int) -> None:
    """Summary of the areas from `first` on, from ranks (draws, areas)."""
    where = slice(first, first + AREAS_AT_ONCE)
    block = np.ascontiguousarray(ranks[:, where].T)
    out["mean"][where] = block.mean(axis=1)
    for k in TOP:
        out[f"p_top_{k}"][where] = (block <= k).mean(axis=1)
    for name, share in (("p05", 0.05), ("p95", 0.95)):
        place = share * (block.shape[1] - 1)
        low, high = int(np.floor(place)), int(np.ceil(place))
        block.partition((low, high), axis=1)
        left, right = block[:, low], block[:, high]
        out[name][where] = left + (right - left) * (place - low)


def baseline(
    values: NDArray[np.float64],
    ses: NDArray[np.float64],
    weights: NDArray[np.float64],
    n_draws: int,
    threads: int,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Mean rank, its 5 and 95 % quantiles and chances of the first k, under sampling error.

    Args:
        values: (areas, indicators), higher = greater need.
        ses: their standard errors, alike.
        weights: (indicators,), of the indicators' percentiles in the score.
        n_draws: draws of every value.
        threads: that share the draws; each draw has a stream of its own.
        seed: of the draws.

    Returns:
        mean, p05, p95, p_top_5, p_top_10, p_top_20: (areas,) each; rank 1 = the highest score.
    """
    n = values.shape[0]
    columns, errors = (np.ascontiguousarray(x.T, dtype=np.float32) for x in (values, ses))
    shares = (weights / weights.sum()).astype(np.float32)
    percentiles = (np.arange(n) / max(n - 1, 1)).astype(np.float32)
    descending = np.arange(n, 0, -1, dtype=np.int32)
    ranks = np.empty((n_draws, n), np.int32)

    def some(draws: range) -> None:
        buffers = np.empty((3, n), np.float32)
        for draw in draws:
            generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, draw])))
            _rank(_draw_scores(columns, errors, shares, generator, percentiles, buffers), descending, ranks[draw])

    found = {name: np.empty(n) for name in ("mean", "p05", "p95", *(f"p_top_{k}" for k in TOP))}
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, [range(start, n_draws, threads) for start in range(threads)]))
        list(pool.map(lambda first: _summarise(ranks, found, first), range(0, n, AREAS_AT_ONCE)))
    return found
