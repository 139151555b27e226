"""Counties of one declared vintage: codes that changed are carried over, or listed as unmatched.

Changes since 2013, after https://www.census.gov/programs-surveys/geography/technical-documentation/county-changes.html
"""

import polars as pl

COUNTY_VINTAGE = "2023"
"""The vintage of county codes that every output uses: Connecticut has nine planning regions."""

_RENAMED = {"46113": "46102", "02270": "02158", "51515": "51019"}
_SPLIT = {"02261": "02261 (Valdez-Cordova) was split into 02063 and 02066 in 2019"}
_TERRITORIES = ("60", "66", "69", "72", "78")
_OLD_CONNECTICUT = tuple(f"09{code:03d}" for code in range(1, 16, 2))


def national(counties: pl.DataFrame) -> pl.DataFrame:
    """The counties that form the reference population: the states and DC, without territories."""
    return counties.filter(~pl.col("geo_id").str.head(2).is_in(_TERRITORIES))


def why_unmatched(geo_id: str) -> str:
    """Why a county code of a file has no counterpart in the declared vintage."""
    if geo_id in _SPLIT:
        return _SPLIT[geo_id]
    if geo_id in _OLD_CONNECTICUT:
        return f"{geo_id} is a former county of Connecticut, which nine planning regions replaced in 2022"
    return f"{geo_id} is no county of vintage {COUNTY_VINTAGE}"


def to_vintage(frame: pl.DataFrame, counties: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Carry county rows over to the declared vintage.

    A renamed county keeps its figures under the new code. A split or regrouped one cannot be
    carried over without weights: it is listed, never dropped silently and never guessed.

    Args:
        frame: rows with `geo_id` of any vintage.
        counties: the counties of the declared vintage, with `geo_id`.

    Returns:
        The rows whose county exists, and the sorted ids of those that could not be matched
        (territories apart, which are outside every region).
    """
    recoded = frame.with_columns(pl.col("geo_id").replace(_RENAMED))
    known = recoded.join(counties.select("geo_id"), on="geo_id", how="semi")
    lost = national(recoded.join(counties.select("geo_id"), on="geo_id", how="anti"))
    return known, lost["geo_id"].unique().sort().to_list()
