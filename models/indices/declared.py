"""What every index declaration says: recipes, groups, the tree that they make, and what might be otherwise.

Two kinds of index share it: the project's own (`spec`) and the index of any table (`table_spec`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations, product
from typing import Any

from models.engine import alternatives as vary
from models.engine.alternatives import AS_DECLARED, Alternatives, Choice, Factor
from models.engine.tree import (
    AGGREGATIONS,
    MISSING,
    NORMALISATIONS,
    REFERENCES,
    TREATMENTS,
    WEIGHTINGS,
    Node,
    Recipe,
    TreeError,
)
from models.engine.tree import judge as judge_tree
from models.engine.variants import ImpossibleError, check, trees
from models.indices.yaml_lines import DeclarationError, Entry, Path, nearest

RECIPE_KEYS = ("normalisation", "aggregation", "weighting", "missing", "min_coverage", "treatment", "reference")
COMMON_KEYS = ("id", "title", "question", *RECIPE_KEYS, "members", "groups", "sensitivity", "approved_by")
OWN_ONLY = ("geo_level", "reference_year", "reference_population")
OWN_OPTIONAL = ("levels", "changes", "under_counted")
"""Keys of the project's own indices."""
CHANGE_KEYS = ("date", "by", "what", "why")
TABLE_ONLY = ("table", "error_correlation", "preset", "vintage", "themes", "reversed", "population", "domains")
"""Keys of the index of a table."""
OWN_MEMBER_KEYS = ("indicator", "index", "weight", "parent", "max_age_years", "rationale")
TABLE_MEMBER_KEYS = (
    "column", "id", "direction", "weight", "parent", "margin", "se", "error", "support", "rationale"
)  # fmt: skip
OF_OWN = "belongs to the project's own indices, not to the index of a table"
OF_TABLES = "belongs to the index of a table, not to the project's own indices"
_GROUP_KEYS = ("id", "title", "parent", "weight", *RECIPE_KEYS)


