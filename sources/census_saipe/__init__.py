"""SAIPE: the Census Bureau's modelled poverty estimates for counties and school districts."""

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.source import ParseError, RawFile, Request, Source, Vintage, fetch_addresses
from sources.values import parse_number
from sources.workbook import Workbook

_ROOT = "https://www2.census.gov/programs-surveys/saipe/datasets"

# Publisher's column group -> (our prefix, what it counts). Each has an estimate with 90 % bounds,
# and, but for income, the same as a percentage.
_GROUPS = (
    ("All Ages", "poverty_all_ages", "people in poverty"),
    ("Age 0-17", "poverty_0_17", "children under 18 in poverty"),
    ("Age 5-17 in Families", "poverty_5_17_related", "related children aged 5 to 17 in families in poverty"),
    ("Age 0-4", "poverty_0_4", "children under 5 in poverty (published for states and the nation only)"),
)
_BOUNDS = (("", ""), ("_lower", ", lower bound of the 90 % interval"), ("_upper", ", upper bound of the 90 % interval"))


def _measures() -> tuple[Column, ...]:
    columns = []
    for _, prefix, what in _GROUPS:
        columns += [
            Column(f"{prefix}_count{suffix}", pl.Float64, f"Number of {what}{note}.", unit="persons", minimum=0)
            for suffix, note in _BOUNDS
        ]
        columns += [
            Column(
                f"{prefix}_share{suffix}",
                pl.Float64,
                f"Share: {what}{note}.",
                unit="share, 0 to 1",
                minimum=0,
                maximum=1,
            )
            for suffix, note in _BOUNDS
        ]
    columns += [
        Column(
            f"median_household_income_usd{suffix}",
            pl.Float64,
            f"Median household income{note}.",
            unit="US dollars of the year",
            minimum=0,
        )
        for suffix, note in _BOUNDS
    ]
    return tuple(columns)


COUNTY = Table(
    key="core.census_saipe_county",
    title="SAIPE poverty and income by county",
    description="Modelled poverty and median household income of the nation, states and counties, with published "
    "90 % bounds. SAIPE already borrows strength between counties: never shrink it again.",
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("us", "state", "county"),
        geo_id("us", "state", "county"),
        GEO_NAME,
        *_measures(),
        SNAPSHOT,
    ),
    primary_key=("vintage", "geo_level", "geo_id"),
    may_be_empty=True,
)
DISTRICT = Table(
    key="core.census_saipe_district",
    title="SAIPE poverty by school district",
    description="Population, children aged 5 to 17 and related children of that age in poverty by school district. "
    "Illinois elementary and high-school districts overlap: never add them. No bounds are published.",
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("school_district"),
        geo_id("school_district"),
        GEO_NAME,
        Column("population_count", pl.Int64, "Total population.", unit="persons", minimum=0),
        Column("population_5_17_count", pl.Int64, "Population aged 5 to 17.", unit="persons", minimum=0),
        Column(
            "poverty_5_17_related_count",
            pl.Int64,
            "Related children aged 5 to 17 in poverty.",
            unit="persons",
            minimum=0,
        ),
        SNAPSHOT,
    ),
    primary_key=("vintage", "geo_id"),
    may_be_empty=True,
)

_COUNTY_KEYS = ["State FIPS Code", "County FIPS Code", "Postal Code", "Name"]
_DISTRICT_HEADER = [
    "State Postal Code",
    "State FIPS Code",
    "District ID",
    "Name",
    "Estimated Total Population",
    "Estimated Population 5-17",
    "Estimated number of relevant children 5 to 17 years old in poverty who are related to the householder",
]


