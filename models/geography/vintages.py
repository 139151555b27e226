"""Older county codes to those of the declared vintage, with weights where a county was split or regrouped."""

import polars as pl

from models.geography.counties import COUNTY_VINTAGE, OLD_CONNECTICUT, RENAMED, SPLIT, SPLIT_INTO
from models.geography.crosswalk import (
    NOT_USED,
    PIECES,
    WEIGHTS,
    Crosswalk,
    CrosswalkError,
    build,
    no_rows,
    unmatched,
    weight_se,
)

_CONNECTICUT = "09"


def tract_key(tract: pl.Expr) -> pl.Expr:
    """What a tract keeps when its county's code changes: in Connecticut the state and its last six digits."""
    return (
        pl.when(tract.str.head(2) == _CONNECTICUT)
        .then(pl.concat_str(tract.str.head(2), tract.str.tail(6)))
        .otherwise(tract)
    )


def connecticut(tracts: pl.DataFrame, *, to_old: bool = False) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Connecticut's eight former counties to its nine planning regions, or back, through tracts.

    The planning regions of 2022 consist of whole tracts, which kept their last six digits.

    Args:
        tracts: geo_id (eleven digits; tracts of both vintages among any others), size, basis. Sizes of the
            vintage that is divided are used, and where they are not known those of the other; where neither is, every
            tract counts as one.

    Returns:
        Weights (`WEIGHTS`) and tracts that match none (`UNMATCHED`); both empty without tracts of both vintages.
    """
    county = pl.col("geo_id").str.head(5)
    here = tracts.filter(pl.col("geo_id").str.starts_with(_CONNECTICUT)).with_columns(
        county=county, key=tract_key(pl.col("geo_id")), is_old=county.is_in(OLD_CONNECTICUT)
    )
    source, target = (here.filter(pl.col("is_old") != to_old), here.filter(pl.col("is_old") == to_old))
    if source.is_empty() or target.is_empty():
        return no_rows(WEIGHTS), no_rows()
    both = source.join(target, on="key", how="inner", suffix="_target")
    size = pl.coalesce("size", "size_target")
    counted = size.is_not_null().all() & (size.sum() > 0)
    sizes = both.with_columns(
        size=pl.when(counted).then(size).otherwise(1.0),
        basis=pl.when(counted).then(pl.coalesce("basis", "basis_target")).otherwise(pl.lit("tracts")),
    )
    of_source = pl.sum("size").over("county")
    weights = (
        sizes.with_columns(pieces=pl.len().over("county"), share=pl.col("size") / of_source)
        .group_by(from_id="county", to_id="county_target")
        .agg(weight=pl.sum("share"), pieces=pl.first("pieces"), basis=pl.first("basis"))
        .filter(pl.col("weight") > 0)
        .with_columns(weight_se=weight_se(pl.col("weight"), pl.col("pieces")))
        .select(*WEIGHTS)
    )
    alone = source.join(target, on="key", how="anti").sort("geo_id")
    reason = "no tract of the other vintage has its last six digits: its county is divided without it"
    return weights, unmatched("from", alone["geo_id"], reason, treatment=NOT_USED)


def _split(sizes: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Counties that were split, by the size of their parts; without sizes they are listed."""
    weights, listed = [no_rows(WEIGHTS)], [no_rows()]
    for old, parts in SPLIT_INTO.items():
        found = sizes.filter(pl.col("geo_id").is_in(parts) & (pl.col("size") > 0))
        if found.height < len(parts):
            listed.append(unmatched("from", [old], f"{SPLIT[old]}, and no size of the parts is given", weight=1.0))
            continue
        share = pl.col("size") / pl.sum("size")
        weights.append(
            found.select(
                from_id=pl.lit(old),
                to_id="geo_id",
                weight=share,
                weight_se=weight_se(share, pl.lit(PIECES)),
                basis="basis",
            )
        )
    return pl.concat(weights), pl.concat(listed)


def county_vintage(counties: pl.DataFrame, tracts: pl.DataFrame, sizes: pl.DataFrame) -> Crosswalk:
    """Every county code since 2013 to the counties of the declared vintage.

    Args:
        counties: geo_id of the declared vintage.
        tracts: geo_id, size, basis; see `connecticut`.
        sizes: geo_id, size, basis of counties of the declared vintage.
    """
    known = counties["geo_id"]
    same = counties.select(
        from_id="geo_id", to_id="geo_id", weight=pl.lit(1.0), weight_se=pl.lit(0.0), basis=pl.lit("same")
    )
    old = pl.DataFrame({"from_id": list(RENAMED), "to_id": list(RENAMED.values())}, schema_overrides=WEIGHTS)
    renamed = old.select("from_id", "to_id", weight=pl.lit(1.0), weight_se=pl.lit(0.0), basis=pl.lit("renamed"))
    split, lost = _split(sizes)
    regions, alone = connecticut(tracts)
    weights = pl.concat([same, renamed, split, regions]).filter(pl.col("to_id").is_in(known.implode()))
    # A list of counties without these regions (the sample's) has nothing to divide into.
    here = pl.Series(
        [code for code in (*RENAMED, *SPLIT_INTO, *OLD_CONNECTICUT) if known.str.starts_with(code[:2]).any()]
    )
    listed = pl.concat([lost.filter(pl.col("id").is_in(here.implode())), alone])
    return build(
        f"county_{COUNTY_VINTAGE}",
        "county",
        "county",
        weights,
        [listed],
        remainder=f"this part is in no county of vintage {COUNTY_VINTAGE}",
        sources=here.cast(pl.String),
    )


def for_file(crosswalk: Crosswalk, geo_ids: pl.Series) -> Crosswalk:
    """The part of `county_vintage` that fits one file: a county is carried over from its old code or from its own.

    The whole crosswalk holds both, so that a target seems to lack whichever code a file does not use.

    Args:
        crosswalk: as `county_vintage` makes it.
        geo_ids: the county codes of the file.

    Raises:
        CrosswalkError: the file has a county under its old code and under its new one, which would be counted twice.
    """
    here = geo_ids.unique().implode()
    is_own = pl.col("from_id") == pl.col("to_id")
    judged = crosswalk.weights.with_columns(
        has_own=pl.col("to_id").is_in(here),
        has_old=(~is_own & pl.col("from_id").is_in(here)).any().over("to_id"),
    )
    twice = judged.filter(~is_own & pl.col("has_own") & pl.col("from_id").is_in(here)).sort("from_id", "to_id")
    if twice.height:
        old, new = twice.select("from_id", "to_id").row(0)
        raise CrosswalkError(f"{crosswalk.id}: {old} and {new} stand in one file, but the one became the other")
    # A target of an old code keeps all its old codes: one that the file lacks must be noticed.
    kept = judged.filter(pl.when(is_own).then(~pl.col("has_old")).otherwise("has_old"))
    gone = crosswalk.weights.join(kept, on=["from_id", "to_id"], how="anti").join(kept, on="from_id", how="semi")
    listed = crosswalk.unmatched.filter(pl.col("id").is_in(here) | (pl.col("side") == "to"))
    other = unmatched(
        "from",
        gone["from_id"],
        "the file says nothing of this part",
        weight=gone["weight"],
        counterpart=gone["to_id"],
    )
    return build(crosswalk.id, "county", "county", kept, [listed, other])
