"""Agreement on real files: CDC's inputs through the preset, and the published table recomputed by SQL."""

from pathlib import Path

import polars as pl
import pytest
from scipy.stats import spearmanr

from models.engine.svi import REVERSED_2018, THEMES_2018, THEMES_2020, svi
from models.indices.validation_svi import RANKS, recomputed
from sources.cdc_svi import SOURCE
from sources.source import RawFile

INDICES = {"poverty", "homelessness", "family_instability", "systemic_risk", "priority"}
DESIGNS = {"2018": (THEMES_2018, REVERSED_2018), "2020": (THEMES_2020, ())}


def core(real_data: Path, year: str) -> pl.DataFrame:
    path = real_data / "cdc_svi" / year / f"SVI_{year}_US_county_inputs.csv"
    return SOURCE.parse(RawFile("cdc_svi", year, path.name, path))["core.cdc_svi_county"]


@pytest.mark.parametrize("year", ["2018", "2020"])
def test_ranks_from_the_core_table_are_those_from_cdcs_own_columns(year, real_data):
    """Shares of the core table are percentages over 100: not one digit is lost on the way back."""
    path = real_data / "cdc_svi" / year / f"SVI_{year}_US_county_inputs.csv"
    wide = pl.read_csv(path, schema_overrides={"FIPS": pl.String})
    themes, turned = DESIGNS[year]
    expected = pl.concat([wide.select("FIPS"), svi(wide, themes, reversed=turned).select(RANKS)], how="horizontal")
    found, lacking = recomputed(core(real_data, year))
    assert lacking == {}
    ranks = found.pivot("measure", index="geo_id", values="value")
    both = expected.join(ranks, left_on="FIPS", right_on="geo_id", suffix="_found")
    # Every county but the one or two whose code changed since.
    assert expected.height - both.height <= 2
    assert both.height > 3_100
    for measure in RANKS:
        assert both[measure].to_list() == both[f"{measure}_found"].to_list(), measure


def test_both_designs_order_missouri_much_alike(real_data):
    found, _ = recomputed(pl.concat([core(real_data, "2018"), core(real_data, "2020")]))
    missouri = found.filter(pl.col("geo_id").str.starts_with("29") & (pl.col("measure") == "RPL_THEMES"))
    wide = missouri.pivot("vintage", index="geo_id", values="value")
    assert wide.height == 115
    assert spearmanr(wide["2018"], wide["2020"]).statistic > 0.85


def scored(region) -> dict[str, int]:
    """How many counties of the region have a score, by index."""
    sql = "SELECT index_id, count(score) FROM risk.scores WHERE geo_level = 'county' GROUP BY 1"
    return dict(region.rows(sql))


def test_every_index_is_compared_with_both_vintages_and_with_child_poverty(region):
    counts = scored(region)
    assert set(counts) == INDICES
    rows = region.rows(
        "SELECT check_id, counterpart, index_id, n_areas FROM risk.validation WHERE check_id <> 'outcome'"
    )
    found = {(check, what, index): n for check, what, index, n in rows}
    for index, n in counts.items():
        for vintage in ("2018", "2020"):
            for rank in ("overall", "theme 1", "theme 2", "theme 3", "theme 4"):
                assert found["svi_recomputed", f"SVI {vintage} {rank}", index] == n
        assert found["child_poverty_alone", "child_poverty_share", index] == n
    assert "svi_published" not in {check for check, _, _ in found}
    assert region.value("SELECT count(*) FROM meta.absent WHERE part = 'risk.validation.svi_published'") == 1


def test_there_is_no_outcome_and_the_table_says_so(region):
    columns = "index_id, n_areas, spearman, spearman_lower, spearman_upper, mean_abs_rank_change, top20_in_common"
    [row] = region.rows(f"SELECT {columns} FROM risk.validation WHERE check_id = 'outcome'")
    assert row == ("all", *[None] * 6)


