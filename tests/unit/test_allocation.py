"""Dividing a budget: exact to the cent, within its terms, the best there is, and as sure as it says."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp

from models.decisions.allocation import (
    DRIVERS,
    TABLE,
    allocate,
    compute,
    draw_needs,
    drivers_text,
    finish,
    request,
)
from models.decisions.allocation_rules import AGES, POPULATIONS, RENTS, RULES, RuleError
from models.decisions.award import AwardError, Terms, divide, divide_draws, terms, to_cents
from models.decisions.decision import Place

# --- one division --------------------------------------------------------------------------------------------------


def test_without_a_smallest_award_money_follows_need():
    assert divide([3, 2, 1], terms(600)).tolist() == [300_00, 200_00, 100_00]


def test_a_smallest_award_is_given_where_that_spreads_dollars_per_young_person_least():
    # All three: the third gets 150, the others 450 as 3 to 2: 270 and 180; 270^2/3 + 180^2/2 + 150^2 = 63,000.
    # The first two: 360 and 240; 360^2/3 + 240^2/2 = 72,000. The first alone: 600^2/3 = 120,000.
    assert divide([3, 2, 1], terms(600, 150)).tolist() == [270_00, 180_00, 150_00]
    # With 200 at least all three get 200: 200^2/3 + 200^2/2 + 200^2 = 73,333, which is more than 72,000.
    assert divide([3, 2, 1], terms(600, 200)).tolist() == [360_00, 240_00, 0]


def test_what_the_cap_cuts_goes_to_the_others_in_proportion():
    # The cap of 240 leaves 360 to needs of 2 and 1.
    assert divide([3, 2, 1], terms(600, 0, 0.4)).tolist() == [240_00, 240_00, 120_00]


def test_cents_go_to_the_largest_remainders_and_the_first_of_equals():
    assert divide([1, 1, 1], terms(1)).tolist() == [34, 33, 33]
    # 100 cents as 1 : 2 : 4 are 14.29, 28.57 and 57.14: the one cent that is left goes to the second.
    assert divide([1, 2, 4], terms(1)).tolist() == [14, 29, 57]


def test_an_area_held_harmless_gets_its_amount_and_more_only_if_its_need_asks_for_more():
    given_terms = terms(600)
    assert divide([3, 2, 1], given_terms, [0, 0, 200_00]).tolist() == [240_00, 160_00, 200_00]
    assert divide([3, 2, 1], given_terms, [50_00, 0, 0]).tolist() == [300_00, 200_00, 100_00]
    assert divide([3, 2, 0], given_terms, [0, 0, 100_00]).tolist() == [300_00, 200_00, 100_00]
    # Held to less than the smallest award, it gets the smallest award; leaving the second out would cost
    # 400^2/3 + 200^2 = 93,333 against 200^2 (1/3 + 1/2 + 1) = 73,333.
    assert divide([3, 2, 1], terms(600, 200), [0, 0, 1_00]).tolist() == [200_00, 200_00, 200_00]


def test_the_example_command_can_be_met_by_123_counties():
    needs = np.random.default_rng(7).lognormal(6, 1.3, 123)
    awards = divide(needs, terms(1_500_000, 50_000, 0.2))
    assert awards.sum() == 1_500_000_00
    assert 5 <= (awards > 0).sum() <= 30
    assert awards[awards > 0].min() >= 50_000_00
    assert awards.max() <= 300_000_00


@pytest.mark.parametrize(
    ("amounts", "needs", "says"),
    [
        ((100, 120), [1, 1], r"the minimum of \$120 is more than the budget of \$100"),
        ((100, 30, 0.2), [1] * 9, r"the minimum of \$30 is more than the cap of \$20 \(0.2 of the budget\)"),
        ((100, 0, 0.2), [1] * 4, r"4 areas with need under a cap of \$20 can take \$80, less than the \$100"),
        ((100, 0, 0.5), [1, 0, 0], r"1 areas with need under a cap of \$50 can take \$50"),
        ((100, 60, 0.9), [1, 1, 1], r"no number of areas: under a cap of \$90 it takes 2 .* \$60 allows 1"),
        ((100, 0, 20), [1] * 9, "the cap is a share of the budget above 0 and up to 1, not 20: for 20 % give 0.2"),
        ((100, 0, 0), [1], "the cap is a share of the budget above 0 and up to 1, not 0"),
        ((100, 0, "a fifth"), [1], "the cap must be a share of the budget such as 0.2, not 'a fifth'"),
        ((0,), [1], "the budget must be more than nothing"),
        ((-5,), [1], "the budget must be a finite amount of zero or more dollars"),
        ((float("nan"),), [1], "the budget must be a finite amount"),
        (("1,500,000",), [1], "the budget must be an amount of dollars such as 50000"),
        ((100, 0.001), [1], "the minimum must be in whole cents"),
    ],
)
def test_terms_that_cannot_be_met_are_refused_with_the_reason(amounts, needs, says):
    with pytest.raises(AwardError, match=says):
        divide(needs, terms(*amounts))


@pytest.mark.parametrize(
    ("floors", "says"),
    [
        ([40_00, 40_00, 40_00], r"the hold-harmless amounts sum to \$120, the budget is \$100"),
        ([60_00, 0, 0], r"a hold-harmless amount of \$60 is more than the cap of \$50"),
        ([1, 1, 1], r"3 areas that are held harmless need \$120, since each gets at least the minimum of \$40"),
    ],
)
def test_hold_harmless_amounts_that_cannot_be_met_are_refused(floors, says):
    with pytest.raises(AwardError, match=says):
        divide([1, 1, 1], terms(100, 40, 0.5), floors)


def test_needs_that_are_none_are_refused():
    for wrong in ([1, -1], [1, float("nan")], [1, float("inf")]):
        with pytest.raises(ValueError, match="finite and zero or more"):
            divide(wrong, terms(100))
    with pytest.raises(ValueError, match="shape"):
        divide_draws(np.ones(3), terms(100))
    with pytest.raises(ValueError, match=r"sum to 90.00 cents, the budget is 100"):
        to_cents(np.array([90.0]), 100)


# --- what holds of every division ----------------------------------------------------------------------------------


@st.composite
def cases(draw):
    """Needs (distinct, so that an order exists), terms that can be met, and amounts held harmless."""
    needs = draw(st.lists(st.integers(1, 50_000), min_size=2, max_size=14, unique=True))
    budget = draw(st.integers(1_000, 2_000_000)) * 100
    n = len(needs)
    fewest = draw(st.integers(1, n))  # so many areas at the cap spend the budget
    cap = -(-budget // fewest)
    minimum = draw(st.integers(0, budget // fewest))
    held = draw(st.integers(0, fewest))
    floors = np.zeros(n, dtype=np.int64)
    for at in range(held):
        floors[at] = draw(st.integers(0, budget // max(fewest, 1)))
    return np.array(needs, dtype=float), Terms(budget, minimum, cap), floors


@settings(max_examples=150, deadline=None)
@given(cases())
def test_the_budget_is_met_to_the_cent_within_floors_and_caps(case):
    needs, given_terms, floors = case
    awards = divide(needs, given_terms, floors)
    assert awards.sum() == given_terms.budget
    assert (awards >= floors).all()
    assert (awards <= given_terms.cap).all()
    assert ((awards == 0) | (awards >= given_terms.minimum)).all()
    free = floors == 0
    order = np.argsort(-needs[free])
    assert (np.diff(awards[free][order]) <= 0).all(), "who has more need gets no less"


@settings(max_examples=100, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_order_and_units_change_nothing(case, random):
    needs, given_terms, floors = case
    awards = divide(needs, given_terms, floors)
    order = list(range(needs.size))
    random.shuffle(order)
    assert (divide(needs[order], given_terms, floors[order]) == awards[order]).all()
    assert (divide(needs / 1000, given_terms, floors) == awards).all(), "persons or thousands of them"
    in_dollars = divide(needs, given_terms, floors)
    finer = Terms(given_terms.budget * 100, given_terms.minimum * 100, given_terms.cap * 100)
    assert (np.abs(divide(needs, finer, floors * 100) - 100 * in_dollars) < 100).all(), "dollars or cents"


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, 13), st.integers(1, 20_000))
def test_an_area_whose_need_rises_gets_no_less(case, which, more):
    needs, given_terms, floors = case
    which %= needs.size
    before = divide(needs, given_terms, floors)[which]
    needs[which] += more
    # One cent may go to another's larger remainder.
    assert divide(needs, given_terms, floors)[which] >= before - 1


def test_draws_are_divided_as_each_alone_would_be():
    needs = np.random.default_rng(3).lognormal(5, 1, (40, 20))
    needs[:10, :4] = 0
    given_terms, floors = terms(1_000_000, 40_000, 0.15), np.zeros(20, dtype=np.int64)
    floors[[0, 19]] = 60_000_00
    together = divide_draws(needs, given_terms, floors)
    for draw, row in zip(needs, together, strict=True):
        np.testing.assert_allclose(row, divide_draws(draw[None], given_terms, floors)[0], rtol=1e-12)


# --- an independent optimum ----------------------------------------------------------------------------------------


def by_integer_program(needs, given_terms: Terms, floors):
    """The same problem as a mixed-integer program for HiGHS: awards x, whether funded y, and z >= x^2 / need.

    The square is stood for by its tangents, which lie below it; each round adds them where the last
    solution was, until the bound and the solution meet (Kelley 1960). Nothing of our algorithm is in it.

    Returns:
        The awards in cents, and a lower bound of the sum of x^2 / need, both as shares of their totals.
    """
    n, budget = len(needs), float(given_terms.budget)
    w, least, cap = needs / needs.sum(), given_terms.minimum / budget, given_terms.cap / budget
    one, none = np.eye(n), np.zeros((n, n))
    fixed = [
        LinearConstraint(np.concatenate([np.ones(n), np.zeros(2 * n)]), 1, 1),
        LinearConstraint(np.hstack([one, -cap * one, none]), -np.inf, 0),
        LinearConstraint(np.hstack([one, -least * one, none]), 0, np.inf),
        LinearConstraint(np.hstack([one, none, none]), floors / budget, np.inf),
    ]
    cuts = [(i, at) for i in range(n) for at in np.linspace(least / 2, cap, 8)]
    for _ in range(20):
        rows = np.zeros((len(cuts), 3 * n))
        for row, (i, at) in zip(rows, cuts, strict=True):
            row[i], row[2 * n + i] = -2 * at, w[i]
        tangents = LinearConstraint(rows, [-(at**2) for _, at in cuts], np.inf)
        found = milp(
            np.repeat([0, 0, 1], n),
            constraints=[*fixed, tangents],
            integrality=np.repeat([0, 1, 0], n),
            bounds=(0, np.repeat([1, 1, np.inf], n)),
            options={"mip_rel_gap": 1e-7},
        )
        assert found.success, found.message
        x = found.x[:n]
        if (x**2 / w).sum() <= found.mip_dual_bound * (1 + GAP):
            return x * budget, found.mip_dual_bound
        cuts += [(i, x[i]) for i in range(n) if x[i] > 1e-9]
    raise AssertionError("the bound and the solution do not meet")


GAP = 1e-5


@pytest.mark.parametrize(
    ("seed", "n", "amounts", "held"),
    [
        (1, 12, (1_500_000, 100_000, 0.2), {}),
        (2, 15, (1_500_000, 150_000, 0.3), {}),
        (3, 10, (500_000, 50_000, 0.25), {9: 80_000_00, 4: 10_000_00}),
        (4, 9, (1_000_000, 200_000, 1), {}),
    ],
)
def test_an_integer_program_finds_the_same_awards(seed, n, amounts, held):
    needs = np.sort(np.round(np.random.default_rng(seed).lognormal(6, 1.2, n)))[::-1]
    given_terms, floors = terms(*amounts), np.zeros(n, dtype=np.int64)
    for area, amount in held.items():
        floors[area] = amount
    awards = divide(needs, given_terms, floors)
    assert 0 < (awards == 0).sum() < n - 1, "the smallest award decides who gets nothing"
    theirs, bound = by_integer_program(needs, given_terms, floors)
    share = awards / given_terms.budget
    assert (share**2 / (needs / needs.sum())).sum() <= bound * (1 + GAP), "no division is better than ours"
    assert ((awards > 0) == (theirs > 1)).all()
    np.testing.assert_allclose(awards, theirs, rtol=0.02, atol=100)


# --- draws, intervals, regret --------------------------------------------------------------------------------------


def areas(needs, margin=0.3, **columns):
    """A frame as a rule's: counties 97001, 97003, ... with a 90 % interval of +- margin."""
    needs = pl.Series(needs, dtype=pl.Float64)
    return pl.DataFrame(
        {
            "geo_id": [f"97{2 * at + 1:03d}" for at in range(len(needs))],
            "geo_name": [f"Simulated {at}" for at in range(len(needs))],
            "need_count": needs,
            "need_count_lower": needs * (1 - margin),
            "need_count_upper": needs * (1 + margin),
            "need_status": ["ok"] * len(needs),
            "note": pl.Series([None] * len(needs), dtype=pl.String),
            "period": ["2023"] * len(needs),
            "vintage": ["2023"] * len(needs),
            **columns,
        }
    )


