"""Which county belongs to which Continuum of Care: the crosswalk of 2017, the shares of 2025, and its tracts.

Quirks kept: the older file quotes text, leaves numbers and `NA` bare, writes percentages with all their
digits, holds a county without a CoC, and mixes two encodings in one row (UTF-8 in one name, cp1252 in the other).
The tracts hold slivers along the lines between CoCs, and lack those that lie in none.
"""

import csv
import io
from collections.abc import Iterator

import polars as pl

from sources.simulated.region import Coc, County, Region, expit, logit, stream

_HEADER_2017 = (
    "county_fips",
    "coc_number",
    "coc_name",
    "coc_name_PIT",
    "in_2017_shapefile",
    "in_2017_PIT",
    "n_cocs_in_county",
    "n_counties_in_coc",
    "mult_county_mult_coc",
    "rel_type",
    "pct_cnty_pop_coc",
    "pct_cnty_pov_coc",
)


def _members(coc: Coc, without: str) -> dict[str, float]:
    return {fips: share for fips, share in coc.shares.items() if fips != without}


def _relation(cocs: int, counties: int) -> int:
    """1 one to one, 2 several counties in a CoC, 3 several CoCs in a county, 4 both."""
    return 1 + (counties > 1) + 2 * (cocs > 1)


def _percentages(county: County, coc: Coc) -> tuple[str, str]:
    """Shares of a county's people, and of its people in poverty, in a CoC; poverty leans to one side of the line."""
    share = coc.shares[county.fips]
    if share == 1:
        return "100", "100"
    lean = 0.18 if share < 0.5 else -0.18
    return f"{100 * share:.13g}", f"{100 * expit(logit(share) + lean):.13f}"


def crosswalk_2017(region: Region) -> bytes:
    """`county_coc_match.csv`."""
    without = region.without_coc
    members = {coc.number: _members(coc, without) for coc in region.cocs}
    lines = [",".join(f'"{name}"' for name in _HEADER_2017).encode()]
    for county in region.counties:
        cocs = [coc for coc in region.cocs if county.fips in members[coc.number]]
        if not cocs:
            lines.append(f'"{county.fips}"{",NA" * 9},100,100'.encode())
        for coc in cocs:
            relation = _relation(len(cocs), len(members[coc.number]))
            numbers = f"{len(cocs)},{len(members[coc.number])},{int(relation == 4)},{relation}"
            lines.append(
                f'"{county.fips}","{coc.number}","{coc.name}",'.encode()
                + f'"{coc.name.removesuffix(" CoC")}"'.encode("cp1252")
                + f',"Yes","Yes",{numbers},{",".join(_percentages(county, coc))}'.encode()
            )
    return b"\n".join(lines) + b"\n"


def shares_2025(region: Region) -> bytes:
    """Shares of each county by area and by tract, a CoC and county a row; the two differ where a county is split."""
    rng = stream("coc", 2025)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["COCNUM", "COCNAME", "fips", "area_share_of_county", "tract_share"])
    for coc in region.cocs:
        for fips, share in sorted(coc.shares.items()):
            # Boundaries of two agencies never match quite; a city's part of a county is dense and small.
            sliver = round(float(rng.uniform(0, 0.006)), 3)
            area = round(share * 0.45, 3) if share < 0.5 else round(1 - (1 - share) * 0.45, 3)
            by_area, by_tract = (1 - sliver, 1 - sliver) if share == 1 else (area, round(share, 3))
            writer.writerow([coc.number, coc.name, fips, round(by_area, 3), round(by_tract, 3)])
    return out.getvalue().encode()


def tracts_2025(region: Region) -> bytes:
    """`tract_coc_wt2025.parquet`: the parts of each county's tracts sum to the county's shares."""
    rng = stream("coc", "tracts")
    rows: list[tuple[str, str, str, str, float]] = []
    for index, county in enumerate(region.counties):
        tracts = [tract for tract in region.tracts if tract.county == index]
        homes = [(coc, coc.shares[county.fips]) for coc in region.cocs if county.fips in coc.shares]
        if county.fips == region.without_coc:
            tracts = tracts[:-1]  # the last one lies in no CoC, and the real file leaves such tracts out
        at = 0.0
        for coc, share in homes:
            end = at + share * len(tracts)
            for number, tract in enumerate(tracts):
                part = min(end, number + 1) - max(at, number)
                if part > 1e-9:
                    rows.append((tract.geoid, county.fips, coc.number, coc.name, round(part, 6)))
            at = end
        if len(homes) == 1 and rng.random() < 0.2:
            # Boundaries of two agencies never match quite.
            sliver = round(float(rng.uniform(0.0001, 0.006)), 6)
            geoid, fips, number_of, name, _ = rows.pop()
            other = next(coc for coc in region.cocs if coc.number != number_of)
            rows += [
                (geoid, fips, number_of, name, round(1 - sliver, 6)),
                (geoid, fips, other.number, other.name, sliver),
            ]
    rows.sort(key=lambda row: (row[2], row[0]))
    columns = {**dict.fromkeys(("GEOID", "fips", "COCNUM", "COCNAME"), pl.String), "w_tract": pl.Float64}
    out = io.BytesIO()
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet(out, compression="snappy")
    return out.getvalue()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """The crosswalks."""
    yield "2017", "county_coc_match.csv", crosswalk_2017(region)
    yield "2025", "coc_county_mo_metroeast_2025.csv", shares_2025(region)
    yield "2025", "tract_coc_wt2025.parquet", tracts_2025(region)
