"""What an index is computed from: the values of its indicators and the draws that their errors make."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine.errors import Drawer, Fixed, Normal, PublishedInterval
from models.indicators.assemble import AbsentPart, posterior
from models.indicators.indicator import BOUNDS, Indicator
from models.indices.spec import IndexSpec, MemberSpec

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Members:
    """The indicators under an index, for all areas of the reference population (n,).

    Args:
        points: indicator -> values that the index uses (shrunken where they have margins), NaN where there
            is none. A value whose error nobody published counts as missing: it must not look the surest of all.
        direct: indicator -> values as they follow from the publisher's figures alone, for the same areas.
        drawers: one for each indicator, of what its true value may be.
        redraws: one for each indicator, of what the publisher might have found instead.
        periods: indicator -> the period taken.
        absent: members without any value that the index may use, and why.
        quality: indicator -> quality of each value, NaN where there is none.
    """

    points: dict[str, Vector]
    direct: dict[str, Vector]
    drawers: list[Drawer]
    redraws: list[Drawer]
    periods: dict[str, str]
    absent: list[AbsentPart]
    quality: dict[str, Vector]


def _newest(frame: pl.DataFrame, spec: IndexSpec, member: MemberSpec) -> pl.DataFrame:
    """The newest period with any value that is neither after the reference year nor too old."""
    year = pl.col("period").cast(pl.Int64)
    fresh = frame.filter(
        (year <= spec.reference_year)
        & (year >= spec.reference_year - member.max_age_years)
        & pl.col("value").is_not_null()
    )
    return frame.filter(pl.col("period") == fresh["period"].max()) if fresh.height else frame.clear()


def _why_absent(values: pl.DataFrame, indicator_id: str, member: MemberSpec) -> str:
    newest = values.filter(pl.col("value").is_not_null())["period"].max()
    if newest is None:
        return f"indicator.{indicator_id} has no value"
    return f"its newest value is of {newest!s}, and the index takes none older than {member.max_age_years} years"


def _vector(frame: pl.DataFrame, column: str) -> Vector:
    return frame[column].cast(pl.Float64).to_numpy().astype(float)


def _drawer(indicator: Indicator, frame: pl.DataFrame, usable: NDArray[np.bool_]) -> Drawer:
    """Draws of what has margins come from its posterior, of what is a model's already from its published interval."""
    if not usable.any():
        return Fixed(indicator.id, np.full(usable.size, np.nan))
    if indicator.is_shrunk:
        return posterior(indicator, frame)
    value, lower, upper = (np.where(usable, _vector(frame, f"value{end}"), np.nan) for end in ("", "_lower", "_upper"))
    return PublishedInterval(indicator.id, value, lower, upper, support=BOUNDS[indicator.unit])


def _redrawn(indicator: Indicator, frame: pl.DataFrame, usable: NDArray[np.bool_]) -> Drawer | None:
    """The published figures redrawn by their own error; None where the posterior draws are just that."""
    if indicator.error != "moe" or not usable.any():
        return None
    direct, se = (np.where(usable, _vector(frame, name), np.nan) for name in ("value_direct", "se"))
    lower, upper = BOUNDS[indicator.unit]
    return Normal(indicator.id, direct, se, lower, upper)


def gather(
    spec: IndexSpec,
    specs: Mapping[str, IndexSpec],
    indicators: Mapping[str, Indicator],
    values: Mapping[str, pl.DataFrame],
    population: pl.DataFrame,
) -> Members:
    """Everything under an index, through the indices inside it, each member by its own index's year and age.

    Args:
        values: tables `indicator.<id>` by id.
        population: the reference population (geo_id), in order of id.
    """
    found = Members({}, {}, [], [], {}, [], {})
    for member in spec.members:
        if member.is_index:
            inner = gather(specs[member.id], specs, indicators, values, population)
            for mine, theirs in (
                (found.points, inner.points),
                (found.direct, inner.direct),
                (found.quality, inner.quality),
            ):
                mine.update(theirs)
            found.periods.update(inner.periods)
            found.drawers.extend(inner.drawers)
            found.redraws.extend(inner.redraws)
            continue
        newest = _newest(values[member.id], spec, member)
        if newest.is_empty():
            reason = (
                f"member with {member.weight:g} of the weight is absent for every county: "
                f"{_why_absent(values[member.id], member.id, member)}; coverage counts it as unobserved"
            )
            found.absent.append(AbsentPart(f"risk.{spec.id}.{member.id}", reason, None))
        else:
            found.periods[member.id] = newest["period"][0]
        frame = population.select("geo_id").join(newest, on="geo_id", how="left", maintain_order="left")
        value, direct = _vector(frame, "value"), _vector(frame, "value_direct")
        usable = (
            np.isfinite(value) & np.isfinite(_vector(frame, "value_lower")) & np.isfinite(_vector(frame, "value_upper"))
        )
        found.points[member.id] = np.where(usable, value, np.nan)
        found.direct[member.id] = np.where(usable, direct, np.nan)
        found.quality[member.id] = _vector(frame, "quality")
        drawer = _drawer(indicators[member.id], frame, usable)
        found.drawers.append(drawer)
        found.redraws.append(_redrawn(indicators[member.id], frame, usable) or drawer)
    return found
