"""Drift of indicators: figures by hand, thresholds that bite, and findings that lead to their rows."""

from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from models.decisions.drift import DECISION, DRIFT, ITSELF, LOST, MISSING, ORDER, ROWS, SHIFT, drift, ks_distance
from models.decisions.thresholds import ThresholdError, drift_thresholds, read_thresholds, tolerances
from models.indices.spec import all_indices
from tests.unit.decision_inputs import inputs, place

ONE = "child_poverty_share"
Values = dict[str, dict[str, float | None]]


def values(given: Values, indicator: str = ONE, level: str = "county") -> pl.DataFrame:
    rows = [
        {"geo_level": level, "geo_id": area, "indicator_id": indicator, "period": period, "value": value}
        for period, areas in given.items()
        for area, value in areas.items()
    ]
    schema = {**dict.fromkeys(("geo_level", "geo_id", "indicator_id", "period"), pl.String), "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema)


def found(frame: pl.DataFrame, measure: str) -> dict:
    [row] = drift(frame, is_simulated=False).filter(pl.col("measure") == measure).to_dicts()
    return row


def areas(n: int, value: float | None = 0.2) -> dict[str, float | None]:
    return {f"{29000 + i:05d}": None if value is None else value + i / 1000 for i in range(n)}


def test_an_indicator_of_one_period_has_no_drift():
    assert drift(values({"2023": areas(5)}), is_simulated=False).is_empty()
    assert drift(values({}), is_simulated=False).is_empty()


def test_a_file_that_was_cut_is_flagged_with_the_areas_that_are_gone():
    whole = areas(100)
    cut = dict(list(whole.items())[:90])
    frame = values({"2022": whole, "2023": cut})
    rows, lost, missing = (found(frame, measure) for measure in (ROWS, LOST, MISSING))
    # 10 of 100 rows.
    assert (rows["figure"], rows["value_from"], rows["value_to"], rows["is_flagged"]) == (0.1, 100, 90, True)
    assert (lost["figure"], lost["is_flagged"]) == (0.1, True)
    assert lost["area_ids"].split(", ") == list(whole)[90:]
    # Of the rows that are left none is without a value.
    assert (missing["figure"], missing["is_flagged"]) == (0.0, False)
    assert "100 rows became 90, a change of 10.0%, beyond the threshold of 0.03" in rows["sentence"]


def test_values_that_are_withheld_are_missing_and_lost_and_no_zero():
    whole = areas(50)
    frame = values({"2022": whole, "2023": {**whole, "29000": None, "29001": None, "29002": None, "29003": None}})
    # 4 of 50 rows, from none.
    assert found(frame, MISSING)["figure"] == pytest.approx(0.08)
    assert found(frame, LOST)["figure"] == pytest.approx(0.08)
    assert found(frame, ROWS)["figure"] == 0
    assert found(frame, SHIFT)["n_areas"] == 46


def test_fewer_missing_values_are_no_drift():
    frame = values({"2022": areas(50, None), "2023": areas(50)})
    assert (found(frame, MISSING)["figure"], found(frame, MISSING)["is_flagged"]) == (0.0, False)
    assert found(frame, LOST)["is_flagged"] is None  # there was nothing to lose


def test_a_changed_unit_shifts_the_distribution():
    shares = areas(120)
    in_per_cent = {area: value and value * 100 for area, value in shares.items()}
    row = found(values({"2022": shares, "2023": in_per_cent}), SHIFT)
    assert (row["figure"], row["is_flagged"]) == (1.0, True)
    assert row["value_to"] == pytest.approx(100 * row["value_from"])
    same = found(values({"2022": shares, "2023": shares}), SHIFT)
    assert (same["figure"], same["is_flagged"], same["area_ids"]) == (0.0, False, None)


def test_a_shift_names_the_areas_that_moved_most():
    shares = areas(120)
    # The first becomes the last: 119 places; every other moves by one.
    row = found(values({"2022": shares, "2023": {**shares, "29000": 0.9}}), SHIFT)
    assert "29000" in row["area_ids"]
    assert len(row["area_ids"].split(", ")) == 5


def test_too_few_areas_are_not_judged_and_it_is_said():
    frame = values({"2022": areas(5), "2023": areas(4, 0.9)})
    for measure in (ROWS, LOST, MISSING, SHIFT):
        row = found(frame, measure)
        assert (row["figure"], row["is_flagged"]) == (None, None)
        assert f"{row['n_areas']} areas are too few to judge {measure}" in row["sentence"]


def test_dollars_are_compared_in_those_of_one_year():
    # CPI-U 2018 251.107, 2023 304.702: the same real income is no drift.
    factor = 304.702 / 251.107
    before = {area: 50000 + 1000 * (value or 0) * 1000 for area, value in areas(120).items()}
    after = {area: value * factor for area, value in before.items()}
    row = found(values({"2018": before, "2023": after}, "median_household_income_usd"), SHIFT)
    assert row["value_from"] == pytest.approx(row["value_to"], rel=1e-3)
    assert row["is_flagged"] is False


def test_a_declared_break_explains_what_is_flagged():
    continuums = {f"MO-{500 + i}": 10.0 + i for i in range(40)}
    some = dict(list(continuums.items())[:30])
    frame = values({"2020": continuums, "2021": some}, "homeless_people_count", "coc")
    row = found(frame, LOST)
    assert row["is_flagged"]
    assert "declared: counts of unsheltered people were waived in 2021" in row["sentence"]


def pair_of_members() -> tuple[str, str, str]:
    index = next(one for one in all_indices().values() if sum(not m.is_index for m in one.members) > 1)
    a, b = sorted(member.id for member in index.members if not member.is_index)[:2]
    return index.id, a, b


def test_two_members_of_an_index_that_turn_round_are_flagged():
    index, a, b = pair_of_members()
    order = areas(150)
    turned = {area: 1 - (value or 0) for area, value in order.items()}
    frame = pl.concat([values({"2022": order, "2023": order}, a), values({"2022": order, "2023": turned}, b)])
    [row] = drift(frame, is_simulated=False).filter(pl.col("measure") == ORDER).to_dicts()
    assert (row["indicator_id"], row["compared_with"], row["index_id"]) == (a, b, index)
    # From the same order to the opposite one: 1 to -1.
    assert (row["value_from"], row["value_to"], row["figure"]) == (
        pytest.approx(1),
        pytest.approx(-1),
        pytest.approx(2),
    )
    assert row["is_flagged"]


def test_a_member_that_is_the_same_everywhere_has_no_correlation():
    _, a, b = pair_of_members()
    flat = dict.fromkeys(areas(150), 0.5)
    frame = pl.concat([values({"2022": areas(150), "2023": areas(150)}, a), values({"2022": flat, "2023": flat}, b)])
    [row] = drift(frame, is_simulated=False).filter(pl.col("measure") == ORDER).to_dicts()
    assert (row["figure"], row["is_flagged"]) == (None, None)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of p-values, which are not asked for
@given(
    st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40),
    st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40),
)
def test_the_distance_is_that_of_scipy_ties_included(a: list[float], b: list[float]):
    theirs = ks_2samp(np.array(a), np.array(b), method="asymp").statistic
    assert ks_distance(pl.Series(a), pl.Series(b)) == pytest.approx(float(theirs), abs=1e-12)


