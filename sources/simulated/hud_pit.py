"""HUD's point-in-time counts of homelessness: the workbook by Continuum of Care and the one by state.

Quirks kept: a sheet a year, columns that end in ", 2018" in one workbook and begin with "Overall" in the
other, columns that come and go with the years, a footnote letter on a CoC number, "." and " " for blank,
a Total row, footnote rows below it, and sheets that are no year.

Counts are drawn by shelter and group such that every published sum holds: sheltered and unsheltered add
up to overall, individuals and people in families too, and the rows to the Total row.
"""

import datetime
import io
from collections.abc import Iterator, Sequence

import numpy as np
import xlsxwriter

from sources.simulated import xlsb
from sources.simulated.region import POSTAL, STATE_NAME, Coc, Region, stream

Counts = dict[tuple[str, str], int]
"""People or households by shelter (ES, TH, SH, Unsheltered) and group (the words after "Homeless" in a header)."""

_SHELTERS = ("ES", "TH", "SH", "Unsheltered")
# What families and parenting youth are never counted in, and the chronically homeless by definition not.
_LACKING = {"families": ("SH",), "chronic": ("TH",), "chronic families": ("TH", "SH")}

_GROUPS: tuple[tuple[str, str | None], ...] = (
    ("Homeless", None),
    ("Homeless Individuals", None),
    ("Homeless People in Families", "families"),
    ("Homeless Family Households", "families"),
    ("Chronically Homeless", "chronic"),
    ("Chronically Homeless Individuals", "chronic"),
    ("Chronically Homeless People in Families", "chronic families"),
    ("Homeless Veterans", None),
    ("Homeless Unaccompanied Youth (Under 25)", None),
    ("Homeless Unaccompanied Youth Under 18", None),
    ("Homeless Unaccompanied Youth Age 18-24", None),
    ("Homeless Parenting Youth (Under 25)", "families"),
    ("Homeless Parenting Youth Under 18", "families"),
    ("Homeless Parenting Youth Age 18-24", "families"),
    ("Homeless Children of Parenting Youth", "families"),
)
"""Groups in the order of the columns, with what each lacks."""

_AGES = (
    "Under 18",
    "Age 18 to 24",
    "Over 24",
    "Age 25 to 34",
    "Age 35 to 44",
    "Age 45 to 54",
    "Age 55 to 64",
    "Over 64",
)
_TREND = {2014: 1.10, 2015: 1.06, 2016: 1.02, 2017: 1.0, 2018: 0.98, 2019: 0.97} | {
    2020: 1.0,
    2021: 0.85,
    2022: 0.98,
    2023: 1.10,
    2024: 1.24,
}
_FIRST_REPORT = {"ZZ-503": 2015}
_FOOTNOTED = "ZZ-502"
_FOOTNOTE = (
    "a ZZ-502 is simulated, as is all of this file. The record described in this file represents the CoC's total "
    "territory; the letter stands where HUD puts one on a CoC whose territory needs a note."
)
_COC_YEARS = (2018, 2017, 2016, 2015, 2014)
_STATE_YEARS = (2024, 2023, 2022, 2021, 2020, 2019, 2018)


def _expected(coc: Coc, region: Region, year: int) -> float:
    """How many people are homeless in a CoC on a night in January."""
    base = sum(
        county.population * coc.shares.get(county.fips, 0.0) * county.rates["homeless"] for county in region.counties
    )
    return base * _TREND[year]


