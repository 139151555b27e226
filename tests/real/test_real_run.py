"""The product on real input: publishers' own figures by SQL, every county, and what is absent."""

import csv

import polars as pl
import pytest

from models.geography.counties import COUNTY_VINTAGE
from models.indicators.assemble import assemble
from models.indicators.indicator import all_indicators
from models.indices.assess import assess
from models.indices.spec import all_indices
from pipelines.assets import counties_of
from pipelines.catalogue import catalogue
from pipelines.home import Home
from pipelines.settings import resolve
from quality.suppression import recoverable

INDICES = {"poverty", "homelessness", "family_instability", "systemic_risk", "priority"}


def pit(table: str, geo_id: str, period: str, measure: str = "Overall Homeless") -> str:
    where = f"geo_id = '{geo_id}' AND period = '{period}' AND measure = '{measure}'"
    return f"SELECT count FROM core.hud_pit_{table} WHERE {where}"


def nation_of(table: str, period: str) -> str:
    return f"SELECT sum(count) FROM core.hud_pit_{table} WHERE period = '{period}' AND measure = 'Overall Homeless'"


def district(column: str) -> str:
    return f"SELECT {column} FROM core.census_saipe_district WHERE geo_id = '2929280'"


def poor_in_st_louis(column: str) -> str:
    where = "geo_id = '29510' AND vintage = '2022' AND cell = 'B17001_002'"
    return f"SELECT {column} FROM core.census_acs5_county WHERE {where}"


def afcars(section: str, measure: str) -> str:
    where = f"geo_id = '29' AND period = 'FY2021' AND section = '{section}' AND measure = '{measure}'"
    return f"SELECT count FROM core.acf_afcars_state WHERE {where}"


def homeless_students(column: str) -> str:
    where = "geo_id = '29510' AND vintage = '2022' AND period = '2022-2023'"
    return f"SELECT {column} FROM core.ed_homeless_students_county WHERE {where}"


def graduation(column: str) -> str:
    where = "geo_id = '2929280' AND period = '2021-2022' AND subgroup = 'all'"
    return f"SELECT {column} FROM core.ed_acgr_district WHERE {where}"


FIGURES = [
    (
        "SAIPE 2023, all ages, St. Louis City",
        "SELECT poverty_all_ages_share FROM core.census_saipe_county WHERE geo_id = '29510' AND vintage = '2023'",
        0.201,
    ),
    ("SAIPE 2022, district of St. Louis City, poor", district("poverty_5_17_related_count"), 11_227),
    ("SAIPE 2022, district of St. Louis City, all", district("population_5_17_count"), 35_115),
    ("ACS 2018-2022, poor in St. Louis City", poor_in_st_louis("estimate"), 58_373),
    ("ACS 2018-2022, its margin", poor_in_st_louis("moe"), 3_125),
    ("PIT 2018, MO-501", pit("coc", "MO-501", "2018"), 949),
    ("PIT 2018, MO-501, youth", pit("coc", "MO-501", "2018", "Homeless Unaccompanied Youth (Under 25)"), 54),
    ("PIT 2018, MO-500", pit("coc", "MO-500", "2018"), 450),
    ("PIT 2018, IL-508", pit("coc", "IL-508", "2018"), 250),
    ("PIT 2018, the nation by CoC", nation_of("coc", "2018"), 552_830),
    ("PIT 2024, Missouri", pit("state", "29", "2024"), 7_312),
    ("PIT 2024, Illinois", pit("state", "17", "2024"), 25_832),
    ("PIT 2024, the nation by state", nation_of("state", "2024"), 771_480),
    ("AFCARS FY2021, in care", afcars("glance", "Number in foster care on September 30"), 13_194),
    ("AFCARS FY2021, emancipated", afcars("exits", "Emancipation"), 601),
    (
        "AFCARS FY2021, in care in Illinois",
        "SELECT value FROM indicator.children_in_care_count WHERE geo_id = '17' AND period = '2021'",
        21_086,
    ),
    ("AFCARS FY2021, emancipated in Illinois", afcars("exits", "Emancipation").replace("'29'", "'17'"), 676),
    ("Homeless students 2022, St. Louis City", homeless_students("count_published"), 3_647),
    ("Homeless students 2022, at least", homeless_students("count_lower"), 3_646),
    ("Homeless students 2022, at most", homeless_students("count_upper"), 3_648),
    ("Graduation 2021-22, St. Louis City", graduation("graduation_share"), 0.74),
    ("Graduation 2021-22, its cohort", graduation("cohort_count"), 1_404),
    (
        "Missouri has 115 county equivalents",
        "SELECT count(DISTINCT geo_id) FROM core.bls_laus_county WHERE geo_id LIKE '29%'",
        115,
    ),
    (
        "Kansas City survives under its footnote letter",
        "SELECT count(DISTINCT period) FROM core.hud_pit_coc WHERE geo_id = 'MO-604' AND publisher_code = 'MO-604a'",
        12,
    ),
]


