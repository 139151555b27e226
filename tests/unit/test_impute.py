import numpy as np
import pytest
from scipy.stats import norm

from models.engine.impute import Imputer

NAN = np.nan
N = 4000


def correlated(rho: float, *, seed: int = 1, n: int = N) -> dict[str, np.ndarray]:
    """Two skewed indicators whose normal scores have a given correlation."""
    z = np.random.default_rng(seed).multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=n)
    return {"a": np.exp(z[:, 0]), "b": 10 - 3 * z[:, 1] ** 3}


def rows(points: dict[str, np.ndarray], b: int = 1, dtype: type = float) -> dict[str, np.ndarray]:
    return {name: np.tile(values, (b, 1)).astype(dtype) for name, values in points.items()}


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(7))


def test_the_median_by_hand():
    # Five areas, a = b among the four that are complete: their normal scores correlate perfectly, and
    # the prediction for b is its quantile where a stands: 30 is the median of 10, 20, 30, 40, 50 in a, so
    # normal score 0, which lies midway between the second and third of b's four values.
    points = {"a": np.array([10.0, 20, 40, 50, 30]), "b": np.array([1.0, 2, 4, 8, NAN])}
    found = Imputer(points).fill(rows(points))
    assert found["b"][0, 4] == pytest.approx(3, abs=1e-3)
    assert found["a"][0].tolist() == points["a"].tolist()


def test_a_negative_correlation_turns_the_prediction():
    points = {"a": np.arange(50.0), "b": -(np.arange(50.0) ** 3)}
    points["b"][[5, 45]] = NAN
    found = Imputer(points).fill(rows(points))["b"][0]
    # Between what its neighbours in a have.
    assert -(6**3) < found[5] < -(4**3)
    assert -(46**3) < found[45] < -(44**3)


def test_draws_have_the_conditional_distribution():
    points = correlated(0.8)
    scores = norm.ppf((np.argsort(np.argsort(points["a"])) + 0.5) / N)
    high = int(np.argmin(np.abs(scores - 1.5)))
    quantiles = np.quantile(points["b"], norm.cdf(-(0.8 * 1.5 + 0.6 * norm.ppf([0.95, 0.5, 0.05]))))
    points["b"][high] = NAN
    imputer = Imputer(points)
    assert imputer.correlation[0, 1] == pytest.approx(-0.8, abs=0.02)
    drawn = imputer.fill(rows(points, 4000), generator())["b"][:, high]
    assert np.quantile(drawn, [0.05, 0.5, 0.95]) == pytest.approx(quantiles, rel=0.1)
    median = imputer.fill(rows(points))["b"][0, high]
    assert median == pytest.approx(np.median(drawn), rel=0.05)


def test_missing_together_are_drawn_together():
    z = np.random.default_rng(3).normal(size=(N, 1)) + np.random.default_rng(4).normal(size=(N, 3)) * 0.5
    points = dict(zip("abc", z.T.copy(), strict=True))
    lost = int(np.argmin(np.abs(points["a"])))
    points["b"][lost] = points["c"][lost] = NAN
    drawn = Imputer(points).fill(rows(points, 4000), generator())
    # cov(b, c | a) over var(b | a): correlation 1 / 1.25 = 0.8, so (0.8 - 0.64) / (1 - 0.64)
    assert np.corrcoef(drawn["b"][:, lost], drawn["c"][:, lost])[0, 1] == pytest.approx(0.16 / 0.36, abs=0.05)


def test_an_area_with_nothing_observed_draws_from_what_all_have():
    points = correlated(0.6)
    points["a"][0] = points["b"][0] = NAN
    imputer = Imputer(points)
    drawn = imputer.fill(rows(points, 4000), generator())
    levels = [0.1, 0.5, 0.9]
    assert np.quantile(drawn["a"][:, 0], levels) == pytest.approx(np.nanquantile(points["a"], levels), rel=0.1)
    assert np.corrcoef(np.log(drawn["a"][:, 0]), drawn["b"][:, 0])[0, 1] < -0.4
    median = imputer.fill(rows(points))
    assert median["a"][0, 0] == pytest.approx(np.nanmedian(points["a"]))
    assert median["b"][0, 0] == pytest.approx(np.nanmedian(points["b"]))


