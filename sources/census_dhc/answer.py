"""An answer of the DHC's API: an array of a header and a row a tract, everything text."""

import json

import polars as pl

from sources.census_dhc.cells import CELLS
from sources.source import ParseError, RawFile

_GEOGRAPHY = ("state", "county", "tract")


def read_answer(file: RawFile) -> pl.DataFrame:
    """An answer of the API as text, one row a tract, with its `geo_id` and the number of the row.

    Raises:
        ParseError: no whole array, a column that is lacking or stands twice, or a row of another length.
    """
    try:
        answer = json.loads(file.body)
    except ValueError as error:
        start = file.body[:60].decode("latin-1").strip()
        raise ParseError(file.label, f"must be whole JSON ({error}), but starts with {start!r}") from None
    if not (isinstance(answer, list) and len(answer) > 1 and all(isinstance(row, list) for row in answer)):
        raise ParseError(file.label, "must be an array of a header and at least one row")
    header, *rows = answer
    wanted = [*CELLS, *_GEOGRAPHY]
    if lacking := [name for name in wanted if header.count(name) != 1]:
        raise ParseError(file.label, f"must have each of these columns once: {', '.join(lacking)}", row=1)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ParseError(
                file.label, f"must have {len(header)} values as its header, but has {len(row)}", row=number
            )
    at = [header.index(name) for name in wanted]
    texts = {name: [str(row[index]) for row in rows] for name, index in zip(wanted, at, strict=True)}
    return pl.DataFrame(texts).with_columns(geo_id=pl.concat_str(_GEOGRAPHY)).with_row_index("row", offset=2)
