"""The engine against its named peers, as medians of ratios in one run on two threads.

    python benchmarks/bench_engine.py [--plot docs/images/growth.svg]

- a deterministic index of 20 indicators over 85,000 areas, against the bare Polars ranks that it contains;
- 1,000 draws that rank all 20 indicators anew, over 85,000 and 3,142 areas, against NumPy's float32 argsort
  with two threads (`baseline_argsort`), in all and in ranking alone, with the memory that it takes;
- Sobol indices, base 1,024, four inputs, 3,142 areas;
- growth from 1,000 to 250,000 areas, with the slope on log scales.

Every comparison is timed in turns, so that a busy machine slows both alike.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl

from benchmarks import baseline_argsort as peer
from models.engine import alternatives as vary
from models.engine.errors import Drawer, Normal
from models.engine.evaluate import Evaluator
from models.engine.kernels import rank_rows
from models.engine.ranks import in_threads, summarise
from models.engine.sensitivity import analyse
from models.engine.shrinkage import Posterior
from models.engine.simulate import simulate
from models.engine.tree import Node

MEMBERS, N_DRAWS, THREADS, SEED = 20, 1000, 2, 1
LARGE, COUNTIES = 85_000, 3_142
GROWTH = (1_000, 4_000, 16_000, 64_000, 250_000)
NAMES = [f"x{j}" for j in range(MEMBERS)]
TREE = Node("index", children=tuple(Node(name) for name in NAMES))


def _time(task: Callable[[], object]) -> float:
    start = perf_counter()
    task()
    return perf_counter() - start


def _say(title: str, ours: float, theirs: float, name: str, ratio: float) -> None:
    print(
        f"{title}: {ours:,.3f} s; {name} {theirs:,.3f} s; {ratio:.2f} of its time, {1 / ratio:.1f} times faster",
        flush=True,
    )


def compare(title: str, ours: Callable[[], object], name: str, theirs: Callable[[], object], rounds: int) -> None:
    pairs = [(_time(ours), _time(theirs)) for _ in range(rounds)]
    _say(title, median(p[0] for p in pairs), median(p[1] for p in pairs), name, median(a / b for a, b in pairs))


def table(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and standard errors (members, n) of areas whose truths share a factor."""
    generator = np.random.default_rng(SEED)
    factor = generator.standard_normal(n)
    truth = 0.6 * factor + 0.8 * generator.standard_normal((MEMBERS, n))
    se = 0.7 * np.exp(0.5 * generator.standard_normal((MEMBERS, n)) - 0.125)
    return truth + se * generator.standard_normal((MEMBERS, n)), se


def monte_carlo(values: np.ndarray, se: np.ndarray, n_draws: int = N_DRAWS, *, sampling: bool = False) -> object:
    """All of it: draws, percentiles of every indicator in every draw, scores, ranks, summary.

    Draws are posterior ones, whose priors are fitted first, or `sampling` ones, which is what the baseline draws.
    """
    points = dict(zip(NAMES, values, strict=True))
    named = list(zip(NAMES, values, se, strict=True))
    drawers: list[Drawer] = (
        [Normal(name, y, s) for name, y, s in named]
        if sampling
        else [Posterior(name, y, s**2, seed=SEED) for name, y, s in named]
    )
    found = simulate(Evaluator(TREE, points), drawers, n_draws=n_draws, seed=SEED, threads=THREADS)
    return summarise(found.draws, threads=THREADS)


