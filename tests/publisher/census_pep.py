"""PEP: files of the nation's counties in the folder of a vintage, and files of single states beside them."""

from tests.publisher import Answer, Asked, Files, file_at

HOSTS = ("www2.census.gov",)
_FOLDER = "/programs-surveys/popest/datasets/2020-2025/counties/asrh"


def answer(asked: Asked, files: Files) -> Answer | None:
    everybody = ("census_pep", "2025", "cc-est2025-agesex-all.csv")
    paths = {
        f"{_FOLDER}/cc-est2025-agesex-all.csv": everybody,
        f"{_FOLDER}/cc-est2025-alldata.csv": ("census_pep", "2025", "cc-est2025-alldata.csv"),
    }
    if asked.path == f"{_FOLDER}/cc-est2025-agesex-10.csv" and everybody in files:
        first_county = files[everybody].split(b"\n")[:8]
        return Answer(b"\n".join(first_county) + b"\n", "text/csv")
    return file_at(asked, files, paths)
