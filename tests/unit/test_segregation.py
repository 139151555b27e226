"""Segregation against worked tables, PySAL, and simulations in which the truth is known."""

import math
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine import segregation
from models.engine.margins import Z90
from models.engine.segregation import (
    ICE_VARIANTS,
    MIN_MEMBERS,
    MIN_UNITS,
    corrected_dissimilarity,
    corrected_theil_h,
    dissimilarity,
    dissimilarity_from_rest,
    ice,
    interaction,
    isolation,
    theil_h,
)

B, W, OTHERS, T = (pl.col(name) for name in "bwot")
COUNTS = st.lists(st.tuples(*[st.integers(0, 500)] * 3), min_size=1, max_size=12)


def table(rows: list[tuple], names: str = "bwo") -> pl.DataFrame:
    """One area; t is everybody."""
    frame = pl.DataFrame(rows, schema=list(names), orient="row")
    return frame.with_columns(t=pl.sum_horizontal(list(names)))


def value(rows: list[tuple], measure: pl.Expr) -> float | None:
    """The measure by area, as it is used."""
    return table(rows).group_by(pl.lit("one").alias("area")).agg(measure.alias("x"))["x"].item()


# B = 100, W = 100, O = 50
HAND = [(60, 20, 10), (30, 30, 40), (10, 50, 0)]


def test_dissimilarity_by_hand():
    # |.6-.2| + |.3-.3| + |.1-.5| = .8, halved
    assert value(HAND, dissimilarity(B, W)) == pytest.approx(0.4)


def test_dissimilarity_from_the_rest_is_another_number():
    # rest 30, 70, 50 of 150: |.6-.2| + |.3-7/15| + |.1-1/3| = .4 + .16667 + .23333 = .8, halved (a coincidence of
    # this table); without the third unit: B = 90, rest 100: |2/3-.3| + |1/3-.7| = .73333, halved
    assert value(HAND[:2], dissimilarity_from_rest(B, T)) == pytest.approx(0.366667, abs=1e-6)
    # against the reference: W = 50: |2/3-.4| + |1/3-.6| = .53333, halved
    assert value(HAND[:2], dissimilarity(B, W)) == pytest.approx(0.266667, abs=1e-6)


def test_exposure_by_hand():
    # xPx = .6*60/90 + .3*30/100 + .1*10/60 = .4 + .09 + .016667
    assert value(HAND, isolation(B, T)) == pytest.approx(0.506667, abs=1e-6)
    # xPy = .6*20/90 + .3*30/100 + .1*50/60 = .133333 + .09 + .083333
    assert value(HAND, interaction(B, W, T)) == pytest.approx(0.306667, abs=1e-6)


def test_theil_by_hand():
    # two units of 100, shares .8 and .2; area .5: E = ln 2; e = -(.8 ln .8 + .2 ln .2) = .500402 in both
    assert value([(80, 20, 0), (20, 80, 0)], theil_h([B, W])) == pytest.approx(1 - 0.500402 / math.log(2), abs=1e-6)
    # three groups each alone in its unit
    assert value([(5, 0, 0), (0, 9, 0), (0, 0, 7)], theil_h([B, W, OTHERS])) == pytest.approx(1)


def test_extremes_by_hand():
    assert value([(5, 0, 0), (0, 9, 0)], dissimilarity(B, W)) == pytest.approx(1)
    assert value([(10, 20, 30), (20, 40, 60)], dissimilarity(B, W)) == pytest.approx(0)
    assert value([(10, 20, 30), (20, 40, 60)], theil_h([B, W, OTHERS])) == pytest.approx(0, abs=1e-12)
    assert value([(10, 20, 30), (20, 40, 60)], isolation(B, T)) == pytest.approx(1 / 6)


def test_a_group_that_is_absent_makes_the_measures_null():
    rows = [(0, 20, 10), (0, 30, 40)]
    for measure in (dissimilarity(B, W), dissimilarity_from_rest(B, T), isolation(B, T), interaction(B, W, T)):
        assert value(rows, measure) is None
    assert value([(0, 20, 0), (0, 30, 0)], theil_h([B, W])) is None
    assert value([(0, 0, 0)], theil_h([B, W])) is None


