"""From indicator values and a declaration to scores, ranks and how sure they are."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from models.engine.combine import Draws, Member, combine, draw_normal, percentile_of
from models.engine.margins import Z90
from models.engine.ranks import TOP, summarise
from models.geography.counties import COUNTY_VINTAGE, national
from models.indicators.assemble import AbsentPart
from models.indicators.indicator import BOUNDS, Indicator
from models.indices.spec import IndexSpec, MemberSpec
from quality.columns import GEO_NAME, geo_id, geo_level
from quality.contract import Column, Table

N_DRAWS = 1000
SEED = 20260101
COVERAGE_GOOD = 0.8


def _columns() -> tuple[Column, ...]:
    def chance(name: str, of_what: str) -> Column:
        return Column(name, pl.Float64, f"Chance that the area is {of_what}.", unit="probability", minimum=0, maximum=1)

    def rank(name: str, description: str) -> Column:
        return Column(name, pl.Float64, description, unit="rank, 1 = greatest need", minimum=1)

    def score(name: str, description: str) -> Column:
        return Column(name, pl.Float64, description, unit="0 to 100, higher = greater need", minimum=0, maximum=100)

    return (
        geo_level("county"),
        geo_id("county"),
        GEO_NAME,
        Column("index_id", pl.String, "The index; see meta.indices.", nullable=False),
        Column("period", pl.String, "Reference year of the index.", nullable=False, pattern=r"^\d{4}$"),
        Column("reference_id", pl.String, "The population that percentiles are taken in.", nullable=False),
        score("score", "Mean of the score over all draws; null below the index's min_coverage."),
        score("score_p05", "Lower bound of the 90 % interval of the score."),
        score("score_p95", "Upper bound of the 90 % interval of the score."),
        Column(
            "percentile",
            pl.Float64,
            "Share of the reference population with a lower score, in per cent.",
            unit="per cent of areas, higher = greater need",
            minimum=0,
            maximum=100,
        ),
        Column(
            "rank",
            pl.Int64,
            "Rank of the mean rank among the region's areas; 1 = greatest need.",
            minimum=1,
            unit="rank, 1 = greatest need",
        ),
        rank("rank_mean", "Mean rank over all draws."),
        rank("rank_p05", "Lower bound of the 90 % interval of the rank."),
        rank("rank_p95", "Upper bound of the 90 % interval of the rank."),
        Column("n_ranked", pl.Int64, "How many areas of the region are ranked.", nullable=False, minimum=0),
        *(chance(f"p_top_{k}", f"among the {k} of greatest need") for k in TOP),
        chance("p_top_10pct", "in the tenth of the region with the greatest need"),
        Column(
            "tier", pl.Int64, "Tier of areas that cannot be told apart; null until the engine draws tiers.", minimum=1
        ),
        chance("tier_probability", "in its tier; null until the engine draws tiers"),
        Column(
            "coverage",
            pl.Float64,
            "Share of the members' weight that was observed for the area.",
            unit="share, 0 to 1",
            nullable=False,
            minimum=0,
            maximum=1,
        ),
        Column(
            "quality",
            pl.Int8,
            "1 good: coverage of 0.8 or more; 2 usable; 3 do not act: below min_coverage.",
            nullable=False,
            minimum=1,
            maximum=3,
        ),
        Column(
            "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
        ),
    )


_WHAT_IT_IS = (
    "An index of the conditions of places: it says nothing of any person and does not predict trafficking. "
    "Higher score = greater need; rank 1 = greatest need."
)
SCORES = Table(
    key="risk.scores",
    title="All indices",
    description=f"The union of all tables risk.<index>. {_WHAT_IT_IS}",
    columns=_columns(),
    primary_key=("geo_level", "geo_id", "index_id", "period", "reference_id"),
)


def score_table(spec: IndexSpec) -> Table:
    """The contract of `risk.<index>`."""
    return Table(
        key=f"risk.{spec.id}",
        title=f"{spec.title}: score and rank",
        description=f"{spec.question} {_WHAT_IT_IS}",
        columns=SCORES.columns,
        primary_key=SCORES.primary_key,
    )


def _newest(frame: pl.DataFrame, spec: IndexSpec, member: MemberSpec) -> pl.DataFrame:
    """The newest period with any value that is neither after the reference year nor too old."""
    year = pl.col("period").cast(pl.Int64)
    fresh = frame.filter(
        (year <= spec.reference_year)
        & (year >= spec.reference_year - member.max_age_years)
        & pl.col("value").is_not_null()
    )
    return frame.filter(pl.col("period") == fresh["period"].max()) if fresh.height else frame.clear()


def _indicator_member(
    indicator: Indicator,
    spec: IndexSpec,
    member: MemberSpec,
    values: pl.DataFrame,
    population: pl.DataFrame,
    n_draws: int,
    seed: int,
) -> Member:
    frame = population.select("geo_id").join(
        _newest(values, spec, member), on="geo_id", how="left", maintain_order="left"
    )
    point = frame["value"].to_numpy().astype(float)
    # Clipped bounds understate the error at the edge of the support: the wider side holds.
    above, below = frame["value_upper"] - frame["value"], frame["value"] - frame["value_lower"]
    sd = np.fmax(above.to_numpy().astype(float), below.to_numpy().astype(float)) / Z90
    # A value whose error nobody published must not look the surest of all: it counts as missing.
    unknown = ~np.isfinite(sd)
    point[unknown] = np.nan
    lower, upper = BOUNDS[indicator.unit]
    draws = draw_normal(
        indicator.id, point, np.where(unknown, np.nan, sd), n_draws=n_draws, seed=seed, lower=lower, upper=upper
    )
    return Member(indicator.id, point, draws, indicator.direction, member.weight, np.isfinite(point).astype(float))


class Result:
    """Draws of an index over the reference population, and what is known of each area."""

    def __init__(self, spec: IndexSpec, members: list[Member], seed: int) -> None:
        weights = np.array([member.weight for member in members])
        self.coverage = np.column_stack([member.coverage for member in members]) @ weights / weights.sum()
        self.enough = self.coverage >= spec.min_coverage - 1e-9
        self.draws: Draws = combine(members, seed=seed) if self.enough.any() else np.full_like(members[0].draws, np.nan)
        self.draws[:, ~self.enough] = np.nan
        self.point = self.draws.mean(axis=0, dtype=np.float64)


def compute(
    spec: IndexSpec,
    specs: Mapping[str, IndexSpec],
    indicators: Mapping[str, Indicator],
    values: Mapping[str, pl.DataFrame],
    population: pl.DataFrame,
    *,
    n_draws: int = N_DRAWS,
    seed: int = SEED,
) -> Result:
    """Draws of one index, composite or not, over the reference population.

    Args:
        values: tables `indicator.<id>` by id.
        population: the reference population (geo_id), in order of id.
    """
    members = []
    for member in spec.members:
        if member.is_index:
            inner = compute(specs[member.id], specs, indicators, values, population, n_draws=n_draws, seed=seed)
            members.append(Member(member.id, inner.point, inner.draws, +1, member.weight, inner.coverage))
        else:
            members.append(
                _indicator_member(indicators[member.id], spec, member, values[member.id], population, n_draws, seed)
            )
    return Result(spec, members, seed)


def score(
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
) -> tuple[pl.DataFrame, list[AbsentPart]]:
    """Score the reference population and rank the region.

    Args:
        counties: all counties of the declared vintage (geo_id, geo_name).
        region: the region's counties, a part of them.

    Returns:
        One row a county of the region as `SCORES` declares, and which members are absent.
    """
    population = national(counties).sort("geo_id")
    result = compute(spec, specs, indicators, values, population, n_draws=n_draws, seed=seed)
    table = population.select("geo_id").with_columns(
        score=pl.Series(result.point),
        percentile=pl.Series(100.0 * percentile_of(result.point, result.point).astype(float)),
        score_p05=pl.Series(np.quantile(result.draws, 0.05, axis=0)),
        score_p95=pl.Series(np.quantile(result.draws, 0.95, axis=0)),
        coverage=pl.Series(result.coverage),
        enough=pl.Series(result.enough),
        position=pl.int_range(population.height),
    )
    joined = region.select("geo_id", "geo_name").join(table, on="geo_id", how="left", maintain_order="left")
    joined = joined.with_columns(pl.col("enough").fill_null(False), pl.col("coverage").fill_null(0.0))
    ranked = joined.filter("enough")
    joined = joined.join(
        _ranks(result.draws[:, ranked["position"].to_numpy()], ranked["geo_id"]), on="geo_id", how="left"
    )
    who = "simulated" if is_simulated else "us"
    frame = joined.with_columns(
        pl.col("score", "score_p05", "score_p95", "percentile").fill_nan(None),
        geo_level=pl.lit(spec.geo_level),
        index_id=pl.lit(spec.id),
        period=pl.lit(str(spec.reference_year)),
        reference_id=pl.lit(f"{who}-counties-{COUNTY_VINTAGE}-n{population.height}"),
        n_ranked=pl.lit(ranked.height),
        tier=pl.lit(None),
        tier_probability=pl.lit(None),
        quality=pl.when(~pl.col("enough"))
        .then(3)
        .when(pl.col("coverage") >= COVERAGE_GOOD - 1e-9)
        .then(1)
        .otherwise(2),
        is_simulated=pl.lit(is_simulated),
    ).drop("enough", "position")
    return score_table(spec).conform(frame), _absent_members(spec, values)


def _ranks(draws: Draws, geo_ids: pl.Series) -> pl.DataFrame:
    """The rank columns of `SCORES` for the ranked areas; without any, no rows."""
    if geo_ids.is_empty():
        columns: dict[str, object] = {}
    else:
        ranks = summarise(draws)
        columns = {
            "rank": ranks.rank,
            "rank_mean": ranks.mean,
            "rank_p05": ranks.p05,
            "rank_p95": ranks.p95,
            "p_top_10pct": ranks.p_top_tenth,
            **{f"p_top_{k}": ranks.p_top[k] for k in TOP},
        }
    names = ["rank", "rank_mean", "rank_p05", "rank_p95", "p_top_10pct", *(f"p_top_{k}" for k in TOP)]
    return pl.DataFrame({"geo_id": geo_ids, **{name: columns.get(name, []) for name in names}})


def _absent_members(spec: IndexSpec, values: Mapping[str, pl.DataFrame]) -> list[AbsentPart]:
    absent = []
    for member in spec.members:
        if member.is_index or _newest(values[member.id], spec, member).height:
            continue
        newest = values[member.id].filter(pl.col("value").is_not_null())["period"].max()
        why = (
            f"its newest value is of {newest!s}, and the index takes none older than {member.max_age_years} years"
            if newest
            else f"indicator.{member.id} has no value"
        )
        absent.append(
            AbsentPart(
                f"risk.{spec.id}.{member.id}",
                f"member with {member.weight:g} of the weight is absent for every county: {why}; "
                "coverage counts it as unobserved",
                None,
            )
        )
    return absent
