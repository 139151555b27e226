"""Rules by which a fund's money may be divided: ours, and three that are published by others.

A rule turns what is known of areas into claims; the budget is divided in proportion to them, within the terms
of `models.decisions.award`. What is drawn is the count of young people, from its published interval; rents and
populations are taken as they are published. None of the published rules is reproduced with its programme's own
smallest and greatest grants, state minimums and quotas: those of the fund stand in their place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Columns = Mapping[str, Vector]
Tables = Mapping[str, pl.DataFrame]

POPULATIONS = "decision.populations"
RENTS = "core.hud_fmr_county"
AGES = "core.census_pep_county_age_sex"

RENT, CHILDREN = "fmr_2_usd", "population_5_17_count"
NEED = ("need_count", "need_count_lower", "need_count_upper")


class RuleError(ValueError):
    """A rule whose inputs are not there, or a population that nobody counts."""

    def __init__(self, reason: str, file_missing: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.file_missing = reason, file_missing


class Thresholds(NamedTuple):
    """Whether the children counted reach the thresholds of each grant of Title I, part A."""

    basic: NDArray[np.bool_]
    concentration: NDArray[np.bool_]
    targeted: NDArray[np.bool_]


def title_i_thresholds(children: Vector, population: Vector) -> Thresholds:
    """Who is eligible for the grants of Title I, part A.

    Basic: at least 10 children counted and more than 2 % of the population of 5 to 17 (20 USC 6333(b)).
    Concentration: eligible for a basic grant, and more than 6,500 or more than 15 % (20 USC 6334(a)).
    Targeted: at least 10 and at least 5 % (20 USC 6335(a)). All four in 34 CFR 200.71.

    Args:
        children: formula children, (draws, n) or (n,).
        population: people of 5 to 17, (n,).
    """
    basic = (children >= 10) & (children > 0.02 * population)
    return Thresholds(
        basic=basic,
        concentration=basic & ((children > 6500) | (children > 0.15 * population)),
        targeted=(children >= 10) & (children >= 0.05 * population),
    )


_SHARES = (0.0, 0.15, 0.19, 0.242, 0.292, np.inf)
_SHARE_WEIGHTS = (1.0, 1.75, 2.5, 3.25, 4.0)
_NUMBERS = (0.0, 2311.0, 7913.0, 23917.0, 93810.0, np.inf)
_NUMBER_WEIGHTS = (1.0, 1.5, 2.0, 2.5, 3.0)


def title_i_weighted(children: Vector, population: Vector) -> Vector:
    """The weighted child count of a targeted grant for a county: the larger of two graduated sums.

    By percentage of the population of 5 to 17: the children up to 15 % count 1.0 each, those from there to 19 %
    1.75, to 24.2 % 2.5, to 29.2 % 3.25, and the rest 4.0. By number: the first 2,311 count 1.0, up to 7,913 1.5,
    up to 23,917 2.0, up to 93,810 2.5, and the rest 3.0. Source: 20 USC 6335(c)(1), weights for counties.

    Args:
        children: formula children, (draws, n) or (n,).
        population: people of 5 to 17, (n,).
    """

    def graduated(bounds: list[Vector | float], weights: tuple[float, ...]) -> Vector:
        steps = zip(bounds[:-1], bounds[1:], weights, strict=True)
        return sum((np.clip(children, low, high) - low) * weight for low, high, weight in steps) + 0.0 * children

    by_share = graduated([np.inf if np.isinf(share) else share * population for share in _SHARES], _SHARE_WEIGHTS)
    return np.maximum(by_share, graduated(list(_NUMBERS), _NUMBER_WEIGHTS))


def _as_counted(need: Vector, columns: Columns) -> Vector:
    return need


def _times_rent(need: Vector, columns: Columns) -> Vector:
    """YHDP's formula factor of each community."""
    return need * columns[RENT]


