"""Whether an answer of the ACS API is what was asked for, and what to do where it is not."""

import re
from collections.abc import Sequence
from urllib.parse import quote, quote_plus, urlsplit

import polars as pl
import requests

from sources.census_acs5.cells import table_of
from sources.source import PassingError, SourceError

KEY = "CENSUS_API_KEY"
_GET_A_KEY = (
    f"Request a key at https://api.census.gov/data/key_signup.html, activate it through the link in the mail that "
    f"follows, and set {KEY}."
)
_AGAIN = "Run again: the answer was probably cut off on its way."

Areas = frozenset[str | None]
"""Areas by the values of their geography columns, joined by a bar."""


class Judge:
    """Judges the answer to one chunk.

    Args:
        name: the file that the answer will be.
        chunk: the cells that were asked for.
        key: what no error may repeat.
    """

    def __init__(self, name: str, chunk: Sequence[str], key: str, year: int) -> None:
        self.name, self.chunk, self.key, self.year = name, chunk, key, year
        tables = list(dict.fromkeys(table_of(cell) for cell in chunk))
        self.tables = f"table {tables[0]}" if len(tables) == 1 else f"tables {tables[0]} to {tables[-1]}"

    def error(self, what: str, to_do: str = "") -> SourceError:
        where = f"census_acs5, vintage {self.year}, {self.name} ({self.tables})"
        return SourceError(self._hide(f"{where}: {what.rstrip('.')}. {to_do}".rstrip()))

    def areas(
        self, fields: Sequence[str], geography: Sequence[str], may_be_absent: bool, response: requests.Response
    ) -> Areas:
        """The areas that a whole answer covers; none for HTTP 204 where a state may have none.

        Raises:
            SourceError: the answer is something else than a whole table of these fields, an area a row.
        """
        page = response.text if response.content[:1] != b"[" else ""
        title = re.search(r"(?is)<title[^>]*>(.*?)</title", page)
        # Hidden before it is cut: half a key would not be recognised any more.
        says = self._hide(" ".join((title[1] if title else page).split()))[:200]
        self._judge_status(response, says, may_be_absent)
        if response.status_code == 204:
            return frozenset()
        return self._judge_table(fields, geography, response.content, says)

    def _judge_status(self, response: requests.Response, says: str, may_be_absent: bool) -> None:
        # Without a usable key the API redirects to one of two pages that arrive as HTTP 200.
        told = f"{says} {urlsplit(response.url).path}"
        if re.search(r"(?i)missing[ _]key", told):
            raise self.error("the API says that the request has no key (Missing Key)", _GET_A_KEY)
        if re.search(r"(?i)invalid[ _]key", told):
            raise self.error("the API does not accept the key (Invalid Key)", _GET_A_KEY)
        if response.status_code == 204 and not may_be_absent:
            raise self.error("the API has no rows (HTTP 204)", self._look())
        if response.status_code == 400:
            raise self.error(f"the API refuses the request: {says} (HTTP 400)", self._look(says))
        if response.status_code not in (200, 204):
            failure = self.error(
                f"expected JSON, got HTTP {response.status_code}: {says}",
                "The publisher is busy, down or refuses this client: run again later.",
            )
            raise PassingError(str(failure))

    def _judge_table(self, fields: Sequence[str], geography: Sequence[str], body: bytes, says: str) -> Areas:
        rows = _rows(body)
        header = [] if rows is None else list(rows[0])
        if rows is None or not set(geography) <= set(header):
            begins = says or self._hide(body[:2000].decode("utf-8", "replace"))[:80]
            raise self.error(f"expected a whole JSON array with {' and '.join(geography)}, got {begins!r}", _AGAIN)
        if missing := [name for name in fields if name not in header]:
            raise self.error(f"the answer lacks {', '.join(missing)}", self._look(missing[0]))
        if len(rows) == 1:
            raise self.error("the answer has a header and no rows", self._look())
        sizes = rows.list.len()
        if (ragged := (sizes != len(header)).fill_null(True)).any():
            number = int(ragged.arg_true()[0])
            size = sizes[number]
            raise self.error(
                f"row {number + 1} has {'no' if size is None else size} values under a header of {len(header)}", _AGAIN
            )
        codes = (
            rows[1:]
            .to_frame("row")
            .select(pl.concat_str([pl.col("row").list.get(header.index(name)) for name in geography], separator="|"))
        )
        areas = frozenset(codes.to_series().to_list())
        if len(areas) != len(rows) - 1:
            raise self.error(f"{len(rows) - 1} rows stand for {len(areas)} areas", _AGAIN)
        return areas

    def _hide(self, text: str) -> str:
        for form in {self.key, quote(self.key), quote(self.key, safe=""), quote_plus(self.key)}:
            text = text.replace(form, "***")
        return text

    def _look(self, says: str = "") -> str:
        """Where the vintage's variables stand: of the table that is spoken of, else of the chunk's first."""
        spoken = re.search(r"\b[BCS]\d{4,5}[A-Z]*", says)
        group = spoken[0] if spoken else table_of(self.chunk[0]).partition("_")[0]
        subject = "/subject" if group.startswith("S") else ""
        page = f"https://api.census.gov/data/{self.year}/acs/acs5{subject}/groups/{group}.html"
        return f"See what this vintage has at {page} and correct the cells that are declared or that indicators name."


def _rows(body: bytes) -> pl.Series | None:
    """The rows of a JSON array, the header first; None where the body is no such array.

    Not by `json`: a nation's answers would be millions of Python objects, and threads would wait for each other.
    """
    try:
        rows = pl.Series([body.decode("utf-8")]).str.json_decode(pl.List(pl.List(pl.String))).explode()
    except (UnicodeDecodeError, pl.exceptions.PolarsError):
        return None
    return None if rows.is_empty() or rows[0] is None else rows
