"""What the indices agree with: figures by hand, the engine's own score without a member, and what is said in words."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decisions.agreement import MIN_AREAS, Agreement, agreement, spearman_interval
from models.decisions.decision import Place
from models.decisions.validation import (
    ALONE,
    DECISION,
    LEAVE_OUT,
    NO_OUTCOME,
    PUBLISHED,
    RECOMPUTED,
    REFERENCE,
    REGION,
    STABILITY,
    TABLE,
    shared_years,
    validate,
    without,
)
from models.engine.evaluate import Evaluator
from models.engine.explain import drivers
from models.engine.svi import REVERSED_2018, THEMES_2018, THEMES_2020, svi
from models.engine.tree import Node, Recipe
from models.indices.validation_svi import label, published, recomputed

# --- how alike two orders are ---------------------------------------------------------------------------------


def test_the_interval_is_that_of_bonett_and_wright():
    # The example of R's statpsych::ci.spear (Bonett), 95 %, n = 15.
    y = np.array([21, 4, 9, 12, 35, 18, 10, 22, 24, 1, 6, 8, 13, 16, 19.0])
    x = np.array([67, 28, 30, 28, 52, 40, 25, 37, 44, 10, 14, 20, 28, 40, 51.0])
    found = agreement(y, x)
    assert found.spearman == pytest.approx(0.8699639, abs=1e-7)
    assert spearman_interval(found.spearman, 15, 0.95) == pytest.approx((0.5840951, 0.9638297), abs=1e-6)
    # 90 % by hand: z = 1.33290, se = sqrt((1 + 0.37842) / 12) = 0.33892, 1.64485 se = 0.55748.
    assert (found.spearman_lower, found.spearman_upper) == pytest.approx((0.6500, 0.9556), abs=1e-3)


def test_a_perfect_correlation_has_a_point_for_an_interval():
    assert spearman_interval(1.0, 10) == (1.0, 1.0)
    up = np.arange(12.0)
    assert agreement(up, np.exp(up))[1:5] == (1.0, 1.0, 1.0, 0.0)
    assert agreement(up, -up)[1:4] == (-1.0, -1.0, -1.0)


@pytest.mark.parametrize(("rho", "n"), [(0.5, 3), (1.1, 20), (float("nan"), 20)])
def test_an_interval_of_nothing_is_refused(rho, n):
    with pytest.raises(ValueError, match="at least 4 areas"):
        spearman_interval(rho, n)


def test_two_neighbours_that_change_places():
    up = np.arange(10.0)
    swapped = up.copy()
    swapped[[4, 5]] = swapped[[5, 4]]
    found = agreement(up, swapped)
    # The sum of squared differences of ranks is 2: 1 - 6 * 2 / (10 * 99); two of ten areas move by one rank.
    assert found.spearman == pytest.approx(1 - 12 / 990)
    assert found.mean_abs_rank_change == pytest.approx(0.2)
    assert found.top20_in_common is None  # all ten are among the first twenty


def test_the_twentieth_and_the_next_change_places():
    down = np.arange(30.0, 0.0, -1.0)
    swapped = down.copy()
    swapped[[19, 20]] = swapped[[20, 19]]
    assert agreement(down, down).top20_in_common == 20
    assert agreement(down, swapped).top20_in_common == 19
    # The first ten of one are the last ten of the other: 10 to 19 (from 0) are in both lists.
    assert agreement(down, -down).top20_in_common == 10


def test_what_says_nothing_has_no_correlation():
    assert agreement(np.arange(9.0), np.arange(9.0)) == Agreement(9)
    assert agreement(np.arange(12.0), np.full(12, 3.0)) == Agreement(12)
    assert agreement(np.array([]), np.array([])) == Agreement(0)


def test_an_area_without_one_of_the_two_is_not_counted():
    first, second = np.arange(12.0), np.arange(12.0)[::-1].copy()
    kept = agreement(first[1:], second[1:])
    first[0] = np.nan
    assert agreement(first, second) == kept
    assert kept.n_areas == 11


values = st.lists(st.floats(-100, 100).map(lambda x: round(x, 2)), min_size=MIN_AREAS, max_size=40)


@given(values, st.randoms())
def test_it_asks_only_for_the_order_and_is_the_same_both_ways(first, random):
    second = random.sample(first, len(first))
    one, other = np.array(first), np.array(second)
    found = agreement(one, other)
    assert agreement(other, one) == pytest.approx(found)
    assert agreement(one * 3 + 1, np.cbrt(other)) == pytest.approx(found)
    if found.spearman is not None:
        assert found.spearman_lower <= found.spearman <= found.spearman_upper


# --- the SVI ---------------------------------------------------------------------------------------------------


def svi_inputs(vintage: str, n: int = 25, *, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of core.cdc_svi_county, and the columns that CDC's own file would have."""
    rng = np.random.default_rng(seed)
    themes = THEMES_2018 if vintage == "2018" else THEMES_2020
    variables = [name for members in themes.values() for name in members]
    ids = [f"29{number:03d}" for number in range(1, 2 * n, 2)]
    wide = {f"EP_{name}": rng.integers(0, 400, n) / 10 for name in variables}
    if "EP_PCI" in wide:
        wide["EP_PCI"] = rng.integers(20_000, 60_000, n).astype(float)
    frame = pl.DataFrame({"geo_id": ids, "E_TOTPOP": np.full(n, 5_000.0), **wide})
    rows = []
    for row in frame.iter_rows(named=True):
        rows.append((row["geo_id"], "TOTPOP", row["E_TOTPOP"], None))
        for name in variables:
            cell = row[f"EP_{name}"]
            # As the parser writes them: shares to six decimals, dollars as the estimate.
            rows.append((row["geo_id"], name, cell if name == "PCI" else 1.0, None if name == "PCI" else cell / 100))
    long = pl.DataFrame(rows, schema=["geo_id", "variable", "estimate", "share"], orient="row")
    return long.with_columns(vintage=pl.lit(vintage)), frame