def _title_i(need: Vector, columns: Columns) -> Vector:
    population = columns[CHILDREN]
    return np.where(title_i_thresholds(need, population).targeted, title_i_weighted(need, population), 0.0)


@dataclass(frozen=True)
class Rule:
    """One rule.

    Args:
        id: its name on the command line and in the table.
        title: for people.
        text: what an area's claim is, and what of the published rule is left out.
        citation: where it is published.
        population: the population whose count is the need.
        claims: from draws of need (draws, n) and the rule's further columns (n,) to claims (draws, n); never
            falling in need.
        columns: names of those columns.
    """

    id: str
    title: str
    text: str
    citation: str
    population: str
    claims: Callable[[Vector, Columns], Vector]
    columns: tuple[str, ...] = ()


_ALL = (
    Rule(
        id="need",
        title="Count of young people in need",
        text="In proportion to a declared count of young people: by default related children of 5 to 17 in families "
        "in poverty.",
        citation="Ours: docs/allocation.md. The default count is of the Census Bureau's SAIPE.",
        population="low_income_youth_5_17",
        claims=_as_counted,
    ),
    Rule(
        id="yhdp",
        title="Youth in poverty times rent, as HUD's Youth Homelessness Demonstration Program",
        text="Formula factor: youths of 12 to 24 in poverty times the two-bedroom Fair Market Rent; in proportion to "
        "it. HUD's minimum of $1 million and maximum of $15 million a community and its quota of rural communities are "
        "left out.",
        citation="HUD Exchange, FAQ 2977 (March 2019), steps 1 and 2.",
        population="poor_youth_12_24",
        claims=_times_rent,
        columns=(RENT,),
    ),
    Rule(
        id="title_i",
        title="Weighted count of children in poverty, as Title I, part A targeted grants",
        text="The weighted child count of a county, where at least 10 children and 5 % of those of 5 to 17 are "
        "counted, else nothing. Counted are related children in poverty alone, about 95 % of formula children: not "
        "those in foster homes, in neglected institutions or of families with assistance. Expenditure per pupil, state "
        "minimums and hold-harmless shares of the Act are left out. Its grants go to school districts, not counties.",
        citation="20 USC 6333(b), 6334(a), 6335(a) and (c)(1); 34 CFR 200.71.",
        population="low_income_youth_5_17",
        claims=_title_i,
        columns=(CHILDREN,),
    ),
    Rule(
        id="under_18",
        title="Population under 18, as the Basic Center Program allots to states",
        text="In proportion to the people under 18. The Act allots to states, with a minimum of $200,000 each; grants "
        "within a state are competitive.",
        citation="Runaway and Homeless Youth Act, 34 USC 11211(b).",
        population="under_18",
        claims=_as_counted,
    ),
)
RULES = {rule.id: rule for rule in _ALL}


def find_rule(rule_id: str, population: str | None = None) -> tuple[Rule, str]:
    """A rule by its id, and the population whose count is the need.

    Raises:
        RuleError: there is no such rule, or a published rule is asked to count another population than its own.
    """
    if rule_id not in RULES:
        raise RuleError(f"there is no rule {rule_id!r}: rules are {', '.join(RULES)}")
    rule = RULES[rule_id]
    if population and rule.id != "need" and population != rule.population:
        raise RuleError(f"the rule {rule.id} counts {rule.population}: only the rule need takes another population")
    return rule, population or rule.population


def _table(tables: Tables, key: str, what: str, rule: Rule) -> pl.DataFrame:
    frame = tables.get(key)
    if frame is None or frame.is_empty():
        raise RuleError(f"the rule {rule.id} needs {what} ({key}), and there is none", key)
    return frame


def _rents(tables: Tables, rule: Rule) -> pl.DataFrame:
    frame = _table(tables, RENTS, "the two-bedroom Fair Market Rent of each county", rule)
    newest = frame.filter(pl.col("geo_level") == "county").filter(pl.col("vintage") == pl.col("vintage").max())
    return newest.select("geo_id", pl.col(RENT).cast(pl.Float64))


