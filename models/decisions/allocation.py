"""Allocation: divide a budget among counties by a declared rule, and say how sure each award is.

Need is a count of young people with a 90 % interval, never a percentile: a rank says who comes first, not how
much more. An area's draws of need depend on its id and the seed alone, so they are the same whoever else is
looked at. From the draws of a rule come the expected share of each area, which is divided within the terms
(`models.decisions.award`), and what the same rule and terms would have awarded had the need been known: that
gives the interval of an award and the chance of being funded. Errors of different areas are drawn independently.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.decisions.allocation_rules import (
    AGES,
    CHILDREN,
    NEED,
    POPULATIONS,
    RENTS,
    RULES,
    Columns,
    Rule,
    RuleError,
    find_rule,
    rule_frame,
    title_i_thresholds,
)
from models.decisions.award import AwardError, Cents, Terms, divide, divide_draws, dollars, terms
from models.decisions.decision import Decision, Found, Inputs, Place
from models.engine.defaults import N_DRAWS, SEED
from models.indicators.assemble import AbsentPart
from models.indicators.indicator import all_indicators
from quality.columns import GEO_NAME, geo_id, geo_level
from quality.contract import Column, Table

Vector = NDArray[np.float64]

NOMINAL_BUDGET, NOMINAL_MINIMUM, NOMINAL_CAP = 1_500_000, 50_000, 0.2
"""Terms of the published table; `headwaters allocate` takes any."""
DRIVERS = "risk.drivers"
N_DRIVERS = 3
THRESHOLD_COLUMNS = ("p_basic_grant", "p_concentration_grant", "p_targeted_grant")


def _usd(name: str, description: str, *, nullable: bool = True) -> Column:
    return Column(name, pl.Float64, description, unit="US dollars", minimum=0, nullable=nullable)


def _persons(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit="young people", minimum=0)


def _share(name: str, description: str, unit: str = "share, 0 to 1", *, nullable: bool = True) -> Column:
    return Column(name, pl.Float64, description, unit=unit, minimum=0, maximum=1, nullable=nullable)


def _chance(name: str, description: str) -> Column:
    return _share(name, description, "probability")


TABLE = Table(
    key="decision.allocation",
    title="A budget divided by each rule",
    description="What each county of the region gets of a nominal budget of $1,500,000, with a smallest award of "
    "$50,000 and a cap of a fifth, by our rule and three published ones, from counts of young people with their "
    "intervals. An example to compare rules by, not a decision: `headwaters allocate` takes the fund's own terms. "
    "Awards that differ less than their intervals do not differ by need that is known.",
    columns=(
        Column("rule_id", pl.String, "The rule; see docs/allocation.md.", nullable=False, allowed=tuple(RULES)),
        geo_level("county"),
        geo_id("county"),
        GEO_NAME,
        Column("population_id", pl.String, "Whose count is the need; see decision.populations.", nullable=False),
        Column("period", pl.String, "The time that the count describes."),
        Column("vintage", pl.String, "The publisher's release that the count was read from."),
        _persons("need_count", "The published count; null where it is missing or withheld."),
        _persons("need_count_lower", "Lower bound of its 90 % interval."),
        _persons("need_count_upper", "Upper bound of its 90 % interval."),
        Column(
            "need_status", pl.String, "What is known of the count.", nullable=False,
            allowed=("ok", "caution", "withheld", "missing"),
        ),
        _share("expected_share", "Mean over the draws of the area's share of all claims by the rule."),
        _usd("award_usd", "The award. Zero: no award; null: nothing is known to divide by."),
        _usd("award_usd_p05", "Lower bound of the 90 % interval of what the rule would award were the need known."),
        _usd("award_usd_p95", "Upper bound of that interval."),
        _usd("award_usd_mean", "Mean of what the rule would award were the need known."),
        _share("award_share", "The award as a share of the budget."),
        _chance("p_funded", "Chance that the rule would fund the area were the need known."),
        _usd("point_award_usd", "What the rule awards if the published counts are taken for exact."),
        Column(
            "regret_count", pl.Float64, "Expected young people in need whom the best list of the same length would "
            "reach here and the list by published counts does not; negative where that list funds the area in "
            "another's place. Sums over the areas to the need that is missed by funding the point list.",
            unit="young people",
        ),
        _chance("p_basic_grant", "Rule title_i: chance that the count reaches the thresholds of a basic grant."),
        _chance("p_concentration_grant", "Rule title_i: the same for a concentration grant."),
        _chance("p_targeted_grant", "Rule title_i: the same for a targeted grant."),
        _usd("hold_harmless_usd", "The least that the area is held to; null where it is not."),
        _usd("budget_usd", "The budget that is divided.", nullable=False),
        _usd("minimum_usd", "The smallest award.", nullable=False),
        _share("cap_share", "The greatest award as a share of the budget.", nullable=False),
        Column("n_draws", pl.Int64, "Draws of the need.", nullable=False, minimum=1),
        Column("drivers", pl.String, "What raises the area's priority score most, in points against the reference."),
        Column("note", pl.String, "Why there is no award, or what to mind about the count."),
        Column(
            "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
        ),
    ),
    primary_key=("rule_id", "geo_level", "geo_id"),
    may_be_empty=True,
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What is divided, and how.

    Args:
        rule: the rule.
        population: whose count is the need.
        terms: budget, smallest award and cap in cents.
        cap_share: the cap as it was given.
        hold_harmless: least amount of an area in cents, by geo_id.
        n_draws, seed: of the draws of need.
    """

    rule: Rule
    population: str
    terms: Terms
    cap_share: float
    hold_harmless: Mapping[str, int]
    n_draws: int = N_DRAWS
    seed: int = SEED


