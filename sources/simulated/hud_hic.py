"""HUD's housing inventory: beds by kind of project, by Continuum of Care and by state.

Quirks kept: a sheet a year, a row of merged headings above the titles, titles that change with the years, "." where a
rate has no denominator or a CoC says nothing, no rate in older Totals, a footnote letter on a CoC number with its
footnote below the Total, and an empty sheet that is no year. No real workbook by state was at hand: its layout is that
of the one by CoC with `State` in the first column, as those who read it name it.
"""

import datetime
from collections.abc import Iterator

from sources.simulated import xlsx
from sources.simulated.pit_counts import Counts, counts
from sources.simulated.region import POSTAL, Coc, Region, stream
from sources.simulated.xlsb import Value

_NAMES = {
    "ES": "Emergency Shelter (ES)",
    "TH": "Transitional Housing (TH)",
    "SH": "Safe Haven (SH)",
    "RRH & DEM": "Total Rapid Re-Housing (Including Demonstration Programs)",
    "RRH": "Rapid Re-Housing (RRH)",
    "DEM": "Rapid Re-Housing Demonstration Projects (DEM)",
    "PSH": "Permanent Supportive Housing (PSH)",
    "OPH": "Other Permanent Housing (OPH)",
}
_HOUSEHOLDS = {
    "with_children": "with Children",
    "without_children": "without Children",
    "only_children": "with only Children",
}
_FOOTNOTED = "ZZ-502"
_FOOTNOTE = "a ZZ-502 is simulated, as is all of this file; the letter stands where HUD puts one on a CoC with a note."
_SILENT = (2012, "ZZ-503", "SH")
"""Year, CoC and kind of project of which nothing is said."""
_RATE = "rate"

Beds = dict[str, int]
"""Beds of a kind of project by what they are."""
Column = tuple[str, str, str, str]
"""Heading, title, kinds of project (joined by commas), and what is counted."""


def _project(people: int, kind: str, year: int, number: str) -> Beds:
    """Beds of one kind of project for so many people; the parts sum to the year-round beds."""
    rng = stream("hic", number, kind, year)
    beds = round(people * float(rng.uniform(1.0, 1.2)))
    families = 0 if kind == "SH" else int(rng.binomial(beds, 0.38))
    only = 0 if kind in ("SH", "PSH", "OPH") else int(rng.binomial(beds - families, 0.01))
    open_to_all = beds - int(rng.binomial(beds, 0.0 if kind == "SH" else 0.08))
    return {
        "year_round": beds,
        "non_dv": open_to_all,
        "hmis": int(rng.binomial(open_to_all, 0.84)),
        "seasonal": int(rng.binomial(beds, 0.05)),
        "overflow": int(rng.binomial(beds, 0.04)),
        "units": round(families / 3.1),
        "with_children": families,
        "without_children": beds - families - only,
        "only_children": only,
        "veteran": int(rng.binomial(beds - families - only, 0.07)),
        "youth": 0 if kind == "SH" else int(rng.binomial(beds, 0.06)),
        "chronic": int(rng.binomial(beds, 0.4)),
    }


