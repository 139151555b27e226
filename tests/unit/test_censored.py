"""Rates published as bands: which counts they hold, what they are fitted to, and what is drawn."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from scipy.special import expit

from models.engine.censored import (
    BETA_BINOMIAL,
    MAX_COUNTS,
    MIN_DISTRICTS,
    NEGATIVE_BINOMIAL,
    ArgumentError,
    Censored,
    counts_within,
    fit,
)

NAN = np.nan
# The bands of the Department of Education by size of the cohort, in whole percentages.
BANDS = (
    (15, [(0, 49), (50, 100)]),
    (30, [(0, 20), (21, 39), (40, 59), (60, 79), (80, 100)]),
    (60, [(0, 10), *((low, low + 9) for low in range(20, 90, 10)), (11, 19), (90, 100)]),
    (200, [(0, 5), (6, 9), *((low, low + 4) for low in range(10, 95, 5)), (95, 100)]),
    (10**9, [(0, 1), *((low, low) for low in range(2, 99)), (99, 100)]),
)


def generator(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed])))


def draws_of(model: Censored, count: int = 960, seed: int = 1) -> np.ndarray:
    (drawn,) = model.draw(0, count, generator(seed))
    return drawn


def percent(count: int, size: int) -> int:
    """A share in whole percentages, halves up, in exact arithmetic."""
    return int(Fraction(100 * count, size) + Fraction(1, 2))


def printed(count: int, size: int) -> tuple[float, float]:
    bands = next(bands for largest, bands in BANDS if size <= largest)
    low, high = next((low, high) for low, high in bands if low <= percent(count, size) <= high)
    return low / 100, high / 100


def districts(n: int, mean: float, precision: float, seed: int, sizes=(6, 400)):
    """Counts of a beta-binomial distribution, and the bands that are printed for them."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(*np.log(sizes), n)).astype(int)
    count = rng.binomial(size, rng.beta(mean * precision, (1 - mean) * precision, n))
    lower, upper = np.array([printed(int(c), int(s)) for c, s in zip(count, size, strict=True)]).T
    return count, size, lower, upper


def with_cells(n: int, low: float, high: float, size: int, *areas):
    """Areas, and n more that all say the same."""
    return tuple(np.append(values, [more] * n) for values, more in zip(areas, (low, high, size), strict=True))


def natural(parameters) -> tuple[float, float]:
    return float(expit(parameters[0])), float(np.exp(parameters[1]))


def test_a_band_holds_the_counts_that_are_printed_so():
    # 0.90 to 0.94 of 200 is 179 (89.5 %, up to 90) to 188 (94.0 %): 189 are 94.5 %, which is printed 95.
    # 0.50 to 1 of 12 is 6 (50 %) to 12; 5 are 41.7 %.
    # 0 to 0.50 of 12 is 0 to 6, and 0 to 5 where the bound is `<50%`. 0.92 of 13 is 12 (92.3 %) alone.
    lower, upper = np.array([0.90, 0.50, 0.0, 0.0, 0.92]), np.array([0.94, 1.0, 0.5, 0.5, 0.92])
    first, last = counts_within(
        lower, upper, np.array([200, 12, 12, 12, 13.0]), excludes_upper=np.array([False, False, False, True, False])
    )
    assert list(first) == [179, 6, 0, 0, 12]
    assert list(last) == [188, 12, 6, 5, 12]


def test_without_rounding_the_bounds_are_taken_as_they_are():
    # Of 10: from 0.35 to 0.7 are 4 to 7, and to 6 where 0.7 is outside.
    ends = np.array([0.35, 0.35]), np.array([0.7, 0.7]), np.array([10.0, 10.0])
    first, last = counts_within(*ends, rounding=0, excludes_upper=np.array([False, True]))
    assert (list(first), list(last)) == ([4, 4], [7, 6])


@given(st.integers(1, 3_000), st.integers(0, 100), st.integers(0, 100))
@settings(max_examples=300, deadline=None)
def test_counts_within_are_those_whose_percentage_is_in_the_band(size, one, other):
    low, high = sorted((one, other))
    first, last = counts_within(np.array([low / 100]), np.array([high / 100]), np.array([float(size)]))
    inside = [count for count in range(size + 1) if low <= percent(count, size) <= high]
    assert inside == list(range(int(first[0]), int(last[0]) + 1))


def test_a_fit_to_exact_counts_is_that_of_scipy_by_maximum_likelihood():
    count, size, _, _ = districts(1_500, 0.8, 12, seed=3)

    def loss(at):
        mean, precision = natural(at)
        return -stats.betabinom.logpmf(count, size, mean * precision, (1 - mean) * precision).sum()

    expected = optimize.minimize(loss, [0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-6}).x
    found = fit(BETA_BINOMIAL, count.astype(float), count.astype(float), size.astype(float))
    # The weak prior moves the estimate by far less than its standard error.
    error = np.sqrt(np.diag(found.covariance))
    assert (np.abs(found.parameters - expected) < 0.05 * error).all()


