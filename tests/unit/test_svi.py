import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.engine.evaluate import Evaluator
from models.engine.svi import REVERSED_2018, THEMES_2018, THEMES_2020, THEMES_2022, svi, svi_tree
from models.engine.tree import judge

Cell = Decimal | None


def table(population: list[int] | None = None, **values: list[float | None]) -> pl.DataFrame:
    columns: dict[str, list] = {f"EP_{name}": cells for name, cells in values.items()}
    if population is not None:
        columns["E_TOTPOP"] = population
    return pl.DataFrame(columns, strict=False)


def one(cells: list[float | None], *, is_turned: bool = False) -> list[float | None]:
    """Published rank of a single variable."""
    found = svi(table(X=cells), {"T": ["X"]}, reversed=["X"] if is_turned else [], population=None)
    return found["EPL_X"].to_list()


# --- by hand ----------------------------------------------------------------------------------------------


def test_a_small_index_by_hand():
    # Variable A   1.0  2.0  2.0  4.0  5.0   below: 0 1 1 3 4 of 4 others -> 0, .25, .25, .75, 1
    # Variable B   9.0  9.0  7.0  1.0  2.0   below: 3 3 2 0 1             -> .75, .75, .5, 0, .25
    # Theme 1      A + B                       sums .75, 1.00, .75, .75, 1.25; below 0 3 0 0 4
    # Variable C   3.0  1.0  2.0  5.0  4.0                                 -> .5, 0, .25, 1, .75
    # Theme 2      C
    # All          theme sums                  1.25, 1.00, 1.00, 1.75, 2.00; below 2 0 0 3 4
    frame = table(
        [10, 10, 10, 10, 10],
        A=[1.0, 2.0, 2.0, 4.0, 5.0],
        B=[9.0, 9.0, 7.0, 1.0, 2.0],
        C=[3.0, 1.0, 2.0, 5.0, 4.0],
    )
    found = svi(frame, {"one": ["A", "B"], "two": ["C"]})
    assert found.to_dict(as_series=False) == {
        "EPL_A": [0, 0.25, 0.25, 0.75, 1],
        "EPL_B": [0.75, 0.75, 0.5, 0, 0.25],
        "SPL_THEME1": [0.75, 1, 0.75, 0.75, 1.25],
        "RPL_THEME1": [0, 0.75, 0, 0, 1],
        "EPL_C": [0.5, 0, 0.25, 1, 0.75],
        "SPL_THEME2": [0.5, 0, 0.25, 1, 0.75],
        "RPL_THEME2": [0.5, 0, 0.25, 1, 0.75],
        "SPL_THEMES": [1.25, 1, 1, 1.75, 2],
        "RPL_THEMES": [0.5, 0, 0, 0.75, 1],
        "F_A": [0, 0, 0, 0, 1],
        "F_B": [0, 0, 0, 0, 0],
        "F_THEME1": [0, 0, 0, 0, 1],
        "F_C": [0, 0, 0, 1, 0],
        "F_THEME2": [0, 0, 0, 1, 0],
        "F_TOTAL": [0, 0, 0, 1, 1],
    }


def test_columns_stand_in_the_order_of_the_published_file():
    frame = pl.DataFrame({f"EP_{name}": [1.0, 2.0] for names in THEMES_2020.values() for name in names})
    names = svi(frame, THEMES_2020, population=None).columns
    assert names[:7] == [
        *("EPL_POV150", "EPL_UNEMP", "EPL_HBURD", "EPL_NOHSDP", "EPL_UNINSUR"),
        *("SPL_THEME1", "RPL_THEME1"),
    ]
    assert names[14:17] == ["EPL_MINRTY", "SPL_THEME3", "RPL_THEME3"]
    assert names[21:26] == ["EPL_GROUPQ", "SPL_THEME4", "RPL_THEME4", "SPL_THEMES", "RPL_THEMES"]
    assert names[26:32] == ["F_POV150", "F_UNEMP", "F_HBURD", "F_NOHSDP", "F_UNINSUR", "F_THEME1"]
    assert names[-3:] == ["F_GROUPQ", "F_THEME4", "F_TOTAL"]
    assert len(names) == 16 * 2 + 4 * 3 + 3


