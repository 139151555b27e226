"""Counts of which only bounds are published, and rates that are such counts over the size of a group.

A graduation rate printed as `>=50%` of a cohort of twelve says that six to twelve graduated. Which of
them is likely follows from the other areas: their counts have a distribution with two parameters, a
beta-binomial where a count is a part of a size, fitted by maximum likelihood with the probability of
its bounds as the contribution of a censored count (Skellam 1948, JRSS B 10:257; Tobin 1958,
Econometrica 26:24 for the censored likelihood). A count is then drawn from that distribution truncated
to its bounds. A uniform draw would put a district that says `>=50%` at 75 %, where districts that
print a number average 90 %.

What is drawn is the realised count or rate: what the publisher would have printed, and hid. It is
not the chance behind it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln, logit

Vector = NDArray[np.float64]
Draws = NDArray[np.float32]
Counts = NDArray[np.float64]

MIN_DISTRICTS = 20
"""A group of fewer areas than this is drawn from the distribution of all areas."""
N_PARAMETERS = 32
"""Draws of the parameters: with one alone, what is not known of them would not widen the draws."""
MAX_COUNTS = 512
"""A cell that allows more counts than this is stood for by so many, evenly spread."""
WITHOUT_SIZE = 1e6
"""The size taken where none is known: the rate then has the beta distribution itself."""
PERCENT_ROUNDING = 0.005
"""Half of the last printed digit of a rate in whole percentages."""
_STEP = 1e-3
_SLACK = 1e-6
"""Persons; how far a product of a printed rate and a size may miss a whole number by binary arithmetic."""


class ArgumentError(ValueError):
    """A vector that no error model can be made of; `argument` and `position` say where, the text says why."""

    def __init__(self, name: str, argument: str, position: int, reason: str) -> None:
        super().__init__(f"{name}: {argument}[{position}] {reason}")
        self.argument, self.position = argument, position


def refuse(name: str, argument: str, values: Vector, wrong: NDArray[np.bool_], rule: str) -> None:
    """Refuse a vector of which some positions break a rule.

    Raises:
        ArgumentError: names the first of them (counted from 0), its value and the rule.
    """
    if wrong.any():
        position = int(wrong.argmax())
        raise ArgumentError(name, argument, position, f"is {values[position]:g}, but {rule}")


def vector(name: str, argument: str, values: ArrayLike, n: int | None = None, *, infinite: bool = False) -> Vector:
    """A copy of an argument as (n,) float64; a single number stands for all n areas.

    Raises:
        ValueError: the shape does not fit, or a value is infinite where none may be.
    """
    found = np.array(values, dtype=np.float64)
    if found.ndim == 0 and n is not None:
        found = np.full(n, float(found))
    if found.ndim != 1 or (n is not None and found.size != n):
        expected = "one value for each area" if n is None else f"one value for each of {n} areas"
        raise ValueError(f"{name}: {argument} must have {expected}, not the shape {found.shape}")
    if not infinite:
        refuse(name, argument, found, np.isinf(found), "a value must be finite, and NaN where there is none")
    return found


def positive(name: str, argument: str, value: float) -> float:
    """A number that must be positive and finite.

    Raises:
        ValueError: it is not.
    """
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name}: {argument} must be a positive number, and is {value!r}")
    return float(value)


def judge_bounds(name: str, lower: Vector, upper: Vector) -> None:
    """Refuse bounds of which one is missing or that are out of order.

    Raises:
        ArgumentError: names the first position.
    """
    rule = "a bound needs the other one: give both, or NaN twice where there is no value"
    refuse(name, "lower", lower, np.isnan(lower) & ~np.isnan(upper), rule)
    refuse(name, "upper", upper, np.isnan(upper) & ~np.isnan(lower), rule)
    refuse(name, "lower", lower, lower > upper, "it must not be above the upper bound")


@dataclass(frozen=True)
class Family:
    """A distribution of counts with two parameters, each on a scale without ends.

    Args:
        log_pmf: of counts, given the two parameters and the sizes; broadcasts.
        log_prior: a weak prior of the two parameters, which keeps them off the ends where the data say nothing.
        start: where the search begins, given counts and sizes.
        ends: of the search, lower and upper, by parameter.
    """

    log_pmf: Callable[[ArrayLike, ArrayLike, Counts, Vector], Vector]
    log_prior: Callable[[float, float], float]
    start: Callable[[Counts, Vector], tuple[float, float]]
    ends: tuple[tuple[float, float], tuple[float, float]]


def _log_beta_binomial(centre: ArrayLike, precision: ArrayLike, counts: Counts, sizes: Vector) -> Vector:
    """Of counts out of sizes: the chance of one has mean expit(centre), and a + b = exp(precision)."""
    mean, total = expit(centre), np.exp(precision)
    a, b = mean * total, (1.0 - mean) * total
    ways = gammaln(sizes + 1.0) - gammaln(counts + 1.0) - gammaln(sizes - counts + 1.0)
    return ways + betaln(counts + a, sizes - counts + b) - betaln(a, b)


def _log_negative_binomial(rate: ArrayLike, shape: ArrayLike, counts: Counts, exposures: Vector) -> Vector:
    """Of counts with a mean of exp(rate) times the exposure, whose rates vary as a gamma of shape exp(shape)."""
    expected, r = np.exp(rate) * exposures, np.exp(shape)
    ways = gammaln(counts + r) - gammaln(r) - gammaln(counts + 1.0)
    return ways - r * np.log1p(expected / r) - counts * np.log1p(r / expected)


BETA_BINOMIAL = Family(
    log_pmf=_log_beta_binomial,
    log_prior=lambda t, s: 0.5 * float(np.log(expit(t)) + np.log(expit(-t))) - 0.125 * (s - np.log(10.0)) ** 2,
    start=lambda counts, sizes: (float(logit((counts.sum() + 0.5) / (sizes.sum() + 1.0))), float(np.log(10.0))),
    ends=((-15.0, 15.0), (-4.0, 12.0)),
)
"""Counts out of a size. Jeffreys' prior of the mean; 95 % of the prior of a + b lies between 0.2 and 500."""
NEGATIVE_BINOMIAL = Family(
    log_pmf=_log_negative_binomial,
    log_prior=lambda t, s: 0.5 * t - 0.125 * s**2,
    start=lambda counts, exposures: (float(np.log((counts.sum() + 0.5) / exposures.sum())), 0.0),
    ends=((-30.0, 20.0), (-6.0, 12.0)),
)
"""Counts with an exposure. Jeffreys' prior of the mean rate; 95 % of that of the shape lies between 0.02 and 50."""


