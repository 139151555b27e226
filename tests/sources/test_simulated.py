"""The simulated region: the same bytes every time, figures that add up, and nothing that looks real."""

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from functools import cache
from itertools import pairwise

import fastexcel
import polars as pl
import pytest

from sources.registry import all_sources
from sources.simulated import all_files, files, xlsb
from sources.simulated.acs_figures import Survey
from sources.simulated.region import region
from sources.source import RawFile
from sources.states import NAME_BY_FIPS

Rows = list[tuple[str | None, ...]]
SHELTERED = ("Sheltered ES", "Sheltered TH", "Sheltered SH")


@cache
def sample() -> dict[str, bytes]:
    return {f"{source}/{vintage}/{name}": body for source, vintage, name, body in all_files()}


def sheet(path: str, name: str) -> Rows:
    return fastexcel.read_excel(sample()[path]).load_sheet(name, header_row=None, dtypes="string").to_polars().rows()


@cache
def acs(folder: str) -> dict[tuple[str, ...], dict[str, str | None]]:
    """All variables of all areas that the answers of a folder such as `2023/county` hold, by area."""
    found: dict[tuple[str, ...], dict[str, str | None]] = {}
    for path in (f"census_acs5/{path}.json" for path in ACS_PATHS if path.startswith(f"{folder}/")):
        header, *rows = json.loads(sample()[path])
        geography = [name for name in header if name != "NAME" and not VARIABLE.fullmatch(name)]
        for row in rows:
            values = dict(zip(header, row, strict=True))
            found.setdefault(tuple(values[name] for name in geography), {}).update(values)
    return found


def answer(path: str) -> list[dict[str, str | None]]:
    """One table of the answers, `2023/county/B14005`, or one answer as it is, `2023/county/part-01`."""
    if path in ACS_PATHS:
        header, *rows = json.loads(sample()[f"census_acs5/{path}.json"])
        return [dict(zip(header, row, strict=True)) for row in rows]
    folder, table_id = path.rsplit("/", 1)
    return [
        {name: value for name, value in row.items() if not VARIABLE.fullmatch(name) or name[:-5] == table_id}
        for row in acs(folder).values()
    ]


def table(path: str, encoding: str = "utf-8") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sample()[path].decode(encoding))))


ACS_PATHS = [
    path.removeprefix("census_acs5/").removesuffix(".json")
    for path in sample()
    if path.startswith("census_acs5/") and path.endswith(".json")
]
VARIABLE = re.compile(r"[BCS]\d+\w*_\d{3}[EM]")
PIT_COC = "hud_pit/2018/2007-2018-PIT-Counts-by-CoC.xlsx"
PIT_STATE = "hud_pit/2024/2007-2024-PIT-Counts-by-State.xlsb"
WORKBOOKS = [path for path in sample() if path.endswith((".xls", ".xlsx", ".xlsb"))]


def test_two_calls_write_the_same_bytes():
    once, twice = (
        [(*where, hashlib.sha256(body).hexdigest()) for *where, body in all_files()],
        [(*where, hashlib.sha256(body).hexdigest()) for *where, body in all_files()],
    )
    assert once == twice


