"""The composite: most areas should be ranked, and intervals must enclose their score."""

from typing import Any


def expectations(gxe: Any) -> list[Any]:
    """Expectations beyond the contract."""
    return [
        gxe.ExpectColumnProportionOfNonNullValuesToBeBetween(
            column="score",
            min_value=0.9,
            severity="warning",
            notes="If a tenth of the areas cannot be scored, a source is missing for a whole state.",
        ),
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="score_p95",
            column_B="score_p05",
            or_equal=True,
            ignore_row_if="either_value_is_missing",
            severity="critical",
            notes="An upper bound below its lower bound is a fault of the engine.",
        ),
    ]
