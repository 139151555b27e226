"""One run at a time for one home, by a lock that dies with its owner."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = ".lock"
_mine: dict[Path, int] = {}


class BusyError(Exception):
    """Another run is at work on this home."""


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the lock of a home; who holds it already in this process holds it once more.

    The kernel drops it when the process ends, however it ends: nothing has to be cleaned up after a crash.

    Raises:
        BusyError: another process holds it.
        OSError: the home cannot be written to.
    """
    path = home / _LOCK
    if _mine.get(path):
        _mine[path] += 1
        try:
            yield
        finally:
            _mine[path] -= 1
        return
    home.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().decode(errors="replace").strip() or "unknown"
            raise BusyError(
                f"another run is at work on the home {home.name!r} (process {holder}): "
                "wait for it, or give another --home"
            ) from None
        stream.truncate(0)
        with suppress(OSError):  # the number is a courtesy: going back a release needs no room on the disk
            stream.write(str(os.getpid()).encode())
        _mine[path] = 1
        try:
            yield
        finally:
            del _mine[path]
            stream.truncate(0)
