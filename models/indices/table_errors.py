"""What the members of a table's index are worth and how sure that is: point values and the draws of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from models.engine.censored import ArgumentError, Censored
from models.engine.errors import Binomial, Drawer, Fixed, Normal, Poisson, PublishedInterval
from models.engine.joint import JointPosterior
from models.engine.margins import Z90
from models.engine.shrinkage import Posterior
from models.engine.simulate import stream
from models.indices.table_spec import NORMAL, ColumnSpec, TableSpec
from models.indices.table_values import TableError, Values, refuse
from models.indices.yaml_lines import Entry

Vector = NDArray[np.float64]
Draws = NDArray[np.float32]
Mask = NDArray[np.bool_]

MODES = ("posterior", "sampling")
N_CENTRE = 256
"""Draws whose mean is the point value that weights, treatments and imputers are fitted on."""
_LEAST_JOINT = 3
"""Values that a member needs to be drawn together with others."""


@dataclass(frozen=True)
class Measured:
    """The members of an index over the n rows of a table.

    Args:
        points: member -> (n,) value as published, NaN where there is none, or none whose error is known.
        standard_errors: member -> (n,), of members whose error model has one.
        others: member -> its draws, of members with another error model, which do not depend on the mode.
        correlation: of the errors of the members of `standard_errors`, in their order; None where none is declared.
        has_errors: whether any member declares an error model.
        notes: what a reader has to know.
    """

    points: dict[str, Vector]
    standard_errors: dict[str, Vector]
    others: dict[str, Drawer]
    correlation: Vector | None
    has_errors: bool
    notes: list[str] = field(default_factory=list)


def measure(spec: TableSpec, values: Values, where: str, matrix: pl.DataFrame | None = None) -> Measured:
    """Judge the members' values together with what their error models need.

    Args:
        where: the table, as errors name it.
        matrix: of error correlations, every cell as text, where the declaration names a file.

    Raises:
        TableError: a value or an error that cannot be, by row and column.
        DeclarationError: the declared correlation is none.
    """
    found = Measured(
        {}, {}, {}, _correlation(spec, matrix), has_errors=any(m.error.model != "none" for m in spec.members)
    )
    for member in spec.members:
        _judge_support(member, values, where)
        if member.error.model == "none":
            found.points[member.id] = values.columns[member.column]
        elif member.error.model in NORMAL:
            _measure_normal(member, values, where, found)
        else:
            _measure_other(member, values, where, found)
        _remark(member, found.points[member.id], found)
    return found


def _judge_support(member: ColumnSpec, values: Values, where: str) -> None:
    value = values.columns[member.column]
    lower, upper = member.support
    outside = (value < lower) | (value > upper)
    refuse(where, member.column, values.ids, outside, f"the declared support is {lower:g} to {upper:g}", value.tolist())


def _remark(member: ColumnSpec, point: Vector, found: Measured) -> None:
    known = point[~np.isnan(point)]
    if known.size == 0:
        found.notes.append(
            f"{member.id} has no value in any row: it carries no weight, and coverage counts it as not observed"
        )
    elif known.size > 1 and np.ptp(known) == 0:
        found.notes.append(f"{member.id} is {known[0]:g} in every row: it tells no row from another")


def _measure_normal(member: ColumnSpec, values: Values, where: str, found: Measured) -> None:
    value = values.columns[member.column]
    if member.error.model == "relative":
        error: Vector = member.error.numbers["cv"] * np.abs(value)
    else:
        role = member.error.model
        column = member.error.columns[role]
        given = values.columns[column]
        name = "margin" if role == "margin" else "standard error"
        refuse(where, column, values.ids, given < 0, f"a {name} must not be negative", given.tolist())
        lost = np.isnan(value) & ~np.isnan(given)
        rule = f"a {name} without an estimate in column {member.column}: empty it, or look for shifted cells"
        refuse(where, column, values.ids, lost, rule, given.tolist())
        error = given / Z90 if role == "margin" else given
    found.points[member.id] = _known(member, value, error, found)
    found.standard_errors[member.id] = np.where(np.isnan(value), np.nan, error)


def _known(member: ColumnSpec, value: Vector, needed: Vector, found: Measured) -> Vector:
    """The values whose error is known (`needed` is not NaN): others must not look the surest of all."""
    unknown = ~np.isnan(value) & np.isnan(needed)
    if unknown.any():
        found.notes.append(
            f"{member.id}: values without what their error model needs, which count as missing: {int(unknown.sum())}"
        )
    return np.where(unknown, np.nan, value)


def _measure_other(member: ColumnSpec, values: Values, where: str, found: Measured) -> None:
    columns = {role: values.columns[column] for role, column in member.error.columns.items()}
    value = values.columns[member.column]
    if member.error.model != "interval":
        value = _known(member, value, sum(columns.values(), np.zeros(value.size)), found)
    try:
        drawer, point = _MODELS[member.error.model](member, value, columns)
    except ArgumentError as error:
        role = {"share": "", "count": "", "value": "", "size": "n"}.get(error.argument, error.argument)
        column = member.error.columns.get(role, member.column)
        wrong = np.zeros(value.size, dtype=bool)
        wrong[error.position] = True
        refuse(where, column, values.ids, wrong, str(error).partition("] ")[2])
        raise
    found.points[member.id], found.others[member.id] = point, drawer


def _binomial(member: ColumnSpec, value: Vector, columns: Mapping[str, Vector]) -> tuple[Drawer, Vector]:
    return Binomial(member.id, value, columns["n"], scale=member.error.numbers.get("scale", 1.0)), value


def _poisson(member: ColumnSpec, value: Vector, columns: Mapping[str, Vector]) -> tuple[Drawer, Vector]:
    per = member.error.numbers.get("per", 1.0)
    drawer = Poisson(member.id, value, columns.get("exposure"), per=per)
    assert drawer.exposure is not None
    return drawer, value * per / drawer.exposure


def _published_interval(member: ColumnSpec, value: Vector, columns: Mapping[str, Vector]) -> tuple[Drawer, Vector]:
    level = member.error.numbers.get("level", 0.90)
    lower, upper = (np.where(np.isnan(value), np.nan, columns[end]) for end in ("lower", "upper"))
    return PublishedInterval(member.id, value, lower, upper, level=level, support=member.support), value


def _interval(member: ColumnSpec, value: Vector, columns: Mapping[str, Vector]) -> tuple[Drawer, Vector]:
    # Where the figure itself is published, it is its own interval.
    lower, upper = (np.where(np.isnan(value), columns[end], value) for end in ("lower", "upper"))
    numbers = member.error.numbers
    drawer = Censored(
        member.id, lower, upper, columns["n"], scale=numbers.get("scale", 1.0), rounding=numbers.get("rounding")
    )
    return drawer, drawer.mean


_Make = Callable[[ColumnSpec, Vector, Mapping[str, Vector]], tuple[Drawer, Vector]]
_MODELS: dict[str, _Make] = {
    "binomial": _binomial,
    "poisson": _poisson,
    "published_interval": _published_interval,
    "interval": _interval,
}


# --- correlated errors -------------------------------------------------------------------------------------------


def _correlation(spec: TableSpec, matrix: pl.DataFrame | None) -> Vector | None:
    """The declared correlation of the errors of the members that have standard errors."""
    declared, key = spec.error_correlation, "error_correlation"
    if declared is None:
        return None
    ids = [member.id for member in spec.members if member.error.model in NORMAL]
    if len(ids) < 2:
        raise spec.entry.error(f"{key} needs two members or more with a margin, se or relative error", key)
    found = np.eye(len(ids))
    if isinstance(declared, float):
        found[~np.eye(len(ids), dtype=bool)] = declared
    elif isinstance(declared, str):
        assert matrix is not None, "the caller reads the file that is named"
        found = _matrix(declared, matrix, ids)
    else:
        _fill_pairs(found, declared, ids, spec.entry)
    if np.linalg.eigvalsh(found).min() < -1e-8:
        raise spec.entry.error(f"{key} is impossible: no errors can have these correlations together", key)
    return found


def _fill_pairs(found: Vector, declared: Mapping[str, Mapping[str, float]], ids: Sequence[str], entry: Entry) -> None:
    given: dict[tuple[str, str], float] = {}
    for first, row in declared.items():
        for second, number in row.items():
            for name in (first, second):
                if name not in ids:
                    reason = f"{name} has no margin, se or relative error that could be correlated"
                    raise entry.error(reason, "error_correlation", first)
            pair = (min(first, second), max(first, second))
            if first == second or given.setdefault(pair, number) != number:
                reason = "is its own" if first == second else "differs from what is given the other way round"
                raise entry.error(f"error_correlation of {first} and {second} {reason}", "error_correlation", first)
            i, j = ids.index(first), ids.index(second)
            found[i, j] = found[j, i] = number


def _matrix(where: str, frame: pl.DataFrame, ids: Sequence[str]) -> Vector:
    """A matrix of correlations from a table: names in its first column and in its header."""
    names = frame[frame.columns[0]].to_list()
    lacking = [name for name in ids if name not in names or name not in frame.columns[1:]]
    if lacking:
        raise TableError(f"{where}: needs a row and a column for {', '.join(lacking)}")
    rows = [names.index(name) for name in ids]
    found = frame.select(pl.col(name).cast(pl.Float64, strict=False) for name in ids)[rows].to_numpy()
    for i, j in [(i, i) for i in range(len(ids))] + list(combinations(range(len(ids)), 2)):
        one, other = found[i, j], found[j, i]
        wrong = not (-1 < one < 1 and one == other) if i != j else one != 1
        if wrong:
            rule = "must be 1" if i == j else "must lie between -1 and 1, the same both ways"
            raise TableError(f"{where}: the correlation of {ids[i]} and {ids[j]} {rule}, not {one:g} and {other:g}")
    return np.asarray(found, dtype=np.float64)


# --- draws -------------------------------------------------------------------------------------------------------


class _JointNormal:
    """Estimates redrawn around themselves with correlated errors (a Drawer): a Gaussian copula of truncated normals."""

    def __init__(
        self, ids: Sequence[str], mean: Vector, sd: Vector, correlation: Vector, supports: Sequence[tuple[float, float]]
    ) -> None:
        self.ids = tuple(ids)
        values, vectors = np.linalg.eigh(correlation)
        self._root = vectors * np.sqrt(np.maximum(values, 0.0))
        self._mean, self._sd = mean, sd
        ends = np.array(supports, dtype=np.float64)[:, :, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            deviations = np.where(sd[:, None] > 0, (ends - mean[:, None]) / sd[:, None], [[-np.inf], [np.inf]])
        self._below, self._above = ndtr(deviations[:, 0]), ndtr(deviations[:, 1])

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (m, count, n) float32."""
        noise = np.tensordot(
            self._root, generator.standard_normal((self._mean.shape[0], count, self._mean.shape[1])), 1
        )
        share = self._below[:, None] + ndtr(noise) * (self._above - self._below)[:, None]
        return (self._mean[:, None] + self._sd[:, None] * ndtri(share)).astype(np.float32)


