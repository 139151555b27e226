"""Segregation: what enters a score moves with who lives beside whom, and not with how many there are."""

import polars as pl
import pytest

from models.indicators import acs
from models.indicators.indicator import AbsentError, all_indicators
from models.indicators.segregation import BLACK, EVERYBODY, TRACTS, WHITE
from models.indices.refusals import refusal
from models.indices.spec import all_indices

SHA = "d" * 64
SHARES = (0.9, 0.7, 0.5, 0.2, 0.1, 0.1, 0.05, 0.05)
"""Share of Black people in eight tracts of 2,000."""


def tracts(factor: float = 1.0, county: str = "29510", shares=SHARES, moe: float = 60.0) -> pl.DataFrame:
    """Tract cells: Black people times a factor with their margins, White people as they are."""
    rows = []
    for number, share in enumerate(shares):
        black, white = 2000 * share * factor, 2000 * (1 - share)
        for cell, estimate, margin in (
            (BLACK, black, moe * factor), (WHITE, white, moe), (EVERYBODY, black + white, moe),
        ):  # fmt: skip
            rows.append(("2023", "2019-2023", "tract", f"{county}{number:06d}", cell, estimate, margin, None, SHA))
    columns = ["vintage", "period", "geo_level", "geo_id", "cell", "estimate", "moe", "annotation", "snapshot_sha256"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def one(name: str, table: pl.DataFrame) -> dict:
    indicator = all_indicators()[name]
    [row] = indicator.compute({TRACTS: table}, indicator).to_dicts()
    return row


def test_the_dissimilarity_by_hand():
    # Without margins nothing is corrected: half the sum of |b/B - w/W| over the eight tracts.
    row = one("dissimilarity_black_white_share", tracts(moe=0.0))
    b, w = [s / sum(SHARES) for s in SHARES], [(1 - s) / (8 - sum(SHARES)) for s in SHARES]
    assert row["value"] == pytest.approx(sum(abs(x - y) for x, y in zip(b, w, strict=True)) / 2)
    assert row["se"] == 0


def test_more_of_one_group_everywhere_changes_no_dissimilarity_and_only_describes_isolation():
    """The equity test of the issue: one group's counts times one factor in every tract, others fixed."""
    before, after = (one("dissimilarity_black_white_share", tracts(k, moe=0.0))["value"] for k in (1, 3))
    assert after == pytest.approx(before)
    before, after = (one("black_isolation_share", tracts(k))["value"] for k in (1, 3))
    assert after > before + 0.05


def test_an_even_county_is_near_zero_and_a_divided_one_far_from_it():
    even = one("segregation_theil_share", tracts(shares=(0.3,) * 8, moe=150.0))
    divided = one("segregation_theil_share", tracts(moe=150.0))
    assert even["value"] < 0.02
    assert divided["value"] > 0.25
    assert 0 < divided["se"] < 0.05


def test_noise_is_taken_out_of_the_index():
    without, noisy = (one("segregation_theil_share", tracts(moe=moe))["value"] for moe in (0.0, 200.0))
    assert noisy < without


@pytest.mark.parametrize(
    ("shares", "reason"),
    [((0.05,) * 8, "1,000 members"), ((0.5,) * 4, "5 small units")],
)
@pytest.mark.parametrize(
    "name", ["segregation_theil_share", "dissimilarity_black_white_share", "black_isolation_share"]
)
def test_too_few_members_or_tracts_is_missing_with_the_reason(name, shares, reason):
    row = one(name, tracts(shares=shares))
    assert row["value"] is None and row["note"].startswith("not measurable: ") and reason in row["note"]


def test_a_countys_figure_does_not_depend_on_other_counties():
    alone = one("segregation_theil_share", tracts())
    indicator = all_indicators()["segregation_theil_share"]
    both = indicator.compute({TRACTS: pl.concat([tracts(county="29189"), tracts()])}, indicator)
    assert both.filter(pl.col("geo_id") == "29510").to_dicts() == [alone]


def test_only_the_corrected_dissimilarity_and_incomes_may_enter_an_index():
    allowed = {
        name
        for name in all_indicators()
        if name.endswith(("_share", "_gap")) and refusal(all_indicators()[name]) is None
    }
    assert {"dissimilarity_black_white_share", "income_extremes_gap"} <= allowed
    described = {"segregation_theil_share", "black_isolation_share", "racial_extremes_gap"}
    assert not described & allowed


def test_no_share_of_a_group_as_such_moves_what_enters_a_score():
    """Of every indicator in an index that reads tracts: three times the group everywhere changes nothing."""
    members = {m.id for spec in all_indices().values() for m in spec.members if not m.is_index}
    by_tract = [name for name in members if all_indicators()[name].tables == (TRACTS,)]
    assert by_tract == ["dissimilarity_black_white_share"]
    for name in by_tract:
        before, after = (one(name, tracts(k, moe=0.0))["value"] for k in (1, 3))
        assert after == pytest.approx(before)
    theil = [one("segregation_theil_share", tracts(k, moe=0.0))["value"] for k in (1, 3)]
    assert abs(theil[1] - theil[0]) > 0.001, "which is why Theil's H describes only"


def county_cells(**estimates: tuple[float, float]) -> pl.DataFrame:
    rows = [("2023", "2019-2023", "county", "29510", cell, e, m, None, SHA) for cell, (e, m) in estimates.items()]
    columns = ["vintage", "period", "geo_level", "geo_id", "cell", "estimate", "moe", "annotation", "snapshot_sha256"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_concentration_of_incomes_by_hand():
    indicator = all_indicators()["income_extremes_gap"]
    rich = {f"B19001_{n:03d}": (50.0, 0.0) for n in range(14, 18)}
    poor = {f"B19001_{n:03d}": (75.0, 0.0) for n in range(2, 6)}
    table = county_cells(**rich, **poor, B19001_001=(1000.0, 0.0))
    [row] = indicator.compute({acs.TABLE: table}, indicator).to_dicts()
    # (4 x 50 - 4 x 75) / 1,000
    assert row["value"] == pytest.approx(-0.1) and row["se"] == 0


def test_the_extremes_of_race_are_both_parts_of_everybody():
    indicator = all_indicators()["racial_extremes_gap"]
    table = county_cells(B03002_003=(600.0, 16.45), B03002_004=(300.0, 16.45), B03002_001=(1000.0, 0.0))
    [row] = indicator.compute({acs.TABLE: table}, indicator).to_dicts()
    # 0.6 - 0.3; each share has a standard error of 0.01
    assert row["value"] == pytest.approx(0.3)
    assert row["se"] == pytest.approx(0.01 * 2**0.5)


def test_without_the_cells_of_tracts_the_indicator_says_which_file_would_bring_them():
    indicator = all_indicators()["segregation_theil_share"]
    with pytest.raises(AbsentError) as caught:
        indicator.compute({TRACTS: tracts().filter(pl.col("cell") != BLACK)}, indicator)
    assert caught.value.file_missing == "census_acs5/2023/tract/B11002.parquet"
