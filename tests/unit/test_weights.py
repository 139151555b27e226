import numpy as np
import pytest

from models.engine.tree import Node, Recipe, TreeError
from models.engine.weights import correlations, declared_weights, pca_weights, pca_weights_of_draws

NAN = np.nan


def node(weighting: str) -> Node:
    return Node("r", children=(Node("a", weight=3), Node("b", weight=1)), recipe=Recipe(weighting=weighting))


def common(loads: list[float], *, n: int = 500, seed: int = 1) -> np.ndarray:
    """Children (k, n) that share one factor."""
    generator = np.random.default_rng(seed)
    factor = generator.normal(size=n)
    return np.stack([load * factor + generator.normal(size=n) * 0.6 for load in loads])


def test_given_weights_are_shares():
    assert declared_weights(node("given")).tolist() == [0.75, 0.25]
    assert declared_weights(node("equal")).tolist() == [0.5, 0.5]


def test_correlations_are_those_of_numpy():
    rows = common([1, 2, -1])
    found = correlations([np.stack([row, row**2]) for row in rows])
    assert found[0] == pytest.approx(np.corrcoef(rows))
    assert found[1] == pytest.approx(np.corrcoef(rows**2))


def test_correlations_are_over_complete_areas():
    rows = common([1, 1])
    gappy = rows.copy()
    gappy[0, :7], gappy[1, 5:11] = NAN, NAN
    assert correlations(list(gappy[:, None]))[0] == pytest.approx(np.corrcoef(rows[:, 11:]))


def test_a_constant_has_no_correlation():
    rows = [common([1])[:1], np.full((1, 500), 0.1), common([1], seed=2)[:1]]
    found = correlations(rows)[0]
    assert found[1].tolist() == [0, 1, 0]


def test_pca_by_hand():
    # With three equal correlations r the first component is (1, 1, 1) / sqrt(3).
    x = np.array([1.0, 0, 0, -1, 0, 0, 1, -1])
    y = np.array([0.0, 1, 0, 0, -1, 0, 1, -1])
    z = np.array([0.0, 0, 1, 0, 0, -1, 1, -1])
    assert np.corrcoef([x, y, z])[np.triu_indices(3, 1)] == pytest.approx([0.5] * 3)
    assert pca_weights("r", {"x": x, "y": y, "z": z}) == pytest.approx([1 / 3] * 3)


def test_pca_is_the_squared_first_singular_vector():
    rows = common([1, 0.8, 1.5, 0.6])
    standard = (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
    left = np.linalg.svd(standard, full_matrices=False)[0][:, 0]
    found = pca_weights("r", dict(zip("abcd", rows, strict=True)))
    assert found == pytest.approx(left**2)
    assert found.sum() == pytest.approx(1)
    assert pca_weights_of_draws([np.stack([row, row]) for row in rows]) == pytest.approx(np.stack([left**2] * 2))


def refused(rows: dict[str, np.ndarray]) -> TreeError:
    with pytest.raises(TreeError) as caught:
        pca_weights("health", rows)
    assert (caught.value.node, caught.value.key) == ("health", "weighting")
    return caught.value


def test_a_child_that_loads_against_its_direction_is_refused():
    error = refused(dict(zip("abc", common([1, 1.2, -1]), strict=True)))
    assert error.reason.startswith("c loads against its direction")


def test_a_weak_first_component_is_refused():
    rows = np.random.default_rng(1).normal(size=(4, 300))
    assert "less than half" in refused(dict(zip("abcd", rows, strict=True))).reason


def test_a_constant_child_is_refused():
    rows = common([1, 1, 1])
    rows[1] = 50
    assert "can do nothing with b" in refused(dict(zip("abc", rows, strict=True))).reason


@pytest.mark.parametrize("complete", [0, 3])
def test_too_few_complete_areas_are_refused(complete):
    rows = common([1, 1, 1], n=20)
    rows[1, complete:] = NAN
    assert f"{complete} areas" in refused(dict(zip("abc", rows, strict=True))).reason


def test_draws_are_refused_nothing():
    rows = common([1, 1, -0.2])
    draws = [np.stack([row, np.full(500, 3.0)]) if i == 2 else np.stack([row, row]) for i, row in enumerate(rows)]
    found = pca_weights_of_draws(draws)
    assert found.shape == (2, 3)
    assert found.sum(axis=1) == pytest.approx([1, 1])
    assert found[0, 2] < found[0, 0]
    assert found[1, 2] == pytest.approx(0)
