"""Margins against brute force, and the Census Bureau's rules for codes, zeros and radicands."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine.margins import (
    ANNOTATIONS,
    CONTROLLED,
    CV_GOOD,
    CV_USABLE,
    Z90,
    coefficient_of_variation,
    difference_moe,
    differs,
    percent_change_moe,
    product_moe,
    proportion_moe,
    ratio_moe,
    reliability,
    replicate_covariance,
    replicate_variance,
    standard_error,
    sum_moe,
    without_annotations,
)

POSITIVE = st.floats(1, 1e6)
MARGIN = st.floats(0.1, 1e5)
CV = st.floats(0.005, 0.05)
SEED = st.integers(0, 2**31)
FOUR = pl.col("x"), pl.col("y"), pl.col("mx"), pl.col("my")
N_DRAWS = 40_000
BRUTE = 0.03
"""Three per cent: some eight standard errors of a spread from so many draws, and what linearisation leaves out."""


def evaluate(expression: pl.Expr, **values: float | None):
    return (
        pl.DataFrame({k: [v] for k, v in values.items()}, schema=dict.fromkeys(values, pl.Float64))
        .select(expression)
        .item()
    )


def of_sum(estimates: list[float | None], moes: list[float | None]) -> float | None:
    names = [f"e{i}" for i in range(len(estimates))], [f"m{i}" for i in range(len(moes))]
    row = dict(zip(names[0], estimates, strict=True)) | dict(zip(names[1], moes, strict=True))
    return evaluate(sum_moe([pl.col(n) for n in names[0]], [pl.col(n) for n in names[1]]), **row)


def draws(seed: int, *components: tuple[float, float]) -> list[np.ndarray]:
    """Independent replications of components of the given estimates and standard errors."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed])))
    return [generator.normal(estimate, se, N_DRAWS) for estimate, se in components]


# Annotation codes


def test_the_six_codes_are_no_numbers_and_a_controlled_margin_is_zero():
    codes = [-999999999, -888888888, -666666666, -555555555, -333333333, -222222222]
    assert sorted(ANNOTATIONS) == codes
    frame = pl.DataFrame({"e": [*codes, 7, 8, None, 9], "m": [*codes, 2, CONTROLLED, 3, None]})
    estimate, moe = without_annotations(pl.col("e"), pl.col("m"))
    assert frame.select(estimate)["e"].to_list() == [None] * 6 + [7, 8, None, 9]
    assert frame.select(moe)["m"].to_list() == [None, None, None, 0, None, None, 2, 0, 3, None]


@pytest.mark.parametrize("dtype", [pl.Int32, pl.Int64, pl.Float64])
def test_codes_are_found_in_numbers_of_every_type(dtype):
    frame = pl.DataFrame({"e": [100, -666666666], "m": [-555555555, -222222222]}, schema={"e": dtype, "m": dtype})
    estimate, moe = without_annotations(pl.col("e"), pl.col("m"))
    assert frame.select(estimate, moe).rows() == [(100, 0), (None, None)]


@given(st.lists(st.tuples(POSITIVE, MARGIN), min_size=1, max_size=4), st.sampled_from(sorted(ANNOTATIONS)))
def test_a_code_never_enters_a_sum(parts, code):
    rows = enumerate([*parts, (50.0, code)])
    frame = pl.DataFrame({name: [v] for i, (e, m) in rows for name, v in ((f"e{i}", e), (f"m{i}", m))})
    cleaned = [without_annotations(pl.col(f"e{i}"), pl.col(f"m{i}")) for i in range(len(parts) + 1)]
    moe = frame.select(sum_moe([e for e, _ in cleaned], [m for _, m in cleaned])).item()
    if code == CONTROLLED:
        assert moe == pytest.approx(math.sqrt(sum(m * m for _, m in parts)))
    else:
        assert moe is None


# Sums