def test_the_standard_errors_are_those_of_repeated_samples():
    found = []
    for seed in range(60):
        count, size, _, _ = districts(80, 0.85, 15, seed=100 + seed)
        found.append(fit(BETA_BINOMIAL, *(values.astype(float) for values in (count, count, size))))
    spread = np.std([one.parameters for one in found], axis=0)
    told = np.mean([np.sqrt(np.diag(one.covariance)) for one in found], axis=0)
    # The standard deviation of 60 is known to 9 %.
    np.testing.assert_allclose(spread, told, rtol=0.3)


@pytest.mark.parametrize(("mean", "precision"), [(0.9, 18.0), (0.5, 3.0), (0.97, 40.0)])
def test_a_fit_to_bands_finds_what_is_behind_them(mean, precision):
    _, size, lower, upper = districts(1_200, mean, precision, seed=4)
    found = fit(BETA_BINOMIAL, *counts_within(lower, upper, size.astype(float)), size.astype(float))
    error = np.sqrt(np.diag(found.covariance))
    behind = np.array([np.log(mean / (1 - mean)), np.log(precision)])
    assert (np.abs(found.parameters - behind) < 3 * error).all()
    assert natural(found.parameters)[0] == pytest.approx(mean, abs=0.02)


def test_a_fit_to_suppressed_counts_finds_what_is_behind_them():
    rng = np.random.default_rng(6)
    exposure = rng.uniform(20, 400, 2_000)
    count = rng.poisson(rng.gamma(2.0, 0.01, 2_000) * exposure).astype(float)
    hidden = count <= 2
    found = fit(NEGATIVE_BINOMIAL, np.where(hidden, 0, count), np.where(hidden, 2, count), exposure)
    error = np.sqrt(np.diag(found.covariance))
    # A gamma of shape 2 and scale 0.01 has a mean of 0.02.
    assert (np.abs(found.parameters - np.log([0.02, 2.0])) < 3 * error).all()


@pytest.mark.parametrize(
    ("lower", "upper", "size"),
    [
        ([0.95] * 40, [1.0] * 40, [80.0] * 40),
        ([0.0] * 40, [0.05] * 40, [80.0] * 40),
        ([0.5] * 30, [1.0] * 30, [8.0] * 30),
        ([0.0, 0.0], [1.0, 1.0], [5.0, 5.0]),
        ([0.9] * 50, [0.9] * 50, [1_000.0] * 50),
    ],
)
def test_areas_that_say_little_or_all_the_same_can_be_fitted(lower, upper, size):
    model = Censored("x", lower, upper, size)
    drawn = draws_of(model)
    assert np.isfinite(drawn).all() and np.isfinite(model.fits[""].covariance).all()
    assert (drawn >= np.array(lower) - 0.005 - 1e-6).all() and (drawn <= np.array(upper) + 0.005).all()


def test_draws_are_realised_rates_within_their_bands():
    _, size, lower, upper = districts(300, 0.85, 12, seed=7)
    model = Censored("x", lower, upper, size)
    drawn = draws_of(model, 200).astype(float)
    counts = drawn * size
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)
    first, last = counts_within(lower, upper, size.astype(float))
    assert (np.round(counts) >= first).all() and (np.round(counts) <= last).all()
    assert model.draw(0, 2, generator()).dtype == np.float32


def test_a_wide_band_is_drawn_where_the_others_are_and_not_in_its_middle():
    """Districts average 90 %; twelve students of `>=50%` are drawn near that, and not at 75 %."""
    _, size, lower, upper = districts(600, 0.9, 15, seed=9)
    model = Censored("x", *with_cells(1, 0.5, 1.0, 12, lower, upper, size))
    assert draws_of(model)[:, -1].mean() == pytest.approx(0.91, abs=0.015)


def test_draws_have_the_truncated_beta_binomial_distribution():
    _, size, lower, upper = districts(4_000, 0.8, 10, seed=10)
    model = Censored("x", *with_cells(40, 0.5, 1.0, 14, lower, upper, size))
    mean, precision = natural(model.fits[""].parameters)
    pmf = stats.betabinom(14, mean * precision, (1 - mean) * precision).pmf(np.arange(7, 15))
    drawn = np.round(draws_of(model, 400)[:, -40:] * 14)
    share = [(drawn == count).mean() for count in range(7, 15)]
    np.testing.assert_allclose(share, pmf / pmf.sum(), atol=0.012)


