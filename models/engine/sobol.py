"""Variance-based sensitivity indices: exact from an enumerated design, estimated from a Sobol sample.

S1 of an input is the share of the output's variance that goes when the input is fixed,
Var(E[y|x_i]) / V; ST is the share that stays as long as the input is not fixed,
E(Var[y|x_~i]) / V. S1 = ST for all inputs means that they do not interact.

Sources: Sobol' 2001, Math. Comput. Simul. 55:271; Saltelli et al. 2010, Comput. Phys. Commun.
181:259 (sample and estimators, as SALib computes them); Gamboa, Janon, Klein & Lagnoux 2014,
Electron. J. Stat. 8:575 (several outputs: numerators and variances are summed over them).
"""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

Vector = NDArray[np.float64]
# Columns of an output matrix that are handled at a time, which bounds the memory.
BLOCK = 256


def _shift(outputs: NDArray) -> Vector:
    """Outputs as (runs, p) float64, less those of the first run: a constant column becomes exactly zero."""
    matrix = np.asarray(outputs, dtype=np.float64)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if not np.isfinite(matrix).all():
        raise ValueError("an output is missing or infinite: sensitivity indices need a number from every run")
    return matrix - matrix[0]


def _sum_of_squares_between(codes: NDArray[np.int64], centred: Vector) -> float:
    """Sum over groups and columns of size x mean squared; `centred` (runs, p) has column means 0."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sizes = np.diff(np.append(starts, codes.size))
    sums = np.add.reduceat(centred[order], starts, axis=0)
    return float((sums**2 / sizes[:, None]).sum())


def exact_indices(levels: NDArray[np.int64], outputs: NDArray) -> tuple[Vector, Vector]:
    """S1 and ST of every input over all runs of an enumerated design, each run equally likely.

    On a full design the inputs are independent. If runs were excluded they are not: the two shares
    keep their definitions, conditional on the runs that are left, and lie between 0 and 1, but S1
    may exceed ST and differences between them no longer measure interaction.

    Args:
        levels: (runs, m), the level of each input in each run, from 0; no run stands twice.
        outputs: (runs,) or (runs, p); with several outputs numerators and variances are summed
            over them, so that an output counts by its variance.

    Returns:
        S1 and ST, each (m,); all 0 where no output varies.

    Raises:
        ValueError: outputs are missing, or runs stand twice.
    """
    levels = np.asarray(levels, dtype=np.int64)
    runs, m = levels.shape
    sizes = levels.max(axis=0) + 1
    steps = np.concatenate([np.cumprod(sizes[::-1])[::-1][1:], [1]]).astype(np.int64)
    codes = levels @ steps
    if np.unique(codes).size != runs:
        raise ValueError("a combination stands twice in the design: give each of them once")
    total, first, rest = 0.0, np.zeros(m), np.zeros(m)
    matrix = np.asarray(outputs)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    for start in range(0, matrix.shape[1], BLOCK):
        centred = _shift(matrix[:, start : start + BLOCK])
        centred -= centred.mean(axis=0)
        total += float((centred**2).sum())
        for i in range(m):
            first[i] += _sum_of_squares_between(levels[:, i], centred)
            rest[i] += _sum_of_squares_between(codes - levels[:, i] * steps[i], centred)
    if total == 0:
        return np.zeros(m), np.zeros(m)
    # Rounding alone leaves the unit interval.
    return np.clip(first / total, 0.0, 1.0), np.clip(1 - rest / total, 0.0, 1.0)


def _problem(inputs: Mapping[str, int]) -> dict[str, object]:
    """The inputs as SALib wants them; an input of several dimensions is one group."""
    if len(inputs) < 2:
        raise ValueError("Sobol indices divide a variance among inputs: declare at least two")
    if min(inputs.values()) < 1:
        raise ValueError("an input needs at least one dimension")
    groups = [name for name, size in inputs.items() for _ in range(size)]
    return {
        "num_vars": len(groups),
        "names": [f"{name} {place}" for place, name in enumerate(groups)],
        "bounds": [[0.0, 1.0]] * len(groups),
        "groups": groups,
    }


def sample(inputs: Mapping[str, int], *, base: int, seed: int) -> Vector:
    """A scrambled Sobol sample in the order of Saltelli: for each base point A, then AB of each input, then B.

    Args:
        inputs: name -> number of dimensions; the dimensions of an input change together.
        base: number of base points, a power of 2.
        seed: of the scrambling.

    Returns:
        (base * (inputs + 2), dimensions) uniform on [0, 1).

    Raises:
        ValueError: fewer than two inputs, or a base that is no power of 2.
    """
    if base < 2 or base & (base - 1):
        raise ValueError(f"the base of a Sobol sample must be a power of 2, such as 1,024, not {base}")
    problem = _problem(inputs)
    from SALib.sample import sobol  # type: ignore[import-untyped]

    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 1])))
    return np.asarray(sobol.sample(problem, base, calc_second_order=False, scramble=True, seed=generator))


def estimate(inputs: Mapping[str, int], outputs: Vector, *, seed: int, confidence: float = 0.95) -> pl.DataFrame:
    """S1 and ST of every input from the outputs of a `sample`, with half-widths of their bootstrap intervals.

    Args:
        inputs: as given to `sample`.
        outputs: (runs,), in the order of the sample.
        seed: of the bootstrap.
        confidence: level of the intervals, between 0 and 1.

    Returns:
        factor, s1, s1_conf, st, st_conf; all 0 where the output does not vary. Estimates may lie a
        little below 0 or above 1.

    Raises:
        ValueError: the number of outputs does not belong to the inputs, or outputs are missing.
    """
    problem = _problem(inputs)
    step = len(inputs) + 2
    y = _shift(outputs)[:, 0]
    if y.size % step:
        raise ValueError(
            f"{y.size} outputs do not come from a sample of {len(inputs)} inputs, {step} runs a base point"
        )
    names = list(inputs)
    # SALib divides by the variance of A and B without looking at it.
    if np.ptp(np.concatenate([y[::step], y[step - 1 :: step]])) == 0:
        zero = np.zeros(len(names))
        return pl.DataFrame({"factor": names, "s1": zero, "s1_conf": zero, "st": zero, "st_conf": zero})
    from SALib.analyze import sobol  # type: ignore[import-untyped]

    # SALib takes a seed of 0 for none.
    number = 1 + int(np.random.SeedSequence([seed, 2]).generate_state(1)[0])
    found = sobol.analyze(problem, y, calc_second_order=False, conf_level=confidence, seed=number)
    return pl.DataFrame(
        {
            "factor": names,
            "s1": np.asarray(found["S1"]),
            "s1_conf": np.asarray(found["S1_conf"]),
            "st": np.asarray(found["ST"]),
            "st_conf": np.asarray(found["ST_conf"]),
        }
    )


def estimate_jointly(n_inputs: int, outputs: NDArray) -> tuple[Vector, Vector]:
    """S1 and ST over several outputs at once, by the estimators of `estimate` summed over the outputs.

    Args:
        n_inputs: number of inputs.
        outputs: (runs, p), in the order of the sample.

    Returns:
        S1 and ST, each (n_inputs,); all 0 where no output varies.
    """
    step = n_inputs + 2
    total, first, rest = 0.0, np.zeros(n_inputs), np.zeros(n_inputs)
    for start in range(0, outputs.shape[1], BLOCK):
        y = _shift(outputs[:, start : start + BLOCK])
        y -= y.mean(axis=0)
        a, b = y[::step], y[step - 1 :: step]
        total += float(np.concatenate([a, b]).var(axis=0).sum())
        for i in range(n_inputs):
            mixed = y[i + 1 :: step]
            first[i] += float((b * (mixed - a)).mean(axis=0).sum())
            rest[i] += float(0.5 * ((a - mixed) ** 2).mean(axis=0).sum())
    if total == 0:
        return np.zeros(n_inputs), np.zeros(n_inputs)
    return first / total, rest / total


def indices(
    model: Callable[[Vector], Vector],
    inputs: Mapping[str, int],
    *,
    base: int = 1024,
    seed: int,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """S1 and ST of any function of uniform inputs, by a scrambled Sobol sample.

    Args:
        model: takes the sample (runs, dimensions) and returns (runs,).
        inputs: name -> number of dimensions.
        base: number of base points, a power of 2; base * (inputs + 2) runs are made.
        seed: of scrambling and bootstrap.
        confidence: level of the intervals.

    Returns:
        As `estimate`.

    Raises:
        ValueError: as `sample` and `estimate`.
    """
    return estimate(inputs, model(sample(inputs, base=base, seed=seed)), seed=seed, confidence=confidence)