@given(st.lists(st.tuples(POSITIVE, MARGIN), min_size=1, max_size=6))
def test_sum_is_the_root_of_the_sum_of_squares(parts):
    assert of_sum([e for e, _ in parts], [m for _, m in parts]) == pytest.approx(
        math.sqrt(sum(m * m for _, m in parts))
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(POSITIVE, CV), min_size=1, max_size=5), SEED)
def test_sum_agrees_with_replication(parts, seed):
    whole = sum(draws(seed, *[(e, cv * e) for e, cv in parts]))
    moe = of_sum([e for e, _ in parts], [Z90 * cv * e for e, cv in parts])
    assert moe / Z90 == pytest.approx(whole.std(), rel=BRUTE)


def test_sum_of_the_bureaus_example():
    # Never married, 2006: males 39,401,560 +- 99,234 and females 33,385,649 +- 77,920 have the SE 76,699.
    assert of_sum([39_401_560, 33_385_649], [99_234, 77_920]) / Z90 == pytest.approx(76_699, abs=1)


def test_of_several_zero_estimates_only_the_largest_margin_enters():
    # 30^2 + max(12, 13)^2 = 900 + 169 = 1069
    assert of_sum([100, 0, 0], [30, 12, 13]) == pytest.approx(math.sqrt(1069))
    assert of_sum([0, 0], [12, 13]) == pytest.approx(13)


@given(st.lists(MARGIN, max_size=3), st.lists(MARGIN, max_size=5))
def test_zeros_add_what_the_largest_of_them_adds(counted, zeros):
    if counted or zeros:
        expected = math.sqrt(sum(m * m for m in counted) + max(zeros, default=0) ** 2)
        assert of_sum([5.0] * len(counted) + [0.0] * len(zeros), counted + zeros) == pytest.approx(expected)


@pytest.mark.parametrize(("estimates", "moes"), [([100, 50], [30, None]), ([100, None], [30, 5]), ([0, 0], [None, 12])])
def test_a_sum_with_an_unknown_part_is_unknown(estimates, moes):
    assert of_sum(estimates, moes) is None


def test_large_margins_read_as_integers_do_not_overflow():
    columns = {"a": 100_000, "b": 100_000, "ma": 60_000, "mb": 80_000}
    frame = pl.DataFrame({k: [v] for k, v in columns.items()}, schema=dict.fromkeys(columns, pl.Int32))
    a, b, ma, mb = map(pl.col, columns)
    assert frame.select(sum_moe([a, b], [ma, mb])).item() == pytest.approx(100_000)
    assert frame.select(difference_moe(ma, mb)).item() == pytest.approx(100_000)
    assert frame.select(product_moe(a, b, ma, mb)).item() == pytest.approx(1e10)


def test_a_sum_of_nothing_or_of_unpaired_parts_is_refused():
    with pytest.raises(ValueError, match="not 0 and 0"):
        sum_moe([], [])
    with pytest.raises(ValueError, match="not 2 and 1"):
        sum_moe([pl.col("a"), pl.col("b")], [pl.col("m")])


# Proportions


def test_proportion_by_hand():
    # p = 0.2; radicand = 30^2 - 0.04 * 50^2 = 900 - 100 = 800; / 1000
    moe = evaluate(proportion_moe(*FOUR), x=200, y=1000, mx=30, my=50)
    assert moe == pytest.approx(math.sqrt(800) / 1000)


def test_proportion_of_the_bureaus_handbook():
    # 203,119 +- 5,070 of 630,498 +- 831 never-married: 0.0080
    assert evaluate(proportion_moe(*FOUR), x=203_119, y=630_498, mx=5_070, my=831) == pytest.approx(0.0080, abs=5e-5)


def test_the_sign_flips_where_the_radicand_is_not_positive():
    # p = 0.9: 40^2 - 0.81 * 50^2 = -425, so 40^2 + 2025 = 3625; and exactly zero flips too
    assert evaluate(proportion_moe(*FOUR), x=900, y=1000, mx=40, my=50) == pytest.approx(math.sqrt(3625) / 1000)
    assert evaluate(proportion_moe(*FOUR), x=1000, y=1000, mx=50, my=50) == pytest.approx(math.sqrt(5000) / 1000)
    # The Bureau's answer for two of two, each +- 3: sqrt(9 + 9) / 2 = 2.12
    assert evaluate(proportion_moe(*FOUR), x=2, y=2, mx=3, my=3) == pytest.approx(2.1213, abs=1e-4)


