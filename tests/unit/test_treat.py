import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kurtosis, skew

from models.engine import treat
from models.engine.treat import UNTREATED, Treatment, fit, passes, record, skew_and_kurtosis

NAN = np.nan


def outlier(*ends: float, n: int = 100) -> np.ndarray:
    """Evenly spread values from 0 to 1, and some far away."""
    return np.concatenate([np.linspace(0, 1, n), ends])


def test_shape_by_hand():
    # 0, 0, 0, 4: deviations -1, -1, -1, 3; squares sum to 12, cubes to 24, fourth powers to 84
    # G1 = 2 * 24 / 12^1.5 * sqrt(12) / 2 = 2;  r = 4 * 84 / 144 = 7/3
    # G2 = (5 (7/3 - 3) + 6) * 3 / (2 * 1) = (-10/3 + 6) * 1.5 = 4
    assert skew_and_kurtosis(np.array([0.0, 0, NAN, 0, 4])) == pytest.approx((2, 4))


def test_shape_is_that_of_scipy():
    values = np.random.default_rng(1).gamma(1, size=200)
    assert skew_and_kurtosis(values) == pytest.approx((skew(values, bias=False), kurtosis(values, bias=False)))


@pytest.mark.parametrize("values", [[], [1, 2, 9], [5, 5, 5, 5, 5], [NAN, NAN]])
def test_few_or_equal_values_have_no_shape(values):
    assert skew_and_kurtosis(np.array(values, dtype=float)) == (0, 0)
    assert fit(np.array(values, dtype=float)) == Treatment()


@pytest.mark.parametrize(
    ("skewness", "kurt", "good"),
    [(1.9, 9, True), (-1.9, 9, True), (9, 3.4, True), (2, 3.5, False), (-2, 3.5, False), (2.5, 3.5, False)],
)
def test_only_what_fails_both_is_treated(skewness, kurt, good):
    assert passes(skewness, kurt) is good


def test_what_passes_is_left_alone():
    values = np.linspace(0, 1, 50)
    treated = treat.treat({"a": values})
    assert treated.values["a"] is values
    assert treated.table.is_empty()
    assert treated.table.schema == treat.SCHEMA


def test_one_far_value_takes_the_next_below():
    values = outlier(50.0)
    treated = treat.treat({"calm": values[:100], "wild": values})
    assert treated.values["wild"][-1] == 1.0
    assert (treated.values["wild"][:-1] == values[:-1]).all()
    assert treated.table.rows() == [("wild", 100, 50.0, 1.0, "winsorised")]


def test_a_low_tail_moves_up():
    values = -outlier(50.0)
    assert treat.treat({"a": values}).table.rows() == [("a", 100, -50.0, -1.0, "winsorised")]


def test_one_step_at_a_time_and_no_more_than_needed():
    # The first step brings 60 down to 50, which does not help; the next brings both to 1.
    values = outlier(50.0, 60.0)
    once = np.clip(values, None, 50.0)
    assert not passes(*skew_and_kurtosis(once))
    assert treat.treat({"a": values}).table["after"].to_list() == [1.0, 1.0]


def test_tied_values_move_together():
    values = outlier(50.0, 50.0, 50.0)
    found = treat.treat({"a": values})
    assert found.table["position"].to_list() == [100, 101, 102]


def test_both_tails_can_move():
    values = outlier(-40.0, 60.0)
    found = treat.treat({"a": values})
    assert sorted(found.table.select("before", "after").rows()) == [(-40.0, 0.0), (60.0, 1.0)]


def test_at_most_five_or_one_in_a_hundred_are_winsorised():
    six = outlier(*np.geomspace(50, 90, 6))
    assert fit(six, winmax=6).rule == "winsorised"
    assert fit(six).rule != "winsorised"  # max(5, 1 % of 106) is 5
    many = outlier(*np.geomspace(50, 90, 6), n=600)
    assert fit(many).rule == "winsorised"  # 1 % of 606, rounded up, is 7
    # One step may go beyond where values tie: six equal ones move at once.
    assert fit(outlier(*[50.0] * 6)).rule == "winsorised"


