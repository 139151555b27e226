"""Empirical-Bayes shrinkage with known sampling variance, under a prior that takes the shape of the data.

The truth of an area comes from a mixture of normal distributions, and its estimate scatters around
it with a known variance. The mixture lets the truths be skewed, heavy-tailed or in two groups; a
single normal distribution (Fay & Herriot 1979, JASA 74:269) is one of its cases. Its parameters are
drawn by Gibbs sampling (Diebolt & Robert 1994, JRSS B 56:363), so that what is not known of them
widens the posterior: intervals with parameters fixed at their estimates are too short (Morris
1983, JASA 78:47). How well it covers is measured in `benchmarks/study_coverage.py`.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numba import njit
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Draws = NDArray[np.float32]

MIN_AREAS = 5
"""Fewer areas than this say too little about how areas differ: nothing is shrunk."""
COMPONENTS = 3
MIN_AREAS_FOR_MIXTURE = 30
"""Fewer areas than this cannot show a shape: the prior is a single normal distribution."""
MAX_AREAS_IN_CHAIN = 4000
"""The parameters of the prior are learnt from at most so many areas, chosen at random: more change nothing."""
BURN_IN = 200


@dataclass(frozen=True)
class Prior:
    """Draws of the prior's parameters, in the indicator's unit.

    Args:
        weights, means, variances: (n_prior_draws, components) of the mixture.
    """

    weights: Vector
    means: Vector
    variances: Vector


@njit(cache=True, nogil=True)
def _chain(y, v, means, variances, centre, spread, shape, scale, n_burn, thin, out, generator):  # type: ignore[no-untyped-def] # numba infers
    """Gibbs sampler of the mixture's parameters; fills out (n_draws, components, 3) with weight, mean, variance."""
    n, k_all = y.size, means.size
    weights = np.full(k_all, 1.0 / k_all)
    logs = np.empty(k_all)
    truth = np.empty(n)
    group = np.empty(n, np.int64)
    for step in range(n_burn + thin * out.shape[0]):
        counts, sums, squares = np.zeros(k_all), np.zeros(k_all), np.zeros(k_all)
        for i in range(n):
            best = -np.inf
            for k in range(k_all):
                total = v[i] + variances[k]
                logs[k] = np.log(weights[k] + 1e-300) - 0.5 * np.log(total) - 0.5 * (y[i] - means[k]) ** 2 / total
                best = max(best, logs[k])
            mass = 0.0
            for k in range(k_all):
                logs[k] = np.exp(logs[k] - best)
                mass += logs[k]
            pick, k, reached = generator.random() * mass, 0, logs[0]
            while pick > reached and k < k_all - 1:
                k += 1
                reached += logs[k]
            kept = variances[k] / (variances[k] + v[i])
            truth[i] = means[k] + kept * (y[i] - means[k]) + np.sqrt(kept * v[i]) * generator.standard_normal()
            group[i] = k
            counts[k] += 1
            sums[k] += truth[i]
        for k in range(k_all):
            precision = counts[k] / variances[k] + 1.0 / spread
            means[k] = (sums[k] / variances[k] + centre / spread) / precision
            means[k] += generator.standard_normal() / np.sqrt(precision)
        for i in range(n):
            squares[group[i]] += (truth[i] - means[group[i]]) ** 2
        mass = 0.0
        for k in range(k_all):
            variances[k] = (scale + 0.5 * squares[k]) / generator.standard_gamma(shape + 0.5 * counts[k])
            weights[k] = generator.standard_gamma(1.0 + counts[k])
            mass += weights[k]
        weights /= mass
        if step >= n_burn and (step - n_burn) % thin == thin - 1:
            row = (step - n_burn) // thin
            for k in range(k_all):
                out[row, k, 0], out[row, k, 1], out[row, k, 2] = weights[k], means[k], variances[k]


