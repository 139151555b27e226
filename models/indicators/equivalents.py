"""The same share from other cells, or from CDC's copy of them, where the declared ones were not landed.

Who pulled the files pulled one table and not its twin, or CDC published the shares and nobody the cells. Which stand
behind a row is said in its note and its snapshots.
"""

import math
import re

import polars as pl

from models.engine.margins import Z90
from models.indicators import acs
from models.indicators.indicator import CELL, AbsentError, Indicator, Inputs, framed

SVI_TABLE = "core.cdc_svi_county"
_ROUNDING = 0.001 / math.sqrt(12)
"""Standard deviation of what rounding to a tenth of a per cent takes away: CDC rounds shares and their margins."""


def over_income(table: str, brackets: int, line: int) -> list[str]:
    """The same line of each income bracket of B25074 and B25095, which repeat every nine cells."""
    return [f"{table}_{line + 9 * bracket:03d}" for bracket in range(brackets)]


def burden(table: str, brackets: int) -> tuple[str, str]:
    """Households that pay half their income or more, and those for whom it is computed: B25074 or B25095."""
    known = "-".join((f"{table}_001", *over_income(table, brackets, 10)))
    return "+".join(over_income(table, brackets, 9)), known


OTHER_CELLS = {
    "severe_rent_burden_share": burden("B25074", 7),
    "no_vehicle_share": ("B08201_002", "B08201_001"),
    "no_diploma_share": ("S1501_C01_006-S1501_C01_014", "S1501_C01_006"),
}
"""Numerator and denominator of the same share in another table, by indicator."""
SVI = {
    "below_150_share": "POV150",
    "unemployment_share": "UNEMP",
    "no_vehicle_share": "NOVEH",
    "crowded_share": "CROWD",
    "no_diploma_share": "NOHSDP",
}
"""Inputs of CDC's Social Vulnerability Index that are the same share of counties, by indicator."""


def cells(indicator: Indicator) -> tuple[str, ...]:
    """ACS cells that an indicator can be computed from: those it declares, and those of its equivalent."""
    declared = " ".join(OTHER_CELLS.get(indicator.id, ()))
    return tuple(dict.fromkeys((*indicator.cells, *re.findall(CELL, declared))))


def shares(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The share that an indicator declares; of levels and vintages without its cells, from its equivalents.

    Args:
        tables: core tables by key, those of `acs.LEVELS` and `SVI_TABLE`.
        this: the declaration, with an entry in `OTHER_CELLS`, in `SVI` or in both.

    Returns:
        Rows as `FRAME` declares. A level and vintage has all its rows from one table.

    Raises:
        AbsentError: none of them was landed.
    """
    found, gone = [], []
    try:
        found.append(acs.shares(tables, this))
    except AbsentError as error:
        gone.append(error)
    if this.id in OTHER_CELLS:
        numerator, denominator = OTHER_CELLS[this.id]
        table = acs.terms(numerator)[0][1][:-4]
        note = f"from {table}, the same share in another table"
        try:
            rows = acs.figures_of(tables, this, cells(this))
            found.append(_noted(acs.share(rows, numerator, denominator), note))
        except AbsentError as error:
            gone.append(error)
    if this.id in SVI:
        note = f"CDC's copy of the survey, {SVI[this.id]} of the Social Vulnerability Index, rounded to 0.1 %"
        found.append(_noted(_svi(tables[SVI_TABLE], SVI[this.id]), note))
    if not sum(frame.height for frame in found):
        raise gone[0]
    kept = found[0]
    for frame in found[1:]:
        kept = pl.concat([kept, frame.join(kept, on=["geo_level", "vintage"], how="anti")])
    return kept


def _noted(frame: pl.DataFrame, note: str) -> pl.DataFrame:
    return frame.with_columns(note=pl.concat_str(pl.lit(note), pl.col("note"), separator="; ", ignore_nulls=True))


def _svi(svi: pl.DataFrame, variable: str) -> pl.DataFrame:
    """Shares of counties with their errors, widened by what rounding takes away: a margin of 0.000 is no certainty."""
    rows = svi.filter((pl.col("variable") == variable) & (pl.col("geo_level") == "county"))
    se = ((pl.col("share_moe") / Z90) ** 2 + 2 * _ROUNDING**2).sqrt()
    return framed(
        rows.select(
            "geo_level",
            "geo_id",
            "vintage",
            "snapshot_sha256",
            period=pl.col("vintage"),
            source_period=pl.col("period"),
            value=pl.col("share"),
            se=pl.when(pl.col("share").is_not_null()).then(se),
        )
    )
