"""Disproportionality by hand, its reasons for silence, and the coverage of its intervals."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine.disproportionality import MIN_EXPECTED, disproportionality
from models.engine.margins import Z90

NAMES = {"area": "area", "group": "group", "counted": "care", "population": "children", "reference": "white"}


def rows(*counts: tuple) -> pl.DataFrame:
    """(area, group, in care, children)."""
    return pl.DataFrame(
        counts,
        schema={"area": pl.String, "group": pl.String, "care": pl.Int64, "children": pl.Int64},
        orient="row",
    )


def of(frame: pl.DataFrame, group: str, area: str = "a") -> dict:
    return (
        disproportionality(frame, **NAMES).filter(pl.col("area") == area, pl.col("group") == group).row(0, named=True)
    )


HAND = rows(("a", "black", 60, 2000), ("a", "white", 90, 7000), ("a", "other", 50, 1000))


def test_index_and_ratio_by_hand():
    found = of(HAND, "black")
    # 200 in care of 10,000: expected 200 * 0.2 = 40; 60/40
    assert found["expected"] == pytest.approx(40)
    assert found["index"] == pytest.approx(1.5)
    # (60/2000) / (90/7000) = .03 / .012857
    assert found["ratio"] == pytest.approx(7 / 3)
    # log errors: sqrt(1/60 - 1/200) = .108012; sqrt(1/60 + 1/90) = 1/6
    assert found["index_upper"] == pytest.approx(1.5 * math.exp(Z90 * 0.108012), rel=1e-5)
    assert found["index_lower"] == pytest.approx(1.5 / math.exp(Z90 * 0.108012), rel=1e-5)
    assert found["ratio_upper"] == pytest.approx(7 / 3 * math.exp(Z90 / 6))
    assert found["ratio_lower"] == pytest.approx(7 / 3 / math.exp(Z90 / 6))
    assert found["index_reason"] is None and found["ratio_reason"] is None


def test_the_reference_group_has_an_index_and_no_ratio_to_itself():
    found = of(HAND, "white")
    assert found["index"] == pytest.approx(90 / 140)
    assert found["ratio"] is None and found["ratio_reason"] == "reference group"


def test_a_zero_count_gets_one_half():
    frame = rows(("a", "black", 40, 3000), ("a", "white", 0, 6000), ("a", "other", 20, 1000))
    black, white = of(frame, "black"), of(frame, "white")
    # (40.5/3000) / (0.5/6000)
    assert black["ratio"] == pytest.approx(162)
    assert black["ratio_upper"] / black["ratio"] == pytest.approx(math.exp(Z90 * math.sqrt(1 / 40.5 + 2)))
    # (0.5/61) / 0.6, log error sqrt(1/0.5 - 1/61)
    assert white["index"] == pytest.approx(0.5 / 61 / 0.6)
    assert white["index_lower"] == pytest.approx(0.5 / 61 / 0.6 / math.exp(Z90 * math.sqrt(2 - 1 / 61)))
    # No zero, no half.
    assert black["index"] == pytest.approx(40 / 18)


def test_where_everybody_counted_is_of_the_group_the_interval_is_not_a_point():
    found = of(rows(("a", "black", 30, 5000), ("a", "white", 0, 5000)), "black")
    assert found["index"] == pytest.approx(30.5 / 31 / 0.5)
    assert found["index_lower"] < found["index"] < found["index_upper"]


def test_nothing_is_given_below_the_expected_count():
    # expected: 100 * 500/10000 = 5 and 100 * 499/9999 = 4.99
    enough = rows(("a", "black", 40, 500), ("a", "white", 60, 9500))
    short = rows(("a", "black", 40, 499), ("a", "white", 60, 9500))
    assert MIN_EXPECTED == 5
    assert of(enough, "black")["index"] == pytest.approx(8)
    found = of(short, "black")
    assert found["index_reason"] == found["ratio_reason"] == "expected count under 5"
    assert all(found[f"{name}{end}"] is None for name in ("index", "ratio") for end in ("", "_lower", "_upper"))
    assert found["expected"] == pytest.approx(100 * 499 / 9999)


def test_a_ratio_needs_enough_expected_in_both_groups():
    # The pair's 104 at one rate: 104 * 200/4200 = 4.95 expected of the few white children.
    found = of(rows(("a", "black", 100, 4000), ("a", "white", 4, 200), ("a", "other", 96, 5800)), "black")
    assert found["index"] == pytest.approx(1.25)
    assert found["ratio"] is None and found["ratio_reason"] == "expected count under 5"


def test_a_missing_count_is_not_zero():
    frame = rows(("a", "black", 60, 2000), ("a", "white", 90, 7000), ("a", "other", None, 1000))
    black, other = of(frame, "black"), of(frame, "other")
    assert black["index"] is None and black["index_reason"] == "a group's count is missing"
    assert black["ratio"] == pytest.approx(7 / 3)
    assert other["ratio"] is None and other["ratio_reason"] == "a group's count is missing"
    found = of(rows(("a", "black", 60, 2000), ("a", "other", 90, 7000), ("b", "white", 1, 1)), "black")
    assert found["ratio_reason"] == "a group's count is missing"


def test_no_children_and_no_other_group():
    frame = rows(("a", "black", 0, 0), ("a", "white", 90, 7000))
    black, white = of(frame, "black"), of(frame, "white")
    assert black["index_reason"] == black["ratio_reason"] == "no population"
    assert white["index"] is None and white["index_reason"] == "no other group"
    assert of(rows(("a", "black", 0, 0), ("a", "white", 0, 0)), "black")["expected"] is None


def test_rows_keep_their_order_and_areas_their_own_totals():
    frame = pl.concat([HAND, HAND.with_columns(area=pl.lit("b"), care=pl.col("care") * 10)]).sample(
        fraction=1, shuffle=True, seed=3
    )
    found = disproportionality(frame, **NAMES)
    assert found.select(frame.columns).equals(frame)
    assert of(frame, "black", "b")["index"] == pytest.approx(of(frame, "black", "a")["index"])
    assert of(frame, "black", "b")["expected"] == pytest.approx(400)


@given(st.lists(st.tuples(st.integers(50, 5000), st.integers(2000, 90_000)), min_size=2, max_size=5))
def test_indices_average_to_one_and_their_quotient_is_the_ratio(groups):
    names = ["white", "black", "hispanic", "asian", "native"]
    frame = rows(*[("a", name, n, m) for name, (n, m) in zip(names, groups, strict=False)])
    found = disproportionality(frame, **NAMES).filter(
        pl.col("index_reason").is_null(), pl.col("ratio_reason").is_null()
    )
    white = of(frame, "white")["index"]
    if white is not None:
        assert found["ratio"].to_list() == pytest.approx([index / white for index in found["index"]])
    everybody = disproportionality(frame, **NAMES)
    if everybody["index"].null_count() == 0:
        assert (everybody["index"] * everybody["children"]).sum() / everybody["children"].sum() == pytest.approx(1)


def test_faults_are_refused():
    with pytest.raises(ValueError, match="twice"):
        disproportionality(pl.concat([HAND, HAND.head(1)]), **NAMES)
    with pytest.raises(ValueError, match="negative"):
        disproportionality(rows(("a", "white", -1, 5)), **NAMES)
    with pytest.raises(ValueError, match="reference group 'white'"):
        disproportionality(HAND.filter(pl.col("group") != "white"), **NAMES)


@pytest.mark.parametrize(
    ("black", "white", "rate", "times"),
    [(1000, 9000, 0.02, 2.0), (3000, 7000, 0.01, 1.0), (500, 9500, 0.015, 3.0), (5000, 5000, 0.05, 0.5)],
)
def test_intervals_cover_what_they_promise(black, white, rate, times):
    """Poisson counts at known rates; 15,000 areas, so the Monte-Carlo error is 0.003."""
    n = 15_000
    generator = np.random.default_rng(12)
    frame = pl.DataFrame(
        {
            "area": np.repeat(np.arange(n).astype(str), 2),
            "group": ["black", "white"] * n,
            "care": np.column_stack(
                [generator.poisson(black * rate * times, n), generator.poisson(white * rate, n)]
            ).ravel(),
            "children": [black, white] * n,
        }
    )
    share = black * times / (black * times + white)
    truth = {"index": share / (black / (black + white)), "ratio": times}
    found = disproportionality(frame, **NAMES).filter(pl.col("group") == "black")
    for name, true in truth.items():
        given_ = found.filter(pl.col(name).is_not_null())
        assert given_.height > 0.5 * n
        covered = ((given_[f"{name}_lower"] <= true) & (true <= given_[f"{name}_upper"])).mean()
        assert 0.87 < covered < 0.94, (name, covered)
