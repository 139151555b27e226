import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chi2, pearsonr, spearmanr

from models.engine.coherence import (
    LOW_ALPHA,
    NEGATIVE,
    OUTWEIGHS,
    QUESTIONABLE_ALPHA,
    REDUNDANT,
    bartlett_sphericity,
    coherence,
    correlation,
    correlation_ratio,
    correlations,
    cronbach_alpha,
    effective_weights,
    importance,
    kmo,
    links,
    matrix,
    reliability,
    standardised_alpha,
)
from models.engine.tree import Node, Recipe

NAN = float("nan")


def flat(*ids: str) -> Node:
    return Node("index", children=tuple(Node(name) for name in ids))


def grouped() -> Node:
    home = Node("home", children=(Node("poverty"), Node("crowding")))
    school = Node("school", children=(Node("absence"), Node("dropout"), Node("discipline")))
    return Node("index", children=(home, school), recipe=Recipe(normalisation="none"))


def sample(seed: int = 1, n: int = 200) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    common = generator.normal(size=n)
    values = {leaf.id: common + generator.normal(size=n) for leaf in grouped().leaves}
    values["home"] = (values["poverty"] + values["crowding"]) / 2
    values["school"] = (values["absence"] + values["dropout"] + values["discipline"]) / 3
    return values


def score_of(values: dict[str, np.ndarray]) -> np.ndarray:
    return (values["home"] + values["school"]) / 2


WEIGHTS = {"index": np.ones(2), "home": np.ones(2), "school": np.ones(3)}


def pair(frame: pl.DataFrame, first: str, second: str) -> dict[str, object]:
    return frame.filter((pl.col("first") == first) & (pl.col("second") == second)).row(0, named=True)


# Weights


