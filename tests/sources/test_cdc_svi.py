"""SVI: inputs with margins, -999, lost zeros, the index apart, faults, and the addresses."""

import csv
import io
from functools import cache

import numpy as np
import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources.cdc_svi import SOURCE
from sources.simulated import files
from sources.source import ParseError, RawFile, Scope, SourceError
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

COUNTY, TRACT = "SVI_2022_US_county.csv", "tracts/SimulatedState.csv"
TABLES = {table.key: table for table in SOURCE.tables}


@cache
def sample() -> dict[tuple[str, str], bytes]:
    return {(vintage, name): body for vintage, name, body in files("cdc_svi")}


def parse(vintage: str, name: str, body: bytes | None = None) -> dict[str, pl.DataFrame]:
    found = SOURCE.parse(RawFile("cdc_svi", vintage, name, sample()[vintage, name] if body is None else body))
    return {
        key: TABLES[key].conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64))) for key, frame in found.items()
    }


def records(vintage: str, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sample()[vintage, name].decode())))


def one(frame: pl.DataFrame, **where: str) -> dict[str, object]:
    (row,) = frame.filter(pl.all_horizontal(pl.col(name) == value for name, value in where.items())).to_dicts()
    return row


def test_figures_stand_under_their_variable():
    printed = records("2022", COUNTY)[4]
    row = one(parse("2022", COUNTY)["core.cdc_svi_county"], geo_id=printed["FIPS"], variable="NOVEH")
    assert row["estimate"] == float(printed["E_NOVEH"]) and row["estimate_moe"] == float(printed["M_NOVEH"])
    assert row["share"] == pytest.approx(float(printed["EP_NOVEH"]) / 100)
    assert row["share_moe"] == pytest.approx(float(printed["MP_NOVEH"]) / 100)
    assert (row["period"], row["unit"], row["geo_name"]) == ("2018-2022", "count", printed["LOCATION"])


def test_missing_is_not_zero():
    gone = [row["FIPS"] for row in records("2018", "SVI_2018_US_county_inputs.csv") if row["E_POV"] == "-999"]
    assert len(gone) == 1
    frame = parse("2018", "SVI_2018_US_county_inputs.csv")["core.cdc_svi_county"]
    row = one(frame, geo_id=gone[0], variable="POV")
    assert row["estimate"] is row["estimate_moe"] is row["share"] is row["share_moe"] is None
    assert row["estimate_kind"] == row["share_kind"] == "missing"
    assert frame.filter(pl.col("estimate_kind") == "missing")["variable"].to_list() == ["PCI", "POV", "UNEMP"]


def test_dollars_are_no_share():
    frame = parse("2018", "SVI_2018_US_county_inputs.csv")["core.cdc_svi_county"].filter(variable="PCI")
    assert frame["unit"].unique().to_list() == ["US dollars"]
    assert frame["share"].null_count() == frame.height and set(frame["share_kind"]) == {"not_applicable"}
    assert frame["estimate"].drop_nulls().min() > 10_000


def test_variables_of_each_design():
    old = set(parse("2018", "SVI_2018_US_county_inputs.csv")["core.cdc_svi_county"]["variable"])
    new = set(parse("2020", "SVI_2020_US_county_inputs.csv")["core.cdc_svi_county"]["variable"])
    assert {"POV", "PCI"} <= old and not {"POV150", "HBURD", "AFAM"} & old
    assert {"POV150", "HBURD", "AFAM"} <= new and not {"POV", "PCI"} & new


def test_index_is_apart_and_ranked_within_its_file():
    found = parse("2022", COUNTY) | parse("2022", TRACT)
    assert not any(name.startswith(("RPL", "SPL", "EPL")) for name in found["core.cdc_svi_county"]["variable"])
    assert set(found["core.cdc_svi_county_index"]["ranked_within"]) == {"nation"}
    assert set(found["core.cdc_svi_tract_index"]["ranked_within"]) == {"state"}
    ranks = found["core.cdc_svi_county_index"].filter(measure="RPL_THEMES")["value"]
    assert (ranks.min(), ranks.max()) == (0, 1)
    assert "no index" in TABLES["core.cdc_svi_county_index"].description
    assert list(parse("2020", "SVI_2020_US_county_inputs.csv")) == ["core.cdc_svi_county"]


def test_a_tract_without_percentages_keeps_its_counts():
    frame = parse("2022", TRACT)
    (bare,) = frame["core.cdc_svi_tract"].filter(variable="POV150", share_kind="missing")["geo_id"]
    row = one(frame["core.cdc_svi_tract"], geo_id=bare, variable="POV150")
    assert row["estimate_kind"] == "exact" and row["estimate"] is not None
    index = frame["core.cdc_svi_tract_index"].filter(geo_id=bare)
    assert set(index["value_kind"]) == {"missing"} and index.height == 47


