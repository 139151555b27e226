"""Validation: what the indices agree with, how they keep over time, and what they hang on.

There is nothing to validate against: no public measure of incidence exists, and what is recorded (arrests, hotline
contacts, offences) measures who looks. What can be asked is less: whether another index of conditions orders the
counties alike, what an index says beyond child poverty, whether the order keeps, and whether one member decides it.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import polars as pl

from models.decisions.agreement import MIN_AREAS, TOP, Agreement, agreement
from models.decisions.decision import Decision, Found, Inputs, Place
from models.engine.margins import total
from models.geography.counties import national
from models.indicators.assemble import AbsentPart
from models.indicators.indicator import all_indicators
from models.indices import validation_svi
from models.indices.spec import COMPARISON, all_indices
from quality.contract import Column, Table

SCORES, DRIVERS, VALUES = "risk.scores", "risk.drivers", "indicator.values"
SVI_INPUTS, SVI_INDEX = "core.cdc_svi_county", "core.cdc_svi_county_index"

RECOMPUTED, PUBLISHED, ALONE = "svi_recomputed", "svi_published", "child_poverty_alone"
STABILITY, LEAVE_OUT, OUTCOME = "stability_over_vintages", "leave_one_out", "outcome"
CHECKS = (RECOMPUTED, PUBLISHED, ALONE, STABILITY, LEAVE_OUT, OUTCOME)
REGION, REFERENCE = "region", "reference"
EVERY_INDEX = "all"

MIN_WEIGHT = 0.5
"""Share of an index's weight whose members must have an earlier period before the index is compared over time."""
DIGITS = 9
"""Decimals to which computed scores are rounded, so that areas that are equal tie whatever the order of a sum."""
WINDOW = 2
"""Years: an index as of a year takes members of that year or the one before."""

NO_OUTCOME = (
    "No public measure of incidence exists to validate against: arrests, hotline contacts and recorded offences "
    "measure detection, so no figure in this table says that an index finds trafficking."
)

TABLE = Table(
    key="risk.validation",
    title="What the indices agree with, and what they hang on",
    description="Rank correlations of each index with CDC's Social Vulnerability Index, with child poverty alone, with "
    "its own members of earlier years and with itself less one member. Agreement with another index of conditions "
    "shows that two ways of describing places are alike, and nothing of trafficking: no public measure of incidence "
    "exists to validate against (check_id `outcome`). See docs/validation.md.",
    columns=(
        Column("index_id", pl.String, "The index; `all` for what holds for each of them.", nullable=False),
        Column("check_id", pl.String, "What was looked at.", nullable=False, allowed=CHECKS),
        Column(
            "counterpart", pl.String, nullable=False,
            description="What the order of the index is set against: a rank of the SVI, child_poverty_share, `as of` "
            "an earlier year, or the member that is left out; for stability of one indicator its id and the two years.",
        ),
        Column(
            "scope", pl.String, "Counties that are compared: those of the region, or the reference population.",
            nullable=False, allowed=(REGION, REFERENCE),
        ),
        Column("n_areas", pl.Int64, "Counties that have both.", unit="counties", minimum=0),
        Column(
            "spearman", pl.Float64, f"Spearman's rank correlation; null below {MIN_AREAS} counties.",
            unit="correlation, -1 to 1", minimum=-1, maximum=1,
        ),
        Column(
            "spearman_lower", pl.Float64, unit="correlation, -1 to 1", minimum=-1, maximum=1,
            description="Lower bound of its 90 % interval (Bonett and Wright 2000), which takes counties as "
            "independent and scores as known.",
        ),
        Column(
            "spearman_upper", pl.Float64, "Upper bound of its 90 % interval.", unit="correlation, -1 to 1", minimum=-1,
            maximum=1,
        ),
        Column(
            "mean_abs_rank_change", pl.Float64, "By how many ranks a county moves between the two orders on average.",
            unit="ranks", minimum=0,
        ),
        Column(
            "top20_in_common", pl.Int64, minimum=0, maximum=TOP, unit="counties",
            description="How many counties are among the 20 of greatest need of both; null where there are no more "
            "than 20. Of equal counties the first id comes first.",
        ),
        Column("text", pl.String, "The finding in a sentence.", nullable=False),
        Column(
            "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
        ),
    ),
    primary_key=("index_id", "check_id", "counterpart", "scope"),
)  # fmt: skip


_NOTHING: dict[str, Any] = dict.fromkeys(Agreement._fields)