def test_effective_weights_multiply_down_the_tree():
    # home 3/4 of the index, school 1/4; poverty 2/3 of home.
    weights = {"index": np.array([3.0, 1.0]), "home": np.array([2.0, 1.0]), "school": np.array([1.0, 1.0, 2.0])}
    found = effective_weights(grouped(), weights)
    assert found["index"] == 1
    expected = {"home": 3 / 4, "poverty": 1 / 2, "crowding": 1 / 4, "absence": 1 / 16, "discipline": 1 / 8}
    for name, weight in expected.items():
        assert found[name] == pytest.approx(weight)
    assert sum(found[leaf.id] for leaf in grouped().leaves) == pytest.approx(1)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "index has no weights"),
        ({"index": np.ones(3)}, "2 children"),
        ({"index": np.array([1.0, -1.0])}, "from zero up"),
        ({"index": np.array([0.0, 0.0])}, "from zero up"),
        ({"index": np.array([1.0, NAN])}, "from zero up"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        effective_weights(flat("a", "b"), weights)


# Cronbach's alpha


def test_alpha_by_hand():
    # Deviations of a: -3/2 -1/2 1/2 3/2, of b: -1/2 -3/2 3/2 1/2, of c: -3/2 1/2 -1/2 3/2; squares sum to 5 each.
    # Sums of rows 4 6 9 11, mean 7.5, squared deviations 12.25 2.25 2.25 12.25, together 29.
    # alpha = 3/2 (1 - (5 + 5 + 5) / 29) = 3/2 * 14/29 = 21/29.
    values = np.array([[1, 2, 1], [2, 1, 3], [3, 4, 2], [4, 3, 4.0]])
    assert cronbach_alpha(values) == pytest.approx(21 / 29)


def test_alpha_of_unequal_variances_by_hand():
    # a: 0 2 4 6 (squared deviations 9 1 1 9, 20), b: 1 0 3 2 (5). Sums 1 2 7 8, mean 4.5: 12.25 6.25 6.25 12.25, 37.
    # alpha = 2 (1 - 25/37) = 24/37.
    assert cronbach_alpha(np.array([[0, 1], [2, 0], [4, 3], [6, 2.0]])) == pytest.approx(24 / 37)


def test_standardised_alpha_by_hand():
    # Correlations of the first example: ab 3/5, ac 4/5, bc 0, mean 7/15.
    # 3 * 7/15 / (1 + 2 * 7/15) = (21/15) / (29/15) = 21/29: with equal variances it is alpha.
    r = np.array([[1, 0.6, 0.8], [0.6, 1, 0], [0.8, 0, 1]])
    assert standardised_alpha(r) == pytest.approx(21 / 29)


def test_alpha_is_one_for_equal_members_and_zero_for_unrelated_ones():
    x = np.arange(5.0)
    assert cronbach_alpha(np.column_stack([x, x + 3, x])) == pytest.approx(1)
    # An orthogonal pair: variances add up exactly.
    assert cronbach_alpha(np.array([[1, 1], [1, -1], [-1, 1], [-1, -1.0]])) == pytest.approx(0)


@given(arrays(np.float64, st.tuples(st.integers(3, 20), st.integers(2, 5)), elements=st.floats(-100, 100)))
def test_alpha_is_k_squared_mean_covariance_over_the_sum_of_all(values):
    covariance = np.cov(values.T)
    total, k = covariance.sum(), covariance.shape[0]
    if total < 1e-6 * np.abs(covariance).sum() or total == 0:
        return
    mean = (total - np.trace(covariance)) / (k * (k - 1))
    assert cronbach_alpha(values) == pytest.approx(k**2 * mean / total, rel=1e-6, abs=1e-6)


def test_alpha_of_what_cancels_out_is_not_defined():
    x = np.arange(5.0)
    assert np.isnan(cronbach_alpha(np.column_stack([x, -x])))
    assert np.isnan(cronbach_alpha(x[:, None]))
    assert np.isnan(cronbach_alpha(np.ones((4, 2))))


# KMO and Bartlett


def test_kmo_by_hand():
    # All correlations 1/2; partial (1/2 - 1/4) / (3/4) = 1/3. (6/4) / (6/4 + 6/9) = 9/13.
    assert kmo(np.full((3, 3), 0.5) + 0.5 * np.eye(3)) == pytest.approx(9 / 13)


def test_kmo_agrees_with_partial_correlations_from_regressions():
    values = np.column_stack([sample()[leaf.id] for leaf in grouped().leaves])
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    k = values.shape[1]
    plain = partial = 0.0
    for i in range(k):
        for j in range(k):
            if i != j:
                others = np.delete(values, [i, j], axis=1)
                left = [values[:, m] - others @ np.linalg.lstsq(others, values[:, m], rcond=None)[0] for m in (i, j)]
                partial += pearsonr(*left).statistic ** 2
                plain += pearsonr(values[:, i], values[:, j]).statistic ** 2
    assert kmo(np.corrcoef(values.T)) == pytest.approx(plain / (plain + partial))


def test_kmo_is_not_defined_for_two_members_or_dependent_ones():
    assert np.isnan(kmo(np.array([[1, 0.5], [0.5, 1]])))
    # |R| = 1 - 0.36 - 0.64 = 0: the first member follows from the other two.
    assert np.isnan(kmo(np.array([[1, 0.6, 0.8], [0.6, 1, 0], [0.8, 0, 1]])))
    assert np.isnan(kmo(np.eye(3)))


def test_bartlett_by_hand():
    # |R| = 1 + 2/8 - 3/4 = 1/2; -(101 - 1 - 11/6) ln(1/2) = 98.1667 * 0.693147 = 68.0440, 3 degrees of freedom.
    statistic, df, p = bartlett_sphericity(np.full((3, 3), 0.5) + 0.5 * np.eye(3), 101)
    assert statistic == pytest.approx(68.0440, abs=1e-4)
    assert df == 3
    assert p == pytest.approx(chi2.sf(68.0440, 3), rel=1e-3)


def test_bartlett_of_nothing_that_correlates_is_zero():
    assert bartlett_sphericity(np.eye(4), 50) == (0.0, 6, 1.0)


def test_bartlett_rejects_at_its_level_where_nothing_correlates():
    generator = np.random.default_rng(2)
    found = [bartlett_sphericity(np.corrcoef(generator.normal(size=(3, 60))), 60)[2] for _ in range(1000)]
    # 5 % of 1,000 with a standard error of 0.7 %.
    assert 0.03 < np.mean(np.array(found) < 0.05) < 0.07


# Importance


def test_the_ratio_of_two_groups_by_hand():
    # Means 2 and 6: within 2 + 2 = 4, total 9 + 4 + 1 + 1 + 4 + 9 = 28. 1 - (4/4) / (28/5) = 23/28.
    x = np.array([0, 0, 0, 1, 1, 1.0])
    assert correlation_ratio(np.array([1, 2, 3, 5, 6, 7.0]), x) == pytest.approx(23 / 28)


def test_the_ratio_of_several_values_is_that_of_their_group_means():
    generator = np.random.default_rng(4)
    x = np.repeat(np.arange(5.0), 40)
    y = np.array([0, 3, -1, 4, 1.0])[x.astype(int)] + generator.normal(size=200)
    within = sum(((y[x == level] - y[x == level].mean()) ** 2).sum() for level in range(5))
    expected = 1 - (within / 195) / (((y - y.mean()) ** 2).sum() / 199)
    assert correlation_ratio(y, x) == pytest.approx(expected, abs=1e-9)


def test_rare_values_are_groups_too():
    # Quantiles alone would see nothing but zeros.
    x = np.repeat([0.0, 1, 2, 3], [190, 4, 3, 3])
    assert correlation_ratio(np.array([0, 5, -5, 9.0])[x.astype(int)], x) == pytest.approx(1)


def test_a_line_has_ratio_one_in_either_direction():
    x = np.random.default_rng(1).lognormal(size=100)
    assert correlation_ratio(3 * x + 1, x) == pytest.approx(1)
    assert correlation_ratio(-x, x) == pytest.approx(1)


def test_a_bent_relation_counts_though_the_correlation_is_zero():
    x = np.linspace(-1, 1, 301)
    assert abs(correlation(x**2, x)) < 1e-9
    assert correlation_ratio(x**2, x) > 0.98


def test_independent_terms_have_their_shares_of_the_variance():
    # y = x1 + 2 x2: 1/5 and 4/5. The term of x1 is bent, which changes nothing: its variance is 1 too.
    generator = np.random.default_rng(8)
    x1, x2 = generator.normal(size=(2, 20000))
    y = (x1**2 - 1) / np.sqrt(2) + 2 * x2
    assert correlation_ratio(y, x1) == pytest.approx(0.2, abs=0.02)
    assert correlation_ratio(y, x2) == pytest.approx(0.8, abs=0.02)


def test_jointly_normal_values_have_the_squared_correlation():
    generator = np.random.default_rng(9)
    x, noise = generator.normal(size=(2, 20000))
    assert correlation_ratio(0.6 * x + 0.8 * noise, x) == pytest.approx(0.36, abs=0.02)


def test_the_ratio_of_what_is_unrelated_is_small_on_average():
    # Eleven coefficients fit 11/199 = 0.055 of pure noise; corrected and kept above 0 it is a fraction of that.
    generator = np.random.default_rng(6)
    found = [correlation_ratio(*generator.normal(size=(2, 200))) for _ in range(200)]
    assert np.mean(found) < 0.02
    assert np.mean(np.array(found) == 0) > 0.4


@settings(deadline=None)
@given(st.integers(0, 2**16), st.integers(2, 300), st.floats(0, 3), st.integers(0, 6))
def test_the_ratio_is_a_share_and_does_not_depend_on_scale_or_direction(seed, n, noise, digits):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n).round(digits)
    y = x + noise * generator.normal(size=n)
    found = correlation_ratio(y, x)
    if np.isnan(found):
        assert n < 5 or np.unique(x).size == 1 or np.unique(y).size == 1
        return
    assert 0 <= found <= 1
    assert correlation_ratio(7 - 3 * y, x) == pytest.approx(found, abs=1e-9)
    assert correlation_ratio(y, 4 * x) == pytest.approx(found, abs=1e-9)


