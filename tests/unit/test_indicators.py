"""The catalogue of indicators: every name resolves, nothing is counted twice, errors are carried."""

import csv
import math
from pathlib import Path

import polars as pl
import pytest

from models.geography.areas import ACS_AREA
from models.geography.published import CROSSWALK
from models.indicators import acs
from models.indicators.assemble import assemble
from models.indicators.catalogue import expressions
from models.indicators.equivalents import OTHER_CELLS, SVI_TABLE
from models.indicators.equivalents import cells as equivalent_cells
from models.indicators.indicator import AbsentError, IndicatorError, all_indicators, indicator
from models.indices.spec import all_indices
from sources.registry import core_tables

SHA = "b" * 64


def cells(*rows: tuple[str, str, str, float | None, float | None]) -> pl.DataFrame:
    """Rows of core.census_acs5_county from (vintage, county, cell, estimate, margin)."""
    return pl.DataFrame(
        [(v, f"{int(v) - 4}-{v}", "county", g, c, e, m, None, SHA) for v, g, c, e, m in rows],
        schema={
            "vintage": pl.String, "period": pl.String, "geo_level": pl.String, "geo_id": pl.String, "cell": pl.String,
            "estimate": pl.Float64,
            "moe": pl.Float64, "annotation": pl.String, "snapshot_sha256": pl.String,
        },
        orient="row",
    )  # fmt: skip


def test_every_indicator_names_tables_and_columns_that_exist():
    for one in all_indicators().values():
        assert one.tables, one.id
        for key in one.tables:
            assert key in core_tables() or key in (ACS_AREA.key, CROSSWALK.key), (
                f"{one.id} reads {key}, which no source makes"
            )


def counted(name: str) -> set[str]:
    """The cells that an indicator counts, those of its equivalents among them; else its numerator in words."""
    one = all_indicators()[name]
    found: set[str] = set()
    for numerator, _ in expressions(one):
        found |= {cell for sign, cell in acs.terms(numerator) if sign > 0}
    return found or {one.numerator}


def leaves(spec_id: str) -> list[str]:
    members = all_indices()[spec_id].members
    return [name for member in members for name in (leaves(member.id) if member.is_index else [member.id])]


@pytest.mark.parametrize("spec_id", list(all_indices()))
def test_no_numerator_cell_is_counted_twice_in_an_index_through_all_its_levels(spec_id):
    used: dict[str, str] = {}
    for name in leaves(spec_id):
        for cell in counted(name):
            assert cell not in used, f"{spec_id}: {cell} is counted by {used[cell]} and by {name}"
            used[cell] = name
    assert len(used) >= len(leaves(spec_id))


def test_a_person_may_be_counted_by_two_members_only_where_they_say_so():
    """Cells of different tables can count the same people; each member that does so names it among its biases."""
    for name, word in {
        "youth_poverty_12_17_share": "among the children of SAIPE",
        "deep_poverty_share": "below_150_share counts the same cell",
        "below_150_share": "Its poor are SAIPE's too",
        "not_enrolled_15_17_share": "disconnected youth as well",
        "children_no_internet_share": "Shares its cause with no_broadband_share",
        "no_parent_share": "counted by children_with_other_relatives_share",
        "children_in_assisted_households_share": "counts the households of snap_household_share",
    }.items():
        assert word in all_indicators()[name].bias


def test_child_poverty_weighs_most_in_poverty_and_the_car_least():
    weights = {member.id: member.weight for member in all_indices()["poverty"].members}
    assert weights["child_poverty_share"] == max(weights.values()) >= 3 * weights["snap_household_share"]
    assert weights["no_vehicle_share"] == min(weights.values())


def test_every_indicator_of_the_survey_says_what_is_wrong_with_it_and_why_it_is_here():
    for one in all_indicators().values():
        if one.cells:
            assert len(one.bias) > 30, one.id
            assert one.reference.strip(), one.id


