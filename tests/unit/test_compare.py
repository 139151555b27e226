"""A change between two releases is split into data and method, and both add up."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.indices.compare import (
    CompareError,
    Release,
    changed_keys,
    compare,
    declaration_text,
    largest_changes,
    read_declarations,
    split,
    with_key,
)
from models.indices.spec import all_indices, read_index
from models.indices.yaml_lines import read
from models.limits import NON_USES

COUNTIES = ["29001", "29003", "29005", "29007"]


def declared(weights=(1.0, 1.0), **other) -> dict:
    members = [
        {"indicator": name, "weight": weight, "rationale": "r"}
        for name, weight in zip(("x_share", "y_share"), weights, strict=True)
    ]
    return {
        "id": "i", "title": "I", "question": "Q?", "geo_level": "county", "reference_year": 2023,
        "reference_population": "national", "normalisation": "percentile", "aggregation": "arithmetic",
        "missing": "renormalise", "min_coverage": 0.5, "members": members, "approved_by": None, **other,
    }  # fmt: skip


def rows(name: str, values, period="2023", counties=COUNTIES) -> pl.DataFrame:
    value = pl.Series("value", values, dtype=pl.Float64)
    return pl.DataFrame(
        {"indicator_id": [name] * len(counties), "geo_id": counties, "period": [period] * len(counties),
         "value": value, "value_lower": value, "value_upper": value}
    )  # fmt: skip


def release(name: str, x, y, declaration=None, *, scores=(50.0,) * 4, values=None, **other) -> Release:
    published = pl.DataFrame(
        {"index_id": ["i"] * 4, "geo_id": COUNTIES, "geo_name": [f"County {i}" for i in COUNTIES],
         "score": pl.Series(scores, dtype=pl.Float64), "rank": pl.Series([1, 2, 3, 4], dtype=pl.Int64)}
    )  # fmt: skip
    frame = pl.concat([rows("x_share", x), rows("y_share", y)]) if values is None else values
    given_ = Release(name, frame, {"i": declaration or declared()}, {"x_share": 1, "y_share": 1}, published, False)
    return replace(given_, **other)


A = release("A", [1, 2, 3, 4], [4, 3, 2, 1])


def test_data_and_method_are_the_means_of_both_orders():
    # Percentiles of four are 12.5, 37.5, 62.5, 87.5. In A x rises and y falls over the counties: all score 50.
    # In B the first county has the greatest x, and x weighs three times y.
    b = release("B", [5, 2, 3, 4], [4, 3, 2, 1], declared((3.0, 1.0)), scores=(90.0, 30.0, 40.0, 45.0))
    table = compare(A, b).table
    # B's data by A's method: x is 87.5, 12.5, 37.5, 62.5: scores 87.5, 37.5, 37.5, 37.5.
    # A's data by B's method: 31.25, 43.75, 56.25, 68.75. Both of B: 87.5, 25, 37.5, 50.
    assert table["score_a"].to_list() == [50.0] * 4
    assert table["score_b"].to_list() == [87.5, 25.0, 37.5, 50.0]
    # First county: data ((87.5 - 50) + (87.5 - 31.25)) / 2, method ((31.25 - 50) + (87.5 - 87.5)) / 2.
    assert table["from_data"].to_list() == [46.875, -15.625, -15.625, -15.625]
    assert table["from_method"].to_list() == [-9.375, -9.375, 3.125, 15.625]
    assert set(table["largest_data_driver"]) == {"x_share"}
    assert set(table["largest_method_driver"]) == {"weights"}
    # What was published moved by more: the rest is shown.
    assert table["published_change"].to_list() == [40.0, -20.0, -10.0, -5.0]
    assert table["remainder"].to_list() == [2.5, 5.0, 2.5, -5.0]
    assert table["not_for"].unique().to_list() == [NON_USES]


_VALUES = st.lists(st.floats(0, 1, allow_nan=False), min_size=4, max_size=4)
_WEIGHTS = st.tuples(st.floats(0.1, 5), st.floats(0.1, 5))


@settings(max_examples=30, deadline=None)
@given(_VALUES, _VALUES, _VALUES, _VALUES, _WEIGHTS, _WEIGHTS)
def test_both_parts_sum_to_the_change_and_swapping_the_releases_turns_every_sign(x, y, x2, y2, w, w2):
    a, b = release("A", x, y, declared(w)), release("B", x2, y2, declared(w2))
    there, back = compare(a, b).table, compare(b, a).table
    np.testing.assert_allclose(there["from_data"] + there["from_method"], there["change"], atol=1e-9)
    for name in ("change", "from_data", "from_method"):
        np.testing.assert_allclose(there[name], -back[name], atol=1e-9)


def test_a_new_vintage_alone_is_all_data_and_a_weight_alone_all_method():
    vintage = pl.concat([A.values, rows("x_share", [4, 1, 2, 3], "2022").with_columns(period=pl.lit("2021"))])
    assert compare(A, replace(A, name="B", values=vintage)).table["change"].abs().max() == 0  # older than what is used
    newer = pl.concat([rows("x_share", [1, 2, 3, 4], "2021"), rows("y_share", [4, 3, 2, 1], "2021")])
    with_new = pl.concat([newer, rows("x_share", [4, 1, 2, 3], "2023")])
    table = compare(release("A", (), (), values=newer), release("B", (), (), values=with_new)).table
    assert table["from_method"].abs().max() == 0
    assert table["from_data"].abs().max() > 10
    assert table["largest_method_driver"].null_count() == 4
    weight = compare(A, release("B", [1, 2, 3, 4], [4, 3, 2, 1], declared((3.0, 1.0)))).table
    assert weight["from_data"].abs().max() == 0
    # (3 x 12.5 + 87.5) / 4 - 50
    assert weight["from_method"][0] == pytest.approx(-18.75)


def test_what_only_one_release_has_is_named_and_its_areas_are_not_guessed():
    values = pl.concat([A.values, rows("z_share", [1, 2, 3, 4])])
    notes = compare(A, replace(A, name="B", values=values)).notes
    assert "indicators only in B: z_share" in notes
    # B takes a third indicator that A's data lack: with half the weight its method scores A's data still.
    wider = declared()
    wider["members"] = [*wider["members"], {"indicator": "z_share", "weight": 2.0, "rationale": "r"}]
    found = compare(A, replace(A, name="B", values=values, declarations={"i": wider})).table
    np.testing.assert_allclose(found["from_data"] + found["from_method"], found["change"], atol=1e-9)
    assert found["note"].null_count() == 4
    # Not so where the coverage falls below the least: no split, and the row says why.
    wider = {**wider, "min_coverage": 0.9}
    found = compare(A, replace(A, name="B", values=values, declarations={"i": wider})).table
    assert found["from_data"].null_count() == 4
    assert found["change"].null_count() == 0
    assert found["note"].str.starts_with("not split").all()


def test_the_largest_method_driver_is_the_key_that_moves_the_area_furthest_alone():
    # Values far apart: another normalisation moves scores much, a weight of 1.01 hardly.
    a = release("A", [0, 1, 2, 100], [0, 1, 2, 100])
    b = replace(a, name="B", declarations={"i": declared((1.01, 1.0), normalisation="min_max")})
    assert changed_keys(a.declarations, b.declarations) == ["normalisation", "weights"]
    assert set(compare(a, b).table["largest_method_driver"]) == {"normalisation"}


def test_a_direction_that_was_turned_is_method():
    table = compare(A, replace(A, name="B", directions={"x_share": -1, "y_share": 1})).table
    assert set(table.filter(pl.col("change").abs() > 1)["largest_method_driver"]) == {"directions"}
    assert table["from_data"].abs().max() == 0


def test_a_key_that_makes_no_index_on_its_own_is_said_and_the_split_holds():
    a = replace(A, declarations={"i": declared(normalisation="z")})
    b = replace(A, name="B", declarations={"i": declared(aggregation="geometric")})
    found = compare(a, b)
    assert any(note.startswith("the key aggregation cannot be changed alone") for note in found.notes)
    table = found.table
    np.testing.assert_allclose(table["from_data"] + table["from_method"], table["change"], atol=1e-9)


def test_texts_and_records_are_no_method():
    b = declared(title="Another", approved_by="the board", levels=["tract"])
    assert changed_keys({"i": declared()}, {"i": b}) == []


def test_a_mixed_declaration_takes_one_key_and_leaves_the_originals_alone():
    one, other = {"i": declared()}, {"i": declared((3.0, 1.0), min_coverage=0.7)}
    mixed = with_key(one, other, "weights")
    assert [member["weight"] for member in mixed["i"]["members"]] == [3.0, 1.0]
    assert mixed["i"]["min_coverage"] == 0.5
    assert one == {"i": declared()}
    del other["i"]["members"][0]
    assert [member["indicator"] for member in with_key(one, other, "members")["i"]["members"]] == ["y_share"]


def test_releases_of_different_kinds_or_places_are_refused():
    with pytest.raises(CompareError, match="SIMULATED"):
        compare(A, replace(A, name="B", is_simulated=True))
    elsewhere = A.scores.with_columns(geo_id=pl.lit("17001"))
    with pytest.raises(CompareError, match="no county in common"):
        compare(A, replace(A, name="B", scores=elsewhere))


def test_counties_of_one_release_only_are_left_out_and_counted():
    found = compare(A, replace(A, name="B", scores=A.scores.head(3)))
    assert found.table.height == 3
    assert "1 counties of A are not in the other release and are left out" in found.notes


def test_scores_that_are_missing_in_one_of_four_have_no_split():
    full, gone = np.array([1.0, 2.0]), np.array([1.0, np.nan])
    from_data, _ = split(lambda method, data: gone if (method, data) == (1, 0) else full)
    assert np.isnan(from_data).tolist() == [False, True]


@pytest.mark.parametrize("index_id", list(all_indices()))
def test_every_declaration_is_rebuilt_from_its_published_text(index_id):
    text = declaration_text(index_id)
    assert read_index(read(text, index_id), index_id) == all_indices()[index_id]
    assert read_declarations({index_id: text})[index_id]["id"] == index_id


def test_the_greatest_changes_come_first_with_their_parts():
    b = release("B", [5, 2, 3, 4], [4, 3, 2, 1], declared((3.0, 1.0)), scores=(90.0, 30.0, 40.0, 45.0))
    shown = largest_changes(compare(A, b), count=2)
    # The changes are +37.5, -25, -12.5 and 0.
    assert shown.select("area", "change", "data", "method", "published").rows() == [
        ("County 29001", "+37.5", "+46.9", "-9.4", "+40.0"),
        ("County 29003", "-25.0", "-15.6", "-9.4", "-20.0"),
    ]
    assert shown["method driver"].to_list() == ["weights", "weights"]
    assert largest_changes(compare(A, replace(A, name="B"))).is_empty()
