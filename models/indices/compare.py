"""What a change of scores between two releases comes from: the data, or the method.

A release is scored with the engine from its indicator values and its declarations, without draws of error. With the
methods and data of both releases there are four scores of an area, and from S(A, A) to S(B, B) there are two ways:
first the data, then the method, or the other way round. Each part is the mean of its two steps (the Shapley value of
two players), so that both parts sum to the change exactly: Shapley 1953, in Contributions to the Theory of Games II;
Shorrocks 2013, J. Econ. Inequal. 11:99, for decompositions.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine.tree import Node
from models.geography.counties import national
from models.indices.spec import IndexSpec, full_tree, in_order, leaf_members, read_index
from models.indices.yaml_lines import DeclarationError, Entry, read
from models.limits import NON_USES

Vector = NDArray[np.float64]
Declarations = Mapping[str, Mapping[str, Any]]

OUTPUT = pl.Schema(
    {
        "index_id": pl.String,
        "geo_id": pl.String,
        "geo_name": pl.String,
        "score_a": pl.Float64,
        "score_b": pl.Float64,
        "change": pl.Float64,
        "from_data": pl.Float64,
        "from_method": pl.Float64,
        "published_change": pl.Float64,
        "remainder": pl.Float64,
        "rank_a": pl.Int64,
        "rank_b": pl.Int64,
        "rank_change": pl.Int64,
        "largest_data_driver": pl.String,
        "largest_data_driver_points": pl.Float64,
        "largest_method_driver": pl.String,
        "largest_method_driver_points": pl.Float64,
        "note": pl.String,
        "is_simulated": pl.Boolean,
        "not_for": pl.String,
    }
)
"""A row an index and county of both releases. Scores are of the engine without draws of error; `change` is
from_data + from_method; `published_change` is that of risk.scores and `remainder` what it has beside `change`."""

_ENDINGS = ("", "_lower", "_upper")
_ZERO = 1e-9


@dataclass(frozen=True)
class Release:
    """What a published file says.

    Args:
        name: as notes call it.
        values: rows of indicator.values of the county level (indicator_id, geo_id, period, value, value_lower,
            value_upper).
        declarations: index id -> its declaration, as YAML reads.
        directions: indicator id -> +1, -1 or 0.
        scores: rows of risk.scores (index_id, geo_id, geo_name, score, rank).
        is_simulated: whether the figures are SIMULATED.
    """

    name: str
    values: pl.DataFrame
    declarations: Declarations
    directions: Mapping[str, int]
    scores: pl.DataFrame
    is_simulated: bool


@dataclass(frozen=True)
class Comparison:
    """Rows as `OUTPUT` declares, and what a reader must know besides."""

    table: pl.DataFrame
    notes: tuple[str, ...]


class CompareError(ValueError):
    """Two releases that cannot be set against each other; says why."""


def declaration_text(index_id: str) -> str:
    """The declaration of one of the project's own indices, word for word."""
    return (Path(__file__).parent / f"{index_id}.yaml").read_text(encoding="utf-8")


