"""How unevenly two or more groups live across the small units (tracts) of an area (county).

Expressions for `group_by(area).agg(...)` over one row per small unit: `dissimilarity`,
`dissimilarity_from_rest`, `isolation`, `interaction` and `theil_h`; and `ice`, which needs no small units.
Frames of one row per area: `corrected_dissimilarity` and `corrected_theil_h`.

What may enter a score: the two corrected measures and nothing else here. The raw dissimilarity and
H are inflated by small units and by sampling error, the more so the fewer the members of a group, so
that a raw score would rank counties by their size. Isolation, interaction and racial ICE depend on
how large a group is, and a racial share is never itself a risk: they describe.

Which counts: people in households (B11002A and B11002B, whose universe is the population in
households), not all residents. Decennial counts include prisoners, whose tract then looks segregated.

Sources: Massey & Denton 1988, Soc. Forces 67:281 (dissimilarity, isolation, interaction); Theil &
Finizza 1971, J. Math. Sociol. 1:187, and Reardon & Firebaugh 2002, Sociol. Methodol. 32:33 (H);
Massey 2001, in Booth & Crouter, Does It Take a Village?, and Krieger et al. 2016, Am. J. Public
Health 106:256 (ICE); Allen et al. 2015, Econom. J. 18:40 (bias of dissimilarity).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from zlib import crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine.margins import Z90

Array = NDArray[np.float64]

MIN_MEMBERS = 1000
"""Fewer members than this outside the largest group (of two groups: of the smaller) give no corrected measure."""
MIN_UNITS = 5
"""Fewer populated small units than this give no corrected measure."""
MAX_MISSING_SHARE = 0.1
"""A greater share of small units without a count or margin than this gives no corrected measure."""
N_DRAWS = 200
TOO_WIDE = "margins too wide to redraw the counts"


@dataclass(frozen=True)
class IceVariant:
    """Which ACS cells one variant of the index of concentration at the extremes adds up.

    Args:
        privileged, deprived: cells whose sum is the count at that extreme.
        total: cell of all who are counted.
        contrast: the two extremes in words.
    """

    privileged: tuple[str, ...]
    deprived: tuple[str, ...]
    total: str
    contrast: str


def _cells(table: str, first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{table}_{line:03d}" for line in range(first, last + 1))


ICE_VARIANTS = {
    "race": IceVariant(
        ("B03002_003",),
        ("B03002_004",),
        "B03002_001",
        "people: White alone, not Hispanic, against Black alone, not Hispanic",
    ),
    "income": IceVariant(
        _cells("B19001", 14, 17),
        _cells("B19001", 2, 5),
        "B19001_001",
        "households: income of $100,000 or more against less than $25,000",
    ),
    "race_by_income": IceVariant(
        _cells("B19001H", 14, 17),
        _cells("B19001B", 2, 5),
        "B19001_001",
        "households: householder White alone, not Hispanic, with $100,000 or more against householder Black alone "
        "(Hispanic or not: there is no other table) with less than $25,000; the total is all households",
    ),
}
"""The variants of Krieger et al. 2016 with the cells that they are made of. The limits of income are theirs: the
brackets of B19001 nearest to the nation's lowest and highest fifths around 2010. In later money take the brackets
nearest to the nation's B19080_001 and B19080_004 of the same vintage. `race` and `race_by_income` describe only."""


def _known(*columns: pl.Expr) -> list[pl.Expr]:
    """The columns with every unit in which one of them is null left out of all."""
    known = pl.all_horizontal([column.is_not_null() for column in columns])
    return [pl.when(known).then(column.cast(pl.Float64)) for column in columns]


