"""A loopback publisher: every live source, served in its publisher's own forms, with faults on demand.

Each module `tests/publisher/<source_id>.py` knows the publisher's hosts and how it answers; the addresses are written
there from the publishers' documents, not taken from the source's own code, so that a wrong address cannot pass.
What is served is the simulated region.
"""

import gzip
import hashlib
import importlib
import json
import pkgutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from sources import simulated

Files = Mapping[tuple[str, str, str], bytes]
"""Simulated files by source, vintage and name."""

KEY = "loopback-census-key"
"""The key that the simulated Census API accepts."""

MODIFIED = "Tue, 02 Jan 2024 00:00:00 GMT"
NOT_FOUND = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>Not here</body></html>"


@dataclass(frozen=True)
class Asked:
    """A request as a publisher sees it; `accepts` is the key that the Census API accepts."""

    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    accepts: str = KEY


@dataclass(frozen=True)
class Answer:
    """What a publisher answers.

    Args:
        has_validators: whether it comes with ETag and Last-Modified, and is not sent again where they match.
        abort_after: the connection is reset once so many bytes of the body are out.
        stall: seconds of silence before the answer.
        length: the Content-Length that is told, where it differs from the true one.
    """

    body: bytes
    content_type: str = "application/octet-stream"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    has_validators: bool = True
    abort_after: int | None = None
    stall: float = 0.0
    length: int | None = None


Fault = Callable[[Asked, Answer], Answer]


@dataclass(frozen=True)
class Served:
    """A line of the publisher's log."""

    asked: Asked
    status: int
    bytes: int


@cache
def simulated_files() -> Files:
    return {(source, vintage, name): body for source, vintage, name, body in simulated.all_files()}


@cache
def _modules() -> tuple[Any, ...]:
    found = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return tuple(module for module in found if hasattr(module, "answer"))


def hosts() -> list[str]:
    """Hosts of all publishers, such as `www2.census.gov`."""
    return sorted({host for module in _modules() for host in module.HOSTS})


class Publisher:
    """All publishers on one loopback port; use as a context manager.

    Args:
        files: what is served; the simulated region unless told otherwise.
        latency: seconds before each answer.
        key: what the Census API accepts.
    """

    def __init__(self, files: Files | None = None, latency: float = 0.0, key: str = KEY) -> None:
        self.key = key
        self.files = simulated_files() if files is None else files
        self.latency = latency
        self.fault: Fault | None = None
        self.log: list[Served] = []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            disable_nagle_algorithm = True  # or every second packet waits 40 ms

            def do_GET(self) -> None:
                publisher._serve(self)

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                """Nothing on stderr."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                """A client that went away is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def rewrite(self) -> dict[str, str]:
        """The mapping of hosts for `HttpFetcher`, or as JSON for HEADWATERS_REWRITE_HOSTS."""
        port = self._server.server_address[1]
        return {f"https://{host}": f"http://127.0.0.1:{port}/{host}" for host in hosts()}

    def answer(self, asked: Asked) -> Answer:
        """What the publisher of that host answers; its own page where it has no such file."""
        for module in _modules():
            if asked.host in module.HOSTS:
                found: Answer | None = module.answer(asked, self.files)
                if found is not None:
                    return found
        return Answer(NOT_FOUND, "text/html", 404, has_validators=False)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        host, _, path = parts.path.lstrip("/").partition("/")
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(host, f"/{unquote(path)}", query, headers, self.key)
        answer = self.answer(asked)
        etag = f'"{hashlib.sha256(answer.body).hexdigest()[:20]}"'
        if answer.status == 200 and answer.has_validators:
            answer = replace(answer, headers={"ETag": etag, "Last-Modified": MODIFIED, **answer.headers})
            unchanged = headers.get("if-none-match") == etag
            wanted, same = headers.get("range", ""), headers.get("if-range", etag) == etag
            if unchanged and self.fault is None:
                answer = Answer(b"", answer.content_type, 304, answer.headers)
            elif wanted.startswith("bytes=") and wanted.endswith("-") and same and wanted[6:-1].isdigit():
                start = int(wanted[6:-1])
                total = len(answer.body)
                if start < total:
                    ranged = {**answer.headers, "Content-Range": f"bytes {start}-{total - 1}/{total}"}
                    answer = replace(answer, body=answer.body[start:], status=206, headers=ranged)
        if self.fault is not None:
            answer = self.fault(asked, answer)
        time.sleep(self.latency + answer.stall)
        self._send(handler, asked, answer)

    def _send(self, handler: BaseHTTPRequestHandler, asked: Asked, answer: Answer) -> None:
        self.log.append(Served(asked, answer.status, len(answer.body)))
        handler.send_response(answer.status)
        for name, value in {"Content-Type": answer.content_type, **answer.headers}.items():
            handler.send_header(name, value)
        if answer.status not in (204, 304):
            handler.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
        handler.end_headers()
        if handler.command == "HEAD" or answer.status in (204, 304):
            return
        handler.wfile.write(answer.body[: answer.abort_after])
        if answer.abort_after is not None or answer.length not in (None, len(answer.body)):
            handler.wfile.flush()
            handler.close_connection = True


def as_json(value: object) -> Answer:
    return Answer(json.dumps(value).encode(), "application/json")


def compressed(answer: Answer) -> Answer:
    """The same answer with Content-Encoding: gzip."""
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return replace(answer, body=gzip.compress(answer.body, mtime=0), headers=headers)


def file_at(asked: Asked, files: Files, paths: Mapping[str, tuple[str, str, str]]) -> Answer | None:
    """The simulated file that stands behind a path."""
    where = paths.get(asked.path)
    return Answer(files[where]) if where in files else None
