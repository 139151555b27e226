"""HUD User: workbooks in one folder, for browsers that come from a page of HUD only."""

from tests.publisher import Answer, Asked, Files, file_at

HOSTS = ("www.huduser.gov",)
_FOLDER = "/portal/sites/default/files/xls"
_FORBIDDEN = b"<html><head><title>Request Rejected</title></head><body>The requested URL was rejected.</body></html>"


def served(asked: Asked, files: Files, source: str, names: tuple[str, ...]) -> Answer | None:
    """The edition of 2025; a page that refuses a client that does not look like a browser."""
    if not asked.path.startswith(f"{_FOLDER}/"):
        return None
    from_page = asked.headers.get("referer", "").startswith("https://www.huduser.gov/portal/")
    if not (from_page and asked.headers.get("user-agent", "").startswith("Mozilla/5.0")):
        return Answer(_FORBIDDEN, "text/html", 403, has_validators=False)
    return file_at(asked, files, {f"{_FOLDER}/{name}": (source, "2025", name) for name in names})


def answer(asked: Asked, files: Files) -> Answer | None:
    return served(asked, files, "hud_pit", ("2007-2025-PIT-Counts-by-CoC.xlsb", "2007-2025-PIT-Counts-by-State.xlsb"))
