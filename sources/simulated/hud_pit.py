"""HUD's point-in-time counts of homelessness: the workbook by Continuum of Care and the one by state.

Quirks kept: a sheet a year, columns that end in ", 2018" in one workbook and begin with "Overall" in the
other, columns that come and go with the years, a footnote letter on a CoC number, "." and " " for blank,
a Total row, footnote rows below it, and sheets that are no year. The edition of 2025 by CoC says what each CoC counted:
one that skipped the people outside in 2024 keeps those of the year before, and one that did so in 2021, when the count
was waived, shows zeros that nobody counted. No real workbook of that edition was at hand: its header is that of the
edition of 2024 by state, with the columns that readers of it name.

Counts are drawn by shelter and group such that every published sum holds: sheltered and unsheltered add
up to overall, individuals and people in families too, and the rows to the Total row.
"""

import datetime
from collections.abc import Callable, Iterator, Sequence

from sources.simulated import xlsb, xlsx
from sources.simulated.pit_counts import AGES, SHELTERS, Counts, counts
from sources.simulated.region import POSTAL, STATE_NAME, Coc, Region

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

_FIRST_REPORT = {"ZZ-503": 2015}
_FOOTNOTED = "ZZ-502"
_FOOTNOTE = (
    "a ZZ-502 is simulated, as is all of this file. The record described in this file represents the CoC's total "
    "territory; the letter stands where HUD puts one on a CoC whose territory needs a note."
)
_COC_YEARS = (2018, 2017, 2016, 2015, 2014)
_STATE_YEARS = (2024, 2023, 2022, 2021, 2020, 2019, 2018)
_NEW_YEARS = (2025, 2024, 2021)
"""Years of the edition of 2025."""
_NOT_OUTSIDE = {(2024, "ZZ-503"), (2021, "ZZ-501"), (2021, "ZZ-502")}
"""Years and CoCs in which people outside were not counted."""


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
        ages: tuple[str, ...] = AGES
    elif year == 2023:
        ages = tuple(age for age in AGES if age != "Over 24")
    else:
        ages = AGES[:3]
    columns = []
    for group, lacks in _GROUPS:
        for shelter, name in _columns(group, lacks, 2018):
            columns.append((shelter, name))
            if name == "Homeless":
                columns += [(shelter, f"Homeless - {age}") for age in ages]
    return columns


def _value(values: Counts, column: tuple[str, str]) -> int:
    shelter, group = column
    kinds = {"": SHELTERS, "Sheltered Total": ("ES", "TH", "SH")}.get(shelter, (shelter.replace("Sheltered ", ""),))
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
    sheets: dict[str, Sequence[Sequence[xlsb.Value]]] = {str(year): _coc_sheet(region, year) for year in _COC_YEARS}
    sheets["CoC Mergers"] = [
        ["CoC Number Pre-Merger", "CoC Number Post Merger", "Merger Year"],
        ["ZZ-504", "ZZ-503", 2011],
        ["ZZ-505a", "ZZ-501", "2007 or earlier"],
        [],
        ["a This is the original, simulated ZZ-505."],
    ]
    sheets["Revisions"] = []
    return xlsx.write(sheets, datetime.datetime(2018, 12, 1))


def reported(coc: Coc, region: Region, year: int) -> Counts:
    """One CoC's counts in one year as the edition of 2025 has them."""
    values = counts(coc, region, year)
    if (year, coc.number) in _NOT_OUTSIDE:
        before = counts(coc, region, year - 1)
        outside = {key: before[key] if year == 2024 else 0 for key in values if key[0] == "Unsheltered"}
        values = values | outside
    return values


def _new_coc_sheet(region: Region, year: int) -> list[list[xlsb.Value]]:
    columns = _state_columns(year)
    titles = [f"{shelter or 'Overall'} {group}" for shelter, group in columns]
    drawn = [[_value(reported(coc, region, year), column) for column in columns] for coc in region.cocs]
    rows: list[list[xlsb.Value]] = [["CoC Number", "CoC Name", "CoC Category", "Count Types", *titles]]
    for coc, numbers in zip(region.cocs, drawn, strict=True):
        counted = "Sheltered-Only" if (year, coc.number) in _NOT_OUTSIDE else "Sheltered and Unsheltered"
        letter = "a" if coc.number == _FOOTNOTED else ""
        rows.append([coc.number + letter, coc.name, coc.category, f"{counted} Count", *numbers])
    totals = [sum(column) for column in zip(*drawn, strict=True)]
    return [*rows, ["", "Total", "", "", *totals], [], [_FOOTNOTE]]


def new_by_coc(region: Region) -> bytes:
    """The .xlsb by Continuum of Care, edition of 2025."""
    return xlsb.write([xlsb.Sheet(str(year), _new_coc_sheet(region, year)) for year in _NEW_YEARS])


def _state_sheet(region: Region, year: int, count: Callable[[Coc, Region, int], Counts]) -> list[list[xlsb.Value]]:
    columns = _state_columns(year)
    drawn = [count(coc, region, year) for coc in region.cocs]
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
    if year >= 2024:
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


def by_state(region: Region, edition: int = 2024) -> bytes:
    """The .xlsb by state, with the two hidden sheets that stand behind the years in HUD's."""
    shown, count = (_STATE_YEARS, counts) if edition == 2024 else (_NEW_YEARS, reported)
    years = {str(year): _state_sheet(region, year, count) for year in shown}
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
    """The workbooks of three editions."""
    yield "2018", "2007-2018-PIT-Counts-by-CoC.xlsx", by_coc(region)
    yield "2024", "2007-2024-PIT-Counts-by-State.xlsb", by_state(region)
    yield "2025", "2007-2025-PIT-Counts-by-CoC.xlsb", new_by_coc(region)
    yield "2025", "2007-2025-PIT-Counts-by-State.xlsb", by_state(region, edition=2025)
