"""One population added over several areas, as a service area needs it: with its error, and with what it cannot know."""

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from models.decisions.population_registry import PopulationError, refuse_overlap
from models.engine.margins import sum_moe

BOUNDED = ("homeless_students", "youth_in_foster_care")
"""Populations whose bounds are a publisher's suppression, not sampling: bounds add, margins do not."""
_NEEDED = ("geo_level", "geo_id", "population_id", "count", "count_lower", "count_upper", "universe_count", "status")


@dataclass(frozen=True)
class AreaSum:
    """A population of several areas together.

    `count` is null where a part is withheld or missing; `count_lower` then holds what is known of the others, and
    `count_upper` is null. `not_counted` are the parts without a count. The rate's interval leaves the error of the
    universe aside and is wider for it.
    """

    population_id: str
    count: float | None
    count_lower: float | None
    count_upper: float | None
    universe_count: float | None
    rate: float | None
    rate_lower: float | None
    rate_upper: float | None
    status: str
    reason: str | None
    not_counted: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        """The columns of decision.populations that a sum has."""
        return {name: value for name, value in asdict(self).items() if name != "not_counted"}


def sum_areas(rows: pl.DataFrame) -> AreaSum:
    """Add one population over areas of one level that do not overlap.

    Errors of estimates add as the root of the sum of squares; of estimates of zero only the largest margin counts,
    as the Census Bureau advises. Bounds that come from suppression add as they are.

    Args:
        rows: rows of decision.populations.

    Raises:
        PopulationError: no rows, several populations, several levels, an area twice, releases that differ, or school
            districts, which lie on the same ground in layers.
    """
    _refuse(rows)
    population_id = str(rows["population_id"][0])
    known = rows.drop_nulls("count")
    not_counted = tuple(sorted(rows.filter(pl.col("count").is_null())["geo_id"]))
    lower, total, upper = _interval(known, population_id)
    if not_counted:
        reason = f"not counted in {', '.join(not_counted)}: the number is of the other areas at least"
        least = lower if known.height else None
        return AreaSum(population_id, None, least, None, None, None, None, None, "withheld", reason, not_counted)
    universe = float(rows["universe_count"].sum()) if rows["universe_count"].null_count() == 0 else None

    def share(part: float | None) -> float | None:
        return min(part / universe, 1.0) if universe and part is not None else None

    is_ok = bool((rows["status"] == "ok").all())
    return AreaSum(
        population_id,
        total,
        lower,
        upper,
        universe,
        share(total),
        share(lower),
        share(upper),
        "ok" if is_ok else "caution",
        None if is_ok else "a part of it is to be used with caution",
        (),
    )


def _refuse(rows: pl.DataFrame) -> None:
    if lacking := [name for name in _NEEDED if name not in rows.columns]:
        raise PopulationError(f"rows of decision.populations are needed, but lack {', '.join(lacking)}")
    if rows.is_empty():
        raise PopulationError("no rows to add: give those of one population in several areas")
    groups = sorted(rows["population_id"].unique())
    refuse_overlap(groups)
    if len(groups) > 1:
        raise PopulationError(f"one population at a time is added over areas, not {', '.join(groups)}")
    if rows["geo_level"].n_unique() > 1 or rows["geo_level"][0] == "school_district":
        raise PopulationError("areas that are added must be of one level, and not school districts: layers overlap")
    if rows["geo_id"].n_unique() < rows.height:
        raise PopulationError(f"{groups[0]}: an area stands twice among those that are added")
    told = rows.drop_nulls("count")
    for name in ("vintage", "period"):
        if name in told.columns and told[name].n_unique() > 1:
            raise PopulationError(
                f"{groups[0]}: counts of different releases are never added: {name} {', '.join(sorted(told[name]))}"
            )


def _interval(known: pl.DataFrame, population_id: str) -> tuple[float | None, float, float | None]:
    total = float(known["count"].sum())
    if known.select(pl.any_horizontal(pl.col("count_lower", "count_upper").is_null()).any()).item():
        return None, total, None
    if population_id in BOUNDED:
        return float(known["count_lower"].sum()), total, float(known["count_upper"].sum())
    counts = [pl.lit(value) for value in known["count"]]
    margins = [pl.lit(value) for value in (known["count_upper"] - known["count"])]
    half = float(pl.select(sum_moe(counts, margins)).item()) if counts else 0.0
    return max(total - half, 0.0), total, total + half
