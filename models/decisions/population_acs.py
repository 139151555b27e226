"""Populations out of ACS cells: counts and rates with the margins that belong to them, at every level that has them."""

from collections.abc import Iterator, Sequence

import polars as pl

from models.decisions.population_registry import Population
from models.engine.margins import Z90, proportion_moe, standard_error, sum_moe, total
from models.geography.counties import COUNTY_VINTAGE

COUNTED = pl.Schema(
    {
        "geo_level": pl.String,
        "geo_id": pl.String,
        "population_id": pl.String,
        "count": pl.Float64,
        "count_lower": pl.Float64,
        "count_upper": pl.Float64,
        "universe_count": pl.Float64,
        "rate": pl.Float64,
        "rate_lower": pl.Float64,
        "rate_upper": pl.Float64,
        "interval": pl.String,
        "is_withheld": pl.Boolean,
        "note": pl.String,
        "period": pl.String,
        "vintage": pl.String,
        "snapshot_sha256": pl.String,
    }
)
"""What a counting function returns. `interval` says what the bounds are: `sampling`, a 90 % interval of an estimate;
`bounds`, what a publisher's suppression leaves open; `exact`, a count without an error of its own; `none`."""


def counted(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows as `COUNTED` declares: what a frame lacks is null, and nothing is withheld unless it says so."""
    lacking = [pl.lit(False if name == "is_withheld" else None).alias(name) for name in COUNTED if name not in frame]
    return frame.with_columns(lacking).select(*COUNTED).cast(COUNTED)


def count_acs(acs: pl.DataFrame, populations: Sequence[Population]) -> tuple[pl.DataFrame, dict[str, str]]:
    """Every population that ACS cells count, for every area that the cells are held for.

    Args:
        acs: rows of core.census_acs5_county, core.census_acs5_district or geography.acs_area: vintage, period,
            geo_level, geo_id, table_id, cell, estimate, moe, snapshot_sha256.
        populations: those with a numerator.

    Returns:
        Rows as `COUNTED` declares, from the newest vintage that holds all of a numerator, and by population the file
        that would bring it, for those whose numerator no vintage of any level holds.
    """
    wide = {key: (group, _wide(group)) for key, group in _newest_first(acs)}
    frames, missing = [pl.DataFrame(schema=COUNTED)], {}
    for population in populations:
        done: set[str] = set()
        for (level, _), (long, frame) in wide.items():
            if level in population.levels and level not in done and _holds(frame, population.top):
                done.add(level)
                frames.append(_count(frame, long, population))
        if not done:
            held = {cell for _, frame in wide.values() for cell in population.top if _holds(frame, [cell])}
            lacking = next((cell for cell in population.top if cell not in held), population.top[0])
            missing[population.id] = f"census_acs5/{COUNTY_VINTAGE}/county/{lacking.rsplit('_', 1)[0]}.json"
    return pl.concat(frames), missing


def _newest_first(acs: pl.DataFrame) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    groups = {(str(key[0]), str(key[1])): group for key, group in acs.group_by("geo_level", "vintage")}
    yield from sorted(groups.items(), key=lambda item: item[0], reverse=True)


def _wide(long: pl.DataFrame) -> pl.DataFrame:
    return long.pivot("cell", index=["geo_level", "geo_id", "vintage", "period"], values=["estimate", "moe"])


def _holds(frame: pl.DataFrame, cells: Sequence[str]) -> bool:
    return all(_column(frame, "estimate", cell) in frame.columns for cell in cells)


def _column(frame: pl.DataFrame, figure: str, cell: str) -> str:
    """The name that a pivot gives a cell's figure."""
    return f"{figure}_{cell}"


def summed(cells: Sequence[str]) -> tuple[pl.Expr, pl.Expr]:
    """Estimate and margin of a sum of cells; null as soon as one is."""
    estimates = [pl.col(f"estimate_{cell}") for cell in cells]
    return total(estimates), sum_moe(estimates, [pl.col(f"moe_{cell}") for cell in cells])


def _count(frame: pl.DataFrame, long: pl.DataFrame, population: Population) -> pl.DataFrame:
    x, moe_x = summed(population.top)
    used = [*population.top, *(population.bottom if _holds(frame, population.bottom) else [])]
    files = long.filter(pl.col("cell").is_in(used))["snapshot_sha256"].str.split(",").explode().unique().sort()
    nothing = pl.lit(None, dtype=pl.Float64)
    universe, rate, half_rate = nothing, nothing, nothing
    note: pl.Expr = pl.lit(None, dtype=pl.String)
    if population.bottom and _holds(frame, population.bottom):
        y, moe_y = summed(population.bottom)
        universe, rate = y, pl.when(y > 0).then(x / y)
        half_rate = Z90 * standard_error(proportion_moe(x, y, moe_x, moe_y))
    elif population.bottom:
        lacking = next(cell for cell in population.bottom if not _holds(frame, [cell]))
        note = pl.when(x.is_not_null()).then(pl.lit(f"no rate: {lacking} is in no landed file of this vintage"))
    return counted(
        frame.select(
            "geo_level",
            "geo_id",
            "vintage",
            "period",
            population_id=pl.lit(population.id),
            count=x,
            count_lower=(x - moe_x).clip(0),
            count_upper=x + moe_x,
            universe_count=universe,
            rate=rate.clip(0, 1),
            rate_lower=(rate - half_rate).clip(0, 1),
            rate_upper=(rate + half_rate).clip(0, 1),
            interval=pl.when(moe_x.is_not_null()).then(pl.lit("sampling")).otherwise(pl.lit("none")),
            note=note,
            snapshot_sha256=pl.lit(",".join(files)),
        )
    )
