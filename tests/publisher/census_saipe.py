"""SAIPE: workbooks of counties and of school districts in yearly folders."""

from tests.publisher import Answer, Asked, Files, file_at

HOSTS = ("www2.census.gov",)
_ROOT = "/programs-surveys/saipe/datasets"


def answer(asked: Asked, files: Files) -> Answer | None:
    paths = {
        f"{_ROOT}/2023/2023-state-and-county/est23all.xls": ("census_saipe", "2023", "est23all.xls"),
        f"{_ROOT}/2023/2023-school-districts/ussd23.xls": ("census_saipe", "2023", "ussd23.xls"),
    }
    return file_at(asked, files, paths)
