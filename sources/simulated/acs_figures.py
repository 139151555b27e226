"""The simulated ACS: every figure of every cell by county, tract and school district, as text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sources.simulated.acs_more import ALL_2023
from sources.simulated.acs_tables import COUNTS_2018, POPULATION_CELLS, Cells, Table, case_weight
from sources.simulated.region import STATE_FIPS, STATE_NAME, County, Floats, Ints, Region, stream

NO_ESTIMATE = "-666666666"
NO_MARGIN = "-222222222"
CONTROLLED = "-555555555"

Value = str | None
Figures = Mapping[str, tuple[Sequence[Value], Sequence[Value]]]
"""Estimates and margins by cell such as `B14005_010`, a value an area."""

_Z90 = 1.645
# Margins of zero counts by population, as the 2019-2023 county tables show them.
_ZERO_MARGINS = ((4_096, 10), (8_192, 15), (16_384, 20), (32_768, 24), (65_536, 27), (131_072, 31), (math.inf, 32))
_PEOPLE_IN_A_HOUSEHOLD = 2.45


@dataclass(frozen=True)
class Areas:
    """The areas of a level, in the order of the answers.

    Args:
        columns: the geography columns of the API.
        prefix: of GEO_ID in the summary files.
        names: as the publisher writes them.
        codes: the values of the geography columns.
        population: number of people.
        weights: the part of each tract (columns) that lies in each area (rows).
    """

    columns: tuple[str, ...]
    prefix: str
    names: tuple[str, ...]
    codes: tuple[tuple[str, ...], ...]
    population: tuple[int, ...]
    weights: Floats

    def sums(self, by_tract: Ints) -> Ints:
        """Counts of people, by area."""
        return np.rint(self.weights @ by_tract).astype(np.int64)


def _weights(region: Region, shares: Sequence[Mapping[str, float]]) -> Floats:
    """Areas by tracts, from areas by counties."""
    return np.array([[share.get(region.counties[t.county].fips, 0.0) for t in region.tracts] for share in shares])


def county_areas(region: Region) -> Areas:
    """Counties as the API names them."""
    return Areas(
        columns=("state", "county"),
        prefix="0500000US",
        names=tuple(f"{county.name}, {STATE_NAME}" for county in region.counties),
        codes=tuple((STATE_FIPS, county.fips[2:]) for county in region.counties),
        population=tuple(county.population for county in region.counties),
        weights=_weights(region, [{county.fips: 1.0} for county in region.counties]),
    )


def tract_areas(region: Region) -> Areas:
    """Tracts as the API names them: with semicolons, unlike counties."""
    return Areas(
        columns=("state", "county", "tract"),
        prefix="1400000US",
        names=tuple(
            f"Census Tract {tract.number}; {region.counties[tract.county].name}; {STATE_NAME}"
            for tract in region.tracts
        ),
        codes=tuple((STATE_FIPS, tract.geoid[2:5], tract.geoid[5:]) for tract in region.tracts),
        population=tuple(tract.population for tract in region.tracts),
        weights=np.eye(len(region.tracts)),
    )


def district_areas(region: Region) -> Areas:
    """School districts, all of them unified."""
    weights = _weights(region, [district.shares for district in region.districts])
    people = np.rint(weights @ region.tract_counts("population")).astype(int)
    return Areas(
        columns=("state", "school district (unified)"),
        prefix="9700000US",
        names=tuple(f"{district.name}, {STATE_NAME}" for district in region.districts),
        codes=tuple((STATE_FIPS, district.leaid) for district in region.districts),
        population=tuple(people.tolist()),
        weights=weights,
    )


def _zero_margins(population: Sequence[int]) -> Ints:
    """The margin of an estimate of zero: no case was sampled, which is not the same as none exists."""
    limits = [limit for limit, _ in _ZERO_MARGINS]
    margins = np.array([margin for _, margin in _ZERO_MARGINS])
    return np.asarray(margins[np.searchsorted(limits, population, side="right")])


def _margins(counts: Ints, universe: Ints, factor: float, population: Sequence[int]) -> Ints:
    """Margins of parts of a universe at 90 %, as wide as the draw that produced them."""
    zero = _zero_margins(population)
    effective = np.sqrt(case_weight(factor, universe.astype(np.float64)))
    inside = (counts > 0) & (counts < universe)
    spread = np.where(inside, counts * (1 - counts / np.maximum(universe, 1)), 0.0)
    sampled = np.rint(_Z90 * effective * np.sqrt(spread)).astype(np.int64)
    return np.where(inside, np.maximum(sampled, np.minimum(counts, zero)), zero)


def _total_margin(count: int, universe: str, zero: int, *, is_tract: bool) -> int:
    """Margin of a whole universe: narrow where the Census Bureau controls it to its population estimates."""
    if is_tract:
        return max(zero, round(_Z90 * 5 * math.sqrt(count)))
    if count == 0:
        return zero
    if universe in POPULATION_CELLS:
        return round(12 + 0.0005 * count + (0.12 * count if count < 1_000 else 0))
    if universe == "children":
        return round(20 + _Z90 * 0.2 * math.sqrt(count))
    return max(round(_Z90 * (2.4 if universe == "youth" else 1.6) * math.sqrt(count)), 4)


def _counts(table: Table, drawn: Cells, wholes: Ints, areas: Areas) -> Figures:
    """Estimates and margins of a table of counts."""
    universe, zero = areas.sums(wholes), _zero_margins(areas.population)
    is_tract = "tract" in areas.columns
    figures: dict[str, tuple[Sequence[Value], Sequence[Value]]] = {}
    for cell, by_tract in drawn.items():
        counts = areas.sums(by_tract)
        if cell == table.total and table.universe != "grandchildren":
            margins = [
                _total_margin(count, table.universe, nothing, is_tract=is_tract)
                for count, nothing in zip(counts.tolist(), zero.tolist(), strict=True)
            ]
        else:
            margins = _margins(counts, universe, table.factors.get(cell, table.factor), areas.population).tolist()
        name = f"{table.id}_{cell}"
        figures[name] = ([str(count) for count in counts.tolist()], _annotated(name, [*map(str, margins)], areas))
    return figures


def _annotated(cell: str, margins: list[Value], areas: Areas) -> list[Value]:
    """Where the Census Bureau controls a total it publishes no margin: a code, or null in some answers."""
    if areas.columns != ("state", "county"):
        return margins
    for i, people in enumerate(areas.population):
        if cell in ("B11002_001", "B03002_001", "B03002_012") and people > 30_000:
            margins[i] = CONTROLLED if cell.startswith("B11002") and people < 200_000 else None
        if cell.startswith("S1501_C01") and people > 200_000 and cell.endswith("_006"):
            margins[i] = None
    return margins


def _amount(median: float, households: float, rng: np.random.Generator) -> tuple[str, str]:
    """A median in dollars with its margin; the fewer households, the wider."""
    relative = min(0.5, 0.026 * (100_000 / max(households, 20)) ** 0.36)
    estimate = median * (1 + relative / _Z90 * float(rng.normal()))
    return str(round(estimate)), str(round(relative * median))


def _median_income(region: Region, year: str) -> Figures:
    """B19013 by county. One tiny county has neither estimate nor margin."""
    rng = stream("acs", "B19013", year)
    growth = 0.79 if year == "2018" else 1.0
    rows: list[tuple[Value, Value]] = [
        _amount(county.median_income * growth, county.population / _PEOPLE_IN_A_HOUSEHOLD, rng)
        for county in region.counties
    ]
    if year == "2023":
        rows[min(range(len(rows)), key=lambda i: region.counties[i].population)] = (None, None)
    return {"B19013_001": _columns(rows)}


def _income_by_race(region: Region, table: str) -> Figures:
    """B19013B (Black) and B19013H (White, not Hispanic): missing where too few households were sampled."""
    rng = stream("acs", table)
    rows: list[tuple[Value, Value]] = []
    for i, county in enumerate(region.counties):
        share = county.rates["black"] if table == "B19013B" else 1 - county.rates["black"] - county.rates["hispanic"]
        relative = 0.68 if table == "B19013B" else 1.06
        households = county.population / _PEOPLE_IN_A_HOUSEHOLD * share
        drawn = _amount(county.median_income * relative, households, rng)
        # The API sends codes; answers in circulation have had them turned into null.
        missing: tuple[Value, Value] = (NO_ESTIMATE, NO_MARGIN) if i % 2 else (None, None)
        rows.append(missing if households < 120 else drawn)
    return {f"{table}_001": _columns(rows)}


def _typical(region: Region, areas: Areas) -> Floats:
    """Median household income of each area, as the model has it."""
    homes: list[County] = [region.counties[tract.county] for tract in region.tracts]
    income = np.array(
        [c.median_income * math.exp(-0.2 * t.deviation) for c, t in zip(homes, region.tracts, strict=True)]
    )
    people = areas.weights * region.tract_counts("population")
    return np.asarray((people @ income) / np.maximum(people.sum(axis=1), 1))


def _medians(region: Region, areas: Areas) -> Figures:
    """Income, rent and the Gini index. Where hardly anybody lives there is a code in their place."""
    level = areas.prefix
    found = {}
    for table, scale in (("B19013", 1.0), ("B25064", 0.0155)):
        rng = stream("acs", table, level)
        rows: list[tuple[Value, Value]] = [
            _amount(income * scale, people / _PEOPLE_IN_A_HOUSEHOLD, rng) if people > 150 else (NO_ESTIMATE, NO_MARGIN)
            for income, people in zip(_typical(region, areas).tolist(), areas.population, strict=True)
        ]
        found[f"{table}_001"] = _columns(rows)
    rng = stream("acs", "B19083", level)
    spread = 0.44 + 0.015 * rng.normal(size=len(areas.names))
    margins = np.minimum(0.2, 1.2 / np.sqrt(np.array(areas.population) + 30))
    found["B19083_001"] = ([f"{x:.4f}" for x in spread], [f"{x:.4f}" for x in margins])
    return found


def _columns(rows: Sequence[tuple[Value, Value]]) -> tuple[list[Value], list[Value]]:
    return [row[0] for row in rows], [row[1] for row in rows]


class Survey:
    """One vintage of the simulated survey, drawn once for all levels."""

    def __init__(self, region: Region, vintage: str) -> None:
        self.region, self.vintage = region, vintage
        self._drawn = [(table, table.draw(region)) for table in (COUNTS_2018 if vintage == "2018" else ALL_2023)]

    def figures(self, level: str) -> tuple[Areas, Figures]:
        """All figures for `county`, `tract` or `school_district`."""
        make = {"county": county_areas, "tract": tract_areas, "school_district": district_areas}
        areas, is_county, is_new = make[level](self.region), level == "county", self.vintage == "2023"
        found: dict[str, tuple[Sequence[Value], Sequence[Value]]] = {}
        for table, drawn in self._drawn:
            universe = "children" if table.universe == "grandchildren" else table.universe
            found |= _counts(table, drawn, self.region.tract_counts(universe), areas)
        if is_new:
            found |= _medians(self.region, areas)
        if is_county:
            found |= _median_income(self.region, self.vintage)
        if is_county and is_new:
            found |= _income_by_race(self.region, "B19013B")
            found |= _income_by_race(self.region, "B19013H")
        return areas, found
