"""Two sources on one thing: sums and intervals by hand, and what is not known stays so."""

from typing import Any

import polars as pl
import pytest

from models.decisions.reconciliation import (
    ACS,
    COMPARISONS,
    DECISION,
    HIC_COC,
    HIC_STATE,
    OTHER_CHILDREN,
    PIT_COC,
    PIT_STATE,
    POOR_CHILDREN,
    SAIPE,
    SAIPE_DISTRICT,
    STUDENTS_COUNTY,
    STUDENTS_DISTRICT,
    TABLE,
    reconcile,
)
from tests.unit.decision_inputs import SHA, acs, crosswalk, inputs, place, rows

CITY, COUNTY = "29510", "29189"


def judged(comparison: str, **given: pl.DataFrame) -> list[dict[str, Any]]:
    table, _ = reconcile(inputs(DECISION, **given), is_simulated=False)
    return table.filter(pl.col("comparison_id") == comparison).sort("geo_id", "period_a").to_dicts()


def saipe(period: str, level: str = "county", area: str = CITY, **figures: float) -> dict[str, Any]:
    return {
        "vintage": period, "period": period, "geo_level": level, "geo_id": area, "snapshot_sha256": SHA, **figures,
    }  # fmt: skip


def pit(code: str, count: float | None, state: bool = False, **more: Any) -> dict[str, Any]:
    area = {"MO": "29", "KS": "20"}[code] if state else code
    return {
        "vintage": "2018", "period": "2018", "geo_level": "state" if state else "coc", "geo_id": area,
        "publisher_code": code, "measure": "Overall Homeless", "count": count, "count_kind": "exact",
        "snapshot_sha256": SHA, **more,
    }  # fmt: skip


# --- SAIPE and the ACS -------------------------------------------------------------------------------------------


def of_children(poor: float, other: float, moe: float) -> pl.DataFrame:
    cells = [*((cell, poor) for cell in POOR_CHILDREN), *((cell, other) for cell in OTHER_CHILDREN)]
    return acs([(CITY, cell, estimate, moe) for cell, estimate in cells])


def of_saipe(share: float, half: float, period: str = "2023") -> dict[str, Any]:
    bounds = {"_lower": share - half, "_upper": share + half, "": share}
    return saipe(period, **{f"poverty_0_17_share{end}": value for end, value in bounds.items()})


def test_child_poverty_is_twelve_cells_over_twenty_four():
    # 12 x 100 poor of 12 x 100 + 12 x 300 children: a quarter. Margins: 12 cells of 10 each are root(12) x 10 = 34.64,
    # 24 are root(24) x 10 = 48.99; root(34.64^2 - 0.0625 x 48.99^2) / 4800 = root(1200 - 150) / 4800 = 0.006751.
    frames = {"core__census_acs5_county": of_children(100, 300, 10)}
    [row] = judged("saipe_acs_child_poverty", **frames, core__census_saipe_county=rows(SAIPE, [of_saipe(0.26, 0.02)]))
    assert row["figure_a"] == pytest.approx(0.25)
    assert row["figure_a_upper"] - row["figure_a"] == pytest.approx(0.006751, abs=1e-6)
    assert (row["is_within"], row["gap"], row["geo_id"], row["period_a"]) == (True, 0, CITY, "2019-2023")
    assert row["difference"] == pytest.approx(-0.01)


@pytest.mark.parametrize(("share", "is_within"), [(0.29, True), (0.31, False), (0.20, True), (0.19, False)])
def test_a_pair_is_outside_where_the_gap_between_both_intervals_is_beyond_the_tolerance(share: float, is_within: bool):
    # ACS 0.25 +- 0.00675; SAIPE +- 0.02; allowed 0.02: SAIPE may be from 0.2032... less 0.0 to 0.2967.
    frames = {"core__census_acs5_county": of_children(100, 300, 10)}
    half = 0.02 if share > 0.25 else 0.03
    [row] = judged("saipe_acs_child_poverty", **frames, core__census_saipe_county=rows(SAIPE, [of_saipe(share, half)]))
    gap = abs(share - 0.25) - half - 0.006751
    assert row["gap"] == pytest.approx(max(gap, 0), abs=1e-6)
    assert row["is_within"] is (gap <= 0.02) is is_within
    assert ("within the tolerance" in row["sentence"]) is is_within


