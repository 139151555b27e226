"""What an index publishes: scores with their uncertainty, drivers, sensitivity to method, and an audit.

Each index has a table of its own of each kind; the four here are their unions.
"""

from dataclasses import replace

import polars as pl

from models.engine.defaults import LOWERS, RAISES, TOP, TYPICAL
from models.indices.spec import IndexSpec
from quality.columns import GEO_NAME, geo_id, geo_level
from quality.contract import Column, Table

RANK = "rank, 1 = greatest need"
SCORE = "0 to 100, higher = greater need"
WHAT_IT_IS = (
    "An index of the conditions of places: it says nothing of any person and does not predict trafficking. "
    "Higher score = greater need; rank 1 = greatest need."
)
_INDEX = Column("index_id", pl.String, "The index; see meta.indices.", nullable=False)
_SIMULATED = Column(
    "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
)
LEVELS = ("tract", "school_district", "coc", "service_area")
"""Levels that are ranked beside counties."""
_PLACE = (geo_level("county"), geo_id("county"), GEO_NAME, _INDEX)


def _chance(name: str, of_what: str) -> Column:
    return Column(name, pl.Float64, f"Chance that the area is {of_what}.", unit="probability", minimum=0, maximum=1)


def _rank(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit=RANK, minimum=1)


def _score(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit=SCORE, minimum=0, maximum=100)


def _share(name: str, description: str, *, nullable: bool = True) -> Column:
    return Column(name, pl.Float64, description, unit="share, 0 to 1", minimum=0, maximum=1, nullable=nullable)


SCORES = Table(
    key="risk.scores",
    title="All indices",
    description=f"The union of all tables risk.<index>. {WHAT_IT_IS}",
    columns=(
        *_PLACE,
        Column("period", pl.String, "Reference year of the index.", nullable=False, pattern=r"^\d{4}$"),
        Column("reference_id", pl.String, "The population that percentiles are taken in.", nullable=False),
        _score("score", "Mean of the score over all draws; null below the index's min_coverage."),
        _score("score_p05", "Lower bound of the 90 % interval of the score."),
        _score("score_p95", "Upper bound of the 90 % interval of the score."),
        _score("score_direct", "The score of the publishers' figures as they are, without shrinkage."),
        Column(
            "percentile", pl.Float64, "Share of the reference population with a lower score, in per cent.",
            unit="per cent of areas, higher = greater need", minimum=0, maximum=100,
        ),
        Column("rank", pl.Int64, "Rank of the mean rank among the region's areas.", minimum=1, unit=RANK),
        _rank("rank_mean", "Mean rank over all draws."),
        Column("rank_sd", pl.Float64, "Standard deviation of the rank over all draws.", unit="ranks", minimum=0),
        _rank("rank_p05", "Lower bound of the 90 % interval of the rank."),
        _rank("rank_p50", "Median rank over all draws."),
        _rank("rank_p95", "Upper bound of the 90 % interval of the rank."),
        _rank("rank_joint_lower", "Lower bound of the rank that holds for all areas of the region at once, 90 %."),
        _rank("rank_joint_upper", "Upper bound of the rank that holds for all areas of the region at once, 90 %."),
        Column("n_ranked", pl.Int64, "How many areas of the region are ranked.", nullable=False, minimum=0),
        *(_chance(f"p_top_{k}", f"among the {k} of greatest need") for k in TOP),
        _chance("p_top_10pct", "in the tenth of the region with the greatest need"),
        Column(
            "tier", pl.Int64, "Tier that the area most nearly belongs to; 1 = greatest need.", unit="tier", minimum=1
        ),
        _chance("tier_probability", "in its tier: that its true rank lies in the tier's range"),
        Column(
            "monte_carlo_error", pl.Float64, "Greatest standard error of a chance here, from the number of draws.",
            unit="probability", minimum=0, maximum=1,
        ),
        Column(
            "independence_assumed", pl.Boolean, nullable=False,
            description="Whether errors of different members were drawn independently, because no publisher states "
            "their covariance; where they are in truth correlated, intervals are too short (docs/methodology.md).",
        ),
        _share("coverage", "Share of the members' weight that was observed for the area.", nullable=False),
        Column(
            "quality", pl.Int8, "1 good: coverage of 0.8 or more; 2 usable; 3 do not act: below min_coverage.",
            nullable=False, minimum=1, maximum=3,
        ),
        _SIMULATED,
    ),
    primary_key=("geo_level", "geo_id", "index_id", "period", "reference_id"),
)  # fmt: skip

