"""Foster care by county: two KIDS COUNT exports, and two annual tables typed into the layout for state agencies.

Quirks kept: names without codes, the state above its counties, `N.R.`, `N.A.`, commas in thousands, `S` and `*`
for small numbers, per cents as fractions and `<.5%`. No real county workbook of KIDS COUNT was at hand: its layout is
that of the export by state.
"""

import csv
import datetime
import io
from collections.abc import Iterator

from sources.simulated import xlsx
from sources.simulated.region import POSTAL, STATE_FIPS, STATE_NAME, County, Region, expit, logit, stream
from sources.simulated.xlsb import Value

_HEADER: list[Value] = ["LocationType", "Location", "TimeFrame", "DataFormat", "Data"]
_YEARS = (2017, 2018, 2019)
_COLUMNS = ("state", "county_fips", "county_name", "fiscal_year", "measure", "value", "source_document", "page")
_FISCAL_YEARS = (2024, 2025)
_SMALL = 10
_REPORTS = {
    "missouri": ("Simulated Children’s Division Annual Report", ("entries", "in_care", "exits"), "S"),
    "illinois": ("Simulated DCFS Executive Statistical Summary", ("in_care", "aged_out"), "*"),
}
_RATES = {"entries": 0.0046, "in_care": 0.0088, "exits": 0.0044, "aged_out": 0.0004}


def _children(region: Region) -> dict[str, int]:
    sums = region.county_sums(region.tract_counts("children")).tolist()
    return {county.fips: int(n) for county, n in zip(region.counties, sums, strict=True)}


def _drawn(region: Region, measure: str, year: int) -> dict[str, int]:
    """Children by county: their number follows deprivation."""
    rng = stream("foster", measure, year)
    children = _children(region)

    def rate(county: County) -> float:
        return expit(logit(_RATES[measure]) + 0.45 * county.deprivation)

    return {county.fips: int(rng.binomial(children[county.fips], rate(county))) for county in region.counties}


def export(region: Region, indicator: str) -> bytes:
    """`kidscount_{indicator}_27.xlsx`: entries as numbers with their share of the state's, or as a rate."""
    children = _children(region)
    names = [("State", STATE_NAME, STATE_FIPS), *(("County", c.short_name, c.fips) for c in region.counties)]
    rows: list[list[Value]] = [_HEADER]
    for year in _YEARS:
        drawn = _drawn(region, "entries", year)
        total = sum(drawn.values())
        for kind, name, fips in names:
            n, of = (total, sum(children.values())) if kind == "State" else (drawn[fips], children[fips])
            silent = fips == region.counties[3].fips and year == _YEARS[0]
            place: list[Value] = [kind, name, str(year)]
            if indicator == "1977":
                rows.append([*place, "Rate", "N.A." if of < 200 else round(1000 * n / of, 1)])
                continue
            share: Value = round(n / total, 2) if n / total >= 0.005 else "<.5%"
            rows.append([*place, "Number", "N.R." if silent else n])
            rows.append([*place, "Percent", "N.R." if silent else share])
    return xlsx.write({"Kidscount Export": rows}, datetime.datetime(2026, 6, 1))


def annual_table(region: Region, state: str) -> bytes:
    """`county_foster_care_{state}.csv`, as a person types it from a report."""
    title, measures, code = _REPORTS[state]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for year in _FISCAL_YEARS:
        for page, measure in enumerate(measures, start=41):
            drawn = _drawn(region, measure, year)
            counties = {county.fips: county.name for county in region.counties}
            places = [*((fips, name, drawn[fips]) for fips, name in counties.items())]
            places.append((f"{STATE_FIPS}000", "Statewide", sum(drawn.values())))
            for fips, name, n in places:
                value = code if 0 < n < _SMALL else f"{n:,}"
                writer.writerow([POSTAL, fips, name, year, measure, value, f"{title} FY{year}", page])
    return out.getvalue().encode()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """The exports that are fetched, and tables as people put them into a folder the year before."""
    for indicator in ("1976", "1977"):
        yield "2026", f"kidscount_{indicator}_27.xlsx", export(region, indicator)
    for state in _REPORTS:
        yield "2025", f"county_foster_care_{state}.csv", annual_table(region, state)
