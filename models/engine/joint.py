"""Joint posterior of several members whose errors are correlated, with the covariance given.

Members from one survey err together. The truths of an area's members follow a factor model: a few
common factors and a part of each member's own. The first factor and the own parts are mixtures of
normal distributions, so that truths may be skewed, heavy-tailed or in groups. The estimates scatter
around the truths with a known covariance (multivariate Fay & Herriot 1979; Benavent & Morales 2016,
CSDA 94:372). A factor model takes the place of a free covariance because an inverse-Wishart prior on
twenty members outweighs noisy data, and composites then get intervals that are too short. Parameters
are drawn by Gibbs sampling. How well it covers is measured in `benchmarks/study_coverage.py`.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.engine.shrinkage import COMPONENTS, MIN_AREAS_FOR_MIXTURE

Array = NDArray[np.float64]
Draws = NDArray[np.float32]

MAX_FACTORS = 2
MAX_AREAS_IN_CHAIN = 1000
BURN_IN, THIN, N_PRIOR_DRAWS = 300, 4, 100
DRAWS_EACH = 10
"""Draws of the areas for each draw of the parameters."""
SETTLE = 5
"""Sweeps before the first draw of a block counts."""
_UNKNOWN = 1e6
"""Error variance of a member without a value, in units of the variance between areas: it says nothing."""


@njit(cache=True, nogil=True)
def _cholesky(a, low):  # type: ignore[no-untyped-def] # numba infers
    """Lower factor of a positive semi-definite matrix; a pivot of zero gives a column of zeros."""
    for i in range(a.shape[0]):
        for j in range(i + 1):
            s = a[i, j]
            for k in range(j):
                s -= low[i, k] * low[j, k]
            if i == j:
                low[i, i] = np.sqrt(s) if s > 1e-12 else 0.0
            else:
                low[i, j] = s / low[j, j] if low[j, j] > 0 else 0.0


@njit(cache=True, nogil=True)
def _forward(low, b):  # type: ignore[no-untyped-def] # numba infers
    for i in range(b.size):
        s = b[i]
        for k in range(i):
            s -= low[i, k] * b[k]
        b[i] = s / low[i, i]


@njit(cache=True, nogil=True)
def _backward(low, b):  # type: ignore[no-untyped-def] # numba infers
    for i in range(b.size - 1, -1, -1):
        s = b[i]
        for k in range(i + 1, b.size):
            s -= low[k, i] * b[k]
        b[i] = s / low[i, i]


@njit(cache=True, nogil=True)
def _truths(y, cov, root, load, own, first, theta, factor, group, part, generator):  # type: ignore[no-untyped-def] # numba infers
    """One draw of every area: the first factor's component, the factors, the truths and the own parts' components.

    `own` (members, components, 3) and `first` (components, 3) hold chance, mean and variance. The
    factors are drawn with the truths integrated out, and the truths given the factors by perturbation
    (Papandreou & Yuille 2010): no covariance has to be inverted, so errors of zero do no harm.
    """
    n, p = y.shape
    q, k_all, k_own = load.shape[1], first.shape[0], own.shape[1]
    total, low, x = np.empty((p, p)), np.zeros((p, p)), np.empty((q, p))
    rest, a, b = np.empty(p), np.empty((q, q)), np.empty(q)
    precision, low_q = np.empty((q, q)), np.zeros((k_all, q, q))
    h, logs = np.empty((k_all, q)), np.empty(k_all)
    common, odds = np.empty(p), np.empty(k_own)
    for i in range(n):
        for r in range(p):
            for c in range(r + 1):
                total[r, c] = cov[i, r, c]
            total[r, r] += own[r, part[i, r], 2]
            rest[r] = y[i, r] - own[r, part[i, r], 1]
        _cholesky(total, low)
        for f in range(q):
            for r in range(p):
                x[f, r] = load[r, f]
            _forward(low, x[f])
        _forward(low, rest)
        for f in range(q):
            b[f] = np.dot(x[f], rest)
            for g in range(q):
                a[f, g] = np.dot(x[f], x[g])
        best = -np.inf
        for k in range(k_all):
            for f in range(q):
                for g in range(q):
                    precision[f, g] = a[f, g]
                precision[f, f] += 1.0 / first[k, 2] if f == 0 else 1.0
                h[k, f] = b[f]
            h[k, 0] += first[k, 1] / first[k, 2]
            _cholesky(precision, low_q[k])
            _forward(low_q[k], h[k])
            logs[k] = np.log(first[k, 0] + 1e-300) - 0.5 * np.log(first[k, 2]) - 0.5 * first[k, 1] ** 2 / first[k, 2]
            for f in range(q):
                logs[k] += 0.5 * h[k, f] ** 2 - np.log(low_q[k, f, f])
            best = max(best, logs[k])
        mass = 0.0
        for k in range(k_all):
            logs[k] = np.exp(logs[k] - best)
            mass += logs[k]
        pick, k, reached = generator.random() * mass, 0, logs[0]
        while pick > reached and k < k_all - 1:
            k += 1
            reached += logs[k]
        group[i] = k
        for f in range(q):
            h[k, f] += generator.standard_normal()
        _backward(low_q[k], h[k])
        for f in range(q):
            factor[i, f] = h[k, f]
        for r in range(p):
            now = part[i, r]
            common[r] = own[r, now, 1] + np.sqrt(own[r, now, 2]) * generator.standard_normal()
            for f in range(q):
                common[r] += load[r, f] * h[k, f]
            rest[r] = generator.standard_normal()
        for r in range(p - 1, -1, -1):
            s = 0.0
            for c in range(r + 1):
                s += root[i, r, c] * rest[c]
            rest[r] = y[i, r] - common[r] - s
        _forward(low, rest)
        _backward(low, rest)
        for r in range(p):
            theta[i, r] = common[r] + own[r, part[i, r], 2] * rest[r]
            alone = theta[i, r]
            for f in range(q):
                alone -= load[r, f] * h[k, f]
            mass = 0.0
            for j in range(k_own):
                odds[j] = (
                    own[r, j, 0] * np.exp(-0.5 * (alone - own[r, j, 1]) ** 2 / own[r, j, 2]) / np.sqrt(own[r, j, 2])
                )
                mass += odds[j]
            if mass > 0:
                pick, j, reached = generator.random() * mass, 0, odds[0]
                while pick > reached and j < k_own - 1:
                    j += 1
                    reached += odds[j]
                part[i, r] = j


def _roots(cov: Array) -> Array:
    """Lower factors (n, p, p) of the areas' error covariances."""
    root = np.zeros_like(cov)
    for i in range(cov.shape[0]):
        _cholesky(cov[i], root[i])
    return root


