"""What each simulated ACS table counts: cells by tract, consistent within a table and between tables.

A five-year ACS estimate is a sum of survey weights. So it is drawn here: the number of sampled cases is
Poisson, each case carries a weight that varies, and cells of small places are therefore often zero or
far off, as they are in reality. Counties are sums of their tracts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sources.simulated.region import Floats, Ints, Region, stream

Cells = dict[str, Ints]
Numbers = npt.NDArray[Any]

POPULATION_CELLS = ("population", "adults")
"""Universes that the Census Bureau controls to its population estimates, so that their margins are tiny."""


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        id: for instance `B14005`.
        universe: whose total the cells are parts of, an attribute of `Tract`.
        draw: cell to count by tract.
        factor: how many times wider the margin is than for a simple count (clustering and weights).
        factors: the same for single cells.
        total: the cell that holds the whole universe, where the table has it.
    """

    id: str
    universe: str
    draw: Callable[[Region], Cells]
    factor: float = 5.5
    factors: Mapping[str, float] = field(default_factory=dict)
    total: str = "001"


def case_weight(factor: float, universe: Floats) -> Floats:
    """People whom one sampled case stands for; tiny places are sampled more densely."""
    return np.minimum(factor**2, np.maximum(3.0, universe / 4))


def sample(name: str, expected: Mapping[str, Numbers], total: Ints, factor: float) -> Cells:
    """Draw disjoint parts of `total`, each near its expectation.

    Args:
        name: names the random stream; the same name draws the same numbers.
        expected: expected count by tract, a part each; parts need not exhaust the total.
        total: what the parts may not exceed, by tract.
    """
    rng = stream("acs", name)
    weight = case_weight(factor, total.astype(np.float64)) / 1.25
    parts: Cells = {}
    for key, mean in expected.items():
        cases = rng.poisson(mean / weight)
        # Weights vary with a coefficient of variation of 1/2: a sum of n of them is Gamma(4n, weight/4).
        parts[key] = np.where(cases > 0, rng.gamma(4 * np.maximum(cases, 1)) * weight / 4, 0).round().astype(np.int64)
    drawn = np.sum(list(parts.values()), axis=0)
    shrink = np.minimum(1.0, total / np.maximum(drawn, 1))
    return {key: np.floor(value * shrink).astype(np.int64) for key, value in parts.items()}


def _two(
    table: str, universe: str, topic: str, cell: str, total_cell: str = "001", factor: float = 5.5
) -> Callable[[Region], Cells]:
    """A universe and one part of it."""

    def draw(region: Region) -> Cells:
        total, rate = region.tract_counts(universe), region.tract_rates(topic)
        # The rarer side is what is drawn: a share near 1 is as certain as one near 0.
        common = bool(np.median(rate) > 0.5)
        part = sample(table, {cell: total * (1 - rate if common else rate)}, total, factor)[cell]
        return {total_cell: total, cell: total - part if common else part}

    return draw


def _children_by_household(region: Region) -> Cells:
    total = region.tract_counts("children")
    topics = {"003": "cohabiting", "004": "single_father", "005": "single_mother"}
    expected = {cell: total * region.tract_rates(topic) for cell, topic in topics.items()}
    return {"001": total, **sample("B09005", expected, total, 6.5)}


def _school_and_work(region: Region) -> Cells:
    """Youth of 16 to 19: by sex, out of school, graduate or not, unemployed or outside the labour force."""
    total = region.tract_counts("youth")
    out = total * region.tract_rates("disconnected")
    shares = {"010": 0.13, "011": 0.24, "014": 0.05, "015": 0.12, "024": 0.10, "025": 0.22, "028": 0.03, "029": 0.11}
    parts = sample("B14005", {cell: out * share for cell, share in shares.items()}, total, 5.5)
    men, women = _halves("B14005", total, parts, ("010", "011", "014", "015"), ("024", "025", "028", "029"))
    cells = {"001": total, "002": men, "016": women, **parts}
    # Who left school without a diploma and works counts as well.
    for cell, idle, everyone in (("012", ("014", "015"), men), ("026", ("028", "029"), women)):
        known = np.sum([parts[one] for one in idle], axis=0)
        cells[cell] = known + sample(f"B14005/{cell}", {"": (everyone - known) * 0.02}, everyone - known, 5.5)[""]
    return cells