NEEDS = [900, 700, 410, 400, 390, 200, 90, 40, 20, 10]
ASKED = request(1_000_000, 100_000, 0.3)


def test_awards_meet_the_budget_and_say_how_sure_they_are():
    frame = allocate(areas(NEEDS), ASKED).frame
    assert round(frame["award_usd"].sum() * 100) == 1_000_000_00
    assert frame["p_funded"][0] == 1
    assert 0 < frame["p_funded"][5] < 1
    assert frame["p_funded"][9] == 0
    assert (frame["award_usd_p05"] <= frame["award_usd_mean"]).all()
    assert (frame["award_usd_mean"] <= frame["award_usd_p95"]).all()
    assert (frame["award_usd_p95"] <= 300_000).all()
    for end in ("award_usd_p05", "award_usd_p95"):
        assert ((frame[end] == 0) | (frame[end] >= 100_000)).all(), "no end of an interval is an impossible award"
    assert frame["expected_share"].sum() == pytest.approx(1)
    assert frame["award_usd_mean"].sum() == pytest.approx(1_000_000, abs=1)
    assert frame["note"][9].startswith("no award: its share of $")


def test_counts_that_are_exact_leave_nothing_open():
    found = allocate(areas(NEEDS, margin=0), ASKED)
    frame = found.frame
    for column in ("award_usd_p05", "award_usd_p95", "award_usd_mean", "point_award_usd"):
        assert (frame[column] - frame["award_usd"]).abs().max() <= 0.011
    assert set(frame["p_funded"]) == {0.0, 1.0}
    assert found.regret_count == 0


