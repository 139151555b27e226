import numpy as np
import pytest

from models.engine.shrinkage import MIN_AREAS, Prior, fit_prior, shrink


def test_the_prior_of_a_known_truth_is_found():
    generator = np.random.default_rng(1)
    truth = generator.normal(0.2, 0.05, 20_000)
    se = generator.uniform(0.01, 0.08, truth.size)
    prior = fit_prior(generator.normal(truth, se), se**2)
    assert prior.mean == pytest.approx(0.2, abs=0.002)
    assert prior.variance == pytest.approx(0.05**2, rel=0.05)


def test_areas_that_differ_by_their_errors_alone_share_one_value():
    generator = np.random.default_rng(2)
    se = np.full(2_000, 0.1)
    direct = generator.normal(5, 0.05, se.size)
    prior = fit_prior(direct, se**2)
    assert prior.variance == 0
    posterior = shrink(direct, se**2, prior)
    assert np.allclose(posterior.mean, prior.mean)
    assert np.allclose(posterior.share_borrowed, 1)


def test_shrinking_by_hand():
    # v = 1, tau^2 = 3: a quarter is borrowed; 0.75 * 8 + 0.25 * 4 = 7; sd = sqrt(0.75 * 1)
    posterior = shrink(np.array([8.0]), np.array([1.0]), Prior(4.0, 3.0))
    assert posterior.mean == pytest.approx([7.0])
    assert posterior.sd == pytest.approx([np.sqrt(0.75)])
    assert posterior.share_borrowed == pytest.approx([0.25])


def test_shrunken_values_lie_nearer_to_the_truth():
    generator = np.random.default_rng(3)
    truth = generator.normal(0, 1, 5_000)
    se = np.full(truth.size, 1.0)
    direct = generator.normal(truth, se)
    posterior = shrink(direct, se**2, fit_prior(direct, se**2))
    assert np.mean((posterior.mean - truth) ** 2) < 0.6 * np.mean((direct - truth) ** 2)
    covered = np.abs(posterior.mean - truth) <= 1.645 * posterior.sd
    assert covered.mean() == pytest.approx(0.9, abs=0.02)


def test_few_areas_are_left_alone_and_exact_ones_borrow_nothing():
    few = np.arange(MIN_AREAS - 1, dtype=float)
    assert fit_prior(few, np.ones_like(few)) is None
    assert (shrink(few, np.ones_like(few), None).share_borrowed == 0).all()
    exact = shrink(np.array([3.0]), np.array([0.0]), Prior(1.0, 0.0))
    assert exact.mean == pytest.approx([3.0])


def test_missing_areas_do_not_disturb_the_others():
    direct = np.array([1.0, 2, 3, 4, 5, 6, np.nan])
    variance = np.array([0.1] * 6 + [np.nan])
    assert fit_prior(direct, variance) == fit_prior(direct[:6], variance[:6])
