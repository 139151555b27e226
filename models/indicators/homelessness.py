"""Homelessness and housing instability: households at the edge of losing their home."""

import polars as pl

from models.indicators import acs
from models.indicators.indicator import AbsentError, Indicator, Inputs, framed, indicator

_COVENANT = (
    "Of 911 homeless young people in 13 cities 19 % had been trafficked (Covenant House, Loyola and Penn 2017, "
    "St. Louis among the cities)."
)


def _over_income_brackets(table: str, brackets: int, offset: int) -> str:
    """The same line of each income bracket of B25074 and B25095, which repeat every nine cells."""
    return "+".join(f"{table}_{offset + 9 * k:03d}" for k in range(brackets))


_RENT = _over_income_brackets("B25074", 7, 9)
_RENT_KNOWN = "B25074_001-" + _over_income_brackets("B25074", 7, 10).replace("+", "-")
_OWN = _over_income_brackets("B25095", 8, 9)
_OWN_KNOWN = "B25095_001-" + _over_income_brackets("B25095", 8, 10).replace("+", "-")
_CROWDED = "+".join(f"B25014_{n:03d}" for n in (5, 6, 7, 11, 12, 13))


@indicator(
    id="severe_rent_burden_share",
    title="Renters who pay half their income or more",
    topic="homelessness",
    definition="Renter households whose gross rent takes 50 % of income or more, over those for whom it is computed.",
    universe="Renter-occupied housing units for which the percentage is computed.",
    numerator=_RENT,
    denominator=_RENT_KNOWN,
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference=_COVENANT,
)
def severe_rent_burden_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The households nearest to eviction; units 'not computed' are out of the denominator."""
    return acs.shares(tables, this)


@indicator(
    id="severe_owner_burden_share",
    title="Owners who pay half their income or more",
    topic="homelessness",
    definition="Owner households whose housing costs take 50 % of income or more, over those for whom it is computed.",
    universe="Owner-occupied housing units for which the percentage is computed.",
    numerator=_OWN,
    denominator=_OWN_KNOWN,
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference=_COVENANT,
)
def severe_owner_burden_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Owners lose homes too; in rural counties they are most households."""
    return acs.shares(tables, this)


@indicator(
    id="crowded_share",
    title="Crowded homes",
    topic="homelessness",
    definition="Occupied housing units with more than one person a room over occupied housing units.",
    universe="Occupied housing units.",
    numerator=_CROWDED,
    denominator="B25014_001",
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference=_COVENANT,
)
def crowded_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Doubled-up families are the largest group of homeless students."""
    return acs.shares(tables, this)


@indicator(
    id="homeless_people_count",
    title="People homeless on one night",
    topic="context",
    definition="People counted as homeless on one night in January, sheltered and unsheltered.",
    universe="People in the Continuum of Care's area.",
    numerator="HUD PIT Overall Homeless",
    direction=0,
    unit="count",
    error="none",
    native_level="coc",
    tables=("core.hud_pit_coc",),
    reference="US Department of Housing and Urban Development, Annual Homelessness Assessment Report, Part 1.",
)
def homeless_people_count(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Known only for a whole Continuum of Care, so it ranks no county inside one."""
    pit = tables["core.hud_pit_coc"].filter(pl.col("measure") == "Overall Homeless")
    if pit.is_empty():
        raise AbsentError(
            "no Point-in-Time workbook by CoC was landed", "hud_pit/2025/2007-2025-PIT-Counts-by-CoC.xlsb"
        )
    rows = pit.select(
        "geo_id",
        "period",
        source_period=pl.col("period"),
        vintage=pl.col("vintage"),
        value=pl.col("count"),
        note=pl.lit("a count on one night; its error is not published"),
        snapshot_sha256=pl.col("snapshot_sha256"),
    )
    return framed(rows, "coc")
