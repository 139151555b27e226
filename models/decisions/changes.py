"""`analyst.changes`: how every indicator changed from one period to the next, and whether that is more than its error.

The error of a change is the root of the sum of squares of both errors, times the root of (1 - C) where two ACS
estimates share the part C of their years: US Census Bureau, Instructions for Applying Statistical Testing to ACS Data,
on multiyear estimates; the handbook Understanding and Using ACS Data (2020), chapter 3, calls for caution with such
periods. Direct values are compared: shrunken ones of two years lean towards two nations, and are not independent.
For SAIPE the sum of squares is the upper bound that the Bureau itself names (SAIPE, Comparisons of estimates over
time), since the covariance between years is not published: a real change may pass unseen, hardly one be imagined.
"""

from collections.abc import Iterable

import polars as pl

from models.decisions.comparable import between, overlap, price_factor, years_of
from models.decisions.decision import Decision, Found, Inputs, Place
from models.engine.margins import Z90
from models.indicators.assemble import AbsentPart
from models.indicators.indicator import Indicator, all_indicators
from models.limits import NON_USES
from quality.columns import geo_id, geo_level
from quality.contract import Column, Table

LEVELS = ("county", "coc", "state")
"""Levels whose changes are given; tracts and districts can be compared by the same SQL (docs/time-and-diff.md)."""
SURVEY = "direct estimates; years that both share counted once (Census Bureau's rule for overlapping samples)"
INTERVAL = "published or declared errors, taken as independent: no covariance is published, so the test is cautious"
BOUNDS = "limits, published or declared, not a sampling error: a change counts only beyond those of both years"
NO_ERROR = "no error is published: whether the change is larger than it cannot be said"
DECLARED = "declared"
"""Not published: an indicator whose interval is declared has a standard error or has limits, row by row."""
COUNT_TYPES = "core.hud_pit_coc"
COMPLETE = "sheltered and unsheltered count"


def _number(name: str, description: str, unit: str | None = "unit of the indicator") -> Column:
    return Column(name, pl.Float64, description, unit=unit)


CHANGES = Table(
    key="analyst.changes",
    title="Changes of indicators from one period to the next",
    description="One row an area, indicator and two consecutive periods on hand, for the region's counties and the "
    "Continuums of Care and states that touch it. Direct values are compared, not shrunken ones. Across a break of "
    f"definition there is no change, and break_note says why. {NON_USES}",
    columns=(
        geo_level(*LEVELS),
        geo_id(*LEVELS),
        Column("indicator_id", pl.String, "The indicator; see meta.indicators.", nullable=False),
        Column("period_from", pl.String, "The earlier period.", nullable=False, pattern=r"^\d{4}$"),
        Column("period_to", pl.String, "The later period.", nullable=False, pattern=r"^\d{4}$"),
        _number("value_from", "Direct value of the earlier period, as published."),
        _number("value_to", "Direct value of the later period, as published."),
        _number(
            "price_factor", "What value_from is multiplied by first, to be in dollars of the later year; else 1.",
            "ratio",
        ),
        _number("change", "value_to - value_from x price_factor; null across a break."),
        _number("change_se", "Standard error of the change; null where no error is published or only bounds are."),
        _number("change_lower", "Lower bound of the change: of its 90 % interval, or of the limits."),
        _number("change_upper", "Upper bound of the change, likewise."),
        Column(
            "overlap_share", pl.Float64, "Share of the years of the later period that the earlier has too.",
            unit="share, 0 to 1", nullable=False, minimum=0, maximum=1,
        ),
        Column(
            "is_significant", pl.Boolean,
            "Whether the change is larger than its error at 90 %, or beyond its bounds; null where no error is known.",
        ),
        Column(
            "basis", pl.String, "How the error of the change is known.", nullable=False,
            allowed=(SURVEY, INTERVAL, BOUNDS, NO_ERROR),
        ),
        Column("break_note", pl.String, "The break of definition that lies between; null where there is none."),
        Column(
            "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
        ),
    ),
    primary_key=("geo_level", "geo_id", "indicator_id", "period_from", "period_to"),
    may_be_empty=True,
)  # fmt: skip

_AREA = ["geo_level", "geo_id", "indicator_id"]


