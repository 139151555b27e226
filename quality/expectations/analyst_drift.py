"""Drift of indicators: a flag is a question to a person, told as a warning with the rows that it concerns."""

from typing import Any


def expectations(gxe: Any) -> list[Any]:
    """Expectations beyond the contract."""
    return [
        gxe.ExpectColumnValuesToBeInSet(
            column="is_flagged",
            value_set=[False],
            severity="warning",
            notes="An indicator may not be the same measure as in the period before: read `sentence`.",
        ),
    ]
