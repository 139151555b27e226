"""An impossible declaration is refused with the reason, before anything is computed."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from models.engine.alternatives import AS_DECLARED
from models.engine.tree import Recipe
from models.indicators.indicator import all_indicators
from models.indices import spec as specs
from models.indices.spec import DeclarationError, all_indices, full_tree, judge, read_index
from models.indices.table_spec import TABLE_MIN_COVERAGE, ErrorSpec, TableSpec, read_table_index
from models.indices.yaml_lines import read

DECLARED = yaml.safe_load((Path(specs.__file__).parent / "poverty.yaml").read_text(encoding="utf-8"))
del DECLARED["sensitivity"]  # tests change members that it names


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
        ({"members": []}, "members must be a list with at least one entry"),
        ({"colour": "red"}, "unknown key colour"),
        ({"titel": "Poverty"}, "unknown key titel; did you mean title"),
        ({"table": {"id": "geo_id"}}, "table: belongs to the index of a table"),
        ({"approved_by": 3}, "approved_by must be a text, not 3"),
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
    with pytest.raises(DeclarationError, match=r"poverty\.yaml: the key approved_by is missing"):
        read_index({key: value for key, value in DECLARED.items() if key != "approved_by"}, "poverty.yaml")


CHANGE = {"date": "2026-03-01", "by": "founders", "what": "Weights.", "why": "Asked for."}


def test_who_changed_what_when_and_why_is_part_of_a_declaration_and_optional():
    declared = {**DECLARED, "changes": [CHANGE, {**CHANGE, "date": "2026-03-02", "by": "board"}]}
    spec = read_index(declared, "poverty.yaml")
    assert [(change.date, change.by) for change in spec.changes] == [
        ("2026-03-01", "founders"),
        ("2026-03-02", "board"),
    ]
    assert (spec.changes[0].what, spec.changes[0].why) == ("Weights.", "Asked for.")
    # YAML makes a date of a day without quotes.
    assert read_index(read(yaml.safe_dump(declared).replace("'", ""), "x"), "x").changes == spec.changes
    assert read_index({key: value for key, value in DECLARED.items() if key != "changes"}, "x").changes == ()
    for own in set(all_indices()) - {"priority"}:
        assert all_indices()[own].changes, f"{own} says who last changed it"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([{**CHANGE, "who": "me"}], "change 1: unknown key who"),
        ([{"date": "2026-03-01", "by": "x", "what": "y"}], "change 1: the key why is missing"),
        ([{**CHANGE, "date": "last week"}], "change 1: date must be a day such as 2026-01-31, not 'last week'"),
        ([{**CHANGE, "why": " "}], "change 1: why is empty"),
        (
            [CHANGE, {**CHANGE, "date": "2026-02-28"}],
            "change 2: date 2026-02-28 comes before .* the newest stands last",
        ),
        ("none", "changes must be a list"),
        (["reweighted"], "change 1 must be a mapping"),
    ],
)
def test_a_record_of_changes_that_says_too_little_is_refused(changes, reason):
    with pytest.raises(DeclarationError, match=f"poverty.yaml: .*{reason}"):
        read_index({**DECLARED, "changes": changes}, "poverty.yaml")


def test_the_index_of_a_table_has_no_record_of_changes():
    with pytest.raises(DeclarationError, match="changes"):
        read_table_index(read(TABLE + "changes: []\n", "need.yaml"))


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
        ("child_povrety_share", "did you mean child_poverty_share"),
    ],
)
def test_a_member_that_must_not_be_there_is_refused(indicator_id, reason):
    with pytest.raises(DeclarationError, match=reason):
        judge([poverty_with(indicator_id)], all_indicators())


def composite(name: str, *inner: str):
    members = [{"index": one, "weight": 1, "rationale": "x"} for one in inner]
    return read_index({**DECLARED, "id": name, "members": members}, name)


def test_a_member_belongs_to_one_index_and_stands_there_once():
    with pytest.raises(DeclarationError, match="belongs to exactly one index, but poverty stands in several places"):
        judge([all_indices()["poverty"], composite("a", "poverty"), composite("b", "poverty")], all_indicators())
    second = DECLARED["members"][1]["indicator"]
    with pytest.raises(DeclarationError, match=f"{second} is already that of member 1"):
        poverty_with(second)


def test_context_enters_no_index_even_at_the_same_level():
    context = replace(all_indicators()["no_vehicle_share"], id="context_share", topic="context", direction=0)
    with pytest.raises(DeclarationError, match="context_share is context"):
        judge([poverty_with("context_share")], {**all_indicators(), "context_share": context})


def test_indices_cannot_contain_each_other():
    with pytest.raises(DeclarationError, match=r"contain each other: a -> b -> a"):
        judge([composite("a", "b"), composite("b", "a")], all_indicators())


def test_the_whole_tree_of_an_index_reaches_down_to_indicators_with_their_directions():
    directions = {name: one.direction for name, one in all_indicators().items()}
    tree = full_tree(all_indices()["priority"], all_indices(), directions)
    assert [child.id for child in tree.children] == [member.id for member in all_indices()["priority"].members]
    assert tree.children[0].weight == 0.25
    leaves = {leaf.id: leaf for leaf in tree.leaves}
    assert leaves["median_household_income_usd"].direction == -1
    weights = {member.id: member.weight for member in all_indices()["poverty"].members}
    assert leaves["median_household_income_usd"].weight == weights["median_household_income_usd"]
    assert all(leaf.direction == directions[name] for name, leaf in leaves.items())


def test_what_directions_make_impossible_is_refused_although_each_index_reads():
    spec = read_index({**DECLARED, "normalisation": "none"}, "poverty.yaml")
    with pytest.raises(DeclarationError, match=r"poverty: .*cannot turn median_household_income_usd"):
        judge([spec], all_indicators())


def test_an_index_of_our_own_takes_groups_recipes_and_alternatives():
    entry = copy.deepcopy(DECLARED) | {
        "normalisation": {"method": "min_max", "scale": [1, 100]},
        "aggregation": {"method": "power", "power": 0.5},
        "groups": [{"id": "means", "weight": 0.2, "normalisation": "percentile", "aggregation": "arithmetic"}],
        "sensitivity": {"aggregation": ["geometric", "arithmetic"]},
    }
    (snap,) = [member for member in entry["members"] if member["indicator"] == "snap_household_share"]
    snap["parent"] = "means"
    spec = read_index(read(yaml.safe_dump(entry), "poverty.yaml"), "poverty.yaml")
    assert spec.recipe == Recipe("min_max", (1.0, 100.0), "power", 0.5, min_coverage=0.5)
    assert (spec.normalisation, spec.aggregation, spec.missing, spec.min_coverage) == (
        "min_max",
        "power",
        "impute",
        0.5,
    )
    (group,) = spec.groups
    assert group.recipe == Recipe("percentile", (1.0, 100.0), "arithmetic", min_coverage=0.5)
    assert spec.tree.children[0].id == "means"
    assert [node.id for node in spec.tree.children[0].children] == ["snap_household_share"]
    assert spec.sensitivity is not None
    (factor,) = spec.sensitivity.factors
    assert [choice.label for choice in factor.choices] == [AS_DECLARED, "geometric", "arithmetic"]


# --- the index of a table ----------------------------------------------------------------------------------------

TABLE = """\
id: need
title: Need
table:
  id: FIPS
  name: COUNTY
  missing_code: [-999, NA]
