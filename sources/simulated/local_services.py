"""Services and grants of the simulated region, as the fund would list them.

Services gather in the two cities and around them; the smaller half of the counties has none listed. Every service and
every line of the fund stands in the lists.
"""

import csv
import io
from collections.abc import Iterator, Sequence

from sources.simulated.region import Region

_PROVIDERS = "provider,service,counties,beds,min_age,max_age,beds_lgbtq,beds_male,checked_on,source"
_GRANTS = "grant_id,provider,programme_line,counties,amount_usd,start_on,end_on"
_CHECKED = "2025-09-15"
_SOURCE = "Simulated directory"

# Provider, service, how many of the largest counties it serves and how many it leaves out, beds, ages, beds for LGBTQ
# youth, beds for male youth.
_SERVICES: tuple[tuple[str, str, int, int, str, str, str, str, str], ...] = (
    ("Simulated Harbour House", "emergency_shelter", 2, 0, "18", "12", "17", "4", "8"),
    ("Simulated Harbour House", "street_outreach", 1, 0, "", "12", "24", "", ""),
    ("Simulated Lantern Homes", "transitional_or_host_home", 4, 0, "12", "16", "21", "", "6"),
    ("Simulated Second Shelter", "emergency_shelter", 3, 2, "8", "11", "17", "0", "0"),
    ("Simulated Open Door", "outreach_drop_in", 1, 0, "", "13", "24", "", ""),
    ("Simulated Mentors", "mentoring", 6, 0, "", "10", "17", "", ""),
    ("Simulated Schools Together", "prevention_programme", 8, 0, "", "11", "18", "", ""),
    ("Simulated Schools Together", "training", 12, 0, "", "", "", "", ""),
    ("Simulated Counsel", "counselling_mental_health", 5, 1, "", "6", "", "", ""),
    ("Simulated Recovery", "substance_use", 3, 0, "10", "14", "20", "", "5"),
    ("Simulated Youth Law", "legal_advocacy", 7, 0, "", "", "24", "", ""),
    ("Simulated Safe Haven", "survivor_residential", 5, 0, "6", "12", "17", "6", "0"),
    ("Simulated Safe Haven", "survivor_outpatient", 5, 0, "", "12", "24", "", ""),
)
_AWARDS: tuple[tuple[str, str, int, int, str, str, str], ...] = (
    ("Simulated Mentors", "prevention_programmes", 6, 0, "60000", "2024-07-01", "2025-06-30"),
    ("Simulated Schools Together", "prevention_programmes", 8, 0, "125000.00", "2025-07-01", "2026-06-30"),
    ("Simulated Schools Together", "training_education", 12, 0, "40,000", "2025-07-01", "2026-06-30"),
    ("Simulated Safe Haven", "survivor_services", 5, 0, "150000", "2025-01-01", "2025-12-31"),
    ("Simulated Second Shelter", "survivor_services", 3, 2, "32500.50", "2025-01-01", "2025-12-31"),
)


def _counties(region: Region, n: int, but: int) -> str:
    by_size = sorted(region.counties, key=lambda county: -county.population)
    return ";".join(sorted(county.fips for county in by_size[but : but + n]))


def _written(header: str, rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return out.getvalue().encode()


def providers(region: Region) -> bytes:
    """`providers.csv`."""
    rows = [
        (name, service, _counties(region, n, but), *rest, _CHECKED, _SOURCE)
        for name, service, n, but, *rest in _SERVICES
    ]
    return _written(_PROVIDERS, rows)


def grants(region: Region) -> bytes:
    """`grants.csv`."""
    rows = [
        (f"SIM-{number:03d}", name, line, _counties(region, n, but), *rest)
        for number, (name, line, n, but, *rest) in enumerate(_AWARDS, start=1)
    ]
    return _written(_GRANTS, rows)


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """The lists of 2025."""
    yield "2025", "providers.csv", providers(region)
    yield "2025", "grants.csv", grants(region)
