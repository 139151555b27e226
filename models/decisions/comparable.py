"""What of two periods may be set against each other: breaks of definition, dollars of different years.

Both are declared beside the indicators: `models/indicators/breaks.yaml` and `prices.yaml`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import models.indicators as declarations
from models.indicators.indicator import Indicator

_FOLDER = Path(declarations.__path__[0])
_KEYS = {"id", "indicators", "cells", "tables", "states", "starts", "only", "unless_complete", "note", "source"}


class BreakError(ValueError):
    """A break that is wrongly declared; names the entry and what to change."""


@dataclass(frozen=True)
class Break:
    """One break of definition.

    Args:
        starts: the first year of the new definition.
        only: a year that is like no other.
        indicators, cells, tables: ids, ACS tables and core tables that were broken. An empty one says nothing; each
            that says something has to fit.
        states: two-digit codes of the states whose areas were broken; all where empty.
        unless_complete: whether areas that were counted in full are exempt.
        note: what a reader is told.
        source: where the publisher says so.
    """

    id: str
    note: str
    source: str
    starts: int | None = None
    only: int | None = None
    indicators: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    unless_complete: bool = False

    def is_about(self, indicator: Indicator) -> bool:
        """Whether the indicator reads what was broken."""
        cells = not self.cells or any(cell.split("_")[0] in self.cells for cell in indicator.cells)
        named = not self.indicators or indicator.id in self.indicators
        return named and cells and (not self.tables or bool(set(self.tables) & set(indicator.tables)))

    def lies_between(self, first: int, last: int) -> bool:
        """Whether a change from the year `first` to the year `last` is across the break."""
        return self.only in (first, last) if self.starts is None else first < self.starts <= last


def read_breaks(entries: list[Mapping[str, Any]]) -> tuple[Break, ...]:
    """Read declared breaks.

    Raises:
        BreakError: a key is unknown or missing, or not exactly one of `starts` and `only` is given.
    """
    found = []
    for position, entry in enumerate(entries, start=1):
        where = f"breaks.yaml: entry {position} ({entry.get('id')})"
        if unknown := entry.keys() - _KEYS:
            raise BreakError(
                f"{where}: unknown keys {', '.join(sorted(unknown))}: known are {', '.join(sorted(_KEYS))}"
            )
        if lacking := {"id", "note", "source"} - entry.keys():
            raise BreakError(f"{where}: needs {', '.join(sorted(lacking))}")
        if ("starts" in entry) == ("only" in entry):
            raise BreakError(f"{where}: give either starts or only")
        lists = {key: tuple(entry.get(key, ())) for key in ("indicators", "cells", "tables", "states")}
        if not (lists["indicators"] or lists["cells"] or lists["tables"]):
            raise BreakError(f"{where}: name the indicators, cells or tables that were broken")
        found.append(Break(**{**entry, **lists}))
    return tuple(found)


@cache
def all_breaks() -> tuple[Break, ...]:
    """Every declared break."""
    return read_breaks(yaml.safe_load((_FOLDER / "breaks.yaml").read_text(encoding="utf-8"))["breaks"])


def between(indicator: Indicator, first: str, last: str) -> list[Break]:
    """The breaks that a change of an indicator from one period ('YYYY') to another would be across."""
    return [one for one in all_breaks() if one.is_about(indicator) and one.lies_between(int(first), int(last))]


@cache
def _prices() -> dict[int, float]:
    return dict(yaml.safe_load((_FOLDER / "prices.yaml").read_text(encoding="utf-8"))["annual"])


def price_factor(unit: str, first: str, last: str) -> float | None:
    """What a value of one period has to be multiplied by to be in the dollars of another.

    Publishers give incomes and rents in the dollars of the last year of the period. The Census Bureau adjusts its own
    long series by the CPI-U-RS and, of late, the chained CPI; the CPI-U differs from both by a few tenths of a per
    cent a year, and its past values are not revised.

    Returns:
        1 for everything that is no dollars; None where a year's index is not declared.
    """
    if unit != "usd" or first == last:
        return 1.0
    known = _prices()
    if int(first) not in known or int(last) not in known:
        return None
    return known[int(last)] / known[int(first)]


def years_of(source_period: str | None, period: str) -> tuple[int, int]:
    """First and last year of what a publisher's figures describe ('2019-2023', 'FY2021', '2023')."""
    years = [int(year) for year in re.findall(r"\d{4}", source_period or "")]
    return (years[0], years[-1]) if years else (int(period), int(period))


def overlap(earlier: tuple[int, int], later: tuple[int, int]) -> float:
    """Share of the years of a period that another of the same length has too; 0 for periods of different lengths.

    The rule below is for the same length only; taking others as independent overstates the error of a change.
    """
    length = later[1] - later[0] + 1
    if earlier[1] - earlier[0] + 1 != length:
        return 0.0
    return max(0, min(earlier[1], later[1]) - max(earlier[0], later[0]) + 1) / length
