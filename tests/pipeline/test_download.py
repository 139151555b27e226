"""Bodies on their way to disk: resumed after a break, checked by length and checksum, stopped at their ceiling."""

import base64
import fcntl
import gzip
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.http import HttpFetcher
from pipelines.landing import Landing
from pipelines.network.download import Part, sweep
from sources.source import Content, PassingError, Request, SourceError
from tests.publisher import Answer, Asked, Publisher, compressed

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HOST = "https://files.example.gov"
ROOT = Path(__file__).parents[2]
LINES = b"".join(b"%07d,%08d\n" % (i, random.Random(i).randrange(10**8)) for i in range(100_000))  # 1.7 MB
BREAK = 1_000_000


class Origin(Publisher):
    """One file at every address of one host, with a log of what really went out."""

    def __init__(self, body: bytes = LINES) -> None:
        super().__init__(files={})
        self.body, self.plan, self.out = body, [], []
        self.fault = self._next
        self.told: dict[str, str] = {}
        self.has_validators = True

    plan: list[Callable[[Answer], Answer]]
    """What befalls one answer after the other; afterwards all is well."""
    out: list[tuple[int, int]]
    """Status and bytes of each answer."""

    @property
    def rewrite(self) -> dict[str, str]:
        return {HOST: f"http://127.0.0.1:{self._server.server_address[1]}/files"}

    def answer(self, asked: Asked) -> Answer:
        return Answer(self.body, "text/csv", headers=self.told, has_validators=self.has_validators)

    def _next(self, asked: Asked, answer: Answer) -> Answer:
        if self.plan:
            answer = self.plan.pop(0)(answer)
        self.out.append((answer.status, len(answer.body[: answer.abort_after])))
        return answer

    @property
    def asked(self) -> list[Asked]:
        return [served.asked for served in self.log]


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "landing")


def fetcher(origin: Origin, landing: Landing | None = None, **options: float) -> HttpFetcher:
    settings: dict[str, float] = {"attempts": 3, "wait_initial": 0.001, "timeout": 5.0, **options}
    return HttpFetcher(rewrite=origin.rewrite, landing=landing, **settings)  # type: ignore[arg-type]


def a_file(expect: Content = "csv", max_bytes: int | None = None) -> Request:
    return Request("file", f"{HOST}/file", expect, max_bytes=max_bytes)


def breaks(answer: Answer) -> Answer:
    return replace(answer, abort_after=BREAK)


def left(landing: Landing) -> list[str]:
    return sorted(path.suffix for path in landing.downloads.glob("*"))


# --- to disk -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_landing", [True, False])
def test_a_large_body_stays_on_disk_and_a_small_one_is_bytes(origin: Origin, landing: Landing, has_landing: bool):
    http = fetcher(origin, landing if has_landing else None)
    large = http.get(a_file())
    assert isinstance(large.content, Path) and large.body == LINES
    assert large.content.is_relative_to(landing.downloads) is has_landing
    origin.body = b"a,b\n"
    assert http.get(a_file()).content == b"a,b\n"
    assert large.body == LINES
    assert left(landing) == ([""] if has_landing else [])


PROGRAM = """
import sys, tracemalloc
from pathlib import Path
from pipelines.http import HttpFetcher
from pipelines.landing import Landing
from sources.source import Request, SourceError
tracemalloc.start()
host, target, folder = sys.argv[1:]
fetcher = HttpFetcher(attempts=1, rewrite={host: target}, landing=Landing(Path(folder)))
before, _ = tracemalloc.get_traced_memory()
try:
    print(fetcher.get(Request("file", host + "/file", "csv")).content)
except SourceError as error:
    print("failed", error)
print(tracemalloc.get_traced_memory()[1] - before)
"""