def _compared(first: pl.DataFrame, second: pl.DataFrame) -> Agreement:
    """`agreement` of two frames of geo_id and value, areas in order of id."""
    both = first.join(second, on="geo_id", suffix="_other").sort("geo_id")
    one, other = (both[name].cast(pl.Float64).to_numpy().astype(float) for name in ("value", "value_other"))
    return agreement(one, other)


def _row(
    index_id: str, check_id: str, counterpart: str, found: Agreement, what: str, *, scope: str = REGION, more: str = ""
) -> dict[str, Any]:
    """A row of the table; `what` begins its sentence and is followed by what was found."""
    return {
        "index_id": index_id,
        "check_id": check_id,
        "counterpart": counterpart,
        "scope": scope,
        **found._asdict(),
        "text": f"{what} {_finding(found, scope)}{more}.",
    }


def _finding(found: Agreement, scope: str) -> str:
    where = "of the region" if scope == REGION else "of the reference population"
    if found.spearman is None:
        too_few = found.n_areas < MIN_AREAS
        why = f"fewer than {MIN_AREAS}" if too_few else "and one of the two is equal everywhere"
        return f"cannot be compared: {found.n_areas} counties {where} have both, {why}"
    interval = f"{found.spearman_lower:.2f} to {found.spearman_upper:.2f}"
    text = f"correlate {found.spearman:.2f} ({interval}) over {found.n_areas} counties {where}"
    text += f"; a county moves {found.mean_abs_rank_change:.1f} ranks on average"
    if found.top20_in_common is not None and found.n_areas >= 2 * TOP:  # of fewer most are shared by chance
        text += f", and {found.top20_in_common} of the {TOP} of greatest need are the same"
    return text


def title_of(name: str) -> str:
    """The title of an index or indicator, or its id where it is not declared."""
    if name in all_indices():
        return all_indices()[name].title
    return all_indicators()[name].title if name in all_indicators() else name


def _of_counties(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("geo_level") == "county")


def _values_of(frame: pl.DataFrame, indicator_id: str, period: str | None = None) -> pl.DataFrame:
    """geo_id, value (turned so that more is greater need) and source_period of one indicator; the newest by default."""
    rows = frame.filter((pl.col("indicator_id") == indicator_id) & pl.col("value").is_not_null())
    rows = rows.filter(pl.col("period") == (rows["period"].max() if period is None else period))
    one = all_indicators().get(indicator_id)
    sign = -1 if one is not None and one.direction < 0 else 1
    return rows.select("geo_id", "source_period", "period", value=pl.col("value") * sign)


def _svi_rows(scores: Mapping[str, pl.DataFrame], ranks: pl.DataFrame, check_id: str) -> Iterator[dict[str, Any]]:
    how = "as recomputed from its inputs" if check_id == RECOMPUTED else "as CDC published it"
    for (vintage, measure), rows in ranks.group_by(["vintage", "measure"], maintain_order=True):
        name = validation_svi.label(str(vintage), str(measure))
        is_race = measure == validation_svi.RACE_THEME
        more = "; theme 3 counts people by race or language and enters no index of ours" if is_race else ""
        for index_id, score in scores.items():
            what = f"Ranks by {title_of(index_id)} and by {name}, {how},"
            yield _row(index_id, check_id, name, _compared(score, rows), what, more=more)


def _alone_rows(
    scores: Mapping[str, pl.DataFrame], drivers: pl.DataFrame, values: pl.DataFrame
) -> Iterator[dict[str, Any]]:
    alone = _values_of(values, COMPARISON)
    year = f" of {alone['period'].item(0)}" if alone.height else ""
    for index_id, score in scores.items():
        found = _compared(score, alone)
        more = ""
        if found.spearman is not None:
            more = f": {1 - found.spearman**2:.0%} of the variance of its ranks is not shared with child poverty"
        own = drivers.filter(pl.col("index_id") == index_id)
        if inside := _part(own, pl.col("indicator_id") == COMPARISON):
            more += f", which is itself {inside:.0%} of what counted in the index"
        what = f"Ranks by {title_of(index_id)} and by child poverty alone{year}"
        yield _row(index_id, ALONE, COMPARISON, found, what, more=more)