def test_an_empty_unit_changes_nothing_and_a_unit_with_a_null_is_left_out_of_both_groups():
    for measure in (dissimilarity(B, W), isolation(B, T), interaction(B, W, T), theil_h([B, W, OTHERS])):
        expected = value(HAND, measure)
        assert value([*HAND, (0, 0, 0)], measure) == pytest.approx(expected)
    assert value([*HAND, (500, None, 3), (None, 500, 3)], dissimilarity(B, W)) == pytest.approx(0.4)


@given(COUNTS)
def test_measures_stay_in_their_bounds_and_do_not_care_which_group_is_first(rows):
    d, h = value(rows, dissimilarity(B, W)), value(rows, theil_h([B, W, OTHERS]))
    assert d is None or -1e-12 <= d <= 1 + 1e-12
    assert h is None or -1e-9 <= h <= 1 + 1e-9
    assert d == pytest.approx(value(rows, dissimilarity(W, B)))
    assert h == pytest.approx(value(rows, theil_h([OTHERS, B, W])), abs=1e-9)


@given(COUNTS)
def test_what_a_group_is_exposed_to_adds_up(rows):
    own, others = value(rows, isolation(B, T)), value(rows, interaction(B, T - B, T))
    assert own is None or own + others == pytest.approx(1)


@given(COUNTS)
def test_splitting_a_unit_into_two_of_the_same_mix_changes_nothing(rows):
    even = [tuple(2 * n for n in row) for row in rows]
    split = [*even[1:], rows[0], rows[0]]
    for measure in (dissimilarity(B, W), isolation(B, T), interaction(B, W, T), theil_h([B, W, OTHERS])):
        assert value(split, measure) == pytest.approx(value(even, measure), abs=1e-9)


def test_many_areas_in_one_go_are_each_their_own():
    frame = pl.concat([table(HAND).with_columns(area=pl.lit("a")), table(HAND[:2]).with_columns(area=pl.lit("b"))])
    found = frame.group_by("area").agg(d=dissimilarity(B, W), x=isolation(B, T)).sort("area")
    assert found["d"].to_list() == pytest.approx([0.4, 0.266667], abs=1e-6)
    assert found["x"].to_list() == pytest.approx([value(HAND, isolation(B, T)), value(HAND[:2], isolation(B, T))])


def test_h_needs_two_groups():
    with pytest.raises(ValueError, match="two or more"):
        theil_h([B])
    with pytest.raises(ValueError, match="two or more"):
        corrected_theil_h(table(HAND), area="b", unit="w", groups=["b"], seed=1)


def test_agrees_with_pysal_which_compares_a_group_with_the_rest():
    with warnings.catch_warnings(), np.errstate():  # its import changes NumPy's error state
        warnings.simplefilter("ignore")
        from segregation.multigroup import MultiInfoTheory
        from segregation.singlegroup import DensityCorrectedDissim, Dissim, Entropy, Interaction, Isolation

        generator = np.random.default_rng(4)
        rows = np.rint(generator.gamma(0.7, [80, 300, 60], size=(60, 3))).astype(int)
        rows[:, 1] += 1  # PySAL divides by the people of a unit
        frame = table([tuple(map(int, row)) for row in rows])
        pandas = frame.to_pandas()
        theirs = [oracle(pandas, "b", "t").statistic for oracle in (Dissim, Isolation, Interaction, Entropy)]
        theirs.append(MultiInfoTheory(pandas, ["b", "w", "o"]).statistic)
        density = DensityCorrectedDissim(pandas, "b", "t").statistic
    ours = frame.select(
        dissimilarity_from_rest(B, T).alias("d"),
        isolation(B, T).alias("x"),
        interaction(B, T - B, T).alias("y"),
        theil_h([B, T - B]).alias("h"),
        theil_h([B, W, OTHERS]).alias("m"),
    ).row(0)
    assert ours == pytest.approx(theirs, abs=1e-12)
    # Theirs takes the root by a search to 1e-5 a unit; ours is exact.
    one = frame.with_row_index("unit").with_columns(area=pl.lit("a"), rest=T - B)
    found = corrected_dissimilarity(one, area="area", unit="unit", group="b", reference="rest", seed=1)
    assert found["dissimilarity_corrected"].item() == pytest.approx(density, abs=2e-4)
    assert found["dissimilarity_corrected"].item() < theirs[0] - 5e-3


