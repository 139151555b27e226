import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import rankdata

from models.engine import ranks as module
from models.engine.ranks import TOP, RankSummary, pairwise, ranks_by_area, summarise


def noisy(n_draws: int, n: int, seed: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (generator.normal(size=n) + 0.7 * generator.normal(size=(n_draws, n))).astype(np.float32)


def same(one: RankSummary, other: RankSummary) -> None:
    for name, first, second in zip(RankSummary._fields, one, other, strict=True):
        if isinstance(first, dict):
            assert first.keys() == second.keys()
            first, second = list(first.values()), list(second.values())
        np.testing.assert_array_equal(first, second, err_msg=name)


def test_a_summary_by_hand():
    # Ranks of three areas in five draws:
    #   area 0: 1 1 1 2 3   area 1: 2 2 3 1 1   area 2: 3 3 2 3 2
    draws = np.array([[9, 5, 1], [9, 5, 1], [9, 1, 5], [5, 9, 1], [1, 9, 5]], np.float32)
    found = summarise(draws)
    assert found.mean == pytest.approx([8 / 5, 9 / 5, 13 / 5])
    assert found.rank.tolist() == [1, 2, 3]
    # mean of squares less square of the mean: 16/5 - 64/25, 19/5 - 81/25, 35/5 - 169/25
    assert found.sd == pytest.approx(np.sqrt([16 / 25, 14 / 25, 6 / 25]))
    # in order 1 1 1 2 3, 1 1 2 2 3, 2 2 3 3 3; the 5 % quantile is 1/5 of the way from the first to the second,
    # the 95 % one 4/5 of the way from the fourth to the fifth: 2.8, 2.8, 3
    assert found.p05.tolist() == [1, 1, 2]
    assert found.p50.tolist() == [1, 2, 3]
    assert found.p95.tolist() == [3, 3, 3]
    # a tenth of three areas is none, so one: the chances of rank 1
    assert found.tenth == 1
    assert found.p_top_tenth == pytest.approx([3 / 5, 2 / 5, 0])
    assert found.p_top[5].tolist() == [1, 1, 1]
    # 100 (3 + 1/2 - mean) / 3
    assert found.percentile == pytest.approx([100 * 1.9 / 3, 100 * 1.7 / 3, 30])
    assert (found.n_ranked, found.n_draws) == (3, 5)
    assert found.max_se == pytest.approx(0.5 / np.sqrt(5))


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 45), st.integers(1, 30)),
        elements=st.one_of(st.integers(0, 5), st.floats(-1e6, 1e6, width=32)),
    )
)
def test_a_summary_is_what_scipy_and_numpy_make_of_it(draws):
    found = summarise(draws)
    ranks = rankdata(-draws.astype(float), method="min", axis=1)
    assert found.mean == pytest.approx(ranks.mean(axis=0))
    assert found.sd == pytest.approx(ranks.std(axis=0), abs=1e-9)
    assert (found.rank == rankdata(found.mean, method="min")).all()
    # NumPy's quantiles are rounded; what is a whole number up to that is one.
    assert (found.p05 == np.floor(np.quantile(ranks, 0.05, axis=0) + 1e-9)).all()
    assert (found.p95 == np.ceil(np.quantile(ranks, 0.95, axis=0) - 1e-9)).all()
    assert found.p50 == pytest.approx(np.median(ranks, axis=0))
    for k in TOP:
        assert found.p_top[k] == pytest.approx((ranks <= k).mean(axis=0))
    assert found.p_top_tenth == pytest.approx((ranks <= found.tenth).mean(axis=0))


def test_without_ties_the_chances_add_up():
    found = summarise(noisy(300, 400))
    for k, chance in (*found.p_top.items(), (found.tenth, found.p_top_tenth)):
        assert chance.sum() == pytest.approx(k)
    assert found.tenth == 40
    assert found.mean.mean() == pytest.approx(401 / 2)
    assert found.percentile.mean() == pytest.approx(50)