def test_the_year_nearest_to_the_middle_is_taken_and_one_too_far_is_not():
    # 2019-2023 has its middle in 2021: 2020 is nearest; 2018 is three years away.
    frames = {"core__census_acs5_county": of_children(100, 300, 10)}
    years = [of_saipe(0.2, 0.1, year) for year in ("2018", "2020", "2023")]
    [row] = judged("saipe_acs_child_poverty", **frames, core__census_saipe_county=rows(SAIPE, years))
    assert row["period_b"] == "2020"
    assert judged("saipe_acs_child_poverty", **frames, core__census_saipe_county=rows(SAIPE, years[:1])) == []
    # Of two as near the later: 2019 and 2023.
    pair = rows(SAIPE, [of_saipe(0.2, 0.1, year) for year in ("2019", "2023")])
    [row] = judged("saipe_acs_child_poverty", **frames, core__census_saipe_county=pair)
    assert row["period_b"] == "2023"


def test_a_cell_that_is_not_at_hand_makes_the_comparison_absent_and_not_wrong():
    frame = of_children(100, 300, 10).filter(pl.col("cell") != POOR_CHILDREN[0])
    given = inputs(
        DECISION, core__census_acs5_county=frame, core__census_saipe_county=rows(SAIPE, [of_saipe(0.2, 0.1)])
    )
    table, absent = reconcile(given, is_simulated=False)
    assert table.is_empty()
    assert {part.part: part.reason for part in absent}["analyst.reconciliation.saipe_acs_child_poverty"] == (
        f"{ACS} has not the figures that are compared"
    )
    assert len(absent) == len(COMPARISONS)


def test_an_estimate_that_is_withheld_is_not_judged():
    frame = of_children(100, 300, 10).with_columns(
        estimate=pl.when(pl.col("cell") != POOR_CHILDREN[0]).then("estimate")
    )
    [row] = judged(
        "saipe_acs_child_poverty",
        core__census_acs5_county=frame,
        core__census_saipe_county=rows(SAIPE, [of_saipe(0.2, 0.1)]),
    )
    assert (row["figure_a"], row["gap"], row["is_within"], row["difference"]) == (None, None, None, None)
    assert "one of both is not known" in row["sentence"]


def test_incomes_are_compared_in_dollars_of_the_same_year():
    frame = acs([(CITY, "B19013_001", 50000, 1000)])
    wide = {"median_household_income_usd": 56000, "median_household_income_usd_lower": 54000,
            "median_household_income_usd_upper": 58000}  # fmt: skip
    years = rows(SAIPE, [saipe("2021", **wide), saipe("2023", **wide)])
    [row] = judged("saipe_acs_income", core__census_acs5_county=frame, core__census_saipe_county=years)
    # From 51,000 to 54,000; allowed are 5 % of 56,000.
    assert (row["period_a"], row["period_b"], row["gap"], row["tolerance"]) == ("2023", "2023", 3000, 2800)
    assert row["is_within"] is False


# --- parts and wholes --------------------------------------------------------------------------------------------


def test_continuums_are_summed_by_the_state_of_their_code():
    given = {
        "core__hud_pit_coc": rows(PIT_COC, [pit("MO-500", 800), pit("MO-501", 300), pit("KS-502", 90)]),
        "core__hud_pit_state": rows(PIT_STATE, [pit("MO", 1000, True), pit("KS", 90, True)]),
    }
    kansas, missouri = judged("pit_coc_state", **given)
    assert (kansas["geo_id"], kansas["figure_a"], kansas["n_parts"], kansas["is_within"]) == ("20", 90, 1, True)
    # 1,100 against 1,000: the larger of 5 and 1 % is allowed.
    assert (missouri["difference"], missouri["tolerance"], missouri["is_within"]) == (100, 10, False)
    assert "core.hud_pit_coc says 1100 (2018), core.hud_pit_state says 1000 (2018)" in missouri["sentence"]
    assert missouri["snapshot_sha256"] == f"{SHA},{SHA}"


def test_a_count_that_is_missing_makes_the_sum_a_lower_bound():
    state = rows(PIT_STATE, [pit("MO", 1000, True)])
    some = rows(PIT_COC, [pit("MO-500", 800), pit("MO-501", None)])
    [row] = judged("pit_coc_state", core__hud_pit_coc=some, core__hud_pit_state=state)
    assert (row["figure_a"], row["figure_a_upper"], row["difference"], row["is_within"]) == (800, None, None, True)
    assert "of 2 parts 1 are known: at least" in row["sentence"]
    more = rows(PIT_COC, [pit("MO-500", 1100), pit("MO-501", None)])
    [row] = judged("pit_coc_state", core__hud_pit_coc=more, core__hud_pit_state=state)
    assert (row["gap"], row["is_within"]) == (100, False)
    none = rows(PIT_COC, [pit("MO-500", None)])
    [row] = judged("pit_coc_state", core__hud_pit_coc=none, core__hud_pit_state=state)
    assert (row["figure_a"], row["is_within"]) == (None, None)