@pytest.mark.parametrize("vintage", ["2018", "2020", "2022"])
def test_the_ranks_are_those_of_the_preset(vintage):
    rows, wide = svi_inputs(vintage)
    design = (THEMES_2018, REVERSED_2018) if vintage == "2018" else (THEMES_2020, ())
    expected = svi(wide, design[0], reversed=design[1])
    found, lacking = recomputed(rows.sample(fraction=1.0, shuffle=True, seed=1))
    assert lacking == {}
    for measure in ("RPL_THEMES", "RPL_THEME1", "RPL_THEME4"):
        ranks = found.filter(measure=measure).sort("geo_id")
        assert ranks["vintage"].unique().to_list() == [vintage]
        assert ranks["value"].to_list() == expected[measure].to_list()


def test_a_missing_cell_leaves_no_overall_rank():
    rows, _ = svi_inputs("2020")
    is_gone = (pl.col("geo_id") == "29001") & (pl.col("variable") == "HBURD")
    found, _ = recomputed(rows.with_columns(share=pl.when(~is_gone).then(pl.col("share"))))
    ranks = dict(found.filter(geo_id="29001").select("measure", "value").iter_rows())
    assert (ranks["RPL_THEMES"], ranks["RPL_THEME1"]) == (None, None)
    assert ranks["RPL_THEME2"] is not None


def test_a_vintage_that_lacks_a_variable_is_named_and_has_no_rows():
    rows, _ = svi_inputs("2020")
    found, lacking = recomputed(rows.filter(pl.col("variable") != "MOBILE"))
    assert (found.height, lacking) == (0, {"2020": ["MOBILE"]})


def test_a_renamed_county_keeps_its_rank_under_the_new_code():
    rows, _ = svi_inputs("2018")
    found, _ = recomputed(rows.with_columns(pl.col("geo_id").replace({"29001": "46113"})))
    assert "46102" in set(found["geo_id"])
    assert "46113" not in set(found["geo_id"])


def test_only_ranks_within_the_nation_are_taken_as_published():
    columns = ["vintage", "measure", "geo_id", "ranked_within", "value"]
    rows = [
        ("2022", "RPL_THEMES", "29001", "nation", 0.5),
        ("2022", "RPL_THEMES", "29003", "state", 0.6),
        ("2022", "EPL_POV150", "29001", "nation", 0.7),
    ]
    found = published(pl.DataFrame(rows, schema=columns, orient="row"))
    assert found.rows() == [("2022", "RPL_THEMES", "29001", 0.5)]


