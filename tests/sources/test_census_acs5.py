"""ACS answers and summary files: what they say, what is refused, and that both roads give the same tables."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from models.indicators.indicator import all_indicators
from pipelines.http import HttpFetcher
from quality.contract import concat
from sources.census_acs5 import COUNTY_TABLE, DISTRICT_TABLE, SOURCE, TRACT_TABLE, cells, summary
from sources.census_acs5.live import WORKERS
from sources.simulated.census_acs5 import summary_files
from sources.simulated.region import region
from sources.source import Fetched, ParseError, RawFile, Scope, SourceError
from tests.publisher import KEY, Answer, Asked, Publisher, simulated_files

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HERE = Scope(states=("97",))
TABLES = {table.key: table for table in SOURCE.tables}
B14005 = "acsdt5y2023-b14005.dat"


@cache
def answers() -> dict[str, bytes]:
    """The simulated answers of the API."""
    return {
        name: body
        for (source, vintage, name), body in simulated_files().items()
        if (source, vintage) == ("census_acs5", "2023") and name.endswith(".json")
    }


@cache
def bulk() -> dict[str, bytes]:
    return dict(summary_files(region()))


def parse_all(files: Mapping[str, bytes | Path], scope: Scope = HERE) -> dict[str, pl.DataFrame]:
    """The core tables that these files give, as the pipeline puts them together."""

    def raw(name: str) -> RawFile | None:
        return RawFile("census_acs5", "2023", name, files[name], scope, raw) if name in files else None

    frames: dict[str, list[pl.DataFrame]] = {key: [] for key in TABLES}
    for name in sorted(files):
        file = raw(name)
        assert file is not None and SOURCE.reads(name)
        for key, frame in SOURCE.parse(file).items():
            frames[key].append(TABLES[key].conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64))))
    return {key: concat(TABLES[key], found).sort(TABLES[key].primary_key) for key, found in frames.items()}


def parse_json(header: list[str], *rows: list[str | None], name: str = "county/x.json") -> dict[str, pl.DataFrame]:
    return SOURCE.parse(RawFile("census_acs5", "2023", name, json.dumps([header, *rows]).encode()))


def without_subject_tables(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {key: frame.filter(~pl.col("table_id").str.starts_with("S")) for key, frame in tables.items()}


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        yield running


def fetcher_for(publisher: Publisher) -> HttpFetcher:
    return HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01, timeout=10)


@pytest.fixture
def fetch(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Fetched]]:
    """Fetch all of 2023, with the key unless told otherwise."""

    def run(scope: Scope = HERE, key: str | None = KEY) -> list[Fetched]:
        monkeypatch.delenv("CENSUS_API_KEY", raising=False)
        if key is not None:
            monkeypatch.setenv("CENSUS_API_KEY", key)
        assert SOURCE.fetch is not None
        return list(SOURCE.fetch(fetcher_for(publisher), "2023", scope))

    return run


# --- what is declared --------------------------------------------------------------------------------------------


def test_every_cell_that_an_indicator_names_is_declared_and_simulated():
    named = {cell for indicator in all_indicators().values() for cell in indicator.cells}
    assert named <= set(cells.wanted(cells.COUNTY, ()))
    tables = parse_all(answers())
    for table, level in ((COUNTY_TABLE, cells.COUNTY), (TRACT_TABLE, cells.TRACT), (DISTRICT_TABLE, cells.DISTRICT)):
        assert set(tables[table.key]["cell"]) == set(cells.wanted(level, ()))


def test_a_cell_that_only_an_indicator_names_is_held_for_counties():
    assert "B99999_001" in cells.wanted(cells.COUNTY, ("B99999_001",))
    assert "B99999_001" not in cells.wanted(cells.TRACT, ("B99999_001",))


def test_chunks_hold_24_cells_of_any_tables_and_never_both_kinds():
    chunks = cells.chunks([*(f"B{n:05d}_001" for n in range(30)), "S1501_C01_006"])
    assert [len(chunk) for chunk in chunks] == [24, 6, 1]


def test_the_nation_is_where_the_survey_is_taken():
    assert len(cells.NATION) == 52
    assert {"11", "72"} <= set(cells.NATION) and not {"60", "97"} & set(cells.NATION)


# --- answers -----------------------------------------------------------------------------------------------------


def test_codes_are_null_and_their_meaning_is_kept():
    header = ["NAME", "B11002_001E", "B11002_001M", "B19013_001E", "B19013_001M", "state", "county"]
    rows = [
        ["A County, Z", "800", "-555555555", "-666666666", "-222222222", "97", "001"],
        ["B County, Z", "0", "12", None, None, "97", "003"],
    ]
    (frame,) = parse_json(header, *rows).values()
    assert frame.select("geo_id", "cell", "estimate", "moe", "annotation").rows() == [
        ("97001", "B11002_001", 800.0, 0.0, "controlled estimate: no sampling error"),
        ("97003", "B11002_001", 0.0, 12.0, None),
        (
            "97001",
            "B19013_001",
            None,
            None,
            "no estimate: too few sample observations or the median lies in an open-ended interval",
        ),
    ]


def test_school_districts_keep_their_layer():
    frames = []
    for layer in cells.LAYERS:
        header = ["NAME", "B14005_001E", "B14005_001M", "state", f"school district ({layer})"]
        (found,) = parse_json(
            header, ["Remainder of Z", "7", "3", "97", "99999"], name=f"district_{layer}/97/x.json"
        ).items()
        assert found[0] == DISTRICT_TABLE.key
        frames.append(DISTRICT_TABLE.conform(found[1].with_columns(snapshot_sha256=pl.lit("0" * 64))))
    together = pl.concat(frames)
    assert together.select("layer", "geo_id").rows() == [(layer, "9799999") for layer in cells.LAYERS]
    assert together.select(pl.struct(DISTRICT_TABLE.primary_key).n_unique()).item() == 3


def test_rows_and_columns_in_another_order_give_the_same_table():
    name = "county/part-02.json"
    header, *rows = json.loads(answers()[name])
    other = list(reversed(range(1, len(header) - 2)))
    order = [0, *other, len(header) - 2, len(header) - 1]
    swapped = [[line[i] for i in order] for line in (header, *reversed(rows))]
    assert parse_all({name: json.dumps(swapped).encode()})[COUNTY_TABLE.key].equals(
        parse_all({name: answers()[name]})[COUNTY_TABLE.key]
    )


@pytest.mark.parametrize(
    ("header", "rows", "says"),
    [
        (["NAME", "B14005_001E", "state", "COUNTY"], [["A", "1", "97", "001"]], "row 1: .*known geography"),
        (["NAME", "state", "county"], [["A", "97", "001"]], "row 1: must have at least one variable"),
        (["NAME", "B14005_001M", "state", "county"], [["A", "1", "97", "001"]], "its margin alone"),
        (["NAME", "B14005_001E", "state", "county"], [["A", "1", "97"]], "row 2: must have 4 values"),
        (
            ["NAME", "B14005_001E", "state", "county"],
            [["A", "inf", "97", "001"]],
            "row 2: B14005_001E must be a number",
        ),
        (["NAME", "B14005_001E", "B14005_001E", "state", "county"], [["A", "1", "1", "97", "001"]], "stands twice"),
    ],
)
def test_a_malformed_answer_is_refused(header: list[str], rows: list[list[str | None]], says: str):
    with pytest.raises(ParseError, match=rf"^census_acs5/2023/county/x.json.*{says}"):
        parse_json(header, *rows)


# --- a saved table of tracts -------------------------------------------------------------------------------------


def parquet(frame: pl.DataFrame) -> RawFile:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return RawFile("census_acs5", "2023", "tract/B11002.parquet", buffer.getvalue())


def test_a_saved_table_of_tracts_is_read():
    body = simulated_files()["census_acs5", "2023", "tract/B11002.parquet"]
    (found,) = SOURCE.parse(RawFile("census_acs5", "2023", "tract/B11002.parquet", body)).items()
    assert found[0] == TRACT_TABLE.key
    wide = pl.read_parquet(io.BytesIO(body))
    tidy = found[1].filter(pl.col("cell") == "B11002_001")
    assert tidy["geo_id"].to_list() == wide["GEOID"].to_list()
    assert tidy["estimate"].to_list() == wide["B11002_001E"].cast(pl.Float64).to_list()
    assert set(found[1]["table_id"]) == {"B11002", "B11002A", "B11002B"}
    assert not set(found[1]["cell"]) & set(cells.wanted(cells.TRACT, ())), "an answer would give the same rows"


def test_a_malformed_table_of_tracts_is_refused():
    good = pl.DataFrame({"GEOID": ["97001000100"], "NAME": ["A"], "B11002_001E": ["5"], "B11002_001M": ["3"]})
    for bad, says in (
        (good.rename({"GEOID": "geoid"}), "must have the columns \\['GEOID'\\]"),
        (good.drop("B11002_001E"), "its margin alone"),
        (good.with_columns(B11002_001E=pl.lit("x")), "row 1: B11002_001E must be a number"),
        (good.clear(), "must have rows"),
    ):
        with pytest.raises(ParseError, match=says):
            SOURCE.parse(parquet(bad))
    with pytest.raises(ParseError, match="must be a Parquet file"):
        SOURCE.parse(replace(parquet(good), content=b"<html>"))


# --- the API -----------------------------------------------------------------------------------------------------


def test_the_api_gives_the_simulated_answers_with_a_request_a_chunk(
    publisher: Publisher, fetch: Callable[..., list[Fetched]]
):
    got = fetch()
    assert {one.name: one.body for one in got} == answers()
    # The two layers that the state does not have cost a request each.
    assert len(publisher.log) == len(answers()) + 2
    assert {served.status for served in publisher.log} == {200, 204}
    assert [one.name for one in got] == sorted(
        (one.name for one in got),
        key=lambda name: (["county", "tract", "district_unified"].index(name.split("/")[0]), name),
    )
    assert not any(KEY in one.address for one in got)


def part_two(asked: Asked) -> bool:
    """Whether it is the second request for counties."""
    return asked.query.get("for") == "county:*" and answers()["county/part-02.json"].startswith(
        b'[["NAME","' + asked.query["get"].split(",")[1].encode()
    )


def changed(change: Callable[[list[list[str | None]]], object]) -> Callable[[Asked, Answer], Answer]:
    def fault(asked: Asked, answer: Answer) -> Answer:
        return replace(answer, body=json.dumps(change(json.loads(answer.body))).encode()) if part_two(asked) else answer

    return fault


def test_a_chunk_in_another_order_gives_the_same_table(publisher: Publisher, fetch: Callable[..., list[Fetched]]):
    publisher.fault = changed(lambda answer: [answer[0], *reversed(answer[1:])])
    got = {one.name: one.body for one in fetch()}
    assert got["county/part-02.json"] != answers()["county/part-02.json"]
    assert all(frame.equals(parse_all(answers())[key]) for key, frame in parse_all(got).items())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda answer: answer[:-1], "part 2 covers 23 areas and part 1 24, of which 23 are the same"),
        (lambda answer: [*answer[:-1], [*answer[-1][:-1], "999"]], "part 2 covers 24 areas and part 1 24, of which 23"),
        (lambda answer: [*answer, answer[-1]], "25 rows stand for 24 areas"),
        (lambda answer: [row[1:] for row in answer], "the answer lacks NAME"),
        (lambda answer: [*answer[:-1], answer[-1][:-1]], "row 25 has 50 values under a header of 51"),
    ],
)
def test_a_chunk_that_does_not_fit_is_refused(
    publisher: Publisher,
    fetch: Callable[..., list[Fetched]],
    change: Callable[[list[list[str | None]]], object],
    says: str,
):
    publisher.fault = changed(change)
    with pytest.raises(SourceError, match=rf"county/part-02.json \(tables B\d+\w? to B\d+\w?\): {says}"):
        fetch()


def test_a_later_chunk_without_rows_is_refused_even_where_a_state_may_have_none(
    publisher: Publisher, fetch: Callable[..., list[Fetched]]
):
    first = cells.chunks(cells.wanted(cells.DISTRICT, ()))[0][0]

    def fault(asked: Asked, answer: Answer) -> Answer:
        is_later = asked.query["for"] == "school district (unified):*" and f"{first}E" not in asked.query["get"]
        return Answer(b"", status=204) if is_later else answer

    publisher.fault = fault
    with pytest.raises(SourceError, match=r"district_unified/97/part-02.json .*part 2 covers 0 areas and part 1 32"):
        fetch()


def test_a_wrong_key_and_an_unknown_cell_say_what_to_do(fetch: Callable[..., list[Fetched]]):
    with pytest.raises(SourceError, match=r"does not accept the key .*key_signup") as refused:
        fetch(key="another-key")
    assert "another-key" not in str(refused.value)
    with pytest.raises(SourceError, match=r"unknown variable 'B14005_999E' \(HTTP 400\).*groups/B14005.html"):
        fetch(Scope(("B14005_999",), ("97",)))


def test_a_state_without_tracts_is_an_error_and_one_without_a_layer_is_not(fetch: Callable[..., list[Fetched]]):
    with pytest.raises(SourceError, match=r"tract/29/part-01.json .*no rows \(HTTP 204\)"):
        fetch(Scope(states=("29", "97")))


STATES = tuple(f"{n:02d}" for n in range(80, 96))


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A nation of 16 states with a tract and, but for the last, a unified district each; one table of two cells."""
    few = frozenset({"B14005_001", "B14005_002"})
    held = {cells.COUNTY: frozenset(), cells.TRACT: few, cells.DISTRICT: few}
    monkeypatch.setattr(cells, "declared", lambda: held)
    monkeypatch.setattr(cells, "NATION", STATES)
    monkeypatch.setenv("CENSUS_API_KEY", KEY)
    files: dict[tuple[str, str, str], bytes] = {}
    names = ["NAME", *(f"B14005_00{n}{kind}" for n in (1, 2) for kind in "EM")]
    for state in STATES:
        tract = [[*names, "state", "county", "tract"], ["T", "4", "3", "2", "1", state, "001", "000100"]]
        files["census_acs5", "2023", f"tract/{state}/part-01.json"] = json.dumps(tract).encode()
        district = [[*names, "state", "school district (unified)"], ["D", "4", "3", "2", "1", state, "00030"]]
        if state != STATES[-1]:
            files["census_acs5", "2023", f"district_unified/{state}/part-01.json"] = json.dumps(district).encode()
    with Publisher(files) as running:
        yield running


