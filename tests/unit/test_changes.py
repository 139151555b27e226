"""A change is larger than its error or not, and there is none across a break of definition."""

import math

import polars as pl
import pytest

from models.decisions import changes as module
from models.decisions.changes import BOUNDS, CHANGES, DECISION, NO_ERROR, SURVEY, changes, touching
from models.decisions.comparable import BreakError, all_breaks, between, overlap, price_factor, read_breaks, years_of
from models.decisions.decision import Place
from models.engine.margins import Z90
from models.indicators.indicator import VALUES, all_indicators

AREAS = pl.DataFrame(
    {"geo_level": ["county", "county", "coc", "coc"], "geo_id": ["29510", "09110", "MO-501", "MO-500"]}
)
NO_TYPES = pl.DataFrame(schema={"geo_id": pl.String, "period": pl.String, "count_type": pl.String})


def row(indicator: str, period: str, value: float | None, se: float | None = None, **other) -> dict:
    half = None if se is None or value is None else Z90 * se
    return {
        "geo_level": "county", "geo_id": "29510", "indicator_id": indicator, "period": period,
        "source_period": f"{int(period) - 4}-{period}", "value": value, "value_direct": value, "se": se,
        "value_lower": None if half is None else value - half, "value_upper": None if half is None else value + half,
        **other,
    }  # fmt: skip


def found(*rows: dict, pit: pl.DataFrame = NO_TYPES) -> pl.DataFrame:
    schema = {column.name: column.dtype for column in VALUES.columns}
    frame = pl.DataFrame(rows, schema={**schema})
    return changes(frame, pit, AREAS, is_simulated=False)


def test_periods_without_a_common_year_have_the_root_of_the_sum_of_squares():
    one = found(row("no_vehicle_share", "2018", 0.10, 0.03), row("no_vehicle_share", "2023", 0.20, 0.04)).row(
        0, named=True
    )
    # sqrt(0.03^2 + 0.04^2) = 0.05; 0.10 > 1.645 x 0.05 = 0.08225.
    assert one["change"] == pytest.approx(0.10)
    assert one["change_se"] == pytest.approx(0.05)
    assert (one["change_lower"], one["change_upper"]) == pytest.approx((0.10 - 0.08225, 0.10 + 0.08225))
    assert one["is_significant"] is True
    assert one["basis"] == SURVEY


def test_years_that_two_acs_periods_share_count_once():
    one = found(row("no_vehicle_share", "2022", 0.10, 0.03), row("no_vehicle_share", "2023", 0.13, 0.04)).row(
        0, named=True
    )
    # Four years of five are shared: sqrt(1 - 0.8) x 0.05 = 0.02236; 0.03 < 1.645 x 0.02236 = 0.0368.
    assert one["overlap_share"] == pytest.approx(0.8)
    assert one["change_se"] == pytest.approx(math.sqrt(0.2) * 0.05)
    assert one["is_significant"] is False


def test_direct_values_are_compared_not_shrunken_ones():
    rows = [
        row("no_vehicle_share", year, 0.15, 0.01, value_direct=direct)
        for year, direct in (("2018", 0.1), ("2023", 0.3))
    ]
    assert found(*rows)["change"].to_list() == pytest.approx([0.2])


def test_modelled_values_take_their_published_intervals_as_independent():
    pair = [
        row(
            "child_poverty_share",
            year,
            value,
            value_lower=value - 0.0329,
            value_upper=value + 0.0329,
            source_period=year,
        )
        for year, value in (("2022", 0.20), ("2023", 0.25))
    ]
    one = found(*pair).row(0, named=True)
    # Half width 0.0329 / 1.645 = 0.02 each; single years share nothing: sqrt(2) x 0.02.
    assert one["overlap_share"] == 0
    assert one["change_se"] == pytest.approx(math.sqrt(2) * 0.02)
    assert one["is_significant"] is True


