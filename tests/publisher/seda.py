"""SEDA: files of the Stanford Digital Repository and its record of them; the Urban Institute's metric on GitHub."""

from tests.publisher import Answer, Asked, Files, as_json, file_at

HOSTS = ("stacks.stanford.edu", "purl.stanford.edu", "raw.githubusercontent.com")
_URBAN = "/UI-Research/mobility-from-poverty/048c835e739401685d7016ed1122e0cb928fef66/08_education/SEDA_all_county.csv"


def answer(asked: Asked, files: Files) -> Answer | None:
    names = [f"seda_{level}_pool_gcs_6.0.csv" for level in ("county", "geodist")]
    if (asked.host, asked.path) == ("purl.stanford.edu", "/xh833nn4025.json"):
        return as_json({"externalIdentifier": "druid:xh833nn4025", "structural": {"contains": names}})
    paths = {f"/file/druid:xh833nn4025/{name}": ("seda", "2019", name) for name in names}
    paths[_URBAN] = ("seda", "2018", "SEDA_all_county.csv")
    return file_at(asked, files, paths)