@njit(cache=True, nogil=True)
def _responsibilities(y, v, weights, means, variances, reached, centres, sds):  # type: ignore[no-untyped-def] # numba infers
    """For each area: cumulated chance of each component, and the posterior mean and sd under it."""
    k_all = weights.size
    for i in range(y.size):
        best = -np.inf
        for k in range(k_all):
            total = v[i] + variances[k]
            log = np.log(weights[k] + 1e-300) - 0.5 * np.log(total) - 0.5 * (y[i] - means[k]) ** 2 / total
            reached[i, k] = log
            best = max(best, log)
            kept = variances[k] / total
            centres[i, k] = means[k] + kept * (y[i] - means[k])
            sds[i, k] = np.sqrt(kept * v[i])
        mass = 0.0
        for k in range(k_all):
            mass += np.exp(reached[i, k] - best)
            reached[i, k] = mass
        for k in range(k_all):
            reached[i, k] /= mass


@njit(cache=True, nogil=True)
def _draw(y, v, prior, each, first, lower, upper, out, generator):  # type: ignore[no-untyped-def] # numba infers
    """Posterior draws first, first + 1, ... into out (count, n)."""
    n, k_all = y.size, prior.shape[1]
    reached, centres, sds = np.empty((n, k_all)), np.empty((n, k_all)), np.empty((n, k_all))
    at = -1
    for row in range(out.shape[0]):
        now = ((first + row) // each) % prior.shape[0]
        if now != at:
            at = now
            _responsibilities(y, v, prior[at, :, 0], prior[at, :, 1], prior[at, :, 2], reached, centres, sds)
        for i in range(n):
            k = 0
            if k_all > 1:
                pick = generator.random()
                while k < k_all - 1 and pick > reached[i, k]:
                    k += 1
            value = centres[i, k] + sds[i, k] * generator.standard_normal()
            out[row, i] = min(max(value, lower), upper)


def _usable(direct: Vector, variance: Vector) -> NDArray[np.bool_]:
    return np.isfinite(direct) & np.isfinite(variance)


def fit_prior(direct: Vector, variance: Vector, *, seed: int, n_draws: int = 1000) -> Prior | None:
    """Draw the parameters of the prior given direct estimates (n,) with known sampling variances (n,).

    Weakly informative priors on the scale of the data: component means around the mean with twice
    the standard deviation between areas, component variances around half the variance between
    areas. NaN areas are left out.

    Returns:
        The prior, or None where there is nothing to learn or nothing to shrink: fewer than
        MIN_AREAS usable areas, all estimates equal, or none with an error.

    Raises:
        ValueError: a variance is negative.
    """
    usable = _usable(direct, variance)
    y, v = direct[usable].astype(float), variance[usable].astype(float)
    if (v < 0).any():
        raise ValueError("a sampling variance is negative")
    if y.size < MIN_AREAS or not v.any() or np.ptp(y) == 0:
        return None
    # Choosing areas has a stream of its own, so that it does not shift the chain's.
    generator, chooser = (
        np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc32(name)])))
        for name in (b"prior", b"areas")
    )
    if y.size > MAX_AREAS_IN_CHAIN:
        chosen = np.sort(chooser.choice(y.size, MAX_AREAS_IN_CHAIN, replace=False))
        y, v = y[chosen], v[chosen]
    k = COMPONENTS if y.size >= MIN_AREAS_FOR_MIXTURE else 1
    # The moment estimate of the variance between areas; never quite zero, so that the chain can move.
    between = max(np.var(y) - v.mean(), 0.05 * np.var(y))
    out = np.empty((n_draws, k, 3))
    means = np.quantile(y, (np.arange(k) + 0.5) / k)
    _chain(y, v, means, np.full(k, between / 3), y.mean(), 4 * between, 2.0, between, BURN_IN, 1, out, generator)
    return Prior(out[..., 0], out[..., 1], out[..., 2])


@dataclass(frozen=True)
class Shrunken:
    """Posterior of each area, in the indicator's unit: mean, 90 % bounds, and the share borrowed from the prior."""

    mean: Vector
    lower: Vector
    upper: Vector
    share_borrowed: Vector


