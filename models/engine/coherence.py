"""Whether the indicators of an index belong together, and how much each of them really counts.

Everything here is computed from values as they enter their parent: normalised, pointing to greater
need. What cannot be computed, because an indicator is equal everywhere or absent, is null and says why.

A formative index does not need a high alpha: poverty and absence from school may both matter without
going together. Alpha, KMO and Bartlett's test describe a group; a low alpha asks whether it is one.

Sources: OECD 2008, Handbook on Constructing Composite Indicators, steps 4, 6 and 9; Paruolo, Saisana
& Saltelli 2013, J. R. Stat. Soc. A 176:609 (importance); Cronbach 1951, Psychometrika 16:297 (alpha);
Kaiser & Rice 1974, Educ. Psychol. Meas. 34:111 (KMO); Bartlett 1951, Biometrika 38:337 (sphericity).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import chi2, rankdata

from models.engine.tree import Node

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

REDUNDANT_ABOVE = 0.92
"""Two indicators that correlate more than this say the same, in either direction."""
ALPHA_LOW, ALPHA_GOOD = 0.6, 0.7
OUTWEIGHS_ABOVE = 2.0
"""How many times its weight the importance of an indicator may be."""
REDUNDANT, NEGATIVE, OUTWEIGHS = "redundant", "negative", "counts above its weight"
LOW_ALPHA, QUESTIONABLE_ALPHA = "low alpha", "questionable alpha"

MIN_AREAS = 5
KNOTS = 10
AREAS_PER_KNOT = 20
_CONSTANT = 1e-12
_SINGULAR = 1e12

_IMPORTANCE = {
    "indicator": pl.String,
    "parent": pl.String,
    "weight": pl.Float64,
    "effective_weight": pl.Float64,
    "importance": pl.Float64,
    "importance_share": pl.Float64,
    "correlation": pl.Float64,
    "n": pl.Int64,
    "flag": pl.String,
    "reason": pl.String,
}
_PAIRS = {
    "first": pl.String,
    "second": pl.String,
    "first_parent": pl.String,
    "second_parent": pl.String,
    "same_parent": pl.Boolean,
    "pearson": pl.Float64,
    "spearman": pl.Float64,
    "n": pl.Int64,
    "flag": pl.String,
    "reason": pl.String,
}
_RELIABILITY = {
    "group": pl.String,
    "of": pl.String,
    "k": pl.Int64,
    "n": pl.Int64,
    "alpha": pl.Float64,
    "alpha_standardised": pl.Float64,
    "kmo": pl.Float64,
    "bartlett": pl.Float64,
    "bartlett_df": pl.Int64,
    "bartlett_p": pl.Float64,
    "flag": pl.String,
    "reason": pl.String,
}
_LINKS = {
    "comparison": pl.String,
    "n": pl.Int64,
    "spearman": pl.Float64,
    "pearson": pl.Float64,
    "unshared": pl.Float64,
    "top": pl.Int64,
    "shared_top": pl.Int64,
    "median_shift": pl.Float64,
    "reason": pl.String,
}


@dataclass(frozen=True)
class Coherence:
    """Three frames; see `importance`, `correlations` and `reliability`."""

    importance: pl.DataFrame
    correlations: pl.DataFrame
    reliability: pl.DataFrame


# --- weights -----------------------------------------------------------------------------------------------------


def child_weights(node: Node, weights: Mapping[str, Vector]) -> Vector:
    """The weights (k,) of a node's children, in their order, summing to 1.

    Raises:
        ValueError: there are none for the node, not one for each child, or one is not above zero.
    """
    if node.id not in weights:
        raise ValueError(f"{node.id} has no weights for its children: give those of every node with children")
    found = np.asarray(weights[node.id], dtype=np.float64)
    if found.shape != (len(node.children),):
        raise ValueError(f"{node.id} has {len(node.children)} children, but weights of shape {found.shape}")
    # Weights of principal components may round to zero, so that only their sum has to be positive.
    if not (np.isfinite(found).all() and (found >= 0).all() and found.sum() > 0):
        raise ValueError(f"{node.id}: weights must be numbers from zero up, not all zero")
    return found / found.sum()


def effective_weights(tree: Node, weights: Mapping[str, Vector]) -> dict[str, float]:
    """How much of the root each node carries by its weights: their product down the tree.

    Args:
        tree: the index.
        weights: node id -> weights (k,) of its children, as `Evaluator.weights`.

    Returns:
        Node id -> weight, the root's 1; those of the leaves sum to 1.

    Raises:
        ValueError: weights do not belong to the tree.
    """
    found = {tree.id: 1.0}

    def descend(node: Node) -> None:
        for weight, child in zip(child_weights(node, weights), node.children, strict=True):
            found[child.id] = found[node.id] * float(weight)
            if not child.is_leaf:
                descend(child)

    descend(tree)
    return found


# --- correlations ------------------------------------------------------------------------------------------------


def _is_constant(values: Vector) -> bool:
    return bool(np.ptp(values) <= _CONSTANT * np.abs(values).max())


def _reason(named: Mapping[str, Vector], minimum: int) -> str | None:
    """Why nothing can be computed from these values (n,) of the same areas, or None."""
    known = ~np.isnan(np.stack(list(named.values())))
    for name, row in zip(named, known, strict=True):
        if not row.any():
            return f"{name} has no values"
    complete = known.all(axis=0)
    if complete.sum() < minimum:
        return f"{int(complete.sum())} areas have all of {', '.join(named)}, and {minimum} are needed"
    for name, values in named.items():
        if _is_constant(values[complete]):
            return f"{name} is equal in all {int(complete.sum())} areas that can be compared"
    return None


def _pearson(first: Vector, second: Vector) -> float:
    """Of complete values that vary."""
    x, y = first - first.mean(), second - second.mean()
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    # Plain sums: a threaded dot product is slower here, and its last digits depend on the threads.
    return float(np.clip((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()), -1.0, 1.0))


def _ranks(codes: NDArray[np.int64]) -> Vector:
    """Ascending ranks, ties at their mean, of values that are given by their place among the distinct ones.

    The places are found once for each indicator; counting them is far cheaper than sorting for each pair.
    """
    count = np.bincount(codes)
    return (np.cumsum(count) - (count - 1) / 2)[codes]


def correlation(first: Vector, second: Vector, *, by_rank: bool = False) -> float:
    """Pearson's correlation, or Spearman's, over the areas that have both values; NaN where it is not defined.

    Args:
        first: (n,), NaN where there is no value.
        second: (n,), of the same areas.
        by_rank: Spearman's instead, ties at their mean rank among the areas that have both.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    if both.sum() < 3 or _is_constant(first[both]) or _is_constant(second[both]):
        return float("nan")
    if by_rank:
        return _pearson(*(_ranks(np.unique(values[both], return_inverse=True)[1]) for values in (first, second)))
    return _pearson(first[both], second[both])


