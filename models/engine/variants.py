"""The trees that a declaration of alternatives makes, and what is refused before anything is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from models.engine.alternatives import AS_DECLARED, Alternatives, Change, Factor, Values
from models.engine.tree import Node, Recipe, TreeError, judge

Chosen = Mapping[str, str | Sequence[float]]
_PREPARES = ("normalisation", "treatment", "reference")


class ImpossibleError(ValueError):
    """Choices that do not go together; `choices` names them, factor to choice."""

    def __init__(self, choices: Mapping[str, str], reason: str) -> None:
        named = " with ".join(f"{name} = {label}" for name, label in choices.items())
        super().__init__(
            f"{named} cannot be computed: {reason}. Take a choice out, join the choices that go together into one "
            "factor, or name the combination in `excluded`"
        )
        self.choices = dict(choices)


def _inner(tree: Node) -> list[Node]:
    return [node for node in tree.walk() if not node.is_leaf]


def concerned(tree: Node, kind: str, node: str | None) -> list[Node]:
    """The nodes of the declared tree for which a change holds.

    Raises:
        ValueError: the named node is not in the tree or has no children, or no node is concerned.
    """
    if node is not None:
        found = [inner for inner in _inner(tree) if inner.id == node]
    elif kind in _PREPARES:
        found = [inner for inner in _inner(tree) if inner.recipe.normalisation != "none"]
    else:
        found = [inner for inner in _inner(tree) if len(inner.children) > 1]
    if not found:
        where = f"{node!r} is no node with children" if node else "the tree has no such node"
        raise ValueError(f"{kind} cannot be varied: {where}")
    return found


def dimensions(tree: Node, factor: Factor) -> tuple[str, ...]:
    """The children whose weights a weight range moves, in the order of its multipliers."""
    return tuple(child.id for node in concerned(tree, factor.kind, factor.node) for child in node.children)


def _parents(tree: Node, given: Mapping[str, float]) -> list[Node]:
    """The nodes for which a set gives weights.

    Raises:
        ValueError: a name is not in the tree, or a child is left without a weight.
    """
    touched = [node for node in _inner(tree) if any(child.id in given for child in node.children)]
    known = {child.id for node in touched for child in node.children}
    unknown, missed = sorted(set(given) - known), sorted(known - set(given))
    if unknown:
        raise ValueError(f"weights are given for {', '.join(unknown)}, which the tree does not have")
    if missed:
        raise ValueError(f"weights are given for some children of a node but not for {', '.join(missed)}: give all")
    return touched


def _targets(tree: Node, change: Change) -> set[tuple[str, str]]:
    """What a change sets, so that two factors cannot set the same."""
    if change.kind in ("leave_out", "values"):
        allowed = [node.id for node in (tree.leaves if change.kind == "values" else tree.walk()) if node.id != tree.id]
        if change.node not in allowed:
            raise ValueError(f"{change.kind}: {change.node!r} is none of {', '.join(allowed)}")
        return {(change.kind, change.node)}
    if isinstance(change.value, Mapping):
        return {("weighting", node.id) for node in _parents(tree, change.value)}
    return {(change.kind, node.id) for node in concerned(tree, change.kind, change.node)}


def _recipe(recipe: Recipe, change: Change) -> Recipe:
    if change.kind == "normalisation" and not isinstance(change.value, str):
        name, scale = change.value
        return replace(recipe, normalisation=name, scale=(float(scale[0]), float(scale[1])))
    if change.kind == "aggregation":
        name, power = (change.value, None) if isinstance(change.value, str) else change.value
        return replace(recipe, aggregation=name, power=power)
    if change.kind in ("normalisation", "weighting", "treatment", "reference"):
        return replace(recipe, **{change.kind: change.value})
    raise ValueError(f"{change.kind!r} is no kind of change")


def _changes(alternatives: Alternatives, choices: Chosen) -> list[Change]:
    labels = {**alternatives.nominal, **choices}
    return [change for factor in alternatives.discrete for change in factor.choice(str(labels[factor.name])).changes]


def other_values(alternatives: Alternatives, choices: Chosen) -> dict[str, Values]:
    """The indicators whose values are replaced under these choices."""
    return {str(c.node): c.value for c in _changes(alternatives, choices) if c.kind == "values"}


def _multiplied(tree: Node, alternatives: Alternatives, choices: Chosen) -> dict[str, float]:
    """Child -> multiplier of its weight, for the ranges among the choices."""
    found: dict[str, float] = {}
    for factor in alternatives.factors:
        if factor.spread is None or factor.name not in choices:
            continue
        ids, multipliers = dimensions(tree, factor), choices[factor.name]
        if isinstance(multipliers, str) or len(multipliers) != len(ids):
            raise ValueError(f"{factor.name}: give {len(ids)} multipliers, for {', '.join(ids)}")
        found.update(zip(ids, map(float, multipliers), strict=True))
    return found


def vary(tree: Node, alternatives: Alternatives, choices: Chosen) -> Node:
    """The tree under some choices.

    Args:
        tree: as declared.
        alternatives: the factors.
        choices: factor -> label of its choice, or the multipliers of a weight range in the order of
            `dimensions`. What is not named stays as declared.

    Raises:
        TreeError: the changed tree cannot be computed.
        ValueError: a factor, choice, node or indicator does not exist.
    """
    for name in choices:
        alternatives.factor(name)
    recipes = {node.id: node.recipe for node in _inner(tree)}
    given: dict[str, float] = {}
    out: set[str] = set()
    for change in _changes(alternatives, choices):
        if change.kind == "leave_out":
            out.add(str(change.node))
        elif isinstance(change.value, Mapping):
            given.update(change.value)
            for node in _parents(tree, change.value):
                recipes[node.id] = replace(recipes[node.id], weighting="given")
        elif change.kind != "values":
            for node in concerned(tree, change.kind, change.node):
                recipes[node.id] = _recipe(recipes[node.id], change)
    return judge(_rebuild(tree, recipes, given, _multiplied(tree, alternatives, choices), out))


def _rebuild(
    node: Node, recipes: Mapping[str, Recipe], given: Mapping[str, float], moved: Mapping[str, float], out: set[str]
) -> Node:
    if node.is_leaf:
        return node
    recipe = recipes[node.id]
    ranged = any(child.id in moved for child in node.children)
    if ranged and recipe.weighting == "pca":
        raise TreeError(node.id, "weighting", "weights that follow from the data (`pca`) cannot have a range")
    children = []
    for child in node.children:
        if child.id in out:
            continue
        weight = given.get(child.id, child.weight)
        if ranged:
            weight = (1.0 if recipe.weighting == "equal" else weight) * moved[child.id]
        children.append(replace(_rebuild(child, recipes, given, moved, out), weight=weight))
    if not children:
        raise TreeError(node.id, "children", "all of them are left out")
    if ranged and recipe.weighting == "equal":
        recipe = replace(recipe, weighting="given")
    return replace(node, children=tuple(children), recipe=recipe)


def _ones(tree: Node, alternatives: Alternatives) -> dict[str, Sequence[float]]:
    return {f.name: [1.0] * len(dimensions(tree, f)) for f in alternatives.factors if f.spread is not None}


def check(tree: Node, alternatives: Alternatives) -> None:
    """Refuse factors that do not fit the tree or that set the same thing.

    Raises:
        ValueError: two factors set the same thing, a first choice is not what the tree says, or a
            choice changes nothing. Names factor and choice.
    """
    judge(tree)
    setters: dict[tuple[str, str], str] = {}
    for factor in alternatives.factors:
        if factor.spread is not None:
            mine = {(factor.kind, node.id) for node in concerned(tree, factor.kind, factor.node)}
        else:
            mine = {target for choice in factor.choices for c in choice.changes for target in _targets(tree, c)}
        for target in sorted(mine):
            if target in setters:
                raise ValueError(
                    f"{setters[target]} and {factor.name} both set {target[0]} of {target[1]}: "
                    "make them one factor, or name another node"
                )
            setters[target] = factor.name
        for place, choice in enumerate(factor.choices):
            if any(change.kind == "values" for change in choice.changes):
                continue
            _check_choice(tree, alternatives, factor.name, choice.label, is_first=place == 0)


def _check_choice(tree: Node, alternatives: Alternatives, name: str, label: str, *, is_first: bool) -> None:
    alone = Alternatives((alternatives.factor(name),))
    first = {name: alone.nominal[name]}
    if is_first:
        if vary(tree, alone, first) != tree:
            raise ValueError(
                f"{name}: the first choice has to be what the tree says, which {label!r} is not; take {AS_DECLARED!r}"
            )
        return
    try:
        same = vary(tree, alone, {name: label}) == tree
    except TreeError:
        return  # may go together with other choices; `trees` decides
    if same:
        raise ValueError(f"{name}: {label!r} changes nothing")


def trees(tree: Node, alternatives: Alternatives, designs: Sequence[Mapping[str, str]]) -> list[Node]:
    """The tree of every combination of choices, weight ranges left as declared.

    Raises:
        ImpossibleError: a combination cannot be computed; names the fewest choices that show it.
    """
    ones = _ones(tree, alternatives)
    found = []
    for chosen in designs:
        try:
            vary(tree, alternatives, {**chosen, **ones})
            found.append(vary(tree, alternatives, chosen))
        except TreeError as error:
            raise _culprits(tree, alternatives, chosen, ones) from error
    return found


def _culprits(
    tree: Node, alternatives: Alternatives, chosen: Mapping[str, str], ones: Mapping[str, Sequence[float]]
) -> ImpossibleError:
    """The smallest part of a combination that cannot be computed with everything else as declared."""
    other = {name: label for name, label in chosen.items() if label != alternatives.nominal[name]}
    for size in range(len(other) + 1):
        for names in combinations(other, size):
            part = {name: other[name] for name in names}
            for ranges in ({}, ones):
                try:
                    vary(tree, alternatives, {**part, **ranges})
                except TreeError as error:
                    return ImpossibleError({**part, **dict.fromkeys(ranges, "any")}, str(error))
    raise AssertionError("a combination that cannot be computed has a smallest part that cannot")
