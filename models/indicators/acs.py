"""Shares and values out of ACS cells, with the margins that belong to them."""

import re

import polars as pl

from models.engine.margins import proportion_moe, standard_error, sum_moe
from models.geography.counties import COUNTY_VINTAGE
from models.indicators.indicator import CELL, FRAME, AbsentError

TABLE = "core.census_acs5_county"
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
    estimate = pl.sum_horizontal(
        [sign * value for (sign, _), value in zip(parts, estimates, strict=True)], ignore_nulls=False
    )
    return estimate, sum_moe(estimates, [pl.col(f"{cell}_m") for _, cell in parts])


def _wide(acs: pl.DataFrame, cells: list[str]) -> pl.DataFrame:
    """One row a county and vintage, for the vintages that hold every cell; else AbsentError."""
    held = acs.filter(pl.col("cell").is_in(cells))
    by_vintage = held.group_by("vintage").agg(pl.col("cell").unique())
    whole = [vintage for vintage, found in by_vintage.iter_rows() if set(cells) <= set(found)]
    if not whole:
        have = set(held["cell"])
        lacking = [cell for cell in cells if cell not in have] or cells
        raise AbsentError(
            f"no landed vintage holds the ACS cells {', '.join(lacking)}",
            f"census_acs5/{COUNTY_VINTAGE}/county/{lacking[0][:-4]}.json",
        )
    keys = ["vintage", "period", "geo_id"]
    return (
        held.filter(pl.col("vintage").is_in(whole))
        .group_by(keys)
        .agg(
            *[pl.col("estimate").filter(pl.col("cell") == cell).first().alias(f"{cell}_e") for cell in cells],
            *[pl.col("moe").filter(pl.col("cell") == cell).first().alias(f"{cell}_m") for cell in cells],
            pl.col("annotation").drop_nulls().first().alias("note"),
            pl.col("snapshot_sha256").unique().sort().str.join(",").alias("snapshot_sha256"),
        )
        .sort(keys)
    )


def _frame(wide: pl.DataFrame) -> pl.DataFrame:
    return wide.rename({"period": "source_period"}).with_columns(period=pl.col("vintage")).select(*FRAME).cast(FRAME)


def share(acs: pl.DataFrame, numerator: str, denominator: str) -> pl.DataFrame:
    """numerator/denominator by county and vintage, with its standard error.

    A numerator that is the denominator less some cells (`S2801_C01_001-S2801_C01_014`) is one minus the
    share of those cells and has their error: the whole is not independent of its parts.

    Args:
        acs: rows of `core.census_acs5_county`.
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


def value(acs: pl.DataFrame, cell: str) -> pl.DataFrame:
    """A single cell that stands for itself, such as a median; never summed over areas."""
    wide = _wide(acs, [cell])
    return _frame(wide.with_columns(value=pl.col(f"{cell}_e"), se=standard_error(pl.col(f"{cell}_m"))))
