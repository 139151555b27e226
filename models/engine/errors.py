"""Error models: how a value that is not exact becomes draws of what it may be.

Each model is made from (n,) vectors of n areas and gives blocks of draws in float32. What it draws is
a pure function of the generator and the number of draws: a model has no state. NaN is no value and
gives no draws; a value without what its model needs is refused, because taking it for exact would
be wrong and leaving it out would go unseen.

Draws stay within the support of a quantity by truncation, not by clipping: a truncated normal is the
posterior of a value under a flat prior on its support, agrees with x + SE z wherever the bounds are
far, and exists at the bounds themselves, where the logit of a logit-normal does not; clipping would
pile draws up on the bound, in one large tie of ranks.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from models.engine.censored import (
    NEGATIVE_BINOMIAL,
    BoundedCounts,
    Draws,
    Vector,
    judge_bounds,
    positive,
    refuse,
    vector,
)

_TRIES = 16
"""Plain draws before a truncated one is computed: within the support every second is inside, unless it is narrow."""
_NEEDS_ERROR = "the value there needs one: give it, 0 where the value is exact, or no value"


class Drawer(Protocol):
    """Where the draws of one or more leaves come from; threads share it."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The leaves, in the order of the first axis of the draws."""

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (len(ids), count, n) float32."""


def _refuse_missing(name: str, argument: str, values: Vector, value: Vector, rule: str = _NEEDS_ERROR) -> None:
    refuse(name, argument, values, np.isnan(values) & ~np.isnan(value), rule)


def _judge_support(name: str, argument: str, values: Vector, lower: float, upper: float) -> None:
    if not lower < upper:
        raise ValueError(f"{name}: the lower end of the support must be below the upper, not {lower!r} and {upper!r}")
    refuse(name, argument, values, (values < lower) | (values > upper), f"the support is {lower:g} to {upper:g}")


@njit(cache=True, nogil=True)
def _fill(centre, below, above, lower, upper, out, generator):  # type: ignore[no-untyped-def] # numba infers
    """Normal draws into out (count, n), drawn anew where they are outside; returns how many still are."""
    n_outside = 0
    for row in range(out.shape[0]):
        for i in range(centre.size):
            for _ in range(_TRIES):
                z = generator.standard_normal()
                value = centre[i] + (below[i] if z < 0.0 else above[i]) * z
                if not (value < lower[i] or value > upper[i]):
                    break
            else:
                n_outside += 1
            out[row, i] = value
    return n_outside


def _in_deviations(distance: Vector, below: Vector, above: Vector) -> Vector:
    """A distance from the centre in standard deviations of the side that it is on."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, distance / np.where(distance < 0, below, above))