def touching(place: Place, crosswalk: pl.DataFrame) -> pl.DataFrame:
    """The region's counties, and the Continuums of Care and states that touch it: geo_level and geo_id."""
    counties = place.counties["geo_id"]
    inside = counties.implode()
    to_coc = crosswalk.filter((pl.col("to_level") == "coc") & pl.col("from_id").is_in(inside))["to_id"]
    of_coc = crosswalk.filter((pl.col("from_level") == "coc") & pl.col("to_id").is_in(inside))["from_id"]
    ids = {"county": counties, "coc": pl.concat([to_coc, of_coc]), "state": counties.str.head(2)}
    return pl.concat(
        [pl.DataFrame({"geo_id": some.unique().sort()}).select(geo_level=pl.lit(level), geo_id="geo_id")
         for level, some in ids.items()]
    )  # fmt: skip


def _how(indicator: Indicator) -> str:
    if indicator.error == "moe":
        return SURVEY
    return {"censored": BOUNDS, "none": NO_ERROR, "declared": DECLARED}.get(indicator.error, INTERVAL)


def _points(values: pl.DataFrame, indicators: Iterable[Indicator]) -> pl.DataFrame:
    """What is compared of each row: a point, its standard error or its bounds."""
    known = pl.DataFrame(
        [(one.id, one.unit, _how(one), COUNT_TYPES in one.tables) for one in indicators],
        schema={"indicator_id": pl.String, "unit": pl.String, "basis": pl.String, "is_pit": pl.Boolean},
        orient="row",
    )
    half = (pl.col("value_upper") - pl.col("value_lower")) / (2 * Z90)
    is_survey, is_interval = pl.col("basis") == SURVEY, pl.col("basis") == INTERVAL
    return (
        values.filter(pl.col("value").is_not_null())
        .join(known, on="indicator_id", how="inner")
        .with_columns(
            basis=pl.when(pl.col("basis") != DECLARED)
            .then("basis")
            .when(pl.col("se").is_null())
            .then(pl.lit(BOUNDS))
            .otherwise(pl.lit(INTERVAL))
        )
        .with_columns(
            point=pl.coalesce("value_direct", "value"),
            error=pl.when(is_survey).then("se").when(is_interval).then(pl.coalesce("se", half)),
            lower=pl.when(pl.col("basis") == BOUNDS).then("value_lower"),
            upper=pl.when(pl.col("basis") == BOUNDS).then("value_upper"),
        )
        .select(*_AREA, "period", "source_period", "unit", "basis", "is_pit", "point", "error", "lower", "upper")
    )


def _pairs(points: pl.DataFrame) -> pl.DataFrame:
    """Each value beside the one before it of the same area and indicator."""
    before = ("period", "source_period", "point", "error", "lower", "upper")
    return (
        points.sort(*_AREA, "period")
        .with_columns(pl.col(name).shift(1).over(_AREA).alias(f"{name}_from") for name in before)
        .filter(pl.col("period_from").is_not_null())
    )


def _between(pairs: pl.DataFrame, indicators: dict[str, Indicator]) -> pl.DataFrame:
    """For each indicator, two periods and state: overlap, prices, and the breaks of definition that lie between."""
    key = ["indicator_id", "source_period_from", "source_period", "period_from", "period"]
    rows = []
    for name, source_from, source_to, first, last in pairs.select(key).unique().sort(key).iter_rows():
        one = indicators[name]
        earlier, later = years_of(source_from, first), years_of(source_to, last)
        shared = overlap(earlier, later) if one.error == "moe" else 0.0
        factor = price_factor(one.unit, first, last)
        broken = between(one, first, last)
        lacking = [] if factor is not None else [f"dollars of {first} and {last}: no price index is declared"]
        everywhere = [each.note for each in broken if not each.states and not each.unless_complete]
        notes = "; ".join(everywhere + lacking) or None
        counted = "; ".join(each.note for each in broken if each.unless_complete) or None
        states = {state: each.note for each in broken for state in each.states}
        rows.append((name, source_from, source_to, first, last, shared, factor, notes, counted, states))
    schema = dict.fromkeys(key, pl.String) | {
        "overlap_share": pl.Float64, "price_factor": pl.Float64, "note": pl.String, "count_note": pl.String,
    }  # fmt: skip
    found = pl.DataFrame([row[:-1] for row in rows], schema=schema, orient="row")
    local = pl.DataFrame(
        [(*row[:5], state, text) for row in rows for state, text in row[-1].items()],
        schema=dict.fromkeys([*key, "state", "state_note"], pl.String),
        orient="row",
    )
    return (
        pairs.with_columns(state=pl.col("geo_id").str.head(2))
        .join(found, on=key, how="left", nulls_equal=True)
        .join(local, on=[*key, "state"], how="left", nulls_equal=True)
    )


