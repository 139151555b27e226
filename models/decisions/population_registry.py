"""The priority populations, one line each: who is counted, out of which cells, beside whom, and with whom they overlap.

Cells are those of docs/populations.md; what no public source counts is here too, with the reason.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.indicators.indicator import CELL

ACS_LEVELS = ("county", "school_district", "coc", "service_area")
LEVELS = (*ACS_LEVELS, "state")


class PopulationError(ValueError):
    """Groups that overlap were to be added, a group is not known, or rows do not fit together."""


@dataclass(frozen=True)
class Population:
    """Who is counted.

    Args:
        id: the population's id in `decision.populations`.
        title: one line for people.
        numerator: ACS cells that are added; empty where another source counts.
        denominator: ACS cells of the people whom the group is a part of; empty where there is no rate.
        rate_of: these people in words.
        base: the population that the denominator is the count of, where it is one.
        group, sex: groups are disjoint only if they are of one `group` and of two sexes.
        total: the population that the two sexes of the group add up to, where it is published.
        levels: levels at which a public source knows the group; at every other level the row says so.
        unknown: why nobody counts it, where nobody does.
        gap: why an area has no count, where no file would bring it.
        round_to: counts are rounded to this many people; 1 where they are not.
        is_on: whether it is published at all.
    """

    id: str
    title: str
    numerator: str = ""
    denominator: str = ""
    rate_of: str = ""
    base: str = ""
    group: str = ""
    sex: str = ""
    total: str = ""
    levels: tuple[str, ...] = ACS_LEVELS
    unknown: str = ""
    gap: str = ""
    round_to: int = 1
    is_on: bool = True

    @property
    def top(self) -> list[str]:
        """Cells of the numerator."""
        return cells_of(self.numerator)

    @property
    def bottom(self) -> list[str]:
        """Cells of the denominator."""
        return cells_of(self.denominator)


def cells_of(text: str) -> list[str]:
    """Cells of a declared sum: `B01001_005+006` and whole names alike.

    Raises:
        PopulationError: a part of the sum is no cell.
    """
    found: list[str] = []
    for part in filter(None, text.replace(" ", "").split("+")):
        cell = part if "_" in part or not found else f"{found[-1].rsplit('_', 1)[0]}_{part}"
        if not re.fullmatch(CELL, cell):
            raise PopulationError(f"{text!r} is no sum of ACS cells: {part!r}")
        found.append(cell)
    return found


_ALL, _RESIDENTS = "B01001_001", "all residents"
_10_17 = "B01001_005+006+029+030"
_10_24 = "B01001_005+006+007+008+009+010+029+030+031+032+033+034"
_OF_10_17, _OF_10_24 = "all young people of 10 to 17", "all young people of 10 to 24"
_POOR_12_24, _NOT_POOR_12_24 = "B17001_007+008+009+010+021+022+023+024", "B17001_036+037+038+039+050+051+052+053"
_POOR_GIRLS, _NOT_POOR_GIRLS = "B17001_021+022+023", "B17001_050+051+052"
_POOR_BLACK_GIRLS = "B17001B_021+022+023"
_IMMIGRANT = "B05009_007+010+017+025+028+035"
_IMMIGRANT_POOR = "B05010_005+006+009"
_BOYS_OUT, _GIRLS_OUT = "B14005_010+011+014+015", "B14005_024+025+028+029"
_KNOWN_POVERTY = "for whom poverty is determined"
_NO_REFUGEES = (
    "no public source counts refugee youth: the American Community Survey does not ask for it, and arrivals are "
    "published for whole states without age"
)

_DECLARED = (
    Population("under_18", "Children under 18", "B09001_001", _ALL, _RESIDENTS),
    Population("youth_10_17", "Young people of 10 to 17", _10_17, _ALL, _RESIDENTS),
    Population("youth_10_24", "Young people of 10 to 24", _10_24, _ALL, _RESIDENTS),
    Population(
        "low_income_youth_5_17", "Children of 5 to 17 in families in poverty",
        rate_of="related children of 5 to 17", levels=("county", "school_district", "service_area"),
    ),
    Population(
        "poor_youth_12_17", "Young people of 12 to 17 in poverty", "B17020_005", "B17020_005+013",
        f"young people of 12 to 17 {_KNOWN_POVERTY}",
    ),
    Population(
        "poor_youth_12_24", "Young people of 12 to 24 in poverty", _POOR_12_24, f"{_POOR_12_24}+{_NOT_POOR_12_24}",
        f"young people of 12 to 24 {_KNOWN_POVERTY}",
    ),
    Population(
        "girls_poor_12_17", "Girls of 12 to 17 in poverty", _POOR_GIRLS, f"{_POOR_GIRLS}+{_NOT_POOR_GIRLS}",
        f"girls of 12 to 17 {_KNOWN_POVERTY}", group="poor_12_17", sex="girls",
    ),
    Population(
        "black_girls_10_17", "Black girls of 10 to 17", "B01001B_020+021", _10_17, _OF_10_17, "youth_10_17",
        group="black_10_17", sex="girls",
    ),
    Population(
        "black_girls_10_24", "Black girls and young women of 10 to 24", "B01001B_020+021+022+023", _10_24, _OF_10_24,
        "youth_10_24",
    ),
    Population(
        "black_boys_10_17", "Black boys of 10 to 17", "B01001B_005+006", _10_17, _OF_10_17, "youth_10_17",
        group="black_10_17", sex="boys",
    ),
    Population(
        "black_girls_poor_12_17", "Black girls of 12 to 17 in poverty", _POOR_BLACK_GIRLS,
        f"{_POOR_BLACK_GIRLS}+B17001B_050+051+052", f"Black girls of 12 to 17 {_KNOWN_POVERTY}",
        levels=("county", "coc", "service_area"),
    ),
    Population(
        "black_youth_poor_12_17", "Black young people of 12 to 17 in poverty", "B17020B_005", "B17020B_005+013",
        f"Black young people of 12 to 17 {_KNOWN_POVERTY}",
    ),
    Population(
        "latinx_youth_10_17", "Latinx young people of 10 to 17", "B01001I_005+006+020+021", _10_17, _OF_10_17,
        "youth_10_17",
    ),
    Population(
        "latinx_girls_10_17", "Latinx girls of 10 to 17", "B01001I_020+021", _10_17, _OF_10_17, "youth_10_17",
        group="latinx_10_17", sex="girls", total="latinx_youth_10_17",
    ),
    Population(
        "latinx_boys_10_17", "Latinx boys of 10 to 17", "B01001I_005+006", _10_17, _OF_10_17, "youth_10_17",
        group="latinx_10_17", sex="boys", total="latinx_youth_10_17",
    ),
    Population(
        "latinx_youth_10_24", "Latinx young people of 10 to 24", "B01001I_005+006+007+008+020+021+022+023", _10_24,
        _OF_10_24, "youth_10_24",
    ),
    Population(
        "latinx_youth_poor_12_17", "Latinx young people of 12 to 17 in poverty", "B17020I_005", "B17020I_005+013",
        f"Latinx young people of 12 to 17 {_KNOWN_POVERTY}",
    ),
    Population(
        "homeless_students", "Homeless students", rate_of="enrolled pupils",
        levels=("county", "school_district", "service_area"),
    ),
    Population(
        "homeless_youth_under_25", "Young people under 25 homeless on one night, alone or as parents",
        rate_of=_OF_10_24, levels=("coc",),
    ),
    Population(
        "youth_in_foster_care", "Children and young people in foster care", rate_of="children under 18",
        levels=("county", "service_area", "state"),
    ),
    Population("aging_out", "Young people who left foster care by growing too old for it", levels=("state",)),
    Population(
        "immigrant_family_children", "Children with a foreign-born parent", _IMMIGRANT, "B05009_001",
        "own children under 18 in families",
    ),
    Population(
        "immigrant_family_children_poor", "Children in poverty with a foreign-born parent", _IMMIGRANT_POOR,
        f"{_IMMIGRANT_POOR}+B05010_013+014+017+021+022+025", "own children under 18 with a foreign-born parent",
    ),
    Population(
        "disconnected_16_19", "Young people of 16 to 19 neither in school nor in work", f"{_BOYS_OUT}+{_GIRLS_OUT}",
        "B14005_001", "young people of 16 to 19",
    ),
    Population(
        "disconnected_girls_16_19", "Girls of 16 to 19 neither in school nor in work", _GIRLS_OUT, "B14005_016",
        "girls of 16 to 19", group="disconnected_16_19", sex="girls", total="disconnected_16_19",
    ),
    Population(
        "disconnected_boys_16_19", "Boys of 16 to 19 neither in school nor in work", _BOYS_OUT, "B14005_002",
        "boys of 16 to 19", group="disconnected_16_19", sex="boys", total="disconnected_16_19",
    ),
    Population(
        "lgbtq_13_17", "LGBTQ young people of 13 to 17", levels=("state",),
        gap="the publication is cited for Illinois and Missouri alone",
    ),
    Population("refugee_youth", "Refugee young people", levels=("state",), unknown=_NO_REFUGEES),
    # Whoever turns this on: counties alone, rounded; smaller areas would help those who look for people.
    Population(
        "noncitizen_under_18", "Children who are not citizens", "B05003_007+018", levels=("county",), round_to=50,
        is_on=False,
    ),
)  # fmt: skip

POPULATIONS = {population.id: population for population in _DECLARED}
"""Every population by id, in the order in which they are shown."""

LGBTQ_CITATION = (
    "Conron 2020, LGBT Youth Population in the United States, Williams Institute, UCLA School of Law, table 1"
)
LGBTQ_BY_STATE = {"17": 80_000, "29": 37_000}
"""Young people of 13 to 17 by FIPS of the state, as LGBTQ_CITATION prints them: modelled, without an interval."""


def published() -> dict[str, Population]:
    """The populations that are published: all that are turned on."""
    return {key: population for key, population in POPULATIONS.items() if population.is_on}


def all_cells() -> tuple[str, ...]:
    """Every ACS cell that the published populations are counted from, each once."""
    every = [cell for population in published().values() for cell in (*population.top, *population.bottom)]
    return tuple(dict.fromkeys(every))


def are_disjoint(a: str, b: str) -> bool:
    """Whether nobody can be in both groups: girls and boys of one group.

    Raises:
        PopulationError: a population is not known.
    """
    one, other = _find(a), _find(b)
    return bool(one.group) and one.group == other.group and one.sex != other.sex


def refuse_overlap(ids: Sequence[str]) -> None:
    """Refuse to add groups that share people: a Black girl in foster care would be counted three times.

    Raises:
        PopulationError: two of the groups may hold the same person, one stands twice, or one is not known.
    """
    for at, first in enumerate(ids):
        _find(first)
        for second in ids[at + 1 :]:
            if not are_disjoint(first, second):
                raise PopulationError(
                    f"{first} and {second} may hold the same young people: overlapping groups are never added; "
                    "show them side by side"
                )


def _find(population_id: str) -> Population:
    if population_id not in POPULATIONS:
        raise PopulationError(f"no population {population_id!r}; known are {', '.join(POPULATIONS)}")
    return POPULATIONS[population_id]
