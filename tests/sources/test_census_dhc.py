"""The 2020 Census by tract: both forms, what is refused, and the live road with and without a key."""

import io
import json
import logging
from functools import cache

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources.census_dhc import RACE_SHARE, SOURCE, TRACT, parse
from sources.census_dhc.cells import CELLS
from sources.simulated import files
from sources.source import EVERYTHING, ParseError, RawFile, Scope, SourceError
from tests.editing import Rows, edit
from tests.publisher import KEY, Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

ANSWER, SHARES = "tract/97.json", "tract_race_shares.parquet"
HERE = Scope(states=("97",))


@cache
def simulated() -> dict[str, bytes]:
    return {name: body for _, name, body in files("census_dhc")}


def read(name: str, body: bytes | None = None, scope: Scope = EVERYTHING) -> pl.DataFrame:
    content = simulated()[name] if body is None else body
    [(key, frame)] = parse(RawFile("census_dhc", "2020", name, content, scope)).items()
    table = {TRACT.key: TRACT, RACE_SHARE.key: RACE_SHARE}[key]
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def served() -> dict[tuple[str, str, str], bytes]:
    return {("census_dhc", "2020", name): body for name, body in simulated().items()}


def fetch(publisher: Publisher, scope: Scope = HERE) -> dict[str, bytes]:
    fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
    assert SOURCE.fetch is not None
    return {one.name: one.body for one in SOURCE.fetch(fetcher, "2020", scope)}


def test_cells_fit_into_one_request_and_say_whom_they_count():
    assert len(CELLS) <= 50
    assert CELLS["P12B_030N"] == ("black_alone", "female", "15-17")
    assert CELLS["P12_005N"] == ("all", "male", "10-14")
    assert CELLS["P12H_034N"] == ("hispanic", "female", "22-24")
    assert CELLS["P5_010N"] == ("hispanic", "all", "all")


def test_figures_are_those_of_their_cell():
    header, *rows = json.loads(simulated()[ANSWER])
    row = dict(zip(header, rows[40], strict=True))
    found = read(ANSWER).filter(geo_id=row["state"] + row["county"] + row["tract"])
    assert {cell: str(count) for cell, count in found.select("cell", "count").iter_rows()} == {c: row[c] for c in CELLS}
    girl = found.filter(race_group="black_alone", sex="female", age_band="15-17")
    assert girl["count"].item() == int(row["P12B_030N"])
    assert read(ANSWER).height == len(rows) * len(CELLS)


def test_both_forms_tell_the_same_and_a_tract_of_water_has_no_shares():
    counts = (
        read(ANSWER).filter(pl.col("cell").is_in(["P5_001N", "P5_004N"])).pivot("cell", index="geo_id", values="count")
    )
    both = read(SHARES).join(counts, on="geo_id")
    assert both.height == counts.height
    assert both.filter(pl.col("black_share").is_null())["P5_001N"].to_list() == [0]
    lived = both.filter(pl.col("P5_001N") > 0)
    assert lived.select(((pl.col("black_share") * pl.col("P5_001N") - pl.col("P5_004N")).abs() < 1e-6).all()).item()


def test_shares_are_kept_for_the_states_in_scope():
    assert read(SHARES, scope=Scope(states=("29",))).is_empty()
    assert read(SHARES, scope=HERE).equals(read(SHARES))


def test_swapped_columns_give_the_same_table():
    body = edit(simulated()[ANSWER], lambda rows: [row[::-1] for row in rows])
    assert read(ANSWER, body).equals(read(ANSWER))


def with_cell(row: int, column: str, value: object):
    def change(rows: Rows) -> Rows:
        rows[row - 1][rows[0].index(column)] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_cell(1, "P12B_030N", "P12B_030NA"), "row 1: must have each of these columns once: P12B_030N"),
        (with_cell(1, "P5_003N", "P5_004N"), "row 1: .*once: P5_003N, P5_004N"),
        (with_cell(1, "tract", "place"), "row 1: .*once: tract"),
        (with_cell(7, "P5_001N", "-1"), "row 7: P5_001N must be a whole number, but is '-1'"),
        (with_cell(7, "P12H_031N", None), "row 7: P12H_031N must be a whole number, but is 'None'"),
        (with_cell(5, "state", "29"), "row 5: must hold tracts of state 97, but has 29"),
        (lambda rows: [*rows[:9], rows[9][:-1], *rows[10:]], "row 10: must have 49 values as its header, but has 48"),
        (lambda rows: rows[:1], "must be an array of a header and at least one row"),
    ],
)
def test_faults_of_an_answer_are_refused(change, says):
    with pytest.raises(ParseError, match=says) as raised:
        read(ANSWER, edit(simulated()[ANSWER], change))
    assert f"census_dhc/2020/{ANSWER}" in str(raised.value)