def _normal(
    centre: Vector,
    below: Vector,
    above: Vector,
    lower: Vector,
    upper: Vector,
    count: int,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Draws (count, n) of normal halves: sd `below` and `above` the centre (n,), truncated to lower and upper (n,).

    Draws that are outside are drawn anew, and after _TRIES of that by inverting the truncated
    distribution: both leave exactly that distribution, and the first costs nothing where bounds are far.
    """
    out = np.empty((count, centre.size), dtype=np.float32)
    if _fill(centre, below, above, lower, upper, out, generator):
        row, area = np.nonzero((out < lower.astype(np.float32)) | (out > upper.astype(np.float32)))
        left, right = below[area], above[area]
        least, most = (_in_deviations((end - centre)[area], left, right) for end in (lower, upper))
        scores = ndtri(ndtr(least) + generator.random(area.size) * (ndtr(most) - ndtr(least)))
        out[row, area] = centre[area] + np.where(scores < 0, left, right) * scores
    return out


def _clip(values: NDArray[np.float32], lower: float, upper: float) -> Draws:
    """Keep within bounds what rounding to float32 put a hair outside; in place."""
    low, high = np.float32(lower), np.float32(upper)
    low = np.nextafter(low, np.float32(np.inf)) if float(low) < lower else low
    high = np.nextafter(high, np.float32(-np.inf)) if float(high) > upper else high
    if np.isfinite(low) or np.isfinite(high):
        np.clip(values, low, high, out=values)
    return values[None]


class _Model:
    """What all models of one leaf share."""

    id: str

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.id,)

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False)
class Fixed(_Model):
    """Exact values: the same in every draw.

    Args:
        id: of the leaf.
        value: (n,), NaN where there is none.

    Raises:
        ArgumentError: a value is infinite.
    """

    id: str
    value: Vector

    def __post_init__(self) -> None:
        self._set(value=vector(self.id, "value", self.value))

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (1, count, n) float32."""
        return np.repeat(self.value.astype(np.float32)[None, None], count, axis=1)


@dataclass(frozen=True, eq=False)
class Normal(_Model):
    """Estimates with a standard error, redrawn around themselves: the mode `sampling`.

    Draws are mean + sd z, truncated to the support. Redrawing adds the error once more to estimates that
    hold it already and are spread out by it, so that intervals for ranks cover too rarely:
    `models.engine.shrinkage` has posterior draws, which cover as they say.

    Args:
        id: of the leaf.
        mean: (n,) estimates, NaN where there is none.
        sd: (n,) standard errors, 0 where an estimate is exact; a number stands for all.
        lower, upper: support of the quantity.

    Raises:
        ArgumentError: a standard error is negative or missing, or an estimate is outside the support.
        ValueError: shapes do not fit, or the support is empty.
    """

    id: str
    mean: Vector
    sd: Vector
    lower: float = -np.inf
    upper: float = np.inf

    def __post_init__(self) -> None:
        mean = vector(self.id, "mean", self.mean)
        sd = vector(self.id, "sd", self.sd, mean.size)
        refuse(self.id, "sd", sd, sd < 0, "a standard error must not be negative")
        _refuse_missing(self.id, "sd", sd, mean)
        _judge_support(self.id, "mean", mean, self.lower, self.upper)
        self._set(mean=mean, sd=sd)

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (1, count, n) float32."""
        lower, upper = (np.full(self.mean.size, end) for end in (self.lower, self.upper))
        out = _normal(self.mean, self.sd, self.sd, lower, upper, count, generator)
        return _clip(out, self.lower, self.upper)


@dataclass(frozen=True, eq=False)
class PublishedInterval(_Model):
    """Estimates with a published interval, of which the two sides may differ.

    Half of the draws fall on each side of the estimate, as those of a normal distribution with that
    side's own standard deviation: the estimate is the median, and the ends of the interval are the
    percentiles that the publisher says. The two-piece normal of Wallis 2014, Stat. Sci. 29:106 has
    the same sides and a density without a step, but keeps neither.

    Args:
        id: of the leaf.
        value: (n,) estimates, NaN where there is none.
        lower, upper: (n,) ends of the interval.
        level: that the publisher states, 0.90 for the Census Bureau.
        support: lowest and highest possible value of the quantity.

    Raises:
        ArgumentError: an end is missing, an interval does not enclose its estimate, or an estimate is outside
            the support.
        ValueError: shapes do not fit, the level is none, or the support is empty.
    """

    id: str
    value: Vector
    lower: Vector
    upper: Vector
    level: float = 0.90
    support: tuple[float, float] = (-np.inf, np.inf)

    def __post_init__(self) -> None:
        value = vector(self.id, "value", self.value)
        lower, upper = (vector(self.id, end, getattr(self, end), value.size) for end in ("lower", "upper"))
        if not 0 < self.level < 1:
            raise ValueError(f"{self.id}: level must lie between 0 and 1, such as 0.90, and is {self.level!r}")
        _refuse_missing(self.id, "lower", lower, value)
        _refuse_missing(self.id, "upper", upper, value)
        refuse(self.id, "lower", lower, lower > upper, "it must not be above the upper end")
        refuse(self.id, "value", value, (value < lower) | (value > upper), "the interval must enclose it")
        _judge_support(self.id, "value", value, *self.support)
        self._set(value=value, lower=lower, upper=upper)

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (1, count, n) float32."""
        z = ndtri((1.0 + self.level) / 2.0)
        below, above = (self.value - self.lower) / z, (self.upper - self.value) / z
        lower, upper = (np.full(self.value.size, end) for end in self.support)
        out = _normal(self.value, below, above, lower, upper, count, generator)
        return _clip(out, *self.support)


@dataclass(frozen=True, eq=False)
class Relative(_Model):
    """Values with a declared relative error: lognormal, with the value as the mean and the given CV.

    Args:
        id: of the leaf.
        value: (n,), zero or more, NaN where there is none. Zero stays zero.
        cv: (n,) coefficient of variation, 0.1 for 10 %; a number stands for all.
        lower, upper: support of the quantity.

    Raises:
        ArgumentError: a value is negative or outside the support, or a CV is negative or missing.
        ValueError: shapes do not fit, or the support is empty.
    """

    id: str
    value: Vector
    cv: Vector
    lower: float = 0.0
    upper: float = np.inf

    def __post_init__(self) -> None:
        value = vector(self.id, "value", self.value)
        cv = vector(self.id, "cv", self.cv, value.size)
        refuse(self.id, "cv", cv, cv < 0, "a coefficient of variation must not be negative")
        _refuse_missing(self.id, "cv", cv, value)
        refuse(self.id, "value", value, value < 0, "a relative error needs values of zero or more")
        _judge_support(self.id, "value", value, self.lower, self.upper)
        self._set(value=value, cv=cv)

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (1, count, n) float32."""
        variance = np.log1p(self.cv**2)
        # Zero never moves, and nothing bounds it.
        sd = np.where(self.value > 0, np.sqrt(variance), 0.0)
        moving = np.where(self.value > 0, self.value, np.nan)
        with np.errstate(divide="ignore"):
            lower, upper = (np.log(end) - np.log(moving) for end in (max(self.lower, 0.0), self.upper))
        factor = np.exp(_normal(-variance / 2, sd, sd, lower, upper, count, generator))
        return _clip(factor * self.value.astype(np.float32), self.lower, self.upper)


@dataclass(frozen=True, eq=False)
class Binomial(_Model):
    """Shares of a counted group, drawn from the beta posterior of the chance behind them.

    The count is exact, and the group is taken as a sample of those who could have been in it: the
    question is what the area's conditions bring about, not how many there were in one year. Jeffreys'
    prior gives Beta(x + 1/2, n - x + 1/2) for x = share n (Brown, Cai & DasGupta 2001, Stat. Sci. 16:101);
    x need not be whole, because printed shares are rounded. Where the year's own share is meant,
    take `Fixed`.

    Args:
        id: of the leaf.
        share: (n,) from 0 to `scale`, NaN where there is none.
        size: (n,) persons whom the share is of.
        scale: the share of everybody: 1, or 100 for percentages. Draws are in its unit.

    Raises:
        ArgumentError: a share is outside 0 to `scale`, or a size is missing or not positive.
        ValueError: shapes do not fit, or the scale is not positive.
    """

    id: str
    share: Vector
    size: Vector
    scale: float = 1.0

    def __post_init__(self) -> None:
        positive(self.id, "scale", self.scale)
        share = vector(self.id, "share", self.share)
        size = vector(self.id, "size", self.size, share.size)
        _judge_support(self.id, "share", share, 0.0, self.scale)
        rule = "the size of a group must be positive wherever there is a share"
        _refuse_missing(self.id, "size", size, share, rule)
        refuse(self.id, "size", size, ~np.isnan(share) & (size <= 0), rule)
        self._set(share=share, size=size)

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (1, count, n) float32."""
        known = ~np.isnan(self.share)
        size = self.size[known]
        inside = size * (self.share[known] / self.scale)
        out = np.full((count, self.share.size), np.nan, dtype=np.float32)
        out[:, known] = self.scale * generator.beta(inside + 0.5, size - inside + 0.5, size=(count, size.size))
        return _clip(out, 0.0, self.scale)


@dataclass(frozen=True, eq=False)
class Poisson(_Model):
    """Counts of events, drawn from the gamma posterior of the rate behind them.

    As for `Binomial`, the count is exact and the rate behind it is what is drawn. Jeffreys' prior gives
    Gamma(count + 1/2) over the exposure (Brown, Cai & DasGupta 2003, Stat. Sinica 13:19).

    Args:
        id: of the leaf.
        count: (n,) events, NaN where there is none.
        exposure: (n,) among how many, or over how long. None: draws are expected counts, as with 1.
        per: unit of the exposure that rates are given for: 1,000 draws events per 1,000.

    Raises:
        ArgumentError: a count is negative, or an exposure is missing or not positive.
        ValueError: shapes do not fit, or `per` is not positive.
    """

    id: str
    count: Vector
    exposure: Vector | None = None
    per: float = 1.0

    def __post_init__(self) -> None:
        positive(self.id, "per", self.per)
        count = vector(self.id, "count", self.count)
        exposure = vector(self.id, "exposure", 1.0 if self.exposure is None else self.exposure, count.size)
        refuse(self.id, "count", count, count < 0, "a count must not be negative")
        _judge_exposure(self.id, exposure, ~np.isnan(count))
        self._set(count=count, exposure=exposure)

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (1, count, n) float32."""
        assert self.exposure is not None
        known = ~np.isnan(self.count)
        events = generator.standard_gamma(self.count[known] + 0.5, size=(count, int(known.sum())))
        out = np.full((count, self.count.size), np.nan, dtype=np.float32)
        out[:, known] = events * (self.per / self.exposure[known])
        return out[None]


@dataclass(frozen=True, eq=False)
class Suppressed(_Model):
    """Counts of which some are suppressed, drawn within what the publisher's rule leaves possible.

    A suppressed count is drawn from a negative binomial distribution with the area's exposure, truncated
    to its bounds: uniform over the whole numbers would put two in three areas of 0 to 2 children at
    1 or more, however rare such children are. The distribution is fitted to all areas, to suppressed ones by
    the chance of their bounds: those that are published are the larger ones, and alone would give rates
    that are too high. A published count is the same in every draw.

    Args:
        id: of the leaf.
        lower, upper: (n,) smallest and largest count that is possible; equal where it is published, NaN
            where there is nothing to draw.
        exposure: (n,) among how many.
        per: None draws counts; a number draws rates, 1,000 those per 1,000 of the exposure.

    Attributes:
        mean: (n,) expected values; the point value of a suppressed count.

    Raises:
        ArgumentError: a bound is negative or lacks the other, the lower is above the upper, no whole number
            lies between them, or an exposure is missing or not positive.
        ValueError: shapes do not fit, or `per` is not positive.
    """

    id: str
    lower: Vector
    upper: Vector
    exposure: Vector
    per: float | None = None
    mean: Vector = field(init=False, repr=False)
    _known: NDArray[np.int64] = field(init=False, repr=False)
    _unit: Vector = field(init=False, repr=False)
    _counts: BoundedCounts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lower = vector(self.id, "lower", self.lower)
        upper, exposure = (vector(self.id, name, getattr(self, name), lower.size) for name in ("upper", "exposure"))
        judge_bounds(self.id, lower, upper)
        refuse(self.id, "lower", lower, lower < 0, "a count must not be negative")
        is_known = ~np.isnan(lower)
        _judge_exposure(self.id, exposure, is_known)
        # A published count need not be whole: one that was carried over from other areas is not.
        first = np.where(lower == upper, lower, np.ceil(lower))
        last = np.where(lower == upper, upper, np.floor(upper))
        refuse(self.id, "lower", lower, first > last, "no whole number lies between it and the upper bound")
        known = np.flatnonzero(is_known)
        counts = BoundedCounts(NEGATIVE_BINOMIAL, first[known], last[known], exposure[known])
        unit = np.ones(known.size) if self.per is None else positive(self.id, "per", self.per) / exposure[known]
        mean = np.full(lower.size, np.nan)
        mean[known] = counts.mean * unit
        self._set(lower=lower, upper=upper, exposure=exposure, mean=mean, _known=known, _unit=unit, _counts=counts)

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (1, count, n) float32."""
        out = np.full((1, count, self.lower.size), np.nan, dtype=np.float32)
        out[0][:, self._known] = self._counts.draw(first, count, generator) * self._unit
        return out


def _judge_exposure(name: str, exposure: Vector, is_needed: NDArray[np.bool_]) -> None:
    wrong = is_needed & ~(exposure > 0)
    refuse(name, "exposure", exposure, wrong, "it must be positive wherever there is a count")
