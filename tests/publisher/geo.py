"""Cartographic boundary files of the Census Bureau: a zipped shapefile a layer, of one state or of the nation."""

import re

from tests.publisher import Answer, Asked, Files

HOSTS = ("www2.census.gov",)
_PATH = re.compile(r"/geo/tiger/GENZ(\d{4})/shp/(cb_(\d{4})_(us|\d{2})_(county|tract|unsd|elsd|scsd)_500k\.zip)")


def answer(asked: Asked, files: Files) -> Answer | None:
    found = _PATH.fullmatch(asked.path)
    if found is None or found[1] != found[3]:
        return None
    year, name, _, area, kind = found.groups()
    # Counties come for the nation only; of the sample's one state a national file holds the same as its own.
    if area != "us" and kind == "county":
        return None
    for where in ((year, name), (year, f"cb_{year}_97_{kind}_500k.zip")):
        # The District of Columbia stands for a small state, which `doctor` asks for.
        if ("geo", *where) in files and area in ("us", "97", "11"):
            return Answer(files["geo", *where], "application/zip")
    return None