@pytest.mark.parametrize(("what", "sql", "figure"), FIGURES, ids=[what for what, _, _ in FIGURES])
def test_publishers_figures_by_sql(region, what, sql, figure):
    assert region.value(sql) == figure


def test_every_county_of_the_region_has_a_row_in_every_index(region):
    counts = dict(region.rows("SELECT index_id, count(DISTINCT geo_id) FROM risk.scores GROUP BY 1"))
    assert counts == dict.fromkeys(INDICES, 123)
    assert region.value("SELECT count(*) FROM risk.scores WHERE geo_id LIKE '29%' AND index_id = 'priority'") == 115
    assert region.value("SELECT count(*) FROM risk.scores WHERE score IS NULL") == 0
    assert region.value("SELECT count(*) FROM risk.scores WHERE is_simulated") == 0


def test_the_nation_has_a_row_for_each_county_and_index(nation):
    counts = dict(nation.rows("SELECT index_id, count(*) FROM risk.scores GROUP BY 1"))
    assert counts == dict.fromkeys(INDICES, 3144)
    unscored = {geo_id for (geo_id,) in nation.rows("SELECT geo_id FROM risk.priority WHERE score IS NULL")}
    # Connecticut's planning regions are younger than most files; the others are counties of a few thousand people.
    assert len(unscored) <= 40
    assert {geo_id for geo_id in unscored if geo_id.startswith(("29", "17"))} == set()
    assert {geo_id for geo_id in unscored if geo_id.startswith("09")} <= {f"09{n}" for n in range(110, 200, 10)}


def test_a_county_has_the_same_score_in_the_nation_and_in_the_region(region, nation):
    sql = """SELECT geo_id, index_id, score, score_p05, score_p95, percentile, coverage, reference_id FROM risk.scores
             WHERE geo_id LIKE '29%' ORDER BY ALL"""
    assert region.rows(sql) == nation.rows(sql)
    ranks = "SELECT max(rank), max(n_ranked) FROM risk.priority"
    assert region.rows(ranks) == [(123, 123)]
    assert nation.rows(ranks)[0][0] > 3000


def test_only_figures_known_for_counties_rank_counties(region):
    larger = region.rows(
        "SELECT i.indicator_id FROM meta.indicators i WHERE i.index_id IS NOT NULL "
        "AND (i.native_level NOT IN ('county', 'school_district', 'tract') OR NOT contains(i.levels, 'county'))"
    )
    assert larger == []
    levels = dict(region.rows("SELECT indicator_id, any_value(geo_level) FROM indicator.values GROUP BY 1"))
    assert levels["homeless_people_count"] == "coc"
    assert levels["children_in_care_count"] == "state"


