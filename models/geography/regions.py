"""Regions: the areas that are ranked against each other."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from models.geography.counties import national


class RegionError(ValueError):
    """A region that is unknown, wrongly declared, or not covered by the county list."""


@dataclass(frozen=True)
class Region:
    """A set of whole states and single counties; `states` None means the nation."""

    id: str
    title: str
    states: tuple[str, ...] | None
    counties: tuple[str, ...] = ()
    n_counties: int | None = None

    @property
    def touched_states(self) -> tuple[str, ...] | None:
        """Two-digit codes of the states that the region lies in; None for the nation."""
        if self.states is None:
            return None
        return tuple(sorted({*self.states, *(county[:2] for county in self.counties)}))

    def select(self, counties: pl.DataFrame) -> pl.DataFrame:
        """The region's counties out of the county list (geo_id, geo_name), in order of id.

        Raises:
            RegionError: a declared state or county is not in the list, or the number of counties
                is not the declared one.
        """
        if self.states is None:
            return national(counties).sort("geo_id")
        state = pl.col("geo_id").str.head(2)
        selected = counties.filter(state.is_in(self.states) | pl.col("geo_id").is_in(self.counties)).sort("geo_id")
        ids = selected["geo_id"].to_list()
        lost = [s for s in self.states if not any(i.startswith(s) for i in ids)]
        lost += [c for c in self.counties if c not in ids]
        if lost:
            raise RegionError(f"region {self.id}: the county list has no {', '.join(lost)}")
        if self.n_counties is not None and len(ids) != self.n_counties:
            raise RegionError(
                f"region {self.id}: declared with {self.n_counties} counties, but the list has {len(ids)}"
            )
        return selected


def _build(region_id: str, entry: Mapping[str, Any]) -> Region:
    unknown = set(entry) - {"title", "states", "counties", "n_counties"}
    if unknown:
        raise RegionError(f"region {region_id}: unknown {', '.join(sorted(unknown))}")
    states, counties = entry.get("states", []), entry.get("counties", [])
    if states != "all":
        wrong = [s for s in states if not re.fullmatch(r"\d{2}", str(s))]
        wrong += [c for c in counties if not re.fullmatch(r"\d{5}", str(c))]
        if wrong or not (states or counties):
            raise RegionError(
                f"region {region_id}: needs two-digit states or five-digit counties, not {wrong or 'none'}"
            )
    return Region(
        id=region_id,
        title=entry.get("title", region_id),
        states=None if states == "all" else tuple(states),
        counties=tuple(counties),
        n_counties=entry.get("n_counties"),
    )


def find_region(region_id: str, configured: Mapping[str, Any] | None = None) -> Region:
    """The region of this id, from the configuration or the project's own; or FIPS codes by comma.

    Raises:
        RegionError: no region has this id.
    """
    declared = yaml.safe_load(Path(__file__).with_name("regions.yaml").read_text(encoding="utf-8"))
    entries = {**declared, **(configured or {})}
    if region_id in entries:
        return _build(region_id, entries[region_id])
    codes = region_id.split(",")
    if all(re.fullmatch(r"\d{2}(\d{3})?", code) for code in codes):
        entry = {"states": [c for c in codes if len(c) == 2], "counties": [c for c in codes if len(c) == 5]}
        return _build(region_id, entry)
    raise RegionError(
        f"region {region_id!r} is unknown; known are {', '.join(sorted(entries))}, or FIPS codes by comma"
    )
