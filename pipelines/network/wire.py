"""What httpx does not tell of a connection: whether time is up, and whether more came than was announced."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

_BLANK_LINE = re.compile(rb"\n\r?\n")
_GRACE = 0.5  # seconds in which the end of a connection, of which the last byte is here, must come


class Wire:
    """Watches the connection of one attempt, through httpcore's trace extension.

    httpx's time-outs start anew with every byte, in the headers too, and what follows a body of the announced
    length is thrown away unseen, although it says that the length was wrong.

    Args:
        deadline: seconds after which reading fails although bytes still trickle in.
    """

    def __init__(self, deadline: float) -> None:
        self._seconds, self._ends = deadline, time.monotonic() + deadline
        self._read: Callable[..., bytes] | None = None
        self._head: bytearray | None = None
        self._body = 0

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpcore; every new connection is read through this object."""
        stream = info.get("return_value")
        if event.endswith(("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")):
            self._read, stream.read = stream.read, self._watched(stream.read)  # type: ignore[union-attr]
            self._head, self._body = bytearray(), 0

    def _watched(self, read: Callable[..., bytes]) -> Callable[..., bytes]:
        def watched(max_bytes: int, timeout: float | None = None) -> bytes:
            left = self._ends - time.monotonic()
            try:
                data = read(max_bytes, max(0.001, left if timeout is None else min(timeout, left)))
            finally:
                if time.monotonic() >= self._ends:
                    raise httpx.ReadTimeout(f"no end after {self._seconds:g} s")
            self._count(data)
            return data

        return watched

    def _count(self, data: bytes) -> None:
        if self._head is None:
            self._body += len(data)
            return
        self._head += data
        while end := _BLANK_LINE.search(self._head):
            is_interim = self._head.split(b" ", 2)[1:2] and self._head.split(b" ", 2)[1].startswith(b"1")
            del self._head[: end.end()]
            if not is_interim:
                self._body, self._head = len(self._head), None
                return

    def goes_on_after(self, length: int) -> bool:
        """Whether more bytes came than the body was to have; asked while the connection is still open."""
        if self._body > length:
            return True
        try:
            # We asked for `Connection: close`: the end follows the last byte at once.
            return self._read is not None and bool(self._read(1, _GRACE))
        except Exception:
            return False  # a connection that ends roughly, or stays open, ends the body all the same
