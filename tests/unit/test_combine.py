import numpy as np
import pytest

from models.engine.combine import Member, combine, draw_normal, percentile_of
from models.engine.ranks import summarise

N, DRAWS, SEED = 200, 400, 7


def member(name: str, point: np.ndarray, sd: float = 0.0, *, direction: int = 1, weight: float = 1.0) -> Member:
    draws = draw_normal(name, point, np.full(point.size, sd), n_draws=DRAWS, seed=SEED)
    return Member(name, point, draws, direction, weight, np.isfinite(point).astype(float))


def test_percentiles_by_hand():
    # below 20 lie one of four, through 20 lie three: (1 + 3) / 8
    reference = np.array([10.0, 20.0, 20.0, 40.0])
    assert percentile_of(np.array([20.0, 5.0, 50.0, np.nan]), reference)[:3] == pytest.approx([0.5, 0.0, 1.0])
    assert np.isnan(percentile_of(np.array([np.nan]), reference)).all()


def test_a_members_draws_depend_on_its_name_and_the_seed_alone():
    point = np.linspace(0, 1, N)
    first = draw_normal("a", point, np.ones(N), n_draws=5, seed=1)
    assert (first == draw_normal("a", point, np.ones(N), n_draws=5, seed=1)).all()
    assert (first != draw_normal("b", point, np.ones(N), n_draws=5, seed=1)).any()
    assert (first != draw_normal("a", point, np.ones(N), n_draws=5, seed=2)).any()


def test_draws_stay_inside_the_support():
    drawn = draw_normal("a", np.array([0.01, 0.99]), np.array([0.5, 0.5]), n_draws=1000, seed=1, lower=0, upper=1)
    assert drawn.min() == 0
    assert drawn.max() == 1


def test_without_errors_the_score_is_the_weighted_percentile():
    up, down = np.arange(N, dtype=float), np.arange(N, dtype=float)[::-1]
    scores = combine([member("a", up, weight=3), member("b", down, weight=1)], seed=SEED)
    expected = 100 * (0.75 * percentile_of(up, up) + 0.25 * percentile_of(down, down))
    assert scores[0] == pytest.approx(expected, abs=1e-4)
    assert (scores == scores[0]).all()


def test_direction_turns_a_member_round():
    values = np.arange(N, dtype=float)
    more, less = (combine([member("a", values, direction=d)], seed=SEED)[0] for d in (1, -1))
    assert more == pytest.approx(100 - less, abs=1e-4)


def test_weights_are_relative_and_an_absent_member_weighs_nothing():
    values = np.random.default_rng(1).normal(size=N)
    alone = combine([member("a", values, 0.1, weight=1)], seed=SEED)
    with_absent = combine([member("a", values, 0.1, weight=5), member("gone", np.full(N, np.nan))], seed=SEED)
    assert with_absent == pytest.approx(alone, abs=1e-3)
    with pytest.raises(ValueError, match="no member"):
        combine([member("gone", np.full(N, np.nan))], seed=SEED)


def test_a_missing_value_is_predicted_and_is_less_sure_than_an_observed_one():
    generator = np.random.default_rng(2)
    a = generator.normal(size=2_000)
    b = 0.9 * a + np.sqrt(1 - 0.81) * generator.normal(size=a.size)
    worst = int(a.argmax())
    whole = combine([member("a", a, 0.01), member("b", b, 0.01)], seed=SEED)
    b[worst] = np.nan
    holed = combine([member("a", a, 0.01), member("b", b, 0.01)], seed=SEED)
    assert np.isfinite(holed).all()
    assert holed[:, worst].mean() > 85  # its other member says that need is great
    assert holed[:, worst].std() > 2 * whole[:, worst].std()


def test_an_area_without_any_value_knows_nothing():
    values = np.random.default_rng(3).normal(size=2_000)
    values[0] = np.nan
    drawn = combine([member("a", values, 0.01)], seed=SEED)[:, 0]
    assert drawn.mean() == pytest.approx(50, abs=6)
    assert drawn.std() == pytest.approx(100 / np.sqrt(12), rel=0.15)


def test_ranks_by_hand():
    # three draws of three areas; rank 1 = highest score
    draws = np.array([[3, 2, 1], [3, 1, 2], [1, 3, 2]], dtype=np.float32)
    ranks = summarise(draws)
    assert ranks.mean == pytest.approx([5 / 3, 2.0, 7 / 3])
    assert ranks.rank.tolist() == [1, 2, 3]
    assert ranks.p_top_tenth == pytest.approx([2 / 3, 1 / 3, 0])
    assert ranks.p_top[5] == pytest.approx([1, 1, 1])


def test_chances_of_the_first_k_add_up_to_k():
    draws = np.random.default_rng(4).normal(size=(500, 60)).astype(np.float32)
    ranks = summarise(draws)
    for k in (5, 10, 20):
        assert ranks.p_top[k].sum() == pytest.approx(k)
    assert ((ranks.p05 <= ranks.mean) & (ranks.mean <= ranks.p95)).all()


def test_equal_areas_share_the_better_rank():
    assert summarise(np.ones((3, 4), dtype=np.float32)).rank.tolist() == [1, 1, 1, 1]