def _in_shelter(people: int, shelter: str, rng: np.random.Generator) -> dict[str, int]:
    """Split the people in one kind of shelter into groups; parts never exceed what they are parts of."""
    safe_haven = shelter == "SH"  # for single adults
    families = 0 if safe_haven else int(rng.binomial(people, 0.08 if shelter == "Unsheltered" else 0.40))
    individuals = people - families
    chronic = 0 if shelter == "TH" else int(rng.binomial(individuals, 0.25))
    chronic_families = 0 if shelter in ("TH", "SH") else int(rng.binomial(families, 0.06))
    minors = 0 if safe_haven else int(rng.binomial(individuals, 0.03))
    youth = 0 if safe_haven else int(rng.binomial(individuals - minors, 0.09))
    households = round(families / 3.1)
    parents = int(rng.binomial(households, 0.09))
    young_parents = int(rng.binomial(parents, 0.03))
    groups = {
        "Homeless": people,
        "Homeless Individuals": individuals,
        "Homeless People in Families": families,
        "Homeless Family Households": households,
        "Chronically Homeless": chronic + chronic_families,
        "Chronically Homeless Individuals": chronic,
        "Chronically Homeless People in Families": chronic_families,
        "Homeless Veterans": int(rng.binomial(individuals - minors, 0.08)),
        "Homeless Unaccompanied Youth (Under 25)": minors + youth,
        "Homeless Unaccompanied Youth Under 18": minors,
        "Homeless Unaccompanied Youth Age 18-24": youth,
        "Homeless Parenting Youth (Under 25)": parents,
        "Homeless Parenting Youth Under 18": young_parents,
        "Homeless Parenting Youth Age 18-24": parents - young_parents,
        "Homeless Children of Parenting Youth": min(families - households, round(parents * 1.25)),
    }
    under_18, under_25 = minors + round(families * 0.58), youth + round(families * 0.09)
    rest = people - under_18 - under_25
    bands = rng.multinomial(rest, [0.27, 0.27, 0.21, 0.18, 0.07]).tolist()
    ages = zip(_AGES, (under_18, under_25, rest, *bands), strict=True)
    return groups | {f"Homeless - {age}": value for age, value in ages}


def counts(coc: Coc, region: Region, year: int) -> Counts:
    """One CoC's counts in one year."""
    rng = stream("pit", coc.number, year)
    overall = max(30, round(_expected(coc, region, year) * rng.lognormal(0, 0.06)))
    outside = 0.28 if coc.category == "Major Cities" else 0.36
    by_shelter = rng.multinomial(overall, [0.76 - outside, 0.22, 0.02, outside]).tolist()
    return {
        (shelter, group): value
        for shelter, people in zip(_SHELTERS, by_shelter, strict=True)
        for group, value in _in_shelter(people, shelter, rng).items()
    }


def _columns(group: str, lacks: str | None, year: int) -> list[tuple[str, str]]:
    """The columns of a group, as (how the column says shelter, group); empty shelter text means overall."""
    absent = _LACKING.get(lacks or "", ())
    if year == 2016 and group == "Homeless Unaccompanied Youth Under 18":
        absent = ("SH",)  # the one column that the sheet of 2016 lacks
    shelters = [f"Sheltered {kind}" for kind in ("ES", "TH", "SH") if kind not in absent]
    return [(text, group) for text in ("", *shelters, "Sheltered Total", "Unsheltered")]


def _coc_columns(year: int) -> list[tuple[str, str]]:
    """Youth appear in 2015."""
    return [
        column
        for group, lacks in _GROUPS
        if year >= 2015 or "Youth" not in group
        for column in _columns(group, lacks, year)
    ]


def _state_columns(year: int) -> list[tuple[str, str]]:
    """Ages stand beside all people; bands above 24 since 2023, and without their sum in that year."""
    if year >= 2024:
        ages: tuple[str, ...] = _AGES
    elif year == 2023:
        ages = tuple(age for age in _AGES if age != "Over 24")
    else:
        ages = _AGES[:3]
    columns = []
    for group, lacks in _GROUPS:
        for shelter, name in _columns(group, lacks, 2018):
            columns.append((shelter, name))
            if name == "Homeless":
                columns += [(shelter, f"Homeless - {age}") for age in ages]
    return columns


def _value(values: Counts, column: tuple[str, str]) -> int:
    shelter, group = column
    kinds = {"": _SHELTERS, "Sheltered Total": ("ES", "TH", "SH")}.get(shelter, (shelter.replace("Sheltered ", ""),))
    return sum(values[kind, group] for kind in kinds)


def _coc_sheet(region: Region, year: int) -> list[list[xlsb.Value]]:
    columns = _coc_columns(year)
    with_category = year == 2018
    header: list[xlsb.Value] = ["CoC Number", "CoC Name", *(["CoC Category"] if with_category else [])]
    # Only people of all kinds are "Overall" in this workbook; in the one by state every group is.
    names = [f"{shelter or ('Overall' if group == 'Homeless' else '')} {group}".strip() for shelter, group in columns]
    rows = [header + [f"{name}, {year}" for name in names]]
    totals = [0] * len(columns)
    for coc in region.cocs:
        numbers: list[xlsb.Value] = ["."] * len(columns)
        if year >= _FIRST_REPORT.get(coc.number, 0):
            drawn = [_value(counts(coc, region, year), column) for column in columns]
            totals = [total + number for total, number in zip(totals, drawn, strict=True)]
            numbers = list(drawn)
        letter = "a" if coc.number == _FOOTNOTED else ""
        rows.append([coc.number + letter, coc.name, *([coc.category] if with_category else []), *numbers])
    rows.append(["", "Total", *([""] if with_category else []), *totals])
    return [*rows, [], [_FOOTNOTE]]


