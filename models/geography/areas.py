"""Areas that are made of counties: ACS cells of Continuums of Care and service areas, summed with their margins."""

from collections.abc import Iterator, Sequence

import polars as pl

from models.engine.margins import Z90
from models.geography.crosswalk import Crosswalk, no_rows
from models.geography.interpolation import interpolate_counts
from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table

NEVER_SUMMED = ("B19013", "B19083", "B25064", "S1701_C03")
"""Medians, Gini indices and percentages: what an area's parts have says nothing of what the area has."""

LEVELS = ("coc", "service_area")

ACS_AREA = Table(
    key="geography.acs_area",
    title="ACS figures of Continuums of Care and service areas",
    description="Cells of the American Community Survey summed over the counties of each Continuum of Care, by the "
    "newest crosswalk, and of each service area; margins hold the error of the figures and that of the crosswalk's "
    "weights. Null where the figure of a part is not known. Medians, Gini indices and percentages are not summed.",
    columns=(
        VINTAGE,
        PERIOD,
        geo_level(*LEVELS),
        geo_id(*LEVELS),
        GEO_NAME,
        Column("table_id", pl.String, "ACS table.", nullable=False),
        Column("cell", pl.String, "ACS cell.", nullable=False),
        Column("estimate", pl.Float64, "Sum of the parts.", unit="unit of the cell"),
        Column("moe", pl.Float64, "90 % margin of error.", unit="unit of the cell", minimum=0),
        Column("annotation", pl.String, "Why there is no estimate."),
        SNAPSHOT,
    ),
    primary_key=("vintage", "geo_level", "geo_id", "cell"),
    may_be_empty=True,
)


def newest_to_coc(crosswalks: Sequence[tuple[str, Crosswalk]]) -> Crosswalk | None:
    """The crosswalk from counties that covers most Continuums of Care in its newest vintage; None without any."""
    usable = [
        (crosswalk.weights["to_id"].n_unique() > 100, vintage, crosswalk.id.endswith("_by_tract"), position)
        for position, (vintage, crosswalk) in enumerate(crosswalks)
        if (crosswalk.from_level, crosswalk.to_level) == ("county", "coc")
    ]
    return crosswalks[max(usable)[-1]][1] if usable else None


def acs_areas(acs: pl.DataFrame, crosswalk: Crosswalk, names: pl.DataFrame) -> pl.DataFrame:
    """Rows of `ACS_AREA` from those of counties.

    Args:
        acs: rows of core.census_acs5_county.
        crosswalk: from counties to Continuums of Care or service areas.
        names: geo_id, geo_name of these.
    """
    cells = acs.filter(~pl.col("table_id").str.contains(f"^({'|'.join(NEVER_SUMMED)})"))
    by = ["vintage", "period", "table_id", "cell"]
    figures = cells.select(*by, "geo_id", "moe", value="estimate")
    summed = interpolate_counts(crosswalk, figures, by).values
    files = cells.group_by(by).agg(pl.col("snapshot_sha256").unique().sort().str.join(","))
    return (
        summed.join(files, on=by)
        .join(names, on="geo_id", how="left")
        .select(
            "vintage",
            "period",
            "geo_id",
            "geo_name",
            "table_id",
            "cell",
            "snapshot_sha256",
            geo_level=pl.lit(crosswalk.to_level),
            estimate=pl.col("value").round(6),
            moe=(Z90 * pl.col("se")).round(6),
            annotation=pl.when(pl.col("value").is_null()).then(
                pl.format("known for {} of {} counties", "n_known", "n_sources")
            ),
        )
        .select(ACS_AREA.column_names)
    )


def service_areas(listed: pl.DataFrame) -> Iterator[Crosswalk]:
    """A crosswalk from counties to each service area: areas overlap as their authors like, and each is whole.

    Args:
        listed: area_id, geo_id.
    """
    for (area,), counties in listed.group_by("area_id", maintain_order=True):
        weights = counties.unique("geo_id", maintain_order=True).select(
            from_id="geo_id",
            to_id=pl.lit(area, pl.String),
            weight=pl.lit(1.0),
            weight_se=pl.lit(0.0),
            basis=pl.lit("declared"),
        )
        yield Crosswalk(f"county_{area}", "county", "service_area", weights, no_rows())
