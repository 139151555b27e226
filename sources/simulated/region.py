"""The latent model behind the simulated region: places, people and the true rates that the files report with noise.

Everything derives from one seed, so that the sample is the same bytes at every call. Deprivation has a
spatial pattern (a distressed city, a poor rural corner, comfortable suburbs), populations fall from a
city of some 600,000 people to counties of a few hundred, and every topic follows deprivation with a
deviation of its own: neighbouring ranks are often not distinguishable, which is the point.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SEED = 972023
STATE_FIPS = "97"
POSTAL = "ZZ"
STATE_NAME = "Simulated State"
NATION_NAME = "Simulated Nation"

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NAMES = (
    "Alder",
    "Bramble",
    "Cinder",
    "Dapple",
    "Ember",
    "Fennel",
    "Gorse",
    "Heather",
    "Ivory",
    "Juniper",
    "Kestrel",
    "Larch",
    "Marrow",
    "Nettle",
    "Osier",
    "Plover",
    "Quill",
    "Rowan",
    "Sorrel",
    "Teasel",
    "Umber",
    "Vetch",
    "Willow",
    "Yarrow",
)
_COLUMNS = 6
_CITY, _SECOND_CITY, _POOR_CORNER = (2, 1), (5, 3), (0, 3)
_PART = 0.4527194863  # the suburbs' part of the county that two Continuums of Care share
# Some counties so small that every estimate of theirs drowns in its margin.
_TINY = {(5, 0): 410, (0, 0): 720, (3, 3): 980}


class Topic(NamedTuple):
    """How a rate follows deprivation: its level, its slope on the logit scale, and what else moves it."""

    base: float
    slope: float
    spread: float


TOPICS: Mapping[str, Topic] = {
    "adult_poverty": Topic(0.11, 0.40, 0.10),
    "child_poverty": Topic(0.17, 0.50, 0.15),
    "single_mother": Topic(0.22, 0.35, 0.12),
    "single_father": Topic(0.07, 0.15, 0.10),
    "cohabiting": Topic(0.09, 0.15, 0.10),
    "disconnected": Topic(0.075, 0.45, 0.20),
    "no_vehicle": Topic(0.065, 0.45, 0.20),
    "snap": Topic(0.12, 0.45, 0.12),
    "renter": Topic(0.31, 0.25, 0.20),
    "rent_burden": Topic(0.24, 0.30, 0.10),
    "owner_burden": Topic(0.10, 0.25, 0.10),
    "crowded": Topic(0.025, 0.30, 0.20),
    "grandchild": Topic(0.08, 0.30, 0.15),
    "other_relative": Topic(0.025, 0.20, 0.15),
    "unrelated_child": Topic(0.018, 0.25, 0.20),
    "broadband": Topic(0.88, -0.40, 0.12),
    "high_school": Topic(0.89, -0.40, 0.12),
    "black": Topic(0.07, 0.35, 0.90),
    "hispanic": Topic(0.07, 0.15, 0.50),
    "homeless": Topic(0.0015, 0.35, 0.15),
}


@dataclass(frozen=True)
class County:
    """A county: where it lies in the honeycomb, how many people it has and how deprived it is."""

    fips: str
    short_name: str
    column: int
    row: int
    population: int
    deprivation: float
    median_income: float
    rates: Mapping[str, float]

    @property
    def name(self) -> str:
        """The name as most publishers write it."""
        return f"{self.short_name} County"


@dataclass(frozen=True)
class Tract:
    """A census tract: the people whom ACS tables count, and how it deviates from its county's deprivation."""

    geoid: str
    county: int
    number: int
    deviation: float
    population: int
    households: int
    renters: int
    children: int
    youth: int
    adults: int