def test_predictions_stay_within_what_was_observed():
    points = correlated(0.9, n=200)
    points["b"][::7] = NAN
    drawn = Imputer(points).fill(rows(points, 300), generator())["b"]
    assert drawn.min() >= np.nanmin(points["b"])
    assert drawn.max() <= np.nanmax(points["b"])
    assert np.isfinite(drawn).all()


def test_a_child_without_values_stays_without():
    points = {"a": np.array([1.0, NAN, 3.0]), "none": np.full(3, NAN)}
    imputer = Imputer(points)
    assert imputer.children == ("a",)
    found = imputer.fill(rows(points))
    assert np.isnan(found["none"]).all()
    assert found["a"].tolist() == [[1, 2, 3]]
    nothing = Imputer({"none": np.full(3, NAN)})
    assert np.isnan(nothing.fill(rows({"none": np.full(3, NAN)}))["none"]).all()


def test_a_constant_child_predicts_nothing_and_is_predicted_exactly():
    points = {"a": np.arange(20.0), "same": np.full(20, 4.0)}
    points["a"][3] = points["same"][9] = NAN
    found = Imputer(points).fill(rows(points, 50), generator())
    assert (found["same"] == 4).all()
    assert np.ptp(found["a"][:, 3]) > 5


def test_without_complete_areas_children_are_independent():
    points = {"a": np.array([1.0, 2, 3, NAN, NAN, NAN]), "b": np.array([NAN, NAN, NAN, 4.0, 5, 6])}
    imputer = Imputer(points)
    assert imputer.correlation == pytest.approx(np.eye(2), abs=1e-5)
    assert imputer.fill(rows(points))["b"][0].tolist() == [5, 5, 5, 4, 5, 6]


def test_nothing_is_written_to_and_blocks_without_gaps_are_not_copied():
    points = correlated(0.5, n=50)
    points["b"][4] = NAN
    blocks = rows(points, 3)
    before = {name: block.copy() for name, block in blocks.items()}
    found = Imputer(points).fill(blocks, generator())
    assert found["a"] is blocks["a"]
    assert all(np.array_equal(blocks[name], before[name], equal_nan=True) for name in blocks)
    full = {"a": blocks["a"], "b": found["b"]}
    assert Imputer(points).fill(full, generator())["b"] is found["b"]


def test_gaps_may_differ_between_draws():
    points = correlated(0.9, n=300)
    blocks = rows(points, 4, np.float32)
    blocks["b"][1, 10] = blocks["a"][2, 10] = blocks["b"][3, 20] = NAN
    found = Imputer(points).fill(blocks, generator())
    for name, block in blocks.items():
        gap = np.isnan(block)
        assert found[name].dtype == np.float32
        assert np.isfinite(found[name]).all()
        assert (found[name][~gap] == block[~gap]).all()
    # The same draw alone is filled with the same median.
    both = Imputer(points).fill(blocks)
    alone = Imputer(points).fill({name: block[3:] for name, block in blocks.items()})
    assert both["b"][3, 20] == alone["b"][0, 20]


def test_the_same_stream_gives_the_same_draws():
    points = correlated(0.7, n=100)
    points["a"][:9] = NAN
    points["b"][5:20] = NAN
    blocks = rows(points, 5)
    first, second = (Imputer(points).fill(blocks, generator()) for _ in range(2))
    assert all((first[name] == second[name]).all() for name in points)


def test_imputing_keeps_nominal_coverage():
    # What is taken out at random lies in the 90 % interval of its predictions nine times of ten.
    points = correlated(0.7, seed=9, n=1500)
    truth = points["b"].copy()
    out = np.random.default_rng(5).random(1500) < 0.3
    points["b"][out] = NAN
    drawn = Imputer(points).fill(rows(points, 400), generator())["b"][:, out]
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    assert ((truth[out] >= low) & (truth[out] <= high)).mean() == pytest.approx(0.9, abs=0.03)
