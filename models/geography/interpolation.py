"""Carry counts over to other areas with their error; rates by way of their numerators and denominators."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from models.engine.margins import Z90, proportion_moe
from models.geography.crosswalk import LEFT_OUT, NONE, NOT_USED, Crosswalk, CrosswalkError


class Interpolated(NamedTuple):
    """Figures of target areas.

    Args:
        values: by target. `value` is null where the figure of one of its sources is not known; `known_value` is the
            part that is. `se` has two parts: `sampling_se`, of the published figures, and `allocation_se`, of the
            weights; null where it is not known.
        unmatched: everything that did not go over, with its `value`, weight, treatment and reason.
    """

    values: pl.DataFrame
    unmatched: pl.DataFrame


def _errors(frame: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
    """The frame with `se`, and whether the zero rule for ACS margins applies."""
    if ("se" in frame.columns) == ("moe" in frame.columns):
        raise CrosswalkError("figures need the column se or moe, one of them: a full count has se = 0")
    if "se" in frame.columns:
        return frame, False
    return frame.with_columns(se=pl.col("moe") / Z90), True


def _sampling_se(is_acs: bool) -> pl.Expr:
    """Root of the sum of squares; of ACS estimates of zero only the largest margin counts, once (methods 5.2)."""
    part = pl.col("weight") * pl.col("se")
    if not is_acs:
        return (part**2).sum().sqrt()
    zero = pl.col("value") == 0
    return ((part**2).filter(~zero).sum() + (part.filter(zero).max().fill_null(0.0)) ** 2).sqrt()


def _pairs(crosswalk: Crosswalk, frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Each source and target of the crosswalk with the source's figures, for each group; null where there are none."""
    if frame.select(*by, "geo_id").is_duplicated().any():
        raise CrosswalkError(f"{crosswalk.id}: an area stands twice in a group of {list(by) or 'the data'}")
    weights = crosswalk.weights.rename({"from_id": "geo_id"})
    if by:
        weights = frame.select(by).unique(maintain_order=True).join(weights, how="cross")
    return weights.join(frame.with_columns(is_there=pl.lit(True)), on=[*by, "geo_id"], how="left")


