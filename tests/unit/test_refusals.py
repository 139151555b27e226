"""What enters no index: who lives somewhere, and what police, advertisements or hotlines record."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from models.indicators.indicator import Indicator, all_indicators
from models.indices import spec as specs
from models.indices.refusals import refusal
from models.indices.spec import DeclarationError, all_indices, judge, read_index

DECLARED = yaml.safe_load((Path(specs.__file__).parent / "poverty.yaml").read_text(encoding="utf-8"))
del DECLARED["sensitivity"]
PLAIN = all_indicators()["snap_household_share"]


def declared_with(member: Indicator) -> None:
    """Judge the index of poverty with one member more."""
    entry = copy.deepcopy(DECLARED)
    entry["members"].append({"indicator": member.id, "weight": 0.1, "rationale": "To be refused."})
    judge([read_index(entry, "poverty.yaml")], {**all_indicators(), member.id: member})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "black_youth_share", "numerator": "B01001B_006", "denominator": "B01001_006"}, "race or ethnicity"),
        ({"id": "hispanic_share", "numerator": "B03002_012", "denominator": "B03002_001"}, "race or ethnicity"),
        ({"id": "group_share", "numerator": "C02003_004", "denominator": "C02003_001"}, "race or ethnicity"),
        ({"id": "black_poverty_share", "numerator": "B17020B_005", "denominator": "B17020B_001"}, "race or ethnicity"),
        ({"id": "minority_share", "numerator": "EP_MINRTY"}, "race or ethnicity"),
        ({"id": "foreign_born_share", "numerator": "B05003_005", "denominator": "B05003_003"}, "nativity"),
        ({"id": "refugee_share", "numerator": "arrivals"}, "nativity"),
        ({"id": "limited_english_share", "numerator": "C16002_004", "denominator": "C16002_001"}, "language"),
        ({"id": "same_sex_share", "numerator": "B09019_011", "denominator": "B09019_001"}, "sexuality"),
        ({"id": "lgbtq_share", "numerator": "modelled"}, "sexuality"),
        ({"id": "juvenile_arrest_share", "numerator": "arrests"}, "measures detection"),
        ({"id": "calls_share", "tables": ("core.hotline_county",)}, "measures detection"),
        ({"id": "ads_share", "tables": ("core.escort_adverts",)}, "measures detection"),
        ({"id": "police_contact_share", "numerator": "stops"}, "measures detection"),
    ],
)
def test_a_forbidden_input_is_refused_by_the_loader_with_the_reason(change, reason):
    with pytest.raises(DeclarationError, match=f"poverty: {change['id']} .*{reason}"):
        declared_with(replace(PLAIN, **change))


def test_a_population_panel_enters_no_index_whatever_it_counts():
    panel = replace(PLAIN, id="children_share", topic="population", direction=1)
    with pytest.raises(DeclarationError, match="a population panel enters no index"):
        declared_with(panel)


def test_a_value_of_a_state_or_a_continuum_never_ranks_counties():
    for level in ("state", "coc"):
        large = replace(PLAIN, id="large_share", native_level=level, levels=(level,))
        with pytest.raises(DeclarationError, match=f"known only by {level}: a value of a larger area never ranks"):
            declared_with(large)


def test_a_small_area_figure_without_county_rows_has_nothing_to_rank():
    with pytest.raises(DeclarationError, match="has no figures by county"):
        declared_with(replace(PLAIN, id="tract_only_share", native_level="tract", levels=("tract",)))


def test_a_gap_between_groups_may_enter_because_it_says_how_they_are_treated():
    gap = replace(
        PLAIN, id="poverty_gap_black_white_gap", unit="gap", compares_groups=True,
        numerator="B17020B_005", denominator="B17020H_005",
    )  # fmt: skip
    assert refusal(gap) is None
    declared_with(gap)
    assert refusal(replace(gap, compares_groups=False)) is not None


def test_comparing_groups_excuses_no_police_data():
    gap = replace(PLAIN, id="arrest_gap", unit="gap", compares_groups=True, numerator="arrests")
    assert "detection" in (refusal(gap) or "")


def test_no_member_of_the_projects_indices_rests_on_who_lives_there():
    members = {m.id for spec in all_indices().values() for m in spec.members if not m.is_index}
    assert len(members) >= 10
    assert {name: refusal(all_indicators()[name]) for name in members} == dict.fromkeys(members)
