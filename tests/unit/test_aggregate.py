import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymcdm.methods import WPM, WSM
from pymcdm.normalizations import minmax_normalization
from scipy.stats import gmean, pmean

from models.engine.aggregate import aggregate
from models.engine.normalise import normalise

NAN = np.nan
BLOCKS = {"a": np.array([[1.0, 8.0, NAN, NAN]]), "b": np.array([[4.0, NAN, 2.0, NAN]])}
WEIGHTS = np.array([0.5, 0.5])


@pytest.mark.parametrize(
    ("method", "power", "expected"),
    [
        ("arithmetic", None, [2.5, 8, 2]),
        ("geometric", None, [2, 8, 2]),  # sqrt(1 * 4)
        ("power", -1.0, [1.6, 8, 2]),  # harmonic: 2 / (1 + 1/4)
        ("power", 2.0, [8.5**0.5, 8, 2]),  # sqrt((1 + 16) / 2)
    ],
)
def test_by_hand(method, power, expected):
    found = aggregate(BLOCKS, WEIGHTS, method=method, power=power)
    assert found[0, :3] == pytest.approx(expected)
    assert np.isnan(found[0, 3])
    strict = aggregate(BLOCKS, WEIGHTS, method=method, power=power, missing="null_if_any")
    assert strict[0, 0] == pytest.approx(expected[0])
    assert np.isnan(strict[0, 1:]).all()


def test_the_weight_of_a_missing_child_goes_to_the_others():
    blocks = {"a": np.array([[10.0, 10]]), "b": np.array([[20.0, NAN]]), "c": np.array([[60.0, 60]])}
    # (2 * 10 + 3 * 20 + 5 * 60) / 10 = 38; without b (20 + 300) / 7
    assert aggregate(blocks, np.array([2.0, 3, 5]))[0] == pytest.approx([38, 320 / 7])
    filled = {**blocks, "b": np.array([[20.0, 20]])}
    assert aggregate(filled, np.array([2.0, 3, 5]), missing="impute")[0] == pytest.approx([38, 38])


def test_weights_are_relative():
    for method, power in (("arithmetic", None), ("geometric", None), ("power", 0.5)):
        one, ten = (aggregate(BLOCKS, np.array([1.0, 3]) * k, method=method, power=power) for k in (1, 10))
        assert one == pytest.approx(ten, nan_ok=True)


def test_every_draw_can_have_its_own_weights():
    blocks = {"a": np.array([[0.0, 1], [0, 1]]), "b": np.array([[10.0, 11], [10, NAN]])}
    found = aggregate(blocks, np.array([[1.0, 0], [0.25, 0.75]]))
    assert found.tolist() == [[0, 1], [7.5, 1]]


def test_a_child_that_weighs_nothing_gives_no_score():
    blocks = {"a": np.array([[NAN]]), "b": np.array([[3.0]])}
    assert np.isnan(aggregate(blocks, np.array([1.0, 0.0]))).all()


@pytest.mark.parametrize("value", [0.0, -1.0])
@pytest.mark.parametrize(("method", "power"), [("geometric", None), ("power", 2.0), ("power", -1.0)])
def test_values_that_are_not_above_zero_are_refused_by_name(value, method, power):
    blocks = {"fine": np.array([[1.0, 2.0]]), "rate": np.array([[NAN, value]])}
    with pytest.raises(ValueError, match=rf"rate has the value {value:g}.*{method} mean"):
        aggregate(blocks, WEIGHTS, method=method, power=power)
    assert aggregate(blocks, WEIGHTS)[0, 1] == (2 + value) / 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "median"}, "'median'"),
        ({"method": "power"}, "power None"),
        ({"power": 2.0}, "power 2.0"),
        ({"missing": "zero"}, "'zero'"),
    ],
)
def test_unknown_ways_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        aggregate(BLOCKS, WEIGHTS, **arguments)


def test_weights_have_to_fit():
    with pytest.raises(ValueError, match="2 children need 2 weights"):
        aggregate(BLOCKS, np.ones(3))


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_precision_stays_and_nothing_is_written_to(precision):
    blocks = {name: block.astype(precision) for name, block in BLOCKS.items()}
    for method in ("arithmetic", "geometric"):
        assert aggregate(blocks, WEIGHTS, method=method).dtype == precision
    assert all(np.array_equal(blocks[name], BLOCKS[name], equal_nan=True) for name in BLOCKS)


matrices = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 8)), elements=st.floats(0.5, 100))


@given(matrices, st.data())
def test_complete_means_are_those_of_scipy(matrix, data):
    weights = np.array(data.draw(st.lists(st.floats(0.1, 5), min_size=len(matrix), max_size=len(matrix))))
    blocks = {str(i): row[None] for i, row in enumerate(matrix)}
    assert aggregate(blocks, weights)[0] == pytest.approx(np.average(matrix, axis=0, weights=weights))
    geometric = aggregate(blocks, weights, method="geometric")[0]
    assert geometric == pytest.approx([gmean(column, weights=weights) for column in matrix.T])
    harmonic = aggregate(blocks, weights, method="power", power=-1.0)[0]
    assert harmonic == pytest.approx([pmean(column, -1, weights=weights) for column in matrix.T])
    # The mean of powers grows with the exponent.
    assert (harmonic <= geometric * (1 + 1e-9)).all()
    assert (geometric <= aggregate(blocks, weights)[0] * (1 + 1e-9)).all()


def z(x: np.ndarray, cost: bool = False) -> np.ndarray:
    return (x - x.mean()) / x.std(ddof=1) * (-1 if cost else 1)


@pytest.mark.parametrize(("method", "oracle"), [("min_max", minmax_normalization), ("z", z)])
def test_weighted_sums_are_those_of_pymcdm(method, oracle):
    matrix = np.random.default_rng(1).gamma(2, size=(30, 4))
    weights, types = np.array([0.4, 0.3, 0.2, 0.1]), np.array([1, -1, 1, -1])
    blocks = {str(j): normalise(matrix[:, j][None], method, direction=int(types[j]), scale=(0, 1)) for j in range(4)}
    expected = WSM(oracle)(matrix, weights, types, validation=False)
    assert aggregate(blocks, weights)[0] == pytest.approx(expected)


def test_weighted_products_are_those_of_pymcdm():
    matrix = np.random.default_rng(2).gamma(2, size=(30, 3)) + 1
    weights = np.array([0.5, 0.3, 0.2])
    blocks = {str(j): matrix[:, j][None] for j in range(3)}
    expected = WPM(lambda x, cost=False: x)(matrix, weights, np.ones(3), validation=False)
    assert aggregate(blocks, weights, method="geometric")[0] == pytest.approx(expected)