def rank_all(columns: np.ndarray) -> None:
    out = np.empty_like(columns)
    rows = max(1, 2**18 // columns.shape[1])

    def some(start: int) -> None:
        rank_rows(columns[start : start + rows], out[start : start + rows])

    in_threads(some, range(0, columns.shape[0], rows), THREADS)


def deterministic() -> None:
    values, _ = table(LARGE)
    frame = pl.DataFrame(dict(zip(NAMES, values, strict=True)))
    points = dict(zip(NAMES, values, strict=True))
    compare(
        f"deterministic index, {LARGE:,} areas x {MEMBERS}",
        lambda: Evaluator(TREE, points).point(),
        "bare Polars ranks",
        lambda: frame.select(pl.all().rank("average")),
        9,
    )


def against_argsort(n: int, rounds: int) -> None:
    values, se = table(n)
    weights = np.full(MEMBERS, 1 / MEMBERS)
    rows, errors = np.ascontiguousarray(values.T), np.ascontiguousarray(se.T)
    for sampling, name in ((True, "the same draws"), (False, "posterior draws with their priors")):
        compare(
            f"{N_DRAWS:,} draws in all, {n:,} areas, {name}",
            lambda sampling=sampling: monte_carlo(values, se, sampling=sampling),  # type: ignore[misc]
            "NumPy argsort",
            lambda: peer.baseline(rows, errors, weights, N_DRAWS, THREADS, SEED),
            rounds,
        )
    columns = np.random.default_rng(SEED).standard_normal((200, n)).astype(np.float32)
    compare(
        f"ranking alone, 200 columns of {n:,}", lambda: rank_all(columns), "NumPy argsort",
        lambda: peer.rank_only(columns, THREADS), 7,
    )  # fmt: skip


def sobol() -> None:
    values, _ = table(COUNTIES)
    alternatives = vary.Alternatives(
        (
            vary.normalisation("percentile", ("min_max", (1.0, 100.0)), "rank"),
            vary.aggregation("arithmetic", "geometric"),
            vary.leave_out(*NAMES),
            vary.weighting("given", "equal"),
        )
    )
    points = dict(zip(NAMES, values, strict=True))
    seconds = _time(lambda: analyse(TREE, points, alternatives, design="sobol", base=1024, seed=SEED, threads=THREADS))
    print(f"Sobol, base 1,024, four inputs, {COUNTIES:,} areas x {MEMBERS}: {seconds:.1f} s", flush=True)


def memory() -> None:
    """Peak memory of one run over the large table, in a process of its own.

    From /proc: what getrusage calls the peak of a process holds that of the one which started it.
    """
    code = (
        "from pathlib import Path; from benchmarks import bench_engine as b; v, s = b.table(b.LARGE); "
        "peak = lambda: Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]; "
        "b.monte_carlo(v[:, :500], s[:, :500], 20); before = peak(); b.monte_carlo(v, s); print(before, peak())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, peak = (int(word) / 1024 for word in done.stdout.split()[-2:])
    print(
        f"memory of {N_DRAWS:,} draws, {LARGE:,} areas: {peak:,.0f} MB at most, {before:,.0f} of them before",
        flush=True,
    )


def growth(plot: Path | None) -> None:
    seconds = []
    for n in GROWTH:
        values, se = table(n)
        seconds.append(_time(lambda v=values, s=se: monte_carlo(v, s, 100)))  # type: ignore[misc]
        print(f"growth: {n:>7,} areas, 100 draws: {seconds[-1]:.2f} s", flush=True)
    slope = float(np.polyfit(np.log(GROWTH), np.log(seconds), 1)[0])
    last = float(np.log(seconds[-1] / seconds[-3]) / np.log(GROWTH[-1] / GROWTH[-3]))
    print(f"growth: time ~ areas^{slope:.2f}, ^{last:.2f} from {GROWTH[-3]:,} on", flush=True)
    if plot:
        plot.write_text(draw(seconds, slope), encoding="utf-8")


def draw(seconds: list[float], slope: float) -> str:
    """Time against areas on log scales, as SVG."""
    width, height, margin = 520, 320, 56
    xs, ys = np.log10(GROWTH), np.log10(seconds)
    low, high = np.floor(ys.min()), np.ceil(ys.max())

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - xs[0]) / (xs[-1] - xs[0]) * (width - 2 * margin)
        return margin + across, height - margin - (y - low) / (high - low) * (height - 2 * margin)

    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in map(at, xs, ys))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, xs, ys))
    labels = "".join(
        f'<text x="{at(x, low)[0]:.1f}" y="{height - margin + 18}" text-anchor="middle">{n:,}</text>'
        for x, n in zip(xs, GROWTH, strict=True)
    )
    labels += "".join(
        f'<text x="{margin - 8}" y="{at(xs[0], y)[1] + 4:.1f}" text-anchor="end">{10.0**y:g} s</text>'
        for y in np.arange(low, high + 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12" fill="#174a63"><rect width="100%" height="100%" fill="#fff"/>'
        f'<polyline points="{line}" fill="none" stroke="#8fb4c6" stroke-width="3"/>{dots}{labels}'
        f'<text x="{margin}" y="24">100 draws of 20 indicators, two threads: time ~ areas^{slope:.2f}</text>'
        f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">areas</text></svg>'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    small, errors = table(500)
    monte_carlo(small, errors, 20)
    monte_carlo(small, errors, 20, sampling=True)  # what numba compiles is compiled before anything is timed
    deterministic()
    against_argsort(COUNTIES, 5)
    against_argsort(LARGE, 3)
    memory()
    sobol()
    growth(arguments.plot)


if __name__ == "__main__":
    main()
