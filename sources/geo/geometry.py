"""GeoJSON geometries: five decimals, rings that are closed, coordinates that lie on Earth."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

DECIMALS = 5
Ring = Sequence[Sequence[float]]


def _ring(points: Ring) -> list[list[float]]:
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] < 2 or len(array) < 4:
        raise ValueError("a ring has at least four points of longitude and latitude")
    array = array[:, :2]
    if not (np.abs(array[:, 0]).max() <= 180 and np.abs(array[:, 1]).max() <= 90):  # NaN is not below 180
        raise ValueError("coordinates must be degrees of longitude and latitude")
    if not np.array_equal(array[0], array[-1]):
        raise ValueError("a ring ends where it starts")
    return np.round(array, DECIMALS).tolist()


def polygon(kind: str, coordinates: Sequence[Any]) -> str:
    """The text of a Polygon or MultiPolygon, rounded.

    Raises:
        ValueError: another kind of geometry, an open or too short ring, or no degrees.
    """
    if kind == "Polygon":
        rounded: list[Any] = [_ring(ring) for ring in coordinates]
    elif kind == "MultiPolygon":
        rounded = [[_ring(ring) for ring in part] for part in coordinates]
    else:
        raise ValueError(f"must be a Polygon or MultiPolygon, but is a {kind}")
    if not rounded:
        raise ValueError("has no ring")
    return json.dumps({"type": kind, "coordinates": rounded}, separators=(",", ":"))