def test_importance_of_equal_weights_shows_the_larger_variance():
    # y = a + 3 b, equal weights: a has a tenth of the variance, b nine.
    generator = np.random.default_rng(3)
    values = {"a": generator.normal(size=500), "b": 3 * generator.normal(size=500), "c": generator.normal(size=500)}
    found = importance(flat("a", "b", "c"), {"index": np.ones(3)}, values, sum(values.values()))
    b = found.row(1, named=True)
    assert (b["indicator"], b["parent"], b["n"], b["flag"], b["reason"]) == ("b", "index", 500, OUTWEIGHS, None)
    assert b["weight"] == b["effective_weight"] == pytest.approx(1 / 3)
    assert b["importance"] == pytest.approx(9 / 11, abs=0.05)
    assert found["importance_share"].sum() == pytest.approx(1)
    assert found["flag"].to_list() == [None, OUTWEIGHS, None]


def test_twice_the_weight_is_the_limit():
    # Shares near 0.8 and 0.2. A weight of 0.45 is exceeded by less than twice, one of 0.35 by more.
    generator = np.random.default_rng(5)
    values = {"a": 2 * generator.normal(size=2000), "b": generator.normal(size=2000)}
    for weight, flag in ((0.45, None), (0.35, OUTWEIGHS)):
        weights = {"index": np.array([weight, 1 - weight])}
        found = importance(flat("a", "b"), weights, values, values["a"] + values["b"])
        assert found["flag"].to_list() == [flag, None]


