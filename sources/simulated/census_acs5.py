"""American Community Survey answers, in the array shape of the Census Bureau's API.

Shape: a header row, then a row an area, all values text or null, geography columns last:
`[["NAME", "B14005_001E", "B14005_001M", ..., "state", "county"], ["Simulated Alder County, ...", ...]]`.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sources.simulated.acs_tables import COUNTS_2018, COUNTS_2023, POPULATION_CELLS, Cells, Table, case_weight
from sources.simulated.region import STATE_FIPS, STATE_NAME, Ints, Region, stream

NO_ESTIMATE = "-666666666"
NO_MARGIN = "-222222222"
CONTROLLED = "-555555555"

Value = str | None
_Z90 = 1.645
# Margins of zero counts by population, as the 2019-2023 county tables show them.
_ZERO_MARGINS = ((4_096, 10), (8_192, 15), (16_384, 20), (32_768, 24), (65_536, 27), (131_072, 31), (math.inf, 32))


@dataclass(frozen=True)
class Area:
    """A row of an answer: its name, its geography columns and its number of people."""

    name: str
    geography: tuple[str, ...]
    population: int


def county_areas(region: Region) -> list[Area]:
    """Counties as the API names them."""
    return [
        Area(f"{county.name}, {STATE_NAME}", (STATE_FIPS, county.fips[2:]), county.population)
        for county in region.counties
    ]


def tract_areas(region: Region) -> list[Area]:
    """Tracts as the API names them: with semicolons, unlike counties."""
    return [
        Area(
            f"Census Tract {tract.number}; {region.counties[tract.county].name}; {STATE_NAME}",
            (STATE_FIPS, tract.geoid[2:5], tract.geoid[5:]),
            tract.population,
        )
        for tract in region.tracts
    ]


def _zero_margin(population: int) -> int:
    """The margin of an estimate of zero: no case was sampled, which is not the same as none exists."""
    return next(margin for limit, margin in _ZERO_MARGINS if population < limit)


def _margin(count: int, universe: int, factor: float, population: int) -> int:
    """Margin of a part of a universe at 90 %, as wide as the draw that produced it."""
    zero = _zero_margin(population)
    if count == 0 or count >= universe:
        return zero
    effective = math.sqrt(float(case_weight(factor, np.array(float(universe)))))
    return max(round(_Z90 * effective * math.sqrt(count * (1 - count / universe))), min(count, zero))


def _total_margin(count: int, universe: str, population: int, *, tract: bool) -> int:
    """Margin of a whole universe: narrow where the Census Bureau controls it to its population estimates."""
    if tract:
        return max(_zero_margin(population), round(_Z90 * 5 * math.sqrt(count)))
    if count == 0:
        return _zero_margin(population)
    if universe in POPULATION_CELLS:
        return round(12 + 0.0005 * count + (0.12 * count if count < 1_000 else 0))
    if universe == "children":
        return round(20 + _Z90 * 0.2 * math.sqrt(count))
    return max(round(_Z90 * (2.4 if universe == "youth" else 1.6) * math.sqrt(count)), 4)


def _body(header: Sequence[str], rows: Sequence[Sequence[Value]]) -> bytes:
    """One row a line, as the API writes its answers."""
    lines = [json.dumps(list(row), ensure_ascii=False) for row in (header, *rows)]
    return ("[" + ",\n".join(lines) + "]").encode()


def _answer(
    table: str, cells: Sequence[str], areas: Sequence[Area], values: Sequence[Sequence[Value]], geography: Sequence[str]
) -> bytes:
    header = ["NAME", *(f"{table}_{cell}{kind}" for cell in cells for kind in "EM"), *geography]
    rows = [[area.name, *row, *area.geography] for area, row in zip(areas, values, strict=True)]
    return _body(header, rows)


def _total_cell(table: Table, cells: Cells) -> str | None:
    """The cell that holds the table's universe, if it is published."""
    return next((cell for cell in ("001", "006") if cell in cells and cell == min(cells)), None)


def _counts(
    table: Table, cells: Cells, wholes: Sequence[int], areas: Sequence[Area], *, tract: bool
) -> list[list[Value]]:
    """Estimates and margins of a table of counts, a row an area."""
    total_cell = _total_cell(table, cells)
    rows: list[list[Value]] = []
    for i, area in enumerate(areas):
        row: list[Value] = []
        for cell, counts in cells.items():
            count = int(counts[i])
            if cell == total_cell and table.universe != "grandchildren":
                margin = _total_margin(count, table.universe, area.population, tract=tract)
            else:
                margin = _margin(count, wholes[i], table.factors.get(cell, table.factor), area.population)
            row += [str(count), str(margin)]
        rows.append(row)
    return rows


