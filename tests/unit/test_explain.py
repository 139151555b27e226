import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine.evaluate import Evaluator
from models.engine.explain import LOWERS, RAISES, SCHEMA, TYPICAL, decompose, drivers
from models.engine.tree import Node, Recipe

NAN = float("nan")
ALREADY = Recipe(normalisation="none")


def vectors(**values: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array(row, dtype=float) for name, row in values.items()}


def flat(*ids: str, **recipe: object) -> Node:
    return Node("index", children=tuple(Node(name) for name in ids), recipe=Recipe(**recipe))


def grouped(inner: Recipe = ALREADY, outer: Recipe = ALREADY) -> Node:
    return Node(
        "index", children=(Node("home", children=(Node("a"), Node("b")), recipe=inner), Node("c")), recipe=outer
    )


EQUAL = {"index": np.array([0.5, 0.5]), "home": np.array([0.5, 0.5])}


# The three proportions, by hand


def test_an_arithmetic_root_gives_weight_times_value():
    # Weights 2 and 1, values 30 and 60: (60 + 60) / 3 = 40, half from each.
    found = decompose(flat("a", "b"), {"index": np.array([2.0, 1.0])}, vectors(a=[30], b=[60]), vectors(index=[40]))
    np.testing.assert_allclose([found["a"][0], found["b"][0]], [20, 20], rtol=1e-12)


def test_a_geometric_root_divides_by_logarithms():
    # ln a = 2 and ln b = 4, equal weights: the score is e^3, a third and two thirds of it.
    values, score = vectors(a=[np.exp(2)], b=[np.exp(4)]), vectors(index=[np.exp(3)])
    found = decompose(flat("a", "b", aggregation="geometric"), EQUAL, values, score)
    np.testing.assert_allclose([found["a"][0], found["b"][0]], [np.exp(3) / 3, 2 * np.exp(3) / 3], rtol=1e-12)


def test_a_power_root_divides_by_powers():
    # Exponent 1/2 of 4 and 16: ((2 + 4) / 2)^2 = 9, in the proportion of 2 to 4.
    tree = flat("a", "b", aggregation="power", power=0.5)
    found = decompose(tree, EQUAL, vectors(a=[4], b=[16]), vectors(index=[9]))
    np.testing.assert_allclose([found["a"][0], found["b"][0]], [3, 6], rtol=1e-12)


def test_a_group_hands_on_what_it_was_given():
    # home = (20 + 60) / 2 = 40, which enters the root as 80, say; the root is (80 + 50) / 2 = 65.
    # home gives 40 to the root, a quarter of it from a (20 of 80) and three quarters from b.
    values, score = vectors(a=[20], b=[60], home=[80], c=[50]), vectors(index=[65])
    found = decompose(grouped(), EQUAL, values, score)
    np.testing.assert_allclose([found["a"][0], found["b"][0], found["c"][0]], [10, 30, 25], rtol=1e-12)


def test_a_sum_of_zero_is_spread_by_weight():
    # Both children of home are 0, but home was predicted to be 40.
    weights = {"index": np.array([0.5, 0.5]), "home": np.array([0.75, 0.25])}
    values, score = vectors(a=[0], b=[0], home=[40], c=[0]), vectors(index=[20])
    found = decompose(grouped(), weights, values, score)
    np.testing.assert_allclose([found["a"][0], found["b"][0], found["c"][0]], [15, 5, 0], rtol=1e-12)


# The additive rule, by hand


def test_z_scores_at_the_root_give_weight_times_value_in_every_area():
    values = vectors(a=[1, -1, 2], b=[-1, 0, 2])
    score = {"index": 0.75 * values["a"] + 0.25 * values["b"]}
    found = decompose(flat("a", "b", normalisation="z"), {"index": np.array([3.0, 1.0])}, values, score)
    np.testing.assert_allclose(found["a"], [0.75, -0.75, 1.5], atol=1e-12)
    np.testing.assert_allclose(found["b"], [-0.25, 0, 0.5], atol=1e-12)


