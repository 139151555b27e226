"""Dissimilarity of Missouri's and Metro East's counties from real tracts."""

from pathlib import Path

import polars as pl
import pytest

from models.engine.segregation import MIN_MEMBERS, corrected_dissimilarity, corrected_theil_h, dissimilarity

METRO_EAST = ["17005", "17013", "17027", "17083", "17117", "17119", "17133", "17163"]


@pytest.fixture(scope="module")
def tracts(real_data: Path) -> pl.DataFrame:
    """People in households, White alone (w) and Black alone (b), with margins."""
    cells = {"w": "B11002A_001E", "wm": "B11002A_001M", "b": "B11002B_001E", "bm": "B11002B_001M"}
    frame = pl.read_parquet(real_data / "census_acs5/2023/tract/B11002.parquet")
    return frame.select(
        pl.col("GEOID").str.slice(0, 5).alias("county"),
        pl.col("GEOID").alias("tract"),
        *[pl.col(cell).cast(pl.Float64).alias(name) for name, cell in cells.items()],
    )


@pytest.fixture(scope="module")
def region(tracts: pl.DataFrame) -> pl.DataFrame:
    return tracts.filter(pl.col("county").str.starts_with("29") | pl.col("county").is_in(METRO_EAST))


@pytest.fixture(scope="module")
def corrected(region: pl.DataFrame) -> pl.DataFrame:
    return corrected_dissimilarity(
        region,
        area="county",
        unit="tract",
        group="b",
        reference="w",
        group_moe="bm",
        reference_moe="wm",
        seed=1,
        n_draws=50,
    )


def test_decennial_counts_put_texas_county_first_for_its_prison_and_household_counts_leave_it_out(
    real_data: Path, region: pl.DataFrame, corrected: pl.DataFrame
):
    shares = pl.read_parquet(real_data / "census_dhc/2020/tract_race_shares.parquet")
    # Only shares are at hand: tracts count alike, which is near enough, as they are made of similar size.
    decennial = (
        shares.with_columns(county=pl.col("tract").str.slice(0, 5))
        .filter(pl.col("county").is_in(region["county"].unique().to_list()))
        .group_by("county")
        .agg(d=dissimilarity(pl.col("black"), pl.col("white")))
        .sort("d", descending=True, nulls_last=True)
    )
    assert decennial.height == 123
    assert decennial["county"][0] == "29215"
    texas = corrected.row(by_predicate=pl.col("county") == "29215", named=True)
    assert texas["members"] < 100
    assert texas["dissimilarity_corrected"] is None and "1,000 members" in texas["reason"]


def test_counties_with_enough_people_are_measured_and_st_louis_county_is_first(corrected: pl.DataFrame):
    assert corrected.height == 123
    given = corrected.filter(pl.col("reason").is_null()).sort("dissimilarity_corrected", descending=True)
    assert 20 <= given.height <= 40
    assert given["members"].min() >= MIN_MEMBERS
    assert given["county"][0] in ("29189", "17163")
    assert given.filter(pl.col("county") == "29189")["dissimilarity_corrected"].item() == pytest.approx(0.73, abs=0.02)
    assert (given["dissimilarity_corrected"] < given["dissimilarity"]).all()


def test_the_correction_is_greatest_where_members_are_few(corrected: pl.DataFrame):
    excess = corrected.filter(pl.col("reason").is_null()).with_columns(
        taken=pl.col("dissimilarity") - pl.col("dissimilarity_corrected")
    )
    few, many = (excess.filter(condition) for condition in (pl.col("members") < 5_000, pl.col("members") > 50_000))
    assert few["taken"].mean() > 3 * many["taken"].mean() > 0
    assert few["standard_error"].mean() > 3 * many["standard_error"].mean()


def test_theil_h_orders_the_region_much_alike(region: pl.DataFrame, corrected: pl.DataFrame):
    h = corrected_theil_h(region, area="county", unit="tract", groups=["b", "w"], moes=["bm", "wm"], seed=1, n_draws=50)
    joined = corrected.join(h.drop("reason", "members", "n_units", "n_missing"), on="county").filter(
        pl.col("reason").is_null()
    )
    assert joined["theil_h_corrected"].null_count() == 0
    assert joined.select(pl.corr("dissimilarity_corrected", "theil_h_corrected", method="spearman")).item() > 0.7


def test_all_counties_of_the_nation_have_a_raw_value(tracts: pl.DataFrame):
    found = tracts.group_by("county").agg(n=pl.len(), d=dissimilarity(pl.col("b"), pl.col("w")), b=pl.col("b").sum())
    assert found.height == 3_144
    assert found.filter(pl.col("b") > 0)["d"].null_count() == 0
    assert found["d"].is_between(0, 1).all()
