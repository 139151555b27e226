"""The index of any table: exact figures by hand, what is missing, how sure, and what cannot be."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine.imd import imd
from models.engine.ranks import TOP
from models.engine.svi import THEMES_2020, svi
from models.indices.table_index import compute
from models.indices.table_output import Options, Result
from models.indices.table_spec import TableSpec, read_table_index
from models.indices.table_values import TableError
from models.indices.yaml_lines import DeclarationError, read

N = 40
DRAWS = Options(draws=200, seed=1)


def spec(text: str) -> TableSpec:
    return read_table_index(read(text, "need.yaml"))


def texts(**columns) -> pl.DataFrame:
    """Every cell as text, None and NaN as an empty cell."""

    def cell(value) -> str:
        return "" if value is None or value != value else str(value)

    n = max(len(column) for column in columns.values())
    given_ids = {"id": [f"{i:03d}" for i in range(1, n + 1)]} | columns
    return pl.DataFrame({name: [cell(value) for value in column] for name, column in given_ids.items()})


def index(text: str, frame: pl.DataFrame, options: Options = DRAWS, **kwargs) -> Result:
    return compute(spec(text), frame, options, where="need.csv", **kwargs)


def noted(result: Result, what: str) -> bool:
    return any(what in note for note in result.notes)


def noisy(seed: int = 3, n: int = N) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.normal(50, 10, n)
    margin = generator.uniform(5, 20, n)
    other = truth + generator.normal(0, 5, n)
    return {
        "a": truth + margin / 1.645 * generator.normal(size=n), "a_moe": margin,
        "b": other + 4 * generator.normal(size=n), "b_se": np.full(n, 4.0),
        "c": generator.uniform(0, 1, n).round(3), "c_n": generator.integers(20, 200, n),
    }  # fmt: skip


TWO = """\
id: need
table: {id: id}
members:
  - {column: a, direction: +1, margin: a_moe, weight: 1.618}
  - {column: b, direction: -1, se: b_se}
"""
EXACT = """\
id: need
table: {id: id}
members:
  - {column: a, direction: +1, weight: 3}
  - {column: b, direction: -1, weight: 1}
"""


# --- the score -----------------------------------------------------------------------------------------------------


def test_a_score_by_hand():
    # Percentiles 100 (rank - 1/2) / 4 of a: 12.5, 37.5, 62.5, 87.5. b has a tie: mean ranks 1.5 1.5 3 4, so
    # 25, 25, 62.5, 87.5, turned 75, 75, 37.5, 12.5. Weights 3/4 and 1/4.
    result = index(EXACT, texts(a=[1, 2, 3, 4], b=[5, 5, 6, 7]))
    assert result.table["score"].to_list() == [28.125, 46.875, 56.25, 68.75]
    assert result.table["rank"].to_list() == [4, 3, 2, 1]
    assert result.table["contribution_a"].to_list() == [9.375, 28.125, 46.875, 65.625]
    assert result.table["normalised_b"].to_list() == [75.0, 75.0, 37.5, 12.5]
    assert result.table["id"].to_list() == ["001", "002", "003", "004"]
    assert result.table["coverage"].to_list() == [1.0] * 4
    assert result.table["n_draws"].to_list() == [0] * 4
    assert "name" not in result.table.columns
    assert "rank_p05" not in result.table.columns


def test_a_tree_by_hand():
    # inner = geometric mean of min-max values on 1 to 100; the root takes inner and c as they are.
    text = """\
id: need
table: {id: id, name: called}
normalisation: none
members:
  - {column: a, direction: 1, parent: inner}
  - {column: b, direction: 1, parent: inner}
  - {column: c, direction: 1}
groups:
  - {id: inner, normalisation: {method: min_max, scale: [1, 100]}, aggregation: geometric}