def _children(tables: Tables, rule: Rule) -> pl.DataFrame:
    """People of 5 to 17 by county: the bands 5-13 and 14-17 of the newest estimate."""
    frame = _table(tables, AGES, "the population of 5 to 17 of each county", rule)
    bands = frame.filter((pl.col("basis") == "estimate") & pl.col("age_band").is_in(["5-13", "14-17"]))
    newest = bands.filter(pl.col("vintage") == pl.col("vintage").max())
    newest = newest.filter(pl.col("period") == pl.col("period").max())
    whole = newest.group_by("geo_id").agg(pl.col("count").sum().cast(pl.Float64).alias(CHILDREN), pl.len().alias("n"))
    return whole.filter(pl.col("n") == 2).drop("n")


_FURTHER = {RENT: (_rents, "no two-bedroom Fair Market Rent"), CHILDREN: (_children, "no population of 5 to 17")}


def _counted(tables: Tables, rule: Rule, population: str) -> pl.DataFrame:
    frame = _table(tables, POPULATIONS, f"the count of {population}", rule).filter(pl.col("geo_level") == "county")
    found = frame.filter(pl.col("population_id") == population)
    if found.is_empty():
        known = sorted(set(frame.drop_nulls("count")["population_id"]))
        raise RuleError(
            f"no population {population!r} is counted by county: known are {', '.join(known) or 'none'}", POPULATIONS
        )
    if found["count"].is_null().all():
        reasons = found["reason"].drop_nulls().unique().sort()
        raise RuleError(f"{population} has no count in any county: {'; '.join(reasons[:2]) or 'no reason is given'}")
    return found.select(
        "geo_id",
        *(pl.col(name).cast(pl.Float64).alias(need) for name, need in zip(_COUNTS, NEED, strict=True)),
        need_status="status",
        note="reason",
        period="period",
        vintage="vintage",
    )


_COUNTS = ("count", "count_lower", "count_upper")


def rule_frame(rule: Rule, population: str, tables: Tables, counties: pl.DataFrame) -> pl.DataFrame:
    """What a rule takes, for every county of a region.

    Args:
        rule: the rule.
        population: whose count is the need.
        tables: `decision.populations` and what the rule needs besides, by key; a table that is not there is
            left out or empty.
        counties: geo_id and geo_name, always the left table.

    Returns:
        A row a county: geo_id, geo_name, need_count with its 90 % interval, need_status, note, period, vintage and
        the rule's columns. What is withheld, lacks an interval or lacks a column has no need, and its note says why.

    Raises:
        RuleError: a table is missing, or nobody counts the population.
    """
    frame = counties.select("geo_id", "geo_name").join(_counted(tables, rule, population), on="geo_id", how="left")
    gaps = [
        ("the count is withheld", pl.col("need_status") == "withheld"),
        ("the count is missing", pl.col(NEED[0]).is_null()),
        ("the count has no interval", pl.any_horizontal(pl.col(NEED[1:]).is_null())),
    ]
    for name in rule.columns:
        read, lacking = _FURTHER[name]
        frame = frame.join(read(tables, rule), on="geo_id", how="left")
        gaps.append((lacking, pl.col(name).is_null()))
    why = pl.coalesce(pl.when(is_so).then(pl.lit(text)) for text, is_so in gaps)
    frame = frame.with_columns(why=why).with_columns(
        *(pl.when(pl.col("why").is_null()).then(name).alias(name) for name in NEED),
        need_status=pl.when((pl.col("need_status") != "withheld").fill_null(True) & pl.col("why").is_not_null())
        .then(pl.lit("missing"))
        .otherwise("need_status"),
        note=pl.concat_str("why", "note", separator=": ", ignore_nulls=True),
    )
    # Without either text, concat_str gives an empty one.
    return frame.with_columns(pl.col("note").replace("", None)).drop("why").sort("geo_id")
