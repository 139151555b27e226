"""Two service areas of the simulated region, which overlap as plans do."""

from collections.abc import Iterator

from sources.simulated.region import Region


def areas(region: Region) -> bytes:
    """`regions.csv`."""
    by_size = sorted(region.counties, key=lambda county: county.population)
    plans = {
        "sim_north": ("Simulated North", sorted(county.fips for county in region.counties if county.row < 2)),
        "sim_small": ("Simulated Small Counties", sorted(county.fips for county in by_size[:8])),
    }
    lines = ["area_id,title,county,source"]
    lines += [f"{name},{title},{fips},Simulated plan" for name, (title, ids) in plans.items() for fips in ids]
    return ("\n".join(lines) + "\n").encode()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """The plans of 2025."""
    yield "2025", "regions.csv", areas(region)
