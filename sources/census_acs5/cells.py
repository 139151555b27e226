"""Which ACS cells a run holds, at which levels, and how they are packed into requests and files."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import yaml

from sources.source import SourceError
from sources.states import NAME_BY_FIPS

CELL = re.compile(r"(?P<table>[BC]\d{5}[A-Z]*|S\d{4}[A-Z]*_C\d{2})_\d{3}")
CELLS_A_CALL = 24
"""With estimate and margin of each, and NAME, 49 of the 50 variables that a call may ask for."""

COUNTY, TRACT, DISTRICT = "county", "tract", "school_district"
LAYERS = ("unified", "elementary", "secondary")
"""Layers of school districts. Elementary and secondary districts lie over each other: never add them."""

_OUTSIDE = ("60", "66", "69", "78", "97")
NATION = tuple(fips for fips in sorted(NAME_BY_FIPS) if fips not in _OUTSIDE)
"""The 50 states, the District of Columbia and Puerto Rico: where the survey is taken."""

_DECLARED = Path(__file__).with_name("cells.yaml")


@cache
def declared() -> dict[str, frozenset[str]]:
    """Cells of `cells.yaml` by level."""
    groups = yaml.safe_load(_DECLARED.read_text(encoding="utf-8"))
    everywhere, counties = (
        frozenset(f"{table}_{line}" for table, lines in groups[name].items() for line in lines.split())
        for name in ("everywhere", "counties")
    )
    return {COUNTY: everywhere | counties, TRACT: everywhere, DISTRICT: everywhere}


def wanted(level: str, named: Iterable[str]) -> list[str]:
    """Cells of a level in order: the declared ones, and for counties also those that indicators name.

    Args:
        named: cells such as `B14005_010`, or `S2801_C01_014` of a subject table.

    Raises:
        SourceError: a named cell does not look like one.
    """
    cells = set(declared()[level])
    for cell in named:
        if CELL.fullmatch(cell) is None:
            raise SourceError(
                f"census_acs5: {cell!r} is not a cell of an ACS table, such as B14005_010 or S2801_C01_014. Correct "
                "it in the indicator that names it."
            )
        if level == COUNTY:
            cells.add(cell)
    return sorted(cells, key=lambda cell: (table_of(cell), cell))


def table_of(cell: str) -> str:
    """`B14005` of `B14005_010`."""
    return cell[:-4]


def is_subject(cell: str) -> bool:
    """Whether the cell is of a subject table: those have an endpoint of their own and no summary file."""
    return cell.startswith("S")


def chunks(cells: Sequence[str]) -> list[list[str]]:
    """The cells of one request each, cells of several tables together: detailed tables first, then subject tables."""
    packed = []
    for kind in (False, True):
        same = [cell for cell in cells if is_subject(cell) == kind]
        packed += [same[start : start + CELLS_A_CALL] for start in range(0, len(same), CELLS_A_CALL)]
    return packed


def part(folder: str, number: int) -> str:
    """The name of the file that holds a chunk: `tract/29/part-03.json`."""
    return f"{folder}/part-{number:02d}.json"