def test_halves_go_up():
    # 257 areas: 8 below of 256 others is 0.03125, 24 below is 0.09375 and 40 below 0.15625
    ranks = one([float(i) for i in range(257)])
    assert [ranks[i] for i in (8, 24, 40, 255)] == [0.0313, 0.0938, 0.1563, 0.9961]
    # Banker's rounding would give 0.0312 and 0.1562.
    assert [round(i / 256, 4) for i in (8, 40)] == [0.0312, 0.1562]


def test_halves_go_up_where_binary_fractions_fall_short():
    # 161 areas, turned: 57 of 160 is 0.35625, which 1 - 103/160 misses by a hair.
    ranks = one([float(i) for i in range(161)], is_turned=True)
    assert math.floor((1 - 103 / 160) * 1e4 + 0.5) == 3562
    assert ranks[103] == 0.3563


def test_a_turned_rank_is_not_the_rank_of_the_negative():
    # Below: 0 0 2 3 of 3; turned 1 - share: the tied two stay at 1. Ranking negatives would give 2/3.
    assert one([10.0, 10.0, 20.0, 30.0], is_turned=True) == [1, 1, 0.3333, 0]
    assert one([-10.0, -10.0, -20.0, -30.0]) == [0.6667, 0.6667, 0.3333, 0]


def test_missing_values_have_no_rank_and_are_not_counted():
    # Three areas have a value: below 0, 1, 2 of 2 others.
    assert one([5.0, -999.0, 1.0, None, 9.0]) == [0.5, None, 0, None, 1]
    frame = pl.DataFrame({"EP_X": np.array([5.0, np.nan, 1.0])})
    assert svi(frame, {"T": ["X"]}, population=None)["EPL_X"].to_list() == [1, None, 0]


def test_an_area_that_lacks_a_variable():
    frame = table(A=[1.0, 2.0, -999.0, 4.0], B=[1.0, 2.0, 9.0, 4.0], C=[1.0, 2.0, 9.0, 4.0])
    found = svi(frame, {"one": ["A", "B"], "two": ["C"]}, population=None)
    row = found.row(2, named=True)
    # What it has is ranked and flagged, and it is counted there: the other three areas are below.
    assert (row["EPL_B"], row["F_B"], row["SPL_THEME2"], row["RPL_THEME2"], row["F_THEME2"]) == (1, 1, 1, 1, 1)
    lacking = ("EPL_A", "F_A", "SPL_THEME1", "RPL_THEME1", "F_THEME1", "SPL_THEMES", "RPL_THEMES", "F_TOTAL")
    assert [row[name] for name in lacking] == [None] * len(lacking)
    # Ranks of A, of theme 1 and of all are among the other three.
    assert found["EPL_A"].to_list() == [0, 0.5, None, 1]
    assert found["RPL_THEME1"].to_list() == [0, 0.5, None, 1]
    assert found["RPL_THEMES"].to_list() == [0, 0.5, None, 1]


def test_an_area_without_people_is_taken_out_before_ranking():
    cells = {"A": [3.0, 99.0, 1.0, 2.0], "B": [1.0, 0.0, 2.0, 3.0]}
    themes = {"one": ["A"], "two": ["B"]}
    found = svi(table([7, 0, 7, 7], **cells), themes)
    assert found.row(1) == (None,) * found.width
    rest = svi(table([7, 7, 7], **{name: [c for i, c in enumerate(v) if i != 1] for name, v in cells.items()}), themes)
    assert_frame_equal(found.filter(pl.Series([True, False, True, True])), rest)
    # Unless nobody asks: then the row is ranked like any other.
    assert svi(table([7, 0, 7, 7], **cells), themes, population=None)["EPL_A"].to_list() == [0.6667, 1, 0, 0.3333]


def test_an_unknown_population_is_not_zero():
    frame = table(A=[1.0, 2.0, 3.0]).with_columns(E_TOTPOP=pl.Series([5, None, 5]))
    assert svi(frame, {"one": ["A"]})["EPL_A"].to_list() == [0, 0.5, 1]


