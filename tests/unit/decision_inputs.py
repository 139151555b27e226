"""Tables by hand for tests of decisions: every table that is not given is empty."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import polars as pl

from models.decisions.decision import Decision, Place, all_decisions
from models.geography.areas import ACS_AREA
from models.geography.published import CROSSWALK
from models.indicators.indicator import VALUES, all_indicators
from models.indices.tables import UNIONS
from quality.contract import Table
from sources.registry import core_tables

SHA = "a" * 64
COUNTIES = {"29510": "St. Louis city, Missouri", "29189": "St. Louis County, Missouri", "29183": "St. Charles County"}


def place(counties: dict[str, str] = COUNTIES) -> Place:
    frame = pl.DataFrame({"geo_id": list(counties), "geo_name": list(counties.values())}).sort("geo_id")
    return Place("test", "Test", frame, False)


@cache
def tables() -> dict[str, Table]:
    """Every table that a decision may read."""
    every = [table for _, table in core_tables().values()]
    every += [indicator.table for indicator in all_indicators().values()]
    every += [table for decision in all_decisions().values() for table in decision.tables]
    return {table.key: table for table in (*every, CROSSWALK, ACS_AREA, VALUES, *UNIONS)}


def rows(key: str, records: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Rows of a table; columns that are not given are null."""
    empty = tables()[key].empty()
    full = [{name: record.get(name) for name in empty.columns} for record in records]
    return pl.DataFrame(full, schema=empty.schema) if full else empty


def inputs(decision: Decision, **given: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """What a decision reads, keys written with `__` for the dot."""
    named = {key.replace("__", "."): frame for key, frame in given.items()}
    assert set(named) <= set(decision.reads), set(named) - set(decision.reads)
    return {key: named.get(key, rows(key, [])) for key in decision.reads}


def acs(
    cells: Iterable[tuple[str, str, float | None, float | None]], level: str = "county", vintage: str = "2023"
) -> pl.DataFrame:
    """Cells (geo_id, cell, estimate, moe) as rows of the table of their level."""
    keys = {"county": "core.census_acs5_county", "school_district": "core.census_acs5_district"}
    return rows(
        keys.get(level, "geography.acs_area"),
        [
            {
                "vintage": vintage,
                "period": f"{int(vintage) - 4}-{vintage}",
                "geo_level": level,
                "geo_id": area,
                "table_id": cell.rsplit("_", 1)[0],
                "cell": cell,
                "estimate": estimate,
                "moe": moe,
                "snapshot_sha256": SHA,
            }
            for area, cell, estimate, moe in cells
        ],
    )


def crosswalk(*weights: tuple[str, str, str, str, float], crosswalk_id: str = "county_coc_2025") -> pl.DataFrame:
    """Weights (from_level, from_id, to_level, to_id, weight)."""
    return rows(
        "geography.crosswalk",
        [
            {
                "crosswalk_id": crosswalk_id,
                "vintage": "2025",
                "from_level": a,
                "from_id": b,
                "to_level": c,
                "to_id": d,
                "weight": weight,
                "weight_se": 0.0,
                "basis": "whole",
            }
            for a, b, c, d, weight in weights
        ],
    )
