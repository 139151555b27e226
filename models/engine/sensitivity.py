"""How far the method decides the ranks: every declared alternative as an uncertain input.

Where every factor is discrete and there are at most MAX_ENUMERATED combinations, all of them are computed
and the indices are exact; otherwise a scrambled Sobol sample stands for them (Saltelli 2002; Saisana, Saltelli &
Tarantola 2005, JRSS A 168:307). The output is the mean absolute shift of ranks from those of the tree as
declared, as in COINr (Becker et al. 2022). With draws, the variance of each area's rank is divided by the law of
total variance: within methods it comes from errors of the data, between methods from the method.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine.alternatives import Alternatives, Values
from models.engine.errors import Drawer
from models.engine.evaluate import Evaluator
from models.engine.kernels import rank_rows
from models.engine.simulate import IMPUTATION, draw_leaves, stream
from models.engine.sobol import estimate, exact_indices, sample
from models.engine.tree import Node
from models.engine.variants import Chosen, check, dimensions, other_values, trees, vary

Vector = NDArray[np.float64]
Draws = NDArray[np.float32]

MAX_ENUMERATED = 20_000
RUNS_WITH_DRAWS = 200
"""Of a Sobol sample, so many runs are drawn as well, evenly taken; of an enumerated design, all are."""


@dataclass(frozen=True)
class Sensitivity:
    """What the method does to the ranks.

    Args:
        factors: factor, n_choices (null for a range), s1, st (shares of the variance of the mean shift of ranks,
            alone and with all interactions), s1_conf, st_conf (null where exact), method (`enumerated`,
            `sobol`), n_runs.
        areas: of the ranked areas: position, rank_nominal, rank_mean, rank_methods_p05, rank_methods_p95 (over
            methods), data_share, method_share (sum to 1; null without draws or where the rank never moves).
        top: k, mean Jaccard index of each method's first k and the nominal first k.
        n_methods: different combinations that were computed.
    """

    factors: pl.DataFrame
    areas: pl.DataFrame
    top: dict[int, float]
    n_methods: int


def _ranks(scores: NDArray, ranked: NDArray[np.int64]) -> Draws:
    """Ranks (b, ranked areas) of scores (b, n), 1 = greatest; equal scores share the least rank, none is last."""
    rows = np.ascontiguousarray(scores[:, ranked], dtype=np.float32)
    out = np.empty_like(rows)
    counted = rank_rows(rows, out, descending=True)
    return np.where(np.isnan(out), counted[:, None] + 1, out).astype(np.float32)


def _otherwise(given: Mapping[str, NDArray], points: Mapping[str, Vector], changed: Mapping[str, Values]) -> dict:
    """Points or draws with other values of some indicators."""
    found = dict(given)
    for leaf, other in changed.items():
        if other.factor is not None:
            found[leaf] = found[leaf] * other.factor
        elif other.points is not None and found[leaf].ndim == 1:
            found[leaf] = other.points
        elif other.points is not None:
            moved = found[leaf] + (other.points - points[leaf])
            found[leaf] = np.where(np.isnan(points[leaf]), other.points, moved)
        found[leaf] = found[leaf].astype(given[leaf].dtype)
    return found


def _inputs(tree: Node, alternatives: Alternatives) -> dict[str, int]:
    """How many numbers each factor takes in a Sobol sample: one for its choice, or one for each weight of a range."""
    return {f.name: 1 if f.spread is None else len(dimensions(tree, f)) for f in alternatives.factors}


def _design(
    tree: Node, alternatives: Alternatives, base: int, seed: int, *, is_exact: bool
) -> tuple[list[Chosen], NDArray]:
    """The choices of every run, the tree as declared first in an enumerated design, and the levels (runs, factors)."""
    if is_exact:
        levels = alternatives.levels()
        return [alternatives.labels(row) for row in levels], levels
    inputs = _inputs(tree, alternatives)
    table = sample(inputs, base=base, seed=seed)
    runs: list[Chosen] = []
    for row in table:
        chosen: dict[str, str | Sequence[float]] = {}
        at = 0
        for factor in alternatives.factors:
            here = row[at : at + inputs[factor.name]]
            at += inputs[factor.name]
            if factor.spread is None:
                chosen[factor.name] = factor.choices[int(here[0] * len(factor.choices))].label
            else:
                chosen[factor.name] = tuple(1 - factor.spread + 2 * factor.spread * here)
        runs.append(chosen)
    return runs, np.empty((0, 0), dtype=np.int64)


def analyse(
    tree: Node,
    points: Mapping[str, Vector],
    alternatives: Alternatives,
    *,
    drawers: Sequence[Drawer] = (),
    n_draws: int = 50,
    seed: int,
    ranked: NDArray[np.bool_] | None = None,
    references: Mapping[str, Vector] | None = None,
    base: int = 1024,
    design: str | None = None,
    threads: int = 2,
) -> Sensitivity:
    """Compute an index under all alternatives of its method.

    Args:
        tree: as declared.
        points: leaf -> (n,) values.
        alternatives: the factors.
        drawers: of the leaves; without them nothing is said of the data's share.
        n_draws: the same draws for every method.
        seed: of the draws and of the sample.
        ranked: (n,) the areas that are ranked; None ranks all.
        references: frozen distributions of the leaves.
        base: of the Sobol sample, a power of 2.
        design: `enumerated` or `sobol`; None decides by the number of combinations.
        threads: that work side by side; results do not depend on it.

    Raises:
        ImpossibleError: a combination cannot be computed; names the choices. Nothing is computed then.
        ValueError: factors do not fit the tree, the design cannot be had, or there are fewer than two for Sobol.
    """
    check(tree, alternatives)
    if design not in (None, "enumerated", "sobol"):
        raise ValueError(f"design {design!r} is neither enumerated nor sobol")
    can_enumerate = alternatives.is_discrete and alternatives.n_combinations <= MAX_ENUMERATED
    if design == "enumerated" and not can_enumerate:
        raise ValueError(f"only discrete factors with at most {MAX_ENUMERATED:,} combinations can be enumerated")
    if design == "sobol" and alternatives.excluded:
        raise ValueError("combinations can only be excluded from a design that is enumerated")
    is_exact = can_enumerate and design != "sobol"
    runs, levels = _design(tree, alternatives, base, seed, is_exact=is_exact)
    if alternatives.n_combinations <= MAX_ENUMERATED:
        trees(tree, alternatives, [alternatives.labels(row) for row in alternatives.levels()])
    n = next(iter(points.values())).size
    columns = np.arange(n) if ranked is None else np.flatnonzero(ranked)
    leaves = draw_leaves(drawers, 0, n_draws, n, seed, 0)
    unlike: dict[tuple, Chosen] = {tuple(run.items()): run for run in runs}
    with_draws = set(list(unlike)[:: max(1, -(-len(unlike) // RUNS_WITH_DRAWS))] if not is_exact else unlike)

    def compute(key: tuple) -> tuple[Draws, Vector | None, Vector | None]:
        chosen = unlike[key]
        changed = other_values(alternatives, {k: v for k, v in chosen.items() if isinstance(v, str)})
        variant = vary(tree, alternatives, chosen)
        evaluator = Evaluator(variant, _otherwise(points, points, changed), references=references)
        rank = _ranks(evaluator.point().scores[variant.id], columns)[0]
        if not leaves or key not in with_draws:
            return rank, None, None
        blocks = _otherwise(leaves, points, changed)
        found = evaluator.evaluate(blocks, stream(seed, IMPUTATION, 0)).scores[variant.id]
        drawn = _ranks(found, columns)
        return rank, drawn.mean(axis=0, dtype=np.float64), drawn.var(axis=0, dtype=np.float64)

    nominal = Evaluator(tree, points, references=references).point().scores[tree.id]
    declared = _ranks(nominal, columns)[0].astype(np.float64)
    with ThreadPoolExecutor(threads) as pool:
        found = dict(zip(unlike, pool.map(compute, unlike), strict=True))
    shift = {key: float(np.abs(rank - declared).mean()) for key, (rank, _, _) in found.items()}
    outputs = np.array([shift[tuple(run.items())] for run in runs])
    return Sensitivity(
        factors=_factors(tree, alternatives, outputs, levels, seed, is_exact=is_exact),
        areas=_areas(columns, declared, list(found.values())),
        top=_overlap(declared, [rank for rank, _, _ in found.values()]),
        n_methods=len(unlike),
    )


def _factors(
    tree: Node, alternatives: Alternatives, outputs: Vector, levels: NDArray[np.int64], seed: int, *, is_exact: bool
) -> pl.DataFrame:
    names = [factor.name for factor in alternatives.factors]
    if is_exact:
        s1, st = exact_indices(levels, outputs)
        frame = pl.DataFrame({"factor": names, "s1": s1, "st": st}).with_columns(
            s1_conf=pl.lit(None, pl.Float64), st_conf=pl.lit(None, pl.Float64)
        )
    else:
        frame = estimate(_inputs(tree, alternatives), outputs, seed=seed)
    sizes = [len(factor.choices) if factor.spread is None else None for factor in alternatives.factors]
    return frame.with_columns(
        n_choices=pl.Series(sizes, dtype=pl.Int64),
        method=pl.lit("enumerated" if is_exact else "sobol"),
        n_runs=pl.lit(outputs.size),
    ).select("factor", "n_choices", "s1", "st", "s1_conf", "st_conf", "method", "n_runs")


def _areas(
    columns: NDArray[np.int64], declared: Vector, found: Sequence[tuple[Draws, Vector | None, Vector | None]]
) -> pl.DataFrame:
    drawn = [(mean, variance) for _, mean, variance in found if mean is not None and variance is not None]
    means = [mean for mean, _ in drawn] if drawn else [rank.astype(np.float64) for rank, _, _ in found]
    ranks: Vector = np.stack(means)
    data = np.full(columns.size, np.nan)
    if drawn:
        within = np.mean([variance for _, variance in drawn], axis=0)
        total = within + ranks.var(axis=0)
        data = np.divide(within, total, out=data, where=total > 1e-12)
    low, high = np.quantile(ranks, [0.05, 0.95], axis=0)
    return pl.DataFrame(
        {
            "position": columns, "rank_nominal": declared, "rank_mean": ranks.mean(axis=0, dtype=np.float64),
            "rank_methods_p05": low, "rank_methods_p95": high, "data_share": data, "method_share": 1 - data,
        }
    ).with_columns(pl.col("data_share", "method_share").fill_nan(None))  # fmt: skip


def _overlap(declared: Vector, ranks: Sequence[Draws]) -> dict[int, float]:
    found = {}
    for k in sorted({10, 20, max(1, round(declared.size / 10))}):
        first = declared <= k
        both = [((rank <= k) & first).sum() / max(((rank <= k) | first).sum(), 1) for rank in ranks]
        found[k] = float(np.mean(both))
    return found
