"""The catalogue of indicators: every name resolves, nothing is counted twice, errors are carried."""

import csv
import math
from pathlib import Path

import polars as pl
import pytest

from models.geography.areas import ACS_AREA
from models.indicators import acs
from models.indicators.assemble import assemble
from models.indicators.indicator import AbsentError, IndicatorError, all_indicators, indicator
from models.indices.spec import all_indices
from sources.registry import core_tables

SHA = "b" * 64
MEMBERS = [member.id for index in all_indices().values() for member in index.members if not member.is_index]


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
            assert key in core_tables() or key == ACS_AREA.key, f"{one.id} reads {key}, which no source makes"


def test_no_numerator_cell_is_used_twice():
    used: dict[str, str] = {}
    for name in MEMBERS:
        numerator = all_indicators()[name].numerator
        counted = (
            [cell for _, cell in acs.terms(numerator)] if numerator[0] in "BCS" and "_" in numerator else [numerator]
        )
        for cell in counted:
            assert cell not in used, f"{cell} is counted by {used[cell]} and by {name}"
            used[cell] = name
    assert len(used) > 20


def test_cells_agree_with_the_checked_catalogue():
    """design/acs_indicators.csv holds cells that were checked against the Census Bureau's labels."""
    path = Path(__file__).parents[3] / "shared" / "design" / "acs_indicators.csv"
    if not path.exists():
        pytest.skip("the checked catalogue of ACS cells is not beside the project")
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    checked = {row["indicator_id"]: (row["numerator_cells"], row["denominator_cells"]) for row in rows}
    same = {
        "single_parent_share": "child_single_hh",
        "no_parent_share": "child_no_parent",
        "kin_care_share": "grand_no_parent",
        "snap_household_share": "snap_hh",
        "crowded_share": "crowded",
        "disconnected_youth_share": "disconn_16_19",
        "median_household_income_usd": "med_hh_inc",
    }
    for ours, theirs in same.items():
        one = all_indicators()[ours]
        assert (one.numerator, one.denominator) == checked[theirs], ours


def test_income_brackets_are_the_lines_of_half_the_income_or_more():
    rent = all_indicators()["severe_rent_burden_share"]
    assert rent.numerator.split("+")[::6] == ["B25074_009", "B25074_063"]
    assert rent.denominator == "B25074_001-" + "-".join(f"B25074_{n:03d}" for n in range(10, 65, 9))
    assert all_indicators()["severe_owner_burden_share"].numerator.endswith("B25095_072")


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
    return assemble(all_indicators()["no_vehicle_share"], {acs.TABLE: cells(*rows)}, COUNTIES)


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
    [part] = absent
    assert "02261 (Valdez-Cordova) was split" in part.reason
    assert "Connecticut's former counties 09001" in part.reason
    assert "72001" not in part.reason  # Puerto Rico is outside every region, not lost


def test_what_is_absent_says_so_in_every_row_and_names_the_file():
    frame, [part] = no_vehicle(("2023", "29510", "B08201_002", 200, 30))
    assert frame.height == COUNTIES.height
    assert set(frame["value_kind"]) == {"absent"}
    assert frame["value"].null_count() == frame.height
    assert part.part == "indicator.no_vehicle_share"
    assert part.file_missing == "census_acs5/2023/county/B08201.json"


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
