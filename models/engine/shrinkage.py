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

from models.engine.kernels import fill_normal, fill_uniform

Vector = NDArray[np.float64]
Draws = NDArray[np.float32]

MIN_AREAS = 5
"""Fewer areas than this say too little about how areas differ: nothing is shrunk."""
COMPONENTS = 3
MIN_AREAS_FOR_MIXTURE = 30
"""Fewer areas than this cannot show a shape: the prior is a single normal distribution."""
MAX_AREAS_IN_CHAIN = 2000
"""The parameters of the prior are learnt from at most so many areas, chosen at random: more change nothing."""
BURN_IN = 200
AREAS_WITH_FRESH_PRIORS, DRAWS_EACH = 500, 10
"""Up to so many areas every draw has a prior of its own; of more, the prior is known better and serves ten draws."""


@dataclass(frozen=True)
class Prior:
    """Draws of the prior's parameters, in the indicator's unit.

    Args:
        draws: (n_prior_draws, components, 3): weight, mean and variance of each component of the mixture.
    """

    draws: Vector

    @property
    def weights(self) -> Vector:
        return self.draws[..., 0]

    @property
    def means(self) -> Vector:
        return self.draws[..., 1]

    @property
    def variances(self) -> Vector:
        return self.draws[..., 2]


@njit(cache=True, nogil=True)
def _chain(y, v, means, variances, centre, spread, shape, scale, n_burn, thin, out, generator):  # type: ignore[no-untyped-def] # numba infers
    """Gibbs sampler of the mixture's parameters; fills out (n_draws, components, 3) with weight, mean, variance."""
    n, k_all = y.size, means.size
    weights = np.full(k_all, 1.0 / k_all)
    distance, chance = np.empty(k_all), np.empty(k_all)
    truth = np.empty(n)
    group = np.empty(n, np.int64)
    for step in range(n_burn + thin * out.shape[0]):
        counts, sums, squares = np.zeros(k_all), np.zeros(k_all), np.zeros(k_all)
        for i in range(n):
            least, mass = np.inf, 0.0
            for k in range(k_all):
                distance[k] = 0.5 * (y[i] - means[k]) ** 2 / (v[i] + variances[k])
                least = min(least, distance[k])
            for k in range(k_all):
                chance[k] = (weights[k] + 1e-300) * np.exp(least - distance[k]) / np.sqrt(v[i] + variances[k])
                mass += chance[k]
            pick, k, reached = generator.random() * mass, 0, chance[0]
            while pick > reached and k < k_all - 1:
                k += 1
                reached += chance[k]
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


@njit(cache=True, nogil=True, inline="always")
def _exp(x):  # type: ignore[no-untyped-def] # numba infers
    """Exponential of a float32 that is not above zero, from 2^whole and a Taylor series; loops over it vectorise."""
    x = max(x, np.float32(-87.0)) * np.float32(1.4426950408889634)
    whole = np.floor(x + np.float32(0.5))
    t = (x - whole) * np.float32(0.6931471805599453)
    series = np.float32(1 / 720)
    for coefficient in (np.float32(1 / 120), np.float32(1 / 24), np.float32(1 / 6), np.float32(0.5)):
        series = series * t + coefficient
    series = (series * t + np.float32(1.0)) * t + np.float32(1.0)
    return series * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"nsz", "nnan", "contract"})
def _responsibilities(y, v, prior, reached, centres, sds):  # type: ignore[no-untyped-def] # numba infers
    """For one draw of the prior (components, 3), into (components, n): cumulated chances, posterior means and sds.

    All in float32, area by area in the innermost loops, so that they vectorise.
    """
    n, k_all = y.size, prior.shape[0]
    least, scale = np.empty(n, np.float32), np.empty((k_all, n), np.float32)
    least[:] = np.inf
    half, one = np.float32(0.5), np.float32(1.0)
    for k in range(k_all):
        weight, middle, between = np.float32(prior[k, 0] + 1e-30), np.float32(prior[k, 1]), np.float32(prior[k, 2])
        for i in range(n):
            inverse = one / (v[i] + between)
            kept, away = between * inverse, y[i] - middle
            distance = half * away * away * inverse
            scale[k, i] = weight * np.sqrt(inverse)
            reached[k, i] = distance
            least[i] = distance if distance < least[i] else least[i]
            centres[k, i] = middle + kept * away
            sds[k, i] = np.sqrt(kept * v[i])
    mass = np.zeros(n, np.float32)
    for k in range(k_all):
        for i in range(n):
            mass[i] += scale[k, i] * _exp(least[i] - reached[k, i])
            reached[k, i] = mass[i]
    for k in range(k_all):
        for i in range(n):
            reached[k, i] /= mass[i]


@njit(cache=True, nogil=True, fastmath={"nsz", "nnan"})
def _pick(reached, centres, sds, picks, lower, upper, out):  # type: ignore[no-untyped-def] # numba infers
    """One row: choose each area's component, scale its noise; nothing here is NaN, so that the loop vectorises."""
    for i in range(out.size):
        centre, sd = centres[0, i], sds[0, i]
        for k in range(1, centres.shape[0]):
            centre = centres[k, i] if picks[i] > reached[k - 1, i] else centre
            sd = sds[k, i] if picks[i] > reached[k - 1, i] else sd
        value = centre + sd * out[i]
        value = value if value > lower else lower
        out[i] = value if value < upper else upper


