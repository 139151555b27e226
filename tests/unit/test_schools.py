"""Outreach: which schools are listed, in which order, and a profile for every district, none of them ranked."""

from typing import Any

import polars as pl
import pytest

from models.decisions import districts, schools
from tests.unit.decision_inputs import SHA, crosswalk, inputs, place, rows


def school(number: int, county: str, level: int | None, **other: Any) -> dict[str, Any]:
    base = {
        "vintage": "2024",
        "period": "2023-2024",
        "school_id": f"{number:012d}",
        "school_name": f"School {number}",
        "district_id": "2929280",
        "county_id": county,
        "school_level": level,
        "school_type": 1,
        "school_status": 1,
        "lowest_grade": 6,
        "highest_grade": 8,
        "snapshot_sha256": SHA,
    }
    return {**base, **other}  # fmt: skip


def enrolled(number: int, low: float, high: float | None = None, **other: Any) -> dict[str, Any]:
    high = low if high is None else high
    exact = low == high
    return {"vintage": "2024", "period": "2023-2024", "school_id": f"{number:012d}", "district_id": "2929280",
            "race": "total", "sex": "total", "enrolment_count": low if exact else None, "enrolment_count_lower": low,
            "enrolment_count_upper": high, "enrolment_count_kind": "exact" if exact else "interval",
            "snapshot_sha256": SHA, **other}  # fmt: skip


def eligible(number: int, low: float, high: float | None = None, **other: Any) -> dict[str, Any]:
    high = low if high is None else high
    exact = low == high
    return {"vintage": "2024", "period": "2023-2024", "school_id": f"{number:012d}", "program": "free_or_reduced_price",
            "student_count": low if exact else None, "student_count_lower": low, "student_count_upper": high,
            "student_count_kind": "exact" if exact else "interval", "snapshot_sha256": SHA, **other}  # fmt: skip


SCORES = rows(
    "risk.scores",
    [
        {"geo_level": "county", "geo_id": area, "index_id": index, "rank": rank, "rank_mean": mean, "rank_p05": 1,
         "rank_p95": 3, "p_top_10": 1.0, "tier": 1}
        for area, index, rank, mean in (("29510", "priority", 2, 2.2), ("29189", "priority", 1, 1.4),
                                        ("29510", "poverty", 1, 1.0))
    ],
)  # fmt: skip


def listed(
    directory: list[dict[str, Any]], pupils: tuple[dict[str, Any], ...] = (), lunch: tuple[dict[str, Any], ...] = ()
) -> pl.DataFrame:
    given = {
        "core__nces_ccd_school": rows("core.nces_ccd_school", directory),
        "core__nces_ccd_enrolment": rows("core.nces_ccd_enrolment", pupils),
        "core__nces_ccd_school_lunch": rows("core.nces_ccd_school_lunch", lunch),
        "risk__scores": SCORES,
    }
    made = schools.compute(inputs(schools.DECISION, **given), place())
    return made.frames[schools.TABLE.key].sort("outreach_order")


@pytest.mark.parametrize(
    ("other", "is_listed"),
    [
        ({"school_level": 2}, True),
        ({"school_level": 3, "highest_grade": 12}, True),
        ({"school_level": 1, "highest_grade": 5}, False),
        # The only school of a district that teaches to grade 8.
        ({"school_level": 1, "lowest_grade": 0, "highest_grade": 8}, True),
        ({"school_level": 4, "lowest_grade": -1, "highest_grade": 12}, True),
        ({"school_level": None, "highest_grade": None}, False),
        # 15 is no grade: the school is not graded.
        ({"school_level": 1, "highest_grade": 15}, False),
        ({"school_level": 2, "school_status": 2}, False),
        ({"school_level": 2, "school_status": None}, True),
        ({"school_level": 2, "county_id": "17163"}, False),
        ({"school_level": 2, "vintage": "2023"}, False),
    ],
)
def test_open_middle_and_high_schools_of_the_region_are_listed(other: dict[str, Any], is_listed: bool) -> None:
    marker = school(2, "29510", 2)
    table = listed([school(1, "29510", 2) | other, marker])
    assert ("000000000001" in table["school_id"].to_list()) == is_listed


def test_schools_come_by_the_need_of_their_county_then_by_their_own() -> None:
    directory = [
        school(n, county, 2) for n, county in ((1, "29510"), (2, "29510"), (3, "29189"), (4, "29183"), (5, "29510"))
    ]
    pupils = tuple(enrolled(n, 100.0) for n in (1, 2, 3, 4))
    lunch = (eligible(1, 40.0), eligible(2, 60.0), eligible(3, 10.0), eligible(4, 99.0))
    table = listed(directory, pupils, lunch)
    # County 29189 first by mean rank; 2 before 1 by its share; 5 has none; 29183 has no rank and comes last.
    assert [int(one) for one in table["school_id"]] == [3, 2, 1, 5, 4]
    assert table["outreach_order"].to_list() == [1, 2, 3, 4, 5]
    assert table["area_rank"].to_list() == [1, 2, 2, 2, None]
    assert table.row(4, named=True)["note"] == "the county has no rank"
    assert table.row(3, named=True)["note"] == "lunch eligibility is not reported"


def test_the_share_of_a_school_has_the_bounds_of_its_two_cells() -> None:
    table = listed([school(1, "29510", 2)], (enrolled(1, 90.0, 100.0),), (eligible(1, 45.0, 60.0),))
    told = table.row(0, named=True)
    # 45 of 100 at least, 60 of 90 at most; no exact share without exact cells.
    assert (told["school_need_share_lower"], told["school_need_share"]) == (0.45, None)
    assert told["school_need_share_upper"] == pytest.approx(2 / 3)
    assert told["enrolment_count_kind"] == "interval"


