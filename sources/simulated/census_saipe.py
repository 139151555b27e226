"""Small Area Income and Poverty Estimates: the Census Bureau's .xls of counties and of school districts.

Quirks kept: title rows above the header, the nation and the states among the counties, "." for missing,
no figures for ages 0 to 4 below the state, ids as text and figures as numbers.
"""

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xlwt

from sources.simulated.region import NATION_NAME, POSTAL, STATE_FIPS, STATE_NAME, County, Region, stream

Cell = str | float | int | None

_GROUPS = {0: "Geographic Information", 4: "All Ages", 10: "Age 0-17", 16: "Age 5-17 in Families"} | {
    22: "Median Household Income",
    25: "Age 0-4",
}
_BOUNDS = ["90% CI Lower Bound", "90% CI Upper Bound"]
_SOURCE = "Source: Simulated data in the layout of the Small Area Income and Poverty Estimates (SAIPE) Program"
_ADULTS = 0.78


class _Age(NamedTuple):
    """People of an age.

    Args:
        share: of all people.
        relative: how many times as common poverty is as among all children; None for people of all ages.
        widest: relative half-width of the 90 % bounds in the smallest counties.
        scale: people in a county where the bounds have narrowed by a factor of the square root of two.
    """

    share: float
    relative: float | None
    widest: float
    scale: float


# Widths and scales follow the medians of the 2023 county file by population.
_AGES = {
    "All Ages": _Age(1.0, None, 0.25, 120_000),
    "Age 0-17": _Age(0.22, 1.0, 0.34, 200_000),
    "Age 5-17 in Families": _Age(0.158, 0.94, 0.375, 200_000),
    "Age 0-4": _Age(0.06, 1.14, 0.375, 200_000),
}


def _header() -> list[str]:
    columns = ["State FIPS Code", "County FIPS Code", "Postal Code", "Name"]
    for group in list(_GROUPS.values())[1:]:
        if group == "Median Household Income":
            columns += [group, *_BOUNDS]
        else:
            columns += [f"Poverty Estimate, {group}", *_BOUNDS, f"Poverty Percent, {group}", *_BOUNDS]
    return columns


def workbook(sheet_name: str, rows: Sequence[Sequence[Cell]]) -> bytes:
    """An .xls of one sheet."""
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet(sheet_name)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            if value is not None:
                sheet.write(i, j, value)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _poverty_rate(county: County, age: str) -> float:
    """The true share in poverty of an age group."""
    relative = _AGES[age].relative
    if relative is None:
        return _ADULTS * county.rates["adult_poverty"] + (1 - _ADULTS) * county.rates["child_poverty"]
    return min(0.9, relative * county.rates["child_poverty"])


def _poverty_cells(poor: float, people: float, half: float) -> list[Cell]:
    """An estimate and its bounds, as a count and as a percentage of one decimal; half is the relative half-width."""
    low, high = max(0.0, poor * (1 - half)), min(people, poor * (1 + half))
    counts: list[Cell] = [round(poor), round(low), round(high)]
    return counts + [round(100 * value / people, 1) for value in (poor, low, high)]


def _half_width(population: int, widest: float, scale: float) -> float:
    """Relative half-width of the 90 % bounds: modelled, so it stays bounded in the smallest counties."""
    return float(widest / np.sqrt(1 + (population / scale) ** 0.9))


def _figures(county: County, year: int, rng: np.random.Generator) -> tuple[list[Cell], list[float], float]:
    """A county's cells, its people in poverty by age group, and its median income."""
    growth = 0.985 if year == 2019 else 1.0
    cells: list[Cell] = []
    poor_by_age = []
    median = 0.0
    for age, group in _AGES.items():
        people = max(4.0, county.population * growth * group.share)
        half = _half_width(county.population, group.widest, group.scale)
        drift = 0.06 * rng.normal() if year == 2019 else 0.0
        error = half / 1.645 * float(np.clip(rng.normal(), -2, 2))
        poor = people * min(0.85, _poverty_rate(county, age) * (1 + drift) * (1 + error))
        poor_by_age.append(poor)
        if age == "Age 0-4":
            median = county.median_income * (0.84 if year == 2019 else 1.0) * (1 + 0.025 * float(rng.normal()))
            half = _half_width(county.population, 0.13, 40_000)
            cells += [round(median), round(median * (1 - half)), round(median * (1 + half)), *["."] * 6]
        else:
            cells += _poverty_cells(poor, people, half)
    return cells, poor_by_age, median


