"""A tree and the values of its indicators become scores, for points and for draws alike.

The recipe of a node is applied to its children: treat, impute, normalise, turn by direction,
aggregate, mask below `min_coverage`. What is fitted (treatments, imputers, weights of principal
components) is fitted once, on the points; what depends on the rows at hand (normalisation against
the frame, weights of principal components) is done anew in every draw.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine import treat
from models.engine.aggregate import aggregate
from models.engine.impute import Imputer
from models.engine.normalise import normalise
from models.engine.tree import Node, judge
from models.engine.weights import declared_weights, pca_weights, pca_weights_of_draws

Draws = NDArray[Any]
Vector = NDArray[np.float64]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Evaluation:
    """What a tree makes of b sets of values of n areas.

    Args:
        scores: inner node -> (b, n), higher = greater need; NaN below the node's `min_coverage`.
        normalised: child -> (b, n) as it enters its parent, pointing to greater need.
    """

    scores: dict[str, Draws]
    normalised: dict[str, Draws]


@dataclass
class _Fitted:
    """What one node keeps from the points."""

    weights: Vector
    is_covered: NDArray[np.bool_]
    rules: dict[str, treat.Treatment] = field(default_factory=dict)
    imputer: Imputer | None = None
    references: dict[str, Vector] = field(default_factory=dict)


class Evaluator:
    """A tree bound to the point values of n areas: weights, treatments and imputers are fitted once, here.

    An evaluator is not changed by evaluating, so that threads may share it.

    Args:
        tree: judged here.
        points: leaf id -> (n,) published values, NaN where there is none.
        references: leaf id -> (m,) frozen distribution, needed for every child of a node whose recipe says
            `reference: frozen`. The reference of a child with children is computed from those of its
            leaves, rows of the same areas, unless it is given under the child's id.

    Attributes:
        tree, n: as given; the number of areas.
        weights: node id -> weights of its children, summing to 1, as fitted on the points.
        coverage: node id -> (n,) share of its weight that was observed, leaves included (1 or 0). A child
            counts with its own coverage, and with nothing where it has no score to give to its parent.
        treatments: every treated point: indicator, position, before, after, rule.
        imputed: child id -> (n,) where its value was predicted.

    Raises:
        TreeError: the tree cannot be computed, or weights of principal components must be refused.
        ValueError: a leaf has no values or values of another shape, a value is infinite, a frozen reference
            is missing, or a value is not above zero in a geometric or power mean.
    """

    def __init__(
        self, tree: Node, points: Mapping[str, Vector], *, references: Mapping[str, Vector] | None = None
    ) -> None:
        self.tree = judge(tree)
        leaves = {leaf.id: _vector(leaf.id, points) for leaf in tree.leaves}
        sizes = {values.size for values in leaves.values()}
        if len(sizes) > 1:
            raise ValueError(f"all leaves need values for the same areas, but they have {sorted(sizes)}")
        self.n = sizes.pop()
        self.weights: dict[str, Vector] = {}
        self.coverage: dict[str, Vector] = {}
        self.imputed: dict[str, NDArray[np.bool_]] = {}
        self._references = {name: np.asarray(values, dtype=np.float64) for name, values in (references or {}).items()}
        self._fitted: dict[str, _Fitted] = {}
        tables: list[pl.DataFrame] = []
        self._point = Evaluation({}, {})
        blocks = {name: values[None] for name, values in leaves.items()}
        for name, values in leaves.items():
            self.coverage[name] = (~np.isnan(values)).astype(np.float64)
        for node in tree.walk():
            if not node.is_leaf:
                blocks[node.id] = self._fit(node, blocks, tables)
        self.treatments = pl.concat(tables) if tables else pl.DataFrame(schema=treat.SCHEMA)

    def point(self) -> Evaluation:
        """The points themselves, b = 1, in float64."""
        return Evaluation(dict(self._point.scores), dict(self._point.normalised))

    def evaluate(self, leaves: Mapping[str, Draws], generator: np.random.Generator | None = None) -> Evaluation:
        """Evaluate draws.

        Args:
            leaves: leaf id -> (b, n), NaN where there is no value. They are not written to.
            generator: of the predictive draws of missing values; None fills in their median.

        Returns:
            Scores and normalised values in the precision of the draws. If no member has any value, all
            scores are NaN.

        Raises:
            ValueError: a leaf is missing or has another shape, or a value is not above zero in a geometric
                or power mean.
        """
        blocks: dict[str, Draws] = {}
        shapes = set()
        for leaf in self.tree.leaves:
            if leaf.id not in leaves:
                raise ValueError(f"{leaf.id} has no draws")
            block = np.asarray(leaves[leaf.id])
            blocks[leaf.id] = block if block.dtype.kind == "f" else block.astype(np.float64)
            shapes.add(blocks[leaf.id].shape)
        if len(shapes) > 1 or len(next(iter(shapes))) != 2 or next(iter(shapes))[1] != self.n:
            raise ValueError(f"all leaves need draws of shape (b, {self.n}), not {sorted(shapes)}")
        found = Evaluation({}, {})
        for node in self.tree.walk():
            if node.is_leaf:
                continue
            fitted = self._fitted[node.id]
            children = {child.id: blocks[child.id] for child in node.children}
            children = {name: _treated(fitted, name, block) for name, block in children.items()}
            if fitted.imputer is not None:
                children = fitted.imputer.fill(children, generator)
            normalised = _normalised(node, children, fitted.references)
            weights = fitted.weights
            if node.recipe.weighting == "pca":
                weights = pca_weights_of_draws(list(normalised.values()))
            blocks[node.id] = _aggregated(node, normalised, weights, fitted)
            found.normalised.update(normalised)
            found.scores[node.id] = blocks[node.id]
        return found

    def _fit(self, node: Node, blocks: Mapping[str, Draws], tables: list[pl.DataFrame]) -> Draws:
        """Fit a node on the points of its children (1, n), and evaluate it there."""
        recipe = node.recipe
        children = {child.id: blocks[child.id] for child in node.children}
        rules: dict[str, treat.Treatment] = {}
        if recipe.treatment == "winsorise_log":
            treated = treat.treat({name: block[0] for name, block in children.items()})
            rules = treated.rules
            tables.append(treated.table)
            children = {name: values[None] for name, values in treated.values.items()}
        gaps = {name: np.isnan(block[0]) for name, block in children.items()}
        imputer = None
        if recipe.missing == "impute":
            imputer = Imputer({name: block[0] for name, block in children.items()})
            children = imputer.fill(children)
        for name, gap in gaps.items():
            is_filled = imputer is not None and name in imputer.children
            self.imputed[name] = gap if is_filled else np.zeros(self.n, dtype=bool)
        references: dict[str, Vector] = {}
        if recipe.reference == "frozen":
            for child in node.children:
                reference = self._reference(node, child)
                references[child.id] = rules[child.id].apply(reference) if rules else reference
        normalised = _normalised(node, children, references)
        if recipe.weighting == "pca":
            weights = pca_weights(node.id, {name: block[0] for name, block in normalised.items()})
        else:
            weights = declared_weights(node)
        self.weights[node.id] = weights
        coverage = np.zeros(self.n)
        for weight, child in zip(weights, node.children, strict=True):
            coverage += weight * np.where(gaps[child.id], 0.0, self.coverage[child.id])
        self.coverage[node.id] = np.minimum(coverage, 1.0)  # weights sum to one but for a last digit
        is_covered = coverage >= recipe.min_coverage - _ROUNDING
        fitted = self._fitted[node.id] = _Fitted(weights, is_covered, rules, imputer, references)
        score = _aggregated(node, normalised, weights, fitted)
        self._point.normalised.update(normalised)
        self._point.scores[node.id] = score
        return score

    def _reference(self, node: Node, child: Node) -> Vector:
        """The frozen distribution of a child."""
        if child.id in self._references:
            return self._references[child.id]
        lacking = [leaf.id for leaf in child.leaves if leaf.id not in self._references]
        if lacking:
            raise ValueError(f"{node.id} is normalised against a frozen reference: give that of {', '.join(lacking)}")
        rows = {leaf.id: self._references[leaf.id] for leaf in child.leaves}
        return Evaluator(child, rows, references=self._references).point().scores[child.id][0]


def _aggregated(node: Node, normalised: Mapping[str, Draws], weights: Vector, fitted: _Fitted) -> Draws:
    recipe = node.recipe
    score = aggregate(normalised, weights, method=recipe.aggregation, power=recipe.power, missing=recipe.missing)
    if score.dtype == np.float64:
        score = _settled(score)
    if not fitted.is_covered.all():
        score[:, ~fitted.is_covered] = np.nan
    return score


def _settled(scores: Draws) -> Draws:
    """Scores to eleven digits of the greatest in their row, so that equal ones tie.

    Sums of the same terms in another order differ in their last digits, and a rank above would take that for
    a difference in need. Draws in float32 are left alone: there, ties mean nothing.
    """
    greatest = np.fmax.reduce(np.abs(scores), axis=1, keepdims=True)
    # A greatest of 99.999999999 counts as 100, so that its own last digits do not decide.
    digits = np.floor(np.log10(np.where(greatest > 0, greatest * (1 + 1e-9), 1.0)))
    factor = 10.0 ** np.clip(10 - digits, 0, 22)
    return np.rint(scores * factor) / factor


def _vector(name: str, points: Mapping[str, Vector]) -> Vector:
    if name not in points:
        raise ValueError(f"{name} has no values")
    values = np.asarray(points[name], dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} needs one value for each area, not an array of shape {values.shape}")
    if np.isinf(values).any():
        raise ValueError(f"{name} has an infinite value: a missing value is NaN")
    return values


def _treated(fitted: _Fitted, name: str, block: Draws) -> Draws:
    return fitted.rules[name].apply(block) if fitted.rules else block


def _normalised(node: Node, children: Mapping[str, Draws], references: Mapping[str, Vector]) -> dict[str, Draws]:
    recipe = node.recipe
    if references or next(iter(children.values())).shape[0] > 1:
        return {
            child.id: normalise(
                children[child.id],
                recipe.normalisation,
                direction=child.direction,
                scale=recipe.scale,
                reference=references.get(child.id),
            )
            for child in node.children
        }
    # Points: rows are independent, and one call ranks the children side by side.
    found: dict[str, Draws] = {}
    for direction in (1, -1):
        ids = [child.id for child in node.children if child.direction == direction]
        if ids:
            rows = np.concatenate([children[name] for name in ids])
            rows = normalise(rows, recipe.normalisation, direction=direction, scale=recipe.scale)
            found.update((name, rows[i : i + 1]) for i, name in enumerate(ids))
    return {child.id: found[child.id] for child in node.children}
