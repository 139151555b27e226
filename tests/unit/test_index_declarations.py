"""An impossible declaration is refused with the reason, before anything is computed."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from models.indicators.indicator import all_indicators
from models.indices import spec as specs
from models.indices.spec import DeclarationError, all_indices, judge, read_index

DECLARED = yaml.safe_load((Path(specs.__file__).parent / "poverty.yaml").read_text(encoding="utf-8"))


def test_the_projects_own_declarations_hold():
    assert list(all_indices())[-1] == "priority"
    assert set(all_indices()) == {"poverty", "homelessness", "family_instability", "systemic_risk", "priority"}
    assert all(index.approved_by is None for index in all_indices().values())
    assert {member.id for member in all_indices()["priority"].members} == set(all_indices()) - {"priority"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"normalisation": "z_score_squared"}, "normalisation 'z_score_squared' is none of percentile"),
        ({"aggregation": "best_of"}, "aggregation 'best_of'"),
        ({"missing": "zero"}, "missing 'zero'"),
        ({"reference_population": "Missouri"}, "reference_population"),
        ({"geo_level": "zip"}, "geo_level 'zip'"),
        ({"min_coverage": 0}, "min_coverage must lie above 0"),
        ({"min_coverage": 1.2}, "min_coverage"),
        ({"reference_year": "soon"}, "reference_year"),
        ({"members": []}, "at least one member"),
        ({"colour": "red"}, r"unknown: \['colour'\]"),
    ],
)
def test_a_wrong_key_is_refused_by_name(change, reason):
    with pytest.raises(DeclarationError, match=f"poverty.yaml: .*{reason}"):
        read_index({**DECLARED, **change}, "poverty.yaml")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weight": -1}, "weight must be a positive number, not -1"),
        ({"weight": 0}, "weight"),
        ({"weight": float("inf")}, "weight"),
        ({"weight": True}, "weight"),
        ({"max_age_years": -2}, "max_age_years"),
        ({"rationale": " "}, "needs a rationale"),
        ({"index": "homelessness"}, "either an indicator or an index"),
        ({"color": 1}, "unknown key color"),
    ],
)
def test_a_wrong_member_is_refused_by_number_and_name(change, reason):
    entry = copy.deepcopy(DECLARED)
    entry["members"][1] |= change
    with pytest.raises(DeclarationError, match=f"poverty.yaml: member 2.*{reason}"):
        read_index(entry, "poverty.yaml")


def test_a_missing_key_is_named():
    with pytest.raises(DeclarationError, match=r"keys missing: \['approved_by'\]"):
        read_index({key: value for key, value in DECLARED.items() if key != "approved_by"}, "poverty.yaml")


def poverty_with(indicator_id: str):
    entry = copy.deepcopy(DECLARED)
    entry["members"][0]["indicator"] = indicator_id
    return read_index(entry, "poverty.yaml")


@pytest.mark.parametrize(
    ("indicator_id", "reason"),
    [
        ("homeless_people_count", "known only by coc: a value of a larger area never ranks the county areas inside it"),
        ("children_in_care_count", "known only by state"),
        ("crowded_share", "belongs to the topic homelessness"),
        ("unheard_of_share", "indicator unheard_of_share is not declared"),
        ("no_vehicle_share", "belongs to exactly one index, but no_vehicle_share"),
    ],
)
def test_a_member_that_must_not_be_there_is_refused(indicator_id, reason):
    with pytest.raises(DeclarationError, match=reason):
        judge([poverty_with(indicator_id)], all_indicators())


def test_context_enters_no_index_even_at_the_same_level():
    context = replace(all_indicators()["no_vehicle_share"], id="context_share", topic="context", direction=0)
    with pytest.raises(DeclarationError, match="context_share is context"):
        judge([poverty_with("context_share")], {**all_indicators(), "context_share": context})


def test_indices_cannot_contain_each_other():
    def index(name: str, inner: str):
        member = {"index": inner, "weight": 1, "rationale": "x"}
        return read_index({**DECLARED, "id": name, "members": [member]}, name)

    with pytest.raises(DeclarationError, match=r"contain each other: a -> b -> a"):
        judge([index("a", "b"), index("b", "a")], all_indicators())
