"""SAIPE by county: bounds enclose their estimate, and the nation is whole."""

from typing import Any

_MEASURES = (
    "poverty_all_ages_share",
    "poverty_0_17_share",
    "poverty_5_17_related_share",
    "median_household_income_usd",
)


def expectations(gxe: Any) -> list[Any]:
    """Expectations beyond the contract."""
    enclosed = [
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=high,
            column_B=low,
            or_equal=True,
            ignore_row_if="either_value_is_missing",
            severity="critical",
            notes="An interval that does not enclose its estimate would become a negative error.",
        )
        for measure in _MEASURES
        for high, low in ((f"{measure}_upper", measure), (measure, f"{measure}_lower"))
    ]
    return [
        *enclosed,
        gxe.ExpectColumnMeanToBeBetween(
            column="poverty_0_17_share",
            min_value=0.05,
            max_value=0.45,
            severity="warning",
            notes="The mean county's child poverty has stayed between 15 and 25 % for decades.",
        ),
    ]
