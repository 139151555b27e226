from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from models.engine import ranks as ranks_module
from models.engine.ranks import summarise
from models.engine.tiers import MOST, tiers


def shrunken(n: int, ratio: float, n_draws: int = 1000, seed: int = 2) -> np.ndarray:
    """Posterior draws of n normal truths whose standard errors are `ratio` times their spread."""
    generator = np.random.default_rng(seed)
    seen = generator.normal(size=n) + ratio * generator.normal(size=n)
    kept = 1 / (1 + ratio**2)
    return (kept * seen + ratio * np.sqrt(kept) * generator.normal(size=(n_draws, n))).astype(np.float32)


def gain(draws: np.ndarray, last: list[int]) -> float:
    """What `tiers` makes as great as can be, straight from its definition."""
    n = draws.shape[1]
    ranks = rankdata(-draws.astype(float), method="min", axis=1)
    place = np.argsort(np.argsort(ranks.mean(axis=0), kind="stable"))
    first = [0, *last[:-1]]
    return sum(
        ((ranks > a) & (ranks <= b)).mean(axis=0)[(place >= a) & (place < b)].sum() - (b - a) ** 2 / n
        for a, b in zip(first, last, strict=True)
    )


def test_tiers_by_hand():
    # Ranks of four areas in four draws: 1 1 2 2 | 2 2 1 1 | 3 4 3 4 | 4 3 4 3. The first two never rank with the
    # last two. Mean ranks tie within each pair, so that the only cut is in the middle. Tiered rightly: 4 of 4, by
    # chance 2 (2 / 4) + 2 (2 / 4) = 2 of 4.
    draws = np.array([[9, 8, 2, 1], [9, 8, 1, 2], [8, 9, 2, 1], [8, 9, 1, 2]], np.float32)
    found = tiers(draws)
    assert found.tier.tolist() == [1, 1, 2, 2]
    assert found.last_rank.tolist() == [2, 4]
    assert found.probability.tolist() == [1, 1, 1, 1]
    assert (found.right, found.right_by_chance) == (1, 0.5)


def test_areas_that_change_places_share_a_tier():
    # Areas 1 and 2 change places in one draw of four; areas 0 and 3 never do. A further tier must add 0.2 areas.
    draws = np.tile(np.array([[9, 8, 2, 1], [9, 8, 2, 1], [9, 8, 2, 1], [9, 2, 8, 1]], np.float32), (25, 1))
    # After area 0: 1 + 3 - (1 + 9) / 4 = 1.5; after area 1: 1 + 3/4 + 3/4 + 1 - (4 + 4) / 4 = 1.5; after area 2: 1.5.
    # Of equal gains the first is taken.
    found = tiers(draws, most=2)
    assert found.last_rank.tolist() == [1, 4]
    # {0} {1, 2} {3}: 4 - (1 + 4 + 1) / 4 = 2.5. Four tiers: 1 + 3/4 + 3/4 + 1 - 4 / 4 = 2.5, no more.
    found = tiers(draws, most=4)
    assert found.tier.tolist() == [1, 2, 2, 3]
    assert found.probability.tolist() == [1, 1, 1, 1]
    # with one change in twenty it is 1 + 19/20 + 19/20 + 1 - 1 = 2.9
    seldom = np.tile(draws[:1], (100, 1))
    seldom[::20] = draws[3]
    found = tiers(seldom, most=4)
    assert found.tier.tolist() == [1, 2, 3, 4]
    assert found.probability == pytest.approx([1, 0.95, 0.95, 1])
    assert found.right == pytest.approx(0.975)
    assert found.right_by_chance == 0.25


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 9), st.integers(1, 5), st.floats(0.05, 3), st.integers(0, 10_000))
@example(6, 2, 1.265625, 128)  # two areas with the same mean rank
def test_no_other_cuts_are_better(n, most, ratio, seed):
    draws = shrunken(n, ratio, 200, seed)
    found = tiers(draws, most=most)
    margin = 0.5 / np.sqrt(200) * n
    best = gain(draws, found.last_rank.tolist())
    k = found.last_rank.size
    assert k <= most
    mean = np.sort(rankdata(-draws.astype(float), method="min", axis=1).mean(axis=0))
    # Areas with the same mean rank are never in different tiers, so there is no cut between them.
    possible = [cut for cut in range(1, n) if not np.isclose(mean[cut - 1], mean[cut], rtol=0, atol=1e-9)]
    for size in range(1, min(most, n) + 1):
        for cuts in combinations(possible, size - 1):
            assert gain(draws, [*cuts, n]) <= best + max(0, size - k) * margin + 1e-9


