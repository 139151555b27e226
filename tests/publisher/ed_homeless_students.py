"""EDFacts FS118: archives of the ED Data Express library; the county metric in the Urban Institute's repository."""

from tests.publisher import Answer, Asked, Files, file_at

HOSTS = ("eddataexpress.ed.gov", "raw.githubusercontent.com")
_LIBRARY = "/sites/default/files/data_download"
_URBAN = "/UI-Research/mobility-from-poverty"
_ID = "ed_homeless_students"


def answer(asked: Asked, files: Files) -> Answer | None:
    numbers = {
        "SY1018": ("1350", "2018"),
        "SY1819": ("2111", "2019"),
        "SY1920": ("6526", "2020"),
        "SY2021": ("8321", "2021"),
        "SY2122": ("11718", "2022"),
    }
    paths = {
        f"{_LIBRARY}/EID_{number}/{years}_FS118_DG655_LEA_data_files.zip": (
            _ID,
            vintage,
            f"{years}_FS118_DG655_LEA_data_files.zip",
        )
        for years, (number, vintage) in numbers.items()
    }
    commits = {
        "homelessness_2014-2018_county.csv": ("1ea56aba224d68b496b4d30c2beaa664b7a0897b", "2018"),
        "homelessness_2019-2022_county.csv": ("2f949af27584041ac57106f7b0b663a47bd88e50", "2022"),
    }
    for name, (commit, vintage) in commits.items():
        paths[f"{_URBAN}/{commit}/02_housing/data/final/{name}"] = (_ID, vintage, name)
    return file_at(asked, files, paths)