def by_coc(region: Region) -> bytes:
    """The .xlsx by Continuum of Care."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    # The date of creation is the only thing in the file that would differ from one call to the next.
    book.set_properties({"title": "Simulated", "created": datetime.datetime(2018, 12, 1)})
    sheets: dict[str, Sequence[Sequence[xlsb.Value]]] = {str(year): _coc_sheet(region, year) for year in _COC_YEARS}
    sheets["CoC Mergers"] = [
        ["CoC Number Pre-Merger", "CoC Number Post Merger", "Merger Year"],
        ["ZZ-504", "ZZ-503", 2011],
        ["ZZ-505a", "ZZ-501", "2007 or earlier"],
        [],
        ["a This is the original, simulated ZZ-505."],
    ]
    sheets["Revisions"] = []
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(i, j, value)  # `write` would make nothing of the empty text beside "Total"
                elif value is not None:
                    sheet.write_number(i, j, value)
    book.close()
    return out.getvalue()


def _state_sheet(region: Region, year: int) -> list[list[xlsb.Value]]:
    columns = _state_columns(year)
    drawn = [counts(coc, region, year) for coc in region.cocs]
    totals = [sum(_value(values, column) for values in drawn) for column in columns]
    names = [f"{shelter or 'Overall'} {group}" for shelter, group in columns]
    blank: list[xlsb.Value] = [" "] * len(columns)
    # A territory that reports nothing stands blank between the states; the Northern Marianas in some years only.
    territories: list[list[xlsb.Value]] = [["AS", 0, *blank]]
    if year >= 2023:
        territories.append(["MP", 0, *blank])
    number = len(region.cocs)
    rows: list[list[xlsb.Value]] = [
        ["State", "Number of CoCs", *names],
        *territories,
        [POSTAL, number, *totals],
        ["Total", number, *totals],
    ]
    if year == 2024:
        rows += [
            [],
            [
                "* File does not contain the imputed race or race/ethnicity combination for people experiencing "
                f"unsheltered homelessness. Affected states and territories are: {POSTAL}, which is simulated"
            ],
            [
                '** Beginning in 2024, all variables for "Non-Hispanic/Latina/e/o" are aggregated based on the '
                "race/ethnicity combinations reported. This file is simulated. "
            ],
        ]
    if year == 2023:
        rows += [
            [],
            [
                "*File does not contain the imputed ages for people experiencing unsheltered homelessness over age 24. "
                f"Affected states and territories are: {POSTAL}, which is simulated. "
            ],
        ]
    return rows


def _field_list(sheets: dict[str, list[list[xlsb.Value]]]) -> list[list[xlsb.Value]]:
    """The hidden sheet that lists each year's columns, oldest first."""
    headers = [sheets[year][0] for year in sorted(sheets)]
    depth = max(len(header) for header in headers)
    fields = [[header[i] if i < len(header) else None for header in headers] for i in range(depth)]
    return [[len(header) for header in headers], [int(year) for year in sorted(sheets)], *fields]


def by_state(region: Region) -> bytes:
    """The .xlsb by state, with the two hidden sheets that stand behind the years in HUD's."""
    years = {str(year): _state_sheet(region, year) for year in _STATE_YEARS}
    select = "- select -"
    lists: list[list[xlsb.Value]] = [
        ["State", "State Name", "CoC Number + Name", None, "Sheltered Type", None, "HH Type", None, "Subpops"],
        [select, None, select, None, select, None, select, None, select],
        [POSTAL, STATE_NAME, f"{POSTAL} - {STATE_NAME}", POSTAL, "All", None, "All HH Types", None, "None"],
    ]
    return xlsb.write(
        [
            *(xlsb.Sheet(name, rows) for name, rows in years.items()),
            xlsb.Sheet("CoCs, States, DDs", lists, hidden=True),
            xlsb.Sheet("field list, all years", _field_list(years), hidden=True),
        ]
    )


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """Both workbooks."""
    yield "2018", "2007-2018-PIT-Counts-by-CoC.xlsx", by_coc(region)
    yield "2024", "2007-2024-PIT-Counts-by-State.xlsb", by_state(region)
