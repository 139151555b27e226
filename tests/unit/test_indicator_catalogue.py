"""The catalogue: every cell exists, says what it should, counts nobody twice and lies in its denominator."""

import re
from pathlib import Path

import pytest

from models.indicators import acs
from models.indicators.catalogue import (
    CROSS_UNIVERSE,
    CatalogueError,
    Entry,
    crosses_tables,
    expressions,
    faults,
    is_part,
    read_catalogue,
    render,
    short,
)
from models.indicators.equivalents import OTHER_CELLS, SVI
from models.indicators.indicator import all_indicators
from models.indices.spec import all_indices

ROOT = Path(__file__).parents[2]
FILES = {path.stem[-4:]: path for path in sorted((ROOT / "tests" / "catalogue").glob("acs5_*.csv"))}
CATALOGUES = {vintage: read_catalogue(path.read_text(encoding="utf-8")) for vintage, path in FILES.items()}
NEWEST = CATALOGUES["2022"]
# What every counted cell must be called, by indicator and table.
PATTERNS = {
    "youth_poverty_12_17_share": "below poverty level: > 12 to 17 years$",
    "deep_poverty_share": r"> Under \.50$",
    "below_150_share": r"> (Under \.50|\.50 to \.99|1\.00 to 1\.24|1\.25 to 1\.49)$",
    "median_household_income_usd": "^Median household income",
    "snap_household_share": "> Household received Food Stamps/SNAP in the past 12 months",
    "children_in_assisted_households_share": "> Living in household with Supplemental Security Income",
    "unemployment_share": "> Civilian labor force: > Unemployed$",
    "uninsured_under_19_share": "Under 19 years: > No health insurance coverage$",
    "no_vehicle_share": "> No vehicle available$",
    "severe_rent_burden_share": r"> 50\.0 percent or more$",
    "severe_owner_burden_share": r"> 50\.0 percent or more$",
    "crowded_share": r"> (1\.01 to 1\.50|1\.51 to 2\.00|2\.01 or more) occupants per room$",
    "school_age_movers_share": "> Moved .*> 5 to 17 years$",
    "children_with_other_relatives_share": "> (Other relatives|Foster child or other unrelated child)$",
    "single_parent_share": "> In (female|male) householder, no spouse/partner present household$",
    "no_parent_share": "> (Grandchild|Other relatives|Foster child or other unrelated child)$",
    "kin_care_share": "responsible for own grandchildren under 18 years: > No parent present$",
    "grandparents_responsible_share": "> Grandparent responsible for own grandchildren under 18 years:$",
    "no_parent_working_share": "6 to 17 years: > .*> (Neither parent in|Not in) labor force$",
    "disconnected_youth_share": "> Not enrolled in school: > .*> (Unemployed|Not in labor force)$",
    "not_enrolled_15_17_share": "> Not enrolled in school: > 15 to 17 years$",
    "no_diploma_share": "> (No schooling completed|Nursery school|Kindergarten|.*grade|12th grade, no diploma)$"
    "|> Population 25 years and over$",
    "no_broadband_share": "> Total households$",
    "children_no_internet_share": "Under 18 years: > .*(Without an Internet subscription|No computer)$",
    "vacant_nonseasonal_share": "> Vacant$",
    "gini_ratio": "^Gini Index$",
    "income_extremes_gap": r"> \$(100,000|125,000|150,000|200,000) (to|or more)",
}
OF_ACS = [name for name, one in all_indicators().items() if one.cells]


@pytest.mark.parametrize("name", OF_ACS)
def test_every_indicators_cells_exist_and_say_what_it_counts(name):
    one = all_indicators()[name]
    unknown = [cell for cell in one.cells if cell not in NEWEST]
    assert not unknown, f"{unknown} stand in no file of tests/catalogue; its README.md says what to do"
    for numerator, denominator in expressions(one):
        found = faults(numerator, denominator, NEWEST, crosses=crosses_tables(one), pattern=PATTERNS.get(name, ""))
        assert found == [], name