def test_a_period_that_stands_in_two_vintages_is_counted_once_as_it_was_corrected():
    beds = {"measure": "Total Year-Round Beds (ES, TH, SH)"}
    twice = [pit("MO-500", 400, **beds), pit("MO-500", 410, vintage="2019", **beds)]
    [row] = judged(
        "hic_coc_state",
        core__hud_hic_coc=rows(HIC_COC, twice),
        core__hud_hic_state=rows(HIC_STATE, [pit("MO", 410, True, vintage="2019", **beds)]),
    )
    assert (row["figure_a"], row["n_parts"], row["is_within"]) == (410, 1, True)


def district(area: str, poor: int) -> dict[str, Any]:
    return {
        "vintage": "2022", "period": "2022", "geo_level": "school_district", "geo_id": area,
        "poverty_5_17_related_count": poor, "snapshot_sha256": SHA,
    }  # fmt: skip


def test_districts_are_carried_to_counties_by_their_weights_and_to_states_whole():
    poor = "poverty_5_17_related_count"
    bounds = {f"{poor}_lower": 900, f"{poor}_upper": 1100}
    given = {
        "core__census_saipe_district": rows(SAIPE_DISTRICT, [district("2900001", 1000), district("2900002", 400)]),
        "core__census_saipe_county": rows(
            SAIPE,
            [
                saipe("2023", **{poor: 1000}, **bounds),
                saipe("2023", area=COUNTY, **{poor: 900}),
                saipe("2023", "state", "29", **{poor: 1410}),
            ],
        ),
        "geography__crosswalk": crosswalk(
            ("school_district", "2900001", "county", CITY, 1.0),
            ("school_district", "2900002", "county", CITY, 0.25),
            ("school_district", "2900002", "county", COUNTY, 0.75),
            crosswalk_id="district_county",
        ),
    }
    county, city = judged("saipe_district_county", **given)
    # 1000 + 0.25 x 400 inside the county's own interval; 0.75 x 400 against 900 without one, where 225 are allowed.
    assert (city["figure_a"], city["gap"], city["is_within"], city["period_b"]) == (1100, 0, True, "2023")
    assert (county["figure_a"], county["gap"], county["tolerance"], county["is_within"]) == (300, 600, 225, False)
    [state] = judged("saipe_district_state", **given)
    assert (state["figure_a"], state["difference"], state["is_within"]) == (1400, -10, True)


def test_a_withheld_district_is_never_filled_in():
    def pupils(area: str, count: float | None, kind: str) -> dict[str, Any]:
        return {
            "vintage": "2022", "period": "2021-2022", "geo_level": "school_district", "geo_id": area,
            "subgroup": "all", "count": count, "count_kind": kind, "snapshot_sha256": SHA,
        }  # fmt: skip

    county = {
        "vintage": "2022", "period": "2021-2022", "geo_level": "county", "geo_id": CITY, "count_lower": 60.0,
        "count_upper": 62.0, "count_kind": "interval", "snapshot_sha256": SHA,
    }  # fmt: skip
    [row] = judged(
        "homeless_students_district_county",
        core__ed_homeless_students_district=rows(
            STUDENTS_DISTRICT, [pupils("2900001", 40.0, "exact"), pupils("2900002", None, "suppressed")]
        ),
        core__ed_homeless_students_county=rows(STUDENTS_COUNTY, [county]),
        geography__crosswalk=crosswalk(
            ("school_district", "2900001", "county", CITY, 1.0),
            ("school_district", "2900002", "county", CITY, 1.0),
            crosswalk_id="district_county",
        ),
    )
    # 61 less 40 would be about the withheld cell: the 40 is nowhere in the row.
    assert (row["n_parts"], row["n_parts_known"]) == (2, 1)
    sides = [row[name] for name in ("figure_a", "figure_a_lower", "figure_a_upper", "difference", "gap", "is_within")]
    assert sides == [None] * 6
    assert "40" not in row["sentence"]


def test_nothing_at_hand_is_eight_absent_parts_and_an_empty_table():
    found = DECISION.compute(inputs(DECISION), place())
    assert found.frames[TABLE.key].is_empty()
    assert found.frames[TABLE.key].columns == TABLE.column_names
    assert len(found.absent) == len({part.part for part in found.absent}) == len(COMPARISONS) == 8
