"""The landing as the HTTP cache: what a publisher need not send again, because its bytes are here.

See docs/adr/0007-the-landing-is-the-http-cache.md.
"""

import hashlib
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipelines.landing import Landing, Snapshot
from pipelines.network.addresses import bare


@dataclass(frozen=True)
class Kept:
    """A landed file and what the publisher called it."""

    snapshot: Snapshot
    path: Path

    @property
    def headers(self) -> dict[str, str]:
        """Headers that ask for the file only if it has changed."""
        asked = {"If-None-Match": self.snapshot.etag, "If-Modified-Since": self.snapshot.last_modified}
        return {name: value for name, value in asked.items() if value}

    def is_whole(self) -> bool:
        """Whether the bytes on disk are those that were landed."""
        try:
            with self.path.open("rb") as body:
                return hashlib.file_digest(body, "sha256").hexdigest() == self.snapshot.sha256
        except OSError:
            return False


class Shelf:
    """Landed files by address; looked up once, when the first request asks."""

    def __init__(self, landing: Landing | None) -> None:
        self._landing, self._lock = landing, threading.Lock()

    @cached_property
    def _kept(self) -> dict[str, Kept]:
        landed = self._landing.known().items() if self._landing is not None else ()
        kept = {bare(address): Kept(*found) for address, found in landed}
        return {address: one for address, one in kept.items() if one.headers}

    def find(self, address: str) -> Kept | None:
        """The landed file of an address, if the publisher can be asked whether it has changed."""
        with self._lock:
            return self._kept.get(bare(address))

    def forget(self, address: str) -> None:
        """Ask for this address as if nothing were here."""
        with self._lock:
            self._kept.pop(bare(address), None)
