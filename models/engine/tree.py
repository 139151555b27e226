"""What an index is, before any number: a tree of nodes, and how the children of each become its score.

Every consumer of the engine states its index as a `Node`: the project's own declarations, the
table command and the tests. `judge` refuses what cannot be computed or must not be.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

NORMALISATIONS = ("percentile", "percentile_min", "svi", "min_max", "z", "rank", "imd", "none")
AGGREGATIONS = ("arithmetic", "geometric", "power")
WEIGHTINGS = ("given", "equal", "pca")
MISSING = ("impute", "renormalise", "null_if_any")
TREATMENTS = ("none", "winsorise_log")
REFERENCES = ("frame", "frozen")


class TreeError(ValueError):
    """An index that cannot be computed or must not be; `node` and `key` say where, the text says why."""

    def __init__(self, node: str, key: str, reason: str) -> None:
        super().__init__(f"{node}: {key}: {reason}")
        self.node, self.key, self.reason = node, key, reason


@dataclass(frozen=True)
class Recipe:
    """How the children of a node become its score.

    Args:
        normalisation: one of NORMALISATIONS, applied to every child; `none` where the children are
            on one scale already.
        scale: lower and upper end of `min_max`.
        aggregation: one of AGGREGATIONS.
        power: the exponent of `power`; neither 0 (that is `geometric`) nor 1 (that is `arithmetic`).
        weighting: `given` takes the children's weights, `equal` ignores them, `pca` takes the squared
            loadings of the first principal component.
        missing: what a child without a value does to its parent.
        min_coverage: share of the weight that has to be observed, below which there is no score.
        treatment: of outliers, before normalisation.
        reference: whether children are normalised against the rows at hand or a frozen reference.
    """

    normalisation: str = "percentile"
    scale: tuple[float, float] = (0.0, 100.0)
    aggregation: str = "arithmetic"
    power: float | None = None
    weighting: str = "given"
    missing: str = "impute"
    min_coverage: float = 0.0
    treatment: str = "none"
    reference: str = "frame"


@dataclass(frozen=True)
class Node:
    """A score (with children) or an indicator (a leaf).

    Args:
        id: unique in the tree.
        weight: in its parent, positive; weights are relative.
        direction: +1 where more is greater need, -1 where less is. Scores of nodes with children
            always point to greater need.
        children: none for an indicator.
        recipe: of the children.
    """

    id: str
    weight: float = 1.0
    direction: int = 1
    children: tuple["Node", ...] = ()
    recipe: Recipe = field(default_factory=Recipe)

    @property
    def is_leaf(self) -> bool:
        return not self.children

    def walk(self) -> Iterator["Node"]:
        """Every node, children before their parents."""
        for child in self.children:
            yield from child.walk()
        yield self

    @property
    def leaves(self) -> tuple["Node", ...]:
        return tuple(node for node in self.walk() if node.is_leaf)


def _is_positive_scale(recipe: Recipe) -> bool:
    """Whether normalised values are always above zero, as a geometric or power mean needs."""
    if recipe.reference == "frozen":
        # What lies below the whole reference has the percentile 0, and is below the scale of `min_max`.
        return False
    if recipe.normalisation == "min_max":
        return recipe.scale[0] > 0
    return recipe.normalisation in ("percentile", "rank", "imd")


def _judge_recipe(node: Node) -> None:
    recipe = node.recipe
    for key, allowed in (
        ("normalisation", NORMALISATIONS),
        ("aggregation", AGGREGATIONS),
        ("weighting", WEIGHTINGS),
        ("missing", MISSING),
        ("treatment", TREATMENTS),
        ("reference", REFERENCES),
    ):
        if getattr(recipe, key) not in allowed:
            raise TreeError(node.id, key, f"{getattr(recipe, key)!r} is none of {', '.join(allowed)}")
    lower, upper = recipe.scale
    if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
        raise TreeError(node.id, "scale", f"must be two numbers, the lower first, not {lower!r} and {upper!r}")
    if (recipe.aggregation == "power") != (recipe.power is not None):
        raise TreeError(node.id, "power", "belongs to the aggregation `power`, and only to it")
    if recipe.power is not None and (not math.isfinite(recipe.power) or recipe.power in (0.0, 1.0)):
        raise TreeError(node.id, "power", "must be a number other than 0 (`geometric`) and 1 (`arithmetic`)")
    if not 0 <= recipe.min_coverage <= 1:
        raise TreeError(node.id, "min_coverage", f"must lie between 0 and 1, not {recipe.min_coverage!r}")
    if recipe.aggregation != "arithmetic" and recipe.normalisation != "none" and not _is_positive_scale(recipe):
        raise TreeError(
            node.id,
            "aggregation",
            f"{recipe.aggregation} needs values above zero, and {recipe.normalisation}"
            f"{' against a frozen reference' if recipe.reference == 'frozen' else ''} gives others: "
            "take `min_max` with `scale: [1, 100]`, or `percentile`, against the `frame`",
        )
    if recipe.reference == "frozen" and recipe.normalisation in ("rank", "imd", "svi", "none"):
        raise TreeError(
            node.id, "reference", f"{recipe.normalisation} has no meaning against a frozen reference: take `percentile`"
        )
    if recipe.weighting == "pca" and len(node.children) < 3:
        raise TreeError(node.id, "weighting", "pca needs at least three children to say anything")
    if recipe.normalisation == "none":
        turned = [child.id for child in node.children if child.direction < 0]
        if turned:
            raise TreeError(node.id, "normalisation", f"`none` cannot turn {', '.join(turned)}, whose direction is -1")


def judge(tree: Node) -> Node:
    """Refuse a tree that cannot be computed; returns it unchanged otherwise.

    Raises:
        TreeError: an id stands twice or a node contains itself, a weight or direction cannot be used,
            or methods do not go together. Names the node and the key.
    """

    def no_circle(node: Node, path: tuple[str, ...]) -> None:
        if node.id in path:
            raise TreeError(node.id, "children", f"contain each other: {' -> '.join((*path, node.id))}")
        for child in node.children:
            no_circle(child, (*path, node.id))

    no_circle(tree, ())
    if tree.is_leaf:
        raise TreeError(tree.id, "children", "an index needs at least one member")
    twice = [name for name, count in Counter(node.id for node in tree.walk()).items() if count > 1]
    if twice:
        raise TreeError(twice[0], "id", "stands in several places; a member belongs to exactly one parent")
    for node in tree.walk():
        if not (math.isfinite(node.weight) and node.weight > 0):
            raise TreeError(node.id, "weight", f"must be a positive number, not {node.weight!r}")
        if node.direction not in (1, -1) or (not node.is_leaf and node.direction != 1):
            raise TreeError(node.id, "direction", f"must be +1 or -1, and +1 for a score, not {node.direction!r}")
        if not node.is_leaf:
            _judge_recipe(node)
    return tree