DRIVERS = Table(
    key="risk.drivers",
    title="What drives each score",
    description="Each area's score taken apart into its indicators: the contributions of an area and index sum to "
    f"its score. {WHAT_IT_IS}",
    columns=(
        *_PLACE,
        Column("indicator_id", pl.String, "The indicator; see meta.indicators.", nullable=False),
        Column("parent_id", pl.String, "The index or group that the indicator enters.", nullable=False),
        _score("normalised", "Mean over the draws of the indicator's normalised value, turned so that more is need."),
        _share("effective_weight", "Weight in the index, through all levels.", nullable=False),
        Column("contribution", pl.Float64, "Points of the score that come from the indicator.", unit="points of score"),
        Column(
            "contribution_reference", pl.Float64, "Mean contribution in the reference population.",
            unit="points of score",
        ),
        Column("difference", pl.Float64, "contribution less contribution_reference.", unit="points of score"),
        Column(
            "driver_rank", pl.Int64, "Rank of the difference within the area.",
            unit="rank, 1 = raises need most", minimum=1,
        ),
        Column(
            "role", pl.String, "Whether the contribution is in the upper or lower quarter of the reference population.",
            allowed=(RAISES, LOWERS, TYPICAL),
        ),
        Column("is_imputed", pl.Boolean, "Whether the value was predicted from the area's others.", nullable=False),
        _SIMULATED,
    ),
    primary_key=("geo_level", "geo_id", "index_id", "indicator_id"),
)  # fmt: skip

SENSITIVITY = Table(
    key="risk.sensitivity",
    title="How far the method decides a rank",
    description="Ranks of each area over every declared alternative of method, and the share of the variance of its "
    "rank that comes from errors of the data and from the method. Effects of each decision: step 7 of risk.audit. "
    f"{WHAT_IT_IS}",
    columns=(
        *_PLACE,
        Column("n_methods", pl.Int64, "Combinations of alternatives that were computed.", nullable=False, minimum=1),
        _rank("rank_nominal", "Rank of the method as declared, from the values without their errors."),
        _rank("rank_mean", "Mean rank over all methods and draws."),
        _rank("rank_methods_p05", "Lower bound of the mean ranks of 90 % of the methods."),
        _rank("rank_methods_p95", "Upper bound of the mean ranks of 90 % of the methods."),
        _share("data_share", "Share of the variance of the rank within methods: errors of the data."),
        _share("method_share", "Share of the variance of the rank between methods; 1 less data_share."),
        _SIMULATED,
    ),
    primary_key=("geo_level", "geo_id", "index_id"),
)  # fmt: skip

AUDIT = Table(
    key="risk.audit",
    title="Audit of each index",
    description="What was done and found at each of the ten steps of the OECD and JRC handbook on composite "
    "indicators (2008), over the whole reference population.",
    columns=(
        _INDEX,
        Column("step", pl.Int64, "Step of the handbook.", nullable=False, minimum=1, maximum=10),
        Column("position", pl.Int64, "Order of the findings of the index, from 1.", nullable=False, minimum=1),
        Column("step_title", pl.String, "What the step is about.", nullable=False),
        Column("item", pl.String, "What was looked at.", nullable=False),
        Column("value", pl.Float64, "What was found, where it is a number."),
        Column("unit", pl.String, "Unit of the value."),
        Column("flag", pl.String, "Null where there is nothing to look at; `open` for what was not done."),
        Column("text", pl.String, "The finding in words."),
        _SIMULATED,
    ),
    primary_key=("index_id", "position"),
)

AREAS = replace(
    SCORES,
    key="risk.areas",
    title="Indices of tracts, school districts, Continuums of Care and service areas",
    description="Areas of other levels than the county, each ranked among its own level only, from the members that "
    "are known at that level: conditions only. Tracts are there where they were asked for. The union of all tables "
    f"risk.<index>_areas. {WHAT_IT_IS}",
    columns=(geo_level(*LEVELS), geo_id(*LEVELS), *SCORES.columns[2:]),
    may_be_empty=True,
)

UNIONS = (SCORES, AREAS, DRIVERS, SENSITIVITY, AUDIT)


def index_table(union: Table, spec: IndexSpec) -> Table:
    """The contract of one index's part of a union: `risk.<index>`, `risk.<index>_drivers` and so on."""
    ending = "" if union is SCORES else f"_{union.name}"
    title = "score and rank" if union is SCORES else union.title[0].lower() + union.title[1:]
    return replace(
        union,
        key=f"risk.{spec.id}{ending}",
        title=f"{spec.title}: {title}",
        description=f"{spec.question} {WHAT_IT_IS if union is SCORES else union.description}",
        # An index without declared alternatives has no sensitivity, and one without any value no drivers.
        may_be_empty=union in (AREAS, SENSITIVITY, DRIVERS),
    )


def index_tables(spec: IndexSpec) -> tuple[Table, ...]:
    """All tables of an index, scores first."""
    return tuple(index_table(union, spec) for union in UNIONS)
