"""HUD User: Fair Market Rents, a folder a fiscal year, for browsers that come from a page of HUD only."""

from tests.publisher import Answer, Asked, Files, file_at

HOSTS = ("www.huduser.gov",)
_FOLDER = "/portal/datasets/fmr"
_NAMES = {"2024": "FMR2024_final_revised.xlsx", "2025": "FY25_FMRs_revised.xlsx", "2026": "FY26_FMRs_revised.xlsx"}
_FORBIDDEN = b"<html><head><title>Request Rejected</title></head><body>The requested URL was rejected.</body></html>"


def answer(asked: Asked, files: Files) -> Answer | None:
    if not asked.path.startswith(f"{_FOLDER}/"):
        return None
    from_page = asked.headers.get("referer", "").startswith("https://www.huduser.gov/portal/")
    if not (from_page and asked.headers.get("user-agent", "").startswith("Mozilla/5.0")):
        return Answer(_FORBIDDEN, "text/html", 403, has_validators=False)
    paths = {f"{_FOLDER}/fmr{year}/{name}": ("hud_fmr", year, name) for year, name in _NAMES.items()}
    return file_at(asked, files, paths)
