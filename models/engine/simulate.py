"""Draw every leaf, evaluate the tree, and keep what is asked for, block by block.

A block is a fixed number of draws of all areas, small enough to stay in memory while it goes up
the tree; threads work on blocks side by side. Every block of every drawer has a random stream of
its own, and blocks are added up in their order: results do not depend on the number of threads, nor on
which other leaves are drawn.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.engine.errors import Drawer
from models.engine.evaluate import Evaluation, Evaluator

Vector = NDArray[np.float64]
Draws = NDArray[np.float32]

BLOCK_VALUES = 2**19
"""Values of one leaf in a block: 2 MB, so that twenty leaves and what is made of them take about 100 MB a thread."""
IMPUTATION = ("|imputation|",)
"""Whose stream draws predicted values, in place of a drawer's ids."""


@dataclass(frozen=True)
class Simulation:
    """Draws of a tree's scores.

    Args:
        draws: scores of the root (n_draws, areas), higher = greater need; the areas are the ranked ones in
            their order, all n where none were named.
        kept: the same of the inner nodes that were asked for.
        normalised_mean: child -> (n,) mean over the draws of its value as it enters its parent; all n areas.
        score_mean: inner node -> (n,) mean over the draws of its score; all n areas.
        seed, n_draws: as given.

    A mean is NaN where any draw has no value.
    """

    draws: Draws
    kept: dict[str, Draws]
    normalised_mean: dict[str, Vector]
    score_mean: dict[str, Vector]
    seed: int
    n_draws: int


@dataclass(frozen=True)
class _Sums:
    """Sums over the draws of one block: node -> (n,)."""

    normalised: dict[str, Vector]
    scores: dict[str, Vector]

    @classmethod
    def of(cls, evaluation: Evaluation) -> "_Sums":
        return cls(*(
            {name: np.add.reduce(block, axis=0, dtype=np.float64) for name, block in blocks.items()}
            for blocks in (evaluation.normalised, evaluation.scores)
        ))  # fmt: skip

    def add(self, other: "_Sums") -> None:
        for mine, theirs in ((self.normalised, other.normalised), (self.scores, other.scores)):
            for name, values in theirs.items():
                if name in mine:
                    mine[name] += values
                else:
                    mine[name] = values


def stream(seed: int, ids: Sequence[str], block: int) -> np.random.Generator:
    """The random stream of one block of the leaves `ids`, whatever else is drawn."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, crc32("|".join(ids).encode()), block])))


def block_size(n: int) -> int:
    """Draws in a block for n areas; never a function of the number of threads."""
    return max(1, BLOCK_VALUES // n)


def simulate(
    evaluator: Evaluator,
    drawers: Sequence[Drawer],
    *,
    n_draws: int,
    seed: int,
    threads: int = 2,
    ranked: NDArray[np.bool_] | None = None,
    keep: Sequence[str] = (),
) -> Simulation:
    """Draw the leaves of a tree and evaluate it on each draw.

    Args:
        evaluator: of the tree, shared by the threads.
        drawers: each leaf of the tree is drawn by exactly one of them.
        n_draws: 1,000 give a probability to within 0.016, one standard error.
        seed: zero or more; with the leaves' ids it decides every draw.
        threads: that work side by side; results do not depend on it.
        ranked: (n,) the areas whose draws are kept, in their order. All n areas are drawn, normalised against
            each other and evaluated whatever it says: it saves memory and changes no number. None keeps all.
        keep: inner nodes whose draws are kept beside the root's.

    Raises:
        ValueError: a leaf has no drawer or two, a drawer's leaf is not in the tree, draws or `ranked` have
            another shape, a node of `keep` has no score, or a number is out of range. What a drawer
            or the evaluator raises comes through.
    """
    for name, number, least in (("n_draws", n_draws, 1), ("threads", threads, 1), ("seed", seed, 0)):
        if number < least:
            raise ValueError(f"{name} must be {least} or more, and is {number}")
    _judge_drawers(evaluator, drawers)
    inner = {node.id for node in evaluator.tree.walk() if not node.is_leaf}
    unknown = [name for name in keep if name not in inner]
    if unknown:
        raise ValueError(f"{unknown[0]} has no score to keep: name a node with children ({', '.join(sorted(inner))})")
    columns = _columns(ranked, evaluator.n)
    n_columns = evaluator.n if columns is None else columns.size
    root = evaluator.tree.id
    stored = {name: np.empty((n_draws, n_columns), dtype=np.float32) for name in dict.fromkeys([root, *keep])}
    size = block_size(evaluator.n)

    def run(block: int) -> _Sums:
        first = block * size
        count = min(size, n_draws - first)
        leaves = draw_leaves(drawers, first, count, evaluator.n, seed, block)
        evaluation = evaluator.evaluate(leaves, stream(seed, IMPUTATION, block))
        for name, rows in stored.items():
            found = evaluation.scores[name]
            rows[first : first + count] = found if columns is None else found[:, columns]
        return _Sums.of(evaluation)

    total = _Sums({}, {})
    with ThreadPoolExecutor(threads) as pool:
        for sums in _in_order(pool, run, -(-n_draws // size), threads):
            total.add(sums)
    return Simulation(
        draws=stored[root],
        kept={name: stored[name] for name in keep},
        normalised_mean={name: values / n_draws for name, values in total.normalised.items()},
        score_mean={name: values / n_draws for name, values in total.scores.items()},
        seed=seed,
        n_draws=n_draws,
    )


def _judge_drawers(evaluator: Evaluator, drawers: Sequence[Drawer]) -> None:
    leaves = {leaf.id for leaf in evaluator.tree.leaves}
    drawn = Counter(name for drawer in drawers for name in drawer.ids)
    for wrong, reason in (
        (leaves - drawn.keys(), "is a leaf of the tree, and nothing draws it"),
        (drawn.keys() - leaves, "is drawn, and is no leaf of the tree"),
        ({name for name, times in drawn.items() if times > 1}, "is drawn by two drawers: keep one"),
    ):
        if wrong:
            raise ValueError(f"{min(wrong)} {reason}")


def _columns(ranked: NDArray[np.bool_] | None, n: int) -> NDArray[np.int64] | None:
    if ranked is None:
        return None
    mask = np.asarray(ranked)
    if mask.shape != (n,) or mask.dtype != np.bool_:
        raise ValueError(f"ranked must say true or false for each of {n} areas, not {mask.dtype} of {mask.shape}")
    return np.flatnonzero(mask)


def draw_leaves(drawers: Sequence[Drawer], first: int, count: int, n: int, seed: int, block: int) -> dict[str, Draws]:
    """Draws first to first + count - 1 of every leaf, as leaf -> (count, n), from the streams of a block.

    Raises:
        ValueError: draws have another shape.
    """
    leaves: dict[str, Draws] = {}
    for drawer in drawers:
        drawn = drawer.draw(first, count, stream(seed, drawer.ids, block))
        expected = (len(drawer.ids), count, n)
        if drawn.shape != expected:
            raise ValueError(f"{', '.join(drawer.ids)}: draws must have the shape {expected}, not {drawn.shape}")
        leaves.update(zip(drawer.ids, drawn, strict=True))
    return leaves


def _in_order(pool: ThreadPoolExecutor, run: Callable[[int], _Sums], n_blocks: int, threads: int) -> Iterator[_Sums]:
    """Results of the blocks in their order, with few under way at a time, so that finished ones do not pile up."""
    waiting: deque[Future[_Sums]] = deque()
    try:
        for block in range(n_blocks):
            waiting.append(pool.submit(run, block))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # After an error nothing new is begun.
        for future in waiting:
            future.cancel()