def test_an_indicator_against_the_score_is_flagged():
    x = np.arange(50.0)
    found = importance(flat("a", "b"), {"index": np.array([3.0, 1.0])}, {"a": x, "b": -x}, x)
    assert found["flag"].to_list() == [None, NEGATIVE]
    assert found["correlation"].to_list() == pytest.approx([1, -1])


def test_importance_is_judged_among_what_can_be_judged():
    # b has no values, so that a and c share its weight: neither exceeds twice a half.
    generator = np.random.default_rng(5)
    values = {"a": generator.normal(size=300), "b": np.full(300, NAN), "c": 0.1 * generator.normal(size=300)}
    found = importance(flat("a", "b", "c"), {"index": np.ones(3)}, values, values["a"] + values["c"])
    assert found["flag"].to_list() == [None, None, None]
    assert found.row(1, named=True)["importance"] is None
    assert found["reason"].to_list() == [None, "b has no values", None]


# Correlations


def test_correlations_agree_with_scipy_over_complete_pairs():
    values = sample()
    values["poverty"][:30] = NAN
    values["absence"][20:60] = NAN
    values["absence"] = values["absence"].round(0)
    found = correlations(grouped(), values)
    for first, second in (("poverty", "absence"), ("crowding", "absence"), ("poverty", "crowding")):
        both = ~np.isnan(values[first] + values[second])
        row = pair(found, first, second)
        assert row["n"] == both.sum()
        assert row["pearson"] == pytest.approx(pearsonr(values[first][both], values[second][both]).statistic)
        assert row["spearman"] == pytest.approx(spearmanr(values[first][both], values[second][both]).statistic)
        assert correlation(values[first], values[second], by_rank=True) == pytest.approx(row["spearman"])


def test_all_pairs_of_leaves_and_of_sibling_groups_are_there():
    found = correlations(grouped(), sample())
    assert found.height == 10 + 1
    assert found["same_parent"].sum() == 1 + 3 + 1
    across = pair(found, "poverty", "absence")
    assert (across["first_parent"], across["second_parent"], across["same_parent"]) == ("home", "school", False)
    assert pair(found, "home", "school")["first_parent"] == "index"


def test_redundant_and_negative_pairs_are_flagged():
    generator = np.random.default_rng(7)
    x = generator.normal(size=500)
    # Correlations 1/sqrt(1 + s^2): 0.9285 for 0.4, above 0.92, and 0.9191 for 0.4286, below it.
    orthogonal = generator.normal(size=500)
    orthogonal -= orthogonal.mean()
    centred = x - x.mean()
    orthogonal -= centred * (orthogonal @ centred) / (centred @ centred)
    orthogonal *= centred.std() / orthogonal.std()
    close, looser = centred + 0.4 * orthogonal, centred + 0.4286 * orthogonal
    found = correlations(flat("a", "b", "c", "d"), {"a": centred, "b": close, "c": looser, "d": -centred})
    assert pair(found, "a", "b")["flag"] == REDUNDANT
    assert pair(found, "a", "c")["flag"] is None
    # Both apply; that they cancel out is the graver finding.
    assert pair(found, "a", "d")["flag"] == NEGATIVE


def test_a_negative_correlation_across_groups_is_no_flag_unless_it_is_redundant():
    values = sample()
    values["absence"] = -values["poverty"] + np.random.default_rng(1).normal(size=200)
    values["dropout"] = -values["poverty"]
    found = correlations(grouped(), values)
    assert pair(found, "poverty", "absence")["pearson"] < -0.5
    assert pair(found, "poverty", "absence")["flag"] is None
    assert pair(found, "poverty", "dropout")["flag"] == REDUNDANT


def test_the_matrix_is_a_symmetric_square():
    values = sample()
    pairs = correlations(grouped(), values)
    ids = [leaf.id for leaf in grouped().leaves]
    for kind in ("pearson", "spearman"):
        found = matrix(grouped(), pairs, kind)
        assert found["indicator"].to_list() == ids
        assert found.columns == ["indicator", *ids]
        square = found.drop("indicator").to_numpy()
        np.testing.assert_array_equal(square, square.T)
        np.testing.assert_array_equal(np.diag(square), 1)
    np.testing.assert_allclose(
        matrix(grouped(), pairs).drop("indicator").to_numpy(), np.corrcoef([values[name] for name in ids])
    )
    with pytest.raises(ValueError, match="kendall"):
        matrix(grouped(), pairs, "kendall")


