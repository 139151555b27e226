"""Answers of the ACS API, and tidy tables in its terms: from publishers' columns to one row a cell."""

import io
import json
import re

import polars as pl

from sources.census_acs5.cells import COUNTY, DISTRICT, LAYERS, TRACT
from sources.source import ParseError, RawFile
from sources.values import ACS_ANNOTATIONS, CONTROLLED

KEYS = {COUNTY: "core.census_acs5_county", TRACT: "core.census_acs5_tract", DISTRICT: "core.census_acs5_district"}
_VARIABLE = re.compile(r"^(?P<cell>[BCS]\d{4,5}[A-Z]*(?:_C\d{2})?_\d{3})(?P<kind>[EM])$")
_LEVELS: dict[tuple[str, ...], tuple[str, str | None]] = {
    ("state", "county"): (COUNTY, None),
    ("state", "county", "tract"): (TRACT, None),
    **{("state", f"school district ({layer})"): (DISTRICT, layer) for layer in LAYERS},
}


def parse_json(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read one answer, of any tables and of any level: a header and a row an area, geography columns last.

    Raises:
        ParseError: the answer is not whole, or a value is no number.
    """
    header, rows = _read_rows(file)
    geography = tuple(name for name in header if name != "NAME" and not _VARIABLE.match(name))
    if geography not in _LEVELS or "NAME" not in header:
        raise ParseError(file.label, f"must have NAME and known geography columns, but has {geography}", row=1)
    level, layer = _LEVELS[geography]
    # Row numbers in errors count from the header, as an editor shows them.
    wide = pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row", strict=False)
    wide = wide.with_row_index("row", offset=2).with_columns(geo_id=pl.concat_str(geography))
    return tidy(file, wide, level, layer)


def parse_parquet(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read tracts that somebody saved as a wide table: GEOID, NAME and text columns named as the API's variables.

    Raises:
        ParseError: the file is no Parquet file, lacks a column, or a value is no number.
    """
    source = file.content if not isinstance(file.content, bytes) else io.BytesIO(file.content)
    try:
        wide = pl.read_parquet(source)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ParseError(file.label, f"must be a Parquet file: {error}") from None
    if lacking := [name for name in ("GEOID", "NAME") if name not in wide.columns]:
        raise ParseError(file.label, f"must have the columns {lacking}, but has {wide.columns[:8]}")
    if wide.is_empty():
        raise ParseError(file.label, "must have rows, but has none")
    wide = wide.with_row_index("row", offset=1).with_columns(
        pl.col("GEOID").cast(pl.String).alias("geo_id"),
        *[pl.col(name).cast(pl.String) for name in wide.columns if _VARIABLE.match(name)],
    )
    return tidy(file, wide, TRACT, None)


def tidy(file: RawFile, wide: pl.DataFrame, level: str, layer: str | None) -> dict[str, pl.DataFrame]:
    """One row a cell from one row an area.

    Args:
        wide: `row` (which row of the file, for errors), `geo_id`, `NAME`, and text columns such as `B14005_010E`.
        layer: of school districts.

    Returns:
        The rows of the level's table: codes are null and kept as words, a margin is 0 where the estimate is
        controlled, and a cell without estimate, margin and words is no row.

    Raises:
        ParseError: there is no variable, a margin stands without its estimate, or a value is no number.
    """
    variables = [name for name in wide.columns if _VARIABLE.match(name)]
    if not variables:
        raise ParseError(file.label, "must have at least one variable such as B14005_001E", row=1)
    cells = sorted({name[:-1] for name in variables})
    if lost := [cell for cell in cells if f"{cell}E" not in variables]:
        raise ParseError(file.label, f"must have the estimate {lost[0]}E, but has its margin alone", row=1)
    numbers = _numbers(file, wide, variables)
    frames = [
        numbers.select(
            "geo_id",
            pl.col("NAME").alias("geo_name"),
            pl.lit(cell).alias("cell"),
            pl.col(f"{cell}E").alias("estimate"),
            (pl.col(f"{cell}M") if f"{cell}M" in variables else pl.lit(None, pl.Float64)).alias("moe"),
        )
        # A cell that nobody pulled is null in estimate and margin alike: it is not a row.
        .filter(pl.col("estimate").is_not_null() | pl.col("moe").is_not_null())
        for cell in cells
    ]
    codes, end = list(ACS_ANNOTATIONS), int(file.vintage)
    estimate, moe = pl.col("estimate"), pl.col("moe")
    long = pl.concat(frames).select(
        pl.lit(file.vintage).alias("vintage"),
        pl.lit(f"{end - 4}-{end}").alias("period"),
        pl.lit(level).alias("geo_level"),
        *([] if layer is None else [pl.lit(layer).alias("layer")]),
        "geo_id",
        "geo_name",
        pl.col("cell").str.head(-4).alias("table_id"),
        "cell",
        pl.when(estimate.is_in(codes)).then(None).otherwise(estimate).alias("estimate"),
        pl.when(moe == CONTROLLED).then(0.0).when(moe.is_in(codes)).then(None).otherwise(moe).alias("moe"),
        pl.coalesce(_words("estimate"), _words("moe")).alias("annotation"),
    )
    return {KEYS[level]: long}


def _numbers(file: RawFile, wide: pl.DataFrame, variables: list[str]) -> pl.DataFrame:
    """The variables as numbers; "NaN" and "inf" would pass as such, and no range catches them."""
    numbers = wide.with_columns(pl.col(variables).cast(pl.Float64, strict=False))
    lost = pl.col(variables).is_not_null().sum()
    if wide.select(lost).row(0) == numbers.select(pl.col(variables).is_finite().fill_null(False).sum()).row(0):
        return numbers
    for name in variables:
        is_number = pl.col(name).cast(pl.Float64, strict=False).is_finite().fill_null(False)
        bad = wide.filter(pl.col(name).is_not_null() & ~is_number)
        if bad.height:
            raise ParseError(file.label, f"{name} must be a number, but is {bad[name][0]!r}", row=bad["row"][0])
    raise AssertionError("unreachable: the sums differ")


def _words(column: str) -> pl.Expr:
    """The words of an annotation code, null for an ordinary number."""
    return pl.col(column).replace_strict(ACS_ANNOTATIONS, default=None, return_dtype=pl.String)


def _read_rows(file: RawFile) -> tuple[list[str], list[list[str | None]]]:
    """The header and the rows of an API answer; every fault named."""
    body = file.body
    if body[:1] != b"[":
        start = body[:60].decode("latin-1").strip()
        raise ParseError(file.label, f"must be a JSON array as the API answers it, but starts with {start!r}")
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise ParseError(file.label, f"must be whole JSON: {error}") from None
    if not (isinstance(answer, list) and len(answer) > 1 and all(isinstance(row, list) for row in answer)):
        raise ParseError(file.label, "must be an array of a header and at least one row")
    header, rows = answer[0], answer[1:]
    if not all(isinstance(name, str) for name in header):
        raise ParseError(file.label, "must have names in its first row", row=1)
    if len(set(header)) != len(header):
        raise ParseError(file.label, f"a column stands twice: {header}", row=1)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ParseError(
                file.label, f"must have {len(header)} values as its header, but has {len(row)}", row=number
            )
        if any(isinstance(value, list | dict) for value in row):
            raise ParseError(
                file.label, "must hold text, numbers and nulls, but holds an array or an object", row=number
            )
    return header, rows
