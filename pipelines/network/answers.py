"""What an answer must look like, and what to say of one that does not."""

import gzip
import io
import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from pipelines.network.retrying import RETRIED
from pipelines.redact import redact
from sources.source import Content

ERROR_PAGE = 65_536
"""Bytes of an error page that are read: enough for its title."""

EXPECTED: dict[Content, str] = {
    "json": "JSON",
    "csv": "a CSV file",
    "workbook": "a workbook (OLE or ZIP)",
    "zip": "a ZIP archive",
    "text": "delimited text",
}
CEILINGS: dict[Content, int] = {"json": 300_000_000, "workbook": 300_000_000}
"""Bytes beyond which a kind is not what was meant; kinds that are scanned from disk have the fetcher's own ceiling."""

_OLE, _ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
_PARSED = 50_000_000  # bytes up to which JSON is parsed as a whole
_PAIRS = {b"[[": rb"\]\s*\]\s*$", b"[": rb"\]\s*$", b"{": rb"\}\s*$"}
_CHUNK = 1 << 20


class EncodingError(Exception):
    """A body that is compressed in a way that was not asked for."""


class CutOffError(Exception):
    """A compressed body that is damaged or ends too early."""


class TooLargeError(Exception):
    """A compressed body that goes on beyond its ceiling."""


def is_gzip(encoding: str) -> bool:
    """Whether a Content-Encoding is gzip, which some servers send unasked, or none.

    Raises:
        EncodingError: it is something else.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return False
        case "gzip" | "x-gzip":
            return True
    raise EncodingError(f"a body compressed by {encoding.strip()[:40]!r}, which was not asked for")


def gunzip(wire: BinaryIO, into: BinaryIO, ceiling: int) -> None:
    """Decompress a body in pieces, checked against its CRC.

    Raises:
        CutOffError: it ends before its end mark, or is damaged.
        TooLargeError: it holds more than `ceiling` bytes.
    """
    size = 0
    with gzip.GzipFile(fileobj=wire) as body:
        while True:
            try:
                piece = body.read(_CHUNK)
            except (EOFError, OSError, zlib.error) as error:
                raise CutOffError(f"a gzip body that is damaged or cut off ({type(error).__name__})") from None
            if not piece:
                return
            size += len(piece)
            if size > ceiling:
                raise TooLargeError
            into.write(piece)


def wrong(content: bytes | Path, expect: Content) -> str | None:
    """What is wrong with a body, or None; of a large body only the beginning and the end are looked at."""
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as body:
        head = body.read(ERROR_PAGE)
        size = body.seek(0, io.SEEK_END)
        body.seek(max(0, size - ERROR_PAGE))
        tail = body.read()
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not text and size <= ERROR_PAGE:
            return "an empty body"
        match expect:
            case "json" if size <= _PARSED:
                body.seek(0)
                try:
                    json.loads(body.read())
                except (ValueError, RecursionError) as error:
                    return f"{says(head)} ({error})"
            case "json" if not is_closed(head, tail):
                return f"{says(head)} and does not end like JSON"
            case "workbook" if not head.startswith((_OLE, _ZIP)):
                return says(head)
            case "zip" if not head.startswith(_ZIP):
                return says(head)
            case "csv" | "text" if text.startswith((b"<", _OLE, _ZIP)):
                return says(head)
        if head.startswith(_ZIP) and expect in ("workbook", "zip") and not zipfile.is_zipfile(body):
            return "a ZIP archive without its end: it is cut off"
    return None


def is_closed(head: bytes, tail: bytes) -> bool:
    """Whether what begins like JSON also ends like it; rows within a list, as the Census API sends them, included."""
    start = re.sub(rb"\s", b"", head[:100])
    pair = next((end for begin, end in _PAIRS.items() if start.startswith(begin)), None)
    return pair is not None and re.search(pair, tail[-1000:]) is not None


def says(body: bytes) -> str:
    """The title of an HTML page, else how the body begins."""
    text = body[:ERROR_PAGE].decode("utf-8", "replace")
    if title := re.search(r"(?is)<title[^>]*>(.*?)</title", text):
        return f"an HTML page titled {redact(' '.join(title[1].split()))[:120]!r}"
    begins = redact(" ".join(text[:2000].split()))[:80]
    return f"a body that begins {begins!r}" if begins else ""


def page(body: bytes, encoding: str) -> str:
    """What an error page says, with a comma before it."""
    if "gzip" in encoding:
        try:
            body = zlib.decompressobj(31).decompress(body, ERROR_PAGE)
        except zlib.error:
            body = b""
    said = says(body)
    return f", {said}" if said else ""


def words(error: Exception) -> str:
    """What went wrong with a connection, without the address, which may carry a key."""
    text = re.sub(r"(with url: )\S+", r"\1***", redact(str(error)))
    return f"{type(error).__name__} ({text[:300]})" if text else type(error).__name__


def to_do(status: int) -> str:
    """What a person can do about an answer; 0 stands for none at all."""
    if status in (404, 410):
        return "Find the file on the source's landing page and correct its address in the source's folder."
    if status in (401, 403, 406):
        return "The site refuses this client: see which headers (User-Agent, Referer) it wants and add them."
    if status in RETRIED:
        return "The publisher is busy or down: run again later."
    if status == 0:
        return "Check the network, the proxy settings and the publisher's site, then run again."
    return "Open the address in a browser and correct it in the source's folder."