def test_withheld_figures_change_only_beyond_their_bounds():
    def graduation(low: float, high: float) -> dict:
        pair = [("2019", 0.80, 0.84), ("2022", low, high)]
        rows = [
            row("graduation_share", y, (a + b) / 2, value_lower=a, value_upper=b, source_period=y) for y, a, b in pair
        ]
        return found(*rows).row(0, named=True)

    apart, touching_ = graduation(0.90, 0.94), graduation(0.84, 0.90)
    # Between 0.90 - 0.84 and 0.94 - 0.80.
    assert (apart["change_lower"], apart["change_upper"]) == pytest.approx((0.06, 0.14))
    assert (apart["is_significant"], touching_["is_significant"]) == (True, False)
    assert apart["change_se"] is None
    assert apart["basis"] == BOUNDS


def test_without_a_published_error_nothing_is_called_significant():
    pair = [
        row("homeless_people_count", y, v, geo_level="coc", geo_id="MO-501", source_period=y)
        for y, v in (("2017", 900), ("2018", 949))
    ]
    one = found(*pair).row(0, named=True)
    assert one["change"] == 49
    assert one["is_significant"] is None
    assert one["basis"] == NO_ERROR


def test_dollars_are_carried_into_those_of_the_later_year():
    pair = [
        row("median_household_income_usd", "2018", 50_000, 1000),
        row("median_household_income_usd", "2023", 60_000, 1500),
    ]
    one = found(*pair).row(0, named=True)
    # CPI-U 304.702 / 251.107 = 1.213435: 50,000 of 2018 are 60,672 of 2023, so income fell while dollars rose.
    assert one["price_factor"] == pytest.approx(1.213435, abs=1e-6)
    assert one["change"] == pytest.approx(60_000 - 60_671.7, abs=0.1)
    assert one["change_se"] == pytest.approx(math.hypot(1500, 1213.435), abs=0.01)
    assert price_factor("usd", "1990", "2023") is None
    assert price_factor("share", "1990", "2023") == 1
    rows = [{**old, "period": "1999"} if old["period"] == "2018" else old for old in pair]
    assert found(*rows)["change"].to_list() == [None]
    assert "no price index" in found(*rows)["break_note"][0]


def test_a_break_of_definition_leaves_no_change_and_says_why():
    assert any(cell.startswith("B09005") for cell in all_indicators()["single_parent_share"].cells)
    across = found(row("single_parent_share", "2018", 0.3, 0.01), row("single_parent_share", "2019", 0.5, 0.01)).row(
        0, named=True
    )
    assert (across["change"], across["change_se"], across["change_lower"], across["is_significant"]) == (None,) * 4
    assert "B09005 was laid out anew" in across["break_note"]
    assert (across["value_from"], across["value_to"]) == (0.3, 0.5)
    after = found(row("single_parent_share", "2019", 0.3, 0.01), row("single_parent_share", "2024", 0.5, 0.01))
    assert after["break_note"].to_list() == [None]
    assert after["change"].to_list() == pytest.approx([0.2])


def test_connecticut_breaks_in_2022_and_no_other_state():
    rows = [
        row("no_vehicle_share", y, v, 0.01, geo_id=g)
        for g in ("29510", "09110")
        for y, v in (("2018", 0.1), ("2023", 0.2))
    ]
    by_id = {r["geo_id"]: r for r in found(*rows).to_dicts()}
    assert by_id["09110"]["change"] is None
    assert "planning regions" in by_id["09110"]["break_note"]
    assert by_id["29510"]["change"] == pytest.approx(0.1)


def test_a_waived_count_breaks_where_the_publisher_does_not_say_that_all_was_counted():
    rows = [
        row("homeless_people_count", y, v, geo_level="coc", geo_id=g, source_period=y)
        for g in ("MO-500", "MO-501") for y, v in (("2018", 450), ("2021", 400), ("2022", 500))
    ]  # fmt: skip
    told = pl.DataFrame(
        [("MO-500", year, "Sheltered and Unsheltered Count") for year in ("2018", "2021", "2022")]
        + [("MO-501", "2021", "Sheltered-Only Count"), ("MO-501", "2022", "Sheltered and Unsheltered Count")],
        schema=NO_TYPES.schema,
        orient="row",
    )
    kept = {(r["geo_id"], r["period_to"]): r for r in found(*rows, pit=told).to_dicts()}
    assert kept["MO-500", "2021"]["change"] == -50
    assert kept["MO-500", "2022"]["change"] == 100
    assert kept["MO-501", "2021"]["change"] is None
    assert kept["MO-501", "2022"]["change"] is None, "a change from a year that is like no other is across it too"
    silent = found(*rows)
    assert silent["change"].null_count() == 4
    # A year that was not waived, of which HUD says that only sheltered people were counted.
    partial = pl.DataFrame([("MO-500", "2022", "Sheltered-Only Count")], schema=NO_TYPES.schema, orient="row")
    later = [r for r in rows if r["geo_id"] == "MO-500" and r["period"] != "2021"]
    assert found(*later, pit=partial)["break_note"].to_list() == [
        "in one of the years not all people were counted, HUD says"
    ]