def _state_cells(region: Region, poor: Sequence[float], median: float, year: int) -> list[Cell]:
    """The state's cells: the counties' people in poverty add up to it."""
    growth = 0.985 if year == 2019 else 1.0
    population = sum(county.population for county in region.counties) * growth
    cells: list[Cell] = []
    for (age, group), number in zip(_AGES.items(), poor, strict=True):
        if age == "Age 0-4":
            cells += [round(median), round(median * 0.99), round(median * 1.01)]
        cells += _poverty_cells(number, population * group.share, 0.02 if age == "All Ages" else 0.035)
    return cells


def counties(region: Region, year: int) -> bytes:
    """`est{yy}all.xls`. The nation is the simulated state, and says so; the smallest county has no figures."""
    rng = stream("saipe", year)
    figures = [_figures(county, year, rng) for county in region.counties]
    smallest = min(region.counties, key=lambda county: county.population)
    poor = [sum(column) for column in zip(*(numbers for _, numbers, _ in figures), strict=True)]
    people = [county.population for county in region.counties]
    median = float(np.average([median for _, _, median in figures], weights=people))
    state = _state_cells(region, poor, median, year)
    title = f"{year} Poverty and Median Household Income Estimates - Counties, States, and National\n{_SOURCE}"
    rows: list[list[Cell]] = [
        ["Table with column headers in rows 3 and 4"],
        [title],
        [_GROUPS.get(i) for i in range(31)],
        [*_header()],
        ["00", "000", "US", NATION_NAME, *state],
        [STATE_FIPS, "000", POSTAL, STATE_NAME, *state],
    ]
    for county, (cells, _, _) in zip(region.counties, figures, strict=True):
        shown: list[Cell] = ["."] * 27 if county is smallest else cells
        rows.append([STATE_FIPS, county.fips[2:], POSTAL, county.name, *shown])
    return workbook(f"est{year % 100}ALL", rows)


def districts(region: Region, year: int) -> bytes:
    """`ussd{yy}.xls`: people, children of 5 to 17 and those of them in poverty, a district each; no bounds."""
    rng = stream("saipe", "districts", year)
    by_fips = {county.fips: county for county in region.counties}
    gap = " " * 40
    rows: list[list[Cell]] = [
        ["Table with column headers in row 3"],
        [f"{year} Poverty Estimates for School districts{gap}{_SOURCE}{gap}Release date:   simulated"],
        [
            "State Postal Code",
            "State FIPS Code",
            "District ID",
            "Name",
            "Estimated Total Population",
            "Estimated Population 5-17",
            "Estimated number of relevant children 5 to 17 years old in poverty who are related to the householder",
        ],
    ]
    for district in region.districts:
        covered = [(by_fips[fips], share) for fips, share in district.shares.items()]
        people = sum(county.population * share for county, share in covered)
        children = people * 0.163
        rate = sum(
            county.population * share * _poverty_rate(county, "Age 5-17 in Families") for county, share in covered
        )
        poor = children * min(0.8, rate / people * rng.lognormal(0, 0.08))
        rows.append([POSTAL, STATE_FIPS, district.leaid, district.name, round(people), round(children), round(poor)])
    return workbook(f"USSD{year % 100}", rows)


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """All SAIPE workbooks."""
    yield "2019", "est19all.xls", counties(region, 2019)
    yield "2022", "ussd22.xls", districts(region, 2022)
    yield "2023", "est23all.xls", counties(region, 2023)
    yield "2023", "ussd23.xls", districts(region, 2023)
