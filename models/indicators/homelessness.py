"""Homelessness and housing instability: households at the edge of losing their home."""

import polars as pl

from models.indicators import acs, equivalents
from models.indicators.indicator import Indicator, Inputs

_COVENANT = (
    "Of 911 homeless young people in 13 cities 19 % had been trafficked (Covenant House, Loyola and Penn 2017, "
    "St. Louis among the cities)."
)
_OWN, _OWN_KNOWN = equivalents.burden("B25095", 8)


@acs.share_indicator(
    id="severe_rent_burden_share",
    title="Renters who pay half their income or more",
    topic="homelessness",
    definition="Renter households whose gross rent takes 50 % of income or more, over those for whom it is computed.",
    universe="Renter-occupied housing units for which the percentage is computed.",
    numerator="B25070_010",
    denominator="B25070_001-B25070_011",
    direction=+1,
    reference=_COVENANT,
    bias="Students who live on help from home look burdened in college towns. Renters without cash rent or income are "
    "not computed. Where B25070 was not landed B25074 gives the same share with a wider margin.",
)
def severe_rent_burden_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The households nearest to eviction; units 'not computed' are out of the denominator."""
    return equivalents.shares(tables, this)


@acs.share_indicator(
    id="severe_owner_burden_share",
    title="Owners who pay half their income or more",
    topic="homelessness",
    definition="Owner households whose housing costs take 50 % of income or more, over those for whom it is computed.",
    universe="Owner-occupied housing units for which the percentage is computed.",
    numerator=_OWN,
    denominator=_OWN_KNOWN,
    direction=+1,
    # Too many cells for too few households below the county: cells.yaml asks for counties only.
    levels=("county", "coc"),
    reference=_COVENANT,
    bias="Retired owners with savings and low income look burdened.",
)
def severe_owner_burden_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Owners lose homes too; in rural counties they are most households."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="crowded_share",
    title="Crowded homes",
    topic="homelessness",
    definition="Occupied housing units with more than one person a room over occupied housing units.",
    universe="Occupied housing units.",
    numerator="+".join(f"B25014_{line:03d}" for line in (5, 6, 7, 11, 12, 13)),
    denominator="B25014_001",
    direction=+1,
    tables=(*acs.TABLES, equivalents.SVI_TABLE),
    reference="Doubled-up families are the largest group of homeless students (US Department of Education, EDFacts "
    "FS118); crowding is CDC/ATSDR's proxy for them in the Social Vulnerability Index.",
    bias="Large families by choice count too; who sleeps on a friend's sofa for a week is seldom listed.",
)
def crowded_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Doubled-up families are the largest group of homeless students."""
    return equivalents.shares(tables, this)


@acs.share_indicator(
    id="school_age_movers_share",
    title="Children of 5 to 17 who moved in the past year",
    topic="homelessness",
    definition="Persons of 5 to 17 years who lived in another home a year ago over persons of 5 to 17 years.",
    universe="Persons of 5 to 17 years in the United States.",
    numerator="B07001_035+B07001_051+B07001_067+B07001_083",
    denominator="B07001_003",
    direction=+1,
    reference="Unstable housing breaks school and friendship; difficulty in school recurs in Franchino-Olsen 2019, "
    "10.1177/1524838018821956.",
    bias="A move to a better home counts like an eviction; families of soldiers raise it near Fort Leonard Wood and "
    "Scott Air Force Base. Residential instability went with no recorded offences in Austin (Mletzko and others 2018).",
)
def school_age_movers_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Moves of any distance, from abroad as well."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="children_with_other_relatives_share",
    title="Children with other relatives or unrelated people",
    topic="homelessness",
    definition="Children who live with relatives other than parents and grandparents, or with unrelated people, over "
    "children.",
    universe="Children under 18 in households, householders and spouses apart.",
    numerator="B09018_007+B09018_008",
    denominator="B09018_001",
    direction=+1,
    reference="Young people without a home of their own stay with whom they can; 68 % of those trafficked or in the "
    "sex trade were homeless at the time (Covenant House, Field Center and Loyola 2017).",
    bias="Foster children are among them, where they were placed and not where they come from. A niece whose mother "
    "lives in the same home counts too.",
)
def children_with_other_relatives_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """A proxy of doubling up from the child's side."""
    return acs.shares(tables, this)