def _incomplete(pairs: pl.DataFrame, pit: pl.DataFrame) -> pl.DataFrame:
    """Whether a Continuum of Care says for each of two years that it counted all, or not all, or nothing."""
    told = (
        pit.filter(pl.col("count_type").is_not_null())
        .group_by("geo_id", "period")
        .agg(is_full=(pl.col("count_type").str.to_lowercase() == COMPLETE).all())
    )
    return pairs.join(told, on=["geo_id", "period"], how="left").join(
        told.rename({"period": "period_from", "is_full": "is_full_from"}), on=["geo_id", "period_from"], how="left"
    )


def changes(values: pl.DataFrame, pit: pl.DataFrame, areas: pl.DataFrame, *, is_simulated: bool) -> pl.DataFrame:
    """The rows of `CHANGES`.

    Args:
        values: rows of indicator.values.
        pit: rows of core.hud_pit_coc (geo_id, period, count_type).
        areas: geo_level and geo_id of the areas that are wanted.
    """
    indicators = all_indicators()
    inside = values.join(areas, on=["geo_level", "geo_id"], how="semi")
    pairs = _incomplete(_between(_pairs(_points(inside, indicators.values())), indicators), pit)
    is_partial = pl.col("is_pit") & ~(pl.col("is_full").fill_null(True) & pl.col("is_full_from").fill_null(True))
    is_told = pl.col("is_full").fill_null(False) & pl.col("is_full_from").fill_null(False)
    notes = [
        pl.col("note"),
        pl.col("state_note"),
        pl.when(~is_told).then("count_note"),
        pl.when(is_partial & pl.col("count_note").is_null()).then(
            pl.lit("in one of the years not all people were counted, HUD says")
        ),
    ]
    pairs = pairs.with_columns(break_note=pl.concat_str(notes, separator="; ", ignore_nulls=True))
    pairs = pairs.with_columns(break_note=pl.when(pl.col("break_note") != "").then("break_note"))
    whole = pl.col("break_note").is_null()
    factor = pl.col("price_factor")
    squares = pl.col("error") ** 2 + (factor * pl.col("error_from")) ** 2
    pairs = pairs.with_columns(
        change=pl.when(whole).then(pl.col("point") - factor * pl.col("point_from")),
        change_se=pl.when(whole).then((squares * (1 - pl.col("overlap_share"))).sqrt()),
    )
    half = Z90 * pl.col("change_se")
    pairs = pairs.with_columns(
        change_lower=pl.when(whole).then(
            pl.coalesce(pl.col("change") - half, pl.col("lower") - factor * pl.col("upper_from"))
        ),
        change_upper=pl.when(whole).then(
            pl.coalesce(pl.col("change") + half, pl.col("upper") - factor * pl.col("lower_from"))
        ),
    )
    beyond = (pl.col("change_lower") > 0) | (pl.col("change_upper") < 0)
    return CHANGES.conform(
        pairs.with_columns(is_significant=beyond, is_simulated=pl.lit(is_simulated))
        .rename({"period": "period_to", "point": "value_to", "point_from": "value_from"})
        .select(CHANGES.column_names)
    )


def _compute(inputs: Inputs, place: Place) -> Found:
    areas = touching(place, inputs["geography.crosswalk"])
    found = changes(inputs["indicator.values"], inputs[COUNT_TYPES], areas, is_simulated=place.is_simulated)
    return Found({CHANGES.key: found}, _absent(inputs["indicator.values"], found))


def _absent(values: pl.DataFrame, found: pl.DataFrame) -> list[AbsentPart]:
    """Indicators of the compared levels that have one period only, in one row."""
    here = values.filter(pl.col("geo_level").is_in(LEVELS) & pl.col("value").is_not_null())
    alone = sorted(set(here["indicator_id"]) - set(found["indicator_id"]))
    if not alone:
        return []
    return [AbsentPart(CHANGES.key, f"no area has two periods of {', '.join(alone)}: no change can be given", None)]


DECISION = Decision("changes", (CHANGES,), ("indicator.values", "geography.crosswalk", COUNT_TYPES), _compute)