@dataclass(frozen=True)
class Fit:
    """The parameters of a family, fitted to the areas of a group.

    Args:
        parameters: (2,) at the maximum.
        covariance: (2, 2) of the normal distribution that stands for their posterior.
        n_areas: that they were fitted to.
    """

    parameters: Vector
    covariance: Vector
    n_areas: int


class _Cells:
    """Distinct cells (bounds and size), each spread out into the counts that it allows."""

    def __init__(self, first: Counts, last: Counts, sizes: Vector) -> None:
        number = np.minimum(np.round(last - first) + 1.0, MAX_COUNTS).astype(np.int64)
        self.starts = np.concatenate([[0], np.cumsum(number)[:-1]])
        self.ends = self.starts + number - 1
        self.of = np.repeat(np.arange(number.size), number)
        step = (last - first + 1.0) / number
        place = np.arange(self.of.size) - self.starts[self.of]
        self.counts = first[self.of] + (place + 0.5) * step[self.of] - 0.5
        self.sizes = sizes[self.of]
        self.log_step = np.log(step)[self.of]
        self.middle, self.cell_sizes = (first + last) / 2.0, sizes

    def shares(self, family: Family, first: ArrayLike, second: ArrayLike) -> tuple[Vector, Vector]:
        """Chance of each count within its cell, and the logarithm of each cell's own chance."""
        logs = family.log_pmf(first, second, self.counts, self.sizes) + self.log_step
        best = np.maximum.reduceat(logs, self.starts)
        chance = np.exp(logs - best[self.of])
        mass = np.add.reduceat(chance, self.starts)
        return chance / mass[self.of], best + np.log(mass)


