"""The live road to the ACS API, through the `census` package; its answers are kept byte for byte.

The package sends the requests and knows the endpoints. What it makes of an answer is not used, because it reads a
short or ragged answer without a word; every answer is judged here, on the bytes that are landed.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit

import requests

from sources.source import Fetched, Fetcher, PassingError, Scope, SourceError

_CELL = re.compile(r"(?P<table>[BC]\d{5}[A-Z]*|S\d{4}[A-Z]*_C\d{2})_\d{3}")
_CELLS_A_CALL = 24  # estimate and margin of each, and NAME: 49 of the 50 variables that a call may ask for
_GEOGRAPHY = ("state", "county")
_KEY = "CENSUS_API_KEY"
_GET_A_KEY = (
    f"Request a key at https://api.census.gov/data/key_signup.html, activate it through the link in the mail that "
    f"follows, and set {_KEY}."
)


def fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    """The wanted cells for all counties of the nation, a file a table, or several where a table has many cells.

    Args:
        fetcher: gives the session and the key.
        vintage: last year of the five.
        scope: cells such as `B14005_010`, or `S2801_C01_014` of a subject table.

    Raises:
        SourceError: no key, or one that is refused; a cell that the vintage lacks; no rows; an answer that is short,
            ragged or covers other counties than the rest of its table. Nothing of such a table is yielded.
    """
    tables = _by_table(scope.cells)
    if not tables:
        return
    key = fetcher.secret(_KEY)
    with fetcher.session() as session:
        api = _Api(session, key, int(vintage))
        for table, cells in tables.items():
            chunks = [cells[start : start + _CELLS_A_CALL] for start in range(0, len(cells), _CELLS_A_CALL)]
            answers: list[Fetched] = []
            first: set[tuple[str, ...]] | None = None
            for number, chunk in enumerate(chunks, start=1):
                answer, counties = api.ask(table, chunk, "" if number == 1 else f".{number}")
                if first is not None and counties != first:
                    raise api.error(
                        table,
                        f"part {number} covers {len(counties)} counties and part 1 {len(first)}, of which "
                        f"{len(counties & first)} are the same",
                        "Run again: the publisher was probably loading data between the two calls.",
                    )
                first = counties
                answers.append(answer)
            yield from answers


def _by_table(wanted: Sequence[str]) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for cell in sorted(set(wanted)):
        match = _CELL.fullmatch(cell)
        if match is None:
            raise SourceError(
                f"census_acs5: {cell!r} is not a cell of an ACS table, such as B14005_010 or S2801_C01_014. Correct "
                "it in the indicator that names it."
            )
        tables.setdefault(match["table"], []).append(cell)
    return tables


class _Api:
    """One vintage of the API, asked with one key that no error repeats."""

    def __init__(self, session: requests.Session, key: str, year: int) -> None:
        from census import Census

        self.key, self.year = key, year
        agent = session.headers["User-Agent"]
        census = Census(key, session=session)
        session.headers["User-Agent"] = agent  # the package puts its own in place of ours
        self.clients: dict[bool, Any] = {False: census.acs5, True: census.acs5st}
        for client in self.clients.values():
            # The package asks for the type of every variable in a request of its own; nothing here uses types.
            client._field_type = lambda field, year: str
        self.answers: list[requests.Response] = []
        # The package returns numbers; the bytes as published pass only here.
        session.hooks["response"].append(lambda response, **_: self.answers.append(response))

    def ask(self, table: str, cells: Sequence[str], part: str) -> tuple[Fetched, set[tuple[str, ...]]]:
        """One answer and the counties that it covers.

        Raises:
            SourceError: as `fetch`.
        """
        fields = ["NAME", *(f"{cell}{kind}" for cell in cells for kind in "EM")]
        self.answers.clear()
        broken = unread = ""
        try:
            # Not state_county(): it refuses every year that the package does not list yet.
            self.clients[table.startswith("S")].get(fields, geo={"for": "county:*", "in": "state:*"}, year=self.year)
        except SourceError as error:
            broken = str(error)
        except Exception as error:
            # The answer tells more than the package does. Errors are raised outside this handler: even `from None`
            # would keep the package's error, whose text may hold the key, as __context__.
            unread = type(error).__name__
        if broken:
            raise self.error(table, broken)
        if not self.answers:
            raise self.error(table, f"the census package sent no request ({unread})", "Check the package's version.")
        response = self.answers[-1]
        counties = self._judge(table, fields, response)
        if unread:
            raise self.error(table, f"the census package could not read the answer ({unread})", "Check its version.")
        return Fetched(
            name=f"county/{table}{part}.json",
            content=response.content,
            address=_without_key(response.url),
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
        ), counties

    def error(self, table: str, what: str, to_do: str = "") -> SourceError:
        return SourceError(
            self._hide(f"census_acs5, vintage {self.year}, table {table}: {what.rstrip('.')}. {to_do}".rstrip())
        )

    def _hide(self, text: str) -> str:
        for form in {self.key, quote(self.key), quote(self.key, safe=""), quote_plus(self.key)}:
            text = text.replace(form, "***")
        return text

    def _judge(self, table: str, fields: Sequence[str], response: requests.Response) -> set[tuple[str, ...]]:
        page = response.text if response.content[:1] != b"[" else ""
        title = re.search(r"(?is)<title[^>]*>(.*?)</title", page)
        # Hidden before it is cut: half a key would not be recognised any more.
        says = self._hide(" ".join((title[1] if title else page).split()))[:200]
        # Without a usable key the API redirects to one of two pages that arrive as HTTP 200.
        if re.search(r"(?i)missing[ _]key", f"{says} {urlsplit(response.url).path}"):
            raise self.error(table, "the API says that the request has no key (Missing Key)", _GET_A_KEY)
        if re.search(r"(?i)invalid[ _]key", f"{says} {urlsplit(response.url).path}"):
            raise self.error(table, "the API does not accept the key (Invalid Key)", _GET_A_KEY)
        if response.status_code == 204:
            raise self.error(table, "the API has no rows (HTTP 204)", self._look(table))
        if response.status_code == 400:
            raise self.error(table, f"the API refuses the request: {says} (HTTP 400)", self._look(table))
        if response.status_code != 200:
            failure = self.error(
                table,
                f"expected JSON, got HTTP {response.status_code}: {says}",
                "The publisher is busy, down or refuses this client: run again later.",
            )
            raise PassingError(str(failure))
        again = "Run again: the answer was probably cut off on its way."
        header: list[Any] = []
        rows: list[Any] = []
        columns: set[str] = set()
        at: list[int] = []
        try:
            header, *rows = json.loads(response.content)
            columns = set(header)
            at = [header.index(name) for name in _GEOGRAPHY]
        except (ValueError, TypeError):
            at = []
        if not at:
            begins = says or self._hide(response.content[:2000].decode("utf-8", "replace"))[:80]
            raise self.error(table, f"expected a whole JSON array with state and county, got {begins!r}", again)
        if missing := [name for name in fields if name not in columns]:
            raise self.error(table, f"the answer lacks {', '.join(missing)}", self._look(table))
        if not rows:
            raise self.error(table, "the answer has a header and no rows", self._look(table))
        for number, row in enumerate(rows, start=2):
            if not isinstance(row, list) or len(row) != len(header):
                size = len(row) if isinstance(row, list) else "no"
                raise self.error(table, f"row {number} has {size} values under a header of {len(header)}", again)
        counties = {tuple(str(row[index]) for index in at) for row in rows}
        if len(counties) != len(rows):
            raise self.error(table, f"{len(rows)} rows stand for {len(counties)} counties", again)
        return counties

    def _look(self, table: str) -> str:
        group, subject = table.partition("_")[0], "/subject" if table.startswith("S") else ""
        page = f"https://api.census.gov/data/{self.year}/acs/acs5{subject}/groups/{group}.html"
        return f"See what this vintage has at {page} and correct the cells that the indicators name."


def _without_key(address: str) -> str:
    parts = urlsplit(address)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "key"]
    return parts._replace(query=urlencode(query, safe=",:*")).geturl()
