"""The `requests` session for client packages that bring their own calls: what they lack, given to every request."""

import io
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from pipelines.network.addresses import MAX_REDIRECTS, RedirectError, Rewrite, redirected
from pipelines.network.answers import (
    CEILINGS,
    CutOffError,
    EncodingError,
    TooLargeError,
    gunzip,
    is_closed,
    is_gzip,
    to_do,
    words,
)
from pipelines.network.retrying import RETRIED, Patience, TryAgainError
from pipelines.network.throttle import Throttle
from pipelines.network.unchanged import Kept, Shelf
from pipelines.redact import redact
from sources.source import PassingError, SourceError

_CHUNK = 1 << 16


class Adapter(HTTPAdapter):
    """Time-outs, retries, limits, conditional requests, verified certificates, whole bodies, errors without secrets."""

    def __init__(
        self,
        rewrite: Rewrite,
        patience: Patience,
        throttle: Throttle,
        shelf: Shelf,
        timeout: tuple[float, float],
        deadline: float,
        max_bytes: int,
    ) -> None:
        super().__init__(pool_maxsize=16)
        self.rewrite, self.patience, self.throttle, self.shelf = rewrite, patience, throttle, shelf
        self.timeout, self.deadline, self.max_bytes = timeout, deadline, min(max_bytes, CEILINGS["json"])

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send one request and read its answer; the last answer is handed over whatever its status.

        Raises:
            PassingError: no answer came after the last attempt, or it broke off.
            SourceError: it is too large, or redirects to where it must not be followed.
        """
        asked = request.url or ""
        sent = request.copy()
        sent.url = self.rewrite(asked)

        def once(kept: Kept | None) -> requests.Response:
            sent.headers = request.headers.copy()
            sent.headers.update(kept.headers if kept is not None else {})
            # Proxies come from the environment, but none stands between us and a stand-in.
            by = {} if sent.url != asked else proxies
            send = super(Adapter, self).send
            return self._whole(asked, lambda: send(sent, True, timeout or self.timeout, verify or True, cert, by))

        failure = ""
        try:
            for attempt in self.patience.rounds():
                with attempt, self.throttle(asked, sent.url):
                    kept = self.shelf.find(asked) if request.method == "GET" else None
                    response = once(kept)
                    if kept is not None and response.status_code == 304:
                        if kept.is_whole():
                            _restore(response, kept)
                        else:
                            self.shelf.forget(asked)
                            response = once(None)
                    response.url, response.request = asked, request
                    self._judge(asked, response)
                    return response
        except TryAgainError as error:
            if error.answer is not None:
                answer: requests.Response = error.answer
                return answer
            failure = str(error)
        raise PassingError(f"{failure} Tried {self.patience.attempts} times.")

    def _judge(self, asked: str, response: requests.Response) -> None:
        body, refused = response.content, ""
        if response.is_redirect:
            try:
                redirected(asked, response.headers["Location"])
            except RedirectError as error:
                refused = str(error)
        if refused:
            raise SourceError(_error(asked, refused, 404))
        if response.status_code in RETRIED:
            after = self.patience.after(response.headers.get("Retry-After"))
            raise TryAgainError(_error(asked, f"HTTP {response.status_code}", response.status_code), after, response)
        # A length that was told too small cuts a body without a word; what is left still begins like a whole one.
        if response.status_code == 200 and body[:1] in (b"[", b"{") and not is_closed(body[:100], body[-1000:]):
            raise TryAgainError(_error(asked, "JSON that does not end", 0), None, response)

    def _whole(self, asked: str, send: Callable[[], requests.Response]) -> requests.Response:
        try:
            response = send()
            try:
                body = self._read(response)
            finally:
                response.raw.close()
            # From here on the body is read from memory, decompressed and whole.
            response.raw = io.BytesIO(body)
            return response
        except TooLargeError:
            passing, failure = False, f"more than {self.max_bytes:,} bytes"
        except urllib3.exceptions.HTTPError as error:
            # Under the names that requests has for errors while a body is read.
            is_late = isinstance(error, urllib3.exceptions.ReadTimeoutError)
            kind = requests.exceptions.ReadTimeout if is_late else requests.exceptions.ChunkedEncodingError
            passing, failure = True, words(kind(error))
        except EncodingError as error:
            passing, failure = False, str(error)
        except CutOffError as error:
            passing, failure = True, str(error)
        except requests.RequestException as error:
            passing, failure = True, words(error)
        # Raised outside the handlers: even `from None` would keep the library's error, with the key, as __context__.
        raise (TryAgainError if passing else SourceError)(_error(asked, failure, 0))

    def _read(self, response: requests.Response) -> bytes:
        ends = time.monotonic() + self.deadline
        wire, size = io.BytesIO(), 0
        while chunk := response.raw.read1(_CHUNK):  # not decompressed: urllib3 does not notice a cut-off gzip body
            size += wire.write(chunk)
            if size > self.max_bytes:
                raise TooLargeError
            if time.monotonic() > ends:
                raise requests.exceptions.ReadTimeout(f"no end after {self.deadline:g} s")
        if not is_gzip(response.headers.pop("Content-Encoding", "")) or not size:
            return wire.getvalue()
        wire.seek(0)
        body = io.BytesIO()
        gunzip(wire, body, self.max_bytes)
        return body.getvalue()


class Session(requests.Session):
    """A session whose own errors are SourceErrors without secrets too."""

    def __init__(self, adapter: Adapter, agent: str) -> None:
        super().__init__()
        self.max_redirects = MAX_REDIRECTS
        self.headers["User-Agent"] = agent
        self.headers["Accept-Encoding"] = "gzip"
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def request(self, method: Any, url: Any, *args: Any, **options: Any) -> requests.Response:
        """As `requests.Session.request`.

        Raises:
            SourceError: the request cannot be made, or is redirected without end.
        """
        try:
            return super().request(method, url, *args, **options)
        except requests.RequestException as error:
            failure = words(error)
        raise SourceError(_error(str(url), failure, 200))


def _restore(response: requests.Response, kept: Kept) -> None:
    """Make a 304 the 200 that it stands for, so that a client package notices nothing."""
    body = kept.path.read_bytes()
    response.status_code, response.reason = 200, "OK"
    response.raw = io.BytesIO(body)
    told = {"ETag": kept.snapshot.etag, "Last-Modified": kept.snapshot.last_modified}
    response.headers.update({name: value for name, value in told.items() if value})
    response.headers["Content-Length"] = str(len(body))
    response.headers.setdefault("Content-Type", "application/json")


def _error(asked: str, got: str, status: int) -> str:
    parts = urlsplit(asked)
    return redact(f"{parts.scheme}://{parts.netloc}{parts.path}: expected an answer, got {got}. {to_do(status)}")
