"""Crosswalks from real files: totals stay, Clay and Platte are divided by people, what is unmatched is listed."""

from pathlib import Path

import polars as pl
import pytest

from models.geography import published
from models.geography.crosswalk import Crosswalk
from models.geography.interpolation import interpolate_counts
from models.geography.sizes import Sizes
from models.geography.vintages import for_file
from quality.contract import concat
from sources.registry import all_sources
from sources.source import RawFile

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tables(real_data) -> dict[str, pl.DataFrame]:
    """The core tables that crosswalks are made of, as the real directory gives them."""
    found = {}
    for source in all_sources().values():
        wanted = {table.key: table for table in source.tables if table.key in published.INPUTS}
        frames: dict[str, list[pl.DataFrame]] = {key: [] for key in wanted}
        base = real_data / source.id
        for path in sorted(base.rglob("*")) if wanted and base.is_dir() else []:
            vintage, name = path.relative_to(base).parts[0], "/".join(path.relative_to(base).parts[1:])
            if path.is_file() and vintage in source.vintage_ids and source.reads(name):
                for key, frame in source.parse(RawFile(source.id, vintage, name, path)).items():
                    if key in wanted:
                        frames[key].append(wanted[key].conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64))))
        found |= {key: concat(wanted[key], frames[key]) for key in wanted}
    return found


@pytest.fixture(scope="module")
def counties(tables) -> pl.DataFrame:
    return tables["core.census_acs5_county"].filter(pl.col("vintage") == "2023").select("geo_id").unique()


@pytest.fixture(scope="module")
def walks(tables, counties) -> dict[str, Crosswalk]:
    return {walk.id: walk for _, walk in published.crosswalks(tables, counties)}


def weight(walk: Crosswalk, source: str, target: str) -> float:
    (found,) = walk.weights.filter((pl.col("from_id") == source) & (pl.col("to_id") == target))["weight"]
    return found


def test_what_is_there(walks):
    assert set(walks) == {
        "county_2023",
        "tract_county",
        "tract_coc_2025",
        *(
            name
            for base in ("2017", "2025", "2025_by_tract")
            for name in (f"county_coc_{base}", f"coc_county_{base}", f"coc_county_{base}_own_state")
        ),
        "lea_host",
        "district_county",
    }


def test_totals_are_conserved(walks):
    for walk in walks.values():
        sources = pl.concat([walk.weights["from_id"], walk.left_out()["id"]]).unique().sort()
        frame = pl.DataFrame({"geo_id": sources}).with_columns(
            value=(pl.col("geo_id").hash(seed=1) % 100_000).cast(pl.Float64), se=pl.lit(1.0)
        )
        done = interpolate_counts(walk, frame)
        moved = done.values["value"].sum() + done.unmatched["value"].sum()
        assert moved == pytest.approx(frame["value"].sum(), rel=1e-9), walk.id
        assert done.values["value"].null_count() == 0


@pytest.mark.parametrize(
    ("name", "clay", "platte"),
    [("county_coc_2025", 0.50, 0.55), ("county_coc_2017", 0.51, 0.40), ("county_coc_2025_by_tract", 0.545, 0.51)],
)
def test_clay_and_platte(name, clay, platte, walks):
    walk = walks[name]
    assert weight(walk, "29047", "MO-604") == pytest.approx(clay, abs=0.01)
    assert weight(walk, "29165", "MO-604") == pytest.approx(platte, abs=0.01)
    for county, area in (("29047", 0.23), ("29165", 0.17)):
        assert abs(weight(walk, county, "MO-604") - area) > 0.2


def test_the_kansas_part_of_mo_604(walks):
    for base in ("2017", "2025_by_tract"):
        assert 0.1 < weight(walks[f"coc_county_{base}"], "MO-604", "20209") < 0.2
        own = walks[f"coc_county_{base}_own_state"]
        assert own.weights.filter((pl.col("from_id") == "MO-604") & ~pl.col("to_id").str.starts_with("29")).is_empty()
        (gone,) = own.unmatched.filter((pl.col("id") == "MO-604") & (pl.col("treatment") == "left_out")).to_dicts()
        assert gone["counterpart_id"] == "20209" and "another state" in gone["reason"]


def test_tracts_without_a_coc_and_slivers_are_listed(walks, tables):
    walk = walks["tract_coc_2025"]
    nowhere = walk.unmatched.filter(pl.col("reason") == "the tract is in no CoC")
    # Of the census tracts of 2020 that are known here; tracts of Connecticut's regions are not counted twice.
    dhc = set(tables["core.census_dhc_tract_race_share"]["geo_id"])
    assert nowhere.height == len(dhc - set(tables["core.coc_county_tract"]["tract_id"])) == 379
    missouri = pl.col("from_id").str.starts_with("29")
    kept = walk.weights.filter(missouri)
    assert set(kept["to_id"].str.head(2)) == {"MO"}
    arkansas = walk.unmatched.filter(
        pl.col("id").str.starts_with("29") & pl.col("counterpart_id").str.starts_with("AR")
    )
    assert arkansas.height and set(arkansas["treatment"]) == {"redistributed"}
    assert walk.weights["weight"].min() >= 0.03


