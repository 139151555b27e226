"""The board sentence: every figure of it is in a table, no rank stands without its range, nothing withheld is said."""

import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decisions import board_memo
from models.decisions.board_memo import DECISION, DRIVERS, POPULATIONS, SCORES, TABLE, VALUES, compute
from models.decisions.decision import Place
from models.decisions.wording import about, listed, rounded
from models.indices import tables as published
from models.indices.spec import all_indices

CITY, COUNTY = "29510", "29189"
POPULATION = pl.Schema(
    {
        "geo_level": pl.String,
        "geo_id": pl.String,
        "geo_name": pl.String,
        "population_id": pl.String,
        "title": pl.String,
        "count": pl.Float64,
        "count_lower": pl.Float64,
        "count_upper": pl.Float64,
        "universe_count": pl.Float64,
        "status": pl.String,
        "reason": pl.String,
        "period": pl.String,
        "vintage": pl.String,
    }
)


def population(geo_id: str, **given: Any) -> dict[str, Any]:
    row = {
        "geo_level": "county",
        "geo_id": geo_id,
        "geo_name": geo_id,
        "population_id": "low_income_youth_5_17",
        "title": "Low-income youth of 5 to 17",
        "count": 9718.0,
        "count_lower": 8912.0,
        "count_upper": 10524.0,
        "universe_count": 41234.0,
        "status": "ok",
        "reason": None,
        "period": "2023",
        "vintage": "2023",
    }
    return row | given


def score(geo_id: str, **given: Any) -> dict[str, Any]:
    row = dict.fromkeys(published.SCORES.column_names) | {
        "geo_level": "county",
        "geo_id": geo_id,
        "index_id": "priority",
        "rank": 2,
        "rank_p05": 1.0,
        "rank_p95": 9.0,
        "n_ranked": 123,
        "tier": 1,
        "tier_probability": 0.94,
        "coverage": 1.0,
        "quality": 1,
    }
    return row | given


def driver(geo_id: str, indicator_id: str, difference: float, *, is_imputed: bool = False) -> dict[str, Any]:
    return dict.fromkeys(published.DRIVERS.column_names) | {
        "geo_level": "county",
        "geo_id": geo_id,
        "index_id": "priority",
        "indicator_id": indicator_id,
        "difference": difference,
        "is_imputed": is_imputed,
    }


def memo(
    populations: list[dict[str, Any]],
    scores: list[dict[str, Any]],
    drivers: list[dict[str, Any]] | None = None,
    values: list[dict[str, Any]] | None = None,
    *,
    is_simulated: bool = False,
) -> dict[str, dict[str, Any]]:
    counties = pl.DataFrame(
        {"geo_id": [COUNTY, CITY], "geo_name": ["St. Louis County, Missouri", "St. Louis city, Missouri"]}
    )
    value_schema = {"geo_level": pl.String, "geo_id": pl.String, "indicator_id": pl.String, "period": pl.String}
    value_schema |= {"vintage": pl.String, "value": pl.Float64}
    inputs = {
        POPULATIONS: pl.DataFrame(populations, schema=POPULATION),
        SCORES: pl.DataFrame(scores, schema=published.SCORES.empty().schema),
        DRIVERS: pl.DataFrame(drivers or [], schema=published.DRIVERS.empty().schema),
        VALUES: pl.DataFrame(values or [], schema=value_schema),
    }
    found = compute(inputs, Place("test", "Test", counties, is_simulated))
    return {row["geo_id"]: row for row in found.frames[TABLE.key].iter_rows(named=True)}


def test_the_sentence_says_how_many_which_rank_and_how_sure():
    said = memo([population(CITY)], [score(CITY)])[CITY]["sentence"]
    # 9,718 to two digits is 9,700; in hundreds, outwards, 8,912 is 8,900 and 10,524 is 10,600; 41,234 is 41,000.
    assert said.startswith(
        "St. Louis city, Missouri: About 9,700 (8,900 to 10,600) of 41,000 children of 5 to 17 live in families in "
        "poverty. By the priority conditions index it ranks 2 of 123 (1 = greatest need; 90 % rank range 1 to 9), "
        "tier 1 (94% sure)."
    )


