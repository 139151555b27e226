"""Foreign files that show the forms of KIDS COUNT exports: all of them parse.

No real county export of Missouri and no county table of a state's agency is at hand. The workbook by state shows the
layout of `rawdata.axd`; the CSV exports of North Carolina show codes of counties; the layout for annual tables is ours.
"""

import polars as pl
import pytest

from sources.foster_county import COUNT, RATE, SOURCE
from sources.simulated import files
from sources.source import RawFile
from sources.workbook import Workbook

EXPORT = "kidscount/rawdata_state.xlsx"


def parse(real_data, path: str, name: str) -> dict[str, pl.DataFrame]:
    tables = {table.key: table for table in SOURCE.tables}
    found = SOURCE.parse(RawFile("foster_county", "2026", name, real_data / "shape_only" / path))
    shaped = {
        key: tables[key].conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64))) for key, frame in found.items()
    }
    assert SOURCE.reads(name)
    assert not any(frame.select(tables[key].primary_key).is_duplicated().any() for key, frame in shaped.items())
    return shaped


def test_an_export_by_state(real_data):
    found = parse(real_data, EXPORT, "kidscount_6240_1.xlsx")
    assert {key: frame.height for key, frame in found.items()} == {COUNT.key: 6_678, RATE.key: 6_678}
    count, rate = found[COUNT.key], found[RATE.key]
    assert set(count["geo_level"]) == {"us", "state"} == set(rate["geo_level"])
    assert {"00", "11", "29", "72"} <= set(count["geo_id"])
    assert set(count["category"]) == {"<1", "1 to 5", "6 to 10", "11 to 15", "16 to 20", "Total"}
    assert count.filter(geo_id="00", period="2000", category="Total")["count"].item() == 51_050
    assert dict(rate.group_by("rate_kind").len().iter_rows()) == {"exact": 6_484, "interval": 97, "missing": 97}
    assert set(count["count_kind"]) == {"exact", "missing"}


def test_counties_with_codes(real_data):
    found = parse(real_data, "nc_county_foster/foster_counts.csv", "kidscount_in_care_nc.csv")
    assert set(found) == {COUNT.key}
    count = found[COUNT.key]
    assert (count.height, set(count["state_id"])) == (1_414, {"37"})
    assert count.filter(geo_level="county")["geo_id"].n_unique() == 100
    # A county that bears the name of a state is a county.
    assert set(count.filter(geo_name="Washington")["geo_id"]) == {"37187"}
    assert count.filter(geo_level="state", period="2011")["count"].item() == 13_179


def test_shares_of_counties_with_codes(real_data):
    found = parse(real_data, "nc_county_foster/placement_count_by_year.csv", "kidscount_placements_nc.csv")
    assert set(found) == {RATE.key}
    rate = found[RATE.key]
    assert rate.height == 5_656 and rate["rate"].max() <= 1
    assert dict(rate.group_by("rate_kind").len().iter_rows()) == {"exact": 5_504, "missing": 152}
    assert rate.filter(geo_id="37", period="2010", category="One")["rate"].item() == pytest.approx(0.333)


@pytest.mark.parametrize("name", ["kidscount_1976_27.xlsx", "kidscount_1977_27.xlsx"])
def test_the_simulated_exports_are_written_as_the_real_one(name, real_data):
    [ours] = [body for _, found, body in files("foster_county") if found == name]
    simulated = Workbook(RawFile("any", "any", "any.xlsx", ours))
    real = Workbook(RawFile("any", "any", "any.xlsx", real_data / "shape_only" / EXPORT))
    assert simulated.sheet_names == real.sheet_names
    [sheet] = real.sheet_names
    header, *rows = simulated.rows(sheet)
    their_header, *theirs = real.rows(sheet)
    # The breakdown by age is that indicator's own.
    assert list(header) == [title for title in their_header if title != "Age group"]
    codes = {row[5] for row in theirs if not (row[5] or "").replace(".", "").isdigit()}
    assert (
        {row[4] for row in rows if not (row[4] or "").replace(".", "").isdigit()} <= codes == {"N.R.", "N.A.", "<.5%"}
    )
    if name == "kidscount_1976_27.xlsx":
        assert {row[3] for row in rows} == {row[4] for row in theirs} == {"Number", "Percent"}