# --- index of concentration at the extremes


def test_ice_by_hand_and_in_its_bounds():
    frame = pl.DataFrame({"p": [30, 100, 0, 0], "d": [50, 0, 100, 0], "t": [200, 100, 100, 0]})
    assert frame.select(ice(pl.col("p"), pl.col("d"), pl.col("t"))).to_series().to_list() == [-0.1, 1, -1, None]


def test_ice_variants_name_brackets_of_income_by_their_lines():
    race, income, both = (ICE_VARIANTS[name] for name in ("race", "income", "race_by_income"))
    assert (race.privileged, race.deprived, race.total) == (("B03002_003",), ("B03002_004",), "B03002_001")
    assert income.privileged == ("B19001_014", "B19001_015", "B19001_016", "B19001_017")
    assert income.deprived == ("B19001_002", "B19001_003", "B19001_004", "B19001_005")
    assert both.privileged == tuple(cell.replace("B19001", "B19001H") for cell in income.privileged)
    assert both.deprived == tuple(cell.replace("B19001", "B19001B") for cell in income.deprived)
    assert both.total == income.total == "B19001_001"


# --- corrected measures


@given(st.floats(0, 12))
def test_the_folded_location_is_where_the_likelihood_is_greatest(x):
    (found,) = segregation._folded_location(np.array([x]))
    means = np.linspace(0, 13, 13_001)
    likelihood = np.exp(-((x - means) ** 2) / 2) + np.exp(-((x + means) ** 2) / 2)
    at_found = np.exp(-((x - found) ** 2) / 2) + np.exp(-((x + found) ** 2) / 2)
    assert at_found >= likelihood.max() - 1e-12
    assert found == 0 if x <= 1 else found == pytest.approx(x * math.tanh(x * found))


def simulated(
    n_areas: int, n_units: int, spread: float, seed: int, *, people: float = 2500.0, share: float = 0.06
) -> tuple[np.ndarray, np.ndarray]:
    """True counts (areas, units) of a group and its reference; `spread` is between 0 (even) and 1 (far apart)."""
    generator = np.random.default_rng(seed)
    total = np.rint(people * generator.uniform(0.4, 1.6, (n_areas, n_units)))
    lean = generator.gamma(0.6, 1 / 0.6, (n_areas, n_units))
    group = np.rint(total * share * ((1 - spread) + spread * np.minimum(lean, 4)))
    return group, total - group