def test_every_county_of_the_region_has_a_row_whatever_is_known_of_it():
    rows = memo([], [])
    assert list(rows) == [COUNTY, CITY]
    for row in rows.values():
        assert "Counts of young people are not at hand" in row["needs"]
        assert "It is not ranked" in row["sentence"]
        assert row["rank"] is None
        assert TABLE.column_names == list(row)


@pytest.mark.parametrize("lacking", [{"rank": None}, {"rank_p05": None}, {"rank_p95": None}])
def test_no_rank_stands_without_its_range(lacking):
    row = memo([population(CITY)], [score(CITY, coverage=0.4, **lacking)])[CITY]
    assert "it ranks" not in row["sentence"]
    needed = f"{all_indices()['priority'].min_coverage:.0%}"
    assert f"40% of the index's weight is observed there, and {needed} is needed" in row["sentence"]
    assert row["rank"] is row["rank_p05"] is row["rank_p95"] is row["tier"] is None


def test_a_withheld_count_says_so_and_why_and_gives_no_number():
    withheld = population(
        CITY, count=None, count_lower=None, count_upper=None, status="withheld", reason="coefficient of variation 0.7"
    )
    needs = memo([withheld, population(COUNTY)], [score(CITY)])[CITY]["needs"]
    assert needs == (
        "How many children of 5 to 17 live in families in poverty is withheld: coefficient of variation 0.7."
    )
    # A status of `withheld` holds even where a careless table left the number in its row.
    careless = memo([population(CITY, status="withheld"), population(COUNTY)], [])[CITY]
    assert "9,7" not in careless["sentence"]


def test_a_count_to_be_used_with_caution_says_so():
    needs = memo([population(CITY, status="caution", reason="caution: coefficient of variation 0.35")], [])[CITY][
        "needs"
    ]
    assert needs.endswith("Use with caution: coefficient of variation 0.35.")


def test_all_sentences_of_a_region_open_with_the_same_population():
    poor = {"population_id": "poor_youth_12_17", "title": "Poor youth of 12 to 17"}
    rows = memo([population(CITY), population(COUNTY, **poor), population(CITY, **poor)], [])
    assert "children of 5 to 17" in rows[CITY]["needs"]
    assert rows[COUNTY]["needs"] == "How many children of 5 to 17 live in families in poverty is not at hand."
    only = memo([population(CITY, **poor)], [])[CITY]["needs"]
    assert "young people of 12 to 17 live in poverty" in only


def test_drivers_are_those_above_the_reference_in_order_with_strengths_beside_them():
    drivers = [
        driver(CITY, "child_poverty_share", 4.0),
        driver(CITY, "no_vehicle_share", 6.25),
        driver(CITY, "single_parent_share", 1.0, is_imputed=True),
        driver(CITY, "no_diploma_share", 0.5),
        driver(CITY, "no_broadband_share", -2.0),
        driver(COUNTY, "crowded_share", 50.0),
    ]
    said = memo([], [score(CITY)], drivers)[CITY]["drivers"]
    titles = [board_memo.title_of(name) for name in ("no_vehicle_share", "child_poverty_share", "single_parent_share")]
    assert said == (
        f"Above the reference most by: {titles[0]} (+6.2 points); {titles[1]} (+4.0 points); "
        f"{titles[2]} (+1.0 points, estimated). Below it by: {board_memo.title_of('no_broadband_share')} (-2.0 points)."
    )