# Reliability of groups


def test_every_group_and_all_indicators_together_are_judged():
    values = sample()
    found = reliability(grouped(), values)
    assert found.select("group", "of", "k").rows() == [
        ("home", "children", 2),
        ("school", "children", 3),
        ("index", "children", 2),
        ("index", "indicators", 5),
    ]
    school = np.column_stack([values[name] for name in ("absence", "dropout", "discipline")])
    row = found.row(1, named=True)
    assert row["alpha"] == pytest.approx(cronbach_alpha(school))
    assert row["kmo"] == pytest.approx(kmo(np.corrcoef(school.T)))
    assert row["bartlett_df"] == 3
    assert found["kmo"].is_null().to_list() == [True, False, True, False]
    assert found["reason"].null_count() == 4


def test_an_index_without_groups_is_judged_once():
    found = reliability(flat("a", "b"), {"a": np.arange(9.0), "b": np.arange(9.0) ** 2})
    assert found.select("group", "of").rows() == [("index", "children")]


def test_only_areas_with_all_members_count():
    values = sample()
    values["absence"][:30] = NAN
    values["dropout"][20:50] = NAN
    assert reliability(grouped(), values)["n"].to_list() == [200, 150, 200, 150]


def with_alpha(alpha: float) -> dict[str, np.ndarray]:
    """Two members of equal variance whose correlation r gives 2r/(1 + r) = alpha exactly."""
    r = alpha / (2 - alpha)
    x = np.array([1, 1, -1, -1.0] * 3)
    y = np.array([1, -1, 1, -1.0] * 3)
    return {"a": x, "b": r * x + np.sqrt(1 - r**2) * y}


@pytest.mark.parametrize(
    ("alpha", "flag"), [(0.59, LOW_ALPHA), (0.61, QUESTIONABLE_ALPHA), (0.69, QUESTIONABLE_ALPHA), (0.71, None)]
)
def test_a_low_alpha_is_noted(alpha, flag):
    found = reliability(flat("a", "b"), with_alpha(alpha)).row(0, named=True)
    assert found["alpha"] == pytest.approx(alpha)
    assert found["flag"] == flag


# What cannot be computed


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (np.full(200, NAN), "poverty has no values"),
        (np.full(200, 0.1), "poverty is equal in all 200 areas that can be compared"),
        (np.where(np.arange(200) < 2, 1.0, NAN), "2 areas have"),
    ],
)
def test_an_absent_or_constant_indicator_is_null_and_says_why(broken, reason):
    values = sample() | {"poverty": broken}
    found = coherence(grouped(), WEIGHTS, values, score_of(values))
    poverty = found.importance.row(0, named=True)
    assert (poverty["importance"], poverty["importance_share"], poverty["correlation"]) == (None, None, None)
    assert poverty["reason"].startswith(reason)
    row = pair(found.correlations, "poverty", "absence")
    assert (row["pearson"], row["spearman"], row["flag"]) == (None, None, None)
    assert row["reason"].startswith(reason)
    home = found.reliability.row(0, named=True)
    assert (home["alpha"], home["kmo"], home["bartlett_p"], home["flag"]) == (None, None, None, None)
    assert home["reason"].startswith(reason)
    assert found.reliability.row(1, named=True)["alpha"] is not None
    assert found.importance.row(2, named=True)["importance"] is not None


def test_a_constant_score_is_said():
    values = sample()
    found = importance(grouped(), WEIGHTS, values, np.full(200, 50.0))
    assert found["importance"].null_count() == 5
    assert set(found["reason"]) == {"index is equal in all 200 areas that can be compared"}


def test_a_member_that_follows_from_the_others_is_said():
    values = sample()
    values["discipline"] = values["absence"] + values["dropout"]
    school = reliability(grouped(), values).row(1, named=True)
    assert school["alpha"] is not None
    assert (school["kmo"], school["bartlett"]) == (None, None)
    assert school["reason"] == "a member follows exactly from the others"


def test_members_that_cancel_out_are_said():
    x = np.arange(9.0)
    found = reliability(flat("a", "b"), {"a": x, "b": -x}).row(0, named=True)
    assert found["alpha"] is None
    assert "cancel" in found["reason"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**16), st.floats(0, 1))
