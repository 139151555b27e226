"""CCD: real ELSI exports, and the simulated ones beside them.

No real page of the Education Data Portal is at hand: its simulated pages are written from the portal's documentation
(columns, codes) and from notes of its users (page links, years), and are compared with nothing here.
"""

import csv
import io
import zipfile
from pathlib import Path

import polars as pl
import pytest

from sources.nces_ccd import SOURCE
from sources.simulated import files
from sources.source import RawFile

LEA, ELSI = "leacrosswalk.csv", "elsi_schools_lunch.zip"
TABLES = {table.key: table for table in SOURCE.tables}


def real(real_data: Path, vintage: str, name: str) -> pl.DataFrame:
    path = real_data / "nces_ccd" / vintage / name
    ((key, frame),) = SOURCE.parse(RawFile("nces_ccd", vintage, name, path)).items()
    return TABLES[key].conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def test_districts(real_data):
    frame = real(real_data, "2022", LEA)
    assert frame.height == 19_409 == frame["geo_id"].n_unique()
    (row,) = frame.filter(geo_id="2929280").to_dicts()
    assert (row["geo_name"], row["county_id"], row["period"]) == ("ST. LOUIS CITY", "29510", "2021-2022")
    missouri = frame.filter(pl.col("county_id").str.starts_with("29"))
    assert missouri["county_id"].n_unique() == 115
    assert frame.filter(pl.col("geo_id").str.head(2) != pl.col("county_id").str.head(2)).height == 9


def test_schools(real_data):
    frame = real(real_data, "2023", ELSI)
    assert frame.height == 100_227
    kinds = dict(frame["lunch_eligible_count_kind"].value_counts().iter_rows())
    assert kinds == {"exact": 85_563, "missing": 7_260, "not_applicable": 6_529, "suppressed": 875}
    assert frame["enrolment_count"].sum() == 49_307_936
    assert frame["county_id"].null_count() == 0
    (row,) = frame.filter(publisher_row=8).to_dicts()
    assert (row["school_name"], row["county_id"]) == ("`FRANKLIN ELEMENTARY SCHOOL", "34017")
    assert (row["lunch_eligible_count"], row["enrolment_count"]) == (581, 934)


def test_names_are_no_key(real_data):
    frame = real(real_data, "2023", ELSI)
    assert frame.select("school_name", "state_name", "county_id").is_duplicated().any()
    assert frame.select(pl.exclude("publisher_row")).is_duplicated().any()


def lines(body: bytes) -> list[list[str]]:
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            body = archive.read(archive.namelist()[0])
    return list(csv.reader(io.StringIO(body.decode("utf-8"), newline="")))


def member(body: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return archive.read(archive.namelist()[0])


@pytest.mark.parametrize(("vintage", "name"), [("2022", LEA), ("2023", ELSI)])
def test_simulated_exports_are_built_like_real_ones(vintage, name, real_data):
    bodies = {found: body for _, found, body in files("nces_ccd")}
    ours, theirs = bodies[name], (real_data / "nces_ccd" / vintage / name).read_bytes()
    if name == ELSI:
        for body in (ours, theirs):
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                assert [n[:16] for n in archive.namelist()] == ["ELSI_csv_export_"]
        ours, theirs = member(ours), member(theirs)
    for body in (ours, theirs):
        assert body.startswith(b"\xef\xbb\xbf")
    assert (b"\r\n" in ours) == (b"\r\n" in theirs) == (name == ELSI)
    assert ours.endswith(b"\n") and theirs.endswith(b"\n")
    our_lines, their_lines = lines(ours), lines(theirs)
    assert our_lines[:4] == their_lines[:4]
    assert our_lines[4][0].split(": ")[0] == their_lines[4][0].split(": ")[0]
    assert our_lines[5:7] == their_lines[5:7]
    assert [len(line) for line in our_lines[-7:]] == [len(line) for line in their_lines[-7:]]
    assert our_lines[-7:-5] == their_lines[-7:-5] and our_lines[-4:] == their_lines[-4:]
    assert our_lines[-5][0].startswith("Data Source: ") and their_lines[-5][0].startswith("Data Source: ")


def test_signs_of_the_simulated_export_are_real_ones(real_data):
    bodies = {found: body for _, found, body in files("nces_ccd")}
    signs = [
        {cell for line in lines(body)[7:-7] for cell in line[3:] if not cell.isdigit()}
        for body in (bodies[ELSI], (real_data / "nces_ccd/2023" / ELSI).read_bytes())
    ]
    assert signs[0] == signs[1] == {"\u2013", "\u2020", "\u2021"}
    # States are written in capitals now and then.
    for body in (bodies[ELSI], bodies[LEA]):
        assert {line[1] for line in lines(body)[7:-7]} == {"Simulated State", "SIMULATED STATE"}