def _mixture(
    values: Array, group: NDArray[np.integer], old: Array, spread: float, generator: np.random.Generator
) -> None:
    """Draw chance, mean and variance of each component (components, 3), in place, given who belongs to it."""
    k = old.shape[0]
    count = np.bincount(group, minlength=k)
    total = np.bincount(group, weights=values, minlength=k)
    precision = count / old[:, 2] + 1.0 / spread
    old[:, 1] = total / old[:, 2] / precision + generator.standard_normal(k) / np.sqrt(precision)
    square = np.bincount(group, weights=(values - old[group, 1]) ** 2, minlength=k)
    old[:, 2] = (1.0 + 0.5 * square) / generator.standard_gamma(2.0 + count / 2)
    old[:, 0] = generator.standard_gamma(1.0 + count)
    old[:, 0] /= old[:, 0].sum()


class _Parameters:
    """The state of the chain, in standardised units: loadings, own parts and first factor as mixtures."""

    def __init__(self, p: int, q: int, k: int) -> None:
        centres = np.linspace(-1.0, 1.0, k) if k > 1 else np.zeros(1)
        start = np.column_stack([np.full(k, 1.0 / k), centres, np.full(k, 0.5)])
        self.load = np.full((p, q), 0.3)
        self.own = np.tile(start, (p, 1, 1))
        self.first = start.copy()

    def copy(self) -> "_Parameters":
        other = object.__new__(_Parameters)
        other.__dict__ = {name: value.copy() for name, value in self.__dict__.items()}
        return other

    def update(self, areas: "_Areas", generator: np.random.Generator) -> None:
        """Draw the parameters given the truths, factors and components of the areas."""
        theta, factor, part = areas.theta, areas.factor, areas.part
        p, q = theta.shape[1], factor.shape[1]
        # Later factors are a priori smaller, so that they take only what the first leaves.
        prior = np.diag(2.0 ** np.arange(q))
        for r in range(p):
            own = self.own[r]
            weight = 1.0 / own[part[:, r], 2]
            weighted = factor * weight[:, None]
            precision = factor.T @ weighted + prior
            mean = np.linalg.solve(precision, weighted.T @ (theta[:, r] - own[part[:, r], 1]))
            self.load[r] = mean + np.linalg.solve(np.linalg.cholesky(precision).T, generator.standard_normal(q))
            _mixture(theta[:, r] - factor @ self.load[r], part[:, r], own, 4.0, generator)
        _mixture(factor[:, 0], areas.group, self.first, 1.0, generator)