def _county_columns() -> list[tuple[str, str, float]]:
    """(publisher's header, our column, factor) in the workbook's order."""
    bound = "90% CI Lower Bound", "90% CI Upper Bound"
    columns: list[tuple[str, str, float]] = []
    income = [
        ("Median Household Income", "median_household_income_usd", 1.0),
        (bound[0], "median_household_income_usd_lower", 1.0),
        (bound[1], "median_household_income_usd_upper", 1.0),
    ]
    for group, prefix, _ in _GROUPS:
        if group == "Age 0-4":
            columns += income
        columns += [
            (f"Poverty Estimate, {group}", f"{prefix}_count", 1.0),
            (bound[0], f"{prefix}_count_lower", 1.0),
            (bound[1], f"{prefix}_count_upper", 1.0),
            (f"Poverty Percent, {group}", f"{prefix}_share", 0.01),
            (bound[0], f"{prefix}_share_lower", 0.01),
            (bound[1], f"{prefix}_share_upper", 0.01),
        ]
    return columns


def _find_header(file: RawFile, sheet: str, rows: list[tuple[str | None, ...]], expected: list[str]) -> int:
    for index, row in enumerate(rows[:10]):
        if list(row[: len(expected)]) == expected:
            if added := [title for title in row[len(expected) :] if title]:
                raise ParseError(file.label, f"has columns that nobody knows: {added}", sheet=sheet, row=index + 1)
            return index
    raise ParseError(file.label, f"must have a header row that reads {expected}", sheet=sheet)


def _number(file: RawFile, sheet: str, row: int, column: str, text: str | None) -> float | None:
    try:
        return parse_number(text).value
    except ValueError as error:
        raise ParseError(file.label, f"column {column!r}: {error}", sheet=sheet, row=row) from None


def _judge_bounds(file: RawFile, sheet: str, frame: pl.DataFrame) -> None:
    """Columns of bounds have no titles of their own: only their figures show that none stands in another's place.

    Bounds enclose their estimate; and a bound's count is as far from its estimate, in proportion, as its percentage
    is, but for what rounding hides.
    """

    def refuse(is_wrong: pl.Expr, rule: str) -> None:
        if (wrong := frame.filter(is_wrong)).height:
            raise ParseError(file.label, rule, sheet=sheet, row=wrong["row"][0])

    shares = [f"{prefix}_share" for _, prefix, _ in _GROUPS]
    for name in [*shares, *(share.replace("_share", "_count") for share in shares), "median_household_income_usd"]:
        estimate, lower, upper = (pl.col(f"{name}{end}") for end in ("", "_lower", "_upper"))
        absent = estimate.is_null().cast(pl.Int8) + lower.is_null().cast(pl.Int8) + upper.is_null().cast(pl.Int8)
        refuse(absent.is_in([1, 2]), f"{name} must have both bounds where it has an estimate, and none where not")
        refuse((lower > estimate) | (upper < estimate), f"bounds of {name} must enclose it")
    for share in shares:
        for end in ("_lower", "_upper"):
            count = pl.col(share.replace("_share", "_count"))
            ratio = pl.col(share.replace("_share", "_count") + end) / count
            rounded = 0.0005 * (1 + ratio) + pl.col(share) * 0.5 / count * (1 + ratio)
            is_off = (pl.col(share + end) - pl.col(share) * ratio).abs() > rounded + 1e-9
            refuse((count > 0) & is_off, f"{share}{end} must be in proportion to the same bound of the count")


