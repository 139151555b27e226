"""Two sources on one thing: some pairs are always apart, many at once are a fault of a file or of a join."""

from typing import Any


def expectations(gxe: Any) -> list[Any]:
    """Expectations beyond the contract."""
    return [
        gxe.ExpectColumnValuesToBeInSet(
            column="is_within",
            value_set=[True],
            mostly=0.97,
            severity="warning",
            notes="About one pair of a hundred is apart on the files at hand; three mean that a source changed.",
        ),
    ]
