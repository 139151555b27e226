"""Error models: what they draw, against SciPy's distributions; what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.engine.censored import ArgumentError
from models.engine.errors import Binomial, Drawer, Fixed, Normal, Poisson, PublishedInterval, Relative, Suppressed

NAN = np.nan
N_DRAWS = 20_000


def generator(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed])))


def draws_of(model: Drawer, count: int = N_DRAWS) -> np.ndarray:
    (drawn,) = model.draw(0, count, generator())
    return drawn


def agrees(sample: np.ndarray, cdf) -> bool:
    """Whether a sample of 20,000 is one of the distribution: the fixed seed makes the answer the same each time."""
    return stats.kstest(sample.astype(float), cdf).pvalue > 0.001


MODELS = {
    "fixed": Fixed("x", [1.0, NAN, 3.0]),
    "normal": Normal("x", [0.5, NAN, 0.0], [0.1, 0.1, 0.1], 0, 1),
    "published_interval": PublishedInterval("x", [0.5, NAN, 0.2], [0.4, NAN, 0.2], [0.7, NAN, 0.3], support=(0, 1)),
    "relative": Relative("x", [10.0, NAN, 0.0], 0.2),
    "binomial": Binomial("x", [0.2, NAN, 0.0], [40, NAN, 12]),
    "poisson": Poisson("x", [4, NAN, 0], [100, NAN, 50], per=1000),
    "suppressed": Suppressed("x", [0, NAN, 7], [2, NAN, 7], [100, NAN, 120]),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_draws_are_blocks_of_float32_with_nan_only_where_there_is_no_value(model):
    drawn = model.draw(3, 50, generator())
    assert (drawn.shape, drawn.dtype, model.ids) == ((1, 50, 3), np.float32, ("x",))
    assert (np.isnan(drawn) == [False, True, False]).all()


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_draws_follow_from_the_generator_and_drawing_changes_nothing(model):
    first, again, other = (model.draw(0, 40, generator(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert isinstance(model, Fixed) or not np.array_equal(first, other, equal_nan=True)


def test_a_model_keeps_what_it_was_given():
    mean, sd = np.array([1.0, 2.0]), np.array([0.0, 0.0])
    model = Normal("x", mean, sd)
    mean[:], sd[:] = 9, 9
    assert (draws_of(model, 5) == [1, 2]).all()


def test_fixed_values_are_the_same_in_every_draw():
    assert (draws_of(Fixed("x", [0.25, -4.0]), 7) == [0.25, -4.0]).all()


@pytest.mark.parametrize("mean", [0.0, 0.02, 0.1, 0.5, 0.99, 1.0])
def test_normal_draws_are_truncated_at_the_support(mean):
    sd = 0.05
    drawn = draws_of(Normal("x", [mean], [sd], 0, 1))[:, 0]
    assert agrees(drawn, stats.truncnorm((0 - mean) / sd, (1 - mean) / sd, mean, sd).cdf)


def test_an_error_far_wider_than_the_support_says_nothing_but_the_support():
    """The density hardly varies over 0 to 1, and nearly every plain draw is outside."""
    drawn = draws_of(Normal("x", [0.5], [1e6], 0, 1))[:, 0]
    assert agrees(drawn, stats.uniform.cdf)


def test_bounds_that_are_far_change_no_draw():
    free, bound = (Normal("x", [5.0, 6.0], [0.1, 0.2], *support) for support in ((), (-100, 100)))
    np.testing.assert_array_equal(draws_of(free, 500), draws_of(bound, 500))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.one_of(st.just(0.0), st.floats(1e-12, 1e6))), min_size=1, max_size=6),
    st.sampled_from([(0.0, 1.0), (0.1, 0.7), (-3.3, 1e9), (0.0, np.inf), (-np.inf, 0.3)]),
)
@settings(max_examples=60, deadline=None)
def test_no_draw_leaves_the_support(areas, support):
    low, high = support
    width = min(high, 5.0) - max(low, -5.0)
    mean = np.clip([max(low, -5.0) + place * width for place, _ in areas], low, high)
    sd = [sd for _, sd in areas]
    for model in (
        Normal("x", mean, sd, low, high),
        PublishedInterval("x", mean, mean - sd, mean + 2 * np.array(sd), support=support),
        Relative("x", np.maximum(mean, max(low, 0)) if high > 0 else mean, np.minimum(sd, 30), max(low, 0), high),
    ):
        drawn = draws_of(model, 64).astype(np.float64)
        assert np.isfinite(drawn).all()
        assert (drawn >= low).all() and (drawn <= high).all()


def test_an_exact_value_at_a_bound_that_float32_cannot_hold_stays_within():
    drawn = draws_of(Normal("x", [0.1, 0.0], [0.0, 50.0], 0, 0.1), 200).astype(np.float64)
    assert (drawn <= 0.1).all() and np.allclose(drawn[:, 0], 0.1)


def test_the_ends_of_a_published_interval_are_the_percentiles_of_its_level():
    model = PublishedInterval("x", [10.0, 20.0], [7.0, 19.0], [11.0, 26.0])
    found = np.quantile(draws_of(model, 200_000), [0.05, 0.5, 0.95], axis=0)
    np.testing.assert_allclose(found, [[7, 19], [10, 20], [11, 26]], atol=0.06)
    wider = PublishedInterval("x", [10.0], [7.0], [11.0], level=0.95)
    np.testing.assert_allclose(np.quantile(draws_of(wider, 200_000), [0.025, 0.975]), [7, 11], atol=0.06)


@pytest.mark.parametrize(
    ("value", "lower", "upper"), [(0.1, 0.0, 0.4), (0.9, 0.5, 1.0), (0.0, -0.2, 0.0), (0.0, -0.4, 0.3)]
)
def test_published_intervals_are_truncated_at_the_support(value, lower, upper):
    def cdf(x):
        z90 = stats.norm.ppf(0.95)
        sd = np.where(np.asarray(x) < value, value - lower, upper - value) / z90
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(x == value, 0.5, stats.norm.cdf((x - value) / sd))

    drawn = draws_of(PublishedInterval("x", [value], [lower], [upper], support=(0, 1)))[:, 0]
    if upper == value == 0:
        # All that is below the support is ruled out, and above the value there is no error.
        assert (drawn == 0).all()
    else:
        assert agrees(drawn, lambda x: (cdf(x) - cdf(0.0)) / (cdf(1.0) - cdf(0.0)))


def test_relative_errors_are_lognormal_with_the_value_as_mean():
    drawn = draws_of(Relative("x", [80_000.0, 0.0, 5.0], [0.3, 0.3, 0.0]))
    sigma = np.sqrt(np.log(1 + 0.3**2))
    assert agrees(drawn[:, 0], stats.lognorm(sigma, scale=80_000 * np.exp(-(sigma**2) / 2)).cdf)
    assert drawn[:, 0].mean(dtype=float) == pytest.approx(80_000, rel=0.01)
    assert drawn[:, 0].std(dtype=float) / 80_000 == pytest.approx(0.3, rel=0.03)
    assert (drawn[:, 1:] == [0, 5]).all()


def test_relative_errors_are_truncated_at_the_support():
    sigma = np.sqrt(np.log(1 + 0.5**2))
    whole = stats.lognorm(sigma, scale=0.9 * np.exp(-(sigma**2) / 2))
    drawn = draws_of(Relative("x", [0.9], 0.5, upper=1.0))[:, 0]
    assert agrees(drawn, lambda x: whole.cdf(x) / whole.cdf(1.0))


def test_shares_are_drawn_from_the_beta_posterior_of_jeffreys():
    # 30 % of 50 are 15: Beta(15.5, 35.5). None of 12: Beta(0.5, 12.5). All of 12: Beta(12.5, 0.5).
    drawn = draws_of(Binomial("x", [0.3, 0.0, 1.0], [50, 12, 12]))
    for column, (a, b) in enumerate([(15.5, 35.5), (0.5, 12.5), (12.5, 0.5)]):
        assert agrees(drawn[:, column], stats.beta(a, b).cdf)
    percent = draws_of(Binomial("x", [30.0, 0.0, 100.0], [50, 12, 12], scale=100))
    np.testing.assert_allclose(percent, 100 * drawn, rtol=1e-5)


def test_counts_are_drawn_from_the_gamma_posterior_of_jeffreys():
    drawn = draws_of(Poisson("x", [6, 0], [2_000, 500], per=1_000))
    for column, (shape, exposure) in enumerate([(6.5, 2.0), (0.5, 0.5)]):
        assert agrees(drawn[:, column], stats.gamma(shape, scale=1 / exposure).cdf)
    assert agrees(draws_of(Poisson("x", [6]))[:, 0], stats.gamma(6.5).cdf)


def test_ninety_percent_intervals_of_shares_and_counts_cover_what_is_behind_them():
    rng = np.random.default_rng(5)
    chance, size = rng.uniform(0.05, 0.6, 4_000), rng.integers(20, 200, 4_000)
    rate = rng.uniform(1, 30, 4_000)
    for model, truth in (
        (Binomial("x", rng.binomial(size, chance) / size, size), chance),
        (Poisson("x", rng.poisson(rate)), rate),
    ):
        low, high = np.quantile(draws_of(model, 800), [0.05, 0.95], axis=0)
        # The standard error of a coverage of 0.9 over 4,000 areas is 0.005.
        assert ((low <= truth) & (truth <= high)).mean() == pytest.approx(0.9, abs=0.015)


def suppressed_areas(n: int = 3_000):
    """Counts of a negative binomial distribution with a mean of 4 in 1,000; 0 to 2 are suppressed."""
    rng = np.random.default_rng(8)
    exposure = rng.integers(50, 1_500, n).astype(float)
    counts = rng.poisson(rng.gamma(1.5, 0.004 / 1.5, n) * exposure).astype(float)
    hidden = counts <= 2
    return counts, exposure, hidden, np.where(hidden, 0, counts), np.where(hidden, 2, counts)


def test_suppressed_counts_stay_within_their_bounds_and_published_ones_stay_themselves():
    counts, exposure, hidden, lower, upper = suppressed_areas()
    drawn = draws_of(Suppressed("x", lower, upper, exposure), 200)
    assert (drawn[:, ~hidden] == counts[~hidden]).all()
    assert set(np.unique(drawn[:, hidden])) == {0, 1, 2}


def test_suppressed_counts_add_up_to_what_was_hidden():
    counts, exposure, hidden, lower, upper = suppressed_areas()
    assert 0.4 < hidden.mean() < 0.7
    model = Suppressed("x", lower, upper, exposure)
    totals = draws_of(model, 300)[:, hidden].sum(axis=1, dtype=float)
    low, high = np.quantile(totals, [0.005, 0.995])
    assert low < counts[hidden].sum() < high
    # Uniform draws would come to one a cell.
    assert high < 0.9 * hidden.sum()
    np.testing.assert_allclose(model.mean[hidden].sum(), totals.mean(), rtol=0.01)
    np.testing.assert_array_equal(model.mean[~hidden], counts[~hidden])


def test_a_suppressed_count_has_the_truncated_distribution_that_was_fitted():
    _, exposure, hidden, lower, upper = suppressed_areas()
    model = Suppressed("x", lower, upper, exposure)
    rate, shape = np.exp(model._counts.fits[""].parameters)
    assert rate == pytest.approx(0.004, rel=0.1) and shape == pytest.approx(1.5, rel=0.25)
    drawn = draws_of(model, 4_000)
    for area in np.flatnonzero(hidden)[:5]:
        pmf = stats.nbinom(shape, shape / (shape + rate * exposure[area])).pmf([0, 1, 2])
        share = [(drawn[:, area] == count).mean() for count in (0, 1, 2)]
        np.testing.assert_allclose(share, pmf / pmf.sum(), atol=0.035)


def test_suppressed_counts_become_rates_of_their_exposure():
    lower, upper, exposure = [0, 3, 12.4], [2, 3, 12.4], [40, 60, 100]
    counts, rates = (draws_of(Suppressed("x", lower, upper, exposure, per=per), 50) for per in (None, 100))
    np.testing.assert_allclose(rates, counts * 100 / np.array(exposure), rtol=1e-6)
    np.testing.assert_allclose(rates[:, 1:], [[5.0, 12.4]] * 50, rtol=1e-6)


REFUSED = {
    "an infinite value": (lambda: Fixed("x", [1, np.inf]), "value", 1),
    "a negative standard error": (lambda: Normal("x", [1, 2, 3], [0.1, 0.1, -2]), "sd", 2),
    "a missing standard error": (lambda: Normal("x", [NAN, 2], [NAN, NAN]), "sd", 1),
    "an estimate outside the support": (lambda: Normal("x", [0.5, 1.2], 0.1, 0, 1), "mean", 1),
    "a missing end": (lambda: PublishedInterval("x", [1, 1], [0, NAN], [2, 2]), "lower", 1),
    "ends out of order": (lambda: PublishedInterval("x", [1, 1], [2, 0], [0, 2]), "lower", 0),
    "a value outside its interval": (lambda: PublishedInterval("x", [1, 3], [0, 0], [2, 2]), "value", 1),
    "a value outside its support": (lambda: PublishedInterval("x", [3], [2], [4], support=(0, 1)), "value", 0),
    "a negative CV": (lambda: Relative("x", [1, 2], [0.1, -0.1]), "cv", 1),
    "a missing CV": (lambda: Relative("x", [1, 2], [NAN, 0.1]), "cv", 0),
    "a negative value": (lambda: Relative("x", [1, -2], 0.1), "value", 1),
    "a share above one": (lambda: Binomial("x", [0.5, 1.1], [10, 10]), "share", 1),
    "a negative share": (lambda: Binomial("x", [-0.1], [10]), "share", 0),
    "a missing size": (lambda: Binomial("x", [0.5, 0.5], [10, NAN]), "size", 1),
    "a size of nobody": (lambda: Binomial("x", [NAN, 0.5], [0, 0]), "size", 1),
    "a negative count": (lambda: Poisson("x", [1, -1], [1, 1]), "count", 1),
    "an exposure of nothing": (lambda: Poisson("x", [1, 1], [1, 0]), "exposure", 1),
    "a missing exposure": (lambda: Suppressed("x", [0, 0], [2, 2], [NAN, 1]), "exposure", 0),
    "bounds out of order": (lambda: Suppressed("x", [0, 3], [2, 2], [1, 1]), "lower", 1),
    "half of the bounds": (lambda: Suppressed("x", [0, 3], [2, NAN], [1, 1]), "upper", 1),
    "a negative bound": (lambda: Suppressed("x", [-1], [2], [1]), "lower", 0),
    "no whole number between the bounds": (lambda: Suppressed("x", [0, 0.2], [2, 0.8], [1, 1]), "lower", 1),
}


@pytest.mark.parametrize(("make", "argument", "position"), REFUSED.values(), ids=REFUSED)
def test_refused(make, argument, position):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert (caught.value.argument, caught.value.position) == (argument, position)
    assert str(caught.value).startswith(f"x: {argument}[{position}] is ")


@given(
    st.lists(
        st.tuples(st.one_of(st.just(NAN), st.floats(-10, 10)), st.one_of(st.just(NAN), st.floats(-2, 2))), min_size=1
    )
)
@settings(max_examples=100, deadline=None)
def test_the_first_wrong_standard_error_is_named_or_none_is_wrong(areas):
    mean, sd = np.array(areas).T
    negative, missing = np.flatnonzero(sd < 0), np.flatnonzero(np.isnan(sd) & ~np.isnan(mean))
    wrong = negative if negative.size else missing
    if wrong.size == 0:
        assert Normal("x", mean, sd).draw(0, 2, generator()).shape == (1, 2, mean.size)
        return
    with pytest.raises(ArgumentError) as caught:
        Normal("x", mean, sd)
    assert (caught.value.argument, caught.value.position) == ("sd", wrong[0])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Normal("x", [1, 2], [1, 2, 3]), "sd must have one value for each of 2 areas"),
        (lambda: Fixed("x", [[1]]), "value must have one value for each area"),
        (lambda: Fixed("x", 1), "value must have one value for each area"),
        (lambda: Normal("x", [1], [1], 2, 2), "lower end of the support must be below"),
        (lambda: PublishedInterval("x", [1], [1], [1], level=90), "level must lie between 0 and 1"),
        (lambda: Binomial("x", [1], [1], scale=0), "scale must be a positive number"),
        (lambda: Poisson("x", [1], [1], per=NAN), "per must be a positive number"),
        (lambda: Suppressed("x", [1], [1], [1], per=-1), "per must be a positive number"),
    ],
)
def test_numbers_and_shapes_that_make_no_sense_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
