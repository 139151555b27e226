"""Columns that many tables share, so that the same quantity has the same name everywhere."""

import polars as pl

from quality.contract import Column

GEO_LEVELS = ("us", "state", "county", "tract", "school_district", "coc", "service_area")

VALUE_KINDS = ("exact", "interval", "suppressed", "not_applicable", "missing")
"""What a publisher's cell says: a number, bounds, withheld, not applicable, or nothing."""


def measured(
    name: str,
    description: str,
    unit: str,
    *,
    minimum: float | None = 0,
    maximum: float | None = None,
) -> tuple[Column, ...]:
    """A figure with what its publisher says of it: `<name>`, `<name>_lower`, `<name>_upper`, `<name>_kind`.

    `Table.conform` refuses a row whose number and kind contradict each other.
    """

    def number(suffix: str, text: str) -> Column:
        return Column(name + suffix, pl.Float64, text, unit=unit, minimum=minimum, maximum=maximum)

    return (
        number("", f"{description} Only where the publisher states an exact number."),
        number("_lower", f"Smallest value that the publisher's cell allows: {description}"),
        number("_upper", f"Largest value that the cell allows, null where nothing bounds it: {description}"),
        Column(
            f"{name}_kind",
            pl.String,
            f"What the cell of {name} says: a number, bounds, withheld, not applicable, or nothing.",
            nullable=False,
            allowed=VALUE_KINDS,
        ),
    )


VINTAGE = Column(
    "vintage", pl.String, "The publisher's release that the row was read from.", nullable=False, pattern=r"^\d{4}$"
)
PERIOD = Column(
    "period",
    pl.String,
    "The time that the figures describe: a year, a span of years, or a fiscal year.",
    nullable=False,
    pattern=r"^(FY)?\d{4}(-\d{4})?$",
)
GEO_NAME = Column("geo_name", pl.String, "Name of the area as the publisher writes it.")
SNAPSHOT = Column(
    "snapshot_sha256",
    pl.String,
    "SHA-256 of the publisher's file that the row was read from; see meta.snapshots.",
    nullable=False,
    pattern=r"^[0-9a-f]{64}(,[0-9a-f]{64})*$",
)
GEO_ID_PATTERNS = {
    "us": "00",
    "state": r"\d{2}",
    "county": r"\d{5}",
    "tract": r"\d{11}",
    "school_district": r"\d{7}",
    "coc": r"[A-Z]{2}-\d{3}",
    "service_area": r"[a-z][a-z0-9_]{2,39}",
}


def geo_level(*levels: str) -> Column:
    """The level column of a table that holds areas of these levels."""
    return Column("geo_level", pl.String, "Level of the area.", nullable=False, allowed=tuple(levels or GEO_LEVELS))


def geo_id(*levels: str) -> Column:
    """The id column of a table that holds areas of these levels."""
    patterns = "|".join(GEO_ID_PATTERNS[level] for level in (levels or GEO_LEVELS))
    return Column(
        "geo_id",
        pl.String,
        "Id of the area as zero-padded text: FIPS for the nation (00), states, counties and tracts; NCES id "
        "for school districts; HUD number for Continuums of Care; a service area's own id. "
        "Names collide across states: join on this.",
        nullable=False,
        pattern=f"^({patterns})$",
    )
