import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymcdm.normalizations import minmax_normalization
from scipy.stats import rankdata, zscore

from models.engine.normalise import half_up, imd_transform, normalise
from models.engine.tree import NORMALISATIONS

NAN = np.nan
# Of five areas one has no value, and two tie.
ROW = np.array([[10.0, 30.0, NAN, 20.0, 20.0]])
RANKED = ("percentile", "percentile_min", "svi", "rank", "imd")


def same(found, expected, **tolerance):
    assert np.asarray(found) == pytest.approx(np.asarray(expected, dtype=float), nan_ok=True, **tolerance)


@pytest.mark.parametrize(
    ("method", "up", "down"),
    [
        # n = 4; mean ranks 1, 4, 2.5, 2.5: 100 (r - 0.5) / 4
        ("percentile", [12.5, 87.5, NAN, 50, 50], [87.5, 12.5, NAN, 50, 50]),
        # min ranks 1, 4, 2, 2: 100 (r - 1) / 3
        ("percentile_min", [0, 100, NAN, 100 / 3, 100 / 3], [100, 0, NAN, 200 / 3, 200 / 3]),
        ("svi", [0, 1, NAN, 0.3333, 0.3333], [1, 0, NAN, 0.6667, 0.6667]),
        # lowest 10, highest 30
        ("min_max", [0, 100, NAN, 50, 50], [100, 0, NAN, 50, 50]),
        # mean 20, squares 100 + 100 + 0 + 0 over 3: sd sqrt(200 / 3)
        ("z", [-10 / math.sqrt(200 / 3), 10 / math.sqrt(200 / 3), NAN, 0, 0], None),
        # no more need than one's own: 1, 4, 3, 3; turned: 4, 1, 3, 3
        ("rank", [1, 4, NAN, 3, 3], [4, 1, NAN, 3, 3]),
    ],
)
def test_by_hand(method, up, down):
    same(normalise(ROW, method), [up])
    same(normalise(ROW, method, direction=-1), [np.negative(up) if down is None else down])


def test_imd_by_hand():
    # R = 1/4, 1, 3/4, 3/4; exp(-100/23) = 0.0129345...
    whole = 1 - math.exp(-100 / 23)
    expected = [-23 * math.log(1 - r * whole) for r in (0.25, 1, 0.75)]
    same(normalise(ROW, "imd"), [[expected[0], 100, NAN, expected[2], expected[2]]])
    same(normalise(ROW, "imd", direction=-1), [[100, expected[0], NAN, expected[2], expected[2]]])


def test_the_tenth_of_greatest_need_gets_more_than_half_of_the_imd_scale():
    n = 1000
    found = normalise(np.arange(n, dtype=float)[None], "imd")[0]
    assert found[900:].min() > 50
    # R = 0.9: -23 ln(1 - 0.9 * 0.98707) = 50.4; R = 0.5: -23 ln(0.506465) = 15.65
    assert imd_transform(np.array([0.0, 0.5, 0.9, 1.0])) == pytest.approx([0, 15.647, 50.427, 100], abs=5e-4)


def test_none_leaves_values_alone_and_cannot_turn_them():
    assert normalise(ROW, "none") is ROW
    with pytest.raises(ValueError, match="cannot turn"):
        normalise(ROW, "none", direction=-1)


def test_ties_are_why_the_share_is_turned_and_not_the_value():
    values = np.array([[1.0, 1.0, 2.0]])
    same(normalise(values, "percentile_min", direction=-1), [[100, 100, 0]])
    same(normalise(-values, "percentile_min"), [[50, 50, 0]])