def test_counties_of_2017_without_a_coc_are_listed(walks):
    listed = walks["county_coc_2017"].unmatched
    assert {"AL-505", "AR-508"} == set(listed.filter(pl.col("side") == "to")["id"])
    assert listed.filter(pl.col("reason") == "the county is in no CoC").height == 15
    left = listed.filter(pl.col("reason") == "people who live in no CoC")
    assert dict(left.select("id", "weight").iter_rows())["05113"] == pytest.approx(1 - 0.31306062)


def test_connecticut(walks, tables, counties):
    walk = walks["county_2023"]
    old = walk.weights.filter(pl.col("from_id").str.starts_with("09") & (pl.col("basis") == "households"))
    assert old["from_id"].n_unique() == 8 and old["to_id"].n_unique() == 9
    # Households that the tracts of 2023 report for the regions come back from the former counties.
    tracts = Sizes.of(tables, counties).tracts.filter(pl.col("geo_id").str.starts_with("09")).drop_nulls("size")
    county = pl.col("geo_id").str.head(5)
    sums = tracts.group_by(county).agg(value=pl.sum("size"))
    former = sums.filter(pl.col("geo_id").is_in(old["from_id"].unique().implode())).with_columns(se=pl.lit(0.0))
    assert former.height == 8
    # The regions are sources too, of files that know them already; here only the former counties have figures.
    back = interpolate_counts(for_file(walk, former["geo_id"]), former).values.select("geo_id", "value")
    regions = sums.join(back, on="geo_id")
    assert regions.height == 9
    assert regions["value"].to_list() == pytest.approx(regions["value_right"].to_list(), rel=1e-9)


def test_every_old_county_has_a_successor(walks):
    for old, new in (("46113", "46102"), ("02270", "02158"), ("51515", "51019")):
        assert weight(walks["county_2023"], old, new) == 1.0
    assert weight(walks["county_2023"], "02261", "02063") == pytest.approx(0.72, abs=0.01)
    assert walks["county_2023"].unmatched.is_empty()


def test_districts(walks, tables):
    walk = walks["district_county"]
    listed = tables["core.census_sdlist_district_county"]
    assert set(listed["district_id"]) <= set(walk.weights["from_id"])
    parts = walk.weights.filter(pl.col("from_id").is_in(listed["district_id"].implode()))
    assert parts.height == listed.select("district_id", "county_id").unique().height
    assert weight(walk, "2929280", "29510") == 1.0
    divided = parts.filter(pl.col("basis") != "whole")
    assert divided["from_id"].n_unique() == 4029
    assert divided.filter(pl.col("basis") == "equal")["from_id"].n_unique() < 40


def test_raked_districts_agree_with_their_counties(walks, tables, counties):
    """Children of Missouri's districts, carried over, are those of its counties, but for the years between files."""
    sizes = Sizes.of(tables, counties)
    missouri = sizes.district_children.filter(pl.col("geo_id").str.starts_with("29")).rename({"size": "value"})
    done = interpolate_counts(walks["district_county"], missouri.with_columns(se=pl.lit(0.0)))
    both = done.values.join(sizes.county_children.select("geo_id", "size"), on="geo_id").filter(
        pl.col("geo_id").str.starts_with("29")
    )
    assert both.height == 115
    ratio = (both["known_value"] / both["size"]).to_list()
    equal = [0.9 < value < 1.1 for value in ratio]
    assert sum(equal) >= 110
    assert missouri["value"].sum() == pytest.approx(both["size"].sum(), rel=0.03)


def test_agencies_without_ground(walks, tables):
    host = walks["lea_host"]
    assert weight(host, "2900579", "2929280") == weight(host, "2900024", "2916400") == 1.0
    assert weight(walks["district_county"], "2926760", "29189") == 1.0
    listed = set(tables["core.census_sdlist_district_county"]["district_id"])
    alone = set(tables["core.nces_ccd_district"].filter(pl.col("vintage") == "2022")["geo_id"]) - listed
    assert set(host.weights["from_id"]) | set(host.unmatched["id"]) == alone
    assert set(host.weights["to_id"]) <= listed
    assert {"2926760", "2900009", "2900030"} <= set(host.unmatched["id"])


NO_ACS = pl.DataFrame(
    schema=dict.fromkeys(("vintage", "period", "table_id", "cell", "geo_id", "snapshot_sha256"), pl.String)
    | {"estimate": pl.Float64, "moe": pl.Float64}
)


def test_published_tables_keep_their_contract(tables, counties):
    weights, unmatched, _ = published.build_all(tables, counties, NO_ACS)
    for table, frame in ((published.CROSSWALK, weights), (published.UNMATCHED, unmatched)):
        stored = table.conform(frame)
        assert not stored.select(table.primary_key).is_duplicated().any()
        for column in table.columns:
            if not column.nullable:
                assert stored[column.name].null_count() == 0
            if column.allowed:
                assert set(stored[column.name].drop_nulls()) <= set(column.allowed)
            if column.maximum is not None:
                assert stored[column.name].max() <= column.maximum
    assert published.build_all(tables, counties, NO_ACS)[0].equals(weights)