def test_cells_agree_with_the_checked_catalogue():
    """design/acs_indicators.csv holds cells that were checked against the Census Bureau's labels."""
    path = Path(__file__).parents[3] / "shared" / "design" / "acs_indicators.csv"
    if not path.exists():
        pytest.skip("the checked catalogue of ACS cells is not beside the project")
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    checked = {row["indicator_id"]: (row["numerator_cells"], row["denominator_cells"]) for row in rows}
    same = {
        "below_150_share": "pov_below_150",
        "children_in_assisted_households_share": "child_assist",
        "children_no_internet_share": "child_no_broadband",
        "children_with_other_relatives_share": "child_other_rel",
        "crowded_share": "crowded",
        "deep_poverty_share": "pov_deep",
        "disconnected_youth_share": "disconn_16_19",
        "gini_ratio": "gini",
        "grandparents_responsible_share": "grand_respons",
        "kin_care_share": "grand_no_parent",
        "median_household_income_usd": "med_hh_inc",
        "no_diploma_share": "no_hs_adult",
        "no_parent_share": "child_no_parent",
        "no_parent_working_share": "child_no_parent_working",
        "no_vehicle_share": "no_vehicle",
        "not_enrolled_15_17_share": "notenrolled_15_17",
        "school_age_movers_share": "moved_5_17",
        "severe_rent_burden_share": "rent_burden_50",
        "single_parent_share": "child_single_hh",
        "snap_household_share": "snap_hh",
        "unemployment_share": "unemp",
        "uninsured_under_19_share": "child_uninsured",
        "vacant_nonseasonal_share": "vacant_nonseasonal",
        "youth_poverty_12_17_share": "pov_youth_12_17",
    }
    for ours, theirs in same.items():
        one = all_indicators()[ours]
        assert (one.numerator, one.denominator) == checked[theirs], ours


def test_medians_and_the_gini_index_have_no_level_that_is_summed():
    for name in ("median_household_income_usd", "gini_ratio"):
        one = all_indicators()[name]
        assert one.levels == acs.NO_SUMS
        assert ACS_AREA.key not in one.tables


# --- equivalents -------------------------------------------------------------------------------------------------

RENT = ("B25070_010", "B25070_001", "B25070_011")
SVI_SCHEMA = {
    "vintage": pl.String, "period": pl.String, "geo_level": pl.String, "geo_id": pl.String, "variable": pl.String,
    "share": pl.Float64, "share_moe": pl.Float64, "snapshot_sha256": pl.String,
}  # fmt: skip


def by_income(vintage: str, half: float, unknown: float, total: float) -> list:
    """B25074 of one county: the same numbers in each of the seven brackets, and margins of 7."""
    numerator, _ = OTHER_CELLS["severe_rent_burden_share"]
    rows = [(vintage, "29510", cell, half, 7.0) for _, cell in acs.terms(numerator)]
    rows += [(vintage, "29510", f"B25074_{line:03d}", unknown, 7.0) for line in range(10, 65, 9)]
    return [*rows, (vintage, "29510", "B25074_001", total, 70.0)]


def test_rent_burden_by_income_is_the_same_share_and_stands_in_only_where_the_plain_table_is_missing():
    one = all_indicators()["severe_rent_burden_share"]
    plain = [("2023", "29510", cell, value, 10.0) for cell, value in zip(RENT, (250.0, 1100.0, 100.0), strict=True)]
    # 7 brackets of 30 burdened and 10 not computed: 210 of 1,070 - 70
    table = cells(*plain, *by_income("2023", 30, 10, 1070), *by_income("2022", 30, 10, 1070))
    rows = {row["vintage"]: row for row in one.compute({acs.TABLE: table}, one).to_dicts()}
    assert rows["2023"]["value"] == pytest.approx(250 / 1000)
    assert rows["2023"]["note"] is None
    assert rows["2022"]["value"] == pytest.approx(210 / 1000)
    # margin of the sum sqrt(7 * 49) = 18.5, of the denominator sqrt(4900 + 343) = 72.4
    assert rows["2022"]["se"] == pytest.approx(math.sqrt(343 - 0.21**2 * 5243) / 1000 / 1.645)
    assert rows["2022"]["note"] == "from B25074, the same share in another table"


def svi(*rows: tuple[str, str, str, float | None, float | None]) -> pl.DataFrame:
    whole = [(v, f"{int(v) - 4}-{v}", "county", g, name, s, m, SHA) for v, g, name, s, m in rows]
    return pl.DataFrame(whole, schema=SVI_SCHEMA, orient="row")