def fit(family: Family, first: Counts, last: Counts, sizes: Vector) -> Fit:
    """Fit a family to counts of which each lies from `first` to `last`; they are equal where it is known.

    Args:
        family: BETA_BINOMIAL or NEGATIVE_BINOMIAL.
        first, last: (n,) smallest and largest count that a cell allows.
        sizes: (n,) group sizes or exposures, positive.
    """
    rows, times = np.unique(np.column_stack([first, last, sizes]), axis=0, return_counts=True)
    cells = _Cells(*rows.T)

    def loss(at: Vector) -> float:
        _, logs = cells.shares(family, at[0], at[1])
        return -float(times @ logs) - family.log_prior(float(at[0]), float(at[1]))

    def slope(at: Vector) -> Vector:
        # Wide steps: the logarithms of large factorials leave a noise that narrow ones would show.
        return np.array([loss(at + way) - loss(at - way) for way in np.eye(2) * _STEP]) / (2.0 * _STEP)

    start = np.clip(family.start(cells.middle * times, cells.cell_sizes * times), *np.array(family.ends).T)
    found = minimize(loss, start, jac=slope, method="L-BFGS-B", bounds=family.ends).x
    return Fit(found, _covariance(loss, found), first.size)


def _covariance(loss: Callable[[Vector], float], at: Vector) -> Vector:
    """Inverse of the loss's curvature: the normal approximation of a posterior at its mode."""
    across, up = np.eye(2) * 10.0 * _STEP
    middle = loss(at)
    curvature = np.empty((2, 2))
    for i, way in enumerate((across, up)):
        curvature[i, i] = loss(at + way) - 2.0 * middle + loss(at - way)
    corners = loss(at + across + up) - loss(at + across - up) - loss(at - across + up) + loss(at - across - up)
    curvature[0, 1] = curvature[1, 0] = corners / 4.0
    size, direction = np.linalg.eigh(curvature / (10.0 * _STEP) ** 2)
    # Against a flat side the priors alone curve the loss: by about 1/4 in each parameter.
    return (direction / np.maximum(size, 0.25)) @ direction.T