@given(st.floats(0, 1), POSITIVE, MARGIN, MARGIN)
def test_a_proportion_never_lacks_its_margin(p, y, mx, my):
    moe = evaluate(proportion_moe(*FOUR), x=p * y, y=y, mx=mx, my=my)
    ratio = evaluate(ratio_moe(*FOUR), x=p * y, y=y, mx=mx, my=my)
    assert 0 < moe <= ratio * (1 + 1e-12)


def test_a_share_of_none_or_all_has_the_numerators_margin():
    assert evaluate(proportion_moe(*FOUR), x=0, y=1000, mx=12, my=50) == pytest.approx(0.012)
    assert evaluate(proportion_moe(*FOUR), x=1000, y=1000, mx=12, my=0) == pytest.approx(0.012)


def test_no_denominator_no_margin_and_an_unpublished_one_only_widens():
    assert evaluate(proportion_moe(*FOUR), x=0, y=0, mx=10, my=10) is None
    known = evaluate(proportion_moe(*FOUR), x=200, y=1000, mx=30, my=50)
    unknown = evaluate(proportion_moe(*FOUR), x=200, y=1000, mx=30, my=None)
    assert unknown > known


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 0.9), st.floats(0.01, 0.1), CV, SEED)
def test_proportion_agrees_with_replication(p, cv_share, cv_total, seed):
    """Draw share and total independently, as the formula assumes, and take the share's spread back."""
    total = 10_000.0
    shares, totals = draws(seed, (p, cv_share * p), (total, cv_total * total))
    moe = evaluate(
        proportion_moe(*FOUR),
        x=p * total,
        y=total,
        mx=Z90 * float((shares * totals).std()),
        my=Z90 * float(totals.std()),
    )
    # Where the total varies much more than the share, the difference of squares magnifies replication noise.
    tolerance = BRUTE * (1 + (cv_total / cv_share) ** 2)
    assert moe / Z90 == pytest.approx(float(shares.std()), rel=tolerance)


# Ratios, products, differences, change


def test_ratio_by_hand():
    # R = 0.5; 30^2 + 0.25 * 80^2 = 900 + 1600 = 2500; 50 / 1000
    assert evaluate(ratio_moe(*FOUR), x=500, y=1000, mx=30, my=80) == pytest.approx(0.05)
    # over a negative denominator the margin is still positive
    assert evaluate(ratio_moe(*FOUR), x=500, y=-1000, mx=30, my=80) == pytest.approx(0.05)


def test_product_by_hand():
    # A = 1000 +- 30, B = 0.4 +- 0.05: 1000^2 * 0.0025 + 0.16 * 900 = 2500 + 144
    assert evaluate(product_moe(*FOUR), x=1000, y=0.4, mx=30, my=0.05) == pytest.approx(math.sqrt(2644))


def test_percent_change_by_hand():
    # 600 after 500 is +20 %; R = 1.2: 100 * sqrt(30^2 + 1.44 * 25^2) / 500 = 100 * sqrt(1800) / 500
    assert evaluate(percent_change_moe(*FOUR), x=600, y=500, mx=30, my=25) == pytest.approx(math.sqrt(1800) / 5)


def test_difference_by_hand():
    assert evaluate(difference_moe(pl.col("mx"), pl.col("my")), mx=30, my=40) == pytest.approx(50)


@settings(max_examples=15, deadline=None)
@given(POSITIVE, CV, POSITIVE, CV, SEED)
def test_ratio_product_difference_and_change_agree_with_replication(x, cv_x, y, cv_y, seed):
    drawn_x, drawn_y = draws(seed, (x, cv_x * x), (y, cv_y * y))
    values = {"x": x, "y": y, "mx": Z90 * cv_x * x, "my": Z90 * cv_y * y}
    for expression, drawn in [
        (ratio_moe(*FOUR), drawn_x / drawn_y),
        (product_moe(*FOUR), drawn_x * drawn_y),
        (difference_moe(*FOUR[2:]), drawn_x - drawn_y),
        (percent_change_moe(*FOUR), 100 * (drawn_x - drawn_y) / drawn_y),
    ]:
        assert evaluate(expression, **values) / Z90 == pytest.approx(drawn.std(), rel=BRUTE)


