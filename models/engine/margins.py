"""Margins of error of what is calculated from ACS estimates, as Polars expressions; variances from replicates.

A margin is the published half-width of a 90 % interval, in the unit of its estimate; missing is null
in expressions and NaN in arrays. Annotation codes must be gone before any arithmetic: begin with
`without_annotations`. All rules but the replicates take the estimates as independent, which parts
of one table or neighbouring years of a five-year series are not: where the Bureau publishes replicates,
`replicate_covariance` knows better.

There is no rule for medians: the margin of a combined median does not follow from the medians and their
margins. Interpolate it in the summed distribution, or leave it out.

Sources: US Census Bureau, Understanding and Using ACS Data: What All Data Users Need to Know
(2020), chapter 8; Worked Examples for Approximating Margins of Error (2020); Variance Replicate
Estimate Tables: Documentation; Fay & Train 1995, Proc. Section on Government Statistics (ASA), 154
(successive difference replication). The classes of reliability are Esri's.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

Z90 = 1.645
"""The Census Bureau's own divisor from a 90 % margin to a standard error."""
CONTROLLED = -555555555
"""In place of a margin: the estimate is controlled to an independent count and has no sampling error."""
ANNOTATIONS = (-999999999, -888888888, -666666666, CONTROLLED, -333333333, -222222222)
"""What the Census API sends where there is no number."""
CV_GOOD, CV_USABLE = 0.12, 0.40
"""Up to the first an estimate is reliable, up to the second it is to be used with caution."""
N_REPLICATES = 80


