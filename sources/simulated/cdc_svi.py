"""Social Vulnerability Index: county inputs of two designs, and the full files of 2022 by county and by tract.

Quirks kept: names in capitals and another set of variables until 2018, -999 where a figure is missing, -999.0 where it
is a percentage, bare integers in 2022, ranks of a state's tract file among the tracts of that state. Tracts add up to
their county.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sources.simulated.region import POSTAL, STATE_FIPS, STATE_NAME, Floats, Region, stream

_SIZES = ("TOTPOP", "HU", "HH")
_MAIN = {
    "2018": (
        *("POV", "UNEMP", "PCI", "NOHSDP", "AGE65", "AGE17", "DISABL", "SNGPNT", "MINRTY", "LIMENG", "MUNIT"),
        *("MOBILE", "CROWD", "NOVEH", "GROUPQ"),
    ),
    "2020": (
        *("POV150", "UNEMP", "HBURD", "NOHSDP", "UNINSUR"),
        *("AGE65", "AGE17", "DISABL", "SNGPNT", "LIMENG"),
        *("MINRTY", "MUNIT", "MOBILE", "CROWD", "NOVEH", "GROUPQ"),
    ),
}
_RACES = ("AFAM", "HISP", "ASIAN", "AIAN", "NHPI", "TWOMORE", "OTHERRACE")
_THEMES = (slice(0, 5), slice(5, 10), slice(10, 11), slice(11, 16))

# Of whom it is a share, its usual level, its slope on deprivation.
_RATES: Mapping[str, tuple[str, float, float]] = {
    "POV": ("TOTPOP", 0.125, 0.42),
    "POV150": ("TOTPOP", 0.21, 0.42),
    "UNEMP": ("labour", 0.05, 0.35),
    "HBURD": ("HH", 0.24, 0.28),
    "NOHSDP": ("adults", 0.11, 0.4),
    "UNINSUR": ("TOTPOP", 0.09, 0.3),
    "AGE65": ("TOTPOP", 0.18, -0.05),
    "DISABL": ("TOTPOP", 0.15, 0.2),
    "SNGPNT": ("HH", 0.06, 0.3),
    "LIMENG": ("TOTPOP", 0.01, 0.3),
    "MUNIT": ("HU", 0.06, 0.2),
    "MOBILE": ("HU", 0.09, 0.3),
    "CROWD": ("HH", 0.022, 0.3),
    "NOVEH": ("HH", 0.06, 0.45),
    "GROUPQ": ("TOTPOP", 0.025, 0.05),
    "NOINT": ("HH", 0.12, 0.4),
    "ASIAN": ("TOTPOP", 0.015, -0.2),
    "AIAN": ("TOTPOP", 0.004, 0.1),
    "NHPI": ("TOTPOP", 0.001, 0.1),
    "TWOMORE": ("TOTPOP", 0.03, 0.05),
    "OTHERRACE": ("TOTPOP", 0.003, 0.05),
}
_TOPICS = {"AFAM": "black", "HISP": "hispanic"}


def _tract_counts(region: Region, year: str) -> dict[str, Floats]:
    """Every variable counted by tract, but for incomes; and the universes under names of their own."""
    rng = stream("svi", year)
    households = region.tract_counts("households").astype(float)
    counts: dict[str, Floats] = {
        "TOTPOP": region.tract_counts("population").astype(float),
        "HU": np.round(households * 1.12),
        "HH": households,
        "AGE17": region.tract_counts("children").astype(float),
        "adults": region.tract_counts("adults").astype(float),
        "labour": np.round(region.tract_counts("adults") * 0.64),
    }
    deprivation = np.array([region.counties[tract.county].deprivation + tract.deviation for tract in region.tracts])
    for name, (universe, base, slope) in _RATES.items():
        odds = base / (1 - base) * np.exp(slope * deprivation + rng.normal(0, 0.2, len(deprivation)))
        counts[name] = np.round(counts[universe] * odds / (1 + odds))
    for name, topic in _TOPICS.items():
        counts[name] = np.round(counts["TOTPOP"] * region.tract_rates(topic))
    counts["MINRTY"] = np.minimum(np.sum([counts[name] for name in _RACES], axis=0), counts["TOTPOP"])
    counts["DAYPOP"] = np.round(counts["TOTPOP"] * rng.uniform(0.7, 1.2, len(deprivation)))
    return counts


def _by_county(region: Region, counts: Mapping[str, Floats]) -> dict[str, Floats]:
    return {name: region.county_sums(values.astype(np.int64)).astype(float) for name, values in counts.items()}


def _universe(name: str) -> str:
    return _RATES[name][0] if name in _RATES else "TOTPOP"


def _figures(counts: Mapping[str, Floats], variables: Sequence[str]) -> dict[str, Floats]:
    """Columns of estimates, margins, percentages and their margins; one decimal, as published."""
    columns: dict[str, Floats] = {f"E_{name}": counts[name] for name in (*_SIZES, "DAYPOP")}
    columns["M_TOTPOP"] = np.zeros(len(counts["TOTPOP"]))
    columns |= {f"M_{name}": np.round(2 * np.sqrt(counts[name]) + 3) for name in ("HU", "HH")}
    for name in variables:
        whole = np.maximum(counts[_universe(name)], 1)
        share = counts[name] / whole
        moe = np.round(3.2 * np.sqrt(counts[name] * (1 - np.minimum(share, 1))) + 4)
        columns |= {
            f"E_{name}": counts[name],
            f"M_{name}": moe,
            f"EP_{name}": np.round(100 * share, 1),
            f"MP_{name}": np.round(100 * moe / whole, 1),
        }
    return columns


def _ranks(values: Floats) -> Floats:
    """Percentile rank 0 to 1; ties share the lowest, and what is missing has none."""
    known = values[values >= 0]
    ranks = np.array([round(float((known < value).sum()) / (len(known) - 1), 4) for value in values])
    return np.where(values < 0, -999.0, ranks)


def _index(columns: Mapping[str, Floats]) -> dict[str, Floats]:
    """Published ranks, sums and flags, out of the percentages."""
    found: dict[str, Floats] = {}
    is_missing = columns["EP_POV150"] < 0
    names = _MAIN["2020"]
    for name in names:
        found[f"EPL_{name}"] = _ranks(columns[f"EP_{name}"])
        found[f"F_{name}"] = np.where(is_missing, -999.0, found[f"EPL_{name}"] >= 0.9)
    for n, theme in enumerate(_THEMES, start=1):
        for kind, part in (("SPL", "EPL"), ("F", "F")):
            total = np.sum([found[f"{part}_{name}"] for name in names[theme]], axis=0)
            found[f"{kind}_THEME{n}"] = np.where(is_missing, -999.0, np.round(total, 4))
        found[f"RPL_THEME{n}"] = _ranks(found[f"SPL_THEME{n}"])
    for last, kind in (("SPL_THEMES", "SPL"), ("F_TOTAL", "F")):
        total = np.sum([found[f"{kind}_THEME{n}"] for n in range(1, 5)], axis=0)
        found[last] = np.where(is_missing, -999.0, np.round(total, 4))
    found["RPL_THEMES"] = _ranks(found["SPL_THEMES"])
    return found


def _pairs(names: Sequence[str]) -> list[str]:
    return [f"{kind}_{name}" for name in names for kind in "EM"]


def _percent_pairs(names: Sequence[str]) -> list[str]:
    return [f"{kind}_{name}" for name in names for kind in ("EP", "MP")]


def _index_header() -> list[str]:
    names = _MAIN["2020"]
    ranks = [
        column
        for n, theme in enumerate(_THEMES, start=1)
        for column in (*(f"EPL_{name}" for name in names[theme]), f"SPL_THEME{n}", f"RPL_THEME{n}")
    ]
    flags = [
        column
        for n, theme in enumerate(_THEMES, start=1)
        for column in (*(f"F_{name}" for name in names[theme]), f"F_THEME{n}")
    ]
    return [*ranks, "SPL_THEMES", "RPL_THEMES", *flags, "F_TOTAL"]


def header(year: str, *, with_index: bool) -> list[str]:
    """Columns of a year's file in the publisher's order."""
    if year == "2018":
        places = ["ST", "STATE", "ST_ABBR", "COUNTY", "FIPS", "LOCATION", "AREA_SQMI"]
        main = _MAIN["2018"]
        late = ["E_UNINSUR", "M_UNINSUR", "EP_UNINSUR", "MP_UNINSUR", "E_DAYPOP"]
        return [*places, *_pairs([*_SIZES, *main]), *_percent_pairs(main), *late]
    places = ["ST", "STATE", "ST_ABBR", "STCNTY", "COUNTY", "FIPS", "LOCATION", "AREA_SQMI"]
    main, late = _MAIN["2020"], ["NOINT", *_RACES]
    index = _index_header() if with_index else []
    first = [*places, *_pairs([*_SIZES, *main]), *_percent_pairs(main), *index]
    return [*first, "E_DAYPOP", *_pairs(late), *_percent_pairs(late)]


def _text(value: float, *, is_percent: bool, is_bare: bool) -> str:
    return f"{value:.10g}" if is_bare or not is_percent else f"{value:.1f}"


def _write(year: str, places: list[dict[str, str]], columns: Mapping[str, Floats], *, with_index: bool) -> bytes:
    names = header(year, with_index=with_index)
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for i, place in enumerate(places):
        figures = {
            name: _text(float(columns[name][i]), is_percent=name[1] == "P", is_bare=with_index)
            for name in names
            if name in columns
        }
        writer.writerow(place | figures)
    return out.getvalue().encode()


def _county_places(region: Region, year: str) -> list[dict[str, str]]:
    rng = stream("svi", "area")
    suffix = " County" if year == "2022" else ""
    places = []
    for county in region.counties:
        place = {
            "ST": STATE_FIPS,
            "STATE": STATE_NAME.upper() if year == "2018" else STATE_NAME,
            "ST_ABBR": POSTAL,
            "COUNTY": county.short_name + suffix,
            "FIPS": county.fips,
            "LOCATION": f"{county.name}, {STATE_NAME}",
            "AREA_SQMI": f"{rng.uniform(350, 900):.7f}",
        }
        places.append(place if year == "2018" else place | {"STCNTY": county.fips})
    return places


def counties(region: Region, year: str) -> bytes:
    """Counties of a year: inputs alone until 2020, with the index in 2022."""
    counts = _by_county(region, _tract_counts(region, year))
    design = "2018" if year == "2018" else "2020"
    variables = [name for name in (*_MAIN[design], "UNINSUR", "NOINT", *_RACES) if name != "PCI"]
    columns = _figures(counts, variables)
    if year == "2018":
        income = np.array([round(county.median_income * 0.42) for county in region.counties], dtype=float)
        columns |= {"E_PCI": income, "EP_PCI": income, "M_PCI": np.round(income * 0.05)}
        columns["MP_PCI"] = columns["M_PCI"]
        # One county's income and poverty went missing that year.
        gone = next(i for i, county in enumerate(region.counties) if county.fips == region.without_coc)
        for name in ("POV", "UNEMP", "PCI"):
            for kind in ("E", "M", "EP", "MP"):
                columns[f"{kind}_{name}"] = np.where(np.arange(len(income)) == gone, -999.0, columns[f"{kind}_{name}"])
    if year == "2022":
        columns |= _index(columns)
    return _write(year, _county_places(region, year), columns, with_index=year == "2022")


def tracts(region: Region) -> bytes:
    """Tracts of 2022; the smallest has neither percentages nor ranks."""
    counts = _tract_counts(region, "2022")
    columns = _figures(counts, [*_MAIN["2020"], "NOINT", *_RACES])
    smallest = np.arange(len(region.tracts)) == int(np.argmin(counts["TOTPOP"]))
    columns = {
        name: np.where(smallest, -999.0, values) if name[1] == "P" else values for name, values in columns.items()
    }
    places = [
        {
            "ST": STATE_FIPS,
            "STATE": STATE_NAME,
            "ST_ABBR": POSTAL,
            "STCNTY": region.counties[tract.county].fips,
            "COUNTY": region.counties[tract.county].name,
            "FIPS": tract.geoid,
            "LOCATION": f"Census Tract {tract.number}; {region.counties[tract.county].name}; {STATE_NAME}",
            "AREA_SQMI": f"{20 + tract.number / 7:.7f}",
        }
        for tract in region.tracts
    ]
    return _write("2022", places, columns | _index(columns), with_index=True)


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """Counties of three years, and the state's tracts of the last."""
    for year in ("2018", "2020"):
        yield year, f"SVI_{year}_US_county_inputs.csv", counties(region, year)
    yield "2022", "SVI_2022_US_county.csv", counties(region, "2022")
    yield "2022", f"tracts/{STATE_NAME.replace(' ', '')}.csv", tracts(region)
