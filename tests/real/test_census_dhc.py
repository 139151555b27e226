"""The 2020 Census by tract, on the real file of shares.

That file is a derivation. The publisher's own form, an answer of the API by state, has no real counterpart here: its
shape is held against a real answer of the same API, that of the ACS.
"""

import io
import json
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from sources.census_dhc import RACE_SHARE, parse
from sources.simulated import files
from sources.source import EVERYTHING, RawFile, Scope

NAME = "tract_race_shares.parquet"


@cache
def simulated() -> dict[str, bytes]:
    return {name: body for _, name, body in files("census_dhc")}


def read(real_data: Path, scope: Scope = EVERYTHING) -> pl.DataFrame:
    file = RawFile("census_dhc", "2020", NAME, real_data / "census_dhc" / "2020" / NAME, scope)
    [(key, found)] = parse(file).items()
    assert key == RACE_SHARE.key
    return RACE_SHARE.conform(found.with_columns(snapshot_sha256=pl.lit(file.sha256)))


@pytest.fixture(scope="module")
def frame(real_data: Path) -> pl.DataFrame:
    return read(real_data)


def test_every_tract(frame: pl.DataFrame):
    assert frame.height == 85_395
    assert not frame["geo_id"].is_duplicated().any()
    for name in ("white", "black", "native", "asian", "multiple", "hispanic"):
        assert frame[f"{name}_share"].null_count() == 634
    states = frame["geo_id"].str.head(2).unique()
    assert states.len() == 52 and "72" in states


def test_figures_of_a_tract_of_st_louis(frame: pl.DataFrame):
    row = frame.filter(geo_id="29510101100").row(0, named=True)
    assert row["black_share"] == pytest.approx(0.052109, abs=1e-6)
    assert row["hispanic_share"] == pytest.approx(0.051418, abs=1e-6)
    assert row["white_share"] == pytest.approx(0.777297, abs=1e-6)
    # Connecticut's tracts lie in its former counties.
    old = frame.filter(pl.col("geo_id").str.starts_with("09"))["geo_id"].str.slice(2, 3).unique().sort()
    assert old.to_list() == ["001", "003", "005", "007", "009", "011", "013", "015"]


def test_only_states_in_scope_are_kept(real_data: Path, frame: pl.DataFrame):
    kept = read(real_data, Scope(states=("17", "29")))
    assert kept.equals(frame.filter(pl.col("geo_id").str.head(2).is_in(["17", "29"])))


def test_the_simulated_shares_have_the_layout_of_the_real_ones(real_data: Path):
    ours, theirs = (
        pl.read_parquet(io.BytesIO(body))
        for body in (simulated()[NAME], (real_data / "census_dhc" / "2020" / NAME).read_bytes())
    )
    assert ours.schema == theirs.schema
    for found in (ours, theirs):
        assert found["tract"].str.contains(r"^\d{11}$").all()
        assert found.select(nobody=pl.all_horizontal(pl.exclude("tract").is_null()))["nobody"].any()


def test_the_simulated_answer_has_the_shape_of_a_real_answer_of_the_api(real_data: Path):
    ours = simulated()["tract/97.json"]
    theirs = (real_data / "census_acs5" / "2023" / "county" / "B19013.json").read_bytes()
    assert ours[:2] == theirs[:2] == b"[["
    header, *rows = json.loads(ours)
    their_header, *their_rows = json.loads(theirs)
    assert header[-3:-1] == their_header[-2:] == ["state", "county"] and header[-1] == "tract"
    assert {type(value) for row in rows for value in row} == {str}
    assert {type(value) for row in their_rows for value in row} <= {str, type(None)}
    assert len(ours.splitlines()) == len(rows) + 1 and len(theirs.splitlines()) == len(their_rows) + 1
