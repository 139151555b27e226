"""How hard one host is asked: so many requests at a time and so many a second, for all threads and both clients."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pipelines.network.addresses import LOOPBACK, host_of


@dataclass(frozen=True)
class Limit:
    """Limits of one host.

    Args:
        at_once: requests at a time; a body counts until its last byte is here.
        per_second: requests that may begin in a second, evenly spaced.
    """

    at_once: int = 4
    per_second: float = 10.0


LIMITS: Mapping[str, Limit] = {"api.census.gov": Limit(at_once=8, per_second=200.0)}
"""Hosts that take more than the rest: the Census API answers a run in thousands of small pieces."""


class _Gate:
    def __init__(self, limit: Limit) -> None:
        self._slots, self._lock = threading.BoundedSemaphore(limit.at_once), threading.Lock()
        self._interval, self._next = 1 / limit.per_second, 0.0

    @contextmanager
    def __call__(self, *, is_paced: bool) -> Iterator[None]:
        with self._slots:
            if is_paced:
                with self._lock:
                    now = time.monotonic()
                    begin = max(now, self._next)
                    self._next = begin + self._interval
                time.sleep(begin - now)
            yield


_GATES: dict[tuple[str, Limit], _Gate] = {}
_GATES_LOCK = threading.Lock()


class Throttle:
    """The gates of all hosts; two throttles with the same limits share them within the process.

    Args:
        limits: limits by host, beyond `LIMITS`. A host that is named here is paced even where a server on this
            machine stands in for it, which otherwise needs no sparing.
    """

    def __init__(self, limits: Mapping[str, Limit] | None = None) -> None:
        self._own = dict(limits or {})

    @contextmanager
    def __call__(self, asked: str, sent: str) -> Iterator[None]:
        """Hold a place at the host of `asked`, whose request goes to `sent`."""
        host = host_of(asked)
        limit = self._own.get(host) or LIMITS.get(host) or Limit()
        with _GATES_LOCK:
            gate = _GATES.setdefault((host, limit), _Gate(limit))
        with gate(is_paced=host in self._own or host_of(sent) not in LOOPBACK):
            yield
