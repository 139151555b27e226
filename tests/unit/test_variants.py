import numpy as np
import pytest

from models.engine.alternatives import (
    Alternatives,
    Change,
    Factor,
    Values,
    aggregation,
    joined,
    leave_out,
    leave_out_each,
    normalisation,
    reference,
    treatment,
    values,
    weight_range,
    weighting,
    weights,
)
from models.engine.tree import Node, Recipe
from models.engine.variants import ImpossibleError, check, dimensions, trees, vary

ABOVE_ZERO = (1.0, 100.0)


def flat(**recipe: object) -> Node:
    return Node("index", children=(Node("a", 2.0), Node("b"), Node("c", direction=-1)), recipe=Recipe(**recipe))


def nested(**recipe: object) -> Node:
    """Two groups of leaves, already on one scale when they reach the root."""
    home = Node("home", 1.0, children=(Node("poverty", 3.0), Node("crowding", 1.0)), recipe=Recipe(**recipe))
    school = Node("school", 2.0, children=(Node("absence"), Node("graduation", 1.0, -1), Node("discipline")))
    return Node("index", children=(home, school), recipe=Recipe(normalisation="none"))


def one(*factors: Factor) -> Alternatives:
    return Alternatives(factors)


def recipes(tree: Node) -> dict[str, Recipe]:
    return {node.id: node.recipe for node in tree.walk() if not node.is_leaf}


def given(tree: Node) -> dict[str, float]:
    return {node.id: node.weight for node in tree.walk()}


# What a choice makes of a tree


def test_nothing_chosen_is_the_tree_as_declared():
    both = one(normalisation("percentile", "z"), weight_range(0.25))
    assert vary(nested(), both, {}) == nested()
    assert vary(nested(), both, both.nominal) == nested()


def test_a_normalisation_changes_every_node_that_normalises():
    changed = recipes(vary(nested(), one(normalisation("percentile", "z")), {"normalisation": "z"}))
    assert {name: recipe.normalisation for name, recipe in changed.items()} == {
        "home": "z",
        "school": "z",
        "index": "none",
    }


def test_a_named_node_alone_is_changed():
    factor = normalisation("percentile", ("min_max", ABOVE_ZERO), node="home")
    changed = recipes(vary(nested(), one(factor), {"normalisation of home": "min_max 1 to 100"}))
    assert (changed["home"].normalisation, changed["home"].scale) == ("min_max", ABOVE_ZERO)
    assert changed["school"] == Recipe()


def test_a_root_that_normalises_nothing_is_changed_when_it_is_named():
    factor = normalisation("none", "percentile", node="index", name="domains")
    assert recipes(vary(nested(), one(factor), {"domains": "percentile"}))["index"].normalisation == "percentile"


def test_a_power_comes_with_its_exponent_and_goes_with_it():
    factor = aggregation(("power", 0.5), "arithmetic", "geometric", name="mean")
    tree = flat(aggregation="power", power=0.5)
    assert [c.label for c in factor.choices] == ["power 0.5", "arithmetic", "geometric"]
    assert vary(tree, one(factor), {"mean": "power 0.5"}) == tree
    assert vary(tree, one(factor), {"mean": "geometric"}) == flat(aggregation="geometric")


def test_a_set_of_weights_replaces_the_weights_it_names():
    factor = weights({"poverty heavy": {"poverty": 9, "crowding": 1}})
    changed = given(vary(nested(weighting="equal"), one(factor), {"weights": "poverty heavy"}))
    assert (changed["poverty"], changed["crowding"], changed["absence"]) == (9, 1, 1)
    assert (
        recipes(vary(nested(weighting="equal"), one(factor), {"weights": "poverty heavy"}))["home"].weighting == "given"
    )


def test_a_range_multiplies_the_weights():
    factor = weight_range(0.25, node="home")
    assert dimensions(nested(), factor) == ("poverty", "crowding")
    changed = given(vary(nested(), one(factor), {"weights of home": [1.25, 0.75]}))
    assert (changed["poverty"], changed["crowding"]) == (3.75, 0.75)
    assert dimensions(nested(), weight_range()) == (
        "poverty",
        "crowding",
        "absence",
        "graduation",
        "discipline",
        "home",
        "school",
    )


def test_a_range_around_equal_weights_starts_from_equal_weights():
    tree = vary(nested(weighting="equal"), one(weight_range(node="home")), {"weights of home": [1.25, 0.75]})
    assert (given(tree)["poverty"], given(tree)["crowding"]) == (1.25, 0.75)
    assert recipes(tree)["home"].weighting == "given"


def test_a_range_multiplies_the_set_that_is_chosen():
    both = one(weights({"heavy": {"poverty": 9, "crowding": 1}}), weight_range(node="home"))
    changed = given(vary(nested(), both, {"weights": "heavy", "weights of home": [0.8, 1.0]}))
    assert changed["poverty"] == pytest.approx(7.2)


def test_an_indicator_is_left_out():
    factor = leave_out("poverty", "absence")
    assert [choice.label for choice in factor.choices] == ["none", "poverty", "absence"]
    left = vary(nested(), one(factor), {"leave out": "absence"})
    assert [leaf.id for leaf in left.leaves] == ["poverty", "crowding", "graduation", "discipline"]


def test_several_indicators_are_left_out_by_factors_of_their_own():
    both = Alternatives(leave_out_each("poverty", "absence"))
    left = vary(nested(), both, {"leave out poverty": "out", "leave out absence": "out"})
    assert [leaf.id for leaf in left.leaves] == ["crowding", "graduation", "discipline"]
    assert both.n_combinations == 4