def _posterior(fitted: Fit, family: Family, label: str) -> Vector:
    """(N_PARAMETERS, 2) draws from a fit's posterior, of exactly its mean and covariance.

    The stream belongs to the label alone: groups err independently, and a group has the same draws
    whatever other groups there are.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([crc32(label.encode())])))
    raw = generator.standard_normal((N_PARAMETERS, 2))
    raw -= raw.mean(axis=0)
    root = np.linalg.cholesky(raw.T @ raw / N_PARAMETERS)
    even = np.linalg.solve(root, raw.T).T
    lower, upper = np.array(family.ends).T
    return np.clip(fitted.parameters + even @ np.linalg.cholesky(fitted.covariance).T, lower, upper)


class BoundedCounts:
    """Counts of m areas, each known or between bounds, under a distribution fitted to all of them.

    Args:
        family: BETA_BINOMIAL or NEGATIVE_BINOMIAL.
        first, last: (m,) smallest and largest count that is possible.
        sizes: (m,) group sizes or exposures, positive.
        groups: (m,) labels; a group of MIN_DISTRICTS areas or more has a fit of its own, all others that of all,
            and so have areas whose label is empty.

    Attributes:
        fits: label of a group -> its fit; "" is that of all areas.
        mean: (m,) expected counts, over the same draws of the parameters that draws use.
    """

    def __init__(
        self, family: Family, first: Counts, last: Counts, sizes: Vector, groups: Sequence[str] | NDArray | None = None
    ) -> None:
        self.fits: dict[str, Fit] = {}
        m = first.size
        self._tables, self.mean = np.empty((N_PARAMETERS, 0)), np.empty(m)
        if m == 0:
            return
        which = self._fit(
            family, first, last, sizes, np.full(m, "") if groups is None else np.asarray(groups).astype(str)
        )
        rows, cell = np.unique(np.column_stack([which, first, last, sizes]), axis=0, return_inverse=True)
        self._cells, self._cell = _Cells(*rows.T[1:]), cell.ravel()
        parameters = np.stack([_posterior(fitted, family, label) for label, fitted in self.fits.items()])
        mine = parameters[rows[:, 0].astype(np.int64)][self._cells.of]
        self._tables = np.empty((N_PARAMETERS, self._cells.of.size))
        expected = np.zeros(rows.shape[0])
        for k in range(N_PARAMETERS):
            share, _ = self._cells.shares(family, mine[:, k, 0], mine[:, k, 1])
            expected += np.add.reduceat(share * self._cells.counts, self._cells.starts)
            # Each cell's shares sum to one, so one running sum holds the distribution of every cell:
            # that of cell c runs from c to c + 1.
            table = np.minimum(np.cumsum(share), self._cells.of + 1.0)
            table[self._cells.ends] = np.arange(1.0, rows.shape[0] + 1.0)
            self._tables[k] = table
        self.mean = (expected / N_PARAMETERS)[self._cell]

    def _fit(self, family: Family, first: Counts, last: Counts, sizes: Vector, groups: NDArray) -> NDArray[np.int64]:
        """Fit all areas and each large group; returns the number of its fit for each area."""
        self.fits[""] = fit(family, first, last, sizes)
        which = np.zeros(first.size, dtype=np.int64)
        labels, times = np.unique(groups, return_counts=True)
        for label in labels[times >= MIN_DISTRICTS]:
            inside = groups == label
            if label and inside.all():
                self.fits[str(label)] = self.fits[""]
            elif label:
                which[inside] = len(self.fits)
                self.fits[str(label)] = fit(family, first[inside], last[inside], sizes[inside])
        return which

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Counts:
        """Draws first to first + count - 1, as (count, m), by the inverse of each cell's distribution."""
        out = np.empty((count, self.mean.size))
        if out.size == 0:
            return out
        last = self._cells.ends[self._cell]
        for row in range(count):
            table = self._tables[(first + row) % N_PARAMETERS]
            found = np.searchsorted(table, self._cell + generator.random(self._cell.size), side="right")
            out[row] = self._cells.counts[np.minimum(found, last)]
        return out


def counts_within(
    lower: Vector,
    upper: Vector,
    sizes: Vector,
    *,
    rounding: float = PERCENT_ROUNDING,
    excludes_upper: NDArray[np.bool_] | None = None,
) -> tuple[Counts, Counts]:
    """The smallest and the largest count whose share of the size is printed within bounds.

    A share is printed rounded, halves up: 0.90 to 0.94 with a rounding of 0.005 holds shares from 0.895
    to under 0.945. With a rounding of 0 the bounds are taken as they are, both of them inside.

    Args:
        lower, upper: (n,) printed bounds, shares of 0 to 1.
        sizes: (n,) of the groups.
        rounding: half of the last printed digit, as a share.
        excludes_upper: (n,) where the upper bound itself is outside, as in `<50%`.

    Returns:
        Both (n,); the first is above the second where no count is possible, NaN where a bound or size is.
    """
    outside = np.zeros(lower.shape, dtype=bool) if excludes_upper is None else np.asarray(excludes_upper)
    first = np.maximum(np.ceil((lower - rounding) * sizes - _SLACK), 0.0)
    end = np.where(outside, upper - rounding, upper + rounding) * sizes
    is_open = outside | (rounding > 0)
    last = np.where(is_open, np.ceil(end - _SLACK) - 1.0, np.floor(end + _SLACK))
    return first, np.minimum(last, np.floor(sizes + _SLACK))


