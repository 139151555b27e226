"""EDFacts FS150 and FS151: archives of the ED Data Express library, and one wide file on the department's site."""

from tests.publisher import Answer, Asked, Files, file_at

HOSTS = ("eddataexpress.ed.gov", "www.ed.gov")
_WIDE = "/sites/ed/files/about/inits/ed/edfacts/data-files/acgr-lea-sy2017-18.csv"


def answer(asked: Asked, files: Files) -> Answer | None:
    paths = {_WIDE: ("ed_acgr", "2018", "acgr-lea-sy2017-18.csv")} if asked.host == "www.ed.gov" else {}
    for number, years, vintage in (("3288", "SY1819", "2019"), ("8511", "SY1920", "2020"), ("9090", "SY2021", "2021")):
        name = f"{years}_FS150_FS151_DG695_DG696_LEA_data_files.zip"
        paths[f"/sites/default/files/data_download/EID_{number}/{name}"] = ("ed_acgr", vintage, name)
    return file_at(asked, files, paths)
