"""The only way to the network.

What both clients share lies in modules of its own: `retrying` (how often), `throttle` (how hard), `unchanged` (what
need not be sent again), `addresses` (where to), `answers` (what must come); `wire` and `download` bring a file to
disk, `session` serves client packages.
"""

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import httpx
import requests

from pipelines.landing import Landing
from pipelines.network import answers
from pipelines.network.addresses import (
    MAX_REDIRECTS,
    RedirectError,
    Rewrite,
    bare,
    host_of,
    hosts_from_environment,
    redirected,
)
from pipelines.network.download import IN_MEMORY, BrokenBodyError, Part, sweep
from pipelines.network.retrying import RETRIED, Patience, TryAgainError
from pipelines.network.session import Adapter, Session
from pipelines.network.throttle import Limit, Throttle
from pipelines.network.unchanged import Kept, Shelf
from pipelines.network.wire import Wire
from pipelines.redact import SECRETS, holds_secret, install, redact
from sources.source import Fetched, PassingError, Request, SourceError

__all__ = ["RETRIED", "USER_AGENT", "HttpFetcher", "Limit"]

USER_AGENT = "headwaters/0.1 (+public data pipeline; contact: see README)"
_CONNECT = 10.0  # seconds; who does not take a connection within them is down
_GROWN = "Look at the file: if it has really grown, raise max_bytes."
_LOG = logging.getLogger(__name__)


