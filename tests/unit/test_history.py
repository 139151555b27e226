"""Every year against one yardstick, a change of the place alone, from like with like."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from models.decisions import history as module
from models.decisions.decision import Place
from models.decisions.history import DECISION, HISTORY, frozen, history, most_covered
from models.engine.tree import Node, Recipe, TreeError
from models.indicators.indicator import VALUES, all_indicators
from models.indices.spec import all_indices, full_tree

N = 60
IDS = [f"29{n:03d}" for n in range(1, 2 * N, 2)]
REGION = pl.DataFrame({"geo_id": IDS[20:40], "geo_name": [f"County {i}" for i in IDS[20:40]]})
SCHEMA = {column.name: column.dtype for column in VALUES.columns}
POVERTY = all_indices()["poverty"]
SHARES = [m.id for m in POVERTY.members if all_indicators()[m.id].unit == "share"]
DOLLARS = [m.id for m in POVERTY.members if all_indicators()[m.id].unit == "usd"]


def rows(name: str, period: str, value: np.ndarray, se: float = 0.0) -> pl.DataFrame:
    """An indicator of all counties; with an error of zero every draw is the value."""
    half = 1.645 * se
    frame = pl.DataFrame(
        {"geo_id": IDS, "value": value, "value_direct": value, "value_lower": value - half, "value_upper": value + half}
    )  # fmt: skip
    return frame.with_columns(
        geo_level=pl.lit("county"), indicator_id=pl.lit(name), period=pl.lit(period), se=pl.lit(se),
        source_period=pl.lit(period),
        **{c: pl.lit(None, dtype) for c, dtype in SCHEMA.items() if c not in _GIVEN},
    ).select(*SCHEMA).cast(SCHEMA)  # fmt: skip


_GIVEN = {"geo_id", "value", "value_direct", "value_lower", "value_upper", "geo_level", "indicator_id", "period", "se",
          "source_period"}  # fmt: skip
BASE = np.linspace(0.1, 0.5, N)


def tables(years=("2019", "2023"), names=SHARES, se: float = 0.0, **changed: np.ndarray) -> pl.DataFrame:
    """The same values in every year, but for those of `name_year`."""
    return pl.concat(
        [rows(name, year, changed.get(f"{name}_{year}", BASE), se) for name in names for year in years]
    )  # fmt: skip


def scored(values: pl.DataFrame, index_id: str = "poverty") -> pl.DataFrame:
    table, _ = history(values, REGION, is_simulated=False)
    return table.filter(pl.col("index_id") == index_id)


def test_what_stays_the_same_has_no_change_and_the_score_is_a_place_in_the_frozen_distribution():
    table = scored(tables())
    assert table["reference_year"].unique().sort().to_list() == [2019, 2023]
    last = table.filter(pl.col("reference_year") == 2023)
    # All members order the counties alike, so the score is the Hazen percentile: county 20 of 60 (from 0).
    assert last["score"][0] == pytest.approx(100 * 20.5 / 60)
    np.testing.assert_allclose(last["change"], 0, atol=1e-9)
    assert not last["is_significant"].any()
    first = table.filter(pl.col("reference_year") == 2019)
    assert first["change"].null_count() == first.height
    assert set(first["break_note"]) == {"the first year on hand"}


def test_a_change_is_one_of_the_place_and_not_of_the_others():
    # In 2019 every other county had far less need; the first county of the region never changed.
    better = BASE * 0.2
    better[20] = BASE[20]
    changed = {f"{name}_2019": better for name in SHARES}
    last = scored(tables(**changed)).filter(pl.col("reference_year") == 2023)
    assert last["change"][0] == pytest.approx(0, abs=1e-9)
    assert last["is_significant"].to_list() == [False, *[True] * 19]
    # County 21: 0.2 x BASE[21] lies below the whole yardstick in 2019 (percentile 0), and at 21.5/60 in 2023.
    assert last["change"][1] == pytest.approx(100 * 21.5 / 60)
    assert last["score"][1] == pytest.approx(100 * 21.5 / 60)


def test_a_change_within_its_error_is_not_called_one_and_years_err_independently():
    last = scored(tables(se=0.05)).filter(pl.col("reference_year") == 2023)
    assert not last["is_significant"].any()
    width = last["change_upper"] - last["change_lower"]
    score_width = last["score_p95"] - last["score_p05"]
    # The same draws in both years would give no width at all; independent ones give about the root of two.
    assert 1.1 < (width / score_width).mean() < 1.7
    assert (last["monte_carlo_error"] > 0).all()


def test_members_of_one_year_only_do_not_enter_the_change():
    lone = SHARES[-1]
    worse = rows(lone, "2023", BASE[::-1].copy())
    values = pl.concat([tables(names=SHARES[:-1]), worse])
    last = scored(values).filter(pl.col("reference_year") == 2023)
    np.testing.assert_allclose(last["change"], 0, atol=1e-9)
    assert set(last["break_note"]) == {f"known in one of the years only: {lone}"}
    assert lone in last["members"][0] and lone not in last["change_members"][0]
    assert (last["change_coverage"] < last["coverage"]).all()


def test_a_member_that_was_not_observed_anew_is_not_compared_with_itself():
    values = pl.concat([tables(names=SHARES[:-1]), rows(SHARES[-1], "2019", BASE)])
    last = scored(values).filter(pl.col("reference_year") == 2023)
    assert f"{SHARES[-1]} (2019)" in last["members"][0]
    assert set(last["break_note"]) == {f"not observed anew: {SHARES[-1]}"}


def test_dollars_of_both_years_are_those_of_the_yardstick():
    (income,) = DOLLARS
    real = np.linspace(40_000, 90_000, N)
    # CPI-U 255.657 in 2019 and 304.702 in 2023.
    nominal = real * 255.657 / 304.702
    values = pl.concat([tables(), rows(income, "2019", nominal), rows(income, "2023", real)])
    last = scored(values).filter(pl.col("reference_year") == 2023)
    assert income in last["change_members"][0]
    np.testing.assert_allclose(last["change"], 0, atol=0.1)


def test_a_break_of_definition_takes_the_member_out_of_the_change():
    names = [m.id for m in all_indices()["family_instability"].members]
    broken = [n for n in names if any(cell.startswith("B09005") for cell in all_indicators()[n].cells)]
    assert broken, "an index member of B09005 is what the break is about"
    values = tables(years=("2018", "2023"), names=[n for n in names if all_indicators()[n].unit == "share"])
    last = scored(values, "family_instability").filter(pl.col("reference_year") == 2023)
    assert all(name not in (last["change_members"][0] or "") for name in broken)
    assert "B09005 was laid out anew" in last["break_note"][0]


def test_a_year_with_too_little_has_no_rows_and_is_named():
    lone = min(POVERTY.members, key=lambda member: member.weight).id
    values = pl.concat([tables(years=("2023",)), rows(lone, "2015", BASE)])
    table, absent = history(values, REGION, is_simulated=False)
    assert table.filter(pl.col("index_id") == "poverty")["reference_year"].unique().to_list() == [2023]
    reasons = {part.part: part.reason for part in absent if "no score" in part.reason}
    assert reasons["risk.history.poverty"].startswith("no score for 2015: less than 0.5 of the weight")


def test_a_change_that_rests_on_too_little_of_the_score_is_null():
    light = min((m for m in POVERTY.members if m.id in SHARES), key=lambda member: member.weight).id
    rest = [name for name in SHARES if name != light]
    values = pl.concat([tables(years=("2022",), names=rest), tables(years=("2022", "2023"), names=[light])])
    last = scored(values).filter(pl.col("reference_year") == 2023)
    assert last["score"].null_count() == 0
    assert last["change"].null_count() == last.height
    assert "too little of the weight" in last["break_note"][0]
    assert last["is_significant"].null_count() == last.height


def test_a_composite_is_scored_from_its_indices_and_changes_with_them():
    names = [m.id for spec in all_indices().values() if not spec.is_composite for m in spec.members]
    known = [n for n in names if all_indicators()[n].unit == "share"]
    better = BASE * 0.2
    broken = {n for n in known if any(cell.startswith("B09005") for cell in all_indicators()[n].cells)}
    changed = {f"{name}_2020": better for name in known if name not in broken}
    last = scored(tables(years=("2020", "2023"), names=known, **changed), "priority")
    last = last.filter(pl.col("reference_year") == 2023)
    assert last["coverage"].min() >= all_indices()["priority"].min_coverage
    assert last["is_significant"].all()
    assert (last["change"] > 0).all()


def test_an_index_without_a_frozen_form_is_absent_with_its_reason(monkeypatch):
    recipe = replace(POVERTY.recipe, normalisation="rank")
    ranked = replace(POVERTY, recipe=recipe, tree=replace(POVERTY.tree, recipe=recipe))
    monkeypatch.setattr(module, "all_indices", lambda: {"poverty": ranked})
    table, absent = history(tables(), REGION, is_simulated=False)
    assert table.is_empty()
    assert [part.part for part in absent] == ["risk.history.poverty"]
    assert "no meaning against a frozen reference" in absent[0].reason


def test_freezing_keeps_the_tree_and_its_weights():
    specs = all_indices()
    tree = full_tree(specs["priority"], specs, {name: one.direction or 1 for name, one in all_indicators().items()})
    cold = frozen(tree, min_coverage=0.0)
    assert [(node.id, node.weight) for node in cold.walk()] == [(node.id, node.weight) for node in tree.walk()]
    inner = [node.recipe for node in cold.walk() if not node.is_leaf]
    assert {(recipe.reference, recipe.min_coverage) for recipe in inner} == {("frozen", 0.0)}
    with pytest.raises(TreeError):
        frozen(replace(tree, recipe=replace(tree.recipe, normalisation="imd")))


def test_the_decision_publishes_rows_of_the_region_and_is_the_same_each_time():
    place = Place("r", "R", REGION, True)
    values = tables(se=0.02)
    first, second = (DECISION.compute({"indicator.values": values}, place).frames[HISTORY.key] for _ in range(2))
    assert first.equals(second)
    assert set(first["geo_id"]) == set(REGION["geo_id"])
    assert first["is_simulated"].all()
    assert DECISION.compute({"indicator.values": values.clear()}, place).frames[HISTORY.key].is_empty()


def test_what_can_be_covered_at_most_follows_weights_and_what_inner_scores_need():
    inner = Node("i", 3.0, children=(Node("a", 1.0), Node("b", 3.0)), recipe=Recipe(min_coverage=0.5))
    tree = Node("t", children=(inner, Node("c", 1.0)), recipe=Recipe(min_coverage=0.2))
    # b alone covers 3/4 of the inner score, which is 3/4 of the whole; a alone leaves the inner without a score.
    assert most_covered(tree, {"b"}) == pytest.approx(0.5625)
    assert most_covered(tree, {"a", "c"}) == pytest.approx(0.25)
    assert most_covered(tree, {"a"}) == 0
    equal = replace(tree, recipe=Recipe(weighting="equal"))
    assert most_covered(equal, {"c"}) == pytest.approx(0.5)