def test_the_table_keeps_its_contract_and_the_order_of_rows_does_not_matter():
    frame = pl.concat(
        values({"2021": areas(30), "2022": areas(29), "2023": areas(30, 0.5)}, name, level)
        for name, level in product((ONE, "crowded_share"), ("county", "tract"))
    )
    whole = DECISION.compute(inputs(DECISION), place()).frames[DRIFT.key]
    assert whole.is_empty()
    table = drift(frame, is_simulated=True)
    assert table.columns == DRIFT.column_names
    assert table.height == table.select(DRIFT.primary_key).n_unique()
    assert table.filter(pl.col("compared_with") == ITSELF).height == 2 * 2 * 2 * 4
    assert table.equals(drift(frame.sample(fraction=1, shuffle=True, seed=1), is_simulated=True))


# --- the declaration ---------------------------------------------------------------------------------------------


def test_every_measure_and_comparison_has_a_threshold_with_a_reason():
    from models.decisions.reconciliation import COMPARISONS

    assert set(drift_thresholds()) == {ROWS, LOST, MISSING, SHIFT, ORDER}
    assert set(tolerances()) == {comparison.id for comparison in COMPARISONS}
    assert all(len(one.reason) > 40 for one in (*drift_thresholds().values(), *tolerances().values()))


GOOD = {"threshold": 0.1, "reason": "because"}


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"threshold": 0.1}, "drift.rows: says no reason"),
        ({"threshold": 0.1, "reason": " "}, "drift.rows: says no reason"),
        ({"reason": "because"}, "threshold"),
        (GOOD | {"threshold": -1}, "must be a number of 0 or more, not -1"),
        (GOOD | {"threshold": "low"}, "must be a number"),
        (GOOD | {"treshold": 1}, "unknown key 'treshold'"),
        ("0.1", "must be a mapping"),
    ],
)
def test_a_threshold_that_is_wrongly_declared_is_refused_by_name(entry: object, says: str):
    with pytest.raises(ThresholdError, match=says):
        read_thresholds({"drift": {"rows": entry}, "reconciliation": {}})


def test_a_missing_section_is_refused():
    with pytest.raises(ThresholdError, match="has no section reconciliation"):
        read_thresholds({"drift": {}})