def fetch_many(publisher: Publisher, states: tuple[str, ...] | None) -> list[str]:
    assert SOURCE.fetch is not None
    return [one.name for one in SOURCE.fetch(fetcher_for(publisher), "2023", Scope(states=states))]


def test_states_are_asked_at_once_and_come_in_order(many: Publisher):
    together = threading.Barrier(WORKERS)
    waited: list[int] = []

    def fault(asked: Asked, answer: Answer) -> Answer:
        # Passes only while so many requests are under way; and the later states answer first.
        if asked.query["for"] == "tract:*" and len(waited) < WORKERS:
            waited.append(1)
            together.wait(timeout=20)
        return replace(answer, stall=0.002 * (95 - int(asked.query["in"][6:8])))

    many.fault = fault
    expected = [f"{level}/{state}/part-01.json" for state in STATES[:-1] for level in ("tract", "district_unified")]
    assert fetch_many(many, STATES[:-1]) == expected
    assert len(waited) == WORKERS and not together.broken


def test_a_state_without_any_district_is_an_error(many: Publisher):
    with pytest.raises(SourceError, match="state 95 has no school districts of any layer"):
        fetch_many(many, None)


def test_the_first_error_stops_what_has_not_been_asked(many: Publisher):
    def fault(asked: Asked, answer: Answer) -> Answer:
        if asked.query["in"].startswith("state:81") and asked.query["for"] == "tract:*":
            return Answer(b"error: gone", "text/plain", 400)
        return replace(answer, stall=0.3)

    many.fault = fault
    with pytest.raises(SourceError, match=r"tract/81/part-01.json .*gone \(HTTP 400\)"):
        fetch_many(many, None)
    assert len(many.log) < len(STATES) * 2


