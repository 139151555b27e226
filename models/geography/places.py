"""Which tracts, school districts, Continuums of Care and service areas belong to a region of counties."""

import polars as pl

from models.geography.areas import ACS_AREA

TRACTS, DISTRICTS, AREAS = "core.census_acs5_tract", "core.census_acs5_district", ACS_AREA.key
LISTS = {"tract": TRACTS, "school_district": DISTRICTS, "coc": AREAS, "service_area": AREAS}
"""Levels and the tables that list their areas."""


def region_areas(
    lists: dict[str, pl.DataFrame], crosswalk: pl.DataFrame, counties: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """The areas of each level that lie in a region, wholly or in part.

    A school district of two regions belongs to both; agencies without ground of their own (charters, the Special
    School District) are in no list of areas and so are never ranked as places.

    Args:
        lists: by level, geo_level, geo_id and geo_name of all areas of the table that lists them.
        crosswalk: rows of geography.crosswalk.
        counties: geo_id of the region's counties.

    Returns:
        geo_id and geo_name by level, each area once, in order of id.
    """
    inside = counties["geo_id"].implode()
    to_county = crosswalk.filter((pl.col("to_level") == "county") & pl.col("to_id").is_in(inside))
    from_county = crosswalk.filter((pl.col("from_level") == "county") & pl.col("from_id").is_in(inside))
    found = {}
    for level, listed in lists.items():
        areas = listed.filter(pl.col("geo_level") == level)
        if level == "tract":
            kept = areas.filter(pl.col("geo_id").str.head(5).is_in(inside))
        else:
            ids = pl.concat(
                [
                    to_county.filter(pl.col("from_level") == level)["from_id"],
                    from_county.filter(pl.col("to_level") == level)["to_id"],
                ]
            )
            kept = areas.filter(pl.col("geo_id").is_in(ids.unique().implode()))
        found[level] = kept.group_by("geo_id").agg(pl.col("geo_name").drop_nulls().last()).sort("geo_id")
    return found
