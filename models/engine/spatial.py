"""Clusters of high and low values on the map: Local Moran and Getis-Ord Gi*.

Do not use them on an index whose inputs were spatially smoothed (shrunk towards neighbours, or modelled
with a spatial term) without saying so beside the result: the smoothing itself makes neighbours alike. An
index shrunk towards all areas alike is no such index.

The statistics are PySAL's (esda). The permutation test is ours, because that of esda 2.9 is wrong where
values tie: it counts ties as beyond the observed value in one tail only, so that of pure noise with four
zeros in five up to 30 % of units fall under p = 0.05, after doubling its one-sided p. Here ties count in
both tails, and p = min(1, 2 min(tails)), whatever the version of esda. Where nothing ties, the two agree.
Given the unit's own value both statistics rise or fall with the sum of its neighbours' values alone, so
that they have the same permutation p: they differ in how they name a unit, and Gi* has an analytic z too.

Sources: Anselin 1995, Geogr. Anal. 27:93 (Local Moran, conditional permutation, classes); Getis & Ord
1992, Geogr. Anal. 24:189, and Ord & Getis 1995, Geogr. Anal. 27:286 (Gi* and its z); Benjamini &
Hochberg 1995, J. R. Stat. Soc. B 57:289, and Caldas de Castro & Singer 2006, Geogr. Anal. 38:180
(false discovery rate among local statistics).
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Test = Literal["permutation", "analytic"]

PERMUTATIONS = 9_999
"""The least p is 2 / (PERMUTATIONS + 1). Benjamini-Hochberg finds nothing among n units unless some p is below
alpha / n, or several are small at once: with 999 permutations and 85,000 tracts it may be blind."""
ALPHA = 0.05

NOT_SIGNIFICANT = "Not significant"
NOT_MEASURED = "Not measured"
NO_NEIGHBOUR = "No measured neighbour"
HIGH_HIGH, LOW_HIGH, LOW_LOW, HIGH_LOW = "High-High", "Low-High", "Low-Low", "High-Low"
HOT, COLD = "Hot spot", "Cold spot"


@dataclass(frozen=True)
class Contiguity:
    """Who borders on whom.

    Args:
        neighbours: ids of each unit's neighbours, sorted; symmetric, without the unit itself.
        joined: (island, nearest unit), for each unit that touched none and was made a neighbour of the
            nearest; show it beside the result.
    """

    neighbours: Mapping[str, tuple[str, ...]]
    joined: tuple[tuple[str, str], ...] = ()


def _symmetric(pairs: Iterable[tuple[str, str]], ids: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {one: set() for one in ids}
    for one, other in pairs:
        if one != other and one in found and other in found:
            found[one].add(other)
            found[other].add(one)
    return found


def _contiguity(found: dict[str, set[str]], nearest: Mapping[str, str]) -> Contiguity:
    for island, other in nearest.items():
        found[island].add(other)
        found[other].add(island)
    return Contiguity({one: tuple(sorted(others)) for one, others in found.items()}, tuple(sorted(nearest.items())))


def contiguity_from_lists(
    lists: Mapping[str, Iterable[str]],
    *,
    points: Mapping[str, tuple[float, float]] | None = None,
    degrees: bool = True,
) -> Contiguity:
    """Contiguity from lists of neighbours, for example the Census Bureau's county adjacency file.

    A unit named as its own neighbour is ignored, as are neighbours that are no units themselves (beyond
    the region). What one of two units says holds for both.

    Args:
        lists: ids of neighbours of each unit; its keys are the units.
        points: a point (x, y) inside each unit. With them, a unit without neighbours is joined to the one
            whose point is nearest; without, it stays alone.
        degrees: points are longitudes and latitudes; a degree of longitude shrinks with the latitude.

    Raises:
        ValueError: points lack a unit that has no neighbours.
    """
    found = _symmetric(((one, other) for one, others in lists.items() for other in others), lists)
    alone = [one for one, others in found.items() if not others]
    if points is None or len(found) < 2:
        return _contiguity(found, {})
    if missing := [one for one in alone if one not in points]:
        raise ValueError(f"no point is given for {missing[:5]}, which have no neighbours: add it, or give no points")
    ids = sorted(one for one in found if one in points)
    xy = np.array([points[one] for one in ids], dtype=float)
    nearest = {}
    for island in alone:
        apart = (xy - np.array(points[island])) * [_shrink(points[island][1], degrees), 1.0]
        distance = np.where(np.array(ids) == island, np.inf, np.hypot(apart[:, 0], apart[:, 1]))
        nearest[island] = ids[int(distance.argmin())]
    return _contiguity(found, nearest)


def _shrink(latitude: float, degrees: bool) -> float:
    """Length of a degree of longitude in degrees of latitude."""
    return float(np.cos(np.deg2rad(latitude))) if degrees else 1.0


def queen_contiguity(geometries: Mapping[str, Any], *, degrees: bool = True) -> Contiguity:
    """Queen contiguity: units whose polygons share at least one point are neighbours.

    A polygon that touches none is joined to the one whose boundary is nearest. Boundaries must come from
    one file: those of different scales leave gaps, and every unit along a gap would become an island.

    Args:
        geometries: a shapely geometry, or a GeoJSON geometry, for each unit.
        degrees: coordinates are longitudes and latitudes; a degree of longitude shrinks with the latitude.

    Raises:
        ValueError: a geometry is missing or empty.
    """
    import shapely  # type: ignore[import-untyped]
    from shapely.geometry import shape  # type: ignore[import-untyped]

    ids = sorted(geometries)
    shapes = [shape(one) if isinstance(one := geometries[key], Mapping) else one for key in ids]
    if bad := [key for key, one in zip(ids, shapes, strict=True) if one is None or one.is_empty]:
        raise ValueError(f"no geometry for {bad[:5]}: give one, or leave the unit out")
    polygons = shapely.make_valid(np.array(shapes, dtype=object))
    tree = shapely.STRtree(polygons)
    first, second = tree.query(polygons, predicate="intersects")
    found = _symmetric(((ids[i], ids[j]) for i, j in zip(first, second, strict=True)), ids)
    nearest = {}
    for i, island in enumerate(ids):
        if found[island] or len(ids) < 2:
            continue
        factor = _shrink(shapely.centroid(polygons[i]).y, degrees)
        flat = shapely.transform(polygons, lambda xy, factor=factor: xy * [factor, 1.0])
        distance = shapely.distance(flat, flat[i])
        distance[i] = np.inf
        nearest[island] = ids[int(distance.argmin())]
    return _contiguity(found, nearest)


def adjusted_p(p: Vector) -> Vector:
    """Benjamini-Hochberg adjusted p: at rate alpha, the units with adjusted p <= alpha are discoveries.

    `esda.fdr` gives a cut-off for p instead, which comes to the same units (save for p equal to it).

    Args:
        p: (n,), without NaN.
    """
    n = p.size
    order = np.argsort(p)
    # The smallest of p n / rank among those at least as large.
    stepped = np.minimum.accumulate((p[order] * n / np.arange(1, n + 1))[::-1])[::-1]
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


@njit(cache=True, nogil=True)
def _permuted(n_others, width, permutations, generator):  # type: ignore[no-untyped-def] # numba infers
    """(permutations, width) places among the other units, without repetition in a row."""
    places = np.arange(n_others)
    out = np.empty((permutations, width), np.int64)
    for row in range(permutations):
        for k in range(width):
            swap = k + int(generator.random() * (n_others - k))
            places[k], places[swap] = places[swap], places[k]
            out[row, k] = places[k]
    return out


@njit(cache=True, nogil=True)
def _tails(whole, starts, neighbours, permuted, out):  # type: ignore[no-untyped-def] # numba infers
    """For each unit: of the permuted sums of its neighbours' values, how many are >= and <= the observed one."""
    for i in range(whole.size):
        start, end = starts[i], starts[i + 1]
        observed = 0
        for k in range(start, end):
            observed += whole[neighbours[k]]
        for row in range(permuted.shape[0]):
            total = 0
            for k in range(end - start):
                place = permuted[row, k]
                # Places skip the unit itself, whose own value stays where it is.
                total += whole[place + 1 if place >= i else place]
            out[i, 0] += total >= observed
            out[i, 1] += total <= observed


