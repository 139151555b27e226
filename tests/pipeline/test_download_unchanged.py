"""What was landed and has not changed is not sent again, to either client."""

import gzip
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import pytest

from pipelines.http import HttpFetcher
from pipelines.landing import Landing
from pipelines.network.addresses import bare
from sources.registry import all_sources
from sources.source import Fetched, Request
from tests.publisher import MODIFIED, Answer, Asked, Publisher, compressed

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HOST, API = "https://files.example.gov", "https://api.example.gov"
KEY = "MARKER-/+=%4f"
SOURCE = all_sources()["coc_county"]
CSV = b"a,b\n" + b"1,2\n" * 300_000
ROWS = b'[["NAME","B01001_001E","state"],\n["Somewhere","1","97"]]'
QUESTION = {"get": "NAME,B01001_001E", "for": "state:*", "in": "us:1 a"}
AS_LANDED = f"{API}/data?get=NAME,B01001_001E&for=state:*&in=us:1+a"


class Origin(Publisher):
    def __init__(self) -> None:
        super().__init__(files={})
        self.bodies = {"files": CSV, "api": ROWS}

    @property
    def rewrite(self) -> dict[str, str]:
        return {
            f"https://{name}.example.gov": f"http://127.0.0.1:{self._server.server_address[1]}/{name}"
            for name in self.bodies
        }

    def answer(self, asked: Asked) -> Answer:
        return Answer(self.bodies[asked.host], "application/json" if asked.host == "api" else "text/csv")

    @property
    def out(self) -> list[tuple[int, int]]:
        return [(served.status, served.bytes) for served in self.log]


@pytest.fixture
def origin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Origin]:
    monkeypatch.setenv("CENSUS_API_KEY", KEY)
    with Origin() as running:
        yield running


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "landing")


def fetcher(origin: Origin, landing: Landing | None) -> HttpFetcher:
    return HttpFetcher(attempts=2, wait_initial=0.001, timeout=5, rewrite=origin.rewrite, landing=landing)


def a_file(headers: Mapping[str, str] = MappingProxyType({})) -> Request:
    return Request("county_coc_match.csv", f"{HOST}/file.csv?key={quote(KEY, safe='')}&b=2", "csv", headers)


def land(landing: Landing, fetched: Fetched) -> bool:
    return landing.land(SOURCE, "2017", fetched, is_simulated=False)[1]


def landed_path(landing: Landing) -> Path:
    ((_, path),) = landing.known().values()
    return path


# --- plain files -------------------------------------------------------------------------------------------------


def test_a_second_fetch_transfers_no_body(origin: Origin, landing: Landing):
    first = fetcher(origin, landing).get(a_file())
    assert land(landing, first) is True
    before = landed_path(landing).stat().st_mtime_ns
    second = fetcher(origin, landing).get(a_file())
    assert origin.out == [(200, len(CSV)), (304, 0)]
    assert second == replace(first, content=landed_path(landing))
    assert second.body == CSV and second.etag and second.last_modified == MODIFIED
    assert land(landing, second) is False
    assert landed_path(landing).stat().st_mtime_ns == before
    assert list(landing.downloads.glob("*")) == []
    assert KEY not in repr(second)


def test_what_changed_is_sent(origin: Origin, landing: Landing):
    land(landing, fetcher(origin, landing).get(a_file()))
    origin.bodies["files"] = b"a,b\n3,4\n"
    again = fetcher(origin, landing).get(a_file())
    assert again.content == b"a,b\n3,4\n"
    assert land(landing, again) is True
    assert fetcher(origin, landing).get(a_file()).body == b"a,b\n3,4\n"
    assert [status for status, _ in origin.out] == [200, 200, 304]


def test_landed_bytes_that_changed_on_disk_are_asked_for_anew(
    origin: Origin, landing: Landing, caplog: pytest.LogCaptureFixture
):
    land(landing, fetcher(origin, landing).get(a_file()))
    landed_path(landing).write_bytes(b"tampered")
    assert fetcher(origin, landing).get(a_file()).body == CSV
    assert [status for status, _ in origin.out] == [200, 304, 200]
    assert "coc_county/2017/county_coc_match.csv: the landed bytes have changed on disk" in caplog.text
    landed_path(landing).unlink()
    assert fetcher(origin, landing).get(a_file()).body == CSV
    assert origin.out[-1][0] == 200


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_one_validator_is_enough(origin: Origin, landing: Landing, validator: str):
    fetched = fetcher(origin, landing).get(a_file())
    land(landing, replace(fetched, **({"last_modified": None} if validator == "ETag" else {"etag": None})))
    fetcher(origin, landing).get(a_file())
    sent = origin.log[-1].asked.headers
    assert ("if-none-match" in sent, "if-modified-since" in sent) == (validator == "ETag", validator != "ETag")