def test_the_mean_is_that_of_the_draws():
    _, size, lower, upper = districts(200, 0.7, 6, seed=11)
    model = Censored("x", lower, upper, size)
    drawn = draws_of(model, 3_200).astype(float)
    error = drawn.std(axis=0) / np.sqrt(3_200)
    assert (np.abs(drawn.mean(axis=0) - model.mean) <= 4.5 * error + 1e-6).all()


def test_hidden_rates_lie_anywhere_among_their_draws_alike():
    """The share of draws below the truth, ties split at random, is uniform where draws are what they say."""
    rng = np.random.default_rng(15)
    places = []
    for seed in range(8):
        count, size, lower, upper = districts(250, 0.88, 14, seed=20 + seed, sizes=(6, 200))
        drawn = np.round(draws_of(Censored("x", lower, upper, size)) * size)
        below, at = (drawn < count).mean(axis=0), (drawn == count).mean(axis=0)
        places.append(below + rng.uniform(size=250) * at)
    assert stats.kstest(np.concatenate(places), "uniform").pvalue > 0.001


def test_what_is_not_known_of_the_parameters_widens_the_draws():
    """Six districts say little: the mean of all twelve-student districts moves from draw to draw by more
    than their own scatter, which is at most 0.5 / sqrt(400) = 0.025, would move it."""
    _, size, lower, upper = districts(6, 0.8, 10, seed=12)
    known = Censored("x", *with_cells(400, 0.0, 1.0, 12, lower, upper, size))
    assert draws_of(known)[:, 6:].mean(axis=1).std() > 0.04


def test_each_group_is_read_by_its_own_districts():
    parts = [districts(200, mean, 20, seed=30 + n) for n, mean in enumerate((0.6, 0.95))]
    _, size, lower, upper = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    groups = np.repeat(["26", "29"], 200)
    lower[[0, 200]], upper[[0, 200]], size[[0, 200]] = 0, 1, 10
    model = Censored("x", lower, upper, size, groups=groups)
    assert set(model.fits) == {"", "26", "29"} and model.fits["26"].n_areas == 200
    drawn = draws_of(model)
    assert drawn[:, 0].mean() == pytest.approx(0.6, abs=0.03)
    assert drawn[:, 200].mean() == pytest.approx(0.95, abs=0.02)
    together = draws_of(Censored("x", lower, upper, size))
    assert 0.7 < together[:, [0, 200]].mean() < 0.85


@pytest.mark.parametrize("few", [MIN_DISTRICTS - 1, MIN_DISTRICTS])
def test_a_small_group_is_read_by_all_districts(few):
    big, small = districts(300, 0.6, 20, seed=40), districts(few, 0.97, 40, seed=41)
    _, size, lower, upper = (np.concatenate(columns) for columns in zip(big, small, strict=True))
    lower[-1], upper[-1], size[-1] = 0, 1, 10
    model = Censored("x", lower, upper, size, groups=["26"] * 300 + ["15"] * few)
    assert ("15" in model.fits) == (few >= MIN_DISTRICTS)
    assert (draws_of(model)[:, -1].mean() > 0.85) == (few >= MIN_DISTRICTS)


def test_areas_without_a_label_and_a_group_alone_are_read_by_all_districts():
    _, size, lower, upper = districts(60, 0.8, 10, seed=42)
    alone = Censored("x", lower, upper, size, groups=["29"] * 60)
    assert alone.fits["29"] is alone.fits[""]
    for groups in (["29"] * 60, [""] * 60, None):
        np.testing.assert_array_equal(draws_of(Censored("x", lower, upper, size, groups=groups)), draws_of(alone))