def _where(condition: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(value)


def dissimilarity(group: pl.Expr, reference: pl.Expr) -> pl.Expr:
    """Dissimilarity D of a group and a reference group, one half of the sum of |b/B - w/W| over units.

    0 (both spread alike) to 1 (no unit holds both): the share of either group that would have to
    move. For `agg` over counts per unit; null where either group is absent; units with a null are
    left out. Inflated by small units: describes, and enters a score only as `corrected_dissimilarity`.
    """
    b, w = _known(group, reference)
    return _where((b.sum() > 0) & (w.sum() > 0), (b / b.sum() - w / w.sum()).abs().sum() / 2)


def dissimilarity_from_rest(group: pl.Expr, total: pl.Expr) -> pl.Expr:
    """Dissimilarity D of a group and everybody else (total - group), the form that PySAL computes.

    It differs from `dissimilarity` against one reference group wherever a third group lives. Otherwise alike.
    """
    return dissimilarity(group, total - group)


def isolation(group: pl.Expr, total: pl.Expr) -> pl.Expr:
    """Isolation xPx: the group's share in the unit of the average member of the group.

    From the group's share of the area (evenly spread) to 1. Describes only. For `agg`; null where the group is absent.
    """
    return interaction(group, group, total)


def interaction(group: pl.Expr, other: pl.Expr, total: pl.Expr) -> pl.Expr:
    """Interaction xPy: the other group's share in the unit of the average member of the group.

    0 to 1; with `other` = total - group it is 1 - xPx. Describes only. For `agg`; null where the
    group is absent.
    """
    x, y, t = _known(group, other, total)
    return _where(x.sum() > 0, _where(t > 0, x / x.sum() * y / t).sum())


def _entropy(shares: Sequence[pl.Expr]) -> pl.Expr:
    return -reduce(add, [pl.when(p > 0).then(p * p.log()).otherwise(0.0) for p in shares])


def theil_h(groups: Sequence[pl.Expr]) -> pl.Expr:
    """Theil's information theory index H of two or more groups that do not overlap.

    The share by which units are less diverse than their area, by entropy and weighted by people: 0
    (each unit mixed like the area) to 1 (each unit of one group). Two groups are a group and its
    reference, or a group and the rest: people outside the groups given do not count. For `agg`; null
    where fewer than two groups are present; units with a null are left out. Inflated by small units:
    describes, and enters a score only as `corrected_theil_h`.

    Raises:
        ValueError: fewer than two groups.
    """
    if len(groups) < 2:
        raise ValueError("H compares groups: give two or more")
    counts = _known(*groups)
    total: pl.Expr = reduce(add, counts)
    within = _where(total > 0, total * _entropy([n / total for n in counts])).sum()
    shares = [n.sum() / total.sum() for n in counts]
    present: pl.Expr = reduce(add, [(n.sum() > 0).cast(pl.Int32) for n in counts])
    return _where(present >= 2, 1 - within / (total.sum() * _entropy(shares)))


def ice(privileged: pl.Expr, deprived: pl.Expr, total: pl.Expr) -> pl.Expr:
    """Index of concentration at the extremes, (privileged - deprived) / total.

    1 where everybody is at the privileged extreme, -1 where everybody is at the deprived one: LOWER is
    greater need. A row is an area of any size. `ICE_VARIANTS` names the cells. The variants by race
    describe only. Null where the total is zero.
    """
    return _where(total > 0, (privileged - deprived) / total)


def _folded_location(x: Array) -> Array:
    """Most likely mean of a normal variable of variance 1 whose absolute value was x: 0 up to x = 1.

    Maximises phi(x - m) + phi(x + m) over m >= 0 (Allen et al. 2015, section 3), whose root is
    m = x tanh(x m). Newton's method from a start where the function is convex and beyond its minimum.
    """
    # Near 1 the root is close to sqrt(3 (x^2 - 1)) / x^2; from 1.5 on x itself is near enough.
    located = np.where(x > 1, np.where(x < 1.5, np.sqrt(3 * np.maximum(x * x - 1, 0)) / np.maximum(x, 1) ** 2, x), 0.0)
    some = (x > 1) & (x < 8)  # beyond 8 the root is x to machine precision
    at, m = x[some], located[some]
    for _ in range(8):
        tanh = np.tanh(at * m)
        m -= (m - at * tanh) / (1 - at**2 * (1 - tanh**2))
    located[some] = m
    return located


def _density_corrected(counts: Array, errors: Array) -> Array:
    """Density-corrected dissimilarity.

    Args:
        counts: (..., n units, 2), of the group and its reference, neither of them zero in total.
        errors: (n units, 2) standard errors of the counts.

    Returns:
        (...): half the sum of |b/B - w/W| after each difference was moved towards zero.
    """
    totals = counts.sum(axis=-2, keepdims=True)
    shares = counts / totals
    # Delta method for a share of a total that holds the unit's own error as well.
    own, all_units = errors**2 / totals**2, (errors**2).sum(axis=-2, keepdims=True) / totals**2
    variance = own * (1 - 2 * shares) + shares**2 * all_units
    sigma = np.sqrt(np.maximum(variance.sum(axis=-1), 0.0))
    apart = np.abs(shares[..., 0] - shares[..., 1])
    noisy = sigma > 0
    corrected = apart.copy()
    corrected[noisy] = sigma[noisy] * _folded_location(apart[noisy] / sigma[noisy])
    return corrected.sum(axis=-1) / 2


def _theil(counts: Array) -> Array:
    """H of counts (..., n units, groups), of which two groups or more are present in total."""

    def entropy(n: Array) -> Array:
        total = n.sum(axis=-1, keepdims=True)
        p = np.divide(n, total, out=np.zeros_like(n), where=total > 0)
        return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)

    units, area = counts.sum(axis=-1), counts.sum(axis=-2)
    return 1 - (units * entropy(counts)).sum(axis=-1) / (units.sum(axis=-1) * entropy(area))


