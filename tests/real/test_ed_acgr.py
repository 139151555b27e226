"""Graduation rates against real files: schools of two years, districts of one.

The library's archives and the wide file of districts have no real counterpart at hand: the first have the columns of
the download tool's file in another order, the second those of the school file without the school.
"""

import csv
import io
import re
import zipfile

import polars as pl
import pytest

from sources.ed_acgr import DISTRICT, SCHOOL, SOURCE
from sources.simulated import files
from sources.source import RawFile

TOOL = "2022/edfactsdownload.csv"
SCHOOLS = {"2014/acgr_sch_2013-14.csv": 160_582, "2015/acgr_sch_2014-15.csv": 161_928}
SIMULATED = {f"{vintage}/{name}": body for vintage, name, body in files(SOURCE.id)}


@pytest.fixture(scope="module")
def parsed(real_data) -> dict[str, pl.DataFrame]:
    found = {}
    for path in (TOOL, *SCHOOLS):
        where = real_data / SOURCE.id / path
        ((key, frame),) = SOURCE.parse(RawFile(SOURCE.id, path[:4], where.name, where)).items()
        table = next(table for table in SOURCE.tables if table.key == key)
        found[path] = table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))
    return found


def records(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode())))


def rates(rows: list[dict[str, str]]) -> set[str]:
    """All rates, with every number as 9: what forms there are."""
    names = [name for name in rows[0] if "_RATE_" in name] or ["Value"]
    return {re.sub(r"\d+", "9", row[name]) for row in rows for name in names}


def test_districts(parsed):
    frame = parsed[TOOL]
    assert frame.height == 12_281 - 3, "three rows name no district, and say MISSING"
    assert not frame.select(DISTRICT.primary_key).is_duplicated().any()
    city = frame.filter(pl.col("geo_id") == "2929280").row(0, named=True)
    assert (city["graduation_share"], city["cohort_count"], city["period"]) == (0.74, 1404, "2021-2022")
    kinds = dict(frame.group_by("graduation_share_kind").len().iter_rows())
    assert kinds == {"exact": 3_602, "interval": 8_443, "suppressed": 233}


def test_bands_are_those_that_are_printed_and_narrow_with_the_published_cohort(parsed):
    width = pl.col("graduation_share_upper") - pl.col("graduation_share_lower")
    between = parsed[TOOL].filter(pl.col("graduation_share_kind") == "interval").with_columns(width=width)
    widest = between.filter(pl.col("cohort_count") > 60)["width"].max()
    assert isinstance(widest, float) and widest < 0.06
    exact = parsed[TOOL].filter(pl.col("graduation_share_kind") == "exact")
    assert exact["cohort_count"].min() == 201
    suppressed = parsed[TOOL].filter(pl.col("graduation_share_kind") == "suppressed")
    assert suppressed["cohort_count"].max() == 5 and suppressed["graduation_share_lower"].null_count() == 233


@pytest.mark.parametrize(("path", "rows"), SCHOOLS.items())
def test_schools(path, rows, parsed):
    frame = parsed[path]
    assert frame.height == rows
    assert not frame.select(SCHOOL.primary_key).is_duplicated().any()
    assert (
        frame.filter(pl.col("subgroup") == "all")["school_id"].n_unique() == {"2014": 22_385, "2015": 22_167}[path[:4]]
    )
    assert (frame["school_id"].str.slice(0, 7) == frame["district_id"]).all()
    assert set(frame["graduation_share_kind"]) == {"exact", "interval", "suppressed"}


def graduates(row: dict[str, object]) -> range:
    """Every number of graduates that a published rate allows, tried one by one; any number where none is told."""
    size = int(str(row["cohort_count"]).partition(".")[0])
    if row["graduation_share_kind"] == "suppressed":
        return range(size + 1)
    lower, upper = (float(str(row[f"graduation_share_{end}"])) for end in ("lower", "upper"))
    fits = [n for n in range(size + 1) if lower - 0.005 <= n / size + 1e-9 and n / size - 1e-9 <= upper + 0.005]
    return range(fits[0], fits[-1] + 1)