def test_what_is_linear_all_the_way_gives_the_product_of_the_weights():
    weights = {"index": np.array([0.2, 0.8]), "home": np.array([0.75, 0.25])}
    values = vectors(a=[1, -1, 2, 0], b=[-3, 0, 2, 1], c=[2, -1, 0, 1])
    values["home"] = 0.75 * values["a"] + 0.25 * values["b"]
    score = {"index": 0.2 * values["home"] + 0.8 * values["c"]}
    found = decompose(grouped(), weights, values, score)
    np.testing.assert_allclose(found["a"], 0.15 * values["a"], atol=1e-12)
    np.testing.assert_allclose(found["b"], 0.05 * values["b"], atol=1e-12)
    np.testing.assert_allclose(found["c"], 0.80 * values["c"], atol=1e-12)


def test_a_standardised_group_is_taken_back_to_its_own_scale():
    # home = (a + b) / 2 = 1, 2, 3, which enters the root as z = -1, 0, 1; c is 0. The root gives home
    # -0.5, 0, 0.5: half a point for each point of home, so the slope is 0.5.
    # a in the first area: 0.5 (-0.5 + 0.5 (0 - 1)) = -0.5; b: 0.5 (-0.5 + 0.5 (2 - 1)) = 0, as it never varies.
    values = vectors(a=[0, 2, 4], b=[2, 2, 2], home=[-1, 0, 1], c=[0, 0, 0])
    found = decompose(grouped(outer=Recipe(normalisation="z")), EQUAL, values, vectors(index=[-0.5, 0, 0.5]))
    np.testing.assert_allclose(found["a"], [-0.5, 0, 0.5], atol=1e-12)
    np.testing.assert_allclose(found["b"], [0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found["c"], [0, 0, 0], atol=1e-12)


def test_rounding_below_zero_does_not_change_the_rule():
    # With the additive rule a would get 0.5 (40 + slope (20 - 40)), which depends on the other areas.
    values = vectors(a=[20, -1e-14], b=[60, 100], home=[80, 10], c=[50, 0])
    found = decompose(grouped(), EQUAL, values, vectors(index=[65, 5]))
    np.testing.assert_allclose(found["a"], [10, 0], atol=1e-9)


RULES = [
    {"normalisation": "z"},
    {"normalisation": "percentile"},
    {"normalisation": "percentile", "aggregation": "geometric"},
    {"normalisation": "min_max", "scale": (1.0, 100.0), "aggregation": "geometric"},
    {"normalisation": "percentile", "aggregation": "power", "power": 0.5},
    {"normalisation": "percentile", "aggregation": "power", "power": -1.0},
    {"normalisation": "percentile", "aggregation": "power", "power": 3.0},
]


@pytest.mark.parametrize("recipe", RULES)
def test_of_two_children_of_equal_weight_the_one_with_more_need_counts_more(recipe):
    generator = np.random.default_rng(3)
    points = {name: generator.normal(size=150) for name in "abc"}
    evaluator = Evaluator(flat(*points, **recipe), points)
    found = evaluator.point()
    values = {name: block[0] for name, block in found.normalised.items()}
    parts = decompose(evaluator.tree, evaluator.weights, values, {"index": found.scores["index"][0]})
    more = values["a"] > values["b"]
    assert (parts["a"][more] > parts["b"][more]).all()
    assert (parts["a"][~more] <= parts["b"][~more]).all()


# What is missing


def test_a_missing_child_gets_nothing_and_the_others_its_weight():
    # b is missing: the score is (1 * 30 + 2 * 60) / 3 = 50.
    tree, weights = flat("a", "b", "c", missing="renormalise"), {"index": np.array([0.25, 0.25, 0.5])}
    found = decompose(tree, weights, vectors(a=[30], b=[NAN], c=[60]), vectors(index=[50]))
    np.testing.assert_allclose([found["a"][0], found["b"][0], found["c"][0]], [10, 0, 40], rtol=1e-12)


def test_a_missing_child_gets_nothing_under_the_additive_rule_too():
    tree, weights = flat("a", "b", "c", missing="renormalise", normalisation="z"), {"index": np.array([1.0, 1.0, 2.0])}
    found = decompose(tree, weights, vectors(a=[-3, 1], b=[NAN, 1], c=[3, 1]), vectors(index=[1, 1]))
    np.testing.assert_allclose(found["a"], [-1, 0.25], atol=1e-12)
    np.testing.assert_allclose(found["b"], [0, 0.25], atol=1e-12)
    np.testing.assert_allclose(found["c"], [2, 0.5], atol=1e-12)


def test_an_area_without_a_score_has_no_contributions():
    found = decompose(flat("a", "b"), EQUAL, vectors(a=[30, 40], b=[60, NAN]), vectors(index=[45, NAN]))
    assert np.isnan(found["a"][1])
    assert np.isnan(found["b"][1])
    assert found["a"][0] == 15


def test_members_of_a_group_without_a_value_count_nothing():
    values, score = vectors(a=[20], b=[NAN], home=[NAN], c=[50]), vectors(index=[50])
    found = decompose(grouped(), EQUAL, values, score)
    np.testing.assert_allclose([found["a"][0], found["b"][0], found["c"][0]], [0, 0, 50])


def test_a_predicted_group_without_members_is_divided_by_their_weights():
    weights = {"index": np.array([0.5, 0.5]), "home": np.array([0.75, 0.25])}
    values, score = vectors(a=[NAN], b=[NAN], home=[40], c=[20]), vectors(index=[30])
    found = decompose(grouped(), weights, values, score)
    np.testing.assert_allclose([found["a"][0], found["b"][0], found["c"][0]], [15, 5, 10])


# The sum, whatever the tree

SCALES = [
    {"normalisation": "percentile"},
    {"normalisation": "percentile_min"},
    {"normalisation": "svi"},
    {"normalisation": "min_max"},
    {"normalisation": "min_max", "scale": (-5.0, 5.0)},
    {"normalisation": "z"},
    {"normalisation": "rank"},
    {"normalisation": "imd"},
    *RULES,
]


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    chosen = draw(st.sampled_from(SCALES))
    missing = draw(st.sampled_from(["impute", "renormalise", "null_if_any"]))
    return Recipe(**chosen, missing=missing, min_coverage=draw(st.sampled_from([0.0, 0.5])))


@st.composite
def trees(draw: st.DrawFn) -> Node:
    names = iter(range(1000))
    weights = st.floats(0.1, 5.0)

    def grow(depth: int) -> Node:
        children = tuple(
            grow(depth + 1)
            if depth < 3 and draw(st.integers(0, 2)) == 0
            else Node(f"leaf {next(names)}", draw(weights), draw(st.sampled_from([1, -1])))
            for _ in range(draw(st.integers(1, 3)))
        )
        return Node(f"node {next(names)}", draw(weights), children=children, recipe=draw(recipes()))

    return grow(1)


@settings(max_examples=80, deadline=None)
@given(trees(), st.integers(0, 2**16), st.sampled_from([1, 2, 7, 60]), st.floats(0, 0.6))
def test_contributions_sum_to_the_score_and_are_missing_with_it(tree, seed, n, share_missing):
    generator = np.random.default_rng(seed)
    points = {
        leaf.id: np.where(generator.random(n) < share_missing, NAN, generator.normal(size=n).round(1))
        for leaf in tree.leaves
    }
    evaluator = Evaluator(tree, points)
    draws = evaluator.evaluate(
        {name: values + generator.normal(size=(3, n)) for name, values in points.items()}, generator
    )
    for found in (evaluator.point(), draws):
        values = {name: block.mean(axis=0) for name, block in found.normalised.items()}
        scores = {name: block.mean(axis=0) for name, block in found.scores.items()}
        parts = decompose(tree, evaluator.weights, values, scores)
        assert list(parts) == [leaf.id for leaf in tree.leaves]
        np.testing.assert_allclose(sum(parts.values()), scores[tree.id], rtol=1e-9, atol=1e-9)


# Drivers


def row(frame: pl.DataFrame, position: int, leaf: str) -> dict[str, object]:
    return frame.filter((pl.col("position") == position) & (pl.col("leaf") == leaf)).row(0, named=True)


def test_drivers_by_hand():
    # Contributions of a: 10, 20, 30, mean 20; of b: 40, 10, 10, mean 20.
    values = vectors(a=[20, 40, 60], b=[80, 20, 20])
    found = drivers(flat("a", "b"), EQUAL, values, vectors(index=[50, 30, 40]))
    assert dict(found.schema) == SCHEMA
    assert found.select("position", "leaf").rows() == [(0, "a"), (0, "b"), (1, "a"), (1, "b"), (2, "a"), (2, "b")]
    np.testing.assert_allclose(found["contribution"], [10, 40, 20, 10, 30, 10])
    np.testing.assert_allclose(found["contribution_reference"], 20)
    np.testing.assert_allclose(found["difference"], [-10, 20, 0, -10, 10, -10])
    assert found["rank"].to_list() == [2, 1, 1, 2, 1, 2]
    # Quartiles of a: 15 and 25. Of b, 10, 10, 40: 10 and 25, so that the tens are at the lower one.
    assert found["role"].to_list() == [LOWERS, RAISES, TYPICAL, LOWERS, RAISES, LOWERS]
    assert not found["is_imputed"].any()


def test_drivers_carry_parent_value_and_effective_weight():
    weights = {"index": np.array([0.2, 0.8]), "home": np.array([0.75, 0.25])}
    values, score = vectors(a=[20, 10], b=[60, 10], home=[30, 10], c=[50, 20]), vectors(index=[46, 18])
    found = row(drivers(grouped(), weights, values, score), 0, "b")
    assert (found["parent"], found["value"]) == ("home", 60)
    assert found["effective_weight"] == pytest.approx(0.05)


def test_differences_sum_to_the_distance_from_the_mean_score():
    generator = np.random.default_rng(5)
    values = {name: generator.uniform(0, 100, 40) for name in "abc"}
    score = sum(values.values()) / 3
    found = drivers(flat("a", "b", "c"), {"index": np.ones(3)}, values, {"index": score})
    sums = found.group_by("position", maintain_order=True).agg(pl.col("difference").sum())["difference"]
    np.testing.assert_allclose(sums, score - score.mean(), atol=1e-9)


def test_a_quarter_of_the_areas_is_raised_and_a_quarter_lowered():
    values = vectors(a=list(range(100)))
    found = drivers(flat("a"), {"index": np.ones(1)}, values, {"index": values["a"]})
    assert found.filter(pl.col("role") == RAISES)["position"].to_list() == list(range(75, 100))
    assert found.filter(pl.col("role") == LOWERS)["position"].to_list() == list(range(25))


def test_an_indicator_that_is_equal_everywhere_is_typical_everywhere():
    values = vectors(a=[50, 50, 50], b=[10, 20, 30])
    score = {"index": (values["a"] + values["b"]) / 2}
    found = drivers(flat("a", "b"), EQUAL, values, score)
    assert set(found.filter(pl.col("leaf") == "a")["role"]) == {TYPICAL}


def test_the_reference_population_is_that_of_the_mask():
    values = vectors(a=[10, 20, 30, 1000])
    found = drivers(
        flat("a"), {"index": np.ones(1)}, values, {"index": values["a"]}, reference=np.array([1, 1, 1, 0], dtype=bool)
    )
    np.testing.assert_allclose(found["contribution_reference"], 20)
    assert found["role"].to_list() == [LOWERS, TYPICAL, RAISES, RAISES]


def test_without_a_reference_population_nothing_is_compared():
    values = vectors(a=[10, 20])
    nobody = np.zeros(2, dtype=bool)
    found = drivers(flat("a"), {"index": np.ones(1)}, values, {"index": values["a"]}, reference=nobody)
    np.testing.assert_allclose(found["contribution"], [10, 20])
    assert found.select("contribution_reference", "difference", "rank", "role").null_count().row(0) == (2, 2, 2, 2)


def test_a_missing_leaf_has_no_rank_and_does_not_lower_the_reference():
    values, score = vectors(a=[40, 60, NAN], b=[20, 40, 50]), vectors(index=[30, 50, 50])
    found = drivers(flat("a", "b", missing="renormalise"), EQUAL, values, score)
    gone = row(found, 2, "a")
    assert (gone["value"], gone["contribution"]) == (None, 0.0)
    assert (gone["difference"], gone["rank"], gone["role"]) == (None, None, None)
    # The mean of 20 and 30; with the area that lacks it, it would be 16.7.
    assert gone["contribution_reference"] == pytest.approx(25)
    assert row(found, 2, "b")["rank"] == 1


def test_a_leaf_of_a_group_without_a_value_has_no_rank():
    values, score = vectors(a=[20, 40], b=[NAN, 40], home=[NAN, 40], c=[50, 20]), vectors(index=[50, 30])
    gone = row(drivers(grouped(), EQUAL, values, score), 0, "a")
    assert (gone["value"], gone["contribution"], gone["difference"], gone["rank"]) == (20, 0, None, None)


def test_an_area_without_a_score_has_no_drivers():
    found = drivers(flat("a", "b"), EQUAL, vectors(a=[30, 40], b=[60, NAN]), vectors(index=[45, NAN]))
    gone = row(found, 1, "a")
    assert gone["value"] == 40
    assert (gone["contribution"], gone["difference"], gone["rank"], gone["role"]) == (None, None, None, None)


def test_a_leaf_is_imputed_if_its_group_was():
    values, score = vectors(a=[20, 30], b=[60, 10], home=[80, 20], c=[50, 20]), vectors(index=[65, 20])
    imputed = {"home": np.array([True, False]), "b": np.array([False, True])}
    found = drivers(grouped(), EQUAL, values, score, imputed=imputed)
    assert found["is_imputed"].to_list() == [True, True, False, False, True, False]


def test_equal_differences_rank_in_the_order_of_the_tree():
    values = vectors(b=[10, 30], a=[10, 30])
    found = drivers(flat("b", "a"), EQUAL, values, vectors(index=[10, 30]))
    assert found["rank"].to_list() == [1, 2, 1, 2]


# What is refused


def test_a_score_that_is_not_given_is_named():
    with pytest.raises(ValueError, match="index has no score"):
        decompose(flat("a", "b"), EQUAL, vectors(a=[1], b=[2]), {})


def test_a_value_that_is_not_given_is_named():
    with pytest.raises(ValueError, match="b has no normalised value"):
        decompose(flat("a", "b"), EQUAL, vectors(a=[1]), vectors(index=[1]))


def test_values_of_other_areas_are_refused():
    with pytest.raises(ValueError, match="same 1 areas"):
        decompose(flat("a", "b"), EQUAL, vectors(a=[1], b=[1, 2]), vectors(index=[1]))


def test_draws_are_no_values():
    with pytest.raises(ValueError, match=r"shape \(2, 1\)"):
        decompose(flat("a", "b"), EQUAL, {"a": np.ones((2, 1)), "b": np.ones(1)}, vectors(index=[1]))


def test_a_geometric_mean_of_zero_is_refused():
    with pytest.raises(ValueError, match="not above zero"):
        decompose(flat("a", "b", aggregation="geometric"), EQUAL, vectors(a=[0], b=[1]), vectors(index=[0]))


def test_masks_of_other_areas_are_refused():
    with pytest.raises(ValueError, match="reference"):
        drivers(flat("a", "b"), EQUAL, vectors(a=[1], b=[1]), vectors(index=[1]), reference=np.ones(2, dtype=bool))
    with pytest.raises(ValueError, match="imputed"):
        drivers(flat("a", "b"), EQUAL, vectors(a=[1], b=[1]), vectors(index=[1]), imputed={"a": np.ones(2, dtype=bool)})
