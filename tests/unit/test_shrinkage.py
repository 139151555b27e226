"""Shrinkage finds the prior's shape, covers, and leaves alone what it must not touch."""

import numpy as np
import pytest
from scipy.stats import norm

from models.engine.shrinkage import MIN_AREAS, Posterior, fit_prior

SEED = 5


def stream(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


def simulated(n: int, *, seed: int, se: float, groups: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.normal(0, 1, n)
    if groups:  # one in five areas belongs to a group of greater need
        truth = 0.5 * truth + 3.0 * (generator.random(n) < 0.2)
    errors = se * np.exp(0.5 * generator.normal(size=n) - 0.125)
    return truth, truth + errors * generator.normal(size=n), errors**2


def test_the_prior_of_a_known_truth_is_found():
    generator = np.random.default_rng(1)
    truth = generator.normal(0.2, 0.05, 4_000)
    se = generator.uniform(0.01, 0.08, truth.size)
    prior = fit_prior(generator.normal(truth, se), se**2, seed=SEED, n_draws=300)
    mean = (prior.weights * prior.means).sum(axis=1)
    variance = (prior.weights * (prior.variances + prior.means**2)).sum(axis=1) - mean**2
    assert mean.mean() == pytest.approx(0.2, abs=0.003)
    assert np.sqrt(variance.mean()) == pytest.approx(0.05, rel=0.06)
    assert variance.std() > 0  # what is not known of the prior is drawn


def test_with_a_normal_truth_the_posterior_is_the_one_of_the_textbook():
    # Prior N(0, 1) and v = 1: half is borrowed, mean y/2, sd sqrt(1/2). 4,000 areas tell the prior almost exactly.
    truth = np.random.default_rng(2).normal(size=4_000)
    direct = truth + np.random.default_rng(3).normal(size=truth.size)
    posterior = Posterior("a", direct, np.ones(truth.size), seed=SEED)
    draws = posterior.draw(0, 2_400, stream())[0]
    middle = np.abs(direct) < 1
    assert draws[:, middle].mean(axis=0) == pytest.approx(direct[middle] / 2, abs=0.15)
    assert draws[:, middle].std(axis=0).mean() == pytest.approx(np.sqrt(0.5), rel=0.06)
    assert posterior.summary(seed=SEED).share_borrowed[middle].mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("groups", [False, True])
def test_posterior_intervals_cover_the_truth_whatever_its_shape(groups):
    hits = []
    for seed in range(12):
        truth, direct, variance = simulated(300, seed=seed, se=0.7, groups=groups)
        found = Posterior("a", direct, variance, seed=seed).summary(n_draws=400, seed=seed)
        hits.append(((found.lower <= truth) & (truth <= found.upper)).mean())
    assert np.mean(hits) == pytest.approx(0.9, abs=0.025)


def test_in_two_groups_a_single_normal_prior_would_pull_the_high_group_down():
    truth, direct, variance = simulated(2_000, seed=4, se=0.7, groups=True)
    high = truth > 2.5
    between = np.var(direct) - variance.mean()
    kept = between / (between + variance)
    normal = kept * direct + (1 - kept) * direct.mean()
    found = Posterior("a", direct, variance, seed=SEED).summary(seed=SEED).mean
    assert abs((found - truth)[high].mean()) < 0.6 * abs((normal - truth)[high].mean())
    assert np.mean((found - truth) ** 2) < 0.9 * np.mean((normal - truth) ** 2)


def test_shrunken_values_lie_nearer_to_the_truth():
    truth, direct, variance = simulated(1_000, seed=5, se=1.0)
    found = Posterior("a", direct, variance, seed=SEED).summary(seed=SEED)
    assert np.mean((found.mean - truth) ** 2) < 0.6 * np.mean((direct - truth) ** 2)
    order = np.argsort(variance)
    assert found.share_borrowed[order[:200]].mean() < found.share_borrowed[order[-200:]].mean()


def test_areas_that_differ_by_their_errors_alone_nearly_share_one_value():
    generator = np.random.default_rng(6)
    direct = generator.normal(5, 0.1, 2_000)
    found = Posterior("a", direct, np.full(direct.size, 0.01), seed=SEED).summary(seed=SEED)
    assert found.mean.std() < 0.3 * direct.std()
    assert found.share_borrowed.mean() > 0.75


def test_few_areas_are_left_alone_and_exact_ones_borrow_nothing():
    few = np.arange(MIN_AREAS - 1, dtype=float)
    found = Posterior("a", few, np.ones(few.size), seed=SEED).summary(n_draws=4_000, seed=SEED)
    assert found.mean == pytest.approx(few, abs=0.1)
    assert (found.share_borrowed == 0).all()
    assert found.upper - found.lower == pytest.approx(2 * norm.ppf(0.95), rel=0.1)
    direct, variance = np.arange(50, dtype=float), np.where(np.arange(50) % 2, 4.0, 0.0)
    exact = Posterior("a", direct, variance, seed=SEED).summary(seed=SEED)
    assert exact.mean[::2] == pytest.approx(direct[::2], abs=1e-5)
    assert (exact.share_borrowed[::2] == 0).all()
    assert exact.share_borrowed[1::2].mean() > 0.01


@pytest.mark.parametrize(
    ("direct", "variance"), [(np.full(50, 3.0), np.ones(50)), (np.arange(50.0), np.zeros(50))], ids=["equal", "exact"]
)
def test_where_nothing_differs_or_nothing_errs_there_is_no_prior(direct, variance):
    assert fit_prior(direct, variance, seed=SEED) is None
    found = Posterior("a", direct, variance, seed=SEED).summary(n_draws=4_000, seed=SEED)
    assert found.mean == pytest.approx(direct, abs=0.1)
    assert (found.share_borrowed == 0).all()


def test_missing_areas_stay_missing_and_do_not_disturb_the_others():
    _, direct, variance = simulated(60, seed=7, se=0.7)
    holed = np.append(direct, [np.nan, 2.0]), np.append(variance, [1.0, np.nan])
    whole = Posterior("a", direct, variance, seed=SEED).summary(seed=SEED)
    found = Posterior("a", *holed, seed=SEED).summary(seed=SEED)
    assert np.isnan(found.mean[-2:]).all()
    assert np.isnan(found.share_borrowed[-2:]).all()
    assert found.mean[:-2] == pytest.approx(whole.mean, abs=0.1)
    assert found.share_borrowed[:-2] == pytest.approx(whole.share_borrowed)


def test_an_area_is_drawn_towards_its_own_group_where_that_is_large_enough():
    generator = np.random.default_rng(8)
    labels = np.repeat(["north", "south", "tiny"], [100, 100, 3])
    truth = np.where(labels == "south", 10.0, 0.0) + 0.2 * generator.normal(size=labels.size)
    direct = truth + generator.normal(size=labels.size)
    found = Posterior("a", direct, np.ones(labels.size), seed=SEED, groups=labels).summary(seed=SEED)
    assert found.mean[labels == "north"].mean() == pytest.approx(0, abs=0.4)
    assert found.mean[labels == "south"].mean() == pytest.approx(10, abs=0.4)
    assert np.isfinite(found.mean[labels == "tiny"]).all()


def test_draws_stay_inside_the_support_and_follow_the_seed_alone():
    _, direct, variance = simulated(100, seed=9, se=1.2)
    posterior = Posterior("a", direct, variance, seed=SEED, lower=-0.5, upper=0.5)
    first = posterior.draw(0, 50, stream())
    assert first.shape == (1, 50, 100)
    assert first.min() == -0.5
    assert first.max() == 0.5
    again = Posterior("a", direct, variance, seed=SEED, lower=-0.5, upper=0.5)
    assert (first == again.draw(0, 50, stream())).all()
    assert (first != again.draw(0, 50, stream(2))).any()
    other = Posterior("a", direct, variance, seed=SEED + 1, lower=-0.5, upper=0.5)
    assert (first != other.draw(0, 50, stream())).any()


def test_many_areas_learn_their_prior_from_some_of_them():
    truth, direct, variance = simulated(12_000, seed=10, se=0.7)
    draws = Posterior("a", direct, variance, seed=SEED).draw(0, 60, stream())[0]
    assert np.mean((draws.mean(axis=0) - truth) ** 2) < 0.75 * np.mean((direct - truth) ** 2)


def test_a_negative_variance_is_refused():
    with pytest.raises(ValueError, match="negative"):
        Posterior("a", np.arange(9.0), np.full(9, -1.0), seed=SEED)