def _parse_county(file: RawFile) -> pl.DataFrame:
    book = Workbook(file)
    sheet = book.sheet_names[0]
    rows = book.rows(sheet)
    columns = _county_columns()
    start = _find_header(file, sheet, rows, _COUNTY_KEYS + [header for header, _, _ in columns])
    records = []
    for number, row in enumerate(rows[start + 1 :], start=start + 2):
        state, county = (row[0] or "").strip(), (row[1] or "").strip()
        if not state and not any(row):
            continue
        if not (state.isdigit() and county.isdigit()):
            raise ParseError(
                file.label,
                f"state and county codes must be digits, but are {state!r} and {county!r}",
                sheet=sheet,
                row=number,
            )
        state, county = state.zfill(2), county.zfill(3)
        level = "us" if state == "00" else "state" if county == "000" else "county"
        record: dict[str, object] = {
            "row": number,
            "vintage": file.vintage,
            "period": file.vintage,
            "geo_level": level,
            "geo_id": state + county if level == "county" else state,
            "geo_name": (row[3] or "").strip(),
        }
        for (header, column, factor), text in zip(columns, row[4 : 4 + len(columns)], strict=True):
            value = _number(file, sheet, number, header, text)
            record[column] = None if value is None else round(value * factor, 6)
        records.append(record)
    if not records:
        raise ParseError(file.label, "must have rows below its header, but has none", sheet=sheet)
    frame = pl.DataFrame(
        records, schema_overrides={column: pl.Float64 for _, column, _ in columns}, infer_schema_length=None
    )
    _judge_bounds(file, sheet, frame)
    return frame.drop("row")


def _parse_district(file: RawFile) -> pl.DataFrame:
    book = Workbook(file)
    sheet = book.sheet_names[0]
    rows = book.rows(sheet)
    start = _find_header(file, sheet, rows, _DISTRICT_HEADER)
    records = []
    for number, row in enumerate(rows[start + 1 :], start=start + 2):
        if not any(row):
            continue
        state, district = (row[1] or "").strip(), (row[2] or "").strip()
        if not (state.isdigit() and district.isdigit()):
            raise ParseError(
                file.label,
                f"state and district codes must be digits, but are {state!r} and {district!r}",
                sheet=sheet,
                row=number,
            )
        population, children, poor = (
            _number(file, sheet, number, header, text)
            for header, text in zip(_DISTRICT_HEADER[4:], row[4:7], strict=True)
        )
        records.append(
            {
                "vintage": file.vintage,
                "period": file.vintage,
                "geo_level": "school_district",
                "geo_id": state.zfill(2) + district.zfill(5),
                "geo_name": (row[3] or "").strip(),
                "population_count": population,
                "population_5_17_count": children,
                "poverty_5_17_related_count": poor,
            }
        )
    if not records:
        raise ParseError(file.label, "must have rows below its header, but has none", sheet=sheet)
    return pl.DataFrame(records, infer_schema_length=None)


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a county workbook (`est{yy}all.xls`) or a district workbook (`ussd{yy}.xls`)."""
    if file.name.startswith("ussd"):
        return {DISTRICT.key: _parse_district(file)}
    return {COUNTY.key: _parse_county(file)}


def _addresses(vintage: str) -> list[Request]:
    short = vintage[2:]
    return [
        Request(f"est{short}all.xls", f"{_ROOT}/{vintage}/{vintage}-state-and-county/est{short}all.xls", "workbook"),
        Request(f"ussd{short}.xls", f"{_ROOT}/{vintage}/{vintage}-school-districts/ussd{short}.xls", "workbook"),
    ]


SOURCE = Source(
    id="census_saipe",
    title="Small Area Income and Poverty Estimates",
    publisher="US Census Bureau",
    licence="Public domain (work of the US government)",
    citation="US Census Bureau, Small Area Income and Poverty Estimates (SAIPE) Program.",
    landing_page="https://www.census.gov/programs-surveys/saipe.html",
    cadence="yearly, in December",
    cadence_days=400,
    vintages=(
        Vintage("2019", live=False),
        Vintage("2022", live=False),
        # "December 2024" stands in the file; the day is inferred.
        Vintage("2023", released="2024-12-17"),
    ),
    tables=(COUNTY, DISTRICT),
    files={COUNTY.key: ("est??all.xls",), DISTRICT.key: ("ussd??.xls",)},
    parse=parse,
    fetch=fetch_addresses(_addresses),
    # The smaller of the two workbooks; the publisher has none that stands for both.
    probe=lambda vintage: _addresses(vintage)[0],
)
