from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.engine.sobol import estimate, estimate_jointly, exact_indices, indices, sample


def design(*sizes: int) -> np.ndarray:
    return np.array(list(product(*map(range, sizes))))


def ishigami(u: np.ndarray, a: float = 7.0, b: float = 0.1) -> np.ndarray:
    x = (2 * u - 1) * np.pi
    return np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_ishigami_agrees_with_its_closed_form():
    # With a = 7, b = 0.1: V = a^2/8 + b pi^4/5 + b^2 pi^8/18 + 1/2 = 13.8446
    # S1 = (0.5 (1 + b pi^4/5)^2, a^2/8, 0) / V, ST1 = S1_1 + (8 b^2 pi^8/225)/V, ST3 = (8 b^2 pi^8/225)/V
    found = indices(ishigami, {"x1": 1, "x2": 1, "x3": 1}, base=4096, seed=7)
    assert found["factor"].to_list() == ["x1", "x2", "x3"]
    np.testing.assert_allclose(found["s1"], [0.3139, 0.4424, 0.0], atol=0.02)
    np.testing.assert_allclose(found["st"], [0.5576, 0.4424, 0.2437], atol=0.02)


def test_the_interval_holds_the_closed_form():
    found = indices(ishigami, {"x1": 1, "x2": 1, "x3": 1}, base=1024, seed=3)
    assert (np.abs(found["s1"].to_numpy() - [0.3139, 0.4424, 0.0]) <= found["s1_conf"].to_numpy()).all()
    assert (np.abs(found["st"].to_numpy() - [0.5576, 0.4424, 0.2437]) <= found["st_conf"].to_numpy()).all()
    assert (found["s1_conf"].to_numpy() > 0).all()


def test_the_dimensions_of_an_input_change_together():
    # y = u1 + 2 u2 + 3 u3 with u1, u2 one input: variances 1, 4, 9 (twelfths), so 5/14 and 9/14, no interaction.
    found = indices(lambda u: u @ [1.0, 2.0, 3.0], {"pair": 2, "single": 1}, base=1024, seed=1)
    np.testing.assert_allclose(found["s1"], [5 / 14, 9 / 14], atol=0.01)
    np.testing.assert_allclose(found["st"], [5 / 14, 9 / 14], atol=0.01)
    assert sample({"pair": 2, "single": 1}, base=8, seed=1).shape == (8 * 4, 3)


def test_a_two_by_two_table_by_hand():
    # y = 0 2 / 4 10, mean 4, V = (16 + 4 + 0 + 36) / 4 = 14.
    # Row means 1 and 7: variance 9. Column means 2 and 6: variance 4. Left for both together: 1.
    # Within columns: {0, 4} has 4, {2, 10} has 16, mean 10. Within rows: {0, 2} has 1, {4, 10} has 9, mean 5.
    s1, st_ = exact_indices(design(2, 2), np.array([0.0, 2.0, 4.0, 10.0]))
    np.testing.assert_allclose(s1, [9 / 14, 4 / 14])
    np.testing.assert_allclose(st_, [10 / 14, 5 / 14])


def test_a_two_by_three_table_by_hand():
    # y = 1 2 6 / 3 4 2, mean 3, V = (4 + 1 + 9 + 0 + 1 + 1) / 6 = 16/6.
    # Row means 3 and 3: 0. Column means 2, 3, 4: variance 2/3.
    # Within columns {1,3}, {2,4}, {6,2}: 1, 1, 4, mean 2. Within rows {1,2,6}: (4+1+9)/3, {3,4,2}: 2/3, mean 16/6.
    s1, st_ = exact_indices(design(2, 3), np.array([1.0, 2.0, 6.0, 3.0, 4.0, 2.0]))
    np.testing.assert_allclose(s1, [0, (2 / 3) / (16 / 6)], atol=1e-15)
    np.testing.assert_allclose(st_, [2 / (16 / 6), 1.0])


def test_excluded_runs_leave_conditional_shares():
    # The 2 x 2 table without its last cell: y = 0 2 / 4, mean 2, V = (4 + 0 + 4) / 3 = 8/3.
    # Rows: means 1 (two runs) and 4 (one): (2 * 1 + 1 * 4) / 3 = 2. Columns: means 2 and 2: 0.
    # ST of rows = within columns: {0, 4} has 4 (two runs), {2} has 0: 8/3. ST of columns: {0, 2} has 1: 2/3.
    s1, st_ = exact_indices(design(2, 2)[:3], np.array([0.0, 2.0, 4.0]))
    np.testing.assert_allclose(s1, [2 / (8 / 3), 0], atol=1e-15)
    np.testing.assert_allclose(st_, [1.0, (2 / 3) / (8 / 3)])


def test_several_outputs_count_by_their_variance():
    # Outputs a and 3b over a 2 x 2 design have variances 1/4 and 9/4: a explains 1/10 of both together.
    levels = design(2, 2)
    s1, st_ = exact_indices(levels, np.column_stack([levels[:, 0], 3 * levels[:, 1], np.full(4, 5.0)]))
    np.testing.assert_allclose(s1, [0.1, 0.9])
    np.testing.assert_allclose(st_, [0.1, 0.9])


