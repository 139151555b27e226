"""Systemic risk: young people shut out of school, work and what both need."""

import polars as pl

from models.indicators import acs
from models.indicators.indicator import Indicator, Inputs, indicator

_SCHOOL = "Difficulty in school recurs as a risk factor in Franchino-Olsen 2019, 10.1177/1524838018821956."
# Not enrolled and unemployed or out of the labour force, boys and girls, with and without a diploma.
_DISCONNECTED = "+".join(f"B14005_{n:03d}" for n in (10, 11, 14, 15, 24, 25, 28, 29))


@indicator(
    id="disconnected_youth_share",
    title="Young people neither in school nor at work",
    topic="systemic_risk",
    definition="Persons aged 16 to 19 who are neither enrolled in school nor employed over persons aged 16 to 19.",
    universe="Population 16 to 19 years.",
    numerator=_DISCONNECTED,
    denominator="B14005_001",
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference=_SCHOOL,
)
def disconnected_youth_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """A sum of eight small cells: its margin is wide in small counties."""
    return acs.shares(tables, this)


@indicator(
    id="no_diploma_share",
    title="Adults without a high-school diploma",
    topic="systemic_risk",
    definition="Persons of 25 and more without a high-school diploma or its equivalent over persons of 25 and more.",
    universe="Population 25 years and over.",
    numerator="S1501_C01_006-S1501_C01_014",
    denominator="S1501_C01_006",
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference=_SCHOOL,
)
def no_diploma_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """One minus the published share with a diploma or more."""
    return acs.shares(tables, this)


@indicator(
    id="no_broadband_share",
    title="Households without broadband",
    topic="systemic_risk",
    definition="Households without a broadband subscription of any type over households.",
    universe="Households.",
    numerator="S2801_C01_001-S2801_C01_014",
    denominator="S2801_C01_001",
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference="Households without broadband are cut off from school, work and services (exclusion).",
)
def no_broadband_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """One minus the published share with a broadband subscription."""
    return acs.shares(tables, this)