def observed(truth: np.ndarray, stands_for: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A sample in which each person stands for `stands_for`, and its 90 % margin (13 where the estimate is zero)."""
    estimate = stands_for * generator.poisson(truth / stands_for)
    return estimate, np.where(estimate > 0, Z90 * np.sqrt(stands_for * estimate), 13.0)


def long(**columns: np.ndarray) -> pl.DataFrame:
    n_areas, n_units = next(iter(columns.values())).shape
    area = np.repeat([f"{i:05d}" for i in range(n_areas)], n_units)
    unit = np.tile([f"{j:04d}" for j in range(n_units)], n_areas)
    return pl.DataFrame({"area": area, "unit": unit} | {name: array.ravel() for name, array in columns.items()})


def true_values(b: np.ndarray, w: np.ndarray) -> pl.DataFrame:
    return long(b=b, w=w).group_by("area").agg(d=dissimilarity(B, W), h=theil_h([B, W])).sort("area")


def with_margins(b: np.ndarray, w: np.ndarray, seed: int) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    (b, bm), (w, wm) = observed(b, 50.0, generator), observed(w, 30.0, generator)
    return long(b=b, w=w, bm=bm, wm=wm)


def both(units: pl.DataFrame, seed: int = 1, n_draws: int = 200) -> tuple[pl.DataFrame, pl.DataFrame]:
    names = {"area": "area", "unit": "unit", "seed": seed, "n_draws": n_draws}
    return (
        corrected_dissimilarity(units, group="b", reference="w", group_moe="bm", reference_moe="wm", **names),
        corrected_theil_h(units, groups=["b", "w"], moes=["bm", "wm"], **names),
    )


@pytest.mark.parametrize(("spread", "left_of_h"), [(0.9, 0.4), (0.6, 0.3)])
def test_survey_noise_inflates_the_raw_measures_and_hardly_the_corrected_ones(spread, left_of_h):
    b, w = simulated(120, 15, spread, 1)
    truth = true_values(b, w)
    d, h = both(with_margins(b, w, 2))
    raw_bias = (d["dissimilarity"] - truth["d"]).mean()
    assert raw_bias > 0.05
    assert abs((d["dissimilarity_corrected"] - truth["d"]).mean()) < 0.2 * raw_bias
    raw_bias = (h["theil_h"] - truth["h"]).mean()
    assert raw_bias > 0.02
    assert abs((h["theil_h_corrected"] - truth["h"]).mean()) < left_of_h * raw_bias


def test_where_groups_are_even_h_is_freed_of_nearly_all_noise_and_dissimilarity_of_half():
    b, w = simulated(120, 15, 0.0, 3)
    d, h = both(with_margins(b, w, 4))
    assert d["dissimilarity"].mean() > 0.15
    assert d["dissimilarity_corrected"].mean() < 0.6 * d["dissimilarity"].mean()
    assert h["theil_h"].mean() > 0.02
    assert h["theil_h_corrected"].mean() < 0.25 * h["theil_h"].mean()


def test_standard_errors_cover_the_truth():
    b, w = simulated(250, 15, 0.8, 5)
    truth = true_values(b, w)
    d, h = both(with_margins(b, w, 6), n_draws=100)
    for found, name, key in ((d, "dissimilarity", "d"), (h, "theil_h", "h")):
        off = (found[f"{name}_corrected"] - truth[key]).abs()
        covered = (off <= Z90 * found["standard_error"]).mean()
        assert 0.80 < covered < 0.96, (name, covered)


def test_chance_in_small_units_inflates_the_raw_measures_and_hardly_the_corrected_ones():
    """Complete counts: 60 units of some 100 people, who move in at random with a known propensity."""
    propensity_b, propensity_w = simulated(100, 60, 0.7, 7, people=100, share=0.2)
    truth = true_values(propensity_b, propensity_w)
    generator = np.random.default_rng(8)
    units = long(b=generator.poisson(propensity_b).astype(float), w=generator.poisson(propensity_w).astype(float))
    names = {"area": "area", "unit": "unit", "seed": 1}
    d = corrected_dissimilarity(units, group="b", reference="w", **names)
    h = corrected_theil_h(units, groups=["b", "w"], **names)
    for found, name, key in ((d, "dissimilarity", "d"), (h, "theil_h", "h")):
        raw_bias = (found[name] - truth[key]).mean()
        assert raw_bias > 0.01
        assert abs((found[f"{name}_corrected"] - truth[key]).mean()) < 0.25 * raw_bias


def test_counts_without_error_need_no_correction():
    b, w = simulated(3, 8, 0.8, 9)
    units = long(b=b, w=w, bm=0 * b, wm=0 * w)
    for found, name in zip(both(units, n_draws=20), ("dissimilarity", "theil_h"), strict=True):
        assert found[f"{name}_corrected"].to_list() == pytest.approx(found[name].to_list())
        assert found["standard_error"].to_list() == pytest.approx([0] * 3, abs=1e-12)


def test_redraws_have_the_mean_and_the_error_of_the_estimates():
    counts = np.array([[400.0, 0.0], [30.0, 900.0], [7.0, 80.0]])
    errors = np.array([[120.0, 8.0], [25.0, 0.0], [9.0, 40.0]])
    draws = segregation._Area("1", counts, errors, 0).redrawn(40_000, 1, b"")
    assert (draws >= 0).all()
    assert draws.mean(axis=0) == pytest.approx(counts, rel=0.02)
    errors[0, 1] = 0  # an estimate of zero stays zero
    assert draws.std(axis=0) == pytest.approx(errors, rel=0.03)


def test_a_result_depends_neither_on_the_order_of_rows_nor_on_which_areas_are_beside():
    b, w = simulated(4, 10, 0.8, 10)
    units = with_margins(b, w, 11)
    everywhere = both(units, n_draws=20)
    shuffled = both(units.sample(fraction=1, shuffle=True, seed=2), n_draws=20)
    assert all(a.equals(b) for a, b in zip(everywhere, shuffled, strict=True))
    one = both(units.filter(area="00002"), n_draws=20)
    assert all(a.equals(b.filter(area="00002")) for a, b in zip(one, everywhere, strict=True))
    other_seed = both(units, seed=2, n_draws=20)
    assert other_seed[0]["standard_error"].to_list() != everywhere[0]["standard_error"].to_list()
    assert other_seed[0]["dissimilarity_corrected"].equals(everywhere[0]["dissimilarity_corrected"])


def area_of(n_units: int, b: float, w: float, n_missing: int = 0) -> pl.DataFrame:
    """b and w are totals, spread unevenly."""
    tilt = np.linspace(0.5, 1.5, n_units) if n_units > 1 else np.ones(1)
    rows = {"b": b * tilt / tilt.sum(), "w": w * tilt[::-1] / tilt.sum(), "bm": 20 + 0 * tilt, "wm": 20 + 0 * tilt}
    frame = long(**{name: array[None, :] for name, array in rows.items()})
    lost = pl.DataFrame({"area": ["00000"] * n_missing, "unit": [f"m{i}" for i in range(n_missing)]})
    return pl.concat([frame, lost], how="diagonal")


@pytest.mark.parametrize(
    ("units", "reason"),
    [
        (area_of(MIN_UNITS, MIN_MEMBERS, 5000), None),
        (area_of(MIN_UNITS - 1, MIN_MEMBERS, 5000), "fewer than 5 small units"),
        (area_of(MIN_UNITS, MIN_MEMBERS - 1, 5000), "fewer than 1,000 members outside the largest group"),
        (area_of(MIN_UNITS, 5000, MIN_MEMBERS - 1), "fewer than 1,000 members outside the largest group"),
        (area_of(18, MIN_MEMBERS, 5000, 2), None),
        (area_of(17, MIN_MEMBERS, 5000, 2), "counts missing in more than 10% of small units"),
    ],
)
def test_limits_make_the_corrected_measures_null_and_say_why(units, reason):
    for found, name in zip(both(units, n_draws=10), ("dissimilarity", "theil_h"), strict=True):
        row = found.row(0, named=True)
        assert row["reason"] == reason
        assert (row[f"{name}_corrected"] is None) == (row["standard_error"] is None) == (reason is not None)
        assert row[name] > 0  # the raw value stands beside


def test_margins_as_wide_as_the_county_give_nothing():
    units = area_of(6, 1200, 5000).with_columns(bm=pl.lit(40_000.0))
    for found in both(units, n_draws=40):
        assert found["reason"].item() == "margins too wide to redraw the counts"
        assert found["standard_error"].item() is None


def test_an_area_whose_counts_are_all_missing_keeps_its_row():
    units = area_of(6, 1200, 5000).with_columns(b=pl.lit(None, dtype=pl.Float64))
    for found, name in zip(both(units, n_draws=10), ("dissimilarity", "theil_h"), strict=True):
        assert found.select("n_units", "n_missing", name).row(0) == (0, 6, None)
        assert "missing" in found["reason"].item()


def test_faults_are_refused():
    units = area_of(6, 1200, 5000)
    with pytest.raises(ValueError, match="twice"):
        both(pl.concat([units, units.head(1)]))
    with pytest.raises(ValueError, match="negative"):
        both(units.with_columns(bm=pl.lit(-555555555.0)))
    with pytest.raises(ValueError, match="both groups or for neither"):
        corrected_dissimilarity(units, area="area", unit="unit", group="b", reference="w", group_moe="bm", seed=1)
    with pytest.raises(ValueError, match="one column of margins for each"):
        corrected_theil_h(units, area="area", unit="unit", groups=["b", "w"], moes=["bm"], seed=1)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_three_groups_of_which_one_is_absent_are_two(seed):
    b, w = simulated(1, 10, 0.8, seed)
    units = with_margins(b + 100, w, seed).with_columns(o=pl.lit(0.0), om=pl.lit(13.0))
    names = {"area": "area", "unit": "unit", "seed": 1, "n_draws": 10}
    two = corrected_theil_h(units, groups=["b", "w"], moes=["bm", "wm"], **names)
    three = corrected_theil_h(units, groups=["b", "w", "o"], moes=["bm", "wm", "om"], **names)
    assert three["theil_h"].item() == pytest.approx(two["theil_h"].item())
    assert three["members"].item() == two["members"].item()
