"""Why an area has its score: the score taken apart into its indicators, and set against other areas.

The score of the root is handed down the tree. A node gives each child a share of what it was given,
and at the leaves the parts sum to the score. Two rules divide:

In proportion, where nothing is below zero: child j gets w_j x_j / sum (arithmetic), w_j ln x_j / sum
(geometric) or w_j x_j^p / sum (power) of the amount. At an arithmetic root this is w_j x_j.

By addition, where a child's part or the amount itself can be below zero (z-scores, logarithms of values
below 1), because shares of a sum near zero mean nothing, and in a power mean with a negative exponent,
where a proportion would give most to the child of least need: with t_j = x_j, ln x_j or x_j^p and
T = sum w_j t_j, child j gets w_j (amount + slope (t_j - T)). The slope takes the unit of the children
to that of the amount: the ratio of their standard deviations over the areas, 1 at an arithmetic root.
What is linear all the way is so taken apart exactly, w_j x_j times the weights above it.

A node divides by one rule in all areas, so that areas can be compared.

Source: OECD 2008, Handbook on Constructing Composite Indicators, step 8 (back to the data).
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine.coherence import child_weights, effective_weights
from models.engine.defaults import LOWERS, RAISES, TYPICAL
from models.engine.tree import Node, Recipe

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

HIGH, LOW = 0.75, 0.25
"""Quantiles of an indicator's contributions in the reference population: from HIGH up it raises need, up to
LOW it lowers it."""
SCHEMA = {
    "position": pl.Int64,
    "leaf": pl.String,
    "parent": pl.String,
    "value": pl.Float64,
    "effective_weight": pl.Float64,
    "contribution": pl.Float64,
    "contribution_reference": pl.Float64,
    "difference": pl.Float64,
    "rank": pl.Int64,
    "role": pl.String,
    "is_imputed": pl.Boolean,
}

_ROUNDING = 1e-9


def _transformed(node: Node, values: Vector) -> Vector:
    """The children (k, n) on the scale on which the node's aggregation is a plain weighted sum."""
    recipe = node.recipe
    if recipe.aggregation == "arithmetic":
        return values
    if (values <= 0).any():
        raise ValueError(
            f"{node.id}: a child has a value that is not above zero, which {recipe.aggregation} cannot have given: "
            "take the values as they enter their parent"
        )
    return np.log(values) if recipe.aggregation == "geometric" else values ** _power(recipe)


def _power(recipe: Recipe) -> float:
    return 1.0 if recipe.power is None else recipe.power


def _is_below_zero(values: Vector) -> bool:
    """Whether some value is below zero by more than rounding leaves."""
    known = values[np.isfinite(values)]
    return bool(known.size and known.min() < -_ROUNDING * np.abs(known).max())


def _slope(amount: Vector, total: Vector, recipe: Recipe, is_root: bool) -> float:
    """How many units of the amount one unit of the children's sum stands for."""
    if is_root and recipe.aggregation == "arithmetic":
        return 1.0
    known = np.isfinite(amount) & np.isfinite(total)
    if known.sum() < 2:
        return 0.0
    spread = total[known].std()
    if spread <= _ROUNDING * np.abs(total[known]).max():
        return 0.0
    # With a negative exponent the sum falls where need rises.
    sign = -1.0 if recipe.aggregation == "power" and _power(recipe) < 0 else 1.0
    return float(sign * amount[known].std() / spread)


def _divide(node: Node, weights: Vector, amount: Vector, values: Vector, *, is_root: bool) -> tuple[Vector, Mask]:
    """What each child gets of an amount (n,), and where it counted at all, both (k, n)."""
    present = ~np.isnan(values)
    # A group that was predicted as a whole may have no members to go by: their weights alone divide it.
    counted = present | ~present.any(axis=0)
    mass = np.where(counted, weights[:, None], 0.0)
    left = mass.sum(axis=0)
    mass = np.where(left > 0, mass / np.where(left > 0, left, 1.0), counted / counted.sum(axis=0))
    parts = _transformed(node, np.where(present, values, 1.0)) * present
    weighted = mass * parts
    total = weighted.sum(axis=0)
    scored = ~np.isnan(amount)
    falls = node.recipe.aggregation == "power" and _power(node.recipe) < 0
    if falls or _is_below_zero(amount) or _is_below_zero(weighted[:, scored]):
        slope = _slope(amount, np.where(present.any(axis=0), total, np.nan), node.recipe, is_root)
        given = mass * (amount + slope * (parts - total) * present)
    else:
        weighted = np.maximum(weighted, 0.0)
        total = weighted.sum(axis=0)
        given = amount * np.where(total > 0, weighted / np.where(total > 0, total, 1.0), mass)
    return given, counted & scored


