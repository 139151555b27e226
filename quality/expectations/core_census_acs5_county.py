"""ACS by county: estimates come with margins."""

from typing import Any


def expectations(gxe: Any) -> list[Any]:
    """Expectations beyond the contract."""
    return [
        gxe.ExpectColumnProportionOfNonNullValuesToBeBetween(
            column="moe",
            min_value=0.9,
            severity="warning",
            notes="Without margins nothing can be said of an area's rank; saved answers lack some.",
        ),
    ]