@pytest.mark.parametrize("rule", [ratio_moe, product_moe, percent_change_moe, differs])
@pytest.mark.parametrize("missing", ["x", "y", "mx", "my"])
def test_nothing_known_of_a_part_nothing_known_of_the_whole(rule, missing):
    values = {"x": 5.0, "y": 8.0, "mx": 1.0, "my": 2.0} | {missing: None}
    assert evaluate(rule(*FOUR), **values) is None


@pytest.mark.parametrize("rule", [ratio_moe, percent_change_moe, proportion_moe])
def test_nothing_is_divided_by_zero(rule):
    assert evaluate(rule(*FOUR), x=5, y=0, mx=1, my=2) is None


# Significance


def test_a_difference_is_significant_beyond_its_margin():
    # |A - B| against sqrt(30^2 + 40^2) = 50, since both sides are 1.645 standard errors
    for difference, verdict in [(49.9, False), (50.1, True), (-49.9, False), (-50.1, True)]:
        assert evaluate(differs(*FOUR), x=200 + difference, y=200, mx=30, my=40) is verdict
    # at 1.96 the difference has to exceed 50 * 1.96 / 1.645 = 59.6
    assert evaluate(differs(*FOUR, critical=1.96), x=255, y=200, mx=30, my=40) is False
    assert evaluate(differs(*FOUR, critical=1.96), x=260, y=200, mx=30, my=40) is True


def test_controlled_estimates_differ_as_soon_as_they_differ():
    assert evaluate(differs(*FOUR), x=201, y=200, mx=0, my=0) is True
    assert evaluate(differs(*FOUR), x=200, y=200, mx=0, my=0) is False


def test_equal_truths_are_called_different_one_time_in_ten():
    x, y = draws(7, (100, 3), (100, 4))
    frame = pl.DataFrame({"x": x, "y": y}).with_columns(mx=pl.lit(3 * Z90), my=pl.lit(4 * Z90))
    assert frame.select(differs(*FOUR)).to_series().mean() == pytest.approx(0.1, abs=0.006)


# Standard errors, coefficients of variation, classes


def test_standard_error_uses_the_census_divisor():
    assert evaluate(standard_error(pl.col("m")), m=16.45) == pytest.approx(10)


def test_coefficient_of_variation_is_relative_to_the_size():
    cv = coefficient_of_variation(pl.col("e"), pl.col("se"))
    assert evaluate(cv, e=50, se=6) == evaluate(cv, e=-50, se=6) == pytest.approx(0.12)
    assert evaluate(cv, e=0, se=6) is None
    assert evaluate(cv, e=50, se=None) is None


@pytest.mark.parametrize(
    ("estimate", "se", "grade"),
    [
        (100, 0, 1),
        (100, 12, 1),
        (100, 12.1, 2),
        (100, 40, 2),
        (100, 40.1, 3),
        (-100, 12.1, 2),
        (0, 5, 3),
        (0, 0, 1),
        (None, 5, None),
        (100, None, None),
    ],
)
def test_classes_of_reliability(estimate, se, grade):
    assert evaluate(reliability(pl.col("e"), pl.col("se")), e=estimate, se=se) == grade


@given(POSITIVE, MARGIN)
def test_class_follows_the_coefficient_of_variation(estimate, se):
    cv = evaluate(coefficient_of_variation(pl.col("e"), pl.col("se")), e=estimate, se=se)
    expected = 1 + sum(cv > limit for limit in (CV_GOOD, CV_USABLE))
    near_a_limit = any(math.isclose(cv, limit, rel_tol=1e-9) for limit in (CV_GOOD, CV_USABLE))
    assert near_a_limit or evaluate(reliability(pl.col("e"), pl.col("se")), e=estimate, se=se) == expected


