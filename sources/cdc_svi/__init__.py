"""CDC/ATSDR Social Vulnerability Index: its inputs with margins, and the published index kept apart from them.

CDC took its documents off the site in 2025, and they may go again: a live run fails then and what was landed before
stays current. People who used them in 2026 had them from the same addresses.
"""

from collections.abc import Iterator

import polars as pl

from quality.contract import Table
from sources.cdc_svi.tables import COUNTY, COUNTY_INDEX, TRACT, TRACT_INDEX
from sources.source import Fetched, Fetcher, ParseError, RawFile, Request, Scope, Source, Vintage, parsed_schema
from sources.states import NAME_BY_FIPS

_ROOT = "https://svi.cdc.gov/Documents/Data"
_NATION = "SVI_{}_US.csv"
_MISSING = -999.0

# The variables of each design. The first group is counted but has no percentage; PCI is dollars, and its "percentage"
# repeats them.
_WITHOUT_SHARE = ("TOTPOP", "HU", "HH", "DAYPOP", "PCI")
_SAME = (
    *("TOTPOP", "HU", "HH", "DAYPOP", "UNEMP", "NOHSDP", "UNINSUR", "AGE65", "AGE17", "DISABL", "SNGPNT", "LIMENG"),
    *("MINRTY", "MUNIT", "MOBILE", "CROWD", "NOVEH", "GROUPQ"),
)
_UNTIL_2018 = (*_SAME, "POV", "PCI")
_SINCE_2020 = (*_SAME, "POV150", "HBURD", "NOINT", "AFAM", "HISP", "ASIAN", "AIAN", "NHPI", "TWOMORE", "OTHERRACE")
_THEMES = (
    ("POV150", "UNEMP", "HBURD", "NOHSDP", "UNINSUR"),
    ("AGE65", "AGE17", "DISABL", "SNGPNT", "LIMENG"),
    ("MINRTY",),
    ("MUNIT", "MOBILE", "CROWD", "NOVEH", "GROUPQ"),
)
_RANKED = tuple(name for theme in _THEMES for name in theme)
_INDEX = (
    *(f"{kind}_{name}" for name in _RANKED for kind in ("EPL", "F")),
    *(f"{kind}_THEME{n}" for n in range(1, len(_THEMES) + 1) for kind in ("SPL", "RPL", "F")),
    "SPL_THEMES",
    "RPL_THEMES",
    "F_TOTAL",
)


def _input_columns(variable: str) -> tuple[str | None, ...]:
    """CDC's columns of a variable: estimate, margin, percentage and its margin; None where there is none."""
    moe = None if variable == "DAYPOP" else f"M_{variable}"
    has_share = variable not in _WITHOUT_SHARE
    return f"E_{variable}", moe, f"EP_{variable}" if has_share else None, f"MP_{variable}" if has_share else None


