"""Graduation rates: wide files of schools and districts, the library's archives and a file of the download tool.

Quirks kept: bands that narrow with the cohort, in the words of each form (`GE95` and `90-94`, `>=95%` and `90-94%`);
`PS` and `S` where a cohort has at most five students; dots or nothing for a group that is not there; a state that sent
no cohorts; a state's row without a district; labels that change with the years.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sources.simulated.edfacts import (
    LIBRARY_HEADER,
    STATE,
    TOOL_HEADER,
    archive,
    csv_text,
    enrolment,
    leaid,
    mean_rate,
    notes,
    split,
)
from sources.simulated.region import STATE_FIPS, District, Region, stream


class _Group(NamedTuple):
    """A group in the wide files' code and the library's words, its share of students and its lead in points."""

    code: str
    label: str
    share: float
    lead: int


_RACES = (
    _Group("MAM", "American Indian/Alaska Native/Native American", 0.005, -6),
    _Group("MAS", "Asian/Pacific Islander", 0.02, 3),
    _Group("MBL", "Black (not Hispanic) African American", 0.0, -8),
    _Group("MHI", "Hispanic/Latino", 0.0, -5),
    _Group("MTR", "Multicultural/Multiethnic/Multiracial/other", 0.03, -2),
    _Group("MWH", "White or Caucasian (not Hispanic)", 0.0, 2),
)
_OVERLAPPING = (
    _Group("CWD", "Children with disabilities", 0.13, -15),
    _Group("ECD", "Economically Disadvantaged", 0.45, -7),
    _Group("LEP", "English Learner", 0.06, -12),
    _Group("HOM", "Homeless", 0.03, -20),
    _Group("FCS", "Foster Care", 0.012, -26),
)
_ALL = _Group("ALL", "All Students in LEA", 1.0, 0)
_SCHOOL_GROUPS = 10  # homeless students and foster care are told from 2017-18 on
_RELEASES = {
    "2019": ("SY1819_FS150_FS151_DG695_DG696_LEA", 2018),
    "2020": ("SY1920_FS150_FS151_DG695_DG696_LEA", 2019),
    "2021": ("SY2021_FS150_FS151_DG695_DG696_LEA", 2020),
}
_DESCRIPTION = "Four-Year Adjusted-Cohort Graduation Rate and Cohort Count"
# (largest cohort, edges of the bands in points); larger cohorts get whole points.
_BANDS = (
    (15, (50,)),
    (30, (21, 40, 60, 80)),
    (60, (11, 20, 30, 40, 50, 60, 70, 80, 90)),
    (200, (6, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95)),
)


def _code(cohort: int, percent: int) -> str:
    """A rate as the wide files print it."""
    if cohort <= 5:
        return "PS"
    for largest, edges in _BANDS:
        if cohort <= largest:
            if percent < edges[0]:
                return "LT50" if edges == (50,) else f"LE{edges[0] - 1}"
            if percent >= edges[-1]:
                return f"GE{edges[-1]}"
            low = max(edge for edge in edges if edge <= percent)
            return f"{low}-{edges[edges.index(low) + 1] - 1}"
    return "GE99" if percent >= 99 else "LE1" if percent <= 1 else str(percent)


def _words(code: str) -> str:
    """The same rate as the library prints it."""
    if code == "PS":
        return "S"
    for short, sign in (("GE", ">="), ("LE", "<="), ("LT", "<")):
        code = code.replace(short, sign)
    return f"{code}%"


def _cohorts(district: District, region: Region, year: int) -> list[tuple[_Group, int, int]]:
    """Groups of a district with cohort and rate in points; groups without students are left out."""
    rng = stream("graduation", district.leaid, year)
    total = max(2, round(enrolment(district, region) * 0.075 * rng.lognormal(0, 0.03)))
    rate = 100 * mean_rate(district, region, "high_school") - 4 + rng.normal(0, 1.5)
    black, latino = (mean_rate(district, region, topic) for topic in ("black", "hispanic"))
    shares = {"MBL": black, "MHI": latino}
    races = split(total, [shares.get(race.code, race.share) for race in _RACES[:-1]], rng)
    sizes = [(race, size) for race, size in zip(_RACES, races, strict=True)]
    sizes += [(group, int(rng.binomial(total, group.share))) for group in _OVERLAPPING]
    found = []
    for group, size in [(_ALL, total), *sizes]:
        chance = min(0.995, max(0.02, (rate + group.lead) / 100))
        graduates = int(rng.binomial(size, chance))
        if size:
            found.append((group, size, round(100 * graduates / size)))
    return found


def _wide(region: Region, year: int, groups: Sequence[_Group], *, of_schools: bool, last: Sequence[str]) -> bytes:
    """A row a school or district; one district's state sent rates without cohorts."""
    tag = f"{year % 100:02d}{year % 100 + 1:02d}"
    first = ["STNAM", "FIPST", "LEAID", "LEANM", *(["NCESSCH", "SCHNAM"] if of_schools else [])]
    if not of_schools:
        first.insert(3, "ST_LEAID")
    header = [*first, *(f"{g.code}_{kind}_{tag}" for g in groups for kind in ("COHORT", "RATE"))]
    rows: list[list[object]] = []
    for number, district in enumerate(region.districts):
        drawn = {group.code: (size, rate) for group, size, rate in _cohorts(district, region, year)}
        cells: list[object] = []
        for group in groups:
            if group.code not in drawn:
                cells += ["", ""] if number % 7 == 3 else [".", "."]
                continue
            size, rate = drawn[group.code]
            cells += ["." if number == 4 else size, _code(size, rate)]
        where: list[object] = [STATE, STATE_FIPS, leaid(district), district.name]
        if of_schools:
            where += [f"{leaid(district)}{number + 1:05d}", f"{district.name.split(' School')[0]} High School"]
        else:
            where.insert(3, f"{number + 1:04d}")
        rows.append([*where, *cells, *(["26NOV16"] * len(last))])
    return csv_text(",".join([*header, *last]), rows).encode()