def test_the_order_of_counties_inside_a_coc_does_not_depend_on_the_coc_count(region_home, region, real_data):
    """99 of the region's counties lie wholly in MO-606: its count must not move one of them."""
    home = Home(resolve(str(real_data), "mo-metro-east", region_home, {}))
    counties = counties_of(home)  # in the order of the run: draws go by it
    tables = {key: home.tables.read(key) for one in all_indicators().values() for key in one.tables}
    tables["core.hud_pit_coc"] = tables["core.hud_pit_coc"].clear()
    values = {name: assemble(one, tables, counties)[0] for name, one in all_indicators().items()}
    assert values["homeless_people_count"].is_empty()
    frame = assess(
        all_indices()["priority"], all_indices(), all_indicators(), values, counties,
        home.settings.region.select(counties), is_simulated=False,
    ).scores  # fmt: skip
    inside = (
        "geo_id IN (SELECT county_id FROM core.coc_county_crosswalk WHERE coc_id = 'MO-606' AND population_share = 1)"
    )
    with_pit = region.rows(f"SELECT geo_id FROM risk.priority WHERE {inside} ORDER BY rank, geo_id")
    order = [(geo_id,) for geo_id in frame.sort("rank", "geo_id")["geo_id"] if (geo_id,) in set(with_pit)]
    assert len(order) == 99
    assert order == with_pit


def test_what_is_absent_is_listed_with_the_file_that_would_bring_it(region):
    rows = region.rows("SELECT part, file_missing FROM meta.absent ORDER BY part")
    acs = f"census_acs5/{COUNTY_VINTAGE}/county"
    named = {part: missing for part, missing in rows if part.startswith("indicator.") and missing}
    assert named == {
        **{
            f"indicator.{name}": f"{acs}/{table}.json"
            for name, table in {
                "children_in_assisted_households_share": "B09010",
                "children_no_internet_share": "B28005",
                "children_with_other_relatives_share": "B09018",
                "deep_poverty_share": "C17002",
                "gini_ratio": "B19083",
                "grandparents_responsible_share": "B10050",
                "income_extremes_gap": "B19001",
                "kin_care_share": "B10002",
                "no_parent_share": "B09018",
                "no_parent_working_share": "B23008",
                "not_enrolled_15_17_share": "B14003",
                "school_age_movers_share": "B07001",
                "snap_household_share": "B22010",
                "uninsured_under_19_share": "B27010",
                "vacant_nonseasonal_share": "B25002",
                "youth_poverty_12_17_share": "B17020",
            }.items()
        },
        **{part: named[part] for part in named if part.startswith(("indicator.foster_", "indicator.black_children"))},
    }
    # Every member without a value is named once more where it lacks, and so is every level that was not computed.
    lacking = {name.removeprefix("indicator.") for name in named}
    members = region.rows("SELECT index_id, indicator_id FROM meta.indicators WHERE index_id IS NOT NULL")
    parts = {part for part, _ in rows}
    assert {f"risk.{index}.{name}" for index, name in members if name in lacking} <= parts
    assert "risk.priority_areas.coc" in parts
    assert "decision.schools" in parts
    # Tables of which no real file is at hand: what would bring them is a file that only a live run fetches.
    assert {part for part, _ in rows if part.startswith("core.")} == {
        "core.cdc_svi_county_index",
        "core.cdc_svi_tract",
        "core.cdc_svi_tract_index",
        "core.census_acs5_district",
        "core.census_dhc_tract",
        "core.census_pep_county_race",
        "core.ed_homeless_students_district",
        "core.foster_county_count",
        "core.foster_county_rate",
        "core.geo_district",
        "core.hud_fmr_county",
        "core.hud_hic_state",
        "core.local_services_grant",
        "core.local_services_provider",
        "core.nces_ccd_enrolment",
        "core.nces_ccd_school",
        "core.nces_ccd_school_lunch",
        "core.seda_district",
        "core.service_areas_county",
    }
    assert all(missing for part, missing in rows if part.startswith("core."))
    reasons = dict(region.rows("SELECT part, string_agg(reason, '; ') FROM meta.absent GROUP BY part"))
    assert "02261 (Valdez-Cordova) was split" in reasons["indicator.no_vehicle_share"]
    assert "Connecticut's former counties 09001, 09003" in reasons["indicator.no_vehicle_share"]
    assert "B22010_002, B22010_001" in reasons["indicator.snap_household_share"]


