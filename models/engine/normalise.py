"""Children on a common scale, pointing to greater need.

Every row of a block (b, n) is one set of values of n areas, and is normalised against itself or
against a frozen reference. NaN is no value: it stays NaN and is not counted.

What says nothing gets the middle of the scale: if all values are equal, `min_max` gives the middle
of its scale, `z` 0 and `percentile` 50. `percentile_min` and `svi` give 0 then, as CDC does, and no
value where only one area has one. `rank` and `imd` follow their formulas: all tie for the greatest.

Sources: OECD 2008, Handbook on Constructing Composite Indicators, step 5 (`min_max`, `z`, `rank`);
Flanagan et al. 2011, J. Homel. Secur. Emerg. Manag. 8:3 (`percentile_min`, `svi`); Hazen 1914,
Trans. ASCE 77:1539 (`percentile`); Smith et al. 2015, The English Indices of Deprivation 2015,
Technical report (`imd`).
"""

from typing import Any

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

from models.engine.kernels import METHODS, percentile_rows, rank_rows
from models.engine.kernels import Method as Ties

Draws = NDArray[Any]
Vector = NDArray[np.float64]

IMD_SPREAD = 23.0

_SIGN, _MAGNITUDE = np.uint64(1 << 63), np.uint64((1 << 63) - 1)
_INFINITY, _DIGIT = np.uint64(0x7FF0000000000000), np.uint64(2047)


def half_up(values: Draws) -> Vector:
    """Round to four decimals, halves up, as CDC's files do.

    The 1e-9 lifts halves that binary arithmetic left a hair too low; shares of fewer than 10 million
    areas never come that near to a half without being one.
    """
    return np.floor(np.asarray(values, dtype=np.float64) * 1e4 + (0.5 + 1e-9)) / 1e4


@njit(cache=True, nogil=True)
def _ordered(bits, keys, places, other_keys, other_places, counts):  # type: ignore[no-untyped-def] # numba infers
    """Keys that order as the floats do, in order, with the places they came from; NaN is left out.

    A radix sort by six digits of 11 bits, least significant first. Returns how many values there are, and
    whether the order is in the second pair of arrays.
    """
    counts[:] = 0
    n = 0
    for place in range(bits.size):
        word = bits[place]
        if (word & _MAGNITUDE) > _INFINITY:
            continue
        word = uint64(0) if word == _SIGN else word  # -0.0 equals 0.0
        key = ~word if word & _SIGN else word | _SIGN
        keys[n], places[n] = key, place
        n += 1
        for turn in range(6):
            counts[turn, (key >> uint64(11 * turn)) & _DIGIT] += 1
    is_other = False
    for turn in range(6):
        shift = uint64(11 * turn)
        starts = counts[turn]
        if n == 0 or starts[(keys[0] >> shift) & _DIGIT] == n:
            continue  # all values share this digit
        total = 0
        for digit in range(2048):
            here = starts[digit]
            starts[digit] = total
            total += here
        for i in range(n):
            digit = (keys[i] >> shift) & _DIGIT
            to = starts[digit]
            starts[digit] = to + 1
            other_keys[to], other_places[to] = keys[i], places[i]
        keys, other_keys, places, other_places = other_keys, keys, other_places, places
        is_other = not is_other
    return n, is_other


@njit(cache=True, nogil=True)
def _rank_exactly(values, ties, out, counted):  # type: ignore[no-untyped-def] # numba infers
    n = values.shape[1]
    keys, places = np.empty((2, n), np.uint64), np.empty((2, n), np.uint32)
    counts = np.empty((6, 2048), np.int64)
    for row in range(values.shape[0]):
        bits = values[row].view(np.uint64)
        size, is_other = _ordered(bits, keys[0], places[0], keys[1], places[1], counts)
        key, place = keys[int(is_other)], places[int(is_other)]
        counted[row] = size
        out[row] = np.nan
        first = 0
        while first < size:
            last = first
            while last + 1 < size and key[last + 1] == key[first]:
                last += 1
            rank = first + 1.0 if ties == 0 else last + 1.0 if ties == 2 else (first + last) / 2 + 1.0
            for i in range(first, last + 1):
                out[row, place[i]] = rank
            first = last + 1


def _ranks(values: Draws, ties: Ties) -> tuple[Draws, NDArray[np.int64]]:
    """Ascending ranks (b, n) within each row, NaN where there is no value, and how many have one (b, 1).

    Float32 rows (draws) get float32 ranks. Float64 rows (points) are ranked as they are: no two different
    values may tie for want of digits.
    """
    found = np.empty(values.shape, dtype=values.dtype)
    if values.dtype == np.float32:
        return found, rank_rows(values, found, method=ties)[:, None]
    counted = np.zeros(values.shape[0], dtype=np.int64)
    _rank_exactly(np.ascontiguousarray(values), METHODS[ties], found, counted)
    return found, counted[:, None]


def _share_below(values: Draws) -> Vector:
    """(min rank - 1) / (n - 1): the share of the other areas below; NaN for a single area."""
    ranks, count = _ranks(values, "min")
    found = ranks.astype(np.float64, copy=False)
    found -= 1.0
    found /= np.where(count > 1, count - 1.0, np.nan)
    return found


def _percentile(values: Draws, method: str, direction: int) -> Draws:
    """100 (mean rank - 0.5) / n, or 100 times the share below; turned where direction is -1."""
    found: Draws
    if values.dtype == np.float32:
        found = np.empty(values.shape, dtype=np.float32)
        kind: Ties = "mean" if method == "percentile" else "min"
        percentile_rows(values, found, kind=kind, scale=100.0, reverse=direction < 0)
        return found
    if method == "percentile":
        found, count = _ranks(values, "mean")
        found -= 0.5
        found *= 100.0
        found /= np.maximum(count, 1)
    else:
        found = _share_below(values)
        found *= 100.0
    return found if direction > 0 else np.subtract(100.0, found, out=found)


