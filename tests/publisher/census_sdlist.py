"""Lists of districts and counties, one workbook a year."""

from tests.publisher import Answer, Asked, Files, file_at

HOSTS = ("www2.census.gov",)
_FOLDER = "/programs-surveys/saipe/guidance-geographies/districts-counties"


def answer(asked: Asked, files: Files) -> Answer | None:
    return file_at(asked, files, {f"{_FOLDER}/sdlist-21.xls": ("census_sdlist", "2021", "sdlist-21.xls")})