class Censored:
    """Draws of rates that are published as bands, or rounded, with the sizes of their groups (a Drawer).

    Args:
        id: names the indicator.
        lower, upper: (n,) printed bounds, 0 to `scale`; equal where a rate is printed, NaN where there is none.
        size: (n,) persons whom the rate is of. Where it is not known (NaN) the rate is drawn from the
            beta distribution, as that of a group without end.
        groups: (n,) labels (states): a band is read by the distribution of its group where that has
            MIN_DISTRICTS areas or more, else by that of all areas.
        scale: the rate of everybody: 1 for shares, 100 for percentages. Bounds and draws are in its unit.
        rounding: half of the last printed digit, in the same unit; None: of whole percentages. 0 takes the
            bounds as they are.
        excludes_upper: (n,) where the upper bound itself is outside, as in `<50%`.

    Attributes:
        fits: label -> fit; "" is that of all areas.
        mean: (n,) expected rates; the point value of a rate of which only a band is published.

    Raises:
        ArgumentError: a bound is outside 0 to `scale` or lacks the other, the lower is above the upper, a
            size is not positive, or no count of the size gives a rate within its band.
        ValueError: shapes do not fit, or scale or rounding make no sense.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the published name of the field
        lower: ArrayLike,
        upper: ArrayLike,
        size: ArrayLike,
        *,
        groups: Sequence[str] | NDArray | None = None,
        scale: float = 1.0,
        rounding: float | None = None,
        excludes_upper: NDArray[np.bool_] | None = None,
    ) -> None:
        self.ids, self.scale = (id,), positive(id, "scale", scale)
        low = vector(id, "lower", lower)
        n = low.size
        high, sizes = vector(id, "upper", upper, n), vector(id, "size", size, n)
        half = PERCENT_ROUNDING if rounding is None else rounding / scale
        if not half >= 0:
            raise ValueError(f"{id}: rounding must not be negative, and is {rounding!r}")
        for argument, labels in (("groups", groups), ("excludes_upper", excludes_upper)):
            if labels is not None and np.shape(labels) != (n,):
                raise ValueError(f"{id}: {argument} must have one value for each of {n} areas, not {np.shape(labels)}")
        self._judge(low, high, sizes)
        known = np.flatnonzero(~np.isnan(low))
        is_sized = ~np.isnan(sizes)
        sizes = np.where(is_sized, sizes, WITHOUT_SIZE)
        first, last = counts_within(low / scale, high / scale, sizes, rounding=half, excludes_upper=excludes_upper)
        refuse(
            id, "lower", low, is_sized & (first > last),
            "no whole number of the size gives a rate within the band: check the size and the rounding",
        )  # fmt: skip
        # A rate without a size may lie between two counts of the size that stands for it.
        first = np.minimum(first, last)
        self._known, self._sizes = known, sizes[known]
        labels = None if groups is None else np.asarray(groups)[known]
        self._counts = BoundedCounts(BETA_BINOMIAL, first[known], last[known], self._sizes, labels)
        self.fits = self._counts.fits
        self.mean = np.full(n, np.nan)
        self.mean[known] = self._counts.mean / self._sizes * scale

    def _judge(self, low: Vector, high: Vector, sizes: Vector) -> None:
        (name,) = self.ids
        rule = f"a rate lies between 0 and {self.scale:g}"
        judge_bounds(name, low, high)
        refuse(name, "lower", low, low < 0, rule)
        refuse(name, "upper", high, high > self.scale, rule)
        refuse(name, "size", sizes, ~np.isnan(low) & (sizes <= 0), "the size of a group must be positive")

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (1, count, n) float32; NaN where there is no band."""
        out = np.full((1, count, self.mean.size), np.nan, dtype=np.float32)
        out[0][:, self._known] = self._counts.draw(first, count, generator) * (self.scale / self._sizes)
        return out