def _parents(tree: Node) -> dict[str, Node]:
    return {child.id: node for node in tree.walk() for child in node.children}


def _pairs(tree: Node) -> list[tuple[Node, Node]]:
    """All pairs of leaves, then the pairs of siblings of which one at least is a group."""
    siblings = [pair for node in tree.walk() for pair in combinations(node.children, 2)]
    return [*combinations(tree.leaves, 2), *(pair for pair in siblings if not (pair[0].is_leaf and pair[1].is_leaf))]


def correlations(tree: Node, values: Mapping[str, Vector]) -> pl.DataFrame:
    """Correlations of all pairs of indicators, and of the groups that enter the same parent.

    Args:
        tree: the index.
        values: child id -> (n,), pointing to greater need, NaN where there is none.

    Returns:
        One row a pair, each over the areas that have both: first, second, their parents, same_parent,
        pearson, spearman, n, flag (`redundant` where |r| exceeds REDUNDANT_ABOVE, `negative` where r is
        below zero inside a group), reason where it is null.

    Raises:
        ValueError: a child has no values or values of another shape.
    """
    values = _checked(tree, values)
    parents = _parents(tree)
    codes = {name: np.unique(vector, return_inverse=True)[1] for name, vector in values.items()}
    rows: list[dict[str, Any]] = []
    for one, other in _pairs(tree):
        first, second = values[one.id], values[other.id]
        both = ~(np.isnan(first) | np.isnan(second))
        reason = _reason({one.id: first, other.id: second}, 3)
        r = None if reason else _pearson(first[both], second[both])
        parent, beside = parents[one.id].id, parents[other.id].id
        is_redundant = r is not None and abs(r) > REDUNDANT_ABOVE
        is_negative = r is not None and r < 0 and parent == beside
        rows.append(
            {
                "first": one.id,
                "second": other.id,
                "first_parent": parent,
                "second_parent": beside,
                "same_parent": parent == beside,
                "pearson": r,
                "spearman": None if reason else _pearson(_ranks(codes[one.id][both]), _ranks(codes[other.id][both])),
                "n": int(both.sum()),
                # Members of a group that cancel each other out are the graver finding.
                "flag": NEGATIVE if is_negative else REDUNDANT if is_redundant else None,
                "reason": reason,
            }
        )
    return pl.DataFrame(rows, schema=_PAIRS)


