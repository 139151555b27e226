"""Ranks with their uncertainty, from draws of scores.

Source: Goldstein & Spiegelhalter 1996, JRSS A 159:385 (intervals for ranks); Laird & Louis 1989,
J. Educ. Stat. 14:29 (posterior mean ranks).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

TOP = (5, 10, 20)


class RankSummary(NamedTuple):
    """For each of n areas; rank 1 is the greatest need."""

    rank: NDArray[np.int64]
    mean: NDArray[np.float64]
    p05: NDArray[np.float64]
    p95: NDArray[np.float64]
    p_top: dict[int, NDArray[np.float64]]
    p_top_tenth: NDArray[np.float64]


def summarise(draws: NDArray[np.float32]) -> RankSummary:
    """Rank areas in each draw and summarise; the published order is that of the mean ranks.

    Args:
        draws: scores (n_draws, n_areas), higher is greater need.
    """
    ranks = rankdata(-draws, method="min", axis=1)
    mean = ranks.mean(axis=0)
    p05, p95 = np.quantile(ranks, [0.05, 0.95], axis=0)
    tenth = max(1, round(draws.shape[1] / 10))
    return RankSummary(
        rank=rankdata(mean, method="min").astype(np.int64),
        mean=mean,
        p05=np.floor(p05),
        p95=np.ceil(p95),
        p_top={k: (ranks <= k).mean(axis=0) for k in TOP},
        p_top_tenth=(ranks <= tenth).mean(axis=0),
    )