def test_what_winsorising_cannot_mend_goes_on_a_log_scale():
    values = np.exp(np.linspace(0, 12, 300))
    treated = treat.treat({"up": values, "down": -values})
    low, high = values.min(), values.max()
    offset = 0.01 * (high - low)
    assert treated.rules == {"up": Treatment("log", low, high), "down": Treatment("log, reversed", -high, -low)}
    assert treated.values["up"] == pytest.approx(np.log(values - low + offset))
    assert treated.values["down"] == pytest.approx(-treated.values["up"])
    assert passes(*skew_and_kurtosis(treated.values["up"]))
    assert treated.table.group_by("indicator", "rule").len().sort("indicator").rows() == [
        ("down", "log, reversed", 300),
        ("up", "log", 300),
    ]


def test_what_nothing_mends_is_flagged_and_left():
    values = np.concatenate([np.zeros(180), np.arange(1, 21) ** 6.0])
    treated = treat.treat({"a": values})
    assert treated.rules["a"].rule == UNTREATED
    assert (treated.values["a"] == values).all()
    assert treated.table.rows() == [("a", None, None, None, "untreated, still skewed")]
    draws = np.random.default_rng(1).normal(size=(2, 200))
    assert treated.apply({"a": draws})["a"] is draws


def test_missing_values_stay_missing_and_uncounted():
    values = outlier(50.0)
    gappy = np.concatenate([[NAN], values, [NAN]])
    treated = treat.treat({"a": gappy})
    assert treated.table.rows() == [("a", 101, 50.0, 1.0, "winsorised")]
    assert np.isnan(treated.values["a"][[0, -1]]).all()


def test_draws_are_treated_with_what_the_points_gave():
    treated = treat.treat({"wild": outlier(50.0), "long": np.exp(np.linspace(0, 12, 101))})
    draws = {name: np.array([[-3.0, 0.5, 2.0, 70.0, NAN]], dtype=np.float32) for name in treated.values}
    found = treated.apply(draws)
    # Winsorised above at 1; below nothing was.
    assert found["wild"][0, :4].tolist() == [-3, 0.5, 1, 1]
    rule = treated.rules["long"]
    offset = 0.01 * (rule.high - rule.low)
    # Below the lowest point, 1, counts as the lowest; the others as they are.
    assert found["long"][0, :4] == pytest.approx(np.log([offset, offset, 1 + offset, 69 + offset]), rel=1e-6)
    assert np.isnan(found["wild"][0, 4]) and np.isnan(found["long"][0, 4])
    assert found["wild"].dtype == found["long"].dtype == np.float32


@given(st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 1)), min_size=1, max_size=30), st.integers(0, 10))
def test_treatment_keeps_the_order(values, far):
    points = np.array([*values, *([1e5] * far)])
    treated = fit(points).apply(points)
    order = np.argsort(points, kind="stable")
    assert (np.diff(treated[order]) >= 0).all()


@given(st.lists(st.floats(-50, 50), min_size=4, max_size=40), st.integers(0, 40))
def test_sums_of_winsorised_values_are_those_of_winsorised_values(values, seed):
    known = np.sort(np.round(values, 1))
    if known[0] == known[-1]:
        return
    tails = treat._Tails(known)
    generator = np.random.default_rng(seed)
    low, high = np.sort(generator.integers(0, tails.values.size, 2))
    if low == high:
        return
    clipped = np.clip(known, tails.values[low], tails.values[high])
    good = tails.passes(low, high)
    expected = skew_and_kurtosis(clipped)
    assert tails.skew == pytest.approx(expected[0], abs=1e-6, rel=1e-6)
    assert good == passes(*expected) or min(abs(abs(expected[0]) - 2), abs(expected[1] - 3.5)) < 1e-6
    assert tails.affected(low, high) == (clipped != known).sum()


def test_a_record_of_nothing_is_empty():
    assert record("a", np.arange(5.0), Treatment()).is_empty()
