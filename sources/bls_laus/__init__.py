"""LAUS: the Bureau of Labor Statistics' yearly averages of employment and unemployment by county."""

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.source import ParseError, RawFile, Request, Source, Vintage, fetch_addresses, parsed_schema
from sources.values import Value, parse_number
from sources.workbook import Workbook

# BLS turns away clients that do not say who they are.
_HEADERS = {"User-Agent": "headwaters/0.1 (public data on conditions of youth; contact: see the project's README)"}
_HEADER_IN = 10  # rows from the top; it stands in row 2
_PLACE = ("State FIPS Code", "County FIPS Code", "County Name/State Abbreviation", "Year")
_FIGURES = ("Labor Force", "Employed", "Unemployed", "Unemployment Rate (%)")


def _count(name: str, who: str) -> Column:
    return Column(name, pl.Int64, f"People of 16 and over, yearly average: {who}.", unit="persons", minimum=0)


COUNTY = Table(
    key="core.bls_laus_county",
    title="Employment and unemployment by county",
    description="Labor force, employed and unemployed residents of counties, averages of the year, modelled by the "
    "publisher; no error is published. People of 16 and over in the labor force only: who has given up looking for "
    "work is not in it. Connecticut has planning regions in 2024.",
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("county"),
        geo_id("county"),
        GEO_NAME,
        _count("labor_force_count", "employed or unemployed"),
        _count("employed_count", "employed"),
        _count("unemployed_count", "without work and looking for it"),
        Column(
            "unemployment_share",
            pl.Float64,
            "Unemployed people, of the labor force, rounded by the publisher to a tenth of a percent.",
            unit="share of the labor force, 0 to 1",
            minimum=0,
            maximum=1,
        ),
        Column(
            "figures_kind",
            pl.String,
            "`exact`, or `missing` where the publisher says N.A. in place of all four figures.",
            nullable=False,
            allowed=("exact", "missing"),
        ),
        SNAPSHOT,
    ),
    primary_key=("vintage", "geo_id"),
    may_be_empty=True,
)


def _figures(file: RawFile, sheet: str, row: int, texts: list[str]) -> list[Value]:
    """The four figures of a row, all stated or none, and consistent with each other."""
    values = []
    for name, text in zip(_FIGURES, texts, strict=True):
        try:
            value = parse_number(text)
        except ValueError as error:
            raise ParseError(file.label, f"column {name!r}: {error}", sheet=sheet, row=row) from None
        if value.kind not in ("exact", "missing") or text == "":
            raise ParseError(
                file.label, f"column {name!r}: must be a number or N.A., but is {text!r}", sheet=sheet, row=row
            )
        values.append(value)
    if len({value.kind for value in values}) > 1:
        raise ParseError(file.label, f"must have all four figures or none, but has {texts}", sheet=sheet, row=row)
    force, employed, unemployed, rate = (value.value for value in values)
    if force is None or employed is None or unemployed is None or rate is None:
        return values
    if abs(force - employed - unemployed) > 1:
        rule = f"labor force must be employed and unemployed, but is {force:g} of {employed:g} and {unemployed:g}"
        raise ParseError(file.label, rule, sheet=sheet, row=row)
    if abs(100 * unemployed / max(force, 1) - rate) > 0.06:
        rule = f"rate must be {unemployed:g} of {force:g} in percent, but is {rate:g}"
        raise ParseError(file.label, rule, sheet=sheet, row=row)
    return values


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read `laucnty{yy}.xlsx`.

    Raises:
        ParseError: no whole workbook, a column is lacking, the rows do not end with the publisher's SOURCE line, a
            row is of another year, or its figures contradict each other.
    """
    book = Workbook(file)
    sheet = book.sheet_names[0]
    rows = book.rows(sheet)
    titles = [[" ".join((cell or "").split()) for cell in row] for row in rows[:_HEADER_IN]]
    wanted = (*_PLACE, *_FIGURES)
    start = max(range(len(titles)), key=lambda n: len({*titles[n]} & {*wanted}), default=None)
    lacking = [name for name in wanted if start is None or name not in titles[start]]
    if start is None or lacking:
        raise ParseError(file.label, f"must have a header with the columns {lacking}", sheet=sheet)
    at = [titles[start].index(name) for name in wanted]
    records = []
    is_whole = False
    for number, row in enumerate(rows[start + 1 :], start=start + 2):
        state, county, name, year, *texts = ((row[j] or "").strip() for j in at)
        if any((cell or "").strip().upper().startswith("SOURCE:") for cell in row):
            is_whole = True
            break
        if not any(row):
            continue
        if not (state.isdigit() and county.isdigit()):
            rule = f"state and county codes must be digits, but are {state!r} and {county!r}"
            raise ParseError(file.label, rule, sheet=sheet, row=number)
        if year != file.vintage:
            raise ParseError(file.label, f"must be of {file.vintage}, but is of {year!r}", sheet=sheet, row=number)
        values = _figures(file, sheet, number, texts)
        *counts, rate = (value.value for value in values)
        share = None if rate is None else round(rate / 100, 6)
        records.append((state.zfill(2) + county.zfill(3), name, *counts, share, values[0].kind))
    if not is_whole:
        raise ParseError(file.label, "must end with a SOURCE line, but has none: the sheet is cut off", sheet=sheet)
    if not records:
        raise ParseError(file.label, "must have rows below its header, but has none", sheet=sheet)
    columns = [name for name in parsed_schema(COUNTY) if name not in ("vintage", "period", "geo_level")]
    types = {column.name: column.dtype for column in COUNTY.columns}
    frame = pl.DataFrame(records, schema={name: types[name] for name in columns}, orient="row", strict=False)
    place = [pl.lit(file.vintage).alias("vintage"), pl.lit(file.vintage).alias("period")]
    return {COUNTY.key: frame.select(*place, pl.lit("county").alias("geo_level"), *columns)}


def _request(vintage: str) -> Request:
    name = f"laucnty{vintage[2:]}.xlsx"
    return Request(name, f"https://www.bls.gov/lau/{name}", "workbook", _HEADERS)


SOURCE = Source(
    id="bls_laus",
    title="Local Area Unemployment Statistics, county annual averages",
    publisher="US Bureau of Labor Statistics",
    licence="Public domain (work of the US government)",
    citation="US Bureau of Labor Statistics, Local Area Unemployment Statistics, labor force data by county.",
    landing_page="https://www.bls.gov/lau/",
    cadence="yearly, in April",
    cadence_days=400,
    # The day stands at the foot of the file.
    vintages=(Vintage("2024", released="2025-04-18"),),
    tables=(COUNTY,),
    files={COUNTY.key: ("laucnty??.xlsx",)},
    parse=parse,
    fetch=fetch_addresses(lambda vintage: [_request(vintage)]),
    probe=_request,
)