def inventory(coc: Coc, region: Region, year: int) -> dict[str, Beds]:
    """One CoC's beds by kind of project, in step with the people whom its point-in-time counts find in shelter."""
    # The counts begin in 2014 and the sheets of beds before: shelters change slowly.
    drawn: Counts = counts(coc, region, max(year, 2014))
    people = {kind: drawn[kind, "Homeless"] for kind in ("ES", "TH", "SH")}
    sheltered = sum(people.values())
    people |= {"RRH": round(sheltered * 0.35), "DEM": round(sheltered * 0.01), "PSH": sheltered, "OPH": sheltered // 5}
    if (year, coc.number) == _SILENT[:2]:
        people[_SILENT[2]] = 0
    return {kind: _project(number, kind, year, coc.number) for kind, number in people.items()}


def _of_kind(kind: str, year: int) -> list[Column]:
    """The columns of a kind of project since 2014."""
    name = _NAMES[kind]
    if kind == "RRH" and year < 2017:
        name = "Rapid Re-Housing (Excluding Demonstration Programs)"
    titles = [
        (f"Total Year-Round Beds ({kind})", "year_round"),
        (f"Total Non-DV Year-Round Beds ({kind})", "non_dv"),
        (f"Total HMIS Year-Round Beds ({kind})", "hmis"),
        (f"HMIS Participation Rate for Year-Round Beds ({kind})", _RATE),
    ]
    if kind == "ES":
        titles += [("Total Seasonal Beds (ES)", "seasonal"), ("Total Overflow Beds (ES)", "overflow")]
    titles.append((f"Total Units for Households with Children ({kind})", "units"))
    titles += [(f"Total Beds for Households {text} ({kind})", what) for what, text in _HOUSEHOLDS.items()]
    if year >= 2017:
        titles += [(f"Dedicated Veteran Beds ({kind})", "veteran"), (f"Dedicated Youth Beds ({kind})", "youth")]
        if kind == "PSH":
            titles.append(("Dedicated Chronically Homeless Beds (PSH)", "chronic"))
    return [(name, title, kind.replace(" & ", ","), what) for title, what in titles]


def _columns(year: int) -> list[Column]:
    """The columns of a sheet since 2014."""
    three, heading = "ES, TH, SH", "Total Beds (ES, TH, SH)"
    titles = [
        (f"Total Year-Round Beds ({three})", three, "year_round"),
        (f"Total Non-DV Year-Round Beds ({three})", three, "non_dv"),
        (f"Total HMIS Year-Round Beds ({three})", three, "hmis"),
        (f"HMIS Participation Rate for Year-Round Beds ({three})", three, _RATE),
        *((f"Total Year-Round Beds ({kind})", kind, "year_round") for kind in ("ES", "TH", "SH")),
        (f"Total Units for Households with Children ({three})", three, "units"),
        *((f"Total Beds for Households {text} ({three})", three, what) for what, text in _HOUSEHOLDS.items()),
    ]
    if year >= 2017:
        titles += [
            (f"Dedicated Veteran Beds ({three})", three, "veteran"),
            (f"Dedicated Youth Beds ({three})", three, "youth"),
        ]
    kinds = ["ES", "TH", "SH", *(["RRH & DEM", "RRH", "DEM"] if year < 2017 else ["RRH"]), "PSH", "OPH"]
    first = [(heading, title, of.replace(" ", ""), what) for title, of, what in titles]
    return first + [column for kind in kinds for column in _of_kind(kind, year)]


def _old_columns() -> list[Column]:
    """The columns of the sheet of 2012."""
    three, heading = "ES,TH,SH", "Total Beds (ES,TH,SH)"
    columns = [
        (heading, f"Total Year-Round Beds ({three})", three, "year_round"),
        (heading, f"Total Non-DV Year-Round Beds ({three})", three, "non_dv"),
        (heading, f"Total HMIS Year-Round Beds ({three})", three, "hmis"),
        (heading, f"HMIS Participation Rate ({three})", three, _RATE),
        (heading, "Total Emergency Shelter (ES) Beds (excluding seasonal+overflow)", "ES", "year_round"),
        (heading, "Total Transitional Housing (TH) Beds", "TH", "year_round"),
        (heading, "Total Safe Haven (SH) Beds", "SH", "year_round"),
        (heading, "Total Units for Households with Children (ES,TH)", "ES,TH", "units"),
        (heading, "Total Beds for Households with Children (ES,TH)", "ES,TH", "with_children"),
        (heading, f"Total Beds for Households without Children ({three})", three, "without_children"),
        (heading, f"Total Beds for Households with only Children ({three})", three, "only_children"),
    ]
    for kind in ("ES", "TH", "SH", "PSH"):
        titles = [(f"Total {kind} Beds", "year_round")] if kind != "ES" else []
        titles += [
            (f"Total Year-Round {kind} Beds", "year_round"),
            (f"Total Non-DV Year-Round {kind} Beds", "non_dv"),
            (f"Total HMIS Year-Round {kind} Beds", "hmis"),
            (f"{kind} HMIS Participation Rate", _RATE),
        ]
        if kind == "ES":
            titles += [("Total Seasonal ES Beds", "seasonal"), ("Total Overflow ES Beds", "overflow")]
        if kind == "PSH":
            titles.append(("Total Chronic Homeless PSH Beds", "chronic"))
        if kind != "SH":
            titles.append((f"Total {kind} Units for Households with Children", "units"))
        shown = [what for what in _HOUSEHOLDS if kind != "SH" or what != "with_children"]
        titles += [(f"Total {kind} Beds for Households {_HOUSEHOLDS[what]}", what) for what in shown]
        columns += [(_NAMES[kind], title, kind, what) for title, what in titles]
    return columns


def _value(beds: dict[str, Beds], column: Column) -> Value:
    _, _, kinds, what = column
    of = [beds[kind] for kind in kinds.split(",")]
    if what != _RATE:
        return sum(one[what] for one in of)
    non_dv = sum(one["non_dv"] for one in of)
    return round(sum(one["hmis"] for one in of) / non_dv, 4) if non_dv else "."


def _total(cocs: list[dict[str, Beds]]) -> dict[str, Beds]:
    return {kind: {what: sum(coc[kind][what] for coc in cocs) for what in beds} for kind, beds in cocs[0].items()}


def _sheet(region: Region, year: int, by_state: bool) -> list[list[Value]]:
    columns = _old_columns() if year == 2012 else _columns(year)
    drawn = [inventory(coc, region, year) for coc in region.cocs]
    headings: list[Value] = [None]
    for n, column in enumerate(columns):
        # A heading is merged over its columns: the cells to its right hold nothing.
        headings.append(column[0] if n == 0 or columns[n - 1][0] != column[0] else None)
    first = "State" if by_state else "CoC" if year == 2012 else "CoC Number"
    rows: list[list[Value]] = [headings, [first, *(title for _, title, _, _ in columns)]]
    has_note = year == 2016 and not by_state
    if by_state:
        rows.append([POSTAL, *(_value(_total(drawn), column) for column in columns)])
    else:
        for coc, beds in zip(region.cocs, drawn, strict=True):
            letter = "a" if has_note and coc.number == _FOOTNOTED else ""
            silent = [(year, coc.number, column[2]) == _SILENT for column in columns]
            values = [_value(beds, column) for column in columns]
            rows.append([coc.number + letter, *("." if no else v for no, v in zip(silent, values, strict=True))])
    total = [_value(_total(drawn), column) for column in columns]
    if year == 2012:  # older Totals leave the rates out
        total = [None if column[3] == _RATE else value for value, column in zip(total, columns, strict=True)]
    rows.append(["Total", *total])
    return [*rows, [], [_FOOTNOTE]] if has_note else rows


def workbook(region: Region, years: tuple[int, ...], *, by_state: bool = False) -> bytes:
    """The .xlsx of an edition."""
    sheets = {str(year): _sheet(region, year, by_state) for year in years}
    return xlsx.write({**sheets, "Revisions": []}, datetime.datetime(max(years), 12, 1))


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """An edition that real directories hold, and the one that is fetched."""
    yield "2024", "2007-2024-HIC-Counts-by-CoC.xlsx", workbook(region, (2024, 2016, 2012))
    yield "2025", "2007-2025-HIC-Counts-by-CoC.xlsx", workbook(region, (2025, 2024))
    yield "2025", "2007-2025-HIC-Counts-by-State.xlsx", workbook(region, (2025, 2024), by_state=True)
