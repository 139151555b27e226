"""Foster care by state (AFCARS dashboard), as two long tables: five years at a glance, and one year's distributions.

Every panel of the distributions (sex, age, race, placement, goal, length of stay) adds up to the figure at a
glance, except the circumstances of removal, of which a child can have several.
"""

from collections.abc import Iterator, Mapping

from sources.simulated.region import POSTAL, Region, stream

_YEARS = (2017, 2018, 2019, 2020, 2021)
_AGES = ("Less than 1 Year", "1 Year", *(f"{age} Years" for age in range(2, 21)))
_RACES = {
    "American Indian/Alaska Native": 0.01,
    "Asian": 0.01,
    "Black or African American": 0.20,
    "Native Hawaiian/Other Pacific Islander": 0.005,
    "Hispanic (of any race)": 0.10,
    "White": 0.60,
    "Unknown/Unable to Determine": 0.025,
    "Two or More Races": 0.05,
}
_STAYS = {
    "Less than 1 Month": 0.05,
    "1 - 5 Months": 0.2,
    "6 - 11 Months": 0.2,
    "12 - 17 Months": 0.16,
    "18 - 23 Months": 0.13,
    "24 - 29 Months": 0.09,
    "30 - 35 Months": 0.05,
    "3 - 4 Years": 0.08,
    "5 Years or More": 0.04,
}
_PLACEMENTS = {
    "Pre-Adoptive Home": 0.12,
    "Foster Family Home (Relative)": 0.36,
    "Foster Family Home (Non-Relative)": 0.33,
    "Group Home": 0.03,
    "Institution": 0.06,
    "Supervised Independent Living": 0.02,
    "Runaway": 0.01,
    "Trial Home Visit": 0.07,
}
_GOALS = {
    "Reunify with Parent(s) or Primary Caretaker(s)": 0.58,
    "Live with Other Relative(s)": 0.02,
    "Adoption": 0.24,
    "Long Term Foster Care": 0.02,
    "Emancipation": 0.03,
    "Guardianship": 0.08,
    "Case Plan Goal Not Yet Established": 0.03,
}
_REASONS = {
    "Reunification with Parent(s) or Primary Caretaker(s)": 0.47,
    "Living with Other Relative(s)": 0.03,
    "Adoption": 0.24,
    "Emancipation": 0.10,
    "Guardianship": 0.13,
    "Transfer to Another Agency": 0.02,
    "Runaway": 0.007,
    "Death of Child": 0.003,
}
_CIRCUMSTANCES = {
    "Neglect": 0.55,
    "Drug Abuse (Parent)": 0.38,
    "Caretaker Inability To Cope": 0.14,
    "Physical Abuse": 0.13,
    "Housing": 0.12,
    "Child Behavior Problem": 0.08,
    "Parent Incarceration": 0.07,
    "Alcohol Abuse (Parent)": 0.06,
    "Abandonment": 0.05,
    "Sexual Abuse": 0.04,
    "Drug Abuse (Child)": 0.02,
    "Child Disability": 0.02,
    "Relinquishment": 0.01,
    "Parent Death": 0.01,
    "Alcohol Abuse (Child)": 0.004,
}


def _flows(region: Region) -> dict[int, dict[str, int]]:
    """In care, entries, exits and the rest for each fiscal year; who stays is who came less who left."""
    rng = stream("afcars", "flows")
    children = sum(tract.children for tract in region.tracts)
    in_care = round(children * 0.0088)
    years = {}
    for year in _YEARS:
        entries = round(children * 0.0046 * rng.lognormal(0, 0.04))
        exits = round(children * 0.0044 * rng.lognormal(0, 0.04))
        in_care += entries - exits
        years[year] = {
            "Number in foster care on September 30": in_care,
            "Number entered foster care": entries,
            "Number exited foster care": exits,
            "Number served by the foster care": in_care + exits,
            "Number waiting to be adopted on September 30": round(in_care * 0.21 * rng.lognormal(0, 0.03)),
            "Number adopted with public": round(exits * 0.23 * rng.lognormal(0, 0.04)),
        }
    return years


def _age_shares(section: str) -> dict[str, float]:
    """Infants enter most, 18-year-olds leave by ageing out, hardly anyone stays beyond."""
    first, adult, later = {"in_care": (0.08, 0.006, 0.001), "entries": (0.19, 0, 0), "exits": (0.03, 0.09, 0.002)}[
        section
    ]
    between = (1 - first - adult - 2 * later) / 17
    return dict(zip(_AGES, (first, *[between] * 17, adult, later, later), strict=True))


def _panels(section: str) -> list[Mapping[str, float]]:
    panels: dict[str, list[Mapping[str, float]]] = {
        "in_care": [{"Male": 0.51, "Female": 0.49}, _PLACEMENTS, _GOALS, _RACES, _STAYS],
        "entries": [_RACES],
        "exits": [_RACES, _REASONS, _STAYS],
    }
    return [*panels[section], _age_shares(section)]


def glance(region: Region) -> bytes:
    """`afcars_fy2021_glance_by_state.csv`: measure by measure, then year by year."""
    flows = _flows(region)
    lines = ["state,fiscal_year,measure,n"]
    lines += [f"{POSTAL},{year},{name},{flows[year][name]}" for name in flows[_YEARS[0]] for year in _YEARS]
    return ("\n".join(lines) + "\n").encode()


def distributions(region: Region) -> bytes:
    """`afcars_fy2021_distributions_by_state.csv`: section, label, rounded percentage and count."""
    last = _flows(region)[_YEARS[-1]]
    totals = {
        "in_care": last["Number in foster care on September 30"],
        "entries": last["Number entered foster care"],
        "exits": last["Number exited foster care"],
    }
    lines = ["state,section,label,pct,n"]
    for section, total in totals.items():
        rng = stream("afcars", section)
        for panel in _panels(section):
            counts = rng.multinomial(total, [share / sum(panel.values()) for share in panel.values()]).tolist()
            lines += [
                f"{POSTAL},{section},{label},{round(100 * n / total)},{n}"
                for label, n in zip(panel, counts, strict=True)
            ]
        if section == "entries":
            for label, share in _CIRCUMSTANCES.items():
                n = int(rng.binomial(total, share))
                lines.append(f"{POSTAL},{section},{label},{round(100 * n / total)},{n}")
    return ("\n".join(lines) + "\n").encode()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """Both tables."""
    yield "2021", "afcars_fy2021_glance_by_state.csv", glance(region)
    yield "2021", "afcars_fy2021_distributions_by_state.csv", distributions(region)
