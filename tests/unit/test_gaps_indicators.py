"""Gaps between groups: by hand, with limits, and blind to how large a group is."""

import math

import polars as pl
import pytest

from models.indicators import acs
from models.indicators.indicator import AbsentError, all_indicators
from models.indices.refusals import refusal

SHA = "e" * 64
POOR, OTHERS = (3, 4, 5), (11, 12, 13)


def children(table: str, poor: float, others: float, moe: float = 20.0) -> dict[str, tuple[float | None, float | None]]:
    """Cells of B17020 by race: each of three ages has these children."""
    cells = {f"{table}_{n:03d}": (poor, moe) for n in POOR}
    return cells | {f"{table}_{n:03d}": (others, moe) for n in OTHERS}


def county(cells: dict, geo_id: str = "29510") -> pl.DataFrame:
    rows = [("2023", "2019-2023", "county", geo_id, cell, e, m, None, SHA) for cell, (e, m) in cells.items()]
    return pl.DataFrame(
        rows,
        schema={
            "vintage": pl.String, "period": pl.String, "geo_level": pl.String, "geo_id": pl.String, "cell": pl.String,
            "estimate": pl.Float64, "moe": pl.Float64, "annotation": pl.String, "snapshot_sha256": pl.String,
        },
        orient="row",
    )  # fmt: skip


def one(name: str, cells: dict) -> dict:
    indicator = all_indicators()[name]
    [row] = indicator.compute({acs.TABLE: county(cells)}, indicator).to_dicts()
    return row


def rate_se(poor: float, others: float, moe: float) -> float:
    """By the rule for proportions: three cells above, six below."""
    share = poor / (poor + others)
    return math.sqrt(3 * moe**2 - share**2 * 6 * moe**2) / (3 * (poor + others)) / 1.645


def test_the_gap_and_its_error_by_hand():
    row = one("child_poverty_black_white_gap", children("B17020B", 200, 300) | children("B17020H", 100, 900))
    assert row["value"] == pytest.approx(0.4 - 0.1)
    assert row["se"] == pytest.approx(math.hypot(rate_se(200, 300, 20), rate_se(100, 900, 20)))


@pytest.mark.parametrize(
    ("group", "reference"),
    [
        (children("B17020B", 20, 40), children("B17020H", 100, 900)),  # 180 children of the group
        (children("B17020B", 200, 300), children("B17020H", 20, 40)),  # of the reference
        (children("B17020B", 40, 60, moe=80), children("B17020H", 100, 900)),  # 300 +- 196: 40 %
        (children("B17020B", 200, 300) | {"B17020B_003": (None, None)}, children("B17020H", 100, 900)),
    ],
)
def test_a_gap_is_missing_where_either_group_is_too_small_or_not_known(group, reference):
    row = one("child_poverty_black_white_gap", group | reference)
    assert row["value"] is None and row["se"] is None
    assert "too few children" in row["note"]


def test_more_children_of_one_group_at_the_same_rates_change_no_gap():
    reference = children("B17020H", 100, 900)
    small, large = (
        one("child_poverty_latinx_white_gap", children("B17020I", 100 * k, 300 * k, 20 * k) | reference)["value"]
        for k in (1, 7)
    )
    assert small == pytest.approx(large) == pytest.approx(0.15)


def test_the_ratio_of_incomes_by_hand_and_where_children_are_too_few():
    medians = {"B19013B_001": (30_000.0, 1645.0), "B19013H_001": (60_000.0, 3290.0)}
    enough = children("B17020B", 200, 300) | children("B17020H", 100, 900)
    row = one("income_black_white_ratio", medians | enough)
    assert row["value"] == pytest.approx(0.5)
    # sqrt(1000^2 + 0.25 x 2000^2) / 60,000
    assert row["se"] == pytest.approx(math.sqrt(2_000_000) / 60_000)
    few = children("B17020B", 20, 40) | children("B17020H", 100, 900)
    assert one("income_black_white_ratio", medians | few)["value"] is None


def test_a_median_with_a_wide_margin_or_none_gives_no_ratio():
    enough = children("B17020B", 200, 300) | children("B17020H", 100, 900)
    for median in ((30_000.0, 1.645 * 9_001), (30_000.0, None), (None, None)):
        row = one("income_black_white_ratio", {"B19013B_001": median, "B19013H_001": (60_000.0, 3290.0)} | enough)
        assert row["value"] is None and row["note"]


def test_gaps_compare_groups_so_that_an_index_may_take_them_though_they_read_cells_by_race():
    for name in ("child_poverty_black_white_gap", "child_poverty_latinx_white_gap", "income_black_white_ratio"):
        assert all_indicators()[name].compares_groups and refusal(all_indicators()[name]) is None


def test_without_the_cells_the_indicator_says_which_file_would_bring_them():
    indicator = all_indicators()["child_poverty_black_white_gap"]
    with pytest.raises(AbsentError) as caught:
        indicator.compute({acs.TABLE: county(children("B17020B", 200, 300))}, indicator)
    assert caught.value.file_missing == "census_acs5/2023/county/B17020H.json"
