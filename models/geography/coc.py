"""Continuums of Care and counties: by people where they are known, else by tracts, never by area."""

import polars as pl

from models.geography.crosswalk import (
    NONE,
    NOT_USED,
    PIECES,
    REDISTRIBUTED,
    TOLERANCE,
    Crosswalk,
    build,
    drop_slivers,
    unmatched,
    weight_se,
)

BORDER = 0.10
"""What tract shares may lack of a whole county: ground where the boundaries of two agencies do not meet. Shares by
people that lack something lack people without a CoC, who are never given to one."""
_ROUNDING = 1e-4


def _basis(table: pl.DataFrame) -> pl.DataFrame:
    """The share of each county and CoC, by the best measure that all parts of the county have."""

    def whole(name: str) -> pl.Expr:
        return pl.col(name).is_not_null().all().over("county_id")

    population, tracts = whole("population_share"), whole("tract_share")
    n = pl.len().over("county_id")
    return table.select(
        from_id="county_id",
        to_id="coc_id",
        weight=pl.when(population).then("population_share").when(tracts).then("tract_share").otherwise(1 / n),
        basis=pl.when(population)
        .then(pl.lit("population"))
        .when(tracts)
        .then(pl.lit("tracts"))
        .otherwise(pl.lit("equal")),
        parts=n,
    )