def test_nothing_breaks_on_few_areas_or_many_gaps(n, seed, share_missing):
    generator = np.random.default_rng(seed)
    names = [node.id for node in grouped().walk() if node.id != "index"]
    values = {
        name: np.where(generator.random(n) < share_missing, NAN, generator.integers(0, 3, n).astype(float))
        for name in names
    }
    found = coherence(grouped(), WEIGHTS, values, generator.normal(size=n))
    for frame, measure in (
        (found.importance, "importance"),
        (found.correlations, "pearson"),
        (found.reliability, "alpha"),
    ):
        gaps = frame[measure].is_null()
        assert (frame.filter(gaps)["reason"].null_count()) == 0
        assert not frame[measure].is_nan().any()
    assert found.correlations["pearson"].drop_nulls().is_between(-1, 1).all()


def test_predicted_values_are_left_out():
    values = sample()
    predicted = np.arange(200) < 80
    spoiled = values | {"poverty": np.where(predicted, 5 * values["crowding"], values["poverty"])}
    found = coherence(grouped(), WEIGHTS, spoiled, score_of(values), imputed={"poverty": predicted})
    row = pair(found.correlations, "poverty", "crowding")
    assert row["n"] == 120
    assert row["pearson"] == pytest.approx(pearsonr(values["poverty"][80:], values["crowding"][80:]).statistic)
    assert found.reliability.row(0, named=True)["n"] == 120
    assert found.importance.row(0, named=True)["n"] == 120
    assert spoiled["poverty"][0] == 5 * values["crowding"][0]


def test_values_that_do_not_fit_the_tree_are_refused():
    values = sample()
    with pytest.raises(ValueError, match="school has no values"):
        correlations(grouped(), {name: row for name, row in values.items() if name != "school"})
    with pytest.raises(ValueError, match="same areas"):
        correlations(grouped(), values | {"poverty": np.ones(3)})
    with pytest.raises(ValueError, match="infinite"):
        correlations(grouped(), values | {"poverty": np.full(200, np.inf)})


# Links


def test_links_by_hand():
    # Ranks of the score 1 2 3 4 5, of the other 1 3 2 5 4: differences 0 1 1 1 1, rho = 1 - 6 * 4 / (5 * 24) = 0.8.
    score, other = np.array([50, 40, 30, 20, 10.0]), np.array([9, 7, 8, 1, 2.0])
    row = links(score, {"poverty alone": other}, top=1).row(0, named=True)
    assert (row["comparison"], row["n"], row["top"], row["shared_top"]) == ("poverty alone", 5, 1, 1)
    assert row["spearman"] == pytest.approx(0.8)
    assert row["unshared"] == pytest.approx(0.36)
    assert row["pearson"] == pytest.approx(pearsonr(score, other).statistic)
    assert row["median_shift"] == 1
    assert links(score, {"poverty alone": other}, top=2)["shared_top"].to_list() == [1]


def test_a_score_is_linked_to_itself_completely():
    score = np.random.default_rng(1).normal(size=40)
    row = links(score, {"same": score}).row(0, named=True)
    assert row["spearman"] == pytest.approx(1)
    assert row["unshared"] == pytest.approx(0, abs=1e-12)
    assert (row["shared_top"], row["median_shift"]) == (10, 0)


def test_areas_that_lack_either_are_not_ranked():
    score, other = np.array([50, 40, 30, NAN, 10.0]), np.array([5, NAN, 4, 9, 3.0])
    row = links(score, {"other": other}, top=1).row(0, named=True)
    assert (row["n"], row["shared_top"], row["median_shift"]) == (3, 1, 0)


def test_comparisons_come_by_name_and_say_why_they_are_null():
    score = np.arange(6.0)
    found = links(score, {"b": score, "a": np.full(6, NAN), "c": np.ones(6)})
    assert found["comparison"].to_list() == ["a", "b", "c"]
    assert found["spearman"].is_null().to_list() == [True, False, True]
    assert found["reason"].to_list() == ["a has no values", None, "c is equal in all 6 areas that can be compared"]


def test_impossible_links_are_refused():
    with pytest.raises(ValueError, match="top"):
        links(np.arange(3.0), {}, top=0)
    with pytest.raises(ValueError, match="same areas"):
        links(np.arange(3.0), {"other": np.arange(4.0)})
