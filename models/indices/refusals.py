"""What enters no index, however it is declared: who lives somewhere, and what the police or a hotline has recorded.

The share of a racial or ethnic group, of the foreign-born, of speakers of a language or of same-sex couples says who
lives in a place, not what it offers them; arrests, advertisements and hotline contacts measure detection, and rise
with the number of police agencies (docs/validation.md).
"""

import re

from models.indicators.indicator import Indicator

ABOUT_PEOPLE = {
    "race or ethnicity": r"[BC]\d{5}[A-I]_\d{3}|[BC]0[23]\d{3}_\d{3}",
    "nativity or citizenship": r"[BC]05\d{3}[A-Z]?_\d{3}",
    "language": r"[BC]16\d{3}[A-Z]?_\d{3}",
    "sexuality": r"B09019_0(?:11|13)",
}
"""Cells of ACS tables that say who people are: tables by race end in a letter; B02, B03 race, B05 nativity, B16
language; the lines of B09019 that are same-sex couples."""
WORDS = {
    "race or ethnicity": r"black|white|latin[oxa]|hispanic|asian|native_american|race|racial|ethnic|minority",
    "nativity or citizenship": r"immigra|foreign|refugee|citizen|nativity",
    "language": r"language|english",
    "sexuality": r"lgbt|same_sex|gay|lesbian|transgender",
}
DETECTION = (
    r"police|arrest|crime|offen[cs]e|incarcerat|jail|prison|juvenile_referral|hotline|tipline|advert|escort|massage"
)


def refusal(indicator: Indicator) -> str | None:
    """Why an indicator enters no index, as the rest of a sentence; None where it may.

    What sets groups against each other (`compares_groups`: a gap, a ratio, segregation) may: it measures how they are
    treated, and a race's share as such does not move it.
    """
    if indicator.topic == "population":
        return "counts people of a group: a population panel enters no index"
    if indicator.topic == "context" or indicator.direction == 0:
        return "is context and enters no index"
    named = " ".join((indicator.id, *indicator.tables, indicator.numerator, indicator.denominator))
    if found := re.search(DETECTION, named, re.IGNORECASE):
        return f"rests on {found.group()!r}: what police, advertisements or hotlines record measures detection"
    if indicator.compares_groups:
        return None
    for what, cells in ABOUT_PEOPLE.items():
        if found := re.search(cells, named) or re.search(WORDS[what], indicator.id):
            return f"rests on {what} ({found.group()}): who lives somewhere is never a risk"
    return None