def _vector(name: str, found: Mapping[str, Vector], what: str) -> Vector:
    if name not in found:
        raise ValueError(f"{name} has no {what}: give what the evaluation of this tree gave")
    values = np.asarray(found[name], dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"{name}: a {what} is needed for each area, not an array of shape {values.shape}")
    return values


def _take_apart(
    tree: Node, weights: Mapping[str, Vector], normalised: Mapping[str, Vector], scores: Mapping[str, Vector]
) -> tuple[dict[str, Vector], dict[str, Mask]]:
    """Contributions of the leaves, and where each of them counted, both (n,)."""
    amounts = {tree.id: _vector(tree.id, scores, "score")}
    counted = {tree.id: ~np.isnan(amounts[tree.id])}
    n = amounts[tree.id].size

    def descend(node: Node) -> None:
        rows = [_vector(child.id, normalised, "normalised value") for child in node.children]
        if any(row.size != n for row in rows):
            raise ValueError(f"{node.id}: the children's values must be of the same {n} areas as the score")
        given, counts = _divide(
            node, child_weights(node, weights), amounts[node.id], np.stack(rows), is_root=node is tree
        )
        for child, amount, count in zip(node.children, given, counts, strict=True):
            amounts[child.id], counted[child.id] = amount, count & counted[node.id]
            if not child.is_leaf:
                descend(child)

    descend(tree)
    ids = [leaf.id for leaf in tree.leaves]
    return {name: amounts[name] for name in ids}, {name: counted[name] for name in ids}


def decompose(
    tree: Node, weights: Mapping[str, Vector], normalised: Mapping[str, Vector], scores: Mapping[str, Vector]
) -> dict[str, Vector]:
    """The score of the root as the sum of its indicators.

    Args:
        tree: the index.
        weights: node id -> weights (k,) of its children, as `Evaluator.weights`.
        normalised: child id -> (n,) as it enters its parent: of the points, or the mean over draws.
        scores: inner node id -> (n,); that of the root is needed.

    Returns:
        Leaf id -> (n,), in units of the score. They sum to the score; NaN where there is no score, 0 where
        the leaf did not count (it has no value, or its group has none, and the others took its weight).

    Raises:
        ValueError: weights, values or the score are missing or do not fit the tree, or a value in a
            geometric or power mean is not above zero.
    """
    return _take_apart(tree, weights, normalised, scores)[0]


def _predicted(tree: Node, imputed: Mapping[str, Mask], n: int) -> dict[str, Mask]:
    """Leaf id -> (n,) where it or a group above it was predicted."""
    found: dict[str, Mask] = {}

    def descend(node: Node, above: Mask) -> None:
        for child in node.children:
            own = np.asarray(imputed.get(child.id, np.zeros(n, dtype=bool)), dtype=bool)
            if own.shape != (n,):
                raise ValueError(f"{child.id}: which values are imputed must be said for each of the {n} areas")
            found[child.id] = above | own
            descend(child, found[child.id])

    descend(tree, np.zeros(n, dtype=bool))
    return found


def _role(contribution: Vector, counted: Mask, reference: Mask) -> NDArray[np.object_]:
    """The role of one indicator in each area (n,), None where it did not count."""
    role = np.full(contribution.size, None, dtype=object)
    known = contribution[counted & reference]
    if known.size == 0:
        return role
    low, high = np.quantile(known, [LOW, HIGH])
    slack = _ROUNDING * max(1.0, float(np.abs(known).max()))
    is_high, is_low = contribution >= high - slack, contribution <= low + slack
    role[counted] = TYPICAL
    # What half of the areas share is typical, even if both quantiles lie there.
    role[counted & is_high & ~is_low] = RAISES
    role[counted & is_low & ~is_high] = LOWERS
    return role