@dataclass(frozen=True)
class _Area:
    """The small units of one area: counts and standard errors (n, groups) of those that are known and populated."""

    id: str
    counts: Array
    errors: Array
    n_missing: int

    @property
    def totals(self) -> Array:
        return self.counts.sum(axis=0)

    @property
    def compares(self) -> bool:
        return int((self.totals > 0).sum()) >= 2

    @property
    def reason(self) -> str | None:
        """Why there is no corrected measure, or None."""
        n_units = len(self.counts)
        if self.n_missing > MAX_MISSING_SHARE * (n_units + self.n_missing):
            return f"counts missing in more than {MAX_MISSING_SHARE:.0%} of small units"
        if n_units < MIN_UNITS:
            return f"fewer than {MIN_UNITS} small units"
        if self.totals.sum() - self.totals.max() < MIN_MEMBERS:
            return f"fewer than {MIN_MEMBERS:,} members outside the largest group"
        return None

    def redrawn(self, n_draws: int, seed: int, purpose: bytes) -> Array:
        """Counts drawn again with their standard errors, (n_draws, n, groups).

        A count x with standard error s is k times a Poisson variable of mean x/k, k = s^2/x: as if each
        sampled person stood for k. So a draw has mean x and variance s^2, is never negative, and a count of
        zero stays zero. An area's draws depend on the seed and its id, not on which other areas there are.
        """
        generator = np.random.Generator(
            np.random.PCG64(np.random.SeedSequence([seed, crc32(self.id.encode()), crc32(purpose)]))
        )
        x, variance = self.counts, self.errors**2
        noisy = (x > 0) & (variance > 0)
        draws = np.broadcast_to(x, (n_draws, *x.shape)).copy()
        each = variance[noisy] / x[noisy]
        draws[:, noisy] = each * generator.poisson(x[noisy] / each, size=(n_draws, int(noisy.sum())))
        # With very wide margins a draw may hold a single group, which compares nothing.
        return draws[(draws.sum(axis=1) > 0).sum(axis=1) >= 2]


def _areas(
    units: pl.DataFrame, area: str, unit: str, counts: Sequence[str], moes: Sequence[str] | None
) -> Iterator[_Area]:
    if moes is not None and len(moes) != len(counts):
        raise ValueError("give one column of margins for each column of counts, in the same order")
    if units.select(area, unit).is_duplicated().any():
        raise ValueError(f"a small unit occurs twice in an area: make ({area}, {unit}) unique, or it counts twice")
    columns = [*counts, *(moes or ())]
    frame = units.select(area, unit, *[pl.col(name).cast(pl.Float64).fill_nan(None) for name in columns])
    # One order of units, whatever the order of rows: draws depend on it.
    frame = frame.sort(area, unit)
    if any((frame[name] < 0).any() for name in columns):
        raise ValueError("a count or margin is negative: turn annotation codes into null before this")
    values = frame.select(columns).to_numpy().astype(np.float64)
    keys = frame[area].to_list()
    starts = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(keys)], strict=True):
        rows = values[start:end]
        known = np.isfinite(rows).all(axis=1)
        n = rows[known, : len(counts)]
        # Without margins the counts are complete, and what is random is who lives in which unit.
        errors = np.sqrt(n) if moes is None else rows[known, len(counts) :] / Z90
        populated = n.sum(axis=1) > 0
        yield _Area(str(keys[start]), n[populated], errors[populated], int((~known).sum()))


