"""Divide a budget: an area gets nothing or at least the smallest award, nobody more than the cap.

Every young person in need counts the same. Of all divisions that meet the terms, that one is taken in which
the dollars per young person vary least, each young person counted once, those of areas without an award
too. With need w, awards x and the budget B = sum of x that is

    minimise  sum of w_i (x_i / w_i - B / W)^2  =  sum of x_i^2 / w_i - B^2 / W,    W = sum of w,

the chi-squared distance between the awards and the shares in proportion to need. It is solved exactly:

- For a given set of funded areas it is convex, and its optimum is in proportion to need, held between floor
  and cap: x_i = min(max(t w_i, floor_i), cap) with the one t that spends the budget (Kuhn-Tucker).
- Which areas are funded: if i has more need than j, j gets x and i nothing, then giving x to i instead changes
  the sum by x^2 (1/w_i - 1/w_j) < 0. So besides areas that are held harmless the funded ones are
  the first k in order of need, and every k that the terms allow is tried.

An area's own award never falls when its need rises: of two optima x for w and x' for w', each is no worse than
the other under its own need, and adding the two inequalities leaves (x_i^2 - x_i'^2)(1/w_i - 1/w_i') <= 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]
Cents = NDArray[np.int64]

_SLACK = 1e-6
"""Cents; how far binary arithmetic may miss a whole cent."""
_PARTS = 999_983
_TIE = 1e-12


class AwardError(ValueError):
    """Terms that contradict each other or that the areas cannot meet; says which and what to change."""


@dataclass(frozen=True)
class Terms:
    """What a division has to meet, in whole cents.

    Args:
        budget: spent to the cent.
        minimum: an area gets nothing or at least this.
        cap: no area gets more.
    """

    budget: int
    minimum: int
    cap: int


def dollars(cents: float) -> str:
    """An amount for people: `$50,000`, with cents where there are any."""
    whole = round(cents)
    return f"${whole // 100:,}" if whole % 100 == 0 else f"${whole / 100:,.2f}"


def cents(name: str, amount: float | str | Decimal) -> int:
    """An amount of dollars in whole cents.

    Raises:
        AwardError: it is no number, negative, or has more than two decimals.
    """
    try:
        exact = Decimal(str(amount))
    except InvalidOperation:
        raise AwardError(f"{name} must be an amount of dollars such as 50000 or 50000.00, not {amount!r}") from None
    if not exact.is_finite() or exact < 0:
        raise AwardError(f"{name} must be a finite amount of zero or more dollars, not {amount}")
    if exact * 100 != int(exact * 100):
        raise AwardError(f"{name} must be in whole cents, and is {amount}")
    return int(exact * 100)


def terms(budget: float | str, minimum: float | str = 0, cap: float | str = 1) -> Terms:
    """The terms of a division from dollars and the cap as a share of the budget.

    Args:
        budget: dollars.
        minimum: smallest award in dollars; 0 for none.
        cap: greatest award as a share of the budget, 0.2 for a fifth; 1 for none.

    Raises:
        AwardError: an amount is none, the cap is no share, or the terms contradict each other.
    """
    total, least = cents("the budget", budget), cents("the minimum", minimum)
    if total == 0:
        raise AwardError("the budget must be more than nothing")
    try:
        share = Decimal(str(cap))
    except InvalidOperation:
        raise AwardError(f"the cap must be a share of the budget such as 0.2, not {cap!r}") from None
    if not (share.is_finite() and 0 < share <= 1):
        hint = f": for {cap} % give {share / 100:f}" if share.is_finite() and 1 < share <= 100 else ""
        raise AwardError(f"the cap is a share of the budget above 0 and up to 1, not {cap}{hint}")
    most = int((share * total).to_integral_value(rounding=ROUND_FLOOR))
    if least > total:
        raise AwardError(f"the minimum of {dollars(least)} is more than the budget of {dollars(total)}")
    if least > most:
        raise AwardError(
            f"the minimum of {dollars(least)} is more than the cap of {dollars(most)} ({cap} of the budget): "
            "no award fits between them"
        )
    return Terms(total, least, most)


class _Split(NamedTuple):
    """Areas that are held harmless, all others, and the least that the held ones get (cents)."""

    held: NDArray[np.intp]
    free: NDArray[np.intp]
    least: Vector


def _split(floors: Cents, given: Terms) -> _Split:
    held = np.flatnonzero(floors > 0)
    over = floors[held] > given.cap
    if over.any():
        worst = int(floors[held][over].max())
        raise AwardError(f"a hold-harmless amount of {dollars(worst)} is more than the cap of {dollars(given.cap)}")
    if (total := int(floors.sum())) > given.budget:
        raise AwardError(f"the hold-harmless amounts sum to {dollars(total)}, the budget is {dollars(given.budget)}")
    least = np.maximum(floors[held], given.minimum)
    if (total := int(least.sum())) > given.budget:
        raise AwardError(
            f"the {held.size} areas that are held harmless need {dollars(total)}, since each gets at least the "
            f"minimum of {dollars(given.minimum)}; the budget is {dollars(given.budget)}"
        )
    return _Split(held, np.flatnonzero(floors == 0), least.astype(float))


def _counts(split: _Split, given: Terms) -> range:
    """How many areas beside the held ones may be funded, of areas that all have need.

    Raises:
        AwardError: no number of areas meets the terms.
    """
    n_free, n_areas = split.free.size, split.held.size + split.free.size
    spare, room = given.budget - int(split.least.sum()), given.cap * split.held.size
    if given.cap * n_areas < given.budget:
        raise AwardError(
            f"{n_areas} areas with need under a cap of {dollars(given.cap)} can take {dollars(given.cap * n_areas)}, "
            f"less than the {dollars(given.budget)} there is to divide: raise the cap"
        )
    fewest = max(0, -(-(given.budget - room) // given.cap))
    most = n_free if given.minimum == 0 else min(n_free, spare // given.minimum)
    if fewest > most:
        raise AwardError(
            f"the terms leave no number of areas: under a cap of {dollars(given.cap)} it takes {fewest} to spend "
            f"{dollars(given.budget)}, and a minimum of {dollars(given.minimum)} allows {most}"
        )
    # Without a smallest award whoever has need gets some: leaving an area out could only do worse.
    return range(most, most + 1) if given.minimum == 0 else range(fewest, most + 1)


def _fill(weights: Vector, least: Vector, cap: float, budget: float) -> Vector:
    """The awards min(max(t w, least), cap) that sum to the budget, row by row.

    Args:
        weights: (draws, k), positive.
        least: (draws, k) cents.
    """
    starts = np.sort(np.concatenate([least / weights, cap / weights], axis=1), axis=1)
    row = np.arange(len(weights))
    low, high = np.zeros(len(weights), dtype=np.intp), np.full(len(weights), starts.shape[1] - 1, dtype=np.intp)
    while (high - low > 1).any():  # what is spent rises with t, in straight lines between these starts
        middle = (low + high) // 2
        spent = np.clip(starts[row, middle][:, None] * weights, least, cap).sum(axis=1)
        low, high = np.where(spent <= budget, middle, low), np.where(spent <= budget, high, middle)
    between = (starts[row, low] + starts[row, high]) / 2
    inside = between[:, None] * weights
    is_least, is_most = inside <= least, inside >= cap
    moving = np.where(is_least | is_most, 0.0, weights).sum(axis=1)
    fixed = np.where(is_least, least, np.where(is_most, cap, 0.0)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(moving > 0, (budget - fixed) / moving, between)
    return np.clip(rate[:, None] * weights, least, cap)


def _tried(
    ordered: Vector, held: Vector, split: _Split, given: Terms, counts: range
) -> Iterator[tuple[Vector, Vector]]:
    """For each number of funded areas: the awards of held and first areas, and the value of the objective."""
    for k in counts:
        if held.shape[1] + k == 0:
            continue
        weights = np.concatenate([held, ordered[:, :k]], axis=1)
        least = np.concatenate([split.least, np.full(k, float(given.minimum))])
        awards = _fill(weights, np.broadcast_to(least, weights.shape), float(given.cap), float(given.budget))
        yield awards, (awards**2 / weights).sum(axis=1)


def divide_draws(weights: ArrayLike, given: Terms, floors: ArrayLike | None = None) -> Vector:
    """The best division for each draw of need, before it is rounded to the cent.

    Args:
        weights: (draws, n) need of each area, zero or more; only proportions matter. Of equal needs the
            first comes first.
        given: the terms.
        floors: (n,) cents that areas held harmless get at least; 0 for all others.

    Returns:
        (draws, n) cents; an area without need gets what it is held harmless to, and nothing else.

    Raises:
        AwardError: the terms cannot be met.
        ValueError: shapes do not fit, or a need is negative or none.
    """
    needs = np.array(weights, dtype=np.float64)
    if needs.ndim != 2:
        raise ValueError(f"needs must have the shape (draws, areas), not {needs.shape}")
    if not (np.isfinite(needs).all() and (needs >= 0).all()):
        raise ValueError("needs must be finite and zero or more: leave areas out whose need is not known")
    harmless = np.zeros(needs.shape[1], dtype=np.int64) if floors is None else np.array(floors, dtype=np.int64)
    split = _split(harmless, given)
    out = np.zeros_like(needs)
    # Draws in which the same areas have no need at all share their terms.
    for kept in np.unique(needs > 0, axis=0):
        rows = np.flatnonzero(((needs > 0) == kept).all(axis=1))
        out[rows] = _divide_alike(needs[rows], kept, given, harmless, split)
    return out


def _divide_alike(needs: Vector, kept: NDArray[np.bool_], given: Terms, floors: Cents, split: _Split) -> Vector:
    """`divide_draws` of draws in which the same areas (`kept`) have need."""
    out = np.zeros_like(needs)
    is_stuck = ~kept[split.held]
    out[:, split.held[is_stuck]] = split.least[is_stuck]
    left = Terms(given.budget - int(split.least[is_stuck].sum()), given.minimum, given.cap)
    if left.budget == 0 and kept[split.held].sum() == 0:
        return out
    moving = _Split(split.held[~is_stuck], split.free[kept[split.free]], split.least[~is_stuck])
    counts = _counts(moving, left)
    order = moving.free[np.argsort(-needs[:, moving.free], axis=1, kind="stable")]
    ordered = np.take_along_axis(needs, order, axis=1)
    scale = needs.sum(axis=1, keepdims=True)
    best = np.full(len(needs), np.inf)
    for awards, value in _tried(ordered / scale, needs[:, moving.held] / scale, moving, left, counts):
        better = value <= best * (1 + _TIE)  # of two that are as good, the one with more areas
        best = np.where(better, value, best)
        k = awards.shape[1] - moving.held.size
        rows = np.flatnonzero(better)
        out[np.ix_(rows, moving.free)] = 0.0
        out[np.ix_(rows, moving.held)] = awards[rows, : moving.held.size]
        out[rows[:, None], order[rows, :k]] = awards[rows, moving.held.size :]
    return out


def to_cents(awards: Vector, budget: int) -> Cents:
    """Round awards to whole cents by the largest remainder, so that they sum to the budget.

    Args:
        awards: (n,) cents that sum to the budget. Of equal remainders the larger award comes first, of equal
            awards the first.

    Raises:
        ValueError: they do not sum to the budget.
    """
    if abs(awards.sum() - budget) > 0.5:
        raise ValueError(f"awards sum to {awards.sum():.2f} cents, the budget is {budget}")
    whole = np.floor(awards + _SLACK).astype(np.int64)
    # Rounded, so that remainders which are equal but for binary arithmetic are: to parts of a prime, since
    # quotients of round numbers would often lie just between two decimals.
    remainder = np.round(np.maximum(awards - whole, 0.0) * _PARTS)
    lacking = budget - int(whole.sum())
    # Bounds are whole cents, so one cent more than the whole part never passes the cap.
    first = np.lexsort((-awards, -remainder))[:lacking]
    whole[first] += 1
    return whole


def divide(weights: ArrayLike, given: Terms, floors: ArrayLike | None = None) -> Cents:
    """The best division for one set of needs, in whole cents.

    Args:
        weights: (n,) need of each area; see `divide_draws`.
        given: the terms.
        floors: (n,) cents that areas held harmless get at least.

    Returns:
        (n,) cents that sum to the budget.

    Raises:
        AwardError: the terms cannot be met.
        ValueError: shapes do not fit, or a need is negative or none.
    """
    return to_cents(divide_draws(np.atleast_2d(np.asarray(weights, dtype=np.float64)), given, floors)[0], given.budget)
