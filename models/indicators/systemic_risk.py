"""Systemic risk: young people shut out of school, work and what both need."""

import polars as pl

from models.indicators import acs, equivalents
from models.indicators.indicator import Indicator, Inputs, indicator

_SCHOOL = "Difficulty in school recurs as a risk factor in Franchino-Olsen 2019, 10.1177/1524838018821956."
_FINISHING = (
    "Finishing school and a caring adult protect (Covenant House, Field Center and Loyola 2017); difficulty in school "
    "recurs in Franchino-Olsen 2019, 10.1177/1524838018821956."
)
# Not enrolled and unemployed or out of the labour force, boys and girls, with and without a diploma.
_DISCONNECTED = "+".join(f"B14005_{line:03d}" for line in (10, 11, 14, 15, 24, 25, 28, 29))


@acs.share_indicator(
    id="disconnected_youth_share",
    title="Young people neither in school nor at work",
    topic="systemic_risk",
    definition="Persons aged 16 to 19 who are neither enrolled in school nor employed over persons aged 16 to 19.",
    universe="Population 16 to 19 years.",
    numerator=_DISCONNECTED,
    denominator="B14005_001",
    direction=+1,
    reference=_FINISHING,
    bias="Soldiers count as employed. Colleges lower it where students live. Prisons and youth facilities raise it "
    "where they stand. A sum of eight small cells: wide margins.",
)
def disconnected_youth_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """A sum of eight small cells: its margin is wide in small counties."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="not_enrolled_15_17_share",
    title="Youth of 15 to 17 not enrolled in school",
    topic="systemic_risk",
    definition="Persons of 15 to 17 years not enrolled in school over persons of 15 to 17 years.",
    universe="Population 15 to 17 years.",
    # 021 and 049 would be all ages that are not enrolled.
    numerator="B14003_025+B14003_053",
    denominator="+".join(f"B14003_{line:03d}" for line in (7, 16, 25, 35, 44, 53)),
    direction=+1,
    reference=_FINISHING,
    bias="Those of 16 and 17 who do not work either are disconnected youth as well. Amish youth finish school at "
    "about 14. Few cases: wide margins.",
)
def not_enrolled_15_17_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Out of school at an age when the law wants them in it, or nearly."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="no_diploma_share",
    title="Adults without a high-school diploma",
    topic="systemic_risk",
    definition="Persons of 25 and more without a high-school diploma or its equivalent over persons of 25 and more.",
    universe="Population 25 years and over.",
    numerator="+".join(f"B15003_{line:03d}" for line in range(2, 17)),
    denominator="B15003_001",
    direction=+1,
    tables=(*acs.TABLES, equivalents.SVI_TABLE),
    reference=_SCHOOL,
    bias="Says what schools gave decades ago, here or elsewhere: older people and migrants weigh most. Prisons raise "
    "it. Where B15003 was not landed S1501 gives the same share.",
)
def no_diploma_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """What the area's schools and labour market have offered so far."""
    return equivalents.shares(tables, this)


@acs.share_indicator(
    id="no_broadband_share",
    title="Households without broadband",
    topic="systemic_risk",
    definition="Households without a broadband subscription of any type over households.",
    universe="Households.",
    numerator="S2801_C01_001-S2801_C01_014",
    denominator="S2801_C01_001",
    direction=+1,
    # A subject table: it has no summary file, and the run asks for it by county only.
    levels=("county", "coc"),
    reference="Households without broadband are cut off from school work, jobs and services that have moved "
    "online; difficulty in school recurs in Franchino-Olsen 2019, 10.1177/1524838018821956.",
    bias="A cellular plan counts as broadband. Old people without it weigh more than families.",
)
def no_broadband_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """One minus the published share with a broadband subscription."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="children_no_internet_share",
    title="Children without internet at home",
    topic="systemic_risk",
    definition="Children under 18 in homes without an internet subscription or without a computer over children.",
    universe="Persons under 18 in households.",
    numerator="B28005_006+B28005_007",
    denominator="B28005_002",
    direction=+1,
    reference="School work has moved online: children without it fall behind; difficulty in school recurs in "
    "Franchino-Olsen 2019, 10.1177/1524838018821956.",
    bias="A smartphone counts as a computer. Shares its cause with no_broadband_share, which is of all "
    "households: the two together weigh what another member weighs alone.",
)
def children_no_internet_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Of children, and known by tract and school district."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="vacant_nonseasonal_share",
    title="Vacant homes, seasonal ones apart",
    topic="systemic_risk",
    definition="Vacant housing units that are not for seasonal or occasional use over housing units.",
    universe="Housing units; the two tables have different universes.",
    numerator="B25002_003-B25004_006",
    denominator="B25002_001",
    direction=+1,
    reference="Disinvestment: vacancy is among the conditions of concentrated disadvantage, which went with recorded "
    "offences in Austin (Mletzko and others 2018, Journal of Criminal Justice 58:87).",
    bias="Homes for sale or for rent are vacant too. Lake counties (Camden, Stone, Taney, Benton, Hickory, Morgan) "
    "would lead without the subtraction, and some owners misreport. Its margin is on the wide side: the two counts are "
    "taken as independent.",
)
def vacant_nonseasonal_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Vacancy as such would rank the lakes of the Ozarks first."""
    return acs.shares(tables, this)


@indicator(
    id="gini_ratio",
    title="Gini index of household income",
    topic="context",
    definition="Gini index of household income: 0 where all households have the same, 1 where one has all.",
    universe="Households.",
    numerator="B19083_001",
    direction=0,
    unit="ratio",
    error="moe",
    levels=acs.NO_SUMS,
    tables=tuple(acs.LEVELS[level] for level in acs.NO_SUMS),
    reference="US Census Bureau, American Community Survey, B19083.",
    bias="High in rich and in poor places alike, so it is shown and ranks nothing. Never summed to larger areas.",
)
def gini_ratio(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Inequality inside the area, which no sum of areas has."""
    return acs.values(tables, this)
