"""Homeless students: what the simulated files say, what is refused, and the same from the loopback publisher."""

import csv
import io
import zipfile

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from quality.contract import ContractError
from sources.ed_homeless_students import COUNTY, DISTRICT, SOURCE
from sources.simulated import files
from sources.source import EVERYTHING, ParseError, RawFile, SourceError
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

FILES = {(vintage, name): body for vintage, name, body in files(SOURCE.id)}
COUNTIES, DISTRICTS = "homelessness_2019-2022_county.csv", "SY2122_FS118_DG655_LEA_data_files.zip"
HEADER = "year,state,county,count_homeless,count_homeless_lb,count_homeless_ub,share_homeless,count_homeless_quality"


def parse(vintage: str, name: str, body: bytes | None = None) -> pl.DataFrame:
    file = RawFile(SOURCE.id, vintage, name, FILES[vintage, name] if body is None else body)
    ((key, frame),) = SOURCE.parse(file).items()
    table = next(table for table in SOURCE.tables if table.key == key)
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def county(*rows: str) -> pl.DataFrame:
    return parse("2022", COUNTIES, "\n".join([HEADER, *rows, ""]).encode())


def members(body: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        return {name: book.read(name).decode() for name in book.namelist()}


def library(text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("SY2122_FS118_DG655_LEA.csv", text)
    return out.getvalue()


def districts(change: dict[str, str] | None = None, *, keep: int = 3) -> pl.DataFrame:
    """The first rows of the simulated file, the first of them changed."""
    rows = list(csv.DictReader(io.StringIO(members(FILES["2022", DISTRICTS])["SY2122_FS118_DG655_LEA.csv"])))[:keep]
    rows[0] |= change or {}
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return parse("2022", DISTRICTS, library(out.getvalue()))


@pytest.mark.parametrize(("vintage", "name"), list(FILES))
def test_every_simulated_file_parses(vintage, name):
    frame = parse(vintage, name)
    assert frame.height and set(frame["vintage"]) == {vintage}
    assert SOURCE.reads(name)


def test_a_county_with_suppressed_districts_is_an_interval_beside_the_published_figure():
    frame = county("2022,29,510,3647,3646,3648,.1215707213,1", "2020,29,510,4054,4054,4054,.1389069706,1")
    exact, between = frame.sort("period").to_dicts()
    assert (exact["period"], exact["count_kind"], exact["count"]) == ("2020-2021", "exact", 4054)
    assert (between["period"], between["count_kind"], between["count"]) == ("2022-2023", "interval", None)
    assert (between["count_lower"], between["count_upper"], between["count_published"]) == (3646, 3648, 3647)
    assert between["share_published"] == 0.1215707213


@pytest.mark.parametrize("cells", ["NA,NA,NA,NA,NA", ",,,,", "0,0,0,0,3"])
def test_a_county_without_a_figure_is_missing_and_never_zero(cells):
    (row,) = county(f"2022,1,7,{cells}").to_dicts()
    assert row["geo_id"] == "01007"
    assert (row["count"], row["count_lower"], row["count_upper"], row["count_kind"]) == (None, None, None, "missing")


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("2022,29,510,3647,3648,3650,.1,1", "row 2: column 'count_homeless': must lie within its bounds"),
        ("2022,29,510,3647,NA,3650,.1,1", "row 2: column 'count_homeless': must have both bounds or neither"),
        ("2022,29,510,many,1,2,.1,1", "row 2: column 'count_homeless': 'many' is neither a number"),
        ("22,29,510,1,1,1,.1,1", "row 2: column 'year': must be a year"),
        ("2022,MO,510,1,1,1,.1,1", "row 2: column 'state': must be a state's FIPS code"),
        ("2022,29,510,11,11", "row 2: must have 8 values as its header, but has 5"),
    ],
)
def test_a_wrong_row_of_a_county_file_is_named(row, rule):
    with pytest.raises(ParseError) as caught:
        county(row)
    assert rule in str(caught.value)
    assert "ed_homeless_students/2022/homelessness_2019-2022_county.csv" in str(caught.value)


def test_suppressed_is_never_zero_and_a_zero_is_missing():
    rows = districts({"Value": "S"}).to_dicts()
    assert [row["count_kind"] for row in rows].count("suppressed") >= 1
    assert all(row["count"] is None for row in rows if row["count_kind"] == "suppressed")
    (zero,) = districts({"Value": "0"}, keep=1).to_dicts()
    assert (zero["count"], zero["count_kind"]) == (None, "missing")