def test_treatment_weighting_and_reference_change_their_key():
    all_three = one(treatment("none", "winsorise_log"), weighting("given", "equal"), reference("frame", "frozen"))
    tree = vary(flat(), all_three, {"treatment": "winsorise_log", "weighting": "equal", "reference": "frozen"})
    assert tree == flat(treatment="winsorise_log", weighting="equal", reference="frozen")


def test_joined_changes_come_together():
    scheme = joined(
        "scheme",
        {
            "z": [Change("normalisation", "z")],
            "geometric": [Change("normalisation", ("min_max", ABOVE_ZERO)), Change("aggregation", "geometric")],
        },
    )
    assert vary(flat(), one(scheme), {"scheme": "geometric"}) == flat(
        normalisation="min_max", scale=ABOVE_ZERO, aggregation="geometric"
    )
    check(flat(), one(scheme))
    assert len(trees(flat(), one(scheme), [{"scheme": c.label} for c in scheme.choices])) == 3


# What is refused


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (normalisation("z", "percentile"), "normalisation: the first choice has to be what the tree says"),
        (weighting("given", "equal", node="nowhere"), "'nowhere' is no node"),
        (leave_out("nowhere"), "'nowhere' is none of poverty"),
        (leave_out("index"), "'index' is none of"),
        (values("home", {"x": Values(factor=2.0)}), "'home' is none of"),
        (weights({"x": {"poverty": 2}}), "not for crowding: give all"),
        (weights({"x": {"poverty": 2, "crowding": 1, "nowhere": 1}}), "nowhere, which the tree does not have"),
        (weights({"x": {"poverty": 3, "crowding": 1}}), "'x' changes nothing"),
        (weight_range(node="poverty"), "'poverty' is no node with children"),
        (joined("x", {"y": [Change("colour", "red")]}), "'colour' is no kind of change"),
    ],
)
def test_a_factor_that_does_not_fit_the_tree_is_refused(factor: Factor, message: str):
    with pytest.raises(ValueError, match=message):
        check(nested(), one(factor))


@pytest.mark.parametrize(
    "factors",
    [
        (weighting("given", "equal"), weights({"heavy": {"poverty": 9, "crowding": 1}})),
        (normalisation("percentile", "z"), normalisation("percentile", "rank", node="home")),
        (leave_out("poverty"), *leave_out_each("poverty")),
        (weight_range(), weight_range(0.5, node="home")),
        (values("poverty", {"x": Values(factor=2.0)}), values("poverty", {"x": Values(factor=3.0)}, name="again")),
    ],
)
def test_two_factors_that_set_the_same_thing_are_refused(factors: tuple[Factor, ...]):
    with pytest.raises(ValueError, match="both set"):
        check(nested(), Alternatives(factors))


def test_a_combination_that_cannot_be_computed_names_both_choices():
    both = one(
        treatment("none", "winsorise_log"),
        normalisation("percentile", "z"),
        weighting("given", "equal"),
        aggregation("arithmetic", "geometric"),
    )
    check(nested(), both)
    designs = [both.labels(levels) for levels in both.levels()]
    with pytest.raises(
        ImpossibleError, match="normalisation = z with aggregation = geometric cannot be computed"
    ) as error:
        trees(nested(), both, designs)
    assert error.value.choices == {"normalisation": "z", "aggregation": "geometric"}


def test_an_excluded_combination_is_not_built_and_is_listed():
    both = Alternatives(
        (normalisation("percentile", "z"), aggregation("arithmetic", "geometric"), leave_out("poverty")),
        excluded=({"normalisation": "z", "aggregation": "geometric"},),
    )
    designs = [both.labels(levels) for levels in both.levels()]
    assert len(trees(nested(), both, designs)) == 6
    assert both.n_combinations == 8
    assert both.left_out() == [
        {"normalisation": "z", "aggregation": "geometric", "leave out": "none"},
        {"normalisation": "z", "aggregation": "geometric", "leave out": "poverty"},
    ]
    assert designs[0] == both.nominal


def test_leaving_out_the_last_indicator_is_refused_with_all_names():
    both = Alternatives(leave_out_each("poverty", "crowding", "absence"))
    with pytest.raises(ImpossibleError, match="leave out poverty = out with leave out crowding = out"):
        trees(nested(), both, [both.labels(levels) for levels in both.levels()])


def test_a_range_of_weights_that_follow_from_the_data_is_refused():
    both = one(weighting("given", "pca", node="school", name="weighting"), weight_range())
    with pytest.raises(ImpossibleError, match="weighting = pca with weight range = any"):
        trees(nested(), both, [{"weighting": "given"}, {"weighting": "pca"}])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Alternatives(()), "at least one factor"),
        (lambda: one(leave_out("a"), leave_out("b")), "same name"),
        (lambda: normalisation("percentile"), "at least two choices"),
        (lambda: normalisation("percentile", "percentile"), "same name"),
        (lambda: weight_range(1.0), "between 0 and 1"),
        (lambda: Values(), "either `points` or a `factor`"),
        (lambda: Values(points=np.ones(3), factor=2.0), "either `points` or a `factor`"),
        (lambda: Alternatives((leave_out("a"),), excluded=({"leave out": "b"},)), "'b' is none of"),
        (lambda: Alternatives((leave_out("a"),), excluded=({"nothing": "b"},)), "no factor 'nothing'"),
        (lambda: Alternatives((leave_out("a"),), excluded=({"leave out": "none"},)), "as declared cannot be excluded"),
        (lambda: Alternatives((leave_out("a"),), excluded=({},)), "at least one choice"),
        (lambda: Alternatives((leave_out("a"), weight_range()), excluded=({"leave out": "a"},)), "continuous"),
    ],
)
def test_a_declaration_that_says_nothing_or_too_much_is_refused(make, message: str):
    with pytest.raises(ValueError, match=message):
        make()
