"""Tracts as GeoJSON: geometry and GEOID only, because carriers add figures of their own to the other properties."""

import json

import polars as pl

from sources.geo.geometry import polygon
from sources.source import ParseError, RawFile

_ID = ("GEOID", "geoid", "tract_id")
"""What carriers call the eleven digits of a tract."""


def read_tracts(file: RawFile) -> pl.DataFrame:
    """The features of a FeatureCollection as rows of core.geo_tract.

    Raises:
        ParseError: no whole FeatureCollection, or a feature without an eleven-digit id and a polygon.
    """
    try:
        features = json.loads(file.body)["features"]
        if not (isinstance(features, list) and features):
            raise ValueError("no features")
    except (ValueError, KeyError, TypeError) as error:
        start = file.body[:40].decode("latin-1").strip()
        raise ParseError(file.label, f"must be a GeoJSON FeatureCollection ({error!r}), but starts {start!r}") from None
    records = []
    for number, feature in enumerate(features, start=1):
        try:
            properties, geometry = feature["properties"], feature["geometry"]
            name = next((name for name in _ID if name in properties), None)
            if name is None:
                raise ValueError(f"has none of the properties {', '.join(_ID)}")
            tract = str(properties[name])
            if len(tract) != 11 or not tract.isdigit():
                raise ValueError(f"a tract has eleven digits, but this is {tract!r}")
            records.append((tract, polygon(geometry["type"], geometry["coordinates"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ParseError(file.label, f"must be a tract with its boundary: {error}", row=number) from None
    return pl.DataFrame(records, schema=["geo_id", "geometry"], orient="row").select(
        "geo_id",
        "geometry",
        vintage=pl.lit(file.vintage),
        geo_level=pl.lit("tract"),
        land_area_m2=pl.lit(None, dtype=pl.Float64),
    )
