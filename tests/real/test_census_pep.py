"""Population estimates on the real file by age and sex.

The zipped file of 2023 is the only real one at hand. The file by race (`cc-est{Y}-alldata.csv`) has no real
counterpart here: its columns are held against the publisher's list of them, written down below.
"""

import io
import zipfile
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from sources.census_pep import AGE_SEX, RACE, SOURCE, parse
from sources.simulated import files
from sources.source import RawFile

NAME = "cc-est2023-agesex-all.zip"
MEMBER = "cc-est2023-agesex-all.csv"

# The publisher's layout of CC-EST-ALLDATA: each race alone, several, and each in combination; all, then the same of
# those who are not Hispanic and of those who are.
_RACES = ["WA", "BA", "IA", "AA", "NA", "TOM", "WAC", "BAC", "IAC", "AAC", "NAC"]
ALLDATA = (
    ["SUMLEV", "STATE", "COUNTY", "STNAME", "CTYNAME", "YEAR", "AGEGRP", "TOT_POP", "TOT_MALE", "TOT_FEMALE"]
    + [f"{race}_{sex}" for race in _RACES for sex in ("MALE", "FEMALE")]
    + [f"NH{race}_{sex}" for race in ["", *_RACES] for sex in ("MALE", "FEMALE")]
    + [f"H{race}_{sex}" for race in ["", *_RACES] for sex in ("MALE", "FEMALE")]
)


@cache
def simulated() -> dict[tuple[str, str], bytes]:
    return {(vintage, name): body for vintage, name, body in files("census_pep")}


def member(body: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        assert book.namelist() == [MEMBER]
        return book.read(MEMBER)


@pytest.fixture(scope="module")
def frame(real_data: Path) -> pl.DataFrame:
    file = RawFile("census_pep", "2023", NAME, real_data / "census_pep" / "2023" / NAME)
    [(key, found)] = parse(file).items()
    assert key == AGE_SEX.key
    return AGE_SEX.conform(found.with_columns(snapshot_sha256=pl.lit(file.sha256)))


def test_every_county_day_and_band(frame: pl.DataFrame):
    assert frame.height == 3_144 * 5 * 10
    assert not frame.select(AGE_SEX.primary_key).is_duplicated().any()
    assert frame.filter(pl.col("geo_id").str.starts_with("29"))["geo_id"].n_unique() == 115
    assert frame.filter(geo_id="35013")["geo_name"].unique().to_list() == ["Doña Ana County"]


def test_figures_of_st_louis_city(frame: pl.DataFrame):
    city = frame.filter(geo_id="29510", age_band="all").sort("reference_date")
    assert city.select("reference_date", "count").rows() == [
        ("2020-04-01", 301_565),
        ("2020-07-01", 300_496),
        ("2021-07-01", 293_622),
        ("2022-07-01", 286_193),
        ("2023-07-01", 281_754),
    ]
    teens = frame.filter(geo_id="29510", age_band="14-17", reference_date="2023-07-01")
    assert teens.select("male_count", "female_count").row(0) == (5_545, 5_217)
    assert frame.filter(age_band="all", reference_date="2023-07-01")["count"].sum() == 334_914_895


def test_bands_fit_into_each_other(frame: pl.DataFrame):
    wide = frame.pivot("age_band", index=["geo_id", "reference_date"], values="count")
    young = pl.sum_horizontal("0-4", "5-13", "14-17")
    assert wide.filter(young + pl.col("18+") != pl.col("all")).is_empty()
    assert wide.filter(pl.col("18-24") > pl.col("18+")).is_empty()


def test_the_simulated_files_have_the_layout_of_the_real_one(real_data: Path):
    theirs = member((real_data / "census_pep" / "2023" / NAME).read_bytes())
    for ours, last in ((member(simulated()["2023", NAME]), 5), (simulated()["2025", "cc-est2025-agesex-all.csv"], 7)):
        assert ours.split(b"\n")[0] == theirs.split(b"\n")[0]
        assert (b"\r" in ours, ours.endswith(b"\n"), b'"' in ours) == (b"\r" in theirs, theirs.endswith(b"\n"), False)
        frames = [pl.read_csv(body.decode("cp1252").encode(), infer_schema=False) for body in (ours, theirs)]
        assert frames[0]["SUMLEV"].unique().to_list() == frames[1]["SUMLEV"].unique().to_list() == ["050"]
        assert frames[0]["YEAR"][:last].to_list() == [str(n + 1) for n in range(last)]
        assert frames[1]["YEAR"][:5].to_list() == ["1", "2", "3", "4", "5"]
        for found in frames:
            assert found["STATE"].str.contains(r"^\d{2}$").all() and found["COUNTY"].str.contains(r"^\d{3}$").all()
            assert found["MEDIAN_AGE_TOT"].str.contains(r"^\d\d\.\d$").all()
            whole = found.select(pl.col(found.columns[6:-3]).str.contains(r"^\d+$").all())
            assert all(whole.row(0))
    # Bands that overlap agree with each other in both.
    for found in frames:
        counts = found.select(pl.col("UNDER5_TOT", "AGE04_TOT", "AGE65PLUS_TOT").cast(pl.Int64))
        assert (counts["UNDER5_TOT"] == counts["AGE04_TOT"]).all()


def test_the_simulated_file_by_race_has_the_documented_columns():
    header = simulated()["2025", "cc-est2025-alldata.csv"].split(b"\n")[0].decode().split(",")
    assert header == ALLDATA
    assert len(header) == 80
    assert RACE in SOURCE.tables
