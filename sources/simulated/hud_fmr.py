"""Fair Market Rents by county: HUD's workbooks of three fiscal years.

No real workbook was at hand. Known from public descriptions of them: the columns and their order, the column of the
population that changes its year, the names of files and sheets, a sheet of descriptions beside the data, 99999 in place
of the county subdivision, towns in New England. Inferred: that `fips` is a number in one year and text in another (both
are read), what the sheet of descriptions holds, and the forms of the names.

Quirks kept: counties of one HUD area share its rents; two towns of a county that lies outside the region, with rents
that differ and none for their county.
"""

import datetime
import math
from collections.abc import Iterator

from sources.simulated import xlsx
from sources.simulated.region import POSTAL, STATE_FIPS, STATE_NAME, County, Region, stream
from sources.simulated.xlsb import Value

_POPULATION = {2024: "pop2020", 2025: "pop2022", 2026: "pop2023"}
_NAMES = {
    2024: ("FMR2024_final_revised.xlsx", "FY24_FMRs_rev"),
    2025: ("FY25_FMRs_revised.xlsx", "FY25_FMRs_revised"),
    2026: ("FY26_FMRs_revised.xlsx", "FY26_FMRs_revised"),
}
_IS_NUMBER = {2024: True, 2025: True, 2026: False}
_TIMES = (0.74, 0.82, 1.0, 1.31, 1.52)
"""Rents by bedrooms, of the rent of two."""
_TOWNS = (("10010", "Simulated Harbour town"), ("20020", "Simulated Quay town"))
_TOWNS_COUNTY = (f"{STATE_FIPS}049", "Simulated Zinnia County")


def _header(year: int) -> list[Value]:
    place = ["stusps", "state", "hud_area_code", "countyname", "county_town_name", "metro", "hud_area_name", "fips"]
    return [*place, _POPULATION[year], *(f"fmr_{n}" for n in range(5))]


def _areas(region: Region) -> dict[str, tuple[str, str, bool, list[County]]]:
    """HUD's areas by county: the first two Continuums of Care make one metropolitan area, others stand alone."""
    core = {fips for coc in region.cocs[:2] for fips in coc.shares}
    together = [county for county in region.counties if county.fips in core]
    found = {}
    for county in region.counties:
        if county in together:
            name = f"{region.cocs[0].name.removesuffix(' CoC')}, {POSTAL} MSA"
            found[county.fips] = ("METRO97100M97100", name, True, together)
        else:
            own = f"{county.name}, {POSTAL}"
            found[county.fips] = (f"NCNTY{county.fips}N{county.fips}", own, False, [county])
    return found


def _rents(two: float) -> list[Value]:
    return [round(two * times) for times in _TIMES]


def workbook(region: Region, year: int) -> bytes:
    """`FY{yy}_FMRs_revised.xlsx`: rents follow incomes, and rise by four per cent a year."""
    rows: list[list[Value]] = [_header(year)]
    areas = _areas(region)

    def add(code: str, name: str, town: str, area: tuple[str, str, bool], people: int, two: float) -> None:
        fips: Value = int(code) if _IS_NUMBER[year] else code
        place: list[Value] = [POSTAL, int(STATE_FIPS), area[0], name, town, int(area[2]), area[1], fips]
        rows.append([*place, people, *_rents(two)])

    for county in region.counties:
        area_code, area_name, is_metro, members = areas[county.fips]
        income = sum(c.median_income * c.population for c in members) / sum(c.population for c in members)
        own = float(stream("fmr", area_code).normal(0, 0.05))
        two = 940 * (income / 60_000) ** 0.8 * (1.18 if is_metro else 1.0) * 1.04 ** (year - 2024) * math.exp(own)
        area = (area_code, area_name, is_metro)
        add(f"{county.fips}99999", county.name, county.name, area, county.population, two)
    for n, (subdivision, town) in enumerate(_TOWNS, start=1):
        area = (f"METRO9720{n}N97200", f"{town.removesuffix(' town')}, {POSTAL} HUD Metro FMR Area", True)
        code, name = _TOWNS_COUNTY
        add(f"{code}{subdivision}", name, town, area, 8_000 * n, 1_000 * 1.2**n)
    described: list[list[Value]] = [["Field", "Description"], ["fmr_2", f"Two-bedroom rent, {STATE_NAME}"]]
    sheets = {_NAMES[year][1]: rows, "Field_Descriptions": described}
    return xlsx.write(sheets, datetime.datetime(year - 1, 9, 1))


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """The edition in force of each year."""
    for year, (name, _) in _NAMES.items():
        yield str(year), name, workbook(region, year)
