"""Child Welfare Outcomes: exits to emancipation by state and year, as the data site exports them.

Quirks kept: a byte-order mark, every cell quoted, Windows line ends and none after the last row, and `DQ*` in every
cell of a state whose data are of too low quality. Numbers are in step with the exits that AFCARS has.
"""

from collections.abc import Iterator

from sources.simulated.region import STATE_NAME, Region, stream

_HEADER = (
    "State",
    "Year",
    "Children Age 12 or Younger at Entry (%)",
    "Children Older than 12 Years at Entry (%)",
    "Missing Data (%)",
    "Number of Children Exiting to Emancipation",
)
_WITHHELD = 2023


def exits(region: Region, year: int) -> bytes:
    """`foster_care_aging_out_{year}.csv`; the sample has one state, so that the withheld year has nothing else."""
    rng = stream("cwo", year)
    leavers = round(sum(tract.children for tract in region.tracts) * 0.00044 * float(rng.lognormal(0, 0.05)))
    young = round(100 * float(rng.uniform(0.10, 0.2)), 1)
    cells = [f"{young:.1f}", f"{100 - young:.1f}", "0.0", f"{leavers:,}"]
    if year == _WITHHELD:
        cells = ["DQ*"] * 4
    rows = [_HEADER, (STATE_NAME, str(year), *cells)]
    return "\r\n".join(",".join(f'"{cell}"' for cell in row) for row in rows).encode("utf-8-sig")


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """A file a year."""
    for year in range(2020, 2025):
        yield str(year), f"foster_care_aging_out_{year}.csv", exits(region, year)