def test_min_max_takes_any_scale():
    same(normalise(ROW, "min_max", scale=(1, 100)), [[1, 100, NAN, 50.5, 50.5]])
    same(normalise(ROW, "min_max", scale=(-1, 3), direction=-1), [[3, -1, NAN, 1, 1]])


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("percentile", 50),
        ("percentile_min", 0),
        ("svi", 0),
        ("min_max", 50),
        ("z", 0),
        ("rank", 3),
        ("imd", 100),
    ],
)
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9 + 0.1])
def test_equal_values_say_nothing(method, value, constant):
    same(normalise(np.array([[constant, NAN, constant, constant]]), method), [[value, NAN, value, value]])


def test_equal_values_turned():
    values = np.full((1, 3), 7.0)
    assert [float(normalise(values, m, direction=-1)[0, 0]) for m in NORMALISATIONS if m != "none"] == pytest.approx(
        [50, 100, 1, 50, 0, 3, 100]
    )


@pytest.mark.parametrize(
    ("method", "value"),
    [("percentile", 50), ("percentile_min", NAN), ("svi", NAN), ("min_max", 50), ("z", 0), ("rank", 1), ("imd", 100)],
)
def test_a_single_value_has_nothing_to_be_compared_with(method, value):
    same(normalise(np.array([[NAN, 3.0]]), method), [[NAN, value]])


@pytest.mark.parametrize("method", NORMALISATIONS)
def test_a_row_without_values_has_none(method):
    rows = np.array([[NAN, NAN], [1.0, 2.0]])
    found = normalise(rows, method)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


@pytest.mark.parametrize("method", NORMALISATIONS)
def test_every_row_is_normalised_by_itself(method):
    rows = np.random.default_rng(1).normal(size=(4, 30)).round(1)
    rows[1, :5] = NAN
    same(normalise(rows, method), np.concatenate([normalise(row[None], method) for row in rows]), rel=1e-12)


@pytest.mark.parametrize("method", NORMALISATIONS)
def test_precision_stays_but_for_svi(method):
    rows = np.random.default_rng(2).normal(size=(2, 50)).astype(np.float32)
    found = normalise(rows, method)
    assert found.dtype == (np.float64 if method == "svi" else np.float32)
    same(found, normalise(rows.astype(np.float64), method), rel=1e-4, abs=1e-5)


def test_float64_values_do_not_tie_for_want_of_digits():
    rows = np.array([[1.0, 1.0 + 1e-12, 1.0 + 2e-12]])
    same(normalise(rows, "percentile_min"), [[0, 50, 100]])
    same(normalise(rows, "min_max"), [[0, 50, 100]], rel=1e-3)


values = st.floats(-1e6, 1e6).map(lambda x: round(x, 1)) | st.just(NAN)
blocks = arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(2, 12)), elements=values)


@given(blocks)
def test_ranks_are_those_of_scipy(rows):
    for row, mean, low, borda in zip(
        rows, *(normalise(rows, method) for method in ("percentile", "percentile_min", "rank")), strict=True
    ):
        known = ~np.isnan(row)
        n = known.sum()
        same(mean[known], 100 * (rankdata(row[known], "average") - 0.5) / max(n, 1))
        same(borda[known], n + 1 - rankdata(-row[known], "min"))
        if n > 1:
            same(low[known], 100 * (rankdata(row[known], "min") - 1) / (n - 1))


@given(blocks, st.sampled_from(RANKED), st.sampled_from([1, -1]))
def test_ranks_do_not_depend_on_units(rows, method, direction):
    stretched = rows * 8 - 1024  # exact in binary, so that no tie comes or goes
    same(normalise(stretched, method, direction=direction), normalise(rows, method, direction=direction))


@given(blocks, st.sampled_from([m for m in NORMALISATIONS if m != "none"]), st.sampled_from([1, -1]))
def test_more_need_never_counts_less(rows, method, direction):
    found = normalise(rows, method, direction=direction)
    for row, score in zip(rows, found, strict=True):
        assert (np.isnan(score) >= np.isnan(row)).all()
        order = np.argsort(direction * row[~np.isnan(row)], kind="stable")
        steps = np.diff(score[~np.isnan(row)][order])
        assert (steps[~np.isnan(steps)] >= -1e-9).all()


