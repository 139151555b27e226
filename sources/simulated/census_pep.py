"""Population estimates of counties: the file by age and sex, and the one by age, sex, race and Hispanic origin.

Quirks kept: YEAR is a code, whose first is the estimates base of April 2020; bands of age that overlap; one file comes
zipped. Both files of a vintage tell the same numbers: people are drawn by single year of age and sex, and then split
by race and origin within each band.
"""

import io
import zipfile
from collections.abc import Iterator, Sequence

import numpy as np

from sources.simulated.region import STATE_FIPS, STATE_NAME, County, Floats, Ints, Region, stream

_OLDEST = 85  # 85 and over
_BANDS: tuple[tuple[str, int, int], ...] = (
    ("UNDER5", 0, 4),
    ("AGE513", 5, 13),
    ("AGE1417", 14, 17),
    ("AGE1824", 18, 24),
    ("AGE16PLUS", 16, _OLDEST),
    ("AGE18PLUS", 18, _OLDEST),
    ("AGE1544", 15, 44),
    ("AGE2544", 25, 44),
    ("AGE4564", 45, 64),
    ("AGE65PLUS", 65, _OLDEST),
    *((f"AGE{5 * n}{5 * n + 4}", 5 * n, 5 * n + 4) for n in range(17)),
    ("AGE85PLUS", _OLDEST, _OLDEST),
)
_ALONE = ("WA", "BA", "IA", "AA", "NA", "TOM")
# Race in combination -> what part of those of several races name it; each names two.
_COMBINED = {"WAC": 0.85, "BAC": 0.4, "IAC": 0.35, "AAC": 0.3, "NAC": 0.1}
_SEXES = ("MALE", "FEMALE")
_PLACE = ("SUMLEV", "STATE", "COUNTY", "STNAME", "CTYNAME", "YEAR")


def _age_shares() -> Floats:
    """Share of the population of each single year of age and sex, ages by sexes; women outlive men."""
    ages = np.arange(_OLDEST + 1)
    living = np.where(ages < 60, 1.0, np.exp(-(((ages - 60) / 22.0) ** 2)))
    living[_OLDEST] = 1.4
    shares = np.stack([living * (1 - 0.003 * np.maximum(ages - 40, 0)), living * (1 + 0.003 * ages / 4)], axis=1)
    return np.asarray(shares / shares.sum())


def _race_shares(county: County) -> Floats:
    """Share of each race alone and of several, first of those who are not Hispanic and then of those who are."""
    black, hispanic = county.rates["black"], county.rates["hispanic"]
    rest = np.array([0.91, 0.0, 0.015, 0.035, 0.005, 0.035])
    other = np.where(np.array(_ALONE) == "BA", black, rest * (1 - black) / rest.sum())
    latin = np.array([0.62, 0.05, 0.06, 0.01, 0.01, 0.25])
    return np.concatenate([other * (1 - hispanic), latin * hispanic])


def _people(county: County, code: int) -> Ints:
    """People by single year of age and sex at the day that a YEAR code means."""
    rng = stream("pep", county.fips, code)
    years = 0.0 if code == 1 else code - 1.75  # since April 2020
    population = round(county.population * (1 + 0.003 * (years - 3.25) * float(rng.normal(1, 0.4))))
    shares = _age_shares()
    return np.asarray(rng.multinomial(population, shares.ravel()).reshape(shares.shape))


def _median(people: Ints) -> str:
    """Median age to a tenth of a year, people of one age spread evenly over it."""
    below = np.concatenate([[0], np.cumsum(people)])
    half = below[-1] / 2
    age = int(np.searchsorted(below, half, side="right")) - 1
    inside = (half - below[age]) / people[age] if age < len(people) and people[age] else 0.0
    return f"{age + inside:.1f}"


def _start(county: County, code: int) -> list[str]:
    return ["050", STATE_FIPS, county.fips[2:], STATE_NAME, county.name, str(code)]


def _codes(vintage: int) -> range:
    return range(1, vintage - 2017)


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    return ("\n".join(",".join(row) for row in [header, *rows]) + "\n").encode("latin-1")


def age_and_sex(region: Region, vintage: int) -> bytes:
    """`cc-est{Y}-agesex-all.csv`."""
    header = [*_PLACE, "POPESTIMATE", "POPEST_MALE", "POPEST_FEM"]
    header += [f"{band}_{kind}" for band, _, _ in _BANDS for kind in ("TOT", "MALE", "FEM")]
    header += [f"MEDIAN_AGE_{kind}" for kind in ("TOT", "MALE", "FEM")]
    rows = []
    for county in region.counties:
        for code in _codes(vintage):
            people = _people(county, code)
            row = _start(county, code)
            for first, last in [(0, _OLDEST), *(ends for _, *ends in _BANDS)]:
                male, female = people[first : last + 1].sum(axis=0).tolist()
                row += [str(male + female), str(male), str(female)]
            row += [_median(people.sum(axis=1)), _median(people[:, 0]), _median(people[:, 1])]
            rows.append(row)
    return _lines(header, rows)


def _with_combined(alone: Ints) -> Ints:
    """Races alone and then in combination, along the last axis."""
    several = alone[..., -1:]
    parts = np.floor(several * np.array(list(_COMBINED.values()))).astype(np.int64)
    return np.concatenate([alone, alone[..., :5] + parts], axis=-1)


def by_race(region: Region, vintage: int) -> bytes:
    """`cc-est{Y}-alldata.csv`: all ages and then 18 bands, a row each."""
    names = (*_ALONE, *_COMBINED)
    groups = [*names, *(f"{origin}{name}" for origin in ("NH", "H") for name in ("", *names))]
    header = [*_PLACE, "AGEGRP", "TOT_POP", "TOT_MALE", "TOT_FEMALE"]
    header += [f"{group}_{sex}" for group in groups for sex in _SEXES]
    rows = []
    for county in region.counties:
        shares = _race_shares(county)
        for code in _codes(vintage):
            people = _people(county, code)
            bands = np.concatenate([people[:-1].reshape(17, 5, 2).sum(axis=1), people[-1:]])
            drawn = stream("pep", "race", county.fips, code).multinomial(bands, shares).reshape(18, 2, 2, len(_ALONE))
            drawn = np.concatenate([drawn.sum(axis=0, keepdims=True), drawn])  # band, sex, origin, race
            origins = _with_combined(drawn)
            everyone = origins.sum(axis=2)
            totals = drawn.sum(axis=(2, 3))
            blocks = [everyone]
            for n in range(2):
                blocks += [drawn[:, :, n].sum(axis=2, keepdims=True), origins[:, :, n]]
            figures = np.concatenate(blocks, axis=2).transpose(0, 2, 1).reshape(19, -1)
            start = _start(county, code)
            for band in range(19):
                male, female = totals[band].tolist()
                rows.append([*start, *map(str, [band, male + female, male, female, *figures[band].tolist()])])
    return _lines(header, rows)


def _zipped(name: str, body: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        # A fixed time: the only thing in the archive that would differ from one call to the next.
        book.writestr(zipfile.ZipInfo(name, (2024, 6, 30, 8, 38, 0)), body, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """The zipped file that a directory holds, and the two that the publisher offers."""
    name = "cc-est2023-agesex-all"
    yield "2023", f"{name}.zip", _zipped(f"{name}.csv", age_and_sex(region, 2023))
    yield "2025", "cc-est2025-agesex-all.csv", age_and_sex(region, 2025)
    yield "2025", "cc-est2025-alldata.csv", by_race(region, 2025)
