"""What a source is, and what a parser may return.

A source reaches the network only through the `Fetcher` that it is handed, so that every request
goes through one place that knows about time-outs, retries and secrets.
"""

import fnmatch
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import polars as pl
import requests

from quality.contract import Table

Content = Literal["json", "csv", "workbook"]


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
class TotalBreak:
    """A Total row that is known not to be the sum of its rows; see `sources.corrections`.

    It speaks of a sheet that holds the row `with_row`.
    """

    id: str
    file: str
    sheet: str
    with_row: str
    column: str
    published: float
    rows_sum: float
    why: str
    evidence: str


@dataclass(frozen=True)
class Vintage:
    """One release of a publisher's product.

    Args:
        id: the year that names the release and its folder.
        live: whether a live run fetches it; older vintages are read where they lie.
    """

    id: str
    live: bool = True


@dataclass(frozen=True)
class Request:
    """A file to fetch: what it will be called, where it is, and what it must contain."""

    name: str
    address: str
    expect: Content
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fetched:
    """Bytes as published. `address` never holds a secret."""

    name: str
    body: bytes
    address: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class RawFile:
    """A landed file as a parser sees it."""

    source_id: str
    vintage: str
    name: str
    body: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

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
        fetch: yields what is published for a vintage. `wanted` are the ACS cells that indicators
            name; other sources ignore it. None where the publisher has no machine-readable address.
        not_live: why there is no `fetch`, and what to do instead.
        corrections: known breaks in the publisher's own figures.
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
    fetch: Callable[[Fetcher, str, Sequence[str]], Iterator[Fetched]] | None = None
    not_live: str | None = None
    corrections: tuple[TotalBreak, ...] = ()

    def reads(self, name: str) -> bool:
        """Whether the parser knows this file name."""
        return any(fnmatch.fnmatchcase(name, pattern) for patterns in self.files.values() for pattern in patterns)

    @property
    def vintage_ids(self) -> tuple[str, ...]:
        return tuple(vintage.id for vintage in self.vintages)


def fetch_addresses(addresses: Callable[[str], Sequence[Request]]) -> Callable[..., Iterator[Fetched]]:
    """The `fetch` of a source whose vintages are plain files at known addresses."""

    def fetch(fetcher: Fetcher, vintage: str, wanted: Sequence[str]) -> Iterator[Fetched]:
        for request in addresses(vintage):
            yield fetcher.get(request)

    return fetch
