"""The keyless road: table-based summary files, every geography of the nation in one file a table.

`acsdt5y2023-b14005.dat` is `GEO_ID|B14005_E001|B14005_M001|...`, a line a geography; names of geographies stand in
`Geos20235YR.txt`. The files are landed whole. Reading one keeps the lines of counties, and of tracts and school
districts of the states that the run touches, before anything else is done with them: most lines are of block groups and
places.
"""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from sources.census_acs5 import cells
from sources.census_acs5.answers import tidy
from sources.source import Fetched, Fetcher, ParseError, RawFile, Request, Scope

ROOT = "https://www2.census.gov/programs-surveys/acs/summary_file"
_FILE = re.compile(r"acsdt5y(?P<year>\d{4})-(?P<table>[bc]\d{5}[a-z]*)\.dat")
_COLUMN = re.compile(r"(?P<table>\w+)_(?P<kind>[EM])(?P<line>\d{3})")
# GEO_ID is summary level, variant and component, "US", and the codes of the geography.
_COUNTY = "0500000US"
_PREFIXES = {
    _COUNTY: (cells.COUNTY, None),
    "1400000US": (cells.TRACT, None),
    "9700000US": (cells.DISTRICT, "unified"),
    "9500000US": (cells.DISTRICT, "elementary"),
    "9600000US": (cells.DISTRICT, "secondary"),
}
_PREFIX = 9
_MOST = 3_000_000_000  # bytes: the largest table has some 120 columns in some 600,000 lines
_LOG = logging.getLogger(__name__)


def geos_name(year: str) -> str:
    """The file that names the geographies of a year."""
    return f"Geos{year}5YR.txt"


def table_name(year: str, table: str) -> str:
    """The file of one detailed table."""
    return f"acsdt5y{year}-{table.lower()}.dat"


def fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    """The file of every wanted detailed table, and before them the one that names the geographies.

    Subject tables have no summary file: what is missing is logged, with what would bring it.

    Raises:
        SourceError: a file cannot be had.
    """
    named = [cell for level in (cells.COUNTY, cells.TRACT, cells.DISTRICT) for cell in cells.wanted(level, scope.cells)]
    tables = sorted({cells.table_of(cell) for cell in named if not cells.is_subject(cell)})
    if subject := sorted({cell for cell in named if cells.is_subject(cell)}):
        _LOG.warning(
            "census_acs5, vintage %s: without CENSUS_API_KEY the summary files are read, and those have no subject "
            "tables: %s are missing. Request a key at https://api.census.gov/data/key_signup.html and set "
            "CENSUS_API_KEY.",
            vintage,
            ", ".join(subject),
        )
    root = f"{ROOT}/{vintage}/table-based-SF"
    yield fetcher.get(
        Request(geos_name(vintage), f"{root}/documentation/{geos_name(vintage)}", "text", max_bytes=_MOST)
    )
    for table in tables:
        name = table_name(vintage, table)
        yield fetcher.get(Request(name, f"{root}/data/5YRData/{name}", "text", max_bytes=_MOST))


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read one table's file: the same rows as the API's answers for the same geographies and cells.

    Raises:
        ParseError: the file is cut off, lacks a wanted column, has a line with more or fewer values than its header, no
            counties, or a geography without a name; or the file that names geographies is not beside it.
    """
    match = _FILE.fullmatch(file.name)
    if match is None or match["year"] != file.vintage:
        raise ParseError(file.label, f"must be named {table_name(file.vintage, 'B14005')!r} or so")
    by_level = {
        level: [
            cell for cell in cells.wanted(level, file.scope.cells) if cells.table_of(cell).lower() == match["table"]
        ]
        for level in (cells.COUNTY, cells.TRACT, cells.DISTRICT)
    }
    states = cells.NATION if file.scope.states is None else file.scope.states
    named = sorted({cell for level in by_level.values() for cell in level})
    if not named:
        return {}
    wide = read_lines(file, named, states)
    if not wide["prefix"].eq(_COUNTY).any():
        raise ParseError(file.label, f"must have counties (GEO_ID {_COUNTY}...), but has none")
    wide = _with_names(file, wide, states)
    found: dict[str, list[pl.DataFrame]] = {}
    for (prefix,), part in wide.partition_by("prefix", as_dict=True, maintain_order=True).items():
        level, layer = _PREFIXES[str(prefix)]
        kept = [name for name in part.columns if name[:-1] in set(by_level[level])]
        if kept:
            for key, frame in tidy(file, part.select("row", "geo_id", "NAME", *kept), level, layer).items():
                found.setdefault(key, []).append(frame)
    return {key: pl.concat(frames) for key, frames in found.items()}


def read_lines(file: RawFile, wanted: Sequence[str], states: Sequence[str]) -> pl.DataFrame:
    """The wanted cells of the wanted geographies: `row` (GEO_ID), `prefix`, `geo_id`, and text columns by API variable.

    Lines are filtered as lines and only then read as columns, which is faster than to read the columns of all of them,
    and shows a line that is too short; a CSV reader fills it up with nulls.

    Raises:
        ParseError: see `parse`.
    """
    header = _header(file)
    places = {}
    for index, name in enumerate(header):
        if column := _COLUMN.fullmatch(name):
            places[f"{column['table']}_{column['line']}{column['kind']}"] = index
    variables = [f"{cell}{kind}" for cell in wanted for kind in "EM"]
    if lacking := [name for name in variables if name not in places]:
        raise ParseError(file.label, f"must have a column for {', '.join(lacking)}, but has {header[:5]}...", row=1)
    if header[0] != "GEO_ID":
        raise ParseError(file.label, f"must begin with the column GEO_ID, but has {header[:3]}", row=1)
    line = pl.col("line")
    kept = _collect(file, _scan(file).filter(_is_wanted(line, states)))
    ragged = kept.filter(line.str.count_matches("|", literal=True) != len(header) - 1)
    if ragged.height:
        has = str(ragged["line"][0]).split("|")
        raise ParseError(file.label, f"must have {len(header)} values as its header, but has {len(has)}", row=has[0])
    if kept.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(["row", "prefix", "geo_id", *variables], pl.String))
    fields = pl.read_csv(
        "\n".join(kept["line"].to_list()).encode(),
        separator="|",
        has_header=False,
        new_columns=header,
        infer_schema=False,
        quote_char=None,
    ).rename({"GEO_ID": "row", **{header[places[name]]: name for name in variables}})
    return fields.select(
        "row",
        pl.col("row").str.head(_PREFIX).alias("prefix"),
        pl.col("row").str.slice(_PREFIX).alias("geo_id"),
        *variables,
    )


def _is_wanted(text: pl.Expr, states: Sequence[str]) -> pl.Expr:
    """Whether a text begins with the GEO_ID of a county, or of a tract or school district of these states."""
    prefix = text.str.head(_PREFIX)
    below = [name for name, (level, _) in _PREFIXES.items() if level != cells.COUNTY]
    return (prefix == _COUNTY) | (prefix.is_in(below) & text.str.slice(_PREFIX, 2).is_in(list(states)))


def _header(file: RawFile) -> list[str]:
    """The first line; the last one must be whole."""
    if isinstance(file.content, bytes):
        first, last = file.content.partition(b"\n")[0], file.content[-1:]
    else:
        with file.content.open("rb") as stream:
            first = stream.readline()
            stream.seek(-1 if first else 0, os.SEEK_END)
            last = stream.read(1)
    if not first.startswith(b"GEO_ID|") and not first.startswith(b"FILEID|"):
        start = first[:60].decode("latin-1").strip()
        raise ParseError(file.label, f"must be a pipe-delimited summary file, but starts with {start!r}")
    if last != b"\n":
        raise ParseError(file.label, "must end with a whole line, but is cut off")
    return first.decode("utf-8").rstrip("\r\n").split("|")


def _scan(file: RawFile) -> pl.LazyFrame:
    """The lines of a file, not read yet."""
    source: Any = file.content
    return pl.scan_lines(source, name="line").with_columns(pl.col("line").str.strip_chars_end("\r"))


def _collect(file: RawFile, lines: pl.LazyFrame) -> pl.DataFrame:
    try:
        return lines.collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise ParseError(file.label, f"must be text in UTF-8: {error}") from None


def _with_names(file: RawFile, wide: pl.DataFrame, states: Sequence[str]) -> pl.DataFrame:
    """The rows with the names of their geographies.

    Raises:
        ParseError: names are not to be had.
    """
    geos = file.beside(geos_name(file.vintage))
    if geos is None:
        raise ParseError(file.label, f"needs {geos_name(file.vintage)} beside it, which names the geographies")
    named = wide.join(_names(geos, tuple(states)), on="row", how="left", maintain_order="left")
    if nameless := named.filter(pl.col("NAME").is_null())["row"].to_list():
        raise ParseError(file.label, f"holds {nameless[0]}, which {geos.name} does not name", row=nameless[0])
    return named


def _names(geos: RawFile, states: tuple[str, ...]) -> pl.DataFrame:
    """Names by GEO_ID; kept while table after table of a vintage is read."""
    if isinstance(geos.content, bytes):
        return _read_names(geos, states)
    told = geos.content.stat()
    return _kept_names(geos.content, told.st_size, told.st_mtime_ns, states, geos.label)


@lru_cache(maxsize=1)
def _kept_names(path: Path, size: int, changed: int, states: tuple[str, ...], label: str) -> pl.DataFrame:
    source_id, vintage, name = label.split("/", 2)
    return _read_names(RawFile(source_id, vintage, name, path), states)


def _read_names(geos: RawFile, states: tuple[str, ...]) -> pl.DataFrame:
    header = _header(geos)
    if lacking := [name for name in ("GEO_ID", "NAME") if name not in header]:
        raise ParseError(geos.label, f"must have the columns {lacking}, but has {header[:8]}", row=1)
    fields = pl.col("line").str.split("|")
    names = _scan(geos).select(
        fields.list.get(header.index("GEO_ID"), null_on_oob=True).alias("row"),
        fields.list.get(header.index("NAME"), null_on_oob=True).alias("NAME"),
    )
    return _collect(geos, names.filter(_is_wanted(pl.col("row"), states)))