def test_ranks_have_names():
    assert label("2020", "RPL_THEMES") == "SVI 2020 overall"
    assert label("2018", "RPL_THEME3") == "SVI 2018 theme 3"


# --- an index without one of its members -------------------------------------------------------------------------

DRIVER = ("geo_id", "index_id", "indicator_id", "parent_id", "effective_weight", "contribution", "difference")


def driver_rows(*rows: tuple) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=[*DRIVER[:6]], orient="row")
    # What had no part in the score has no difference either.
    return frame.with_columns(difference=pl.when(pl.col("contribution") != 0).then(0.0))


def test_the_other_weights_are_renormalised():
    # 0.5 * 80 + 0.25 * 40 + 0.25 * 20 = 55; without a: (0.25 * 40 + 0.25 * 20) / 0.5 = 30
    own = driver_rows(
        ("29001", "poverty", "a", "poverty", 0.5, 40.0),
        ("29001", "poverty", "b", "poverty", 0.25, 10.0),
        ("29001", "poverty", "c", "poverty", 0.25, 5.0),
    )
    assert without(own, pl.col("indicator_id") == "a").rows() == [("29001", 55.0, 30.0)]
    assert without(own, pl.col("indicator_id").is_in(["a", "b", "c"])).rows() == [("29001", 55.0, None)]


def test_a_missing_member_has_no_weight_to_give_away():
    # c is missing: (0.5 * 80 + 0.25 * 40) / 0.75 = 66.67, of which a 53.33 and b 13.33; without a it is b's 40.
    own = driver_rows(
        ("29001", "poverty", "a", "poverty", 0.5, 40 / 0.75),
        ("29001", "poverty", "b", "poverty", 0.25, 10 / 0.75),
        ("29001", "poverty", "c", "poverty", 0.25, 0.0),
    )
    [[_, whole, value]] = without(own, pl.col("indicator_id") == "a").rows()
    assert (whole, value) == pytest.approx((50 / 0.75, 40))
    [[_, whole, value]] = without(own, pl.col("indicator_id") == "c").rows()
    assert whole == pytest.approx(value)


RECIPE = Recipe(missing="renormalise")


def composite(*names: str) -> Node:
    inner = {
        "one": Node("one", 2.0, children=(Node("a", 3.0), Node("b", 1.0, direction=-1)), recipe=RECIPE),
        "two": Node("two", 1.0, children=(Node("c", 1.0), Node("d", 1.0)), recipe=RECIPE),
        "three": Node("three", 1.0, children=(Node("e", 1.0), Node("f", 2.0)), recipe=RECIPE),
    }
    return Node("priority", children=tuple(inner[name] for name in names), recipe=RECIPE)


def engine(tree: Node, points: dict[str, np.ndarray]) -> tuple[Evaluator, np.ndarray, dict[str, np.ndarray]]:
    evaluator = Evaluator(tree, points)
    found = evaluator.point()
    return evaluator, found.scores[tree.id][0], {name: block[0] for name, block in found.normalised.items()}


@pytest.mark.parametrize("gone", ["one", "two", "three"])
def test_without_a_sub_index_the_score_is_that_of_the_engine(gone):
    rng = np.random.default_rng(3)
    points = {name: rng.normal(size=30) for name in "abcdef"}
    points["d"][:] = np.nan  # absent for the nation: c carries all of `two`
    points["e"][[2, 7]] = np.nan  # missing in two areas: f carries all of `three` there
    tree = composite("one", "two", "three")
    evaluator, score, normalised = engine(tree, points)
    scores = {name: block[0] for name, block in evaluator.point().scores.items()}
    explained = drivers(tree, evaluator.weights, normalised, scores)
    own = explained.rename({"leaf": "indicator_id", "parent": "parent_id"}).with_columns(
        index_id=pl.lit("priority"), geo_id=pl.col("position").cast(pl.String).str.zfill(5)
    )
    found = without(own, pl.col("parent_id") == gone)
    rest = composite(*(name for name in ("one", "two", "three") if name != gone))
    kept = {leaf.id: points[leaf.id] for leaf in rest.walk() if leaf.is_leaf}
    assert found["whole"].to_numpy() == pytest.approx(score, abs=1e-8)
    assert found["value"].to_numpy() == pytest.approx(engine(rest, kept)[1], abs=1e-8)


