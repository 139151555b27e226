"""Homeless students against real files: Urban's county metric, and an extract of the library for Virginia.

The library's own archives have no real counterpart at hand: their columns are compared with those of a real file of
the download tool, their words with the extract.
"""

import csv
import io
import re
import zipfile
from pathlib import Path

import polars as pl
import pytest

from sources.ed_homeless_students import COUNTY, DISTRICT, SOURCE
from sources.simulated import files
from sources.source import RawFile

COUNTIES = ("2018/homelessness_2014-2018_county.csv", "2022/homelessness_2019-2022_county.csv")
EXTRACT = "shape_only/mckinney_vento_va.csv"
SIMULATED = {f"{vintage}/{name}": body for vintage, name, body in files(SOURCE.id)}


def parse(path: Path, vintage: str) -> pl.DataFrame:
    ((key, frame),) = SOURCE.parse(RawFile(SOURCE.id, vintage, path.name, path)).items()
    table = next(table for table in SOURCE.tables if table.key == key)
    assert SOURCE.reads(path.name)
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def records(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode())))


def member(path: str) -> str:
    with zipfile.ZipFile(io.BytesIO(SIMULATED[path])) as book:
        (name,) = [name for name in book.namelist() if name.endswith("_LEA.csv")]
        return book.read(name).decode()


@pytest.mark.parametrize(("path", "rows", "missing"), [(COUNTIES[0], 15_710, 3_534), (COUNTIES[1], 12_572, 2_600)])
def test_the_county_files_parse_whole(path, rows, missing, real_data):
    frame = parse(real_data / SOURCE.id / path, path[:4])
    assert frame.height == rows
    assert frame.filter(pl.col("count_kind") == "missing").height == missing
    assert not frame.select(COUNTY.primary_key).is_duplicated().any()
    assert frame.filter(pl.col("count_published") < 10).is_empty(), "below ten Urban prints NA, and never a zero"


def test_the_years_of_both_county_files_do_not_overlap(real_data):
    first, second = (set(parse(real_data / SOURCE.id / path, path[:4])["period"]) for path in COUNTIES)
    assert first == {f"{year}-{year + 1}" for year in range(2014, 2019)}
    assert second == {f"{year}-{year + 1}" for year in range(2019, 2023)}


def test_st_louis_city(real_data):
    frame = parse(real_data / SOURCE.id / COUNTIES[1], "2022").filter(pl.col("geo_id") == "29510")
    newest = frame.filter(pl.col("period") == "2022-2023").row(0, named=True)
    assert (newest["count_published"], newest["count_lower"], newest["count_upper"]) == (3_647, 3_646, 3_648)
    assert (newest["count"], newest["count_kind"]) == (None, "interval")
    assert frame.filter(pl.col("period") == "2020-2021")["count"].to_list() == [4_054]


def test_the_extract_of_districts_parses(real_data):
    frame = parse(real_data / EXTRACT, "2022")
    assert frame.height == 1_485 and frame["period"].n_unique() == 12
    assert not frame.select(DISTRICT.primary_key).is_duplicated().any()
    assert set(frame["subgroup"]) == {"all"}
    assert frame.filter(pl.col("count_kind") == "suppressed").height == 97
    accomack = frame.filter((pl.col("geo_id") == "5100060") & (pl.col("period") == "2021-2022"))
    assert accomack["count"].to_list() == [172]
    smallest = frame["count"].min()
    assert isinstance(smallest, float) and smallest >= 3, "counts of 0 to 2 are suppressed"


@pytest.mark.parametrize("path", COUNTIES)
def test_the_simulated_county_files_look_like_the_real_ones(path, real_data):
    ours, theirs = SIMULATED[path], (real_data / SOURCE.id / path).read_bytes()
    assert ours.split(b"\n")[0] == theirs.split(b"\n")[0]
    assert (b"\r" in ours, ours.endswith(b"\n")) == (b"\r" in theirs, theirs.endswith(b"\n"))
    first, real_first = records(ours), records(theirs)
    assert [row["year"] for row in first] == sorted((row["year"] for row in first), reverse="2022" in path)
    assert [row["year"] for row in real_first] == sorted((row["year"] for row in real_first), reverse="2022" in path)
    share = re.compile(r"\.\d{1,10}|NA|")
    for row in [*first, *real_first]:
        assert re.fullmatch(r"\d{2}", row["state"]) and re.fullmatch(r"\d{3}", row["county"])
        assert share.fullmatch(row["share_homeless"])
        assert row["count_homeless_quality"] == row["share_homeless_quality"]
    # Copies that Urban published earlier, which a live run fetches, leave blank what later ones call NA.
    codes = [
        {row["count_homeless"] for row in rows if not row["count_homeless"].isdigit()} for rows in (first, real_first)
    ]
    assert codes[0] - {""} == codes[1] == {"NA"}


def test_the_simulated_archives_have_the_words_of_the_extract_and_the_columns_of_the_tool(real_data):
    theirs = records((real_data / EXTRACT).read_bytes())
    for path in SIMULATED:
        if not path.endswith(".zip"):
            continue
        text = member(path)
        tool = (real_data / "ed_acgr/2022/edfactsdownload.csv").read_bytes().split(b"\n")[0].decode()
        assert sorted(text.split("\n")[0].split(",")) == sorted(tool.split(","))
        ours = records(text.encode())
        for column in ("Data Description", "Population"):
            assert {row[column] for row in ours} == {row[column] for row in theirs}
        for year in {row["School Year"] for row in ours}:
            label = {row["Subgroup"] for row in theirs if row["School Year"] == year}
            assert label <= {row["Subgroup"] for row in ours if row["School Year"] == year}
        values = {row["Value"] for row in ours if not row["Value"].isdigit()}
        assert values - {"MISSING"} == {row["Value"] for row in theirs if not row["Value"].isdigit()} == {"S"}
