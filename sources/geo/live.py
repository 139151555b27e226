"""Where the Census Bureau keeps its cartographic boundary files (1:500,000)."""

from collections.abc import Iterator

from sources.source import Fetched, Fetcher, Request, Scope

_ROOT = "https://www2.census.gov/geo/tiger"


def _request(year: str, area: str, kind: str) -> Request:
    name = f"cb_{year}_{area}_{kind}_500k.zip"
    return Request(name, f"{_ROOT}/GENZ{year}/shp/{name}", "zip")


def fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    """Counties of the nation; tracts and unified districts of the run's states, or of the nation.

    Elementary and secondary districts come as the national files, which the Bureau publishes since 2019 and which are
    small: which states have such districts changes, and a state that has none has no file of its own.
    """
    states = ("us",) if scope.states is None else scope.states
    wanted = [("us", "county"), *((state, kind) for kind in ("tract", "unsd") for state in states)]
    for area, kind in (*wanted, ("us", "elsd"), ("us", "scsd")):
        yield fetcher.get(_request(vintage, area, kind))


def probe(vintage: str) -> Request:
    """The unified districts of the District of Columbia: one polygon."""
    return _request(vintage, "11", "unsd")
