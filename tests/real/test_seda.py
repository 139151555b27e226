"""SEDA against a real file: the Urban Institute's derivative by county.

The archive's own pooled files, which a live run fetches, have no real counterpart at hand.
"""

import csv
import io
import re

import polars as pl

from sources.seda import COUNTY, SOURCE
from sources.simulated import files
from sources.source import RawFile

PATH = "2018/SEDA_all_county.csv"


def test_the_county_file_parses_whole(real_data):
    where = real_data / SOURCE.id / PATH
    ((key, frame),) = SOURCE.parse(RawFile(SOURCE.id, "2018", where.name, where)).items()
    assert key == COUNTY.key and SOURCE.reads(where.name)
    frame = COUNTY.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))
    assert frame.height == 5 * 3_142
    assert not frame.select(COUNTY.primary_key).is_duplicated().any()
    assert frame["estimate"].null_count() == frame["estimate_lower"].null_count() == 419
    city = frame.filter((pl.col("geo_id") == "29510") & (pl.col("period") == "2017-2018")).row(0, named=True)
    assert (city["estimate"], city["estimate_lower"], city["estimate_upper"]) == (0.92578256, 0.86086488, 0.99070024)
    assert city["estimate_quality"] == "1"


def test_the_simulated_file_looks_like_the_real_one(real_data):
    ours = next(body for vintage, name, body in files(SOURCE.id) if f"{vintage}/{name}" == PATH)
    theirs = (real_data / SOURCE.id / PATH).read_bytes()
    assert ours.split(b"\n")[0] == theirs.split(b"\n")[0]
    assert (b"\r" in ours, ours.endswith(b"\n")) == (b"\r" in theirs, theirs.endswith(b"\n"))
    number = re.compile(r"(-?\d*\.?\d+)?")
    for body in (ours, theirs):
        rows = list(csv.DictReader(io.StringIO(body.decode())))
        assert [row["year"] for row in rows] == sorted((row["year"] for row in rows), reverse=True)
        assert {row["learning_rate_quality"] for row in rows} <= {"", "1", "2", "3"}
        for row in rows:
            assert number.fullmatch(row["learning_rate"]) and not row["learning_rate"].startswith("0.")
            assert (row["learning_rate"] == "") == (row["learning_rate_lb"] == "") == (row["learning_rate_ub"] == "")