# --- the whole table ---------------------------------------------------------------------------------------------

N, N_NATION = 24, 60
IDS = [f"29{number:03d}" for number in range(1, 2 * N, 2)]
NATION = [*IDS, *(f"17{number:03d}" for number in range(1, 2 * (N_NATION - N), 2))]
VALUE = pl.Schema(
    {
        "geo_level": pl.String,
        "geo_id": pl.String,
        "indicator_id": pl.String,
        "period": pl.String,
        "source_period": pl.String,
        "value": pl.Float64,
    }
)


def indicator_rows(name: str, period: str, cells: np.ndarray, source_period: str | None = None) -> pl.DataFrame:
    columns = {"geo_level": "county", "indicator_id": name, "period": period, "source_period": source_period or period}
    frame = pl.DataFrame({"geo_id": NATION, "value": cells}).with_columns(**{k: pl.lit(v) for k, v in columns.items()})
    return frame.select(VALUE.names())


def inputs() -> dict[str, pl.DataFrame]:
    """Two indices: poverty of child poverty (0.6) and income (0.4), and one of something that has no earlier year."""
    rng = np.random.default_rng(5)
    now, income = rng.uniform(0.05, 0.4, N_NATION), rng.uniform(30_000, 90_000, N_NATION)
    then = now + rng.normal(0, 0.03, N_NATION)
    only = rng.uniform(0, 1, N_NATION)
    part = {
        "child_poverty_share": 0.6 * now[:N],
        "median_household_income_usd": 0.4 * (1e5 - income[:N]) / 1e5,
    }
    score = sum(part.values())
    rows = [
        (geo_id, "poverty", name, "poverty", weight, float(part[name][i]))
        for i, geo_id in enumerate(IDS)
        for name, weight in (("child_poverty_share", 0.6), ("median_household_income_usd", 0.4))
    ] + [(geo_id, "homelessness", "crowded_share", "homelessness", 1.0, float(only[i])) for i, geo_id in enumerate(IDS)]
    scored = [("poverty", score), ("homelessness", only[:N])]
    return {
        "risk.scores": pl.DataFrame(
            [("county", g, name, "2023", float(s[i])) for name, s in scored for i, g in enumerate(IDS)],
            schema=["geo_level", "geo_id", "index_id", "period", "score"],
            orient="row",
        ),
        "risk.drivers": driver_rows(*rows).with_columns(geo_level=pl.lit("county")),
        "indicator.values": pl.concat(
            [
                indicator_rows("child_poverty_share", "2019", then),
                indicator_rows("child_poverty_share", "2023", now),
                indicator_rows("median_household_income_usd", "2019", income[::-1], "2015-2019"),
                indicator_rows("median_household_income_usd", "2023", income, "2019-2023"),
                indicator_rows("crowded_share", "2023", only, "2019-2023"),
            ]
        ),
        "core.cdc_svi_county": pl.concat([svi_inputs("2018", N)[0], svi_inputs("2020", N)[0]]),
        "core.cdc_svi_county_index": pl.DataFrame(
            schema={
                **dict.fromkeys(["vintage", "measure", "geo_id", "ranked_within"], pl.String), "value": pl.Float64
            }
        ),
    }  # fmt: skip


PLACE = Place("mo", "Missouri", pl.DataFrame({"geo_id": IDS, "geo_name": IDS}), is_simulated=False)


@pytest.fixture(scope="module")
def found():
    return validate(inputs(), PLACE)


@pytest.fixture(scope="module")
def table(found):
    return found.frames[TABLE.key]


def row_of(table: pl.DataFrame, **key: str) -> dict:
    [row] = table.filter(**key).iter_rows(named=True)
    return row


def test_every_check_has_its_rows(table):
    counts = dict(table.group_by("check_id").len().iter_rows())
    assert counts == {
        RECOMPUTED: 2 * 5 * 2,  # vintages, ranks, indices
        ALONE: 2,
        # Two indicators and the index of poverty, each in the region and the nation; homelessness has one year only.
        STABILITY: 3 * 2,
        LEAVE_OUT: 3,
        "outcome": 1,
    }
    assert table.equals(TABLE.conform(table))
    assert table.select(TABLE.primary_key).is_unique().all()
    assert table["is_simulated"].unique().to_list() == [False]