@dataclass(frozen=True)
class District:
    """A school district, with the share of each county's population that it covers."""

    leaid: str
    name: str
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Coc:
    """A Continuum of Care, with the share of each county's population that it covers."""

    number: str
    name: str
    category: str
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Region:
    """The simulated state."""

    counties: tuple[County, ...]
    tracts: tuple[Tract, ...]
    districts: tuple[District, ...]
    cocs: tuple[Coc, ...]
    without_coc: str
    """The county that the older crosswalk gives to no Continuum of Care."""

    def tract_counts(self, universe: str) -> Ints:
        """People or households of a universe, a tract each."""
        return np.array([getattr(tract, universe) for tract in self.tracts], dtype=np.int64)

    def tract_rates(self, topic: str) -> Floats:
        """The true rate of a topic, a tract each, between 0 and 1."""
        slope = TOPICS[topic].slope
        return np.array([expit(logit(self.counties[t.county].rates[topic]) + slope * t.deviation) for t in self.tracts])

    def county_sums(self, by_tract: Ints) -> Ints:
        """Sum an array over tracts to one over counties."""
        homes = np.array([tract.county for tract in self.tracts])
        return np.bincount(homes, weights=by_tract, minlength=len(self.counties)).astype(np.int64)


def expit(value: float) -> float:
    """The inverse of `logit`."""
    return 1 / (1 + math.exp(-value))


def logit(rate: float) -> float:
    """A rate on the scale where effects add up."""
    return math.log(rate / (1 - rate))


def stream(*names: object) -> np.random.Generator:
    """A generator of its own for each name, so that one file's numbers never depend on another's."""
    return np.random.default_rng([SEED, zlib.crc32("/".join(map(str, names)).encode())])


def centre(column: int, row: int) -> tuple[float, float]:
    """Centre of a honeycomb cell in units of a hexagon's side; odd rows are shifted by half a cell."""
    return math.sqrt(3) * (column + 0.5 * (row % 2)), 1.5 * row