def test_every_share_that_an_index_may_take_has_an_expected_label():
    for name in OF_ACS:
        one = all_indicators()[name]
        if expressions(one) and not one.compares_groups and one.topic not in ("context", "population"):
            assert name in PATTERNS, f"say in PATTERNS what the counted cells of {name} are called"


@pytest.mark.parametrize("vintage", sorted(CATALOGUES))
def test_cells_hold_in_each_vintage_that_lists_their_tables(vintage):
    catalogue = CATALOGUES[vintage]
    tables = {cell[:-4] for cell in catalogue}
    judged = 0
    for name in OF_ACS:
        one = all_indicators()[name]
        if name == "single_parent_share" and vintage < "2019":
            continue  # another quantity then: see the test below
        for numerator, denominator in expressions(one):
            if not {cell[:-4] for _, cell in acs.terms(f"{numerator}+{denominator or numerator}")} <= tables:
                continue
            judged += 1
            assert (
                faults(numerator, denominator, catalogue, crosses=crosses_tables(one), pattern=PATTERNS.get(name, ""))
                == []
            )
    assert judged >= 4


def test_the_lines_of_b09005_meant_something_else_before_2019():
    old, new = CATALOGUES["2018"]["B09005_003"], NEWEST["B09005_003"]
    assert old.path[-1] == "In married-couple family"
    assert new.path[-1] == "Cohabiting couple household"
    one = all_indicators()["single_parent_share"]
    found = faults(one.numerator, one.denominator, CATALOGUES["2018"], pattern=PATTERNS[one.id])
    assert len(found) == 2
    assert "B09005_004 is 'Total > In family households > In male householder" in found[0]


def test_income_brackets_are_the_lines_of_half_the_income_or_more_and_leave_none_out():
    for table, brackets in (("B25074", 7), ("B25095", 8)):
        half = [
            cell
            for cell, entry in NEWEST.items()
            if cell.startswith(table) and entry.path[-1] == "50.0 percent or more"
        ]
        unknown = [
            cell for cell, entry in NEWEST.items() if cell.startswith(table) and entry.path[-1] == "Not computed"
        ]
        assert len(half) == len(unknown) == brackets
        name = "severe_rent_burden_share" if table == "B25074" else "severe_owner_burden_share"
        numerator, denominator = expressions(all_indicators()[name])[-1]
        assert {cell for _, cell in acs.terms(numerator)} == set(half)
        assert {cell for sign, cell in acs.terms(denominator) if sign < 0} == set(unknown)


# --- each check can fail -----------------------------------------------------------------------------------------


def entries(*labels: tuple[str, str]) -> dict[str, Entry]:
    return {cell: Entry(label, "", "checked") for cell, label in labels}


SMALL = entries(
    ("B90001_001", "Total:"),
    ("B90001_002", "Total: > Male:"),
    ("B90001_003", "Total: > Male: > 5 to 17 years"),
    ("B90001_004", "Total: > Female:"),
    ("B90001_005", "Total: > 5 to 17 years"),
    ("B90001_006", "Total: > 18 years"),
    ("B90002_001", "Total:"),
    ("B90001B_001", "Total:"),
    ("B90001H_001", "Total:"),
)


@pytest.mark.parametrize(
    ("numerator", "denominator", "reason"),
    [
        ("B90001_009", "B90001_001", "B90001_009 is no cell of this vintage"),
        ("B90001_002+B90001_003", "B90001_001", "B90001_002 and B90001_003 count the same people twice"),
        ("B90001_002+B90001_002", "B90001_001", "count the same people twice"),
        ("B90001_002", "B90001_001+B90001_004", "B90001_001 and B90001_004 count the same people twice"),
        ("B90001_004", "B90001_002", "B90001_004 lies in no cell of the denominator"),
        ("B90002_001", "B90001_001", "B90002_001 lies in no cell of the denominator"),
        ("B90001_003", "B90001_001-B90001_002", "B90001_003 is counted and taken out of the denominator"),
        ("B90001_002-B90002_001", "B90001_001", "B90002_001 is taken away from what does not hold it"),
    ],
)
def test_what_is_wrong_with_cells_is_said(numerator, denominator, reason):
    assert any(reason in fault for fault in faults(numerator, denominator, SMALL))


