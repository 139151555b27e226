"""Population estimates: what is read from both files, what is refused, and the live road."""

import dataclasses
import io
import zipfile
from functools import cache

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources.census_pep import AGE_SEX, RACE, SOURCE, parse
from sources.simulated import files
from sources.source import EVERYTHING, ParseError, RawFile, SourceError
from tests.editing import Rows, edit
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

AGES, RACES = "cc-est2025-agesex-all.csv", "cc-est2025-alldata.csv"


@cache
def simulated() -> dict[tuple[str, str], bytes]:
    return {(vintage, name): body for vintage, name, body in files("census_pep")}


def read(name: str, body: bytes | None = None, vintage: str = "2025") -> pl.DataFrame:
    content = simulated()[vintage, name] if body is None else body
    [(key, frame)] = parse(RawFile("census_pep", vintage, name, content)).items()
    table = {AGE_SEX.key: AGE_SEX, RACE.key: RACE}[key]
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def edited(name: str, change) -> bytes:
    body = edit(simulated()["2025", name], change)
    assert body is not None
    return body


def published(name: str) -> list[dict[str, str]]:
    header, *lines = simulated()["2025", name].decode().splitlines()
    return [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]


def test_year_codes_are_days():
    days = read(AGES).select("period", "reference_date", "basis").unique().sort("reference_date")
    assert days.rows() == [("2020", "2020-04-01", "base"), ("2020", "2020-07-01", "estimate")] + [
        (str(year), f"{year}-07-01", "estimate") for year in range(2021, 2026)
    ]
    assert set(read("cc-est2023-agesex-all.zip", vintage="2023")["period"]) == {"2020", "2021", "2022", "2023"}


def test_figures_are_those_of_their_column():
    row = next(row for row in published(AGES) if row["COUNTY"] == "007" and row["YEAR"] == "7")
    found = read(AGES).filter(geo_id="97007", reference_date="2025-07-01")
    columns = {"all": "POPEST", "0-4": "UNDER5", "5-13": "AGE513", "14-17": "AGE1417", "15-19": "AGE1519"} | {
        "18+": "AGE18PLUS",
        "18-24": "AGE1824",
        "5-9": "AGE59",
        "10-14": "AGE1014",
        "20-24": "AGE2024",
    }
    assert dict(found.select("age_band", "female_count").rows()) == {
        band: int(row[f"{name}_FEM"]) for band, name in columns.items()
    }
    assert found.filter(age_band="all")["count"].item() == int(row["POPESTIMATE"])


def test_black_girls_of_a_single_year():
    row = next(r for r in published(RACES) if (r["COUNTY"], r["YEAR"], r["AGEGRP"]) == ("007", "6", "3"))
    found = read(RACES).filter(geo_id="97007", reference_date="2024-07-01", age_band="10-14")
    assert dict(found.select("race_group", "female_count").rows()) == {
        "all": int(row["TOT_FEMALE"]),
        "black_alone": int(row["BA_FEMALE"]),
        "black_combination": int(row["BAC_FEMALE"]),
        "aian_combination": int(row["IAC_FEMALE"]),
        "white_nonhispanic": int(row["NHWA_FEMALE"]),
        "hispanic": int(row["H_FEMALE"]),
    }


def test_both_files_count_the_same_people():
    ages = read(AGES).filter(pl.col("age_band").is_in(["all", "10-14", "15-19"]))
    races = read(RACES).filter(race_group="all")
    keys = ["reference_date", "geo_id", "age_band"]
    both = ages.join(races, on=keys, suffix="_race")
    assert both.height == ages.height
    assert both.filter(pl.col("female_count") != pl.col("female_count_race")).is_empty()
    alone = read(RACES).filter(race_group="black_alone").join(races, on=keys, suffix="_all")
    assert alone.filter(pl.col("male_count") > pl.col("male_count_all")).is_empty()


def test_names_in_latin_1_are_read():
    body = simulated()["2025", AGES].replace(b"Simulated Alder", b"Simulated Ald\xf1r")
    assert "Simulated Aldñr County" in set(read(AGES, body)["geo_name"])


@pytest.mark.parametrize("name", [AGES, RACES])
def test_swapped_columns_give_the_same_table(name):
    def reverse(rows: Rows) -> Rows:
        return [row[::-1] for row in rows]

    assert read(name, edited(name, reverse)).equals(read(name))


