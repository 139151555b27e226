"""What HUD's two counts share: a workbook with a sheet a year, an area a row, a Total row, footnotes below it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from quality.contract import Table
from sources import corrections
from sources.source import Correction, ParseError, RawFile, Request, parsed_schema
from sources.states import FIPS_BY_POSTAL, NAME_BY_FIPS
from sources.values import parse_number
from sources.workbook import Workbook

ROOT = "https://www.huduser.gov/portal/sites/default/files/xls"
# HUD's server refuses clients that do not look like a browser coming from its own page.
HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; headwaters)",
    "Referer": "https://www.huduser.gov/portal/datasets/ahar.html",
}
_COC = re.compile(r"^(?P<id>[A-Z]{2}-\d{3})(?P<note>[a-z]?)$")
_YEAR_SHEET = re.compile(r"^\d{4}$")

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Measure:
    """A column of figures: where it stands, its title as printed, and what we call it."""

    index: int
    title: str
    name: str


@dataclass(frozen=True)
class Layout:
    """How one sheet is laid out.

    Args:
        code: position of the column that identifies an area.
        name: position of the column with its name; the column that says Total.
        texts: positions of other columns that are kept as text, by our name.
        measures: the columns of figures.
        header_rows: rows above the first area.
    """

    code: int
    name: int | None
    texts: dict[str, int]
    measures: list[Measure]
    header_rows: int


def years(file: RawFile) -> list[tuple[str, list[Row]]]:
    """The sheets of a workbook that are years, with their rows.

    Raises:
        ParseError: there is none, or one cannot be read.
    """
    book = Workbook(file)
    found = [sheet for sheet in book.sheet_names if _YEAR_SHEET.match(sheet)]
    if not found:
        raise ParseError(file.label, f"must have a sheet for each year, but has {', '.join(book.sheet_names)}")
    return [(sheet, book.rows(sheet)) for sheet in found]


def read_workbook(
    file: RawFile, coc: Table, state: Table, read: Callable[[RawFile, Table, str, list[Row]], pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """A workbook by CoC or by state, as its name says, one sheet a year.

    Args:
        read: one sheet of a table: its file, table, year and rows.

    Raises:
        ParseError: no sheet is of a year, or `read` refuses one.
    """
    table, level = (state, "state") if "by-State" in file.name else (coc, "coc")
    sheets = [
        read(file, table, year, rows)
        .with_columns(vintage=pl.lit(file.vintage), period=pl.lit(year), geo_level=pl.lit(level))
        .select(*parsed_schema(table))
        for year, rows in years(file)
    ]
    return {table.key: pl.concat(sheets)}


def titles(row: Row) -> list[str]:
    """Cells of a header row without blanks around or doubled inside them."""
    return [" ".join((title or "").split()) for title in row]


def request(name: str) -> Request:
    """A workbook in HUD's folder."""
    return Request(name, f"{ROOT}/{name}", "workbook", HEADERS)


def _area(file: RawFile, sheet: str, row: int, code: str) -> tuple[str, str | None]:
    """The id and name of the area that a code means."""
    match = _COC.match(code)
    if match:
        return match["id"], None
    fips = FIPS_BY_POSTAL.get(code)
    if fips is None:
        raise ParseError(file.label, f"{code!r} is neither a CoC number nor a state", sheet=sheet, row=row)
    return fips, NAME_BY_FIPS[fips]


def _split(file: RawFile, sheet: str, rows: Sequence[Row], layout: Layout) -> tuple[list[tuple[int, Row]], Row]:
    """The numbered rows of areas, and the Total row; what stands below the Total is footnotes."""
    areas: list[tuple[int, Row]] = []
    for number, row in enumerate(rows[layout.header_rows :], start=layout.header_rows + 1):
        code = (row[layout.code] or "").strip()
        label = (row[layout.name] or "").strip() if layout.name is not None else code
        if "Total" in (code, label):
            if not areas:
                raise ParseError(file.label, "must have areas above its Total, but has none", sheet=sheet)
            return areas, row
        if code:
            areas.append((number, row))
    raise ParseError(file.label, "must end with a Total row, but has none: the sheet is cut off", sheet=sheet)