def test_wider_intervals_mean_less_certain_awards():
    sure, unsure = (allocate(areas(NEEDS, margin), ASKED).frame for margin in (0.05, 0.5))
    width = [(frame["award_usd_p95"] - frame["award_usd_p05"]).sum() for frame in (sure, unsure)]
    assert width[0] < width[1]


def test_regret_is_the_need_that_the_best_list_reaches_more():
    # One award goes to the whole budget: the published counts choose the first area, the best list the greater.
    frame = areas([100, 95])
    asked = request(100_000, 100_000)
    found = allocate(frame, asked)
    needs = draw_needs(frame, asked.population, asked.n_draws, asked.seed)
    assert found.regret_count == pytest.approx((needs.max(axis=1) - needs[:, 0]).mean())
    assert found.regret_count > 0
    first, second = found.frame["regret_count"]
    assert second == pytest.approx((needs[:, 1] * (needs[:, 1] > needs[:, 0])).mean())
    assert first + second == pytest.approx(found.regret_count)
    assert found.frame["p_funded"][1] == pytest.approx((needs[:, 1] > needs[:, 0]).mean())


def test_draws_have_the_published_interval_and_are_never_negative():
    needs = draw_needs(areas([1000], margin=0.5), "low_income_youth_5_17", 4000, 1)
    assert np.quantile(needs[:, 0], [0.05, 0.5, 0.95]) == pytest.approx([500, 1000, 1500], rel=0.06)
    assert (draw_needs(areas([1000], margin=1), "low_income_youth_5_17", 4000, 1) >= 0).all()


