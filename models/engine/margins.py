"""Margins of error of sums and proportions of ACS estimates, as Polars expressions.

Source: US Census Bureau, Understanding and Using ACS Data: What All Data Users Need to Know
(2020), chapter 8, and Worked Examples for Approximating Margins of Error (2020).
"""

from collections.abc import Sequence

import polars as pl

Z90 = 1.645
"""The Census Bureau's own divisor from a 90 % margin to a standard error."""


def standard_error(moe: pl.Expr) -> pl.Expr:
    """Standard error of a published 90 % margin of error, in the margin's unit."""
    return moe / Z90


def sum_moe(estimates: Sequence[pl.Expr], moes: Sequence[pl.Expr]) -> pl.Expr:
    """Margin of a sum or difference: root of the sum of squares.

    Of the components whose estimate is zero only the largest margin enters, once, as the Census
    Bureau advises: their margins are an artefact of the same model and would add up without end.
    Null as soon as one margin is null.
    """
    nonzero = [pl.when(e == 0).then(0.0).otherwise(m) for e, m in zip(estimates, moes, strict=True)]
    zero = [pl.when(e == 0).then(m).otherwise(0.0) for e, m in zip(estimates, moes, strict=True)]
    total = pl.sum_horizontal([m**2 for m in nonzero]) + pl.max_horizontal(zero) ** 2
    unknown = pl.any_horizontal([m.is_null() for m in moes])
    return pl.when(unknown).then(None).otherwise(total.sqrt())


def proportion_moe(
    numerator: pl.Expr, denominator: pl.Expr, moe_numerator: pl.Expr, moe_denominator: pl.Expr
) -> pl.Expr:
    """Margin of numerator/denominator where the numerator is a part of the denominator.

    Where the radicand is not positive the sign flips to plus, as for a ratio. A margin of the
    denominator that was not published counts as zero, which can only widen the result. Null where
    the denominator is zero.
    """
    share = numerator / denominator
    correction = share**2 * moe_denominator.fill_null(0.0) ** 2
    radicand = moe_numerator**2 - correction
    widened = moe_numerator**2 + correction
    moe = pl.when(radicand > 0).then(radicand).otherwise(widened).sqrt() / denominator
    return pl.when(denominator > 0).then(moe).otherwise(None)
