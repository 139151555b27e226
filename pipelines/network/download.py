"""A body on its way to disk: it grows as a `.part`, goes on after a break, and is checked before it counts as a file.

What is kept is the body as it comes over the wire, so that lengths and checksums can be compared and a compressed
body resumed too; it is decompressed once it is whole.
"""

import base64
import binascii
import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Self
from uuid import uuid4

import httpx

from pipelines.network.answers import CutOffError, gunzip, is_gzip

IN_MEMORY = 1_000_000
"""Bytes up to which a body is handed over as bytes."""

_STALE = 7 * 86_400  # seconds after which what lies in the folder is of no use to anyone
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_DIGESTS = {"md5": "md5", "sha-256": "sha256", "sha-512": "sha512"}
_CHECKED = ("Content-Digest", "Repr-Digest", "Digest")


class BrokenBodyError(Exception):
    """A body that is not the one that was announced; what came of it is thrown away."""


@dataclass(frozen=True)
class Told:
    """What the publisher said of the whole body when it began to send it."""

    address: str
    etag: str | None
    last_modified: str | None
    total: int | None
    is_gzip: bool
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def validator(self) -> str | None:
        """What `If-Range` may name: a weak ETag does not promise the same bytes."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


def sweep(folder: Path) -> None:
    """Remove what earlier runs left behind too long ago to be resumed."""
    for path in folder.glob("*") if folder.is_dir() else ():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()


class Part:
    """The unfinished file of one address; use as a context manager.

    A second process that downloads the same address at the same time gets a file of its own.

    Args:
        folder: where files grow.
        address: without any secret.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address
        self._stem = hashlib.sha256(address.encode()).hexdigest()[:32]
        self._is_done = False

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / f"{self._stem}.part"
        while True:
            self._file: BinaryIO = self._path.open("ab")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Between opening and locking, whoever held it may have finished: then it is no part any more.
                if os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
                    return self
            except BlockingIOError:
                self._path = self._folder / f"{self._stem}-{uuid4().hex}.part"
            except FileNotFoundError:
                pass
            self._file.close()

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.flush()
            told = self._told()
            if not self._is_done and (self.size == 0 or told is None or told.validator is None):
                self._path.unlink(missing_ok=True)
                self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self._path.with_suffix(".told")

    @property
    def size(self) -> int:
        """Bytes that are on disk."""
        return os.fstat(self._file.fileno()).st_size

    def discard(self) -> None:
        """Begin anew."""
        self._file.seek(0)
        self._file.truncate(0)
        self._record.unlink(missing_ok=True)

    def _told(self) -> Told | None:
        try:
            told = Told(**json.loads(self._record.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return told if told.address == self._address else None

    def resume(self) -> dict[str, str]:
        """Headers that ask for the rest; without any where there is nothing that could go on."""
        told, size = self._told(), self.size
        if told is None or told.validator is None or (told.total is not None and size > told.total):
            self.discard()
            return {}
        if size and size == told.total:
            # Only its end was missing: ask for the last byte, because there is no range of no bytes.
            self._file.truncate(size := size - 1)
        return {"Range": f"bytes={size}-", "If-Range": told.validator} if size else {}

    def begin(self, response: httpx.Response) -> Told:
        """Take note of the headers of a 200 or 206; returns what is known of the whole body.

        Raises:
            BrokenBodyError: a piece that does not continue what is here.
            EncodingError: a body that is compressed in a way that was not asked for.
        """
        headers = response.headers
        encoded = is_gzip(headers.get("Content-Encoding", ""))
        if response.status_code == 206:
            told = self._told()
            piece = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
            fits = (
                told is not None
                and piece is not None
                and int(piece[1]) == self.size
                and (piece[3] == "*" or told.total is None or int(piece[3]) == told.total)
                and headers.get("ETag", told.etag) == told.etag
                and encoded == told.is_gzip
            )
            if not fits or told is None:
                raise BrokenBodyError(f"a piece ({headers.get('Content-Range', 'no range')}) that does not fit")
            return told
        length = headers.get("Content-Length", "")
        told = Told(
            self._address,
            headers.get("ETag"),
            headers.get("Last-Modified"),
            int(length) if length.isdecimal() else None,
            encoded,
            _digests(headers),
        )
        self.discard()
        self._record.write_text(json.dumps(asdict(told)), encoding="utf-8")
        return told

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def flush(self) -> None:
        """Bring to disk what came before a break."""
        self._file.flush()

    def finish(self, ceiling: int) -> Path:
        """The whole body as a file that the caller owns.

        Raises:
            BrokenBodyError: it is too short or too long, does not have the publisher's checksum, or is damaged.
            TooLargeError: it holds more than `ceiling` bytes once decompressed.
        """
        self._file.flush()
        told, size = self._told(), self.size
        if told is not None and told.total is not None and size != told.total:
            raise BrokenBodyError(f"{size:,} bytes in place of {told.total:,}")
        for algorithm, digest in told.digests.items() if told is not None else ():
            with self._path.open("rb") as body:
                if hashlib.file_digest(body, algorithm).hexdigest() != digest:
                    raise BrokenBodyError(f"a body that does not have the {algorithm} that came with it")
        target = self._folder / f"{self._stem}-{uuid4().hex}"
        if told is not None and told.is_gzip:
            self._decompress(target, ceiling)
            self.discard()
        else:
            if size > IN_MEMORY:
                os.fsync(self._file.fileno())
            self._path.replace(target)
            self._is_done = True
            self._record.unlink(missing_ok=True)
        return target

    def _decompress(self, target: Path, ceiling: int) -> None:
        try:
            with self._path.open("rb") as wire, target.open("wb") as into:
                gunzip(wire, into, ceiling)
                os.fsync(into.fileno())
        except BaseException as error:
            target.unlink(missing_ok=True)
            if isinstance(error, CutOffError):
                raise BrokenBodyError(str(error)) from None
            raise


def _digests(headers: Mapping[str, str]) -> dict[str, str]:
    """Checksums of a body as it comes over the wire, in hexadecimal by the name that hashlib has for them."""
    said = [f"md5={headers.get('Content-MD5', '')}"]
    said += [item for name in _CHECKED for item in headers.get(name, "").split(",")]
    found = {}
    for item in said:
        name, _, text = item.strip().partition("=")
        algorithm = _DIGESTS.get(name.lower())
        with suppress(binascii.Error, ValueError):
            digest = base64.b64decode(text.strip().strip(":"), validate=True)
            if algorithm and len(digest) == hashlib.new(algorithm, usedforsecurity=False).digest_size:
                found[algorithm] = digest.hex()
    return found
