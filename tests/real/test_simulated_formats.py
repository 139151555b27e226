"""The simulated files against their real counterparts: same headers, same sheets, no code unknown to publishers."""

import csv
import fnmatch
import io
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl
import pytest

from sources.registry import all_sources
from sources.simulated import all_files, files

Rows = list[tuple[str | None, ...]]

PIT_COC = "hud_pit/2018/2007-2018-PIT-Counts-by-CoC.xlsx"
PIT_STATE = "hud_pit/2024/2007-2024-PIT-Counts-by-State.xlsb"
COC_YEARS = ["2018", "2017", "2016", "2015", "2014"]
STATE_YEARS = [str(year) for year in range(2024, 2017, -1)]
HIDDEN = ["CoCs, States, DDs", "field list, all years"]
CSVS = {
    "acf_afcars/2021/afcars_fy2021_glance_by_state.csv": "utf-8",
    "acf_afcars/2021/afcars_fy2021_distributions_by_state.csv": "utf-8",
    "coc_county/2017/county_coc_match.csv": "cp1252",
    "coc_county/2025/coc_county_mo_metroeast_2025.csv": "utf-8",
}


@cache
def sample() -> dict[str, bytes]:
    return {f"{source}/{vintage}/{name}": body for source, vintage, name, body in all_files()}


@cache
def rows(body: bytes, sheet: str) -> Rows:
    return fastexcel.read_excel(body).load_sheet(sheet, header_row=None, dtypes="string").to_polars().rows()


def both(real_data: Path, path: str, sheet: str) -> tuple[Rows, Rows]:
    """The simulated and the real rows of a sheet."""
    return rows(sample()[path], sheet), rows((real_data / path).read_bytes(), sheet)


def is_in_order(part: list[str], whole: list[str]) -> bool:
    """Whether `part` is a subset of `whole` in the same order."""
    remaining = iter(whole)
    return all(name in remaining for name in part)


def codes(values: list[str | None]) -> set[str | None]:
    """Values that are no numbers."""
    return {value for value in values if value is None or not re.fullmatch(r"-?\d+(\.\d+)?", value)}


def kinds(body: bytes, sheet: str, first_row: int, n_rows: int = 1) -> list[str]:
    """Whether cells hold text or numbers: what the publisher typed, before anything converts it."""
    loaded = fastexcel.read_excel(body).load_sheet(sheet, header_row=None, skip_rows=first_row, n_rows=n_rows)
    return ["text" if dtype == pl.String else "number" for dtype in loaded.to_polars().dtypes]


def test_every_real_file_that_is_read_has_a_simulated_counterpart(real_data):
    """By the table that it feeds and the vintage: what real directories hold, the sample shows."""
    lacking = []
    for source in all_sources().values():
        names = {(vintage, table) for vintage, name, _ in files(source.id) for table in _feeds(source, name)}
        for path in (real_data / source.id).rglob("*") if (real_data / source.id).is_dir() else ():
            vintage, *rest = path.relative_to(real_data / source.id).parts
            if path.is_file() and vintage in source.vintage_ids:
                lacking += [
                    f"{source.id}/{vintage} {table}"
                    for table in _feeds(source, "/".join(rest))
                    if not any(table == other for _, other in names)
                ]
    assert lacking == []


def _feeds(source, name):
    return [key for key, patterns in source.files.items() if any(fnmatch.fnmatchcase(name, p) for p in patterns)]


@pytest.mark.parametrize("year", ["2019", "2023"])
def test_saipe_counties(year, real_data):
    path, sheet = f"census_saipe/{year}/est{year[2:]}all.xls", f"est{year[2:]}ALL"
    ours, theirs = both(real_data, path, sheet)
    assert fastexcel.read_excel(sample()[path]).sheet_names == [sheet]
    assert ours[0] == theirs[0]
    assert str(ours[1][0]).split("\n")[0] == str(theirs[1][0]).split("\n")[0]
    assert str(ours[1][0]).split("\n")[1].startswith("Source:")
    assert ours[2:4] == theirs[2:4]
    assert [row[:3] for row in ours[4:5]] == [row[:3] for row in theirs[4:5]]
    assert codes([value for row in ours[4:] for value in row[4:]]) == codes([v for row in theirs[4:] for v in row[4:]])
    real_body = (real_data / path).read_bytes()
    assert kinds(sample()[path], sheet, 4) == kinds(real_body, sheet, 4)
    # Ages 0 to 4 are published for the nation and the states only.
    assert {row[25] for row in ours[6:]} == {row[25] for row in theirs[4:] if row[1] != "000"} == {"."}


