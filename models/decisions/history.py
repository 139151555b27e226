"""`risk.history`: each index for every year for which members exist, and whether an area changed more than its error.

Percentiles of different years are no yardstick: an area would seem to worsen because others improved. So the yardstick
is frozen: every year is set against the newest year's national distribution of each member (methods.md 5.1,
`ecdf_reference`), and a change is one of the place. Dollars are carried into those of the yardstick's year.

A change is computed from like with like only: from members that were observed anew, whose values exist in both years,
and between which no definition broke. It is given where they hold at least min_coverage of the weight that the year's
own score rests on. Errors of the two years are drawn independently: ACS periods that share years and
years of SAIPE are positively correlated, so the intervals of changes are too wide rather than too short. Values with
margins are shrunken towards their own year's nation, which makes small counties look steadier than they may be.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.decisions.comparable import between, price_factor
from models.decisions.decision import Decision, Found, Inputs, Place
from models.engine.defaults import SEED
from models.engine.tree import Node, TreeError, judge
from models.geography.counties import national
from models.indicators.assemble import AbsentPart
from models.indicators.indicator import Indicator, all_indicators
from models.indices.compare import newest_period
from models.indices.spec import IndexSpec, MemberSpec, all_indices, full_tree, leaf_members
from models.indices.tables import SCORE, WHAT_IT_IS
from models.limits import NON_USES
from quality.columns import GEO_NAME, geo_id, geo_level
from quality.contract import Column, Table

if TYPE_CHECKING:
    from models.engine.evaluate import Evaluator

N_HISTORY_DRAWS = 400
"""A mean is then known to a twentieth of its standard deviation, a bound of a 90 % interval to about a tenth."""

Draws = NDArray[Any]
Vector = NDArray[np.float64]


def _score(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit=SCORE, minimum=0, maximum=100)


def _points(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit="points of score, more = greater need", minimum=-100, maximum=100)


def _share(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit="share, 0 to 1", minimum=0, maximum=1)


HISTORY = Table(
    key="risk.history",
    title="Indices over the years",
    description="Each index of the region's counties for every year in which one of its members was observed, against "
    "one frozen yardstick: the national distribution of the newest year on hand. Scores differ from risk.scores, whose "
    f"yardstick is made anew in each draw. {WHAT_IT_IS} {NON_USES}",
    columns=(
        geo_level("county"),
        geo_id("county"),
        GEO_NAME,
        Column("index_id", pl.String, "The index; see meta.indices.", nullable=False),
        Column("reference_year", pl.Int64, "The year that the score stands for.", unit="year", nullable=False),
        _score("score", "Mean of the score over all draws; null below the index's min_coverage."),
        _score("score_p05", "Lower bound of the 90 % interval of the score."),
        _score("score_p95", "Upper bound of the 90 % interval of the score."),
        Column(
            "monte_carlo_error", pl.Float64, "Standard error of the score from the number of draws alone.",
            unit="points of score", minimum=0,
        ),
        _share("coverage", "Share of the members' weight that was observed for the area."),
        Column("members", pl.String, "The members used and their periods.", nullable=False),
        Column("previous_year", pl.Int64, "The year that the change is counted from.", unit="year"),
        _points(
            "change", "Mean change since previous_year, of the members of change_members alone: not the difference of "
            "two scores above where members differ."
        ),
        _points("change_lower", "Lower bound of the 90 % interval of the change."),
        _points("change_upper", "Upper bound of the 90 % interval of the change."),
        Column("is_significant", pl.Boolean, "Whether the 90 % interval of the change leaves out zero."),
        Column("change_members", pl.String, "The members that were observed anew and are defined alike in both years."),
        _share("change_coverage", "Share of the members' weight that the change rests on."),
        Column("break_note", pl.String, "What the change leaves out or why there is none."),
        Column("yardstick", pl.String, "Members and periods whose national distribution is the yardstick.",
               nullable=False),
        Column(
            "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
        ),
    ),
    primary_key=("geo_level", "geo_id", "index_id", "reference_year"),
    may_be_empty=True,
)  # fmt: skip


@dataclass(frozen=True)
class _Leaf:
    """One indicator in one period over the nation: points, and draws of the areas that are scored."""

    points: Vector
    draws: Draws


class _Observed:
    """Every indicator and period, drawn once: indices share them.

    Args:
        values: county rows of indicator.values.
        population: the nation's counties (geo_id), in order.
        near: positions of the areas that are scored and imputed from, in `population`.
    """

    def __init__(self, values: pl.DataFrame, population: pl.DataFrame, near: NDArray[np.int64]) -> None:
        known = values.filter(pl.col("value").is_not_null())
        self.population, self.near, self.indicators = population, near, all_indicators()
        self._tables = {str(name): frame for (name,), frame in values.group_by("indicator_id")}
        self.periods: dict[str, list[str]] = {
            str(name): sorted(set(frame["period"])) for (name,), frame in known.group_by("indicator_id")
        }
        self._leaves: dict[tuple[str, str], _Leaf] = {}
        self.nothing = _Leaf(
            np.full(population.height, np.nan), np.full((N_HISTORY_DRAWS, near.size), np.nan, np.float32)
        )

    def leaf(self, name: str, period: str, dollars_of: str) -> _Leaf:
        """An indicator in a period, in the dollars of another; nothing where there is no price index."""
        factor = price_factor(self.indicators[name].unit, period, dollars_of)
        if factor is None:
            return self.nothing
        found = self._drawn(name, period)
        return found if factor == 1.0 else _Leaf(found.points * factor, found.draws * np.float32(factor))

    def _drawn(self, name: str, period: str) -> _Leaf:
        from models.engine.simulate import stream
        from models.indices.members import gather

        if (name, period) not in self._leaves:
            # One member of one year: what an index may use of it, and its draws, are the index's own rules.
            spec = next(iter(all_indices().values()))
            member = MemberSpec(name, is_index=False, weight=1.0, max_age_years=0, rationale="")
            alone = replace(spec, members=(member,), reference_year=int(period))
            members = gather(alone, {}, self.indicators, {name: self._tables[name]}, self.population)
            # Each period has a seed of its own: the same random numbers would make two years err alike.
            generator = stream(SEED + int(period), (name,), 0)
            draws = members.drawers[0].draw(0, N_HISTORY_DRAWS, generator)[0]
            self._leaves[name, period] = _Leaf(members.points[name], np.ascontiguousarray(draws[:, self.near]))
        return self._leaves[name, period]


def frozen(tree: Node, *, min_coverage: float | None = None) -> Node:
    """The same tree with every node set against a frozen reference.

    Args:
        min_coverage: of every node, where it is to be another.

    Raises:
        TreeError: one of its methods has no meaning against a frozen reference.
    """

    def freeze(node: Node) -> Node:
        if node.is_leaf:
            return node
        recipe = replace(node.recipe, reference="frozen")
        if min_coverage is not None:
            recipe = replace(recipe, min_coverage=min_coverage)
        return replace(node, recipe=recipe, children=tuple(freeze(child) for child in node.children))

    return judge(freeze(tree))


def most_covered(node: Node, names: Container[str]) -> float:
    """The coverage of an area that has all of some members: what no area can exceed.

    An inner score below its own min_coverage gives nothing to its parent, as in the engine.
    """
    if node.is_leaf:
        return float(node.id in names)
    equal = node.recipe.weighting == "equal"
    weights = [1.0 if equal else child.weight for child in node.children]
    found = sum(
        weight * most_covered(child, names) for weight, child in zip(weights, node.children, strict=True)
    ) / sum(weights)
    return found if found >= node.recipe.min_coverage - 1e-9 else 0.0


def _named(chosen: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({period})" for name, period in sorted(chosen.items()))


class _IndexHistory:
    """One index over the years."""

    def __init__(self, spec: IndexSpec, specs: Mapping[str, IndexSpec], observed: _Observed) -> None:
        self.spec, self.observed, self.indicators = spec, observed, observed.indicators
        self.leaves = leaf_members(spec, specs)
        tree = full_tree(spec, specs, {name: one.direction for name, one in self.indicators.items()})
        self.tree, self.compared_tree = frozen(tree), frozen(tree, min_coverage=0.0)
        self.yardstick: dict[str, str] = {}
        for member, year in self.leaves:
            before = [period for period in observed.periods.get(member.id, ()) if int(period) <= year]
            if before:
                self.yardstick[member.id] = before[-1]

    def years(self) -> list[int]:
        """Years in which a member was observed, up to the index's reference year."""
        known = {int(p) for m, year in self.leaves for p in self.observed.periods.get(m.id, ()) if int(p) <= year}
        return sorted(known)

    def chosen(self, year: int) -> dict[str, str]:
        """The period of each member that the index would take for a reference year; those without one are left out."""
        found = {}
        for member, last in self.leaves:
            period = newest_period(self.observed.periods.get(member.id, ()), min(year, last), member.max_age_years)
            if period is not None:
                found[member.id] = period
        return found

    def scores(
        self, tree: Node, chosen: Mapping[str, str], names: Iterable[str], year: int
    ) -> tuple["Evaluator", Draws]:
        """Draws of the score (draws, near) from some of the members, and what they cover."""
        from models.engine.evaluate import Evaluator
        from models.engine.simulate import IMPUTATION, stream

        wanted = set(names)
        near, nothing = self.observed.near, self.observed.nothing
        points, draws, references = {}, {}, {}
        for member, _ in self.leaves:
            name, is_in = member.id, member.id in wanted
            dollars = self.yardstick.get(name, "")
            leaf = self.observed.leaf(name, chosen[name], dollars) if is_in else nothing
            points[name], draws[name] = leaf.points[near], leaf.draws
            # What is not compared is not in the yardstick either: inner scores are set against others of their kind.
            references[name] = self.observed.leaf(name, dollars, dollars).points if is_in else nothing.points
        evaluator = Evaluator(tree, points, references=references)
        evaluation = evaluator.evaluate(draws, stream(SEED + year, IMPUTATION, 0))
        return evaluator, evaluation.scores[self.spec.id]

    def alike(self, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[list[str], list[str]]:
        """Members that may be compared between two years, and what is said of the others."""
        kept, said = [], []
        carried = [name for name in after if before.get(name) == after[name]]
        one_year = sorted(before.keys() ^ after.keys())
        for name in sorted(after.keys() & before.keys() - set(carried)):
            one = self.indicators[name]
            broken = [each.note for each in between(one, before[name], after[name]) if not each.states]
            if price_factor(one.unit, before[name], after[name]) is None:
                broken.append("no price index is declared for its years")
            if broken:
                said.append(f"{name}: {'; '.join(broken)}")
            else:
                kept.append(name)
        if one_year:
            said.append(f"known in one of the years only: {', '.join(one_year)}")
        if carried:
            said.append(f"not observed anew: {', '.join(sorted(carried))}")
        return kept, said


def _local_breaks(
    kept: Iterable[str], before: Mapping[str, str], after: Mapping[str, str], indicators: Mapping[str, Indicator]
) -> dict[str, str]:
    """State -> the break that its areas have between two years, for breaks of some states only."""
    return {
        state: each.note
        for name in kept
        for each in between(indicators[name], before[name], after[name])
        for state in each.states
    }


def _summary(draws: Draws, prefix: str, ends: tuple[str, str]) -> dict[str, Vector]:
    """Mean and 90 % interval of each area; NaN where any draw has no value."""
    low, high = np.full((2, draws.shape[1]), np.nan)
    known = np.isfinite(draws).all(axis=0)
    mean = np.where(known, draws.mean(axis=0, dtype=np.float64), np.nan)
    if known.any():
        low[known], high[known] = np.quantile(draws[:, known], [0.05, 0.95], axis=0)
    return {prefix: mean, f"{prefix}_{ends[0]}": low, f"{prefix}_{ends[1]}": high}


def _year_frame(
    one: _IndexHistory, year: int, evaluator: "Evaluator", draws: Draws, places: pl.DataFrame
) -> pl.DataFrame:
    at = places["near"].to_numpy()
    chosen = one.chosen(year)
    columns = _summary(draws[:, at], "score", ("p05", "p95"))
    spread = np.where(np.isfinite(columns["score"]), draws[:, at].std(axis=0, dtype=np.float64), np.nan)
    columns |= {
        "coverage": evaluator.coverage[one.spec.id][at],
        "monte_carlo_error": spread / np.sqrt(N_HISTORY_DRAWS),
    }
    return places.with_columns(
        *(pl.Series(name, values) for name, values in columns.items()),
        index_id=pl.lit(one.spec.id),
        reference_year=pl.lit(year, pl.Int64),
        members=pl.lit(_named(chosen)),
        yardstick=pl.lit(_named(one.yardstick)),
    )


_CHANGE = ("change", "change_lower", "change_upper", "change_coverage")


def _no_change(frame: pl.DataFrame, previous: int | None, note: str | None) -> pl.DataFrame:
    return frame.with_columns(
        *(pl.lit(None, pl.Float64).alias(name) for name in _CHANGE),
        previous_year=pl.lit(previous, pl.Int64),
        change_members=pl.lit(None, pl.String),
        break_note=pl.lit(note, pl.String),
    )


def _with_change(one: _IndexHistory, frame: pl.DataFrame, previous: int | None, year: int) -> pl.DataFrame:
    """The columns of the change since the previous year that has scores."""
    if previous is None:
        return _no_change(frame, None, "the first year on hand")
    before, after = one.chosen(previous), one.chosen(year)
    kept, said = one.alike(before, after)
    if not kept:
        return _no_change(frame, previous, "; ".join(["no member can be compared", *said]))
    at = frame["near"].to_numpy()
    first, earlier = one.scores(one.compared_tree, before, kept, previous)
    last, later = one.scores(one.compared_tree, after, kept, year)
    columns: dict[str, Vector] = _summary((later - earlier)[:, at], "change", ("lower", "upper"))
    covered = [evaluator.coverage[one.spec.id][at] for evaluator in (first, last)]
    columns["change_coverage"] = np.minimum(*covered)
    local = _local_breaks(kept, before, after, one.indicators)
    broken = pl.col("geo_id").str.head(2).replace_strict(local, default=None, return_dtype=pl.String)
    little = pl.col("change_coverage") < one.spec.min_coverage * pl.col("coverage") - 1e-9
    unlike = (pl.col("change").is_nan() | pl.col("score").is_nan()) & ~little
    notes = [
        broken,
        pl.when(little).then(pl.lit("too little of the weight that the score rests on can be compared")),
        pl.when(unlike).then(pl.lit("the area has no score in one of the years")),
        pl.lit("; ".join(said) or None, pl.String),
    ]
    found = frame.with_columns(
        *(pl.Series(name, values) for name, values in columns.items()),
        previous_year=pl.lit(previous, pl.Int64),
        change_members=pl.lit(_named({name: f"{before[name]} to {after[name]}" for name in kept})),
    ).with_columns(break_note=pl.concat_str(notes, separator="; ", ignore_nulls=True))
    gone = broken.is_not_null() | little
    return found.with_columns(
        *(pl.when(~gone).then(name).alias(name) for name in _CHANGE[:3]),
        break_note=pl.when(pl.col("break_note") != "").then("break_note"),
    )


def _frames(one: _IndexHistory, places: pl.DataFrame) -> tuple[list[pl.DataFrame], list[AbsentPart]]:
    """The rows of one index, and the years that have no score."""
    frames: list[pl.DataFrame] = []
    unscored = []
    previous: int | None = None
    for year in one.years():
        # Weights of principal components are known only from values: there a year is computed in any case.
        is_pca = any(node.recipe.weighting == "pca" for node in one.tree.walk() if not node.is_leaf)
        if not is_pca and most_covered(one.tree, one.chosen(year)) == 0.0:
            unscored.append(str(year))
            continue
        evaluator, draws = one.scores(one.tree, one.chosen(year), one.chosen(year), year)
        frame = _year_frame(one, year, evaluator, draws, places)
        if frame["score"].is_nan().all():
            unscored.append(str(year))
            continue
        frames.append(_with_change(one, frame, previous, year))
        previous = year
    part = f"{HISTORY.key}.{one.spec.id}"
    absent = []
    if unscored:
        reason = f"no score for {', '.join(unscored)}: less than {one.spec.min_coverage:g} of the weight is observed"
        absent.append(AbsentPart(part, reason, None))
    if len(frames) < 2:
        absent.append(AbsentPart(part, f"{len(frames)} year with scores: no change can be given", None))
    return frames, absent


def history(
    values: pl.DataFrame, counties: pl.DataFrame, *, is_simulated: bool
) -> tuple[pl.DataFrame, list[AbsentPart]]:
    """The rows of `HISTORY`, and what of it is absent.

    Only the counties of the states that the region touches are scored in the draws: a missing value is
    predicted from them. The yardstick and the shrinkage are the nation's.

    Args:
        values: rows of indicator.values of the whole nation.
        counties: the region's counties, geo_id and geo_name.
    """
    values = values.filter(pl.col("geo_level") == "county")
    population = national(values.select("geo_id").unique()).sort("geo_id")
    states = counties["geo_id"].str.head(2).unique().implode()
    inside = population.with_row_index("position").filter(pl.col("geo_id").str.head(2).is_in(states))
    places = counties.select("geo_id", "geo_name").join(
        inside.select("geo_id").with_row_index("near"), on="geo_id", how="inner", maintain_order="left"
    )
    if places.is_empty():
        return HISTORY.empty(), [AbsentPart(HISTORY.key, "no indicator has a value for a county of the region", None)]
    frames: list[pl.DataFrame] = []
    absent: list[AbsentPart] = []
    observed = _Observed(values, population, inside["position"].cast(pl.Int64).to_numpy())
    for spec in all_indices().values():
        if spec.geo_level != "county":
            continue
        try:
            one = _IndexHistory(spec, all_indices(), observed)
        except TreeError as error:
            absent.append(AbsentPart(f"{HISTORY.key}.{spec.id}", f"no frozen yardstick: {error}", None))
            continue
        rows, gone = _frames(one, places)
        frames += rows
        absent += gone
    if not frames:
        return HISTORY.empty(), absent
    numbers = [*_CHANGE, "score", "score_p05", "score_p95", "monte_carlo_error", "coverage"]
    whole = pl.concat(frames).with_columns(pl.col(numbers).fill_nan(None))
    leaves_out_zero = (pl.col("change_lower") > 0) | (pl.col("change_upper") < 0)
    return HISTORY.conform(
        whole.with_columns(
            geo_level=pl.lit("county"), is_significant=leaves_out_zero, is_simulated=pl.lit(is_simulated)
        ).select(HISTORY.column_names)
    ), absent


def _compute(inputs: Inputs, place: Place) -> Found:
    found, absent = history(inputs["indicator.values"], place.counties, is_simulated=place.is_simulated)
    return Found({HISTORY.key: found}, absent)


DECISION = Decision("history", (HISTORY,), ("indicator.values",), _compute)