def test_areas_without_draws_are_not_ranked_and_do_not_count():
    draws = noisy(64, 90)
    holes = np.full((64, 120), np.nan, np.float32)
    where = np.sort(np.random.default_rng(3).permutation(120)[:90])
    holes[:, where] = draws
    found, whole = summarise(holes), summarise(draws)
    gone = np.setdiff1d(np.arange(120), where)
    assert (found.rank[gone] == 0).all()
    for name in ("mean", "sd", "p05", "p50", "p95", "p_top_tenth", "percentile"):
        values = getattr(found, name)
        assert np.isnan(values[gone]).all(), name
        np.testing.assert_array_equal(values[where], getattr(whole, name), err_msg=name)
    np.testing.assert_array_equal(found.rank[where], whole.rank)
    assert np.isnan(found.p_top[5][gone]).all()
    assert (found.n_ranked, found.tenth) == (90, 9)


def test_nobody_ranked_is_a_summary_of_nobody():
    found = summarise(np.full((4, 3), np.nan, np.float32))
    assert found.rank.tolist() == [0, 0, 0]
    assert np.isnan(found.mean).all()
    assert found.n_ranked == 0
    assert summarise(np.empty((4, 0), np.float32)).mean.size == 0


@pytest.mark.parametrize("row", [0, 3, 7])
def test_an_area_with_some_draws_only_is_refused(row):
    draws = noisy(8, 2500)
    draws[row, 2222] = np.nan
    with pytest.raises(ValueError, match="area 2222 has a value in some draws"):
        summarise(draws)


def test_threads_change_nothing():
    draws = noisy(333, 1500)
    one = summarise(draws, threads=1)
    for threads in (2, 5):
        same(summarise(draws, threads=threads), one)


def test_groups_of_areas_change_nothing(monkeypatch):
    draws = noisy(150, 1100)
    draws[:, 7] = np.nan
    whole = summarise(draws)
    monkeypatch.setattr(module, "_RANKS_AT_ONCE", 150 * 300)
    assert len(module.groups_of_areas(150, 1100)) == 4
    same(summarise(draws), whole)


def test_groups_hold_every_area_once():
    for n_draws, n in ((1000, 85_000), (1000, 3_142), (60_000_000, 3), (5, 1), (5, 0)):
        groups = module.groups_of_areas(n_draws, n)
        assert [i for group in groups for i in range(n)[group]] == list(range(n))
        assert all(
            (group.stop - group.start) * n_draws <= 50_000_000 or group.stop - group.start == 1 for group in groups
        )


def test_memory_is_that_of_one_group_of_ranks(monkeypatch):
    draws = noisy(256, 20_000)  # 20 MB
    monkeypatch.setattr(module, "_RANKS_AT_ONCE", 1_000_000)  # 4 MB
    summarise(draws[:16])
    tracemalloc.start()
    summarise(draws, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 9e6  # with 1.3 MB of ranks not yet turned round, and a dozen results of 160 kB


def test_ranks_by_area_are_those_of_each_draw():
    draws = noisy(77, 200)
    draws[:, 5] = np.nan
    ranks = ranks_by_area(draws, slice(3, 150), 2)
    expected = np.nan_to_num(rankdata(-draws.astype(float), method="min", axis=1, nan_policy="omit"))
    assert (ranks == expected[:, 3:150].T).all()


def test_the_draws_are_left_as_they_are():
    draws = noisy(20, 50)
    before = draws.copy()
    summarise(draws)
    assert (draws == before).all()


def test_pairwise_by_hand():
    draws = np.array([[3, 1, np.nan], [2, 2, np.nan], [1, 5, np.nan], [7, 0, np.nan]], np.float32)
    assert pairwise(draws, 0, 1) == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    assert pairwise(draws, 1, 0) == pytest.approx(1 - 2.5 / 4)
    assert np.isnan(pairwise(draws, 0, 2))


def test_what_are_no_draws_is_refused():
    for draws in (np.zeros((3, 4)), np.zeros(4, np.float32)):
        with pytest.raises(ValueError, match="must be float32"):
            summarise(draws)
    with pytest.raises(ValueError, match="no draws"):
        summarise(np.zeros((0, 4), np.float32))
    with pytest.raises(ValueError, match="threads"):
        summarise(noisy(4, 4), threads=0)
