"""SEDA: both kinds of files, what is refused, and the same from the loopback publisher."""

import csv
import io

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources.seda import COUNTY, SOURCE
from sources.simulated import files
from sources.source import EVERYTHING, ParseError, RawFile, SourceError
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

FILES = {(vintage, name): body for vintage, name, body in files(SOURCE.id)}
URBAN, POOL, DISTRICTS = "SEDA_all_county.csv", "seda_county_pool_gcs_6.0.csv", "seda_geodist_pool_gcs_6.0.csv"
HEADER = "year,state,county,learning_rate,learning_rate_lb,learning_rate_ub,learning_rate_quality"


def parse(vintage: str, name: str, body: bytes | None = None) -> pl.DataFrame:
    file = RawFile(SOURCE.id, vintage, name, FILES.get((vintage, name), b"") if body is None else body)
    ((key, frame),) = SOURCE.parse(file).items()
    table = next(table for table in SOURCE.tables if table.key == key)
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def urban(row: str) -> pl.DataFrame:
    return parse("2018", URBAN, f"{HEADER}\n{row}\n".encode())


@pytest.mark.parametrize(("vintage", "name"), list(FILES))
def test_every_simulated_file_parses(vintage, name):
    frame = parse(vintage, name)
    assert frame.height and set(frame["vintage"]) == {vintage}
    assert SOURCE.reads(name)


def test_urbans_rate_has_bounds_and_no_standard_error():
    (row,) = urban("2017,29,510,.92578256,.86086488,.99070024,1").to_dicts()
    assert (row["geo_id"], row["period"], row["subgroup"], row["measure"]) == (
        "29510",
        "2017-2018",
        "all",
        "learning_rate",
    )
    assert (row["estimate_lower"], row["estimate"], row["estimate_upper"]) == (0.86086488, 0.92578256, 0.99070024)
    assert (row["standard_error"], row["estimate_quality"]) == (None, "1")


def test_a_county_without_an_estimate_stays_without():
    (row,) = urban("2017,02,013,,,,").to_dicts()
    assert (row["geo_id"], row["estimate"], row["estimate_quality"]) == ("02013", None, None)


def test_the_archives_estimates_have_a_standard_error_and_no_bounds():
    with_estimate = parse("2019", POOL).filter(pl.col("estimate").is_not_null())
    assert with_estimate["standard_error"].null_count() == 0
    assert with_estimate["estimate_lower"].null_count() == with_estimate.height
    assert set(with_estimate["measure"]) == {"gcs_mn_avg_ol", "gcs_mn_lrn_ol", "gcs_mn_tav_ol"}
    assert set(with_estimate["period"]) == {"2008-2019"}


def test_gaps_between_groups_are_no_group():
    assert b",wbg," in FILES["2019", POOL]
    assert set(parse("2019", POOL)["subgroup"]) == {"all", "black", "hispanic", "white"}


def test_ids_get_their_leading_zeros_back():
    header, row = FILES["2019", DISTRICTS].decode().splitlines()[:2]
    frame = parse("2019", DISTRICTS, f"{header}\n100005,{row.split(',', 1)[1]}\n".encode())
    assert set(frame["geo_id"]) == {"0100005"}


def test_the_older_releases_names_are_read():
    body = FILES["2019", POOL].replace(b"_lrn_", b"_grd_").replace(b"_tav_", b"_coh_")
    frame = parse("2019", "seda_county_pool_gcs_5.0.csv", body)
    assert set(frame["measure"]) == {"gcs_mn_avg_ol", "gcs_mn_grd_ol", "gcs_mn_coh_ol"}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("2017,29,510,.9,.95,.99,1", "column 'learning_rate': must lie between two bounds"),
        ("2017,29,510,.9,,.99,1", "column 'learning_rate': must lie between two bounds"),
        ("2017,29,510,high,.8,.99,1", "column 'learning_rate': 'high' is neither a number nor a known code"),
        ("2017,29,X,.9,.8,.99,1", "column 'county': must be a county's FIPS code"),
        ("2017,29,510,.9,.8,.99", "must have 7 values as its header, but has 6"),
    ],
)
def test_a_wrong_row_is_named(row, rule):
    with pytest.raises(ParseError) as caught:
        urban(row)
    assert rule in str(caught.value) and "seda/2018/SEDA_all_county.csv, row 2" in str(caught.value)


@pytest.mark.parametrize("column", ["sedacounty", "subgroup", "gap", "gcs_mn_avg_ol_se", "gcs_mn_lrn_ol"])
def test_a_renamed_column_is_named(column):
    header, rest = FILES["2019", POOL].decode().split("\n", 1)
    renamed = ",".join("renamed" if name == column else name for name in header.split(","))
    with pytest.raises(ParseError, match=column):
        parse("2019", POOL, f"{renamed}\n{rest}".encode())


@pytest.mark.parametrize(("vintage", "name"), list(FILES))
def test_swapped_columns_give_the_same_table(vintage, name):
    out = io.StringIO()
    rows = csv.reader(io.StringIO(FILES[vintage, name].decode()))
    csv.writer(out, lineterminator="\n").writerows(row[::-1] for row in rows)
    assert parse(vintage, name, out.getvalue().encode()).equals(parse(vintage, name))


@pytest.mark.parametrize("body", [b"", b"<html></html>\n", FILES["2019", POOL].split(b"\n")[0] + b"\n"])
@pytest.mark.parametrize("name", [POOL, URBAN])
def test_what_is_no_table_is_refused(name, body):
    with pytest.raises(ParseError, match="must have"):
        parse("2019", name, body)


def test_a_release_whose_years_nobody_knows_is_refused():
    with pytest.raises(ParseError, match=r"is of release 7\.0: add the years that it pools"):
        parse("2019", "seda_county_pool_gcs_7.0.csv", FILES["2019", POOL])


def test_a_doubled_row_breaks_the_primary_key():
    rows = FILES["2018", URBAN].decode().splitlines()
    frame = parse("2018", URBAN, "\n".join([*rows, rows[1], ""]).encode())
    assert frame.select(COUNTY.primary_key).is_duplicated().sum() == 2


def test_live_brings_the_published_files():
    with Publisher({(SOURCE.id, *where): body for where, body in FILES.items()}) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch and SOURCE.probe
        found = {
            (vintage.id, fetched.name): fetched.body
            for vintage in SOURCE.vintages
            for fetched in SOURCE.fetch(fetcher, vintage.id, EVERYTHING)
        }
        assert b"xh833nn4025" in fetcher.get(SOURCE.probe("2019")).body
    assert found == FILES


def test_the_record_of_the_next_release_is_not_known():
    assert SOURCE.probe
    with pytest.raises(SourceError, match="seda/2020"):
        SOURCE.probe("2020")
