"""The published rules, against examples worked by hand from their texts, and what they do without their inputs."""

import numpy as np
import polars as pl
import pytest

from models.decisions.allocation_rules import (
    AGES,
    CHILDREN,
    POPULATIONS,
    RENT,
    RENTS,
    RULES,
    RuleError,
    find_rule,
    rule_frame,
    title_i_thresholds,
    title_i_weighted,
)
from models.decisions.award import divide, terms

# --- YHDP: HUD Exchange, FAQ 2977, steps 1 and 2 -------------------------------------------------------------------


def test_yhdp_divides_by_youths_in_poverty_times_two_bedroom_rent():
    # Step 1, the formula factor: youths of 12 to 24 in poverty x two-bedroom rent.
    #   1,000 x $900 = 900,000;   500 x $1,200 = 600,000;   2,000 x $750 = 1,500,000;   sum 3,000,000
    youths, rents = np.array([[1000.0, 500.0, 2000.0]]), np.array([900.0, 1200.0, 750.0])
    factors = RULES["yhdp"].claims(youths, {RENT: rents})
    assert factors.tolist() == [[900_000, 600_000, 1_500_000]]
    # Step 2, the community ratio: 0.3, 0.2 and 0.5 of the sum; of $1,500,000 that is
    assert divide(factors[0], terms(1_500_000)).tolist() == [450_000_00, 300_000_00, 750_000_00]


# --- Title I, part A: 20 USC 6333 to 6335, 34 CFR 200.71 -----------------------------------------------------------


@pytest.mark.parametrize(
    ("children", "population", "basic", "concentration", "targeted"),
    [
        (9, 100, False, False, False),  # 9 % of the population, but fewer than 10 children
        (10, 500, False, False, False),  # exactly 2 %, and it must be more
        (11, 500, True, False, False),  # 2.2 %
        (10, 200, True, False, True),  # exactly 5 %, and at least that is enough
        (99, 2000, True, False, False),  # 4.95 %
        (150, 1000, True, False, True),  # exactly 15 %, and it must be more
        (151, 1000, True, True, True),
        (6500, 100_000, True, False, True),  # exactly 6,500, and it must be more
        (6501, 100_000, True, True, True),  # 6.5 %, but more than 6,500
        (
            6501,
            400_000,
            False,
            False,
            False,
        ),  # more than 6,500, but 1.6 %: without a basic grant no concentration grant
        (0, 100, False, False, False),
    ],
)
def test_title_i_thresholds_are_those_of_the_act(children, population, basic, concentration, targeted):
    reached = title_i_thresholds(np.array([float(children)]), np.array([float(population)]))
    assert [bool(each[0]) for each in reached] == [basic, concentration, targeted]


@pytest.mark.parametrize(
    ("children", "population", "weighted"),
    [
        # 10 %, all below 15 % and below 2,311: each counts once.
        (200, 2_000, 200),
        # 25 % of 20,000. By percentage: 15 % = 3,000 x 1.0; the next 4 % = 800 x 1.75 = 1,400; the next 5.2 %
        # = 1,040 x 2.5 = 2,600; the last 0.8 % = 160 x 3.25 = 520: 7,520. By number: 2,311 + 2,689 x 1.5 = 6,344.5.
        (5_000, 20_000, 7_520),
        # 40 % of 1,000. By percentage: 150 + 40 x 1.75 + 52 x 2.5 + 50 x 3.25 + 108 x 4.0
        # = 150 + 70 + 130 + 162.5 + 432 = 944.5. By number: 400.
        (400, 1_000, 944.5),
        # 12 % of 250,000. By percentage: 30,000. By number: 2,311 + 5,602 x 1.5 + 16,004 x 2.0 + 6,083 x 2.5
        # = 2,311 + 8,403 + 32,008 + 15,207.5 = 57,929.5.
        (30_000, 250_000, 57_929.5),
        # 10 % of 1,000,000. By number: 2,311 + 8,403 + 32,008 + 69,893 x 2.5 + 6,190 x 3.0
        # = 2,311 + 8,403 + 32,008 + 174,732.5 + 18,570 = 236,024.5.
        (100_000, 1_000_000, 236_024.5),
    ],
)
def test_title_i_weights_are_those_of_the_act_for_counties(children, population, weighted):
    found = title_i_weighted(np.array([float(children)]), np.array([float(population)]))
    assert found[0] == pytest.approx(weighted, rel=1e-12)


def test_title_i_divides_by_the_weighted_count_of_those_who_reach_five_per_cent():
    # 5,000 of 20,000 weigh 7,520; 200 of 2,000 weigh 200; 90 of 2,000 are 4.5 % and get nothing.
    claims = RULES["title_i"].claims(
        np.array([[5000.0, 200.0, 90.0]]), {CHILDREN: np.array([20_000.0, 2000.0, 2000.0])}
    )
    assert claims[0] == pytest.approx([7520, 200, 0])
    # Of $77,200: 7,520 / 7,720 and 200 / 7,720, ten dollars a weighted child.
    assert divide(claims[0], terms(77_200)).tolist() == [75_200_00, 2_000_00, 0]


def test_no_rule_gives_less_for_more_need():
    needs = np.linspace(0, 50_000, 2001)[:, None]
    columns = {RENT: np.array([900.0]), CHILDREN: np.array([60_000.0])}
    for rule in RULES.values():
        assert (np.diff(rule.claims(needs, columns)[:, 0]) >= 0).all(), rule.id


def test_basic_center_divides_by_population_under_18():
    assert RULES["under_18"].population == "under_18"
    assert RULES["under_18"].claims(np.array([[30.0, 10.0]]), {}).tolist() == [[30, 10]]