class _Areas:
    """What is known of areas in standardised units, and the present draw of what is not."""

    def __init__(self, y: Array, cov: Array, root: Array, q: int) -> None:
        self.y, self.cov, self.root = y, cov, root
        self.theta, self.factor = np.zeros_like(y), np.zeros((y.shape[0], q))
        self.group, self.part = np.zeros(y.shape[0], dtype=np.int64), np.zeros(y.shape, dtype=np.int64)

    def redraw(self, state: _Parameters, generator: np.random.Generator) -> None:
        _truths(
            self.y, self.cov, self.root, state.load, state.own, state.first,
            self.theta, self.factor, self.group, self.part, generator,
        )  # fmt: skip


class JointPosterior:
    """Posterior draws of m members together (a Drawer).

    A member that an area lacks is drawn from its predictive distribution given the area's others.

    Args:
        ids: of the members.
        direct: (m, n) estimates, NaN where there is none.
        covariance: (n, m, m) error covariance of each area's estimates, in the members' units; rows of a
            member without a value are ignored.
        seed: of the chain.
        lower, upper: (m,) supports; draws are clipped to them.

    Raises:
        ValueError: shapes do not fit, a covariance is not symmetric or has a negative variance, a member
            has fewer than three values, or all its values are equal.
    """

    def __init__(
        self,
        ids: Sequence[str],
        direct: Array,
        covariance: Array,
        *,
        seed: int,
        lower: Array | None = None,
        upper: Array | None = None,
    ) -> None:
        m, n = direct.shape
        if len(ids) != m or covariance.shape != (n, m, m):
            raise ValueError(f"{len(ids)} ids, {direct.shape} values and {covariance.shape} covariances do not fit")
        self.ids = tuple(ids)
        self.lower = np.full(m, -np.inf) if lower is None else np.asarray(lower, dtype=float)
        self.upper = np.full(m, np.inf) if upper is None else np.asarray(upper, dtype=float)
        known = np.isfinite(direct).T & np.isfinite(np.einsum("nii->ni", covariance))
        counts = known.sum(axis=0)
        if (counts < 3).any():
            raise ValueError(f"{ids[int(counts.argmin())]} has fewer than three values with an error")
        y = np.where(known, direct.T, np.nan)
        both = known[:, :, None] & known[:, None, :]
        cov = np.where(both, covariance, 0.0)
        if not np.allclose(cov, cov.transpose(0, 2, 1)) or (np.einsum("nii->ni", cov) < 0).any():
            raise ValueError("a covariance is not symmetric or has a negative variance")
        total = np.nanvar(y, axis=0)
        if (total == 0).any():
            raise ValueError(f"all values of {ids[int(total.argmin())]} are equal")
        noise = np.einsum("nii->ni", cov).sum(axis=0) / counts
        self._scale = np.sqrt(np.maximum(total - noise, 0.05 * total))
        self._centre = np.nanmean(y, axis=0)
        self._y = np.where(known, (y - self._centre) / self._scale, 0.0)
        self._cov = cov / (self._scale[:, None] * self._scale)
        area, member = np.nonzero(~known)
        self._cov[area, member, member] = _UNKNOWN
        self._root = _roots(self._cov)
        self._prior = self._chain(np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc32(b"joint")]))))

    def _chain(self, generator: np.random.Generator) -> list[_Parameters]:
        n, p = self._y.shape
        chosen = np.arange(n)
        if n > MAX_AREAS_IN_CHAIN:
            chosen = np.sort(generator.choice(n, MAX_AREAS_IN_CHAIN, replace=False))
        q = min(MAX_FACTORS, max(1, p // 3))
        areas = _Areas(self._y[chosen], self._cov[chosen], self._root[chosen], q)
        state = _Parameters(p, q, COMPONENTS if chosen.size >= MIN_AREAS_FOR_MIXTURE else 1)
        if state.first.shape[0] > 1:
            areas.part[:] = generator.integers(COMPONENTS, size=areas.part.shape)
        kept = []
        for step in range(BURN_IN + THIN * N_PRIOR_DRAWS):
            areas.redraw(state, generator)
            state.update(areas, generator)
            if step >= BURN_IN and (step - BURN_IN) % THIN == THIN - 1:
                kept.append(state.copy())
        return kept

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (m, count, n) float32."""
        n, p = self._y.shape
        areas = _Areas(self._y, self._cov, self._root, self._prior[0].load.shape[1])
        out = np.empty((p, count, n), dtype=np.float32)
        # The components start anywhere and settle in a few sweeps, in each call anew: a block depends on itself alone.
        for row in range(-SETTLE, count):
            state = self._prior[((first + max(row, 0)) // DRAWS_EACH) % len(self._prior)]
            areas.redraw(state, generator)
            if row >= 0:
                out[:, row] = np.clip(self._centre + self._scale * areas.theta, self.lower, self.upper).T
        return out
