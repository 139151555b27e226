"""KIDS COUNT Data Center: one address for all raw data, with the indicator and the location in its query."""

from tests.publisher import Answer, Asked, Files

HOSTS = ("datacenter.aecf.org",)


def answer(asked: Asked, files: Files) -> Answer | None:
    if asked.path != "/rawdata.axd":
        return None
    name = f"kidscount_{asked.query.get('ind')}_{asked.query.get('loc')}.xlsx"
    body = files.get(("foster_county", "2026", name))
    return None if body is None else Answer(body, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