def test_many_outputs_are_the_same_in_one_block_or_several():
    generator = np.random.default_rng(5)
    y = generator.normal(size=(12, 600))
    levels = design(2, 3, 2)
    parts = [exact_indices(levels, y[:, j]) for j in range(600)]
    variance = y.var(axis=0)
    s1, st_ = exact_indices(levels, y)
    np.testing.assert_allclose(s1, sum(v * p[0] for v, p in zip(variance, parts, strict=True)) / variance.sum())
    np.testing.assert_allclose(st_, sum(v * p[1] for v, p in zip(variance, parts, strict=True)) / variance.sum())


def test_enumeration_is_what_the_sample_estimates():
    def table(x: np.ndarray) -> np.ndarray:
        return (x[:, 0] - 1.0) * x[:, 1] + 0.5 * x[:, 2] + x[:, 1] ** 2

    sizes = np.array([3, 4, 2])
    s1, st_ = exact_indices(design(*sizes), table(design(*sizes)))
    found = indices(lambda u: table(np.floor(u * sizes)), {"a": 1, "b": 1, "c": 1}, base=8192, seed=11)
    np.testing.assert_allclose(found["s1"], s1, atol=0.02)
    np.testing.assert_allclose(found["st"], st_, atol=0.02)


def test_one_output_among_many_is_estimated_as_alone():
    inputs = {"a": 1, "b": 1, "c": 1}
    y = ishigami(sample(inputs, base=64, seed=2))
    alone = estimate(inputs, y, seed=2)
    s1, st_ = estimate_jointly(3, np.column_stack([y, np.ones(y.size)]))
    np.testing.assert_allclose(s1, alone["s1"], rtol=1e-10)
    np.testing.assert_allclose(st_, alone["st"], rtol=1e-10)


@settings(max_examples=60, deadline=None)
@given(arrays(np.int64, 12, elements=st.integers(-1000, 1000)))
def test_shares_of_a_full_design_are_ordered(y: np.ndarray):
    s1, st_ = exact_indices(design(2, 3, 2), y)
    assert (s1 >= 0).all() and (st_ <= 1).all()
    assert (s1 <= st_ + 1e-9).all()
    assert s1.sum() <= 1 + 1e-9
    assert np.ptp(y) == 0 or st_.sum() >= 1 - 1e-9


@settings(max_examples=40, deadline=None)
@given(arrays(np.int64, 3, elements=st.integers(-99, 99)), arrays(np.int64, 4, elements=st.integers(-99, 99)))
def test_inputs_that_only_add_do_not_interact(a: np.ndarray, b: np.ndarray):
    y = (a[:, None] + b[None, :]).ravel()
    s1, st_ = exact_indices(design(3, 4), y)
    np.testing.assert_allclose(s1, st_, atol=1e-12)
    np.testing.assert_allclose(s1.sum(), np.ptp(y) > 0, atol=1e-12)


def test_what_does_not_vary_has_no_shares():
    # 0.1 three times has a mean that is not 0.1: the shares must be 0, not rounding over rounding.
    s1, st_ = exact_indices(design(3, 2), np.full(6, 0.1))
    assert (s1 == 0).all() and (st_ == 0).all()
    inputs = {"a": 1, "b": 1}
    found = estimate(inputs, np.full(4 * 16, 0.1), seed=1)
    assert found.drop("factor").sum_horizontal().to_list() == [0, 0]
    assert not np.concatenate(estimate_jointly(2, np.full((4 * 16, 3), 0.1))).any()


def test_a_seed_gives_the_same_result_and_leaves_the_global_generator_alone():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    inputs = {"a": 1, "b": 1, "c": 1}
    first, again = (indices(ishigami, inputs, base=64, seed=0) for _ in range(2))
    other = indices(ishigami, inputs, base=64, seed=1)
    assert first.equals(again)
    assert not first.equals(other)
    assert (np.random.get_state()[1] == before).all()


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]):
    indices(ishigami, {"a": 1, "b": 1, "c": 1}, base=64, seed=0)
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err == ""


@pytest.mark.parametrize("base", [0, 1, 1000, -8])
def test_a_base_that_is_no_power_of_two_is_refused(base: int):
    with pytest.raises(ValueError, match="power of 2"):
        sample({"a": 1, "b": 1}, base=base, seed=1)


def test_a_single_input_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        sample({"a": 3}, base=8, seed=1)


def test_an_input_without_dimensions_is_refused():
    with pytest.raises(ValueError, match="dimension"):
        sample({"a": 1, "b": 0}, base=8, seed=1)


def test_outputs_of_another_sample_are_refused():
    with pytest.raises(ValueError, match="31 outputs"):
        estimate({"a": 1, "b": 1}, np.arange(31.0), seed=1)


def test_a_run_without_an_output_is_refused():
    y = np.arange(6.0)
    y[3] = np.nan
    with pytest.raises(ValueError, match="number from every run"):
        exact_indices(design(2, 3), y)


def test_a_run_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="stands twice"):
        exact_indices(np.array([[0, 0], [0, 1], [0, 1]]), np.arange(3.0))