@given(blocks, st.sampled_from(["percentile", "min_max", "z"]))
def test_turning_values_turns_the_score_where_ties_do_not_matter(rows, method):
    same(normalise(rows, method, direction=-1), normalise(-rows, method), rel=1e-6, abs=1e-6)


def test_min_max_and_z_are_those_of_others():
    row = np.random.default_rng(3).gamma(2, size=40)
    same(normalise(row[None], "min_max", scale=(0, 1))[0], minmax_normalization(row))
    same(normalise(row[None], "min_max", scale=(0, 1), direction=-1)[0], minmax_normalization(row, cost=True))
    same(normalise(row[None], "z")[0], zscore(row, ddof=1))


REFERENCE = np.array([40.0, 20.0, NAN, 20.0, 10.0])


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # below 20 one of four and two equal: (1 + 3) / 8; below 5 none; below 30 three
        ("percentile", [50, 0, 75, 100, NAN]),
        # one, none, three and four of the three others, which is as many as there are
        ("percentile_min", [100 / 3, 0, 100, 100, NAN]),
        # 10 to 40 is the scale, and values outside lie outside
        ("min_max", [100 / 3, -50 / 3, 200 / 3, 400 / 3, NAN]),
        # mean 22.5; squares 306.25 + 6.25 + 6.25 + 156.25 = 475 over 3
        ("z", [x / math.sqrt(475 / 3) for x in (-2.5, -17.5, 7.5, 27.5, NAN)]),
    ],
)
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_against_a_frozen_reference_by_hand(method, expected, precision):
    rows = np.array([[20.0, 5.0, 30.0, 50.0, NAN]], dtype=precision)
    found = normalise(rows, method, reference=REFERENCE)
    assert found.dtype == precision
    same(found, [expected], rel=1e-5)
    whole = {"z": 0, "min_max": 100}.get(method, 100)
    same(normalise(rows, method, reference=REFERENCE, direction=-1), [whole - np.array(expected)], rel=1e-5)


@pytest.mark.parametrize("method", ["percentile", "percentile_min", "min_max", "z"])
def test_the_frame_frozen_gives_the_frame(method):
    row = np.random.default_rng(4).normal(size=60).round(1)
    row[7] = NAN
    same(normalise(row[None], method, reference=row), normalise(row[None], method))
    assert np.isnan(normalise(row[None], method, reference=np.array([NAN]))).all()


@pytest.mark.parametrize("method", ["svi", "rank", "imd", "none"])
def test_what_has_no_frozen_form_is_refused(method):
    with pytest.raises(ValueError, match="frozen"):
        normalise(ROW, method, reference=REFERENCE)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="'decile' is no normalisation"):
        normalise(ROW, "decile")


def test_halves_go_up():
    # 8 / 256 = 0.03125 exactly; 0.00005 and 0.12345 are halves to people, whatever binary makes of them
    assert half_up(np.array([0.03125, 0.00005, 0.12345, 0.12344999])).tolist() == [0.0313, 0.0001, 0.1235, 0.1234]
    # 57 / 160 = 0.35625 is a half, but as 1 - 103 / 160 binary arithmetic leaves it a hair below
    assert (1 - 103 / 160) * 1e4 < 3562.5
    assert half_up(np.array(1 - 103 / 160)) == 0.3563


@given(st.integers(2, 200_000), st.data())
def test_rounding_is_exact_for_every_share(n, data):
    below = data.draw(st.integers(0, n - 1))
    # floor(10000 below / (n - 1) + 1/2) in whole numbers
    exact = (20_000 * below + n - 1) // (2 * (n - 1))
    assert half_up(np.array(below / (n - 1))) == exact / 10_000
    turned = (20_000 * (n - 1 - below) + n - 1) // (2 * (n - 1))
    assert half_up(np.array(1 - below / (n - 1))) == turned / 10_000
