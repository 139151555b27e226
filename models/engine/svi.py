"""CDC/ATSDR's Social Vulnerability Index from its published percentages, to the last digit.

Everything is counted in whole ten-thousandths, so that no binary fraction can push a half, or a sum
of four-decimal ranks, to the wrong side. The rules that decide digits:

- a rank is the share of the other areas with a lower value, over the areas that have the value;
- it is rounded to four decimals before anything else is done with it, halves up;
- for a reversed variable (income) the share is turned, not the value, because ties fall differently;
- a theme is ranked by the sum of its rounded ranks, all themes by the sum of the themes' sums;
- an area that lacks a variable has no sum and no rank of that theme and none of all, and no count of
  flags there either, but its other ranks and flags stand, and it is counted where it has a value;
- an area without people is taken out before ranking.

Source: Flanagan et al. 2011, J. Homel. Secur. Emerg. Manag. 8:3; CDC/ATSDR, SVI documentation 2018,
2020 and 2022; the rounding was found by reproducing published files.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from models.engine.margins import total
from models.engine.tree import Node, Recipe

Themes = Mapping[str, Sequence[str]]

MISSING = -999
"""What stands in CDC's files where there is no figure."""
UNIT = 10_000
"""Ten-thousandths: published ranks and sums have four decimals."""
FLAGGED = 9_000
"""The 90th percentile, from which an area is flagged."""

THEMES_2018: dict[str, tuple[str, ...]] = {
    "THEME1": ("POV", "UNEMP", "PCI", "NOHSDP"),
    "THEME2": ("AGE65", "AGE17", "DISABL", "SNGPNT"),
    "THEME3": ("MINRTY", "LIMENG"),
    "THEME4": ("MUNIT", "MOBILE", "CROWD", "NOVEH", "GROUPQ"),
}
REVERSED_2018 = ("PCI",)
"""Where more is less vulnerable."""
THEMES_2020: dict[str, tuple[str, ...]] = {
    "THEME1": ("POV150", "UNEMP", "HBURD", "NOHSDP", "UNINSUR"),
    "THEME2": ("AGE65", "AGE17", "DISABL", "SNGPNT", "LIMENG"),
    "THEME3": ("MINRTY",),
    "THEME4": ("MUNIT", "MOBILE", "CROWD", "NOVEH", "GROUPQ"),
}
THEMES_2022 = THEMES_2020


def _judge(themes: Themes, reversed_: Sequence[str]) -> list[str]:
    """All variables of all themes, in order."""
    if not themes or not all(themes.values()):
        raise ValueError("an SVI needs at least one theme, and every theme at least one variable")
    if any(isinstance(members, str) for members in themes.values()):
        raise ValueError("a theme is a list of variables, not the name of one")
    variables = [name for members in themes.values() for name in members]
    twice = [name for name, count in Counter(variables).items() if count > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)} stands twice: a variable belongs to exactly one theme")
    strange = [name for name in reversed_ if name not in variables]
    if strange:
        raise ValueError(f"{', '.join(strange)} is reversed but in no theme")
    return variables


def _values(frame: pl.DataFrame, variables: Sequence[str], population: str | None) -> pl.DataFrame:
    """`EP_` columns as numbers: null where CDC has none, and in rows without people."""
    needed = [f"EP_{name}" for name in variables] + ([] if population is None else [population])
    lacking = [name for name in needed if name not in frame.columns]
    if lacking:
        raise ValueError(f"the table lacks the columns {', '.join(lacking)}")
    words = [name for name in needed if not (frame.schema[name].is_numeric() or frame.schema[name] == pl.Null)]
    if words:
        raise ValueError(f"{', '.join(words)} must hold numbers, not {frame.schema[words[0]]}")
    is_ranked = pl.lit(True) if population is None else (pl.col(population) != 0).fill_null(True)
    values = frame.select(is_ranked.alias("is_ranked"), *(pl.col(f"EP_{name}").cast(pl.Float64) for name in variables))
    return values.select(
        pl.when(pl.col("is_ranked") & (pl.col(name) != MISSING)).then(pl.col(name).fill_nan(None)).alias(name)
        for name in values.columns[1:]
    )


