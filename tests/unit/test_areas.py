"""Areas beside the county: sums by Continuum of Care, and indices of other levels."""

import math
from dataclasses import replace

import polars as pl
import pytest

from models.engine.margins import Z90
from models.geography.areas import ACS_AREA, acs_areas, newest_to_coc, service_areas
from models.geography.crosswalk import Crosswalk, build
from models.geography.places import region_areas
from models.indicators.indicator import VALUES, Indicator, all_indicators
from models.indices.areas import known_weights, pruned, score_areas
from models.indices.spec import all_indices


def crosswalk(name: str = "county_coc_2025") -> Crosswalk:
    weights = pl.DataFrame(
        {
            "from_id": ["29001", "29003", "29003"],
            "to_id": ["MO-500", "MO-500", "MO-501"],
            "weight": [1.0, 0.25, 0.75],
            "weight_se": [0.0, 0.1, 0.1],
            "basis": ["whole", "tracts", "tracts"],
        }
    )
    return build(name, "county", "coc", weights, [])


def acs(**estimates: tuple[float | None, float | None]) -> pl.DataFrame:
    rows = [
        ("2023", "2019-2023", county, cell.split("_")[0], cell, value, 0.1 * (value or 0.0), "ab" * 32)
        for cell, pair in estimates.items()
        for county, value in zip(("29001", "29003"), pair, strict=True)
    ]
    names = ["vintage", "period", "geo_id", "table_id", "cell", "estimate", "moe", "snapshot_sha256"]
    return pl.DataFrame(rows, schema=names, orient="row")


NAMES = pl.DataFrame({"geo_id": ["MO-500", "MO-501"], "geo_name": ["County", "City"]})


def test_cells_of_a_continuum_are_the_sum_of_its_counties_with_the_errors_of_both():
    found = ACS_AREA.conform(acs_areas(acs(B17001_001=(100.0, 400.0)), crosswalk(), NAMES))
    county = found.filter(pl.col("geo_id") == "MO-500")
    assert county["estimate"].item() == pytest.approx(100 + 0.25 * 400)
    # Sampling: margins 10 and 0.25 x 40, both 10; weights: standard error 0.1 x 400 = 40, as a margin 40 Z.
    assert county["moe"].item() == pytest.approx(math.hypot(10, 10, 40 * Z90), rel=1e-6)
    assert found["geo_name"].to_list() == ["County", "City"]


def test_a_median_is_never_summed_and_a_sum_with_an_unknown_part_is_unknown():
    figures = acs(B19013_001=(50_000.0, 60_000.0), B19083_001=(0.4, 0.5), B17001_002=(None, 40.0))
    found = acs_areas(figures, crosswalk(), NAMES)
    assert found["cell"].unique().to_list() == ["B17001_002"]
    county, city = (found.filter(pl.col("geo_id") == coc) for coc in ("MO-500", "MO-501"))
    assert county["estimate"].item() is None and county["annotation"].item() == "known for 1 of 2 counties"
    assert city["estimate"].item() == 30


def test_the_newest_crosswalk_by_tract_is_taken_and_a_local_one_only_for_want_of_a_national():
    local = [("2025", crosswalk()), ("2025", crosswalk("county_coc_2025_by_tract")), ("2017", crosswalk())]
    chosen = newest_to_coc(local)
    assert chosen is not None and chosen.id == "county_coc_2025_by_tract"
    many = pl.DataFrame(
        {
            "from_id": [f"29{n:03d}" for n in range(150)],
            "to_id": [f"MO-{n:03d}" for n in range(150)],
            "weight": 1.0,
            "weight_se": 0.0,
            "basis": "whole",
        }
    )
    national = build("county_coc_2017", "county", "coc", many, [])
    assert newest_to_coc([*local, ("2017", national)]) is national
    assert newest_to_coc([]) is None


def test_service_areas_overlap_and_each_is_whole():
    listed = pl.DataFrame({"area_id": ["both", "both", "one"], "geo_id": ["29001", "29003", "29003"]})
    names = pl.DataFrame({"geo_id": ["both", "one"], "geo_name": ["Both", "One"]})
    both, one = (
        ACS_AREA.conform(acs_areas(acs(B17001_001=(100.0, 400.0)), area, names)) for area in service_areas(listed)
    )
    assert (both["geo_level"].item(), both["estimate"].item()) == ("service_area", 500)
    assert both["moe"].item() == pytest.approx(math.hypot(10, 40))  # whole counties: no error of weights
    assert (one["geo_name"].item(), one["estimate"].item()) == ("One", 400)