def _long(region: Region, year: int, header: str, groups: Sequence[_Group]) -> str:
    """A row a district and group, in the order of columns that the header has."""
    columns = header.split(",")
    span = f"{year}-{year + 1}"
    codes = {group.code for group in groups}
    same = {
        "School Year": span,
        "State": STATE,
        "Data Group": "695|696",
        "Data Description": _DESCRIPTION,
        "Population": "All Students",
    }
    records: list[dict[str, object]] = []
    for district in region.districts:
        where = {"NCES LEA ID": leaid(district), "LEA": district.name}
        for group, size, rate in _cohorts(district, region, year):
            if group.code in codes:
                what = {"Value": _words(_code(size, rate)), "Denominator": size, "Subgroup": group.label}
                records.append({**same, **where, **what})
    nowhere = {"NCES LEA ID": "0000000", "LEA": "Not Applicable", "Value": "MISSING", "Denominator": 0}
    records.append({**same, **nowhere, "Subgroup": "Missing" if len(groups) > 1 else _ALL.label})
    return csv_text(header, [[record.get(column, "") for column in columns] for record in records])


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """Every form that was published."""
    groups = (_ALL, *_RACES, *_OVERLAPPING)
    of_schools = groups[:_SCHOOL_GROUPS]
    dates = ("INSERT_DATE", "DATE_CUR")
    yield "2014", "acgr_sch_2013-14.csv", _wide(region, 2013, of_schools, of_schools=True, last=dates)
    yield "2015", "acgr_sch_2014-15.csv", _wide(region, 2014, of_schools, of_schools=True, last=dates[1:])
    yield "2018", "acgr-lea-sy2017-18.csv", _wide(region, 2017, groups, of_schools=False, last=dates[1:])
    for vintage, (folder, year) in _RELEASES.items():
        members = [
            (".csv", _long(region, year, LIBRARY_HEADER, groups)),
            ("_data_notes.csv", notes(f"{year}-{year + 1}")),
        ]
        yield vintage, f"{folder}_data_files.zip", archive(folder, members)
    yield "2022", "edfactsdownload.csv", _long(region, 2021, TOOL_HEADER, groups[:1]).encode()