def request(
    budget: float | str,
    minimum: float | str = 0,
    cap: float | str = 1,
    rule: str = "need",
    population: str | None = None,
    hold_harmless: Mapping[str, int] | None = None,
    n_draws: int = N_DRAWS,
    seed: int = SEED,
) -> Request:
    """A request from what a person gives: dollars, and the cap as a share of the budget.

    Raises:
        AwardError: an amount is none or the terms contradict each other.
        RuleError: there is no such rule, or it counts another population.
    """
    chosen, counted = find_rule(rule, population)
    given = terms(budget, minimum, cap)
    if n_draws < 1:
        raise AwardError(f"at least one draw is needed, not {n_draws}")
    return Request(chosen, counted, given, float(cap), dict(hold_harmless or {}), n_draws, seed)


@dataclass(frozen=True)
class Allocation:
    """A divided budget.

    Args:
        frame: rows of `TABLE` but is_simulated, drivers not yet filled in, in order of geo_id.
        n_funded: areas with an award.
        regret_count: expected young people in need who are missed by funding the list by published counts.
    """

    frame: pl.DataFrame
    n_funded: int
    regret_count: float


def draw_needs(frame: pl.DataFrame, population: str, n_draws: int, seed: int) -> Vector:
    """Draws of need (n_draws, n) from published intervals; an area's depend on its id, the population and the seed.

    Args:
        frame: geo_id and need_count with its bounds, none missing.

    Raises:
        AwardError: a count is negative or outside its interval.
    """
    # What is compiled is loaded only where something is computed: the UI loads the definitions without it.
    from models.engine.errors import PublishedInterval

    drawn = np.zeros((n_draws, frame.height))
    for at, (area, value, lower, upper) in enumerate(frame.select("geo_id", *NEED).iter_rows()):
        if not 0 <= lower <= value <= upper:
            raise AwardError(
                f"{area}: the {population} count {value:g} must lie in its interval {lower:g} to {upper:g}, "
                "and be zero or more"
            )
        if upper > 0:  # drawn in units of the upper bound, so that persons and thousands give the same draws
            parts = [np.array([part / upper]) for part in (value, lower, upper)]
            model = PublishedInterval(f"need of {area}", parts[0], parts[1], parts[2], support=(0.0, np.inf))
            stream = np.random.SeedSequence([seed, crc32(f"allocation {population} {area}".encode())])
            generator = np.random.Generator(np.random.SFC64(stream))
            drawn[:, at] = model.draw(0, n_draws, generator)[0, :, 0].astype(float) * upper
    return drawn


def _shares(claims: Vector, rule: Rule) -> Vector:
    total = claims.sum(axis=1, keepdims=True)
    if not (total > 0).all():
        raise AwardError(
            f"by the rule {rule.id} no area has a claim in {int((total <= 0).sum())} of {len(total)} draws"
        )
    return claims / total


def _floors(frame: pl.DataFrame, hold_harmless: Mapping[str, int]) -> Cents:
    known = set(frame["geo_id"])
    if strange := [area for area in hold_harmless if area not in known]:
        raise AwardError(f"held harmless, but no area of the region: {', '.join(sorted(strange))}")
    return np.array([hold_harmless.get(area, 0) for area in frame["geo_id"]], dtype=np.int64)


