"""Education Data Portal: endpoints by year, filters in the query, pages that name the next.

The simulated pages of the state are served as they are; without a filter, or with one that selects by another column,
the same rows in pages of the same size. A state that the simulated nation does not have is an empty answer.
"""

import json
from typing import Any
from urllib.parse import urlencode

from tests.publisher import Answer, Asked, Files

HOSTS = ("educationdata.urban.org",)
_ENDPOINTS = {
    "/api/v1/schools/ccd/directory/2023/": "schools/directory",
    "/api/v1/schools/ccd/enrollment/2023/grade-99/race/sex/": "schools/enrollment",
    "/api/v1/school-districts/ccd/directory/2023/": "districts/directory",
    "/api/v1/school-districts/ccd/enrollment/2023/grade-99/race/sex/": "districts/enrollment",
}


def _pages(files: Files, topic: str) -> list[bytes]:
    """Landed pages of a topic in their order."""
    names = sorted(name for source, _, name in files if source == "nces_ccd" and name.startswith(f"{topic}/97/"))
    return [files["nces_ccd", "2024", name] for name in names]


def _repaged(asked: Asked, pages: list[bytes], page: int) -> dict[str, Any]:
    size = len(json.loads(pages[0])["results"])
    filters = {name: int(value) for name, value in asked.query.items() if name != "page"}
    rows = [row for body in pages for row in json.loads(body)["results"]]
    rows = [row for row in rows if all(row.get(name) == value for name, value in filters.items())]

    def address(number: int) -> str | None:
        if not 1 <= number <= -(-len(rows) // size):
            return None
        query = urlencode(filters | ({"page": number} if number > 1 else {}))
        return f"https://{asked.host}{asked.path}" + (f"?{query}" if query else "")

    return {
        "count": len(rows),
        "next": address(page + 1),
        "previous": address(page - 1),
        "results": rows[(page - 1) * size : page * size],
    }


def answer(asked: Asked, files: Files) -> Answer | None:
    topic = _ENDPOINTS.get(asked.path)
    pages = _pages(files, topic) if topic else []
    page = int(asked.query.get("page", "1"))
    if not 1 <= page <= len(pages):
        return None
    if asked.query.get("fips") == "97" and set(asked.query) <= {"fips", "page"}:
        return Answer(pages[page - 1], "application/json")
    body = json.dumps(_repaged(asked, pages, page), separators=(",", ":")).encode()
    return Answer(body, "application/json")
