"""Graduation as intervals of districts carried to counties, and learning rates."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.indicators.assemble import assemble
from models.indicators.indicator import AbsentError, all_indicators
from models.indicators.schools import ACGR, CROSSWALK, SEDA, county_rates, county_weights, districts, drawn_rates

SHA = "c" * 64


def acgr(*rows: tuple, period: str = "2021-2022", vintage: str = "2022", subgroup: str = "all") -> pl.DataFrame:
    """Rows from (district, cohort, lower, upper)."""
    return pl.DataFrame(
        [(vintage, period, g, subgroup, n, low, high, SHA) for g, n, low, high in rows],
        schema={
            "vintage": pl.String, "period": pl.String, "geo_id": pl.String, "subgroup": pl.String,
            "cohort_count": pl.Float64, "graduation_share_lower": pl.Float64, "graduation_share_upper": pl.Float64,
            "snapshot_sha256": pl.String,
        },
        orient="row",
    )  # fmt: skip


def crosswalk(*rows: tuple, vintage: str = "2021", layer: str | None = None, se: float = 0.0) -> pl.DataFrame:
    """Rows from (district, county, weight)."""
    return pl.DataFrame(
        [("district_county", vintage, d, c, w, se, layer) for d, c, w in rows],
        schema={
            "crosswalk_id": pl.String, "vintage": pl.String, "from_id": pl.String, "to_id": pl.String,
            "weight": pl.Float64, "weight_se": pl.Float64, "from_layer": pl.String,
        },
        orient="row",
    )  # fmt: skip


def carried(figures: pl.DataFrame, parts: pl.DataFrame) -> dict[str, dict]:
    found = districts(figures)
    rates = county_rates(found, drawn_rates(found, "2022"), county_weights(parts))
    return {row["geo_id"]: row for row in rates.to_dicts()}


def test_a_county_is_graduates_over_cohort_of_its_parts_and_no_mean_of_rates():
    # 0.80 of 500 with three fifths here, 0.95 of 200 wholly: (240 + 190) / (300 + 200) = 0.86
    found = carried(
        acgr(("2900001", 500, 0.80, 0.80), ("2900002", 200, 0.95, 0.95)),
        crosswalk(("2900001", "29001", 0.6), ("2900001", "29003", 0.4), ("2900002", "29001", 1.0)),
    )
    assert found["29001"]["value"] == pytest.approx(0.86, abs=0.004)
    assert found["29003"]["value"] == pytest.approx(0.80, abs=0.004)
    assert found["29001"]["value_lower"] <= found["29001"]["value"] <= found["29001"]["value_upper"]


def test_a_band_is_read_by_the_states_districts_and_never_uniformly():
    # Thirty districts print 0.90 to 0.94; one says at least half of twelve. The middle of its band would be 0.75.
    known = [(f"29{n:05d}", 100, 0.90, 0.94) for n in range(30)]
    found = districts(acgr(*known, ("2900099", 12, 0.5, 1.0)))
    draws = drawn_rates(found, "2022")[:, -1]
    assert 0.86 < draws.mean() < 0.96
    assert draws.min() >= 0.5 - 1e-6 and draws.max() <= 1 + 1e-6


def test_withheld_districts_are_missing_and_a_county_needs_half_of_its_cohort():
    found = carried(
        acgr(
            ("2900001", 60, 0.8, 0.8),
            ("2900002", 40, None, None),
            ("2900003", 41, 0.9, 0.9),
            ("2900004", 59, None, None),
        ),
        crosswalk(
            *[(f"290000{n}", county, 1.0) for n, county in ((1, "29001"), (2, "29001"), (3, "29003"), (4, "29003"))]
        ),
    )
    assert found["29001"]["known_share"] == pytest.approx(0.6) and found["29001"]["value"] == pytest.approx(
        0.8, abs=0.01
    )
    assert found["29003"]["known_share"] == pytest.approx(0.41) and found["29003"]["value"] is None


def test_a_county_with_withheld_districts_only_has_no_value():
    assert carried(acgr(("2900001", 5, None, None)), crosswalk(("2900001", "29001", 1.0)))["29001"]["value"] is None


def test_elementary_districts_and_older_crosswalks_are_left_out():
    parts = pl.concat([
        crosswalk(("1700001", "17163", 1.0), layer="elementary"),
        crosswalk(("1700002", "17163", 1.0), layer="secondary"),
        crosswalk(("1700003", "17163", 1.0), layer=None),
        crosswalk(("1700004", "17163", 1.0), vintage="2019"),
    ])  # fmt: skip
    assert county_weights(parts)["from_id"].to_list() == ["1700002", "1700003"]


def test_a_weight_that_is_not_sure_widens_the_county_that_mixes_unlike_districts():
    figures = acgr(("2900001", 300, 0.60, 0.60), ("2900002", 300, 0.95, 0.95))
    rows = [("2900001", "29001", 0.5), ("2900002", "29001", 0.5)]
    sure, unsure = (carried(figures, crosswalk(*rows, se=se))["29001"] for se in (0.0, 0.2))
    # sqrt((60 x 0.175)^2 + (60 x 0.175)^2) / 300 = 0.0495
    assert unsure["se"] == pytest.approx(0.0495, rel=0.15)
    assert sure["se"] < 0.005


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(20, 900), st.integers(0, 19)), min_size=2, max_size=6))
def test_a_county_lies_between_its_districts(rows):
    figures = acgr(*[(f"29{n:05d}", size, band / 20, band / 20 + 0.04) for n, (size, band) in enumerate(rows)])
    found = districts(figures)
    draws = drawn_rates(found, "2022", 40)
    county = county_rates(found, draws, county_weights(crosswalk(*[(g, "29001", 1.0) for g in found["geo_id"]])))
    with np.errstate(invalid="ignore"):
        lowest, highest = np.nanmin(draws), np.nanmax(draws)
    assert lowest - 1e-9 <= county["value"][0] <= highest + 1e-9


def test_a_rate_that_no_number_of_graduates_gives_is_missing_with_the_reason():
    found = districts(acgr(("2900001", 3, 0.5, 0.52), ("2900002", 3, 0.67, 0.67)))
    assert found["low"].to_list() == [None, 0.67]
    assert "no number of graduates" in found["reason"][0]


def test_districts_stand_as_rows_of_their_own_beside_counties():
    one = all_indicators()["graduation_share"]
    figures = pl.concat([
        acgr(("2900001", 500, 0.80, 0.80), ("2900002", 6, None, None)),
        acgr(("2900001", 9, 0.1, 0.1), subgroup="black"),
    ])  # fmt: skip
    counties = pl.DataFrame({"geo_id": ["29001", "29003"], "geo_name": ["a", "b"]})
    frame, absent = assemble(one, {ACGR: figures, CROSSWALK: crosswalk(("2900001", "29001", 1.0))}, counties)
    rows = {(row["geo_level"], row["geo_id"]): row for row in frame.to_dicts()}
    assert not absent and len(rows) == 4
    district, withheld = rows["school_district", "2900001"], rows["school_district", "2900002"]
    assert district["value"] == pytest.approx(0.8, abs=0.01) and district["value_lower"] <= district["value"]
    assert (withheld["value"], withheld["value_kind"], withheld["note"]) == (None, "missing", "the rate is withheld")
    assert rows["county", "29001"]["value"] == pytest.approx(0.8, abs=0.01)
    assert rows["county", "29003"]["value"] is None


def test_draws_do_not_depend_on_the_order_of_the_rows():
    rows = [(f"29{n:05d}", 40 + n, 0.8, 0.9) for n in range(25)]
    first, second = (drawn_rates(districts(acgr(*order)), "2022") for order in (rows, rows[::-1]))
    assert np.array_equal(first, second)


def seda(*rows: tuple, measure: str = "learning_rate") -> pl.DataFrame:
    return pl.DataFrame(
        [("2018", "2017-2018", g, "all", measure, e, low, high, grade, SHA) for g, e, low, high, grade in rows],
        schema={
            "vintage": pl.String, "period": pl.String, "geo_id": pl.String, "subgroup": pl.String,
            "measure": pl.String, "estimate": pl.Float64, "estimate_lower": pl.Float64, "estimate_upper": pl.Float64,
            "estimate_quality": pl.String, "snapshot_sha256": pl.String,
        },
        orient="row",
    )  # fmt: skip


def test_bounds_of_95_percent_become_bounds_of_90_and_pooled_measures_stay_out():
    one = all_indicators()["learning_rate_score"]
    table = pl.concat([
        seda(("29001", 1.0, 0.804, 1.196, "3"), ("29003", None, None, None, None)),
        seda(("29005", 5.0, None, None, None), measure="gcs_mn_avg_ol"),
    ])  # fmt: skip
    rows = {row["geo_id"]: row for row in one.compute({SEDA: table}, one).to_dicts()}
    assert set(rows) == {"29001", "29003"}
    # 0.196 / 1.96 = 0.1 is the standard error
    assert (rows["29001"]["value_lower"], rows["29001"]["value_upper"]) == pytest.approx((0.8355, 1.1645))
    assert (rows["29001"]["se"], rows["29001"]["quality"]) == (pytest.approx(0.1), 3)
    assert rows["29001"]["period"] == "2018"
    assert rows["29003"]["note"] == "too few tests were taken"


@pytest.mark.parametrize(
    ("name", "tables"),
    [("graduation_share", {ACGR: acgr(), CROSSWALK: crosswalk()}), ("learning_rate_score", {SEDA: seda()})],
)
def test_without_a_file_the_indicator_says_which_would_bring_it(name, tables):
    one = all_indicators()[name]
    with pytest.raises(AbsentError) as caught:
        one.compute(tables, one)
    assert caught.value.file_missing