@pytest.mark.parametrize("path", SCHOOLS)
def test_no_suppressed_rate_can_be_computed_from_the_other_races(path, parsed):
    races = ["american_indian", "asian_pacific", "black", "hispanic", "multiracial", "white"]
    frame = parsed[path].filter(pl.col("cohort_count").is_not_null() & pl.col("subgroup").is_in(["all", *races]))
    hurt = frame.filter(pl.col("graduation_share_kind") == "suppressed").select("school_id").unique()
    judged = 0
    for part in frame.join(hurt, on="school_id", how="semi").partition_by("school_id"):
        rows = {str(row["subgroup"]): row for row in part.iter_rows(named=True)}
        everyone = rows.pop("all", None)
        if everyone is None or sum(row["cohort_count"] for row in rows.values()) != everyone["cohort_count"]:
            continue
        told, parts = graduates(everyone), {race: graduates(row) for race, row in rows.items()}
        for race, row in rows.items():
            if row["graduation_share_kind"] != "suppressed":
                continue
            others = [known for other, known in parts.items() if other != race]
            fewest = max(0, told[0] - sum(known[-1] for known in others))
            most = min(parts[race][-1], told[-1] - sum(known[0] for known in others))
            assert fewest < most, (part["school_id"][0], race)
            judged += 1
    assert judged > 30_000


def test_few_rates_are_withheld_for_that(parsed, real_data):
    for path in SCHOOLS:
        printed = (real_data / SOURCE.id / path).read_bytes().count(b",PS,")
        suppressed = parsed[path].filter(pl.col("graduation_share_kind") == "suppressed").height
        assert 0 < suppressed - printed < 600


def test_a_real_school_row_by_row(parsed):
    """Albertville High School as printed: 248,94 for all, 64,GE95 for Hispanic, 1,PS for American Indian students."""
    frame = parsed["2014/acgr_sch_2013-14.csv"].filter(pl.col("school_id") == "010000500871")
    found = {row["subgroup"]: row for row in frame.iter_rows(named=True)}
    assert (found["all"]["cohort_count"], found["all"]["graduation_share"]) == (248, 0.94)
    assert (found["hispanic"]["graduation_share_lower"], found["hispanic"]["graduation_share_upper"]) == (0.95, 1)
    assert (found["american_indian"]["cohort_count"], found["american_indian"]["graduation_share_kind"]) == (
        1,
        "suppressed",
    )
    assert "multiracial" not in found, "a dot in both columns: there is no such group"


def test_no_real_file_holds_a_range_that_a_spreadsheet_made_a_date(real_data):
    """Another release is known to; the parser reads it, and a test of the parser shows so."""
    for path in (TOOL, *SCHOOLS):
        assert not re.search(rb",\d{1,2}-(Jun|Oct|Dec),", (real_data / SOURCE.id / path).read_bytes())


@pytest.mark.parametrize("path", [TOOL, *SCHOOLS])
def test_the_simulated_files_look_like_the_real_ones(path, real_data):
    ours, theirs = SIMULATED[path], (real_data / SOURCE.id / path).read_bytes()
    assert ours.split(b"\n")[0] == theirs.split(b"\n")[0]
    assert (b"\r" in ours, ours.endswith(b"\n")) == (b"\r" in theirs, theirs.endswith(b"\n"))
    first, real_first = records(ours), records(theirs)
    assert rates(first) <= rates(real_first)
    if path == TOOL:
        for column in ("Data Group", "Data Description", "Population", "Subgroup", "Outcome", "Numerator"):
            assert {row[column] for row in first} == {row[column] for row in real_first}
        nowhere = [[row for row in rows if row["Value"] == "MISSING"] for rows in (first, real_first)]
        for column in ("NCES LEA ID", "LEA", "Denominator"):
            assert {row[column] for row in nowhere[0]} == {row[column] for row in nowhere[1]}
    else:
        cohorts = [{row[name] for row in rows for name in row if "_COHORT_" in name} for rows in (first, real_first)]
        codes = [{cohort for cohort in found if not cohort.isdigit()} for found in cohorts]
        assert codes[0] == codes[1] == {"", "."}
        assert all(re.fullmatch(r"\d{12}", row["NCESSCH"]) for row in [*first, *real_first])


def test_the_forms_without_a_real_counterpart_have_the_columns_of_their_kin(real_data):
    tool = (real_data / SOURCE.id / TOOL).read_bytes().split(b"\n")[0].decode().split(",")
    with zipfile.ZipFile(io.BytesIO(next(b for p, b in SIMULATED.items() if p.endswith(".zip")))) as book:
        (name,) = [name for name in book.namelist() if name.endswith("_LEA.csv")]
        assert sorted(book.read(name).decode().split("\n")[0].split(",")) == sorted(tool)
    real = (real_data / SOURCE.id / "2015/acgr_sch_2014-15.csv").read_bytes().split(b"\n")[0].decode().split(",")
    wide = SIMULATED["2018/acgr-lea-sy2017-18.csv"].split(b"\n")[0].decode().replace("1718", "1415").split(",")
    assert {name for name in real if name not in ("NCESSCH", "SCHNAM")} <= set(wide)
    added = {name for name in wide if name not in real}
    assert all(name == "ST_LEAID" or name.startswith(("HOM_", "FCS_")) for name in added)