def read_declarations(texts: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Declarations out of the texts of `meta.indices.declaration`.

    Raises:
        DeclarationError: a text is no declaration.
    """
    return {name: dict(read(text, name).data) for name, text in texts.items()}


def newest_period(known: Iterable[str], reference_year: int, max_age_years: int) -> str | None:
    """The newest of the periods with a value that is neither after the reference year nor too old; see `members`."""
    fresh = [period for period in known if reference_year - max_age_years <= int(period) <= reference_year]
    return max(fresh, default=None)


class Data:
    """The values of a release, each indicator and period as a vector over one list of areas."""

    def __init__(self, values: pl.DataFrame, areas: pl.DataFrame) -> None:
        self.areas = areas
        self._values = {str(name): part for (name,), part in values.group_by("indicator_id")}
        self._vectors: dict[tuple[str, str], Vector] = {}

    @cached_property
    def periods(self) -> dict[str, list[str]]:
        """Indicator -> periods with any value."""
        return {
            name: sorted(set(frame.filter(pl.col("value").is_not_null())["period"]))
            for name, frame in self._values.items()
        }

    def vector(self, name: str, period: str | None) -> Vector:
        """Values that an index may use: those with an interval, as in `models.indices.members`; NaN elsewhere."""
        if period is None:
            return np.full(self.areas.height, np.nan)
        if (name, period) not in self._vectors:
            rows = self._values[name].filter(pl.col("period") == period)
            joined = self.areas.select("geo_id").join(rows, on="geo_id", how="left", maintain_order="left")
            whole = pl.all_horizontal([pl.col(f"value{end}").is_not_null() for end in _ENDINGS])
            value = joined.select(pl.when(whole).then("value").cast(pl.Float64))["value"]
            self._vectors[name, period] = value.fill_null(np.nan).to_numpy().astype(float)
        return self._vectors[name, period]

    def points(self, spec: IndexSpec, specs: Mapping[str, IndexSpec]) -> dict[str, Vector]:
        """The values that an index takes, by indicator."""
        return {
            member.id: self.vector(
                member.id, newest_period(self.periods.get(member.id, ()), year, member.max_age_years)
            )
            for member, year in leaf_members(spec, specs)
        }


@dataclass(frozen=True)
class Method:
    """The declarations of all indices, read, and the directions of their indicators."""

    specs: Mapping[str, IndexSpec]
    directions: Mapping[str, int]

    @classmethod
    def of(cls, declarations: Declarations, directions: Mapping[str, int]) -> "Method":
        """Read declarations.

        Raises:
            DeclarationError: one of them cannot be read by this version.
        """
        # What else an index might have been moves no score, and need not fit a declaration with one key changed.
        plain = {name: {k: v for k, v in data.items() if k != "sensitivity"} for name, data in declarations.items()}
        specs = {name: read_index(Entry(data, name), name) for name, data in plain.items()}
        return cls({spec.id: spec for spec in in_order(specs)}, directions)

    def tree(self, index_id: str) -> Node:
        known = {leaf.id for leaf, _ in leaf_members(self.specs[index_id], self.specs)}
        return full_tree(self.specs[index_id], self.specs, {name: self.directions.get(name) or 1 for name in known})

    def is_same(self, other: "Method", index_id: str) -> bool:
        """Whether both make the same scores of the same values."""
        leaves = [
            [(member.id, year, member.max_age_years) for member, year in leaf_members(one.specs[index_id], one.specs)]
            for one in (self, other)
        ]
        return leaves[0] == leaves[1] and self.tree(index_id) == other.tree(index_id)


def score(method: Method, index_id: str, points: Mapping[str, Vector]) -> Vector:
    """Scores of one index from points, without draws of error; NaN below its coverage."""
    from models.engine.evaluate import Evaluator  # compiled: loaded where it runs

    tree = method.tree(index_id)
    if all(np.isnan(points[leaf.id]).all() for leaf in tree.leaves):
        return np.full(next(iter(points.values())).size, np.nan)
    return Evaluator(tree, points).point().scores[index_id][0]


# --- declarations with one key of the other release ---------------------------------------------------------------

_LISTED = {"weights": "weight", "max_age_years": "max_age_years", "parents": "parent"}
"""Keys of members and groups that are changed one at a time, and what they are called."""
_NO_SCORE = ("id", "title", "question", "sensitivity", "approved_by", "levels", "rationale", "record", "changes")
"""What a declaration says that moves no score."""


def _name(item: Mapping[str, Any]) -> str:
    return str(item.get("indicator") or item.get("index") or item.get("id"))


def _with_list_key(one: dict[str, Any], other: Mapping[str, Any], key: str) -> None:
    """Take one key of every member and group from its namesake."""
    for kind in ("members", "groups"):
        theirs = {_name(item): item for item in other.get(kind) or []}
        for item in one.get(kind) or []:
            if (twin := theirs.get(_name(item))) is not None:
                item.pop(key, None)
                item.update({key: twin[key]} if key in twin else {})


def _with_members(one: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Take the list of members from the other, and for those that both have, everything from oneself."""
    mine = {_name(item): item for item in one["members"]}
    one["members"] = [mine.get(_name(item), dict(item)) for item in other["members"]]


def _said(data: Mapping[str, Any], key: str) -> Any:
    if key == "members":
        return sorted(_name(item) for item in data["members"])
    if key in _LISTED:
        return {_name(item): item.get(_LISTED[key]) for kind in ("members", "groups") for item in data.get(kind) or []}
    if key == "groups":
        return [{k: v for k, v in group.items() if k not in ("weight", "parent")} for group in data.get("groups") or []]
    return data.get(key)


def _differs(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> bool:
    mine, theirs = _said(one, key), _said(other, key)
    if key in _LISTED:
        return any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys())
    return bool(mine != theirs)


def changed_keys(one: Declarations, other: Declarations) -> list[str]:
    """The keys that two sets of declarations say differently and that move a score, in order."""
    found: set[str] = set()
    for name in one.keys() & other.keys():
        mine, theirs = one[name], other[name]
        keys = {*mine, *theirs, *_LISTED, "members", "groups"} - set(_NO_SCORE)
        found |= {key for key in keys if _differs(mine, theirs, key)}
    return sorted(found)


def with_key(one: Declarations, other: Declarations, key: str) -> dict[str, dict[str, Any]]:
    """The first declarations with one key of the others, in every index that both have."""
    mixed: dict[str, dict[str, Any]] = {name: copy.deepcopy(dict(data)) for name, data in one.items()}
    for name in mixed.keys() & other.keys():
        if key in _LISTED:
            _with_list_key(mixed[name], other[name], _LISTED[key])
        elif key == "members":
            _with_members(mixed[name], copy.deepcopy(other[name]))
        else:
            mixed[name].pop(key, None)
            mixed[name].update({key: copy.deepcopy(other[name][key])} if key in other[name] else {})
    return mixed


# --- the comparison -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sides:
    """One index in both releases, for the areas of interest (positions in each release's own list)."""

    index_id: str
    methods: tuple[Method, Method]
    data: tuple[Data, Data]
    at: tuple[NDArray[np.int64], NDArray[np.int64]]

    def points(self, method: Method, side: int) -> dict[str, Vector]:
        return self.data[side].points(method.specs[self.index_id], method.specs)

    def score(self, method: Method, side: int) -> Vector:
        """With a method, from the data of one side, for the areas of interest."""
        return score(method, self.index_id, self.points(method, side))[self.at[side]]


def split(scores: Callable[[int, int], Vector]) -> tuple[Vector, Vector]:
    """The parts of a change that come from the data and from the method, as means of both orders.

    Args:
        scores: (method, data) -> scores, where 0 is release A and 1 is release B.

    Returns:
        Two vectors that sum to scores(1, 1) - scores(0, 0); NaN where one of the four is missing.
    """
    s00, s01, s10, s11 = scores(0, 0), scores(0, 1), scores(1, 0), scores(1, 1)
    return ((s01 - s00) + (s11 - s10)) / 2, ((s10 - s00) + (s11 - s01)) / 2


def _largest(effects: Mapping[str, Vector], towards: Vector) -> tuple[list[str | None], Vector]:
    """For each area the effect that goes furthest in the direction of `towards`, and its size."""
    if not effects:
        return [None] * towards.size, np.full(towards.size, np.nan)
    names = list(effects)
    table = np.stack([np.nan_to_num(effects[name]) for name in names])
    best = (table * np.sign(np.nan_to_num(towards))).argmax(axis=0)
    size = table[best, np.arange(towards.size)]
    moved = (np.abs(size) > _ZERO) & (np.abs(np.nan_to_num(towards)) > _ZERO) & (size * towards > 0)
    found = [names[k] if is_moved else None for k, is_moved in zip(best, moved, strict=True)]
    return found, np.where(moved, size, np.nan)


def _data_effects(sides: _Sides) -> dict[str, Vector]:
    """What each indicator's new values alone do to the scores, as the mean over both methods.

    Areas of one release that the other lacks have no counterpart, so the areas of both are compared only where
    their lists are the same; else percentiles would move with the list as well.
    """
    effects: dict[str, list[Vector]] = {}
    for method in sides.methods:
        old, new = (sides.points(method, side) for side in (0, 1))
        if next(iter(old.values())).size != next(iter(new.values())).size:
            return {}
        base = score(method, sides.index_id, old)
        for name in old:
            if np.array_equal(old[name], new[name], equal_nan=True):
                continue
            moved = score(method, sides.index_id, {**old, name: new[name]})
            effects.setdefault(name, []).append((moved - base)[sides.at[0]])
    return {name: np.sum(parts, axis=0) / len(sides.methods) for name, parts in effects.items()}


def _variants(a: Release, b: Release, notes: list[str]) -> dict[str, Method]:
    """The method of release A with one key of release B's, for each key that differs."""
    found: dict[str, Method] = {}
    for key in changed_keys(a.declarations, b.declarations):
        try:
            method = Method.of(with_key(a.declarations, b.declarations, key), a.directions)
            for index_id in method.specs:
                method.tree(index_id)
        except (DeclarationError, KeyError) as error:
            notes.append(f"the key {key} cannot be changed alone, so it is never named as the largest driver: {error}")
        else:
            found[key] = method
    if any(a.directions[name] != b.directions[name] for name in a.directions.keys() & b.directions.keys()):
        specs = Method.of(a.declarations, a.directions).specs
        found["directions"] = Method(specs, {**a.directions, **b.directions})
    return found


def _method_effects(sides: _Sides, variants: Mapping[str, Method]) -> dict[str, Vector]:
    """What each key of the declarations, changed alone, does to the scores, as the mean over both data."""
    moved = {key: method for key, method in variants.items() if not method.is_same(sides.methods[0], sides.index_id)}
    if not moved:
        return {}
    before = [sides.score(sides.methods[0], side) for side in (0, 1)]
    return {
        key: np.mean([sides.score(method, side) - before[side] for side in (0, 1)], axis=0)
        for key, method in moved.items()
    }


def compare(a: Release, b: Release) -> Comparison:
    """Split the change of every index and county between two releases into data and method.

    Raises:
        CompareError: one release is simulated and the other is not, or they have no county or index in common.
        DeclarationError: a declaration cannot be read by this version.
    """
    if a.is_simulated != b.is_simulated:
        raise CompareError("one release is SIMULATED and the other is of real data: there is nothing to compare")
    methods = (Method.of(a.declarations, a.directions), Method.of(b.declarations, b.directions))
    lists = tuple(
        national(release.values.select("geo_id").unique()).sort("geo_id").with_row_index("at") for release in (a, b)
    )
    data = (Data(a.values, lists[0]), Data(b.values, lists[1]))
    names = a.scores.select("geo_id").unique().join(
        b.scores.group_by("geo_id").agg(pl.col("geo_name").first()), on="geo_id", how="inner"
    )  # fmt: skip
    names = names.join(lists[0], on="geo_id").join(lists[1], on="geo_id", suffix="_b").sort("geo_id")
    shared = [name for name in methods[1].specs if name in methods[0].specs]
    if names.is_empty() or not shared:
        raise CompareError(f"{a.name} and {b.name} have no {'county' if names.is_empty() else 'index'} in common")
    notes = _notes(a, b, names.height)
    at = (names["at"].cast(pl.Int64).to_numpy(), names["at_b"].cast(pl.Int64).to_numpy())
    variants = _variants(a, b, notes)
    frames = [
        _frame(_Sides(index_id, methods, data, at), a, b, names.select("geo_id", "geo_name"), variants)
        for index_id in shared
    ]
    return Comparison(pl.concat(frames), tuple(notes))


def _notes(a: Release, b: Release, n_shared: int) -> list[str]:
    """What stands in one release only."""
    notes = []
    sides: dict[str, tuple[set[str], set[str]]] = {
        "indicators": (_known(a), _known(b)),
        "indices": (set(a.declarations), set(b.declarations)),
    }
    for what, (first, second) in sides.items():
        for release, only in ((a, first - second), (b, second - first)):
            if only:
                notes.append(f"{what} only in {release.name}: {', '.join(sorted(only))}")
    for release in (a, b):
        n = release.scores["geo_id"].n_unique()
        if n > n_shared:
            notes.append(f"{n - n_shared} counties of {release.name} are not in the other release and are left out")
    if set(a.values["geo_id"]) != set(b.values["geo_id"]):
        notes.append(
            "the releases list different counties of the nation, so no single indicator is named as largest data driver"
        )
    return notes


def _known(release: Release) -> set[str]:
    return set(release.values.filter(pl.col("value").is_not_null())["indicator_id"])


def _published(release: Release, index_id: str, side: str) -> pl.DataFrame:
    rows = release.scores.filter(pl.col("index_id") == index_id)
    return rows.select("geo_id", pl.col("score").alias(f"published_{side}"), pl.col("rank").alias(f"rank_{side}"))


def _frame(sides: _Sides, a: Release, b: Release, places: pl.DataFrame, variants: Mapping[str, Method]) -> pl.DataFrame:
    """The rows of one index."""
    four = {(m, d): sides.score(sides.methods[m], d) for m in (0, 1) for d in (0, 1)}
    from_data, from_method = split(lambda m, d: four[m, d])
    data_driver, data_points = _largest(_data_effects(sides), from_data)
    method_driver, method_points = _largest(_method_effects(sides, variants), from_method)
    columns = {
        "score_a": four[0, 0], "score_b": four[1, 1], "change": four[1, 1] - four[0, 0],
        "from_data": from_data, "from_method": from_method,
        "largest_data_driver_points": data_points, "largest_method_driver_points": method_points,
    }  # fmt: skip
    frame = (
        places.with_columns(pl.Series(name, values) for name, values in columns.items())
        .with_columns(
            pl.col(list(columns)).fill_nan(None),
            largest_data_driver=pl.Series(data_driver, dtype=pl.String),
            largest_method_driver=pl.Series(method_driver, dtype=pl.String),
        )
        .join(_published(a, sides.index_id, "a"), on="geo_id", how="left", maintain_order="left")
        .join(_published(b, sides.index_id, "b"), on="geo_id", how="left", maintain_order="left")
        .with_columns(published_change=pl.col("published_b") - pl.col("published_a"))
    )
    scored = pl.col("score_a").is_not_null() & pl.col("score_b").is_not_null()
    whole = pl.col("from_data").is_not_null()
    return (
        frame.with_columns(
            index_id=pl.lit(sides.index_id),
            remainder=pl.col("published_change") - pl.col("change"),
            rank_change=pl.col("rank_b") - pl.col("rank_a"),
            note=pl.when(~scored)
            .then(pl.lit("no score in one of the releases"))
            .when(~whole)
            .then(pl.lit("not split: one release's method finds too little in the other's data")),
            is_simulated=pl.lit(a.is_simulated),
            not_for=pl.lit(NON_USES),
        )
        .select(OUTPUT.names())
        .cast(OUTPUT)
    )


def largest_changes(comparison: Comparison, count: int = 5) -> pl.DataFrame:
    """The areas of each index whose score changed most, as texts for people."""
    order = pl.col("change").abs()
    kept = (
        comparison.table.filter(order > _ZERO)
        .with_columns(size=order)
        .sort("size", descending=True, maintain_order=True)
        .group_by("index_id", maintain_order=True)
        .head(count)
        .sort("index_id", maintain_order=True)
    )

    def points(name: str) -> pl.Expr:
        return pl.col(name).map_elements(lambda value: f"{value:+.1f}", return_dtype=pl.String).fill_null("")

    return kept.select(
        pl.col("index_id").alias("index"),
        pl.col("geo_name").alias("area"),
        *(points(name).alias(said) for name, said in (
            ("change", "change"), ("from_data", "data"), ("from_method", "method"), ("published_change", "published"),
        )),
        pl.col("largest_data_driver").fill_null("").alias("data driver"),
        pl.col("largest_method_driver").fill_null("").alias("method driver"),
    )  # fmt: skip
