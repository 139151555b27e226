"""Drift and reconciliation on the publishers' own files: known disagreements are found, and little else."""

import duckdb
import pytest

from tests.real.conftest import Warehouse


def outside(nation: Warehouse, comparison: str) -> list[tuple]:
    return nation.rows(
        "SELECT geo_id, period_a, figure_a, figure_b FROM analyst.reconciliation "
        f"WHERE comparison_id = '{comparison}' AND NOT is_within ORDER BY ALL"
    )


def test_the_continuum_across_the_border_of_missouri_and_kansas_is_what_the_counts_differ_by(nation: Warehouse):
    # MO-604 holds Wyandotte County, Kansas: HUD's file by state gives its people to Kansas, its code to Missouri.
    found = outside(nation, "pit_coc_state")
    assert {area for area, *_ in found} == {"20", "29"}
    by_year = {(area, year): (a, b) for area, year, a, b in found if year == "2013" and b > 1000}
    assert by_year == {("20", "2013"): (2331, 2693), ("29", "2013"): (8943, 8581)}
    # What one state has too much the other has too little.
    assert 8943 - 8581 == 2693 - 2331


def test_districts_sum_to_the_state_and_nearly_all_counties_agree(nation: Warehouse):
    assert outside(nation, "saipe_district_state") == []
    share = (
        "SELECT comparison_id, avg((NOT is_within)::DOUBLE) FROM analyst.reconciliation WHERE is_within IS NOT NULL "
        "GROUP BY 1"
    )
    shares = dict(nation.rows(share))
    assert {"saipe_acs_poverty", "saipe_acs_income", "saipe_district_county", "pit_coc_state"} <= set(shares)
    assert max(shares.values()) < 0.05, shares


def test_what_is_not_at_hand_says_so(nation: Warehouse):
    parts = {part for (part,) in nation.rows("SELECT part FROM meta.absent")}
    made = {one for (one,) in nation.rows("SELECT DISTINCT comparison_id FROM analyst.reconciliation")}
    for comparison in ("saipe_acs_child_poverty", "hic_coc_state", "homeless_students_district_county"):
        assert (f"analyst.reconciliation.{comparison}" in parts) is (comparison not in made)


def test_ordinary_years_are_no_drift(nation: Warehouse):
    flagged = nation.rows("SELECT sentence FROM analyst.drift WHERE is_flagged")
    assert len(flagged) <= 3, flagged
    judged = dict(nation.rows("SELECT measure, count(is_flagged) FROM analyst.drift GROUP BY 1"))
    assert min(judged[measure] for measure in ("rows", "regions_lost", "missing_share", "distribution_shift")) > 30


def test_a_finding_leads_to_the_rows_that_it_concerns(nation: Warehouse):
    [(pairs, found)] = nation.rows(
        "SELECT count(*), count(s.geo_id) FROM analyst.reconciliation r LEFT JOIN core.census_saipe_county s "
        "ON s.geo_level = r.geo_level AND s.geo_id = r.geo_id AND s.period = r.period_b "
        "WHERE r.table_b = 'core.census_saipe_county'"
    )
    assert pairs == found > 3000
    [(areas, rows)] = nation.rows(
        "WITH named AS (SELECT indicator_id, geo_level, period_from, unnest(string_split(area_ids, ', ')) AS geo_id "
        "FROM analyst.drift WHERE area_ids IS NOT NULL) SELECT count(*), count(v.geo_id) FROM named n "
        "LEFT JOIN indicator.values v ON v.indicator_id = n.indicator_id AND v.geo_level = n.geo_level "
        "AND v.geo_id = n.geo_id AND v.period = n.period_from"
    )
    assert areas == rows > 50
    untraced = nation.value(
        "SELECT count(*) FROM (SELECT DISTINCT unnest(string_split(snapshot_sha256, ',')) AS sha FROM "
        "analyst.reconciliation) WHERE sha NOT IN (SELECT sha256 FROM meta.snapshots)"
    )
    assert untraced == 0


def test_warnings_stop_nothing(nation: Warehouse):
    rules = nation.rows(
        "SELECT table_key, severity FROM meta.checks WHERE table_key IN ('analyst.drift', 'analyst.reconciliation') "
        "AND severity = 'warning'"
    )
    assert sorted(rules) == [("analyst.drift", "warning"), ("analyst.reconciliation", "warning")]
    assert nation.value("SELECT count(*) FROM meta.check_history") >= len(rules)
    with pytest.raises(duckdb.Error):
        nation.rows("DELETE FROM meta.check_history")