def test_another_process_writes_the_same_bytes():
    program = (
        "import hashlib; from sources.simulated import all_files; d = hashlib.sha256(); "
        "[d.update(body) for *_, body in all_files()]; print(d.hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    digest = hashlib.sha256()
    for body in sample().values():
        digest.update(body)
    assert other.stdout.strip() == digest.hexdigest()


def test_every_file_is_written_once_and_read_by_its_source():
    names = [(source, vintage, name) for source, vintage, name, _ in all_files()]
    assert len(names) == len(set(names))
    for source, vintage, name in names:
        declared = all_sources()[source]
        assert vintage in declared.vintage_ids, f"{source}/{vintage}"
        assert declared.reads(name), f"{source}/{vintage}/{name}"


@pytest.mark.parametrize("source", list(all_sources()))
def test_the_region_carries_every_source_with_rows_in_every_table(source):
    declared = all_sources()[source]
    rows = dict.fromkeys((table.key for table in declared.tables), 0)
    simulated = {(vintage, name): body for vintage, name, body in files(source)}
    for (vintage, name), body in simulated.items():
        beside = {
            other: RawFile(source, vintage, other, content)
            for (of, other), content in simulated.items()
            if of == vintage
        }
        for key, frame in declared.parse(RawFile(source, vintage, name, body, beside=beside.get)).items():
            rows[key] += frame.height
    assert [key for key, height in rows.items() if not height] == []
    live = {vintage.id for vintage in declared.vintages if vintage.live and declared.fetch}
    assert live <= {vintage for vintage, _ in simulated}, "what is fetched live is simulated too"


def test_region_has_24_counties_of_6_to_12_tracts():
    counties = {f"{row['state']}{row['county']}" for row in answer("2023/county/B14005")}
    assert counties == {f"97{2 * i + 1:03d}" for i in range(24)}
    tracts = answer("2023/tract/B14005")
    by_county = [sum(row["county"] == fips[2:] for row in tracts) for fips in sorted(counties)]
    assert min(by_county) >= 6 and max(by_county) <= 12
    assert all(re.fullmatch(r"97\d{9}", f"{row['state']}{row['county']}{row['tract']}") for row in tracts)


@pytest.mark.parametrize("path", ACS_PATHS)
def test_acs_names_say_simulated(path):
    rows = answer(path)
    pattern = r"Simulated \w+ County, Simulated State"
    if "district" in path:
        pattern = r"Simulated [\w ]+ School District, Simulated State"
    if "tract" in path:
        pattern = r"Census Tract \d+; Simulated \w+ County; Simulated State"
    assert all(re.fullmatch(pattern, row["NAME"] or "") for row in rows)


def test_every_other_name_says_simulated():
    names = [row[3] for row in sheet("census_saipe/2023/est23all.xls", "est23ALL")[4:]]
    names += [row[3] for row in sheet("census_saipe/2022/ussd22.xls", "USSD22")[3:]]
    names += [row[1] for row in sheet(PIT_COC, "2018")[1:5]]
    names += [row["coc_name"] for row in table("coc_county/2017/county_coc_match.csv", "cp1252")]
    names += [row["COCNAME"] for row in table("coc_county/2025/coc_county_mo_metroeast_2025.csv")]
    topology = json.loads(sample()["geo/2023/counties-10m.topojson"])
    names += [
        area["properties"]["name"]
        for level in ("counties", "states")
        for area in topology["objects"][level]["geometries"]
    ]
    assert [name for name in names if name not in ("NA", None) and not name.startswith("Simulated ")] == []


def test_no_file_holds_a_real_states_fips():
    found: set[str] = set()
    for path in ACS_PATHS:
        found |= {str(row["state"]) for row in answer(path)}
    for year in ("2019", "2023"):
        found |= {str(row[0]) for row in sheet(f"census_saipe/{year}/est{year[2:]}all.xls", f"est{year[2:]}ALL")[4:]}
    found |= {str(row[1]) for row in sheet("census_saipe/2022/ussd22.xls", "USSD22")[3:]}
    found |= {row["county_fips"][:2] for row in table("coc_county/2017/county_coc_match.csv", "cp1252")}
    found |= {row["fips"][:2] for row in table("coc_county/2025/coc_county_mo_metroeast_2025.csv")}
    topology = json.loads(sample()["geo/2023/counties-10m.topojson"])
    found |= {area["id"][:2] for level in ("counties", "states") for area in topology["objects"][level]["geometries"]}
    assert found == {"97", "00"}  # 00 is the nation of the sample, and named so
    assert NAME_BY_FIPS["97"] == "Simulated State"


@pytest.mark.parametrize("path", ACS_PATHS)
def test_acs_values_are_text_or_null_and_margins_are_positive(path):
    codes = {"-555555555", "-666666666", "-222222222"}
    for row in answer(path):
        for name, value in row.items():
            assert value is None or isinstance(value, str)
            if VARIABLE.fullmatch(name) and value is not None and value not in codes:
                # The Gini index is the only figure here that is no whole number.
                number = r"0\.\d{4}" if name.startswith("B19083") else r"\d+"
                assert re.fullmatch(number, value), f"{path} {row['NAME']} {name} {value}"
                assert name.endswith("E") or float(value) > 0


def cells(path: str, *names: str) -> list[list[int]]:
    """Estimates by area, a column each of the named cells."""
    prefix = path.rsplit("/", 1)[1]
    return [[int(row[f"{prefix}_{name}E"] or 0) for name in names] for row in answer(path)]


YOUTH = ["010", "011", "014", "015", "024", "025", "028", "029"]


@pytest.mark.parametrize(
    ("path", "total", "parts"),
    [
        ("county/B09005", "001", ["003", "004", "005"]),
        ("tract/B09005", "001", ["003", "004", "005"]),
        ("county/B14005", "001", YOUTH),
        ("tract/B14005", "001", YOUTH),
        ("county/B17001", "001", ["002"]),
        ("tract/B17001", "001", ["002"]),
        ("county/B17001", "002", [f"{cell:03d}" for cell in (*range(4, 10), *range(18, 24))]),
        ("county/B09001", "001", ["008", "009"]),
        ("county/B09018", "001", ["006", "007", "008"]),
        ("county/B14005", "012", ["014", "015"]),
        ("county/B14005", "001", ["002", "016"]),
        ("tract/B14005", "016", ["024", "025", "028", "029"]),
        ("tract/B05003", "003", ["005"]),
        ("tract/B05003", "005", ["007"]),
        ("tract/B07001", "003", ["035", "051", "067", "083"]),
        ("tract/B15003", "001", [f"{cell:03d}" for cell in range(2, 17)]),
        ("district_unified/B23008", "015", ["020", "021"]),
        ("district_unified/B25070", "001", ["007", "008", "009", "010", "011"]),
        ("county/B22010", "001", ["002"]),
        ("county/B08201", "001", ["002"]),
        ("county/B25014", "001", ["005", "006", "007", "011", "012", "013"]),
        ("county/S1501_C01", "006", ["014"]),
        ("county/S2801_C01", "001", ["014"]),
    ],
)
def test_parts_stay_within_their_total(path, total, parts):
    for whole, *shares in cells(f"2023/{path}", total, *parts):
        assert 0 <= sum(shares) <= whole


@pytest.mark.parametrize(("table_id", "brackets"), [("B25074", 7), ("B25095", 8)])
def test_brackets_of_cost_burden_add_up(table_id, brackets):
    """In the survey itself: answers hold the burdened cells only."""
    found = Survey(region(), "2023").figures("county")[1]
    names = [f"{9 * k + first:03d}" for k in range(brackets) for first in (2, 9, 10)]
    for total, *values in zip(*(map(int, found[f"{table_id}_{name}"][0]) for name in ("001", *names)), strict=True):
        triples = [values[3 * k : 3 * k + 3] for k in range(brackets)]
        assert sum(triple[0] for triple in triples) == total
        assert all(burdened + unknown <= bracket for bracket, burdened, unknown in triples)


def test_tables_agree_with_each_other():
    assert cells("2023/county/B08201", "001") == cells("2023/county/S2801_C01", "001")
    renters, owners = cells("2023/county/B25074", "001"), cells("2023/county/B25095", "001")
    households = cells("2023/county/B25014", "001")
    assert [[a + b] for (a,), (b,) in zip(renters, owners, strict=True)] == households
    grandchildren, alone = cells("2023/county/B09018", "006"), cells("2023/county/B10002", "004")
    assert all(some <= everyone for (everyone,), (some,) in zip(grandchildren, alone, strict=True))
    teens = cells("2023/county/B17001", "007", "008", "009", "021", "022", "023")
    assert [[sum(row)] for row in teens] == cells("2023/county/B17020", "005")
    for black, everyone in zip(
        cells("2023/county/B17020B", "005", "013"), cells("2023/county/B17020", "005", "013"), strict=True
    ):
        assert black[0] <= everyone[0] and black[1] <= everyone[1]


def test_tracts_of_a_saved_table_sum_to_counties():
    saved = pl.read_parquet(io.BytesIO(sample()["census_acs5/2023/tract/B11002.parquet"]))
    by_county = saved.group_by("countycode").agg(pl.col("B11002_001E").cast(pl.Int64).sum())
    assert dict(by_county.rows()) == {
        row["county"]: int(row["B11002_001E"] or 0) for row in answer("2023/county/B11002")
    }


@pytest.mark.parametrize("table_id", ["B09005", "B14005", "B17001", "B25115"])
def test_counties_are_sums_of_their_tracts(table_id):
    tracts, counties = answer(f"2023/tract/{table_id}"), answer(f"2023/county/{table_id}")
    published = [name for name in tracts[0] if re.fullmatch(rf"{table_id}_\d{{3}}E", name)]
    for county in counties:
        for name in published:
            inside = sum(int(row[name] or 0) for row in tracts if row["county"] == county["county"])
            assert inside == int(county[name] or 0)


def test_margins_shrink_with_population():
    people = {row["county"]: int(row["B11002_001E"] or 0) for row in answer("2023/county/B11002")}
    relative = {
        str(row["county"]): int(row["B22010_002M"] or 0) / max(int(row["B22010_002E"] or 0), 1)
        for row in answer("2023/county/B22010")
    }
    by_size = sorted(people, key=lambda county: people[county])
    assert min(relative[str(county)] for county in by_size[:3]) > 0.5
    assert max(relative[str(county)] for county in by_size[-3:]) < 0.15


def test_annotation_codes_and_nulls_occur():
    income = [(row["B19013B_001E"], row["B19013B_001M"]) for row in answer("2023/county/B19013B")]
    assert ("-666666666", "-222222222") in income
    assert (None, None) in income
    margins = [row["B11002_001M"] for row in answer("2023/county/B11002")]
    assert "-555555555" in margins and None in margins


def number(value: str | None) -> int:
    return int(value) if value and value.isdigit() else 0


@pytest.mark.parametrize("year", ["2018", "2017", "2016", "2015", "2014"])
def test_coc_rows_sum_to_the_total_row(year):
    header, *rows = sheet(PIT_COC, year)
    assert [row[0] for row in rows[:5]] == ["ZZ-500", "ZZ-501", "ZZ-502a", "ZZ-503", ""]
    assert rows[4][1] == "Total"
    assert rows[5] == (None,) * len(header)
    assert str(rows[6][0]).startswith("a ZZ-502 ")
    for column in range(header.index(f"Overall Homeless, {year}"), len(header)):
        assert sum(number(row[column]) for row in rows[:4]) == int(rows[4][column] or "")


@pytest.mark.parametrize("year", ["2018", "2017", "2016", "2015", "2014"])
def test_coc_counts_are_consistent(year):
    header, *rows = sheet(PIT_COC, year)
    for row in rows[:5]:
        if "." in row:
            assert set(row[2:]) == {"."}
            continue
        value = {str(name).removesuffix(f", {year}"): number(cell) for name, cell in zip(header, row, strict=True)}
        for group in ("Homeless", "Homeless Individuals", "Homeless People in Families", "Homeless Veterans"):
            overall = value["Overall Homeless" if group == "Homeless" else group]
            sheltered = value[f"Sheltered Total {group}"]
            assert sheltered + value[f"Unsheltered {group}"] == overall
            assert sum(value.get(f"{kind} {group}", 0) for kind in SHELTERED) == sheltered
        assert value["Homeless Individuals"] + value["Homeless People in Families"] == value["Overall Homeless"]
        if year != "2014":
            youth = "Homeless Unaccompanied Youth"
            assert value[f"{youth} Under 18"] + value[f"{youth} Age 18-24"] == value[f"{youth} (Under 25)"]
            assert value[f"{youth} (Under 25)"] <= value["Homeless Individuals"]


def test_a_coc_that_did_not_report_is_blank_not_zero():
    assert set(sheet(PIT_COC, "2014")[4][2:]) == {"."}
    assert set(sheet(PIT_COC, "2015")[4][2:]).isdisjoint({".", None})


@pytest.mark.parametrize("year", [str(year) for year in range(2018, 2025)])
def test_state_rows_sum_to_the_total_row(year):
    header, *rows = sheet(PIT_STATE, year)
    by_state = {row[0]: row for row in rows}
    assert set(by_state["AS"][2:]) == {" "}
    assert by_state["ZZ"][1:] == by_state["Total"][1:]
    value = {name: number(cell) for name, cell in zip(header, by_state["ZZ"], strict=True)}
    ages = [value[f"Overall Homeless - {age}"] for age in ("Under 18", "Age 18 to 24")]
    above = ("Age 25 to 34", "Age 35 to 44", "Age 45 to 54", "Age 55 to 64", "Over 64")
    rest = value.get("Overall Homeless - Over 24") or sum(value[f"Overall Homeless - {age}"] for age in above)
    assert sum(ages) + rest == value["Overall Homeless"]


def test_state_and_coc_workbooks_agree():
    coc, state = sheet(PIT_COC, "2018"), sheet(PIT_STATE, "2018")
    total = dict(zip(coc[0], coc[5], strict=True))
    here = dict(zip(state[0], state[2], strict=True))
    assert total["Overall Homeless, 2018"] == here["Overall Homeless"]
    group = "Homeless Unaccompanied Youth (Under 25)"
    assert total[f"{group}, 2018"] == here[f"Overall {group}"]


def test_saipe_nation_state_and_counties():
    rows = sheet("census_saipe/2023/est23all.xls", "est23ALL")[4:]
    assert rows[0][:4] == ("00", "000", "US", "Simulated Nation")
    assert rows[1][:4] == ("97", "000", "ZZ", "Simulated State")
    assert rows[0][4:] == rows[1][4:]
    assert len(rows) == 26
    assert [row[3] for row in rows if set(row[4:]) == {"."}] == ["Simulated Willow County"]
    for row in rows:
        if row[4] != ".":
            for first in (4, 7, 10, 13, 16, 19, 22):
                estimate, low, high = (float(value or "") for value in row[first : first + 3])
                assert low <= estimate <= high


def test_districts_span_counties_and_cover_everyone():
    rows = sheet("census_saipe/2022/ussd22.xls", "USSD22")[3:]
    assert 24 <= len(rows) <= 48
    assert sum(" and " in str(row[3]) for row in rows) == 3
    people = sum(float(row[4] or "") for row in rows)
    population = sum(int(row["B11002_001E"] or 0) for row in answer("2023/county/B11002"))
    assert people == pytest.approx(population, abs=len(rows))


def test_crosswalks_split_one_county_and_leave_one_out():
    rows = table("coc_county/2017/county_coc_match.csv", "cp1252")
    assert sorted({row["coc_number"] for row in rows}) == ["NA", "ZZ-500", "ZZ-501", "ZZ-502", "ZZ-503"]
    split = [row for row in rows if row["n_cocs_in_county"] == "2"]
    assert len(split) == 2 and len({row["county_fips"] for row in split}) == 1
    for column in ("pct_cnty_pop_coc", "pct_cnty_pov_coc"):
        assert sum(float(row[column]) for row in split) == pytest.approx(100)
    later = table("coc_county/2025/coc_county_mo_metroeast_2025.csv")
    assert len({row["fips"] for row in later}) == 24
    assert sum(
        float(row["area_share_of_county"]) for row in later if row["fips"] == split[0]["county_fips"]
    ) == pytest.approx(1)


def test_foster_care_adds_up():
    glance = {
        (row["measure"], row["fiscal_year"]): int(row["n"])
        for row in table("acf_afcars/2021/afcars_fy2021_glance_by_state.csv")
    }
    rows = table("acf_afcars/2021/afcars_fy2021_distributions_by_state.csv")
    assert {row["state"] for row in rows} == {"ZZ"}
    in_care = glance["Number in foster care on September 30", "2021"]
    count = {(row["section"], row["label"]): int(row["n"]) for row in rows}
    assert count["in_care", "Male"] + count["in_care", "Female"] == in_care
    assert count["exits", "Emancipation"] > 0
    served = glance["Number served by the foster care", "2021"]
    assert in_care + glance["Number exited foster care", "2021"] == served


def test_counties_are_a_honeycomb_in_the_atlantic():
    topology = json.loads(sample()["geo/2023/counties-10m.topojson"])
    assert -46 < topology["bbox"][0] < topology["bbox"][2] < -35
    assert 33 < topology["bbox"][1] < topology["bbox"][3] < 37

    def ends(arc: int) -> tuple[tuple[int, int], tuple[int, int]]:
        (x, y), (dx, dy) = topology["arcs"][arc if arc >= 0 else ~arc]
        return ((x, y), (x + dx, y + dy)) if arc >= 0 else ((x + dx, y + dy), (x, y))

    uses: dict[int, int] = {}
    for level in ("counties", "states"):
        for area in topology["objects"][level]["geometries"]:
            rings = area["arcs"] if area["type"] == "Polygon" else [ring for part in area["arcs"] for ring in part]
            for ring in rings:
                assert all(ends(a)[1] == ends(b)[0] for a, b in pairwise([*ring, ring[0]]))
                if level == "counties":
                    assert len(ring) == 6
                    for arc in ring:
                        uses[arc if arc >= 0 else ~arc] = uses.get(arc if arc >= 0 else ~arc, 0) + 1
    assert set(uses.values()) == {1, 2}
    outline = topology["objects"]["states"]["geometries"][0]["arcs"][0][0]
    assert {arc for arc, n in uses.items() if n == 1} == set(outline)


@pytest.mark.parametrize("path", WORKBOOKS)
def test_workbooks_read_back(path):
    book = fastexcel.read_excel(sample()[path])
    for name in book.sheet_names:
        if name != "Revisions":  # which is empty, in the real workbook too
            assert sheet(path, name)


def test_xlsb_round_trip():
    rows: list[list[xlsb.Value]] = [["text", 1.5, None, 130], ["", -3, "é’" * 200, "text"]]
    body = xlsb.write([xlsb.Sheet("first", rows), xlsb.Sheet("second, hidden", [["only"]], hidden=True)])
    book = fastexcel.read_excel(body)
    assert book.sheet_names == ["first", "second, hidden"]
    read = book.load_sheet("first", header_row=None, dtypes="string").to_polars().rows()
    assert read == [("text", "1.5", None, "130"), ("", "-3", "é’" * 200, "text")]
    assert book.load_sheet("second, hidden", header_row=None).visible == "veryhidden"
