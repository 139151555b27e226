"""Margins against brute force, and the Census Bureau's rules for zeros and radicands."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine.margins import Z90, proportion_moe, standard_error, sum_moe

POSITIVE = st.floats(1, 1e6)
MARGIN = st.floats(0.1, 1e5)


def evaluate(expression: pl.Expr, **values: float | None) -> float | None:
    return (
        pl.DataFrame({k: [v] for k, v in values.items()}, schema=dict.fromkeys(values, pl.Float64))
        .select(expression)
        .item()
    )


def of_sum(estimates: list[float | None], moes: list[float | None]) -> float | None:
    names = [f"e{i}" for i in range(len(estimates))], [f"m{i}" for i in range(len(moes))]
    row = dict(zip(names[0], estimates, strict=True)) | dict(zip(names[1], moes, strict=True))
    return evaluate(sum_moe([pl.col(n) for n in names[0]], [pl.col(n) for n in names[1]]), **row)


@given(st.lists(st.tuples(POSITIVE, MARGIN), min_size=1, max_size=6))
def test_sum_is_the_root_of_the_sum_of_squares(parts):
    assert of_sum([e for e, _ in parts], [m for _, m in parts]) == pytest.approx(
        math.sqrt(sum(m * m for _, m in parts))
    )


def test_of_several_zero_estimates_only_the_largest_margin_enters():
    # 30^2 + max(12, 13)^2 = 900 + 169 = 1069
    assert of_sum([100, 0, 0], [30, 12, 13]) == pytest.approx(math.sqrt(1069))
    assert of_sum([0, 0], [12, 13]) == pytest.approx(13)


def test_a_sum_with_an_unknown_margin_is_unknown():
    assert of_sum([100, 50], [30, None]) is None


def test_proportion_by_hand():
    # p = 0.2; radicand = 30^2 - 0.04 * 50^2 = 900 - 100 = 800; / 1000
    moe = evaluate(proportion_moe(pl.col("x"), pl.col("y"), pl.col("mx"), pl.col("my")), x=200, y=1000, mx=30, my=50)
    assert moe == pytest.approx(math.sqrt(800) / 1000)


def test_the_sign_flips_where_the_radicand_is_not_positive():
    # p = 0.9: 40^2 - 0.81 * 50^2 = -425, so 40^2 + 2025 = 3625; and exactly zero flips too
    arguments = pl.col("x"), pl.col("y"), pl.col("mx"), pl.col("my")
    assert evaluate(proportion_moe(*arguments), x=900, y=1000, mx=40, my=50) == pytest.approx(math.sqrt(3625) / 1000)
    assert evaluate(proportion_moe(*arguments), x=1000, y=1000, mx=50, my=50) == pytest.approx(math.sqrt(5000) / 1000)


def test_no_denominator_no_margin_and_an_unpublished_one_only_widens():
    arguments = pl.col("x"), pl.col("y"), pl.col("mx"), pl.col("my")
    assert evaluate(proportion_moe(*arguments), x=0, y=0, mx=10, my=10) is None
    known = evaluate(proportion_moe(*arguments), x=200, y=1000, mx=30, my=50)
    unknown = evaluate(proportion_moe(*arguments), x=200, y=1000, mx=30, my=None)
    assert unknown > known


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 0.9), st.floats(0.01, 0.1), st.floats(0.005, 0.05), st.integers(0, 2**31))
def test_proportion_agrees_with_replication(p, cv_share, cv_total, seed):
    """Draw share and total independently, as the formula assumes, and take the share's spread back."""
    total = 10_000.0
    generator = np.random.default_rng(seed)
    shares = generator.normal(p, cv_share * p, 60_000)
    totals = generator.normal(total, cv_total * total, 60_000)
    moe = evaluate(
        proportion_moe(pl.col("x"), pl.col("y"), pl.col("mx"), pl.col("my")),
        x=p * total,
        y=total,
        mx=Z90 * float((shares * totals).std()),
        my=Z90 * float(totals.std()),
    )
    # Where the total varies much more than the share, the difference of squares magnifies replication noise.
    tolerance = 0.03 * (1 + (cv_total / cv_share) ** 2)
    assert moe / Z90 == pytest.approx(float(shares.std()), rel=tolerance)


def test_standard_error_uses_the_census_divisor():
    assert evaluate(standard_error(pl.col("m")), m=16.45) == pytest.approx(10)
