"""What a source is, and what a parser may return.

A source reaches the network only through the `Fetcher` that it is handed, so that every request
goes through one place that knows about time-outs, retries and secrets.
"""

import fnmatch
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import polars as pl
import requests

from quality.contract import Table

Content = Literal["json", "csv", "workbook", "zip", "text"]
"""What an answer must be: an HTML page in its place is refused. `text` is any delimited text."""


class SourceError(Exception):
    """A publisher's file or answer that cannot be used; says which, where and what to do."""


class PassingError(SourceError):
    """A publisher is busy, down or out of reach: the same request may be answered later."""


class ParseError(SourceError):
    """A malformed file: names the file, the sheet, the row and the rule that it breaks."""

    def __init__(self, file: str, rule: str, *, sheet: str | None = None, row: int | str | None = None) -> None:
        where = "".join([f", sheet {sheet!r}" if sheet is not None else "", f", row {row}" if row is not None else ""])
        super().__init__(f"{file}{where}: {rule}")
        self.file, self.sheet, self.row, self.rule = file, sheet, row, rule


@dataclass(frozen=True)
class Correction:
    """A known error in a publisher's own figures; see `sources.corrections`.

    Args:
        kind: `total`, a Total that is not the sum of its rows and is accepted as it is; or `value`, a cell
            that is read as something else than it says.
        file: name of the file, or a pattern (fnmatch) where later editions repeat the error.
        holds: the entry speaks of a file that holds this text as a cell, and of no other of the same name.
        where: which rows: the sheet of a Total, or column and text that find the rows of a value.
        column: the column that is wrong.
        published: what the publisher printed.
        expected: what the rows sum to, or what the cell is read as.
    """

    id: str
    kind: str
    file: str
    holds: str
    where: Mapping[str, str]
    column: str
    published: str
    expected: str
    why: str
    evidence: str


@dataclass(frozen=True)
class Vintage:
    """One release of a publisher's product.

    Args:
        id: the year that names the release and its folder.
        live: whether a live run fetches it; older vintages are read where they lie.
        released: the day of its release, ISO 8601, from which `headwaters doctor` reckons when the next is due.
    """

    id: str
    live: bool = True
    released: str | None = None


@dataclass(frozen=True)
class Scope:
    """What a run needs of publishers that offer more than anyone could use.

    Args:
        cells: ACS cells that indicators name, such as `B14005_010`.
        states: two-digit FIPS codes of the states that the region touches; None for the whole nation.
            Levels below the county are fetched for these states only.
    """

    cells: tuple[str, ...] = ()
    states: tuple[str, ...] | None = None


EVERYTHING = Scope()


@dataclass(frozen=True)
class Request:
    """A file to fetch: what it will be called, where it is, and what it must contain.

    Args:
        max_bytes: the largest body that is accepted, where it differs from the fetcher's own ceiling.
    """

    name: str
    address: str
    expect: Content
    headers: Mapping[str, str] = field(default_factory=dict)
    max_bytes: int | None = None


@dataclass(frozen=True)
class Fetched:
    """A file as published, in memory or on disk where it is large. `address` never holds a secret."""

    name: str
    content: bytes | Path
    address: str
    etag: str | None = None
    last_modified: str | None = None

    @property
    def body(self) -> bytes:
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content


def _no_neighbour(name: str) -> None:
    return None


@dataclass(frozen=True)
class RawFile:
    """A landed file as a parser sees it.

    Args:
        content: the bytes, or the path of a landed file, which a parser of large files scans instead of reading
            it whole.
        scope: what the run needs; only parsers of files that hold more than anyone could use look at it.
        beside: another file of the same source and vintage by name, for files that explain each other.
    """

    source_id: str
    vintage: str
    name: str
    content: bytes | Path
    scope: Scope = EVERYTHING
    beside: Callable[[str], "RawFile | None"] = field(default=_no_neighbour, compare=False, repr=False)

    @property
    def body(self) -> bytes:
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content

    @property
    def sha256(self) -> str:
        if isinstance(self.content, Path):
            with self.content.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        return hashlib.sha256(self.content).hexdigest()

    @property
    def label(self) -> str:
        """How errors and metadata name the file: `census_saipe/2023/est23all.xls`."""
        return f"{self.source_id}/{self.vintage}/{self.name}"


class Fetcher(Protocol):
    """The only way to the network."""

    def get(self, request: Request) -> Fetched:
        """Fetch one file; raises SourceError where the answer is not what was asked for."""
        ...

    def session(self) -> requests.Session:
        """A session with time-outs and retries, for client packages that bring their own calls."""
        ...

    def secret(self, name: str) -> str:
        """A secret from the environment; raises SourceError that says how to set it."""
        ...

    def has_secret(self, name: str) -> bool:
        """Whether the secret is set, for sources that have a way without it."""
        ...


@dataclass(frozen=True)
class KeyProbe:
    """A secret and a small request that shows whether the publisher accepts it.

    Args:
        secret: name of the environment variable.
        address: what is asked, with `&key=` and the secret behind it; a JSON array is the answer to a good key.
        is_required: whether a live run yields nothing of this source without it.
    """

    secret: str
    address: str
    is_required: bool


@dataclass(frozen=True)
class Source:
    """A product of a publisher: who, under what terms, which files, which tables.

    Args:
        id: publisher and product, for instance `hud_pit`; the folder's name and the asset prefix.
        cadence: when the publisher releases, in words.
        cadence_days: after how many days without a new landing the source counts as stale.
        tables: the tables that `parse` returns, keyed by their own keys.
        files: for each table, patterns (fnmatch) of the file names inside a vintage that feed it.
        parse: pure; selects, renames and types; never sums, ranks or imputes. Returns a frame for
            each of `tables` that the file feeds, without `snapshot_sha256`.
        fetch: yields what is published for a vintage. None where the publisher has no machine-readable address.
        probe: one small request that stands for a vintage: `headwaters doctor` asks it for ours and for the next.
        key: the secret that the publisher asks for, and where to learn whether it is accepted.
        not_live: why there is no `fetch`, and what to do instead.
        corrections: known errors in the publisher's own figures.
    """

    id: str
    title: str
    publisher: str
    licence: str
    citation: str
    landing_page: str
    cadence: str
    cadence_days: int
    vintages: tuple[Vintage, ...]
    tables: tuple[Table, ...]
    files: Mapping[str, tuple[str, ...]]
    parse: Callable[[RawFile], dict[str, pl.DataFrame]]
    fetch: Callable[[Fetcher, str, Scope], Iterator[Fetched]] | None = None
    probe: Callable[[str], Request] | None = None
    key: KeyProbe | None = None
    not_live: str | None = None
    corrections: tuple[Correction, ...] = ()

    def reads(self, name: str) -> bool:
        """Whether the parser knows this file name."""
        return any(fnmatch.fnmatchcase(name, pattern) for patterns in self.files.values() for pattern in patterns)

    @property
    def vintage_ids(self) -> tuple[str, ...]:
        return tuple(vintage.id for vintage in self.vintages)


def parsed_schema(table: Table) -> dict[str, type[pl.DataType]]:
    """What a parser returns of a table: all its columns but the checksum of the file, which is added afterwards."""
    return {column.name: column.dtype for column in table.columns if column.name != "snapshot_sha256"}


def fetch_addresses(addresses: Callable[[str], Sequence[Request]]) -> Callable[..., Iterator[Fetched]]:
    """The `fetch` of a source whose vintages are plain files at known addresses."""

    def fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
        for request in addresses(vintage):
            yield fetcher.get(request)

    return fetch
