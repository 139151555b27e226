"""Which county a publisher's words mean, for states whose tables name counties without codes.

`counties.csv` lists the FIPS codes and names of the Census Bureau for the states that are read by name (Illinois,
Missouri and the simulated one). A further state is a matter of adding its lines.
"""

import csv
import re
from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("counties.csv")


def plain(name: str) -> str:
    """A county's name without what publishers write in different ways: case, blanks, `County`, `Saint` or `St.`."""
    words = re.sub(r"\bcounty\b", "", name.lower())
    words = re.sub(r"\bsainte\b", "ste", re.sub(r"\bsaint\b", "st", words))
    return re.sub(r"[^a-z0-9]", "", words)


@cache
def counties() -> dict[str, dict[str, str]]:
    """FIPS codes of counties by state and plain name."""
    found: dict[str, dict[str, str]] = {}
    with _LIST.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["county_id"][:2], {})[plain(row["county_name"])] = row["county_id"]
    return found