@njit(cache=True, nogil=True, fastmath={"nsz", "nnan"})
def _pick_of_three(reached, centres, sds, picks, lower, upper, out):  # type: ignore[no-untyped-def] # numba infers
    """`_pick` with its inner loop written out, which is three times as fast."""
    first, second = reached[0], reached[1]
    c0, c1, c2, s0, s1, s2 = centres[0], centres[1], centres[2], sds[0], sds[1], sds[2]
    for i in range(out.size):
        pick = picks[i]
        a, b, c = c0[i] + s0[i] * out[i], c1[i] + s1[i] * out[i], c2[i] + s2[i] * out[i]
        value = a if pick <= first[i] else (b if pick <= second[i] else c)
        value = value if value > lower else lower
        out[i] = value if value < upper else upper


@njit(cache=True, nogil=True)
def _draw(y, v, prior, each, first, lower, upper, picks, out):  # type: ignore[no-untyped-def] # numba infers
    """Posterior draws first, first + 1, ...; out (count, n) holds standard normals and receives them."""
    n, k_all = y.size, prior.shape[1]
    reached, centres, sds = (
        np.empty((k_all, n), np.float32), np.empty((k_all, n), np.float32), np.empty((k_all, n), np.float32)
    )  # fmt: skip
    at = -1
    for row in range(out.shape[0]):
        now = ((first + row) // each) % prior.shape[0]
        if now != at:
            at = now
            _responsibilities(y, v, prior[at], reached, centres, sds)
        if k_all == 3:
            _pick_of_three(reached, centres, sds, picks[row], lower, upper, out[row])
        else:
            _pick(reached, centres, sds, picks[row], lower, upper, out[row])


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
    return Prior(out)


@dataclass(frozen=True)
class Shrunken:
    """Posterior of each area, in the indicator's unit: mean, 90 % bounds, and the share borrowed from the prior."""

    mean: Vector
    lower: Vector
    upper: Vector
    share_borrowed: Vector


@dataclass(frozen=True, eq=False)
class _Part:
    """Areas that are drawn towards one prior: their positions, estimates, variances, and draws of its parameters.

    The prior is (n_prior_draws, components, 3), or None: then each area stands for itself.
    """

    positions: NDArray[np.int64]
    direct: Draws
    variance: Draws
    prior: Vector | None

    def draw(self, first: int, each: int, lower: np.float32, upper: np.float32, picks: Draws, out: Draws) -> None:
        """Turn standard normals (count, areas) into posterior draws, in place."""
        if self.prior is None:
            np.clip(self.direct + np.sqrt(self.variance) * out, lower, upper, out=out)
        else:
            _draw(self.direct, self.variance, self.prior, each, first, lower, upper, picks, out)


class Posterior:
    """Posterior draws of one indicator (a Drawer).

    Args:
        id: names the indicator.
        direct, variance: (n,) estimates and their sampling variances; an area without both has no draws.
        seed: with the id it decides the prior's chain: the same random numbers would make all priors err alike.
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
        self._each = 1 if self.direct.size <= AREAS_WITH_FRESH_PRIORS else DRAWS_EACH
        self._parts = self._fit(seed + crc32(id.encode()), groups)

    def _fit(self, seed: int, groups: NDArray | None) -> list["_Part"]:
        def prior(positions: NDArray[np.int64]) -> Vector | None:
            n_prior = 1000 // self._each
            fitted = fit_prior(self.direct[positions], self.variance[positions], seed=seed, n_draws=n_prior)
            return None if fitted is None else fitted.draws

        def part(inside: NDArray[np.int64], towards: Vector | None) -> _Part:
            direct, variance = (values[inside].astype(np.float32) for values in (self.direct, self.variance))
            return _Part(inside, direct, variance, towards)

        positions = np.flatnonzero(self._usable)
        if groups is None:
            return [part(positions, prior(positions))]
        labels = np.asarray(groups)[positions]
        parts, alone = [], []
        for label in np.unique(labels):
            inside = positions[labels == label]
            if inside.size >= MIN_AREAS:
                parts.append(part(inside, prior(inside)))
            else:
                alone.append(inside)
        if alone:
            parts.append(part(np.concatenate(alone), prior(positions)))
        return parts

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (1, count, n) float32; NaN where an area has no estimate or no error."""
        n = self.direct.size
        noise, picks = np.empty((count, n), np.float32), np.empty((count, n), np.float32)
        for fill, block in ((fill_normal, noise), (fill_uniform, picks)):
            fill(int(generator.integers(2**64, dtype=np.uint64)), block)
        is_whole = len(self._parts) == 1 and self._parts[0].positions.size == n
        out = noise if is_whole else np.full((count, n), np.nan, dtype=np.float32)
        for part in self._parts:
            some, picked = (block if is_whole else block[:, part.positions] for block in (noise, picks))
            part.draw(first, self._each, np.float32(self.lower), np.float32(self.upper), picked, some)
            if not is_whole:
                out[:, part.positions] = some
        return out[None]

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
        for part in self._parts:
            y, v, prior = part.direct, part.variance, part.prior
            if prior is None:
                continue
            some = prior[:: max(1, prior.shape[0] // 100)]
            reached, centres, sds = (np.empty((prior.shape[1], y.size), np.float32) for _ in range(3))
            followed = np.zeros(y.size)
            for one in some:
                _responsibilities(y, v, one, reached, centres, sds)
                chance = np.diff(reached, axis=0, prepend=0.0)
                centre = (chance * centres).sum(axis=0)
                spread = (chance * (sds**2 + (centres - centre) ** 2)).sum(axis=0)
                followed += np.divide(spread, v, out=np.ones_like(v), where=v > 0)
            borrowed[part.positions] = np.clip(1 - followed / len(some), 0, 1)
        mean, lower, upper = (np.full(n, np.nan) for _ in range(3))
        known = draws[:, self._usable]
        mean[self._usable] = known.mean(axis=0, dtype=np.float64)
        lower[self._usable], upper[self._usable] = np.quantile(known, [0.05, 0.95], axis=0)
        return Shrunken(mean, lower, upper, borrowed)
