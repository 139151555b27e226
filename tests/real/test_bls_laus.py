"""Unemployment by county, on the real workbook."""

from pathlib import Path

import fastexcel
import polars as pl
import pytest

from sources.bls_laus import COUNTY, parse
from sources.simulated import files
from sources.source import RawFile

PATH = "bls_laus/2024/laucnty24.xlsx"
SHEET = "laucnty24"


@pytest.fixture(scope="module")
def frame(real_data: Path) -> pl.DataFrame:
    file = RawFile("bls_laus", "2024", "laucnty24.xlsx", real_data / PATH)
    found = parse(file)[COUNTY.key]
    return COUNTY.conform(found.with_columns(snapshot_sha256=pl.lit(file.sha256)))


def test_every_county(frame: pl.DataFrame):
    assert frame.height == 3_221
    assert not frame["geo_id"].is_duplicated().any()
    assert frame.filter(pl.col("geo_id").str.starts_with("29")).height == 115
    assert set(frame["figures_kind"]) == {"exact"}
    # Connecticut has planning regions.
    assert frame.filter(pl.col("geo_id").str.starts_with("09"))["geo_id"].min() == "09110"


def test_figures_of_st_louis_city(frame: pl.DataFrame):
    row = frame.filter(geo_id="29510").row(0, named=True)
    assert row["geo_name"] == "St. Louis city, MO"
    assert (row["labor_force_count"], row["employed_count"], row["unemployed_count"]) == (157_135, 150_656, 6_479)
    assert row["unemployment_share"] == pytest.approx(0.041)


def test_the_simulated_workbook_has_the_layout_of_the_real_one(real_data: Path):
    [(vintage, name, body)] = files("bls_laus")
    assert f"bls_laus/{vintage}/{name}" == PATH
    ours, theirs = (fastexcel.read_excel(source) for source in (body, real_data / PATH))
    assert ours.sheet_names == theirs.sheet_names == [SHEET]
    sheets = [book.load_sheet(SHEET, header_row=None, dtypes="string").to_polars().rows() for book in (ours, theirs)]
    assert sheets[0][:2] == sheets[1][:2]
    for rows in sheets:
        assert rows[2][0] == f"CN{rows[2][1]}{rows[2][2]}00000000"
        assert rows[-3] == (None,) * 9
        assert str(rows[-2][0]).startswith("SOURCE:  BLS, LAUS")
        assert rows[-1] == ("April 18, 2025", *(None,) * 8)
    typed = [
        book.load_sheet(SHEET, header_row=None, skip_rows=2, n_rows=5).to_polars().dtypes for book in (ours, theirs)
    ]
    assert typed[0] == typed[1] == [pl.String] * 5 + [pl.Float64] * 4
