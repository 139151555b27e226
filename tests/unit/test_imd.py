import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine.evaluate import Evaluator
from models.engine.imd import DOMAIN_WEIGHTS, deciles, domain_scores, imd
from models.engine.tree import Node, Recipe

NAN = np.nan
WEIGHTS = list(DOMAIN_WEIGHTS.values())


def column(*ranks: float) -> np.ndarray:
    return np.array(ranks)[:, None]


def shuffled(n: int, d: int = 7, seed: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.column_stack([generator.permutation(n) + 1.0 for _ in range(d)])


def x(rank: int, n: int) -> float:
    """-23 ln(1 - R (1 - exp(-100 / 23))), R = (N - rank + 1) / N."""
    return -23 * math.log(1 - (n - rank + 1) / n * (1 - math.exp(-100 / 23)))


def test_domains_by_hand():
    # exp(-100 / 23) = 0.0129326, so 1 - that = 0.9870674. Of four areas
    # rank 1: R = 1, X = 100;            rank 2: R = 3/4, 1 - 0.7403006 = 0.2596994, X = 23 * 1.3482 = 31.01
    # rank 3: R = 1/2, 0.5064663, 15.65; rank 4: R = 1/4, 0.7532331, 6.52
    assert domain_scores(column(1, 2, 3, 4))[:, 0] == pytest.approx([100, 31.01, 15.65, 6.52], abs=0.005)


def test_the_index_by_hand():
    # Two domains of three areas, weighing 60 and 40: X of ranks 1, 2, 3
    # R = 2/3: 1 - 0.658045 = 0.341955, X = 24.68; R = 1/3: 0.670978, X = 9.18
    # area 1: 0.6 * 100 + 0.4 * 9.18 = 63.67; area 2: 0.6 * 24.68 + 0.4 * 24.68 = 24.68
    # area 3: 0.6 * 9.18 + 0.4 * 100 = 45.51
    found = imd(np.array([[1, 3], [2, 2], [3, 1]]), [60, 40])
    assert found.score == pytest.approx([63.67, 24.68, 45.51], abs=0.005)
    assert found.rank.tolist() == [1, 3, 2]
    # ceil(10 / 3), ceil(30 / 3), ceil(20 / 3)
    assert found.decile.tolist() == [4, 10, 7]
    score, rank, decile = found
    assert (score is found.score, rank is found.rank, decile is found.decile) == (True, True, True)


def test_scores_follow_the_published_example():
    # An area of 2019 with these ranks among 32,844 has the published score 6.208: 9.3 % counts as 9.3 %,
    # although the weights add up to 99.9 % only.
    names = ("income", "employment", "health", "education", "barriers", "crime", "environment")
    ranks = dict(zip(names, (32831, 32742, 32113, 32842, 7319, 32662, 7789), strict=True))
    n = 32844
    table = np.tile(np.arange(1, n + 1, dtype=float)[:, None], (1, 7))
    table[0] = [ranks[name] for name in DOMAIN_WEIGHTS]
    assert sum(WEIGHTS) == pytest.approx(99.9)
    found = imd(table, WEIGHTS)
    assert found.published_score[0] == 6.208
    assert found.score[0] == pytest.approx(sum(DOMAIN_WEIGHTS[name] / 100 * x(r, n) for name, r in ranks.items()))
    assert found.score[0] != found.published_score[0]


def test_the_tenth_most_deprived_get_more_than_half_of_the_scale():
    ranks = shuffled(1000, 1)
    transformed = domain_scores(ranks)
    assert (transformed[ranks <= 100] > 50).all()
    assert (transformed[ranks > 110] < 50).all()
    assert transformed.min() > 0
    assert transformed.max() == pytest.approx(100)


def test_much_deprivation_is_hard_to_make_up_for():
    # Worst of 100 in one domain and best in the other, against the middle in both.
    ranks = np.column_stack([np.arange(1.0, 101), np.arange(100.0, 0, -1)])
    found = imd(ranks, [50, 50])
    assert found.score[0] > 3 * found.score[49]


def test_weights_are_per_cent_or_shares_or_relative():
    ranks = shuffled(50, 2)
    expected = imd(ranks, [75, 25]).score
    assert imd(ranks, [0.75, 0.25]).score == pytest.approx(expected)
    assert imd(ranks, [3, 1]).score == pytest.approx(expected)
    seven = shuffled(50)
    assert imd(seven, np.array(WEIGHTS) / 100).score == pytest.approx(imd(seven, WEIGHTS).score)


def test_ranks_come_from_scores_before_rounding():
    # 30,000 areas of one domain: neighbours at the foot differ by less than the third decimal shows.
    found = imd(np.arange(1.0, 30_001)[:, None], [1])
    assert np.unique(found.published_score).size < 30_000
    assert found.rank.tolist() == list(range(1, 30_001))


def test_equal_scores_share_the_lower_rank():
    found = imd(np.array([[1.0, 2], [2, 1], [3, 3]]), [50, 50])
    assert found.rank.tolist() == [1, 1, 3]
    assert found.decile.tolist() == [4, 4, 10]


def test_ties_in_a_domain_stay_as_they_were_ranked():
    found = imd(column(1, 1, 3), [1])
    assert found.score[0] == found.score[1] == pytest.approx(100)


def test_an_area_that_lacks_a_domain_has_no_score():
    found = imd(np.array([[1.0, 2], [2, NAN], [3, 1]]), [50, 50])
    assert np.isnan(found.score).tolist() == [False, True, False]
    assert found.rank[[0, 2]].tolist() == [1, 2]
    # R is among the areas that the domain has: N = 2 in the second.
    assert found.score[0] == pytest.approx((x(1, 3) + x(2, 2)) / 2)
    assert found.decile[[0, 2]].tolist() == [5, 10]
    assert np.isnan(found.rank[1]) and np.isnan(found.decile[1])


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(10, [1] * 10), (25, [2, 3] * 5), (32_844, [3284, 3284, 3285, 3284, 3285, 3284, 3284, 3285, 3284, 3285])],
)
def test_deciles_begin_with_the_most_deprived(n, sizes):
    found = deciles(np.arange(1.0, n + 1))
    assert found[0] == 1 and found[-1] == 10
    assert np.bincount(found.astype(int))[1:].tolist() == sizes