def test_a_missing_period_is_passed_over_and_other_areas_are_left_out():
    rows = [
        row("no_vehicle_share", period, value, 0.01, geo_id=geo_id)
        for geo_id in ("29510", "17001")
        for period, value in (("2018", 0.1), ("2022", None), ("2023", 0.2))
    ]
    table = found(*rows)
    assert table.select("geo_id", "period_from", "period_to").rows() == [("29510", "2018", "2023")]


def test_the_decision_finds_the_areas_that_touch_the_region_and_names_what_has_one_period():
    place = Place("r", "R", pl.DataFrame({"geo_id": ["29510"], "geo_name": ["St. Louis city, Missouri"]}), False)
    crosswalk = pl.DataFrame(
        {"from_level": ["county", "coc", "county"], "from_id": ["29510", "MO-500", "17001"],
         "to_level": ["coc", "county", "coc"], "to_id": ["MO-501", "29510", "IL-508"]}
    )  # fmt: skip
    assert touching(place, crosswalk).rows() == [
        ("county", "29510"), ("coc", "MO-500"), ("coc", "MO-501"), ("state", "29"),
    ]  # fmt: skip
    values = pl.DataFrame([row("crowded_share", "2023", 0.1, 0.01)], schema={c.name: c.dtype for c in VALUES.columns})
    inputs = {"indicator.values": values, "geography.crosswalk": crosswalk, module.COUNT_TYPES: NO_TYPES}
    out = DECISION.compute(inputs, place)
    assert out.frames[CHANGES.key].is_empty()
    assert [part.part for part in out.absent] == [CHANGES.key]
    assert "crowded_share" in out.absent[0].reason


@pytest.mark.parametrize(
    ("earlier", "later", "share"),
    [
        ((2018, 2022), (2019, 2023), 0.8),
        ((2014, 2018), (2019, 2023), 0.0),
        ((2023, 2023), (2019, 2023), 0.0),
        ((2021, 2023), (2022, 2024), 2 / 3),
    ],
)
def test_overlap_is_the_share_of_common_years_of_periods_of_one_length(earlier, later, share):
    assert overlap(earlier, later) == pytest.approx(share)


def test_source_periods_are_read_in_every_form():
    assert years_of("2019-2023", "2023") == (2019, 2023)
    assert years_of("FY2021", "2021") == (2021, 2021)
    assert years_of(None, "2020") == (2020, 2020)


def test_every_declared_break_is_about_a_table_or_indicator_that_exists():
    from sources.registry import core_tables

    known, indicators = set(core_tables()), all_indicators()
    for one in all_breaks():
        assert set(one.tables) <= known, one.id
        assert set(one.indicators) <= set(indicators), one.id
        assert one.source and one.note
    assert between(indicators["no_vehicle_share"], "2014", "2018") == []


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"id": "a", "note": "n", "source": "s", "starts": 2019}, "name the indicators, cells or tables"),
        ({"id": "a", "note": "n", "source": "s", "cells": ["B1"]}, "either starts or only"),
        ({"id": "a", "note": "n", "cells": ["B1"], "only": 2020}, "needs source"),
        ({"id": "a", "note": "n", "source": "s", "cells": ["B1"], "only": 2020, "year": 1}, "unknown keys year"),
    ],
)
def test_a_break_that_is_wrongly_declared_is_refused_with_its_entry(entry, reason):
    with pytest.raises(BreakError, match=reason):
        read_breaks([entry])
