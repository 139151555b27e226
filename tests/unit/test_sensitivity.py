"""Sensitivity of ranks to method: exact by enumeration, by Sobol otherwise, divided between data and method."""

import numpy as np
import pytest
from scipy.stats import rankdata

from models.engine.alternatives import Alternatives, Values, aggregation, leave_out, normalisation, values, weight_range
from models.engine.errors import Fixed, Normal
from models.engine.evaluate import Evaluator
from models.engine.sensitivity import analyse
from models.engine.tree import Node
from models.engine.variants import ImpossibleError, vary

N = 60
POINTS = {name: np.random.default_rng(i).gamma(2.0, 1.0, N) for i, name in enumerate("abc")}
TREE = Node("index", children=(Node("a", 2.0), Node("b"), Node("c", direction=-1)))
BOTH = Alternatives((normalisation("percentile", ("min_max", (1.0, 100.0))), leave_out("a", "b")))


def normal(sd: float) -> list[Normal]:
    return [Normal(name, point, np.full(N, sd)) for name, point in POINTS.items()]


def ranks(tree: Node) -> np.ndarray:
    return rankdata(-Evaluator(tree, POINTS).point().scores["index"][0], method="min")


def test_effects_are_those_of_the_formulas_over_all_combinations():
    found = analyse(TREE, POINTS, BOTH, seed=1)
    declared = ranks(TREE)
    levels = BOTH.levels()
    y = np.array([np.abs(ranks(vary(TREE, BOTH, BOTH.labels(row))) - declared).mean() for row in levels])
    assert found.n_methods == len(y) == 6
    table = y.reshape(2, 3)  # normalisation x leave out
    s1 = table.mean(axis=1).var() / y.var(), table.mean(axis=0).var() / y.var()
    st = table.var(axis=0).mean() / y.var(), table.var(axis=1).mean() / y.var()
    assert found.factors["s1"].to_list() == pytest.approx(s1)
    assert found.factors["st"].to_list() == pytest.approx(st)
    assert found.factors["method"].to_list() == ["enumerated"] * 2


def test_without_errors_all_variance_is_the_methods_and_without_methods_that_move_it_the_datas():
    exact = analyse(TREE, POINTS, BOTH, drawers=[Fixed(n, p) for n, p in POINTS.items()], n_draws=5, seed=1)
    moved = exact.areas.drop_nulls("method_share")
    assert moved.height > N / 2
    assert moved["method_share"].to_list() == pytest.approx([1.0] * moved.height)
    same = Alternatives((values("a", {"as before": Values(factor=1.0)}), normalisation("percentile", "rank")))
    noisy = analyse(TREE, POINTS, same, drawers=normal(0.5), n_draws=40, seed=1)
    assert noisy.areas["data_share"].min() > 0.99  # percentiles and ranks give one order


def test_shares_are_the_law_of_total_variance_over_methods_and_draws():
    found = analyse(TREE, POINTS, BOTH, drawers=normal(0.5), n_draws=30, seed=1)
    assert (found.areas["data_share"] + found.areas["method_share"]).to_list() == pytest.approx([1.0] * N)
    wide = analyse(TREE, POINTS, BOTH, drawers=normal(2.0), n_draws=30, seed=1)
    assert wide.areas["data_share"].mean() > found.areas["data_share"].mean()


def test_threads_change_nothing_and_the_ranked_areas_alone_are_told():
    mask = np.arange(N) % 2 == 0
    one, two = (
        analyse(TREE, POINTS, BOTH, drawers=normal(0.5), n_draws=9, seed=2, ranked=mask, threads=t) for t in (1, 3)
    )
    assert one.areas.equals(two.areas)
    assert one.factors.equals(two.factors)
    assert one.areas["position"].to_list() == list(range(0, N, 2))
    assert one.areas["rank_methods_p95"].max() <= 30


def test_a_range_of_weights_takes_a_sobol_sample():
    found = analyse(
        TREE, POINTS, Alternatives((leave_out("a", "b"), weight_range(0.25))), base=64, drawers=normal(0.5), seed=1
    )
    assert found.factors["method"].to_list() == ["sobol"] * 2
    assert found.factors["n_runs"].to_list() == [64 * 4] * 2
    first, second = found.factors["st"]
    assert first > 5 * second  # leaving out a member moves ranks far more than a quarter of its weight


def test_sobol_and_enumeration_agree():
    exact = analyse(TREE, POINTS, BOTH, seed=1)
    sampled = analyse(TREE, POINTS, BOTH, seed=1, design="sobol", base=1024)
    assert sampled.factors["st"].to_list() == pytest.approx(exact.factors["st"].to_list(), abs=0.06)
    assert sampled.n_methods == 6


def test_an_alternative_value_moves_points_and_draws():
    higher = Alternatives((values("a", {"doubled": Values(factor=2.0)}), normalisation("percentile", "z")))
    other = Alternatives((values("a", {"swapped": Values(points=POINTS["b"])}), normalisation("percentile", "z")))
    for one in (higher, other):
        found = analyse(TREE, POINTS, one, drawers=normal(0.3), n_draws=10, seed=1)
        assert found.areas["rank_mean"].is_not_nan().all()
    assert found.areas["method_share"].mean() > 0.1


def test_what_cannot_be_computed_is_refused_first():
    impossible = Alternatives((normalisation("percentile", "z"), aggregation("arithmetic", "geometric")))
    with pytest.raises(ImpossibleError, match="geometric needs values above zero"):
        analyse(TREE, POINTS, impossible, seed=1)
    with pytest.raises(ValueError, match="enumerated"):
        analyse(TREE, POINTS, Alternatives((weight_range(0.2), leave_out("a"))), seed=1, design="enumerated")
    with pytest.raises(ValueError, match="neither"):
        analyse(TREE, POINTS, BOTH, seed=1, design="guess")


def test_the_first_places_are_compared():
    found = analyse(TREE, POINTS, BOTH, seed=1)
    assert set(found.top) == {6, 10, 20}
    assert all(0 < share <= 1 for share in found.top.values())
