"""The only way to the network: time-outs, retries, a ceiling on size, a look at what came, no secret in an error."""

import json
import logging
import os
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import requests
import stamina
import stamina.instrumentation
import urllib3
from requests.adapters import HTTPAdapter

from pipelines.landing import Landing
from pipelines.redact import SECRETS, install, redact
from sources.source import Content, Fetched, PassingError, Request, SourceError

USER_AGENT = "headwaters/0.1 (+public data pipeline; contact: see README)"
RETRIED = frozenset({429, 500, 502, 503, 504})

_OLE, _ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
_ERROR_PAGE = 65_536  # bytes of an error page that are read: enough for its title
_LOG = logging.getLogger(__name__)


class _TryAgainError(PassingError):
    """A failure that may pass; `after` is how many seconds the publisher asks us to wait."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class _Rewrite:
    """Sends what is meant for a publisher to another server, so that a loopback publisher can serve everything."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        for target in hosts.values():
            parts = urlsplit(target)
            # A key would travel to the other server: in the clear only within this machine.
            if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
                raise SourceError(f"Requests cannot be sent on to {redact(target)}: use https, or a loopback address.")
        self.hosts = {source.rstrip("/"): target.rstrip("/") for source, target in hosts.items()}

    def __call__(self, address: str) -> str:
        for source, target in self.hosts.items():
            # The next character must end the host: https://api.census.gov.example is somebody else.
            if address.startswith(source) and address[len(source) :][:1] in ("", "/", "?"):
                return target + address[len(source) :]
        return address

    @property
    def names(self) -> list[str]:
        return sorted({urlsplit(target).hostname or "" for target in self.hosts.values()})


class _Adapter(HTTPAdapter):
    """Gives client packages what they lack: time-outs, retries, verified certificates and errors without secrets."""

    def __init__(self, rewrite: _Rewrite, timeout: tuple[float, float], retries: urllib3.Retry) -> None:
        super().__init__(max_retries=retries)
        self.rewrite, self.timeout = rewrite, timeout

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send one request.

        Raises:
            SourceError: no answer came after the last attempt, or it broke off.
        """
        asked = request.url or ""
        request.url = self.rewrite(asked)
        if request.url != asked:
            proxies = {}
        try:
            response = super().send(request, stream, timeout or self.timeout, verify or True, cert, proxies)
            response.url = asked
            if not stream:
                _ = response.content  # read here, so that an answer that breaks off is caught here
            return response
        except requests.RequestException as error:
            failure = f"{_words(error)} after up to {self.max_retries.total} retries"
        finally:
            request.url = asked
        # Raised outside the handler: even `from None` would keep the library's error, with the key, as __context__.
        raise PassingError(redact(f"{asked.partition('?')[0]}: expected an answer, got {failure}. {_todo(0)}"))


class HttpFetcher:
    """The live `Fetcher`.

    Args:
        attempts: how often a request is tried in all, on 429, 5xx and broken connections.
        wait_initial: seconds before the second attempt; doubles from then on.
        retry_after_max: the longest wait, in seconds, that a publisher's Retry-After is granted.
        timeout: seconds without a byte after which an attempt fails.
        deadline: seconds after which an attempt fails although bytes still trickle in.
        max_bytes: the largest body that is accepted.
        rewrite: host prefix to the server that stands in for it; without it the JSON mapping in
            HEADWATERS_REWRITE_HOSTS, if any.

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
        max_bytes: int = 300_000_000,
        rewrite: Mapping[str, str] | None = None,
        landing: Landing | None = None,
    ) -> None:
        install()
        # Without this stamina prints past logging wherever structlog happens to be installed.
        stamina.instrumentation.set_on_retry_hooks((_log_retry,))
        self.attempts, self.wait_initial, self.retry_after_max = attempts, wait_initial, retry_after_max
        self.timeout, self.deadline, self.max_bytes = timeout, deadline, max_bytes
        self.rewrite = _Rewrite(_hosts_from_environment() if rewrite is None else rewrite)

    def get(self, request: Request) -> Fetched:
        """Fetch one file.

        Raises:
            SourceError: the publisher cannot be reached, refuses, or sends something else than was asked for.
        """
        failure = ""
        headers = httpx.Headers({"User-Agent": USER_AGENT, "Accept": "*/*"})
        headers.update(request.headers)
        retries = stamina.retry_context(
            on=lambda error: (error.after or True) if isinstance(error, _TryAgainError) else False,
            attempts=self.attempts,
            timeout=None,  # a large file may take longer than any sensible limit; `attempts` bounds it
            wait_initial=self.wait_initial,
            wait_max=30 * self.wait_initial,
            wait_jitter=self.wait_initial,
        )
        with httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(self.timeout, connect=min(self.timeout, 10.0)),
            follow_redirects=True,
            event_hooks={"request": [self._send_on]},
            # Proxies come from the environment, but none stands between us and a stand-in.
            mounts=dict.fromkeys((f"all://{name}" for name in self.rewrite.names), None),
        ) as client:
            try:
                for attempt in retries:
                    with attempt:
                        return self._try(client, request)
            except _TryAgainError as error:
                failure = str(error)
        raise PassingError(f"{failure} Tried {self.attempts} times.")

    def session(self) -> requests.Session:
        """A session with time-outs and retries for client packages; its errors are SourceErrors without secrets."""
        session = requests.Session()
        session.headers["User-Agent"] = USER_AGENT
        retries = urllib3.Retry(
            total=self.attempts - 1,
            status_forcelist=RETRIED,
            allowed_methods=frozenset({"GET", "HEAD"}),
            backoff_factor=self.wait_initial,
            backoff_max=30 * self.wait_initial,
            retry_after_max=self.retry_after_max,  # type: ignore[arg-type]  # an int only by its annotation
            raise_on_status=False,  # the caller sees the last answer, with what the publisher says
        )
        adapter = _Adapter(self.rewrite, (min(self.timeout, 10.0), self.timeout), retries)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

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

    def _send_on(self, request: httpx.Request) -> None:
        address = str(request.url)
        if (sent := self.rewrite(address)) != address:
            request.url = httpx.URL(sent)
            request.headers["Host"] = request.url.netloc.decode()

    def _try(self, client: httpx.Client, request: Request) -> Fetched:
        where = f"{request.name}: {redact(request.address)}: expected {_EXPECTED[request.expect]}, got "
        try:
            with client.stream("GET", request.address) as response:
                if response.status_code != 200:
                    page = self._read(response, _ERROR_PAGE)
                    message = f"{where}HTTP {response.status_code}{_looks(page)}. {_todo(response.status_code)}"
                    if response.status_code in RETRIED:
                        raise _TryAgainError(redact(message), self._retry_after(response))
                    raise SourceError(redact(message))
                size = int(response.headers.get("Content-Length", "0"))
                body = b"" if size > self.max_bytes else self._read(response, self.max_bytes + 1)
                if max(size, len(body)) > self.max_bytes:
                    raise SourceError(
                        f"{where}more than {self.max_bytes:,} bytes. Look at the file: if it has really grown, raise "
                        "max_bytes."
                    )
                if wrong := _wrong(body, request.expect):
                    raise SourceError(redact(f"{where}{wrong}. {_todo(200)}"))
                return Fetched(
                    name=request.name,
                    content=body,
                    address=redact(request.address),
                    etag=response.headers.get("ETag"),
                    last_modified=response.headers.get("Last-Modified"),
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            passing = isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)
            failure = redact(f"{where}{_words(error)}. {_todo(0)}")
        raise _TryAgainError(failure) if passing else SourceError(failure)

    def _read(self, response: httpx.Response, at_most: int) -> bytes:
        started, body = time.monotonic(), bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) >= at_most:
                break
            if time.monotonic() - started > self.deadline:
                raise httpx.ReadTimeout(f"no end after {self.deadline:.0f} s")
        return bytes(body[:at_most])

    def _retry_after(self, response: httpx.Response) -> float | None:
        seconds = response.headers.get("Retry-After", "").strip()
        return min(float(seconds), self.retry_after_max) if seconds.isdecimal() else None


