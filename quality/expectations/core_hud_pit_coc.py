"""Point-in-Time counts by CoC: an empty year would look like a year without homelessness."""

from typing import Any


def expectations(gxe: Any) -> list[Any]:
    """Expectations beyond the contract."""
    return [
        gxe.ExpectColumnDistinctValuesToContainSet(
            column="measure",
            value_set=["Overall Homeless", "Sheltered Total Homeless", "Unsheltered Homeless"],
            severity="critical",
            notes="The three measures that every year's sheet has had since 2007.",
        ),
        gxe.ExpectColumnProportionOfNonNullValuesToBeBetween(
            column="count",
            min_value=0.9,
            severity="warning",
            notes="Some CoCs skip the unsheltered count; a tenth without figures would be new.",
        ),
    ]
