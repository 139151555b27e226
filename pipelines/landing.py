"""The landing: publishers' bytes, never altered, by source and vintage, with a record beside them.

`landing/<source>/<vintage>/<name>/<sha256>` holds the bytes and
`landing/<source>/<vintage>/<name>/record.json` says which of them is current, where it came from and
when. A changed file is landed beside the old one; nothing is overwritten.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.files import write_atomically
from pipelines.redact import redact
from sources.source import Fetched, RawFile, Source, SourceError

_RECORD = "record.json"


@dataclass(frozen=True)
class Snapshot:
    """The record of a landed file."""

    source_id: str
    vintage: str
    name: str
    sha256: str
    bytes: int
    address: str
    fetched_at: str
    etag: str | None
    last_modified: str | None
    licence: str
    is_simulated: bool

    @property
    def label(self) -> str:
        return f"{self.source_id}/{self.vintage}/{self.name}"


class Landing:
    """The landing of one home."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _folder(self, source_id: str, vintage: str, name: str) -> Path:
        folder = (self._root / source_id / vintage / name).resolve()
        if not folder.is_relative_to(self._root.resolve()):
            raise SourceError(f"{source_id}/{vintage}/{name}: the name climbs out of the landing")
        return folder

    def land(self, source: Source, vintage: str, fetched: Fetched, *, is_simulated: bool) -> tuple[Snapshot, bool]:
        """Keep a file.

        Returns:
            Its record, and whether its content is new. The same content again leaves the record
            as it was.
        """
        sha256 = hashlib.sha256(fetched.body).hexdigest()
        folder = self._folder(source.id, vintage, fetched.name)
        current = self._record(folder)
        if current is not None and current.sha256 == sha256 and (folder / sha256).exists():
            return current, False
        write_atomically(folder / sha256, fetched.body)
        snapshot = Snapshot(
            source_id=source.id,
            vintage=vintage,
            name=fetched.name,
            sha256=sha256,
            bytes=len(fetched.body),
            address=redact(fetched.address),
            fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
            etag=fetched.etag,
            last_modified=fetched.last_modified,
            licence=source.licence,
            is_simulated=is_simulated,
        )
        # The record is written last: until then the landing shows the file that it had.
        write_atomically(folder / _RECORD, json.dumps(asdict(snapshot), indent=1).encode())
        return snapshot, True

    @staticmethod
    def _record(folder: Path) -> Snapshot | None:
        path = folder / _RECORD
        return Snapshot(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def snapshots(self, source_id: str = "*") -> list[Snapshot]:
        """Current records, of one source or of all, in order of source, vintage and name."""
        found = [self._record(path.parent) for path in self._root.glob(f"{source_id}/*/**/{_RECORD}")]
        return sorted((s for s in found if s is not None), key=lambda s: (s.source_id, s.vintage, s.name))

    def read(self, snapshot: Snapshot) -> RawFile:
        """The bytes of a record, compared with its checksum.

        Raises:
            SourceError: the bytes on disk are not those that were landed.
        """
        path = self._folder(snapshot.source_id, snapshot.vintage, snapshot.name) / snapshot.sha256
        file = RawFile(snapshot.source_id, snapshot.vintage, snapshot.name, path.read_bytes())
        if file.sha256 != snapshot.sha256:
            raise SourceError(
                f"{snapshot.label}: the landed bytes have changed on disk; remove {path.name} and run again"
            )
        return file

    def files(self, source: Source) -> Iterator[tuple[Snapshot, RawFile]]:
        """All current files of a source that its parser reads."""
        for snapshot in self.snapshots(source.id):
            if snapshot.vintage in source.vintage_ids and source.reads(snapshot.name):
                yield snapshot, self.read(snapshot)
