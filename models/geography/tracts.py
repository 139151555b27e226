"""Tracts to counties, to Continuums of Care and to school districts, without slivers."""

import polars as pl

from models.geography.coc import own_states
from models.geography.counties import COUNTY_VINTAGE, RENAMED
from models.geography.crosswalk import (
    LEFT_OUT,
    NONE,
    REDISTRIBUTED,
    Crosswalk,
    CrosswalkError,
    build,
    drop_slivers,
    unmatched,
    weight_se,
)
from models.geography.vintages import tract_key

MAJORITY = 0.5
"""The share of a county's tracts that a CoC of another state must hold there; below it only borders overlap."""


def tract_to_county(tracts: pl.Series, counties: pl.DataFrame) -> Crosswalk:
    """Tracts to the counties of the declared vintage: the first five digits of a tract are its county.

    A tract of a Connecticut county that is gone is in the planning region of the tract with the same last six digits.
    """
    known = counties["geo_id"].implode()
    listed = tracts.unique().sort().to_frame("from_id").with_columns(key=tract_key(pl.col("from_id")))
    own = pl.col("from_id").str.head(5).replace(RENAMED)
    regions = listed.filter(own.is_in(known)).select("key", region=own).unique("key")
    found = listed.join(regions, on="key", how="left").with_columns(
        to_id=pl.when(own.is_in(known)).then(own).otherwise("region")
    )
    weights = found.drop_nulls("to_id").with_columns(weight=1.0, weight_se=0.0, basis=pl.lit("whole"))
    lost = found.filter(pl.col("to_id").is_null())
    reason = f"its county is none of vintage {COUNTY_VINTAGE}"
    return build("tract_county", "tract", "county", weights, [unmatched("from", lost["from_id"], reason, weight=1.0)])


def _without_strangers(parts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drop CoCs of another state where they hold no county: MO-604 stays in Kansas, Arkansas leaves Missouri."""
    home = own_states(parts, "from_id", "to_id").rename({"id": "to_id"})
    county = pl.col("from_id").str.head(5)
    judged = parts.join(home, on="to_id").with_columns(
        in_county=pl.sum("weight").over(county, "to_id") / pl.sum("weight").over(county)
    )
    strange = (pl.col("from_id").str.head(2) != pl.col("state")) & (pl.col("in_county") < MAJORITY)
    kept, gone = judged.filter(~strange), judged.filter(strange).sort("from_id", "to_id")
    remains = pl.Series(gone["from_id"].is_in(kept["from_id"].implode()))
    listed = unmatched(
        "from",
        gone["from_id"],
        "a CoC of another state that overlaps the border",
        weight=gone["weight"],
        counterpart=gone["to_id"],
    ).with_columns(treatment=pl.when(remains).then(pl.lit(REDISTRIBUTED)).otherwise(pl.lit(LEFT_OUT)))
    return kept.drop("state", "in_county"), listed


def tract_to_coc(table: pl.DataFrame, tracts: pl.Series, crosswalk_id: str) -> Crosswalk:
    """Tracts to Continuums of Care.

    A tract that is divided is divided by area, for want of anything smaller: its weights are as uncertain as any.

    Args:
        table: one vintage of core.coc_county_tract (tract_id, coc_id, tract_share).
        tracts: all tracts; those that the table does not give to a CoC are listed.
    """
    named = table.filter(pl.col("coc_id") != NONE).select(from_id="tract_id", to_id="coc_id", weight="tract_share")
    named = named.filter(pl.col("weight") > 0).with_columns(pl.col("weight") / pl.sum("weight").over("from_id"))
    kept, strangers = _without_strangers(named)
    kept = kept.with_columns(pl.col("weight") / pl.sum("weight").over("from_id"))
    kept, slivers = drop_slivers(kept)
    parts = pl.len().over("from_id")
    weights = kept.with_columns(
        weight_se=weight_se(pl.col("weight"), parts),
        basis=pl.when(parts == 1).then(pl.lit("whole")).otherwise(pl.lit("tract_area")),
    )
    every = pl.concat([tracts, table["tract_id"]]).unique().sort().to_frame("from_id")
    # Connecticut's tracts have two codes: those of the table's own vintage are looked for.
    county, key = pl.col("from_id").str.head(5), tract_key(pl.col("from_id"))
    own = table["tract_id"].str.head(5).unique().implode()
    twins = every.filter(~county.is_in(own)).with_columns(key=key)
    twins = twins.join(every.filter(county.is_in(own)).select(key=key).unique(), on="key", how="semi")
    alone = every.join(twins, on="from_id", how="anti").join(named, on="from_id", how="anti").sort("from_id")
    nowhere = unmatched("from", alone["from_id"], "the tract is in no CoC", weight=1.0)
    return build(crosswalk_id, "tract", "coc", weights, [strangers, slivers, nowhere])


def tract_to_district(overlay: pl.DataFrame, crosswalk_id: str = "tract_district") -> Crosswalk:
    """Tracts to school districts of one layer or of layers that do not overlap; see `models.geography.layers`.

    Args:
        overlay: tract_id, district_id, and `population` of the part where it is known, else `share` of the tract.

    Raises:
        CrosswalkError: shares of a tract sum to more than one, as those of overlapping layers do.
    """
    by_people = "population" in overlay.columns
    parts = overlay.select(
        from_id="tract_id", to_id="district_id", weight=pl.col("population" if by_people else "share")
    )
    total = pl.sum("weight").over("from_id")
    if by_people:
        parts = parts.with_columns(pl.col("weight") / total)
    over = parts.filter(total > 1.01)
    if over.height:
        raise CrosswalkError(
            f"{crosswalk_id}: shares of tract {over['from_id'][0]} sum to more than one: pick one layer of districts"
        )
    gap = 1 - total
    parts = parts.filter(pl.col("weight") > 0).with_columns(
        weight=pl.when(gap < 0.01).then(pl.col("weight") / total).otherwise("weight")
    )
    kept, slivers = drop_slivers(parts)
    n = pl.len().over("from_id")
    weights = kept.with_columns(
        weight_se=weight_se(pl.col("weight"), n),
        basis=pl.when(n == 1).then(pl.lit("whole")).otherwise(pl.lit("population" if by_people else "tract_area")),
    )
    return build(crosswalk_id, "tract", "school_district", weights, [slivers], remainder="no district covers this part")
