"""CoC to county and tract: what the simulated files say, what is refused, and the same from the loopback publisher."""

import io
from collections.abc import Callable

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources.coc_county import CROSSWALK, SOURCE, TRACT
from sources.simulated import files
from sources.simulated.region import region
from sources.source import EVERYTHING, ParseError, RawFile, SourceError
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

FILES = {name: (vintage, body) for vintage, name, body in files("coc_county")}
MATCH, SHARES, TRACTS = "county_coc_match.csv", "coc_county_mo_metroeast_2025.csv", "tract_coc_wt2025.parquet"


def parse(name: str, body: bytes | None = None) -> pl.DataFrame:
    vintage, content = FILES[name]
    found = SOURCE.parse(RawFile("coc_county", vintage, name, content if body is None else body))
    ((key, frame),) = found.items()
    table = {table.key: table for table in SOURCE.tables}[key]
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def changed_tracts(change: Callable[[pl.DataFrame], pl.DataFrame]) -> bytes:
    out = io.BytesIO()
    change(pl.read_parquet(io.BytesIO(FILES[TRACTS][1]))).write_parquet(out)
    return out.getvalue()


def test_tracts_of_a_county_sum_to_its_shares():
    tracts, shares = parse(TRACTS), parse(SHARES)
    assert set(tracts.columns) == set(TRACT.column_names)
    for county in ("97003", "97007"):
        mine = tracts.filter(county_id=county)
        by_coc = mine.group_by("coc_id").agg(pl.col("tract_share").sum() / mine["tract_id"].n_unique())
        both = by_coc.join(shares.filter(county_id=county), on="coc_id")
        assert both.height == by_coc.height
        assert both["tract_share"].to_list() == pytest.approx(both["tract_share_right"].to_list(), abs=0.01)


def test_slivers_are_kept_and_a_tract_without_a_coc_is_not_there():
    tracts = parse(TRACTS)
    assert tracts.filter(pl.col("tract_share") < 0.01).height
    lacking = {tract.geoid for tract in region().tracts} - set(tracts["tract_id"])
    assert len(lacking) == 1 and next(iter(lacking)).startswith(region().without_coc)


def test_a_tract_whose_coc_is_null_lies_in_none():
    body = changed_tracts(
        lambda frame: frame.with_columns(
            COCNUM=pl.when(pl.col("GEOID") == "97007000100").then(None).otherwise("COCNUM"),
            w_tract=pl.when(pl.col("GEOID") == "97007000100").then(None).otherwise("w_tract"),
        )
    )
    [row] = parse(TRACTS, body).filter(tract_id="97007000100").select("coc_id", "tract_share").rows()
    assert row == ("NONE", None)


def test_columns_are_found_by_name():
    body = changed_tracts(lambda frame: frame.select(reversed(frame.columns)))
    assert parse(TRACTS, body).equals(parse(TRACTS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.rename({"w_tract": "weight"}), r"must have the columns \['w_tract'\]"),
        (lambda f: f.with_columns(fips=pl.lit("29510")), "a tract lies in its county"),
        (lambda f: f.with_columns(w_tract=pl.col("w_tract") * 2), "its share is between 0 and 1"),
        (lambda f: f.with_columns(w_tract=pl.lit("all")), "shares must be numbers"),
        (lambda f: f.filter(pl.col("COCNUM") != "ZZ-501"), "the shares of a tract must sum to 1"),
        (lambda f: pl.concat([f, f.head(1)]), "the shares of a tract must sum to 1"),
        (lambda f: f.clear(), "must have rows, but has none"),
    ],
)
def test_changed_tracts_are_refused(change, message):
    with pytest.raises(ParseError, match=message) as caught:
        parse(TRACTS, changed_tracts(change))
    assert caught.value.file == f"coc_county/2025/{TRACTS}"


@pytest.mark.parametrize("body", [b"<html>no</html>", b"", FILES[TRACTS][1][:-200]])
def test_what_is_no_whole_parquet_file_is_refused(body):
    with pytest.raises(ParseError, match="must be a whole Parquet file"):
        parse(TRACTS, body)


def test_a_changed_crosswalk_is_refused():
    body = FILES[MATCH][1]
    with pytest.raises(ParseError, match=r"row 2: a county code has five digits, but this is '9701'"):
        parse(MATCH, body.replace(b'"97001"', b'"9701"'))
    with pytest.raises(ParseError, match=r"must have the columns \['coc_number'\]"):
        parse(MATCH, body.replace(b"coc_number", b"coc_code"))


def test_the_live_file_is_that_which_the_publisher_serves():
    with Publisher() as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        [fetched] = SOURCE.fetch(fetcher, "2017", EVERYTHING)
    assert (fetched.name, fetched.body) == (MATCH, FILES[MATCH][1])
    assert parse(MATCH, fetched.body).equals(parse(MATCH))
    assert set(parse(MATCH).columns) == set(CROSSWALK.column_names)


def test_nobody_can_ask_for_another_year():
    assert SOURCE.probe("2017").name == MATCH
    with pytest.raises(SourceError, match="the address names no year"):
        SOURCE.probe("2018")