def test_only_groups_that_overlap_are_kept_so_that_nothing_suppressed_can_be_computed():
    frame = parse("2022", DISTRICTS)
    assert set(frame["subgroup"]) == {"all", "disability", "english_learner", "unaccompanied_youth"}
    text = members(FILES["2022", DISTRICTS])["SY2122_FS118_DG655_LEA.csv"]
    assert ",White," in text and ",Doubled Up," in text


def test_labels_of_all_students_differ_by_year_and_mean_the_same():
    old, new = members(FILES["2018", "SY1018_FS118_DG655_LEA_data_files.zip"]), members(FILES["2022", DISTRICTS])
    assert ",All Students,," in old["SY1018_FS118_DG655_LEA.csv"]
    assert ",All Students in LEA,," in new["SY2122_FS118_DG655_LEA.csv"]
    frame = parse("2018", "SY1018_FS118_DG655_LEA_data_files.zip")
    assert frame.filter(pl.col("subgroup") == "all")["period"].n_unique() == 8


def test_a_district_keeps_its_leading_zero_and_a_row_without_a_district_no_figure():
    assert districts({"NCES LEA ID": "100005"}, keep=1)["geo_id"].to_list() == ["0100005"]
    with pytest.raises(ParseError, match="row 2: column 'NCES LEA ID': must be a district's seven digits"):
        districts({"NCES LEA ID": "Not Applicable"}, keep=2)
    assert districts({"NCES LEA ID": "Not Applicable", "Value": "MISSING"}, keep=2).height == 1


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"Value": "12%"}, "column 'Value': '12%' is neither a number nor a known code"),
        ({"Value": "3.5"}, "column 'Value': '3.5' is no count"),
        ({"School Year": "2021-2023"}, "column 'School Year': must be a school year such as 2021-2022"),
        ({"NCES SCH ID": "970000100001"}, "column 'NCES SCH ID': must be empty"),
    ],
)
def test_a_wrong_row_of_a_district_file_is_named(change, rule):
    with pytest.raises(ParseError) as caught:
        districts(change)
    assert rule in str(caught.value) and "row 2" in str(caught.value)
    assert f"{DISTRICTS}!SY2122_FS118_DG655_LEA.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"<html><title>Not found</title></html>", "must be a whole ZIP archive"),
        (b"", "must be a whole ZIP archive"),
        (FILES["2022", DISTRICTS][:-200], "must be a whole ZIP archive"),
        (library("<html></html>\n"), "must have the columns"),
        (library(""), "must have the columns"),
    ],
)
def test_what_is_no_archive_of_figures_is_refused(body, rule):
    with pytest.raises(ParseError, match=rule):
        parse("2022", DISTRICTS, body)


@pytest.mark.parametrize("column", ["NCES LEA ID", "Value", "Subgroup", "Characteristics", "Data Group", "State"])
def test_a_renamed_column_is_named(column):
    text = members(FILES["2022", DISTRICTS])["SY2122_FS118_DG655_LEA.csv"]
    with pytest.raises(ParseError, match=column):
        parse("2022", DISTRICTS, library(text.replace(column, "Renamed", 1)))


def test_swapped_columns_give_the_same_table():
    text = members(FILES["2022", DISTRICTS])["SY2122_FS118_DG655_LEA.csv"]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(row[::-1] for row in csv.reader(io.StringIO(text)))
    assert parse("2022", DISTRICTS, library(out.getvalue())).equals(parse("2022", DISTRICTS))


def test_a_doubled_row_breaks_the_primary_key():
    rows = FILES["2022", COUNTIES].decode().splitlines()
    frame = parse("2022", COUNTIES, "\n".join([*rows, rows[1], ""]).encode())
    assert frame.select(COUNTY.primary_key).is_duplicated().sum() == 2


def test_a_count_that_contradicts_its_kind_cannot_be_kept():
    frame = parse("2022", DISTRICTS).with_columns(count=pl.lit(0.0))
    with pytest.raises(ContractError, match="count and count_kind contradict each other"):
        DISTRICT.conform(frame)


def test_live_brings_the_published_files():
    with Publisher({(SOURCE.id, *where): body for where, body in FILES.items()}) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch and SOURCE.probe
        found = {
            (vintage.id, fetched.name): fetched.body
            for vintage in SOURCE.vintages
            if vintage.live
            for fetched in SOURCE.fetch(fetcher, vintage.id, EVERYTHING)
        }
        assert fetcher.get(SOURCE.probe("2022")).body == FILES["2022", DISTRICTS]
    assert found == FILES


def test_the_next_release_has_no_address_yet():
    assert SOURCE.probe
    with pytest.raises(SourceError, match="ed_homeless_students/2023: no address is known"):
        SOURCE.probe("2023")
