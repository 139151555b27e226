"""Empirical-Bayes shrinkage with known sampling variance (normal-normal).

Source: Fay & Herriot 1979, JASA 74:269 (area-level model); Paule & Mandel 1982, J. Res. NBS 87:377
(the estimator of the between-area variance used here).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
MIN_AREAS = 5
"""Fewer areas than this say too little about how areas differ: nothing is shrunk."""


class Prior(NamedTuple):
    """Mean and variance of the true values between areas, in the indicator's unit."""

    mean: float
    variance: float


class Posterior(NamedTuple):
    """Posterior mean and standard deviation by area, and the share borrowed from the prior."""

    mean: Vector
    sd: Vector
    share_borrowed: Vector


def fit_prior(direct: Vector, variance: Vector, *, tolerance: float = 1e-12) -> Prior | None:
    """Fit the prior to direct estimates (n,) with known sampling variances (n,).

    The between-area variance solves Paule and Mandel's equation, the sum of
    (y - mean)^2 / (v + tau^2) equal to n - 1; zero where the areas differ no more than their
    errors explain. NaN areas are left out.

    Returns:
        The prior, or None with fewer than MIN_AREAS usable areas.
    """
    usable = np.isfinite(direct) & np.isfinite(variance)
    y, v = direct[usable], variance[usable]
    if y.size < MIN_AREAS:
        return None

    def excess(tau2: float) -> tuple[float, float]:
        weight = 1.0 / np.maximum(v + tau2, 1e-300)
        mean = float(np.sum(weight * y) / np.sum(weight))
        return float(np.sum(weight * (y - mean) ** 2)) - (y.size - 1), mean

    low, high = 0.0, float(np.var(y)) + 1e-300
    if np.all(v > 0) and excess(0.0)[0] <= 0:
        return Prior(excess(0.0)[1], 0.0)
    while excess(high)[0] > 0:
        high *= 2
    while high - low > tolerance * high:
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle)[0] > 0 else (low, middle)
    return Prior(excess(high)[1], high)


def shrink(direct: Vector, variance: Vector, prior: Prior | None) -> Posterior:
    """Draw direct estimates towards the prior by their own uncertainty.

    With B = v / (v + tau^2) the posterior mean is (1 - B) y + B mean and its variance (1 - B) v.
    Without a prior the direct values stand with their own errors.
    """
    if prior is None:
        return Posterior(direct.copy(), np.sqrt(variance), np.zeros_like(direct))
    total = variance + prior.variance
    borrowed = np.divide(variance, total, out=np.zeros_like(total), where=total > 0)
    mean = (1 - borrowed) * direct + borrowed * prior.mean
    return Posterior(mean, np.sqrt((1 - borrowed) * variance), borrowed)
