"""Counts that are carried over keep their total and their error; nothing is lost without being listed."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine.margins import Z90, sum_moe
from models.geography.crosswalk import (
    LEFT_OUT,
    REDISTRIBUTED,
    UNMATCHED,
    WEIGHTS,
    Crosswalk,
    CrosswalkError,
    build,
    drop_slivers,
    reverse,
    unmatched,
    weight_se,
)
from models.geography.interpolation import interpolate_counts, interpolate_rates


def weights(*rows: tuple[str, str, float, float]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["from_id", "to_id", "weight", "weight_se"], orient="row")
    return frame.with_columns(basis=pl.lit("population"))


def crosswalk(*rows: tuple[str, str, float, float], **more: pl.Series) -> Crosswalk:
    return build("test", "county", "coc", weights(*rows), **more)


def figures(**values: tuple[float | None, float | None]) -> pl.DataFrame:
    rows = [(geo_id, value, se) for geo_id, (value, se) in values.items()]
    return pl.DataFrame(rows, schema={"geo_id": pl.String, "value": pl.Float64, "se": pl.Float64}, orient="row")


def one(frame: pl.DataFrame, geo_id: str) -> dict:
    return frame.row(by_predicate=pl.col("geo_id") == geo_id, named=True)


def test_weight_errors_by_hand():
    frame = pl.DataFrame({"weight": [0.0, 0.5, 0.5, 1.0], "pieces": [10, 10, 2, 10]})
    found = frame.select(weight_se(pl.col("weight"), pl.col("pieces")))["weight"].to_list()
    # sqrt(.25 / 11); with two pieces and two equal targets the spread of a uniform share, 1 / sqrt(12).
    assert found == pytest.approx([0, math.sqrt(0.25 / 11), 1 / math.sqrt(12), 0])


def test_counts_by_hand():
    """X = .25 * 100 + 1 * 40; sampling (.25 * 8)^2 + 3^2 = 13; weights (.1 * 100)^2 = 100."""
    walk = crosswalk(("a", "x", 0.75, 0.1), ("a", "y", 0.25, 0.1), ("b", "y", 1.0, 0.0))
    found = one(interpolate_counts(walk, figures(a=(100, 8), b=(40, 3))).values, "y")
    assert found["value"] == 65 and found["n_sources"] == found["n_known"] == 2
    assert found["sampling_se"] == pytest.approx(math.sqrt(13)) and found["allocation_se"] == pytest.approx(10)
    assert found["se"] == pytest.approx(math.sqrt(113))


def test_margins_of_zero_estimates_count_once():
    walk = crosswalk(*((source, "x", 1.0, 0.0) for source in "abc"))
    frame = pl.DataFrame({"geo_id": ["a", "b", "c"], "value": [100, 0, 0], "moe": [30.0, 12.0, 40.0]})
    (found,) = interpolate_counts(walk, frame).values["sampling_se"]
    assert found * Z90 == pytest.approx(math.sqrt(30**2 + 40**2))
    columns = [[pl.lit(v) for v in frame[name]] for name in ("value", "moe")]
    assert found * Z90 == pytest.approx(pl.select(sum_moe(*columns)).item())
    # Errors of other publishers are no ACS margins: all of them count.
    (other,) = interpolate_counts(walk, frame.rename({"moe": "se"})).values["sampling_se"]
    assert other == pytest.approx(math.sqrt(30**2 + 12**2 + 40**2))


def test_halved_zero_margins_are_compared_after_weighing():
    walk = crosswalk(("a", "x", 1.0, 0.0), ("b", "x", 0.25, 0.0), ("b", "y", 0.75, 0.0))
    frame = pl.DataFrame({"geo_id": ["a", "b"], "value": [0, 0], "moe": [12.0, 40.0]})
    assert one(interpolate_counts(walk, frame).values, "x")["sampling_se"] * Z90 == pytest.approx(12)


def test_an_unknown_figure_is_no_zero():
    walk = crosswalk(("a", "x", 1.0, 0.0), ("b", "x", 0.5, 0.1), ("b", "y", 0.5, 0.1))
    done = interpolate_counts(walk, figures(a=(7, 1), b=(None, None)))
    assert one(done.values, "x") | {"allocation_se": 0} == {
        "geo_id": "x",
        "value": None,
        "known_value": 7,
        "sampling_se": None,
        "allocation_se": 0,
        "se": None,
        "n_sources": 2,
        "n_known": 1,
    }
    listed = done.unmatched.select("id", "counterpart_id", "reason").rows()
    assert listed == [("b", "x", "its figure is not known"), ("b", "y", "its figure is not known")]


def test_an_unknown_error_leaves_the_value():
    walk = crosswalk(("a", "x", 1.0, 0.0))
    found = one(interpolate_counts(walk, figures(a=(7, None))).values, "x")
    assert found["value"] == 7 and found["se"] is None


def test_everything_unmatched_is_listed():
    walk = crosswalk(
        ("a", "x", 0.9, 0.1),
        ("b", "y", 1.0, 0.0),
        ("c", "x", 1.0, 0.0),
        sources=pl.Series(["a", "d"]),
        targets=pl.Series(["x", "z"]),
    )
    done = interpolate_counts(walk, figures(a=(10, 1), d=(5, 1), e=(3, 1)))
    assert done.unmatched.select("side", "id", "weight", "value", "reason").sort("id").rows() == [
        ("from", "a", pytest.approx(0.1), pytest.approx(1.0), "no target covers this part"),
        ("from", "c", 1.0, None, "the data have no such area"),
        ("from", "d", 1.0, 5.0, "no target"),
        ("from", "e", 1.0, 3.0, "not in the crosswalk"),
        ("to", "y", None, None, "none of its sources is in the data"),
        ("to", "z", None, None, "no source"),
    ]
    assert one(done.values, "x")["value"] is None and one(done.values, "x")["known_value"] == pytest.approx(9)


def test_groups_are_kept_apart():
    walk = crosswalk(("a", "x", 1.0, 0.0), ("b", "x", 1.0, 0.0))
    frame = pl.concat(
        [
            figures(a=(1, 0), b=(2, 0)).with_columns(period=pl.lit("2022")),
            figures(a=(5, 0)).with_columns(period=pl.lit("2023")),
        ]
    )
    done = interpolate_counts(walk, frame, by=["period"])
    assert done.values.select("period", "value", "known_value").rows() == [("2022", 3, 3), ("2023", None, 5)]
    assert done.unmatched.select("period", "id").rows() == [("2023", "b")]


def test_figures_need_an_error_and_stand_once():
    walk = crosswalk(("a", "x", 1.0, 0.0))
    with pytest.raises(CrosswalkError, match="a full count has se = 0"):
        interpolate_counts(walk, figures(a=(1, 0)).drop("se"))
    with pytest.raises(CrosswalkError, match="a full count has se = 0"):
        interpolate_counts(walk, figures(a=(1, 0)).with_columns(moe=pl.lit(1.0)))
    with pytest.raises(CrosswalkError, match="stands twice"):
        interpolate_counts(walk, pl.concat([figures(a=(1, 0))] * 2))


def test_rates_come_from_their_parts():
    """N = .5 * 10 + 30 = 35 of D = .5 * 100 + 60 = 110, not the mean of 10 % and 50 %."""
    walk = crosswalk(("a", "x", 0.5, 0.2), ("a", "y", 0.5, 0.2), ("b", "x", 1.0, 0.0))
    rates = interpolate_rates(walk, figures(a=(10, 2), b=(30, 3)), figures(a=(100, 4), b=(60, 5)))
    found = one(rates.values, "x")
    rate = 35 / 110
    assert found["value"] == pytest.approx(rate)
    n, d = math.hypot(1, 3), math.hypot(2, 5)
    assert found["sampling_se"] == pytest.approx(math.sqrt(n**2 - rate**2 * d**2) / 110)
    assert found["allocation_se"] == pytest.approx(abs(0.2 * (10 - rate * 100)) / 110)
    assert found["se"] == pytest.approx(math.hypot(found["sampling_se"], found["allocation_se"]))
    # One source alone: however it is divided, its rate stays what it was.
    assert one(rates.values, "y")["value"] == pytest.approx(0.1)
    assert one(rates.values, "y")["allocation_se"] == pytest.approx(0)


def test_a_rate_of_nothing_is_null():
    walk = crosswalk(("a", "x", 1.0, 0.0))
    found = one(interpolate_rates(walk, figures(a=(0, 1)), figures(a=(0, 1))).values, "x")
    assert (found["value"], found["sampling_se"], found["allocation_se"], found["se"]) == (None, None, None, None)


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([("a", "x", 0.7, 0.0), ("a", "y", 0.7, 0.0)], "must sum to one"),
        ([("a", "x", 0.0, 0.0)], "must sum to one"),
        ([("a", "x", 0.5, 0.0), ("a", "x", 0.5, 0.0)], "stand there twice"),
        ([("a", "x", None, 0.0)], "none may be null"),
    ],
)
def test_weights_are_judged(rows, rule):
    frame = pl.DataFrame(rows, schema={name: WEIGHTS[name] for name in list(WEIGHTS)[:4]}, orient="row")
    with pytest.raises(CrosswalkError, match=rule):
        build("test", "county", "coc", frame.with_columns(basis=pl.lit("population")))


def test_a_remainder_that_nobody_lists_is_refused():
    with pytest.raises(CrosswalkError, match="must sum to one"):
        Crosswalk("test", "county", "coc", weights(("a", "x", 0.7, 0.0)), pl.DataFrame(schema=UNMATCHED))


def test_slivers_are_dropped_and_seen():
    kept, gone = drop_slivers(
        weights(("a", "x", 0.02, 0), ("a", "y", 0.58, 0), ("a", "z", 0.3, 0), ("b", "x", 0.01, 0))
    )
    assert kept.select("from_id", "to_id", "weight").rows() == [
        ("a", "y", pytest.approx(0.58 * 0.9 / 0.88)),
        ("a", "z", pytest.approx(0.3 * 0.9 / 0.88)),
        ("b", "x", 0.01),  # the largest part of a source stays
    ]
    assert gone.select("id", "counterpart_id", "weight", "treatment").rows() == [("a", "x", 0.02, REDISTRIBUTED)]


def test_the_other_way_round():
    """x is a whole and half of b: 100 and 25 of 125 people; y is half of b."""
    walk = crosswalk(("a", "x", 1.0, 0.0), ("b", "x", 0.5, 0.1), ("b", "y", 0.5, 0.1))
    sizes = pl.DataFrame({"geo_id": ["a", "b"], "size": [100.0, 50.0], "basis": ["population"] * 2})
    back = reverse(walk, sizes, crosswalk_id="back")
    assert back.weights.select("from_id", "to_id", "weight", "basis").rows() == [
        ("x", "a", pytest.approx(0.8), "population"),
        ("x", "b", pytest.approx(0.2), "population"),
        ("y", "b", 1.0, "whole"),
    ]
    mixed = sizes.with_columns(basis=pl.Series(["population", "households"]))
    for unknown in (sizes.head(1), mixed):
        found = reverse(walk, unknown, crosswalk_id="back").weights.filter(pl.col("from_id") == "x")
        assert found["weight"].to_list() == [0.5, 0.5] and found["basis"].to_list() == ["equal"] * 2
        assert found["weight_se"].to_list() == pytest.approx([1 / math.sqrt(12)] * 2)


def test_what_is_listed_changes_sides_with_the_crosswalk():
    lost = unmatched("to", ["z"], "no county")
    walk = build(
        "test", "county", "coc", weights(("a", "x", 0.9, 0.0)), [lost.with_columns(treatment=pl.lit("not_used"))]
    )
    sizes = pl.DataFrame({"geo_id": ["a"], "size": [1.0], "basis": ["population"]})
    back = reverse(walk, sizes, crosswalk_id="back").unmatched
    assert back.select("side", "id", "weight", "treatment").sort("id").rows() == [
        ("to", "a", None, "not_used"),
        ("from", "z", 1.0, LEFT_OUT),
    ]


names = st.sampled_from([f"t{i}" for i in range(8)])


@settings(max_examples=100, deadline=None)
@given(
    shares=st.lists(st.dictionaries(names, st.floats(1e-3, 1e3), min_size=1, max_size=8), min_size=1, max_size=12),
    lost=st.lists(st.floats(0, 0.5), min_size=12, max_size=12),
    counts=st.lists(st.one_of(st.none(), st.floats(0, 1e7)), min_size=12, max_size=12),
)
def test_totals_are_conserved(shares, lost, counts):
    rows = []
    for i, parts in enumerate(shares):
        total = sum(parts.values())
        rows += [(f"s{i}", target, part / total * (1 - lost[i]), 0.01) for target, part in parts.items()]
    walk = crosswalk(*rows)
    frame = figures(**{f"s{i}": (count, 1.0) for i, count in enumerate(counts)})
    done = interpolate_counts(walk, frame)
    arrived, stranded = done.values["known_value"].sum(), done.unmatched["value"].sum()
    assert arrived + stranded == pytest.approx(sum(count or 0 for count in counts), rel=1e-9, abs=1e-9)
    kept, _ = drop_slivers(walk.weights)
    before = walk.weights.group_by("from_id").agg(pl.sum("weight")).sort("from_id")["weight"]
    after = kept.group_by("from_id").agg(pl.sum("weight")).sort("from_id")["weight"]
    assert after.to_list() == pytest.approx(before.to_list(), rel=1e-9)
