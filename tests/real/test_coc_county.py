"""Real crosswalks of CoCs: every file parses, known shares hold, the simulated files are written as they are."""

import polars as pl
import pytest

from sources.coc_county import SOURCE
from sources.simulated import files
from sources.source import RawFile

ROWS = {
    "2017/county_coc_match.csv": 3_302,
    "2025/coc_county_mo_metroeast_2025.csv": 175,
    "2025/tract_coc_wt2025.parquet": 96_849,
}


def parse(real_data, path: str) -> pl.DataFrame:
    vintage, name = path.split("/")
    ((key, frame),) = SOURCE.parse(RawFile("coc_county", vintage, name, real_data / "coc_county" / path)).items()
    table = {table.key: table for table in SOURCE.tables}[key]
    shaped = table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))
    assert not shaped.select(table.primary_key).is_duplicated().any()
    return shaped


@pytest.mark.parametrize(("path", "rows"), ROWS.items())
def test_every_real_file_is_read(path, rows, real_data):
    root = real_data / "coc_county"
    assert {file.relative_to(root).as_posix() for file in root.rglob("*.*")} == set(ROWS)
    assert parse(real_data, path).height == rows


def test_tracts(real_data):
    tracts = parse(real_data, "2025/tract_coc_wt2025.parquet")
    assert tracts["tract_id"].n_unique() == 85_016
    assert tracts.group_by("tract_id").agg(pl.col("tract_share").sum())["tract_share"].is_between(0.9999, 1.0001).all()
    # Arkansas CoCs on Missouri tracts: kept here, dropped by crosswalks.
    slivers = tracts.filter(pl.col("county_id").str.starts_with("29") & pl.col("coc_id").str.starts_with("AR"))
    assert slivers.height == 27 and slivers["tract_share"].max() < 0.05


@pytest.mark.parametrize("county", ["29047", "29165"])
def test_clay_and_platte_are_split_by_tracts_as_the_table_by_county_says(county, real_data):
    tracts = parse(real_data, "2025/tract_coc_wt2025.parquet").filter(county_id=county)
    shares = parse(real_data, "2025/coc_county_mo_metroeast_2025.csv").filter(county_id=county, coc_id="MO-604")
    mine = tracts.filter(coc_id="MO-604")["tract_share"].sum() / tracts["tract_id"].n_unique()
    assert mine == pytest.approx(shares["tract_share"].item(), abs=0.02)
    assert shares["area_share"].item() < 0.5 * mine


def test_tracts_of_the_simulated_file_are_written_as_the_real_ones(real_data):
    path = "2025/tract_coc_wt2025.parquet"
    [ours] = [body for vintage, name, body in files("coc_county") if f"{vintage}/{name}" == path]
    real = pl.read_parquet(real_data / "coc_county" / path)
    simulated = pl.read_parquet(ours)
    assert simulated.schema == real.schema
    assert real.null_count().row(0) == simulated.null_count().row(0) == (0,) * 5  # tracts without a CoC are left out
    for frame in (simulated, real):
        assert frame["COCNUM"].str.contains(r"^[A-Z]{2}-\d{3}$").all()
        assert (frame["GEOID"].str.head(5) == frame["fips"]).all()
        assert frame["w_tract"].is_between(0, 1).all()