def test_the_order_of_the_rows_changes_nothing():
    frame = areas(NEEDS)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=4)
    assert allocate(shuffled, ASKED).frame.equals(allocate(frame, ASKED).frame)


def test_an_area_is_drawn_the_same_whoever_else_is_there():
    frame = areas(NEEDS)
    all_of_them = draw_needs(frame, "a", 50, 1)
    assert (draw_needs(frame[[2, 5]], "a", 50, 1) == all_of_them[:, [2, 5]]).all()
    assert (draw_needs(frame, "a", 50, 2) != all_of_them).any()


def test_need_in_thousands_gives_the_same_awards():
    frame = areas(NEEDS)
    columns = ("need_count", "need_count_lower", "need_count_upper")
    thousands = frame.with_columns(pl.col(name) / 1000 for name in columns)
    ours, theirs = (allocate(one, ASKED).frame for one in (frame, thousands))
    assert (ours["award_usd"] - theirs["award_usd"]).abs().max() <= 0.011
    assert (ours["p_funded"] - theirs["p_funded"]).abs().max() < 1e-9


def test_missing_is_never_zero():
    frame = areas(NEEDS)
    unknown = pl.col("geo_id") == "97005"
    counts = ("need_count", "need_count_lower", "need_count_upper")
    frame = frame.with_columns(pl.when(~unknown).then(name).alias(name) for name in counts)
    frame = frame.with_columns(
        note=pl.when(unknown).then(pl.lit("the count is withheld: too few")).otherwise("note"),
        need_status=pl.when(unknown).then(pl.lit("withheld")).otherwise("need_status"),
    )
    row = allocate(frame, ASKED).frame.filter(unknown).to_dicts()[0]
    assert row["award_usd"] is None
    assert row["p_funded"] is None
    assert row["regret_count"] is None
    assert row["note"] == "the count is withheld: too few"
    held = request(1_000_000, 100_000, 0.3, hold_harmless={"97005": 120_000_00})
    found = allocate(frame, held).frame
    assert found.filter(unknown)["award_usd"].item() == 120_000
    assert round(found["award_usd"].sum(), 2) == 1_000_000


