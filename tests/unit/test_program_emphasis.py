"""Prevention profile: percentiles by hand, supply beside need, and no list never read as no service."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decisions.program_emphasis import DECISION, TABLE, EmphasisError, compute, items, percentiles, read_items
from models.decisions.supply import GAP, NO_LIST, NO_SERVICE, SUPPLY
from sources.local_services import grants, providers
from tests.unit.decision_inputs import COUNTIES, SHA, inputs, place, rows


def populations(**counts: float | None) -> pl.DataFrame:
    """Youth of 10 to 17 by county, in the order of COUNTIES."""
    return rows(
        "decision.populations",
        [
            {"geo_level": "county", "geo_id": area, "geo_name": name, "population_id": "youth_10_17", "title": "x",
             "status": "ok" if counts.get(f"c{area}") else "withheld", "count": counts.get(f"c{area}")}
            for area, name in COUNTIES.items()
        ],
    )  # fmt: skip


POPULATIONS = populations(c29510=100.0, c29189=300.0, c29183=200.0)


def values(indicator: str, *figures: tuple[str, str, float | None, float | None, float | None]) -> pl.DataFrame:
    return rows(
        "indicator.values",
        [
            {"geo_level": "county", "geo_id": area, "indicator_id": indicator, "period": period, "value": value,
             "value_lower": low, "value_upper": high, "quality": 1}
            for area, period, value, low, high in figures
        ],
    )  # fmt: skip


def listed(county: str, service: str, **other: Any) -> dict[str, Any]:
    base = {
        "vintage": "2025",
        "provider": "House",
        "service": service,
        "geo_level": "county",
        "geo_id": county,
        "counties_count": 1,
        "checked_on": "2025-01-01",
        "information_source": "call",
        "snapshot_sha256": SHA,
    }
    return {**base, **other}  # fmt: skip


def found(**given: pl.DataFrame) -> pl.DataFrame:
    return compute(inputs(DECISION, **{"decision__populations": POPULATIONS, **given}), place()).frames[TABLE.key]


def row(table: pl.DataFrame, area: str, item: str) -> dict[str, Any]:
    return table.filter((pl.col("geo_id") == area) & (pl.col("item_id") == item)).row(0, named=True)


def test_a_percentile_is_the_share_of_other_areas_with_less_need() -> None:
    # Of 10, 20, 20, 40: of the three others of each 0, 1 and half a tie, and 3 are lower.
    series = pl.Series([10.0, 20.0, 20.0, 40.0])
    assert percentiles(series, series).to_list() == pytest.approx([0, 50, 50, 100])
    # The bound 25 of the first has passed two of three others.
    bounds = pl.Series([25.0, None, 20.0, 40.0])
    assert percentiles(series, bounds).to_list()[0] == pytest.approx(200 / 3)
    assert percentiles(series, bounds).to_list()[1] is None
    assert percentiles(pl.Series([1.0, None]), pl.Series([1.0, None])).to_list() == [None, None]


@given(st.lists(st.integers(0, 100), min_size=2, max_size=12), st.data())
def test_the_place_lies_between_its_bounds_and_knows_no_unit(figures: list[int], data: st.DataObject) -> None:
    halves = data.draw(st.lists(st.integers(0, 30), min_size=len(figures), max_size=len(figures)))
    value = pl.Series(figures, dtype=pl.Float64)
    low, mid, high = (percentiles(value, value + sign * pl.Series(halves)) for sign in (-1, 0, 1))
    assert ((low <= mid) & (mid <= high) & (low >= 0) & (high <= 100)).all()
    assert percentiles(value * 4 + 8, value * 4 + 8).to_list() == mid.to_list()


def test_less_is_more_need_where_the_indicator_says_so() -> None:
    table = found(
        indicator__values=values(
            "graduation_share",
            ("29510", "2022", 0.7, 0.6, 0.8), ("29189", "2022", 0.9, 0.89, 0.91), ("29183", "2022", 0.75, 0.74, 0.76),
        )
    )  # fmt: skip
    told = row(table, "29510", "graduation_share")
    # The lowest share has the greatest need; at 0.8 it would lie between the two others.
    assert (told["percentile"], told["percentile_lower"], told["percentile_upper"]) == (100, 50, 100)
    assert row(table, "29189", "graduation_share")["percentile"] == 0


def test_the_newest_period_with_values_is_taken() -> None:
    table = found(
        indicator__values=values(
            "child_poverty_share", ("29510", "2021", 0.3, 0.2, 0.4), ("29510", "2022", 0.2, 0.1, 0.3),
            ("29510", "2023", None, None, None),
        )
    )  # fmt: skip
    assert (
        row(table, "29510", "child_poverty_share")["value"],
        row(table, "29510", "child_poverty_share")["period"],
    ) == (
        0.2,
        "2022",
    )


def test_without_a_list_nothing_is_said_about_services() -> None:
    made = compute(inputs(DECISION, decision__populations=POPULATIONS), place())
    table = made.frames[TABLE.key]
    supply = table.filter(pl.col("item_id").str.contains("^(listed|granted)_"))
    assert supply.height and supply["value"].null_count() == supply.height
    assert set(supply["note"]) == {NO_LIST}
    assert not table["note"].str.contains("no listed service").any()
    assert [part.file_missing for part in made.absent] == ["local_services/2026/providers.csv"]


def test_high_need_without_a_listed_service_is_said_where_a_list_is_at_hand() -> None:
    scores = rows(
        "risk.scores",
        [
            {"geo_level": "county", "geo_id": area, "index_id": "priority", "tier": tier, "tier_probability": chance}
            for area, tier, chance in (("29510", 1, 0.9), ("29189", 1, 0.7), ("29183", 2, 1.0))
        ],
    )
    mine = [listed("29183", "mentoring", min_age=11, max_age=17), listed("29183", "mentoring", provider="Other")]
    table = found(core__local_services_provider=rows("core.local_services_provider", mine), risk__scores=scores)
    told = {area: row(table, area, "listed_mentoring_count") for area in COUNTIES}
    assert [told[area]["value"] for area in COUNTIES] == [0, 0, 2]
    # First tier, and sure of it: only there the need is said to be high.
    assert (told["29510"]["note"], told["29189"]["note"]) == (GAP, NO_SERVICE)
    assert told["29183"]["note"] == "listed; ages 11 to 17"


def test_beds_are_those_listed_and_shared_ones_say_so() -> None:
    mine = [
        listed("29510", "emergency_shelter", beds_count=12, beds_lgbtq_count=4, counties_count=2),
        listed("29510", "survivor_residential", provider="Two", beds_count=3),
        listed("29510", "mentoring"),
    ]
    table = found(core__local_services_provider=rows("core.local_services_provider", mine))
    assert row(table, "29510", "listed_beds_count")["value"] == 15
    told = row(table, "29510", "listed_beds_lgbtq_count")
    assert told["value"] == 4
    assert "never add over counties" in told["note"] and "1 services do not say" in told["note"]
    assert row(table, "29189", "listed_beds_count")["note"] == "no listed bed"


def test_schools_of_all_grades_say_that_they_are() -> None:
    elsi = rows(
        "core.nces_ccd_elsi_school",
        [{"vintage": "2023", "period": "2022-2023", "publisher_row": n, "county_id": "29510"} for n in range(3)],
    )
    told = row(found(core__nces_ccd_elsi_school=elsi), "29510", "middle_high_schools_count")
    assert told["value"] == 3 and "all grades" in told["note"]


def test_a_withheld_count_has_no_place_and_keeps_its_reason() -> None:
    table = found(decision__populations=populations(c29510=100.0, c29189=300.0))
    told = row(table, "29183", "youth_10_17")
    assert told["value"] is told["percentile"] is None and told["quality"] == 3
    assert row(table, "29189", "youth_10_17")["percentile"] == 100


def test_every_area_has_every_item_of_its_level_and_nothing_is_a_score() -> None:
    table = found()
    for_counties = [item for item in items() if "county" in item.levels]
    assert table.filter(pl.col("geo_level") == "county").height == len(COUNTIES) * len(for_counties)
    assert not [name for name in table.columns if "score" in name or name == "rank"]
    assert table.filter(pl.col("value").is_null())["note"].null_count() == 0


def test_the_mapping_reaches_each_kind_of_prevention_and_each_line() -> None:
    assert {item.prevention for item in items()} == {"primary", "secondary", "tertiary"}
    assert {item.fund_line for item in items()} == {"prevention_programmes", "training_education", "survivor_services"}
    assert {item.item_kind for item in items()} == {"indicator", "population", "supply"}
    # Every piece of supply stands somewhere, and services and lines are those of the lists.
    assert {item.item_id for item in items() if item.item_kind == "supply"} == set(SUPPLY)
    services = {f"listed_{service}_count" for service in providers.SERVICES}
    assert services | {f"granted_{line}_count" for line in grants.LINES} <= set(SUPPLY)


ENTRY: dict[str, Any] = {"prevention": "primary", "fund_line": "prevention_programmes", "rationale": "because"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"indicators": ["nothing_share"]}, "none of the indicators"),
        ({"populations": ["noncitizen_under_18"]}, "none of the populations"),
        ({"supply": ["beds"]}, "none of the supply"),
        ({"rationale": " "}, "needs a rationale"),
        ({"prevention": "first"}, "is none of"),
        ({"weight": 2}, "unknown fields weight"),
        ({"populations": ["under_18", "under_18"]}, "stands twice"),
    ],
)
def test_a_wrong_mapping_is_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(EmphasisError, match=message):
        read_items({"items": [{**ENTRY, **entry}]})