def test_saipe_districts(real_data):
    path = "census_saipe/2022/ussd22.xls"
    ours, theirs = both(real_data, path, "USSD22")
    assert ours[0] == theirs[0] and ours[2] == theirs[2]
    assert str(ours[1][0]).split("  ")[0] == str(theirs[1][0]).split("  ")[0]
    assert all(re.fullmatch(r"\d{5}", str(row[2])) for row in [*ours[3:], *theirs[3:]])
    assert kinds(sample()[path], "USSD22", 3) == kinds((real_data / path).read_bytes(), "USSD22", 3)


def test_pit_sheets(real_data):
    ours, theirs = fastexcel.read_excel(sample()[PIT_COC]), fastexcel.read_excel(real_data / PIT_COC)
    assert is_in_order(ours.sheet_names, theirs.sheet_names)
    assert ours.sheet_names == [*COC_YEARS, "CoC Mergers", "Revisions"]
    ours, theirs = fastexcel.read_excel(sample()[PIT_STATE]), fastexcel.read_excel(real_data / PIT_STATE)
    assert is_in_order(ours.sheet_names, theirs.sheet_names)
    assert ours.sheet_names == [*STATE_YEARS, *HIDDEN]
    for name in HIDDEN:
        assert ours.load_sheet(name, header_row=None).visible == theirs.load_sheet(name, header_row=None).visible


@pytest.mark.parametrize("year", COC_YEARS)
def test_pit_by_coc(year, real_data):
    ours, theirs = both(real_data, PIT_COC, year)
    assert ours[0] == theirs[0]
    first = list(ours[0]).index(f"Overall Homeless, {year}")
    real_codes = codes([value for row in theirs[1:-3] for value in row[first:]])
    assert codes([value for row in ours[1:-3] for value in row[first:]]) <= real_codes == {"."}
    # Total, blank, footnote; the footnoted CoC carries the letter in its number.
    assert ours[-3][:first] == theirs[-3][:first]
    assert ours[-2] == theirs[-2]
    for found in (ours, theirs):
        (number,) = [row[0] for row in found[1:-3] if str(row[0]).endswith("a")]
        assert str(found[-1][0]).startswith(f"a {str(number)[:-1]} ")
        assert all(re.fullmatch(r"[A-Z]{2}-\d{3}a?", str(row[0])) for row in found[1:-3])
    if year == "2018":
        assert {row[2] for row in ours[1:-3]} <= {row[2] for row in theirs[1:-3]}
    real_body = (real_data / PIT_COC).read_bytes()
    assert kinds(sample()[PIT_COC], year, 1) == kinds(real_body, year, 1)


def test_pit_mergers(real_data):
    ours, theirs = both(real_data, PIT_COC, "CoC Mergers")
    assert ours[0] == theirs[0]
    assert codes([row[2] for row in ours[1:]]) <= codes([row[2] for row in theirs[1:]])
    assert str(ours[-1][0])[:2] == str(theirs[-1][0])[:2] == "a "


@pytest.mark.parametrize("year", STATE_YEARS)
def test_pit_by_state(year, real_data):
    ours, theirs = both(real_data, PIT_STATE, year)
    ours_header, their_header = [str(name) for name in ours[0]], [str(name) for name in theirs[0]]
    assert is_in_order(ours_header, their_header)
    # The declared subset: everything but sex and race, and ages of all people only.
    left_out = [name for name in their_header if name not in ours_header]
    assert all(" - " in name for name in left_out)
    ours_total = next(i for i, row in enumerate(ours) if row[0] == "Total")
    their_total = next(i for i, row in enumerate(theirs) if row[0] == "Total")
    assert codes([v for row in ours[1 : ours_total + 1] for v in row[1:]]) <= codes(
        [v for row in theirs[1 : their_total + 1] for v in row[1:]]
    )
    # As many footnotes below the Total row, with as many asterisks.
    marks = [
        [str(row[0])[:2].count("*") for row in found[i + 1 :]]
        for found, i in ((ours, ours_total), (theirs, their_total))
    ]
    assert marks[0] == marks[1]
    blank = [{row[0] for row in found if row[2] == " "} for found in (ours, theirs)]
    assert blank[0] == blank[1]


@pytest.mark.parametrize("sheet", HIDDEN)
def test_pit_hidden_sheets(sheet, real_data):
    ours, theirs = both(real_data, PIT_STATE, sheet)
    if sheet == HIDDEN[0]:
        assert ours[:2] == theirs[:2]
        assert ours[2][4:] == theirs[2][4:]
    else:
        years = len(STATE_YEARS)  # oldest first, and the sample has the last ones only
        assert ours[1] == theirs[1][-years:]
        assert ours[2:6] == [row[-years:] for row in theirs[2:6]]


