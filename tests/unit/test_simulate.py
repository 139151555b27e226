"""The loop over blocks of draws: streams, order, memory, and errors that come through."""

import itertools
import threading
from zlib import crc32

import numpy as np
import pytest

from models.engine import simulate as module
from models.engine.errors import Fixed, Normal
from models.engine.evaluate import Evaluation, Evaluator
from models.engine.simulate import block_size, simulate
from models.engine.tree import Node, Recipe

N = 50
TREE = Node("index", children=(Node("theme", children=(Node("a"), Node("b"))), Node("c")))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of seven draws."""
    monkeypatch.setattr(module, "BLOCK_VALUES", 7 * N)


class Sums:
    """A stand-in for an evaluator: every score is the sum of its children."""

    def __init__(self, before=lambda: None):
        self.tree, self.n, self.before = TREE, N, before
        self.seen = []

    def evaluate(self, leaves, generator=None):
        self.before()
        self.seen.append({name: block.copy() for name, block in leaves.items()})
        theme = leaves["a"] + leaves["b"]
        scores = {"theme": theme, "index": theme + leaves["c"]}
        return Evaluation(scores, {**leaves, "theme": theme})


class Together:
    """Two leaves that are drawn together; notes what it was asked for."""

    ids = ("a", "b")

    def __init__(self):
        self.asked = []

    def draw(self, first, count, generator):
        self.asked.append((first, count))
        one = generator.standard_normal((count, N), dtype=np.float32)
        return np.stack([one, -one])


class Numbered:
    """A leaf whose draws are their own numbers."""

    def __init__(self, name):
        self.ids = (name,)

    def draw(self, first, count, generator):
        return np.repeat(np.arange(first, first + count, dtype=np.float32)[None, :, None], N, axis=2)


def normals(*names):
    return [Normal(name, np.linspace(0, 1, N), np.full(N, 0.1)) for name in names]


def run(evaluator=None, drawers=None, *, n_draws=40, seed=3, **options):
    return simulate(evaluator or Sums(), drawers or normals("a", "b", "c"), n_draws=n_draws, seed=seed, **options)


def same(one, other):
    np.testing.assert_array_equal(one.draws, other.draws)
    for field in ("kept", "normalised_mean", "score_mean"):
        mine, theirs = getattr(one, field), getattr(other, field)
        assert mine.keys() == theirs.keys()
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name])


def points(missing=True):
    rng = np.random.default_rng(2)
    found = {name: rng.uniform(1, 2, N) for name in "abc"}
    if missing:
        found["a"][::7] = np.nan
    return found


@pytest.mark.parametrize("threads", [2, 5])
def test_results_do_not_depend_on_the_number_of_threads(threads):
    same(run(threads=1, keep=["theme"]), run(threads=threads, keep=["theme"]))


@pytest.mark.parametrize("threads", [2, 5])
def test_neither_do_those_of_a_real_tree_with_imputed_values(threads):
    evaluator = Evaluator(TREE, points())
    drawers = [Normal(name, values, np.full(N, 0.1)) for name, values in points().items()]
    one, more = (run(evaluator, drawers, threads=number, keep=["theme"]) for number in (1, threads))
    same(one, more)
    assert np.isfinite(one.draws).all() and one.draws[:, 0].std() > 0


def test_blocks_that_finish_out_of_order_change_nothing():
    """The first block waits for the second one to be done."""
    second, numbers = threading.Event(), iter(range(100))
    lock = threading.Lock()

    class Late(Sums):
        def evaluate(self, leaves, generator=None):
            with lock:
                number = next(numbers)
            if number == 0:
                assert second.wait(60)
            found = super().evaluate(leaves, generator)
            if number == 1:
                second.set()
            return found

    same(run(Late(), threads=2), run(threads=1))


def test_blocks_have_a_size_that_follows_from_the_areas_alone(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_VALUES", 2**19)
    assert [block_size(n) for n in (1, 115, 85_000, 2**19, 10**6)] == [2**19, 4_559, 6, 1, 1]


def test_every_draw_is_asked_for_once_and_stored_in_its_row():
    together = Together()
    found = run(Sums(), [together, Numbered("c")], n_draws=24, threads=2)
    assert sorted(together.asked) == [(0, 7), (7, 7), (14, 7), (21, 3)]
    # a + b is zero, and c is the number of the draw.
    np.testing.assert_array_equal(found.draws, np.repeat(np.arange(24.0)[:, None], N, axis=1))
    assert found.draws.dtype == np.float32
    assert (found.n_draws, found.seed) == (24, 3)


def test_means_are_over_all_draws_of_all_areas():
    found = run(n_draws=25, keep=["theme"], threads=2)
    assert found.score_mean.keys() == {"theme", "index"} and found.normalised_mean.keys() == {"a", "b", "c", "theme"}
    np.testing.assert_allclose(found.score_mean["index"], found.draws.mean(axis=0, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(found.score_mean["theme"], found.kept["theme"].mean(axis=0, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(
        found.normalised_mean["theme"], found.normalised_mean["a"] + found.normalised_mean["b"], rtol=1e-6
    )
    # Numbers 0 to 24 average 12.
    np.testing.assert_array_equal(run(Sums(), [Together(), Numbered("c")], n_draws=25).score_mean["index"], 12.0)


def test_the_streams_are_those_of_seed_leaves_and_block():
    evaluator = Sums()
    run(evaluator, [Together(), Numbered("c")], n_draws=14, threads=1, seed=9)
    for block, leaves in enumerate(evaluator.seen):
        sequence = np.random.SeedSequence([9, crc32(b"a|b"), block])
        expected = np.random.Generator(np.random.SFC64(sequence)).standard_normal((7, N), dtype=np.float32)
        np.testing.assert_array_equal(leaves["a"], expected)


def test_a_leaf_has_the_same_draws_whatever_else_is_drawn():
    one, other = Sums(), Sums()
    run(one, normals("a", "b", "c"), threads=1)
    run(other, [*normals("c", "a"), Fixed("b", np.zeros(N))], threads=1)
    for first, second in zip(one.seen, other.seen, strict=True):
        np.testing.assert_array_equal(first["a"], second["a"])
        assert not np.array_equal(first["a"], first["b"])


def test_another_seed_gives_other_draws():
    assert not np.array_equal(run(seed=0).draws, run(seed=1).draws)


def test_only_draws_of_ranked_areas_are_kept_and_nothing_else_changes():
    ranked = np.zeros(N, dtype=bool)
    ranked[[3, 40, 41]] = True
    whole, part = run(keep=["theme"]), run(keep=["theme"], ranked=ranked)
    assert part.draws.shape == (40, 3) and part.kept["theme"].shape == (40, 3)
    np.testing.assert_array_equal(part.draws, whole.draws[:, ranked])
    np.testing.assert_array_equal(part.kept["theme"], whole.kept["theme"][:, ranked])
    for name, values in whole.score_mean.items():
        np.testing.assert_array_equal(part.score_mean[name], values)


def test_ranked_areas_are_normalised_against_all():
    evaluator = Evaluator(TREE, points(missing=False))
    drawers = [Fixed(name, values) for name, values in points(missing=False).items()]
    ranked = np.arange(N) < 5
    found = run(evaluator, drawers, n_draws=3, ranked=ranked)
    np.testing.assert_allclose(found.draws, np.repeat(evaluator.point().scores["index"][:, :5], 3, axis=0), rtol=1e-6)


def test_the_root_may_be_kept_by_name():
    found = run(keep=["index"])
    np.testing.assert_array_equal(found.kept["index"], found.draws)


def test_a_mean_is_nan_where_any_draw_is():
    class Holes(Numbered):
        def draw(self, first, count, generator):
            drawn = super().draw(first, count, generator)
            drawn[0, :, 4] = np.nan
            drawn[0, np.arange(first, first + count) == 30, 5] = np.nan
            return drawn

    found = run(Sums(), [Together(), Holes("c")])
    assert list(np.flatnonzero(np.isnan(found.score_mean["index"]))) == [4, 5]
    assert np.isnan(found.draws).sum() == 40 + 1


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_an_error_of_a_thread_comes_through_and_ends_the_work(threads):
    calls, numbers = [], itertools.count(1)

    def fail():
        number = next(numbers)
        calls.append(number)
        if number == 3:
            raise ZeroDivisionError("in a thread")

    with pytest.raises(ZeroDivisionError, match="in a thread"):
        run(Sums(fail), n_draws=700, threads=threads)
    assert len(calls) < 100, "there are 100 blocks"


def test_draws_of_another_shape_are_refused():
    class Short(Numbered):
        def draw(self, first, count, generator):
            return super().draw(first, count, generator)[:, :, 1:]

    with pytest.raises(ValueError, match=r"c: draws must have the shape \(1, 7, 50\), not \(1, 7, 49\)"):
        run(Sums(), [Together(), Short("c")])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_draws": 0}, "n_draws must be 1 or more, and is 0"),
        ({"threads": 0}, "threads must be 1 or more"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"drawers": normals("a", "c")}, "b is a leaf of the tree, and nothing draws it"),
        ({"drawers": normals("a", "b", "c", "d")}, "d is drawn, and is no leaf of the tree"),
        ({"drawers": normals("a", "b", "c", "b")}, "b is drawn by two drawers"),
        ({"keep": ["a"]}, r"a has no score to keep: name a node with children \(index, theme\)"),
        ({"ranked": np.ones(N - 1, dtype=bool)}, "ranked must say true or false for each of 50 areas"),
        ({"ranked": np.ones(N)}, "ranked must say true or false"),
    ],
)
def test_refused(options, says):
    with pytest.raises(ValueError, match=says):
        run(Sums(), options.pop("drawers", None), **options)


def test_recipes_of_any_scale_are_stored_as_float32():
    tree = Node("index", children=TREE.children, recipe=Recipe(normalisation="svi", missing="null_if_any"))
    evaluator = Evaluator(tree, points())
    drawers = [Normal(name, values, np.full(N, 0.1)) for name, values in points().items()]
    found = run(evaluator, drawers, n_draws=5)
    assert found.draws.dtype == np.float32 and found.score_mean["index"].dtype == np.float64
