"""The columns that say how sure a rank is, the same wherever ranks are published."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.engine.ranks import TOP, RankSummary
from models.engine.tiers import Tiers

RANK_COLUMNS = (
    "rank", "rank_mean", "rank_sd", "rank_p05", "rank_p50", "rank_p95", *(f"p_top_{k}" for k in TOP), "p_top_10pct",
    "tier", "tier_probability", "monte_carlo_error",
)  # fmt: skip


def rank_columns(ranks: RankSummary, parts: Tiers) -> dict[str, NDArray[Any]]:
    """RANK_COLUMNS (n,) of the areas that were summarised and divided into tiers."""
    columns = (
        ranks.rank, ranks.mean, ranks.sd, ranks.p05, ranks.p50, ranks.p95, *(ranks.p_top[k] for k in TOP),
        ranks.p_top_tenth, parts.tier, parts.probability, np.full(ranks.rank.size, ranks.max_se),
    )  # fmt: skip
    return dict(zip(RANK_COLUMNS, columns, strict=True))