def _weighed(own: pl.DataFrame) -> pl.DataFrame:
    """Rows of `risk.drivers` of one index with the weight that each indicator had in the area: column `weight`.

    A missing member has none, and the others of its sub-index carry it, so that a sub-index weighs the same whatever
    it lacks; one that lacks everything weighs nothing.
    """
    counted = pl.col("difference").is_not_null()  # null where the member had no part in the score
    raw = pl.when(counted).then(pl.col("effective_weight")).otherwise(0.0)
    group = ["geo_id", "parent_id"]
    left = raw.sum().over(group)
    carried = pl.when(left > 0).then(raw / left * pl.col("effective_weight").sum().over(group)).otherwise(0.0)
    return own.with_columns(weight=pl.when(pl.col("parent_id") == pl.col("index_id")).then(raw).otherwise(carried))


def _part(own: pl.DataFrame, leaves: pl.Expr) -> float:
    """The share of the weight in an index, on average over its areas, that is of some indicators."""
    weight = pl.col("weight")
    by_area = _weighed(own).group_by("geo_id").agg(part=weight.filter(leaves).sum() / weight.sum()).sort("geo_id")
    shares = by_area["part"].fill_nan(None).drop_nulls().to_numpy()
    return float(shares.mean()) if shares.size else 0.0


def without(own: pl.DataFrame, leaves: pl.Expr) -> pl.DataFrame:
    """The score of each area of one index without some of its indicators, the weights of the others renormalised.

    With S the score, W the weight that counted in the area and c, w what the leaves contribute and weigh, it is
    (S - c) W / (W - w): the index without that member, for a member of an arithmetic mean. One indicator of a
    sub-index is taken out of the whole likewise, and what it weighed is shared by all others.

    Args:
        own: rows of `risk.drivers` of one index.
        leaves: which rows are left out.

    Returns:
        geo_id, whole (the score as the sum of its contributions) and value, null where nothing is left.
    """
    weight, part = pl.col("weight"), pl.col("contribution")
    by_area = (
        _weighed(own)
        .group_by("geo_id")
        .agg(
            whole=part.sum(),
            all_weight=weight.sum(),
            gone=part.filter(leaves).sum(),
            gone_weight=weight.filter(leaves).sum(),
        )
    )
    left = pl.col("all_weight") - pl.col("gone_weight")
    score = (pl.col("whole") - pl.col("gone")) * pl.col("all_weight") / left
    return by_area.select(
        "geo_id", whole=pl.col("whole").round(DIGITS), value=pl.when(left > 1e-9).then(score).round(DIGITS)
    ).sort("geo_id")


def _members(drivers: pl.DataFrame, index_id: str) -> dict[str, pl.Expr]:
    """What can be left out of an index: its sub-indices or groups, and every indicator."""
    parents = sorted(set(drivers["parent_id"]) - {index_id})
    found = {parent: pl.col("parent_id") == parent for parent in parents}
    return found | {name: pl.col("indicator_id") == name for name in sorted(set(drivers["indicator_id"]))}