def test_a_border_rank_stays_in_its_decile():
    # 10 * 77 / 110 = 7 exactly, and 78 is the first of the eighth decile.
    found = deciles(np.arange(1.0, 111))
    assert (found[76], found[77]) == (7, 8)
    assert all(deciles(np.arange(1.0, 10 * k + 1))[k - 1 :: k].tolist() == list(range(1, 11)) for k in range(1, 200))


@pytest.mark.parametrize(
    ("ranks", "weights", "words"),
    [
        (np.array([1.0, 2]), [1], "a row for each area"),
        (np.empty((3, 0)), [], "a row for each area"),
        (shuffled(5, 2), [1], "2 domains need 2 weights"),
        (shuffled(5, 2), [1, 0], "positive weight"),
        (shuffled(5, 2), [1, NAN], "positive weight"),
        (column(0, 1, 2), [1], "domain 1 has the rank 0 among 3"),
        (column(1, 2, 4), [1], "domain 1 has the rank 4 among 3"),
        (column(1, 3, NAN), [1], "domain 1 has the rank 3 among 2"),
    ],
)
def test_what_cannot_be_combined_is_refused(ranks, weights, words):
    with pytest.raises(ValueError, match=words):
        imd(ranks, weights)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(0, 99))
def test_the_engine_orders_as_the_index_does(n, seed):
    ranks = shuffled(n, 3, seed)
    tree = Node(
        "r",
        children=tuple(Node(name, weight=w, direction=-1) for name, w in zip("abc", (50, 30, 20), strict=True)),
        recipe=Recipe("imd"),
    )
    score = Evaluator(tree, dict(zip("abc", ranks.T, strict=True))).point().scores["r"][0]
    assert score == pytest.approx(imd(ranks, [50, 30, 20]).score)
