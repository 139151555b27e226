"""Where weights come from: people before tracts before equal parts, never area; and what is done with the rest."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geography import coc, districts, hosts, layers, published, tracts, vintages
from models.geography.crosswalk import CrosswalkError, reverse
from models.geography.interpolation import interpolate_counts
from quality.contract import Table

NO_PIECES = pl.DataFrame(schema={"geo_id": pl.String, "pieces": pl.Int64})
SHARES = {"population_share": pl.Float64, "tract_share": pl.Float64, "area_share": pl.Float64}


def counties_of(*rows: tuple[str, str, float | None, float | None, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"county_id": pl.String, "coc_id": pl.String, **SHARES}, orient="row")


KANSAS_CITY = counties_of(
    ("29095", "MO-604", None, 0.999, 0.996),
    ("29047", "MO-604", None, 0.496, 0.23),
    ("29047", "MO-606", None, 0.504, 0.77),
    ("29165", "MO-604", None, 0.549, 0.168),
    ("29165", "MO-606", None, 0.449, 0.822),
    ("20209", "MO-604", 1.0, None, None),
)


def pairs(frame: pl.DataFrame, *columns: str) -> dict:
    return {(row["from_id"], row["to_id"]): row[columns[0]] for row in frame.iter_rows(named=True)}


def test_clay_and_platte_are_divided_by_tracts_and_never_by_area():
    walk = coc.county_to_coc(KANSAS_CITY, NO_PIECES, "county_coc")
    found = pairs(walk.weights, "weight")
    assert found["29047", "MO-604"] == pytest.approx(0.496) and found["29165", "MO-604"] == pytest.approx(0.549 / 0.998)
    swapped = KANSAS_CITY.with_columns(area_share=1 - pl.col("area_share"))
    assert coc.county_to_coc(swapped, NO_PIECES, "county_coc").weights.equals(walk.weights)
    assert set(walk.weights.filter(pl.col("from_id") != "20209")["basis"]) == {"tracts"}


def test_people_come_before_tracts():
    table = counties_of(("29047", "MO-604", 0.6, 0.5, 0.2), ("29047", "MO-606", 0.4, 0.5, 0.8))
    walk = coc.county_to_coc(table, NO_PIECES, "county_coc")
    assert pairs(walk.weights, "weight")["29047", "MO-604"] == 0.6 and set(walk.weights["basis"]) == {"population"}
    # Known for one part only: another measure, or none, for both.
    half = table.with_columns(population_share=pl.Series([0.6, None]))
    assert pairs(coc.county_to_coc(half, NO_PIECES, "c").weights, "weight")["29047", "MO-604"] == 0.5
    blind = coc.county_to_coc(half.with_columns(tract_share=pl.lit(None)), NO_PIECES, "c").weights
    assert set(blind["basis"]) == {"equal"} and blind["weight"].to_list() == [0.5, 0.5]


def test_more_tracts_are_surer():
    few, many = (
        coc.county_to_coc(KANSAS_CITY, pl.DataFrame({"geo_id": ["29047"], "pieces": [n]}), "c").weights for n in (4, 60)
    )
    assert pairs(few, "weight_se")["29047", "MO-604"] > 3 * pairs(many, "weight_se")["29047", "MO-604"]
    assert pairs(few, "weight_se")["20209", "MO-604"] == 0


def test_people_without_a_coc_stay_without_one():
    table = counties_of(("05113", "AR-500", 0.31, None, None), ("01019", "NONE", 1.0, None, None))
    table = table.vstack(counties_of(("NONE", "AL-505", None, None, None)))
    walk = coc.county_to_coc(table, NO_PIECES, "county_coc")
    assert pairs(walk.weights, "weight") == {("05113", "AR-500"): 0.31}
    assert walk.unmatched.select("side", "id", "weight", "treatment").sort("id").rows() == [
        ("from", "01019", 1.0, "left_out"),
        ("from", "05113", pytest.approx(0.69), "left_out"),
        ("to", "AL-505", None, "not_used"),
    ]


def test_what_borders_leave_of_tract_shares_is_given_back_and_seen():
    walk = coc.county_to_coc(counties_of(("17003", "IL-520", None, 0.929, 0.9)), NO_PIECES, "c")
    assert pairs(walk.weights, "weight") == {("17003", "IL-520"): 1.0}
    assert walk.unmatched.select("id", "weight", "treatment").rows() == [
        ("17003", pytest.approx(0.071), "redistributed")
    ]
    half = coc.county_to_coc(counties_of(("17003", "IL-520", None, 0.5, 0.9)), NO_PIECES, "c")
    assert half.unmatched.select("id", "weight", "treatment").rows() == [("17003", 0.5, "left_out")]


PEOPLE = pl.DataFrame(
    {
        "geo_id": ["29095", "29047", "29165", "20209"],
        "size": [700_000.0, 250_000.0, 100_000.0, 170_000.0],
        "basis": ["population"] * 4,
    }
)


def test_the_kansas_part_is_taken_out_of_a_missouri_total():
    back = reverse(coc.county_to_coc(KANSAS_CITY, NO_PIECES, "c"), PEOPLE, crosswalk_id="coc_county")
    whole = pairs(back.weights, "weight")
    total = 700_000 + 250_000 * 0.496 + 100_000 * 0.549 / 0.998 + 170_000
    assert whole["MO-604", "20209"] == pytest.approx(170_000 / total)
    for walk in (coc.within_state(back), coc.within_state(back, "29")):
        inside = pairs(walk.weights, "weight")
        assert ("MO-604", "20209") not in inside
        # What stays is not blown up: the Kansas people are not Missouri's.
        assert inside["MO-604", "29095"] == whole["MO-604", "29095"]
        (gone,) = walk.unmatched.filter(pl.col("counterpart_id") == "20209").to_dicts()
        assert (gone["id"], gone["treatment"]) == ("MO-604", "left_out")
        assert gone["weight"] == pytest.approx(170_000 / total)


TRACTS = pl.DataFrame(
    [
        ("29001000100", "MO-606", 1.0),
        ("29001000200", "MO-606", 0.6),
        ("29001000200", "AR-503", 0.4),
        ("29001000300", "MO-606", 0.98),
        ("29001000300", "MO-600", 0.02),
        ("05001000100", "AR-503", 1.0),
        ("05001000200", "AR-503", 1.0),
        ("20209000100", "MO-604", 0.999),
        ("20209000100", "KS-507", 0.001),
        ("29095000100", "MO-604", 1.0),
        ("29095000200", "MO-604", 0.5),
        ("29095000200", "MO-606", 0.5),
        ("20001000100", "KS-507", 1.0),
        ("29002000100", "NONE", None),
    ],
    schema={"tract_id": pl.String, "coc_id": pl.String, "tract_share": pl.Float64},
    orient="row",
)


def test_tracts_keep_no_slivers_and_no_strangers():
    walk = tracts.tract_to_coc(TRACTS, pl.Series(["29001000100", "29003000100"]), "tract_coc")
    found = pairs(walk.weights, "weight")
    assert found["29001000200", "MO-606"] == found["29001000300", "MO-606"] == found["20209000100", "MO-604"] == 1.0
    assert found["29095000200", "MO-604"] == 0.5
    listed = {(row["id"], row["counterpart_id"]): row["treatment"] for row in walk.unmatched.iter_rows(named=True)}
    assert listed == {
        ("29001000200", "AR-503"): "redistributed",
        ("29001000300", "MO-600"): "redistributed",
        ("20209000100", "KS-507"): "redistributed",
        ("29002000100", "NONE"): "left_out",
        ("29003000100", "NONE"): "left_out",
    }


def test_counties_by_the_people_of_their_tracts():
    by_tract = tracts.tract_to_coc(TRACTS, TRACTS["tract_id"], "tract_coc")
    sizes = pl.DataFrame(
        {"geo_id": ["29095000100", "29095000200"], "size": [3000.0, 1000.0], "basis": ["households"] * 2}
    )
    walk = coc.by_tract(by_tract, sizes, "county_coc_by_tract")
    found = pairs(walk.weights, "weight")
    assert found["29095", "MO-604"] == pytest.approx(3500 / 4000)
    basis = pairs(walk.weights, "basis")
    assert (basis["29095", "MO-604"], basis["29001", "MO-606"]) == ("households", "tracts")
    assert walk.unmatched.filter(pl.col("id") == "29002")["weight"].to_list() == [1.0]


def test_a_tract_lies_in_the_county_of_its_first_five_digits():
    counties = pl.DataFrame({"geo_id": ["29510", "46102", "09110"]})
    ids = pl.Series(["29510123200", "46113940500", "09003524700", "09110524700", "09003999900", "72001956300"])
    walk = tracts.tract_to_county(ids, counties)
    assert pairs(walk.weights, "weight").keys() == {
        ("29510123200", "29510"),
        ("46113940500", "46102"),
        ("09003524700", "09110"),
        ("09110524700", "09110"),
    }
    assert sorted(walk.unmatched["id"]) == ["09003999900", "72001956300"]


def test_tracts_to_districts():
    overlay = pl.DataFrame(
        {
            "tract_id": ["1", "1", "1", "2"],
            "district_id": ["a", "b", "c", "a"],
            "share": [0.6, 0.39, 0.01, 0.5],
            "population": [10.0, 30.0, 0.0, 5.0],
        }
    )
    people = tracts.tract_to_district(overlay)
    assert pairs(people.weights, "weight") == {("1", "a"): 0.25, ("1", "b"): 0.75, ("2", "a"): 1.0}
    ground = tracts.tract_to_district(overlay.drop("population"))
    assert pairs(ground.weights, "weight")["1", "a"] == pytest.approx(0.6 / 0.99)
    assert ground.unmatched.select("id", "counterpart_id", "weight").rows() == [("1", "c", 0.01), ("2", "NONE", 0.5)]
    both = overlay.drop("population").with_columns(share=pl.lit(0.9))
    with pytest.raises(CrosswalkError, match="pick one layer"):
        tracts.tract_to_district(both)


CONNECTICUT = pl.DataFrame(
    [
        ("09003000100", None, None),
        ("09003000200", None, None),
        ("09003990000", None, None),
        ("09013000300", None, None),
        ("09110000100", 300.0, "households"),
        ("09120000200", 100.0, "households"),
        ("09110000300", 50.0, "households"),
        ("29510123200", 7.0, "households"),
    ],
    schema={"geo_id": pl.String, "size": pl.Float64, "basis": pl.String},
    orient="row",
)
NO_SIZES = pl.DataFrame(schema=CONNECTICUT.schema)


def test_connecticuts_counties_become_regions_through_tracts():
    counties = pl.DataFrame({"geo_id": ["09110", "09120", "29510"]})
    walk = vintages.county_vintage(counties, CONNECTICUT, NO_SIZES)
    found = pairs(walk.weights, "weight")
    assert found["09003", "09110"] == 0.75 and found["09003", "09120"] == 0.25 and found["09013", "09110"] == 1.0
    assert found["29510", "29510"] == 1.0
    listed = walk.unmatched.select("id", "treatment").rows()
    assert ("09003990000", "not_used") in listed and ("09001", "left_out") in listed
    back, _ = vintages.connecticut(CONNECTICUT, to_old=True)
    assert pairs(back, "weight")["09110", "09013"] == pytest.approx(50 / 350)


def test_without_sizes_tracts_are_counted():
    unsized = CONNECTICUT.with_columns(size=pl.lit(None, dtype=pl.Float64))
    found, _ = vintages.connecticut(unsized)
    assert pairs(found, "weight")["09003", "09110"] == 0.5 and set(found["basis"]) == {"tracts"}


def test_split_and_renamed_counties():
    counties = pl.DataFrame({"geo_id": ["02063", "02066", "02158", "46102"]})
    sizes = pl.DataFrame({"geo_id": ["02063", "02066"], "size": [7000.0, 3000.0], "basis": ["population"] * 2})
    found = pairs(vintages.county_vintage(counties, NO_SIZES, sizes).weights, "weight")
    assert found["02261", "02063"] == pytest.approx(0.7)
    assert found["02270", "02158"] == found["46113", "46102"] == 1.0
    blind = vintages.county_vintage(counties, NO_SIZES, NO_SIZES)
    assert blind.unmatched.select("id", "weight").rows() == [("02261", 1.0)]


def test_a_file_has_a_county_under_one_code():
    counties = pl.DataFrame({"geo_id": ["09110", "09120", "29510"]})
    walk = vintages.county_vintage(counties, CONNECTICUT, NO_SIZES)

    def values(*ids: str) -> list[tuple]:
        frame = pl.DataFrame({"geo_id": ids, "value": [100.0] * len(ids), "se": [0.0] * len(ids)})
        found = interpolate_counts(vintages.for_file(walk, frame["geo_id"]), frame).values
        return found.select("geo_id", "value", "known_value").rows()

    assert values("09003", "09013", "29510") == [("09110", 175, 175), ("09120", 25, 25), ("29510", 100, 100)]
    assert values("09110", "09120", "29510") == [("09110", 100, 100), ("09120", 100, 100), ("29510", 100, 100)]
    # A region of which the file lacks a former county is not known.
    assert values("09013", "29510") == [("09110", None, 100), ("29510", 100, 100)]
    with pytest.raises(CrosswalkError, match="09013 and 09110 stand in one file"):
        vintages.for_file(walk, pl.Series(["09013", "09110"]))


METRO_EAST = pl.DataFrame(
    {
        "geo_id": ["1705640", "1705670", "1713530", "2929280", "2999999"],
        "layer": ["elementary", "secondary", "unified", "unified", None],
        "value": [4000.0, 4000.0, 7000.0, 35000.0, 10.0],
        "se": [0.0] * 5,
    }
)


def test_a_layer_an_age_band():
    low, aside = layers.pick_layers(METRO_EAST, "5-13")
    assert low["geo_id"].to_list() == ["1705640", "1713530", "2929280"]
    assert aside["id"].to_list() == ["1705670", "2999999"]
    assert "1705640" not in layers.pick_layers(METRO_EAST, "14-17")[0]["geo_id"].to_list()
    with pytest.raises(layers.OverlapError, match="divide them into 5-13 and 14-17"):
        layers.pick_layers(METRO_EAST, "5-17")


def test_residents_of_overlapping_districts_are_never_added():
    parts = pl.DataFrame(
        {"district_id": METRO_EAST["geo_id"], "county_id": ["17163"] * 2 + ["17119", "29510", "29510"]}
    )
    walk = districts.district_to_county(parts, no_shares())
    frame, layer = METRO_EAST.drop("layer"), METRO_EAST.select("geo_id", "layer")
    with pytest.raises(layers.OverlapError, match=r"\['17'\] cover the same ground"):
        layers.interpolate_residents(walk, frame, layer)
    done = layers.interpolate_residents(walk, frame, layer, "5-13")
    assert dict(done.values.select("geo_id", "known_value").iter_rows())["17163"] == 4000
    assert done.unmatched.filter(pl.col("treatment") == "left_out").select("id", "value").rows() == [
        ("1705670", 4000.0),
        ("2999999", 10.0),
    ]
    # Of one state without overlap no band is needed.
    missouri = pl.col("geo_id") == "2929280"
    assert layers.interpolate_residents(walk, frame.filter(missouri), layer).values["known_value"].to_list() == [35000]


def test_layers_by_grades():
    grades = pl.DataFrame({"low": [-1, 0, 9, 0, 7, -1, None], "high": [12, 8, 12, 6, 12, 2, 12]})
    found = grades.select(layers.layer_from_grades(pl.col("low"), pl.col("high")))
    assert found.to_series().to_list() == ["unified", "elementary", "secondary", "elementary", "secondary", None, None]


def no_shares() -> pl.DataFrame:
    names = {"district_id": pl.String, "county_id": pl.String, "share": pl.Float64, "basis": pl.String}
    return pl.DataFrame(schema=names)


PARTS = pl.DataFrame({"district_id": ["A", "A", "B", "C"], "county_id": ["1", "2", "1", "2"]})


def sized(**sizes: float) -> pl.DataFrame:
    return pl.DataFrame(
        {"geo_id": list(sizes), "size": list(sizes.values())},
        schema_overrides={"geo_id": pl.String, "size": pl.Float64},
    )


def test_parts_are_found_by_what_other_districts_leave():
    """County 1 has 100 children, 80 of B: A has 20 there; county 2 has 50, 20 of C: A has 30 there."""
    counties = pl.DataFrame({"geo_id": ["1", "2"], "size": [100.0, 50.0]})
    shares = districts.rake(PARTS, sized(A=50, B=80, C=20), counties)
    assert shares.filter(pl.col("district_id") == "A")["share"].to_list() == pytest.approx([0.4, 0.6], abs=1e-6)
    walk = districts.district_to_county(PARTS, shares.with_columns(basis=pl.lit("raked")))
    assert pairs(walk.weights, "basis") == {
        ("A", "1"): "raked",
        ("A", "2"): "raked",
        ("B", "1"): "whole",
        ("C", "2"): "whole",
    }


def test_without_figures_parts_are_equal_and_as_unsure_as_can_be():
    for shares in (no_shares(), districts.rake(PARTS, sized(A=50), sized()).with_columns(basis=pl.lit("raked"))):
        walk = districts.district_to_county(PARTS, shares)
        rows = walk.weights.filter(pl.col("from_id") == "A")
        assert rows["weight"].to_list() == [0.5, 0.5] and set(rows["basis"]) == {"equal"}
        assert rows["weight_se"].to_list() == pytest.approx([12**-0.5] * 2)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_raked_shares_agree_with_both_margins(seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 3, (8, 4)) * rng.uniform(1, 100, (8, 4))
    table[np.arange(8), rng.integers(0, 4, 8)] += 5
    rows, columns = np.nonzero(table)
    parts = pl.DataFrame({"district_id": [f"d{i}" for i in rows], "county_id": [f"c{j}" for j in columns]})
    children = pl.DataFrame({"geo_id": [f"d{i}" for i in range(8)], "size": table.sum(1)})
    used = sorted(set(columns))
    counties = pl.DataFrame({"geo_id": [f"c{j}" for j in used], "size": table.sum(0)[used]})
    shares = districts.rake(parts, children, counties)
    assert shares.group_by("district_id").agg(pl.sum("share"))["share"].to_list() == pytest.approx([1.0] * 8)
    told = (
        shares.join(children.rename({"geo_id": "district_id"}), on="district_id")
        .group_by("county_id")
        .agg((pl.col("share") * pl.col("size")).sum().alias("found"))
        .join(counties.rename({"geo_id": "county_id"}), on="county_id")
    )
    assert told["found"].to_list() == pytest.approx(told["size"].to_list(), rel=0.02)


LEAS = pl.DataFrame(
    [
        ("2929280", "29510", 1),
        ("2900579", "29510", 7),
        ("2926760", "29189", 1),
        ("2900009", "29051", None),
        ("2900111", "29051", 5),
        ("2900222", "29189", 7),
        ("2900333", "29001", 7),
        ("2900444", None, 7),
    ],
    schema={"leaid": pl.String, "county_id": pl.String, "agency_type": pl.Int64},
    orient="row",
)
GROUND = pl.DataFrame(
    {
        "district_id": ["2929280", "2912010", "2913830", "2916190", "2900004", "2900005"],
        "county_id": ["29510", "29189", "29189", "29051", "29001", "29001"],
        "size": [35000.0, 9000.0, 11000.0, 9000.0, None, 5.0],
    }
)


def test_agencies_without_ground_have_a_host_and_are_listed():
    found = hosts.find_hosts(LEAS, GROUND)
    rows = {row["leaid"]: (row["host_id"], row["serves"], row["basis"]) for row in found.iter_rows(named=True)}
    assert rows == {
        "2900579": ("2929280", None, "declared"),
        "2926760": (None, "29189", "declared"),
        "2900009": (None, "29", "declared"),
        "2900111": (None, None, "none"),  # run by the state
        "2900222": ("2913830", None, "rule"),
        "2900333": (None, None, "none"),  # sizes are not known
        "2900444": (None, None, "none"),
    }
    walk = hosts.lea_to_host(found)
    assert sorted(walk.weights["from_id"]) == ["2900222", "2900579"]
    assert sorted(walk.unmatched["id"]) == ["2900009", "2900111", "2900333", "2900444", "2926760"]
    assert found["reason"].null_count() == 0
    whole = districts.district_to_county(GROUND.select("district_id", "county_id"), no_shares(), found)
    placed = pairs(whole.weights.filter(pl.col("basis") == "host"), "weight")
    assert placed == {("2900579", "29510"): 1.0, ("2926760", "29189"): 1.0, ("2900222", "29189"): 1.0}
    assert sorted(whole.unmatched["id"]) == ["2900009", "2900111", "2900333", "2900444"]


def test_declared_hosts_are_whole():
    entries = hosts.declared()
    assert all(len(entry.host) == 7 for entry in entries if entry.host)
    assert [entry.leaid is None for entry in entries] == sorted(entry.leaid is None for entry in entries)


def test_districts_that_the_list_lacks_are_listed():
    walk = districts.district_to_county(PARTS, no_shares(), None, pl.Series(["A", "Z"]))
    assert walk.unmatched.select("id", "weight").rows() == [("Z", 1.0)]


COLUMNS = {
    "core.coc_county_crosswalk": ("vintage", "county_id", "coc_id", "coc_name"),
    "core.coc_county_tract": ("vintage", "tract_id", "coc_id", "coc_name"),
    "core.census_sdlist_district_county": ("vintage", "district_id", "county_id"),
    "core.nces_ccd_district": ("vintage", "geo_id", "county_id"),
    "core.geo_tract": ("vintage", "geo_id"),
    "core.geo_district": ("vintage", "geo_id", "layer"),
    "core.service_areas_county": ("vintage", "geo_id", "area_id", "title"),
    "core.census_acs5_tract": ("vintage", "geo_id", "cell"),
    "core.census_acs5_county": ("vintage", "geo_id", "cell"),
    "core.census_dhc_tract": ("vintage", "geo_id", "cell"),
    "core.census_dhc_tract_race_share": ("vintage", "geo_id"),
    "core.census_pep_county_age_sex": ("vintage", "geo_id", "age_band", "reference_date"),
    "core.census_saipe_district": ("vintage", "geo_id"),
}
NUMBERS = {
    "core.coc_county_crosswalk": tuple(SHARES),
    "core.coc_county_tract": ("tract_share",),
    "core.nces_ccd_district": ("lowest_grade", "highest_grade", "agency_type"),
    "core.census_acs5_tract": ("estimate",),
    "core.census_acs5_county": ("estimate",),
    "core.census_dhc_tract": ("count",),
    "core.census_pep_county_age_sex": ("count",),
    "core.census_saipe_district": ("population_5_17_count",),
}


def nothing() -> dict[str, pl.DataFrame]:
    return {
        name: pl.DataFrame(schema=dict.fromkeys(text, pl.String) | dict.fromkeys(NUMBERS.get(name, ()), pl.Float64))
        for name, text in COLUMNS.items()
    }


NO_ACS = pl.DataFrame(
    schema=dict.fromkeys(("vintage", "period", "table_id", "cell", "geo_id", "snapshot_sha256"), pl.String)
    | {"estimate": pl.Float64, "moe": pl.Float64}
)


def test_tables_may_be_empty_but_not_lacking():
    counties = pl.DataFrame({"geo_id": ["29510"]})
    weights, unmatched, areas = published.build_all(nothing(), counties, NO_ACS)
    assert areas.is_empty()
    assert weights["from_id"].to_list() == ["29510"] and unmatched.is_empty()
    assert list(nothing()) == list(published.INPUTS)
    with pytest.raises(CrosswalkError, match=r"need the tables core\.geo_tract"):
        published.build_all(
            {name: frame for name, frame in nothing().items() if name != "core.geo_tract"}, counties, NO_ACS
        )


@pytest.mark.parametrize("table", [published.CROSSWALK, published.UNMATCHED])
def test_published_tables_hold_what_they_promise(table: Table):
    tables = nothing() | {
        "core.coc_county_crosswalk": KANSAS_CITY.with_columns(vintage=pl.lit("2025"), coc_name=pl.lit("Kansas City")),
        "core.coc_county_tract": TRACTS.with_columns(vintage=pl.lit("2025"), coc_name=pl.lit("Kansas City")),
    }
    counties = pl.DataFrame({"geo_id": ["29095", "29047", "29165", "20209", "29001"]})
    frames = dict(
        zip((published.CROSSWALK, published.UNMATCHED), published.build_all(tables, counties, NO_ACS)[:2], strict=True)
    )
    frame = table.conform(frames[table])
    assert frame.height and not frame.select(table.primary_key).is_duplicated().any()
    for column in table.columns:
        if not column.nullable:
            assert frame[column.name].null_count() == 0
        if column.allowed:
            assert set(frame[column.name].drop_nulls()) <= set(column.allowed)
        if column.pattern:
            assert frame[column.name].str.contains(column.pattern).all()