def _settle(parts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Let weights of a county sum to one where they lack only a border or a rounding; what lacks people stays short."""
    total = pl.sum("weight").over("from_id")
    gap = 1 - total
    is_border = (pl.col("basis") == "tracts") & (gap < BORDER)
    settled = parts.with_columns(gap=gap, total=total, is_settled=is_border | (gap < _ROUNDING))
    listed = settled.filter(pl.col("is_settled") & (pl.col("gap") > _ROUNDING)).unique("from_id").sort("from_id")
    border = unmatched(
        "from",
        listed["from_id"],
        "ground at the border that no CoC covers, by its tracts",
        weight=listed["gap"],
        treatment=REDISTRIBUTED,
    )
    weight = pl.when("is_settled").then(pl.col("weight") / pl.col("total")).otherwise("weight")
    return settled.with_columns(weight=weight).drop("gap", "total", "is_settled"), border


def county_to_coc(table: pl.DataFrame, pieces: pl.DataFrame, crosswalk_id: str) -> Crosswalk:
    """Counties to the Continuums of Care that their people live in.

    Args:
        table: one vintage of core.coc_county_crosswalk (county_id, coc_id, population_share, tract_share; others are
            not looked at, the share of the area least of all).
        pieces: geo_id, pieces: number of tracts of a county, as far as it is known.
    """
    both = (pl.col("county_id") != NONE) & (pl.col("coc_id") != NONE)
    parts = _basis(table.filter(both))
    empty = parts.filter(pl.col("weight") <= 0).sort("from_id", "to_id")
    nobody = unmatched(
        "from",
        empty["from_id"],
        "nobody lives in this part",
        weight=0.0,
        counterpart=empty["to_id"],
        treatment=NOT_USED,
    )
    kept, slivers = drop_slivers(parts.filter(pl.col("weight") > 0))
    kept, border = _settle(kept)
    kept = kept.join(pieces.select(from_id="geo_id", tracts="pieces"), on="from_id", how="left")
    known = pl.max_horizontal(pl.col("tracts").fill_null(PIECES), pl.col("parts"))
    weights = kept.with_columns(
        weight_se=weight_se(
            pl.col("weight"), pl.when(pl.col("basis") == "equal").then(pl.col("parts")).otherwise(known)
        )
    )
    without = table.filter((pl.col("coc_id") == NONE) & ~pl.col("county_id").is_in(parts["from_id"].implode()))
    astray = table.filter((pl.col("county_id") == NONE) & ~pl.col("coc_id").is_in(parts["to_id"].implode()))
    return build(
        crosswalk_id,
        "county",
        "coc",
        weights,
        [
            nobody,
            slivers,
            border,
            unmatched("from", without["county_id"].unique().sort(), "the county is in no CoC", weight=1.0),
            unmatched("to", astray["coc_id"].unique().sort(), "the CoC is matched to no county", treatment=NOT_USED),
        ],
        remainder="people who live in no CoC",
    )


def by_tract(tract_coc: Crosswalk, sizes: pl.DataFrame, crosswalk_id: str) -> Crosswalk:
    """Counties to Continuums of Care, by the people (or households) of the tracts.

    Args:
        tract_coc: tracts to CoCs.
        sizes: geo_id of the tract, size, basis. A county whose tracts do not all have one counts them instead.
    """
    every = pl.concat(
        [
            tract_coc.weights.select("from_id", "to_id", "weight"),
            tract_coc.left_out().select(from_id="id", to_id=pl.lit(NONE), weight="weight"),
        ]
    ).with_columns(county=pl.col("from_id").str.head(5))
    joined = every.join(sizes.select(from_id="geo_id", size="size", basis="basis"), on="from_id", how="left")
    size = pl.col("size")
    is_known = size.is_not_null().all().over("county") & (size.sum().over("county") > 0)
    counted = joined.with_columns(
        size=pl.when(is_known).then(size).otherwise(1.0),
        basis=pl.when(is_known).then("basis").otherwise(pl.lit("tracts")),
        pieces=pl.col("from_id").n_unique().over("county"),
    ).with_columns(held=pl.col("size") * pl.col("weight"))
    parts = (
        counted.group_by(from_id="county", to_id="to_id")
        .agg(pl.sum("held"), pl.first("pieces"), pl.first("basis"))
        .with_columns(weight=pl.col("held") / pl.sum("held").over("from_id"))
        .filter(pl.col("weight") > 0)
        .sort("from_id", "to_id")
    )
    # People of tracts without a CoC are people without one, however few.
    kept, slivers = drop_slivers(parts.filter(pl.col("to_id") != NONE))
    lost = parts.filter((pl.col("to_id") == NONE) & (pl.col("weight") > TOLERANCE))
    weights = kept.with_columns(weight_se=weight_se(pl.col("weight"), pl.col("pieces")))
    nowhere = unmatched("from", lost["from_id"], "tracts that are in no CoC", weight=lost["weight"])
    return build(crosswalk_id, "county", "coc", weights, [slivers, nowhere])


def within_state(crosswalk: Crosswalk, state: str | None = None, *, crosswalk_id: str | None = None) -> Crosswalk:
    """Take the parts of CoCs outside a state out, for a total of that state; they are listed.

    MO-604 covers Wyandotte, Kansas: figures of Missouri leave that part out.

    Args:
        crosswalk: CoCs to counties.
        state: two digits; None for each CoC's own, the one that most of it lies in.
    """
    home = own_states(crosswalk.weights, "to_id", "from_id")
    weights = crosswalk.weights.join(home.rename({"id": "from_id"}), on="from_id")
    stays = pl.col("to_id").str.head(2) == (pl.col("state") if state is None else pl.lit(state))
    gone = weights.filter(~stays)
    out = unmatched(
        "from",
        gone["from_id"],
        "this part lies in another state" if state is None else f"this part lies outside state {state}",
        weight=gone["weight"],
        counterpart=gone["to_id"],
    )
    return build(
        crosswalk_id or f"{crosswalk.id}_{state or 'own_state'}",
        crosswalk.from_level,
        crosswalk.to_level,
        weights.filter(stays),
        [crosswalk.unmatched, out],
    )


def own_states(weights: pl.DataFrame, area: str, coc: str) -> pl.DataFrame:
    """The state that most of each CoC lies in: id, state (two digits).

    Args:
        weights: pairs of a CoC and a county or tract, with `weight`.
        area: the column of the county or tract.
        coc: the column of the CoC.
    """
    by_state = weights.group_by(id=pl.col(coc), state=pl.col(area).str.head(2)).agg(pl.sum("weight"))
    return (
        by_state.sort(["id", "weight", "state"], descending=[False, True, False])
        .unique("id", keep="first")
        .select("id", "state")
    )