def without_annotations(estimate: pl.Expr, moe: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Estimate and margin as numbers: codes become null, the margin of a controlled estimate becomes 0."""
    e, m = estimate.cast(pl.Float64), moe.cast(pl.Float64)
    codes = [float(code) for code in ANNOTATIONS]
    return (
        pl.when(~e.is_in(codes)).then(e),
        pl.when(~m.is_in(codes)).then(m).when(m == CONTROLLED).then(0.0),
    )


def standard_error(moe: pl.Expr) -> pl.Expr:
    """Standard error of a published 90 % margin of error, in the margin's unit."""
    return moe / Z90


def _square(value: pl.Expr) -> pl.Expr:
    """Square as a float: that of a margin can be too large for the integers it was read as."""
    return value.cast(pl.Float64) ** 2


def total(parts: Sequence[pl.Expr]) -> pl.Expr:
    """The sum from left to right; null as soon as one part is null.

    `pl.sum_horizontal` adds in an order that threads decide, and so with other last digits from run to run.
    """
    return reduce(add, parts)


def sum_moe(estimates: Sequence[pl.Expr], moes: Sequence[pl.Expr]) -> pl.Expr:
    """Margin of a sum or signed sum: root of the sum of squares.

    Of the components whose estimate is zero only the largest margin enters, once, as the Census
    Bureau advises: their margins are an artefact of the same model and would add up without end.
    Null as soon as one estimate or margin is null.

    Raises:
        ValueError: there are no components, or not one margin for each estimate.
    """
    if not estimates or len(estimates) != len(moes):
        raise ValueError(f"a sum needs a margin for each of its estimates, not {len(estimates)} and {len(moes)}")
    nonzero = [pl.when(e == 0).then(0.0).otherwise(_square(m)) for e, m in zip(estimates, moes, strict=True)]
    zero = [pl.when(e == 0).then(_square(m)).otherwise(0.0) for e, m in zip(estimates, moes, strict=True)]
    squares = total(nonzero) + pl.max_horizontal(zero)
    known = pl.all_horizontal([part.is_not_null() for part in [*estimates, *moes]])
    return pl.when(known).then(squares.sqrt())


def proportion_moe(
    numerator: pl.Expr, denominator: pl.Expr, moe_numerator: pl.Expr, moe_denominator: pl.Expr
) -> pl.Expr:
    """Margin of numerator/denominator where the numerator is a part of the denominator.

    Where the radicand is not positive the sign flips to plus, as for a ratio; so the Bureau answers
    for zero as well (a share of one with equal margins would have no error otherwise). A margin of the
    denominator that was not published counts as zero, which can only widen the result. Null where
    the denominator is not positive.
    """
    correction = _square(numerator / denominator) * _square(moe_denominator).fill_null(0.0)
    radicand = _square(moe_numerator) - correction
    widened = _square(moe_numerator) + correction
    moe = pl.when(radicand > 0).then(radicand).otherwise(widened).sqrt() / denominator
    return pl.when(denominator > 0).then(moe)


def ratio_moe(numerator: pl.Expr, denominator: pl.Expr, moe_numerator: pl.Expr, moe_denominator: pl.Expr) -> pl.Expr:
    """Margin of numerator/denominator where the numerator is no part of the denominator; null where that is zero."""
    radicand = _square(moe_numerator) + _square(numerator / denominator) * _square(moe_denominator)
    return pl.when(denominator != 0).then(radicand.sqrt() / denominator.abs())


def product_moe(a: pl.Expr, b: pl.Expr, moe_a: pl.Expr, moe_b: pl.Expr) -> pl.Expr:
    """Margin of a * b to the first order, such as of a count that is a total times a published share."""
    return (_square(a) * _square(moe_b) + _square(b) * _square(moe_a)).sqrt()


def difference_moe(moe_a: pl.Expr, moe_b: pl.Expr) -> pl.Expr:
    """Margin of a - b, of two areas or of two periods without a common year."""
    return (_square(moe_a) + _square(moe_b)).sqrt()


def differs(a: pl.Expr, b: pl.Expr, moe_a: pl.Expr, moe_b: pl.Expr, critical: float = Z90) -> pl.Expr:
    """Whether two independent estimates differ: |a - b| over its standard error exceeds `critical`.

    True for any difference of two controlled estimates; null where an estimate or margin is null.
    """
    return (a - b).abs() > critical * standard_error(difference_moe(moe_a, moe_b))


def percent_change_moe(later: pl.Expr, earlier: pl.Expr, moe_later: pl.Expr, moe_earlier: pl.Expr) -> pl.Expr:
    """Margin of 100 * (later - earlier) / earlier in percentage points: that of the ratio, times 100."""
    return 100 * ratio_moe(later, earlier, moe_later, moe_earlier)


def coefficient_of_variation(estimate: pl.Expr, se: pl.Expr) -> pl.Expr:
    """Standard error as a share of the estimate's size; null where the estimate is zero."""
    return pl.when(estimate != 0).then(se / estimate.abs())


def reliability(estimate: pl.Expr, se: pl.Expr) -> pl.Expr:
    """Class of an estimate: 1 up to a coefficient of variation of 12 %, 2 up to 40 %, 3 above.

    A zero has no coefficient of variation: it is 3 with a standard error and 1 without any. Null where
    the estimate or its standard error is null.
    """
    size, known = estimate.abs(), estimate.is_not_null() & se.is_not_null()
    grade = pl.when(se > CV_USABLE * size).then(3).when(se > CV_GOOD * size).then(2).otherwise(1)
    return pl.when(known).then(grade).cast(pl.Int8)


def _deviations(estimates: ArrayLike, replicates: ArrayLike) -> NDArray[np.float64]:
    """(..., 80, n) deviations of replicates from their estimates (..., n)."""
    theta, theta_r = np.asarray(estimates, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    expected = (*theta.shape[:-1], N_REPLICATES, theta.shape[-1]) if theta.ndim else None
    if theta_r.shape != expected:
        raise ValueError(
            f"replicates of shape {theta_r.shape} do not fit estimates of shape {theta.shape}: "
            f"give {N_REPLICATES} rows of one value an area for each estimate"
        )
    return theta_r - theta[..., None, :]


def replicate_variance(estimates: ArrayLike, replicates: ArrayLike) -> NDArray[np.float64]:
    """Sampling variance out of the 80 variance replicates: 4/80 of the squared deviations from the estimate.

    Anything may stand for the estimate that was calculated in the same way from each replicate: a sum,
    a share, a difference. The spread is taken around the estimate, not around the replicates' mean. An
    estimate of zero has replicates of zero and the variance 0 here: its published margin comes from a
    model and has to take the place.

    Args:
        estimates: (n,) of n areas.
        replicates: (80, n).

    Returns:
        (n,) variances in the squared unit; NaN where an estimate or a replicate is NaN.

    Raises:
        ValueError: the shapes do not fit.
    """
    return 4 / N_REPLICATES * (_deviations(estimates, replicates) ** 2).sum(axis=-2)


def replicate_covariance(estimates: ArrayLike, replicates: ArrayLike) -> NDArray[np.float64]:
    """Covariance matrix of the sampling errors of m estimates in each area, out of their variance replicates.

    The replicate weights are those of one survey, so that replicate r of one estimate goes with
    replicate r of another, of whichever table or area.

    Args:
        estimates: (m, n): m estimates of n areas.
        replicates: m arrays of (80, n), in the order of the estimates.

    Returns:
        (n, m, m), positive semi-definite; an estimate that is NaN has NaN in its row and column only.

    Raises:
        ValueError: the shapes do not fit.
    """
    if np.ndim(estimates) != 2:
        raise ValueError(f"estimates must be a table of members by areas, but have the shape {np.shape(estimates)}")
    members = np.moveaxis(_deviations(estimates, replicates), -1, 0)  # (n, m, 80)
    return 4 / N_REPLICATES * (members @ members.transpose(0, 2, 1))
