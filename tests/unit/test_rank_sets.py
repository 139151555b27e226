import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm

from models.engine.rank_sets import RankSets, critical_value, rank_sets, stepwise_rank_sets


def spans(sets: RankSets) -> list[tuple[float, float]]:
    return list(zip(sets.best.tolist(), sets.worst.tolist(), strict=True))


def test_sets_by_hand():
    # Three areas at 90 %: each interval holds with 0.9^(1/3) = 0.96549, which leaves 0.017255 on either side:
    # z = 2.1141. 10 -+ 2.11 lies below 20 -+ 2.11 and 21 -+ 2.11, which overlap.
    values, errors = np.array([10.0, 20.0, 21.0]), np.ones(3)
    assert critical_value(3, 0.9, "independence") == pytest.approx(2.1141, abs=5e-5)
    assert spans(rank_sets(values, errors)) == [(3, 3), (1, 2), (1, 2)]
    # Bonferroni leaves 0.1 / 6 = 0.016667: z = 2.1280. 4.25 apart, the intervals of the first and the second
    # reach 2.1280 towards each other and overlap by 0.006; by independence they are 0.022 apart.
    values = np.array([0.0, 4.25, 100.0])
    assert critical_value(3, 0.9, "bonferroni") == pytest.approx(2.1280, abs=5e-5)
    assert spans(rank_sets(values, errors)) == [(3, 3), (2, 2), (1, 1)]
    assert spans(rank_sets(values, errors, method="bonferroni")) == [(2, 3), (2, 3), (1, 1)]


def test_intervals_that_touch_are_told_apart():
    z = critical_value(2, 0.9, "independence")
    # 0 + z = 2 z - z
    assert spans(rank_sets(np.array([0.0, 2 * z]), np.ones(2))) == [(2, 2), (1, 1)]
    assert spans(rank_sets(np.array([0.0, 1.999 * z]), np.ones(2))) == [(1, 2), (1, 2)]


def test_values_known_exactly_are_ranked_by_themselves():
    # 7 and 7 share the ranks 1 and 2; 5 is the third; 3 -+ 20 may be anywhere.
    values, errors = np.array([7.0, 5.0, 7.0, 3.0]), np.array([0.0, 0.0, 0.0, 20.0])
    assert spans(rank_sets(values, errors)) == [(1, 3), (3, 4), (1, 3), (1, 4)]
    assert spans(rank_sets(values[:3], errors[:3])) == [(1, 2), (3, 3), (1, 2)]


def by_pairs(values: np.ndarray, errors: np.ndarray, level: float, method: str) -> list[tuple[int, int]]:
    z = critical_value(values.size, level, method)
    low, high = values - z * errors, values + z * errors
    n = values.size

    def above(j: int, i: int) -> bool:
        same_point = low[j] == high[j] == low[i] == high[i]
        return j != i and low[j] >= high[i] and not same_point

    return [(1 + sum(above(j, i) for j in range(n)), n - sum(above(i, j) for j in range(n))) for i in range(n)]


@settings(deadline=None, max_examples=150)
@given(
    st.integers(1, 25).flatmap(
        lambda n: st.tuples(
            hnp.arrays(float, n, elements=st.one_of(st.integers(0, 5), st.floats(-50, 50))),
            hnp.arrays(float, n, elements=st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 9))),
        )
    ),
    st.floats(0.5, 0.99),
    st.sampled_from(["independence", "bonferroni"]),
)
def test_sets_are_what_all_pairs_give(data, level, method):
    values, errors = data
    found = rank_sets(values, errors, level=level, method=method)
    assert spans(found) == by_pairs(values, errors, level, method)
    assert (found.best <= found.worst).all()