def test_an_area_held_harmless_gets_it_in_every_draw():
    held = request(1_000_000, 100_000, 0.3, hold_harmless={"97019": 150_000_00})
    row = allocate(areas(NEEDS), held).frame.to_dicts()[9]
    assert row["award_usd"] == row["award_usd_p05"] == row["hold_harmless_usd"] == 150_000
    assert row["p_funded"] == 1
    assert row["regret_count"] == 0, "it is on every list"


@pytest.mark.parametrize(
    ("frame", "asked", "says"),
    [
        (areas(NEEDS), request(100, hold_harmless={"29510": 5}), "no area of the region: 29510"),
        (areas([None, None]), request(100), "no area has a count of low_income_youth_5_17"),
        (areas([100, 100], margin=-0.5), request(100), "97001: the .* count 100 must lie in its interval 150 to 50"),
        (areas([0, 0]), request(100), "by the rule need no area has a claim"),
        (areas([5, 4]), request(100, cap=0.4), r"2 areas with need under a cap of \$40 can take \$80"),
    ],
)
def test_what_cannot_be_divided_is_refused(frame, asked, says):
    with pytest.raises(AwardError, match=says):
        allocate(frame, asked)


def test_a_request_is_judged_at_once():
    with pytest.raises(RuleError, match="there is no rule 'cdbg': rules are need, yhdp, title_i, under_18"):
        request(100, rule="cdbg")
    with pytest.raises(RuleError, match="the rule yhdp counts poor_youth_12_24: only the rule need takes another"):
        request(100, rule="yhdp", population="under_18")
    with pytest.raises(AwardError, match="at least one draw"):
        request(100, n_draws=0)


def test_title_i_says_how_likely_each_threshold_is_crossed():
    # 100 of 2,000 are exactly the 5 % of a targeted grant, far above 2 % and far below 15 %.
    frame = areas([100, 400, 300, 250], population_5_17_count=[2000.0, 2000.0, 2000.0, 2000.0])
    row = allocate(frame, request(1000, rule="title_i")).frame.to_dicts()[0]
    assert row["p_targeted_grant"] == pytest.approx(0.5, abs=0.05)
    assert row["p_basic_grant"] == pytest.approx(1, abs=0.01)
    assert row["p_concentration_grant"] == 0
    assert row["p_funded"] == row["p_targeted_grant"]
    assert allocate(areas(NEEDS), ASKED).frame["p_targeted_grant"].is_null().all()