def test_probabilities_are_shares_of_draws_in_the_ranks_of_the_tier():
    draws = shrunken(150, 0.5)
    found = tiers(draws)
    ranks = rankdata(-draws.astype(float), method="min", axis=1)
    last = found.last_rank[found.tier - 1]
    first = np.concatenate([[0], found.last_rank])[found.tier - 1] + 1
    assert found.probability == pytest.approx(((ranks >= first) & (ranks <= last)).mean(axis=0))
    assert found.right == pytest.approx(found.probability.mean())
    sizes = np.bincount(found.tier)[1:]
    assert found.right_by_chance == pytest.approx((sizes**2).sum() / 150**2)
    assert sizes.cumsum().tolist() == found.last_rank.tolist()


def test_tiers_follow_the_published_order():
    draws = shrunken(500, 0.7)
    found, ranks = tiers(draws), summarise(draws)
    assert (np.diff(found.tier[np.argsort(ranks.mean, kind="stable")]) >= 0).all()


def test_where_nothing_can_be_told_apart_there_is_one_tier():
    for n in (5, 123, 3142):
        for n_draws in (100, 1000):
            noise = np.random.default_rng(n).normal(size=(n_draws, n)).astype(np.float32)
            found = tiers(noise)
            assert (found.tier == 1).all()
            assert (found.probability == 1).all()
    assert (tiers(np.ones((10, 7), np.float32)).tier == 1).all()


@pytest.mark.parametrize("n", [123, 3142])
def test_wide_uncertainty_gives_a_few_tiers_and_less_of_it_more(n):
    sizes = []
    for ratio in (0.05, 0.3, 0.7, 1.2):
        found = tiers(shrunken(n, ratio))
        sizes.append(found.last_rank.size)
        assert found.right > found.right_by_chance + 0.15
        assert np.bincount(found.tier)[1:].min() > n / 12
    assert sizes[0] == MOST
    assert sizes[-1] == 2
    assert sizes == sorted(sizes, reverse=True)
    assert 2 < sizes[2] < MOST


def test_gaps_attract_the_cuts():
    generator = np.random.default_rng(6)
    centre = np.repeat([10.0, 5.0, 0.0], [12, 30, 58])
    found = tiers((centre + 0.5 * generator.normal(size=(500, 100))).astype(np.float32))
    assert found.last_rank.tolist() == [12, 42, 100]
    assert (found.probability > 0.99).all()


def test_equal_areas_are_in_one_tier():
    # Known exactly: two of need 3, five of need 2, three of need 1.
    draws = np.tile(np.repeat([3.0, 2.0, 1.0], [2, 5, 3]).astype(np.float32), (50, 1))
    found = tiers(draws)
    assert found.last_rank.tolist() == [2, 7, 10]
    assert found.probability.tolist() == [1] * 10


def test_areas_without_draws_have_no_tier():
    draws = shrunken(60, 0.4)
    holes = np.full((1000, 75), np.nan, np.float32)
    where = np.sort(np.random.default_rng(3).permutation(75)[:60])
    holes[:, where] = draws
    found, whole = tiers(holes), tiers(draws)
    gone = np.setdiff1d(np.arange(75), where)
    assert (found.tier[gone] == 0).all()
    assert np.isnan(found.probability[gone]).all()
    assert (found.tier[where] == whole.tier).all()
    assert (found.probability[where] == whole.probability).all()
    assert (found.last_rank == whole.last_rank).all()
    assert found.right == whole.right


def test_nobody_ranked_has_no_tiers():
    found = tiers(np.full((3, 4), np.nan, np.float32))
    assert found.tier.tolist() == [0, 0, 0, 0]
    assert found.last_rank.size == 0
    assert np.isnan(found.probability).all()


def test_one_area_is_one_tier():
    found = tiers(np.ones((3, 1), np.float32))
    assert (found.tier.tolist(), found.probability.tolist(), found.right) == ([1], [1.0], 1.0)


def test_neither_threads_nor_groups_change_anything(monkeypatch):
    draws = shrunken(1300, 0.6, 200)
    one = tiers(draws, threads=1)
    others = [tiers(draws, threads=threads) for threads in (2, 5)]
    monkeypatch.setattr(ranks_module, "_RANKS_AT_ONCE", 200 * 400)
    others.append(tiers(draws))
    for other in others:
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_what_cannot_be_tiered_is_refused():
    draws = shrunken(20, 0.5, 10)
    with pytest.raises(ValueError, match="most"):
        tiers(draws, most=0)
    with pytest.raises(ValueError, match="must be float32"):
        tiers(draws.astype(float))
    draws[4, 13] = np.nan
    with pytest.raises(ValueError, match="area 13 has a value in some draws"):
        tiers(draws)