def test_without_validators_or_landing_everything_is_sent(origin: Origin, landing: Landing):
    fetched = fetcher(origin, landing).get(a_file())
    fetcher(origin, None).get(a_file())
    land(landing, replace(fetched, etag=None, last_modified=None))
    fetcher(origin, landing).get(a_file())
    assert [status for status, _ in origin.out] == [200, 200, 200]
    assert all("if-none-match" not in served.asked.headers for served in origin.log)


def test_a_part_of_a_newer_version_is_dropped_when_the_old_one_is_back(origin: Origin, landing: Landing):
    land(landing, fetcher(origin, landing).get(a_file()))
    origin.bodies["files"] = CSV[::-1].lstrip()
    origin.fault = lambda asked, answer: replace(answer, abort_after=1000)
    with pytest.raises(Exception, match="RemoteProtocolError"):
        fetcher(origin, landing).get(a_file())
    origin.fault, origin.bodies["files"] = None, CSV
    assert fetcher(origin, landing).get(a_file()).content == landed_path(landing)
    assert origin.log[-1].asked.headers["range"] == "bytes=2000-", "two attempts of 1000 bytes"
    assert list(landing.downloads.glob("*")) == []


# --- client packages ---------------------------------------------------------------------------------------------


def ask(http: HttpFetcher, key: str = KEY) -> tuple[int, bytes, object, str | None]:
    with http.session() as session:
        answer = session.get(f"{API}/data", params={**QUESTION, "key": key})
        return answer.status_code, answer.content, answer.json(), answer.headers.get("ETag")


def test_a_client_package_notices_nothing(origin: Origin, landing: Landing, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    first = ask(fetcher(origin, landing))
    assert first[:2] == (200, ROWS) and first[3]
    land(landing, Fetched("county_coc_match.csv", ROWS, AS_LANDED, etag=first[3], last_modified=MODIFIED))
    assert ask(fetcher(origin, landing)) == first
    assert ask(fetcher(origin, landing), key="another-key") == first, "the key is no part of an address"
    assert origin.out == [(200, len(ROWS)), (304, 0), (304, 0)]
    landed_path(landing).write_bytes(b"tampered")
    assert ask(fetcher(origin, landing)) == first
    assert [status for status, _ in origin.out] == [200, 304, 304, 304, 200]
    assert "MARKER" not in caplog.text


def test_a_client_package_gets_what_changed(origin: Origin, landing: Landing):
    first = ask(fetcher(origin, landing))
    land(landing, Fetched("county_coc_match.csv", ROWS, AS_LANDED, etag=first[3]))
    origin.bodies["api"] = ROWS.replace(b'"1"', b'"2"')
    assert ask(fetcher(origin, landing))[1] == origin.bodies["api"]


def test_a_client_package_gets_compressed_answers_whole(origin: Origin):
    http = fetcher(origin, None)
    origin.fault = lambda asked, answer: compressed(answer)
    assert ask(http)[1] == ROWS
    assert origin.log[0].asked.headers["accept-encoding"] == "gzip"
    spoilt: list[Answer] = []

    def once(asked: Asked, answer: Answer) -> Answer:
        spoilt.append(answer)
        whole = compressed(answer)
        return whole if len(spoilt) > 1 else replace(whole, body=whole.body[: len(gzip.compress(ROWS)) // 2])

    origin.fault = once
    assert ask(http)[1] == ROWS
    assert len(spoilt) == 2


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (f"{API}/data?get=NAME%2CB01001_001E&for=state%3A%2A&in=us%3A1+a&key=abc", AS_LANDED),
        (f"{API}/data?key=***&get=NAME,B01001_001E&for=state:*&in=us:1%20a#top", AS_LANDED),
        ("https://a.example/x?empty=&token=1", "https://a.example/x?empty="),
        ("https://a.example/x.csv", "https://a.example/x.csv"),
    ],
)
def test_addresses_are_compared_without_keys(asked: str, name: str):
    assert bare(asked) == name == bare(name)