def _borda(values: Draws, direction: int) -> tuple[Draws, NDArray[np.int64]]:
    """How many areas have no more need than this one, itself included: n + 1 - descending min rank; and n (b, 1)."""
    return _ranks(values if direction > 0 else -values, "max")


def imd_transform(share: Draws) -> Draws:
    """-23 ln(1 - R (1 - exp(-100/23))): 0 to 100, the tenth of greatest need above 50.

    Args:
        share: R = (N - rank + 1) / N with rank 1 the greatest need, in 0 to 1.
    """
    return np.minimum(-IMD_SPREAD * np.log1p(-np.asarray(share) * (1.0 - np.exp(-100.0 / IMD_SPREAD))), 100.0)


def _imd(values: Draws, direction: int) -> Draws:
    ranks, count = _borda(values, direction)
    return imd_transform(ranks / np.maximum(count, 1))


def _stretched(values: Draws, low: Draws, width: Draws, is_flat: NDArray[np.bool_], middle: float) -> Draws:
    """(values - low) / width; the middle where all values are equal and there is no width."""
    found = (values - low) / np.where(is_flat, 1.0, width).astype(width.dtype)
    if is_flat.any():
        found = np.where(is_flat & ~np.isnan(values), middle, found)
    return found


def _linear(values: Draws, low: Draws, high: Draws, scale: tuple[float, float]) -> Draws:
    """From [low, high] onto the scale."""
    lower, upper = scale
    found = _stretched(values, low, high - low, ~(high > low), 0.5)
    found *= upper - lower
    found += lower
    return found


def _standardised(values: Draws, low: Draws, high: Draws, mean: Draws, sd: Draws) -> Draws:
    return _stretched(values, mean, sd, ~((high > low) & (sd > 0)), 0.0)


def _moments(values: Draws) -> tuple[Vector, Vector, Vector, Vector]:
    """Of each row, as (b, 1): minimum, maximum, mean and sample standard deviation (divisor n - 1)."""
    low = np.fmin.reduce(values, axis=1, keepdims=True)
    high = np.fmax.reduce(values, axis=1, keepdims=True)
    count = values.shape[1] - np.isnan(values).sum(axis=1, keepdims=True)
    mean = np.nansum(values, axis=1, keepdims=True, dtype=np.float64) / np.maximum(count, 1)
    square = np.nansum((values - mean) ** 2, axis=1, keepdims=True)
    return low, high, mean, np.sqrt(square / np.maximum(count - 1, 1))


def _against(values: Draws, reference: Vector, method: str, scale: tuple[float, float]) -> Draws:
    """Against a frozen reference (m,)."""
    known = np.sort(reference[~np.isnan(reference)])
    if known.size == 0:
        return np.full(values.shape, np.nan)
    if method in ("min_max", "z"):
        low, high, mean, sd = _moments(known[None])
        return _linear(values, low, high, scale) if method == "min_max" else _standardised(values, low, high, mean, sd)
    flat = values.ravel()
    known = known.astype(values.dtype)
    below = np.searchsorted(known, flat, side="left").astype(np.float64)
    if method == "percentile":
        share = (below + np.searchsorted(known, flat, side="right")) / (2.0 * known.size)
    else:
        share = np.minimum(below / (known.size - 1), 1.0) if known.size > 1 else np.full(flat.shape, np.nan)
    share[np.isnan(flat)] = np.nan
    return 100.0 * share.reshape(values.shape)


def normalise(
    values: Draws,
    method: str,
    *,
    direction: int = 1,
    scale: tuple[float, float] = (0.0, 100.0),
    reference: Vector | None = None,
) -> Draws:
    """Bring every row onto the method's scale, higher = greater need.

    Direction -1 turns the normalised value (100 - x, 1 - x, lower + upper - x, -z), not the value
    before ranking, because ties fall differently; `rank` and `imd` rank the other way round.

    Args:
        values: (b, n), NaN where there is none.
        method: one of NORMALISATIONS.
        direction: +1 where more is greater need, -1 where less is.
        scale: lower and upper end of `min_max`.
        reference: frozen distribution (m,), for percentile, percentile_min, min_max and z; without it
            each row is normalised against itself. Values outside the reference lie outside the scale
            of `min_max`.

    Returns:
        (b, n) of the values' precision; `svi` always float64, because its rounding is exact there.

    Raises:
        ValueError: no such method, `none` is to be turned, or the method has no frozen form.
    """
    if reference is not None and method not in ("percentile", "percentile_min", "min_max", "z"):
        raise ValueError(f"{method} has no meaning against a frozen reference: take `percentile`")
    if method == "none":
        if direction < 0:
            raise ValueError("`none` cannot turn values whose direction is -1: normalise them")
        return values
    if method == "rank":
        return _borda(values, direction)[0]
    if method == "imd":
        return _imd(values, direction).astype(values.dtype, copy=False)
    if method == "svi":
        share = _share_below(values)
        # The share is turned before it is rounded: a half goes up in either direction.
        return half_up(share if direction > 0 else 1.0 - share)
    if reference is not None:
        found = _against(values, reference, method, scale)
    elif method in ("percentile", "percentile_min"):
        return _percentile(values, method, direction)
    elif method == "min_max":
        low, high, _, _ = _moments(values)
        found = _linear(values, low, high, scale)
    elif method == "z":
        found = _standardised(values, *_moments(values))
    else:
        raise ValueError(f"{method!r} is no normalisation")
    if direction < 0:
        found = {"z": 0.0, "min_max": scale[0] + scale[1]}.get(method, 100.0) - found
    return found.astype(values.dtype, copy=False)
