"""Counts of people in words that claim no more than is known: rounded alike, with their interval."""

import math


def unit_of(count: float) -> int:
    """What a count is rounded to: its second digit, and never finer than ten people."""
    return 10 if count < 100 else 10 ** (math.floor(math.log10(count)) - 1)


def rounded(count: float) -> str:
    """A count to two digits or tens: 41,234 is 41,000, 847 is 850, and 3 is `fewer than 10`.

    Raises:
        ValueError: the count is negative or no number.
    """
    if not count >= 0:
        raise ValueError(f"a count of people cannot be {count}: it is zero or more")
    unit = unit_of(count)
    # Half up, where Python's own rounding would take 25 to 20 and 35 to 40.
    value = math.floor(count / unit + 0.5) * unit
    return f"{value:,}" if value else "fewer than 10"


def about(count: float, lower: float | None, upper: float | None) -> str:
    """`about 9,700 (8,900 to 10,600)`: the bounds in the count's own unit, rounded outwards, so that they hold."""
    words = f"about {rounded(count)}" if rounded(count)[0].isdigit() else rounded(count)
    if lower is None or upper is None:
        return f"{words} (no interval is known)"
    unit = unit_of(count)
    return f"{words} ({math.floor(lower / unit) * unit:,} to {math.ceil(upper / unit) * unit:,})"


def listed(parts: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""


def chance(probability: float) -> str:
    """A chance in per cent; what is all but sure is not called sure."""
    if probability >= 0.995:
        return "over 99%"
    return "under 1%" if probability < 0.01 else f"{probability:.0%}"