def test_areas_without_estimate_or_error_are_left_out():
    values = np.array([10.0, np.nan, 20.0, 21.0, 30.0])
    errors = np.array([1.0, 1.0, 1.0, 1.0, np.nan])
    for found in (rank_sets(values, errors), stepwise_rank_sets(values, errors, seed=1)):
        assert found.n_ranked == 3
        assert np.isnan(found.best[[1, 4]]).all()
        assert np.isnan(found.worst[[1, 4]]).all()
        assert (found.best[0], found.worst[0]) == (3, 3)
    assert rank_sets(np.full(2, np.nan), np.ones(2)).n_ranked == 0
    assert stepwise_rank_sets(np.full(2, np.nan), np.ones(2), seed=1).n_ranked == 0


def test_a_higher_level_and_larger_errors_never_narrow_a_set():
    generator = np.random.default_rng(4)
    values, errors = generator.normal(size=200), generator.uniform(0.02, 0.3, 200)
    narrow = rank_sets(values, errors)
    for wide in (
        rank_sets(values, errors, level=0.99),
        rank_sets(values, 2 * errors),
        rank_sets(values, errors, method="bonferroni"),
    ):
        assert (wide.best <= narrow.best).all()
        assert (wide.worst >= narrow.worst).all()
        assert (wide.worst - wide.best).sum() > (narrow.worst - narrow.best).sum()


def test_critical_values_keep_their_digits_for_many_areas():
    for n in (1, 115, 85_000):
        z = critical_value(n, 0.9, "independence")
        # all n hold with (1 - 2 sf(z))^n
        assert n * np.log1p(-2 * norm.sf(z)) == pytest.approx(np.log(0.9), rel=1e-9)
        assert 2 * n * norm.sf(critical_value(n, 0.9, "bonferroni")) == pytest.approx(0.1, rel=1e-9)


def all_hold(found: RankSets, truth: np.ndarray) -> bool:
    rank = 1 + (truth[None, :] > truth[:, None]).sum(axis=1)
    return bool(((found.best <= rank) & (rank <= found.worst)).all())


@pytest.mark.parametrize("spacing", [0.0, 0.5, 2.0])
def test_all_sets_hold_at_once_as_often_as_they_say(spacing):
    generator = np.random.default_rng(8)
    truth = spacing * np.arange(15.0)
    errors = generator.uniform(0.5, 1.5, 15)
    n_runs = 400
    hits = {"kww": 0, "stepwise": 0}
    for run in range(n_runs):
        values = truth + errors * generator.normal(size=15)
        hits["kww"] += all_hold(rank_sets(values, errors), truth)
        hits["stepwise"] += all_hold(stepwise_rank_sets(values, errors, seed=run, n_draws=400), truth)
    # three standard errors below 0.9
    assert min(hits.values()) / n_runs > 0.9 - 3 * np.sqrt(0.09 / n_runs)
    if spacing == 0.0:  # nothing can be told apart: the stepwise level is then met exactly
        assert hits["stepwise"] / n_runs < 0.9 + 3.5 * np.sqrt(0.09 / n_runs)


def stepwise_by_definition(values, covariance, level, n_draws, seed):
    """All ordered pairs in a list, round after round."""
    n = values.size
    variance = np.diag(covariance)
    spread = np.sqrt(variance[:, None] + variance - 2 * covariance)
    root = np.linalg.cholesky(covariance)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    above, turn = set(), 0
    while pairs:
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, turn])))
        noise = generator.standard_normal((n_draws, n)) @ root.T
        limit = np.quantile(np.max([(noise[:, i] - noise[:, j]) / spread[i, j] for i, j in pairs], axis=0), level)
        found = {(i, j) for i, j in pairs if values[i] - values[j] - spread[i, j] * limit > 0}
        if not found:
            break
        above |= found
        pairs = [pair for pair in pairs if pair not in found]
        turn += 1
    return [(1 + sum(j == i for _, j in above), n - sum(j == i for j, _ in above)) for i in range(n)]


def test_stepwise_sets_are_those_of_the_definition():
    generator = np.random.default_rng(10)
    values = np.sort(generator.normal(size=12)) * 4
    errors = generator.uniform(0.2, 1.2, 12)
    for seed in range(5):
        found = stepwise_rank_sets(values, errors, seed=seed, n_draws=2000)
        expected = stepwise_by_definition(values, np.diag(errors**2), 0.9, 2000, seed)
        assert spans(found) == expected