@pytest.mark.parametrize("index_id", sorted(INDICES))
def test_the_correlation_with_child_poverty_is_that_of_the_published_tables(region, index_id):
    rows = region.rows(f"""
        SELECT s.score, c.value FROM risk.{index_id} s JOIN indicator.child_poverty_share c USING (geo_id)
        WHERE s.geo_level = 'county' AND c.geo_level = 'county'
          AND s.score IS NOT NULL AND c.value IS NOT NULL
          AND c.period = (SELECT max(period) FROM indicator.child_poverty_share
                          WHERE value IS NOT NULL AND geo_level = 'county')""")
    where = f"index_id = '{index_id}' AND check_id = 'child_poverty_alone'"
    [[n, found, lower, upper]] = region.rows(
        f"SELECT n_areas, spearman, spearman_lower, spearman_upper FROM risk.validation WHERE {where}"
    )
    assert n == len(rows) == scored(region)[index_id]
    if n == 0:
        assert (found, lower, upper) == (None, None, None)
        return
    score, alone = zip(*rows, strict=True)
    assert found == pytest.approx(spearmanr(score, alone).statistic)
    assert -1 < lower < found < upper < 1


def test_poverty_is_little_more_than_child_poverty_and_the_others_are_more(region):
    sql = "SELECT index_id, spearman FROM risk.validation WHERE check_id = 'child_poverty_alone'"
    found = {name: rho for name, rho in region.rows(sql) if rho is not None}
    poverty = found.pop("poverty")
    assert poverty > 0.9
    assert found
    assert all(rho < poverty for rho in found.values())


def test_the_order_by_child_poverty_keeps_for_four_years(region):
    """SAIPE 2019 and 2023, by SQL from the publisher's own shares."""
    sql = """SELECT a.poverty_0_17_share, b.poverty_0_17_share FROM core.census_saipe_county a
             JOIN core.census_saipe_county b USING (geo_id) JOIN risk.poverty s USING (geo_id)
             WHERE a.vintage = '2019' AND b.vintage = '2023' AND s.geo_level = 'county'"""
    then, now = zip(*region.rows(sql), strict=True)
    where = "check_id = 'stability_over_vintages' AND scope = 'region' AND counterpart LIKE 'child_poverty_share 20%'"
    sql = f"SELECT counterpart, n_areas, spearman FROM risk.validation WHERE {where} ORDER BY ALL"
    found = {what.removeprefix("child_poverty_share "): (n, rho) for what, n, rho in region.rows(sql)}
    if "2019 to 2023" in found:  # the files of 2022 have no county table
        assert found["2019 to 2023"] == (123, pytest.approx(spearmanr(then, now).statistic))
    assert all(n == 123 and rho > 0.85 for n, rho in found.values())


def test_the_nation_stands_beside_the_region_where_values_are_national(region):
    sql = """SELECT r.n_areas, n.n_areas FROM risk.validation r
             JOIN risk.validation n USING (index_id, check_id, counterpart)
             WHERE r.scope = 'region' AND n.scope = 'reference'"""
    pairs = region.rows(sql)
    assert pairs
    assert all(inside <= 123 and outside > 10 * inside for inside, outside in pairs)


def test_each_member_that_counted_can_be_left_out(region):
    left_out = set(region.rows("SELECT index_id, counterpart FROM risk.validation WHERE check_id = 'leave_one_out'"))
    members = region.rows("SELECT DISTINCT index_id, indicator_id FROM risk.drivers WHERE geo_level = 'county'")
    assert set(members) <= left_out
    # One of the four factors moves the order, and turns it nowhere near around.
    factors = INDICES - {"priority"}
    sql = "SELECT counterpart, spearman FROM risk.validation WHERE check_id = 'leave_one_out' AND index_id = 'priority'"
    found = {name: rho for name, rho in region.rows(sql) if name in factors}
    assert set(found) == (factors if scored(region)["priority"] else set())
    assert all(0.7 < rho < 1 for rho in found.values())
