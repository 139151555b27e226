"""Normalised children, put together into a score.

Sources: OECD 2008, Handbook on Constructing Composite Indicators, step 6 (arithmetic and geometric
means); Hardy, Littlewood & Polya 1934, Inequalities, chapter 2 (power means).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Draws = NDArray[Any]
Vector = NDArray[np.float64]


def _require_positive(blocks: Mapping[str, Draws], method: str) -> None:
    for name, block in blocks.items():
        lowest = np.fmin.reduce(block, axis=None) if block.size else np.nan
        if lowest <= 0:
            raise ValueError(
                f"{name} has the value {lowest:g}, and the {method} mean needs values above zero: "
                "normalise with `min_max` and `scale: [1, 100]`, or with `percentile`"
            )


def _forward(block: Draws, method: str, power: float) -> Draws:
    if method == "arithmetic":
        return block
    return np.log(block) if method == "geometric" else block**power


def _weighted_mean(terms: list[tuple[Any, Draws]], *, is_null_if_any: bool) -> Draws:
    """Sum of weight times value over sum of weights, where there is a value; weights are numbers or (b, 1)."""
    total: Draws = np.zeros_like(terms[0][1])
    term = np.empty_like(total)
    whole: Any = sum(weight for weight, _ in terms)
    lost: Draws | None = None
    for weight, values in terms:
        gap = np.isnan(values)
        if not is_null_if_any and gap.any():
            lost = np.zeros_like(total) if lost is None else lost
            lost += weight * gap
            values = np.where(gap, np.zeros((), dtype=values.dtype), values)
        # Without the policy a gap stays NaN in the sum.
        np.multiply(weight, values, out=term)
        total += term
    if lost is None:
        total /= whole
        return total
    # What rounding leaves of the weight of an area that lacks everything is none.
    rest = whole - lost
    total /= np.where(rest > 1e-6 * whole, rest, np.nan)
    return total


def aggregate(
    blocks: Mapping[str, Draws],
    weights: Vector,
    *,
    method: str = "arithmetic",
    power: float | None = None,
    missing: str = "renormalise",
) -> Draws:
    """The weighted mean of the children of a node.

    arithmetic: sum(w x) / sum(w); geometric: exp(sum(w ln x) / sum(w)); power: (sum(w x^p) / sum(w))^(1/p).

    Args:
        blocks: (b, n) by child, NaN where there is no value. They are not written to.
        weights: (k,), or (b, k) where every draw has its own; positive, relative.
        method: one of AGGREGATIONS.
        power: the exponent p of `power`.
        missing: `null_if_any` gives no score to an area that lacks a child; `renormalise` and `impute` (whose
            gaps were filled before) spread the weight of a lacking child over the others.

    Returns:
        (b, n) in the precision of the blocks; NaN where no child has a value.

    Raises:
        ValueError: a value that is not above zero in a geometric or power mean, no such method or policy,
            or weights that do not fit the children.
    """
    if method not in ("arithmetic", "geometric", "power") or (method == "power") != (power is not None):
        raise ValueError(f"{method!r} with power {power!r} is no aggregation: see AGGREGATIONS")
    if missing not in ("impute", "renormalise", "null_if_any"):
        raise ValueError(f"{missing!r} is no policy for missing values: see MISSING")
    if np.shape(weights)[-1:] != (len(blocks),):
        raise ValueError(f"{len(blocks)} children need {len(blocks)} weights, not {np.shape(weights)}")
    if method != "arithmetic":
        _require_positive(blocks, method)
    exponent = 1.0 if power is None else power
    dtype = np.result_type(*blocks.values())
    columns = np.atleast_2d(np.asarray(weights, dtype=dtype)).T[:, :, None]
    terms = [
        (weight, _forward(block, method, exponent).astype(dtype, copy=False))
        for weight, block in zip(columns, blocks.values(), strict=True)
    ]
    mean = _weighted_mean(terms, is_null_if_any=missing == "null_if_any")
    if method == "geometric":
        return np.exp(mean)
    return mean if method == "arithmetic" else mean ** (1.0 / exponent)
