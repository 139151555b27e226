"""The landing: publishers' bytes, never altered, by source and vintage, with a record beside them.

`landing/<source>/<vintage>/<name>/<sha256>` holds the bytes and
`landing/<source>/<vintage>/<name>/record.json` says which of them is current, where it came from and
when. A changed file is landed beside the old one; nothing is overwritten. `landing/<source>/offered.json`
lists the files that the last input offered: what it no longer offers stays on disk and is no longer read.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipelines.files import replacing, sync_folder, write_atomically
from pipelines.redact import redact
from sources.source import EVERYTHING, Fetched, RawFile, Scope, Source, SourceError

_RECORD, _OFFERED = "record.json", "offered.json"


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

    @property
    def downloads(self) -> Path:
        """Where files grow while they are fetched; what is left there can be resumed."""
        return self._root / ".downloads"

    def _folder(self, source_id: str, vintage: str, name: str) -> Path:
        folder = (self._root / source_id / vintage / name).resolve()
        if not folder.is_relative_to(self._root.resolve()):
            raise SourceError(f"{source_id}/{vintage}/{name}: the name climbs out of the landing")
        return folder

    def land(self, source: Source, vintage: str, fetched: Fetched, *, is_simulated: bool) -> tuple[Snapshot, bool]:
        """Keep a file; one that was downloaded is moved here, one of a directory is copied.

        Returns:
            Its record, and whether its content is new. The same content again keeps the time at which it was
            first fetched, and takes over what the publisher now calls it.
        """
        file = RawFile(source.id, vintage, fetched.name, fetched.content)
        sha256 = file.sha256
        folder = self._folder(source.id, vintage, fetched.name)
        current = self._record(folder)
        address = redact(fetched.address)
        if current is not None and current.sha256 == sha256 and (folder / sha256).exists():
            told = (address, fetched.etag or current.etag, fetched.last_modified or current.last_modified)
            if told != (current.address, current.etag, current.last_modified):
                current = replace(current, address=told[0], etag=told[1], last_modified=told[2])
                write_atomically(folder / _RECORD, json.dumps(asdict(current), indent=1).encode())
            self._remove_download(fetched)
            return current, False
        self._keep(fetched, folder / sha256)
        snapshot = Snapshot(
            source_id=source.id,
            vintage=vintage,
            name=fetched.name,
            sha256=sha256,
            bytes=(folder / sha256).stat().st_size,
            address=address,
            fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
            etag=fetched.etag,
            last_modified=fetched.last_modified,
            licence=source.licence,
            is_simulated=is_simulated,
        )
        # The record is written last: until then the landing shows the file that it had.
        write_atomically(folder / _RECORD, json.dumps(asdict(snapshot), indent=1).encode())
        return snapshot, True

    def _is_download(self, fetched: Fetched) -> bool:
        return isinstance(fetched.content, Path) and fetched.content.is_relative_to(self.downloads)

    def _remove_download(self, fetched: Fetched) -> None:
        if isinstance(fetched.content, Path) and self._is_download(fetched):
            fetched.content.unlink(missing_ok=True)

    def _keep(self, fetched: Fetched, target: Path) -> None:
        if not isinstance(fetched.content, Path):
            write_atomically(target, fetched.content)
            return
        if self._is_download(fetched):
            target.parent.mkdir(parents=True, exist_ok=True)
            fetched.content.replace(target)
            sync_folder(target.parent)
            return
        with fetched.content.open("rb") as stream, replacing(target) as kept:
            shutil.copyfileobj(stream, kept)

    def offer(self, source: Source, snapshots: Iterable[Snapshot]) -> None:
        """Say which files the input offers now, after all of them have been landed."""
        body = json.dumps(sorted([snapshot.vintage, snapshot.name] for snapshot in snapshots), indent=0)
        write_atomically(self._root / source.id / _OFFERED, body.encode())

    def distrust(self, source_id: str) -> None:
        """Forget what the publisher calls the files of a source, so that the next run fetches them whole.

        A body that was damaged on its way comes with the validators of the good one: asked for news only, the publisher
        would say for ever that nothing has changed.
        """
        for snapshot in self.snapshots(source_id):
            folder = self._folder(snapshot.source_id, snapshot.vintage, snapshot.name)
            forgotten = replace(snapshot, etag=None, last_modified=None)
            write_atomically(folder / _RECORD, json.dumps(asdict(forgotten), indent=1).encode())

    @staticmethod
    def _record(folder: Path) -> Snapshot | None:
        path = folder / _RECORD
        return Snapshot(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def snapshots(self, source_id: str = "*") -> list[Snapshot]:
        """Current records, of one source or of all, in order of source, vintage and name."""
        found = [self._record(folder) for source in self._root.glob(source_id) for folder in self._current(source)]
        return sorted((s for s in found if s is not None), key=lambda s: (s.source_id, s.vintage, s.name))

    def _current(self, source: Path) -> list[Path]:
        offered = source / _OFFERED
        if not offered.exists():
            return [path.parent for path in source.rglob(_RECORD)]
        return [self._folder(source.name, *where) for where in json.loads(offered.read_text(encoding="utf-8"))]

    def known(self) -> dict[str, tuple[Snapshot, Path]]:
        """Landed files by address, and where their bytes lie, so that publishers can be asked for news only."""
        records = [self._record(path.parent) for path in self._root.rglob(_RECORD)]
        found = {snapshot.address: (snapshot, self._path(snapshot)) for snapshot in records if snapshot is not None}
        return {address: landed for address, landed in found.items() if landed[1].exists()}

    def _path(self, snapshot: Snapshot) -> Path:
        return self._folder(snapshot.source_id, snapshot.vintage, snapshot.name) / snapshot.sha256

    def copy_to(self, other: "Landing", wanted: Iterable[tuple[str, str, str, str]]) -> list[str]:
        """Put landed files, current or not, into another landing, as all that its input offers.

        Args:
            wanted: source, vintage, name and checksum of each file.

        Returns:
            Labels of the files of which the bytes are no longer here; without any, all were copied.
        """
        lacking: list[str] = []
        offered: dict[str, list[list[str]]] = {}
        for source_id, vintage, name, sha256 in wanted:
            folder, target = (one._folder(source_id, vintage, name) for one in (self, other))
            record = self._record(folder)
            if record is None or not (folder / sha256).exists():
                lacking.append(f"{source_id}/{vintage}/{name}")
                continue
            target.mkdir(parents=True, exist_ok=True)
            try:
                (target / sha256).hardlink_to(folder / sha256)
            except OSError:  # another file system
                shutil.copyfile(folder / sha256, target / sha256)
            told = replace(record, sha256=sha256, bytes=(folder / sha256).stat().st_size)
            write_atomically(target / _RECORD, json.dumps(asdict(told), indent=1).encode())
            offered.setdefault(source_id, []).append([vintage, name])
        for source_id, names in offered.items():
            write_atomically(other._root / source_id / _OFFERED, json.dumps(sorted(names), indent=0).encode())
        return lacking

    def retire(self, needed: set[str]) -> Iterator[Path]:
        """Remove bytes that neither a record names nor `needed` holds, as checksums."""
        for record in self._root.rglob(_RECORD):
            current = self._record(record.parent)
            for path in sorted(record.parent.iterdir()):
                if len(path.name) == 64 and path.name not in needed and current and path.name != current.sha256:
                    path.unlink()
                    yield path

    def read(self, snapshot: Snapshot, scope: Scope = EVERYTHING) -> RawFile:
        """The file of a record, compared with its checksum.

        Raises:
            SourceError: the bytes on disk are not those that were landed.
        """

        def beside(name: str) -> RawFile | None:
            here = (s for s in self.snapshots(snapshot.source_id) if (s.vintage, s.name) == (snapshot.vintage, name))
            found = next(here, None)
            return None if found is None else self.read(found, scope)

        path = self._path(snapshot)
        file = RawFile(snapshot.source_id, snapshot.vintage, snapshot.name, path, scope, beside)
        if file.sha256 != snapshot.sha256:
            raise SourceError(
                f"{snapshot.label}: the landed bytes have changed on disk; remove {path.name} and run again"
            )
        return file

    def files(self, source: Source, scope: Scope = EVERYTHING) -> Iterator[tuple[Snapshot, RawFile]]:
        """All current files of a source that its parser reads."""
        for snapshot in self.snapshots(source.id):
            if snapshot.vintage in source.vintage_ids and source.reads(snapshot.name):
                yield snapshot, self.read(snapshot, scope)
