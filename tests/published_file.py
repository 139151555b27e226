"""A published file with a few rows of every table that people look at, in the shape that the contracts declare."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from atlas import summary
from pipelines.catalogue import catalogue, unions
from pipelines.meta import STATIC
from quality.contract import Table

A, B, C = "97001", "97003", "97005"
COUNTIES = {A: "Alder County, Nowhere", B: "Bramble County, Nowhere", C: "Cinder County, Nowhere"}
SHA = {name: character * 64 for name, character in zip(("saipe", "acs", "ccd", "geo"), "abcd", strict=True)}
TYPES = {pl.String: "VARCHAR", pl.Float64: "DOUBLE", pl.Int64: "BIGINT", pl.Int8: "TINYINT", pl.Boolean: "BOOLEAN"}
Rows = Sequence[Mapping[str, Any]]


@cache
def _contracts() -> dict[str, Table]:
    return catalogue() | {union.key: union for union, _ in unions()} | {table.key: table for table in STATIC}


def required(key: str) -> set[str]:
    """The columns of a table that are never null."""
    return {column.name for column in _contracts()[key].columns if not column.nullable}


def _county(geo_id: str, **given: Any) -> dict[str, Any]:
    return {"geo_level": "county", "geo_id": geo_id, "geo_name": COUNTIES.get(geo_id), "is_simulated": False} | given


def scores() -> list[dict[str, Any]]:
    return [
        _county(
            geo_id, index_id=index_id, period="2023", reference_id="all", score=80.0 - 20 * at,
            score_p05=70.0 - 20 * at, score_p95=90.0 - 20 * at, rank=at + 1, rank_mean=at + 1.0,
            rank_p05=float(max(at, 1)), rank_p95=min(at + 2.0, 3), n_ranked=3,
            p_top_5=1.0 - 0.4 * at, p_top_10=1.0, p_top_20=1.0, tier=1 + at, tier_probability=0.94,
            independence_assumed=True, coverage=1.0, quality=1,
        )
        for index_id in ("priority", "poverty", "homelessness", "family_instability", "systemic_risk")
        for at, geo_id in enumerate(COUNTIES)
    ]  # fmt: skip


def driver(geo_id: str, indicator_id: str, difference: float, role: str) -> dict[str, Any]:
    return _county(
        geo_id, index_id="priority", indicator_id=indicator_id, parent_id="poverty", difference=difference, role=role,
        effective_weight=0.1, is_imputed=False,
    )  # fmt: skip


def population(geo_id: str, population_id: str, title: str, count: float | None, **given: Any) -> dict[str, Any]:
    return _county(
        geo_id, population_id=population_id, title=title, count=count, count_lower=count and count - 30,
        count_upper=count and count + 40, universe_count=10_000.0, rate=count and count / 10_000, rate_lower=0.01,
        rate_upper=0.2, rate_of="children of 5 to 17", status="ok", period="2023", vintage="2023",
        snapshot_sha256=SHA["saipe"],
    ) | given  # fmt: skip


def hexagon(x: float, y: float) -> str:
    ring = [
        [x, y + 0.5],
        [x + 0.5, y + 0.25],
        [x + 0.5, y - 0.25],
        [x, y - 0.5],
        [x - 0.5, y - 0.25],
        [x - 0.5, y + 0.25],
    ]
    return json.dumps({"type": "Polygon", "coordinates": [[*ring, ring[0]]]})


def frames() -> dict[str, list[dict[str, Any]]]:
    """Rows by table; change what a test is about and give them to `publish`."""
    lgbtq = ("lgbtq_13_17", "LGBTQ young people of 13 to 17")
    poor = "Children of 5 to 17 in families in poverty"
    figure = {"period": "2023", "vintage": "2023", "value_kind": "exact", "snapshot_sha256": SHA["acs"]}
    return {
        "risk.scores": scores(),
        "risk.areas": [],
        "risk.drivers": [
            driver(geo_id, indicator_id, difference, role)
            for geo_id in COUNTIES
            for indicator_id, difference, role in (
                ("child_poverty_share", 6.0, "raises need"),
                ("no_vehicle_share", -4.0, "lowers need"),
            )
        ],
        "indicator.values": [
            _county(geo_id, indicator_id=indicator_id, value=value, value_lower=value - 0.02, value_upper=value + 0.02)
            | figure
            for geo_id in COUNTIES
            for indicator_id, value in (("child_poverty_share", 0.25), ("no_vehicle_share", 0.05))
        ],
        "decision.populations": [
            population(A, "low_income_youth_5_17", poor, 1000.0),
            population(B, "low_income_youth_5_17", poor, 2000.0),
            population(C, "low_income_youth_5_17", poor, 500.0),
            population(A, "black_girls_10_17", "Black girls of 10 to 17", 300.0),
            population(
                B, "black_girls_10_17", "Black girls of 10 to 17", None, status="withheld", reason="withheld: too few"
            ),
            population("97", *lgbtq, 37_000.0, geo_level="state", geo_name="Nowhere"),
            population(A, *lgbtq, None, status="missing", reason="by state alone"),
            population(B, *lgbtq, None, status="missing", reason="by state alone"),
        ],
        "decision.program_emphasis": [
            _county(
                A, prevention=prevention, fund_line=line, item_id=f"{prevention}_item", item_kind=kind,
                title=f"Item of {prevention} prevention", value=0.25 if unit else 2.0, value_lower=0.2, value_upper=0.3,
                unit=unit or "beds", percentile=80.0, percentile_lower=60.0, percentile_upper=95.0, quality=1,
                note="a note", rationale="a reason", period="2023",
            )
            for prevention, line, kind, unit in (
                ("primary", "prevention_programmes", "indicator", "share, 0 to 1"),
                ("secondary", "prevention_programmes", "population", "share, 0 to 1"),
                ("tertiary", "survivor_services", "supply", None),
            )
        ],
        "decision.schools": [
            {
                "school_id": f"97000010000{n}", "district_id": "9700001", "geo_id": A, "geo_name": COUNTIES[A],
                "school_name": f"School {n}", "school_level": None, "lowest_grade": 6, "highest_grade": 8,
                "enrolment_count": 410.0, "enrolment_count_kind": "exact", "school_need_share": 0.6, "area_rank": 1,
                "area_rank_p05": 1.0, "area_rank_p95": 2.0, "outreach_order": n, "vintage": "2024",
                "snapshot_sha256": SHA["ccd"], "is_simulated": False,
            }
            for n in (1, 2)
        ],
        "risk.history": [
            _county(
                A, index_id="priority", reference_year=2023, score=80.0, score_p05=70.0, score_p95=90.0, coverage=1.0,
                members="all", change=5.0, change_lower=1.0, change_upper=9.0, is_significant=True, yardstick="2023",
                break_note="broken in 2019",
            )
        ],
        "analyst.changes": [
            _county(
                A, indicator_id="child_poverty_share", period_from="2018", period_to="2023", value_from=0.2,
                value_to=0.25, change=0.05, change_se=0.01, change_lower=0.034, change_upper=0.066, is_significant=True,
            )
        ],
        "risk.validation": [
            {
                "index_id": "priority", "check_id": "child_poverty_alone", "counterpart": "child_poverty_share",
                "scope": "region", "n_areas": 3, "spearman": 0.86, "spearman_lower": 0.8, "spearman_upper": 0.9,
                "top20_in_common": 14, "text": "They agree in part.", "is_simulated": False,
            }
        ],
        "analyst.board_memo": [
            _county(A, sentence="Alder County, Nowhere: about 1,000 of 10,000.", rank=1, rank_p05=1.0, rank_p95=2.0)
        ],
        "core.geo_county": [
            _county(geo_id, vintage="2023", geometry=hexagon(at - 90.0, 38.0), snapshot_sha256=SHA["geo"])
            for at, geo_id in enumerate(COUNTIES)
        ],
        "decision.districts": [
            {
                "geo_level": "school_district", "geo_id": "9700001", "geo_name": "One District", "has_territory": True,
                "county_ids": f"{A} 98.0 %; {C} 2.0 %", "n_counties": 2, "poor_children_share": 0.22,
                "enrolment_count_kind": "missing",
                "graduation_share_lower": 0.8, "graduation_share_upper": 0.84, "graduation_share_kind": "interval",
                "homeless_students_count_kind": "suppressed", "snapshot_sha256": SHA["ccd"], "is_simulated": False,
            },
            {
                "geo_level": "school_district", "geo_id": "9700002", "geo_name": "Far District", "has_territory": True,
                "county_ids": f"{C} 100.0 %", "n_counties": 1, "enrolment_count_kind": "missing",
                "graduation_share_kind": "missing", "homeless_students_count_kind": "missing",
                "snapshot_sha256": SHA["ccd"], "is_simulated": False,
            },
        ],
        "core.coc_county_crosswalk": [],
        "meta.indicators": [
            {"indicator_id": "child_poverty_share", "title": "Children in poverty", "unit": "share"},
            {"indicator_id": "no_vehicle_share", "title": "Households without a vehicle", "unit": "share"},
        ],
        "meta.indices": [{"index_id": "priority", "title": "Priority"}],
        "meta.limits": [
            {"limit_id": "what_it_is", "text": "An index of conditions."},
            {"limit_id": "non_uses", "text": "Not for policing."},
        ],
        "meta.absent": [{"part": "core.census_dhc_tract", "reason": "no file", "file_missing": "dhc.json"}],
        "meta.sources": [{"source_id": "census_saipe", "title": "SAIPE", "citation": "Census Bureau, SAIPE."}],
        "meta.snapshots": [
            {
                "source_id": "census_saipe", "vintage": "2023", "name": "est23all.xls", "sha256": SHA["saipe"],
                "licence": "public domain", "is_simulated": False,
            }
        ],
        "meta.releases": [
            {
                "release": 7, "published_at": "2026-03-31T10:00:00+00:00", "region": "nowhere", "input": "directory",
                "is_simulated": False, "code_version": "0.1.0", "seed": 1, "n_draws": 1000, "inputs_sha256": "f" * 64,
            }
        ],
    }  # fmt: skip


def publish(home: Path, rows: Mapping[str, Rows]) -> Path:
    """Write the file of a home; a table has the columns of its contract, and a row no other."""
    path = home / summary.CURRENT
    path.parent.mkdir(parents=True, exist_ok=True)
    contracts = _contracts()
    with duckdb.connect(str(path)) as connection:
        for key, found in rows.items():
            schema, name = key.split(".")
            columns = {column.name: TYPES[column.dtype] for column in contracts[key].columns}
            # geo_name and is_simulated are given to every county row, and not every table has them.
            extra = {name for row in found for name in row} - set(columns) - {"geo_name", "geo_level", "is_simulated"}
            assert not extra, f"{key} has no column {', '.join(sorted(extra))}"
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            connection.execute(f'CREATE TABLE {schema}."{name}" ({", ".join(f"{n} {t}" for n, t in columns.items())})')
            values = [[row.get(column) for column in columns] for row in found]
            if values:
                connection.executemany(
                    f'INSERT INTO {schema}."{name}" VALUES ({", ".join("?" * len(columns))})', values
                )
    return home
