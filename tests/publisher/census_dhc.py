"""The Census API's dec/dhc: variables by name, tracts of one state, a key or a page that arrives as HTTP 200."""

import json

from tests.publisher import Answer, Asked, Files, as_json

HOSTS = ("api.census.gov",)
_PATH = "/data/2020/dec/dhc"
_MOST_VARIABLES = 50


def _page(title: str) -> Answer:
    return Answer(f"<html><head><title>{title}</title></head></html>".encode(), "text/html", has_validators=False)


def _error(text: str) -> Answer:
    return Answer(f"error: {text}".encode(), "text/plain", 400, has_validators=False)


def answer(asked: Asked, files: Files) -> Answer | None:
    if asked.path == f"{_PATH}/groups/P5.json":
        return as_json({"variables": {"P5_001N": {"label": " !!Total:", "group": "P5"}}})
    if asked.path != _PATH:
        return None
    if asked.query.get("key") != asked.accepts:
        return _page("Invalid Key" if asked.query.get("key") else "Missing Key")
    names = asked.query.get("get", "").split(",")
    if len(names) > _MOST_VARIABLES:
        return _error(f"maximum number of variables is {_MOST_VARIABLES}")
    if asked.query.get("for") == "us:1":
        return as_json([[*names, "us"], [*("0" for _ in names), "1"]])
    if asked.query.get("for") != "tract:*":
        return _error("unknown/unsupported geography hierarchy")
    inside = dict(part.split(":") for part in asked.query.get("in", "").split())
    if set(inside) - {"county"} != {"state"}:
        return _error("unknown/unsupported geography hierarchy")
    body = files.get(("census_dhc", "2020", f"tract/{inside['state']}.json"))
    if body is None:
        return Answer(b"", status=204, has_validators=False)
    header, *rows = json.loads(body)
    if unknown := [name for name in names if name not in header]:
        return _error(f"unknown variable '{unknown[0]}'")
    at = [header.index(name) for name in (*names, "state", "county", "tract")]
    kept = [[row[j] for j in at] for row in [header, *rows]]
    lines = [json.dumps(row, separators=(",", ":")) for row in kept]
    return Answer(("[" + ",\n".join(lines) + "]").encode(), "application/json")