def test_what_is_right_passes():
    assert faults("B90001_002+B90001_004", "B90001_001", SMALL) == []
    assert faults("B90001_001-B90001_002", "B90001_001", SMALL, pattern="^Total") == []
    assert faults("B90001_003", "B90001_005", SMALL) == [], "the same line in a finer division"
    assert faults("B90001_003", "B90001_006", SMALL) == ["B90001_003 lies in no cell of the denominator"]
    assert faults("B90002_001", "B90001_001", SMALL, crosses=True) == []
    assert faults("B90001_002", "", SMALL, pattern="Female") == ["B90001_002 is 'Total: > Male:', not 'Female'"]
    assert faults("B90001B_001+B90001H_001", "B90001_001", SMALL) == [], "one race and another, of all"
    assert faults("B90001_002-B90001_004", "B90001_001", SMALL) == [], "a difference of two shares"
    assert faults("B90001_001", "B90001B_001", SMALL) == ["B90001_001 lies in no cell of the denominator"]
    assert not is_part("B90001_001", "B90001_002", SMALL)


def test_the_mistakes_that_the_checks_once_caught_are_caught_again():
    # B14003_021 is all ages out of school; it holds those of 15 to 17 and was counted in their place.
    assert faults("B14003_025", "B14003_053", NEWEST) == ["B14003_025 lies in no cell of the denominator"]
    # B25070_011, not computed, belongs out of the denominator, never into the numerator.
    assert "taken out" in faults("B25070_010+B25070_011", "B25070_001-B25070_011", NEWEST)[0]
    # Without _001 a whole stands beside its parts.
    assert faults("C17002_001+C17002_002", "C17002_001", NEWEST)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cell,label\nB90001_001,Total\n", "the columns must be cell, label, concept, basis"),
        ("cell,label,concept,basis\nB9,Total,x,read\n", "line 2: 'B9' is no ACS cell"),
        (
            "cell,label,concept,basis\nB90001_001,T,x,read\nB90001_001,T,x,read\n",
            "line 3: 'B90001_001' .* stands twice",
        ),
    ],
)
def test_a_file_of_cells_that_cannot_be_read_is_refused(text, reason):
    with pytest.raises(CatalogueError, match=reason):
        read_catalogue(text)


def test_how_each_label_is_known_is_said():
    bases = {entry.basis for catalogue in CATALOGUES.values() for entry in catalogue.values()}
    assert bases == {"checked", "read", "structure"}


def test_exceptions_name_indicators_that_need_them():
    for name in CROSS_UNIVERSE:
        one = all_indicators()[name]
        assert faults(one.numerator, one.denominator, NEWEST), f"{name} needs no exception"
    assert set(OTHER_CELLS) | set(SVI) <= set(all_indicators())


# --- the page ----------------------------------------------------------------------------------------------------


def test_the_page_is_current():
    page = (ROOT / "docs" / "indicators.md").read_text(encoding="utf-8")
    made = render(all_indicators(), all_indices())
    assert page == made, "run: python -m models.indicators.catalogue > docs/indicators.md"


def test_the_page_holds_every_indicator_once_with_its_reference_and_every_weight():
    page = render(all_indicators(), all_indices())
    for one in all_indicators().values():
        assert len(re.findall(rf"^`{one.id}`\. ", page, re.MULTILINE)) == 1
        assert one.reference in page
    for spec in all_indices().values():
        for member in spec.members:
            assert f"| {member.weight:g} | {member.rationale} |" in page


def test_runs_of_cells_are_written_short():
    assert short("B15003_002+B15003_003+B15003_004") == "B15003_002 to _004"
    assert short("B25070_001-B25070_011") == "B25070_001 - B25070_011"
    assert short("B1_x") == "B1_x"
    assert short("B14005_010+B14005_011+B14005_014") == "B14005_010 + B14005_011 + B14005_014"
    minus = short(all_indicators()["severe_owner_burden_share"].denominator)
    assert minus.startswith("B25095_001 - B25095_010 - B25095_019")