def _numbers(
    file: RawFile, sheet: str, cells: pl.DataFrame, measures: dict[str, Measure], numbers: list[int]
) -> pl.DataFrame:
    """`cells` with `count` and `count_kind`: every different text is read once."""
    known: list[tuple[str | None, float | None, str]] = []
    for text in cells["text"].unique():
        try:
            value = parse_number(text)
        except ValueError as error:
            at = cells.filter(pl.col("text").eq_missing(text)).row(0, named=True)
            title = measures[at["column"]].title
            raise ParseError(file.label, f"column {title!r}: {error}", sheet=sheet, row=numbers[at["entry"]]) from None
        known.append((text, value.value, value.kind))
    read = pl.DataFrame(known, schema={"text": pl.String, "count": pl.Float64, "count_kind": pl.String}, orient="row")
    return cells.join(read, on="text", how="left", nulls_equal=True)


def _judge_totals(
    file: RawFile, sheet: str, read: pl.DataFrame, layout: Layout, total: Row, known: Sequence[Correction]
) -> None:
    codes = set(read["publisher_code"].unique())
    here = [correction for correction in known if correction.holds in codes]
    sums = dict(read.group_by("column").agg(pl.col("count").sum()).iter_rows())
    for measure in layout.measures:
        try:
            published = parse_number(total[measure.index]).value
        except ValueError as error:
            raise ParseError(file.label, f"column {measure.title!r}: {error}", sheet=sheet, row="Total") from None
        rows_sum = sums[f"c{measure.index}"]
        corrections.check_total(file, sheet, measure.title, published=published, rows_sum=rows_sum, corrections=here)


def _as_meant(
    file: RawFile, sheet: str, read: pl.DataFrame, layout: Layout, known: Sequence[Correction]
) -> pl.DataFrame:
    """`read` with every known wrong cell read as what it means."""
    here = [correction for correction in known if correction.kind == "value" and correction.where["sheet"] == sheet]
    title = {f"c{measure.index}": measure.title for measure in layout.measures}
    wrong = read.filter(pl.col("publisher_code").is_in([correction.holds for correction in here]))
    by_area: dict[str, dict[str, str]] = {}
    for code, column, text in wrong.select("publisher_code", "column", "text").iter_rows():
        row = by_area.setdefault(code, {"sheet": sheet, "CoC Number": code})
        row[title[column]] = text or ""
    right = {row["CoC Number"]: row for row in corrections.apply_values(file, list(by_area.values()), here)}
    for code, row in by_area.items():
        for name in (name for name, text in row.items() if right[code][name] != text):
            value = parse_number(right[code][name])
            at = (pl.col("publisher_code") == code) & pl.col("column").replace(title).eq(name)
            read = read.with_columns(
                count=pl.when(at).then(pl.lit(value.value, pl.Float64)).otherwise(pl.col("count")),
                count_kind=pl.when(at).then(pl.lit(value.kind)).otherwise(pl.col("count_kind")),
            )
    return read


def read_sheet(
    file: RawFile, sheet: str, rows: Sequence[Row], layout: Layout, known: Sequence[Correction]
) -> pl.DataFrame:
    """One row an area and measure, judged against the sheet's Total.

    Args:
        known: the source's corrections; those of kind `value` name the sheet and the CoC under `where`.

    Returns:
        `geo_id`, `geo_name`, `publisher_code`, the layout's texts, `measure`, `count`, `count_kind`.

    Raises:
        ParseError: no Total (the sheet is cut off), an unknown area, a cell that is no figure, or rows that do not sum
            to their Total although no correction says so.
    """
    areas, total = _split(file, sheet, rows, layout)
    entries = []
    for number, row in areas:
        code = (row[layout.code] or "").strip()
        geo_id, geo_name = _area(file, sheet, number, code)
        label = (row[layout.name] or "").strip() or None if layout.name is not None else geo_name
        texts = [(row[index] or "").strip() or None for index in layout.texts.values()]
        entries.append((geo_id, label, code, *texts))
    about = pl.DataFrame(
        entries,
        schema=dict.fromkeys(("geo_id", "geo_name", "publisher_code", *layout.texts), pl.String),
        orient="row",
    ).with_row_index("entry")
    measures = {f"c{measure.index}": measure for measure in layout.measures}
    wide = pl.DataFrame(
        [row for _, row in areas], schema={f"c{j}": pl.String for j in range(len(rows[0]))}, orient="row"
    )
    cells = (
        wide.select(list(measures))
        .with_row_index("entry")
        .unpivot(index="entry", variable_name="column", value_name="text")
    )
    read = _numbers(file, sheet, cells, measures, [number for number, _ in areas]).join(about, on="entry")
    _judge_totals(file, sheet, read, layout, total, known)
    read = _as_meant(file, sheet, read, layout, known)
    name = {column: measure.name for column, measure in measures.items()}
    return read.with_columns(measure=pl.col("column").replace_strict(name)).drop("entry", "column", "text")