def _leave_out_rows(index_ids: list[str], drivers: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for index_id in index_ids:
        own = drivers.filter(pl.col("index_id") == index_id)
        for name, leaves in _members(own, index_id).items():
            yield _without_row(index_id, name, own, leaves)


def _without_row(index_id: str, name: str, own: pl.DataFrame, leaves: pl.Expr) -> dict[str, Any]:
    """The row of one member, saying so where it had no value at all or is all that had one."""
    part = _part(own, leaves)
    row = {"index_id": index_id, "check_id": LEAVE_OUT, "counterpart": name, "scope": REGION, **_NOTHING}
    if part == 0:
        text = (
            f"{title_of(name)} has no value in any county of the region: {title_of(index_id)} does without it already."
        )
        return {**row, "text": text}
    if part > 1 - 1e-9:
        return {
            **row,
            "text": f"{title_of(name)} is all that counted in {title_of(index_id)}: without it nothing is left.",
        }
    scored = without(own, leaves)
    found = _compared(scored.select("geo_id", value="whole"), scored.select("geo_id", "value"))
    what = f"Ranks by {title_of(index_id)} with and without {title_of(name)} ({part:.0%} of the weight that counted)"
    return _row(index_id, LEAVE_OUT, name, found, what)


def _scopes(place: Place, one: pl.DataFrame, other: pl.DataFrame) -> Iterator[tuple[str, Agreement]]:
    """Two frames of geo_id and value compared in the region, and in the nation where that is more."""
    inside = _compared(one.join(place.counties, on="geo_id", how="semi"), other)
    yield REGION, inside
    outside = _compared(national(one), other)
    if outside.n_areas > inside.n_areas:
        yield REFERENCE, outside


def shared_years(first: str | None, second: str | None) -> int:
    """How many years of interviews two periods of five years have in common; 0 for other periods."""
    ends = [[int(year) for year in (text or "").split("-") if year.isdigit()] for text in (first, second)]
    if any(len(years) != 2 or years[1] - years[0] != 4 for years in ends):
        return 0
    return max(0, min(years[1] for years in ends) - max(years[0] for years in ends) + 1)


def _same_interviews(values: pl.DataFrame, earlier: Mapping[str, str], later: Mapping[str, str]) -> str:
    """That periods of members (id -> period) overlap, where they do: agreement is then partly the same answers."""

    def source(name: str, period: str) -> str | None:
        sources = _values_of(values, name, period)["source_period"].to_list()
        return sources[0]

    years = max(shared_years(source(name, earlier[name]), source(name, later[name])) for name in earlier)
    return f"; the same interviews stand behind both for {years} of 5 years" if years else ""


def _periods(values: pl.DataFrame, indicator_id: str) -> list[str]:
    """Periods in which an indicator has a value, oldest first."""
    rows = values.filter((pl.col("indicator_id") == indicator_id) & pl.col("value").is_not_null())
    return [str(period) for period in rows["period"].unique().sort()]


def _indicator_rows(index_id: str, name: str, values: pl.DataFrame, place: Place) -> Iterator[dict[str, Any]]:
    """One indicator in each two periods that follow each other."""
    periods = _periods(values, name)
    for earlier, later in pairwise(periods):
        one, other = (_values_of(values, name, period) for period in (earlier, later))
        more = _same_interviews(values, {name: earlier}, {name: later})
        what = f"Ranks by {title_of(name)} in {earlier} and in {later}"
        for scope, found in _scopes(place, one, other):
            yield _row(index_id, STABILITY, f"{name} {earlier} to {later}", found, what, scope=scope, more=more)


def _percentiles(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Columns as percentiles among the areas of the frame, 100 (mean rank - 0.5) / n."""
    return frame.with_columns((pl.col(name).rank("average") - 0.5) / pl.len() * 100 for name in names)


def _weighted(values: pl.DataFrame, weights: Mapping[str, float], periods: Mapping[str, str]) -> pl.DataFrame:
    """geo_id and the weighted mean of the members' percentiles, over the counties of the nation that have all."""
    frame: pl.DataFrame | None = None
    for name, period in periods.items():
        column = national(_values_of(values, name, period)).select("geo_id", pl.col("value").alias(name))
        frame = column if frame is None else frame.join(column, on="geo_id")
    assert frame is not None
    whole = sum(weights[name] for name in periods)
    ranked = _percentiles(frame, list(periods))
    mean = total([(pl.col(name) * (weights[name] / whole)).fill_null(0) for name in periods])
    return ranked.select("geo_id", value=mean.round(DIGITS))


class _Then(NamedTuple):
    """The members of an index that had a value at an earlier year, with that period and today's."""

    year: str
    earlier: dict[str, str]
    later: dict[str, str]


def _earlier(values: pl.DataFrame, weights: Mapping[str, float], reference_year: str) -> list[_Then]:
    """The earlier years at which members with MIN_WEIGHT of the weight have a value, each set of members once."""
    known = {name: [p for p in _periods(values, name) if p <= reference_year] for name in weights}
    now = {name: periods[-1] for name, periods in known.items() if periods}
    found: list[_Then] = []
    for year in sorted({period for name in now for period in known[name][:-1]}):
        oldest = str(int(year) - WINDOW + 1)
        fitting = {name: [p for p in known[name][:-1] if oldest <= p <= year] for name in now}
        then = {name: periods[-1] for name, periods in fitting.items() if periods}
        enough = sum(weights[name] for name in then) >= MIN_WEIGHT * sum(weights.values()) - 1e-9
        if enough and all(then != one.earlier for one in found):
            found.append(_Then(year, then, {name: now[name] for name in then}))
    return found


def _stability(
    reference_years: Mapping[str, str], drivers: pl.DataFrame, values: pl.DataFrame, place: Place
) -> tuple[list[dict[str, Any]], list[AbsentPart]]:
    rows: list[dict[str, Any]] = []
    absent: list[AbsentPart] = []
    for index_id, year in reference_years.items():
        own = drivers.filter(pl.col("index_id") == index_id)
        by_name = own.group_by("indicator_id").agg(pl.col("effective_weight").max()).sort("indicator_id")
        weights: dict[str, float] = dict(by_name.iter_rows())
        direct = sorted(set(own.filter(pl.col("parent_id") == index_id)["indicator_id"]))
        rows += [row for name in direct for row in _indicator_rows(index_id, name, values, place)]
        times = _earlier(values, weights, year) if weights else []
        if not times:
            reason = f"members with {MIN_WEIGHT:.0%} of the weight of {index_id} have no value of one earlier year"
            absent.append(AbsentPart(f"{TABLE.key}.{STABILITY}.{index_id}", reason, None))
        for time in times:
            rows += _index_rows(index_id, time, weights, values, place)
    return rows, absent


def _index_rows(
    index_id: str, time: _Then, weights: Mapping[str, float], values: pl.DataFrame, place: Place
) -> Iterator[dict[str, Any]]:
    one, other = (_weighted(values, weights, periods) for periods in (time.earlier, time.later))
    share = sum(weights[name] for name in time.earlier) / sum(weights.values())
    members = ", ".join(f"{name} of {time.earlier[name]} and {time.later[name]}" for name in time.earlier)
    what = (
        f"Ranks by a plain weighted mean of the percentiles of those members of {title_of(index_id)} that had a value "
        f"as of {time.year} ({share:.0%} of its weight: {members}), then and now,"
    )
    more = _same_interviews(values, time.earlier, time.later)
    for scope, found in _scopes(place, one, other):
        yield _row(index_id, STABILITY, f"as of {time.year}", found, what, scope=scope, more=more)


def _outcome_row() -> dict[str, Any]:
    key = {"index_id": EVERY_INDEX, "check_id": OUTCOME, "counterpart": "incidence", "scope": REGION}
    return {**key, **_NOTHING, "text": NO_OUTCOME}


def _svi_absent(lacking: Mapping[str, list[str]], inputs: pl.DataFrame, index: pl.DataFrame) -> list[AbsentPart]:
    part = f"{TABLE.key}.{RECOMPUTED}"
    absent = [
        AbsentPart(f"{part}.{vintage}", f"the inputs of SVI {vintage} lack {', '.join(names)}", None)
        for vintage, names in lacking.items()
    ]
    if inputs.is_empty():
        absent.append(
            AbsentPart(part, "no county inputs of the SVI are at hand", "cdc_svi/2022/SVI_2022_US_county.csv")
        )
    if index.is_empty():
        reason = "CDC's own ranks are in none of the landed files; the same ranks are recomputed from its inputs"
        absent.append(AbsentPart(f"{TABLE.key}.{PUBLISHED}", reason, "cdc_svi/2022/SVI_2022_US_county.csv"))
    return absent


def validate(inputs: Inputs, place: Place) -> Found:
    """Every comparison of every index over the counties of the region, and over the nation where values are national.

    Args:
        inputs: the tables that the decision reads, by key; levels other than the county are passed over.
        place: the region.
    """
    scores, drivers, values = (_of_counties(inputs[key]) for key in (SCORES, DRIVERS, VALUES))
    scores, drivers = (frame.join(place.counties, on="geo_id", how="semi") for frame in (scores, drivers))
    newest = scores.group_by("index_id").agg(pl.col("period").max()).sort("index_id")
    reference_years: dict[str, str] = dict(newest.iter_rows())
    by_index = {
        name: scores.filter((pl.col("index_id") == name) & (pl.col("period") == year)).select("geo_id", value="score")
        for name, year in reference_years.items()
    }
    recomputed, lacking = validation_svi.recomputed(inputs[SVI_INPUTS])
    stability, absent = _stability(reference_years, drivers, values, place)
    rows = [
        *_svi_rows(by_index, recomputed, RECOMPUTED),
        *_svi_rows(by_index, validation_svi.published(inputs[SVI_INDEX]), PUBLISHED),
        *_alone_rows(by_index, drivers, values),
        *stability,
        *_leave_out_rows(list(by_index), drivers),
        _outcome_row(),
    ]
    schema = {column.name: column.dtype for column in TABLE.columns if column.name != "is_simulated"}
    frame = pl.DataFrame(rows, schema=schema).with_columns(is_simulated=pl.lit(place.is_simulated))
    without_score = sorted(set(by_index) - set(drivers["index_id"]))
    absent += [
        AbsentPart(f"{TABLE.key}.{LEAVE_OUT}.{name}", f"{name} has a score in no county of the region", None)
        for name in without_score
    ]
    absent += _svi_absent(lacking, inputs[SVI_INPUTS], inputs[SVI_INDEX])
    return Found({TABLE.key: TABLE.conform(frame)}, absent)


DECISION = Decision("validation", (TABLE,), (SCORES, DRIVERS, VALUES, SVI_INPUTS, SVI_INDEX), validate)