@pytest.mark.parametrize("population", [None, [4, 0]])
def test_a_single_area_has_no_rank(population):
    cells = [3.0] if population is None else [3.0, 5.0]
    found = svi(table(population, A=cells), {"one": ["A"]}, population=population and "E_TOTPOP")
    assert found.null_count().row(0) == (len(cells),) * found.width


def test_no_area_at_all():
    found = svi(table(A=[1.0]).clear(), {"one": ["A"]}, population=None)
    assert found.height == 0
    assert found.width == 8


def test_equal_values_have_the_rank_zero():
    assert one([4.0] * 5) == [0] * 5
    assert one([4.0] * 5, is_turned=True) == [1] * 5


def test_flags_begin_at_the_rounded_nine_tenths():
    # 1,001 areas: 900 below of 1,000 is 0.9; 899 is 0.899
    found = svi(table(X=[float(i) for i in range(1001)]), {"T": ["X"]}, population=None)
    assert found["F_X"].to_list() == [0] * 900 + [1] * 101
    # 20,001 areas: 17,999 below of 20,000 is 0.89995, which is 0.9 once rounded
    found = svi(table(X=[float(i) for i in range(20_001)]), {"T": ["X"]}, population=None)
    assert found["F_X"].arg_max() == 17_999


def test_equal_sums_tie_whatever_their_terms():
    # Eleven areas, so that ranks are tenths: 0.1 + 0.7 (0.7999999999999999 in binary) and 0.3 + 0.5 (0.8) are equal.
    assert 0.1 + 0.7 < 0.3 + 0.5
    a, b = [0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [10.0, 7, 9, 5, 8, 6, 4, 3, 2, 1, 0]
    found = svi(table(A=a, B=b), {"T": ["A", "B"]}, population=None)
    assert found["SPL_THEME1"][1] == found["SPL_THEME1"][3] == 0.8
    # Sums in tenths: 10 8 11 8 12 11 10 10 10 10 10; below 8: none, below 10: two, below 11: eight, below 12: ten
    assert found["RPL_THEME1"].to_list() == [0.2, 0, 0.8, 0, 1, 0.8, 0.2, 0.2, 0.2, 0.2, 0.2]


def test_every_number_is_the_one_that_its_decimals_name():
    # Polars' own division by 10,000 makes 0.09380000000000001 of 938.
    ranks = one([float(i) for i in range(5_000)])
    assert all(str(rank) == str(Decimal(str(rank)).quantize(Decimal("0.0001")).normalize()) for rank in ranks[9:-1])


# --- against a slow and plain reading of the rules -----------------------------------------------------------


def published_rank(cells: list[Cell], *, is_turned: bool = False) -> list[float | None]:
    """Share of the others below, as a fraction, rounded half up in decimals."""
    known = [cell for cell in cells if cell is not None]
    ranks: list[float | None] = []
    for cell in cells:
        if cell is None or len(known) == 1:
            ranks.append(None)
            continue
        share = Fraction(sum(other < cell for other in known), len(known) - 1)
        share = 1 - share if is_turned else share
        ranks.append(float(Decimal(math.floor(share * 10_000 + Fraction(1, 2))) / 10_000))
    return ranks


def added(columns: list[list[float | None]]) -> list[Cell]:
    rows = zip(*columns, strict=True)
    return [None if None in row else sum((Decimal(str(x)) for x in row), Decimal(0)) for row in rows]


def slowly(cells: dict[str, list[Cell]], themes: dict[str, list[str]], turned: list[str]) -> dict[str, list]:
    epl = {name: published_rank(cells[name], is_turned=name in turned) for names in themes.values() for name in names}
    flags = {name: [None if x is None else int(x >= 0.9) for x in ranks] for name, ranks in epl.items()}
    found: dict[str, list] = {}
    for number, names in enumerate(themes.values(), start=1):
        found |= {f"EPL_{name}": list(epl[name]) for name in names} | {f"F_{name}": flags[name] for name in names}
        found[f"SPL_THEME{number}"] = added([epl[name] for name in names])
        found[f"F_THEME{number}"] = added([flags[name] for name in names])
    for kind, whole in (("SPL", "SPL_THEMES"), ("F", "F_TOTAL")):
        found[whole] = added([found[f"{kind}_THEME{n}"] for n in range(1, len(themes) + 1)])
    for name in [name for name in found if name.startswith("SPL")]:
        found[name.replace("SPL", "RPL")] = published_rank(found[name])
    return {name: [None if x is None else float(x) for x in column] for name, column in found.items()}


cell = st.none() | st.integers(0, 60).map(lambda x: Decimal(x) / 10)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.data())
def test_every_cell_is_that_of_the_plain_reading(n, data):
    column = st.lists(cell, min_size=n, max_size=n)
    cells = {name: data.draw(column) for name in "ABC"}
    turned = data.draw(st.lists(st.sampled_from("ABC"), unique=True))
    themes = {"one": ["A", "B"], "two": ["C"]}
    frame = table(**{name: [-999.0 if c is None else float(c) for c in column] for name, column in cells.items()})
    found = svi(frame, themes, reversed=turned, population=None)
    assert found.to_dict(as_series=False) == {
        name: column for name, column in slowly(cells, themes, turned).items() if name in found.columns
    }
    assert found.width == 3 + 3 + 3 * 2 + 3


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_of_rows_does_not_matter(order):
    values = np.random.default_rng(1).integers(0, 8, size=(2, 12)) / 10
    frame = table(A=values[0].tolist(), B=values[1].tolist())
    themes = {"one": ["A", "B"]}
    assert_frame_equal(svi(frame[order], themes, population=None), svi(frame, themes, population=None)[order])


