"""Shares, counts and values out of ACS cells, with the margins that belong to them, at every level that has them."""

import re
from collections.abc import Sequence
from functools import partial

import polars as pl

from models.engine.margins import proportion_moe, standard_error, sum_moe, total
from models.geography.areas import ACS_AREA
from models.geography.counties import COUNTY_VINTAGE
from models.indicators.indicator import CELL, AbsentError, Indicator, Inputs, framed, indicator

LEVELS = {
    "county": "core.census_acs5_county",
    "tract": "core.census_acs5_tract",
    "school_district": "core.census_acs5_district",
    "coc": ACS_AREA.key,
    "service_area": ACS_AREA.key,
}
"""Levels of ACS figures and their tables; a Continuum of Care or service area has the sums of its counties' cells."""
TABLE = LEVELS["county"]
TABLES = tuple(dict.fromkeys(LEVELS.values()))
ALL = tuple(LEVELS)
NO_SUMS = ("county", "tract", "school_district")
"""Levels of a median or a Gini index, which are never summed."""
COUNTS = ("county", "school_district", "coc", "service_area")
"""Levels of counts of people: a tract is too small for them."""
share_indicator = partial(indicator, unit="share", error="moe", levels=ALL, tables=TABLES)
"""Declares a share of ACS cells at all levels: what is the same for nearly all of them is said here."""
_TERM = re.compile(f"([+-]?)({CELL})")


def terms(expression: str) -> list[tuple[int, str]]:
    """Read `B25070_001-B25070_011` as signed cells.

    Raises:
        ValueError: there is more in the expression than cells, plus and minus.
    """
    compact = expression.replace(" ", "")
    if not re.fullmatch(f"(?:{_TERM.pattern})+", compact):
        raise ValueError(f"{expression!r} is no sum of ACS cells")
    return [(-1 if sign == "-" else 1, cell) for sign, cell in _TERM.findall(compact)]


def _sum(parts: list[tuple[int, str]]) -> tuple[pl.Expr, pl.Expr]:
    """Estimate and margin of a signed sum of cells in a wide frame."""
    estimates = [pl.col(f"{cell}_e") for _, cell in parts]
    estimate = total([sign * value for (sign, _), value in zip(parts, estimates, strict=True)])
    return estimate, sum_moe(estimates, [pl.col(f"{cell}_m") for _, cell in parts])


def _wide(acs: pl.DataFrame, cells: list[str]) -> pl.DataFrame:
    """One row an area and vintage, for the levels and vintages that hold every cell; else AbsentError."""
    held = acs.filter(pl.col("cell").is_in(cells))
    by_vintage = held.group_by("geo_level", "vintage").agg(n=pl.col("cell").n_unique())
    whole = by_vintage.filter(pl.col("n") == len(set(cells)))
    if whole.is_empty():
        have = set(held["cell"])
        lacking = [cell for cell in cells if cell not in have] or cells
        raise AbsentError(
            f"no landed vintage holds the ACS cells {', '.join(lacking)}",
            f"census_acs5/{COUNTY_VINTAGE}/county/{lacking[0][:-4]}.json",
        )
    keys = ["vintage", "period", "geo_level", "geo_id"]
    return (
        held.join(whole, on=["geo_level", "vintage"], how="semi")
        .group_by(keys)
        .agg(
            *[pl.col("estimate").filter(pl.col("cell") == cell).first().alias(f"{cell}_e") for cell in cells],
            *[pl.col("moe").filter(pl.col("cell") == cell).first().alias(f"{cell}_m") for cell in cells],
            pl.col("annotation").drop_nulls().first().alias("note"),
            pl.col("snapshot_sha256").str.split(",").explode().unique().sort().str.join(",").alias("snapshot_sha256"),
        )
        .sort(keys)
    )


def _frame(wide: pl.DataFrame) -> pl.DataFrame:
    return framed(wide.rename({"period": "source_period"}).with_columns(period=pl.col("vintage")))


def figures(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The rows of an indicator's cells at all its levels, out of the tables of `LEVELS`."""
    return figures_of(tables, this, this.cells)


def figures_of(tables: Inputs, this: Indicator, cells: Sequence[str]) -> pl.DataFrame:
    """The rows of other cells than those that an indicator declares, at its levels."""
    columns = ["vintage", "period", "geo_level", "geo_id", "cell", "estimate", "moe", "annotation", "snapshot_sha256"]
    wanted = dict.fromkeys(LEVELS[level] for level in this.levels if LEVELS.get(level) in tables)
    asked = pl.col("cell").is_in(cells) & pl.col("geo_level").is_in(this.levels)
    return pl.concat([tables[key].filter(asked).select(columns) for key in wanted])


def share(acs: pl.DataFrame, numerator: str, denominator: str) -> pl.DataFrame:
    """numerator/denominator by area and vintage, with its standard error.

    A numerator that is the denominator less some cells (`S2801_C01_001-S2801_C01_014`) is one minus the
    share of those cells and has their error: the whole is not independent of its parts.

    Args:
        acs: rows of the tables of `LEVELS`.
        numerator: signed cells that are parts of the denominator.
        denominator: signed cells.

    Returns:
        Rows as `FRAME` declares; null where the denominator is zero or a cell has no estimate.

    Raises:
        AbsentError: no vintage holds all cells.
    """
    top, bottom = terms(numerator), terms(denominator)
    wide = _wide(acs, list(dict.fromkeys(cell for _, cell in top + bottom)))
    is_rest = set(bottom) < set(top)
    parts = [(-sign, cell) for sign, cell in top if (sign, cell) not in bottom] if is_rest else top
    (x, moe_x), (y, moe_y) = _sum(parts), _sum(bottom)
    value = pl.when(y > 0).then(x / y).otherwise(None)
    return _frame(
        wide.with_columns(
            value=(1 - value if is_rest else value).clip(0, 1),
            se=standard_error(proportion_moe(x, y, moe_x, moe_y)),
        )
    )


def shares(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The share that an indicator declares, at all its levels; see `share`."""
    return share(figures(tables, this), this.numerator, this.denominator)


def counts(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The sum of an indicator's numerator cells with its standard error, at all its levels."""
    parts = terms(this.numerator)
    wide = _wide(figures(tables, this), [cell for _, cell in parts])
    count, moe = _sum(parts)
    return _frame(wide.with_columns(value=count.clip(0), se=standard_error(moe)))


def values(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """A single cell that stands for itself, such as a median; never summed over areas."""
    wide = _wide(figures(tables, this), [this.numerator])
    return _frame(
        wide.with_columns(value=pl.col(f"{this.numerator}_e"), se=standard_error(pl.col(f"{this.numerator}_m")))
    )
