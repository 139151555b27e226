"""The SVI of every county, cell by cell against a plain reading of the rules in fractions and decimals."""

import csv
import math
from bisect import bisect_left
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.engine.evaluate import Evaluator
from models.engine.svi import REVERSED_2018, THEMES_2018, THEMES_2020, svi, svi_tree

DESIGNS = {"2018": (THEMES_2018, REVERSED_2018), "2020": (THEMES_2020, ())}
Cell = Decimal | None


def path_of(real_data: Path, year: str) -> Path:
    return real_data / "cdc_svi" / year / f"SVI_{year}_US_county_inputs.csv"


def read(real_data: Path, year: str) -> pl.DataFrame:
    return pl.read_csv(path_of(real_data, year), schema_overrides={"FIPS": pl.String})


def rank(cells: list[Cell], *, is_turned: bool = False) -> list[Cell]:
    known = sorted(cell for cell in cells if cell is not None)
    ranks: list[Cell] = []
    for cell in cells:
        if cell is None:
            ranks.append(None)
            continue
        share = Fraction(bisect_left(known, cell), len(known) - 1)
        share = 1 - share if is_turned else share
        ranks.append(Decimal(math.floor(share * 10_000 + Fraction(1, 2))) / 10_000)
    return ranks


def total(columns: list[list[Cell]]) -> list[Cell]:
    return [None if None in row else sum(row, Decimal(0)) for row in zip(*columns, strict=True)]


def plainly(path: Path, themes: dict[str, tuple[str, ...]], turned: tuple[str, ...]) -> dict[str, list[Cell]]:
    """CDC's columns from the text of the file."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(Decimal(row["E_TOTPOP"]) > 0 for row in rows)
    found: dict[str, list[Cell]] = {}
    for number, names in enumerate(themes.values(), start=1):
        for name in names:
            cells = [Decimal(row[f"EP_{name}"]) for row in rows]
            ranks = rank([None if cell == -999 else cell for cell in cells], is_turned=name in turned)
            found[f"EPL_{name}"] = ranks
            found[f"F_{name}"] = [None if x is None else Decimal(x >= Decimal("0.9")) for x in ranks]
        found[f"SPL_THEME{number}"] = total([found[f"EPL_{name}"] for name in names])
        found[f"RPL_THEME{number}"] = rank(found[f"SPL_THEME{number}"])
        found[f"F_THEME{number}"] = total([found[f"F_{name}"] for name in names])
    numbers = range(1, len(themes) + 1)
    found["SPL_THEMES"] = total([found[f"SPL_THEME{n}"] for n in numbers])
    found["RPL_THEMES"] = rank(found["SPL_THEMES"])
    found["F_TOTAL"] = total([found[f"F_THEME{n}"] for n in numbers])
    return found


@pytest.mark.parametrize("year", ["2018", "2020"])
def test_every_cell_is_that_of_the_plain_reading(year, real_data):
    themes, turned = DESIGNS[year]
    found = svi(read(real_data, year), themes, reversed=turned)
    expected = plainly(path_of(real_data, year), themes, turned)
    assert set(found.columns) == set(expected)
    wrong = [
        (column, row)
        for column, cells in expected.items()
        for row, (ours, theirs) in enumerate(zip(found[column], cells, strict=True))
        if ours != (None if theirs is None else float(theirs))
    ]
    assert wrong == []


def test_rio_arriba_lost_three_figures_and_keeps_the_rest(real_data):
    frame = read(real_data, "2018")
    found = svi(frame, THEMES_2018, reversed=REVERSED_2018).filter(frame["FIPS"] == "35039")
    gone = {name for name in found.columns if found[name][0] is None}
    assert gone == {
        *(f"{kind}_{name}" for kind in ("EPL", "F") for name in ("POV", "UNEMP", "PCI")),
        *(f"{kind}_THEME1" for kind in ("SPL", "RPL", "F")),
        *("SPL_THEMES", "RPL_THEMES", "F_TOTAL"),
    }
    whole = svi(frame, THEMES_2018, reversed=REVERSED_2018).filter(frame["FIPS"] != "35039")
    assert sum(whole.null_count().row(0)) == 0


@pytest.mark.parametrize("year", ["2018", "2020"])
def test_ranks_span_the_counties_of_the_nation(year, real_data):
    themes, turned = DESIGNS[year]
    frame = read(real_data, year)
    found = svi(frame, themes, reversed=turned)
    assert found.height == frame.height
    assert (found["RPL_THEMES"].min(), found["RPL_THEMES"].max()) == (0, 1)
    # One county in ten is flagged, but for ties at the border.
    flags = found.select(pl.col("^F_.*$").exclude("^F_T(HEME|OTAL).*$"))
    assert all(0.09 < share < 0.11 for share in flags.mean().row(0))


@pytest.mark.parametrize("year", ["2018", "2020"])
def test_a_state_is_ranked_among_its_own_counties(year, real_data):
    themes, turned = DESIGNS[year]
    frame = read(real_data, year)
    missouri = frame.filter(pl.col("FIPS").str.zfill(5).str.starts_with("29"))
    assert missouri.height == 115
    found = svi(missouri, themes, reversed=turned)
    # Ranks are 114ths, to four decimals.
    steps = found["RPL_THEMES"].drop_nulls().to_numpy() * 114
    assert np.abs(steps - steps.round()).max() < 114 * 0.00005 + 1e-9


@pytest.mark.parametrize("year", ["2018", "2020"])
def test_the_tree_ranks_as_the_published_method_but_for_rounding(year, real_data):
    themes, turned = DESIGNS[year]
    frame = read(real_data, year)
    tree = svi_tree(themes, reversed=turned)
    points = {leaf.id: frame[f"EP_{leaf.id}"].cast(pl.Float64).replace(-999.0, None).to_numpy() for leaf in tree.leaves}
    evaluation = Evaluator(tree, points).point()
    found = svi(frame, themes, reversed=turned)
    members = {**{f"THEME{n}": len(names) for n, names in enumerate(themes.values(), start=1)}}
    members["THEMES"] = sum(members.values())
    for name, size in members.items():
        sums = found[f"SPL_{name}"].to_numpy()
        score = evaluation.scores[name][0] * size / 100
        # Each rounded rank is off by half a ten-thousandth at most.
        assert np.nanmax(np.abs(score - sums)) <= size * 0.5e-4 + 1e-9
        assert (np.isnan(score) == np.isnan(sums)).all()