def _distance(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Distance between cells, in cells."""
    (ax, ay), (bx, by) = centre(*a), centre(*b)
    return math.hypot(ax - bx, ay - by) / math.sqrt(3)


def _population(cell: tuple[int, int], rng: np.random.Generator) -> int:
    """Dense around two cities, thin elsewhere."""
    if cell in _TINY:
        return _TINY[cell]
    dense = 560_000 * math.exp(-1.9 * _distance(cell, _CITY)) + 110_000 * math.exp(-1.9 * _distance(cell, _SECOND_CITY))
    return round((dense + 4_000) * rng.lognormal(0, 0.25))


def _deprivation(cells: list[tuple[int, int]], rng: np.random.Generator) -> Floats:
    """Standardised to mean 0 and standard deviation 1 over counties; smooth in space but for a small remainder."""
    field = np.array(
        [
            1.5 * math.exp(-((_distance(cell, _CITY) / 0.8) ** 2))
            - 1.3 * math.exp(-((_distance(cell, _CITY) / 1.7) ** 2))
            + 1.4 * math.exp(-((_distance(cell, _POOR_CORNER) / 1.8) ** 2))
            for cell in cells
        ]
    )
    field = field + rng.normal(0, 0.28, len(cells))
    return np.asarray((field - field.mean()) / field.std())


def _counties() -> tuple[County, ...]:
    rng = stream("counties")
    cells = [(int(i) % _COLUMNS, int(i) // _COLUMNS) for i in rng.permutation(len(_NAMES))]
    deprivation = _deprivation(cells, rng)
    counties = []
    for i, (name, cell) in enumerate(zip(_NAMES, cells, strict=True)):
        own = rng.normal(0, 1, len(TOPICS))
        rates = {
            key: expit(logit(topic.base) + topic.slope * float(deprivation[i]) + topic.spread * float(z))
            for (key, topic), z in zip(TOPICS.items(), own, strict=True)
        }
        counties.append(
            County(
                fips=f"{STATE_FIPS}{2 * i + 1:03d}",
                short_name=f"Simulated {name}",
                column=cell[0],
                row=cell[1],
                population=_population(cell, rng),
                deprivation=float(deprivation[i]),
                median_income=66_000 * math.exp(-0.2 * float(deprivation[i]) + rng.normal(0, 0.04)),
                rates=rates,
            )
        )
    return tuple(counties)


def _tracts(counties: tuple[County, ...]) -> tuple[Tract, ...]:
    rng = stream("tracts")
    tracts = []
    for index, county in enumerate(counties):
        n = int(np.clip(round(6 + math.log10(county.population / 5_000) * 3), 6, 12))
        people = rng.multinomial(county.population, rng.dirichlet(np.full(n, 14.0)))
        deviations = rng.normal(0, 0.7, n)
        deviations = deviations - np.average(deviations, weights=people)
        for i, population in enumerate(people.tolist()):
            households = round(population / 2.45 * rng.lognormal(0, 0.04))
            renter = expit(logit(county.rates["renter"]) + TOPICS["renter"].slope * float(deviations[i]))
            tracts.append(
                Tract(
                    geoid=f"{county.fips}{(i + 1) * 100:06d}",
                    county=index,
                    number=i + 1,
                    deviation=float(deviations[i]),
                    population=population,
                    households=households,
                    renters=round(households * renter),
                    children=round(population * 0.22 * rng.lognormal(0, 0.05)),
                    youth=round(population * 0.053 * rng.lognormal(0, 0.08)),
                    adults=round(population * 0.68 * rng.lognormal(0, 0.01)),
                )
            )
    return tuple(tracts)


def _nearest(counties: tuple[County, ...], to: County) -> list[County]:
    """All other counties, nearest first."""
    here = (to.column, to.row)
    others = [county for county in counties if county is not to]
    return sorted(others, key=lambda county: (_distance(here, (county.column, county.row)), county.fips))


def _districts(counties: tuple[County, ...]) -> tuple[District, ...]:
    """One district a county, two where it is large, and three that reach into a neighbour."""
    by_size = sorted(counties, key=lambda county: county.population)
    # Mid-sized counties share, because that is where a district's county is ambiguous in practice.
    reaching = {county.fips: _nearest(counties, county)[0] for county in by_size[8:14:2]}
    taken = {neighbour.fips for neighbour in reaching.values()}
    found: list[tuple[str, dict[str, float]]] = []
    for county in counties:
        own = 0.75 if county.fips in taken else 1.0
        if county.fips in reaching:
            neighbour = reaching[county.fips]
            joint = f"{county.short_name} and {neighbour.short_name} School District"
            found.append((joint, {county.fips: own, neighbour.fips: 0.25}))
        elif county.population > 60_000:
            found.append((f"{county.short_name} City School District", {county.fips: 0.6 * own}))
            found.append((f"{county.short_name} County School District", {county.fips: 0.4 * own}))
        else:
            found.append((f"{county.short_name} County School District", {county.fips: own}))
    return tuple(District(f"{30 * (i + 1):05d}", name, shares) for i, (name, shares) in enumerate(found))


def _cocs(counties: tuple[County, ...], without_coc: str) -> tuple[Coc, ...]:
    """A city, its suburbs, a second city, and a balance of state that shares one county with the suburbs."""
    at = {(county.column, county.row): county for county in counties}
    city, second = at[_CITY], at[_SECOND_CITY]
    suburbs = [county for county in _nearest(counties, city) if county.population > 1_000][:4]
    beyond = [county for county in _nearest(counties, second) if county not in (city, *suburbs)][:2]
    split = suburbs[-1]
    suburban = {county.fips: _PART if county is split else 1.0 for county in suburbs}
    taken = {city.fips, second.fips, *(c.fips for c in suburbs), *(c.fips for c in beyond)}
    balance = {county.fips: 1.0 for county in counties if county.fips not in taken} | {split.fips: 1 - _PART}
    return (
        Coc("ZZ-500", f"{city.name} CoC", "Major Cities", {city.fips: 1.0}),
        Coc("ZZ-501", f"{suburbs[0].short_name}, {suburbs[1].short_name} Counties CoC", "Suburban CoCs", suburban),
        Coc(
            "ZZ-502",
            f"Simulated Fuller’s Ford/{second.short_name}, {beyond[0].short_name} Counties CoC",
            "Other Urban CoCs",
            {county.fips: 1.0 for county in sorted((second, *beyond), key=lambda county: county.fips)},
        ),
        Coc("ZZ-503", f"{STATE_NAME} Balance of State CoC", "Rural CoCs", dict(sorted(balance.items()))),
    )


@cache
def region() -> Region:
    """The simulated region."""
    counties = _counties()
    without_coc = next(county.fips for county in counties if (county.column, county.row) == (3, 3))
    return Region(counties, _tracts(counties), _districts(counties), _cocs(counties, without_coc), without_coc)