@pytest.mark.parametrize(("path", "encoding"), CSVS.items())
def test_csv_headers_and_line_ends(path, encoding, real_data):
    ours, theirs = sample()[path], (real_data / path).read_bytes()
    assert ours.split(b"\n")[0] == theirs.split(b"\n")[0]
    assert (b"\r" in ours) == (b"\r" in theirs)
    assert ours.endswith(b"\n") == theirs.endswith(b"\n")
    ours.decode(encoding)


def records(body: bytes, encoding: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(encoding))))


def test_crosswalk_codes(real_data):
    path = "coc_county/2017/county_coc_match.csv"
    ours, theirs = records(sample()[path], "cp1252"), records((real_data / path).read_bytes(), "cp1252")
    for column in ours[0]:
        if column.startswith(("in_", "n_", "mult", "rel", "pct")):
            assert codes([row[column] for row in ours]) <= codes([row[column] for row in theirs])
    for column in ("in_2017_shapefile", "mult_county_mult_coc", "rel_type"):
        assert {row[column] for row in ours} <= {row[column] for row in theirs}
    # Text is quoted, numbers and NA are bare.
    line = re.compile(
        rb'("\d{5}"|NA),("[^"]*"|NA),("[^"]*"|NA),("[^"]*"|NA),("\w+"|NA),("\w+"|NA)(,(\d[\d.e-]*|NA)){6}'
    )
    for body in (sample()[path], (real_data / path).read_bytes()):
        assert all(line.fullmatch(row) for row in body.split(b"\n")[1:-1])
    # One apostrophe in UTF-8, the other in cp1252, in one row.
    for body in (sample()[path], (real_data / path).read_bytes()):
        assert b"\xe2\x80\x99s" in body and b"\x92s" in body


def test_shares_of_2025(real_data):
    path = "coc_county/2025/coc_county_mo_metroeast_2025.csv"
    ours, theirs = records(sample()[path], "utf-8"), records((real_data / path).read_bytes(), "utf-8")
    for column in ("area_share_of_county", "tract_share"):
        assert all(re.fullmatch(r"[01]\.\d{1,3}", row[column]) for row in [*ours, *theirs])
    assert [row["COCNUM"] for row in ours] == sorted(row["COCNUM"] for row in ours)


def test_foster_care_labels(real_data):
    path = "acf_afcars/2021/afcars_fy2021_distributions_by_state.csv"
    ours, theirs = records(sample()[path], "utf-8"), records((real_data / path).read_bytes(), "utf-8")
    assert {(row["section"], row["label"]) for row in ours} == {(row["section"], row["label"]) for row in theirs}
    assert len({(row["section"], row["label"]) for row in ours}) == len(ours)
    path = "acf_afcars/2021/afcars_fy2021_glance_by_state.csv"
    ours, theirs = records(sample()[path], "utf-8"), records((real_data / path).read_bytes(), "utf-8")
    first = [(row["fiscal_year"], row["measure"]) for row in theirs if row["state"] == "MO"]
    assert [(row["fiscal_year"], row["measure"]) for row in ours] == first


def ring_area(topology: dict[str, Any], arcs: list[int]) -> float:
    """Signed area in degrees; negative is clockwise."""
    scale, shift = topology["transform"]["scale"], topology["transform"]["translate"]
    points: list[tuple[float, float]] = []
    for arc in arcs:
        x = y = 0
        path = []
        for dx, dy in topology["arcs"][arc if arc >= 0 else ~arc]:
            x, y = x + dx, y + dy
            path.append((x * scale[0] + shift[0], y * scale[1] + shift[1]))
        points += (path if arc >= 0 else path[::-1])[:-1]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, points[1:] + points[:1], strict=True)) / 2


def test_topojson(real_data):
    path = "geo/2023/counties-10m.topojson"
    ours, theirs = json.loads(sample()[path]), json.loads((real_data / path).read_bytes())
    assert list(ours) == list(theirs)
    assert list(ours["transform"]) == list(theirs["transform"])
    assert list(ours["objects"]) == list(theirs["objects"])
    for level in ("counties", "states", "nation"):
        first, real_first = ours["objects"][level]["geometries"][0], theirs["objects"][level]["geometries"][0]
        assert list(ours["objects"][level]) == list(theirs["objects"][level])
        assert list(first) == list(real_first) and first["type"] == real_first["type"]
        assert list(first.get("properties", {})) == list(real_first.get("properties", {}))
    for found in (ours, theirs):
        areas = [area for area in found["objects"]["counties"]["geometries"] if area["type"] == "Polygon"]
        # Not below: at this resolution one real county is too small to have an area.
        assert all(ring_area(found, area["arcs"][0]) <= 0 for area in areas)
        assert all(isinstance(number, int) for arc in found["arcs"][:50] for point in arc for number in point)