def test_cdcs_copy_stands_in_for_vintages_without_cells_and_a_rounded_margin_of_zero_is_no_certainty():
    one = all_indicators()["crowded_share"]
    numerator = [cell for _, cell in acs.terms(one.numerator)]
    table = cells(
        *[("2023", "29510", cell, 10.0, 5.0) for cell in numerator], ("2023", "29510", "B25014_001", 1000.0, 20.0)
    )
    copy = svi(
        ("2023", "29510", "CROWD", 0.5, 0.1), ("2020", "29510", "CROWD", 0.02, 0.0),
        ("2020", "29001", "CROWD", None, None), ("2020", "29510", "NOVEH", 0.9, 0.1),
    )  # fmt: skip
    found = one.compute({acs.TABLE: table, SVI_TABLE: copy}, one)
    rows = {(row["vintage"], row["geo_id"]): row for row in found.to_dicts()}
    assert set(rows) == {("2023", "29510"), ("2020", "29510"), ("2020", "29001")}
    assert rows["2023", "29510"]["value"] == pytest.approx(0.06)
    old = rows["2020", "29510"]
    assert (old["value"], old["period"], old["source_period"]) == (0.02, "2020", "2016-2020")
    # Two figures rounded to 0.001, each with a standard deviation of 0.001 / sqrt(12).
    assert old["se"] == pytest.approx(0.001 * math.sqrt(2 / 12))
    assert "CROWD of the Social Vulnerability Index" in old["note"]
    assert rows["2020", "29001"]["value"] is rows["2020", "29001"]["se"] is None


def test_an_equivalents_cells_are_among_those_that_an_indicator_can_be_computed_from():
    rent, crowded = (all_indicators()[name] for name in ("severe_rent_burden_share", "crowded_share"))
    assert set(equivalent_cells(rent)) > {"B25074_001", "B25074_009", "B25074_064", *RENT}
    assert equivalent_cells(crowded) == crowded.cells


def test_without_any_equivalent_the_declared_cells_are_what_is_missing():
    one = all_indicators()["no_vehicle_share"]
    with pytest.raises(AbsentError, match="B25044_003, B25044_010, B25044_001"):
        one.compute({acs.TABLE: cells(), SVI_TABLE: svi()}, one)


def test_share_and_its_error_by_hand():
    # 200 +- 30 of 1,000 +- 50: 0.2, margin sqrt(900 - 0.04 * 2500) / 1000, divided by 1.645
    table = cells(("2023", "29510", "B08201_002", 200, 30), ("2023", "29510", "B08201_001", 1000, 50))
    row = acs.share(table, "B08201_002", "B08201_001").to_dicts()[0]
    assert row["value"] == pytest.approx(0.2)
    assert row["se"] == pytest.approx(math.sqrt(800) / 1000 / 1.645)
    assert (row["period"], row["source_period"], row["snapshot_sha256"]) == ("2023", "2019-2023", SHA)
    other = acs.share(table, "B08201_001-B08201_002", "B08201_001").to_dicts()[0]
    assert (other["value"], other["se"]) == pytest.approx((0.8, row["se"]))


def test_a_denominator_of_zero_and_a_missing_cell_give_no_value():
    table = cells(
        ("2023", "29001", "B08201_002", 0, 10), ("2023", "29001", "B08201_001", 0, 10),
        ("2023", "29003", "B08201_002", None, None), ("2023", "29003", "B08201_001", 100, 10),
    )  # fmt: skip
    assert acs.share(table, "B08201_002", "B08201_001")["value"].to_list() == [None, None]


def test_a_vintage_without_all_cells_is_left_out_and_none_is_absent():
    table = cells(
        ("2023", "29510", "B08201_002", 200, 30),
        ("2018", "29510", "B08201_002", 210, 30),
        ("2018", "29510", "B08201_001", 1000, 30),
    )
    assert acs.share(table, "B08201_002", "B08201_001")["vintage"].to_list() == ["2018"]
    with pytest.raises(AbsentError, match="B25014_001") as caught:
        acs.share(table, "B25014_005", "B25014_001+B08201_001")
    assert caught.value.file_missing == "census_acs5/2023/county/B25014.json"


