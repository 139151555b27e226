"""Unemployment by county: the yearly workbook of the Bureau of Labor Statistics.

Quirks kept: a title row, ids and year as text, county names that end in the state, and below the counties an empty
row, the source and a date.
"""

import datetime
import io
import math
from collections.abc import Iterator

import xlsxwriter

from sources.simulated.region import POSTAL, STATE_FIPS, Region, stream

_HEADER = [
    "LAUS Code",
    "State FIPS Code",
    "County FIPS Code",
    "County Name/State Abbreviation",
    "Year",
    "Labor Force",
    "Employed",
    "Unemployed",
    "Unemployment Rate (%)",
]


def counties(region: Region, year: int) -> bytes:
    """`laucnty{yy}.xlsx`: unemployment follows deprivation."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    # The date of creation is the only thing in the file that would differ from one call to the next.
    book.set_properties({"title": "Simulated", "created": datetime.datetime(year + 1, 4, 18)})
    sheet = book.add_worksheet(f"laucnty{year % 100}")
    sheet.write_row(0, 0, [f"Labor Force Data by County, {year} Annual Averages"])
    sheet.write_row(1, 0, _HEADER)
    rng = stream("laus", year)
    for n, county in enumerate(region.counties, start=2):
        force = round(county.population * 0.49 * float(rng.lognormal(0, 0.03)))
        unemployed = round(force * 0.037 * math.exp(0.3 * county.deprivation + 0.08 * float(rng.normal())))
        texts = [f"CN{county.fips}00000000", STATE_FIPS, county.fips[2:], f"{county.name}, {POSTAL}", str(year)]
        sheet.write_row(n, 0, texts)
        sheet.write_row(n, len(texts), [force, force - unemployed, unemployed, round(100 * unemployed / force, 1)])
    end = len(region.counties) + 3
    sheet.write(end, 0, "SOURCE:  BLS, LAUS (simulated)")
    sheet.write(end + 1, 0, f"April 18, {year + 1}")
    book.close()
    return out.getvalue()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """The averages of 2024."""
    yield "2024", "laucnty24.xlsx", counties(region, 2024)