def _wholes(table: Table, region: Region) -> Ints:
    """What the cells of a table are parts of, by tract."""
    return region.tract_counts("children" if table.universe == "grandchildren" else table.universe)


def _county_counts(table: Table, region: Region) -> bytes:
    cells = {cell: region.county_sums(counts) for cell, counts in table.draw(region).items()}
    wholes = region.county_sums(_wholes(table, region)).tolist()
    areas = county_areas(region)
    rows = _counts(table, cells, wholes, areas, tract=False)
    return _answer(table.id, list(cells), areas, _annotated(table.id, list(cells), rows, areas), ("state", "county"))


def _annotated(table: str, cells: Sequence[str], rows: list[list[Value]], areas: Sequence[Area]) -> list[list[Value]]:
    """Where the Census Bureau controls a total it publishes no margin: a code, or null in some answers."""
    if table in ("B11002", "B03002"):
        for row, area in zip(rows, areas, strict=True):
            for cell in ("001", "012"):
                if cell in cells and area.population > 30_000:
                    code = CONTROLLED if table == "B11002" and area.population < 200_000 else None
                    row[2 * cells.index(cell) + 1] = code
    if table == "S1501_C01":
        for row, area in zip(rows, areas, strict=True):
            if area.population > 200_000:
                row[1] = None
    return rows


def _tract_counts(table: Table, region: Region) -> bytes:
    drawn = table.draw(region)
    cells = {cell: drawn[cell] for cell in table.tracts}
    areas = tract_areas(region)
    rows = _counts(table, cells, _wholes(table, region).tolist(), areas, tract=True)
    return _answer(table.id, list(cells), areas, rows, ("state", "county", "tract"))


def _income_row(median: float, households: float, rng: np.random.Generator) -> list[Value]:
    """A median income with its margin; the fewer households, the wider."""
    relative = min(0.5, 0.026 * (100_000 / max(households, 20)) ** 0.36)
    estimate = median * (1 + relative / _Z90 * float(rng.normal()))
    return [str(round(estimate)), str(round(relative * median))]


def _median_income(region: Region, year: str) -> bytes:
    """B19013. One tiny county has neither estimate nor margin."""
    rng, areas = stream("acs", "B19013", year), county_areas(region)
    growth = 0.79 if year == "2018" else 1.0
    rows = [_income_row(county.median_income * growth, county.population / 2.45, rng) for county in region.counties]
    smallest = min(range(len(areas)), key=lambda i: areas[i].population)
    if year == "2023":
        rows[smallest] = [None, None]
    return _answer("B19013", ["001"], areas, rows, ("state", "county"))


def _income_by_race(region: Region, table: str) -> bytes:
    """B19013B (Black) and B19013H (White, not Hispanic): missing where too few households were sampled."""
    rng, areas = stream("acs", table), county_areas(region)
    rows: list[list[Value]] = []
    for i, county in enumerate(region.counties):
        share = county.rates["black"] if table == "B19013B" else 1 - county.rates["black"] - county.rates["hispanic"]
        relative = 0.68 if table == "B19013B" else 1.06
        households = county.population / 2.45 * share
        drawn = _income_row(county.median_income * relative, households, rng)
        # The API sends codes; answers in circulation have had them turned into null.
        missing: list[Value] = [NO_ESTIMATE, NO_MARGIN] if i % 2 else [None, None]
        rows.append(missing if households < 120 else drawn)
    return _answer(table, ["001"], areas, rows, ("state", "county"))


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """All ACS answers: 2018 by county, 2023 by county and by tract."""
    for vintage, tables in (("2018", COUNTS_2018), ("2023", COUNTS_2023)):
        for table in tables:
            yield vintage, f"county/{table.id}.json", _county_counts(table, region)
            if table.tracts:
                yield vintage, f"tract/{table.id}.json", _tract_counts(table, region)
        yield vintage, "county/B19013.json", _median_income(region, vintage)
    for table_id in ("B19013B", "B19013H"):
        yield "2023", f"county/{table_id}.json", _income_by_race(region, table_id)
