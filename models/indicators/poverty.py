"""Poverty: children and households without enough money, and without what money buys."""

import polars as pl

from models.engine.margins import Z90
from models.indicators import acs, equivalents
from models.indicators.indicator import AbsentError, Indicator, Inputs, framed, indicator

_FRANCHINO = "Poverty and material need recur as risk factors in Franchino-Olsen 2019, 10.1177/1524838018821956."
_AUSTIN = (
    "Concentrated disadvantage went with recorded offences in block groups of Austin, Texas (Mletzko and others 2018, "
    "Journal of Criminal Justice 58:87); unemployment is usually part of such measures."
)
_UNIVERSE_OMITS = (
    "Leaves out unrelated children under 15, which most foster children are, people in institutions and students in "
    "dormitories."
)


@indicator(
    id="child_poverty_share",
    title="Children in poverty",
    topic="poverty",
    definition="Children under 18 in poverty over children under 18, modelled by SAIPE for a single year.",
    universe="Persons under 18 for whom poverty status is determined.",
    numerator="SAIPE Poverty Percent, Age 0-17",
    direction=+1,
    unit="share",
    error="published_interval",
    tables=("core.census_saipe_county",),
    is_modelled=True,
    reference=_FRANCHINO,
    bias=f"A model that draws small counties towards what tax and SNAP records predict. {_UNIVERSE_OMITS}",
)
def child_poverty_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Read the modelled share; its standard error comes from the published 90 % interval."""
    saipe = tables["core.census_saipe_county"].filter(pl.col("geo_level") == "county")
    if saipe.is_empty():
        raise AbsentError("no SAIPE county workbook was landed", "census_saipe/2023/est23all.xls")
    interval = pl.col("poverty_0_17_share_upper") - pl.col("poverty_0_17_share_lower")
    rows = saipe.select(
        "geo_id",
        period=pl.col("vintage"),
        source_period=pl.col("period"),
        vintage=pl.col("vintage"),
        value=pl.col("poverty_0_17_share"),
        se=interval / (2 * Z90),
        snapshot_sha256=pl.col("snapshot_sha256"),
    )
    return framed(rows)


@acs.share_indicator(
    id="youth_poverty_12_17_share",
    title="Youth of 12 to 17 in poverty",
    topic="poverty",
    definition="Persons of 12 to 17 years below the poverty line over persons of 12 to 17 years.",
    universe="Persons of 12 to 17 years for whom poverty status is determined.",
    numerator="B17020_005",
    denominator="B17020_005+B17020_013",
    direction=+1,
    reference=_FRANCHINO,
    bias=f"The poor of this age are among the children of SAIPE and those below 150 % too. {_UNIVERSE_OMITS}",
)
def youth_poverty_12_17_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """One cell of an age: its margin is smaller than that of six cells by sex."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="deep_poverty_share",
    title="People below half the poverty line",
    topic="poverty",
    definition="Persons with an income below half the poverty line over persons for whom it is determined.",
    universe="Persons for whom poverty status is determined.",
    numerator="C17002_002",
    denominator="C17002_001",
    direction=+1,
    reference=_FRANCHINO,
    bias="All ages: students who live off campus raise it in college towns (Boone, Adair, Nodaway, Phelps, Johnson). "
    f"Stands beside the index and not in it: below_150_share counts the same cell. {_UNIVERSE_OMITS}",
)
def deep_poverty_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Families for whom one lost shift means no food or no home."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="below_150_share",
    title="People below 150 % of the poverty line",
    topic="poverty",
    definition="Persons with an income below one and a half times the poverty line over persons.",
    universe="Persons for whom poverty status is determined.",
    numerator="C17002_002+C17002_003+C17002_004+C17002_005",
    denominator="C17002_001",
    direction=+1,
    tables=(*acs.TABLES, equivalents.SVI_TABLE),
    reference="CDC/ATSDR Social Vulnerability Index 2020 takes it as its measure of poverty.",
    bias=f"College towns as in deep_poverty_share, though less. Its poor are SAIPE's too. {_UNIVERSE_OMITS}",
)
def below_150_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The working poor, whom the poverty line itself leaves out."""
    return equivalents.shares(tables, this)


@indicator(
    id="median_household_income_usd",
    title="Median household income",
    topic="poverty",
    definition="Median household income in the past 12 months, in dollars of the last year.",
    universe="Households.",
    numerator="B19013_001",
    direction=-1,
    unit="usd",
    error="moe",
    levels=acs.NO_SUMS,
    tables=tuple(acs.LEVELS[level] for level in acs.NO_SUMS),
    reference=_FRANCHINO,
    bias="Blind to what a dollar buys: rents and prices differ. Cut off at 250,001 dollars. Dollars of different years "
    "are not adjusted to each other.",
)
def median_household_income_usd(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """A median: it stands for its own area and is never summed."""
    return acs.values(tables, this)


@acs.share_indicator(
    id="snap_household_share",
    title="Households with SNAP",
    topic="poverty",
    definition="Households that received SNAP in the past 12 months over households.",
    universe="Households.",
    numerator="B22010_002",
    denominator="B22010_001",
    direction=+1,
    reference=_FRANCHINO,
    bias="Under-reported: administrative counts are higher. Also measures how many of those entitled apply.",
)
def snap_household_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Food assistance reaches households above the poverty line too."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="children_in_assisted_households_share",
    title="Children in households with public assistance",
    topic="poverty",
    definition="Children in households with SSI, cash assistance or SNAP in the past 12 months over children.",
    universe="Children under 18 in households, householders and spouses apart.",
    numerator="B09010_002",
    denominator="B09010_001",
    direction=+1,
    reference=_FRANCHINO,
    bias="Stands beside the index and not in it: it counts the households of snap_household_share by their children. "
    "SSI follows disability, not poverty alone.",
)
def children_in_assisted_households_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """How many children a programme already knows."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="unemployment_share",
    title="Unemployment",
    topic="poverty",
    definition="Unemployed persons over persons in the civilian labour force.",
    universe="Civilian labour force of 16 years and over.",
    numerator="B23025_005",
    denominator="B23025_003",
    direction=+1,
    tables=(*acs.TABLES, equivalents.SVI_TABLE),
    reference=_AUSTIN,
    bias="A mean of five years, which hides a plant that closed last spring. Who gave up looking is not counted.",
)
def unemployment_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """With margins at every level, which the Bureau of Labor Statistics does not publish for counties."""
    return equivalents.shares(tables, this)


