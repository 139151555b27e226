"""Real exports of Child Welfare Outcomes: every one parses, known figures hold, the simulated ones are written so.

The data site exports its tables from the page only, so there is no live form beside these files.
"""

import re

import polars as pl
import pytest

from sources.acf_cwo import SOURCE, STATE
from sources.simulated import files
from sources.source import RawFile

YEARS = ["2020", "2021", "2022", "2023", "2024"]
COUNT = "Number of Children Exiting to Emancipation"


def path_of(year: str) -> str:
    return f"{year}/foster_care_aging_out_{year}.csv"


def parse(real_data, year: str) -> pl.DataFrame:
    path = real_data / "acf_cwo" / path_of(year)
    frame = SOURCE.parse(RawFile("acf_cwo", year, path.name, path))[STATE.key]
    return STATE.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


@pytest.mark.parametrize("year", YEARS)
def test_every_real_file_is_read(year, real_data):
    root = real_data / "acf_cwo"
    assert {file.relative_to(root).as_posix() for file in root.rglob("*.*")} == {path_of(one) for one in YEARS}
    frame = parse(real_data, year)
    assert frame.height == 4 * 52 and set(frame["period"]) == {f"FY{year}"}
    counted = set(frame.filter(measure=COUNT)["count_kind"])
    assert counted == ({"exact", "suppressed"} if year in ("2020", "2023") else {"exact"})
    shares = frame.filter(pl.col("share_kind") == "exact").group_by("geo_id").agg(pl.col("share").sum())
    assert shares["share"].is_between(0.998, 1.002).all()


@pytest.mark.parametrize(
    ("year", "geo_id", "count", "kind"),
    [
        ("2021", "29", 601, "exact"),
        ("2021", "17", 660, "exact"),  # AFCARS, reported at another time, has 676
        ("2020", "24", None, "suppressed"),
        ("2023", "05", None, "suppressed"),
    ],
)
def test_known_figures(year, geo_id, count, kind, real_data):
    row = parse(real_data, year).filter(geo_id=geo_id, measure=COUNT).select("count", "count_kind").rows()
    assert row == [(count, kind)]


def test_no_row_of_the_nation_gives_a_withheld_state_away(real_data):
    for year in YEARS:
        assert set(parse(real_data, year)["geo_level"]) == {"state"}


@pytest.mark.parametrize("year", YEARS)
def test_the_simulated_file_is_written_as_the_real_one(year, real_data):
    [ours] = [body for vintage, name, body in files("acf_cwo") if f"{vintage}/{name}" == path_of(year)]
    theirs = (real_data / "acf_cwo" / path_of(year)).read_bytes()
    assert ours.split(b"\r\n")[0] == theirs.split(b"\r\n")[0]
    assert ours.endswith(b'"') and theirs.endswith(b'"')
    line = re.compile(rb'"[^"]+","\d{4}",(("\d+\.\d",){3}"[\d,]+"|("DQ\*",){3}"DQ\*")')
    for body in (ours, theirs):
        assert all(line.fullmatch(row) for row in body.split(b"\r\n")[1:])