def permutation_p(
    values: Vector, starts: NDArray[np.int64], neighbours: NDArray[np.int64], *, permutations: int, seed: int
) -> tuple[Vector, NDArray[np.bool_]]:
    """Two-sided p of the sum of each unit's neighbours, by conditional permutation of all other units.

    p = min(1, 2 (t + 1) / (permutations + 1)), t the smaller number of permutations at least as extreme
    in one direction, ties included.

    Args:
        values: (n,), finite.
        starts, neighbours: unit i's neighbours are neighbours[starts[i]:starts[i + 1]], as positions.

    Returns:
        (n,) p, 1 for a unit without neighbours; and (n,) whether the neighbours are high rather than low.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed])))
    # Whole numbers add up to the same sum in any order, so that ties are ties; the grain is 1e-9 of the spread.
    whole = np.rint((values - values.mean()) / values.std() * 2**30).astype(np.int64)
    width = int(np.diff(starts).max(initial=0))
    permuted = _permuted(values.size - 1, width, permutations, generator)
    counts = np.zeros((values.size, 2), dtype=np.int64)
    _tails(whole, starts, neighbours, permuted, counts)
    p = np.minimum(1.0, 2 * (counts.min(axis=1) + 1) / (permutations + 1))
    return p, counts[:, 0] < counts[:, 1]


@contextmanager
def _esda_warnings() -> Iterator[None]:
    """Units in several separate groups are no mistake here; esda also changes the filters, and they are put back."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The weights matrix is not fully connected", category=UserWarning)
        yield


