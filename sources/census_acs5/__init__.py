"""American Community Survey, 5-year: the API's answers, cell by cell with their margins."""

import json
import re
from collections.abc import Iterator

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.source import Fetched, Fetcher, ParseError, RawFile, Scope, Source, Vintage
from sources.values import ACS_ANNOTATIONS, CONTROLLED

_VARIABLE = re.compile(r"^(?P<cell>(?P<table>[BCS]\d{4,5}[A-Z]*(?:_C\d{2})?)_\d{3})(?P<kind>[EM])$")
_LEVELS = {("state", "county"): "county", ("state", "county", "tract"): "tract"}


def _table(level: str) -> Table:
    return Table(
        key=f"core.census_acs5_{level}",
        title=f"ACS 5-year estimates by {level}",
        description=f"Cells of ACS 5-year tables by {level}, as the API answers them: one row a cell, the estimate and "
        "its published 90 % margin of error. Annotation codes are null here and kept as words beside the number. "
        "Only cells that an indicator names or that were saved are held; a missing cell is not a zero.",
        columns=(
            VINTAGE,
            PERIOD,
            geo_level(level),
            geo_id(level),
            GEO_NAME,
            Column("table_id", pl.String, "ACS table, for instance B17001.", nullable=False, pattern=r"^[BCS]\d{4,5}"),
            Column("cell", pl.String, "Cell of the table, for instance B17001_002.", nullable=False),
            # No lower bound is declared: medians of net values may be negative; codes are turned to null.
            Column("estimate", pl.Float64, "Estimate, in the cell's own unit.", unit="as the table says", minimum=0),
            Column(
                "moe",
                pl.Float64,
                "90 % margin of error; 0 where the estimate is controlled.",
                unit="as the estimate",
                minimum=0,
            ),
            Column("annotation", pl.String, "What the publisher said in place of the estimate or the margin."),
            SNAPSHOT,
        ),
        primary_key=("vintage", "geo_id", "cell"),
        may_be_empty=True,
    )


COUNTY = _table("county")
TRACT = _table("tract")


def _read_rows(file: RawFile) -> tuple[list[str], list[list[str | None]]]:
    """The header and the rows of an API answer; every fault named."""
    if file.body[:1] != b"[":
        start = file.body[:60].decode("latin-1").strip()
        raise ParseError(file.label, f"must be a JSON array as the API answers it, but starts with {start!r}")
    try:
        answer = json.loads(file.body)
    except ValueError as error:
        raise ParseError(file.label, f"must be whole JSON: {error}") from None
    if not (isinstance(answer, list) and len(answer) > 1 and all(isinstance(row, list) for row in answer)):
        raise ParseError(file.label, "must be an array of a header and at least one row")
    header, rows = answer[0], answer[1:]
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


def _kinds(column: str) -> pl.Expr:
    """The words of an annotation code, null for an ordinary number."""
    return pl.col(column).replace_strict(ACS_ANNOTATIONS, default=None, return_dtype=pl.String)


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read one saved answer: `county/B14005.json`, or a part of it, `county/B14005.2.json`."""
    header, rows = _read_rows(file)
    geography = tuple(name for name in header if name != "NAME" and not _VARIABLE.match(name))
    level = _LEVELS.get(geography)
    if level is None or "NAME" not in header:
        raise ParseError(file.label, f"must have NAME and known geography columns, but has {geography}", row=1)
    variables = [name for name in header if _VARIABLE.match(name)]
    if not variables:
        raise ParseError(file.label, "must have at least one variable such as B14005_001E", row=1)
    wide = pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row", strict=False).with_columns(
        geo_id=pl.concat_str(geography)
    )
    # Row numbers in errors count from the header, as an editor shows them.
    for name in variables:
        # "NaN" and "inf" would pass as numbers, and no range catches them.
        is_number = pl.col(name).cast(pl.Float64, strict=False).is_finite().fill_null(False)
        bad = wide.with_row_index("row", offset=2).filter(pl.col(name).is_not_null() & ~is_number)
        if bad.height:
            raise ParseError(file.label, f"{name} must be a number, but is {bad[name][0]!r}", row=int(bad["row"][0]))
    cells = sorted({match["cell"] for name in variables if (match := _VARIABLE.match(name))})
    lost = [cell for cell in cells if f"{cell}E" not in header]
    if lost:
        raise ParseError(file.label, f"must have the estimate {lost[0]}E, but has its margin alone", row=1)
    frames = []
    for cell in cells:
        pair = [
            (pl.col(f"{cell}{kind}") if f"{cell}{kind}" in header else pl.lit(None, pl.String))
            .cast(pl.Float64)
            .alias(name)
            for kind, name in (("E", "estimate"), ("M", "moe"))
        ]
        frames.append(wide.select("geo_id", pl.col("NAME").alias("geo_name"), *pair).with_columns(cell=pl.lit(cell)))
    long = pl.concat(frames)
    codes = list(ACS_ANNOTATIONS)
    end = int(file.vintage)
    tidy = long.with_columns(
        annotation=pl.coalesce(_kinds("estimate"), _kinds("moe")),
        estimate=pl.when(pl.col("estimate").is_in(codes)).then(None).otherwise(pl.col("estimate")),
        moe=pl.when(pl.col("moe") == CONTROLLED)
        .then(0.0)
        .when(pl.col("moe").is_in(codes))
        .then(None)
        .otherwise(pl.col("moe")),
    ).select(
        pl.lit(file.vintage).alias("vintage"),
        pl.lit(f"{end - 4}-{end}").alias("period"),
        pl.lit(level).alias("geo_level"),
        "geo_id",
        "geo_name",
        pl.col("cell").str.head(-4).alias("table_id"),
        "cell",
        "estimate",
        "moe",
        "annotation",
    )
    # A cell that nobody pulled is null in estimate and margin alike: it is not a row.
    tidy = tidy.filter(pl.any_horizontal(pl.col("estimate", "moe", "annotation").is_not_null()))
    return {_table_key(level): tidy}


def _table_key(level: str) -> str:
    return {"county": COUNTY.key, "tract": TRACT.key}[level]


def _fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    # The API client is imported only when it is needed: it brings its own network stack.
    from sources.census_acs5.live import fetch

    return fetch(fetcher, vintage, scope)


SOURCE = Source(
    id="census_acs5",
    title="American Community Survey, 5-year estimates",
    publisher="US Census Bureau",
    licence="Public domain (work of the US government)",
    citation="US Census Bureau, American Community Survey 5-Year Estimates.",
    landing_page="https://www.census.gov/programs-surveys/acs",
    cadence="yearly, in December",
    cadence_days=400,
    vintages=(Vintage("2018", live=False), Vintage("2022", live=False), Vintage("2023")),
    tables=(COUNTY, TRACT),
    files={COUNTY.key: ("county/*.json",), TRACT.key: ("tract/*.json",)},
    parse=parse,
    fetch=_fetch,
)