# --- the published table -------------------------------------------------------------------------------------------


COUNTED = {"low_income_youth_5_17": 0.2, "poor_youth_12_24": 0.15, "under_18": 1.0}
COUNTIES = pl.DataFrame({"geo_id": [f"97{2 * at + 1:03d}" for at in range(12)]}).with_columns(geo_name="geo_id")


def tables() -> dict[str, pl.DataFrame]:
    under_18 = [4000 - 300 * at for at in range(12)]
    rows = [
        ("county", area, population, size * share, size * share * 0.8, size * share * 1.2)
        for population, share in COUNTED.items()
        for area, size in zip(COUNTIES["geo_id"], under_18, strict=True)
    ]
    names = ["geo_level", "geo_id", "population_id", "count", "count_lower", "count_upper"]
    said = {"status": "ok", "period": "2023", "vintage": "2023"}
    populations = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        reason=pl.lit(None, dtype=pl.String), **{name: pl.lit(text) for name, text in said.items()}
    )
    rents = COUNTIES.select("geo_id", geo_level=pl.lit("county"), vintage=pl.lit("2024"), fmr_2_usd=pl.lit(900.0))
    ages = pl.concat(
        COUNTIES.select(
            "geo_id", age_band=pl.lit(band), basis=pl.lit("estimate"), vintage=pl.lit("2023"), period=pl.lit("2023"),
            count=pl.lit(1500),
        )
        for band in ("5-13", "14-17")
    )  # fmt: skip
    drivers = pl.DataFrame(
        [
            ("county", "97001", "priority", "b", 4.06, 1),
            ("county", "97001", "priority", "a", 2.0, 2),
            ("county", "97001", "priority", "c", 1.0, 3),
            ("county", "97001", "priority", "d", 0.5, 4),
            ("county", "97001", "poverty", "e", 9.0, 1),
            ("county", "97003", "priority", "a", -1.0, 1),
        ],
        schema=["geo_level", "geo_id", "index_id", "indicator_id", "difference", "driver_rank"],
        orient="row",
    )
    return {POPULATIONS: populations, RENTS: rents, AGES: ages, DRIVERS: drivers}


def test_the_table_holds_every_rule_and_each_spends_the_budget():
    found = compute(tables(), Place("simulated", "Simulated", COUNTIES, is_simulated=True))
    frame = found.frames[TABLE.key]
    assert found.absent == []
    assert frame.columns == TABLE.column_names
    assert set(frame["rule_id"]) == set(RULES)
    assert frame.height == len(RULES) * COUNTIES.height
    for _, part in frame.group_by("rule_id"):
        assert round(part["award_usd"].sum() * 100) == 1_500_000_00
        assert part.filter(pl.col("award_usd") > 0)["award_usd"].min() >= 50_000
        assert part["award_usd"].max() <= 300_000
    assert frame["is_simulated"].all()


def test_a_rule_without_its_inputs_is_absent_with_the_reason_and_the_others_stand():
    place = Place("simulated", "Simulated", COUNTIES, is_simulated=True)
    inputs = tables()
    inputs[RENTS] = inputs[RENTS].clear()
    found = compute(inputs, place)
    assert set(found.frames[TABLE.key]["rule_id"]) == {"need", "title_i", "under_18"}
    [gone] = found.absent
    assert gone.part == "decision.allocation by the rule yhdp"
    assert gone.part.startswith(TABLE.key)
    assert "two-bedroom Fair Market Rent" in gone.reason
    assert gone.file_missing == RENTS
    inputs[POPULATIONS] = inputs[POPULATIONS].clear()
    found = compute(inputs, place)
    assert found.frames[TABLE.key].is_empty()
    assert len(found.absent) == len(RULES)


def test_drivers_are_the_three_that_raise_the_priority_score_most():
    text = dict(drivers_text(tables()[DRIVERS], {"b": "Bee"}).iter_rows())
    assert text == {"97001": "Bee (+4.1); a (+2.0); c (+1.0)"}, "what lowers the score drives nothing"


def test_an_allocation_without_drivers_still_stands():
    frame = finish(allocate(areas(NEEDS), ASKED), None, is_simulated=False)
    assert frame["drivers"].is_null().all()