@dataclass(frozen=True)
class _Problem:
    """All units, and the measured ones among them with their values and neighbours (by position)."""

    ids: list[str]
    values: Vector
    measured: list[str]
    y: Vector
    lists: list[list[int]]

    @property
    def starts(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum([len(one) for one in self.lists])]).astype(np.int64)

    @property
    def flat(self) -> NDArray[np.int64]:
        return np.array([other for one in self.lists for other in one], dtype=np.int64)

    @property
    def linked(self) -> NDArray[np.bool_]:
        return np.array([bool(one) for one in self.lists])

    def weights(self) -> Any:
        from libpysal.weights import W  # type: ignore[import-untyped]

        return W(dict(enumerate(self.lists)), id_order=list(range(len(self.lists))), silence_warnings=True)


def _problem(ids: Sequence[str], values: Vector, contiguity: Contiguity) -> _Problem:
    ids = list(ids)
    values = np.asarray(values, dtype=float)
    if len(ids) != values.size or len(set(ids)) != len(ids):
        raise ValueError("give one value for each id, and each id once")
    if unknown := [one for one in ids if one not in contiguity.neighbours]:
        raise ValueError(f"{len(unknown)} units are not in the contiguity, such as {unknown[:5]}: are the ids alike?")
    if np.isinf(values).any():
        raise ValueError("a value is infinite: make it NaN (not measured) or correct it")
    known = ~np.isnan(values)
    y = values[known]
    if y.size < 3 or np.ptp(y) == 0:
        raise ValueError("three units or more with values that differ are needed to look for clusters")
    measured = [one for one, kept in zip(ids, known, strict=True) if kept]
    place = {one: k for k, one in enumerate(measured)}
    lists = [[place[other] for other in contiguity.neighbours[one] if other in place] for one in measured]
    return _Problem(ids, values, measured, y, lists)


def _decided(p: Vector, linked: NDArray[np.bool_], alpha: float) -> tuple[Vector, NDArray[np.bool_]]:
    """Adjusted p (NaN without neighbours: such a unit is no test) and whether it is a discovery."""
    adjusted = np.full(p.size, np.nan)
    if linked.any():
        adjusted[linked] = adjusted_p(p[linked])
    return adjusted, np.nan_to_num(adjusted, nan=1.0) <= alpha


def _frame(problem: _Problem, columns: Mapping[str, NDArray], significant: NDArray, classes: NDArray) -> pl.DataFrame:
    """One row per unit: numbers null and the class saying why where a unit is not tested."""
    linked = pl.Series(problem.linked)
    tested = pl.DataFrame({**columns, "significant": significant, "class": classes}).with_columns(
        pl.when("significant").then("class").otherwise(pl.lit(NOT_SIGNIFICANT)).alias("class")
    )
    tested = tested.with_columns(pl.when(linked).then(pl.all().exclude("class"))).with_columns(
        pl.when(linked).then("class").otherwise(pl.lit(NO_NEIGHBOUR)).alias("class"), id=pl.Series(problem.measured)
    )
    units = pl.DataFrame({"id": problem.ids, "value": problem.values}).with_columns(pl.col("value").fill_nan(None))
    return units.join(tested, on="id", how="left", maintain_order="left").with_columns(
        pl.col("class").fill_null(NOT_MEASURED)
    )


