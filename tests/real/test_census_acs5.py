"""ACS: every real file is read, known figures, and the simulated files have the form of the real ones.

Answers cut by 24 cells of any tables (`county/part-01.json`) and summary files have no real counterpart at hand: the
first have the API's own form, that of the saved answers by table; the columns of the second come from the Census
Bureau's documentation and from others' notes of `Geos20235YR.txt`.
"""

import csv
import io
import json
import re
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from sources.census_acs5 import COUNTY_TABLE, SOURCE, TRACT_TABLE, cells
from sources.simulated import files
from sources.source import RawFile

DOCUMENTED_ONLY = {"-666666666", "-222222222"}
"""Codes that the API documents (see `sources.values.ACS_ANNOTATIONS`) but that no real answer of ours holds:
whoever pulled those had them turned into null."""


@cache
def sample() -> dict[str, bytes]:
    return {f"{vintage}/{name}": body for vintage, name, body in files("census_acs5")}


ANSWERS = [path for path in sample() if path.endswith(".json")]
GEOGRAPHY = {
    "county": ["state", "county"],
    "tract": ["state", "county", "tract"],
    "district_unified": ["state", "school district (unified)"],
}
NAMES = {
    "county": r"[^,;]+, [^,;]+",
    "tract": r"Census Tract [\d.]+; [^;]+; [^;]+",
    "district_unified": r"[^,;]+, [^,;]+",
}


@pytest.fixture(scope="module")
def real(real_data: Path) -> Path:
    return real_data / "census_acs5"


def read(root: Path, path: Path) -> dict[str, pl.DataFrame]:
    vintage, *rest = path.relative_to(root).parts
    return SOURCE.parse(RawFile("census_acs5", vintage, "/".join(rest), path))


def test_every_real_file_is_read(real: Path):
    tables = {table.key: table for table in SOURCE.tables}
    rows: dict[tuple[str, str], int] = {}
    for path in (path for path in real.rglob("*") if path.is_file()):
        vintage, *rest = path.relative_to(real).parts
        assert vintage in SOURCE.vintage_ids and SOURCE.reads("/".join(rest)), path
        for key, frame in read(real, path).items():
            tables[key].conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))
            rows[key, vintage] = rows.get((key, vintage), 0) + frame.height
    assert rows == {
        (COUNTY_TABLE.key, "2018"): 296_269,
        (COUNTY_TABLE.key, "2022"): 6_444,
        (COUNTY_TABLE.key, "2023"): 450_536,
        (TRACT_TABLE.key, "2023"): 253_200,
    }


def test_poverty_in_st_louis_city(real: Path):
    (frame,) = read(real, real / "2022/county/B17001.json").values()
    found = frame.filter(pl.col("geo_id") == "29510").sort("cell").select("cell", "estimate", "moe").rows()
    assert found[0][:2] == ("B17001_001", 289_284.0)
    assert found[1] == ("B17001_002", 58_373.0, 3_125.0)


def test_tracts_of_the_nation(real: Path):
    (frame,) = read(real, real / "2023/tract/B11002.parquet").values()
    assert frame["geo_id"].n_unique() == 84_400
    assert frame["geo_id"].str.contains(r"^\d{11}$").all() and frame["moe"].min() == 1
    assert frame.filter(geo_id="01001020100", cell="B11002_001").select("geo_name", "estimate", "moe").row(0) == (
        "Census Tract 201; Autauga County; Alabama",
        1840.0,
        358.0,
    )


def test_every_cell_of_the_indicators_list_is_declared(real_data: Path):
    """Design's list of indicators lies beside the real files."""
    listed = real_data.parent / "design" / "acs_indicators.csv"
    if not listed.exists():
        pytest.skip("the list of indicators is not here")
    missing = []
    with listed.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            named = set(re.findall(r"[BC]\d{5}[A-Z]*_\d{3}", row["numerator_cells"] + " " + row["denominator_cells"]))
            for level in row["levels"].split(","):
                missing += sorted(named - cells.declared()[level])
    assert missing == []


@pytest.mark.parametrize("path", ANSWERS)
def test_headers(path: str, real: Path):
    """`NAME`, pairs of estimate and margin in the order of their cells, geography; as real answers have them."""
    header = json.loads(sample()[path])[0]
    geography = GEOGRAPHY[path.split("/")[1]]
    assert header[0] == "NAME" and header[-len(geography) :] == geography
    pairs = header[1 : -len(geography)]
    stems = [name[:-1] for name in pairs[::2]]
    assert pairs == [f"{stem}{kind}" for stem in stems for kind in "EM"]
    assert stems == sorted(stems, key=lambda stem: (stem[:-4], stem))
    # Real answers of the same tables name their variables likewise.
    for table in {stem[:-4] for stem in stems} if path.split("/")[1] == "county" else ():
        saved = real / path.split("/")[0] / "county" / f"{table}.json"
        if saved.is_file():
            theirs = json.loads(saved.read_bytes())[0]
            assert theirs[0] == "NAME" and theirs[-2:] == geography
            assert all(re.fullmatch(rf"{table}_\d{{3}}[EM]", name) for name in theirs[1:-2])


@pytest.mark.parametrize("path", ANSWERS)
def test_values_and_names(path: str, real: Path, real_data: Path):
    _, *ours = json.loads(sample()[path])
    _, *theirs = json.loads((real / "2023/county/B19013B.json").read_bytes())
    assert {type(value) for row in ours for value in row} <= {type(value) for row in theirs for value in row}
    found = {value for row in ours for value in row[1:] if value is None or str(value).startswith("-")}
    known = {value for row in theirs for value in row[1:] if value is None}
    for answer in (real_data / "census_acs1_jam/2018/state").glob("*_data.csv"):
        known |= set(re.findall(r"-\d{9}\b", answer.read_text(encoding="utf-8-sig")))
    assert found - known <= DOCUMENTED_ONLY
    assert not DOCUMENTED_ONLY & known, "a real file has them now: no exception is needed"
    level = path.split("/")[1]
    assert all(re.fullmatch(NAMES[level], row[0]) for row in ours)
    if level == "county":
        assert all(re.fullmatch(NAMES[level], row[0]) for row in theirs[:100])


def test_saved_answers_are_one_row_a_line(real: Path):
    ours = sample()["2018/county/B19013.json"].decode().splitlines()
    theirs = (real / "2018/county/B19013.json").read_text().splitlines()
    assert ours[0] == theirs[0]
    assert ours[1][:2] == theirs[1][:2] and ours[-1][-2:] == theirs[-1][-2:]


def test_the_saved_table_of_tracts(real: Path):
    path = "2023/tract/B11002.parquet"
    ours, theirs = pl.read_parquet(io.BytesIO(sample()[path])), pl.read_parquet(real / path)
    assert ours.schema == theirs.schema
    for column in ("GEOID", "fipscode", "statecode", "countycode"):
        assert set(ours[column].str.len_chars()) == set(theirs[column].str.len_chars())
    for frame in (ours, theirs):
        assert frame["NAME"].str.contains(f"^{NAMES['tract']}$").all()
        assert (frame["GEOID"].str.head(5) == frame["fipscode"]).all()
        assert frame.select(pl.exclude("NAME").str.contains(r"^\d+$").all()).row(0) == (True,) * 10
