"""All crosswalks that the core tables allow, with their weights and everything that has no counterpart."""

from collections.abc import Iterator, Mapping

import polars as pl

from models.geography import coc, districts, hosts, layers, tracts, vintages
from models.geography.areas import ACS_AREA, acs_areas, newest_to_coc, service_areas
from models.geography.counties import COUNTY_VINTAGE
from models.geography.crosswalk import TREATMENTS, Crosswalk, CrosswalkError, reverse
from models.geography.sizes import INPUTS as SIZE_INPUTS
from models.geography.sizes import Sizes, newest
from quality.columns import GEO_LEVELS
from quality.contract import Column, Table

INPUTS = (
    "core.coc_county_crosswalk",
    "core.coc_county_tract",
    "core.census_sdlist_district_county",
    "core.nces_ccd_district",
    "core.geo_tract",
    "core.geo_district",
    "core.service_areas_county",
    *SIZE_INPUTS,
)
"""Core tables that crosswalks are made of; each may be empty."""

_ID = Column(
    "crosswalk_id",
    pl.String,
    "Which crosswalk: from, to, and the vintage of what it rests on.",
    nullable=False,
    pattern=r"^[a-z0-9_]+$",
)
_VINTAGE = Column(
    "vintage", pl.String, "Vintage of the list or boundaries that it rests on.", nullable=False, pattern=r"^\d{4}$"
)


def _level(name: str, text: str) -> Column:
    return Column(name, pl.String, text, nullable=False, allowed=GEO_LEVELS)


CROSSWALK = Table(
    key="geography.crosswalk",
    title="Weights between geographies",
    description="One row a source area and a target area: the share of the source that lies in the target, with its "
    "standard error. Multiply counts, never rates, medians or indices: carry numerators and denominators over, then "
    "divide. Over its targets and its left-out parts in geography.unmatched a source sums to 1. Never add residents of "
    "elementary and secondary school districts (from_layer): they live on the same ground. county_2023 knows old and "
    "present codes: use those that a file has.",
    columns=(
        _ID,
        _VINTAGE,
        _level("from_level", "Level of the source."),
        Column("from_id", pl.String, "Id of the source.", nullable=False),
        _level("to_level", "Level of the target."),
        Column("to_id", pl.String, "Id of the target.", nullable=False),
        Column(
            "weight",
            pl.Float64,
            "Share of the source that lies in the target.",
            unit="share, 0 to 1",
            nullable=False,
            minimum=0,
            maximum=1 + 1e-9,
        ),
        Column(
            "weight_se",
            pl.Float64,
            "Standard error of the weight for a group that need not live where all people live.",
            unit="share, 0 to 1",
            nullable=False,
            minimum=0,
            maximum=0.5,
        ),
        Column(
            "basis",
            pl.String,
            "What the weight rests on: people, households, tracts, children of districts and counties made to agree "
            "(raked), area of a single tract, equal parts for want of anything; the whole source; the same county or a "
            "renamed one; a host district, declared or by rule.",
            nullable=False,
            allowed=(
                "population",
                "households",
                "tracts",
                "raked",
                "tract_area",
                "equal",
                "whole",
                "same",
                "renamed",
                "host",
                "declared",
                "rule",
            ),
        ),
        Column("from_layer", pl.String, "Layer of a school district, where it is known.", allowed=layers.LAYERS),
    ),
    primary_key=("crosswalk_id", "from_id", "to_id"),
    may_be_empty=True,
)
UNMATCHED = Table(
    key="geography.unmatched",
    title="What crosswalks do not match",
    description="Every source without a target, every target without a source, and every part that was dropped, with "
    "the reason. Nothing is dropped without a row here.",
    columns=(
        _ID,
        _VINTAGE,
        Column("side", pl.String, "Whether the area is a source or a target.", nullable=False, allowed=("from", "to")),
        _level("level", "Level of the area."),
        Column("id", pl.String, "Id of the area.", nullable=False),
        Column(
            "counterpart_id", pl.String, "The area on the other side that the part lies in, or NONE.", nullable=False
        ),
        Column(
            "weight",
            pl.Float64,
            "Share of the source that is concerned; null for a target, and for what never had a weight.",
            unit="share, 0 to 1",
            minimum=0,
            maximum=1 + 1e-9,
        ),
        Column(
            "treatment",
            pl.String,
            "left_out: lost to every target; redistributed: given to the source's other targets; not_used: it had no "
            "weight.",
            nullable=False,
            allowed=TREATMENTS,
        ),
        Column("reason", pl.String, "Why.", nullable=False),
    ),
    primary_key=("crosswalk_id", "side", "id", "counterpart_id", "treatment"),
    may_be_empty=True,
)