def test_draws_follow_from_the_generator_and_the_number_of_the_first():
    _, size, lower, upper = districts(40, 0.8, 10, seed=43)
    lower, upper = np.zeros(40), np.ones(40)
    model = Censored("x", lower, upper, size)
    np.testing.assert_array_equal(draws_of(model), draws_of(model))
    assert not np.array_equal(draws_of(model), draws_of(model, seed=2))
    whole = model.draw(0, 10, generator())[0]
    rng = generator()
    parts = [model.draw(first, count, rng)[0] for first, count in ((0, 3), (3, 7))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_nothing_published_is_nothing_drawn():
    model = Censored("x", [0.5, NAN, 0.9], [1.0, NAN, 0.9], [12, 30, 300])
    drawn = draws_of(model, 50)
    assert (np.isnan(drawn) == [False, True, False]).all()
    assert list(np.isnan(model.mean)) == [False, True, False]
    nowhere = Censored("x", [NAN, NAN], [NAN, NAN], [NAN, 3])
    assert np.isnan(draws_of(nowhere, 4)).all() and np.isnan(nowhere.mean).all() and nowhere.fits == {}


def test_percentages_are_shares_times_a_hundred():
    _, size, lower, upper = districts(80, 0.8, 10, seed=44)
    shares, percentages = Censored("x", lower, upper, size), Censored("x", 100 * lower, 100 * upper, size, scale=100)
    np.testing.assert_allclose(draws_of(percentages), 100 * draws_of(shares), rtol=1e-5)
    np.testing.assert_allclose(percentages.mean, 100 * shares.mean)
    tenths = Censored("x", [85.7], [85.7], [7], scale=100, rounding=0.05)
    np.testing.assert_allclose(draws_of(tenths, 3), 100 * 6 / 7, rtol=1e-6)


def test_a_rate_whose_size_is_not_known_has_the_beta_distribution():
    rng = np.random.default_rng(13)
    rate = rng.beta(6, 2, 1_500)
    lower, upper = np.where(rate < 0.5, 0, np.round(rate, 4)), np.where(rate < 0.5, 0.5, np.round(rate, 4))
    model = Censored("x", lower, upper, NAN, rounding=0)
    mean, precision = natural(model.fits[""].parameters)
    assert (mean, precision) == (pytest.approx(0.75, abs=0.01), pytest.approx(8, rel=0.1))
    drawn = draws_of(model, 320)
    whole = stats.beta(6, 2)
    hidden = drawn[:, rate < 0.5].astype(float).ravel()
    assert np.quantile(hidden, 0.5) == pytest.approx(whole.ppf(whole.cdf(0.5) / 2), abs=0.01)
    assert (np.abs(drawn[:, rate >= 0.5] - rate[rate >= 0.5]) < 1e-4).all()


def test_a_band_of_very_many_counts_is_drawn_evenly_spread():
    """40,000 persons and no band at all: 40,001 counts, stood for by MAX_COUNTS."""
    rng = np.random.default_rng(14)
    lower = np.round(rng.beta(6, 2, 900), 3)
    areas = with_cells(40, 0.0, 1.0, 40_000, lower, lower, np.full(900, 40_000))
    model = Censored("x", *areas, rounding=0.0005)
    drawn = np.round(draws_of(model, 400)[:, -40:].astype(float) * 40_000, 1)
    assert 200 < np.unique(drawn).size <= MAX_COUNTS
    expected = stats.beta(6, 2)
    np.testing.assert_allclose(np.quantile(drawn / 40_000, [0.1, 0.5, 0.9]), expected.ppf([0.1, 0.5, 0.9]), atol=0.02)


REFUSED = {
    "a lower bound below zero": ([-0.1], [0.5], [9], "lower"),
    "an upper bound above one": ([0.5], [1.2], [9], "upper"),
    "bounds out of order": ([0.5], [0.4], [9], "lower"),
    "half of the bounds": ([0.5], [NAN], [9], "upper"),
    "a group of nobody": ([0.5], [1.0], [0], "size"),
    "a band that no count falls into": ([0.41], [0.45], [3], "lower"),
    "a rate that no count gives": ([0.5], [0.5], [3], "lower"),
}


@pytest.mark.parametrize(("lower", "upper", "size", "argument"), REFUSED.values(), ids=REFUSED)
def test_refused(lower, upper, size, argument):
    with pytest.raises(ArgumentError) as caught:
        Censored("x", [0.5, *lower], [1.0, *upper], [10, *size])
    assert (caught.value.argument, caught.value.position) == (argument, 1)


@given(st.lists(st.tuples(st.integers(-3, 13), st.integers(-3, 13), st.integers(-1, 3)), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_bounds_are_drawn_from_or_the_first_wrong_one_is_named(areas):
    low, high, size = np.array(areas).T / np.array([[10], [10], [0.1]])
    if (low <= high).all() and (low >= 0).all() and (high <= 1).all() and (size > 0).all():
        # Sizes are multiples of ten, so that every tenth is a whole number of persons.
        drawn = draws_of(Censored("x", low, high, size), 8)
        assert (drawn > low - 0.006).all() and (drawn < high + 0.006).all()
        return
    with pytest.raises(ArgumentError) as caught:
        Censored("x", low, high, size)
    wrong = {"lower": (low > high) | (low < 0), "upper": high > 1, "size": size <= 0}[caught.value.argument]
    assert wrong[caught.value.position]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Censored("x", [0.5], [1, 1], [9]), "upper must have one value for each of 1 areas"),
        (lambda: Censored("x", [0.5], [1], [9], groups=["a", "b"]), "groups must have one value for each of 1 areas"),
        (lambda: Censored("x", [0.5], [1], [9], rounding=-1), "rounding must not be negative"),
        (lambda: Censored("x", [0.5], [1], [9], scale=0), "scale must be a positive number"),
    ],
)
def test_numbers_and_shapes_that_make_no_sense_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