# --- the summary files -------------------------------------------------------------------------------------------


def test_both_roads_give_the_same_tables(fetch: Callable[..., list[Fetched]]):
    by_api = without_subject_tables(parse_all({one.name: one.body for one in fetch()}))
    by_file = parse_all({one.name: one.content for one in fetch(key=None)})
    assert {key: frame.height for key, frame in by_file.items()} == {key: frame.height for key, frame in by_api.items()}
    assert min(frame.height for frame in by_file.values()) > 5_000
    for key, frame in by_file.items():
        assert frame.equals(by_api[key]), key
    notes = pl.concat(frame["annotation"] for frame in by_file.values()).drop_nulls().unique()
    assert len(notes) == 2, "codes are among what was compared"


def test_without_a_key_whole_files_are_fetched_and_what_is_missing_is_said(
    publisher: Publisher, fetch: Callable[..., list[Fetched]], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    got = fetch(Scope(("S2801_C01_014", "B14005_010"), ("97",)), key=None)
    assert got[0].name == "Geos20235YR.txt"
    wanted = {name for level in cells.declared() for cell in cells.wanted(level, ()) for name in [cells.table_of(cell)]}
    assert {one.name for one in got[1:]} == {
        summary.table_name("2023", table) for table in wanted if not table.startswith("S")
    }
    assert {served.asked.host for served in publisher.log} == {"www2.census.gov"}
    assert all(one.body == bulk()[one.name] for one in got)
    assert "S2801_C01_014" in caplog.text and "key_signup" in caplog.text


def in_folder(tmp_path: Path, **changed: bytes) -> dict[str, bytes | Path]:
    """The file of B14005 and the names of geographies on disk, with other content where told."""
    files: dict[str, bytes | Path] = {}
    for key, name in (("table", B14005), ("geos", "Geos20235YR.txt")):
        files[name] = tmp_path / name
        (tmp_path / name).write_bytes(changed.get(key, bulk()[name]))
    return files


def test_a_file_on_disk_and_its_bytes_give_the_same_tables(tmp_path: Path):
    on_disk = parse_all(in_folder(tmp_path))
    in_memory = parse_all({name: bulk()[name] for name in (B14005, "Geos20235YR.txt")})
    crlf = parse_all(in_folder(tmp_path, table=bulk()[B14005].replace(b"\n", b"\r\n")))
    assert on_disk[TRACT_TABLE.key].height == 197 * 13
    for key, frame in on_disk.items():
        assert frame.equals(in_memory[key]) and frame.equals(crlf[key])


def test_swapped_columns_give_the_same_tables(tmp_path: Path):
    lines = [line.split("|") for line in bulk()[B14005].decode().splitlines()]
    swapped = "".join("|".join([line[0], *reversed(line[1:])]) + "\n" for line in lines)
    assert all(
        frame.equals(parse_all(in_folder(tmp_path))[key])
        for key, frame in parse_all(in_folder(tmp_path, table=swapped.encode())).items()
    )


def test_only_the_states_of_the_run_are_read(tmp_path: Path):
    files = in_folder(tmp_path)
    nobody = parse_all(files, Scope(states=("29",)))
    assert nobody[COUNTY_TABLE.key].height == 24 * 13
    assert nobody[TRACT_TABLE.key].is_empty() and nobody[DISTRICT_TABLE.key].is_empty()
    # Nobody names the neighbour's tract, which would be an error if it were read.
    with pytest.raises(ParseError, match=r"1400000US96001000100.*does not name"):
        parse_all(files, Scope(states=("96",)))


def test_layers_are_told_by_the_summary_level(tmp_path: Path):
    table, geos = bulk()[B14005].decode(), bulk()["Geos20235YR.txt"].decode()
    for prefix in ("9500000US9799998", "9600000US9799998"):
        table += prefix + "|1" * table.split("\n", 1)[0].count("|") + "\n"
        geos += "|" * 40 + prefix + "|Remainder of it|||\n"
    found = parse_all(in_folder(tmp_path, table=table.encode(), geos=geos.encode()))[DISTRICT_TABLE.key]
    assert dict(found.filter(pl.col("geo_id") == "9799998").group_by("layer").len().rows()) == {
        "elementary": 13,
        "secondary": 13,
    }


def edited(old: str, new: str, name: str = B14005) -> bytes:
    text = bulk()[name].decode()
    assert old in text
    return text.replace(old, new, 1).encode()


FIRST = next(line for line in bulk()[B14005].decode().splitlines() if line.startswith("0500000US"))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (lambda: b"", "must be a pipe-delimited summary file"),
        (lambda: b"<!DOCTYPE html><title>404</title>", "starts with '<!DOCTYPE"),
        (lambda: bulk()[B14005][:-3], "must end with a whole line"),
        (lambda: edited("B14005_E010", "B14005_E999"), "row 1: must have a column for B14005_010E"),
        (lambda: edited(FIRST, FIRST[:-4]), f"row {FIRST[:14]}: must have 27 values"),
        (lambda: edited(FIRST, FIRST + "|1"), f"row {FIRST[:14]}: must have 27 values.*has 28"),
        (lambda: edited(FIRST, FIRST.rsplit("|", 1)[0] + "|NaN"), f"row {FIRST[:14]}: B14005_029M must be a number"),
        (lambda: bulk()[B14005].replace(b"0500000US", b"0600000US"), "must have counties"),
        (lambda: edited(FIRST, "0500000US97999" + FIRST[14:]), "0500000US97999, which Geos20235YR.txt does not name"),
        (lambda: bulk()[B14005].replace(FIRST.encode(), FIRST.encode() + b"\xff"), "UTF-8|must be a number"),
    ],
)
def test_a_malformed_summary_file_is_refused(tmp_path: Path, table: Callable[[], bytes], says: str):
    with pytest.raises(ParseError, match=rf"^census_acs5/2023/{B14005}.*(?:{says})"):
        parse_all(in_folder(tmp_path, table=table()))