def test_every_rule_is_cited():
    for rule in RULES.values():
        assert rule.citation, rule.id
        assert rule.text, rule.id
    assert "2977" in RULES["yhdp"].citation
    assert "6335" in RULES["title_i"].citation
    assert "11211(b)" in RULES["under_18"].citation


# --- what a rule takes ---------------------------------------------------------------------------------------------

COUNTIES = pl.DataFrame({"geo_id": ["97001", "97003", "97005", "97007"], "geo_name": ["A", "B", "C", "D"]})


def populations(population="poor_youth_12_24"):
    rows = [
        ("county", "97001", population, 100.0, 80.0, 120.0, "ok", None),
        ("county", "97003", population, 50.0, 10.0, 90.0, "caution", "coefficient of variation above 0.3"),
        ("county", "97005", population, None, None, None, "withheld", "coefficient of variation above 0.5"),
        ("school_district", "9700001", population, 5.0, 4.0, 6.0, "ok", None),
    ]
    names = ["geo_level", "geo_id", "population_id", "count", "count_lower", "count_upper", "status", "reason"]
    types = [pl.String] * 3 + [pl.Float64] * 3 + [pl.String] * 2
    frame = pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")
    return frame.with_columns(period=pl.lit("2019-2023"), vintage=pl.lit("2023"))


RENTS_FRAME = pl.DataFrame(
    {
        "geo_level": "county",
        "geo_id": ["97001", "97003", "97001", "97005"],
        "vintage": ["2024", "2024", "2023", "2024"],
        "fmr_2_usd": [900.0, None, 800.0, 700.0],
    }
)


def test_every_county_is_there_and_what_is_not_known_says_why():
    rule, population = find_rule("need", "poor_youth_12_24")
    frame = rule_frame(rule, population, {POPULATIONS: populations()}, COUNTIES)
    assert frame["geo_id"].to_list() == COUNTIES["geo_id"].to_list()
    assert frame["need_count"].to_list() == [100, 50, None, None]
    assert frame["need_status"].to_list() == ["ok", "caution", "withheld", "missing"]
    assert frame["note"].to_list() == [
        None,
        "coefficient of variation above 0.3",
        "the count is withheld: coefficient of variation above 0.5",
        "the count is missing",
    ]


def test_a_count_that_is_withheld_is_not_used_even_if_it_stands_there():
    frame = populations().with_columns(count=pl.col("count").fill_null(7.0))
    rule, population = find_rule("need", "poor_youth_12_24")
    assert rule_frame(rule, population, {POPULATIONS: frame}, COUNTIES)["need_count"].to_list()[2] is None


def test_a_count_without_an_interval_is_not_used():
    frame = populations().with_columns(count_upper=pl.lit(None, dtype=pl.Float64))
    rule, population = find_rule("need", "poor_youth_12_24")
    found = rule_frame(rule, population, {POPULATIONS: frame}, COUNTIES)
    assert found["need_count"].is_null().all()
    assert found["note"][0] == "the count has no interval"
    assert found["need_status"][0] == "missing"


def test_the_newest_rent_is_taken_and_a_county_without_one_has_no_claim():
    frame = rule_frame(*find_rule("yhdp"), {POPULATIONS: populations(), RENTS: RENTS_FRAME}, COUNTIES)
    assert frame["fmr_2_usd"].to_list()[0] == 900
    assert frame["need_count"].to_list() == [100, None, None, None]
    assert frame["note"][1].startswith("no two-bedroom Fair Market Rent: ")


def test_population_of_5_to_17_is_the_sum_of_its_bands_in_the_newest_estimate():
    rows = [
        ("97001", "5-13", "2023", "2023", "estimate", 900),
        ("97001", "14-17", "2023", "2023", "estimate", 400),
        ("97001", "18-24", "2023", "2023", "estimate", 999),
        ("97001", "5-13", "2023", "2022", "estimate", 1),
        ("97001", "14-17", "2023", "2022", "estimate", 1),
        ("97001", "5-13", "2023", "2023", "base", 5),
        ("97003", "5-13", "2023", "2023", "estimate", 900),
    ]
    ages = pl.DataFrame(rows, schema=["geo_id", "age_band", "vintage", "period", "basis", "count"], orient="row")
    inputs = {POPULATIONS: populations("low_income_youth_5_17"), AGES: ages}
    frame = rule_frame(*find_rule("title_i"), inputs, COUNTIES)
    assert frame[CHILDREN].to_list() == [1300, None, None, None], "half of the bands are no population"
    assert frame["note"][1].startswith("no population of 5 to 17")


@pytest.mark.parametrize(
    ("rule_id", "population", "inputs", "says", "missing"),
    [
        (
            "need",
            None,
            {},
            r"the rule need needs the count of low_income_youth_5_17 \(decision.populations\)",
            POPULATIONS,
        ),
        (
            "need",
            "elves",
            {POPULATIONS: populations()},
            "no population 'elves' .* known are poor_youth_12_24",
            POPULATIONS,
        ),
        ("yhdp", None, {POPULATIONS: populations()}, r"Fair Market Rent of each county \(core.hud_fmr_county\)", RENTS),
        (
            "title_i",
            None,
            {POPULATIONS: populations("low_income_youth_5_17")},
            r"the population of 5 to 17 of each county \(core.census_pep_county_age_sex\)",
            AGES,
        ),
        (
            "yhdp",
            None,
            {POPULATIONS: populations().with_columns(count=pl.lit(None, dtype=pl.Float64))},
            "poor_youth_12_24 has no count in any county: coefficient of variation above",
            None,
        ),
    ],
)
def test_a_rule_without_its_inputs_names_the_missing_table(rule_id, population, inputs, says, missing):
    with pytest.raises(RuleError, match=says) as caught:
        rule_frame(*find_rule(rule_id, population), inputs, COUNTIES)
    assert caught.value.file_missing == missing
