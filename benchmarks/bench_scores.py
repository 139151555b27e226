"""How the engine's two costly steps compare with named peers, as ratios of medians in one run.

- percentiles of a frozen reference, against Polars' own rank of the same columns;
- ranks in every draw with their summary, against NumPy's double argsort alone.
"""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl

from models.engine.combine import percentile_of
from models.engine.ranks import summarise

ROUNDS = 5


def _time(task: Callable[[], object]) -> float:
    start = perf_counter()
    task()
    return perf_counter() - start


def compare(title: str, ours: Callable[[], object], peer_name: str, peer: Callable[[], object]) -> None:
    """Time both in turns, so that a busy machine slows both alike."""
    pairs = [(_time(ours), _time(peer)) for _ in range(ROUNDS)]
    mine, theirs = (median(pair[i] for pair in pairs) for i in (0, 1))
    ratio = median(a / b for a, b in pairs)
    print(f"{title}: {mine * 1e3:,.0f} ms; {peer_name} {theirs * 1e3:,.0f} ms; ratio {ratio:.2f}")


def main() -> None:
    generator = np.random.default_rng(1)
    columns = generator.normal(size=(85_000, 20))
    frame = pl.DataFrame(columns)
    compare(
        "percentiles of 85,000 areas x 20 columns",
        lambda: [percentile_of(columns[:, j], columns[:, j]) for j in range(columns.shape[1])],
        "Polars rank",
        lambda: frame.select(pl.all().rank("average")),
    )
    draws = generator.normal(size=(1_000, 3_144)).astype(np.float32)
    compare(
        "ranks of 3,144 areas in 1,000 draws, summarised",
        lambda: summarise(draws),
        "NumPy double argsort",
        lambda: np.argsort(np.argsort(-draws, axis=1), axis=1),
    )


if __name__ == "__main__":
    main()
