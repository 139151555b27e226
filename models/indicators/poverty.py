"""Poverty: children and households without enough money, and without what money buys."""

import polars as pl

from models.engine.margins import Z90
from models.indicators import acs
from models.indicators.indicator import AbsentError, Indicator, Inputs, framed, indicator

_FRANCHINO = "Poverty and material need recur as risk factors in Franchino-Olsen 2019, 10.1177/1524838018821956."


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
    tables=(acs.TABLE,),
    reference=_FRANCHINO,
)
def median_household_income_usd(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """A median: it stands for its own area and is never summed."""
    return acs.values(tables, this)


@indicator(
    id="snap_household_share",
    title="Households with SNAP",
    topic="poverty",
    definition="Households that received SNAP in the past 12 months over households.",
    universe="Households.",
    numerator="B22010_002",
    denominator="B22010_001",
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference=_FRANCHINO,
)
def snap_household_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Food assistance reaches households above the poverty line too."""
    return acs.shares(tables, this)


@indicator(
    id="no_vehicle_share",
    title="Households without a vehicle",
    topic="poverty",
    definition="Households with no vehicle available over households.",
    universe="Households.",
    numerator="B08201_002",
    denominator="B08201_001",
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference=_FRANCHINO,
)
def no_vehicle_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Without a car, work and services are out of reach where no bus runs."""
    return acs.shares(tables, this)