def test_there_is_nothing_to_validate_against_and_the_table_says_so(table):
    row = row_of(table, check_id="outcome")
    assert (row["index_id"], row["text"]) == ("all", NO_OUTCOME)
    assert [row[name] for name in Agreement._fields] == [None] * 6
    assert NO_OUTCOME.startswith("No public measure of incidence exists to validate against")


def test_no_text_claims_what_the_index_is_not(table):
    words = " ".join(table["text"]).lower()
    assert not any(word in words for word in ("trafficking risk", "hotspot", "prevalence"))
    assert table["text"].str.ends_with(".").all()


def test_what_an_index_adds_to_child_poverty(table):
    given = inputs()
    poverty = given["risk.scores"].filter(index_id="poverty")["score"].to_numpy()
    alone = given["indicator.values"].filter(indicator_id="child_poverty_share", period="2023")["value"].to_numpy()
    row = row_of(table, index_id="poverty", check_id=ALONE)
    expected = agreement(poverty, alone[:N])
    assert tuple(row[name] for name in Agreement._fields) == pytest.approx(tuple(expected))
    assert f"{1 - expected.spearman**2:.0%} of the variance of its ranks is not shared" in row["text"]
    assert "60% of what counted in the index" in row["text"]
    assert "itself" not in row_of(table, index_id="homelessness", check_id=ALONE)["text"]


def test_income_is_turned_so_that_less_of_it_comes_first(table):
    # Less income is greater need: without child poverty, the order of poverty is that of low incomes.
    row = row_of(table, index_id="poverty", check_id=LEAVE_OUT, counterpart="child_poverty_share")
    given = inputs()
    low = -given["indicator.values"].filter(indicator_id="median_household_income_usd", period="2023")["value"]
    score = given["risk.scores"].filter(index_id="poverty")["score"].to_numpy()
    assert row["spearman"] == pytest.approx(agreement(score, low.to_numpy()[:N]).spearman)
    # Both years of income turned alike: the twenty of greatest need are those of least income.
    kept = row_of(table, counterpart="median_household_income_usd 2019 to 2023", scope=REFERENCE)
    cells = given["indicator.values"].filter(indicator_id="median_household_income_usd")
    then, now = (cells.filter(period=year).sort("geo_id")["value"].to_numpy() for year in ("2019", "2023"))
    assert kept["top20_in_common"] == len(set(np.argsort(then)[:20]) & set(np.argsort(now)[:20]))


def test_the_only_member_cannot_be_left_out(table):
    row = row_of(table, index_id="homelessness", check_id=LEAVE_OUT)
    assert row["spearman"] is None
    assert "without it nothing is left" in row["text"]


def test_a_member_without_any_value_is_not_shown_as_harmless():
    given = inputs()
    no_value = given["risk.drivers"].filter(index_id="poverty", indicator_id="child_poverty_share").with_columns(
        indicator_id=pl.lit("snap_household_share"), contribution=pl.lit(0.0), difference=pl.lit(None, pl.Float64)
    )  # fmt: skip
    given["risk.drivers"] = pl.concat([given["risk.drivers"], no_value])
    row = row_of(
        validate(given, PLACE).frames[TABLE.key], index_id="poverty", check_id=LEAVE_OUT,
        counterpart="snap_household_share",
    )  # fmt: skip
    assert row["spearman"] is None
    assert "has no value in any county" in row["text"]


def test_an_index_then_and_now_is_the_weighted_mean_of_percentiles(table):
    given = inputs()["indicator.values"]

    def mean(year: str) -> np.ndarray:
        whole = np.zeros(N_NATION)
        for name, weight, sign in (("child_poverty_share", 0.6, 1), ("median_household_income_usd", 0.4, -1)):
            cells = sign * given.filter(indicator_id=name, period=year)["value"].to_numpy()
            whole += weight * np.array([(cells < cell).sum() + 0.5 for cell in cells]) / N_NATION * 100
        return whole

    then, now = (mean(year).round(9) for year in ("2019", "2023"))
    for scope, n in ((REGION, N), (REFERENCE, N_NATION)):
        row = row_of(table, index_id="poverty", check_id=STABILITY, counterpart="as of 2019", scope=scope)
        assert row["n_areas"] == n
        assert row["spearman"] == pytest.approx(agreement(then[:n], now[:n]).spearman)
    assert "plain weighted mean of the percentiles" in row["text"]
    assert "100% of its weight" in row["text"]


