"""Figures in words that claim no more than is known."""

import math
from collections.abc import Sequence

NOT_KNOWN = "not known"
LISTED = ("beds", "number")
"""Units of what was counted off a list, which has no interval."""
PEOPLE = ("person", "people", "young people", "student", "children")


def _unit(count: float) -> int:
    return 10 if count < 100 else 10 ** (math.floor(math.log10(count)) - 1)


def rounded(count: float) -> str:
    """A count of people to two digits or tens."""
    unit = _unit(count)
    value = math.floor(count / unit + 0.5) * unit
    return f"{value:,}" if value else "fewer than 10"


def about(count: float, lower: float | None, upper: float | None) -> str:
    """`9,700 (8,900 to 10,600)`: bounds in the count's own unit, rounded outwards, so that they still hold."""
    if lower is None or upper is None:
        return f"{rounded(count)} (no interval is known)"
    unit = _unit(count)
    return f"{rounded(count)} ({math.floor(lower / unit) * unit:,} to {math.ceil(upper / unit) * unit:,})"


def number(value: float, unit: str | None = None) -> str:
    """A figure as its unit is read: shares in per cent, dollars in whole ones, counts rounded as counts are."""
    unit = unit or ""
    if unit.startswith("share"):
        return f"{value:.1%}"
    if "dollar" in unit:
        return f"${value:,.0f}"
    if unit.startswith(PEOPLE):
        return rounded(value)
    if unit in LISTED:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def between(value: float | None, lower: float | None, upper: float | None, unit: str | None = None) -> str:
    """`24.1% (21.0% to 27.2%)`; a value without bounds says so."""
    if value is None:
        return NOT_KNOWN
    if (unit or "").startswith(PEOPLE):
        return about(value, lower, upper)
    if unit in LISTED:
        return number(value, unit)
    if lower is None or upper is None:
        return f"{number(value, unit)} (no interval is known)"
    return f"{number(value, unit)} ({number(lower, unit)} to {number(upper, unit)})"


def chance(probability: float | None) -> str:
    """A chance in per cent; what is all but sure is not called sure."""
    if probability is None:
        return NOT_KNOWN
    if probability >= 0.995:
        return "over 99%"
    return "under 1%" if probability < 0.01 else f"{probability:.0%}"


def listed(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""
