"""Family instability: children who grow up without both or either of their parents."""

import polars as pl

from models.indicators import acs
from models.indicators.indicator import AbsentError, Indicator, Inputs, framed, indicator

_FRANCHINO = (
    "Caregiver strain, conflict with parents and involvement of child protection recur in Franchino-Olsen 2019, "
    "10.1177/1524838018821956."
)


@indicator(
    id="single_parent_share",
    title="Children with one unpartnered adult",
    topic="family_instability",
    definition="Own children under 18 of a householder without spouse or partner over own children in households.",
    universe="Own children under 18 in households.",
    # Since 2019 _003 is a cohabiting couple: unpartnered are _004 and _005.
    numerator="B09005_004+B09005_005",
    denominator="B09005_001",
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference=_FRANCHINO,
)
def single_parent_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Before 2019 the table's lines meant something else: older vintages are left out."""
    figures = acs.figures(tables, this).filter(pl.col("vintage") >= "2019")
    return acs.share(figures, this.numerator, this.denominator)


@indicator(
    id="no_parent_share",
    title="Children without a parent at home",
    topic="family_instability",
    definition="Children under 18 living with a grandparent, other relatives or unrelated people over children.",
    universe="Children under 18 in households, householders and spouses apart.",
    numerator="B09018_006+B09018_007+B09018_008",
    denominator="B09018_001",
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference=_FRANCHINO,
)
def no_parent_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Mixes kin care, foster care and lodging: no count of children in custody."""
    return acs.shares(tables, this)


@indicator(
    id="kin_care_share",
    title="Children raised by grandparents alone",
    topic="family_instability",
    definition="Grandchildren whose grandparent is responsible, with no parent present, over children under 18.",
    universe="Children under 18; the two tables have different universes.",
    numerator="B10002_004",
    denominator="B09001_001",
    direction=+1,
    unit="share",
    error="moe",
    tables=(acs.TABLE,),
    reference=_FRANCHINO,
)
def kin_care_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The best single cell for a family that has lost its middle generation."""
    return acs.shares(tables, this)


@indicator(
    id="children_in_care_count",
    title="Children in foster care",
    topic="context",
    definition="Children in foster care on 30 September, the last day of the federal fiscal year.",
    universe="Children in the state's custody.",
    numerator="AFCARS Number in foster care on September 30",
    direction=0,
    unit="count",
    error="none",
    native_level="state",
    tables=("core.acf_afcars_state",),
    reference="US Department of Health and Human Services, Children's Bureau, AFCARS.",
)
def children_in_care_count(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Known only for whole states: never allocated to counties."""
    care = tables["core.acf_afcars_state"].filter(pl.col("measure") == "Number in foster care on September 30")
    if care.is_empty():
        raise AbsentError(
            "no AFCARS numbers at a glance were landed", "acf_afcars/2021/afcars_fy2021_glance_by_state.csv"
        )
    rows = care.select(
        "geo_id",
        period=pl.col("period").str.tail(4),
        source_period=pl.col("period"),
        vintage=pl.col("vintage"),
        value=pl.col("count"),
        note=pl.lit("a full count by the state's own records"),
        snapshot_sha256=pl.col("snapshot_sha256"),
    )
    return framed(rows, "state")