# --- what is refused, and the designs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("themes", "turned", "words"),
    [
        ({}, [], "at least one theme"),
        ({"one": []}, [], "at least one variable"),
        ({"one": "A"}, [], "list of variables"),
        ({"one": ["A"], "two": ["A"]}, [], "A stands twice"),
        ({"one": ["A", "A"]}, [], "A stands twice"),
        ({"one": ["A"]}, ["B"], "B is reversed but in no theme"),
        ({"one": ["A", "B"]}, [], "lacks the columns EP_B"),
        ({"one": ["T"]}, [], "EP_T must hold numbers, not String"),
    ],
)
def test_what_cannot_be_computed_is_refused(themes, turned, words):
    frame = table([1, 1], A=[1.0, 2.0]).with_columns(EP_T=pl.Series(["1.0", "2.0"]))
    with pytest.raises(ValueError, match=words):
        svi(frame, themes, reversed=turned)
    if "EP_" not in words:
        with pytest.raises(ValueError, match=words):
            svi_tree(themes, reversed=turned)


def test_a_missing_population_is_refused():
    with pytest.raises(ValueError, match="lacks the columns E_TOTPOP"):
        svi(table(A=[1.0]), {"one": ["A"]})


def test_the_designs():
    assert [len(names) for names in THEMES_2018.values()] == [4, 4, 2, 5]
    assert [len(names) for names in THEMES_2020.values()] == [5, 5, 1, 5]
    assert THEMES_2022 == THEMES_2020
    assert set(REVERSED_2018) < set(THEMES_2018["THEME1"])


def test_the_tree_ranks_as_the_unrounded_sums_do():
    tree = judge(svi_tree(THEMES_2018, reversed=REVERSED_2018))
    n = 60
    points = {leaf.id: np.random.default_rng(i).normal(size=n) for i, leaf in enumerate(tree.leaves)}
    points["POV"][3] = np.nan
    evaluation = Evaluator(tree, points).point()
    shares = {}
    for name, values in points.items():
        below = (values[None] < values[:, None]).sum(axis=1) / ((~np.isnan(values)).sum() - 1)
        shares[name] = np.where(np.isnan(values), np.nan, 1 - below if name == "PCI" else below)
    sums = {theme: np.sum([shares[name] for name in names], axis=0) for theme, names in THEMES_2018.items()}
    for theme, names in THEMES_2018.items():
        assert evaluation.scores[theme][0] == pytest.approx(100 * sums[theme] / len(names), nan_ok=True)
    # All 15 variables count the same.
    assert evaluation.scores["THEMES"][0] == pytest.approx(100 * np.sum(list(sums.values()), axis=0) / 15, nan_ok=True)
    assert np.flatnonzero(np.isnan(evaluation.scores["THEMES"][0])).tolist() == [3]
