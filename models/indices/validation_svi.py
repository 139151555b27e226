"""CDC/ATSDR's Social Vulnerability Index as something to compare with: recomputed, and as published.

It is another index of conditions, made of much the same survey. It enters no index of ours; its theme 3 (and 2018 one
variable more) ranks places by the race and language of their people, and is here only to be compared with.
"""

from collections.abc import Iterator

import polars as pl

from models.engine.svi import REVERSED_2018, THEMES_2018, THEMES_2020, svi
from models.geography.counties import RENAMED

FIRST_OF_2020 = 2020
"""The first vintage of the design of 2020; that of 2018 stands for all before."""
OVERALL = "RPL_THEMES"
RANKS = (OVERALL, "RPL_THEME1", "RPL_THEME2", "RPL_THEME3", "RPL_THEME4")
RACE_THEME = "RPL_THEME3"
_POPULATION, _INCOME = "TOTPOP", "PCI"
_SCHEMA = {"vintage": pl.String, "measure": pl.String, "geo_id": pl.String, "value": pl.Float64}


def label(vintage: str, measure: str) -> str:
    """A rank of the SVI by name: `SVI 2020 overall`, `SVI 2020 theme 1`."""
    return f"SVI {vintage} {'overall' if measure == OVERALL else f'theme {measure[-1]}'}"


def _design(vintage: str) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    return (THEMES_2020, ()) if int(vintage) >= FIRST_OF_2020 else (THEMES_2018, REVERSED_2018)


def _wide(rows: pl.DataFrame, variables: list[str]) -> pl.DataFrame:
    """CDC's own columns, `EP_<variable>` and E_TOTPOP; percentages have one decimal, as in its files."""
    figure = (
        pl.when(pl.col("variable").is_in([_INCOME, _POPULATION]))
        .then(pl.col("estimate"))
        .otherwise((pl.col("share") * 100).round(1))
    )
    wide = rows.select("geo_id", "variable", figure=figure).pivot("variable", index="geo_id", values="figure")
    names = {name: f"EP_{name}" for name in variables} | {_POPULATION: "E_TOTPOP"}
    return wide.select("geo_id", *names).rename(names).sort("geo_id")


def _long(frames: Iterator[pl.DataFrame]) -> pl.DataFrame:
    found = [frame.select(*_SCHEMA) for frame in frames]
    return pl.concat(found) if found else pl.DataFrame(schema=_SCHEMA)


def recomputed(inputs: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, list[str]]]:
    """The ranks of every vintage by the preset, among all counties of its file.

    Args:
        inputs: `core.cdc_svi_county`.

    Returns:
        Rows of vintage, measure (RPL_THEMES and RPL_THEME1 to 4), geo_id of the declared county vintage where the
        county was only renamed, and value, 0 to 1, higher = more vulnerable, null where CDC has no rank. Then the
        variables that vintages lack, by vintage; those have no rows.
    """
    lacking: dict[str, list[str]] = {}

    def each() -> Iterator[pl.DataFrame]:
        for (vintage,), rows in inputs.sort("vintage").group_by(["vintage"], maintain_order=True):
            themes, turned = _design(str(vintage))
            variables = [name for members in themes.values() for name in members]
            there = set(rows["variable"])
            if gone := [name for name in (*variables, _POPULATION) if name not in there]:
                lacking[str(vintage)] = gone
                continue
            wide = _wide(rows, variables)
            ranks = svi(wide, themes, reversed=turned)
            table = pl.concat([wide.select(pl.col("geo_id").replace(RENAMED)), ranks.select(RANKS)], how="horizontal")
            yield table.unpivot(RANKS, index="geo_id", variable_name="measure").with_columns(vintage=pl.lit(vintage))

    return _long(each()), lacking


def published(index: pl.DataFrame) -> pl.DataFrame:
    """CDC's own ranks among the nation's counties, in the columns of `recomputed`.

    Args:
        index: `core.cdc_svi_county_index`.
    """
    rows = index.filter(pl.col("measure").is_in(RANKS) & (pl.col("ranked_within") == "nation"))
    return rows.with_columns(pl.col("geo_id").replace(RENAMED)).select(*_SCHEMA).sort("vintage", "measure", "geo_id")