def _regret(needs: Vector, claims: Vector, point: Cents, floors: Cents) -> Vector:
    """Expected need (n,) in the best list of each draw, less that in the list by published counts.

    The best list of a draw has as many areas as the other, those of the greatest claims in it, and the areas
    that are held harmless.
    """
    on_list = point > 0
    k = int((on_list & (floors == 0)).sum())
    free = np.flatnonzero(floors == 0)
    first = free[np.argsort(-claims[:, free], axis=1, kind="stable")[:, :k]]
    best = np.zeros(claims.shape, dtype=bool)
    np.put_along_axis(best, first, True, axis=1)
    best[:, floors > 0] = True
    on_list = on_list | (floors > 0)
    return (needs * (best.astype(float) - on_list)).mean(axis=0)


class _Known(NamedTuple):
    """What is drawn, over all areas; an area whose need is not known has no need and no claim.

    Args:
        is_known: (n,).
        needs, claims: (draws, n).
        point_claims: (1, n), of the published counts taken for exact.
        columns: the rule's further columns, of the known areas alone.
    """

    is_known: NDArray[np.bool_]
    needs: Vector
    claims: Vector
    point_claims: Vector
    columns: Columns


def _draw(frame: pl.DataFrame, asked: Request) -> _Known:
    rule = asked.rule
    is_known = frame[NEED[0]].is_not_null().to_numpy()
    if not is_known.any():
        raise AwardError(f"no area has a count of {asked.population} to divide by")
    known = frame.filter(is_known)
    columns = {name: known[name].cast(pl.Float64).to_numpy() for name in rule.columns}
    needs = np.zeros((asked.n_draws, frame.height))
    needs[:, is_known] = draw_needs(known, asked.population, asked.n_draws, asked.seed)
    claims, point_claims = np.zeros_like(needs), np.zeros((1, frame.height))
    claims[:, is_known] = rule.claims(needs[:, is_known], columns)
    point_claims[:, is_known] = rule.claims(known[NEED[0]].cast(pl.Float64).to_numpy()[None], columns)
    return _Known(is_known, needs, claims, point_claims, columns)


def _divide_each(shares: Vector, given: Terms, floors: Cents) -> Vector:
    try:
        return divide_draws(shares, given, floors)
    except AwardError as error:  # by the mean the terms could be met
        raise AwardError(f"in some draws of the need {error}") from None


def _column(values: NDArray[np.generic], where: NDArray[np.bool_]) -> pl.Series:
    """A column of numbers, null elsewhere than `where`."""
    return pl.Series([float(value) if is_there else None for value, is_there in zip(values, where, strict=True)])


def _threshold_columns(rule: Rule, drawn: _Known) -> dict[str, pl.Series]:
    """The chance of reaching each threshold of Title I; null by other rules."""
    n = drawn.is_known.size
    if rule.id != "title_i":
        return {name: pl.Series([None] * n, dtype=pl.Float64) for name in THRESHOLD_COLUMNS}
    made = {}
    reached = title_i_thresholds(drawn.needs[:, drawn.is_known], drawn.columns[CHILDREN])
    for name, crosses in zip(THRESHOLD_COLUMNS, reached, strict=True):
        chance = np.zeros(n)
        chance[drawn.is_known] = crosses.mean(axis=0)
        made[name] = _column(chance, drawn.is_known)
    return made