UNUSED = ("census_acs1_jam/", "hud_pit/2025/pit_coc_detail_2007_2025.parquet", "nces_ccd/2018/lea_")


def test_every_file_of_the_manifest_becomes_rows_of_a_core_table(nation, real_data):
    """By its publisher's checksum, from the manifest to the rows; only three kinds of file are left unused."""
    with (real_data / "MANIFEST.csv").open(encoding="utf-8") as stream:
        listed = {row["path"]: row["sha256"] for row in csv.DictReader(stream)}
    cores = [key for (key,) in nation.rows("SELECT table_key FROM meta.tables WHERE table_key LIKE 'core.%'")]
    used = {sha for key in cores for (sha,) in nation.rows(f"SELECT DISTINCT snapshot_sha256 FROM {key}")}
    unused = [path for path, sha in listed.items() if sha not in used and not path.startswith("shape_only/")]
    assert [path for path in unused if not path.startswith(UNUSED)] == []
    assert len(listed) - len(unused) > 60


def test_suppressed_cells_stay_so_on_real_files(nation_home, real_data):
    home = Home(resolve(str(real_data), "us", nation_home, {}))
    for key, table in catalogue().items():
        if table.additive:
            assert recoverable(table, home.tables.read(key)).is_empty(), key
        for column in table.columns:
            if "suppressed" in (column.allowed or ()):
                figure = column.name.removesuffix("_kind")
                withheld = home.tables.read(key).filter(pl.col(column.name) == "suppressed")
                assert withheld[figure].drop_nulls().is_empty(), f"{key}.{figure}"


def test_point_in_time_counts_of_both_workbooks_agree_in_every_year(nation):
    """Each was compared with its own Total rows when it was read; here with the other."""
    sums = "SELECT period, sum(count) FROM core.hud_pit_{} WHERE measure = 'Overall Homeless' GROUP BY 1"
    by_coc, by_state = (dict(nation.rows(sums.format(level))) for level in ("coc", "state"))
    assert sorted(by_coc) == [str(year) for year in range(2007, 2019)]
    assert by_coc == {year: by_state[year] for year in by_coc}
    assert (by_coc["2018"], by_state["2024"]) == (552_830, 771_480)


def test_every_row_leads_to_a_publishers_file(region):
    for table in ("core.census_saipe_county", "core.hud_pit_state", "core.acf_afcars_state", "core.census_acs5_county"):
        orphans = f"SELECT count(*) FROM {table} WHERE snapshot_sha256 NOT IN (SELECT sha256 FROM meta.snapshots)"
        assert region.value(orphans) == 0, table
    assert (
        region.value("SELECT count(*) FROM indicator.values WHERE value IS NOT NULL AND snapshot_sha256 IS NULL") == 0
    )
    manifest = region.value("SELECT sha256 FROM meta.snapshots WHERE name = 'est23all.xls'")
    assert manifest == "16eb11cc0cb61753d7905a38e67ebff6d05bf8e6f11b4959501e13d49835acfc"
    assert region.value("SELECT count(*) FROM meta.snapshots WHERE address NOT LIKE 'directory:%'") == 0


def test_no_contract_is_broken_and_known_breaks_are_listed(region):
    assert region.rows("SELECT * FROM meta.checks WHERE NOT passed AND severity = 'critical'") == []
    assert region.value("SELECT count(*) FROM meta.corrections WHERE source_id = 'hud_pit'") == 13


def test_connecticut_has_its_planning_regions(nation):
    rows = nation.rows("SELECT geo_id, geo_name FROM risk.priority WHERE geo_id LIKE '09%' ORDER BY 1")
    assert [geo_id for geo_id, _ in rows] == [f"09{n}" for n in (110, 120, 130, 140, 150, 160, 170, 180, 190)]
    assert nation.value("SELECT count(*) FROM risk.priority WHERE geo_id IN ('46102', '02063', '02066')") == 3
    assert nation.value("SELECT count(*) FROM risk.priority WHERE geo_id IN ('46113', '02261')") == 0