def test_pupils_of_one_race_or_programme_are_no_school() -> None:
    pupils = (enrolled(1, 100.0), enrolled(1, 30.0, race="black"), enrolled(1, 45.0, sex="male"))
    table = listed([school(1, "29510", 2)], pupils, (eligible(1, 20.0), eligible(1, 15.0, program="free")))
    assert table["school_need_share"].to_list() == [0.2]


def test_without_a_directory_the_table_is_empty_and_says_which_file_would_bring_it() -> None:
    elsi = rows("core.nces_ccd_elsi_school", [{"vintage": "2023", "publisher_row": 1, "county_id": "29510"}])
    made = schools.compute(inputs(schools.DECISION, core__nces_ccd_elsi_school=elsi), place())
    assert made.frames[schools.TABLE.key].is_empty()
    (absent,) = made.absent
    assert absent.part == "decision.schools" and absent.file_missing == schools.FILE
    assert "neither level nor grades" in absent.reason


# A district of two counties, one whole, a charter on the first one's ground, and a school without any host.
WEIGHTS = pl.concat(
    [
        crosswalk(
            ("school_district", "2900001", "county", "29510", 0.25),
            ("school_district", "2900001", "county", "17163", 0.75),
            ("school_district", "2900002", "county", "29189", 1.0),
            ("school_district", "1700001", "county", "17163", 1.0),
            crosswalk_id="district_county",
        ),
        crosswalk(("school_district", "2900003", "county", "29510", 1.0), crosswalk_id="district_county").with_columns(
            basis=pl.lit("host")
        ),
        crosswalk(("school_district", "2900003", "school_district", "2900001", 1.0), crosswalk_id="lea_host"),
    ]
)
DIRECTORY = rows(
    "core.nces_ccd_district",
    [
        {"vintage": "2024", "geo_level": "school_district", "geo_id": lea, "geo_name": f"LEA {lea}",
         "county_id": "29510", "agency_type": kind, "snapshot_sha256": SHA}
        for lea, kind in (("2900001", 1), ("2900002", 1), ("2900003", 7), ("2900004", 5))
    ],
)  # fmt: skip


def profile(**given: pl.DataFrame) -> pl.DataFrame:
    given = {"geography__crosswalk": WEIGHTS, "core__nces_ccd_district": DIRECTORY, **given}
    return districts.compute(inputs(districts.DECISION, **given), place()).frames[districts.TABLE.key]


def one(table: pl.DataFrame, lea: str) -> dict[str, Any]:
    return table.filter(pl.col("geo_id") == lea).row(0, named=True)


def test_every_agency_of_the_region_has_a_row_and_none_a_rank() -> None:
    table = profile()
    assert table["geo_id"].to_list() == ["2900001", "2900002", "2900003", "2900004"]
    assert not [name for name in table.columns if "rank" in name or "score" in name]
    spans = one(table, "2900001")
    assert (spans["county_ids"], spans["n_counties"]) == ("17163 75.0 %; 29510 25.0 %", 2)
    assert "several counties" in spans["note"]


def test_agencies_without_ground_stand_with_their_hosts_and_are_no_places() -> None:
    table = profile()
    charter, school_of_the_state = one(table, "2900003"), one(table, "2900004")
    assert (charter["has_territory"], charter["host_ids"]) == (False, "2900001")
    assert "never a place to rank" in charter["note"]
    assert school_of_the_state["county_ids"] == "29510 (office)"
    assert (school_of_the_state["n_counties"], school_of_the_state["has_territory"]) == (0, False)
    assert one(table, "2900002")["has_territory"] and one(table, "2900002")["note"] is None


def test_a_profile_keeps_intervals_and_what_the_publisher_withholds() -> None:
    saipe = rows(
        "core.census_saipe_district",
        [{"vintage": vintage, "period": vintage, "geo_level": "school_district", "geo_id": "2900001",
          "geo_name": "Name", "population_5_17_count": 400, "poverty_5_17_related_count": poor, "snapshot_sha256": SHA}
         for vintage, poor in (("2022", 90), ("2023", 100))],
    )  # fmt: skip
    rates = rows(
        "core.ed_acgr_district",
        [{"vintage": "2022", "period": "2021-2022", "geo_id": "2900001", "subgroup": group,
          "graduation_share_lower": low, "graduation_share_upper": 0.84, "graduation_share_kind": "interval",
          "snapshot_sha256": SHA} for group, low in (("all", 0.8), ("black", 0.5))],
    )  # fmt: skip
    students = rows(
        "core.ed_homeless_students_district",
        [{"vintage": "2022", "period": "2021-2022", "geo_id": lea, "subgroup": "all", "count": count,
          "count_kind": kind, "snapshot_sha256": SHA}
         for lea, count, kind in (("2900001", None, "suppressed"), ("2900002", 0.0, "exact"))],
    )  # fmt: skip
    table = profile(
        core__census_saipe_district=saipe,
        core__ed_acgr_district=rates,
        core__ed_homeless_students_district=students,
    )
    told = one(table, "2900001")
    assert (told["geo_name"], told["children_5_17_count"], told["poor_children_share"]) == ("Name", 400, 0.25)
    assert (told["graduation_share"], told["graduation_share_lower"], told["graduation_share_upper"]) == (
        None,
        0.8,
        0.84,
    )
    assert (told["homeless_students_count"], told["homeless_students_count_kind"]) == (None, "suppressed")
    # Nobody identified is not nobody homeless.
    assert one(table, "2900002")["homeless_students_count_kind"] == "missing"
    assert one(table, "2900003")["children_5_17_count"] is None
