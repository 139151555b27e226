"""The landing keeps bytes as they were published, with a record; three inputs hand them over behind one interface."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from pipelines.inputs import DirectoryInput, LiveInput, SampleInput, open_input
from pipelines.landing import Landing
from pipelines.settings import resolve
from sources import simulated
from sources.registry import all_sources
from sources.source import EVERYTHING, Fetched, Fetcher, SourceError

SOURCE = all_sources()["coc_county"]
NAME = "county_coc_match.csv"
BODY = b'\xef\xbb\xbf"county"\r\n\'\x92quoted\x00\xff\n\n'  # a mark, Windows quotes, bytes of no encoding
ADDRESS = "https://example.gov/data/file.csv?key=MARKER-OF-A-KEY&for=all"


def fetched(body: bytes = BODY, name: str = NAME) -> Fetched:
    return Fetched(name, body, ADDRESS, etag='"a1"', last_modified="Tue, 02 Jan 2024 00:00:00 GMT")


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "landing")


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- the landing -------------------------------------------------------------------------------------------------


def test_bytes_are_kept_unaltered_with_their_record(landing: Landing, tmp_path: Path):
    snapshot, is_new = landing.land(SOURCE, "2017", fetched(), is_simulated=True)
    assert is_new
    folder = tmp_path / "landing" / "coc_county" / "2017" / NAME
    digest = hashlib.sha256(BODY).hexdigest()
    assert (folder / digest).read_bytes() == BODY
    assert sorted(path.name for path in folder.iterdir()) == sorted([digest, "record.json"])
    record = json.loads((folder / "record.json").read_text())
    assert record.pop("fetched_at").endswith("+00:00")
    assert record == {
        "source_id": "coc_county",
        "vintage": "2017",
        "name": NAME,
        "sha256": digest,
        "bytes": len(BODY),
        "address": "https://example.gov/data/file.csv?key=***&for=all",
        "etag": '"a1"',
        "last_modified": "Tue, 02 Jan 2024 00:00:00 GMT",
        "licence": SOURCE.licence,
        "is_simulated": True,
    }
    assert snapshot.label == f"coc_county/2017/{NAME}"
    assert landing.read(snapshot).body == BODY
    assert [(s, f.body) for s, f in landing.files(SOURCE)] == [(snapshot, BODY)]


def test_the_same_content_again_changes_nothing(landing: Landing, tmp_path: Path):
    first, _ = landing.land(SOURCE, "2017", fetched(), is_simulated=False)
    before = state_of(tmp_path)
    second, is_new = landing.land(SOURCE, "2017", fetched(), is_simulated=False)
    assert (second, is_new) == (first, False)
    assert state_of(tmp_path) == before


def test_changed_content_is_landed_beside_the_old(landing: Landing, tmp_path: Path):
    old, _ = landing.land(SOURCE, "2017", fetched(), is_simulated=False)
    new, is_new = landing.land(SOURCE, "2017", fetched(b"another"), is_simulated=False)
    assert is_new
    assert landing.snapshots() == [new]
    assert [file.body for _, file in landing.files(SOURCE)] == [b"another"]
    folder = tmp_path / "landing" / "coc_county" / "2017" / NAME
    assert (folder / old.sha256).read_bytes() == BODY
    back, is_new = landing.land(SOURCE, "2017", fetched(), is_simulated=False)
    assert is_new, "what the publisher takes back is a change too"
    assert landing.snapshots() == [back]


def test_bytes_that_were_tampered_with_are_noticed(landing: Landing, tmp_path: Path):
    snapshot, _ = landing.land(SOURCE, "2017", fetched(), is_simulated=False)
    path = tmp_path / "landing" / "coc_county" / "2017" / NAME / snapshot.sha256
    path.write_bytes(BODY + b" ")
    with pytest.raises(SourceError, match=rf"coc_county/2017/{NAME}: the landed bytes have changed on disk; remove"):
        list(landing.files(SOURCE))
    path.unlink()
    landing.land(SOURCE, "2017", fetched(), is_simulated=False)
    assert [file.body for _, file in landing.files(SOURCE)] == [BODY]


@pytest.mark.parametrize("name", ["../../../escaped.csv", "{elsewhere}/escaped.csv", "a/../../../../escaped.csv"])
def test_a_name_that_climbs_out_is_refused(landing: Landing, tmp_path: Path, name: str):
    with pytest.raises(SourceError, match="climbs out of the landing"):
        landing.land(SOURCE, "2017", fetched(name=name.format(elsewhere=tmp_path)), is_simulated=False)
    assert list(tmp_path.rglob("*")) == []


def test_what_no_parser_reads_is_kept_and_not_handed_on(landing: Landing):
    landing.land(SOURCE, "2017", fetched(name="readme.txt"), is_simulated=False)
    landing.land(SOURCE, "1999", fetched(), is_simulated=False)
    assert [snapshot.label for snapshot in landing.snapshots("coc_county")] == [
        f"coc_county/1999/{NAME}",
        "coc_county/2017/readme.txt",
    ]
    assert list(landing.files(SOURCE)) == []


def test_names_with_folders_are_read_back(landing: Landing):
    acs = all_sources()["census_acs5"]
    landing.land(acs, "2023", fetched(name="county/B14005.json"), is_simulated=False)
    assert [snapshot.name for snapshot, _ in landing.files(acs)] == ["county/B14005.json"]


# --- the inputs --------------------------------------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    root = tmp_path / "files"
    for source, vintage, name, body in simulated.all_files():
        path = root / source / vintage / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return root


def test_the_sample_and_a_directory_give_the_same_files(directory: Path):
    total = Counter[str]()
    for source in all_sources().values():
        sample, same = (
            sorted((vintage, file.name, file.body) for vintage, file in chosen.files(source, EVERYTHING))
            for chosen in (SampleInput(), DirectoryInput(directory))
        )
        assert sample == same, source.id
        total[source.id] = len(sample)
    assert sum(total.values()) == len(list(simulated.all_files()))
    assert min(total.values()) > 0


def test_a_directory_ignores_and_reports_what_nobody_reads(directory: Path):
    for label in ("coc_county/2017/notes.txt", "coc_county/1999/county_coc_match.csv", "unheard_of/2020/file.csv"):
        (directory / label).parent.mkdir(parents=True, exist_ok=True)
        (directory / label).write_bytes(b"a\n")
    chosen = DirectoryInput(directory)
    names = {f"{vintage}/{file.name}" for vintage, file in chosen.files(SOURCE, EVERYTHING)}
    assert names == {
        "2017/county_coc_match.csv",
        "2025/coc_county_mo_metroeast_2025.csv",
        "2025/tract_coc_wt2025.parquet",
    }
    assert sorted(chosen.unread(SOURCE)) == [
        "coc_county/1999/county_coc_match.csv: the vintage 1999 is not declared",
        "coc_county/2017/notes.txt: no parser reads this name",
    ]


def test_a_directory_without_the_source_gives_nothing(tmp_path: Path):
    assert list(DirectoryInput(tmp_path).files(SOURCE, EVERYTHING)) == []
    assert DirectoryInput(tmp_path).unread(SOURCE) == []


def test_records_of_a_directory_carry_nobodys_folders(directory: Path):
    for source in all_sources().values():
        for vintage, file in DirectoryInput(directory).files(source, EVERYTHING):
            assert file.address == f"directory:{source.id}/{vintage}/{file.name}"


def test_the_network_is_opened_for_a_live_run_only(directory: Path, tmp_path: Path):
    opened = []

    def fetcher() -> Fetcher:
        opened.append(True)
        raise SourceError("no network here")

    assert isinstance(open_input(resolve("sample", home=tmp_path, config={}), fetcher), SampleInput)
    assert isinstance(open_input(resolve(str(directory), home=tmp_path, config={}), fetcher), DirectoryInput)
    assert not opened
    with pytest.raises(SourceError):
        open_input(resolve("live", home=tmp_path, config={}), fetcher)
    assert opened


def test_a_live_run_asks_for_declared_live_vintages_only():
    class NoFetcher:
        def __getattr__(self, name: str) -> object:
            raise AssertionError("a source without an address fetches nothing")

    chosen = LiveInput(NoFetcher())  # type: ignore[arg-type]
    for source in all_sources().values():
        if source.fetch is None:
            assert source.not_live, "says what to do instead"
            assert list(chosen.files(source, EVERYTHING)) == []