def allocate(frame: pl.DataFrame, asked: Request) -> Allocation:
    """Divide a budget.

    Args:
        frame: a row an area as `rule_frame` gives it: geo_id, geo_name, need_count with bounds (null where nothing
            is known), need_status, note, period, vintage, and the columns of the rule.
        asked: rule, terms and draws.

    Raises:
        AwardError: the terms cannot be met by these areas, or a count is outside its interval.
    """
    frame = frame.sort("geo_id")
    given, floors = asked.terms, _floors(frame, asked.hold_harmless)
    drawn = _draw(frame, asked)
    shares = _shares(drawn.claims, asked.rule)
    expected = shares.mean(axis=0)
    award, each = divide(expected, given, floors), _divide_each(shares, given, floors)
    point = divide(_shares(drawn.point_claims, asked.rule)[0], given, floors)
    regret = _regret(drawn.needs, drawn.claims, point, floors)
    # Awards that a draw gave: halfway between nothing and the smallest award there is none.
    low = np.quantile(each, 0.05, axis=0, method="lower")
    high = np.quantile(each, 0.95, axis=0, method="higher")
    is_held = floors > 0
    has_award = drawn.is_known | is_held
    result = frame.select("geo_id", "geo_name", *NEED, "need_status", "note", "period", "vintage").with_columns(
        rule_id=pl.lit(asked.rule.id),
        geo_level=pl.lit("county"),
        population_id=pl.lit(asked.population),
        expected_share=_column(expected, drawn.is_known),
        award_usd=_column(award / 100, has_award),
        award_usd_p05=_column(np.round(low) / 100, has_award),
        award_usd_p95=_column(np.round(high) / 100, has_award),
        award_usd_mean=_column(np.round(each.mean(axis=0)) / 100, has_award),
        award_share=_column(award / given.budget, has_award),
        p_funded=_column((each > 0).mean(axis=0), has_award),
        point_award_usd=_column(point / 100, has_award),
        regret_count=_column(regret, drawn.is_known),
        **_threshold_columns(asked.rule, drawn),
        hold_harmless_usd=_column(floors / 100, is_held),
        budget_usd=given.budget / 100,
        minimum_usd=given.minimum / 100,
        cap_share=asked.cap_share,
        n_draws=pl.lit(asked.n_draws, dtype=pl.Int64),
    )
    return Allocation(result.with_columns(note=_note(given)), int((award > 0).sum()), float(regret.sum()))


def _note(given: Terms) -> pl.Expr:
    """Why an area gets nothing, before what there is to say of its count."""
    in_proportion = (pl.col("expected_share") * given.budget / 100).round(0).cast(pl.Int64)
    small = f"no award: its share of ${{}} is too small against the least award of {dollars(given.minimum)}"
    told = (
        pl.when(pl.col("award_usd") != 0)
        .then(None)
        .when(pl.col("expected_share") == 0)
        .then(pl.lit("no award: the area has no claim by this rule"))
        .when(pl.col("award_usd") == 0)
        .then(pl.format(small, in_proportion))
    )
    return pl.concat_str(told, "note", separator="; ", ignore_nulls=True).replace("", None)


def drivers_text(drivers: pl.DataFrame, titles: Mapping[str, str] | None = None) -> pl.DataFrame:
    """What raises the priority of each county most, as one text: geo_id and drivers.

    Args:
        drivers: rows of `risk.drivers`; those of other indices and levels are left aside.
        titles: of the indicators by id; an indicator without one is named by its id.
    """
    raising = (
        drivers.filter(
            (pl.col("index_id") == "priority") & (pl.col("geo_level") == "county") & (pl.col("difference") > 0)
        )
        .sort("geo_id", "driver_rank", "indicator_id")
        .group_by("geo_id", maintain_order=True)
        .head(N_DRIVERS)
    )
    title = pl.col("indicator_id").replace(dict(titles or {}))
    text = pl.format("{} (+{})", title, pl.col("difference").round(1))
    return raising.group_by("geo_id", maintain_order=True).agg(text.str.join("; ").alias("drivers"))


def finish(found: Allocation, drivers: pl.DataFrame | None, *, is_simulated: bool) -> pl.DataFrame:
    """The rows of `TABLE` of one allocation."""
    titles = {indicator.id: indicator.title for indicator in all_indicators().values()}
    frame = found.frame.with_columns(drivers=pl.lit(None, dtype=pl.String))
    if drivers is not None:
        frame = found.frame.join(drivers_text(drivers, titles), on="geo_id", how="left")
    return TABLE.conform(frame.with_columns(is_simulated=pl.lit(is_simulated)))


def compute(inputs: Inputs, place: Place) -> Found:
    """The nominal budget divided by every rule; a rule that cannot be followed is absent, with its reason."""
    frames, absent = [TABLE.empty()], []
    for rule in RULES.values():
        asked = request(NOMINAL_BUDGET, NOMINAL_MINIMUM, NOMINAL_CAP, rule.id)
        try:
            frame = rule_frame(rule, rule.population, inputs, place.counties)
            found = allocate(frame, asked)
        except (RuleError, AwardError) as error:
            missing = error.file_missing if isinstance(error, RuleError) else None
            absent.append(AbsentPart(f"{TABLE.key} by the rule {rule.id}", str(error), missing))
        else:
            frames.append(finish(found, inputs.get(DRIVERS), is_simulated=place.is_simulated))
    return Found({TABLE.key: pl.concat(frames)}, absent)


DECISION = Decision(
    id="allocation",
    tables=(TABLE,),
    reads=(POPULATIONS, DRIVERS, AGES, RENTS),
    compute=compute,
)