def _halves(name: str, total: Ints, parts: Cells, first: tuple[str, ...], second: tuple[str, ...]) -> tuple[Ints, Ints]:
    """A total in two halves, each at least as large as the parts that belong to it."""
    least, most = (np.sum([parts[cell] for cell in cells], axis=0) for cells in (first, second))
    half = np.clip(stream("acs", name, "halves").binomial(total, 0.51), least, total - most)
    return half, total - half


def _cost_burden(table: str, universe: str, topic: str, brackets: tuple[float, ...]) -> Callable[[Region], Cells]:
    """By income bracket: all, those who pay half their income or more, and those for whom it is not computed.

    Args:
        brackets: share of the households in each bracket, poorest first.
    """

    def draw(region: Region) -> Cells:
        total = region.tract_counts("households")
        renters = region.tract_counts("renters")
        total = renters if universe == "renters" else total - renters
        rate = region.tract_rates(topic)
        inside = sample(
            f"{table}/brackets", {str(k): total * share for k, share in enumerate(brackets[:-1])}, total, 4.0
        )
        counts = [*inside.values()]
        counts.append(total - np.sum(counts, axis=0))  # the richest bracket takes what is left
        # Nearly all who pay half their income are in the poorest brackets.
        burden = [1.9, 0.9, 0.45, 0.2, 0.08, 0.03, 0.01, 0.003]
        cells: Cells = {"001": total}
        for k, count in enumerate(counts):
            parts = {
                f"{9 * k + 9:03d}": count * np.minimum(0.8, rate * burden[k]),
                f"{9 * k + 10:03d}": count * (0.12 if k == 0 else 0.02),
            }
            cells |= {f"{9 * k + 2:03d}": count, **sample(f"{table}/{k}", parts, count, 4.5)}
        return cells

    return draw


def _crowding(region: Region) -> Cells:
    total = region.tract_counts("households")
    crowded = total * region.tract_rates("crowded")
    shares = {"005": 0.35, "006": 0.08, "007": 0.04, "011": 0.36, "012": 0.11, "013": 0.06}
    return {"001": total, **sample("B25014", {cell: crowded * share for cell, share in shares.items()}, total, 5.5)}


def _relationship(region: Region) -> Cells:
    total = region.tract_counts("children")
    topics = {"006": "grandchild", "007": "other_relative", "008": "unrelated_child"}
    expected = {cell: total * region.tract_rates(topic) for cell, topic in topics.items()}
    return {"001": total, **sample("B09018", expected, total, 6.0)}


def _grandchildren(region: Region) -> Cells:
    """Grandchildren who live with a grandparent householder; `004` without a parent present."""
    total = _relationship(region)["006"]
    return {"001": total, **sample("B10002", {"004": total * 0.28}, total, 5.0)}


def _age_split(name: str, children: Ints) -> tuple[Ints, Ints]:
    """Children of 12 to 14 and of 15 to 17."""
    rng = stream("acs", "ages", name)
    teens = rng.binomial(children, 6 / 18)
    young = rng.binomial(teens, 0.5)
    return young, teens - young


def _children_by_age(region: Region) -> Cells:
    children = region.tract_counts("children")
    young, old = _age_split("B09001", children)
    group_quarters = sample("B09001/010", {"": children * 0.004}, children - young - old, 3.0)[""]
    return {"001": children, "008": young, "009": old, "010": group_quarters}


_AGES = {"004": 5, "005": 1, "006": 6, "007": 3, "008": 1, "009": 2}
"""Years of age that the B17001 cells of boys cover; the cells of girls are 14 further on."""


