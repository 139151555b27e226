"""BLS: yearly workbooks of counties, for clients that say who they are."""

from tests.publisher import Answer, Asked, Files, file_at

HOSTS = ("www.bls.gov",)
_DENIED = b"<html><head><title>Access Denied</title></head><body>Bots must say who they are.</body></html>"


def answer(asked: Asked, files: Files) -> Answer | None:
    agent = asked.headers.get("user-agent", "")
    if "contact" not in agent or agent.lower().startswith(("python", "curl")):
        return Answer(_DENIED, "text/html", 403, has_validators=False)
    return file_at(asked, files, {"/lau/laucnty24.xlsx": ("bls_laus", "2024", "laucnty24.xlsx")})
