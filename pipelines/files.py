"""Write files so that a reader sees the old one or the new one, whole; and tell what keeps a home from being written.

A file grows under a name of its own beside its target, `.<name>.<random>.tmp`, which its writer holds locked. The
kernel drops the lock when the writer ends, however it ends: what nobody holds was left behind by a killed run.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

_CAUSES = {
    errno.ENOSPC: "its disk is full: free some space",
    errno.EIO: "its disk is full or fails: free some space, or look at the disk",
    errno.EDQUOT: "its quota is used up: free some space",
    errno.EFBIG: "a file would grow beyond what is allowed (ulimit -f): raise the limit",
    errno.EROFS: "it lies on a read-only file system: mount it for writing, or give another --home",
    errno.EACCES: "its owner does not let you write there: change the permissions, or give another --home",
    errno.EPERM: "its owner does not let you write there: change the permissions, or give another --home",
}
# What SQLite and DuckDB say of the same. "Permission denied" is left out: it may be said of an input.
_SAID = {
    "database or disk is full": errno.ENOSPC,
    "disk I/O error": errno.EIO,
    "unable to open database file": errno.EACCES,
    "attempt to write a readonly database": errno.EROFS,
    **{os.strerror(number): number for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)},
}


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream that becomes `path` in one step when the block ends well, flushed to disk before; else nothing is left.

    Raises:
        OSError: the folder cannot be written to; `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("wb", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield stream
            os.fsync(stream.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_atomically(path: Path, body: bytes) -> None:
    """Write beside the target, flush to disk, then rename over it.

    Raises:
        OSError: the folder cannot be written to; `path` stays as it was.
    """
    with replacing(path) as stream:
        rest = memoryview(body)
        while rest:  # one call writes at most two gigabytes
            rest = rest[stream.write(rest) :]


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(root: Path, *, without: frozenset[str] = frozenset()) -> list[Path]:
    """Remove unfinished files that nobody writes any more.

    Args:
        without: names of folders directly under `root` that are left alone.

    Returns:
        What was removed.
    """
    removed = []
    for folder, folders, names in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in without]
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") and name.endswith(".tmp") and _is_abandoned(path):
                path.unlink(missing_ok=True)
                removed.append(path)
    return removed


def _is_abandoned(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


def hindrance(error: BaseException | str, root: Path) -> str | None:
    """Why a home could not be written, as the rest of a sentence with what to do; None where that is not the matter.

    Args:
        error: what was raised, looked through down to its causes; or what was said of it.
        root: the home; what is wrong with a file elsewhere is another matter.
    """
    if isinstance(error, str):
        return next((_CAUSES[number] for said, number in _SAID.items() if said in error), None)
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _CAUSES:
            elsewhere = seen.filename is not None and not Path(os.fsdecode(seen.filename)).is_relative_to(root)
            return None if elsewhere else _CAUSES[seen.errno]
        if told := hindrance(str(seen), root):
            return told
        seen = seen.__cause__ or seen.__context__
    return None