@pytest.mark.parametrize("expression", ["", "B08201", "B08201_001*2", "B08201_001--B08201_002", "1+B08201_001"])
def test_an_expression_is_cells_with_plus_and_minus_only(expression):
    with pytest.raises(ValueError, match="no sum of ACS cells"):
        acs.terms(expression)


COUNTIES = pl.DataFrame({"geo_id": ["29001", "29003", "29510", "46102"], "geo_name": ["a", "b", "c", "d"]})


def no_vehicle(*rows) -> tuple[pl.DataFrame, list]:
    tables = {acs.TABLE: cells(*rows), SVI_TABLE: svi()}
    return assemble(all_indicators()["no_vehicle_share"], tables, COUNTIES)


def test_every_county_has_a_row_and_a_renamed_one_keeps_its_figures():
    frame, absent = no_vehicle(
        ("2023", "29510", "B08201_002", 200, 30), ("2023", "29510", "B08201_001", 1000, 50),
        ("2023", "46113", "B08201_002", 90, 30), ("2023", "46113", "B08201_001", 300, 50),
        ("2023", "09001", "B08201_002", 90, 30), ("2023", "09001", "B08201_001", 300, 50),
        ("2023", "02261", "B08201_002", 90, 30), ("2023", "02261", "B08201_001", 300, 50),
        ("2023", "72001", "B08201_002", 90, 30), ("2023", "72001", "B08201_001", 300, 50),
    )  # fmt: skip
    rows = {row["geo_id"]: row for row in frame.to_dicts()}
    assert list(rows) == ["29001", "29003", "29510", "46102"]
    assert rows["46102"]["value_direct"] == pytest.approx(0.3)
    assert rows["29001"]["value"] is None
    assert rows["29001"]["value_kind"] == "missing"
    assert rows["29001"]["quality"] == 3
    assert "no value for this county" in rows["29001"]["note"]
    [part] = [part for part in absent if "not carried over" in part.reason]
    assert "02261 (Valdez-Cordova) was split" in part.reason
    assert "Connecticut's former counties 09001" in part.reason
    assert "72001" not in part.reason  # Puerto Rico is outside every region, not lost


def test_what_is_absent_says_so_in_every_row_and_names_the_file():
    frame, [part] = no_vehicle(("2023", "29510", "B08201_002", 200, 30))
    assert frame.height == COUNTIES.height
    assert set(frame["value_kind"]) == {"absent"}
    assert frame["value"].null_count() == frame.height
    assert part.part == "indicator.no_vehicle_share"
    assert part.file_missing == "census_acs5/2023/county/B25044.json"


def test_a_modelled_figure_is_never_shrunk_again():
    saipe = pl.DataFrame(
        {
            "vintage": ["2023"] * 4, "period": ["2023"] * 4, "geo_level": ["county"] * 4,
            "geo_id": COUNTIES["geo_id"], "poverty_0_17_share": [0.1, 0.2, 0.3, 0.4],
            "poverty_0_17_share_lower": [0.05, 0.1, 0.2, 0.3], "poverty_0_17_share_upper": [0.15, 0.3, 0.4, 0.5],
            "snapshot_sha256": [SHA] * 4,
        }
    )  # fmt: skip
    frame, _ = assemble(all_indicators()["child_poverty_share"], {"core.census_saipe_county": saipe}, COUNTIES)
    assert frame["value"].to_list() == frame["value_direct"].to_list() == [0.1, 0.2, 0.3, 0.4]
    assert frame["value_upper"].to_list() == pytest.approx([0.15, 0.3, 0.4, 0.5])
    assert frame["share_borrowed"].to_list() == [0, 0, 0, 0]
    assert frame["is_modelled"].all()


def test_a_wrong_declaration_is_refused_with_every_reason():
    with pytest.raises(IndicatorError, match=r"topic 'crime' is none of.*the id must end in _share"):
        indicator(
            id="arrests", title="x", topic="crime", definition="x", universe="x", numerator="x", direction=1,
            unit="share", error="moe", tables=(), reference="x",
        )(lambda tables, this: pl.DataFrame())  # fmt: skip
    assert "arrests" not in all_indicators()