def test_a_line_that_stands_twice_breaks_the_key(tmp_path: Path):
    frame = parse_all(in_folder(tmp_path, table=edited(FIRST, f"{FIRST}\n{FIRST}")))[COUNTY_TABLE.key]
    assert frame.select(pl.struct(COUNTY_TABLE.primary_key).is_duplicated().sum()).item() == 26


def test_names_must_be_to_hand(tmp_path: Path):
    files = in_folder(tmp_path)
    with pytest.raises(ParseError, match=r"needs Geos20235YR.txt beside it"):
        parse_all({B14005: files[B14005]})
    with pytest.raises(ParseError, match=r"Geos20235YR.txt.*must have the columns \['NAME'\]"):
        parse_all(in_folder(tmp_path, geos=edited("|NAME|", "|NOM|", "Geos20235YR.txt")))
    with pytest.raises(ParseError, match="must be named"):
        parse_all({"acsdt5y2022-b14005.dat": files[B14005], "Geos20235YR.txt": files["Geos20235YR.txt"]})


# --- headwaters doctor -------------------------------------------------------------------------------------------


def test_the_probe_finds_this_vintage_and_no_later_one(publisher: Publisher):
    assert SOURCE.probe is not None and SOURCE.key is not None
    fetcher = fetcher_for(publisher)
    assert fetcher.get(SOURCE.probe("2023")).body.startswith(b"Table ID|")
    with pytest.raises(SourceError, match="404"):
        fetcher.get(SOURCE.probe("2024"))
    with fetcher.session() as session:
        assert session.get(f"{SOURCE.key.address}&key={KEY}").json()[0] == ["NAME", "us"]
        assert "Missing Key" in session.get(SOURCE.key.address).text
