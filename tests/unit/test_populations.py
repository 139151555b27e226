"""Priority populations: counts by hand, what is shown, nothing got back, and groups that are never added."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from models.decisions import population_registry
from models.decisions.population_registry import POPULATIONS, are_disjoint, cells_of, published
from models.decisions.population_status import FIGURES, Cell, Sum, determined, judge, protect
from models.decisions.populations import DECISION, TABLE, PopulationError, compute, refuse_overlap, sum_areas
from tests.unit.decision_inputs import COUNTIES, SHA, acs, crosswalk, inputs, place, rows

COC = crosswalk(
    *(("county", county, "coc", "MO-500", 1.0) for county in ("29189", "29183")),
    ("county", "29510", "coc", "MO-501", 1.0),
)
PIT = rows(
    "core.hud_pit_coc",
    [
        {"geo_level": "coc", "geo_id": coc, "geo_name": coc, "vintage": "2025", "period": "2025"}
        for coc in ("MO-500", "MO-501")
    ],
)


def found(**given: pl.DataFrame) -> pl.DataFrame:
    return compute(inputs(DECISION, **given), place()).frames[TABLE.key]


def row(table: pl.DataFrame, area: str, population: str) -> dict[str, Any]:
    return table.filter((pl.col("geo_id") == area) & (pl.col("population_id") == population)).row(0, named=True)


def black_girls(area: str, *cells: tuple[float, float]) -> list[tuple[str, str, float, float]]:
    named = ("B01001B_020", "B01001B_021")
    return [(area, cell, estimate, moe) for cell, (estimate, moe) in zip(named, cells, strict=True)]


def ten_to_seventeen(area: str) -> list[tuple[str, str, float, float]]:
    return [(area, cell, 100.0, 10.0) for cell in POPULATIONS["youth_10_17"].top]


def out_of_school(area: str, boys: float, girls: float, moe: float = 1.0) -> list[tuple[str, str, float, float]]:
    """Boys and girls neither in school nor in work, each in the first of their four cells."""
    boy, girl = (POPULATIONS[f"disconnected_{sex}_16_19"].top for sex in ("boys", "girls"))
    first = [(area, boy[0], boys, moe), (area, girl[0], girls, moe)]
    return first + [(area, cell, 0.0, 0.0) for cell in (*boy[1:], *girl[1:])] + [(area, "B14005_001", 9000.0, 0.0)]


def test_a_count_and_its_rate_have_the_margins_of_their_cells() -> None:
    cells = black_girls("29510", (30, 12), (40, 9)) + ten_to_seventeen("29510")
    told = row(found(core__census_acs5_county=acs(cells)), "29510", "black_girls_10_17")
    # 30 + 40; margin sqrt(144 + 81) = 15; of 4 * 100 young people with a margin of sqrt(4 * 100) = 20.
    assert (told["count"], told["count_lower"], told["count_upper"]) == (70, 55, 85)
    assert (told["universe_count"], told["rate"]) == (400, 0.175)
    # A part of a whole: sqrt(225 - 0.175**2 * 400) / 400 = 0.036465.
    assert told["rate_upper"] - told["rate"] == pytest.approx(0.036465, abs=1e-6)
    assert (told["status"], told["vintage"], told["period"]) == ("ok", "2023", "2019-2023")
    assert told["snapshot_sha256"] == SHA


def test_of_cells_that_are_zero_only_the_largest_margin_enters() -> None:
    twelve_of_zero = acs([("29510", cell, 0.0 if at < 10 else 60.0, 12.0) for at, cell in
                          enumerate(POPULATIONS["youth_10_24"].top)])  # fmt: skip
    told = row(found(core__census_acs5_county=twelve_of_zero), "29510", "youth_10_24")
    # Ten zeros once, and two others: sqrt(3 * 144), not sqrt(12 * 144).
    assert told["count_upper"] - told["count"] == pytest.approx((3 * 144) ** 0.5)


def test_the_newest_vintage_that_holds_every_cell_is_taken() -> None:
    old = acs(black_girls("29510", (30, 1), (40, 1)), vintage="2018")
    half = acs(black_girls("29510", (50, 1), (60, 1))[:1])
    told = row(found(core__census_acs5_county=pl.concat([old, half])), "29510", "black_girls_10_17")
    assert (told["count"], told["vintage"]) == (70, "2018")


def judged(count: float, moe: float) -> dict[str, Any]:
    cells = [("29510", "B09001_001", count, moe)]
    return row(found(core__census_acs5_county=acs(cells)), "29510", "under_18")


# The coefficient of variation of 100 is the margin / 164.5: 0.30 at 49.35, 0.50 at 82.25.
@pytest.mark.parametrize(
    ("count", "moe", "status"),
    [
        (100, 49.3, "ok"),
        (100, 49.4, "caution"),
        (100, 82.2, "caution"),
        (100, 82.3, "withheld"),
        (10, 1, "ok"),
        (9, 1, "withheld"),
        (0, 1, "withheld"),
    ],
)
def test_unsure_counts_are_flagged_and_small_ones_withheld(count: float, moe: float, status: str) -> None:
    told = judged(count, moe)
    assert told["status"] == status
    if status == "withheld":
        assert [told[name] for name in FIGURES] == [None] * len(FIGURES)
        assert told["reason"].startswith("withheld: ")


def test_a_missing_cell_is_missing_and_never_zero() -> None:
    cells = acs([("29510", "B09001_001", None, None), ("29189", "B09001_001", 50.0, 5.0)])
    table = found(core__census_acs5_county=cells)
    assert row(table, "29510", "under_18")["status"] == "missing"
    assert row(table, "29510", "under_18")["count"] is None
    assert row(table, "29510", "under_18")["reason"] == "the publisher gives no count for this area"


def test_every_area_has_a_row_for_every_population_and_null_has_a_reason() -> None:
    table = found(core__census_acs5_county=acs([("29510", "B09001_001", 50.0, 5.0)]), geography__crosswalk=COC,
                  core__hud_pit_coc=PIT)  # fmt: skip
    areas = {*COUNTIES, "MO-500", "MO-501", "29"}
    assert table.select("geo_id", "population_id").rows() == sorted(
        ((area, population) for area in areas for population in published()),
        key=lambda pair: ({"M": 0, "2": 1}[pair[0][0]], len(pair[0]) == 2, *pair),
    )
    silent = table.filter(pl.col("count").is_null())
    assert silent["reason"].null_count() == 0
    assert set(silent["status"]) == {"missing"}
    assert (table["count"].drop_nulls() > 0).all()


def test_what_is_known_of_a_state_is_on_no_county() -> None:
    table = found()
    assert row(table, "29", "lgbtq_13_17")["count"] == 37_000
    assert row(table, "29", "lgbtq_13_17")["status"] == "caution"
    assert "without an interval" in row(table, "29", "lgbtq_13_17")["reason"]
    own = table.filter(pl.col("population_id").is_in(["lgbtq_13_17", "aging_out", "refugee_youth"]))
    assert own.filter(pl.col("geo_level") != "state")["count"].null_count() == len(COUNTIES) * 3
    assert row(table, "29510", "lgbtq_13_17")["reason"].startswith("known by state alone")


def test_nobody_counts_refugees_and_the_row_says_why() -> None:
    made = compute(inputs(DECISION), place())
    told = row(made.frames[TABLE.key], "29", "refugee_youth")
    assert told["count"] is None and "does not ask" in told["reason"]
    assert [part.file_missing for part in made.absent if part.part.endswith("refugee_youth")] == [None]


def test_absent_populations_name_the_file_that_would_bring_them() -> None:
    made = compute(inputs(DECISION), place())
    files = {part.part.rsplit(" ", 1)[1]: part.file_missing for part in made.absent}
    assert files["black_girls_10_17"] == "census_acs5/2023/county/B01001B.json"
    assert files["low_income_youth_5_17"] == "census_saipe/2023/est23all.xls"


def test_non_citizens_are_not_published_unless_turned_on_and_then_by_county_and_rounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = [("29510", "B05003_007", 60.0, 5.0), ("29510", "B05003_018", 70.0, 5.0)]
    area = acs([("MO-501", *cell[1:]) for cell in cells], "coc")
    given: dict[str, pl.DataFrame] = {
        "core__census_acs5_county": acs(cells),
        "geography__acs_area": area,
        "geography__crosswalk": COC,
        "core__hud_pit_coc": PIT,
    }
    assert "noncitizen_under_18" not in set(found(**given)["population_id"])
    on = {**POPULATIONS, "noncitizen_under_18": replace(POPULATIONS["noncitizen_under_18"], is_on=True)}
    monkeypatch.setattr(population_registry, "POPULATIONS", on)
    table = found(**given)
    told = row(table, "29510", "noncitizen_under_18")
    # 130 +- 7.07 to the nearest 50.
    assert (told["count"], told["count_lower"], told["count_upper"]) == (150, 100, 150)
    assert told["rate"] is told["universe_count"] is None
    assert row(table, "MO-501", "noncitizen_under_18")["count"] is None


def students(kind: str, **figures: float) -> dict[str, Any]:
    base = {"geo_level": "county", "geo_id": "29510", "vintage": "2022", "period": "2022-2023", "count_kind": kind}
    return {**base, "snapshot_sha256": SHA, **figures}


def homeless(*records: dict[str, Any]) -> dict[str, Any]:
    table = found(core__ed_homeless_students_county=rows("core.ed_homeless_students_county", records))
    return row(table, "29510", "homeless_students")


def test_suppressed_districts_are_bounds_not_error() -> None:
    told = homeless(students("interval", count_lower=98, count_upper=104, count_published=100, share_published=0.05))
    assert (told["count"], told["count_lower"], told["count_upper"]) == (100, 98, 104)
    # 100 of 2,000 pupils.
    assert (told["universe_count"], told["rate"], told["rate_lower"]) == (2000, 0.05, pytest.approx(0.049))
    assert told["status"] == "ok" and told["reason"].startswith("98 to 104: ")


def test_nobody_identified_is_missing_and_withheld_stays_withheld() -> None:
    zero = homeless(students("exact", count=0, count_lower=0, count_upper=0, count_published=0, share_published=0))
    assert (zero["status"], zero["count"]) == ("missing", None) and "not a zero" in zero["reason"]
    assert homeless(students("missing"))["status"] == "missing"
    assert homeless(students("suppressed"))["status"] == "withheld"


def test_population_estimates_give_whole_ages_and_step_back_behind_the_survey() -> None:
    bands = {"all": 1000, "18+": 780, "5-13": 90, "14-17": 40, "5-9": 50, "10-14": 49, "15-19": 60, "20-24": 70}
    pep = rows(
        "core.census_pep_county_age_sex",
        [
            {"geo_level": "county", "geo_id": "29510", "vintage": "2023", "period": "2023", "basis": "estimate",
             "age_band": band, "count": count, "snapshot_sha256": SHA}
            for band, count in bands.items()
        ],
    )  # fmt: skip
    table = found(core__census_pep_county_age_sex=pep)
    # 1000 - 780; 5 to 13 and 14 to 17 without 5 to 9; 10 to 14, 15 to 19 and 20 to 24.
    assert [row(table, "29510", name)["count"] for name in ("under_18", "youth_10_17", "youth_10_24")] == [220, 80, 179]
    assert row(table, "29510", "youth_10_17")["rate"] == 0.08
    assert "no error of it is published" in row(table, "29510", "under_18")["reason"]
    cells = acs([("29189", "B09001_001", 500.0, 5.0)])
    both = found(core__census_pep_county_age_sex=pep, core__census_acs5_county=cells)
    # Sources are never mixed within a level: the county that the survey lacks stays missing.
    assert row(both, "29189", "under_18")["count"] == 500
    assert row(both, "29510", "under_18")["status"] == "missing"


def test_girls_that_are_withheld_take_the_boys_along_and_leave_the_total() -> None:
    table = found(core__census_acs5_county=acs(out_of_school("29510", boys=120, girls=4)))
    girls, boys, both = (row(table, "29510", f"disconnected_{who}16_19") for who in ("girls_", "boys_", ""))
    assert (girls["status"], boys["status"], both["count"]) == ("withheld", "withheld", 124)
    assert "subtraction" in boys["reason"] and boys["rate"] is None


@pytest.mark.parametrize(("small", "is_told"), [(["29189"], False), (["29189", "29183"], True)])
def test_an_area_does_not_give_back_the_only_county_that_is_withheld(small: list[str], is_told: bool) -> None:
    sizes = {county: 4.0 if county in small else 300.0 for county in ("29189", "29183")}
    county = acs([(name, "B09001_001", size, 1.0) for name, size in sizes.items()])
    whole = acs([("MO-500", "B09001_001", sum(sizes.values()) + 100.0, 1.0)], "coc")
    table = found(
        core__census_acs5_county=county,
        geography__acs_area=whole,
        geography__crosswalk=COC,
        core__hud_pit_coc=PIT,
    )
    told = row(table, "MO-500", "under_18")
    assert (told["count"] is not None) == is_told
    assert told["status"] == ("ok" if is_told else "withheld")


def test_a_rate_does_not_give_back_the_people_whom_it_is_a_share_of() -> None:
    cells = black_girls("29510", (30, 12), (40, 9))
    cells += [("29510", cell, 100.0, 400.0) for cell in POPULATIONS["youth_10_17"].top]
    table = found(core__census_acs5_county=acs(cells))
    # sqrt(4 * 400**2) / 1.645 / 400 = 1.2: nobody knows the universe.
    assert row(table, "29510", "youth_10_17")["status"] == "withheld"
    told = row(table, "29510", "black_girls_10_17")
    assert told["count"] == 70 and told["rate"] is told["universe_count"] is None
    assert told["reason"].startswith("no rate")


def _cells(areas: int) -> Iterator[Cell]:
    for area in (*(f"c{n}" for n in range(areas)), "x", "y"):
        for population in ("t", "g", "b"):
            yield ("county" if area.startswith("c") else "coc", area, population)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_no_withheld_count_can_be_solved_for(data: st.DataObject) -> None:
    counties = [f"c{n}" for n in range(4)]
    girls = dict(zip(counties, data.draw(st.lists(st.integers(1, 50), min_size=4, max_size=4)), strict=True))
    boys = dict(zip(counties, data.draw(st.lists(st.integers(1, 50), min_size=4, max_size=4)), strict=True))
    members = {"x": counties[:3], "y": counties[1:]}
    values: dict[Cell, float] = {}
    for who, counts in (("g", girls), ("b", boys)):
        values |= {("county", county, who): float(count) for county, count in counts.items()}
        values |= {("coc", area, who): float(sum(counts[c] for c in inside)) for area, inside in members.items()}
    values |= {(level, area, "t"): values[level, area, "g"] + values[level, area, "b"] for level, area, _ in [*values]}
    sums = [
        Sum((level, area, "t"), (((level, area, "g"), 1.0), ((level, area, "b"), 1.0)), False)
        for level, area in {(level, area) for level, area, _ in values}
    ]
    sums += [
        Sum(("coc", area, who), tuple((("county", c, who), 1.0) for c in inside), True)
        for area, inside in members.items()
        for who in ("t", "g", "b")
    ]
    hidden = data.draw(st.sets(st.sampled_from(sorted(values)), max_size=6))
    frame = pl.DataFrame(
        [
            {"geo_level": level, "geo_id": area, "population_id": who, "status": "withheld" if cell in hidden else "ok",
             "reason": None, **dict.fromkeys(FIGURES), "count": None if cell in hidden else value}
            for cell, value in sorted(values.items())
            for level, area, who in [cell]
        ],
        schema_overrides={**dict.fromkeys(FIGURES, pl.Float64), "reason": pl.String},
    )  # fmt: skip
    shown = protect(frame, sums)
    known = {(a, b, c): n for a, b, c, n in shown.drop_nulls("count").select([*frame.columns[:3], "count"]).iter_rows()}
    assert known.items() <= values.items()
    unknown = sorted(set(values) - set(known))
    if not hidden:
        assert not unknown
        return
    # Independently of the null space: each withheld count still has room, by a linear program over all sums.
    matrix = np.zeros((len(sums), len(unknown)))
    right = np.zeros(len(sums))
    for n, one in enumerate(sums):
        for cell, sign in ((one.total, -1.0), *one.parts):
            if cell in known:
                right[n] -= sign * known[cell]
            else:
                matrix[n, unknown.index(cell)] = sign
    for at in range(len(unknown)):
        ends = []
        for sign in (1.0, -1.0):
            cost = np.zeros(len(unknown))
            cost[at] = sign
            answer = linprog(cost, A_eq=matrix, b_eq=right, bounds=(-1000, 1000))
            assert answer.success
            ends.append(sign * answer.fun)
        assert ends[1] - ends[0] > 1


def test_a_count_that_nobody_withholds_is_not_guarded() -> None:
    one = Sum(("coc", "x", "t"), ((("county", "a", "t"), 1.0), (("county", "b", "t"), 1.0)), True)
    known = {("coc", "x", "t"): 9.0, ("county", "a", "t"): 4.0}
    assert determined(known, set(), [one]) == set()
    assert determined(known, {("county", "b", "t")}, [one]) == {("county", "b", "t")}


@pytest.mark.parametrize(
    "ids",
    [
        ("black_girls_10_17", "latinx_youth_10_17"),
        ("black_girls_10_17", "black_girls_10_24"),
        ("latinx_youth_10_17", "latinx_girls_10_17"),
        ("homeless_students", "low_income_youth_5_17"),
        ("black_girls_10_17", "black_boys_10_17", "youth_in_foster_care"),
        ("under_18", "under_18"),
        ("black_girls_10_17", "latinx_boys_10_17"),
    ],
)
def test_overlapping_groups_are_never_added(ids: tuple[str, ...]) -> None:
    with pytest.raises(PopulationError, match="may hold the same young people"):
        refuse_overlap(ids)


def test_girls_and_boys_of_one_group_may_be_added() -> None:
    refuse_overlap(("disconnected_girls_16_19", "disconnected_boys_16_19"))
    refuse_overlap(("under_18",))
    with pytest.raises(PopulationError, match="no population 'girls'"):
        refuse_overlap(("girls",))


@given(st.sampled_from(sorted(POPULATIONS)), st.sampled_from(sorted(POPULATIONS)))
def test_whether_groups_are_disjoint_does_not_depend_on_their_order(a: str, b: str) -> None:
    assert are_disjoint(a, b) == are_disjoint(b, a)
    assert not (a == b and are_disjoint(a, b))


def test_groups_said_to_be_disjoint_share_no_cell_and_sexes_make_up_their_total() -> None:
    for one in POPULATIONS.values():
        for other in POPULATIONS.values():
            if are_disjoint(one.id, other.id):
                assert not set(one.top) & set(other.top), (one.id, other.id)
    for total in {one.total for one in POPULATIONS.values() if one.total}:
        parts = [cell for one in POPULATIONS.values() if one.total == total for cell in one.top]
        assert sorted(parts) == sorted(POPULATIONS[total].top)


def test_bases_are_the_count_of_the_denominator() -> None:
    for one in POPULATIONS.values():
        if one.base:
            assert one.bottom == POPULATIONS[one.base].top


def test_the_cells_are_landed_and_tracts_have_no_populations() -> None:
    from sources.census_acs5 import cells

    declared = cells.declared()
    for one in published().values():
        for level, place_of in (("county", cells.COUNTY), ("school_district", cells.DISTRICT)):
            if level in one.levels:
                lacking = {*one.top, *one.bottom} - declared[place_of]
                # Without all residents the base groups have no rate; what needs it says so.
                assert lacking <= {"B01001_001"}, (one.id, level)
    assert "tract" not in {level for one in POPULATIONS.values() for level in one.levels}
    assert POPULATIONS["noncitizen_under_18"].levels == ("county",)
    assert not POPULATIONS["noncitizen_under_18"].is_on


def test_a_sum_of_cells_is_read_cell_by_cell() -> None:
    assert cells_of("B01001_005+006+B14005_010") == ["B01001_005", "B01001_006", "B14005_010"]
    with pytest.raises(PopulationError, match="no sum of ACS cells"):
        cells_of("B01001_005-006")


def area(geo_id: str, count: float | None, half: float | None, **other: Any) -> dict[str, Any]:
    bounds = (None, None) if count is None or half is None else (count - half, count + half)
    status = "withheld" if count is None else "ok"
    return {
        "geo_level": "county", "geo_id": geo_id, "population_id": "poor_youth_12_17", "count": count,
        "count_lower": bounds[0], "count_upper": bounds[1], "universe_count": 1000.0, "status": status,
        "vintage": "2023", "period": "2019-2023", **other,
    }  # fmt: skip


def added(*records: dict[str, Any]) -> pl.DataFrame:
    return rows("decision.populations", records)


def test_errors_of_areas_add_as_the_root_of_the_sum_of_squares() -> None:
    total = sum_areas(added(area("29510", 100, 30), area("29189", 200, 40)))
    assert (total.count, total.count_lower, total.count_upper) == (300, 250, 350)
    # Of 2,000; the interval leaves the universe's own error aside.
    assert (total.universe_count, total.rate, total.rate_upper) == (2000, 0.15, 0.175)
    # Of the zeros only the larger margin: sqrt(40**2 + 30**2).
    zeros = sum_areas(added(area("29510", 0, 30), area("29183", 0, 20), area("29189", 200, 40)))
    assert (zeros.count_upper, zeros.count_lower) == (250, 150)


def test_bounds_of_suppression_add_as_they_are() -> None:
    of = {"population_id": "homeless_students"}
    total = sum_areas(added(area("29510", 100, 3, **of), area("29189", 50, 4, **of)))
    assert (total.count_lower, total.count, total.count_upper) == (143, 150, 157)


def test_a_sum_over_a_withheld_area_is_at_least_the_others() -> None:
    total = sum_areas(added(area("29510", 100, 30), area("29189", None, None)))
    assert (total.count, total.count_lower, total.count_upper) == (None, 70, None)
    assert (total.status, total.not_counted) == ("withheld", ("29189",))
    assert total.rate is None


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no rows"),
        ([area("29510", 1, 1), area("29189", 1, 1, population_id="under_18")], "may hold the same"),
        ([area("29510", 1, 1, population_id="disconnected_girls_16_19"),
          area("29189", 1, 1, population_id="disconnected_boys_16_19")], "one population at a time"),
        ([area("29510", 1, 1), area("29510", 1, 1)], "stands twice"),
        ([area("29510", 1, 1), area("29", 1, 1, geo_level="state")], "one level"),
        ([area("2900001", 1, 1, geo_level="school_district")], "layers overlap"),
        ([area("29510", 1, 1), area("29189", 1, 1, vintage="2018")], "different releases"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_not_added(records: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(PopulationError, match=message):
        sum_areas(added(*records))


def test_a_service_area_has_the_sum_of_its_counties_where_no_cell_counts_it() -> None:
    mine = crosswalk(*(("county", county, "service_area", "north_side", 1.0) for county in ("29510", "29189")),
                     crosswalk_id="county_service_area")  # fmt: skip
    saipe = rows(
        "core.census_saipe_county",
        [
            {"geo_level": "county", "geo_id": county, "vintage": "2023", "period": "2023", "snapshot_sha256": SHA,
             "poverty_5_17_related_count": count, "poverty_5_17_related_count_lower": count - half,
             "poverty_5_17_related_count_upper": count + half, "poverty_5_17_related_share": 0.25}
            for county, count, half in (("29510", 800.0, 60.0), ("29189", 400.0, 80.0))
        ],
    )  # fmt: skip
    named = acs([("north_side", "B09001_001", 5000.0, 9.0)], "service_area")
    table = found(geography__crosswalk=mine, core__census_saipe_county=saipe, geography__acs_area=named)
    told = row(table, "north_side", "low_income_youth_5_17")
    assert (told["count"], told["count_lower"], told["count_upper"]) == (1200, 1100, 1300)
    assert (told["universe_count"], told["rate"]) == (4800, 0.25)
    assert row(table, "north_side", "under_18")["count"] == 5000


def test_judging_leaves_counts_without_an_error_with_caution() -> None:
    frame = pl.DataFrame(
        [{"count": 50.0, "interval": "none", "is_withheld": False, "note": "told once"}],
        schema_overrides={"note": pl.String},
    ).with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in FIGURES if name != "count")
    told = judge(frame).row(0, named=True)
    assert (told["status"], told["reason"]) == ("caution", "caution: no error is published; told once")
