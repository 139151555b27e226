"""SEDA: the archive's pooled files of counties and districts, and the Urban Institute's learning rates by county.

Quirks kept: ids without their leading zeros, rows of gaps between groups among rows of groups, blanks where too few
tests were taken, numbers without a zero before the point.
"""

import math
from collections.abc import Iterator, Sequence

from sources.simulated.edfacts import csv_text, enrolment, leaid, mean_rate
from sources.simulated.region import POSTAL, STATE_FIPS, Region, stream

_MEASURES = ("avg", "lrn", "tav")
_GROUPS = (
    ("all", "all", 1.0),
    ("race", "blk", 0.15),
    ("race", "hsp", 0.1),
    ("race", "wht", 0.7),
    ("race", "wbg", 0.15),
)
_URBAN_HEADER = "year,state,county,learning_rate,learning_rate_lb,learning_rate_ub,learning_rate_quality"
_FEWEST = 120


def _number(value: float, digits: int = 7) -> str:
    """As Stata writes it: no zero before the point, none behind the last digit."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _pool(places: Sequence[tuple[str, str, int, float]], code: str) -> bytes:
    """A pooled file: (id, name, students, share of adults with a diploma) by place."""
    header = [code, f"{code}name", "fips", "stateabb", "subcat", "subgroup", "gradecenter", "gap", "tot_asmts"]
    header += ["cellcount", "mn_asmts"]
    header += [f"gcs_mn_{measure}_{kind}" for kind in ("ol", "eb") for measure in _MEASURES]
    header += [f"gcs_mn_{measure}_{kind}_se" for kind in ("ol", "eb") for measure in _MEASURES]
    rows: list[list[object]] = []
    for place, name, students, diploma in places:
        for subcat, subgroup, share in _GROUPS:
            rng = stream("seda", place, subgroup)
            tests = round(students * share * 9)
            is_gap = subgroup == "wbg"
            level = 1.4 if is_gap else 5.5 + 14 * (diploma - 0.88) - (0.9 if subgroup in ("blk", "hsp") else 0.0)
            truth = (level, 0.02 if is_gap else 1.0, 0.01)
            errors = [scale / math.sqrt(max(tests, 1)) for scale in (9.0, 6.0, 3.0)]
            drawn = [value + float(rng.normal(0, error)) for value, error in zip(truth, errors, strict=True)]
            shown, told = [_number(value) for value in drawn], [_number(error) for error in errors]
            if tests < _FEWEST:
                shown, told = [""] * 3, [""] * 3
            where = [
                place,
                name,
                STATE_FIPS,
                POSTAL,
                subcat,
                subgroup,
                "5.5",
                int(is_gap),
                tests,
                66,
                round(tests / 66),
            ]
            rows.append([*where, *shown, *shown, *told, *told])
    return csv_text(",".join(header), rows).encode()


def _urban(region: Region) -> bytes:
    """Learning rates by county and cohort, newest first; 95 % bounds."""
    rows: list[list[object]] = []
    for year in range(2017, 2012, -1):
        for county in region.counties:
            rng = stream("seda", "urban", county.fips, year)
            tests = round(county.population * 0.07)
            where = [year, STATE_FIPS, county.fips[2:]]
            if tests < 60:
                rows.append([*where, "", "", "", ""])
                continue
            error = 0.02 + 3.2 / math.sqrt(tests)
            rate = 1.0 + 0.6 * (county.rates["high_school"] - 0.88) + float(rng.normal(0, error))
            ends = [_number(rate + sign * 1.96 * error, 8) for sign in (0, -1, 1)]
            rows.append([*where, *ends, 3 if tests < 180 else 1])
    return csv_text(_URBAN_HEADER, rows).encode()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """Both pooled files, and Urban's metric."""
    yield "2018", "SEDA_all_county.csv", _urban(region)
    counties = [(c.fips, c.name, round(c.population * 0.155), c.rates["high_school"]) for c in region.counties]
    yield "2019", "seda_county_pool_gcs_6.0.csv", _pool(counties, "sedacounty")
    districts = [
        (leaid(d), d.name, enrolment(d, region), mean_rate(d, region, "high_school")) for d in region.districts
    ]
    yield "2019", "seda_geodist_pool_gcs_6.0.csv", _pool(districts, "sedalea")
