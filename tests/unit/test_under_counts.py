"""Members that are counted too low somewhere, as alternatives of the sensitivity analysis."""

import copy
from pathlib import Path

import polars as pl
import pytest
import yaml

from models.indices import spec as specs
from models.indices.spec import DeclarationError, UnderCount, all_indices, read_index
from tests.unit.test_assess import scored_whole, values

DECLARED = yaml.safe_load((Path(specs.__file__).parent / "homelessness.yaml").read_text(encoding="utf-8"))


def test_homeless_pupils_are_declared_to_be_counted_too_low_where_schools_do_not_look():
    (declared,) = all_indices()["homelessness"].under_counted
    assert declared == UnderCount("homeless_students_share", (1.5, 2.0), 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"factors": [0.5]}, "factors must be numbers above 1"),
        ({"factors": []}, "factors must be a list with at least one entry"),
        ({"where_quality": 4}, "where_quality must be 1, 2 or 3"),
        ({"indicator": "homeless_student_share"}, "did you mean homeless_students_share"),
        ({"colour": "red"}, "unknown key colour"),
    ],
)
def test_an_under_count_that_cannot_be_is_refused_by_its_key(change, reason):
    entry = copy.deepcopy(DECLARED)
    entry["under_counted"][0] |= change
    with pytest.raises(DeclarationError, match=f"homelessness.yaml: .*{reason}"):
        read_index(entry, "homelessness.yaml")


def with_quality(quality: int) -> dict[str, pl.DataFrame]:
    """Values of which every second county's homeless pupils have this quality."""
    tables = values()
    pupils = tables["homeless_students_share"].with_row_index("row")
    graded = pl.when(pl.col("row") % 2 == 0).then(quality).otherwise(1)
    return {**tables, "homeless_students_share": pupils.with_columns(quality=graded).drop("row")}


def effect(tables: dict[str, pl.DataFrame]) -> float:
    audit = scored_whole("homelessness", tables).audit
    found = audit.filter(pl.col("item") == "choice: under-count of homeless_students_share")
    return float(found["value"].item())


def test_raising_values_where_quality_is_weak_moves_ranks_and_elsewhere_nothing():
    assert effect(with_quality(3)) > 0.005
    assert effect(with_quality(2)) == pytest.approx(0.0, abs=1e-12)


def test_a_member_that_is_left_out_is_not_raised_as_well():
    found = scored_whole("homelessness", with_quality(3))
    # 2 normalisations x 2 aggregations x 2 weightings x (7 ways of leaving out x 3 values - 2 that make no sense)
    assert found.sensitivity["n_methods"].unique().to_list() == [2 * 2 * 2 * (7 * 3 - 2)]
