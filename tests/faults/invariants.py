"""What holds of a home at any instant, whatever has happened to the run that was at work on it."""

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from tests.faults.reading import release_of, torn

FILE = re.compile(r"^headwaters-(\d{6})\.duckdb$")
FIGURES = "core.census_saipe_county"


class BrokenError(AssertionError):
    """Something that must always hold does not."""


def require(holds: bool, said: str) -> None:
    if not holds:
        raise BrokenError(said)


@dataclass
class Watch:
    """A home that is looked at again and again; a release once found whole must never change or lose its inputs."""

    home: Path
    known: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    inputs: dict[str, set[str]] = field(default_factory=dict)
    opened: int = 0

    @property
    def current(self) -> Path:
        return self.home / "published" / "current.duckdb"

    def look(self, offered: dict[str, str]) -> str:
        """Compare everything with its checksums.

        Args:
            offered: checksum of the changing input file by what it is called: `old` or `new`.

        Returns:
            Which of them the current release was made from.

        Raises:
            BrokenError: anything is torn, lost or neither old nor new.
        """
        require(self.current.is_symlink(), "published/current.duckdb is no link")
        target = self.current.resolve()
        require(bool(FILE.match(target.name)), f"the link points to {target.name}")
        require(target.is_file(), f"the link points to {target.name}, which is not there")
        for path in sorted((self.home / "published").glob("headwaters-*.duckdb")):
            self._whole(path)
        self._landing()
        return self._version(target, offered)

    def _whole(self, path: Path) -> None:
        told = path.stat()
        identity = (told.st_ino, told.st_size, told.st_mtime_ns)
        if path.name in self.known:
            require(self.known[path.name] == identity, f"{path.name} was changed after it was published")
            return
        require(stat.S_ISREG(told.st_mode) and not told.st_mode & 0o222, f"{path.name} can be written to")
        with duckdb.connect(str(path), read_only=True) as connection:
            wrong = torn(connection)
            require(not wrong, f"{path.name}: torn tables {wrong}")
            number = release_of(connection)
            self.inputs[path.name] = {
                sha for (sha,) in connection.execute("SELECT sha256 FROM meta.snapshots").fetchall()
            }
        match = FILE.match(path.name)
        require(match is not None and int(match[1]) == number, f"{path.name} says that it is release {number}")
        self.known[path.name] = identity
        self.opened += 1

    def _landing(self) -> None:
        """Every record names bytes that are there and are what it says; no kept release has lost its inputs."""
        landing = self.home / "landing"
        for record in landing.rglob("record.json"):
            told = json.loads(record.read_text(encoding="utf-8"))
            body = (record.parent / told["sha256"]).read_bytes()
            require(hashlib.sha256(body).hexdigest() == told["sha256"], f"{record.parent.name}: other bytes")
            require(len(body) == told["bytes"], f"{record.parent.name}: other size")
        there = {path.name for path in landing.rglob("*") if len(path.name) == 64}
        for name in [path.name for path in (self.home / "published").glob("headwaters-*.duckdb")]:
            require(self.inputs[name] <= there, f"files that {name} was made from are no longer landed")

    def _version(self, target: Path, offered: dict[str, str]) -> str:
        """Old or new: by what the release says that it read, and by every row that was read from it."""
        with duckdb.connect(str(target), read_only=True) as connection:
            listed = {sha for (sha,) in connection.execute("SELECT sha256 FROM meta.snapshots").fetchall()}
            rows = {sha for (sha,) in connection.execute(f"SELECT DISTINCT snapshot_sha256 FROM {FIGURES}").fetchall()}
        found = [name for name, sha in offered.items() if sha in listed]
        require(len(found) == 1, f"{target.name} was read from {found or 'neither'}")
        require(offered[found[0]] in rows, f"{target.name} says {found[0]} and holds other rows")
        require(rows <= listed, f"{target.name} holds rows of a file that it does not list")
        return found[0]


def strays(home: Path) -> list[str]:
    """What a run leaves behind only if it is killed."""
    found = []
    for folder, folders, names in os.walk(home):
        if Path(folder) == home:
            folders[:] = [name for name in folders if name != "dagster"]
        for name in names:
            path = Path(folder) / name
            is_stray = name.endswith((".tmp", ".wal", ".part")) or name.startswith((".staging", ".current"))
            if is_stray or (path.is_symlink() and not path.exists()):
                found.append(str(path.relative_to(home)))
    return sorted(found)
