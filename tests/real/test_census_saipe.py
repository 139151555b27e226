"""Modelled poverty on the real workbooks of three vintages; `test_simulated_formats.py` compares their layout."""

from pathlib import Path

import fastexcel
import polars as pl
import pytest

from sources.census_saipe import COUNTY, DISTRICT, parse
from sources.simulated import files
from sources.source import RawFile


def read(real_data: Path, vintage: str, name: str) -> pl.DataFrame:
    file = RawFile("census_saipe", vintage, name, real_data / "census_saipe" / vintage / name)
    [(key, found)] = parse(file).items()
    table = {COUNTY.key: COUNTY, DISTRICT.key: DISTRICT}[key]
    frame = table.conform(found.with_columns(snapshot_sha256=pl.lit(file.sha256)))
    assert not frame.select(table.primary_key).is_duplicated().any()
    return frame


@pytest.mark.parametrize(("vintage", "rows"), [("2019", 3_194), ("2023", 3_196)])
def test_bounds_of_every_county_hold(real_data: Path, vintage: str, rows: int):
    """The parser refuses bounds that do not belong to their estimate; no real row breaks that rule."""
    frame = read(real_data, vintage, f"est{vintage[2:]}all.xls")
    assert frame.height == rows
    assert frame["poverty_all_ages_share"].null_count() == 1  # Kalawao, whose figures are "."


def test_known_figures(real_data: Path):
    counties = read(real_data, "2023", "est23all.xls")
    assert counties.filter(geo_id="29510")["poverty_all_ages_share"].item() == pytest.approx(0.201)
    districts = read(real_data, "2022", "ussd22.xls")
    assert districts.height == 13_153
    city = districts.filter(geo_id="2929280").row(0, named=True)
    assert (city["poverty_5_17_related_count"], city["population_5_17_count"]) == (11_227, 35_115)


def test_the_simulated_districts_of_2023_have_the_layout_of_the_real_ones_of_2022(real_data: Path):
    """No real workbook of that vintage is at hand: the publisher's layout of the year before stands in for it."""
    simulated = {name: body for _, name, body in files("census_saipe")}
    ours = fastexcel.read_excel(simulated["ussd23.xls"])
    theirs = fastexcel.read_excel(real_data / "census_saipe" / "2022" / "ussd22.xls")
    assert (ours.sheet_names, theirs.sheet_names) == (["USSD23"], ["USSD22"])
    rows = [book.load_sheet(0, header_row=None, dtypes="string").to_polars().rows() for book in (ours, theirs)]
    assert rows[0][0] == rows[1][0] and rows[0][2] == rows[1][2]
    assert str(rows[0][1][0]).startswith("2023 Poverty Estimates for School districts ")
