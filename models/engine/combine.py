"""From members with errors to draws of a score.

Every member is drawn from its error model, set against a frozen reference distribution and
averaged with its weight; the score is the mean over the draws. Areas of the whole reference
population are computed together, so that an area's score does not depend on the region that is
ranked. Errors of different members are drawn independently, because their covariance is not
published with the margins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Draws = NDArray[np.float32]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """One component of an index over n areas of the reference population.

    Args:
        id: names the random stream; the same member has the same draws in every index.
        point: published values (n,), NaN where there is none.
        draws: (n_draws, n), NaN where there is no value.
        direction: +1 where more is greater need, -1 where less is.
        weight: positive; weights are relative.
        coverage: share of the member that was observed (n,), 0 to 1.
    """

    id: str
    point: Vector
    draws: Draws
    direction: int
    weight: float
    coverage: Vector


def draw_normal(
    member_id: str, mean: Vector, sd: Vector, *, n_draws: int, seed: int, lower: float = -np.inf, upper: float = np.inf
) -> Draws:
    """Normal draws (n_draws, n) around mean (n,), clipped to the support of the quantity.

    The stream depends on the seed and the member's id alone: members may be added, left out or
    computed in any order without changing each other's draws.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc32(member_id.encode())])))
    noise = generator.standard_normal((n_draws, mean.size), dtype=np.float32)
    return np.clip(mean.astype(np.float32) + noise * sd.astype(np.float32), lower, upper).astype(np.float32)


def percentile_of(values: NDArray, reference: Vector) -> NDArray[np.float32]:
    """Share of the reference that lies below a value, ties counted half; NaN stays NaN.

    Args:
        values: any shape.
        reference: the frozen distribution (m,); NaN is left out.
    """
    ordered = np.sort(reference[np.isfinite(reference)]).astype(np.float32)
    if ordered.size == 0:
        return np.full(values.shape, np.nan, dtype=np.float32)
    flat = np.ascontiguousarray(values, dtype=np.float32).ravel()
    below = np.searchsorted(ordered, flat, side="left")
    through = np.searchsorted(ordered, flat, side="right")
    share = ((below + through) / (2.0 * ordered.size)).astype(np.float32)
    share[~np.isfinite(flat)] = np.nan
    return share.reshape(values.shape)


def _impute(shares: list[NDArray[np.float32]], points: list[NDArray[np.float32]], *, seed: int) -> None:
    """Fill what is missing, in place, from its predictive distribution given the other members.

    Members are taken to normal scores; their correlation in the reference population gives the
    conditional normal distribution of a missing score given the observed ones (Little & Rubin
    2019, section 11.2), and a draw of it goes back to a percentile.
    """
    limits = (1e-4, 1 - 1e-4)
    scores = np.column_stack([norm.ppf(np.clip(p, *limits)) for p in points])
    complete = np.isfinite(scores).all(axis=1)
    m = len(shares)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.corrcoef(scores[complete].T) if m > 1 and complete.sum() > m + 1 else np.eye(m)
    # A constant member has no correlation with anything.
    correlation = np.where(np.isfinite(correlation), correlation, np.eye(m)) + 1e-6 * np.eye(m)
    missing = ~np.isfinite(scores)
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc32(b"impute")])))
    n_draws = shares[0].shape[0]
    for area in np.flatnonzero(missing.any(axis=1)):
        gone, seen = np.flatnonzero(missing[area]), np.flatnonzero(~missing[area])
        inverse = np.linalg.inv(correlation[np.ix_(seen, seen)])
        slope = correlation[np.ix_(gone, seen)] @ inverse
        covariance = correlation[np.ix_(gone, gone)] - slope @ correlation[np.ix_(seen, gone)]
        observed = norm.ppf(np.clip([shares[j][:, area] for j in seen], *limits)).reshape(seen.size, n_draws).T
        centre = observed @ slope.T
        root = np.linalg.cholesky(covariance + 1e-9 * np.eye(gone.size))
        drawn = norm.cdf(centre + generator.standard_normal((n_draws, gone.size)) @ root.T)
        for position, j in enumerate(gone):
            shares[j][:, area] = drawn[:, position]


def combine(members: Sequence[Member], *, seed: int) -> Draws:
    """Draws of a score from 0 to 100 (n_draws, n): percentiles, averaged with their weights.

    A member without any value in the whole population cannot be predicted and carries no weight
    for anyone; a member that is missing for some areas is imputed there.

    Raises:
        ValueError: no member has any value.
    """
    present = [member for member in members if np.isfinite(member.point).any()]
    if not present:
        raise ValueError("no member has any value")
    shares, points = [], []
    for member in present:
        share = percentile_of(member.draws, member.point)
        point = percentile_of(member.point, member.point)
        shares.append(share if member.direction > 0 else 1 - share)
        points.append(point if member.direction > 0 else 1 - point)
    _impute(shares, points, seed=seed)
    weights = np.array([member.weight for member in present], dtype=np.float32)
    total = sum(weight * share for weight, share in zip(weights, shares, strict=True))
    return (100 * total / weights.sum()).astype(np.float32)
