"""What a publisher's cell says: an exact number, an interval, suppressed, not applicable or missing.

Suppressed is never zero and missing is never zero: each stays apart in the row.
"""

import math
import re
from typing import NamedTuple

_MISSING = frozenset({"", ".", "NA", "N/A", "N.A.", "N.R.", "NR", "MISSING", "\u2013", "-"})
_SUPPRESSED = frozenset({"S", "PS", "*", "DQ", "DQ*", "\u2021"})
_NOT_APPLICABLE = frozenset({"\u2020", "X"})
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_BAND = re.compile(rf"{_NUMBER}\s*[-\u2013]\s*{_NUMBER}")
_DATE = re.compile(rf"(\d{{1,2}})-({'|'.join(_MONTHS)})")
_AT_LEAST = re.compile(rf"(?:>=?|GE|GT)\s*{_NUMBER}")
_AT_MOST = re.compile(rf"(?:<=?|LE|LT)\s*{_NUMBER}")


class Value(NamedTuple):
    """A cell as published.

    Args:
        value: the number, only where `kind` is `exact`.
        lower: the smallest number that the cell allows; the number itself where it is exact.
        upper: the largest; None where nothing bounds it.
        kind: one of `quality.columns.VALUE_KINDS`.
    """

    value: float | None
    lower: float | None
    upper: float | None
    kind: str


def exact(number: float) -> Value:
    """A number that the publisher states."""
    return Value(number, number, number, "exact")


def nothing(kind: str) -> Value:
    """A cell without a number: suppressed, not_applicable or missing."""
    return Value(None, None, None, kind)


def interval(lower: float, upper: float | None) -> Value:
    """Bounds that the publisher states in place of a number."""
    return Value(None, lower, upper, "interval")


def _code(stripped: str) -> Value | None:
    if stripped in _MISSING:
        return nothing("missing")
    if stripped in _SUPPRESSED:
        return nothing("suppressed")
    return nothing("not_applicable") if stripped in _NOT_APPLICABLE else None


def _bounds(stripped: str, most: float | None) -> Value | None:
    """An interval such as `90-94`, `>=95`, `GE95`, `LT50`, `<.5`, or `14-Oct`, which a spreadsheet made of 10-14."""
    if match := _DATE.fullmatch(stripped):
        low, high = float(_MONTHS.index(match[2]) + 1), float(match[1])
    elif match := _BAND.fullmatch(stripped):
        low, high = float(match[1]), float(match[2])
    elif match := _AT_LEAST.fullmatch(stripped):
        return interval(float(match[1]), most)
    elif match := _AT_MOST.fullmatch(stripped):
        low, high = 0.0, float(match[1])
    else:
        return None
    if low > high or (most is not None and high > most):
        raise ValueError(f"{stripped!r} is no interval: its bounds are out of order or out of range")
    return interval(low, high)


def parse_number(text: str | None, *, intervals: bool = False) -> Value:
    """Read one cell that holds a count or an amount, with commas or without.

    Args:
        intervals: whether the publisher gives intervals here; tables that have no room for bounds refuse them.

    Raises:
        ValueError: the text is neither a number nor a code that publishers are known to use, nor an allowed interval.
    """
    stripped = (text or "").strip()
    known = _code(stripped) or (_bounds(stripped, None) if intervals else None)
    if known is not None:
        return known
    try:
        number = float(stripped.replace(",", ""))
    except ValueError:
        raise ValueError(f"{stripped!r} is neither a number nor a known code") from None
    if not math.isfinite(number):
        raise ValueError(f"{stripped!r} is not a finite number")
    return exact(number)


def parse_percent(text: str | None) -> Value:
    """Read one cell that holds a percentage, with its sign or without, as a share of 0 to 1.

    Bounds are those that the publisher prints: `90-94%` is 0.90 to 0.94, `>=95%` and `GE95` 0.95 to 1,
    `LT50` 0 to 0.50, `<.5%` 0 to 0.005.

    Raises:
        ValueError: the text is no percentage of 0 to 100, no interval of them and no known code.
    """
    stripped = (text or "").strip()
    bare = stripped.replace("%", "").strip()
    if (known := _code(stripped)) is not None:
        return known
    bounds = _bounds(bare, 100.0)
    if bounds is None:
        number = parse_number(bare).value
        if number is None or not 0 <= number <= 100:
            raise ValueError(f"{stripped!r} is no percentage of 0 to 100")
        return exact(round(number / 100, 8))
    lower, upper = ((None if end is None else round(end / 100, 8)) for end in (bounds.lower, bounds.upper))
    return Value(None, lower, upper, "interval")


_NCES = {-1.0: "missing", -2.0: "not_applicable", -3.0: "suppressed"}


def parse_nces(number: float | None) -> Value:
    """Read a figure of the Education Data Portal: -1 missing, -2 not applicable, -3 suppressed, -9 rounds to zero.

    Raises:
        ValueError: any other negative number.
    """
    if number is None:
        return nothing("missing")
    if number in _NCES:
        return nothing(_NCES[number])
    if number == -9:
        return interval(0.0, 0.5)
    if number < 0 or not math.isfinite(number):
        raise ValueError(f"{number:g} is neither a figure nor a known code")
    return exact(float(number))


# American Community Survey annotation codes: the API sends them in place of numbers.
# https://www.census.gov/data/developers/data-sets/acs-1yr/notes-on-acs-estimate-and-annotation-values.html
ACS_ANNOTATIONS = {
    -999999999.0: "too few sample cases to publish",
    -888888888.0: "not applicable",
    -666666666.0: "no estimate: too few sample observations or the median lies in an open-ended interval",
    -555555555.0: "controlled estimate: no sampling error",
    -333333333.0: "no margin: the median lies in an open-ended interval",
    -222222222.0: "no margin: too few sample observations",
}
CONTROLLED = -555555555.0