normalisation: percentile
aggregation: arithmetic
members:
  - column: POV
    margin: POV_MOE
    direction: +1
    weight: 2
    parent: money
  - column: INCOME
    direction: -1
    parent: money
    support: [0, null]
  - column: CROWD
    direction: 1
    error: {model: binomial, n: HOMES}
groups:
  - id: money
    weight: 3
    aggregation: geometric
"""


def table(text: str = TABLE) -> TableSpec:
    return read_table_index(read(text, "need.yaml"))


def test_members_name_columns():
    spec = table()
    assert (spec.id_column, spec.name_column, spec.missing_codes) == ("FIPS", "COUNTY", ("-999", "NA"))
    pov, income, crowd = spec.members
    assert (pov.id, pov.weight, pov.direction, pov.parent) == ("POV", 2.0, 1, "money")
    assert pov.error == ErrorSpec("margin", {"margin": "POV_MOE"})
    assert income.error == ErrorSpec("none")
    assert income.support == (0.0, float("inf"))
    assert crowd.error == ErrorSpec("binomial", {"n": "HOMES"})
    assert crowd.parent is None
    money, leaf = spec.tree.children
    assert (money.id, money.weight, money.recipe.aggregation) == ("money", 3.0, "geometric")
    assert [(node.id, node.direction, node.weight) for node in money.children] == [("POV", 1, 2.0), ("INCOME", -1, 1.0)]
    assert leaf.id == "CROWD"
    assert spec.recipe.min_coverage == money.recipe.min_coverage == TABLE_MIN_COVERAGE


def test_groups_stand_in_groups_to_any_depth_and_take_from_the_index_what_they_do_not_say():
    spec = table(
        TABLE.replace("    parent: money\n    support", "    parent: income\n    support")
        + "  - {id: income, parent: money, normalisation: z}\n"
    )
    money = spec.tree.children[0]
    (income,) = [node for node in money.children if not node.is_leaf]
    assert income.recipe.normalisation == "z"
    assert income.recipe.aggregation == "arithmetic", "the index's, not that of the group around it"
    assert table(TABLE.replace("    weight: 3", "    parent: need")).tree.children[0].id == "money"


def line_of(text: str, mark: str) -> int:
    (line,) = [number for number, content in enumerate(text.splitlines(), start=1) if mark in content]
    return line


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        ("weight: 2", "weight: -2", "weight: -2", r"member 1 \(POV\): weight must be a positive number, not -2"),
        ("weight: 2", "weight: 0", "weight: 0", "weight must be a positive number, not 0"),
        ("weight: 2", "weight: .nan", "weight: .nan", "weight must be a positive number, not nan"),
        ("weight: 2", "weight: .inf", "weight: .inf", "weight must be a positive number, not inf"),
        ("weight: 2", "weight: 1e3", "weight: 1e3", "weight must be a positive number, not '1e3'"),
        ("weight: 2", "weight: yes", "weight: yes", "weight must be a positive number, not True"),
        ("weight: 2", f"weight: 1{'0' * 400}", "weight: 1", "weight must be a positive number"),
        ("weight: 3", "weight: none", "weight: none", r"group 1 \(money\): weight must be a positive number"),
        ("direction: -1", "direction: down", "direction: down", r"\(INCOME\): direction must be \+1 where more"),
        ("direction: -1", "direction: 0", "direction: 0", "direction must be"),
        ("    direction: -1\n", "", "- column: INCOME", r"member 2 \(INCOME\): the key direction is missing"),
        ("margin: POV_MOE", "margn: POV_MOE", "margn", "unknown key margn; did you mean margin"),
        ("margin: POV_MOE", "margin: 7", "margin: 7", "margin must be a text, not 7: put it in quotes"),
        ("margin: POV_MOE", "margin: A\n    se: B", "se: B", "margin and se say the same thing twice"),
        ("support: [0, null]", "support: [5, 0]", "support", "lower end first"),
        ("support: [0, null]", "support: 0", "support", "list of two ends"),
        ("model: binomial", "model: binominal", "binominal", "'binominal' is none of none, margin.*mean binomial"),
        ("n: HOMES", "homes: HOMES", "homes: HOMES", r"member 3 \(CROWD\), error: unknown key homes; known are"),
        (", n: HOMES", "", "model: binomial", "the key n is missing"),
        ("n: HOMES", "n: HOMES, scale: 0", "scale: 0", "scale must be a positive number"),
        ("binomial, n: HOMES", "published_interval, lower: A, upper: B, level: 90", "level: 90", "between 0 and 1"),
        ("parent: money\n    support", "parent: mony\n    support", "parent: mony", "is called mony.*mean money"),
        ("    weight: 3", "    parent: money", "    parent: money\n", "each other's parent: money -> money"),
        ("column: CROWD", "column: POV", "column: CROWD", "id POV is already that of member 1"),
        ("column: CROWD", "column: money", "column: CROWD", "id money is already that of group 1"),
        ("column: CROWD", "column: need", "column: CROWD", "id need is already that of the index itself"),
        ("column: CROWD", "indicator: CROWD", "indicator: CROWD", "name a column with `column`"),
        ("id: money", "id: riches", "parent: money\n  - column: INCOME", "no group is called money"),
        ("    aggregation: geometric", "    aggregatoin: geometric", "aggregatoin", "did you mean aggregation"),
        ("aggregation: geometric", "aggregation: geometric\n    normalisation: z", "aggregation: geometric",
         "group money: aggregation: geometric needs values above zero, and z gives others"),
        ("normalisation: percentile", "normalisation: z", "aggregation: geometric", "and z gives others"),
        ("normalisation: percentile", "normalisation: {method: z, scale: [1, 2]}", "scale", "belongs to `min_max`"),
        ("normalisation: percentile", "normalisation: {method: min_max, scale: [9, 1]}", "scale", "the lower first"),
        ("normalisation: percentile", "normalisation: {scale: [1, 9]}", "scale", "the key method is missing"),
        ("normalisation: percentile", "normalisation: precentile", "precentile", "did you mean percentile"),
        ("aggregation: arithmetic", "aggregation: power", "aggregation: power", "power: belongs to the aggregation"),
        ("aggregation: arithmetic", "aggregation: {method: power, power: 1}", "power: 1", "other than 0"),
        ("aggregation: arithmetic", "weighting: pca", "weighting: pca", "pca needs at least three children"),
        ("aggregation: arithmetic", "min_coverage: 0", "min_coverage", "must lie above 0 and at most at 1"),
        ("aggregation: arithmetic", "geo_level: county", "geo_level", "belongs to the project's own indices"),
        ("aggregation: arithmetic", "vintage: 2020", "vintage", r"belongs to a preset \(svi, imd\)"),
        ("aggregation: arithmetic", "title: Need again", "Need again", "the key title stands twice, first in line 2"),
        ("  id: FIPS", "  id: 5", "  id: 5", "table: id must be a text, not 5"),
        ("  id: FIPS\n", "", "table:", "table: the key id is missing"),
        ("[-999, NA]", "{a: 1}", "missing_code", "missing_code must be"),
        ("aggregation: arithmetic", "error_correlation: 1.5", "error_correlation", "must lie between -1 and 1"),
        ("aggregation: arithmetic", "error_correlation: {POV: {CROWDS: 0.2}}", "CROWDS", "no member is called CROWDS"),
        ("aggregation: arithmetic", "error_correlation: {POVE: {CROWD: 0.2}}", "POVE", "no member is called POVE"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_file_line_and_key(old, new, at, reason):
    assert TABLE.count(old) >= 1, old
    text = TABLE.replace(old, new) if old != "column: CROWD" else TABLE.replace(old, new, 1)
    mark = new if at == "column: CROWD" else at.splitlines()[0]
    candidates = [number for number, content in enumerate(text.splitlines(), start=1) if mark in content]
    with pytest.raises(DeclarationError, match=rf"^need\.yaml:(\d+): .*{reason}") as caught:
        table(text)
    told = int(str(caught.value).split(":")[1])
    assert told in candidates, (told, candidates)


def test_groups_that_are_each_others_parent_are_named():
    text = TABLE.replace("    weight: 3", "    parent: a") + "  - {id: a, parent: b}\n  - {id: b, parent: money}\n"
    with pytest.raises(
        DeclarationError, match=rf"need\.yaml:{line_of(text, 'parent: a')}: groups .*: money -> a -> b -> money"
    ):
        table(text)


def test_a_group_without_members_is_refused():
    text = TABLE + "  - {id: empty}\n"
    with pytest.raises(DeclarationError, match=rf"need\.yaml:{line_of(text, 'empty')}: group empty has no members"):
        table(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "need.yaml: is empty"),
        ("- a\n- b\n", "need.yaml:1: must be a mapping"),
        ("id: [a\ntitle: b\n", r"need.yaml:\d: is no valid YAML"),
        ("id: a\n\ttitle: b\n", "need.yaml:2: is no valid YAML"),
        ("id: a\ntitle: b\x00\n", "need.yaml:2: is no valid YAML"),
        ("id: a\n---\nid: b\n", r"need.yaml:\d: is no valid YAML"),
        ("id: &a b\ntitle: *a\n", "need.yaml:1: anchors and aliases"),
        ("id: a\nmembers: &m [*m]\n", "need.yaml:2: anchors and aliases"),
        ("base: {id: a}\n<<: {id: b}\n", "need.yaml:2: a key must be a plain text"),
        ("id: !!python/object/apply:os.system [ls]\n", "need.yaml:1: the tag .* is not read"),
        ("id: !here a\n", "need.yaml:1: 'a' cannot be read"),
        ("id: a\ntitle: 2023-02-31\n", "need.yaml:2: '2023-02-31' cannot be read"),
        ("[" * 5000, "need.yaml: is nested too deep"),
        ("id: need\n", "need.yaml: the key table and the key members are missing"),
    ],
)
def test_a_file_that_is_no_declaration_is_refused(text, reason):
    with pytest.raises(DeclarationError, match=f"^{reason}"):
        table(text)


SENSITIVITY = """\
sensitivity:
  normalisation: [percentile, {method: min_max, scale: [1, 100]}]
  aggregation: [geometric, {method: power, power: 0.5}]
  weighting: [equal]
  weights:
    - {POV: 1, INCOME: 3}
  leave_out: [CROWD, money]
  weight_range: 0.25
