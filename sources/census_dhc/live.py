"""The live road to the DHC: one request a state, several states at once."""

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from sources.census_dhc.answer import read_answer
from sources.census_dhc.cells import CELLS
from sources.source import Fetched, Fetcher, ParseError, PassingError, RawFile, Request, Scope, SourceError
from sources.states import NAME_BY_FIPS

_KEY = "CENSUS_API_KEY"
_THREADS = 8
# The island areas have a census of their own, and 97 is the simulated state.
_STATES = tuple(sorted(set(NAME_BY_FIPS) - {"60", "66", "69", "78", "97"}))
_LOG = logging.getLogger(__name__)


def fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    """The tracts of each state in scope, a file a state; nothing where no key is set, which a warning says.

    Raises:
        SourceError: a key that is refused, or an answer that is not whole. Nothing is yielded then.
    """
    if not fetcher.has_secret(_KEY):
        _LOG.warning(
            "census_dhc: tract counts by race and age are missing, because the Census API gives them only to those "
            "with a key. Set %s (request one at https://api.census.gov/data/key_signup.html) and run again.",
            _KEY,
        )
        return
    key = fetcher.secret(_KEY)
    states = _STATES if scope.states is None else scope.states
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from list(pool.map(lambda state: _ask(fetcher, vintage, state, key), states))


def _ask(fetcher: Fetcher, vintage: str, state: str, key: str) -> Fetched:
    query = {"get": ",".join(CELLS), "for": "tract:*", "in": f"state:{state} county:*", "key": key}
    address = f"https://api.census.gov/data/{vintage}/dec/dhc?{urlencode(query, safe=',:*')}"
    where = f"census_dhc, vintage {vintage}, state {state}"
    try:
        found = fetcher.get(Request(f"tract/{state}.json", address, "json"))
    except SourceError as error:
        says = str(error).replace(key, "***")
        passing = isinstance(error, PassingError)
    else:
        return _judged(found, vintage, state)
    # Without a usable key the API redirects to one of two pages that arrive as HTTP 200.
    if page := re.search(r"(?i)(missing|invalid)[ _]key", says):
        raise SourceError(
            f"{where}: the API does not accept the key ({page[0]}). Request one at "
            f"https://api.census.gov/data/key_signup.html, activate it through the link in the mail, and set {_KEY}."
        )
    raise (PassingError if passing else SourceError)(f"{where}: {says}")


def _judged(found: Fetched, vintage: str, state: str) -> Fetched:
    """An answer that is whole: judged before it is landed, while the request can be repeated."""
    tracts = read_answer(RawFile("census_dhc", vintage, found.name, found.content))["geo_id"]
    if tracts.is_duplicated().any():
        raise ParseError(
            f"census_dhc/{vintage}/{found.name}", f"must have a tract of state {state} once, but one stands twice"
        )
    return found