@dataclass(frozen=True)
class _Masked:
    """A drawer whose members stay missing where they have no value (a Drawer)."""

    inner: Drawer
    gaps: NDArray[np.bool_]

    @property
    def ids(self) -> tuple[str, ...]:
        return self.inner.ids

    def draw(self, first: int, count: int, generator: np.random.Generator) -> Draws:
        """Draws first to first + count - 1, as (m, count, n) float32."""
        drawn = self.inner.draw(first, count, generator)
        return np.where(self.gaps[:, None], np.float32(np.nan), drawn)


def drawers(spec: TableSpec, measured: Measured, mode: str, seed: int) -> list[Drawer]:
    """Where the draws of every member come from.

    Args:
        mode: `posterior` or `sampling`.
        seed: of the priors.
    """
    members = {member.id: member for member in spec.members}
    together = _together(measured)
    found: list[Drawer] = []
    if together:
        found.append(_joint([members[name] for name in together], measured, mode, seed))
    for name, member in members.items():
        if name in together:
            continue
        point = measured.points[name]
        if name in measured.others:
            found.append(measured.others[name])
        elif name not in measured.standard_errors or np.isnan(point).all():
            found.append(Fixed(name, point))
        elif mode == "sampling":
            found.append(Normal(name, point, measured.standard_errors[name], *member.support))
        else:
            lower, upper = member.support
            variance = measured.standard_errors[name] ** 2
            found.append(Posterior(name, point, variance, seed=seed, lower=lower, upper=upper))
    return found


