"""Homeless students: the library's archives by district and the Urban Institute's files by county.

Quirks kept: `S` for 0 to 2 and, where that is one district alone, for the next smallest; a label of all students
that changes with the years; districts without a territory; rows by race and by night-time residence; a row for what
was not reported; in the county files bounds, blank where no district lies, `NA` below ten students, shares without a
leading zero.
"""

from collections.abc import Iterator

from sources.simulated.edfacts import (
    LIBRARY_HEADER,
    STATE,
    agencies,
    archive,
    csv_text,
    enrolment,
    leaid,
    mean_rate,
    notes,
    split,
)
from sources.simulated.region import STATE_FIPS, Region, stream

_RELEASES = {
    "2018": ("SY1018_FS118_DG655_LEA", range(2010, 2018)),
    "2019": ("SY1819_FS118_DG655_LEA", range(2018, 2019)),
    "2020": ("SY1920_FS118_DG655_LEA", range(2019, 2020)),
    "2021": ("SY2021_FS118_DG655_LEA", range(2020, 2021)),
    "2022": ("SY2122_FS118_DG655_LEA", range(2021, 2022)),
}
_COUNTY_HEADER = (
    "year,state,county,count_homeless,count_homeless_lb,count_homeless_ub,share_homeless,count_homeless_quality,"
    "share_homeless_quality"
)
_RACES = ("Black or African American", "Hispanic/Latino", "White", "Two or more races")
_NIGHTS = ("Doubled Up", "Hotels/Motels", "Shelters, Transitional Housing", "Unsheltered")
_FEWEST = 2


def _students(region: Region, year: int) -> list[int]:
    """Homeless students by district in the school year that begins in `year`."""
    drawn = []
    for district in agencies(region):
        rng = stream("homeless students", district.leaid, year)
        expected = enrolment(district, region) * min(0.3, mean_rate(district, region, "homeless") * 14)
        drawn.append(int(rng.poisson(expected * rng.lognormal(0, 0.1))))
    return drawn


def _suppressed(counts: list[int]) -> list[bool]:
    """Which counts the publisher withholds: the small ones, and one more where a single one would stand alone."""
    hidden = [count <= _FEWEST for count in counts]
    if sum(hidden) == 1:
        hidden[min((n for n, is_hidden in enumerate(hidden) if not is_hidden), key=lambda n: counts[n])] = True
    return hidden


def _groups(region: Region, year: int) -> dict[tuple[str, str], list[int]]:
    """Counts by (subgroup, characteristic), a district each."""
    everyone = _students(region, year)
    label = "All Students" if year < 2019 else "All Students in LEA"
    found: dict[tuple[str, str], list[int]] = {(label, ""): everyone}
    for district, total in zip(agencies(region), everyone, strict=True):
        rng = stream("homeless groups", district.leaid, year)
        shares = [min(0.45, 1.6 * mean_rate(district, region, topic)) for topic in ("black", "hispanic")]
        races = split(total, [*shares, max(0.05, 0.93 - sum(shares))], rng)
        nights = split(total, [0.74, 0.08, 0.14], rng)
        overlapping = {"Children with disabilities": 0.2, "English Learner": 0.07, "Unaccompanied Youth": 0.09}
        parts = [((race, ""), n) for race, n in zip(_RACES, races, strict=True)]
        parts += [(("", night), n) for night, n in zip(_NIGHTS, nights, strict=True)]
        parts += [((group, ""), int(rng.binomial(total, share))) for group, share in overlapping.items()]
        for key, number in parts:
            found.setdefault(key, []).append(number)
    return found


def _library(region: Region, years: range) -> str:
    rows: list[list[object]] = []
    for year in years:
        span = f"{year}-{year + 1}"
        for (subgroup, night), counts in _groups(region, year).items():
            for district, count, is_hidden in zip(agencies(region), counts, _suppressed(counts), strict=True):
                value = "S" if is_hidden else count
                described = ["", "", 655, "Homeless Students Enrolled", value, "", "", "Homeless Students"]
                where = [span, STATE, leaid(district), district.name]
                rows.append([*where, *described, subgroup, night, "", "", "", ""])
        blank = [span, STATE, "Not Applicable", "Not Applicable", "", "", 655, "Homeless Students Enrolled", "MISSING"]
        rows.append([*blank, "", "", "Homeless Students", "Missing", "", "", "", "", ""])
    return csv_text(LIBRARY_HEADER, rows)


def _share(value: float) -> str:
    """As Stata writes it: no zero before the point, none behind the last digit."""
    return f"{value:.10f}".lstrip("0").rstrip("0")


def _county_rows(region: Region, year: int) -> list[list[object]]:
    counts = _students(region, year)
    hidden = _suppressed(counts)
    # A district counts for the county that most of it lies in.
    districts = agencies(region)
    home = [max(district.shares, key=lambda fips: district.shares[fips]) for district in districts]
    rows: list[list[object]] = []
    for county in region.counties:
        here = [n for n, fips in enumerate(home) if fips == county.fips]
        where = [year, STATE_FIPS, county.fips[2:]]
        shown = sum(counts[n] for n in here if not hidden[n])
        withheld = sum(hidden[n] for n in here)
        count, lower, upper = shown + withheld, shown, shown + 2 * withheld
        if not here:
            rows.append([*where, *[""] * 6])
        elif count < 10:
            rows.append([*where, *["NA"] * 6])
        else:
            ratio = upper / max(lower, 1)
            quality = 3 if count < 30 or ratio > 1.1 else 2 if ratio > 1.05 else 1
            share = count / sum(enrolment(districts[n], region) for n in here)
            rows.append([*where, count, lower, upper, _share(share), quality, quality])
    return rows


def _counties(region: Region, years: range, *, newest_first: bool) -> bytes:
    blocks = [_county_rows(region, year) for year in years]
    ordered = blocks[::-1] if newest_first else [block[::-1] for block in blocks]
    return csv_text(_COUNTY_HEADER, [row for block in ordered for row in block]).encode()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """Archives by district, and both county files."""
    yield "2018", "homelessness_2014-2018_county.csv", _counties(region, range(2014, 2019), newest_first=False)
    yield "2022", "homelessness_2019-2022_county.csv", _counties(region, range(2019, 2023), newest_first=True)
    for vintage, (folder, years) in _RELEASES.items():
        last = f"{years[-1]}-{years[-1] + 1}"
        members = [(".csv", _library(region, years)), ("_data_notes.csv", notes(last))]
        yield vintage, f"{folder}_data_files.zip", archive(folder, members)
