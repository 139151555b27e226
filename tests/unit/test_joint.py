"""The joint posterior uses what it is told of correlated errors."""

import numpy as np
import pytest
from scipy.stats import rankdata

from models.engine.joint import JointPosterior
from models.engine.shrinkage import Posterior

SEED, IDS = 3, tuple("abcdefghijkl")


def stream(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


def simulated(n: int, rho: float, *, seed: int, se: float = 1.0, common: float = 0.4, m: int = 4):
    """Truths (n, m) that share a factor, estimates whose errors correlate by rho, and the covariance."""
    generator = np.random.default_rng(seed)
    factor = generator.normal(size=(n, 1))
    truth = np.sqrt(common) * factor + np.sqrt(1 - common) * generator.normal(size=(n, m))
    correlation = np.full((m, m), rho) + (1 - rho) * np.eye(m)
    noise = generator.normal(size=(n, m)) @ np.linalg.cholesky(correlation).T
    return truth, (truth + se * noise).T, np.tile(se**2 * correlation, (n, 1, 1))


def test_the_covariance_makes_the_rank_intervals_of_a_sum_honest():
    hits, naive = [], []
    for seed in range(4):
        truth, direct, covariance = simulated(250, 0.6, seed=seed, common=0.1, m=12)
        rank = rankdata(-truth.sum(axis=1))
        joint = JointPosterior(IDS[: len(direct)], direct, covariance, seed=seed).draw(0, 200, stream(seed)).sum(axis=0)
        alone = [Posterior(i, y, np.ones(y.size), seed=seed) for i, y in zip(IDS, direct, strict=True)]
        assumed = sum(one.draw(0, 200, stream(100 + i))[0] for i, one in enumerate(alone))
        for draws, found in ((joint, hits), (assumed, naive)):
            lower, upper = np.quantile(rankdata(-draws, axis=1), [0.05, 0.95], axis=0)
            found.append(((lower <= rank) & (rank <= upper)).mean())
    assert np.mean(hits) == pytest.approx(0.9, abs=0.03)
    assert np.mean(naive) < np.mean(hits) - 0.1


def test_a_member_that_an_area_lacks_is_predicted_from_its_others():
    truth, direct, covariance = simulated(800, 0.3, seed=1, se=0.2, common=0.9)
    direct[2, :50] = np.nan
    draws = JointPosterior(IDS[: len(direct)], direct, covariance, seed=SEED).draw(0, 200, stream())
    assert np.isfinite(draws).all()
    predicted = draws[2, :, :50].mean(axis=0)
    assert np.corrcoef(predicted, truth[:50, 2])[0, 1] > 0.8
    assert draws[2, :, :50].std(axis=0).mean() > 1.3 * draws[2, :, 50:].std(axis=0).mean()


def test_exact_estimates_are_left_as_they_are():
    truth, _, covariance = simulated(60, 0.0, seed=2)
    draws = JointPosterior(IDS[:4], truth.T, np.zeros_like(covariance), seed=SEED).draw(0, 5, stream())
    assert draws == pytest.approx(np.broadcast_to(truth.T[:, None], draws.shape), abs=1e-4)


def test_draws_follow_the_seed_and_the_block_alone_and_stay_inside_the_support():
    _, direct, covariance = simulated(40, 0.3, seed=3)

    def made():
        return JointPosterior(
            IDS[: len(direct)], direct, covariance, seed=SEED, lower=np.full(4, -1.0), upper=np.full(4, 1.0)
        )

    posterior = made()
    first = posterior.draw(20, 10, stream())
    posterior.draw(0, 5, stream(9))
    assert (posterior.draw(20, 10, stream()) == first).all()
    assert (made().draw(20, 10, stream()) == first).all()
    assert first.shape == (4, 10, 40)
    assert first.min() == -1
    assert first.max() == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda y, s: (y[:3], s), "do not fit"),
        (lambda y, s: (y, s[:-1]), "do not fit"),
        (lambda y, s: (y, -s), "negative variance"),
        (lambda y, s: (y, s + np.triu(np.ones((4, 4)), 1)), "not symmetric"),
        (lambda y, s: (np.where(np.arange(4)[:, None] == 1, np.nan, y), s), "b has fewer than three values"),
        (lambda y, s: (np.where(np.arange(4)[:, None] == 1, 7.0, y), s), "all values of b are equal"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(change, reason):
    _, direct, covariance = simulated(20, 0.3, seed=4)
    with pytest.raises(ValueError, match=reason):
        JointPosterior(IDS[:4], *change(direct, covariance), seed=SEED)
