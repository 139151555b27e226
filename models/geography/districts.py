"""School districts to counties: by children where the figures pin the parts down, else in equal parts, and flagged."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.geography.crosswalk import WEIGHTS, Crosswalk, build, unmatched, weight_se

_ROUNDS = 200
_SMALLEST = 1e-6


def _rake(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    row_total: NDArray[np.float64],
    column_total: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Fill a sparse table whose margins are known, starting from equal cells (iterative proportional fitting)."""
    cells = np.ones(len(rows))
    for _ in range(_ROUNDS):
        cells *= (column_total / np.bincount(columns, cells, len(column_total)))[columns]
        cells *= (row_total / np.bincount(rows, cells, len(row_total)))[rows]
        cells = np.maximum(cells, row_total[rows] * _SMALLEST)
    return cells / np.bincount(rows, cells, len(row_total))[rows]


def rake(parts: pl.DataFrame, children: pl.DataFrame, county_children: pl.DataFrame) -> pl.DataFrame:
    """Shares of districts in counties that agree with the children of both.

    A part's size is not published. But a district's children and a county's are, and most districts lie in one
    county: what they leave of the county's children belongs to the parts of the others.

    Args:
        parts: district_id, county_id.
        children: geo_id, size of districts. Elementary and secondary districts must have children of their own
            grades only, as SAIPE gives them.
        county_children: geo_id, size of counties, of the same ages.

    Returns:
        district_id, county_id, share; of the districts whose children, and those of all their counties, are known.
    """
    joined = (
        parts.join(children.select(district_id="geo_id", children="size"), on="district_id", how="left")
        .join(county_children.select(county_id="geo_id", county_children="size"), on="county_id", how="left")
        .filter(((pl.col("children") > 0) & (pl.col("county_children") > 0)).fill_null(False).all().over("district_id"))
        .sort("district_id", "county_id")
    )
    if joined.is_empty():
        return joined.select("district_id", "county_id", share=pl.lit(None, dtype=pl.Float64))
    index = joined.with_columns(
        row=pl.col("district_id").rank("dense") - 1, column=pl.col("county_id").rank("dense") - 1
    )
    row_total = index.unique("row").sort("row")["children"].to_numpy().astype(np.float64)
    column_total = index.unique("column").sort("column")["county_children"].to_numpy().astype(np.float64)
    share = _rake(
        index["row"].to_numpy().astype(np.int64), index["column"].to_numpy().astype(np.int64), row_total, column_total
    )
    return joined.select("district_id", "county_id").with_columns(share=pl.Series(share))


def district_to_county(
    parts: pl.DataFrame,
    shares: pl.DataFrame,
    hosts: pl.DataFrame | None = None,
    others: pl.Series | None = None,
    crosswalk_id: str = "district_county",
) -> Crosswalk:
    """School districts to counties.

    Weights are of one district each and say nothing about adding districts: residents of elementary and secondary
    districts are never added (`models.geography.layers`).

    Args:
        parts: district_id, county_id.
        shares: district_id, county_id, share, basis: what is known of how a district divides, all its parts or none.
        hosts: agencies without ground, as `models.geography.hosts.find_hosts` returns them; they go where their
            host goes, or to the county that they serve.
        others: districts that should be among the parts; those that are not are listed.
    """
    n = pl.len().over("from_id")
    known = pl.col("share").is_not_null().all().over("from_id")
    weights = (
        parts.unique(["district_id", "county_id"])
        .join(shares, on=["district_id", "county_id"], how="left")
        .rename({"district_id": "from_id", "county_id": "to_id"})
        .with_columns(
            weight=pl.when(n == 1).then(1.0).when(known).then("share").otherwise(1 / n),
            basis=pl.when(n == 1).then(pl.lit("whole")).when(known).then("basis").otherwise(pl.lit("equal")),
        )
        .with_columns(weight=pl.col("weight") / pl.sum("weight").over("from_id"))
        # As many pieces as parts: nothing is known of the parts beyond what their sums allow.
        .with_columns(weight_se=weight_se(pl.col("weight"), n))
        .select(*WEIGHTS)
    )
    placed, nowhere = _hosted(weights, hosts) if hosts is not None else ([], [])
    return build(
        crosswalk_id,
        "school_district",
        "county",
        pl.concat([weights, *placed]),
        nowhere,
        sources=others,
    )


def _hosted(weights: pl.DataFrame, hosts: pl.DataFrame) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
    """Weights of agencies without ground, and those that have neither a host nor a county that they serve."""
    by_host = (
        hosts.drop_nulls("host_id")
        .join(weights.rename({"from_id": "host_id"}).drop("basis"), on="host_id")
        .select("to_id", "weight", "weight_se", from_id="leaid", basis=pl.lit("host"))
    )
    serving = hosts.filter(pl.col("serves").str.len_chars() == 5).select(
        from_id="leaid", to_id="serves", weight=pl.lit(1.0), weight_se=pl.lit(0.0), basis=pl.lit("host")
    )
    placed = [by_host.select(*WEIGHTS), serving.select(*WEIGHTS)]
    nowhere = hosts.filter(~pl.col("leaid").is_in(pl.concat(placed)["from_id"].implode())).sort("leaid")
    by_reason = nowhere.with_columns(
        reason=pl.when(pl.col("host_id").is_null()).then("reason").otherwise(pl.lit("its host is in no county"))
    ).group_by("reason", maintain_order=True)
    return placed, [unmatched("from", found["leaid"], str(reason), weight=1.0) for (reason,), found in by_reason]