def test_areas_of_a_region_lie_in_its_counties_wholly_or_in_part():
    weights = pl.DataFrame(
        {
            "from_level": ["school_district", "school_district", "coc", "county"],
            "from_id": ["2900001", "2900002", "MO-500", "29510"],
            "to_level": ["county"] * 3 + ["service_area"],
            "to_id": ["29510", "29001", "29510", "river"],
        }
    )
    lists = {
        "tract": pl.DataFrame({"geo_id": ["29510000100", "29001000100"], "geo_name": [None, None]}).cast(pl.String),
        "school_district": pl.DataFrame({"geo_id": ["2900001", "2900002"], "geo_name": ["One", "Two"]}),
        "coc": pl.DataFrame({"geo_id": ["MO-500", "MO-600"], "geo_name": ["City", "Other"]}),
        "service_area": pl.DataFrame({"geo_id": ["river", "hills"], "geo_name": ["River", "Hills"]}),
    }
    lists = {level: frame.with_columns(geo_level=pl.lit(level)) for level, frame in lists.items()}
    found = region_areas(lists, weights, pl.DataFrame({"geo_id": ["29510"]}))
    assert {level: frame["geo_id"].to_list() for level, frame in found.items()} == {
        "tract": ["29510000100"],
        "school_district": ["2900001"],
        "coc": ["MO-500"],
        "service_area": ["river"],
    }


def figures(indicator: Indicator, level: str, n: int) -> pl.DataFrame:
    ids = [f"29{k:09d}" for k in range(n)]
    values = [0.05 + 0.9 * k / n for k in range(n)]
    wide = {"usd": 50_000.0}.get(indicator.unit, 1.0)
    rows = pl.DataFrame({"geo_id": ids, "value": [wide * v for v in values]}).with_columns(
        geo_level=pl.lit(level),
        indicator_id=pl.lit(indicator.id),
        period=pl.lit("2023"),
        source_period=pl.lit("2019-2023"),
        vintage=pl.lit("2023"),
        value_direct=pl.col("value"),
        value_lower=pl.col("value") * 0.95,
        value_upper=pl.col("value") * 1.05,
        value_kind=pl.lit("exact"),
        se=pl.col("value") * 0.05 / Z90,
        native_level=pl.lit(level),
        share_borrowed=pl.lit(0.0),
        is_modelled=pl.lit(False),
        is_imputed=pl.lit(False),
        quality=pl.lit(1),
        note=pl.lit(None, pl.String),
        snapshot_sha256=pl.lit("ab" * 32),
    )
    return VALUES.conform(rows)


def test_an_index_of_tracts_uses_only_what_is_known_by_tract():
    specs, indicators = all_indices(), all_indicators()
    spec = specs["poverty"]
    members = [member.id for member in spec.members]
    by_tract, by_county = members[1:], members[:1]
    values = {name: figures(indicators[name], "tract", 12) for name in by_tract}
    # A value of the county is at hand for the same ids, and must not be used.
    values |= {name: figures(indicators[name], "county", 12) for name in by_county}
    places = pl.DataFrame({"geo_id": [f"29{k:09d}" for k in range(12)], "geo_name": None}).cast(pl.String)
    frame, absent = score_areas(spec, specs, indicators, values, {"tract": places}, is_simulated=False, n_draws=200)
    assert not absent and frame["geo_level"].unique().to_list() == ["tract"]
    assert frame["rank"].is_not_null().all() and (frame["rank_p05"] <= frame["rank_p95"]).all()
    assert frame["coverage"].to_list() == [1.0] * 12
    known = pruned(spec, specs, set(by_tract))["poverty"]
    assert [member.id for member in known.members] == by_tract


def test_an_index_of_which_too_little_is_known_at_a_level_is_absent_there_with_the_reason():
    specs, indicators = all_indices(), all_indicators()
    spec = specs["poverty"]
    names = [member.id for member in spec.members]
    values = {name: figures(indicators[name], "county", 5) for name in names}
    places = pl.DataFrame({"geo_id": ["29000000000"], "geo_name": [None]}).cast(pl.String)
    frame, absent = score_areas(spec, specs, indicators, values, {"tract": places}, is_simulated=False)
    assert frame.is_empty()
    assert "0.00 of its weight" in absent[0].reason and names[0] in absent[0].reason


def test_weights_of_indicators_under_a_composite_sum_to_one():
    specs = all_indices()
    found = list(known_weights(specs["priority"], specs, set()))
    assert sum(weight for _, weight, _ in found) == pytest.approx(1.0)
    heavier = replace(specs["poverty"], members=specs["poverty"].members[:1])
    assert [weight for _, weight, _ in known_weights(heavier, specs, set())] == [1.0]
