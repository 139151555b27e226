"""The Census Bureau's API for the ACS 5-year (a key is required), and its table-based summary files (none is)."""

import json
import re
from functools import cache

from sources.simulated.census_acs5 import summary_files
from sources.simulated.region import region
from tests.publisher import NOT_FOUND, Answer, Asked, Files

API, FILES = "api.census.gov", "www2.census.gov"
HOSTS = (API, FILES)
_SUMMARY = "/programs-surveys/acs/summary_file/2023/table-based-SF"
_DATASETS = {"/data/2023/acs/acs5": "detailed", "/data/2023/acs/acs5/subject": "subject"}
_MOST_VARIABLES = 50
# `for`, and the pattern of `in`, by the folder of the simulated answers and the geography columns.
_GEOGRAPHIES = {
    "county:*": (r"state:(?P<state>\*|\d\d)", "county", ("state", "county")),
    "tract:*": (r"state:(?P<state>\d\d)(?: county:\*)?", "tract", ("state", "county", "tract")),
    **{
        f"school district ({layer}):*": (
            r"state:(?P<state>\d\d)",
            f"district_{layer}",
            ("state", f"school district ({layer})"),
        )
        for layer in ("unified", "elementary", "secondary")
    },
}

Row = dict[str, str | None]


def answer(asked: Asked, files: Files) -> Answer | None:
    if asked.host == FILES:
        return _file(asked)
    if asked.path in ("/data/missing_key.html", "/data/invalid_key.html"):
        which = asked.path.split("/")[-1].split("_")[0].capitalize()
        page = f"<html><head><title>{which} Key</title></head><body>A valid key must be included.</body></html>"
        return Answer(page.encode(), "text/html", has_validators=False)
    if asked.path not in _DATASETS:
        return None
    if (key := asked.query.get("key", "")) != asked.accepts:
        page = "invalid_key" if key else "missing_key"
        return Answer(b"", status=302, headers={"Location": f"https://{API}/data/{page}.html"}, has_validators=False)
    return _data(asked, files)


def _refused(why: str) -> Answer:
    return Answer(f"error: {why}".encode(), "text/plain", 400, has_validators=False)


def _data(asked: Asked, files: Files) -> Answer:
    names = asked.query.get("get", "").split(",")
    if len(names) > _MOST_VARIABLES:
        return _refused(f"cannot request more than {_MOST_VARIABLES} variables")
    if (asked.query.get("for"), names) == ("us:1", ["NAME"]):
        return _table([["NAME", "us"], ["Simulated Nation", "1"]])
    is_subject = _DATASETS[asked.path] == "subject"
    known = {name for level in ("county", "tract", "district_unified") for name in _known(files, level)}
    for name in names:
        if name != "NAME" and (name not in known or name.startswith("S") != is_subject):
            return _refused(f"error: unknown variable '{name}'")
    pattern, level, geography = _GEOGRAPHIES.get(asked.query.get("for", ""), ("", "", ()))
    inside = re.fullmatch(pattern, asked.query.get("in", ""))
    if not level or inside is None:
        return _refused("unknown/unsupported geography hierarchy")
    rows = [row for row in _rows(files, level) if inside["state"] in ("*", row["state"])]
    if not rows:
        return Answer(b"", status=204, has_validators=False)
    return _table([[*names, *geography], *([row.get(name) for name in (*names, *geography)] for row in rows)])


def _table(rows: list[list[str | None]] | list[list[str]]) -> Answer:
    """The API puts every row on a line of its own."""
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    return Answer(("[" + ",\n".join(lines) + "]").encode(), "application/json;charset=utf-8")


# With the files themselves, so that no other takes over their id.
_READ: dict[tuple[int, str], tuple[Files, list[Row]]] = {}


def _rows(files: Files, level: str) -> list[Row]:
    """All variables of all areas of a level, joined from the simulated answers; in their order."""
    if (id(files), level) not in _READ:
        found: dict[tuple[str | None, ...], Row] = {}
        for (source, vintage, name), body in files.items():
            if (source, vintage) == ("census_acs5", "2023") and name.startswith(f"{level}/") and name.endswith(".json"):
                header, *rows = json.loads(body)
                at = [i for i, column in enumerate(header) if not re.fullmatch(r"NAME|\w+_\d{3}[EM]", column)]
                for row in rows:
                    found.setdefault(tuple(row[i] for i in at), {}).update(zip(header, row, strict=True))
        _READ[id(files), level] = (files, list(found.values()))
    return _READ[id(files), level][1]


def _known(files: Files, level: str) -> set[str]:
    rows = _rows(files, level)
    return set(rows[0]) if rows else set()


@cache
def _summary() -> dict[str, bytes]:
    return dict(summary_files(region()))


def _file(asked: Asked) -> Answer | None:
    folder, _, name = asked.path.rpartition("/")
    if folder == f"{_SUMMARY}/documentation" and name == "ACS20235YR_Table_Shells.txt":
        shells = (
            "Table ID|Line|Indent|Unique ID|Label|Title|Universe|Type\nB01001|1.0|0|B01001_001|Total:|Sex by Age||int\n"
        )
        return Answer(shells.encode(), "text/plain")
    place = "documentation" if name.startswith("Geos") else "data/5YRData"
    if folder == f"{_SUMMARY}/{place}" and name in _summary():
        return Answer(_summary()[name], "text/plain")
    return Answer(NOT_FOUND, "text/html", 404, has_validators=False) if asked.path.startswith(_SUMMARY) else None
