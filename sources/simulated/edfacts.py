"""What the simulated EDFacts files have in common: districts and their students, and the library's archives."""

import csv
import io
import zipfile
from collections.abc import Sequence

import numpy as np

from sources.simulated.region import STATE_FIPS, STATE_NAME, District, Region

STATE = STATE_NAME.upper()
LIBRARY_HEADER = (
    "School Year,State,NCES LEA ID,LEA,School,NCES SCH ID,Data Group,Data Description,Value,Numerator,Denominator,"
    "Population,Subgroup,Characteristics,Age/Grade,Academic Subject,Outcome,Program Type"
)
TOOL_HEADER = (
    "School Year,State,NCES LEA ID,LEA,School,NCES SCH ID,Data Group,Data Description,Value,Denominator,Numerator,"
    "Population,Subgroup,Characteristics,Age/Grade,Academic Subject,Program Type,Outcome"
)
"""The library and the download tool order the same columns differently."""


def agencies(region: Region) -> tuple[District, ...]:
    """All districts, and two charter schools of the largest county that are districts without a territory."""
    city = max(region.counties, key=lambda county: county.population)
    charters = (("90010", "Simulated Harbor Academy", 0.0005), ("90020", "Simulated Lantern Academy", 0.0007))
    return (*region.districts, *(District(number, name, {city.fips: share}) for number, name, share in charters))


def leaid(district: District) -> str:
    """The district's NCES id."""
    return STATE_FIPS + district.leaid


def mean_rate(district: District, region: Region, topic: str) -> float:
    """A topic's rate, averaged over the people whom the district covers."""
    parts = [
        (c.population * district.shares[c.fips], c.rates[topic]) for c in region.counties if c.fips in district.shares
    ]
    return sum(people * rate for people, rate in parts) / sum(people for people, _ in parts)


def enrolment(district: District, region: Region) -> int:
    """Students of a district's schools."""
    covered = sum(c.population * district.shares.get(c.fips, 0.0) for c in region.counties)
    return max(12, round(covered * 0.155))


def split(total: int, shares: Sequence[float], rng: np.random.Generator) -> list[int]:
    """Students by race: the shares and, last, all others."""
    rest = max(0.02, 1 - sum(shares))
    weights = np.array([*shares, rest])
    return [int(n) for n in rng.multinomial(total, weights / weights.sum())]


def csv_text(header: str, rows: Sequence[Sequence[object]]) -> str:
    """A header as it stands, then rows; quoted where a value needs it."""
    out = io.StringIO()
    out.write(header + "\n")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def archive(folder: str, members: Sequence[tuple[str, str]]) -> bytes:
    """`<folder>_data_files.zip` of the library; the same bytes at every call."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in members:
            book.writestr(zipfile.ZipInfo(f"{folder}{name}", (2024, 1, 2, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def notes(year: str) -> str:
    """The data notes that lie beside the figures."""
    header = '"School Year",State,"File Spec","Data Group","Reporting Level","Data Note","State Note"'
    return csv_text(header, [[year, STATE, "0", "0", "LEA", "Simulated, as is all of this file.", ""]])