def test_what_could_not_be_counted_is_named_by_how():
    state = {"geo_level": "state", "population_id": "lgbtq_13_17", "title": "LGBTQ youth of 13 to 17"}
    refugees = {"population_id": "refugee_youth", "title": "Refugee youth", "count": None}
    withheld = {"population_id": "black_girls_10_17", "title": "Black girls of 10 to 17", "status": "withheld"}
    rows = [population(CITY), population("29", **state), population(CITY, **refugees), population(CITY, **withheld)]
    drivers = [driver(CITY, name, 1.0, is_imputed=name == "crowded_share") for name in board_memo.leaves()[1:]]
    said = memo(rows, [score(CITY, coverage=0.76)], drivers)[CITY]["not_counted"]
    assert "Withheld here: Black girls of 10 to 17." in said
    assert "Counted for larger areas only: LGBTQ youth of 13 to 17." in said
    assert "Not counted: Refugee youth." in said
    assert f"Not in the index for want of data: {board_memo.title_of(board_memo.leaves()[0])}." in said
    assert f"Estimated from its other figures: {board_memo.title_of('crowded_share')}." in said
    assert "24% of the index's weight is not observed here." in said
    assert said.endswith(board_memo.ALWAYS_UNCOUNTED)
    assert "Low-income youth" not in said


def test_a_long_list_is_named_in_full_beside_the_sentence_and_in_short_within_it():
    rows = [population(CITY, population_id=f"p_{n}", title=f"Group {n}", status="withheld") for n in range(9)]
    row = memo(rows, [score(CITY)])[CITY]
    assert "Group 8" in row["not_counted"]
    assert "Withheld here: Group 0; Group 1; Group 2; Group 3; and 5 more." in row["sentence"]


def test_a_tier_that_is_all_but_sure_is_not_called_sure():
    said = memo([], [score(CITY, tier_probability=0.9996), score(COUNTY, tier_probability=0.002)])
    assert "tier 1 (over 99% sure)" in said[CITY]["sentence"]
    assert "tier 1 (under 1% sure)" in said[COUNTY]["sentence"]


def test_sources_name_who_published_and_when_and_nothing_newer_than_the_index_takes():
    values = [
        {"geo_level": "county", "geo_id": CITY, "indicator_id": "child_poverty_share", "value": 0.2} | period
        for period in (
            {"period": "2022", "vintage": "2022"},
            {"period": "2023", "vintage": "2023"},
            {"period": "2024", "vintage": "2024"},  # after the reference year
        )
    ]
    said = memo([population(CITY)], [score(CITY)], [driver(CITY, "child_poverty_share", 1.0)], values)[CITY]["sources"]
    assert said == (
        "Sources: Count: SAIPE, vintage 2023, of 2023. Index, reference year 2023: "
        f"{board_memo.source_of('child_poverty_share')}, vintage 2023."
    )


def test_simulated_figures_are_marked_in_every_sentence():
    rows = memo([population(CITY)], [score(CITY)], is_simulated=True)
    assert all(row["sentence"].startswith("SIMULATED, no real place. ") for row in rows.values())


def test_the_sentence_uses_no_word_that_is_not_used_of_a_place():
    rows = memo([population(CITY)], [score(CITY)], [driver(CITY, name, 1.0) for name in board_memo.leaves()])
    for row in rows.values():
        assert not re.search("trafficking risk|hotspot|prevalence|at.risk", row["sentence"], re.IGNORECASE)


@pytest.mark.parametrize(
    ("count", "words"), [(0, "fewer than 10"), (4, "fewer than 10"), (5, "10"), (47, "50"), (99, "100")]
)
def test_small_counts_are_rounded_to_tens(count, words):
    assert rounded(count) == words


@pytest.mark.parametrize(
    ("count", "words"), [(123, "120"), (125, "130"), (847, "850"), (995, "1,000"), (41234, "41,000")]
)
def test_counts_are_rounded_to_two_digits(count, words):
    assert rounded(count) == words


@given(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**6))
def test_rounded_bounds_still_hold_the_interval(count, below, above):
    lower, upper = max(count - below, 0), count + above
    said = [
        int(n.replace(",", "")) for n in re.findall(r"[\d,]+", re.search(r"\((.*)\)", about(count, lower, upper))[1])
    ]
    assert said[0] <= lower and said[1] >= upper


def test_a_count_without_an_interval_says_so_and_a_negative_one_is_refused():
    assert about(120, None, 130) == "about 120 (no interval is known)"
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="zero or more"):
            rounded(wrong)


def test_lists_read_as_english():
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_the_decision_is_declared_as_the_pipeline_needs_it():
    assert DECISION.id == "board_memo"
    assert [table.key for table in DECISION.tables] == ["analyst.board_memo"]