def _read(file: RawFile, needed: list[str], width: int) -> pl.DataFrame:
    """The needed columns of a CSV file as numbers, with `geo_id` of full width; -999 stays.

    Raises:
        ParseError: no CSV, a column is missing, a row is short, or a cell is no number.
    """
    body = file.body
    try:
        body.decode("utf-8")
        wide = pl.read_csv(body, infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise ParseError(file.label, f"must be a CSV file in UTF-8: {str(error).splitlines()[0]}") from None
    lacking = [name for name in ("FIPS", "LOCATION", *needed) if name not in wide.columns]
    if lacking:
        raise ParseError(file.label, f"must have the columns {lacking[:8]}, but has {wide.columns[:8]}", row=1)
    if not wide.height:
        raise ParseError(file.label, "must have rows below its header, but has none")
    if not body.endswith(b"\n"):
        raise ParseError(file.label, "must end with a line break, but is cut off", row=wide.height + 1)
    numbered = wide.select("FIPS", "LOCATION", *needed).with_row_index("row", offset=2)
    # No cell of these files is empty: a null is a value that a short row does not have.
    for name in ("FIPS", "LOCATION", *needed):
        text = pl.col(name).str.strip_chars()
        is_good = pl.col(name).is_not_null()
        if name == "FIPS":
            is_good &= text.str.contains(rf"^\d{{{width - 1},{width}}}$")
        elif name != "LOCATION":
            number = text.cast(pl.Float64, strict=False)
            is_good &= (number.is_finite() & ((number >= 0) | (number == _MISSING))).fill_null(False)
        bad = numbered.filter(~is_good).head(1)
        if bad.height:
            expected = f"an id of {width} digits" if name == "FIPS" else "a number of 0 or more, or -999"
            rule = f"{name} must be {expected}, but is {bad[name][0]!r}"
            raise ParseError(file.label, rule, row=int(bad["row"][0]))
    return numbered.select(
        # Ids of the states 01 to 09 have lost their first digit in the file of 2022.
        pl.col("FIPS").str.strip_chars().str.zfill(width).alias("geo_id"),
        pl.col("LOCATION").alias("geo_name"),
        *(pl.col(name).str.strip_chars().cast(pl.Float64) for name in needed),
    )


def _stated(name: str | None, alias: str, factor: float = 1.0) -> tuple[pl.Expr, pl.Expr]:
    """A column's number, and what its cell says."""
    if name is None:
        return pl.lit(None, pl.Float64).alias(alias), pl.lit("not_applicable").alias(f"{alias}_kind")
    is_missing = pl.col(name) == _MISSING
    number = pl.when(is_missing).then(None).otherwise((pl.col(name) * factor).round(6)).alias(alias)
    return number, pl.when(is_missing).then(pl.lit("missing")).otherwise(pl.lit("exact")).alias(f"{alias}_kind")


def _long(file: RawFile, table: Table, wide: pl.DataFrame, parts: list[list[pl.Expr]]) -> pl.DataFrame:
    end = int(file.vintage)
    columns = list(parsed_schema(table))
    same = [
        pl.lit(file.vintage).alias("vintage"),
        pl.lit(f"{end - 4}-{end}").alias("period"),
        pl.lit("county" if table in (COUNTY, COUNTY_INDEX) else "tract").alias("geo_level"),
        pl.col("geo_id"),
        pl.col("geo_name"),
    ]
    return pl.concat(wide.select(*same, *part) for part in parts).select(columns)


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a file of counties (with the index or, `_inputs`, without it) or of tracts."""
    is_tract = file.name.startswith("tracts/")
    tables = (TRACT, TRACT_INDEX) if is_tract else (COUNTY, COUNTY_INDEX)
    variables = _UNTIL_2018 if int(file.vintage) <= 2018 else _SINCE_2020
    measures = () if file.name.endswith("_inputs.csv") else _INDEX
    inputs = [name for variable in variables for name in _input_columns(variable) if name is not None]
    wide = _read(file, [*inputs, *measures], 11 if is_tract else 5)
    parts = []
    for variable in variables:
        estimate, moe, share, share_moe = _input_columns(variable)
        parts.append(
            [
                pl.lit(variable).alias("variable"),
                pl.lit("US dollars" if variable == "PCI" else "count").alias("unit"),
                *_stated(estimate, "estimate"),
                _stated(moe, "estimate_moe")[0],
                *_stated(share, "share", 0.01),
                _stated(share_moe, "share_moe", 0.01)[0],
            ]
        )
    found = {tables[0].key: _long(file, tables[0], wide, parts)}
    if measures:
        is_state = is_tract and file.name != f"tracts/{_NATION.format(file.vintage)}"
        within = pl.lit("state" if is_state else "nation").alias("ranked_within")
        parts = [[pl.lit(name).alias("measure"), within, *_stated(name, "value")] for name in measures]
        found[tables[1].key] = _long(file, tables[1], wide, parts)
    return found


def _county_file(vintage: str) -> Request:
    name = f"SVI_{vintage}_US_county.csv"
    return Request(name, f"{_ROOT}/{vintage}/csv/states_counties/{name}", "csv")


def _fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    """Counties of the nation, and tracts of the region's states; of the nation in one file where it is all of it."""
    yield fetcher.get(_county_file(vintage))
    names = (
        [_NATION.format(vintage)]
        if scope.states is None
        else [f"{NAME_BY_FIPS[state].replace(' ', '')}.csv" for state in scope.states]
    )
    for name in names:
        yield fetcher.get(Request(f"tracts/{name}", f"{_ROOT}/{vintage}/csv/states/{name}", "csv"))


_COUNTY_FILES, _TRACT_FILES = ("SVI_????_US_county.csv",), ("tracts/*.csv",)

SOURCE = Source(
    id="cdc_svi",
    title="Social Vulnerability Index and its inputs",
    publisher="Centers for Disease Control and Prevention / Agency for Toxic Substances and Disease Registry",
    licence="Public domain (work of the US government)",
    citation="CDC/ATSDR, Geospatial Research, Analysis, and Services Program, Social Vulnerability Index.",
    landing_page="https://www.atsdr.cdc.gov/place-health/php/svi/index.html",
    cadence="every two years",
    cadence_days=1200,
    # The month of release of 2022 is known from notes of its users, the day is not.
    vintages=(Vintage("2018", live=False), Vintage("2020", live=False), Vintage("2022", released="2024-05-01")),
    tables=(COUNTY, TRACT, COUNTY_INDEX, TRACT_INDEX),
    files={
        COUNTY.key: (*_COUNTY_FILES, "SVI_????_US_county_inputs.csv"),
        TRACT.key: _TRACT_FILES,
        COUNTY_INDEX.key: _COUNTY_FILES,
        TRACT_INDEX.key: _TRACT_FILES,
    },
    parse=parse,
    fetch=_fetch,
    probe=_county_file,
)