TABLES = (CROSSWALK, UNMATCHED, ACS_AREA)

_Dated = tuple[str, Crosswalk]


def _by_vintage(table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (vintage,), frame in table.group_by("vintage", maintain_order=True):
        yield str(vintage), frame


def _coc(vintage: str, forward: Crosswalk, sizes: Sizes) -> Iterator[_Dated]:
    """A crosswalk of counties to CoCs, back, and back within each CoC's own state."""
    back = reverse(forward, sizes.counties, crosswalk_id=forward.id.replace("county_coc", "coc_county"))
    for crosswalk in (forward, back, coc.within_state(back)):
        yield vintage, crosswalk


def _cocs(tables: Mapping[str, pl.DataFrame], sizes: Sizes) -> Iterator[_Dated]:
    for vintage, table in _by_vintage(tables["core.coc_county_crosswalk"]):
        yield from _coc(vintage, coc.county_to_coc(table, sizes.pieces, f"county_coc_{vintage}"), sizes)
    for vintage, table in _by_vintage(tables["core.coc_county_tract"]):
        by_tract = tracts.tract_to_coc(table, sizes.tracts["geo_id"], f"tract_coc_{vintage}")
        yield vintage, by_tract
        yield from _coc(vintage, coc.by_tract(by_tract, sizes.tracts, f"county_coc_{vintage}_by_tract"), sizes)


def district_layers(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The layer of each school district: by its boundary, else by the grades that it teaches.

    Returns:
        geo_id, layer (null where neither says).
    """
    drawn = newest(tables["core.geo_district"]).select("geo_id", "layer")
    taught = newest(tables["core.nces_ccd_district"]).select(
        "geo_id", layer=layers.layer_from_grades(pl.col("lowest_grade"), pl.col("highest_grade"))
    )
    return pl.concat([drawn, taught.filter(~pl.col("geo_id").is_in(drawn["geo_id"].implode()))]).unique("geo_id")


def _districts(tables: Mapping[str, pl.DataFrame], sizes: Sizes) -> Iterator[_Dated]:
    listed = newest(tables["core.census_sdlist_district_county"])
    if listed.is_empty():
        return
    vintage = listed["vintage"][0]
    parts = listed.select("district_id", "county_id").unique()
    shares = districts.rake(parts, sizes.district_children, sizes.county_children).with_columns(basis=pl.lit("raked"))
    leas = newest(tables["core.nces_ccd_district"]).select("county_id", "agency_type", leaid="geo_id")
    found = None
    if leas.height:
        children = sizes.district_children.select(district_id="geo_id", children="size")
        sized = parts.join(shares, on=["district_id", "county_id"], how="left").join(
            children, on="district_id", how="left"
        )
        alone = pl.len().over("district_id") == 1
        sized = sized.with_columns(size=pl.col("children") * pl.when(alone).then(1.0).otherwise("share"))
        found = hosts.find_hosts(leas, sized)
        if found.height:
            yield vintage, hosts.lea_to_host(found)
    drawn = newest(tables["core.geo_district"])["geo_id"]
    yield vintage, districts.district_to_county(parts, shares, found, drawn)


def crosswalks(tables: Mapping[str, pl.DataFrame], counties: pl.DataFrame) -> list[_Dated]:
    """Every crosswalk that the tables allow, with the vintage of what it rests on.

    Args:
        tables: `INPUTS` by name; each may be empty.
        counties: geo_id of the counties of the declared vintage.
    """
    sizes = Sizes.of(tables, counties)
    found = [(COUNTY_VINTAGE, vintages.county_vintage(counties, sizes.tracts, sizes.new_counties))]
    if sizes.tracts.height:
        found.append((COUNTY_VINTAGE, tracts.tract_to_county(sizes.tracts["geo_id"], counties)))
    plans = newest(tables["core.service_areas_county"])
    planned = [(plans["vintage"][0], crosswalk) for crosswalk in service_areas(plans)]
    return [*found, *_cocs(tables, sizes), *_districts(tables, sizes), *planned]


def build_all(
    tables: Mapping[str, pl.DataFrame], counties: pl.DataFrame, acs: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The published tables of weights, of what is unmatched, and of the areas that counties make up.

    Args:
        tables: `INPUTS` by name; each may be empty.
        counties: geo_id of the counties of the declared vintage.
        acs: rows of core.census_acs5_county.

    Returns:
        Rows of geography.crosswalk, geography.unmatched and geography.acs_area.

    Raises:
        CrosswalkError: a table is not handed in, or weights lose or invent a part of a source.
    """
    if lacking := [name for name in INPUTS if name not in tables]:
        raise CrosswalkError(f"crosswalks need the tables {', '.join(lacking)}; an empty one will do")
    layer = district_layers(tables).rename({"geo_id": "from_id", "layer": "from_layer"})
    weights, unmatched = [CROSSWALK.empty()], [UNMATCHED.empty()]
    found = crosswalks(tables, counties)
    for vintage, crosswalk in found:
        named = {"crosswalk_id": pl.lit(crosswalk.id), "vintage": pl.lit(vintage)}
        levels = {"from": crosswalk.from_level, "to": crosswalk.to_level}
        rows = crosswalk.weights.with_columns(from_level=pl.lit(levels["from"]), to_level=pl.lit(levels["to"]), **named)
        if crosswalk.from_level == "school_district":
            rows = rows.join(layer, on="from_id", how="left")
        else:
            rows = rows.with_columns(from_layer=pl.lit(None, dtype=pl.String))
        weights.append(rows.select(CROSSWALK.column_names))
        listed = crosswalk.unmatched.with_columns(level=pl.col("side").replace(levels), **named)
        unmatched.append(listed.select(UNMATCHED.column_names))
    summed = [crosswalk for _, crosswalk in found if crosswalk.to_level == "service_area"]
    if (to_coc := newest_to_coc(found)) is not None:
        summed.append(to_coc)
    names = _area_names(tables)
    areas = pl.concat([ACS_AREA.empty(), *(acs_areas(acs, crosswalk, names) for crosswalk in summed)])
    return _in_order(CROSSWALK, weights), _in_order(UNMATCHED, unmatched), areas


def _area_names(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """geo_id and geo_name of Continuums of Care and service areas, as their newest list writes it."""
    listed = [
        tables[key].select("vintage", geo_id="coc_id", geo_name="coc_name")
        for key in ("core.coc_county_crosswalk", "core.coc_county_tract")
    ]
    listed.append(tables["core.service_areas_county"].select("vintage", geo_id="area_id", geo_name="title"))
    named = pl.concat(listed).filter(pl.col("geo_name").is_not_null()).sort("vintage", "geo_id", "geo_name")
    return named.group_by("geo_id", maintain_order=True).agg(pl.col("geo_name").last())


def _in_order(table: Table, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Rows in order of their key, without the last digits, in which a sum depends on the order of its parts."""
    numbers = [column.name for column in table.columns if column.dtype == pl.Float64]
    return pl.concat(frames).with_columns(pl.col(numbers).round(12)).sort(table.primary_key)