def renamed(column: str):
    def change(rows: Rows) -> Rows:
        return [[f"{title} (new)" if title == column else title for title in rows[0]], *rows[1:]]

    return change


def with_cell(row: int, column: str, text: str):
    def change(rows: Rows) -> Rows:
        rows[row - 1][rows[0].index(column)] = text
        return rows

    return change


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        (AGES, renamed("AGE1417_FEM"), r"row 1: must have the columns \['AGE1417_FEM'\] once"),
        (RACES, renamed("BAC_FEMALE"), r"row 1: must have the columns \['BAC_FEMALE'\]"),
        (AGES, with_cell(9, "AGE1014_TOT", "X"), "row 9: column 'AGE1014_TOT': must be a whole number, but is 'X'"),
        (RACES, with_cell(22, "BA_MALE", "1.5"), "row 22: column 'BA_MALE': must be a whole number"),
        (AGES, with_cell(3, "YEAR", "8"), "row 3: column 'YEAR': must be a code of 1 to 7 in vintage 2025"),
        (AGES, with_cell(3, "SUMLEV", "040"), "row 3: column 'SUMLEV': must be of counties"),
        (AGES, with_cell(4, "AGE1519_MALE", "99999"), "row 4: column 'AGE1519_TOT': must be AGE1519_MALE and"),
        (RACES, with_cell(4, "AGEGRP", "19"), "row 4: column 'AGEGRP': must be a code of 0 to 18"),
        (AGES, lambda rows: [*rows, rows[-1]], "county 97047 must have 7 rows, but has 8"),
        (RACES, lambda rows: rows[:-20], "county 97047 must have 42 rows, but has 36"),
        (
            AGES,
            lambda rows: [*rows[:4], rows[4][:-1], *rows[5:]],
            "row 5: must have 96 values as its header, but has 95",
        ),
        (
            AGES,
            lambda rows: [*rows[:4], [*rows[4], "1"], *rows[5:]],
            "row 5: must have 96 values as its header, but has 97",
        ),
        (AGES, with_cell(6, "CTYNAME", ""), "row 6: column 'CTYNAME' must not be empty"),
        (AGES, lambda rows: rows[:1], "must have rows below its header"),
    ],
)
def test_faults_are_refused_with_file_and_row(name, change, says):
    with pytest.raises(ParseError, match=says) as raised:
        read(name, edited(name, change))
    assert f"census_pep/2025/{name}" in str(raised.value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html><title>Sorry</title></html>", "row 1: must have the columns"),
        (b"", "row 1: must have the columns"),
        (b"SUMLEV,STATE\n\x81", "must be text in UTF-8 or Windows-1252"),
    ],
)
def test_what_is_no_csv_is_refused(body, says):
    with pytest.raises(ParseError, match=says):
        read(AGES, body)


def test_a_file_cut_off_anywhere_in_its_last_county_is_refused():
    body = simulated()["2025", AGES]
    for cut in (1 + len(body.splitlines()[-1]), 200, 30):
        with pytest.raises(ParseError):
            read(AGES, body[:-cut])


def test_a_zip_without_its_member_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("cc-est2022-agesex-all.csv", "a,b\n")
    with pytest.raises(ParseError, match="must hold one member like"):
        read("cc-est2023-agesex-all.zip", out.getvalue(), "2023")


def test_duplicated_age_groups_break_the_key():
    def repeat(rows: Rows) -> Rows:
        return [*rows[:3], rows[2], *rows[4:]]

    frame = read(RACES, edited(RACES, repeat))
    assert frame.select(RACE.primary_key).is_duplicated().any()


def test_the_live_form_is_what_the_publisher_serves():
    with Publisher({("census_pep", *where): body for where, body in simulated().items()}) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch is not None and SOURCE.probe is not None
        fetched = {one.name: one.body for one in SOURCE.fetch(fetcher, "2025", EVERYTHING)}
        probe = fetcher.get(SOURCE.probe("2025"))
        with pytest.raises(SourceError, match="HTTP 404"):
            fetcher.get(SOURCE.probe("2026"))
    assert fetched == {name: body for (vintage, name), body in simulated().items() if vintage == "2025"}
    assert read(probe.name, probe.body).equals(read(AGES).filter(geo_id="97001"))
    assert all(SOURCE.reads(name) for name in (*fetched, probe.name))
    assert dataclasses.asdict(SOURCE.vintages[-1])["live"]