class Posterior:
    """Posterior draws of one indicator (a Drawer).

    Args:
        id: names the indicator.
        direct, variance: (n,) estimates and their sampling variances; an area without both has no draws.
        seed: of the prior's chain.
        groups: (n,) labels of parent areas; an area is drawn towards its own group where that has
            MIN_AREAS areas or more, else towards all. None draws towards all, which is the rule for
            national files.
        lower, upper: support of the quantity; draws are clipped to it.

    Raises:
        ValueError: a variance is negative.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the published name of the field
        direct: Vector,
        variance: Vector,
        *,
        seed: int,
        groups: NDArray | None = None,
        lower: float = -np.inf,
        upper: float = np.inf,
    ) -> None:
        self.ids = (id,)
        self.direct, self.variance = direct.astype(float), variance.astype(float)
        self.lower, self.upper = lower, upper
        self._usable = _usable(self.direct, self.variance)
        self._parts = self._fit(seed, groups)

    def _fit(self, seed: int, groups: NDArray | None) -> list[tuple[NDArray[np.int64], Vector | None]]:
        """Positions of areas, and the prior (n_prior_draws, components, 3) that they are drawn towards."""

        def prior(positions: NDArray[np.int64]) -> Vector | None:
            # Few areas: a fresh prior for each draw. Many: their prior hardly varies, and each is used ten times.
            n_prior = 1000 if self.direct.size <= MAX_AREAS_IN_CHAIN else 100
            fitted = fit_prior(self.direct[positions], self.variance[positions], seed=seed, n_draws=n_prior)
            return None if fitted is None else np.stack([fitted.weights, fitted.means, fitted.variances], axis=2)

        positions = np.flatnonzero(self._usable)
        if groups is None:
            return [(positions, prior(positions))]
        labels = np.asarray(groups)[positions]
        parts, alone = [], []
        for label in np.unique(labels):
            inside = positions[labels == label]
            if inside.size >= MIN_AREAS:
                parts.append((inside, prior(inside)))
            else:
                alone.append(inside)
        if alone:
            parts.append((np.concatenate(alone), prior(positions)))
        return parts

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (1, count, n) float32; NaN where an area has no estimate or no error."""
        out = np.full((1, count, self.direct.size), np.nan, dtype=np.float32)
        each = 1 if self.direct.size <= MAX_AREAS_IN_CHAIN else 10
        for positions, prior in self._parts:
            y, v = self.direct[positions], self.variance[positions]
            if prior is None:
                noise = generator.standard_normal((count, y.size))
                out[0][:, positions] = np.clip(y + np.sqrt(v) * noise, self.lower, self.upper)
                continue
            part = np.empty((count, y.size), dtype=np.float32)
            _draw(y, v, prior, each, first, self.lower, self.upper, part, generator)
            if positions.size == self.direct.size:
                out[0] = part
            else:
                out[0][:, positions] = part
        return out

    def summary(self, *, n_draws: int = 1000, seed: int) -> Shrunken:
        """Mean, 90 % interval and borrowed share of each area, the first two from draws.

        The share borrowed is how little the posterior mean follows the estimate: one minus its
        derivative, which is the posterior variance over the sampling variance (Efron 2011, JASA
        106:1602, from Tweedie's formula), averaged over the prior's draws. Under a single normal
        prior that is v / (v + tau^2).
        """
        n = self.direct.size
        generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, crc32(self.ids[0].encode())])))
        draws = self.draw(0, n_draws, generator)[0]
        borrowed = np.where(self._usable, 0.0, np.nan)
        for positions, prior in self._parts:
            if prior is None:
                continue
            y, v = self.direct[positions], self.variance[positions]
            some = prior[:: max(1, prior.shape[0] // 100)]
            reached, centres, sds = (np.empty((y.size, prior.shape[1])) for _ in range(3))
            followed = np.zeros(y.size)
            for one in some:
                _responsibilities(y, v, one[:, 0], one[:, 1], one[:, 2], reached, centres, sds)
                chance = np.diff(reached, axis=1, prepend=0.0)
                centre = (chance * centres).sum(axis=1)
                spread = (chance * (sds**2 + (centres - centre[:, None]) ** 2)).sum(axis=1)
                followed += np.divide(spread, v, out=np.ones_like(v), where=v > 0)
            borrowed[positions] = np.clip(1 - followed / len(some), 0, 1)
        mean, lower, upper = (np.full(n, np.nan) for _ in range(3))
        known = draws[:, self._usable]
        mean[self._usable] = known.mean(axis=0, dtype=np.float64)
        lower[self._usable], upper[self._usable] = np.quantile(known, [0.05, 0.95], axis=0)
        return Shrunken(mean, lower, upper, borrowed)