def local_moran(
    ids: Sequence[str],
    values: Vector,
    contiguity: Contiguity,
    *,
    seed: int,
    permutations: int = PERMUTATIONS,
    alpha: float = ALPHA,
) -> pl.DataFrame:
    """Local Moran's I: units that are like their neighbours (clusters) or unlike them (outliers).

    Args:
        ids, values: (n,) units and their values; NaN is not measured. Higher is greater need.
        contiguity: of these units, at least; weights are row-standardised over measured neighbours.
        seed, permutations: of the permutation test.
        alpha: false discovery rate among all units tested.

    Returns:
        One row per unit, in the order given: id, value, statistic (`Moran_Local.Is` of esda, which is
        spdep's Ii times (n - 1)/n), p (two-sided, by permutation), p_adjusted (Benjamini-Hochberg), significant,
        class: High-High, Low-Low (a cluster), High-Low, Low-High (the unit first, its neighbours second),
        Not significant, No measured neighbour, Not measured. Nulls where a unit is not tested.

    Raises:
        ValueError: ids repeat or are not in the contiguity, a value is infinite, or fewer than three
            units are measured, or all have the same value.
    """
    from esda import Moran_Local  # type: ignore[import-untyped]

    problem = _problem(ids, values, contiguity)
    with _esda_warnings():
        fitted = Moran_Local(problem.y, problem.weights(), transformation="r", permutations=0, n_jobs=1)
    p, _ = permutation_p(problem.y, problem.starts, problem.flat, permutations=permutations, seed=seed)
    adjusted, significant = _decided(p, problem.linked, alpha)
    quadrants = np.array(["", HIGH_HIGH, LOW_HIGH, LOW_LOW, HIGH_LOW])[fitted.q.astype(int)]
    return _frame(problem, {"statistic": fitted.Is, "p": p, "p_adjusted": adjusted}, significant, quadrants)


def getis_ord(
    ids: Sequence[str],
    values: Vector,
    contiguity: Contiguity,
    *,
    seed: int,
    permutations: int = PERMUTATIONS,
    alpha: float = ALPHA,
    test: Test = "permutation",
) -> pl.DataFrame:
    """Getis-Ord Gi*: hot spots and cold spots, of units together with their neighbours.

    Args:
        ids, values, contiguity, seed, permutations, alpha: as in `local_moran`; weights are one for each
            measured neighbour and for the unit itself.
        test: whose p decides. `analytic` has no least p and suits tens of thousands of units, but takes
            the sum of few values for normal: with skewed values prefer `permutation`.

    Returns:
        One row per unit, in the order given: id, value, z (analytic), p, p_adjusted (by permutation,
        two-sided), p_analytic, p_analytic_adjusted, significant (by `test`), class: Hot spot, Cold spot, Not
        significant, No measured neighbour, Not measured. Nulls where a unit is not tested. By permutation a
        spot needs neighbours on its own side; an outlier among unlike neighbours is left to `local_moran`.

    Raises:
        ValueError: as in `local_moran`.
    """
    from esda import G_Local
    from scipy.stats import norm

    problem = _problem(ids, values, contiguity)
    # z does not change when all values are shifted, but esda divides by their sum, which is zero for z-scores.
    shifted = (problem.y - problem.y.min()) / np.ptp(problem.y) + 1.0
    with _esda_warnings():
        # Binary weights: esda's moments take the sum of weights for the sum of squares, which only ones equal.
        z = G_Local(shifted, problem.weights(), transform="B", star=True, permutations=0, n_jobs=1).Zs
    p, high = permutation_p(problem.y, problem.starts, problem.flat, permutations=permutations, seed=seed)
    analytic = 2 * norm.sf(np.abs(z))
    adjusted, by_permutation = _decided(p, problem.linked, alpha)
    analytic_adjusted, by_z = _decided(analytic, problem.linked, alpha)
    columns = {
        "z": z,
        "p": p,
        "p_adjusted": adjusted,
        "p_analytic": analytic,
        "p_analytic_adjusted": analytic_adjusted,
    }
    # A very high unit among low ones has z > 0, but what its permutations find is its low neighbours: no hot spot.
    significant = by_permutation & (high == (z > 0)) if test == "permutation" else by_z
    return _frame(problem, columns, significant, np.where(z > 0, HOT, COLD))
