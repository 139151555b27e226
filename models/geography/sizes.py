"""How many people, households or children areas hold, from whichever table says so: what weights are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from models.geography.counties import RENAMED, SPLIT_INTO
from models.geography.vintages import connecticut, tract_key

INPUTS = (
    "core.census_acs5_tract",
    "core.census_acs5_county",
    "core.census_dhc_tract",
    "core.census_dhc_tract_race_share",
    "core.census_pep_county_age_sex",
    "core.census_saipe_district",
)
SIZE = {"geo_id": pl.String, "size": pl.Float64, "basis": pl.String}

_ACS_CELLS = {
    "B01003_001": "population",
    "B01001_001": "population",
    "C17002_001": "population",
    "B17001_001": "population",
    "B11001_001": "households",
    "B11002_001": "households",
    "B25003_001": "households",
}
"""Cells that count everybody, best first; those of poverty leave out people in institutions and dormitories."""
_DHC_CELL = "P5_001N"


def newest(table: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table's newest vintage."""
    return table.filter(pl.col("vintage") == pl.col("vintage").max())


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema=SIZE)


def _acs(table: pl.DataFrame) -> pl.DataFrame:
    """Sizes by the first cell that the newest vintage with any of them has."""
    held = newest(table.filter(pl.col("cell").is_in(list(_ACS_CELLS))))
    for cell, basis in _ACS_CELLS.items():
        found = held.filter((pl.col("cell") == cell) & pl.col("estimate").is_not_null())
        if found.height:
            return found.select("geo_id", size="estimate", basis=pl.lit(basis))
    return _empty()


def _pep(table: pl.DataFrame, bands: tuple[str, ...]) -> pl.DataFrame:
    """People of all the bands, of the newest day."""
    held = newest(table).filter(pl.col("age_band").is_in(bands))
    held = held.filter(pl.col("reference_date") == pl.col("reference_date").max())
    return (
        held.group_by("geo_id")
        .agg(size=pl.sum("count").cast(pl.Float64), n=pl.len())
        .filter(pl.col("n") == len(bands))
        .select("geo_id", "size", basis=pl.lit("population"))
    )


def _tracts(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """All tracts that any table names, with a size where one is known; of one basis throughout."""
    dhc = newest(tables["core.census_dhc_tract"]).filter(pl.col("cell") == _DHC_CELL)
    counted = dhc.select("geo_id", size=pl.col("count").cast(pl.Float64), basis=pl.lit("population"))
    acs = _acs(tables["core.census_acs5_tract"])
    sizes = counted if counted.height >= acs.height and counted.height else acs
    named = [
        tables[key].select(pl.col(column).alias("geo_id"))
        for key, column in (
            ("core.census_acs5_tract", "geo_id"),
            ("core.census_dhc_tract", "geo_id"),
            ("core.census_dhc_tract_race_share", "geo_id"),
            ("core.geo_tract", "geo_id"),
            ("core.coc_county_tract", "tract_id"),
        )
    ]
    key = tract_key(pl.col("geo_id")).alias("key")
    known = sizes.select(key, "size", "basis").unique("key")
    listed = pl.concat(named).unique().sort("geo_id").with_columns(key)
    return listed.join(known, on="key", how="left").select(*SIZE)


def _old_counties(new: pl.DataFrame, tracts: pl.DataFrame) -> pl.DataFrame:
    """Sizes of counties whose codes are gone."""
    parts, _ = connecticut(tracts, to_old=True)
    regions = (
        parts.join(new.select(from_id="geo_id", size="size", size_basis="basis"), on="from_id")
        .group_by(geo_id="to_id")
        .agg(size=(pl.col("size") * pl.col("weight")).sum(), basis=pl.first("size_basis"))
    )
    back = {code: old for old, code in RENAMED.items()} | {c: old for old, parts in SPLIT_INTO.items() for c in parts}
    recoded = (
        new.filter(pl.col("geo_id").is_in(list(back)))
        .group_by(pl.col("geo_id").replace(back))
        .agg(pl.sum("size"), pl.first("basis"))
    )
    return pl.concat([regions, recoded])


@dataclass(frozen=True)
class Sizes:
    """Sizes of areas: frames of geo_id, size, basis.

    Args:
        tracts: every tract that is known, also without a size, of all vintages.
        new_counties: counties of the declared vintage.
        counties: those and counties whose codes are gone.
        pieces: geo_id, pieces: tracts of each county.
        district_children: children of 5 to 17 by school district, of its own grades.
        county_children: likewise by county.
    """

    tracts: pl.DataFrame
    new_counties: pl.DataFrame
    counties: pl.DataFrame
    pieces: pl.DataFrame
    district_children: pl.DataFrame
    county_children: pl.DataFrame

    @classmethod
    def of(cls, tables: Mapping[str, pl.DataFrame], counties: pl.DataFrame) -> "Sizes":
        """The sizes that the core tables hold."""
        tracts = _tracts(tables)
        by_county = pl.col("geo_id").str.head(5)
        summed = tracts.drop_nulls("size").group_by(by_county).agg(pl.sum("size"), pl.first("basis"))
        pep = _pep(tables["core.census_pep_county_age_sex"], ("all",))
        acs = _acs(tables["core.census_acs5_county"])
        # One table for all: people of one and households of another cannot be weighed against each other.
        found = max((pep, acs, summed), key=lambda frame: frame.join(counties, on="geo_id", how="semi").height)
        new = found.join(counties, on="geo_id", how="semi").filter(pl.col("size") > 0)
        saipe = newest(tables["core.census_saipe_district"])
        return cls(
            tracts=tracts,
            new_counties=new,
            counties=pl.concat([new, _old_counties(new, tracts).join(new, on="geo_id", how="anti")]),
            pieces=tracts.group_by(by_county).agg(pieces=pl.len().cast(pl.Int64)),
            district_children=saipe.select("geo_id", size=pl.col("population_5_17_count").cast(pl.Float64)),
            county_children=_pep(tables["core.census_pep_county_age_sex"], ("5-13", "14-17")),
        )