def _rank(column: str, *, is_turned: bool = False) -> pl.Expr:
    """Share of the others below, in ten-thousandths, halves up: floor(x + 1/2) = (2 below unit + others) // (2 others).

    Null without a value, and for everyone where only one area has one.
    """
    others = pl.col(column).count().cast(pl.Int64) - 1
    below = pl.col(column).rank("min").cast(pl.Int64) - 1
    if is_turned:
        below = others - below
    return pl.when(others > 0).then((2 * UNIT * below + others) // (2 * others))


def _sum(columns: Sequence[str]) -> pl.Expr:
    """Null if any is null."""
    return total([pl.col(column) for column in columns])


def _decimal(counted: pl.Series) -> pl.Series:
    """Ten-thousandths as the number that stands in a file: 938 as 0.0938.

    NumPy divides; Polars multiplies by the reciprocal of a number, which gives 0.09380000000000001.
    """
    return pl.Series(counted.name, counted.cast(pl.Float64).to_numpy() / UNIT, nan_to_null=True)


def svi(
    frame: pl.DataFrame,
    themes: Themes,
    *,
    reversed: Sequence[str] = (),  # noqa: A002 - CDC's word for it
    population: str | None = "E_TOTPOP",
) -> pl.DataFrame:
    """Ranks, sums and flags of the SVI, equal to CDC's to the last digit.

    Args:
        frame: a column `EP_<variable>` for each variable, as published (one decimal; dollars for PCI).
            -999, null and NaN are no value.
        themes: theme to its variables, such as THEMES_2020. Themes are numbered in this order, whatever
            their names.
        reversed: variables where more is less vulnerable, such as REVERSED_2018.
        population: column of persons; rows with 0 are not ranked and get nulls. None ranks every row.

    Returns:
        One row for each row of the frame, in its order, under CDC's names and in CDC's order: for each
        theme EPL_<variable>, SPL_THEMEn and RPL_THEMEn; SPL_THEMES and RPL_THEMES; for each theme
        F_<variable> and F_THEMEn; F_TOTAL. Ranks and sums are Float64 with four decimals, higher = more
        vulnerable; flags are Int64, 1 where the rank is 0.9 or more. Null where CDC writes -999.

    Raises:
        ValueError: a column is missing or holds no numbers, a theme is empty, or a variable stands twice
            or is reversed without being in a theme.
    """
    variables = _judge(themes, reversed)
    values = _values(frame, variables, population)
    counted = values.select(_rank(f"EP_{name}", is_turned=name in reversed).alias(f"EPL_{name}") for name in variables)
    members = {f"THEME{number}": list(names) for number, names in enumerate(themes.values(), start=1)}
    counted = counted.with_columns(
        *(_sum([f"EPL_{name}" for name in names]).alias(f"SPL_{theme}") for theme, names in members.items()),
        *((pl.col(f"EPL_{name}") >= FLAGGED).cast(pl.Int64).alias(f"F_{name}") for name in variables),
    )
    counted = counted.with_columns(
        _sum([f"SPL_{theme}" for theme in members]).alias("SPL_THEMES"),
        *(_sum([f"F_{name}" for name in names]).alias(f"F_{theme}") for theme, names in members.items()),
    )
    counted = counted.with_columns(
        *(_rank(f"SPL_{theme}").alias(f"RPL_{theme}") for theme in (*members, "THEMES")),
        _sum([f"F_{theme}" for theme in members]).alias("F_TOTAL"),
    )
    ranks = [
        column
        for theme, names in members.items()
        for column in (*(f"EPL_{name}" for name in names), f"SPL_{theme}", f"RPL_{theme}")
    ]
    flags = [column for theme, names in members.items() for column in (*(f"F_{name}" for name in names), f"F_{theme}")]
    decimals = [_decimal(counted[column]) for column in (*ranks, "SPL_THEMES", "RPL_THEMES")]
    return pl.DataFrame([*decimals, *counted.select(*flags, "F_TOTAL")])


def svi_tree(themes: Themes, *, reversed: Sequence[str] = ()) -> Node:  # noqa: A002 - as in `svi`
    """The SVI as an index of the engine, so that draws can go through it.

    Leaves carry the names of the variables, themes their names and the root is THEMES. A theme is the
    mean of its variables' ranks (0 to 100, not rounded), all themes the mean weighted by their numbers
    of variables: areas come in the order of SVI's sums before rounding, and an area that lacks
    a variable has no score, as in CDC's files.

    Raises:
        ValueError: as `svi`, for what concerns the themes.
    """
    _judge(themes, reversed)
    ranked = Recipe(normalisation="percentile_min", weighting="equal", missing="null_if_any")
    nodes = tuple(
        Node(
            theme,
            weight=float(len(names)),
            children=tuple(Node(name, direction=-1 if name in reversed else 1) for name in names),
            recipe=ranked,
        )
        for theme, names in themes.items()
    )
    return Node("THEMES", children=nodes, recipe=Recipe(normalisation="none", missing="null_if_any"))