"""
    frame = texts(a=[0, 1, 2], b=[0, 2, 1], c=[10, 20, 30], called=["x", "y", "z"])
    table = index(text, frame).table
    inner = [1.0, (50.5 * 100) ** 0.5, (100 * 50.5) ** 0.5]
    assert table["group_inner"].to_list() == pytest.approx(inner)
    assert table["score"].to_list() == pytest.approx([(x + c) / 2 for x, c in zip(inner, (10, 20, 30), strict=True)])
    assert table["name"].to_list() == ["x", "y", "z"]


def test_equal_rows_share_a_rank():
    assert index(EXACT, texts(a=[1, 2, 2, 4], b=[0, 0, 0, 0])).table["rank"].to_list() == [4, 2, 2, 1]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50), st.booleans()), min_size=3, max_size=12),
    st.sampled_from(["percentile", "{method: min_max, scale: [1, 100]}", "rank"]),
    st.sampled_from(["arithmetic", "geometric", "{method: power, power: 0.5}"]),
    st.sampled_from(["impute", "renormalise", "null_if_any"]),
)
def test_contributions_sum_to_the_score_whatever_the_method(rows, normalisation, aggregation, missing):
    text = (
        EXACT + f"normalisation: {normalisation}\naggregation: {aggregation}\nmissing: {missing}\nmin_coverage: 0.1\n"
    )
    a, b = [row[0] for row in rows], [None if row[2] else row[1] for row in rows]
    table = index(text, texts(a=a, b=b)).table
    parts = table["contribution_a"] + table["contribution_b"]
    assert (parts - table["score"]).abs().max() is None or (parts - table["score"]).abs().max() < 1e-6
    assert parts.is_null().to_list() == table["score"].is_null().to_list() == table["rank"].is_null().to_list()
    known = table.filter(pl.col("score").is_not_null())
    assert known["rank"].to_list() == [1 + (known["score"] > score + 1e-7).sum() for score in known["score"]]


def test_the_order_of_rows_changes_no_row():
    frame = texts(a=[4, 1, 3, 2], b=[1, 5, 3, None])
    turned = index(EXACT, frame.reverse()).table
    assert turned.sort("id").equals(index(EXACT, frame).table.sort("id"))


# --- what is missing -----------------------------------------------------------------------------------------------


def test_coverage_counts_observed_weight_and_below_min_coverage_there_is_no_score():
    # a weighs 3/4 and b 1/4; the default asks for two thirds.
    table = index(EXACT, texts(a=[1, 2, None, 4, 5], b=[5, None, 6, 7, 8])).table
    assert table["coverage"].to_list() == [1.0, 0.75, 0.25, 1.0, 1.0]
    assert table["quality"].to_list() == [1, 2, 3, 1, 1]
    assert table["score"].is_null().to_list() == [False, False, True, False, False]
    assert table["rank"].null_count() == 1
    assert table["n_ranked"].unique().to_list() == [4]


def test_a_coverage_of_exactly_the_minimum_is_enough():
    text = "id: x\ntable: {id: id}\nmembers:\n" + "".join(f"  - {{column: {c}, direction: 1}}\n" for c in "abc")
    table = index(text, texts(a=[1, 2, 3], b=[1, 2, 3], c=[None, 2, 3])).table
    assert table["score"].null_count() == 0


def test_a_member_without_any_value_carries_no_weight_and_is_named():
    result = index(EXACT + "min_coverage: 0.5\n", texts(a=[1, 2, 3], b=[None, None, None]))
    assert noted(result, "b has no value in any row: it carries no weight")
    assert result.table["score"].to_list() == pytest.approx([100 / 6, 50.0, 500 / 6])
    assert result.table["coverage"].to_list() == [0.75] * 3
    assert result.table["contribution_b"].to_list() == [0.0] * 3


def test_no_member_with_any_value_gives_rows_without_scores():
    result = index(EXACT, texts(a=[None, None], b=[None, None]))
    assert result.table["score"].null_count() == result.table["rank"].null_count() == 2
    assert noted(result, "rows without a score, because too much of them is missing: 2 of 2")


def test_a_constant_member_tells_no_row_from_another():
    result = index(EXACT, texts(a=[7, 7, 7], b=[1, 2, 3]))
    assert noted(result, "a is 7 in every row")
    assert result.table["normalised_a"].to_list() == [50.0] * 3
    assert result.table["rank"].to_list() == [1, 2, 3]


def test_a_missing_value_is_predicted_and_said():
    result = index(EXACT, texts(a=range(10), b=[None, *range(9, 0, -1)]))
    assert noted(result, "missing values predicted from the other members of their rows: 1")
    assert result.table["normalised_b"].null_count() == 0


# --- how sure ------------------------------------------------------------------------------------------------------


def test_ranks_without_an_interval_say_why():
    assert noted(index(EXACT, texts(a=[1, 2], b=[1, 2])), "without an interval, because no member declares an error")
    asked_none = index(TWO, texts(**noisy()), Options(draws=0))
    assert noted(asked_none, "without an interval, because no draws were asked for")
    assert "rank_p05" not in asked_none.table.columns


def test_errors_bring_a_thousand_draws_unless_another_number_is_asked_for():
    result = index(TWO, texts(**noisy()), Options())
    assert result.table["n_draws"].unique().to_list() == [1000]
    assert result.table["seed"].unique().to_list() == [20260101]
    assert index(TWO, texts(**noisy())).table["n_draws"].unique().to_list() == [200]


def test_columns_of_an_index_with_errors():
    result = index(TWO, texts(**noisy()))
    table = result.table
    assert table.columns == [
        "id", "score", "score_direct", "score_p05", "score_p95", "rank", "rank_mean", "rank_p05", "rank_p95",
        "p_top_5", "p_top_10", "p_top_20", "p_top_10pct", "tier", "tier_probability", "monte_carlo_error", "coverage",
        "quality", "n_ranked", "independence_assumed", "seed", "n_draws", "mode",
        "normalised_a", "contribution_a", "normalised_b", "contribution_b",
    ]  # fmt: skip
    for k in TOP:
        assert table[f"p_top_{k}"].sum() == pytest.approx(k)
    assert table["p_top_10pct"].sum() == pytest.approx(N / 10)
    assert (table["rank_p05"] <= table["rank_mean"]).all()
    assert (table["rank_mean"] <= table["rank_p95"]).all()
    assert (table["score_p05"] < table["score"]).all()
    assert (table["score"] < table["score_p95"]).all()
    assert table.sort("rank")["rank_mean"].is_sorted()
    assert (table["contribution_a"] + table["contribution_b"] - table["score"]).abs().max() < 1e-6
    assert table["independence_assumed"].unique().to_list() == [True]
    assert table["mode"].unique().to_list() == ["posterior"]
    assert table["monte_carlo_error"][0] == pytest.approx(0.5 / 200**0.5)
    assert noted(result, "independent")


def test_the_direct_score_is_that_without_draws():
    frame = texts(**noisy())
    direct = index(TWO, frame, Options(draws=0)).table
    assert index(TWO, frame).table["score_direct"].equals(direct["score"].alias("score_direct"))


def test_the_same_seed_gives_the_same_file_and_another_does_not():
    frame = texts(**noisy())
    assert index(TWO, frame).table.equals(index(TWO, frame).table)
    assert not index(TWO, frame).table.equals(index(TWO, frame, Options(draws=200, seed=2)).table)


def test_posterior_draws_pull_noisy_rows_in_and_sampling_draws_do_not():
    one = "id: x\ntable: {id: id}\nnormalisation: {method: z}\nmembers: [{column: a, direction: 1, margin: moe}]\n"
    generator = np.random.default_rng(0)
    a, moe = generator.normal(0, 1, 60), np.full(60, 0.3)
    a[0], moe[0] = 2.5, 10.0  # the greatest by far of what is hardly known
    frame = texts(a=a, moe=moe)
    posterior = index(one, frame).table
    sampled = index(one, frame, Options(200, 1, "sampling"))
    assert posterior["score"][0] < 0.5 * posterior["score_direct"][0]
    assert posterior["p_top_5"][0] < 0.4 < sampled.table["p_top_5"][0]
    assert noted(sampled, "its intervals are too short")
    assert sampled.table["mode"].unique().to_list() == ["sampling"]


def test_rows_below_their_coverage_are_in_no_draw():
    columns = noisy()
    columns["a"][:3] = columns["a_moe"][:3] = columns["b"][:3] = columns["b_se"][:3] = np.nan
    table = index(TWO, texts(**columns)).table
    assert table["n_ranked"].unique().to_list() == [N - 3]
    uncertain = ["score", "score_direct", "score_p05", "score_p95", "rank", "rank_mean", "p_top_5", "tier"]
    assert [table[name].null_count() for name in uncertain] == [3] * len(uncertain)
    assert table["p_top_5"].sum() == pytest.approx(5)


def test_a_table_in_which_nothing_can_be_ranked_has_the_same_columns():
    columns = noisy()
    whole = index(TWO, texts(**columns)).table
    nothing = index(TWO, texts(**{name: np.full(N, np.nan) for name in columns})).table
    assert nothing.schema == whole.schema
    assert nothing["rank"].null_count() == N


def test_members_without_an_error_beside_others_are_named():
    result = index(TWO.replace(", se: b_se", ""), texts(**noisy()))
    assert noted(result, "no error is declared of b: drawn as exact")
    assert result.table["independence_assumed"].unique().to_list() == [False]


def test_a_value_whose_error_is_not_known_counts_as_missing():
    columns = noisy()
    columns["a_moe"][4] = np.nan
    result = index(TWO, texts(**columns))
    assert noted(result, "a: values without what their error model needs, which count as missing: 1")
    assert result.table["coverage"][4] == pytest.approx(1 / 2.618)
    assert result.table["score"][4] is None


def test_a_frozen_reference_does_not_move_with_the_draws():
    # Against the published distribution the scores of a draw need not average 50; against its own rows they do.
    frame = texts(**noisy())
    own = index(TWO.replace(", margin: a_moe", ""), frame).table
    assert own["score"].mean() == pytest.approx(50)
    frozen = index(TWO + "reference: frozen\n", frame, Options(200, 1, "sampling")).table
    assert frozen["score"].mean() != pytest.approx(50, abs=1e-6)
    direct = index(TWO + "reference: frozen\n", frame, Options(draws=0)).table
    assert direct["score"].to_list() == pytest.approx(index(TWO, frame, Options(draws=0)).table["score"].to_list())


def test_treated_points_are_listed_by_row():
    columns = noisy()
    columns["b"][7] = 4000.0
    treated = index(TWO + "treatment: winsorise_log\n", texts(**columns)).beside["treatments"]
    assert treated.columns == ["id", "indicator", "of", "before", "after", "rule"]
    published = treated.filter(of="published values")
    assert published.select("id", "indicator", "before").rows() == [("008", "b", 4000.0)]
    assert "treatments" not in index(TWO, texts(**columns)).beside


# --- error models --------------------------------------------------------------------------------------------------


def one_member(error: str, column: str = "c") -> str:
    return f"id: x\ntable: {{id: id}}\nmembers: [{{column: {column}, direction: 1, error: {error}}}]\n"


@pytest.mark.parametrize(
    ("error", "columns"),
    [
        ("{model: relative, cv: 0.2}", {}),
        ("{model: binomial, n: n}", {}),
        ("{model: binomial, n: n, scale: 100}", {}),
        ("{model: poisson}", {}),
        ("{model: poisson, exposure: n, per: 1000}", {}),
        ("{model: published_interval, lower: low, upper: high}", {}),
        ("{model: published_interval, lower: low, upper: high, level: 0.95}", {}),
        ("{model: interval, lower: low, upper: high, n: n}", {"c": [None] * 30}),
        ("{model: se, se: high}", {}),
        ("{model: margin, margin: high}", {}),
    ],
)
@pytest.mark.parametrize("mode", ["posterior", "sampling"])
def test_every_error_model_makes_intervals(error, columns, mode):
    generator = np.random.default_rng(1)
    c = np.round(generator.uniform(0.2, 0.8, 30), 2)
    frame = texts(**{"c": c, "n": [50] * 30, "low": c - 0.1, "high": c + 0.1} | columns)
    table = index(one_member(error), frame, Options(100, 1, mode)).table
    assert table["score"].null_count() == 0
    assert (table["rank_p95"] - table["rank_p05"]).mean() > 3
    assert (table["score_p05"] <= table["score_p95"]).all()


def test_a_count_with_an_exposure_enters_as_a_rate():
    table = index(one_member("{model: poisson, exposure: n}"), texts(c=[10, 20, 5], n=[10, 100, 10]), Options(0)).table
    assert table["rank"].to_list() == [1, 3, 2]


def test_where_only_an_interval_is_published_the_point_lies_within():
    error = "{model: interval, lower: low, upper: high, n: n, rounding: 0}"
    text = one_member(error) + "normalisation: none\n"
    frame = texts(c=[0.5, None, 0.9, None], low=[None, 0.2, None, None], high=[None, 0.3, None, None], n=[100] * 4)
    table = index(text, frame, Options(200, 1)).table
    assert 0.2 <= table["score"][1] <= 0.3
    assert table["score_p05"][1] >= 0.2 - 1e-6
    assert table["score"][0] == pytest.approx(0.5)
    assert table["score"][3] is None, "neither a value nor an interval"


@pytest.mark.parametrize(
    ("error", "wrong", "says"),
    [
        ("{model: margin, margin: m}", {"m": [1, -1, 1]}, r"row 3 \(id 002\), column m: a margin must not be negative"),
        ("{model: se, se: m}", {"m": [1, -1, 1]}, "column m: a standard error must not be negative, but is -1"),
        ("{model: margin, margin: m}", {"c": [0.1, None, 0.2]}, "row 3 .*column m: a margin without an estimate"),
        ("{model: binomial, n: m}", {"c": [0.1, 1.2, 0.2]}, r"row 3 .*column c: is 1\.2, but the support is 0 to 1"),
        ("{model: binomial, n: m}", {"m": [9, 0, 9]}, "column m: is 0, but the size of a group must be"),
        ("{model: poisson}", {"c": [1, -2, 3]}, "row 3 .*column c: is -2, but a count must not be negative"),
        ("{model: poisson, exposure: m}", {"m": [1, 0, 3]}, "row 3 .*column m: is 0, but it must be positive"),
        ("{model: relative, cv: 0.1}\n, support: [0, 1]", {"c": [0.1, 1.2, 0.2]}, "c: the declared support is 0 to 1"),
        ("{model: published_interval, lower: l, upper: m}", {"c": [0.5, 2, 0.5]}, "row 3 .*column c: .*must enclose"),
        ("{model: published_interval, lower: l, upper: m}", {"l": [0, 3, 0]}, "row 3 .*column l: .*above the upper"),
        ("{model: interval, lower: l, upper: m, n: n}", {"c": [0.5, None, 0.5], "l": [0, None, 0]}, "row 3 .*needs"),
        ("{model: interval, lower: l, upper: m, n: n}", {"c": [0.5, 1.4, 0.5]}, "row 3 .*lies between 0 and 1"),
    ],
)  # fmt: skip
def test_an_error_that_cannot_be_is_refused_by_row_and_column(error, wrong, says):
    frame = texts(**{"c": [0.5, 0.5, 0.5], "l": [0, 0, 0], "m": [1, 1, 1], "n": [10, 10, 10]} | wrong)
    text = one_member(error).replace("\n, support", ", support")
    with pytest.raises(TableError, match=rf"^need\.csv: .*{says}"):
        index(text, frame)


# --- correlated errors -----------------------------------------------------------------------------------------------


def correlated(text: str, mode: str = "posterior", **kwargs) -> pl.DataFrame:
    return index(TWO.replace("-1", "+1") + text, texts(**noisy(n=60)), Options(400, 1, mode), **kwargs).table


@pytest.mark.parametrize("mode", ["posterior", "sampling"])
def test_errors_that_err_together_make_intervals_wider_and_apart_narrower(mode):
    def width(text: str) -> float:
        table = correlated(text, mode)
        assert table["independence_assumed"].unique().to_list() == [not text]
        return float((table["score_p95"] - table["score_p05"]).mean())

    apart, none, together = (width(text) for text in ("error_correlation: -0.8\n", "", "error_correlation: 0.8\n"))
    assert apart < none < together


def test_pairs_and_a_matrix_say_what_a_number_says():
    number = correlated("error_correlation: 0.5\n")
    assert correlated("error_correlation: {a: {b: 0.5}}\n").equals(number)
    matrix = pl.DataFrame({"member": ["b", "a"], "a": ["0.5", "1"], "b": ["1", "0.5"]})
    assert correlated("error_correlation: errors.csv\n", matrix=matrix).equals(number)


def test_correlation_of_sampling_draws_is_the_declared_one():
    from models.indices.table_errors import _JointNormal

    mean, sd = np.zeros((2, 3)), np.ones((2, 3))
    sd[1, 2] = 0.0
    drawer = _JointNormal(["a", "b"], mean, sd, np.array([[1, 0.6], [0.6, 1]]), [(-np.inf, np.inf), (-0.5, np.inf)])
    drawn = drawer.draw(0, 20_000, np.random.default_rng(0))
    assert drawn.shape == (2, 20_000, 3)
    assert (drawn[1, :, 2] == 0).all(), "no error, no spread"
    assert drawn[1].min() >= -0.5, "within the support"
    free = _JointNormal(["a", "b"], mean, sd, np.array([[1, 0.6], [0.6, 1]]), [(-np.inf, np.inf)] * 2)
    both = free.draw(0, 20_000, np.random.default_rng(0))
    assert np.corrcoef(both[0, :, 0], both[1, :, 0])[0, 1] == pytest.approx(0.6, abs=0.02)
    assert both[0].std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("error_correlation: {a: {a: 0.5}}", "of a and a is its own"),
        ("error_correlation: {a: {b: 0.5}, b: {a: 0.4}}", "differs from what is given the other way round"),
        ("error_correlation: {a: {c: 0.5}}", "c has no margin, se or relative error"),
        ("error_correlation: {a: {b: 0.9, d: 0.9}, b: {d: -0.9}}", "impossible: no errors can have these"),
    ],
)
def test_a_correlation_that_cannot_be_is_refused_by_its_line(text, says):
    members = "  - {column: c, direction: 1}\n  - {column: b, id: d, direction: 1, se: b_se}\n"
    with pytest.raises(DeclarationError, match=rf"^need\.yaml:8: .*{says}"):
        index(TWO + members + text + "\n", texts(**noisy()))


def test_a_correlation_needs_two_members_with_standard_errors():
    with pytest.raises(DeclarationError, match=r"need\.yaml:6: error_correlation needs two members or more"):
        index(EXACT + "error_correlation: 0.2\n", texts(a=[1, 2], b=[1, 2]))


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        ({"m": ["a"], "a": ["1"]}, "needs a row and a column for b"),
        (
            {"m": ["a", "b"], "a": ["1", "0.2"], "b": ["0.3", "1"]},
            "of a and b must lie between -1 and 1, the same",
        ),
        ({"m": ["a", "b"], "a": ["1", "x"], "b": ["0.3", "1"]}, "of a and b must lie between -1 and 1"),
        ({"m": ["a", "b"], "a": ["2", "0.3"], "b": ["0.3", "1"]}, "of a and a must be 1, not 2"),
    ],
)
def test_a_matrix_that_is_none_is_refused(matrix, says):
    with pytest.raises(TableError, match=rf"^errors\.csv: .*{says}"):
        correlated("error_correlation: errors.csv\n", matrix=pl.DataFrame(matrix))


# --- sensitivity ---------------------------------------------------------------------------------------------------

METHODS = "sensitivity:\n  aggregation: [geometric]\n  weighting: [equal]\n"
ASK = Options(draws=100, seed=1, sensitivity=True)


def test_sensitivity_shares_the_variance_of_each_rank_between_data_and_method():
    text = TWO + METHODS
    beside = index(text, texts(**noisy()), ASK).beside
    by_row = beside["sensitivity"]
    assert by_row["id"].to_list() == [f"{i:03d}" for i in range(1, N + 1)]
    shares = by_row.filter(pl.col("data_share").is_not_null())
    assert shares.height > N / 2
    assert (shares["data_share"] + shares["method_share"] - 1).abs().max() < 1e-9
    assert (by_row["rank_methods_p05"] <= by_row["rank_methods_p95"]).all()
    assert beside["factors"]["factor"].to_list() == ["aggregation", "weighting"]
    assert beside["factors"]["method"].unique().to_list() == ["enumerated"]


def test_without_errors_only_the_methods_are_compared():
    beside = index(EXACT + METHODS, texts(a=range(10), b=[3, 1, 4, 1, 5, 9, 2, 6, 5, 3]), ASK).beside
    assert beside["sensitivity"]["data_share"].null_count() == 10
    assert beside["factors"].height == 2


def test_sensitivity_has_to_be_declared_and_asked_for():
    frame = texts(**noisy())
    with pytest.raises(DeclarationError, match=r"need\.yaml: --sensitivity needs the key `sensitivity`"):
        index(TWO, frame, ASK)
    assert "sensitivity" not in index(TWO + "sensitivity:\n  aggregation: [geometric]\n", frame).beside


# --- what cannot be computed -----------------------------------------------------------------------------------------


def test_weights_of_components_that_must_be_refused_are_told_by_their_line():
    text = "id: x\nweighting: pca\ntable: {id: id}\nmembers:\n" + "".join(
        f"  - {{column: {c}, direction: {d}}}\n" for c, d in (("a", 1), ("b", 1), ("c", -1))
    )
    a = np.arange(30)
    with pytest.raises(DeclarationError, match=r"^need\.yaml:2: weighting: "):
        index(text, texts(a=a, b=a + 1, c=a * 2))


def test_values_that_a_mean_cannot_take_are_refused():
    with pytest.raises(TableError, match=r"^need\.csv: .*above zero"):
        index(EXACT.replace("-1", "+1") + "normalisation: none\naggregation: geometric\n", texts(a=[0, 1], b=[1, 2]))


# --- presets -------------------------------------------------------------------------------------------------------

SVI = "id: svi\npreset: svi\nvintage: 2020\ntable: {id: id}\npopulation: people\n"


def svi_inputs(n: int = 30, *, margins: bool = True) -> dict[str, list[float]]:
    generator = np.random.default_rng(5)
    names = [name for members in THEMES_2020.values() for name in members]
    columns: dict[str, list[float]] = {"people": [1000.0] * n}
    for name in names:
        columns[f"EP_{name}"] = generator.uniform(1, 40, n).round(1).tolist()
        if margins:
            columns[f"MP_{name}"] = generator.uniform(0.5, 5, n).round(1).tolist()
    columns["people"][3] = 0.0
    columns["EP_UNEMP"][5] = -999.0
    if margins:
        columns["MP_UNEMP"][5] = -999.0
    return columns


def test_the_preset_svi_is_the_engines_and_takes_999_as_missing():
    columns = svi_inputs()
    result = index(SVI, texts(**columns), Options())
    frame = pl.DataFrame({name: column for name, column in columns.items() if not name.startswith("MP_")})
    expected = svi(frame, THEMES_2020, population="people")
    assert result.table.select(expected.columns).equals(expected)
    assert result.table.columns == ["id", *expected.columns, "n_draws"]
    assert result.table["RPL_THEMES"].is_null().to_list() == [i in (3, 5) for i in range(30)]
    assert noted(result, "without an interval")
    assert noted(result, "rows without an overall rank, because a variable or the people are missing: 2 of 30")


@pytest.mark.parametrize("mode", ["posterior", "sampling"])
def test_the_preset_svi_with_draws_keeps_the_published_columns(mode):
    frame = texts(**svi_inputs())
    published = index(SVI, frame, Options()).table.drop("n_draws")
    result = index(SVI, frame, Options(200, 1, mode))
    assert result.table.select(published.columns).equals(published)
    table = result.table
    assert table["n_ranked"].unique().to_list() == [28]
    assert table["rank"].is_null().to_list() == [i in (3, 5) for i in range(30)]
    assert table["p_top_5"].sum() == pytest.approx(5)
    assert (table["RPL_THEMES_p05"] <= table["RPL_THEMES_mean"]).all()
    assert (table["RPL_THEMES_mean"] <= table["RPL_THEMES_p95"]).all()
    # The published rank is among the likely ones almost everywhere.
    inside = (table["RPL_THEMES_p05"] <= table["RPL_THEMES"]) & (table["RPL_THEMES"] <= table["RPL_THEMES_p95"])
    assert inside.mean() > 0.8
    assert noted(result, "independent")


def test_the_preset_svi_without_margins_draws_what_is_exact():
    result = index(SVI, texts(**svi_inputs(margins=False)), Options(50, 1))
    assert noted(result, "no error is declared of POV150")
    assert (result.table["rank_p05"] == result.table["rank_p95"]).all()


def test_a_preset_is_one_method():
    for text in (SVI, "id: imd\npreset: imd\ntable: {id: id}\ndomains: {x: 1}\n"):
        with pytest.raises(DeclarationError, match=r"need\.yaml:2: --sensitivity: the preset"):
            index(text, texts(x=[1, 2]), Options(sensitivity=True))


IMD = "id: imd\npreset: imd\ntable: {id: id}\ndomains: {x: 60, y: 40}\n"


def test_the_preset_imd_is_the_engines():
    result = index(IMD, texts(x=[1, 2, 3, None], y=[3, 1, 2, 4]), Options())
    expected = imd(np.array([[1, 3], [2, 1], [3, 2], [np.nan, 4]]), [60, 40])
    np.testing.assert_equal(result.table["score"].to_numpy(), expected.published_score)
    assert result.table["rank"].to_list() == [1, 2, 3, None]
    assert result.table["decile"].null_count() == 1
    assert noted(result, "MOST deprived")
    assert noted(result, "the rank of a domain is missing: 1 of 4")


def test_the_preset_imd_refuses_draws_with_the_reason():
    with pytest.raises(DeclarationError, match=r"need\.yaml:2: --draws: the preset imd .*ranks have no margins"):
        index(IMD, texts(x=[1, 2], y=[1, 2]), Options(draws=100))


@pytest.mark.parametrize("rank", [0, -1, 4])
def test_a_rank_that_no_row_can_have_is_refused(rank):
    with pytest.raises(TableError, match=r"row 3 \(id 002\), column x: a rank goes from 1 .* to 3"):
        index(IMD, texts(x=[1, rank, 2], y=[1, 2, 3]), Options())