"""


def test_alternatives_become_the_factors_of_the_engine():
    spec = table(TABLE + SENSITIVITY)
    assert spec.sensitivity is not None
    labels = {factor.name: [choice.label for choice in factor.choices] for factor in spec.sensitivity.factors}
    assert labels == {
        "normalisation": [AS_DECLARED, "min_max 1 to 100"],
        "aggregation": [AS_DECLARED, "geometric", "power 0.5"],
        "weighting": [AS_DECLARED, "equal", "weights 1"],
        "leave_out": ["none", "CROWD", "money"],
        "weight_range": [],
    }


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        ("[equal]", "[given]", "weighting", "sensitivity: weighting names nothing but what is declared already"),
        ("[equal]", "equal", "weighting", "sensitivity: weighting must be a list"),
        ("[equal]", "[eqal]", "weighting", "sensitivity: weighting 'eqal' is none of"),
        ("weighting", "wieghting", "wieghting", "sensitivity: unknown key wieghting; did you mean weighting"),
        ("leave_out: [CROWD, money]", "leave_out: [CROWED]", "CROWED", "sensitivity: leave_out 'CROWED' is none of"),
        ("POV: 1", "POVE: 1", "POVE", "no member or group is called POVE; did you mean POV"),
        ("POV: 1", "POV: -1", "POV: -1", "POV must be a positive number"),
        ("0.25", "1.5", "weight_range", "sensitivity: .*between 0 and 1"),
        ("power: 0.5}", "exponent: 0.5}", "exponent", "unknown key exponent"),
        (", power: 0.5}", "}", "{method: power", "power belongs to the aggregation `power`"),
    ],
)
def test_an_alternative_that_cannot_be_is_told_by_its_line(old, new, at, reason):
    text = TABLE + SENSITIVITY.replace(old, new)
    with pytest.raises(DeclarationError, match=rf"^need\.yaml:{line_of(text, at)}: .*{reason}"):
        table(text)


def test_what_does_not_go_together_is_told_unless_it_is_excluded():
    text = TABLE + "sensitivity:\n  normalisation: [z]\n  aggregation: [geometric]\n  treatment: [winsorise_log]\n"
    text = text.replace("    aggregation: geometric\n", "")
    with pytest.raises(DeclarationError, match=rf"need\.yaml:{line_of(text, '[z]')}: .*normalisation = z with aggreg"):
        table(text)
    spec = table(text + "  excluded: [{normalisation: z, aggregation: geometric}]\n")
    assert spec.sensitivity is not None
    assert len(spec.sensitivity.levels()) == 6
    wrong = text + "  excluded:\n    - {normalisation: zz}\n"
    with pytest.raises(DeclarationError, match=rf"need\.yaml:{line_of(wrong, 'zz')}: .*'zz' is none of as declared, z"):
        table(wrong)


SVI = "id: svi\npreset: svi\nvintage: 2020\ntable: {id: FIPS, missing_code: -999}\n"


def test_the_preset_svi_knows_its_themes_by_vintage():
    spec = table(SVI)
    assert spec.preset is not None
    assert list(spec.preset.themes) == ["THEME1", "THEME2", "THEME3", "THEME4"]
    assert spec.preset.themes["THEME3"] == ("MINRTY",)
    assert spec.preset.reversed == ()
    older = table(SVI.replace("2020", "2018")).preset
    assert older is not None
    assert older.themes["THEME1"] == ("POV", "UNEMP", "PCI", "NOHSDP")
    assert older.reversed == ("PCI",)
    own = table(SVI.replace("vintage: 2020", "themes: {1: [A, B], no: [C]}\nreversed: [C]")).preset
    assert own is not None
    assert own.themes == {"1": ("A", "B"), "no": ("C",)}
    assert own.reversed == ("C",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SVI.replace("svi\nv", "svy\nv"), "need.yaml:2: preset 'svy' is none of svi, imd; did you mean svi"),
        (SVI.replace("2020", "2016"), "need.yaml:3: vintage 2016 is none of 2018, 2020, 2022"),
        (SVI.replace("vintage: 2020\n", ""), "need.yaml:2: the preset svi needs `vintage`"),
        (SVI + "themes: {1: [A], 2: [A]}\n", "need.yaml:5: themes: A stands in two places"),
        (SVI + "themes: {1: []}\n", "need.yaml:5: themes: 1 must be a list with at least one entry"),
        (SVI + "themes: {1: [yes]}\n", "need.yaml:5: themes: 1 must list names of variables"),
        (SVI + "reversed: [PCI]\n", "need.yaml:5: reversed 'PCI' is none of POV150"),
        (SVI + "domains: {a: 1}\n", "need.yaml:5: domains: belongs to the preset imd"),
        (SVI + "aggregation: geometric\n", "need.yaml:5: aggregation: is decided by the preset svi"),
        (SVI + "members: []\n", "need.yaml:5: members: is decided by the preset svi"),
        ("id: imd\npreset: imd\ntable: {id: a}\ndomains: {x: -1}\n", "need.yaml:4: domains: x must be a positive"),
        ("id: imd\npreset: imd\ntable: {id: a}\ndomains: {}\n", "need.yaml:4: domains: names no domain"),
    ],
)
def test_a_preset_that_is_wrongly_declared_is_refused(text, reason):
    with pytest.raises(DeclarationError, match=f"^{reason}"):
        table(text)


def test_the_preset_imd_knows_its_domains():
    spec = table("id: imd\npreset: imd\ntable: {id: a}\n")
    assert spec.preset is not None
    assert (next(iter(spec.preset.domains)), sum(spec.preset.domains.values())) == ("income", pytest.approx(99.9))


def test_keys_are_read_as_they_are_written():
    spec = table("id: imd\npreset: imd\ntable: {id: a}\ndomains: {no: 1, 2019: 2, 01: 0.5}\n")
    assert spec.preset is not None
    assert spec.preset.domains == {"no": 1.0, "2019": 2.0, "01": 0.5}
