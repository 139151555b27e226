"""Gaps between groups: how differently a county treats children and households by race and origin."""

from dataclasses import replace

import polars as pl

from models.engine.margins import coefficient_of_variation, ratio_moe
from models.indicators import acs
from models.indicators.indicator import Indicator, Inputs, framed, indicator

MAX_CV = 0.30
"""The largest coefficient of variation of a group's children, or of its median, with which a gap is published."""
MIN_CHILDREN = 200
"""The fewest children of either group with whom a gap is published."""

_UNEQUAL = (
    "Unequal chances in one place are the structural side of race as a risk (National Center on Safe Supportive "
    "Learning Environments, human trafficking in America's schools): a gap says how a place treats groups, and no "
    "group's size moves it."
)
_BIAS = (
    "Both sides are samples of five years: in most rural counties one of the groups is too small, and the gap is "
    "missing. Shrunken over counties. "
)
_TOO_FEW = (
    f"too few children of one group: fewer than {MIN_CHILDREN}, or their number has a coefficient of variation above "
    f"{MAX_CV:.0%}"
)
_KEYS = ["geo_level", "geo_id", "period", "source_period", "vintage"]
_POOR, _OTHERS = (3, 4, 5), (11, 12, 13)
"""Lines of B17020 for children under 6, 6 to 11 and 12 to 17: below the poverty level, and at or above it."""


def _cells(table: str, *lines: int) -> str:
    return "+".join(f"{table}_{line:03d}" for line in lines)


def _children(tables: Inputs, this: Indicator, table: str) -> pl.DataFrame:
    """Children of a group for whom poverty status is determined: keys, is_enough (of their number and its error)."""
    everybody = _cells(table, *_POOR, *_OTHERS)
    children = acs.counts(tables, replace(this, numerator=everybody, denominator=""))
    cv = coefficient_of_variation(pl.col("value"), pl.col("se"))
    is_enough = ((pl.col("value") >= MIN_CHILDREN) & (cv <= MAX_CV)).fill_null(False)
    return children.select(*_KEYS, is_enough=is_enough)


def _both_enough(tables: Inputs, this: Indicator, group: str, reference: str) -> pl.DataFrame:
    """Keys of areas in which both groups have enough children, with is_enough true."""
    sides = (_children(tables, this, table).filter("is_enough") for table in (group, reference))
    return next(sides).join(next(sides).drop("is_enough"), on=_KEYS)


def poverty_gap(tables: Inputs, this: Indicator, group: str, reference: str) -> pl.DataFrame:
    """The group's child poverty less the reference group's, from -1 to 1, where both are large enough.

    Args:
        group, reference: tables by race, `B17020B` (Black alone), `B17020I` (Hispanic), `B17020H` (White alone, not
            Hispanic); they do not overlap with the last.
    """
    figures = acs.figures(tables, this)
    rates = (acs.share(figures, _cells(table, *_POOR), _cells(table, *_POOR, *_OTHERS)) for table in (group, reference))
    both = (
        next(rates)
        .join(next(rates).select(*_KEYS, other="value", other_se="se"), on=_KEYS)
        .join(_both_enough(tables, this, group, reference), on=_KEYS, how="left")
    )
    known = pl.col("is_enough").fill_null(False)
    return framed(
        both.with_columns(
            value=pl.when(known).then(pl.col("value") - pl.col("other")),
            se=pl.when(known).then((pl.col("se") ** 2 + pl.col("other_se") ** 2).sqrt()),
            note=pl.when(known).then("note").otherwise(pl.lit(_TOO_FEW)),
        )
    )


@indicator(
    id="child_poverty_black_white_gap",
    title="Gap in child poverty, Black and White",
    topic="systemic_risk",
    definition="Share of Black children in poverty less that of White children who are not Hispanic.",
    universe="Children under 18 for whom poverty status is determined.",
    numerator=_cells("B17020B", *_POOR),
    denominator="B17020B_011+B17020B_012+B17020B_013 beside their counterparts " + _cells("B17020H", *_POOR, *_OTHERS),
    direction=+1,
    unit="gap",
    error="moe",
    tables=(acs.TABLE,),
    compares_groups=True,
    reference=_UNEQUAL,
    bias=f"{_BIAS}Black alone may be Hispanic. A place where both groups are poor has a small gap.",
)
def child_poverty_black_white_gap(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """All ages under 18, because one age band alone has too wide margins."""
    return poverty_gap(tables, this, "B17020B", "B17020H")


@indicator(
    id="child_poverty_latinx_white_gap",
    title="Gap in child poverty, Latinx and White",
    topic="systemic_risk",
    definition="Share of Hispanic or Latino children in poverty less that of White children who are not Hispanic.",
    universe="Children under 18 for whom poverty status is determined.",
    numerator=_cells("B17020I", *_POOR),
    denominator="B17020I_011+B17020I_012+B17020I_013 beside their counterparts " + _cells("B17020H", *_POOR, *_OTHERS),
    direction=+1,
    unit="gap",
    error="moe",
    tables=(acs.TABLE,),
    compares_groups=True,
    reference=_UNEQUAL,
    bias=f"{_BIAS}A place where both groups are poor has a small gap.",
)
def child_poverty_latinx_white_gap(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Hispanic children of any race beside White children who are not Hispanic: nobody is on both sides."""
    return poverty_gap(tables, this, "B17020I", "B17020H")


@indicator(
    id="income_black_white_ratio",
    title="Income of Black households for each dollar of White ones",
    topic="systemic_risk",
    definition="Median income of households with a Black householder over that of households with a White householder "
    "who is not Hispanic.",
    universe="Households.",
    numerator="B19013B_001",
    denominator="B19013H_001, where both groups have enough children: "
    + _cells("B17020B", *_POOR, *_OTHERS)
    + " and "
    + _cells("B17020H", *_POOR, *_OTHERS),
    direction=-1,
    unit="ratio",
    error="moe",
    tables=(acs.TABLE,),
    compares_groups=True,
    reference=_UNEQUAL,
    bias=f"{_BIAS}Medians, so that a few rich households move nothing; the Bureau withholds medians of few households "
    "and prints none above $250,000. It publishes no number of households beside them, and medians of a handful have "
    "margins that are too narrow: so the limit of the gaps in child poverty stands here too.",
)
def income_black_white_ratio(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Medians of two groups that do not overlap; never summed over areas."""
    group, reference = (
        acs.values(tables, replace(this, numerator=cell, denominator="")) for cell in ("B19013B_001", "B19013H_001")
    )
    both = group.join(reference.select(*_KEYS, other="value", other_se="se"), on=_KEYS).join(
        _both_enough(tables, this, "B17020B", "B17020H"), on=_KEYS, how="left"
    )
    x, y, se_x, se_y = (pl.col(name) for name in ("value", "other", "se", "other_se"))
    known = ((se_x <= MAX_CV * x) & (se_y <= MAX_CV * y) & pl.col("is_enough")).fill_null(False)
    return framed(
        both.with_columns(
            value=pl.when(known).then(x / y),
            # A ratio's rule holds for standard errors as it does for margins.
            se=pl.when(known).then(ratio_moe(x, y, se_x, se_y)),
            note=pl.when(known)
            .then("note")
            .otherwise(
                pl.lit(f"a median is not published or has a coefficient of variation above {MAX_CV:.0%}, or {_TOO_FEW}")
            ),
        )
    )
