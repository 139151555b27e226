"""How much each child counts in its parent.

Source: OECD 2008, Handbook on Constructing Composite Indicators, step 6 (weights from the first
principal component, and when to refuse them).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.engine.tree import Node, TreeError

Draws = NDArray[Any]
Vector = NDArray[np.float64]

MIN_EXPLAINED = 0.5


def declared_weights(node: Node) -> Vector:
    """Weights (k,) of a node's children that sum to 1: as given, or equal."""
    given = [1.0 if node.recipe.weighting == "equal" else child.weight for child in node.children]
    return np.array(given) / sum(given)


def correlations(blocks: Sequence[Draws]) -> Vector:
    """Correlation matrices (b, k, k) of k blocks (b, n), each over the areas that have all k values.

    A constant block has no correlation with any other.
    """
    b, k = blocks[0].shape[0], len(blocks)
    complete = ~np.isnan(blocks[0])
    for block in blocks[1:]:
        complete &= ~np.isnan(block)
    count = np.maximum(complete.sum(axis=1), 1)[:, None]
    centred = []
    for block in blocks:
        inside = np.where(complete, block, 0.0)
        mean = inside.sum(axis=1, keepdims=True, dtype=np.float64) / count
        centred.append(np.where(complete, inside - mean, 0.0))
    found = np.empty((b, k, k))
    for i in range(k):
        for j in range(i + 1):
            found[:, i, j] = found[:, j, i] = np.einsum("bn,bn->b", centred[i], centred[j])
    sd = np.sqrt(np.einsum("bii->bi", found))
    # What rounding leaves of a constant is no spread.
    largest = np.stack([np.abs(np.where(complete, block, 0.0)).max(axis=1) for block in blocks], axis=1)
    constant = sd <= 1e-7 * largest * np.sqrt(count)
    sd = np.where(constant, 1.0, sd)
    found /= sd[:, :, None] * sd[:, None, :]
    found[constant[:, :, None] | constant[:, None, :]] = 0.0
    found[:, np.arange(k), np.arange(k)] = 1.0
    return found


def _first_component(correlation: Vector) -> tuple[Vector, Vector]:
    """Loadings (b, k) of the first component, their sum positive, and its share of the variance (b,)."""
    values, vectors = np.linalg.eigh(correlation)
    loadings = vectors[:, :, -1]
    loadings = loadings * np.where(loadings.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    return loadings, values[:, -1] / correlation.shape[1]


def pca_weights(node: str, normalised: Mapping[str, Vector]) -> Vector:
    """Squared loadings (k,) of the first principal component; eigenvectors have length 1, so they sum to 1.

    Args:
        node: whose children these are, for the message.
        normalised: (n,) by child, all pointing to greater need, so that every loading should be positive.

    Raises:
        TreeError: a child is constant or fewer areas than children + 1 are complete, the first component
            explains less than half of the variance, or a child loads against its direction.
    """
    names = list(normalised)
    stacked = np.stack(list(normalised.values()))
    complete = stacked[:, ~np.isnan(stacked).any(axis=0)]
    if complete.shape[1] < len(names) + 1:
        raise TreeError(
            node, "weighting", f"pca has {complete.shape[1]} areas with all of {', '.join(names)}: give the weights"
        )
    constant = [name for name, row in zip(names, complete, strict=True) if np.ptp(row) == 0]
    if constant:
        raise TreeError(node, "weighting", f"pca can do nothing with {', '.join(constant)}, equal in all areas")
    loadings, explained = _first_component(correlations([row[None] for row in complete]))
    if explained[0] < MIN_EXPLAINED:
        raise TreeError(
            node,
            "weighting",
            f"the first component explains {explained[0]:.0%} of the variance, less than half: give the weights",
        )
    wrong = [name for name, loading in zip(names, loadings[0], strict=True) if loading < -1e-9]
    if wrong:
        raise TreeError(
            node,
            "weighting",
            f"{', '.join(wrong)} loads against its direction: check the direction or give the weights",
        )
    return loadings[0] ** 2


def pca_weights_of_draws(normalised: Sequence[Draws]) -> Vector:
    """Squared loadings (b, k), computed anew in every draw and refused in none."""
    return _first_component(correlations(normalised))[0] ** 2