def corrected_dissimilarity(
    units: pl.DataFrame,
    *,
    area: str,
    unit: str,
    group: str,
    reference: str,
    group_moe: str | None = None,
    reference_moe: str | None = None,
    seed: int,
    n_draws: int = N_DRAWS,
) -> pl.DataFrame:
    """Dissimilarity of a group and a reference group, freed of what small units and sampling error add to it.

    MAY ENTER A SCORE. Each unit's difference |b/B - w/W| has a standard error s: it is replaced by the
    most likely true difference given its absolute value (the density correction of Allen et al. 2015,
    Econom. J. 18:40). Without margins s is binomial, as theirs; with margins it is the survey's. Units whose
    difference is less than s add nothing. The density correction was chosen over the bootstrap correction
    2 D - mean(D*): on tracts of real counties with margins of the real size both remove eight tenths of
    the bias or more (0.05 at 1,000 to 2,500 members), its mean square error is no greater, and it needs no
    draws. The standard error is the spread of the corrected value over redraws; 1.645 of them cover 0.85
    to 0.90 of truths.

    What remains: where the groups are in truth spread evenly, about half of the excess stays (0.11 of 0.22 at
    1,000 to 2,500 members), because no single unit shows its sign; `corrected_theil_h` is nearly unbiased there.

    Args:
        units: one row per small unit: `area`, `unit` (ids), counts and, for estimates, 90 % margins of error
            (0 where controlled). A unit with a null is left out and counted in `n_missing`.
        group, reference: columns of counts, interchangeable. For a group against the rest give the rest and its margin.
        group_moe, reference_moe: columns of margins, both or neither.
        seed, n_draws: of the redraws; they touch the standard error alone.

    Returns:
        One row per area, sorted: `area`, n_units, n_missing, members, reference_members, dissimilarity,
        dissimilarity_corrected, standard_error (0 to 1, shares), reason. The corrected value and its error
        are null, and `reason` says why, under MIN_MEMBERS members of either group, under MIN_UNITS units,
        and above MAX_MISSING_SHARE of units missing.

    Raises:
        ValueError: a unit twice in an area, a negative count or margin, or margins for one group only.
    """
    if (group_moe is None) != (reference_moe is None):
        raise ValueError("give margins for both groups or for neither")
    moes = None if group_moe is None or reference_moe is None else [group_moe, reference_moe]
    rows = []
    for one in _areas(units, area, unit, [group, reference], moes):
        shares = one.counts / one.totals if one.compares else None
        corrected, error, reason = None, None, one.reason
        if reason is None:
            draws = _density_corrected(one.redrawn(n_draws, seed, b"dissimilarity"), one.errors)
            if len(draws) < n_draws / 2:
                reason = TOO_WIDE
            else:
                corrected = float(_density_corrected(one.counts, one.errors))
                error = float(draws.std(ddof=1))
        rows.append(
            {
                area: one.id,
                "n_units": len(one.counts),
                "n_missing": one.n_missing,
                "members": one.totals[0],
                "reference_members": one.totals[1],
                "dissimilarity": None if shares is None else float(np.abs(shares[:, 0] - shares[:, 1]).sum() / 2),
                "dissimilarity_corrected": corrected,
                "standard_error": error,
                "reason": reason,
            }
        )
    numbers = ["members", "reference_members", "dissimilarity", "dissimilarity_corrected", "standard_error"]
    return _frame(rows, area, numbers)


def corrected_theil_h(
    units: pl.DataFrame,
    *,
    area: str,
    unit: str,
    groups: Sequence[str],
    moes: Sequence[str] | None = None,
    seed: int,
    n_draws: int = N_DRAWS,
) -> pl.DataFrame:
    """Theil's H of two or more groups, less what redrawing the counts with their errors adds to it.

    MAY ENTER A SCORE. H is close to quadratic in the units' shares, so noise adds to it in proportion to
    the noise's variance, and a second helping of noise adds as much as the first did: corrected = H -
    (mean H of redraws - H), not below 0 (the bootstrap correction of Allen et al. 2015, Econom. J. 18:40,
    applied to H; with survey margins, simulation-extrapolation of Cook & Stefanski 1994, J. Am. Stat.
    Assoc. 89:1314, with a straight line). On tracts of real counties with margins of the real size, at 1,000 to 2,500
    members the bias falls from 0.03 to 0.005. The standard error is the spread of H over the redraws; 1.645
    of them cover 0.84 to 0.90 of truths (more where segregation is slight).

    Args:
        units, area, unit, seed, n_draws: as in `corrected_dissimilarity`.
        groups: columns of counts of groups that do not overlap.
        moes: their 90 % margins of error in the same order; None for complete counts.

    Returns:
        One row per area, sorted: `area`, n_units, n_missing, members (in all groups), theil_h,
        theil_h_corrected, standard_error, reason; null under the same limits as the dissimilarity's.

    Raises:
        ValueError: fewer than two groups, a unit twice in an area, or a negative count or margin.
    """
    if len(groups) < 2:
        raise ValueError("H compares groups: give two or more")
    rows = []
    for one in _areas(units, area, unit, groups, moes):
        raw = float(_theil(one.counts)) if one.compares else None
        corrected, error, reason = None, None, one.reason
        if reason is None and raw is not None:
            draws = _theil(one.redrawn(n_draws, seed, b"theil"))
            if len(draws) < n_draws / 2:
                reason = TOO_WIDE
            else:
                corrected = max(0.0, 2 * raw - float(draws.mean()))
                error = float(draws.std(ddof=1))
        rows.append(
            {
                area: one.id,
                "n_units": len(one.counts),
                "n_missing": one.n_missing,
                "members": one.totals.sum(),
                "theil_h": raw,
                "theil_h_corrected": corrected,
                "standard_error": error,
                "reason": reason,
            }
        )
    return _frame(rows, area, ["members", "theil_h", "theil_h_corrected", "standard_error"])


def _frame(rows: list[dict], area: str, numbers: Sequence[str]) -> pl.DataFrame:
    schema = {area: pl.String, "n_units": pl.Int64, "n_missing": pl.Int64}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(numbers, pl.Float64) | {"reason": pl.String}, orient="row")
