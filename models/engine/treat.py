"""Outliers of an indicator, winsorised or put on a log scale, and a table of everything that was changed.

The rule is COINr's (Becker et al. 2022, J. Open Source Softw. 7:4567), with the test of the OECD and
JRC practice: an indicator needs no treatment if its |skewness| is below 2 or its kurtosis below 3.5,
so only one that fails both is treated. Three things differ: up to one area in a hundred may be
winsorised (five at least), because five of 85,000 tracts are nothing; what is treated stands in
a table; and what still fails is left as it is and named there.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Draws = NDArray[Any]
Vector = NDArray[np.float64]

MAX_SKEW = 2.0
MAX_KURTOSIS = 3.5
LOG_OFFSET = 0.01
UNTREATED = "untreated, still skewed"
SCHEMA = {
    "indicator": pl.String,
    "position": pl.Int64,
    "before": pl.Float64,
    "after": pl.Float64,
    "rule": pl.String,
}


def _shape(n: int, second: float, third: float, fourth: float) -> tuple[float, float]:
    """Skewness and kurtosis from the sums of powers of the deviations."""
    skew = math.sqrt(n) * third / second**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    ratio = n * fourth / second**2
    return skew, ((n + 1) * (ratio - 3) + 6) * (n - 1) / ((n - 2) * (n - 3))


def skew_and_kurtosis(values: Vector) -> tuple[float, float]:
    """Sample skewness G1 and excess kurtosis G2 of the values that are there.

    Both are 0 where they are not defined: for fewer than four values, or if all are equal.

    Source: Joanes & Gill 1998, The Statistician 47:183.
    """
    known = values[~np.isnan(values)]
    width = float(np.ptp(known)) if known.size >= 4 else 0.0
    if width == 0:
        return 0.0, 0.0
    scaled = (known - known.mean()) / width
    square = scaled * scaled
    return _shape(known.size, float(square.sum()), float(square @ scaled), float(square @ square))


def passes(skew: float, kurtosis: float) -> bool:
    """Whether an indicator of this shape needs no treatment."""
    return abs(skew) < MAX_SKEW or kurtosis < MAX_KURTOSIS


@dataclass(frozen=True)
class Treatment:
    """How one indicator is treated, fitted on its points.

    Args:
        rule: `none`, `winsorised`, `log`, `log, reversed` or UNTREATED.
        low, high: bounds of the points after winsorising, infinite at an end where none was moved; the
            range of the points for the log rules.
    """

    rule: str = "none"
    low: float = -math.inf
    high: float = math.inf

    def apply(self, values: Draws) -> Draws:
        """Treat values or draws of any shape with the bounds that the points gave.

        The log is taken of values within the range of the points: a draw beyond its end counts as the end.
        """
        if self.rule == "winsorised":
            return np.clip(values, self.low, self.high)
        if self.rule not in ("log", "log, reversed"):
            return values
        offset = LOG_OFFSET * (self.high - self.low)
        inside = np.clip(values, self.low, self.high)
        if self.rule == "log":
            return np.log(inside - self.low + offset)
        return -np.log(self.high + offset - inside)


class _Tails:
    """Sums of powers of winsorised values, in constant time for every pair of bounds."""

    def __init__(self, ordered: Vector) -> None:
        self.values, first, self.counts = np.unique(ordered, return_index=True, return_counts=True)
        self.n = ordered.size
        self.first = np.append(first, self.n)
        # Around the middle of the range and of unit width, the sums lose no digits that matter.
        self.centre, self.width = float(ordered.mean()), float(ordered[-1] - ordered[0])
        scaled = (ordered - self.centre) / self.width
        self.unit = (self.values - self.centre) / self.width
        self.sums = [np.concatenate([[0.0], np.cumsum(scaled**p)]) for p in (1, 2, 3, 4)]

    def affected(self, low: int, high: int) -> int:
        """How many values lie outside the bounds, which are positions among the distinct values."""
        return int(self.first[low] + self.n - self.first[high + 1])

    def passes(self, low: int, high: int) -> bool:
        start, stop = self.first[low], self.first[high + 1]
        below, above = float(start), float(self.n - stop)
        m1, m2, m3, m4 = (
            (sums[stop] - sums[start] + below * self.unit[low] ** p + above * self.unit[high] ** p) / self.n
            for p, sums in enumerate(self.sums, start=1)
        )
        self.skew = 0.0
        second = m2 - m1**2
        if low == high or second <= 0:
            return True
        third = m3 - 3 * m1 * m2 + 2 * m1**3
        fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
        self.skew, kurtosis = _shape(self.n, self.n * second, self.n * third, self.n * fourth)
        return passes(self.skew, kurtosis)


def _winsorise(known: Vector, winmax: int) -> Treatment | None:
    """Move the longer tail in, one distinct value at a time, until the shape passes or winmax values are affected."""
    tails = _Tails(known)
    low, high = 0, tails.values.size - 1
    good = tails.passes(low, high)
    while not good and tails.affected(low, high) < winmax:
        if tails.skew >= 0:
            high -= 1
        else:
            low += 1
        good = tails.passes(low, high)
    if not good:
        return None
    # An end that nothing was moved from does not bound draws either.
    return Treatment(
        "winsorised",
        float(tails.values[low]) if low > 0 else -math.inf,
        float(tails.values[high]) if high < tails.values.size - 1 else math.inf,
    )


def fit(values: Vector, *, winmax: int | None = None) -> Treatment:
    """Decide how an indicator is treated.

    Args:
        values: points (n,), NaN where there is none.
        winmax: no further step is taken once so many values are winsorised; max(5, 1 % of the values)
            by default. Equal values move together, so that the last step can go beyond.
    """
    known = values[~np.isnan(values)]
    skew, kurtosis = skew_and_kurtosis(known)
    if passes(skew, kurtosis):
        return Treatment()
    known.sort()
    limit = max(5, math.ceil(0.01 * known.size)) if winmax is None else winmax
    winsorised = _winsorise(known, limit)
    if winsorised is not None:
        return winsorised
    logged = Treatment("log" if skew >= 0 else "log, reversed", float(known[0]), float(known[-1]))
    return logged if passes(*skew_and_kurtosis(logged.apply(known))) else Treatment(UNTREATED)


def record(indicator: str, values: Vector, treatment: Treatment) -> pl.DataFrame:
    """What a treatment changed: one row for each point, or one row without a point if nothing helped.

    Returns:
        indicator, position (in the points), before, after and rule.
    """
    if treatment.rule in ("none", UNTREATED):
        rows = [(indicator, None, None, None, UNTREATED)] if treatment.rule == UNTREATED else []
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")
    after = treatment.apply(values)
    changed = np.flatnonzero(~np.isnan(values) & (after != values))
    return pl.DataFrame(
        {
            "indicator": [indicator] * changed.size,
            "position": changed,
            "before": values[changed],
            "after": after[changed],
            "rule": [treatment.rule] * changed.size,
        },
        schema=SCHEMA,
    )


@dataclass(frozen=True)
class Treated:
    """The children of a node after treatment.

    Args:
        values: (n,) by child.
        rules: the treatment of each child, to be applied to draws.
        table: every treated point; see `record`.
    """

    values: dict[str, Vector]
    rules: dict[str, Treatment]
    table: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))

    def apply(self, draws: dict[str, Draws]) -> dict[str, Draws]:
        """Treat draws with the bounds and offsets that were fitted on the points."""
        return {child: self.rules[child].apply(block) for child, block in draws.items()}


def treat(values: dict[str, Vector], *, winmax: int | None = None) -> Treated:
    """Treat every indicator that needs it.

    Args:
        values: points (n,) by indicator.
        winmax: see `fit`.
    """
    rules = {name: fit(points, winmax=winmax) for name, points in values.items()}
    tables = [record(name, values[name], rule) for name, rule in rules.items()]
    table = pl.concat(tables) if tables else pl.DataFrame(schema=SCHEMA)
    return Treated({name: rules[name].apply(points) for name, points in values.items()}, rules, table)