def parquet(change) -> bytes:
    out = io.BytesIO()
    change(pl.read_parquet(io.BytesIO(simulated()[SHARES]))).write_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>", "must be a whole Parquet file, but starts with '<html>'"),
        (b"", "must be a whole Parquet file"),
        (simulated()[SHARES][:-100], "must be a whole Parquet file"),
        (b"PAR1" + b"x" * 40 + b"PAR1", "must be a whole Parquet file"),
        (parquet(lambda frame: frame.rename({"asian": "asia"})), r"must have the columns \['asian'\]"),
        (parquet(lambda frame: frame.cast({"black": pl.String})), r"shares as numbers, but not \['black'\]"),
        (parquet(lambda frame: frame.with_columns(white=pl.col("white") * 0.9)), "row tract 97001000100: shares must"),
        (
            parquet(lambda frame: frame.with_columns(white=pl.lit(None, pl.Float64))),
            "row tract 97001000100: shares must sum to 1 or be all absent",
        ),
    ],
)
def test_faults_of_the_shares_are_refused(body, says):
    with pytest.raises(ParseError, match=says):
        read(SHARES, body)


def test_the_live_form_is_what_the_publisher_serves(monkeypatch):
    monkeypatch.setenv("CENSUS_API_KEY", KEY)
    with Publisher(served()) as publisher:
        assert fetch(publisher) == {ANSWER: simulated()[ANSWER]}
    assert [one.asked.query["in"] for one in publisher.log] == ["state:97 county:*"]
    assert SOURCE.reads(ANSWER)


def test_states_are_asked_one_by_one_and_errors_never_hold_the_key(monkeypatch):
    monkeypatch.setenv("CENSUS_API_KEY", KEY)
    with (
        Publisher(served()) as publisher,
        pytest.raises(SourceError, match=r"vintage 2020, state 29: .*HTTP 204") as raised,
    ):
        fetch(publisher, Scope(states=("29", "97")))
    assert KEY not in str(raised.value)
    assert sorted(one.asked.query["in"][6:8] for one in publisher.log) == ["29", "97"]


def test_the_nation_is_51_states_and_puerto_rico(monkeypatch):
    monkeypatch.setenv("CENSUS_API_KEY", KEY)
    body = json.loads(simulated()[ANSWER])
    wanted = {f"{n:02d}" for n in range(1, 57)} - {"03", "07", "14", "43", "52"} | {"72"}
    everywhere = {
        ("census_dhc", "2020", f"tract/{state}.json"): json.dumps(
            [body[0], *([*row[:-3], state, *row[-2:]] for row in body[1:3])]
        ).encode()
        for state in wanted
    }
    with Publisher(everywhere) as publisher:
        found = fetch(publisher, Scope(states=None))
    assert set(found) == {f"tract/{state}.json" for state in wanted}
    assert read("tract/72.json", found["tract/72.json"]).height == 2 * len(CELLS)


def test_without_a_key_nothing_is_asked_and_a_warning_says_what_is_missing(caplog):
    with Publisher(served()) as publisher, caplog.at_level(logging.WARNING):
        assert fetch(publisher) == {}
    assert publisher.log == []
    assert "census_dhc: tract counts by race and age are missing" in caplog.text
    assert "CENSUS_API_KEY" in caplog.text


def test_a_refused_key_says_what_to_do(monkeypatch):
    monkeypatch.setenv("CENSUS_API_KEY", "another-key-123")
    with (
        Publisher(served()) as publisher,
        pytest.raises(SourceError, match=r"does not accept the key \(Invalid Key\)") as raised,
    ):
        fetch(publisher)
    assert "key_signup" in str(raised.value)
    assert "another-key-123" not in str(raised.value)


def test_an_answer_that_repeats_a_tract_is_not_landed(monkeypatch):
    monkeypatch.setenv("CENSUS_API_KEY", KEY)
    twice = edit(simulated()[ANSWER], lambda rows: [*rows, rows[-1]])
    assert twice is not None
    with (
        Publisher({("census_dhc", "2020", ANSWER): twice}) as publisher,
        pytest.raises(ParseError, match="must have a tract of state 97 once"),
    ):
        fetch(publisher)


def test_the_probes_are_answered(monkeypatch):
    assert SOURCE.probe is not None and SOURCE.key is not None
    with Publisher(served()) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert json.loads(fetcher.get(SOURCE.probe("2020")).body)["variables"]
        with fetcher.session() as session:
            answer = session.get(f"{SOURCE.key.address}&key={KEY}").json()
    assert answer == [["P5_001N", "us"], ["0", "1"]]
