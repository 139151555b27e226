"""Counties of one declared vintage: codes that changed are carried over, or listed as unmatched.

Changes since 2013, after https://www.census.gov/programs-surveys/geography/technical-documentation/county-changes.html
"""

from collections.abc import Sequence

import polars as pl

COUNTY_VINTAGE = "2023"
"""The vintage of county codes that every output uses: Connecticut has nine planning regions."""

RENAMED = {"46113": "46102", "02270": "02158", "51515": "51019"}
SPLIT = {"02261": "02261 (Valdez-Cordova) was split into 02063 and 02066 in 2019"}
SPLIT_INTO = {"02261": ("02063", "02066")}
TERRITORIES = ("60", "66", "69", "72", "78")
OLD_CONNECTICUT = tuple(f"09{code:03d}" for code in range(1, 16, 2))


def national(counties: pl.DataFrame) -> pl.DataFrame:
    """The counties that form the reference population: the states and DC, without territories."""
    return counties.filter(~pl.col("geo_id").str.head(2).is_in(TERRITORIES))


def why_unmatched(geo_ids: Sequence[str]) -> str:
    """Why county codes of a file have no counterpart in the declared vintage, in one sentence."""
    reasons = [SPLIT[geo_id] for geo_id in geo_ids if geo_id in SPLIT]
    connecticut = [geo_id for geo_id in geo_ids if geo_id in OLD_CONNECTICUT]
    if connecticut:
        reasons.append(f"Connecticut's former counties {', '.join(connecticut)} gave way to planning regions in 2022")
    unknown = [geo_id for geo_id in geo_ids if geo_id not in SPLIT and geo_id not in OLD_CONNECTICUT]
    if unknown:
        reasons.append(f"{', '.join(unknown)} are no counties of vintage {COUNTY_VINTAGE}")
    return "; ".join(reasons)


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
    recoded = frame.with_columns(pl.col("geo_id").replace(RENAMED))
    known = recoded.join(counties.select("geo_id"), on="geo_id", how="semi")
    lost = national(recoded.join(counties.select("geo_id"), on="geo_id", how="anti"))
    return known, lost["geo_id"].unique().sort().to_list()
