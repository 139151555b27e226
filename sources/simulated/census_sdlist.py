"""School districts with the counties that they lie in: the Census Bureau's .xls.

Quirks kept: two title rows above the header, a row for each county of a district, every cell text.
"""

from collections.abc import Iterator

from sources.simulated.census_saipe import Cell, workbook
from sources.simulated.region import POSTAL, STATE_FIPS, Region


def districts(region: Region) -> bytes:
    """`sdlist-21.xls`."""
    names = {county.fips: county.name for county in region.counties}
    rows: list[list[Cell]] = [
        ["Table with column headers in row 3."],
        ["Table1:  2021 School Districts with associated counties.  Simulated."],
        [
            "State Postal Code",
            "State FIPS",
            "District ID Number",
            "School District Name",
            "County Names",
            "County FIPS",
        ],
    ]
    rows += [
        [POSTAL, STATE_FIPS, district.leaid, district.name, names[fips], fips[2:]]
        for district in sorted(region.districts, key=lambda district: district.name)
        for fips in sorted(district.shares)
    ]
    return workbook("sdlist_21", rows)


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """The list of 2021."""
    yield "2021", "sdlist-21.xls", districts(region)