def test_simulated_tracts_add_up_to_their_counties():
    found = parse("2022", COUNTY) | parse("2022", TRACT)
    sums = (
        found["core.cdc_svi_tract"]
        .group_by("variable", pl.col("geo_id").str.head(5))
        .agg(pl.col("estimate").sum().alias("sum"))
    )
    both = found["core.cdc_svi_county"].join(sums, on=["geo_id", "variable"], validate="1:1")
    assert both.height == found["core.cdc_svi_county"].height
    assert np.allclose(both["estimate"], both["sum"])


@pytest.mark.parametrize(
    ("name", "table", "whole", "lost"),
    [
        (COUNTY, "core.cdc_svi_county", "09001", b",9001,"),
        (TRACT, "core.cdc_svi_tract", "09001000100", b",9001000100,"),
    ],
)
def test_lost_zeros_come_back(name, table, whole, lost):
    body = sample()["2022", name].replace(lost.replace(b",9", b",97"), lost)
    assert lost in body
    assert whole in parse("2022", name, body)[table]["geo_id"].to_list()


def test_swapped_columns_give_the_same_table():
    rows = list(csv.reader(io.StringIO(sample()["2022", COUNTY].decode())))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([row[::-1] for row in rows])
    swapped = parse("2022", COUNTY, out.getvalue().encode())
    assert all(frame.equals(swapped[key]) for key, frame in parse("2022", COUNTY).items())


BODY_2020 = "SVI_2020_US_county_inputs.csv"


@pytest.mark.parametrize(
    ("change", "rule", "row"),
    [
        (lambda body: body.replace(b"EP_NOVEH", b"EP_CARLESS"), "EP_NOVEH", 1),
        (lambda body: body[:-40], "cut off", 25),
        (lambda body: body[:-40] + b"\n", "must be a number", 25),
        (lambda body: body[: body.index(b"\n97,", 3000)], "cut off", None),
        (lambda body: body.replace(b",97005,", b",9700x,"), "FIPS must be an id of 5 digits", 4),
        (lambda body: body.replace(b",720,0,", b",many,0,"), "E_TOTPOP must be a number", 2),
        (lambda body: body.replace(b",720,0,", b",-1,0,"), "E_TOTPOP must be a number", 2),
        (lambda body: body.replace(b",720,0,", b",NaN,0,"), "E_TOTPOP must be a number", 2),
        (lambda body: body.replace(b",720,0,", b",720,0,7,"), "must be a CSV file", None),
        (lambda body: b"<!DOCTYPE html><html><body>Removed</body></html>", "must have the columns", 1),
        (lambda body: b"", "must be a CSV file", None),
        (lambda body: body[: body.index(b"\n") + 1], "must have rows", None),
        (lambda body: body.replace(b"Simulated", b"\xff\xfe"), "must be a CSV file in UTF-8", None),
    ],
)
def test_faults_are_refused(change, rule, row):
    body = change(sample()["2020", BODY_2020])
    assert body != sample()["2020", BODY_2020]
    with pytest.raises(ParseError) as error:
        parse("2020", BODY_2020, body)
    assert f"cdc_svi/2020/{BODY_2020}" in str(error.value) and rule in str(error.value)
    assert row is None or error.value.row == row


def test_an_index_without_a_rank_is_refused():
    with pytest.raises(ParseError, match="RPL_THEMES"):
        parse("2022", COUNTY, sample()["2022", COUNTY].replace(b"RPL_THEMES", b"RPL_ALL"))


@pytest.mark.parametrize(("states", "tracts"), [(("97",), TRACT), (None, "tracts/SVI_2022_US.csv")])
def test_live_is_what_was_simulated(states, tracts):
    with Publisher({("cdc_svi", *where): body for where, body in sample().items()}) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch is not None and SOURCE.probe is not None
        fetched = {one.name: one for one in SOURCE.fetch(fetcher, "2022", Scope(states=states))}
        assert fetcher.get(SOURCE.probe("2022")).body == sample()["2022", COUNTY]
    assert {name: one.body for name, one in fetched.items()} == {
        COUNTY: sample()["2022", COUNTY],
        tracts: sample()["2022", TRACT],
    }
    assert all(SOURCE.reads(name) for name in fetched)
    live = parse("2022", tracts, fetched[tracts].body)
    assert live["core.cdc_svi_tract"].equals(parse("2022", TRACT)["core.cdc_svi_tract"])
    assert set(live["core.cdc_svi_tract_index"]["ranked_within"]) == {"state" if states else "nation"}


def test_a_document_that_was_taken_off_stops_the_fetch():
    with Publisher({}) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch is not None
        with pytest.raises(SourceError, match="HTTP 404"):
            list(SOURCE.fetch(fetcher, "2022", Scope(states=("97",))))


def test_names_of_states_in_addresses():
    asked = []

    class Recorder:
        def get(self, request):
            asked.append(request.address)

    list(SOURCE.fetch(Recorder(), "2022", Scope(states=("11", "29", "33"))))
    assert [address.rsplit("/", 1)[1] for address in asked[1:]] == [
        "DistrictofColumbia.csv",
        "Missouri.csv",
        "NewHampshire.csv",
    ]