def test_interviews_that_stand_behind_both_years_are_named(table):
    row = row_of(table, counterpart="median_household_income_usd 2019 to 2023", scope=REGION)
    assert "the same interviews stand behind both for 1 of 5 years" in row["text"]
    poor = row_of(table, counterpart="child_poverty_share 2019 to 2023", scope=REGION)
    assert "interviews" not in poor["text"]


@pytest.mark.parametrize(
    ("first", "second", "years"),
    [
        ("2014-2018", "2018-2022", 1),
        ("2018-2022", "2019-2023", 4),
        ("2013-2017", "2018-2022", 0),
        ("2019", "2023", 0),
        ("2021-2022", "2022-2023", 0),  # school years
        (None, "2018-2022", 0),
    ],
)
def test_years_of_interviews_that_two_periods_share(first, second, years):
    assert shared_years(first, second) == shared_years(second, first) == years


def test_what_cannot_be_compared_is_absent_with_its_reason(found):
    reasons = {part.part: part for part in found.absent}
    assert set(reasons) == {"risk.validation.svi_published", "risk.validation.stability_over_vintages.homelessness"}
    assert reasons["risk.validation.svi_published"].file_missing == "cdc_svi/2022/SVI_2022_US_county.csv"


def test_areas_of_other_levels_change_nothing(table):
    given = inputs()
    for key in ("risk.scores", "risk.drivers", "indicator.values"):
        tracts = given[key].with_columns(geo_level=pl.lit("tract"), geo_id=pl.col("geo_id") + "000100")
        given[key] = pl.concat([given[key], tracts.select(given[key].columns)])
    assert validate(given, PLACE).frames[TABLE.key].equals(table)


def test_the_order_of_rows_changes_nothing(table):
    given = {key: frame.sample(fraction=1.0, shuffle=True, seed=2) for key, frame in inputs().items()}
    other = validate(given, PLACE).frames[TABLE.key]
    numbers = [name for name, dtype in table.schema.items() if dtype.is_numeric()]
    assert other.drop(numbers).equals(table.drop(numbers))
    assert other.select(numbers).to_numpy() == pytest.approx(table.select(numbers).to_numpy(), nan_ok=True)


def test_published_ranks_are_compared_where_they_are_at_hand():
    given = inputs()
    ranks, _ = recomputed(given["core.cdc_svi_county"])
    given["core.cdc_svi_county_index"] = ranks.with_columns(ranked_within=pl.lit("nation"))
    other = validate(given, PLACE)
    rows = other.frames[TABLE.key].drop("text")
    compared = {check: rows.filter(check_id=check).drop("check_id") for check in (RECOMPUTED, PUBLISHED)}
    assert compared[PUBLISHED].equals(compared[RECOMPUTED])
    assert "risk.validation.svi_published" not in {part.part for part in other.absent}


def test_an_index_without_scores_is_not_dropped():
    given = inputs()
    lost = pl.when(pl.col("index_id") != "poverty").then(pl.col("score"))
    given["risk.scores"] = given["risk.scores"].with_columns(score=lost)
    given["risk.drivers"] = given["risk.drivers"].filter(pl.col("index_id") != "poverty")
    other = validate(given, PLACE)
    row = row_of(other.frames[TABLE.key], index_id="poverty", check_id=ALONE)
    assert (row["n_areas"], row["spearman"]) == (0, None)
    assert "risk.validation.leave_one_out.poverty" in {part.part for part in other.absent}
    assert "cannot be compared: 0 counties of the region have both, fewer than 10" in row["text"]


def test_simulated_figures_say_so():
    table = validate(inputs(), replace(PLACE, is_simulated=True)).frames[TABLE.key]
    assert table["is_simulated"].all()


def test_the_decision_loads_without_what_is_slow():
    code = "import sys, models.decisions.validation; print([m for m in ('scipy.stats', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_decision_names_what_it_reads():
    assert (DECISION.id, DECISION.tables) == ("validation", (TABLE,))
    assert set(DECISION.reads) == set(inputs())