_EXPECTED: dict[Content, str] = {
    "json": "JSON",
    "csv": "a CSV file",
    "workbook": "a workbook (OLE or ZIP)",
    "zip": "a ZIP archive",
    "text": "delimited text",
}


def _wrong(body: bytes, expect: Content) -> str | None:
    """What is wrong with a body, or None."""
    if not body.strip():
        return "an empty body"
    match expect:
        case "json":
            try:
                json.loads(body)
            except ValueError as error:
                return f"{_looks(body).lstrip(', ')} ({error})"
        case "workbook" if not body.startswith((_OLE, _ZIP)):
            return _looks(body).lstrip(", ")
        case "csv" if body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
            return _looks(body).lstrip(", ")
    return None


def _looks(body: bytes) -> str:
    """The title of an HTML page, else how the body begins."""
    text = body[:_ERROR_PAGE].decode("utf-8", "replace")
    if title := re.search(r"(?is)<title[^>]*>(.*?)</title", text):
        return f", an HTML page titled {redact(' '.join(title[1].split()))[:120]!r}"
    begins = redact(" ".join(text[:2000].split()))[:80]
    return f", a body that begins {begins!r}" if begins else ""


def _words(error: Exception) -> str:
    """What went wrong with a connection, without the address, which may carry a key."""
    text = re.sub(r"(with url: )\S+", r"\1***", redact(str(error)))
    return f"{type(error).__name__} ({text[:300]})" if text else type(error).__name__


def _todo(status: int) -> str:
    if status in (404, 410):
        return "Find the file on the source's landing page and correct its address in the source's folder."
    if status in (401, 403, 406):
        return "The site refuses this client: see which headers (User-Agent, Referer) it wants and add them."
    if status in RETRIED:
        return "The publisher is busy or down: run again later."
    if status == 0:
        return "Check the network, the proxy settings and the publisher's site, then run again."
    return "Open the address in a browser and correct it in the source's folder."


def _log_retry(details: stamina.instrumentation.RetryDetails) -> None:
    _LOG.warning("Attempt %d: %s Next in %.1f s.", details.retry_num, details.caused_by, details.wait_for)


def _hosts_from_environment() -> dict[str, str]:
    text = os.environ.get("HEADWATERS_REWRITE_HOSTS", "").strip()
    try:
        hosts = json.loads(text) if text else {}
    except ValueError:
        hosts = None
    if not isinstance(hosts, dict) or not all(isinstance(target, str) for target in hosts.values()):
        raise SourceError(
            "HEADWATERS_REWRITE_HOSTS must be a JSON mapping such as "
            '{"https://api.census.gov": "http://127.0.0.1:8000"}. Correct or unset it.'
        )
    return hosts