def test_later_rounds_decide_more():
    # 31 areas far apart but for the last two. The 90 % quantile of the greatest difference is 3.56 standard errors over
    # all ordered pairs, and 3.39 once the first round has decided every pair but those two, since only the reverse of
    # each is left. So 3.475 standard errors are decided in the second round, and 3.2 in none.
    values = np.append(100.0 * np.arange(30), 2900 + 3.475 * np.sqrt(2))
    found = stepwise_rank_sets(values, np.ones(31), seed=3, n_draws=5000)
    assert spans(found) == [(rank, rank) for rank in range(31, 0, -1)]
    assert spans(rank_sets(values, np.ones(31)))[-2:] == [(1, 2), (1, 2)]  # 2 z / sqrt(2) = 4.1 would be needed
    values[-1] = 2900 + 3.2 * np.sqrt(2)
    assert spans(stepwise_rank_sets(values, np.ones(31), seed=3, n_draws=5000))[-2:] == [(1, 2), (1, 2)]


def test_errors_that_move_together_tell_areas_apart():
    values, errors = np.arange(8) * 1.0, np.ones(8)
    together = 0.98 * np.ones((8, 8)) + 0.02 * np.eye(8)
    apart = stepwise_rank_sets(values, errors, seed=1)
    found = stepwise_rank_sets(values, errors, seed=1, covariance=together)
    assert (apart.worst - apart.best).min() > 2
    assert (found.worst == found.best).all()
    # a common error of all areas decides nothing: the order is known
    known = stepwise_rank_sets(values, errors, seed=1, covariance=np.ones((8, 8)))
    assert spans(known) == [(rank, rank) for rank in range(8, 0, -1)]


def test_stepwise_sets_know_what_is_exact():
    values, errors = np.array([7.0, 5.0, 7.0]), np.zeros(3)
    assert spans(stepwise_rank_sets(values, errors, seed=1)) == [(1, 2), (3, 3), (1, 2)]


def test_the_seed_decides_the_simulation():
    generator = np.random.default_rng(12)
    values, errors = generator.normal(size=60) * 3, generator.uniform(0.2, 1.2, 60)
    seen = [spans(stepwise_rank_sets(values, errors, seed=seed, n_draws=20)) for seed in (1, 1, 2, 3, 4)]
    assert seen[0] == seen[1]
    assert any(seen[0] != other for other in seen[2:])


@pytest.mark.parametrize(
    ("values", "errors", "how", "message"),
    [
        (np.zeros(3), np.zeros(2), {}, "alike"),
        (np.zeros((2, 2)), np.zeros((2, 2)), {}, "alike"),
        (np.zeros(2), np.array([1.0, -1.0]), {}, "negative"),
        (np.zeros(2), np.ones(2), {"level": 90}, "between 0 and 1"),
    ],
)
def test_what_makes_no_sets_is_refused(values, errors, how, message):
    with pytest.raises(ValueError, match=message):
        rank_sets(values, errors, **how)
    with pytest.raises(ValueError, match=message):
        stepwise_rank_sets(values, errors, seed=1, **how)


def test_methods_and_sizes_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="unknown method"):
        rank_sets(np.zeros(2), np.ones(2), method="exact")
    with pytest.raises(ValueError, match="use rank_sets"):
        stepwise_rank_sets(np.zeros(501), np.ones(501), seed=1)
    with pytest.raises(ValueError, match="square"):
        stepwise_rank_sets(np.zeros(2), np.ones(2), seed=1, covariance=np.eye(3))
    with pytest.raises(ValueError, match="no covariance"):
        stepwise_rank_sets(np.zeros(2), np.ones(2), seed=1, covariance=np.array([[1.0, 2.0], [2.0, 1.0]]))