@dataclass(frozen=True)
class GroupSpec:
    """Members that become a score of their own before they enter their parent (None: the index)."""

    id: str
    title: str
    parent: str | None
    weight: float
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What every declaration says."""

    id: str
    title: str
    question: str
    recipe: Recipe
    groups: tuple[GroupSpec, ...]
    sensitivity: Alternatives | None
    approved_by: str | None
    tree: Node

    @property
    def normalisation(self) -> str:
        return self.recipe.normalisation

    @property
    def aggregation(self) -> str:
        return self.recipe.aggregation

    @property
    def missing(self) -> str:
        return self.recipe.missing

    @property
    def min_coverage(self) -> float:
        return self.recipe.min_coverage


def read_approved_by(entry: Entry) -> str | None:
    return None if entry.data.get("approved_by") is None else entry.text("approved_by")


@dataclass(frozen=True)
class Change:
    """Who changed what in a declaration, when (YYYY-MM-DD) and why."""

    date: str
    by: str
    what: str
    why: str


def read_changes(entry: Entry) -> tuple[Change, ...]:
    """The record of changes, oldest first; empty where there is none."""
    if entry.data.get("changes") is None:
        return ()
    changes: list[Change] = []
    for position, item in enumerate(entry.items("changes")):
        inner = entry.at(item, "changes", position, label=f"change {position + 1}")
        inner.only(CHANGE_KEYS)
        inner.need(*CHANGE_KEYS)
        # YAML reads 2026-01-31 without quotes as a date.
        day = item["date"]
        if not isinstance(day, date):
            try:
                day = date.fromisoformat(inner.text("date"))
            except ValueError:
                raise inner.error(f"date must be a day such as 2026-01-31, not {item['date']!r}", "date") from None
        if changes and changes[-1].date > f"{day:%Y-%m-%d}":
            raise inner.error(
                f"date {day:%Y-%m-%d} comes before that of the change above it: the newest stands last", "date"
            )
        changes.append(Change(f"{day:%Y-%m-%d}", inner.text("by"), inner.text("what"), inner.text("why")))
    return tuple(changes)


# --- recipes -----------------------------------------------------------------------------------------------------


def _normalisation(entry: Entry, value: Any, base: Recipe, *keys: str | int) -> Recipe:
    """The base recipe with a normalisation, given as a text or as {method, scale}."""
    if not isinstance(value, Mapping):
        return replace(base, normalisation=entry.judge_choice(value, NORMALISATIONS, *keys))
    inner = entry.at(value, *keys, label=f"{entry.label + ', ' if entry.label else ''}normalisation")
    inner.only(("method", "scale"))
    inner.need("method")
    recipe = replace(base, normalisation=inner.choice("method", NORMALISATIONS))
    if "scale" not in value:
        return recipe
    scale = value["scale"]
    if not isinstance(scale, list) or len(scale) != 2:
        raise inner.error(f"scale must be a list of two numbers, the lower first, not {scale!r}", "scale")
    if recipe.normalisation != "min_max":
        raise inner.error(f"scale belongs to `min_max`, not to `{recipe.normalisation}`", "scale")
    lower, upper = (inner.judge_number(end, "scale", position) for position, end in enumerate(scale))
    return replace(recipe, scale=(lower, upper))


def _aggregation(entry: Entry, value: Any, base: Recipe, *keys: str | int) -> Recipe:
    """The base recipe with an aggregation, given as a text or as {method, power}."""
    if not isinstance(value, Mapping):
        return replace(base, aggregation=entry.judge_choice(value, AGGREGATIONS, *keys), power=None)
    inner = entry.at(value, *keys, label=f"{entry.label + ', ' if entry.label else ''}aggregation")
    inner.only(("method", "power"))
    inner.need("method")
    power = inner.number("power") if "power" in value else None
    return replace(base, aggregation=inner.choice("method", AGGREGATIONS), power=power)


def read_recipe(entry: Entry, base: Recipe) -> Recipe:
    """The base recipe with what a declaration or a group says otherwise."""
    recipe = base
    if "normalisation" in entry.data:
        recipe = _normalisation(entry, entry.data["normalisation"], recipe, "normalisation")
    if "aggregation" in entry.data:
        recipe = _aggregation(entry, entry.data["aggregation"], recipe, "aggregation")
    for key, allowed in (
        ("weighting", WEIGHTINGS),
        ("missing", MISSING),
        ("treatment", TREATMENTS),
        ("reference", REFERENCES),
    ):
        if key in entry.data:
            chosen: dict[str, Any] = {key: entry.choice(key, allowed)}
            recipe = replace(recipe, **chosen)
    if "min_coverage" in entry.data:
        coverage = entry.data["min_coverage"]
        if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 < coverage <= 1:
            raise entry.error(f"min_coverage must lie above 0 and at most at 1, not {coverage!r}", "min_coverage")
        recipe = replace(recipe, min_coverage=float(coverage))
    return recipe


# --- groups and the tree -----------------------------------------------------------------------------------------


def read_parent(entry: Entry, root: str) -> str | None:
    """The group that an entry stands in; None for the index itself."""
    if entry.data.get("parent") is None:
        return None
    parent = entry.text("parent")
    return None if parent == root else parent


def read_groups(entry: Entry, root: Recipe) -> tuple[GroupSpec, ...]:
    if entry.data.get("groups") is None:
        return ()
    groups = []
    for position, item in enumerate(entry.items("groups")):
        group = entry.at(item, "groups", position, label=f"group {position + 1}")
        name = item.get("id")
        group = replace(group, label=f"group {position + 1} ({name})") if isinstance(name, str) else group
        group.only(_GROUP_KEYS)
        group.need("id")
        groups.append(
            GroupSpec(
                id=group.text("id"),
                title=group.text("title", group.text("id")),
                parent=read_parent(group, entry.data.get("id", "")),
                weight=group.number("weight", 1.0, above=0),
                # What a group does not say is the index's, however deep the group lies.
                recipe=read_recipe(group, root),
            )
        )
    return tuple(groups)


@dataclass(frozen=True)
class Leaf:
    """A member and the group that it stands in; None for the index itself."""

    node: Node
    parent: str | None


def _no_circle(entry: Entry, groups: Sequence[GroupSpec]) -> None:
    parents = {group.id: group.parent for group in groups}
    for position, group in enumerate(groups):
        path = [group.id]
        while (parent := parents.get(path[-1])) is not None:
            if parent in path:
                circle = " -> ".join((*path[path.index(parent) :], parent))
                raise entry.error(f"groups are each other's parent: {circle}", "groups", position, "parent")
            path.append(parent)


def grow(entry: Entry, root: str, recipe: Recipe, groups: Sequence[GroupSpec], leaves: Sequence[Leaf]) -> Node:
    """The tree of a declaration, judged; what is wrong with it is told by line and key."""
    paths: dict[str, Path] = {root: ()}
    entries: list[tuple[str, str | None, Path, str]]
    entries = [(group.id, group.parent, ("groups", n), f"group {group.id}") for n, group in enumerate(groups)]
    entries += [(leaf.node.id, leaf.parent, ("members", n), f"member {leaf.node.id}") for n, leaf in enumerate(leaves)]
    for name, _, path, label in entries:
        if name in paths:
            before = "the index itself" if not paths[name] else f"{str(paths[name][0])[:-1]} {int(paths[name][1]) + 1}"
            raise entry.error(f"{label}: the id {name} is already that of {before}; an id stands for one thing", *path)
        paths[name] = path
    known = [group.id for group in groups]
    for _, parent, path, label in entries:
        if parent is not None and parent not in known:
            hint = nearest(parent, known) if known else "; no groups are declared"
            raise entry.error(f"{label}: no group is called {parent}, its parent{hint}", *path, "parent")
    _no_circle(entry, groups)

    def children(of: str | None) -> tuple[Node, ...]:
        inner = [
            Node(group.id, group.weight, children=children(group.id), recipe=group.recipe)
            for group in groups
            if group.parent == of
        ]
        return (*inner, *(leaf.node for leaf in leaves if leaf.parent == of))

    tree = Node(root, children=children(None), recipe=recipe)
    for position, group in enumerate(groups):
        if not any(parent == group.id for _, parent, _, _ in entries):
            raise entry.error(f"group {group.id} has no members: name it as their parent", "groups", position)
    try:
        return judge_tree(tree)
    except TreeError as error:
        raise located(entry, error, known, [leaf.node.id for leaf in leaves]) from None


def located(entry: Entry, error: TreeError, groups: Sequence[str], members: Sequence[str]) -> DeclarationError:
    """An error of the tree at its line and key.

    Args:
        groups, members: ids in the order in which they are declared.
    """
    path: Path = ()
    if error.node in groups:
        path = ("groups", groups.index(error.node))
    elif error.node in members:
        path = ("members", members.index(error.node))
    key = {"scale": "normalisation", "power": "aggregation"}.get(error.key, error.key)
    label = f"{str(path[0])[:-1]} {error.node}: " if path else ""
    # A group that does not say so itself has it from the index.
    at = (*path, key) if (*path, key) in entry.lines else (key,) if (key,) in entry.lines else path
    return entry.error(f"{label}{error.key}: {error.reason}", *at)


# --- sensitivity -------------------------------------------------------------------------------------------------

_FACTORS = (
    "normalisation", "aggregation", "weighting", "weights", "treatment", "leave_out", "reference", "weight_range"
)  # fmt: skip


def read_sensitivity(entry: Entry, root: Recipe, tree: Node) -> Alternatives | None:
    """What else the index might have been; what is declared need not be repeated among the alternatives.

    Raises:
        DeclarationError: an alternative cannot be computed, alone or together with another.
    """
    if entry.data.get("sensitivity") is None:
        return None
    inner = entry.mapping("sensitivity")
    inner.only((*_FACTORS, "excluded"))
    recipes = [node.recipe for node in tree.walk() if not node.is_leaf]
    factors = []
    for key in _FACTORS:
        if key not in inner.data:
            continue
        factor = _factor(inner, key, root, recipes, tree)
        if factor is None:
            raise inner.error(f"{key} names nothing but what is declared already", key)
        factors.append(factor)
    if not factors:
        raise inner.error("names no alternative")
    factors = _joined(factors)
    excluded = _excluded(inner, factors)
    try:
        alternatives = Alternatives(tuple(factors), excluded)
        check(tree, alternatives)
        # What does not go together shows in pairs; the analysis judges every combination that it computes.
        trees(tree, alternatives, [pair for pair in _pairs(alternatives) if not alternatives.is_excluded(pair)])
    except ImpossibleError as error:
        raise inner.error(str(error), next(iter(error.choices), "")) from None
    except ValueError as error:
        raise inner.error(str(error), "excluded" if "excluded" in str(error) else "") from None
    return alternatives


def _joined(factors: Sequence[Factor]) -> list[Factor]:
    """`weighting` and `weights` as one factor where both are varied: they set the same thing."""
    both = [factor for factor in factors if factor.name in ("weighting", "weights")]
    if len(both) < 2:
        return list(factors)
    choices = (Choice(AS_DECLARED), *(choice for factor in both for choice in factor.choices[1:]))
    weighting = Factor("weighting", "weighting", choices)
    return [weighting if factor is both[0] else factor for factor in factors if factor is not both[1]]


def _pairs(alternatives: Alternatives) -> list[dict[str, str]]:
    """Every two choices of two factors, everything else as declared."""
    found = []
    for first, second in combinations(alternatives.discrete, 2):
        for one, other in product(first.choices, second.choices):
            found.append({**alternatives.nominal, first.name: one.label, second.name: other.label})
    singles = [{**alternatives.nominal, f.name: choice.label} for f in alternatives.discrete for choice in f.choices]
    return singles + found


def _excluded(inner: Entry, factors: Sequence[Factor]) -> tuple[dict[str, str], ...]:
    """Combinations of choices that are not computed."""
    if "excluded" not in inner.data:
        return ()
    by_name = {factor.name: factor for factor in factors}
    patterns = []
    for position, item in enumerate(inner.items("excluded")):
        pattern = inner.at(item, "excluded", position, label=f"sensitivity, excluded {position + 1}")
        pattern.only(tuple(by_name))
        patterns.append(
            {name: pattern.choice(name, [choice.label for choice in by_name[name].choices]) for name in pattern.data}
        )
    return tuple(patterns)


def _factor(inner: Entry, key: str, root: Recipe, recipes: Sequence[Recipe], tree: Node) -> Factor | None:
    nodes = [node.id for node in tree.walk() if node.id != tree.id]
    try:
        if key == "weight_range":
            return vary.weight_range(inner.number(key, above=0), name=key)
        if key == "leave_out":
            ids = [inner.judge_choice(value, nodes, key, n) for n, value in enumerate(inner.items(key))]
            return vary.leave_out(*ids, name=key)
        if key == "weights":
            return vary.weights(_weight_sets(inner, nodes))
        make = getattr(vary, key)
        others = []
        for position, value in enumerate(inner.items(key)):
            other = _alternative(inner, key, value, root, position)
            declared = {_said(recipe, key) for recipe in recipes}
            if declared != {other}:
                others.append(other)
        return make(AS_DECLARED, *others) if others else None
    except DeclarationError:
        raise
    except ValueError as error:
        raise inner.error(str(error), key) from None


def _said(recipe: Recipe, key: str) -> Any:
    if key == "normalisation" and recipe.normalisation == "min_max":
        return (recipe.normalisation, recipe.scale)
    if key == "aggregation" and recipe.power is not None:
        return (recipe.aggregation, recipe.power)
    return getattr(recipe, key)


def _alternative(inner: Entry, key: str, value: Any, root: Recipe, position: int) -> Any:
    if key == "normalisation":
        return _said(_normalisation(inner, value, root, key, position), key)
    if key == "aggregation":
        recipe = _aggregation(inner, value, root, key, position)
        if (recipe.aggregation == "power") != (recipe.power is not None):
            raise inner.error("power belongs to the aggregation `power`: {method: power, power: 0.5}", key, position)
        return _said(recipe, key)
    allowed = {"weighting": WEIGHTINGS, "treatment": TREATMENTS, "reference": REFERENCES}[key]
    return inner.judge_choice(value, allowed, key, position)


def _weight_sets(inner: Entry, nodes: Sequence[str]) -> dict[str, dict[str, float]]:
    sets: dict[str, dict[str, float]] = {}
    for position, item in enumerate(inner.items("weights")):
        weights = inner.at(item, "weights", position, label=f"sensitivity, weights {position + 1}")
        for name in weights.data:
            if name not in nodes:
                raise weights.error(f"no member or group is called {name}{nearest(name, nodes)}", name)
        sets[f"weights {position + 1}"] = {name: weights.number(name, above=0) for name in weights.data}
    return sets
