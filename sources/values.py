"""What a publisher's cell says: an exact number, missing, suppressed or not applicable.

Suppressed is never zero and missing is never zero: each stays apart in the row.
"""

import math
from typing import NamedTuple

_MISSING = frozenset({"", ".", "NA", "N/A", "MISSING"})
_SUPPRESSED = frozenset({"S", "PS", "*", "DQ", "DQ*"})


class Value(NamedTuple):
    """A cell as published: `value` is set only where `kind` is `exact`."""

    value: float | None
    kind: str


def parse_number(text: str | None) -> Value:
    """Read one cell.

    Raises:
        ValueError: the text is neither a number nor a code that publishers are known to use.
    """
    stripped = (text or "").strip()
    if stripped in _MISSING:
        return Value(None, "missing")
    if stripped in _SUPPRESSED:
        return Value(None, "suppressed")
    try:
        number = float(stripped.replace(",", ""))
    except ValueError:
        raise ValueError(f"{stripped!r} is neither a number nor a known code") from None
    if not math.isfinite(number):
        raise ValueError(f"{stripped!r} is not a finite number")
    return Value(number, "exact")


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
