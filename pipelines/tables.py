"""Tables between steps: one Parquet file each, written atomically, what is absent travelling with it."""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from models.indicators.assemble import AbsentPart
from pipelines.files import write_atomically
from quality.contract import Table

_ABSENT = "headwaters.absent"


class TableMissingError(Exception):
    """A table that a step reads has not been materialized in this home."""


@lru_cache(maxsize=1024)
def _checksum(path: Path, inode: int, changed: int, size: int) -> str:
    """SHA-256 of a file as it was at this moment: the same table is asked for by every step that reads it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class TableStore:
    """The tables of one home, `tables/<schema>/<name>.parquet`."""

    root: Path

    def path(self, key: str) -> Path:
        """Where a table lies."""
        return self.root.joinpath(*key.split(".")).with_suffix(".parquet")

    def write(self, table: Table, frame: pl.DataFrame, absent: Sequence[AbsentPart] = ()) -> pl.DataFrame:
        """Bring a frame into its table's shape and keep it.

        Returns:
            The frame as it is stored.

        Raises:
            ContractError: columns or types are not the declared ones.
        """
        conformed = table.conform(frame)
        buffer = io.BytesIO()
        conformed.write_parquet(buffer, metadata={_ABSENT: json.dumps(absent)})
        write_atomically(self.path(table.key), buffer.getvalue())
        return conformed

    def read(self, key: str, where: pl.Expr | None = None) -> pl.DataFrame:
        """The stored frame, or the rows of it that meet a condition.

        Raises:
            TableMissingError: the table was never written in this home.
        """
        if where is None:
            return pl.read_parquet(self._existing(key))
        return pl.scan_parquet(self._existing(key)).filter(where).collect()

    def listed(self, key: str, *columns: str) -> pl.DataFrame:
        """The different rows of some columns of a stored table.

        Raises:
            TableMissingError: the table was never written in this home.
        """
        return pl.scan_parquet(self._existing(key)).select(columns).unique(maintain_order=True).collect()

    def _existing(self, key: str) -> Path:
        path = self.path(key)
        if not path.exists():
            raise TableMissingError(f"{key} is not in this home yet: materialize it first")
        return path

    def sha256(self, key: str) -> str:
        """Checksum of a stored table's file.

        Raises:
            TableMissingError: the table was never written in this home.
        """
        path = self._existing(key)
        found = path.stat()
        return _checksum(path, found.st_ino, found.st_mtime_ns, found.st_size)

    def has(self, key: str) -> bool:
        """Whether the table was ever written in this home."""
        return self.path(key).exists()

    def counts(self, key: str, column: str) -> dict[str, int]:
        """Rows of a stored table by the values of a column."""
        return dict(pl.scan_parquet(self.path(key)).group_by(column).len().collect().iter_rows())

    def absent(self, key: str) -> list[AbsentPart]:
        """What was absent when the table was written."""
        return [AbsentPart(*row) for row in json.loads(pl.read_parquet_metadata(self.path(key))[_ABSENT])]
