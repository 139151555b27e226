"""Fair Market Rents: a home with one bedroom more does not cost less."""

from itertools import pairwise
from typing import Any

_RENTS = ("fmr_0_usd", "fmr_1_usd", "fmr_2_usd", "fmr_3_usd", "fmr_4_usd")


def expectations(gxe: Any) -> list[Any]:
    """Expectations beyond the contract."""
    return [
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=larger,
            column_B=smaller,
            or_equal=True,
            severity="warning",
            notes="Larger homes cost more in each of HUD's areas; elsewise columns may have been mixed up.",
        )
        for smaller, larger in pairwise(_RENTS)
    ]