def _unmatched(crosswalk: Crosswalk, frame: pl.DataFrame, pairs: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """What did not go over: sources without target, parts left out, figures not known, targets without source."""
    columns = [*by, "side", "id", "counterpart_id", "weight", "value", "treatment", "reason"]

    def listed(rows: pl.DataFrame, **fixed: str | None) -> pl.DataFrame:
        return rows.with_columns(*(pl.lit(value, dtype=pl.String).alias(name) for name, value in fixed.items())).select(
            columns
        )

    known = pl.concat([crosswalk.weights["from_id"], crosswalk.left_out()["id"]])
    stray = frame.filter(~pl.col("geo_id").is_in(known.implode())).with_columns(id="geo_id", weight=pl.lit(1.0))
    parts = crosswalk.left_out().join(frame.rename({"geo_id": "id"}), on="id")
    emitted = pairs.filter(pl.col("is_there").any().over(*by, "to_id"))
    gaps = emitted.filter(pl.col("value").is_null()).rename({"geo_id": "id", "to_id": "counterpart_id"})
    empty = pairs.filter(~pl.col("is_there").any().over(*by, "to_id")).unique([*by, "to_id"]).rename({"to_id": "id"})
    reason = (
        pl.when(pl.col("is_there").is_null())
        .then(pl.lit("the data have no such area"))
        .otherwise(pl.lit("its figure is not known"))
    )
    nothing = pl.lit(None, dtype=pl.Float64)
    never = crosswalk.unmatched.filter(pl.col("side") == "to").with_columns(value=nothing)
    groups = frame.select(by).unique(maintain_order=True) if by else None
    return pl.concat(
        [
            listed(never if groups is None else groups.join(never, how="cross")),
            listed(stray, side="from", counterpart_id=NONE, treatment=LEFT_OUT, reason="not in the crosswalk"),
            listed(parts.with_columns(value=pl.col("weight") * pl.col("value"))),
            listed(gaps.with_columns(reason=reason), side="from", treatment=NOT_USED),
            listed(
                empty.with_columns(value=nothing, weight=nothing),
                side="to",
                counterpart_id=NONE,
                treatment=NOT_USED,
                reason="none of its sources is in the data",
            ),
        ]
    ).sort([*by, "side", "id", "counterpart_id"])


def interpolate_counts(crosswalk: Crosswalk, frame: pl.DataFrame, by: Sequence[str] = ()) -> Interpolated:
    """Carry counts over to the targets of a crosswalk.

    Args:
        frame: geo_id, value, and `moe` (90 % margins of ACS estimates, to which its rule for zeros applies) or `se`; a
            full count has se = 0. Never a rate, a median or an index: see `interpolate_rates`.
        by: columns that keep figures apart, such as the period and the cell.

    Returns:
        geo_id, value, known_value, sampling_se, allocation_se, se, n_sources, n_known; and what did not go over.
        Known values and what is unmatched sum to what came in.

    Raises:
        CrosswalkError: no error is given, or an area stands twice.
    """
    figures, is_acs = _errors(frame.with_columns(pl.col("value").cast(pl.Float64)))
    figures = figures.select(*by, "geo_id", "value", "se")
    pairs = _pairs(crosswalk, figures, by)
    unknown = (pl.col("se").is_null() & pl.col("value").is_not_null()).any()
    values = (
        pairs.filter(pl.col("is_there").any().over(*by, "to_id"))
        .group_by(*by, "to_id", maintain_order=True)
        .agg(
            known_value=(pl.col("weight") * pl.col("value")).sum(),
            sampling_se=pl.when(~unknown).then(_sampling_se(is_acs)),
            allocation_se=((pl.col("weight_se") * pl.col("value")) ** 2).sum().sqrt(),
            n_sources=pl.len().cast(pl.Int64),
            n_known=pl.col("value").count().cast(pl.Int64),
        )
    )
    is_whole = pl.col("n_known") == pl.col("n_sources")
    values = values.select(
        *by,
        geo_id="to_id",
        value=pl.when(is_whole).then("known_value"),
        known_value="known_value",
        sampling_se=pl.when(is_whole).then("sampling_se"),
        allocation_se=pl.when(is_whole).then("allocation_se"),
        se=pl.when(is_whole).then((pl.col("sampling_se") ** 2 + pl.col("allocation_se") ** 2).sqrt()),
        n_sources="n_sources",
        n_known="n_known",
    ).sort([*by, "geo_id"])
    return Interpolated(values, _unmatched(crosswalk, figures, pairs, by))


def interpolate_rates(
    crosswalk: Crosswalk, numerator: pl.DataFrame, denominator: pl.DataFrame, by: Sequence[str] = ()
) -> Interpolated:
    """Rates of target areas: numerators and denominators are carried over, then divided.

    The numerator is a part of the denominator. The error of the published figures is that of a proportion (methods
    5.2); that of the weights is the delta method's, sum of Var(a_st) (N_s - r D_s)^2 / D^2, because both sides
    are divided by the same weights: where all sources have the same rate it is zero.

    Args:
        numerator: as `interpolate_counts`.
        denominator: likewise, of the same areas.

    Returns:
        geo_id, numerator, denominator, value (the rate, null where the denominator is zero), sampling_se,
        allocation_se, se; and what is unmatched of either, told apart by the column `part`.
    """
    top, bottom = interpolate_counts(crosswalk, numerator, by), interpolate_counts(crosswalk, denominator, by)
    keys = [*by, "geo_id"]
    both = top.values.select(*keys, numerator="value", n_se="sampling_se").join(
        bottom.values.select(*keys, denominator="value", d_se="sampling_se"), on=keys
    )
    rates = both.with_columns(
        value=pl.when(pl.col("denominator") > 0).then(pl.col("numerator") / pl.col("denominator")),
        sampling_se=pl.when(pl.col("d_se").is_not_null()).then(
            proportion_moe(pl.col("numerator"), pl.col("denominator"), pl.col("n_se"), pl.col("d_se"))
        ),
    )
    sources = numerator.select(*keys, n=pl.col("value").cast(pl.Float64)).join(
        denominator.select(*keys, d=pl.col("value").cast(pl.Float64)), on=keys
    )
    moved = (
        crosswalk.weights.rename({"from_id": "geo_id"})
        .join(sources, on="geo_id")
        .join(rates.select(*by, "value", "denominator", to_id="geo_id"), on=[*by, "to_id"])
        .with_columns(step=pl.col("weight_se") * (pl.col("n") - pl.col("value") * pl.col("d")) / pl.col("denominator"))
        .group_by(*by, geo_id="to_id")
        .agg(allocation_se=(pl.col("step") ** 2).sum().sqrt())
    )
    values = rates.join(moved, on=keys, how="left").select(
        *keys,
        "numerator",
        "denominator",
        "value",
        "sampling_se",
        allocation_se=pl.when(pl.col("value").is_not_null()).then("allocation_se"),
        se=pl.when(pl.col("value").is_not_null()).then(
            (pl.col("sampling_se") ** 2 + pl.col("allocation_se") ** 2).sqrt()
        ),
    )
    parts = [
        found.unmatched.with_columns(part=pl.lit(part)) for part, found in (("numerator", top), ("denominator", bottom))
    ]
    return Interpolated(values.sort(keys), pl.concat(parts))