class HttpFetcher:
    """The live `Fetcher`. Nothing hangs: a request ends after `attempts` times `deadline` and the waits between.

    Args:
        attempts: how often a request is tried in all, on 408, 429, 5xx, broken connections and bodies.
        wait_initial: seconds before the second attempt; doubles from then on, with jitter.
        retry_after_max: the longest wait, in seconds, that a publisher's Retry-After is granted.
        timeout: seconds without a byte after which an attempt fails.
        deadline: seconds after which an attempt fails although bytes still trickle in.
        max_bytes: the largest body that is accepted, where neither the request nor its kind sets a smaller one.
        rewrite: host prefix to the server that stands in for it; without it the JSON mapping in
            HEADWATERS_REWRITE_HOSTS, if any.
        landing: where unchanged files are taken from and large ones grow; a temporary folder without it.
        limits: limits by host, beyond those of `pipelines.network.throttle`.

    Raises:
        SourceError: HEADWATERS_REWRITE_HOSTS is not a JSON mapping, or names a server that must not see a secret.
    """

    def __init__(
        self,
        *,
        attempts: int = 4,
        wait_initial: float = 1.0,
        retry_after_max: float = 60.0,
        timeout: float = 60.0,
        deadline: float = 1800.0,
        max_bytes: int = 3_000_000_000,
        rewrite: Mapping[str, str] | None = None,
        landing: Landing | None = None,
        limits: Mapping[str, Limit] | None = None,
    ) -> None:
        install()
        self.timeout, self.deadline, self.max_bytes = timeout, deadline, max_bytes
        self.rewrite = Rewrite(hosts_from_environment() if rewrite is None else rewrite)
        self._patience = Patience(attempts, wait_initial, retry_after_max)
        self._throttle, self._shelf, self._landing = Throttle(limits), Shelf(landing), landing

    def get(self, request: Request) -> Fetched:
        """Fetch one file; a large one stays on disk, an unchanged one is the landed one.

        Raises:
            SourceError: the publisher cannot be reached, refuses, or sends something else than was asked for.
        """
        failure = ""
        with Part(self._folder, bare(request.address)) as part:
            try:
                for attempt in self._patience.rounds():
                    with attempt:
                        return self._try(request, part)
            except TryAgainError as error:
                failure = str(error)
        raise PassingError(f"{failure} Tried {self._patience.attempts} times.")

    def session(self) -> requests.Session:
        """A session with all of this for client packages; its errors are SourceErrors without secrets."""
        timeout = (min(self.timeout, _CONNECT), self.timeout)
        adapter = Adapter(
            self.rewrite, self._patience, self._throttle, self._shelf, timeout, self.deadline, self.max_bytes
        )
        return Session(adapter, USER_AGENT)

    def secret(self, name: str) -> str:
        """A secret from the environment.

        Raises:
            SourceError: it is not set, with how to get and set it; or it is not one of the known secrets, which
                nothing would redact.
        """
        if name not in SECRETS:
            raise SourceError(f"{name} is not a known secret: add it to SECRETS in pipelines/redact.py first.")
        value = os.environ.get(name, "").strip()
        if not value:
            raise SourceError(f"The environment variable {name} is not set. {SECRETS[name]}")
        return value

    def has_secret(self, name: str) -> bool:
        """Whether a known secret is set."""
        return name in SECRETS and bool(os.environ.get(name, "").strip())

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(
            timeout=httpx.Timeout(self.timeout, connect=min(self.timeout, _CONNECT)),
            # Proxies come from the environment, but none stands between us and a stand-in.
            mounts=dict.fromkeys((f"all://{name}" for name in self.rewrite.names), None),
        )

    @cached_property
    def _folder(self) -> Path:
        if self._landing is not None:
            sweep(self._landing.downloads)
            return self._landing.downloads
        folder = tempfile.mkdtemp(prefix="headwaters-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def _headers(self, request: Request, part: Part, kept: Kept | None) -> httpx.Headers:
        headers = httpx.Headers({"User-Agent": USER_AGENT, "Accept": "*/*"})
        headers.update(request.headers)
        # Compressed bodies cannot be resumed reliably, and `Wire` needs the connection to end with the body.
        headers.update({"Accept-Encoding": "identity", "Connection": "close"})
        headers.update(part.resume())
        headers.update(kept.headers if kept is not None else {})
        return headers

    @contextmanager
    def _answer(self, address: str, headers: httpx.Headers, wire: Wire) -> Iterator[httpx.Response]:
        """The answer behind all redirects; every host on the way is asked within its limits."""
        for _ in range(MAX_REDIRECTS + 1):
            sent = self.rewrite(address)
            with (
                self._throttle(address, sent),
                self._client.stream("GET", sent, headers=headers, extensions={"trace": wire.trace}) as response,
            ):
                if not response.has_redirect_location:
                    yield response
                    return
                target = redirected(address, response.headers["Location"])
            if host_of(target) != host_of(address):
                private = ("authorization", "cookie", "proxy-authorization")
                kept = {n: v for n, v in headers.items() if n.lower() not in private and not holds_secret(v)}
                headers = httpx.Headers(kept)
            address = target
        raise RedirectError(f"more than {MAX_REDIRECTS} redirects")

    def _try(self, request: Request, part: Part) -> Fetched:
        kept = self._shelf.find(request.address)
        wire = Wire(self.deadline)
        try:
            with self._answer(request.address, self._headers(request, part, kept), wire) as response:
                if response.status_code == 304 and kept is not None:
                    if fetched := self._unchanged(request, part, kept):
                        return fetched
                elif response.status_code in (200, 206):
                    try:
                        return self._receive(request, part, wire, response)
                    finally:
                        part.flush()
                else:
                    raise self._refused(request, part, response)
            # What was landed is not what it was: ask as if nothing were here. At most once, for it is forgotten now.
            return self._try(request, part)
        except BrokenBodyError as error:
            part.discard()
            passing, failure = True, f"{error}. {answers.to_do(0)}"
        except answers.TooLargeError:
            part.discard()
            passing, failure = False, f"more than {self._ceiling(request):,} bytes. {_GROWN}"
        except RedirectError as error:
            passing, failure = False, f"{error}. {answers.to_do(404)}"
        except answers.EncodingError as error:
            passing, failure = False, f"{error}. {answers.to_do(403)}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            passing = isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)
            failure = f"{answers.words(error)}. {answers.to_do(0)}"
        # Raised outside the handlers: even `from None` would keep the library's error, with the key, as __context__.
        raise (TryAgainError if passing else SourceError)(_error(request, failure))

    def _ceiling(self, request: Request) -> int:
        return request.max_bytes or min(self.max_bytes, answers.CEILINGS.get(request.expect, self.max_bytes))

    def _unchanged(self, request: Request, part: Part, kept: Kept) -> Fetched | None:
        if not kept.is_whole():
            _LOG.warning("%s: the landed bytes have changed on disk; asking for them anew.", kept.snapshot.label)
            self._shelf.forget(request.address)
            return None
        part.discard()
        snapshot = kept.snapshot
        return Fetched(request.name, kept.path, redact(request.address), snapshot.etag, snapshot.last_modified)

    def _refused(self, request: Request, part: Part, response: httpx.Response) -> SourceError:
        status, body = response.status_code, b""
        if status == 416:
            part.discard()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) >= answers.ERROR_PAGE:
                break
        said = answers.page(body[: answers.ERROR_PAGE], response.headers.get("Content-Encoding", ""))
        message = _error(request, f"HTTP {status}{said}. {answers.to_do(status)}")
        if status in RETRIED or (status == 416 and "Range" in response.request.headers):
            return TryAgainError(message, self._patience.after(response.headers.get("Retry-After")))
        return SourceError(message)

    def _receive(self, request: Request, part: Part, wire: Wire, response: httpx.Response) -> Fetched:
        ceiling = self._ceiling(request)
        told = part.begin(response)
        if (told.total or 0) > ceiling:
            raise answers.TooLargeError
        length = response.headers.get("Content-Length", "")
        expected = int(length) if length.isdecimal() and "Transfer-Encoding" not in response.headers else None
        received, before = 0, part.size
        for chunk in response.iter_raw():
            received += len(chunk)
            if before + received > ceiling:
                raise answers.TooLargeError
            part.write(chunk)
            if received == expected and wire.goes_on_after(received):
                raise BrokenBodyError(f"a body that goes on after its {received:,} bytes")
        file = part.finish(ceiling)
        if wrong := answers.wrong(file, request.expect):
            file.unlink()
            raise SourceError(_error(request, f"{wrong}. {answers.to_do(200)}"))
        content: bytes | Path = file
        if file.stat().st_size < IN_MEMORY:
            content = file.read_bytes()
            file.unlink()
        return Fetched(request.name, content, redact(request.address), told.etag, told.last_modified)


def _error(request: Request, got: str) -> str:
    expected = answers.EXPECTED[request.expect]
    # Apart: what follows a key without a space would be taken for a part of it.
    return f"{request.name}: {redact(request.address)}: expected {expected}, got {redact(got)}"