def matrix(tree: Node, pairs: pl.DataFrame, kind: str = "pearson") -> pl.DataFrame:
    """The correlations of the indicators as a square: a column `indicator`, then one for each of them.

    Args:
        tree: the index.
        pairs: as `correlations` gives them.
        kind: pearson or spearman.

    Raises:
        ValueError: no such kind.
    """
    if kind not in ("pearson", "spearman"):
        raise ValueError(f"{kind!r} is no correlation: take pearson or spearman")
    ids = [leaf.id for leaf in tree.leaves]
    found: dict[tuple[str, str], float | None] = {}
    for first, second, r in pairs.select("first", "second", kind).iter_rows():
        found[first, second] = found[second, first] = r
    columns = {name: [1.0 if name == row else found.get((row, name)) for row in ids] for name in ids}
    return pl.DataFrame(
        [pl.Series("indicator", ids, pl.String), *(pl.Series(name, rows, pl.Float64) for name, rows in columns.items())]
    )


# --- importance --------------------------------------------------------------------------------------------------


def _knots(x: Vector) -> Vector:
    """Where the line that is fitted to a score may bend: equally many areas between two knots."""
    count = min(KNOTS, x.size // AREAS_PER_KNOT)
    distinct = np.unique(x)
    if distinct.size <= count + 2:
        return distinct[1:-1]
    inside = np.unique(np.quantile(x, np.arange(1, count + 1) / (count + 1)))
    return inside[(inside > distinct[0]) & (inside < distinct[-1])]


def correlation_ratio(score: Vector, values: Vector) -> float:
    """The share of the variance of a score that goes when an indicator is fixed: eta^2 = Var(E[y|x]) / Var(y).

    E[y|x] is a broken line with up to KNOTS knots at equal frequencies of the indicator (its group means
    where it has no more values than that), so that a linear relation is met exactly, and a bent one closely.
    A fitted share is too large by what its coefficients fit of the noise; it is corrected for their number
    as an adjusted R^2, 1 - (n - 1)/(n - p) (1 - R^2) (for group means this is Kelley's epsilon^2), and kept
    within 0 and 1.

    Source: Paruolo, Saisana & Saltelli 2013, J. R. Stat. Soc. A 176:609 (the measure; they fit a local
    linear regression); Kelley 1935, Proc. Natl. Acad. Sci. 21:554 (the correction).

    Args:
        score: (n,), NaN where there is none.
        values: (n,) of the indicator, of the same areas.

    Returns:
        NaN where fewer than MIN_AREAS have both or one of them does not vary.
    """
    both = ~(np.isnan(score) | np.isnan(values))
    if both.sum() < MIN_AREAS or _is_constant(score[both]) or _is_constant(values[both]):
        return float("nan")
    y, x = score[both], values[both]
    x = (x - x.min()) / np.ptp(x)
    y = (y - y.mean()) / np.ptp(y)
    knots = _knots(x)
    basis = np.column_stack([np.ones(x.size), x, np.maximum(x[:, None] - knots, 0.0)])
    fitted, _, rank, _ = np.linalg.lstsq(basis, y, rcond=None)
    left = x.size - int(rank)
    if left < 1:
        return float("nan")
    error = y - basis @ fitted
    return float(np.clip(1 - (error @ error / left) / (y @ y / (x.size - 1)), 0.0, 1.0))


def importance(tree: Node, weights: Mapping[str, Vector], values: Mapping[str, Vector], score: Vector) -> pl.DataFrame:
    """What each indicator is meant to count and what it does count.

    Args:
        tree: the index.
        weights: node id -> weights (k,) of its children.
        values: child id -> (n,), pointing to greater need, NaN where there is none.
        score: (n,) of the root.

    Returns:
        One row a leaf: indicator, parent, weight (in its parent), effective_weight (in the root), importance
        (`correlation_ratio` of the score on it), importance_share (of the importances of all leaves: they
        do not sum to 1 where indicators correlate), correlation (Pearson's, with the score), n, flag
        (`counts above its weight` where the share exceeds OUTWEIGHS_ABOVE times the weight that it has among the
        indicators that could be judged, `negative` where it correlates negatively with the score),
        reason where it is null.

    Raises:
        ValueError: weights or values do not belong to the tree.
    """
    values = _checked(tree, values)
    score = _vector(tree.id, score)
    effective, parents = effective_weights(tree, weights), _parents(tree)
    own = {
        child.id: float(weight)
        for node in tree.walk()
        if not node.is_leaf
        for child, weight in zip(node.children, child_weights(node, weights), strict=True)
    }
    ids = [leaf.id for leaf in tree.leaves]
    reasons = {name: _reason({name: values[name], tree.id: score}, MIN_AREAS) for name in ids}
    ratios = {name: correlation_ratio(score, values[name]) for name in ids}
    known = [name for name in ids if not np.isnan(ratios[name])]
    total, mass = sum(ratios[name] for name in known), sum(effective[name] for name in known)
    rows: list[dict[str, Any]] = []
    for name in ids:
        ratio = ratios[name] if name in known else None
        share = ratio / total if ratio is not None and total > 0 else None
        r = None if reasons[name] else correlation(score, values[name])
        outweighs = share is not None and share * mass > OUTWEIGHS_ABOVE * effective[name]
        rows.append(
            {
                "indicator": name,
                "parent": parents[name].id,
                "weight": own[name],
                "effective_weight": effective[name],
                "importance": ratio,
                "importance_share": share,
                "correlation": r,
                "n": int((~(np.isnan(score) | np.isnan(values[name]))).sum()),
                "flag": NEGATIVE if r is not None and r < 0 else OUTWEIGHS if outweighs else None,
                "reason": reasons[name],
            }
        )
    return pl.DataFrame(rows, schema=_IMPORTANCE)


# --- reliability -------------------------------------------------------------------------------------------------


def cronbach_alpha(values: Vector) -> float:
    """k/(k - 1) (1 - sum of variances / variance of the sum), equal to k^2 mean covariance / sum of covariances.

    Source: Cronbach 1951, Psychometrika 16:297.

    Args:
        values: (n, k), complete.

    Returns:
        At most 1, and below 0 where members cancel each other out; NaN for fewer than two members or
        areas, or where the sum does not vary.
    """
    n, k = values.shape
    if k < 2 or n < 2:
        return float("nan")
    covariance = np.cov(values.T)
    total = covariance.sum()
    if total <= _CONSTANT * np.abs(covariance).sum():
        return float("nan")
    return float(k / (k - 1) * (1 - np.trace(covariance) / total))


def standardised_alpha(r: Vector) -> float:
    """k r / (1 + (k - 1) r) with r the mean correlation: alpha if all members had the same variance.

    Args:
        r: correlation matrix (k, k).
    """
    k = r.shape[0]
    if k < 2:
        return float("nan")
    mean = (r.sum() - k) / (k * (k - 1))
    below = 1 + (k - 1) * mean
    return float(k * mean / below) if below > _CONSTANT else float("nan")


def kmo(r: Vector) -> float:
    """Kaiser, Meyer and Olkin's sampling adequacy: sum r^2 / (sum r^2 + sum q^2), q the partial correlations.

    Source: Kaiser & Rice 1974, Educ. Psychol. Meas. 34:111.

    Args:
        r: correlation matrix (k, k).

    Returns:
        Between 0 and 1; NaN for fewer than three members (two always give 0.5), members that are a linear
        combination of others, or where nothing correlates.
    """
    k = r.shape[0]
    if k < 3 or np.linalg.cond(r) > _SINGULAR:
        return float("nan")
    inverse = np.linalg.inv(r)
    scale = np.sqrt(np.diag(inverse))
    off = ~np.eye(k, dtype=bool)
    plain, partial = (r[off] ** 2).sum(), ((inverse / np.outer(scale, scale))[off] ** 2).sum()
    return float(plain / (plain + partial)) if plain + partial > _CONSTANT else float("nan")


def bartlett_sphericity(r: Vector, n: int) -> tuple[float, int, float]:
    """Bartlett's test that nothing correlates: -(n - 1 - (2k + 5)/6) ln |R|, its degrees of freedom, and p.

    Source: Bartlett 1951, Biometrika 38:337.

    Args:
        r: correlation matrix (k, k).
        n: number of areas.

    Returns:
        chi-square, k (k - 1)/2, and the chance of more under independence; NaN where the matrix is
        singular or there are too few areas.
    """
    k = r.shape[0]
    df = k * (k - 1) // 2
    factor = n - 1 - (2 * k + 5) / 6
    if k < 2 or factor <= 0 or np.linalg.cond(r) > _SINGULAR:
        return float("nan"), df, float("nan")
    # Rounding alone makes the determinant exceed 1.
    statistic = max(0.0, float(-factor * np.linalg.slogdet(r)[1]))
    return statistic, df, float(chi2.sf(statistic, df))


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _reliable(group: str, of: str, members: Mapping[str, Vector]) -> dict[str, Any]:
    stacked = np.column_stack(list(members.values()))
    complete = stacked[~np.isnan(stacked).any(axis=1)]
    n, k = complete.shape
    row: dict[str, Any] = dict.fromkeys(_RELIABILITY)
    row |= {"group": group, "of": of, "k": k, "n": n, "reason": _reason(members, max(3, k + 1))}
    if row["reason"]:
        return row
    r = np.asarray(np.corrcoef(complete.T), dtype=np.float64)
    statistic, df, p = bartlett_sphericity(r, n)
    alpha = _or_none(cronbach_alpha(complete))
    row |= {
        "alpha": alpha,
        "alpha_standardised": _or_none(standardised_alpha(r)),
        "kmo": _or_none(kmo(r)),
        "bartlett": _or_none(statistic),
        "bartlett_df": df,
        "bartlett_p": _or_none(p),
    }
    if alpha is None:
        row["reason"] = "the members cancel each other out: their sum is equal in all areas"
    elif alpha < ALPHA_GOOD:
        row["flag"] = LOW_ALPHA if alpha < ALPHA_LOW else QUESTIONABLE_ALPHA
    if np.isnan(statistic) and row["reason"] is None:
        singular = np.linalg.cond(r) > _SINGULAR
        row["reason"] = "a member follows exactly from the others" if singular else f"{n} areas are too few"
    return row


def reliability(tree: Node, values: Mapping[str, Vector]) -> pl.DataFrame:
    """How far the members of each group go together, over the areas that have all of them.

    Args:
        tree: the index.
        values: child id -> (n,), pointing to greater need, NaN where there is none.

    Returns:
        One row for each node with two children or more (`of` = children), children before their parents,
        and one for all indicators of an index with groups (`of` = indicators): group, of, k, n, alpha,
        alpha_standardised, kmo (from three members on), bartlett, bartlett_df, bartlett_p, flag (`low alpha`
        below ALPHA_LOW, `questionable alpha` below ALPHA_GOOD), reason where something is null.

    Raises:
        ValueError: a child has no values or values of another shape.
    """
    values = _checked(tree, values)
    groups: list[tuple[str, str, Sequence[Node]]] = [
        (node.id, "children", node.children) for node in tree.walk() if len(node.children) > 1
    ]
    if any(not child.is_leaf for child in tree.children) and len(tree.leaves) > 1:
        groups.append((tree.id, "indicators", tree.leaves))
    rows = [_reliable(group, of, {node.id: values[node.id] for node in nodes}) for group, of, nodes in groups]
    return pl.DataFrame(rows, schema=_RELIABILITY)


# --- together ----------------------------------------------------------------------------------------------------


def _vector(name: str, values: Vector) -> Vector:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or found.size == 0:
        raise ValueError(f"{name} needs one value for each area, not an array of shape {found.shape}")
    if np.isinf(found).any():
        raise ValueError(f"{name} has an infinite value: a missing value is NaN")
    return found


def _checked(tree: Node, values: Mapping[str, Vector]) -> dict[str, Vector]:
    """The values of all nodes below the root."""
    names = [node.id for node in tree.walk() if node.id != tree.id]
    lacking = [name for name in names if name not in values]
    if lacking:
        raise ValueError(f"{', '.join(lacking)} has no values: give those of every node below {tree.id}")
    found = {name: _vector(name, values[name]) for name in names}
    sizes = {vector.size for vector in found.values()}
    if len(sizes) > 1:
        raise ValueError(f"all nodes need values of the same areas, but they have {sorted(sizes)}")
    return found


def coherence(
    tree: Node,
    weights: Mapping[str, Vector],
    normalised: Mapping[str, Vector],
    score: Vector,
    *,
    imputed: Mapping[str, Mask] | None = None,
) -> Coherence:
    """Importance, correlations and reliability of an index.

    Args:
        tree: the index.
        weights: node id -> weights (k,) of its children.
        normalised: child id -> (n,) as it enters its parent, pointing to greater need.
        score: (n,) of the root.
        imputed: child id -> (n,) where the value was predicted. Predicted values are left out: they were
            made from the correlations that are to be measured.

    Raises:
        ValueError: weights or values do not belong to the tree.
    """
    values = _checked(tree, normalised)
    for name, mask in (imputed or {}).items():
        if name in values:
            values[name] = np.where(mask, np.nan, values[name])
    return Coherence(importance(tree, weights, values, score), correlations(tree, values), reliability(tree, values))


def links(score: Vector, comparisons: Mapping[str, Vector], *, top: int = 10) -> pl.DataFrame:
    """How the ranking differs from that of other measures, such as child poverty alone.

    Args:
        score: (n,), higher = greater need, NaN where there is none.
        comparisons: name -> (n,) of the same areas, higher = greater need.
        top: how many areas of greatest need are compared.

    Returns:
        One row a comparison, by name, over the areas that have both: comparison, n, spearman, pearson,
        unshared (1 - spearman^2, the share of the variance of the ranks that the other measure leaves: what
        the index adds), top, shared_top (areas in both lists of that length), median_shift (of ranks,
        absolute), reason where they are null.

    Raises:
        ValueError: top is below 1, or a comparison is of other areas.
    """
    if top < 1:
        raise ValueError(f"top must be at least 1, not {top}")
    score = _vector("score", score)
    rows: list[dict[str, Any]] = []
    for name in sorted(comparisons):
        other = _vector(name, comparisons[name])
        if other.size != score.size:
            raise ValueError(f"{name} has {other.size} areas, and the score {score.size}: give the same areas")
        both = ~(np.isnan(score) | np.isnan(other))
        row: dict[str, Any] = dict.fromkeys(_LINKS)
        row |= {"comparison": name, "n": int(both.sum()), "top": top}
        row["reason"] = _reason({"the score": score, name: other}, 3)
        if row["reason"] is None:
            ours, theirs = (rankdata(-values[both], method="min") for values in (score, other))
            rho = correlation(score, other, by_rank=True)
            row |= {
                "spearman": rho,
                "pearson": correlation(score, other),
                "unshared": 1 - rho**2,
                "shared_top": int(((ours <= top) & (theirs <= top)).sum()),
                "median_shift": float(np.median(np.abs(ours - theirs))),
            }
        rows.append(row)
    return pl.DataFrame(rows, schema=_LINKS)
