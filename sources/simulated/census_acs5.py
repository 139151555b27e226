"""American Community Survey: answers of the Census Bureau's API, a saved table of tracts, and the summary files.

An answer is a header row, then a row an area, all values text or null, geography columns last:
`[["NAME","B14005_001E","B14005_001M",...,"state","county"],` and `["Simulated Alder County, ...",...]]`.
"""

import io
import json
from collections.abc import Iterator, Sequence

import polars as pl

from sources.census_acs5 import cells
from sources.simulated.acs_figures import Areas, Figures, Survey, Value
from sources.simulated.region import POSTAL, STATE_FIPS, STATE_NAME, Region, stream

_LEVELS = {
    cells.COUNTY: "county",
    cells.TRACT: f"tract/{STATE_FIPS}",
    cells.DISTRICT: f"district_unified/{STATE_FIPS}",
}
# The publisher's own columns; the names of areas are all that we read.
_GEOS = (
    "FILEID|STUSAB|SUMLEVEL|COMPONENT|US|REGION|DIVISION|STATE|COUNTY|COUSUB|PLACE|TRACT|BLKGRP|CONCIT|AIANHH|"
    "AIANHHFP|AIHHTLI|AITS|AITSFP|ANRC|CBSA|CSA|METDIV|MACC|MEMI|NECTA|CNECTA|NECTADIV|UA|CDCURR|SLDU|SLDL|ZCTA5|"
    "SUBMCD|SDELM|SDSEC|SDUNI|UR|PCI|PUMA5|GEO_ID|NAME|BTTR|BTBG|TL_GEO_ID"
)
_GEOS_COLUMNS = {"state": "STATE", "county": "COUNTY", "tract": "TRACT", "school district (unified)": "SDUNI"}


def _answer(wanted: Sequence[str], areas: Areas, found: Figures, separators: tuple[str, str]) -> bytes:
    """One row a line, as the API writes its answers."""
    header = ["NAME", *(f"{cell}{kind}" for cell in wanted for kind in "EM"), *areas.columns]
    columns = [column for cell in wanted for column in found[cell]]
    rows = [[name, *(c[i] for c in columns), *areas.codes[i]] for i, name in enumerate(areas.names)]
    lines = [json.dumps(row, ensure_ascii=False, separators=separators) for row in (header, *rows)]
    return ("[" + ",\n".join(lines) + "]").encode()


def _saved(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """Answers of 2018 as somebody saved them, a table a file."""
    areas, found = Survey(region, "2018").figures(cells.COUNTY)
    for table in sorted({cells.table_of(cell) for cell in found}):
        wanted = [cell for cell in found if cells.table_of(cell) == table]
        yield "2018", f"county/{table}.json", _answer(wanted, areas, found, (", ", ": "))


def _tracts(region: Region, areas: Areas, found: Figures) -> bytes:
    """B11002 and its tables by race as a wide table of tracts: what somebody once made of answers, all values text."""
    people = found["B11002_001"]
    rng = stream("acs", "B11002", "tracts")
    columns: dict[str, Sequence[Value]] = {
        "GEOID": ["".join(codes) for codes in areas.codes],
        "fipscode": ["".join(codes[:2]) for codes in areas.codes],
        "statecode": [codes[0] for codes in areas.codes],
        "countycode": [codes[1] for codes in areas.codes],
        "NAME": list(areas.names),
        "B11002_001E": people[0],
        "B11002_001M": people[1],
    }
    for race, topic in (("A", None), ("B", "black")):
        rates = region.tract_rates("black")
        counts = rng.binomial(region.tract_counts("population"), rates if topic else 0.97 * (1 - rates))
        columns[f"B11002{race}_001E"] = [str(count) for count in counts.tolist()]
        columns[f"B11002{race}_001M"] = [str(max(11, round(5 * count**0.5))) for count in counts.tolist()]
    buffer = io.BytesIO()
    pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).write_parquet(buffer)
    return buffer.getvalue()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """2018 by county as saved, 2023 by county, tract and school district as the API answers, and a table of tracts."""
    yield from _saved(region)
    survey = Survey(region, "2023")
    for level, folder in _LEVELS.items():
        areas, found = survey.figures(level)
        for number, chunk in enumerate(cells.chunks(cells.wanted(level, ())), start=1):
            yield "2023", cells.part(folder, number), _answer(chunk, areas, found, (",", ":"))
    yield "2023", "tract/B11002.parquet", _tracts(region, *survey.figures(cells.TRACT))


def summary_files(region: Region) -> Iterator[tuple[str, bytes]]:
    """The summary files of 2023, which hold the same figures: never beside the answers, as both give the same rows."""
    survey = Survey(region, "2023")
    levels = [survey.figures(level) for level in _LEVELS]
    yield "Geos20235YR.txt", _geos([areas for areas, _ in levels])
    known = {cell for _, found in levels for cell in found if not cells.is_subject(cell)}
    for table in sorted({cells.table_of(cell) for cell in known}):
        mine = sorted(cell for cell in known if cells.table_of(cell) == table)
        header = ["GEO_ID", *(f"{table}_{kind}{cell[-3:]}" for cell in mine for kind in "EM")]
        lines = ["|".join(header)]
        # The nation, a state and a block group: nobody reads them. So with the tract of another state.
        other = ["0100000US", f"0400000US{STATE_FIPS}", f"1500000US{STATE_FIPS}0010001001", "1400000US96001000100"]
        lines += ["|".join([geo_id, *(["1"] * (len(header) - 1))]) for geo_id in other]
        for areas, found in levels:
            nothing: tuple[list[Value], list[Value]] = ([None] * len(areas.names), [None] * len(areas.names))
            columns = [column for cell in mine for column in found.get(cell, nothing)]
            lines += [
                "|".join([f"{areas.prefix}{''.join(codes)}", *(column[i] or "" for column in columns)])
                for i, codes in enumerate(areas.codes)
            ]
        yield f"acsdt5y2023-{table.lower()}.dat", ("\n".join(lines) + "\n").encode()


def _geos(levels: Sequence[Areas]) -> bytes:
    rows = [{"STUSAB": "US", "SUMLEVEL": "010", "US": "1", "GEO_ID": "0100000US", "NAME": "Simulated Nation"}]
    rows.append({"STUSAB": POSTAL, "SUMLEVEL": "040", "GEO_ID": f"0400000US{STATE_FIPS}", "NAME": STATE_NAME})
    for areas in levels:
        for name, codes in zip(areas.names, areas.codes, strict=True):
            where = {_GEOS_COLUMNS[column]: code for column, code in zip(areas.columns, codes, strict=True)}
            geo_id = areas.prefix + "".join(codes)
            rows.append({"STUSAB": POSTAL, "SUMLEVEL": areas.prefix[:3], **where, "GEO_ID": geo_id, "NAME": name})
    lines = [
        "|".join({"FILEID": "ACSSF", "COMPONENT": "00", **row}.get(name, "") for name in _GEOS.split("|"))
        for row in rows
    ]
    return ("\n".join([_GEOS, *lines]) + "\n").encode()
