"""The road to the network, against a publisher on loopback."""

import gzip
import io
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import pytest
import requests
from pytest_httpserver import HTTPServer
from requests.adapters import HTTPAdapter
from werkzeug import Request as Asked
from werkzeug import Response

from pipelines.http import USER_AGENT, HttpFetcher
from pipelines.network import answers
from pipelines.network.retrying import Patience
from pipelines.network.throttle import Limit, Throttle
from pipelines.redact import RedactingFilter, holds_secret, install, redact
from sources.source import Content, PassingError, Request, SourceError
from tests.publisher import Answer, Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HOST, OTHER = "https://files.example.gov", "https://other.example.gov"
KEY = "MARKER-/+=%4f"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return ("127.0.0.1", 0)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("CENSUS_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)


@pytest.fixture
def fetcher(httpserver: HTTPServer) -> HttpFetcher:
    return make(httpserver)


def make(server: HTTPServer, **options: object) -> HttpFetcher:
    settings: dict[str, object] = {
        "attempts": 3,
        "wait_initial": 0.001,
        "retry_after_max": 0.3,
        "timeout": 5.0,
        **options,
    }
    rewrite = {HOST: server.url_for("").rstrip("/"), OTHER: server.url_for("/other")}
    return HttpFetcher(rewrite=rewrite, **settings)  # type: ignore[arg-type]


def a_request(
    expect: Content = "json", path: str = "/file", headers: Mapping[str, str] = MappingProxyType({})
) -> Request:
    return Request(name="file", address=HOST + path, expect=expect, headers=headers)


def all_of(error: BaseException) -> str:
    """Everything that an error and its causes and contexts could tell."""
    said = "".join(traceback.format_exception(error))
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is not None:
            said += f"{link}{link!r}{vars(link)!r}"
            chain += [link.__cause__, link.__context__]
    return said


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.text + "".join(repr(vars(record)) for record in caplog.records)


def breaks_off(asked: Asked) -> Response:
    return Response(iter([b"[1, 2"]), headers={"Content-Length": "600"})


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


# --- get ---------------------------------------------------------------------------------------------------------


def test_get_gives_the_bytes_as_published_under_the_publishers_address(httpserver: HTTPServer, fetcher: HttpFetcher):
    headers = {"ETag": '"a1"', "Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"}
    httpserver.expect_request("/file").respond_with_data(b'{"a": 1 }', headers=headers)
    fetched = fetcher.get(a_request())
    assert (fetched.name, fetched.body, fetched.address) == ("file", b'{"a": 1 }', f"{HOST}/file")
    assert (fetched.etag, fetched.last_modified) == ('"a1"', "Tue, 02 Jan 2024 00:00:00 GMT")
    assert httpserver.log[0][0].headers["User-Agent"] == USER_AGENT


def test_get_lets_the_request_bring_its_own_headers(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_request("/file").respond_with_data(b"[]")
    fetcher.get(a_request(headers={"user-agent": "Mozilla/5.0", "Referer": "https://example.gov/"}))
    sent = httpserver.log[0][0].headers
    assert (sent["User-Agent"], sent["Referer"]) == ("Mozilla/5.0", "https://example.gov/")


@pytest.mark.parametrize("status", [408, 429, 500, 503, 522])
def test_get_tries_again_what_may_pass(httpserver: HTTPServer, fetcher: HttpFetcher, status: int):
    httpserver.expect_ordered_request("/file").respond_with_data(b"busy", status=status)
    httpserver.expect_ordered_request("/file").respond_with_data(b"[]")
    assert fetcher.get(a_request()).body == b"[]"


def test_get_gives_up_after_its_attempts(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_request("/file").respond_with_data(b"<html><TITLE>Down\nfor now</TITLE>", status=503)
    with pytest.raises(SourceError, match=r"(?s)example.gov/file.*JSON.*503.*'Down for now'.*later.*3 times"):
        fetcher.get(a_request())
    assert len(httpserver.log) == 3


def an_hour_from_now() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


@pytest.mark.parametrize("after", [lambda: "3600", an_hour_from_now], ids=["seconds", "date"])
def test_get_waits_as_long_as_it_is_asked_to_up_to_a_cap(
    httpserver: HTTPServer, fetcher: HttpFetcher, after: Callable[[], str]
):
    httpserver.expect_ordered_request("/file").respond_with_data(b"", status=429, headers={"Retry-After": after()})
    httpserver.expect_ordered_request("/file").respond_with_data(b"[]")
    started = time.monotonic()
    fetcher.get(a_request())
    assert 0.3 <= time.monotonic() - started < 5


def test_retry_after_is_seconds_or_a_date():
    patience = Patience(attempts=1, wait_initial=1, retry_after_max=60)
    assert [patience.after(text) for text in ("7", " 0 ", "3600")] == [7, 0, 60]
    assert patience.after(an_hour_from_now()) == 60
    soon = patience.after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert soon is not None and 20 < soon <= 30
    assert [patience.after(text) for text in (None, "", "soon", "-5", "Tue, 02 Jan 2024 00:00:00 GMT")] == [None] * 5


def test_get_does_not_repeat_what_will_not_pass(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_request("/file").respond_with_data(b"<title>Not Found</title>", status=404)
    with pytest.raises(SourceError, match=r"(?s)HTTP 404.*'Not Found'.*landing page"):
        fetcher.get(a_request())
    assert len(httpserver.log) == 1


def test_get_tries_again_when_the_connection_breaks(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_ordered_request("/file").respond_with_handler(breaks_off)
    httpserver.expect_ordered_request("/file").respond_with_data(b"[1, 2]")
    assert fetcher.get(a_request()).body == b"[1, 2]"


def test_get_says_when_nobody_answers():
    fetcher = HttpFetcher(attempts=2, wait_initial=0.001, rewrite={HOST: "http://127.0.0.1:9"})
    with pytest.raises(SourceError, match=r"(?s)example.gov/file.*ConnectError.*network.*2 times") as caught:
        fetcher.get(a_request(path=f"/file?key={KEY}"))
    assert "MARKER-" not in all_of(caught.value)


def test_get_does_not_wait_for_ever(httpserver: HTTPServer, silent: str):
    def trickle(asked: Asked) -> Response:
        def body() -> Iterator[bytes]:
            for _ in range(10):
                time.sleep(0.02)
                yield b"["

        return Response(body())

    httpserver.expect_request("/file").respond_with_handler(trickle)
    with pytest.raises(SourceError, match="ReadTimeout"):
        HttpFetcher(attempts=1, timeout=0.1, rewrite={HOST: silent}).get(a_request())
    with pytest.raises(SourceError, match="no end after"):
        make(httpserver, attempts=1, deadline=0.1).get(a_request())


@pytest.mark.parametrize("declared", [True, False])
def test_get_refuses_more_than_its_ceiling(httpserver: HTTPServer, declared: bool):
    body = b"[" + b"1," * 5000 + b"1]"
    httpserver.expect_request("/file").respond_with_handler(
        lambda asked: Response(body if declared else iter([body[:5000], body[5000:]]))
    )
    with pytest.raises(SourceError, match=r"more than 1,000 bytes.*max_bytes"):
        make(httpserver, max_bytes=1000).get(a_request())
    assert len(httpserver.log) == 1


def an_archive() -> bytes:
    with io.BytesIO() as out:
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a.csv"), "a,b\n")  # undated: the bytes stand in the names of tests
        return out.getvalue()


ARCHIVE = an_archive()


@pytest.mark.parametrize(
    ("expect", "body"),
    [
        ("json", b'{"a": [1, null]}'),
        ("csv", b"\xef\xbb\xbfa,b\n1,<5\n"),
        ("workbook", ARCHIVE),
        ("zip", ARCHIVE),
        ("text", b"a|b\n1|2\n"),
        ("workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest"),
    ],
)
def test_get_accepts_what_was_asked_for(httpserver: HTTPServer, fetcher: HttpFetcher, expect: Content, body: bytes):
    httpserver.expect_request("/file").respond_with_data(body)
    assert fetcher.get(a_request(expect)).body == body


PAGE = b"<!DOCTYPE html><html><head><title>Page not\n found</title>"


@pytest.mark.parametrize(
    ("expect", "body", "says"),
    [
        ("json", PAGE, "JSON, got an HTML page titled 'Page not found'"),
        ("json", b'[["NAME", "B01', "JSON, got a body that begins"),
        ("json", b"\xff\xfe\xff", "JSON, got a body that begins"),
        ("csv", b"\xef\xbb\xbf \n" + PAGE, "a CSV file, got an HTML page titled 'Page not found'"),
        ("workbook", PAGE, "a workbook .*, got an HTML page titled 'Page not found'"),
        ("workbook", b"a,b\n", "a workbook .*, got a body that begins 'a,b'"),
        ("json", b"", ".*, got an empty body"),
        ("csv", b" \r\n", ".*, got an empty body"),
        ("workbook", b"", ".*, got an empty body"),
        ("workbook", ARCHIVE[:-30], "a workbook .*, got a ZIP archive without its end"),
        ("zip", ARCHIVE[:-30], "a ZIP archive, got a ZIP archive without its end"),
        ("zip", PAGE, "a ZIP archive, got an HTML page titled 'Page not found'"),
        ("zip", b"", ".*, got an empty body"),
        ("zip", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "a ZIP archive, got a body that begins"),
        ("text", b"\n" + PAGE, "delimited text, got an HTML page titled 'Page not found'"),
        ("text", b"\xef\xbb\xbf\n", ".*, got an empty body"),
        ("text", ARCHIVE, "delimited text, got a body that begins 'PK"),
        ("csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "a CSV file, got a body that begins"),
    ],
)
def test_get_refuses_anything_else(
    httpserver: HTTPServer, fetcher: HttpFetcher, expect: Content, body: bytes, says: str
):
    httpserver.expect_request("/file").respond_with_data(body)
    with pytest.raises(SourceError, match=rf"(?s)example.gov/file: expected {says}.*correct it"):
        fetcher.get(a_request(expect))
    assert len(httpserver.log) == 1


def test_a_key_in_an_address_is_told_to_nobody(
    httpserver: HTTPServer, fetcher: HttpFetcher, caplog: pytest.LogCaptureFixture
):
    httpserver.expect_request("/good").respond_with_data(b"[]")
    httpserver.expect_request("/bad").respond_with_handler(
        lambda asked: Response(f"<title>No such page: {asked.url} {KEY}</title>", status=503)
    )
    query = f"?get=NAME&key={quote(KEY, safe='')}"
    fetched = fetcher.get(a_request(path="/good" + query))
    with pytest.raises(SourceError) as caught:
        fetcher.get(a_request(path="/bad" + query))
    assert KEY in httpserver.log[0][0].args["key"]
    assert fetched.address == f"{HOST}/good?get=NAME&key=***"
    assert "HTTP Request" in caplog.text and "Attempt 1" in caplog.text
    assert "MARKER-" not in repr(fetched) + all_of(caught.value) + logged(caplog)


def test_json_that_is_too_large_to_parse_is_looked_at_from_both_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(answers, "_PARSED", 10)
    for body in (b" [[1, 2],\n [3, 4]\n]\n", b'{"a": [1, 2, 3]}', b"[1, 2, 3, 4, 5, 6]"):
        assert answers.wrong(body, "json") is None
    for body in (b"[[1, 2],\n[3, 4]", b'{"a": [1, 2, 3]', b"[1, 2, 3, 4, 5, 6", b"1234567890123", PAGE):
        assert answers.wrong(body, "json") is not None


def test_an_error_page_may_be_compressed(httpserver: HTTPServer, fetcher: HttpFetcher):
    page = gzip.compress(b"<title>Not here</title>")
    httpserver.expect_request("/file").respond_with_data(page, status=404, headers={"Content-Encoding": "gzip"})
    httpserver.expect_request("/bad").respond_with_data(b"x", status=404, headers={"Content-Encoding": "gzip"})
    with pytest.raises(SourceError, match="HTTP 404, an HTML page titled 'Not here'"):
        fetcher.get(a_request())
    with pytest.raises(SourceError, match=r"HTTP 404\. "):
        fetcher.get(a_request(path="/bad"))


# --- redirects ---------------------------------------------------------------------------------------------------


def leads_to(server: HTTPServer, path: str, location: str) -> None:
    server.expect_request(path).respond_with_data(b"moved", status=302, headers={"Location": location})


def test_redirects_end(httpserver: HTTPServer, fetcher: HttpFetcher):
    leads_to(httpserver, "/file", f"{HOST}/file")
    with pytest.raises(
        SourceError, match=rf"file: {HOST}/file: expected JSON, got more than 5 redirects.*landing page"
    ):
        fetcher.get(a_request())
    assert len(httpserver.log) == 6
    httpserver.log.clear()
    with fetcher.session() as session, pytest.raises(SourceError, match="TooManyRedirects") as caught:
        session.get(f"{HOST}/file", params={"key": KEY})
    assert len(httpserver.log) == 6
    assert "MARKER-" not in all_of(caught.value)


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("http://files.example.gov/file", "an address without https"),
        ("ftp://files.example.gov/file", "an address without https"),
        (f"{OTHER}/file?x={quote(KEY, safe='')}", "other.example.gov together with our key"),
    ],
)
def test_redirects_that_are_not_followed(httpserver: HTTPServer, fetcher: HttpFetcher, location: str, says: str):
    leads_to(httpserver, "/file", location)
    with pytest.raises(SourceError, match=rf"file: {HOST}/file.*: expected JSON, got a redirect to {says}") as caught:
        fetcher.get(a_request(path=f"/file?key={quote(KEY, safe='')}"))
    with fetcher.session() as session, pytest.raises(SourceError, match=f"a redirect to {says}") as also:
        session.get(f"{HOST}/file", params={"key": KEY})
    assert len(httpserver.log) == 2
    assert "MARKER-" not in all_of(caught.value) + all_of(also.value)


def test_another_host_gets_no_secret_header(httpserver: HTTPServer, fetcher: HttpFetcher):
    leads_to(httpserver, "/file", "/here")
    leads_to(httpserver, "/here", f"{OTHER}/there?token=of-theirs")
    httpserver.expect_request("/other/there").respond_with_data(b"[]")
    private = {"Authorization": "Bearer abc", "Cookie": "a=b", "X-Key": KEY}
    fetcher.get(a_request(headers={**private, "Referer": "https://example.gov/"}))
    *own, other = [asked.headers for asked, _ in httpserver.log]
    assert [[headers.get(name) for name in private] for headers in own] == [list(private.values())] * 2
    assert [other.get(name) for name in private] == [None] * 3
    assert (other["Referer"], other["User-Agent"]) == ("https://example.gov/", USER_AGENT)


def test_holds_secret():
    assert holds_secret(f"x={quote(KEY, safe='')}") and holds_secret(KEY)
    assert not holds_secret("https://a.example/?key=abc")


# --- limits ------------------------------------------------------------------------------------------------------


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[int]]]:
    """A server with a thread a connection: its address, and how many it was serving, one entry a request."""
    serving: set[object] = set()
    seen: list[int] = []

    def answer(asked: object) -> Answer:
        serving.add(threading.get_ident())
        seen.append(len(serving))
        time.sleep(0.02)
        serving.discard(threading.get_ident())
        return Answer(b"[]")

    with Publisher(files={}) as publisher:
        monkeypatch.setattr(publisher, "answer", answer)
        yield f"http://127.0.0.1:{publisher._server.server_address[1]}/files", seen


@pytest.mark.parametrize("at_once", [2, 5])
def test_a_host_is_asked_so_much_at_a_time_by_both_clients(busy: tuple[str, list[int]], at_once: int):
    address, seen = busy
    limits = {"files.example.gov": Limit(at_once=at_once, per_second=1000)}
    fetchers = [HttpFetcher(rewrite={HOST: address}, limits=limits) for _ in range(2)]
    with fetchers[0].session() as session, ThreadPoolExecutor(16) as pool:
        plain = [pool.submit(fetchers[i % 2].get, a_request()) for i in range(8)]
        package = [pool.submit(session.get, f"{HOST}/file") for _ in range(8)]
        assert [one.result().body for one in plain] + [one.result().content for one in package] == [b"[]"] * 16
    assert len(seen) == 16
    assert 1 < max(seen) <= at_once


def test_a_host_is_asked_so_often_a_second(httpserver: HTTPServer):
    seen: list[float] = []

    def note(asked: Asked) -> Response:
        seen.append(time.monotonic())
        return Response(b"[]")

    httpserver.expect_request("/file").respond_with_handler(note)
    fetcher = make(httpserver, limits={"files.example.gov": Limit(at_once=8, per_second=50)})
    started = time.monotonic()
    with fetcher.session() as session, ThreadPoolExecutor(8) as pool:
        for i in range(10):
            pool.submit(fetcher.get, a_request()) if i % 2 else pool.submit(session.get, f"{HOST}/file")
    assert len(seen) == 10
    assert max(seen) - started >= 9 / 50


def test_limits_spare_publishers_and_not_this_machine(monkeypatch: pytest.MonkeyPatch):
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for _ in range(5):
        with Throttle()("https://stand-in.example/", "http://127.0.0.1:1/"):
            pass
    assert slept == []
    for _ in range(5):
        with Throttle()("https://paced.example/", "https://paced.example/"):
            pass
    assert 0.3 < sum(slept[-1:]) <= 0.4, "the fifth of ten a second, in other objects too"
    for _ in range(5):
        with Throttle()("https://api.census.gov/data", "https://api.census.gov/data"):
            pass
    assert slept[-1] <= 0.02


# --- proxies and certificates ------------------------------------------------------------------------------------


def test_proxies_come_from_the_environment(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, httpserver.url_for("").rstrip("/"))
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    httpserver.expect_request("/file").respond_with_data(b"[]")
    fetcher = HttpFetcher(attempts=1, rewrite={})
    fetcher.get(Request("file", "http://nowhere.example/file", "json"))
    with fetcher.session() as session:
        session.get("http://nowhere.example/file")
    assert [asked.headers["Host"] for asked, _ in httpserver.log] == ["nowhere.example"] * 2


def test_certificates_are_verified(tmp_path: Path):
    server = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(a_certificate(tmp_path))

    def serve() -> None:
        while True:
            try:
                with server.accept()[0] as connection, context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(65536)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
            except ssl.SSLError:
                continue
            except OSError:
                if server.fileno() < 0:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    fetcher = HttpFetcher(attempts=1, timeout=5, rewrite={HOST: f"https://127.0.0.1:{server.getsockname()[1]}"})
    with pytest.raises(PassingError, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
        fetcher.get(a_request())
    with fetcher.session() as session, pytest.raises(PassingError, match="CERTIFICATE_VERIFY_FAILED"):
        session.get(f"{HOST}/file", verify=False)
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(timeout=5)


def a_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed but itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + pem)
    return path


# --- stand-ins ---------------------------------------------------------------------------------------------------


def test_a_redirect_to_the_publisher_goes_to_its_stand_in(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_request("/file").respond_with_data(status=302, headers={"Location": f"{HOST}/moved"})
    httpserver.expect_request("/moved").respond_with_data(b"[]")
    assert fetcher.get(a_request()).address == f"{HOST}/file"
    with fetcher.session() as session:
        assert session.get(f"{HOST}/file").url == f"{HOST}/moved"


def test_stand_ins_may_come_from_the_environment(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEADWATERS_REWRITE_HOSTS", json.dumps({HOST: httpserver.url_for("/files")}))
    for name in ("http_proxy", "https_proxy", "all_proxy"):  # which would not find a stand-in
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    httpserver.expect_request("/files/file").respond_with_data(b"[]")
    fetcher = HttpFetcher(attempts=1)
    assert fetcher.get(a_request()).body == b"[]"
    with fetcher.session() as session:
        assert session.get(f"{HOST}/file").content == b"[]"


@pytest.mark.parametrize("text", ["http://127.0.0.1", "[1]", '{"https://a.example": 1}'])
def test_stand_ins_must_be_a_mapping(monkeypatch: pytest.MonkeyPatch, text: str):
    monkeypatch.setenv("HEADWATERS_REWRITE_HOSTS", text)
    with pytest.raises(SourceError, match="must be a JSON mapping"):
        HttpFetcher()


def test_a_stand_in_elsewhere_must_speak_https():
    HttpFetcher(rewrite={HOST: "https://mirror.example.org"})
    with pytest.raises(SourceError, match="use https"):
        HttpFetcher(rewrite={HOST: "http://mirror.example.org"})


def test_a_host_that_only_begins_alike_is_left_alone():
    rewrite = HttpFetcher(rewrite={HOST: "http://127.0.0.1:1"}).rewrite
    assert rewrite(f"{HOST}?a") == "http://127.0.0.1:1?a"
    assert rewrite(f"{HOST}.example/file") == f"{HOST}.example/file"


# --- session and secrets -----------------------------------------------------------------------------------------


def test_session_tries_again_and_hands_over_the_last_answer(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_ordered_request("/a").respond_with_data(b"", status=503, headers={"Retry-After": "3600"})
    httpserver.expect_ordered_request("/a").respond_with_data(b"at last")
    with fetcher.session() as session:
        started = time.monotonic()
        assert session.get(f"{HOST}/a").content == b"at last"
        assert 0.3 <= time.monotonic() - started < 5
        assert httpserver.log[0][0].headers["User-Agent"] == USER_AGENT
        httpserver.clear()
        httpserver.expect_request("/b").respond_with_data(b"busy", status=500)
        assert session.get(f"{HOST}/b").text == "busy"
        assert len(httpserver.log) == 3


def test_session_waits_until_a_date(httpserver: HTTPServer, fetcher: HttpFetcher):
    told = {"Retry-After": an_hour_from_now()}
    httpserver.expect_ordered_request("/a").respond_with_data(b"", status=429, headers=told)
    httpserver.expect_ordered_request("/a").respond_with_data(b"at last")
    with fetcher.session() as session:
        started = time.monotonic()
        assert session.get(f"{HOST}/a").content == b"at last"
    assert time.monotonic() - started >= 0.3


def too_short(asked: Asked) -> Response:
    return Response(iter([b'[["a"],\n["b"]]'[:-1]]), headers={"Content-Length": "13"})


@pytest.mark.parametrize("spoilt", [breaks_off, too_short], ids=["breaks off", "length too small"])
def test_session_tries_again_where_a_body_is_not_whole(
    httpserver: HTTPServer, fetcher: HttpFetcher, spoilt: Callable[[Asked], Response]
):
    httpserver.expect_ordered_request("/a").respond_with_handler(spoilt)
    httpserver.expect_ordered_request("/a").respond_with_data(b'[["a"],\n["b"]]')
    with fetcher.session() as session:
        assert session.get(f"{HOST}/a").json() == [["a"], ["b"]]


def test_session_has_a_ceiling_and_a_deadline(httpserver: HTTPServer):
    def trickle(asked: Asked) -> Response:
        def body() -> Iterator[bytes]:
            for _ in range(50):
                time.sleep(0.02)
                yield b"x"

        return Response(body())

    httpserver.expect_request("/large").respond_with_data(b"x" * 2000)
    httpserver.expect_request("/bomb").respond_with_data(
        gzip.compress(b"x" * 2_000_000), headers={"Content-Encoding": "gzip"}
    )
    httpserver.expect_request("/slow").respond_with_handler(trickle)
    small = {"large": make(httpserver, max_bytes=1000), "bomb": make(httpserver, max_bytes=10_000)}
    for path, fetcher in small.items():
        with fetcher.session() as session, pytest.raises(SourceError, match=rf"/{path}: .*more than 10?,000 bytes"):
            session.get(f"{HOST}/{path}")
    with (
        make(httpserver, attempts=2, deadline=0.1).session() as session,
        pytest.raises(PassingError, match=r"/slow: .*no end after 0.1 s.*2 times"),
    ):
        session.get(f"{HOST}/slow")
    assert [asked.path for asked, _ in httpserver.log] == ["/large", "/bomb", "/slow", "/slow"]


def test_session_keeps_its_connection(monkeypatch: pytest.MonkeyPatch):
    ports: set[int] = set()
    with Publisher(files={}) as publisher:
        serve = publisher._serve
        monkeypatch.setattr(publisher, "answer", lambda asked: Answer(b"[]"))
        monkeypatch.setattr(publisher, "_serve", lambda handler: (ports.add(handler.client_address[1]), serve(handler)))
        port = publisher._server.server_address[1]
        with HttpFetcher(rewrite={HOST: f"http://127.0.0.1:{port}/files"}).session() as session:
            for _ in range(5):
                assert session.get(f"{HOST}/a").content == b"[]"
    assert len(ports) == 1


def test_session_fails_without_the_key(httpserver: HTTPServer, silent: str, caplog: pytest.LogCaptureFixture):
    httpserver.expect_request("/file").respond_with_handler(breaks_off)
    refused = HttpFetcher(attempts=2, wait_initial=0.001, rewrite={HOST: "http://127.0.0.1:9"})
    late = HttpFetcher(attempts=1, timeout=0.1, rewrite={HOST: silent})
    for fetcher in (refused, late, make(httpserver)):
        with (
            fetcher.session() as session,
            pytest.raises(SourceError, match=f"{HOST}/file: expected an answer") as caught,
        ):
            session.get(f"{HOST}/file", params={"key": KEY})
        assert "MARKER-" not in all_of(caught.value)
    assert "/file?key=***" in caplog.text  # urllib3 at DEBUG
    assert "MARKER-" not in logged(caplog)


def test_session_verifies_certificates_whatever_it_is_told(fetcher: HttpFetcher, monkeypatch: pytest.MonkeyPatch):
    seen: list[object] = []

    def send(self: HTTPAdapter, request: object, stream: bool, timeout: object, verify: object, *_: object) -> object:
        seen.extend([verify, timeout])
        response = requests.Response()
        response.status_code, response.raw = 200, io.BytesIO(b"ok")
        return response

    monkeypatch.setattr(HTTPAdapter, "send", send)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with fetcher.session() as session:
        session.get("https://other.example/", verify=False)
    assert seen == [True, (5.0, 5.0)]


def test_secret(fetcher: HttpFetcher, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CENSUS_API_KEY", " abcdef\n")
    assert fetcher.secret("CENSUS_API_KEY") == "abcdef"
    monkeypatch.setenv("CENSUS_API_KEY", " ")
    with pytest.raises(SourceError, match=r"CENSUS_API_KEY is not set.*key_signup.*export CENSUS_API_KEY="):
        fetcher.secret("CENSUS_API_KEY")
    with pytest.raises(SourceError, match="HOME is not a known secret"):
        fetcher.secret("HOME")


# --- redaction ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"the key {KEY}!", "the key ***!"),
        ("MARKER-/%2B%3D%254f MARKER-%2F%2B%3D%254f", "*** ***"),
        ("https://a.example/?api_key=1a&b=2&token=3#c", "https://a.example/?api_key=***&b=2&token=***#c"),
        ("<a href='/x?a=1&amp;Key=abc'>", "<a href='/x?a=1&amp;Key=***'>"),
        ("sorted(rows, key=len)", "sorted(rows, key=len)"),
    ],
)
def test_redact(text: str, clean: str):
    assert redact(text) == clean


def test_redact_leaves_texts_alone_where_the_secret_is_empty(monkeypatch: pytest.MonkeyPatch):
    for value in ("", " ", "a"):
        monkeypatch.setenv("CENSUS_API_KEY", value)
        assert redact("a plain text") == "a plain text"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_every_log_record_is_redacted(caplog: pytest.LogCaptureFixture):
    install()
    install()
    log = logging.getLogger("some.other.library")
    log.info("plain %s", KEY)
    log.info({"mapping": KEY})
    log.info("%d of a wrong format", KEY)
    try:
        raise ValueError(KEY)
    except ValueError:
        log.exception("failed")
    record = logging.LogRecord("elsewhere", logging.INFO, "", 0, "x", (), None)
    record.extra = KEY  # as `extra=` and pickled records bring it
    assert RedactingFilter().filter(record)
    assert "MARKER-" not in logged(caplog) + repr(vars(record))
    assert "plain ***" in caplog.text and "ValueError: ***" in caplog.text and "Traceback" in caplog.text


def test_log_records_without_a_secret_keep_their_parts(caplog: pytest.LogCaptureFixture):
    install()
    try:
        raise ValueError("plain")
    except ValueError:
        logging.getLogger("some").warning("%s", "argument", exc_info=True)
    assert caplog.records[0].args == ("argument",) and caplog.records[0].exc_info


def test_uncaught_errors_are_redacted():
    program = (
        "import os, sys, threading; from pipelines.redact import install; install()\n"
        "def fail(): raise ValueError('in a thread ' + os.environ['CENSUS_API_KEY'])\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "try: fail()\n"
        "except ValueError as error: raise RuntimeError('in main') from error\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("ValueError: in a thread ***") == 2 and "RuntimeError: in main" in done.stderr
    assert "MARKER-" not in done.stderr + done.stdout
