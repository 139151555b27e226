"""GitHub's raw files: the crosswalk of T. Byrne's repository."""

from tests.publisher import Answer, Asked, Files, file_at

HOSTS = ("raw.githubusercontent.com",)


def answer(asked: Asked, files: Files) -> Answer | None:
    path = "/tomhbyrne/HUD-CoC-Geography-Crosswalk/master/output/county_coc_match.csv"
    return file_at(asked, files, {path: ("coc_county", "2017", "county_coc_match.csv")})
