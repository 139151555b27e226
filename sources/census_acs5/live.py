"""The live road to the ACS API, through the `census` package; its answers are kept byte for byte.

The package sends the requests and knows the endpoints. What it would make of an answer is not used, because it reads a
short or ragged answer without a word; every answer is judged in `judge`, on the bytes that are landed.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from sources.census_acs5 import cells
from sources.census_acs5.judge import KEY, Areas, Judge
from sources.source import Fetched, Fetcher, Scope, SourceError

WORKERS = 8


@dataclass(frozen=True)
class Group:
    """All areas of one level in one state, or all counties of the nation: what the chunks of a request have in common.

    Args:
        folder: where the answers are kept, such as `tract/29`.
        geography: the columns that name an area.
        state: None for all counties.
        may_be_absent: whether a state may have no such areas.
    """

    folder: str
    geo: tuple[str, str]
    geography: tuple[str, ...]
    chunks: tuple[tuple[str, ...], ...]
    state: str | None = None
    may_be_absent: bool = False


def groups(scope: Scope) -> list[Group]:
    """What is asked for, in order: counties, then state by state tracts and each layer of school districts.

    Raises:
        SourceError: a cell that does not look like one.
    """
    packed = {
        level: tuple(tuple(chunk) for chunk in cells.chunks(cells.wanted(level, scope.cells)))
        for level in (cells.COUNTY, cells.TRACT, cells.DISTRICT)
    }
    found = [Group("county", ("county:*", "state:*"), ("state", "county"), packed[cells.COUNTY])]
    for state in cells.NATION if scope.states is None else sorted(scope.states):
        tracts = ("tract:*", f"state:{state} county:*")
        found.append(Group(f"tract/{state}", tracts, ("state", "county", "tract"), packed[cells.TRACT], state))
        for layer in cells.LAYERS:
            name = f"school district ({layer})"
            geo, geography = (f"{name}:*", f"state:{state}"), ("state", name)
            found.append(Group(f"district_{layer}/{state}", geo, geography, packed[cells.DISTRICT], state, True))
    return [group for group in found if group.chunks]


def fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    """The wanted cells: all counties of the nation, tracts and school districts of the states that the run touches.

    Several states are asked at once; the answers come in the order of `groups` all the same, and the first error stops
    what has not been asked yet.

    Args:
        fetcher: gives the sessions and the key.
        vintage: last year of the five.
        scope: cells that indicators name, and the states.

    Raises:
        SourceError: no key, or one that is refused; a cell that the vintage lacks; no rows; an answer that is short,
            ragged or covers other areas than the rest of its group. Nothing of such a group is yielded.
    """
    asked = groups(scope)
    if not asked:
        return
    key = fetcher.secret(KEY)
    workers = min(WORKERS, len(asked))
    # Sessions are not safe to share: each worker borrows a client of its own.
    clients = [_Client(fetcher.session(), key, int(vintage)) for _ in range(workers)]
    idle: SimpleQueue[_Client] = SimpleQueue()
    for client in clients:
        idle.put(client)
    stopped = Event()

    def work(group: Group) -> list[Fetched]:
        client = idle.get()
        try:
            return client.ask_all(group, stopped)
        except BaseException:
            stopped.set()
            raise
        finally:
            idle.put(client)

    with ThreadPoolExecutor(workers, thread_name_prefix="census_acs5") as pool:
        waiting = deque((group, pool.submit(work, group)) for group in asked)
        try:
            yield from _in_order(waiting)
        finally:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            for client in clients:
                client.session.close()


class _StoppedError(Exception):
    """Another request has failed: this group was not asked to its end."""


def _in_order(waiting: deque[tuple[Group, "Future[list[Fetched]]"]]) -> Iterator[Fetched]:
    districts: dict[str, int] = {}
    while waiting:
        group, future = waiting.popleft()
        try:
            answers = future.result()
        except _StoppedError:
            answers = None
        if answers is None:
            # What failed stands behind this group: its error tells what happened.
            while isinstance(error := future.exception(), _StoppedError):
                _, future = waiting.popleft()
            raise error or SourceError("census_acs5: stopped")
        yield from answers
        if group.may_be_absent and group.state is not None:
            districts[group.state] = districts.get(group.state, 0) + len(answers)
            if group.folder.startswith(f"district_{cells.LAYERS[-1]}") and not districts[group.state]:
                raise SourceError(
                    f"census_acs5: state {group.state} has no school districts of any layer (HTTP 204). Look at "
                    "https://api.census.gov/data.html and correct the states of the region."
                )


class _Client:
    """One vintage of the API, asked through one session with one key that no error repeats."""

    def __init__(self, session: requests.Session, key: str, year: int) -> None:
        from census import Census

        self.session, self.key, self.year = session, key, year
        agent = session.headers["User-Agent"]
        census = Census(key, session=session)
        session.headers["User-Agent"] = agent  # the package puts its own in place of ours
        self.clients: dict[bool, Any] = {False: census.acs5, True: census.acs5st}
        self.answers: list[requests.Response] = []
        # The answer as published passes only here.
        session.hooks["response"].append(self._keep)

    def _keep(self, response: requests.Response, **_: Any) -> requests.Response | None:
        if response.is_redirect:
            return None
        self.answers.append(response)
        # The package gets an empty table to read: it would ask for the type of every variable in a request of its own,
        # fill its errors with the key, and take several times longer to read an answer than it takes to judge it.
        empty = requests.Response()
        empty.status_code, empty.url, empty.request = 200, response.url, response.request
        empty._content = b"[[]]"
        return empty

    def ask_all(self, group: Group, stopped: Event) -> list[Fetched]:
        """All chunks of a group, one after the other; none where the state has no such areas.

        Raises:
            SourceError: as `fetch`.
            _StoppedError: another group has failed meanwhile.
        """
        answers: list[Fetched] = []
        first: Areas | None = None
        for number, chunk in enumerate(group.chunks, start=1):
            if stopped.is_set():
                raise _StoppedError
            name = cells.part(group.folder, number)
            judge = Judge(name, chunk, self.key, self.year)
            answer, areas = self._ask(judge, group, name, chunk)
            if not areas and not answers and group.may_be_absent:
                return []
            if first is not None and areas != first:
                raise judge.error(
                    f"part {number} covers {len(areas)} areas and part 1 {len(first)}, of which "
                    f"{len(areas & first)} are the same",
                    "Run again: the publisher was probably loading data between the two calls.",
                )
            first = areas
            answers.append(answer)
        return answers

    def _ask(self, judge: Judge, group: Group, name: str, chunk: Sequence[str]) -> tuple[Fetched, Areas]:
        """One answer and the areas that it covers; none for 204, where that is allowed."""
        fields = ["NAME", *(f"{cell}{kind}" for cell in chunk for kind in "EM")]
        self.answers.clear()
        broken = failed = ""
        try:
            # Not state_county() and its like: they refuse every year that the package does not list yet.
            geo = dict(zip(("for", "in"), group.geo, strict=True))
            self.clients[cells.is_subject(chunk[0])].get(fields, geo=geo, year=self.year)
        except SourceError as error:
            broken = str(error)
        except Exception as error:
            # Raised outside this handler: even `from None` would keep the package's error, whose text may hold the
            # key, as __context__.
            failed = type(error).__name__
        if broken:
            raise judge.error(broken)
        if failed or not self.answers:
            raise judge.error(f"the census package could not ask ({failed or 'no request'})", "Check its version.")
        response = self.answers[-1]
        areas = judge.areas(fields, group.geography, group.may_be_absent, response)
        return Fetched(
            name=name,
            content=response.content,
            address=_without_key(response.url),
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
        ), areas


def _without_key(address: str) -> str:
    parts = urlsplit(address)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "key"]
    return parts._replace(query=urlencode(query, safe=",:*()")).geturl()
