"""Priority populations, profile and districts of Missouri and Metro East against the publishers' own figures."""

import pytest

from tests.real.conftest import Warehouse

N_COUNTIES = 123
COLUMNS = "count, count_lower, count_upper, rate"


def told(region: Warehouse, area: str, population: str, columns: str = COLUMNS) -> tuple:
    where = f"geo_id = '{area}' AND population_id = '{population}'"
    [row] = region.rows(f"SELECT {columns} FROM decision.populations WHERE {where}")
    return row


FIGURES = [
    ("SAIPE 2023, est23all.xls", "29510", "low_income_youth_5_17", (8596, 5837, 11355, 0.25)),
    ("SAIPE 2023, est23all.xls", "29189", "low_income_youth_5_17", (17899, 13872, 21926, 0.113)),
    ("Urban Institute, 2022-23, one district withheld", "29510", "homeless_students", (3647, 3646, 3648, 0.121571)),
    ("Urban Institute, 2022-23", "29189", "homeless_students", (7543, 7543, 7543, 0.055749)),
    # cc-est2023: 281,754 residents of whom 230,905 are adults.
    ("population estimates 2023", "29510", "under_18", (50849, 50849, 50849, 50849 / 281754)),
    # 24,438 + 10,762 - 14,056.
    ("population estimates 2023", "29510", "youth_10_17", (21144, 21144, 21144, 21144 / 281754)),
]


@pytest.mark.parametrize(("source", "area", "population", "figures"), FIGURES)
def test_counts_are_the_publishers_own(
    region: Warehouse, source: str, area: str, population: str, figures: tuple[float, ...]
) -> None:
    assert told(region, area, population) == pytest.approx(figures, abs=1e-6), source


def test_disconnected_youth_of_the_city_are_the_sum_of_eight_cells(region: Warehouse) -> None:
    # Boys 95 + 130 + 36 + 188, girls 77 + 105 + 68 + 121, of 12,536; root of the sum of the squares of the margins.
    margins = (53, 80, 59, 163, 84, 67, 62, 73)
    half = sum(margin**2 for margin in margins) ** 0.5
    count, lower, upper, rate = told(region, "29510", "disconnected_16_19")
    assert (count, lower, upper) == pytest.approx((820, 820 - half, 820 + half))
    assert rate == pytest.approx(820 / 12536)


def test_states_and_continuums_keep_their_counts_to_themselves(region: Warehouse) -> None:
    assert told(region, "29", "lgbtq_13_17", "count, count_lower, status") == (37000, None, "caution")
    assert told(region, "17", "lgbtq_13_17", "count, count_lower, status") == (80000, None, "caution")
    assert told(region, "29", "aging_out", "count, period") == (347, "FY2024")
    assert told(region, "29", "youth_in_foster_care", "count, period") == (13194, "FY2021")
    assert told(region, "MO-501", "homeless_youth_under_25", "round(count, 1)") == (122.3,)
    alone = "'lgbtq_13_17', 'aging_out', 'refugee_youth', 'homeless_youth_under_25', 'youth_in_foster_care'"
    where = f"geo_level = 'county' AND population_id IN ({alone})"
    assert region.rows(f"SELECT count(*), count(count) FROM decision.populations WHERE {where}") == [
        (5 * N_COUNTIES, 0)
    ]


def test_every_county_has_every_population_and_silence_has_a_reason(region: Warehouse) -> None:
    per_area = region.rows("SELECT DISTINCT n FROM (SELECT count(*) n FROM decision.populations GROUP BY ALL geo_id)"
                           .replace("GROUP BY ALL geo_id", "GROUP BY geo_level, geo_id"))  # fmt: skip
    assert len(per_area) == 1
    assert (
        region.value("SELECT count(DISTINCT geo_id) FROM decision.populations WHERE geo_level = 'county'") == N_COUNTIES
    )
    silent = "count IS NULL AND (reason IS NULL OR status NOT IN ('withheld', 'missing'))"
    assert region.value(f"SELECT count(*) FROM decision.populations WHERE {silent}") == 0
    assert region.value("SELECT count(*) FROM decision.populations WHERE count < 10") == 0
    assert region.value("SELECT count(*) FROM decision.populations WHERE population_id = 'noncitizen_under_18'") == 0


def test_one_sex_that_is_withheld_is_not_the_total_less_the_other(region: Warehouse) -> None:
    table = "SELECT geo_level, geo_id, count FROM decision.populations"
    sexes = {who: f"{table} WHERE population_id = 'disconnected_{who}'"
             for who in ("16_19", "girls_16_19", "boys_16_19")}  # fmt: skip
    known = "(t.count IS NULL)::int + (g.count IS NULL)::int + (b.count IS NULL)::int"
    joined = f"({sexes['16_19']}) t JOIN ({sexes['girls_16_19']}) g USING (geo_level, geo_id) JOIN " \
             f"({sexes['boys_16_19']}) b USING (geo_level, geo_id)"  # fmt: skip
    assert region.value(f"SELECT count(*) FROM {joined} WHERE {known} = 1") == 0
    assert region.value(f"SELECT count(*) FROM {joined} WHERE {known} = 2") > 20


def test_what_is_absent_is_named_with_its_file(region: Warehouse) -> None:
    rows = dict(region.rows("SELECT part, file_missing FROM meta.absent WHERE part LIKE 'decision.%'"))
    assert rows["decision.populations of black_girls_10_17"] == "census_acs5/2023/county/B01001B.json"
    assert rows["decision.populations by county"].startswith("foster_county/")
    assert rows["decision.schools"].startswith("nces_ccd/")
    assert rows["decision.program_emphasis of listed services"].endswith("providers.csv")


def test_without_lists_and_directory_nothing_is_said_of_services_and_schools(region: Warehouse) -> None:
    assert region.value("SELECT count(*) FROM decision.schools") == 0
    listed = "item_id LIKE 'listed_%' OR item_id LIKE 'granted_%'"
    assert region.rows(f"SELECT DISTINCT value, note FROM decision.program_emphasis WHERE {listed}") == [
        (None, "no list at hand: services may well exist")
    ]


def test_districts_without_ground_stand_with_their_hosts(region: Warehouse) -> None:
    city = region.rows("SELECT has_territory, county_ids, children_5_17_count, poor_children_5_17_count "
                       "FROM decision.districts WHERE geo_id = '2929280'")  # fmt: skip
    assert city == [(True, "29510 100.0 %", 35115, 11227)]
    charter = region.rows("SELECT has_territory, host_ids FROM decision.districts WHERE geo_id = '2900579'")
    assert charter == [(False, "2929280")]
    special = region.rows("SELECT has_territory, children_5_17_count FROM decision.districts WHERE geo_id = '2926760'")
    assert special == [(False, None)]
    missing = "has_territory AND NOT EXISTS (SELECT 1 FROM geography.crosswalk c WHERE c.crosswalk_id = " \
              "'district_county' AND c.from_id = d.geo_id)"  # fmt: skip
    assert region.value(f"SELECT count(*) FROM decision.districts d WHERE {missing}") == 0
    assert region.value("SELECT count(*) FROM decision.districts") > 600
