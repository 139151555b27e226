"""How often 90 % rank intervals hold the true rank, and whether chances of the first 20 come true.

Truths and estimates come from the generator below, which shares no code with the estimator. Coverage is
averaged over areas and replicates; its Monte-Carlo error comes from the spread between replicates.

    python benchmarks/study_coverage.py one          one indicator: engine and naive redraws
    python benchmarks/study_coverage.py composite    20 indicators with correlated errors, covariance given and not
    python benchmarks/study_coverage.py all --quick  a tenth of the replicates, to see it work
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, product

import numpy as np
from scipy.stats import rankdata

from models.engine.errors import Drawer, Normal
from models.engine.evaluate import Evaluator
from models.engine.joint import JointPosterior
from models.engine.ranks import RankSummary, summarise
from models.engine.shrinkage import Posterior
from models.engine.simulate import simulate
from models.engine.tree import Node

TRUTHS, SPREADS, RATIOS, SIZES = (
    ("normal", "gamma", "two-group"),
    ("equal", "log-normal"),
    (0.3, 0.7, 1.2),
    (123, 500, 3142),
)
MEMBERS, N_DRAWS = 20, 500
ENOUGH = 0.5
"""Monte-Carlo error, in points, below which a coverage is known well enough."""


# --- the generator -----------------------------------------------------------------------------------------------


def truths(kind: str, n: int, generator: np.random.Generator) -> np.ndarray:
    """n true values with mean 0 and standard deviation 1."""
    if kind == "normal":
        return generator.standard_normal(n)
    if kind == "gamma":  # shape 2: skewness 1.4
        return (generator.gamma(2.0, 1.0, n) - 2.0) / np.sqrt(2.0)
    # One area in five belongs to a group whose need is six of the groups' own standard deviations greater.
    value = 0.5 * generator.standard_normal(n) + 3.0 * (generator.random(n) < 0.2)
    return (value - 0.6) / np.sqrt(0.25 + 9 * 0.16)


def standard_errors(kind: str, n: int, ratio: float, generator: np.random.Generator) -> np.ndarray:
    """Standard errors whose mean is `ratio` of the standard deviation of the truths."""
    if kind == "equal":
        return np.full(n, ratio)
    return ratio * np.exp(0.5 * generator.standard_normal(n) - 0.125)


# --- what is measured --------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """Coverage by replicate, and for each tenth of stated chances what was stated and what came true."""

    coverage: list[float]
    stated: np.ndarray
    true: np.ndarray
    count: np.ndarray

    @classmethod
    def empty(cls) -> "Tally":
        return cls([], *(np.zeros(10) for _ in range(3)))

    def add(self, found: RankSummary, truth: np.ndarray) -> None:
        rank = rankdata(-truth)
        self.coverage.append(float(((found.p05 <= rank) & (rank <= found.p95)).mean()))
        chance = found.p_top[20]
        tenth = np.minimum((10 * chance).astype(int), 9)
        self.stated += np.bincount(tenth, chance, 10)
        self.true += np.bincount(tenth, rank <= 20, 10)
        self.count += np.bincount(tenth, minlength=10)

    def merge(self, other: "Tally") -> None:
        self.coverage += other.coverage
        for name in ("stated", "true", "count"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def error(self) -> float:
        """Monte-Carlo error of the coverage, in points."""
        n = len(self.coverage)
        return 100 * float(np.std(self.coverage, ddof=1) / np.sqrt(n)) if n > 1 else np.inf

    def __str__(self) -> str:
        return f"{100 * np.mean(self.coverage):5.1f} ± {self.error:.2f}"

    def calibration(self) -> str:
        with np.errstate(invalid="ignore"):
            return "  ".join(
                f"{s:.2f}:{t:.2f}" for s, t in zip(self.stated / self.count, self.true / self.count, strict=True)
            )


def ranked(drawers: list[Drawer], points: dict[str, np.ndarray], seed: int) -> RankSummary:
    """The engine, from members to ranks: percentiles in each draw, averaged, ranked."""
    tree = Node("index", children=tuple(Node(name) for name in points))
    return summarise(simulate(Evaluator(tree, points), drawers, n_draws=N_DRAWS, seed=seed, threads=1).draws)


# --- the two studies ---------------------------------------------------------------------------------------------


def one_indicator(kind: str, spread: str, ratio: float, n: int, replicates: int) -> dict[str, Tally]:
    tallies = {"posterior": Tally.empty(), "redraws": Tally.empty()}
    for replicate in range(replicates):
        generator = np.random.default_rng([replicate, n, TRUTHS.index(kind), SPREADS.index(spread), int(10 * ratio)])
        truth, se = truths(kind, n, generator), standard_errors(spread, n, ratio, generator)
        direct = truth + se * generator.standard_normal(n)
        methods: dict[str, Drawer] = {
            "posterior": Posterior("x", direct, se**2, seed=replicate),
            "redraws": Normal("x", direct, se),
        }
        for name, drawer in methods.items():
            tallies[name].add(ranked([drawer], {"x": direct}, replicate), truth)
    return tallies


def composite(
    kind: str, shared: float, rho: float, ratio: float, n: int, replicates: int, enough: float = ENOUGH
) -> dict[str, Tally]:
    """Truths of the members share a factor (`shared` of their variance), errors correlate by rho.

    Replicates are added to the given number until the Monte-Carlo error of the first method is below `enough`.
    """
    tallies = {"covariance": Tally.empty(), "margins": Tally.empty()}
    names = [f"x{j}" for j in range(MEMBERS)]
    correlation = np.full((MEMBERS, MEMBERS), rho) + (1 - rho) * np.eye(MEMBERS)
    root = np.linalg.cholesky(correlation)
    for replicate in count():
        if replicate >= replicates and tallies["covariance"].error < enough:
            break
        generator = np.random.default_rng(
            [replicate, n, TRUTHS.index(kind), int(10 * rho), int(10 * ratio), int(10 * shared)]
        )
        factor = truths(kind, n, generator)
        truth = np.stack([np.sqrt(shared) * factor + np.sqrt(1 - shared) * truths(kind, n, generator) for _ in names])
        se = np.stack([standard_errors("log-normal", n, ratio, generator) for _ in names])
        direct = truth + se * (root @ generator.standard_normal((MEMBERS, n)))
        covariance = np.einsum("in,ij,jn->nij", se, correlation, se)
        points = dict(zip(names, direct, strict=True))
        index = rankdata(truth, axis=1).mean(axis=0)
        together: list[Drawer] = [JointPosterior(names, direct, covariance, seed=replicate)]
        alone: list[Drawer] = [Posterior(i, y, s**2, seed=replicate) for i, y, s in zip(names, direct, se, strict=True)]
        tallies["covariance"].add(ranked(together, points, replicate), index)
        tallies["margins"].add(ranked(alone, points, replicate), index)
    return tallies


def _table(head: tuple[str, ...], cells: Iterator[tuple[str, dict[str, Tally]]], methods: tuple[str, ...]) -> None:
    total = {name: Tally.empty() for name in methods}
    print("| " + " | ".join((*head, *methods)) + " |\n|" + " --- |" * (len(head) + len(methods)), flush=True)
    for label, tallies in cells:
        print(f"| {label} | " + " | ".join(str(tallies[name]) for name in methods) + " |", flush=True)
        for name in methods:
            total[name].merge(tallies[name])
    for name in methods:
        print(f"\nP(first 20) stated:true by tenth, {name}: {total[name].calibration()}", flush=True)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("one", "composite", "all"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    arguments = parser.parse_args()
    scale: Callable[[int], int] = (lambda r: max(1, r // 10)) if arguments.quick else (lambda r: r)
    enough = np.inf if arguments.quick else ENOUGH
    sizes = tuple(arguments.sizes)
    if arguments.study in ("one", "all"):
        replicates = {123: 80, 500: 25, 3142: 6}
        cells = (
            (f"{n} | {kind} | {spread} | {ratio}", one_indicator(kind, spread, ratio, n, scale(replicates.get(n, 10))))
            for n, kind, spread, ratio in product(sizes, TRUTHS, SPREADS, RATIOS)
        )
        _table(("areas", "truths", "SE", "SE/SD"), cells, ("posterior", "redraws"))
    if arguments.study in ("composite", "all"):
        replicates = {123: 20, 500: 8, 3142: 4}
        settings = (
            [(0.4, 0.0, 0.7)]
            + [(0.4, rho, ratio) for rho in (0.3, 0.6) for ratio in RATIOS]
            + [
                (0.0, 0.3, 0.7),
                (0.0, 0.6, 1.2),
            ]
        )
        cells = (
            (
                f"{n} | {kind} | {shared} | {rho} | {ratio}",
                composite(kind, shared, rho, ratio, n, scale(replicates.get(n, 5)), enough),
            )
            for n, kind, (shared, rho, ratio) in product(sizes, TRUTHS, settings)
        )
        _table(("areas", "truths", "shared", "error correlation", "SE/SD"), cells, ("covariance", "margins"))


if __name__ == "__main__":
    main()
