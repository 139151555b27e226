"""People homeless on a night in January in the simulated region, before any file says so.

Counts are drawn by shelter and group such that every published sum holds: sheltered and unsheltered add up to overall,
and individuals and people in families too.
"""

import numpy as np

from sources.simulated.region import Coc, Region, stream

Counts = dict[tuple[str, str], int]
"""People or households by shelter (ES, TH, SH, Unsheltered) and group (the words after "Homeless" in a header)."""

SHELTERS = ("ES", "TH", "SH", "Unsheltered")
AGES = (
    "Under 18",
    "Age 18 to 24",
    "Over 24",
    "Age 25 to 34",
    "Age 35 to 44",
    "Age 45 to 54",
    "Age 55 to 64",
    "Over 64",
)
_TREND = {2014: 1.10, 2015: 1.06, 2016: 1.02, 2017: 1.0, 2018: 0.98, 2019: 0.97} | {
    2020: 1.0,
    2021: 0.85,
    2022: 0.98,
    2023: 1.10,
    2024: 1.24,
    2025: 1.19,
}


def _expected(coc: Coc, region: Region, year: int) -> float:
    """How many people are homeless in a CoC on a night in January."""
    base = sum(
        county.population * coc.shares.get(county.fips, 0.0) * county.rates["homeless"] for county in region.counties
    )
    return base * _TREND[year]


def _in_shelter(people: int, shelter: str, rng: np.random.Generator) -> dict[str, int]:
    """Split the people in one kind of shelter into groups; parts never exceed what they are parts of."""
    safe_haven = shelter == "SH"  # for single adults
    families = 0 if safe_haven else int(rng.binomial(people, 0.08 if shelter == "Unsheltered" else 0.40))
    individuals = people - families
    chronic = 0 if shelter == "TH" else int(rng.binomial(individuals, 0.25))
    chronic_families = 0 if shelter in ("TH", "SH") else int(rng.binomial(families, 0.06))
    minors = 0 if safe_haven else int(rng.binomial(individuals, 0.03))
    youth = 0 if safe_haven else int(rng.binomial(individuals - minors, 0.09))
    households = round(families / 3.1)
    parents = int(rng.binomial(households, 0.09))
    young_parents = int(rng.binomial(parents, 0.03))
    groups = {
        "Homeless": people,
        "Homeless Individuals": individuals,
        "Homeless People in Families": families,
        "Homeless Family Households": households,
        "Chronically Homeless": chronic + chronic_families,
        "Chronically Homeless Individuals": chronic,
        "Chronically Homeless People in Families": chronic_families,
        "Homeless Veterans": int(rng.binomial(individuals - minors, 0.08)),
        "Homeless Unaccompanied Youth (Under 25)": minors + youth,
        "Homeless Unaccompanied Youth Under 18": minors,
        "Homeless Unaccompanied Youth Age 18-24": youth,
        "Homeless Parenting Youth (Under 25)": parents,
        "Homeless Parenting Youth Under 18": young_parents,
        "Homeless Parenting Youth Age 18-24": parents - young_parents,
        "Homeless Children of Parenting Youth": min(families - households, round(parents * 1.25)),
    }
    under_18, under_25 = minors + round(families * 0.58), youth + round(families * 0.09)
    rest = people - under_18 - under_25
    bands = rng.multinomial(rest, [0.27, 0.27, 0.21, 0.18, 0.07]).tolist()
    ages = zip(AGES, (under_18, under_25, rest, *bands), strict=True)
    return groups | {f"Homeless - {age}": value for age, value in ages}


def counts(coc: Coc, region: Region, year: int) -> Counts:
    """One CoC's counts in one year."""
    rng = stream("pit", coc.number, year)
    overall = max(30, round(_expected(coc, region, year) * rng.lognormal(0, 0.06)))
    outside = 0.28 if coc.category == "Major Cities" else 0.36
    by_shelter = rng.multinomial(overall, [0.76 - outside, 0.22, 0.02, outside]).tolist()
    return {
        (shelter, group): value
        for shelter, people in zip(SHELTERS, by_shelter, strict=True)
        for group, value in _in_shelter(people, shelter, rng).items()
    }
