"""`providers.csv`: which services for young people exist, where, for whom, and with how many beds."""

import polars as pl

from sources.local_services import cells
from sources.source import RawFile

COLUMNS = (
    "provider",
    "service",
    "counties",
    "beds",
    "min_age",
    "max_age",
    "beds_lgbtq",
    "beds_male",
    "checked_on",
    "source",
)
WITH_BEDS = (
    "emergency_shelter",
    "transitional_or_host_home",
    "substance_use",
    "counselling_mental_health",
    "survivor_residential",
)
"""Services in which somebody may spend the night."""
SERVICES = (
    "prevention_programme",
    "mentoring",
    "outreach_drop_in",
    "street_outreach",
    "legal_advocacy",
    "survivor_outpatient",
    "training",
    *WITH_BEDS,
)
OLDEST = 120


def _beds(row: dict[str, str], service: str) -> dict[str, int | None]:
    """The beds of a line, with those of two groups.

    Raises:
        ValueError: the service has no beds, or a group has more beds than there are.
    """
    beds = cells.whole(row, "beds")
    groups = {name: cells.whole(row, name) for name in ("beds_lgbtq", "beds_male")}
    if service not in WITH_BEDS and any(number is not None for number in (beds, *groups.values())):
        raise ValueError(f"columns of beds: must be empty, since nobody spends the night in {service}")
    for name, number in groups.items():
        if number is not None and (beds is None or number > beds):
            raise ValueError(f"column {name!r}: must not be more than beds, but is {number} of {row['beds'] or 'none'}")
    return {"beds_count": beds, **{f"{name}_count": number for name, number in groups.items()}}


def read(file: RawFile) -> pl.DataFrame:
    """The lines of the list, `counties` as a list of FIPS codes.

    Raises:
        ParseError: a column is lacking, there are no rows, a service is unknown, a county is no FIPS code, beds or ages
            are no whole numbers or contradict each other, a day is none or lies after the year of the folder, a cell
            that must say something is empty, or a provider and service stand twice.
    """

    def line(row: dict[str, str]) -> dict[str, object]:
        provider = cells.text(row, "provider")
        service = cells.one_of(row, "service", SERVICES)
        youngest, oldest = (cells.whole(row, name, OLDEST) for name in ("min_age", "max_age"))
        if youngest is not None and oldest is not None and oldest < youngest:
            raise ValueError(f"column 'max_age': must not be less than min_age, but is {oldest} after {youngest}")
        checked = cells.day(row, "checked_on")
        if checked[:4] > file.vintage:
            raise ValueError(
                f"column 'checked_on': must not be after the folder's year {file.vintage}, but is {checked}"
            )
        return {
            "provider": provider,
            "service": service,
            "counties": cells.counties(row, "counties"),
            **_beds(row, service),
            "min_age": youngest,
            "max_age": oldest,
            "checked_on": checked,
            "information_source": cells.text(row, "source"),
        }

    frame = cells.lines(file, COLUMNS, line)
    cells.refuse_again(file, frame, ["provider", "service"], "a provider and service must stand in one row")
    return frame