@acs.share_indicator(
    id="uninsured_under_19_share",
    title="Children and youth without health insurance",
    topic="poverty",
    definition="Persons under 19 without health insurance over persons under 19.",
    universe="Civilian persons under 19 outside institutions.",
    numerator="B27010_017",
    denominator="B27010_002",
    direction=+1,
    reference="Health care is where a young person in danger may be noticed; mental health and substance use recur in "
    "Franchino-Olsen 2019, 10.1177/1524838018821956.",
    bias="Missouri expanded Medicaid in October 2021 and Illinois before: five years straddle it, and states differ by "
    "law. High where Amish and Mennonite families insure themselves.",
)
def uninsured_under_19_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Care that money or a programme would have bought."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="no_vehicle_share",
    title="Households without a vehicle",
    topic="poverty",
    definition="Households with no vehicle available over households.",
    universe="Occupied housing units.",
    numerator="B25044_003+B25044_010",
    denominator="B25044_001",
    direction=+1,
    tables=(*acs.TABLES, equivalents.SVI_TABLE),
    reference="CDC/ATSDR Social Vulnerability Index, theme of housing and transport: who cannot get to a service.",
    bias="A choice in the middle of a city, and of Amish households; a need where no bus runs.",
)
def no_vehicle_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Without a car, work and services are out of reach where no bus runs."""
    return equivalents.shares(tables, this)
