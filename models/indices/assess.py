"""From indicator values and a declaration to everything that an index publishes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine.alternatives import Alternatives, Values
from models.engine.alternatives import values as values_of
from models.engine.audit import About, Evidence, Ranking, audit_page, audit_rows
from models.engine.coherence import coherence, links
from models.engine.defaults import N_DRAWS, SEED
from models.engine.evaluate import Evaluator
from models.engine.explain import drivers
from models.engine.normalise import normalise
from models.engine.rank_sets import rank_sets
from models.engine.ranks import RankSummary, summarise
from models.engine.sensitivity import Sensitivity, analyse
from models.engine.simulate import Simulation, simulate
from models.engine.tiers import tiers
from models.geography.counties import COUNTY_VINTAGE, national
from models.indicators.assemble import AbsentPart
from models.indicators.indicator import Indicator
from models.indices.members import Members, gather
from models.indices.rank_columns import RANK_COLUMNS, rank_columns
from models.indices.spec import COMPARISON, IndexSpec, full_tree
from models.indices.tables import AUDIT, DRIVERS, SCORES, SENSITIVITY, index_table
from quality.contract import Table

COVERAGE_GOOD = 0.8

Mask = NDArray[np.bool_]
Draws = NDArray[np.float32]


@dataclass(frozen=True)
class Assessment:
    """What one index publishes; each frame as its table declares, and the audit as a page in Markdown."""

    scores: pl.DataFrame
    drivers: pl.DataFrame
    sensitivity: pl.DataFrame
    audit: pl.DataFrame
    page: str
    absent: list[AbsentPart]


class Index:
    """One index over the reference population: the tree, its members, its draws."""

    def __init__(
        self,
        spec: IndexSpec,
        specs: Mapping[str, IndexSpec],
        indicators: Mapping[str, Indicator],
        values: Mapping[str, pl.DataFrame],
        population: pl.DataFrame,
        n_draws: int,
        seed: int,
    ) -> None:
        self.spec, self.indicators, self.population = spec, indicators, population
        self.members: Members = gather(spec, specs, indicators, values, population)
        self.tree = full_tree(spec, specs, {name: one.direction for name, one in indicators.items()})
        self.evaluator = Evaluator(self.tree, self.members.points)
        self.simulation: Simulation = simulate(self.evaluator, self.members.drawers, n_draws=n_draws, seed=seed)
        self.score = self.simulation.score_mean[spec.id]
        direct = Evaluator(self.tree, self.members.direct)
        self.direct = direct.point().scores[spec.id][0]
        # Joint sets hold for unshrunken scores and their own errors (Klein, Wright & Wieczorek 2020).
        redrawn = simulate(direct, self.members.redraws, n_draws=n_draws, seed=seed).draws
        self.direct_se = redrawn.std(axis=0, dtype=np.float64)
        self.is_scored: Mask = np.isfinite(self.score)

    def about(self) -> dict[str, About]:
        found = {}
        for name, period in self.members.periods.items():
            one = self.indicators[name]
            found[name] = About(one.title, ", ".join(one.tables), period, one.reference)
        return found


def assess(
    spec: IndexSpec,
    specs: Mapping[str, IndexSpec],
    indicators: Mapping[str, Indicator],
    values: Mapping[str, pl.DataFrame],
    counties: pl.DataFrame,
    region: pl.DataFrame,
    *,
    is_simulated: bool,
    n_draws: int = N_DRAWS,
    seed: int = SEED,
) -> Assessment:
    """Score the reference population, rank the region, and say why and how sure.

    Args:
        values: tables `indicator.<id>` by id, those of the members and of COMPARISON.
        counties: all counties of the declared vintage (geo_id, geo_name).
        region: the region's counties, a part of them.
    """
    values = at_level(values, spec.geo_level)
    population = national(counties).sort("geo_id").select("geo_id").with_row_index("position")
    index = Index(spec, specs, indicators, values, population, n_draws, seed)
    places = region.select("geo_id", "geo_name").join(population, on="geo_id", how="left", maintain_order="left")
    inside = np.zeros(population.height, dtype=bool)
    inside[places["position"].drop_nulls().to_numpy()] = True
    ranked = inside & index.is_scored
    draws = np.ascontiguousarray(index.simulation.draws[:, ranked])
    summary = summarise(draws) if ranked.any() else None
    ranks = ranks_of(index, draws, ranked, summary)
    sensitivity = _sensitivity(index, ranked, seed)
    comparison = _comparison(values, population)
    explained = drivers(
        index.tree,
        index.evaluator.weights,
        index.simulation.normalised_mean,
        index.simulation.score_mean,
        imputed=index.evaluator.imputed,
    )
    evidence = _evidence(index, summary, explained, sensitivity, comparison)

    def publish(union: Table, frame: pl.DataFrame) -> pl.DataFrame:
        table = index_table(union, spec)
        common = {
            "geo_level": pl.lit(spec.geo_level),
            "index_id": pl.lit(spec.id),
            "is_simulated": pl.lit(is_simulated),
        }
        wanted = {name: value for name, value in common.items() if name in table.column_names}
        return table.conform(frame.with_columns(**wanted).select(table.column_names))

    who = f"{'simulated' if is_simulated else 'us'}-counties-{COUNTY_VINTAGE}-n{population.height}"
    audit = audit_rows(evidence)
    return Assessment(
        scores=publish(SCORES, scores_of(index, places, ranks).with_columns(reference_id=pl.lit(who))),
        drivers=publish(DRIVERS, _drivers(explained, places)),
        sensitivity=publish(SENSITIVITY, _by_place(sensitivity, places)),
        audit=publish(AUDIT, audit.with_row_index("position", offset=1).rename({"title": "step_title"})),
        page=audit_page(audit, title=spec.title),
        absent=index.members.absent,
    )


def at_level(values: Mapping[str, pl.DataFrame], level: str) -> dict[str, pl.DataFrame]:
    """The rows of one level out of tables `indicator.<id>`."""
    return {name: frame.filter(pl.col("geo_level") == level) for name, frame in values.items()}


def scores_of(index: Index, places: pl.DataFrame, ranks: pl.DataFrame) -> pl.DataFrame:
    """Scores of every place of the region, and ranks of those that have one."""
    draws, spec = index.simulation.draws, index.spec
    coverage = index.evaluator.coverage[spec.id]
    low, high = np.full((2, index.score.size), np.nan)
    if index.is_scored.any():
        low[index.is_scored], high[index.is_scored] = np.quantile(draws[:, index.is_scored], [0.05, 0.95], axis=0)
    table = index.population.select("position").with_columns(
        score=pl.Series(index.score),
        score_p05=pl.Series(low),
        score_p95=pl.Series(high),
        score_direct=pl.Series(np.where(index.is_scored, index.direct, np.nan)),
        percentile=pl.Series(normalise(index.score[None], "percentile")[0]),
        coverage=pl.Series(coverage),
        enough=pl.Series(index.is_scored),
    )
    joined = places.join(table, on="position", how="left", maintain_order="left")
    joined = joined.join(ranks, on="position", how="left", maintain_order="left")
    enough = pl.col("enough").fill_null(False)
    good = pl.col("coverage") >= COVERAGE_GOOD - 1e-9
    return joined.with_columns(
        pl.col("score", "score_p05", "score_p95", "score_direct", "percentile").fill_nan(None),
        pl.col("coverage").fill_null(0.0),
        period=pl.lit(str(spec.reference_year)),
        n_ranked=pl.lit(ranks.height),
        independence_assumed=pl.lit(len(index.members.drawers) > 1),
        quality=pl.when(~enough).then(3).when(good).then(1).otherwise(2),
    )


def ranks_of(index: Index, draws: Draws, ranked: Mask, summary: RankSummary | None) -> pl.DataFrame:
    """The rank columns of the ranked areas; without any, no rows."""
    if summary is None:
        names = (*RANK_COLUMNS, "rank_joint_lower", "rank_joint_upper")
        return pl.DataFrame(schema={"position": pl.UInt32, **dict.fromkeys(names, pl.Float64)})
    joint = rank_sets(index.direct[ranked], index.direct_se[ranked])
    return pl.DataFrame(
        {
            "position": index.population["position"].filter(pl.Series(ranked)),
            "rank_joint_lower": joint.best,
            "rank_joint_upper": joint.worst,
            **rank_columns(summary, tiers(draws)),
        }
    )


def _drivers(explained: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """The drivers of the places that have a score."""
    return (
        places.filter(pl.col("position").is_not_null())
        .join(explained.with_columns(pl.col("position").cast(pl.UInt32)), on="position", how="inner")
        .filter(pl.col("contribution").is_not_null())
        .rename({"leaf": "indicator_id", "parent": "parent_id", "value": "normalised", "rank": "driver_rank"})
    )


def _sensitivity(index: Index, ranked: Mask, seed: int) -> Sensitivity | None:
    if index.spec.sensitivity is None or not ranked.any():
        return None
    return analyse(
        index.tree,
        index.members.points,
        _with_under_counts(index),
        drawers=index.members.drawers,
        seed=seed,
        ranked=ranked,
    )


def _with_under_counts(index: Index) -> Alternatives:
    """The declared alternatives, and values raised where a member is counted too low.

    A member that is left out has no values to raise: those pairs are not computed.
    """
    declared = index.spec.sensitivity
    assert declared is not None
    factors, excluded = [*declared.factors], [*declared.excluded]
    for count in index.spec.under_counted:
        is_low = index.members.quality[count.indicator] == count.where_quality
        raised = {
            f"x {factor:g} where quality is {count.where_quality}": Values(factor=np.where(is_low, factor, 1.0))
            for factor in count.factors
        }
        added = values_of(count.indicator, raised, name=f"under-count of {count.indicator}")
        for left_out in (factor for factor in declared.factors if factor.kind == "leave_out"):
            if count.indicator in [choice.label for choice in left_out.choices]:
                excluded += [{left_out.name: count.indicator, added.name: label} for label in raised]
        factors.append(added)
    return Alternatives(tuple(factors), tuple(excluded))


def _by_place(sensitivity: Sensitivity | None, places: pl.DataFrame) -> pl.DataFrame:
    """What the method does to the ranked places; nothing where no alternative is declared."""
    if sensitivity is None:
        return SENSITIVITY.empty()
    areas = sensitivity.areas.with_columns(pl.col("position").cast(pl.UInt32), n_methods=pl.lit(sensitivity.n_methods))
    return places.join(areas, on="position", how="inner")


def _comparison(values: Mapping[str, pl.DataFrame], population: pl.DataFrame) -> NDArray[np.float64]:
    """The newest values of COMPARISON alone, whatever the index takes."""
    known = values[COMPARISON].filter(pl.col("value").is_not_null())
    newest = known.filter(pl.col("period") == pl.col("period").max())
    joined = population.join(newest, on="geo_id", how="left", maintain_order="left")
    return joined["value"].cast(pl.Float64).to_numpy().astype(float)


def _evidence(
    index: Index,
    summary: RankSummary | None,
    explained: pl.DataFrame,
    sensitivity: Sensitivity | None,
    comparison: NDArray[np.float64],
) -> Evidence:
    spec, evaluator = index.spec, index.evaluator
    ranking = None
    if summary is not None:
        ranking = Ranking.of(
            summary.p05, summary.p95, summary.p_top[10], top=10, n_draws=summary.n_draws,
            error_model="posterior draws of values with margins, published intervals of modelled ones, errors of "
            "different members drawn independently",
        )  # fmt: skip
    return Evidence(
        title=spec.title,
        question=spec.question,
        tree=index.tree,
        weights=evaluator.weights,
        coverage=evaluator.coverage,
        score=index.score,
        imputed=evaluator.imputed,
        treatments=evaluator.treatments,
        coherence=coherence(
            index.tree, evaluator.weights, index.simulation.normalised_mean, index.score, imputed=evaluator.imputed
        ),
        drivers=explained,
        sensitivity=None if sensitivity is None else sensitivity.factors,
        ranking=ranking,
        links=links(index.score, {index.indicators[COMPARISON].title: comparison}),
        about=index.about(),
        approved_by=spec.approved_by,
        open_points={
            7: ["Errors of different members are taken as independent: no publisher states their covariance."]
        },
    )
