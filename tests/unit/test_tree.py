from dataclasses import replace

import pytest

from models.engine.tree import Node, Recipe, TreeError, judge

INF, NAN = float("inf"), float("nan")


def tree(recipe: Recipe | None = None, *children: Node) -> Node:
    members = children or (Node("a"), Node("b"), Node("c"))
    return Node("root", children=members, recipe=recipe or Recipe())


def refused(node: Node) -> TreeError:
    with pytest.raises(TreeError) as caught:
        judge(node)
    assert str(caught.value) == f"{caught.value.node}: {caught.value.key}: {caught.value.reason}"
    return caught.value


def test_a_sound_tree_comes_back_as_it_is():
    sound = tree(None, Node("group", children=(Node("a"), Node("b", direction=-1))), Node("c", weight=2.5))
    assert judge(sound) is sound


def test_children_come_before_their_parents():
    walked = tree(None, Node("group", children=(Node("a"), Node("b"))), Node("c"))
    assert [node.id for node in walked.walk()] == ["a", "b", "group", "c", "root"]
    assert [leaf.id for leaf in walked.leaves] == ["a", "b", "c"]
    assert [node.is_leaf for node in walked.walk()] == [True, True, False, True, False]


@pytest.mark.parametrize("key", ["normalisation", "aggregation", "weighting", "missing", "treatment", "reference"])
def test_an_unknown_method_is_refused(key):
    error = refused(tree(Recipe(**{key: "best"})))
    assert (error.node, error.key) == ("root", key)
    assert "'best' is none of" in error.reason


@pytest.mark.parametrize("scale", [(100, 0), (1, 1), (NAN, 1), (0, INF)])
def test_a_scale_needs_two_ends(scale):
    assert refused(tree(Recipe("min_max", scale))).key == "scale"


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(aggregation="power"),
        Recipe(power=2),
        Recipe(aggregation="geometric", power=2),
        Recipe(aggregation="power", power=0),
        Recipe(aggregation="power", power=1),
        Recipe(aggregation="power", power=NAN),
        Recipe(aggregation="power", power=INF),
    ],
)
def test_an_exponent_belongs_to_the_power_mean_alone(recipe):
    assert refused(tree(recipe)).key == "power"


@pytest.mark.parametrize("coverage", [-0.1, 1.1, NAN])
def test_coverage_is_a_share(coverage):
    assert refused(tree(Recipe(min_coverage=coverage))).key == "min_coverage"


@pytest.mark.parametrize(("aggregation", "power"), [("geometric", None), ("power", 0.5)])
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("z"),
        Recipe("svi"),
        Recipe("percentile_min"),
        Recipe("min_max"),
        Recipe("min_max", (-1, 1)),
        Recipe("percentile", reference="frozen"),
        Recipe("min_max", (1, 100), reference="frozen"),
    ],
)
def test_a_mean_of_products_needs_values_above_zero(aggregation, power, recipe):
    error = refused(tree(replace(recipe, aggregation=aggregation, power=power)))
    assert error.key == "aggregation"
    assert "scale: [1, 100]" in error.reason


@pytest.mark.parametrize(
    "recipe", [Recipe("percentile"), Recipe("rank"), Recipe("imd"), Recipe("min_max", (1, 100)), Recipe("none")]
)
def test_values_above_zero_have_a_geometric_mean(recipe):
    judge(tree(replace(recipe, aggregation="geometric")))


@pytest.mark.parametrize("method", ["rank", "imd", "svi", "none"])
def test_what_needs_the_frame_has_no_frozen_reference(method):
    assert refused(tree(Recipe(method, reference="frozen"))).key == "reference"


def test_two_children_have_no_principal_component():
    assert refused(tree(Recipe(weighting="pca"), Node("a"), Node("b"))).key == "weighting"
    judge(tree(Recipe(weighting="pca")))


def test_what_is_not_normalised_cannot_be_turned():
    error = refused(tree(Recipe("none"), Node("a"), Node("b", direction=-1)))
    assert error.key == "normalisation"
    assert "b" in error.reason


def test_an_index_needs_members():
    assert refused(Node("root")).key == "children"


def test_a_node_cannot_contain_itself():
    error = refused(tree(None, Node("group", children=(Node("root"),))))
    assert (error.node, error.key) == ("root", "children")
    assert "root -> group -> root" in error.reason


def test_a_member_belongs_to_one_parent():
    error = refused(tree(None, Node("group", children=(Node("a"),)), Node("a")))
    assert (error.node, error.key) == ("a", "id")


@pytest.mark.parametrize("weight", [0, -1, NAN, INF])
def test_a_weight_is_positive(weight):
    error = refused(tree(None, Node("a", weight=weight), Node("b")))
    assert (error.node, error.key) == ("a", "weight")


@pytest.mark.parametrize("direction", [0, 2, -0.5])
def test_a_direction_is_one_or_minus_one(direction):
    assert refused(tree(None, Node("a", direction=direction))).key == "direction"


def test_a_score_always_points_to_greater_need():
    error = refused(tree(None, Node("group", direction=-1, children=(Node("a"),))))
    assert (error.node, error.key) == ("group", "direction")


def test_every_node_is_judged():
    inner = Node("group", children=(Node("a"), Node("b")), recipe=Recipe("z", aggregation="geometric"))
    assert refused(tree(None, inner, Node("c"))).node == "group"