# Variance replicates


def sample(seed: int, members: int, areas: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates (m, n) and replicates (m, 80, n) whose errors go together."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed])))
    estimates = generator.uniform(100, 1000, (members, areas))
    mixing = generator.normal(size=(members, members))
    errors = np.einsum("ab,brn->arn", mixing, generator.normal(size=(members, 80, areas)))
    return estimates, estimates[:, None, :] + errors


def test_replicates_by_hand():
    # First area: 40 replicates of 100 + 3 and 40 of 100 - 1: 4/80 * (40 * 9 + 40 * 1) = 20, around the estimate and
    # not around their mean of 101, which would give 16. Second area: one replicate of 80 is off by 10: 4/80 * 100 = 5.
    replicates = np.column_stack([np.repeat([103.0, 99.0], 40), np.r_[np.full(79, 50.0), 60.0]])
    np.testing.assert_allclose(replicate_variance([100, 50], replicates), [20, 5])


def test_covariance_by_hand():
    # Members a and b deviate by (+2, +3) in 40 replicates and by (+2, -1) in 40:
    # var a = 4/80 * 80 * 4 = 16; var b = 4/80 * (40 * 9 + 40) = 20; cov = 4/80 * (40 * 6 - 40 * 2) = 8
    a, b = np.full((80, 1), 12.0), np.repeat([33.0, 29.0], 40)[:, None]
    np.testing.assert_allclose(replicate_covariance([[10], [30]], [a, b]), [[[16, 8], [8, 20]]])


@given(SEED, st.integers(1, 4), st.integers(1, 5))
def test_diagonal_is_the_variance_and_the_matrix_is_positive(seed, members, areas):
    estimates, replicates = sample(seed, members, areas)
    covariance = replicate_covariance(estimates, replicates)
    assert covariance.shape == (areas, members, members)
    np.testing.assert_allclose(covariance, covariance.transpose(0, 2, 1), rtol=1e-12)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9 * covariance.max()
    for i in range(members):
        np.testing.assert_allclose(covariance[:, i, i], replicate_variance(estimates[i], replicates[i]))


@given(SEED, st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_variance_of_a_combination_follows_from_the_covariance(seed, weights):
    estimates, replicates = sample(seed, 3, 4)
    w = np.array(weights)
    direct = replicate_variance(w @ estimates, np.tensordot(w, replicates, 1))
    np.testing.assert_allclose(direct, replicate_covariance(estimates, replicates) @ w @ w, rtol=1e-7, atol=1e-9)


def test_replicates_take_back_the_variance_and_covariance_that_went_in():
    """Deviations of half a standard error, as successive differences give: 4/80 of 80 quarters is the variance."""
    areas = 4_000
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([5])))
    truth = np.array([[9.0, -4.0], [-4.0, 16.0]])
    deviations = generator.multivariate_normal([0, 0], truth / 4, (80, areas))
    estimates = np.full((2, areas), 500.0)
    found = replicate_covariance(estimates, [500 + deviations[..., i] for i in range(2)])
    np.testing.assert_allclose(found.mean(axis=0), truth, atol=0.15)


def test_unknown_members_leave_the_others_known():
    estimates, replicates = sample(3, 3, 2)
    replicates[1, 17, 0] = np.nan
    unknown = np.isnan(replicate_covariance(estimates, replicates))
    assert not unknown[1].any()
    np.testing.assert_array_equal(unknown[0], [[False, True, False], [True, True, True], [False, True, False]])


def test_shapes_that_do_not_fit_are_refused():
    for estimates, replicates in [(np.ones(3), np.ones((79, 3))), (np.ones(3), np.ones((80, 2))), (1.0, np.ones(80))]:
        with pytest.raises(ValueError, match="do not fit"):
            replicate_variance(estimates, replicates)
    with pytest.raises(ValueError, match="do not fit"):
        replicate_covariance(np.ones((2, 3)), np.ones((3, 80, 3)))
    with pytest.raises(ValueError, match="members by areas"):
        replicate_covariance(np.ones(3), np.ones((80, 3)))
