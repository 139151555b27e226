"""Schools of the simulated region: level, grades, place, pupils by race and sex, lunch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from sources.simulated.region import STATE_FIPS, County, region, stream

YEAR = 2023
"""The autumn in which the pupils were counted."""
RACES, SEXES = (1, 2, 3, 4, 5, 6, 7, 9), (1, 2)
STATE_RUN = "00990"
# Level, type of school, lowest and highest grade, share of the district's pupils.
_KINDS = {
    "Elementary School": (1, -1, 5, 0.48),
    "Middle School": (2, 6, 8, 0.23),
    "High School": (3, 9, 12, 0.29),
}
Cells = Mapping[tuple[int, int], int]
"""Pupils by race and sex, without totals."""


@dataclass(frozen=True)
class School:
    """A simulated school with its pupils; `cells` is empty where it reported nothing."""

    number: int
    name: str
    district: str
    county: County
    level: int
    grades: tuple[int, int]
    kind: int
    cells: Cells = field(repr=False)
    lunch: tuple[int, int]

    @property
    def ncessch(self) -> str:
        return f"{STATE_FIPS}{self.district}{self.number:05d}"

    @property
    def pupils(self) -> int:
        return sum(self.cells.values())


def _draw(county: County, pupils: int, rng: np.random.Generator) -> tuple[dict[tuple[int, int], int], tuple[int, int]]:
    """Pupils by race and sex, and those with free and with reduced-price lunch."""
    black, hispanic = county.rates["black"], county.rates["hispanic"] * 1.3
    others = np.array([0.02, 0.005, 0.002, 0.04, 0.001])
    white = max(1 - black - hispanic - float(others.sum()), 0.02)
    shares = np.array([white, black, hispanic, *others])
    counts = rng.multinomial(pupils, np.repeat(shares / shares.sum(), 2) / 2).tolist()
    cells = dict(zip([(race, sex) for race in RACES for sex in SEXES], counts, strict=True))
    poor = min(1.7 * county.rates["child_poverty"] + 0.08, 0.93)
    free = int(rng.binomial(pupils, poor * 0.88))
    return cells, (free, int(rng.binomial(pupils - free, 0.06)))


@cache
def schools() -> tuple[School, ...]:
    """Schools of every district, and one that the state runs."""
    place = region()
    rng = stream("ccd", YEAR)
    counties = {county.fips: county for county in place.counties}
    children = dict(zip(counties, place.county_sums(place.tract_counts("children")).tolist(), strict=True))
    found: list[School] = []
    for district in place.districts:
        homes = [counties[fips] for fips in district.shares]
        pupils = sum(children[fips] * share * 0.72 for fips, share in district.shares.items())
        stem = district.name.removesuffix(" School District")
        kinds = _KINDS if pupils > 400 else {"School": (4, -1, 12, 1.0)}
        for kind, (level, low, high, share) in kinds.items():
            size = round(pupils * share)
            # Primary schools of districts that reach into a neighbour stand there.
            home = homes[-1] if level == 1 else homes[0]
            several = min(max(round(size / 1500), 1), 3)
            for n in range(several):
                cells, lunch = _draw(home, size * (n + 1) // several - size * n // several, rng)
                name = f"{stem} {kind}" + (f" {n + 1}" if several > 1 else "")
                found.append(School(len(found) + 1, name, district.leaid, home, level, (low, high), 1, cells, lunch))
    home = max(place.counties, key=lambda county: county.population)
    cells, lunch = _draw(home, 86, rng)
    name = "Simulated School for the Deaf"
    found.append(School(len(found) + 1, name, STATE_RUN, home, 4, (-1, 12), 2, cells, (lunch[0], 0)))
    name = "Simulated School That Did Not Report"
    found.append(School(len(found) + 1, name, found[0].district, found[0].county, 3, (9, 12), 4, {}, (0, 0)))
    return tuple(found)