def in_a_process(origin: Origin, landing: Landing) -> tuple[str, int]:
    """What a process that fetches the file prints, and how much memory it took on top."""
    arguments = [HOST, origin.rewrite[HOST], str(landing.downloads.parent)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *said, peak = done.stdout.splitlines()
    return "\n".join(said), int(peak)


def test_a_large_body_is_never_in_memory(origin: Origin, landing: Landing):
    origin.body = LINES * 12
    said, peak = in_a_process(origin, landing)
    assert Path(said).stat().st_size == len(LINES) * 12 > 20_000_000
    assert peak < 6_000_000


# --- resumed -----------------------------------------------------------------------------------------------------


def test_a_body_that_breaks_off_goes_on_where_it_broke(origin: Origin, landing: Landing):
    origin.plan = [breaks, lambda answer: replace(answer, abort_after=300_000)]
    assert fetcher(origin, landing).get(a_file()).body == LINES
    assert origin.out == [(200, BREAK), (206, 300_000), (206, len(LINES) - BREAK - 300_000)]
    assert sum(size for _, size in origin.out) == len(LINES), "no byte came twice"
    assert [asked.headers.get("range") for asked in origin.asked] == [
        None,
        f"bytes={BREAK}-",
        f"bytes={BREAK + 300_000}-",
    ]
    assert origin.asked[1].headers["if-range"].startswith('"')
    assert {asked.headers["accept-encoding"] for asked in origin.asked} == {"identity"}
    assert left(landing) == [""]


def test_a_later_process_goes_on_where_an_earlier_one_broke(origin: Origin, landing: Landing):
    origin.plan = [breaks]
    said, _ = in_a_process(origin, landing)
    assert said.startswith("failed file: https://files.example.gov/file: expected a CSV file, got RemoteProtocolError")
    assert left(landing) == [".part", ".told"]
    said, _ = in_a_process(origin, landing)
    assert Path(said).read_bytes() == LINES
    assert origin.out == [(200, BREAK), (206, len(LINES) - BREAK)]
    assert left(landing) == [""]


def test_a_connection_that_is_reset_is_resumed(landing: Landing):
    """A reset (RST) instead of an orderly end."""
    etag, total = '"e"', len(LINES)
    ranges: list[str] = []

    def serve(connection: socket.socket, head: str) -> None:
        asked = [line[7:] for line in head.splitlines() if line.startswith("Range: ")]
        ranges.extend(asked)
        start = int(asked[0].removeprefix("bytes=").removesuffix("-")) if asked else 0
        status = f"206 P\r\nContent-Range: bytes {start}-{total - 1}/{total}" if asked else "200 OK"
        connection.sendall(f"HTTP/1.1 {status}\r\nETag: {etag}\r\nContent-Length: {total - start}\r\n\r\n".encode())
        connection.sendall(LINES[start : start + BREAK])
        if not asked:
            time.sleep(0.2)  # a reset also drops what is still on its way
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with raw_server(serve) as address:
        http = HttpFetcher(attempts=2, wait_initial=0.001, rewrite={HOST: address}, landing=landing)
        assert http.get(a_file()).body == LINES
    assert ranges == [f"bytes={BREAK}-"]


def test_a_file_that_changed_in_between_begins_anew(origin: Origin, landing: Landing):
    other = LINES[::-1].lstrip()

    def changes(answer: Answer) -> Answer:
        origin.body = other
        return breaks(answer)

    origin.plan = [changes]
    assert fetcher(origin, landing).get(a_file()).body == other
    assert [status for status, _ in origin.out] == [200, 200]


def in_place_of_the_range(**told: str) -> Callable[[Answer], Answer]:
    return lambda answer: replace(
        answer, headers={**answer.headers, **{n.replace("_", "-"): v for n, v in told.items()}}
    )


@pytest.mark.parametrize(
    "spoilt",
    [
        in_place_of_the_range(Content_Range=f"bytes 0-{len(LINES) - 1}/{len(LINES)}"),
        in_place_of_the_range(Content_Range=f"bytes {BREAK}-{len(LINES)}/{len(LINES) + 1}"),
        in_place_of_the_range(Content_Range="bytes */5"),
        in_place_of_the_range(ETag='"another"'),
        in_place_of_the_range(Content_Encoding="gzip"),
        lambda answer: Answer(b"", "text/plain", 416, {"Content-Range": "bytes */5"}),
    ],
    ids=["start", "total", "no range", "etag", "encoding", "416"],
)
def test_a_piece_that_does_not_fit_is_thrown_away(origin: Origin, landing: Landing, spoilt: Callable[[Answer], Answer]):
    origin.plan = [breaks, spoilt]
    assert fetcher(origin, landing).get(a_file()).body == LINES
    assert [status for status, _ in origin.out][-1] == 200
    assert "range" not in origin.asked[-1].headers


def test_nothing_is_resumed_that_might_be_another_file(origin: Origin, landing: Landing):
    origin.has_validators = False
    origin.plan = [breaks]
    assert fetcher(origin, landing).get(a_file()).body == LINES
    assert [size for _, size in origin.out] == [BREAK, len(LINES)]
    origin.told = {"ETag": 'W/"weak"'}
    origin.plan = [breaks]
    assert fetcher(origin, landing).get(a_file()).body == LINES
    assert ["range" in asked.headers for asked in origin.asked] == [False] * 4


def test_where_the_etag_is_weak_the_date_is_named(origin: Origin, landing: Landing):
    date = "Tue, 02 Jan 2024 00:00:00 GMT"
    origin.told = {"ETag": 'W/"weak"', "Last-Modified": date}
    origin.plan = [breaks]
    assert fetcher(origin, landing).get(a_file()).body == LINES
    assert origin.asked[1].headers["if-range"] == date


@pytest.mark.parametrize("told", ["", "[]", '{"address": 1}', None])
def test_a_part_that_nobody_can_vouch_for_is_thrown_away(origin: Origin, landing: Landing, told: str | None):
    origin.plan = [breaks]
    with pytest.raises(PassingError):
        fetcher(origin, landing, attempts=1).get(a_file())
    (record,) = landing.downloads.glob("*.told")
    if told is None:
        stranger = {**json.loads(record.read_text()), "address": f"{HOST}/other"}
        told = json.dumps(stranger)
    record.write_text(told)
    assert fetcher(origin, landing).get(a_file()).body == LINES
    assert [size for _, size in origin.out] == [BREAK, len(LINES)]


def test_a_part_that_lacks_nothing_is_finished_with_one_byte(origin: Origin, landing: Landing):
    origin.plan = [breaks]
    with pytest.raises(PassingError):
        fetcher(origin, landing, attempts=1).get(a_file())
    (part,) = landing.downloads.glob("*.part")
    part.write_bytes(LINES)
    assert fetcher(origin, landing).get(a_file()).body == LINES
    assert origin.out[1] == (206, 1)


def test_two_downloads_of_one_address_do_not_meet(origin: Origin, landing: Landing):
    folder = landing.downloads
    with Part(folder, "a") as one, Part(folder, "a") as other:
        one.write(b"1")
        other.write(b"2")
        one.flush()
        other.flush()
        assert [path.read_bytes() for path in sorted(folder.glob("*.part"), key=lambda path: len(path.name))] == [
            b"1",
            b"2",
        ]
    assert left(landing) == []
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.append(fetcher(origin, landing).get(a_file()).body)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert got == [LINES] * 4


def test_a_part_that_was_finished_while_we_waited_for_it_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = tmp_path / "whole"

    def finishes(file: object, how: int) -> None:
        if not whole.exists():
            (part,) = tmp_path.glob("*.part")
            part.write_bytes(b"of somebody else")
            part.rename(whole)

    monkeypatch.setattr(fcntl, "flock", finishes)
    with Part(tmp_path, "a") as mine:
        assert mine.resume() == {}
        mine.write(b"mine")
    assert whole.read_bytes() == b"of somebody else"


def test_what_nobody_came_back_for_is_swept_away(tmp_path: Path):
    for name, age in (("old.part", 8), ("new.part", 6)):
        (tmp_path / name).write_bytes(b"x")
        then = time.time() - age * 86_400
        os.utime(tmp_path / name, (then, then))
    sweep(tmp_path)
    sweep(tmp_path / "absent")
    assert [path.name for path in tmp_path.iterdir()] == ["new.part"]


# --- length and checksum -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [-17, 1000])
@pytest.mark.parametrize("size", [40, len(LINES)])
def test_a_wrong_length_is_noticed(origin: Origin, landing: Landing, by: int, size: int):
    origin.body = LINES[:size]

    def lies(answer: Answer) -> Answer:
        return replace(answer, length=len(answer.body) + by)

    origin.plan = [lies]
    assert fetcher(origin, landing).get(a_file()).body == origin.body
    assert len(origin.out) > 1
    origin.plan = [lies] * 10
    says = "goes on after" if by < 0 else "without sending complete message body"
    with pytest.raises(PassingError, match=rf"(?s)^file: {HOST}/file: expected a CSV file, got .*{says}.*3 times"):
        fetcher(origin, landing).get(a_file())


def test_surplus_that_comes_late_is_noticed():
    def serve(connection: socket.socket, head: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na,b\n")
        time.sleep(0.05)
        connection.sendall(b"1,2\n")

    with raw_server(serve) as address, pytest.raises(PassingError, match="goes on after its 4 bytes"):
        HttpFetcher(attempts=1, rewrite={HOST: address}).get(a_file())


def test_interim_answers_do_not_count():
    def serve(connection: socket.socket, head: str) -> None:
        connection.sendall(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na,b\n"
        )

    with raw_server(serve) as address:
        assert HttpFetcher(attempts=1, rewrite={HOST: address}).get(a_file()).content == b"a,b\n"


def b64(algorithm: str, body: bytes) -> str:
    return base64.b64encode(hashlib.new(algorithm, body).digest()).decode()


@pytest.mark.parametrize(
    ("header", "form", "algorithm"),
    [
        ("Content-MD5", "{}", "md5"),
        ("Digest", "crc32=1, SHA-256={}", "sha256"),
        ("Repr-Digest", "sha-256=:{}:", "sha256"),
        ("Content-Digest", "unixsum=:1:, sha-512=:{}:", "sha512"),
    ],
)
def test_a_checksum_that_the_publisher_sends_is_compared(
    origin: Origin, landing: Landing, header: str, form: str, algorithm: str
):
    origin.told = {header: form.format(b64(algorithm, LINES))}
    origin.plan = [breaks]
    assert fetcher(origin, landing).get(a_file()).body == LINES
    assert len(origin.out) == 2
    origin.plan = [lambda answer: replace(answer, body=b"x" + answer.body[1:])]
    assert fetcher(origin, landing).get(a_file()).body == LINES
    assert len(origin.out) == 4
    origin.told = {header: form.format(b64(algorithm, b"another"))}
    with pytest.raises(PassingError, match=f"does not have the {algorithm}"):
        fetcher(origin, landing).get(a_file())
    assert left(landing) == ["", ""]


def test_what_is_no_checksum_is_passed_over(origin: Origin):
    origin.told = {"Content-MD5": "not base64!", "Digest": "SHA-256=YQ==, junk", "Repr-Digest": "sha-256"}
    assert fetcher(origin).get(a_file()).body == LINES


# --- compressed --------------------------------------------------------------------------------------------------


def test_a_compressed_body_is_decompressed_and_resumed(origin: Origin, landing: Landing):
    sent = len(gzip.compress(LINES, mtime=0))
    origin.told = {"Content-Encoding": "gzip"}
    origin.body = gzip.compress(LINES, mtime=0)
    origin.plan = [lambda answer: replace(answer, abort_after=1000)]
    assert fetcher(origin, landing).get(a_file()).body == LINES
    assert origin.out == [(200, 1000), (206, sent - 1000)]
    assert left(landing) == [""]


def cut(answer: Answer) -> Answer:
    whole = compressed(answer)
    return replace(whole, body=whole.body[: len(whole.body) // 2])


def damaged(answer: Answer) -> Answer:
    whole = compressed(answer)
    return replace(whole, body=whole.body[:-8] + b"\0\0\0\0" + whole.body[-4:])


def trailing(answer: Answer) -> Answer:
    whole = compressed(answer)
    return replace(whole, body=whole.body + b"<html>")


@pytest.mark.parametrize("spoil", [cut, damaged, trailing])
def test_a_compressed_body_that_is_not_whole_is_noticed(
    origin: Origin, landing: Landing, spoil: Callable[[Answer], Answer]
):
    origin.plan = [spoil]
    assert fetcher(origin, landing).get(a_file()).body == LINES
    origin.plan = [spoil] * 10
    with pytest.raises(PassingError, match=rf"(?s){HOST}/file: expected a CSV file, got a gzip body that is .*3 times"):
        fetcher(origin, landing).get(a_file())
    assert left(landing) == [""], "nothing is kept of it"


def test_a_gzip_bomb_stops_at_the_ceiling(origin: Origin, landing: Landing):
    origin.body = bytes(30_000_000)
    origin.plan = [compressed]
    with pytest.raises(SourceError, match=r"file: .*got more than 2,000,000 bytes\. .*max_bytes"):
        fetcher(origin, landing).get(a_file(max_bytes=2_000_000))
    assert len(origin.out) == 1 and origin.out[0][1] < 100_000
    assert left(landing) == []


def test_a_compression_that_was_not_asked_for_is_refused(origin: Origin):
    origin.told = {"Content-Encoding": "br"}
    with pytest.raises(SourceError, match="compressed by 'br', which was not asked for"):
        fetcher(origin).get(a_file())
    with fetcher(origin).session() as session, pytest.raises(SourceError, match="compressed by 'br'"):
        session.get(f"{HOST}/file")
    assert len(origin.out) == 2


# --- ceilings and time -------------------------------------------------------------------------------------------


def test_a_request_may_have_a_ceiling_of_its_own(origin: Origin, landing: Landing):
    small = fetcher(origin, landing, max_bytes=1000)
    with pytest.raises(SourceError, match="more than 1,000 bytes"):
        small.get(a_file())
    assert small.get(a_file(max_bytes=3_000_000)).body == LINES
    with pytest.raises(SourceError, match="more than 5,000 bytes"):
        fetcher(origin, landing).get(a_file(max_bytes=5000))
    assert left(landing) == [""]


def test_a_body_that_says_that_it_is_too_large_is_not_waited_for():
    def serve(connection: socket.socket, head: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        connection.recv(1)

    with raw_server(serve) as address, pytest.raises(SourceError, match="more than 3,000,000,000 bytes"):
        HttpFetcher(attempts=1, timeout=5, rewrite={HOST: address}).get(a_file())


def test_kinds_that_are_read_whole_have_smaller_ceilings():
    http = HttpFetcher(rewrite={})
    ceilings = {kind: http._ceiling(a_file(kind)) for kind in ("json", "workbook", "csv", "text", "zip")}  # type: ignore[arg-type]
    assert ceilings["json"] == ceilings["workbook"] == 300_000_000
    assert ceilings["csv"] == ceilings["text"] == ceilings["zip"] == 3_000_000_000


def test_headers_that_trickle_in_do_not_hold_us():
    def serve(connection: socket.socket, head: str) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
            connection.sendall(bytes([byte]))
            time.sleep(0.01)

    with raw_server(serve) as address, pytest.raises(PassingError, match="no end after"):
        HttpFetcher(attempts=2, wait_initial=0.001, timeout=5, deadline=0.3, rewrite={HOST: address}).get(a_file())


class raw_server:
    """A server that hands each connection and the head of its request to `serve`, and then closes it."""

    def __init__(self, serve: Callable[[socket.socket, str], None]) -> None:
        self.serve = serve

    def __enter__(self) -> str:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                try:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        head += connection.recv(65536) or b"\r\n\r\n"
                    self.serve(connection, head.decode())
                except OSError:
                    pass

    def __exit__(self, *_: object) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(timeout=5)