def _poverty(region: Region) -> Cells:
    total = region.tract_counts("population")
    children = region.tract_counts("children")
    poor_children = children * region.tract_rates("child_poverty")
    by_age = {cell: poor_children * years / 36 for cell, years in _AGES.items()}
    by_age |= {f"{int(cell) + 14:03d}": mean for cell, mean in by_age.items()}
    young = sample("B17001/children", by_age, np.maximum(children // 2, 1), 6.0)
    # Teenagers in poverty cannot outnumber teenagers, who are counted in another table.
    limits = dict(zip(("young", "old"), _age_split("B09001", children), strict=True))
    for cells, limit in ((("007", "021"), limits["young"]), (("008", "009", "022", "023"), limits["old"])):
        drawn = np.sum([young[cell] for cell in cells], axis=0)
        shrink = np.minimum(1.0, limit / np.maximum(drawn, 1))
        young |= {cell: np.floor(young[cell] * shrink).astype(np.int64) for cell in cells}
    poor_young = np.sum(list(young.values()), axis=0)
    adults = (total - children) * region.tract_rates("adult_poverty")
    poor_adults = sample("B17001/adults", {"adults": adults}, total - children, 9.5)["adults"]
    grown = sample("B17001/18-24", dict.fromkeys(("010", "024"), poor_adults * 0.09), poor_adults, 6.0)
    above = _above_poverty(np.maximum(children - poor_young, 0), total - children - poor_adults)
    return {"001": total, "002": poor_young + poor_adults, **dict(sorted(young.items())), **grown, **above}


def _above_poverty(children: Ints, adults: Ints) -> Cells:
    """Those at or above the poverty line, by sex and age: children of all ages, and adults of 18 to 24."""
    years = {f"{int(cell) + 29:03d}": number for cell, number in _AGES.items()}
    years |= {f"{int(cell) + 14:03d}": number for cell, number in years.items()}
    young = sample("B17001/above", {cell: children * number / 36 for cell, number in years.items()}, children, 6.0)
    return young | sample("B17001/above/18-24", dict.fromkeys(("039", "053"), adults * 0.055), adults, 6.0)


def _teen_poverty(region: Region) -> Cells:
    poverty, teens = _poverty(region), _children_by_age(region)
    poor = np.sum([poverty[cell] for cell in ("007", "008", "009", "021", "022", "023")], axis=0)
    return {"005": poor, "013": teens["008"] + teens["009"] - poor}


def _black_teen_poverty(region: Region) -> Cells:
    everyone = _teen_poverty(region)
    # Poverty is about twice as common, which is why the share among the poor is higher.
    share = region.tract_rates("black")
    among_poor = np.minimum(0.95, 1.8 * share)
    poor = sample("B17020B/005", {"005": everyone["005"] * among_poor}, everyone["005"], 5.0)
    other = sample("B17020B/013", {"013": everyone["013"] * share}, everyone["013"], 5.0)
    return poor | other


def _race(region: Region) -> Cells:
    total = region.tract_counts("population")
    black, hispanic = region.tract_rates("black"), region.tract_rates("hispanic")
    not_hispanic = total - (total * hispanic).round().astype(np.int64)
    parts = sample("B03002", {"004": total * black * 0.97}, not_hispanic, 2.5)
    white = (not_hispanic - parts["004"]) * 0.93
    return {
        "001": total,
        "003": white.round().astype(np.int64),
        "004": parts["004"],
        "012": total - not_hispanic,
    }


_RENT_BRACKETS = (0.15, 0.18, 0.17, 0.16, 0.17, 0.09, 0.08)
_OWNER_BRACKETS = (0.04, 0.07, 0.09, 0.14, 0.19, 0.14, 0.18, 0.15)

COUNTS_2023 = (
    Table("B09001", "children", _children_by_age, factor=2.5),
    Table("B09005", "children", _children_by_household, factor=6.5),
    Table("B09018", "children", _relationship, factor=6.0),
    Table("B10002", "grandchildren", _grandchildren, factor=6.0),
    Table("B11002", "population", lambda region: {"001": region.tract_counts("population")}),
    Table("B14005", "youth", _school_and_work),
    Table("B17001", "population", _poverty, factor=6.0, factors={"002": 8.5}),
    Table("B17020", "children", _teen_poverty, factor=6.0),
    Table("B17020B", "children", _black_teen_poverty, factor=6.0),
    Table("B22010", "households", _two("B22010", "households", "snap", "002", factor=5.0), factor=5.0),
    Table("B25014", "households", _crowding),
    Table("B25074", "households", _cost_burden("B25074", "renters", "rent_burden", _RENT_BRACKETS), factor=5.3),
    Table("B25095", "households", _cost_burden("B25095", "owners", "owner_burden", _OWNER_BRACKETS), factor=4.6),
    Table("B08201", "households", _two("B08201/2023", "households", "no_vehicle", "002"), factor=5.0),
    Table("S1501_C01", "adults", _two("S1501", "adults", "high_school", "014", "006", 4.0), 4.0, total="006"),
    Table("S2801_C01", "households", _two("S2801", "households", "broadband", "014", factor=4.0), factor=4.0),
)

COUNTS_2018 = (
    Table("B03002", "population", _race, factor=2.0),
    Table("B08201", "households", _two("B08201/2018", "households", "no_vehicle", "002"), factor=5.0),
)