def _together(measured: Measured) -> list[str]:
    """The members that are drawn together, if a correlation is declared."""
    if measured.correlation is None:
        return []
    found = []
    for name in measured.standard_errors:
        known = measured.points[name][~np.isnan(measured.points[name])]
        if known.size >= _LEAST_JOINT and np.ptp(known) > 0:
            found.append(name)
    return found if len(found) > 1 else []


def _joint(members: Sequence[ColumnSpec], measured: Measured, mode: str, seed: int) -> Drawer:
    ids = [member.id for member in members]
    order = list(measured.standard_errors)
    places = [order.index(name) for name in ids]
    assert measured.correlation is not None
    correlation = measured.correlation[np.ix_(places, places)]
    mean = np.stack([measured.points[name] for name in ids])
    sd = np.stack([measured.standard_errors[name] for name in ids])
    supports = [member.support for member in members]
    if mode == "sampling":
        return _JointNormal(ids, mean, sd, correlation, supports)
    covariance = np.einsum("in,jn,ij->nij", sd, sd, correlation)
    lower, upper = np.array(supports).T
    inner = JointPosterior(ids, mean, covariance, seed=seed, lower=lower, upper=upper)
    # What is missing is for the recipe to decide: imputed, left out, or no score.
    return _Masked(inner, np.isnan(mean))


def centres(drawers_: Sequence[Drawer], measured: Measured, seed: int) -> dict[str, Vector]:
    """Mean of the draws of every member (n,): what an index of posterior draws is fitted on."""
    found = dict(measured.points)
    for drawer in drawers_:
        if isinstance(drawer, Fixed):
            continue
        size = 32
        total = sum(
            drawer.draw(first, size, stream(seed, ("|centre|", *drawer.ids), first)).sum(axis=1, dtype=np.float64)
            for first in range(0, N_CENTRE, size)
        )
        found.update(zip(drawer.ids, np.asarray(total) / N_CENTRE, strict=True))
    return found
