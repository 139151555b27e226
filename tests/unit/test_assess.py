"""Scores: the same in every region, null below their coverage, never surer than their data."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from models.engine.margins import Z90
from models.indicators.indicator import all_indicators
from models.indices.assess import assess
from models.indices.spec import all_indices

FIGURES = ("value", "value_lower", "value_upper", "value_direct")
IDS = [f"29{n:03d}" for n in range(1, 400, 2)]
COUNTIES = pl.DataFrame({"geo_id": IDS, "geo_name": [f"County {i}" for i in IDS]})
POVERTY = all_indices()["poverty"]
WEIGHTS = {member.id: member.weight for member in POVERTY.members}


def values(seed: int = 1, *, period: str = "2023", width: float = 0.02) -> dict[str, pl.DataFrame]:
    """An indicator table for each member of every index, with values and 90 % bounds."""
    generator = np.random.default_rng(seed)
    need = generator.uniform(0.1, 0.5, len(IDS))
    tables = {}
    for name, one in all_indicators().items():
        if "county" not in one.levels:
            continue
        value = np.clip(need + generator.normal(0, 0.05, len(IDS)), 0, 1)
        scale = 1e5 if one.unit == "usd" else 1
        tables[name] = pl.DataFrame(
            {
                "geo_level": ["county"] * len(IDS), "geo_id": IDS, "period": [period] * len(IDS),
                "value": value * scale,
                "value_lower": (value - width) * scale, "value_upper": (value + width) * scale,
                "value_direct": value * scale, "se": [width * scale / Z90] * len(IDS), "quality": [1] * len(IDS),
            }
        )  # fmt: skip
    return tables


def scored_whole(spec_id: str, tables, region=COUNTIES, **kwargs):
    arguments = {"is_simulated": False, "n_draws": 200} | kwargs
    return assess(all_indices()[spec_id], all_indices(), all_indicators(), tables, COUNTIES, region, **arguments)


def scored(spec_id: str, tables, region=COUNTIES, **kwargs):
    found = scored_whole(spec_id, tables, region, **kwargs)
    return found.scores, found.absent


def without(tables, name: str, geo_ids) -> dict[str, pl.DataFrame]:
    gone = pl.col("geo_id").is_in(list(geo_ids))
    columns = [pl.when(gone).then(None).otherwise(pl.col(c)).alias(c) for c in FIGURES]
    return {**tables, name: tables[name].with_columns(columns)}


@pytest.mark.parametrize("spec_id", ["poverty", "priority"])
def test_a_county_has_the_same_score_in_every_region_and_only_ranks_differ(spec_id):
    tables = values()
    nation, _ = scored(spec_id, tables)
    region, _ = scored(spec_id, tables, COUNTIES.filter(pl.col("geo_id").is_in(IDS[50:80])))
    same = ["geo_id", "score", "score_p05", "score_p95", "percentile", "coverage", "reference_id"]
    assert region.select(same).equals(nation.filter(pl.col("geo_id").is_in(IDS[50:80])).select(same))
    assert region["n_ranked"].unique().to_list() == [30]
    assert region["rank"].max() <= 30
    assert nation["n_ranked"].unique().to_list() == [len(IDS)]


def test_the_order_of_rows_changes_nothing():
    tables = values()
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=3) for name, frame in tables.items()}
    assert scored("priority", tables)[0].equals(scored("priority", shuffled)[0])


def test_wider_margins_make_ranks_less_sure():
    narrow, _ = scored("poverty", values(width=0.005))
    wide, _ = scored("poverty", values(width=0.1))

    def spread(frame):
        return (frame["rank_p95"] - frame["rank_p05"]).mean()

    assert spread(wide) > 2 * spread(narrow)


def test_below_the_least_coverage_there_is_no_score_and_the_row_stays():
    tables = values()
    gone = [name for name in WEIGHTS if name not in ("median_household_income_usd", "snap_household_share")]
    assert sum(WEIGHTS[name] for name in gone) > 1 - POVERTY.min_coverage
    for name in gone:
        tables = without(tables, name, IDS[:3])
    frame, _ = scored("poverty", tables)
    lost = frame.filter(pl.col("geo_id").is_in(IDS[:3]))
    assert frame.height == len(IDS)
    assert lost["score"].null_count() == lost["rank"].null_count() == 3
    assert lost["quality"].to_list() == [3, 3, 3]
    assert lost["coverage"].to_list() == pytest.approx([1 - sum(WEIGHTS[name] for name in gone)] * 3)
    assert frame["n_ranked"].unique().to_list() == [len(IDS) - 3]


def test_a_missing_member_lowers_coverage_and_widens_the_interval():
    tables = values()
    whole, _ = scored("poverty", tables)
    holed, _ = scored("poverty", without(tables, "child_poverty_share", IDS[:40]))
    mean_width = {}
    for name, frame in (("whole", whole), ("holed", holed)):
        some = frame.filter(pl.col("geo_id").is_in(IDS[:40]))
        mean_width[name] = (some["score_p95"] - some["score_p05"]).mean()
    assert mean_width["holed"] > 1.3 * mean_width["whole"]
    assert holed.filter(pl.col("geo_id") == IDS[0])["coverage"].item() == pytest.approx(
        1 - WEIGHTS["child_poverty_share"]
    )


def test_a_value_without_a_published_error_does_not_look_the_surest():
    tables = values()
    unknown = tables["child_poverty_share"].with_columns(
        value_lower=pl.lit(None, pl.Float64), value_upper=pl.lit(None, pl.Float64)
    )
    frame, _ = scored("poverty", {**tables, "child_poverty_share": unknown})
    assert frame["coverage"].unique().to_list() == pytest.approx([1 - WEIGHTS["child_poverty_share"]])


def test_what_is_too_old_counts_as_missing_and_is_named():
    old = values(period="2017")
    frame, absent = scored("poverty", {**values(), "no_vehicle_share": old["no_vehicle_share"]})
    assert frame["coverage"].unique().to_list() == pytest.approx([1 - WEIGHTS["no_vehicle_share"]])
    [part] = absent
    assert part.part == "risk.poverty.no_vehicle_share"
    assert "newest value is of 2017" in part.reason
    future = values(period="2024")
    frame, absent = scored("poverty", {**values(), "no_vehicle_share": future["no_vehicle_share"]})
    assert len(absent) == 1  # a later year than the index stands for is not used either


def test_with_nothing_at_all_every_county_is_listed_without_a_score():
    nothing = {name: frame.with_columns(pl.lit(None, pl.Float64).alias("value")) for name, frame in values().items()}
    frame, absent = scored("poverty", nothing)
    assert frame.height == len(IDS)
    assert frame["score"].null_count() == len(IDS)
    assert frame["n_ranked"].unique().to_list() == [0]
    assert len(absent) == len(POVERTY.members)


def test_more_need_never_lowers_a_score():
    tables = values()
    before, _ = scored("poverty", tables)
    worse = tables["child_poverty_share"].with_columns(
        pl.when(pl.col("geo_id") == IDS[7]).then(pl.col(c) + 0.2).otherwise(pl.col(c)).alias(c) for c in FIGURES
    )
    after, _ = scored("poverty", {**tables, "child_poverty_share": worse})
    pick = pl.col("geo_id") == IDS[7]
    assert after.filter(pick)["score"].item() > before.filter(pick)["score"].item()
    assert after.filter(pick)["rank"].item() <= before.filter(pick)["rank"].item()


def test_income_counts_the_other_way_round():
    tables = values()
    richer = tables["median_household_income_usd"].with_columns(
        pl.when(pl.col("geo_id") == IDS[7]).then(pl.col(c) + 1e5).otherwise(pl.col(c)).alias(c) for c in FIGURES
    )
    pick = pl.col("geo_id") == IDS[7]
    before, after = (
        scored("poverty", t)[0].filter(pick)["score"].item()
        for t in (tables, {**tables, "median_household_income_usd": richer})
    )
    assert after < before


def test_what_is_simulated_says_so():
    frame, _ = scored("poverty", values(), is_simulated=True)
    assert frame["is_simulated"].all()
    assert frame["reference_id"][0].startswith("simulated-")


def test_the_seed_decides_the_draws():
    tables = values(width=0.1)
    assert scored("poverty", tables, seed=1)[0].equals(scored("poverty", tables, seed=1)[0])
    assert not scored("poverty", tables, seed=1)[0].equals(scored("poverty", tables, seed=2)[0])


def test_weights_are_the_judgement_that_decides():
    children = tuple(replace(c, weight=1e6 if c.id == "no_vehicle_share" else 1e-6) for c in POVERTY.tree.children)
    one_sided = replace(POVERTY, tree=replace(POVERTY.tree, children=children))
    tables = values(width=1e-6)
    frame = assess(
        one_sided, all_indices(), all_indicators(), tables, COUNTIES, COUNTIES, is_simulated=False, n_draws=20
    ).scores
    assert (
        frame.sort("rank")["geo_id"].to_list()
        == tables["no_vehicle_share"].sort("value", descending=True)["geo_id"].to_list()
    )
