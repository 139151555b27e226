"""Layers of school districts: where elementary and high-school districts share the ground, one layer an age band."""

from collections.abc import Sequence

import polars as pl

from models.geography.crosswalk import Crosswalk, unmatched
from models.geography.interpolation import Interpolated, interpolate_counts

UNIFIED, ELEMENTARY, SECONDARY = LAYERS = ("unified", "elementary", "secondary")
AGE_BANDS = {"5-13": (UNIFIED, ELEMENTARY), "14-17": (UNIFIED, SECONDARY)}
"""The layers whose districts cover the ground once, for residents of these ages."""


class OverlapError(ValueError):
    """Residents of districts that cover the same ground would be counted twice."""


def layer_from_grades(lowest: pl.Expr, highest: pl.Expr) -> pl.Expr:
    """The layer of a district by the grades that it teaches; null where they do not say.

    Args:
        lowest: -1 prekindergarten, 0 kindergarten, 1 to 12.
        highest: likewise; above 12 beyond or ungraded.
    """
    return (
        pl.when((lowest <= 4) & (highest >= 10))
        .then(pl.lit(UNIFIED))
        .when((lowest <= 4) & (highest >= 5))
        .then(pl.lit(ELEMENTARY))
        .when((lowest >= 5) & (highest >= 10))
        .then(pl.lit(SECONDARY))
    )


def refuse_overlap(districts: pl.DataFrame) -> None:
    """Refuse districts of both lower and upper layers of one state.

    Args:
        districts: geo_id, layer.

    Raises:
        OverlapError: elementary and secondary districts of a state stand together.
    """
    by_state = districts.group_by(state=pl.col("geo_id").str.head(2)).agg(pl.col("layer").unique())
    both = by_state.filter(pl.col("layer").list.contains(ELEMENTARY) & pl.col("layer").list.contains(SECONDARY))
    if both.height:
        raise OverlapError(
            f"elementary and secondary districts of state {both['state'].sort().to_list()} cover the same ground: pick "
            f"a layer for an age band, {' or '.join(AGE_BANDS)}"
        )


def pick_layers(districts: pl.DataFrame, ages: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The districts that cover the ground once for an age band.

    Args:
        districts: geo_id, layer (null where it is not known), and any other columns.
        ages: one of `AGE_BANDS`.

    Returns:
        The districts of the band's layers, and the others as `UNMATCHED`, each with its reason.

    Raises:
        OverlapError: an age band that no set of layers covers once.
    """
    if ages not in AGE_BANDS:
        raise OverlapError(f"no layers cover the ages {ages} once: divide them into {' and '.join(AGE_BANDS)}")
    wanted = pl.col("layer").is_in(AGE_BANDS[ages])
    other = districts.filter(~wanted).sort("geo_id")
    unknown = districts.filter(pl.col("layer").is_null()).sort("geo_id")
    reason = f"of a layer that overlaps those for ages {ages}"
    return districts.filter(wanted), pl.concat(
        [
            unmatched("from", other["geo_id"], reason, weight=1.0),
            unmatched("from", unknown["geo_id"], "its layer is not known", weight=1.0),
        ]
    )


def interpolate_residents(
    crosswalk: Crosswalk, frame: pl.DataFrame, layers: pl.DataFrame, ages: str | None = None, by: Sequence[str] = ()
) -> Interpolated:
    """Carry residents of school districts over, each counted once.

    Pupils are enrolled in one district and may be added over layers (`interpolate_counts`); residents live in two.

    Args:
        crosswalk: districts to another level.
        frame: as `interpolate_counts`.
        layers: geo_id, layer.
        ages: the age band whose layers are used; None where the frame holds one layer already.

    Raises:
        OverlapError: overlapping layers and no age band.
    """
    known = frame.join(layers.select("geo_id", "layer"), on="geo_id", how="left")
    if ages is None:
        refuse_overlap(known)
        return interpolate_counts(crosswalk, frame, by)
    kept, left = pick_layers(known, ages)
    done = interpolate_counts(crosswalk, kept.drop("layer"), by)
    values = frame.select(*by, "geo_id", pl.col("value").cast(pl.Float64)).unique([*by, "geo_id"])
    aside = left.unique("id").join(values.rename({"geo_id": "id"}), on="id").select(done.unmatched.columns)
    return Interpolated(done.values, pl.concat([done.unmatched, aside.sort([*by, "id"])]))
