"""Zipped shapefiles of the Census Bureau: boundaries (.shp), attributes (.dbf), and the datum (.prj)."""

import io
import struct

import polars as pl
import shapefile  # type: ignore[import-untyped]

from sources.archive import read_member
from sources.geo.geometry import polygon
from sources.source import ParseError, RawFile

_NEEDED = ("GEOID", "NAME", "ALAND")


def _check_shp(file: RawFile, body: bytes) -> None:
    """The header of a .shp tells its length in 16-bit words (ESRI Shapefile Technical Description, 1998)."""
    if len(body) < 100 or struct.unpack(">i", body[:4])[0] != 9994:
        raise ParseError(file.label, "must be a shapefile, but has no header of one")
    told = 2 * struct.unpack(">i", body[24:28])[0]
    if told != len(body):
        raise ParseError(file.label, f"must hold {told:,} bytes as its header says, but holds {len(body):,}")


def read_areas(file: RawFile, digits: int) -> pl.DataFrame:
    """Areas of a zipped shapefile: geo_id, geo_name, geometry, land_area_m2.

    Args:
        digits: how many digits an id of this level has.

    Raises:
        ParseError: no such archive, no degrees, an attribute is lacking, or an area without id and polygon.
    """
    shp, dbf, prj = (read_member(file, f"*.{suffix}") for suffix in ("shp", "dbf", "prj"))
    _check_shp(shp, shp.body)
    datum = prj.body.decode("latin-1").strip()
    if not datum.startswith("GEOGCS"):
        raise ParseError(prj.label, f"coordinates must be degrees (GEOGCS), but are in {datum[:40]!r}")
    records = []
    number = 0
    try:
        with shapefile.Reader(shp=io.BytesIO(shp.body), dbf=io.BytesIO(dbf.body), encoding="utf-8") as reader:
            names = [field[0] for field in reader.fields if field[0] != "DeletionFlag"]
            missing = [name for name in _NEEDED if name not in names]
            if missing:
                raise ParseError(dbf.label, f"lacks the attribute {', '.join(missing)}; it has {', '.join(names)}")
            for area in reader.iterShapeRecords(fields=list(_NEEDED)):
                number += 1
                code, name, land = (area.record[column] for column in _NEEDED)
                if len(code) != digits or not code.isdigit():
                    raise ValueError(f"its GEOID must have {digits} digits, but is {code!r}")
                shape = area.shape.__geo_interface__
                records.append((code, name, polygon(shape["type"], shape["coordinates"]), float(land)))
            if number != reader.numRecords:
                raise ValueError(f"must hold as many areas as attributes, but holds {number} and {reader.numRecords}")
    except ParseError:
        raise
    except (shapefile.ShapefileException, ValueError, TypeError, KeyError, IndexError, struct.error) as error:
        raise ParseError(file.label, f"must be an area with its boundary: {error}", row=number) from None
    schema = {"geo_id": pl.String, "geo_name": pl.String, "geometry": pl.String, "land_area_m2": pl.Float64}
    return pl.DataFrame(records, schema=schema, orient="row")