def _ranks(difference: Vector) -> Vector:
    """Places (k, n) from the greatest difference down, ties in the order of the tree; NaN has none."""
    keys = -np.round(np.where(np.isnan(difference), -np.inf, difference), 9)
    order = np.argsort(keys, axis=0, kind="stable")
    places = np.empty(order.shape)
    np.put_along_axis(places, order, np.arange(1.0, order.shape[0] + 1)[:, None], axis=0)
    return np.where(np.isnan(difference), np.nan, places)


def drivers(
    tree: Node,
    weights: Mapping[str, Vector],
    normalised: Mapping[str, Vector],
    scores: Mapping[str, Vector],
    *,
    imputed: Mapping[str, Mask] | None = None,
    reference: Mask | None = None,
) -> pl.DataFrame:
    """What raises and what lowers the need of each area, against a reference population.

    Args:
        tree: the index.
        weights: node id -> weights (k,) of its children.
        normalised: child id -> (n,) as it enters its parent.
        scores: inner node id -> (n,); that of the root is needed.
        imputed: child id -> (n,) where the value was predicted.
        reference: (n,) which areas are the reference population; None takes all.

    Returns:
        One row for each area and leaf, areas in their order, leaves in that of the tree:
        position, from 0; leaf; parent; value, normalised, as it enters the parent;
        effective_weight, in the root, the product of the weights down the tree;
        contribution, in units of the score (`decompose`);
        contribution_reference, its mean over the reference population, where it counted;
        difference between the two: where nothing is missing anywhere, the differences of an area sum to
        the distance of its score from the mean score;
        rank of the difference within the area, 1 = raises need most;
        role: `raises need` from the HIGH quantile of the leaf's contributions in the reference population
        up, `lowers need` up to the LOW one, else `typical`;
        is_imputed, the leaf or a group above it.
        Null are the contribution where the area has no score; difference, rank and role also where the
        leaf did not count (its contribution is 0 there).

    Raises:
        ValueError: as `decompose`; masks are of other areas.
    """
    contributions, counts = _take_apart(tree, weights, normalised, scores)
    ids = list(contributions)
    contribution, counted = np.stack(list(contributions.values())), np.stack(list(counts.values()))
    n = contribution.shape[1]
    population = np.ones(n, dtype=bool) if reference is None else np.asarray(reference, dtype=bool)
    if population.shape != (n,):
        raise ValueError(f"the reference must say of each of the {n} areas whether it belongs to it")
    inside = counted & population
    size = inside.sum(axis=1)
    sums = np.where(inside, contribution, 0.0).sum(axis=1)
    centre = np.where(size > 0, sums / np.maximum(size, 1), np.nan)
    difference = np.where(counted, contribution - centre[:, None], np.nan)
    roles = np.stack([_role(contribution[j], counted[j], population) for j in range(len(ids))])
    predicted = _predicted(tree, imputed or {}, n)
    effective = effective_weights(tree, weights)
    parents = {child.id: node.id for node in tree.walk() for child in node.children}
    columns = {
        "position": np.repeat(np.arange(n), len(ids)),
        "leaf": ids * n,
        "parent": [parents[name] for name in ids] * n,
        "value": np.stack([_vector(name, normalised, "normalised value") for name in ids]).T.ravel(),
        "effective_weight": np.tile([effective[name] for name in ids], n),
        "contribution": contribution.T.ravel(),
        "contribution_reference": np.tile(centre, n),
        "difference": difference.T.ravel(),
        "rank": _ranks(difference).T.ravel(),
        "role": roles.T.ravel().tolist(),
        "is_imputed": np.stack([predicted[name] for name in ids]).T.ravel(),
    }
    floats = [name for name, kind in SCHEMA.items() if kind == pl.Float64]
    frame = pl.DataFrame(columns, schema_overrides={"role": pl.String})
    return frame.with_columns(pl.col(*floats, "rank").fill_nan(None)).cast(SCHEMA)  # type: ignore[arg-type]
