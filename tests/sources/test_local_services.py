"""The fund's own lists of services and grants: what a line becomes, and every rule that a line may break."""

import csv
import io
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.local_services import GRANT, PROVIDER, SOURCE, grants, providers
from sources.simulated import files
from sources.simulated.region import region
from sources.source import ParseError, RawFile

DOCS = Path(__file__).parents[2] / "docs" / "local-services-files.md"
SHELTER = {
    "provider": "Example House",
    "service": "emergency_shelter",
    "counties": "29510;29189",
    "beds": "12",
    "min_age": "12",
    "max_age": "17",
    "beds_lgbtq": "4",
    "beds_male": "6",
    "checked_on": "2026-03-31",
    "source": "https://example.org/shelter",
}
AWARD = {
    "grant_id": "2026-014",
    "provider": "Example Mentors",
    "programme_line": "prevention_programmes",
    "counties": "29189;17163",
    "amount_usd": "60,000.50",
    "start_on": "2026-07-01",
    "end_on": "2027-06-30",
}


def written(*rows: dict[str, str]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def read(name: str, body: bytes, vintage: str = "2026") -> pl.DataFrame:
    [(key, frame)] = SOURCE.parse(RawFile("local_services", vintage, name, body)).items()
    table = {"providers.csv": PROVIDER, "grants.csv": GRANT}[name]
    assert key == table.key
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def services(*changed: dict[str, str]) -> pl.DataFrame:
    return read("providers.csv", written(*({**SHELTER, **change} for change in changed)))


def awards(*changed: dict[str, str]) -> pl.DataFrame:
    return read("grants.csv", written(*({**AWARD, **change} for change in changed)))


def test_a_service_has_a_row_in_each_county_that_it_serves():
    frame = services({})
    assert frame["geo_id"].to_list() == ["29189", "29510"]
    row = frame.row(0, named=True)
    assert (row["beds_count"], row["beds_lgbtq_count"], row["beds_male_count"], row["counties_count"]) == (12, 4, 6, 2)
    assert (row["min_age"], row["max_age"], row["checked_on"], row["vintage"]) == (12, 17, "2026-03-31", "2026")
    assert set(frame["beds_count"]) == {12}  # those of the whole service, not a part of them


def test_an_empty_cell_is_not_known_and_a_zero_is_a_zero():
    empty = dict.fromkeys(("beds", "min_age", "max_age", "beds_lgbtq", "beds_male"), "")
    row = services(empty).row(0, named=True)
    assert [row[name] for name in ("beds_count", "min_age", "max_age", "beds_lgbtq_count", "beds_male_count")] == [
        None
    ] * 5
    row = services({"beds": "0", "beds_lgbtq": "0", "beds_male": ""}).row(0, named=True)
    assert (row["beds_count"], row["beds_lgbtq_count"], row["beds_male_count"]) == (0, 0, None)


def test_one_provider_may_offer_several_services():
    frame = services({}, {"service": "street_outreach", "beds": "", "beds_lgbtq": "", "beds_male": ""})
    assert set(frame["service"]) == {"emergency_shelter", "street_outreach"}
    assert frame.filter(service="street_outreach")["beds_count"].null_count() == 2


def test_a_grant_has_a_row_in_each_county_that_it_serves():
    frame = awards({})
    assert frame["geo_id"].to_list() == ["17163", "29189"]
    row = frame.row(0, named=True)
    assert (row["amount_usd"], row["programme_line"], row["counties_count"]) == (60000.5, "prevention_programmes", 2)
    assert (row["start_on"], row["end_on"]) == ("2026-07-01", "2027-06-30")


FAULTS = [
    ({"service": "shelter"}, "column 'service': must be one of prevention_programme, .*, but is 'shelter'"),
    ({"service": ""}, "column 'service': must be one of"),
    ({"provider": " "}, "column 'provider': must not be empty"),
    ({"source": ""}, "column 'source': must not be empty"),
    ({"counties": ""}, "column 'counties': must hold five-digit county FIPS codes .*, but has ''"),
    ({"counties": "29510;"}, "column 'counties': must hold five-digit county FIPS codes .*, but has ''"),
    ({"counties": "29510;2918"}, "but has '2918'"),
    ({"counties": "St. Louis City"}, "but has 'St. Louis City'"),
    ({"counties": "29510,29189"}, "but has '29510,29189'"),
    ({"counties": "29000"}, "but has '29000'"),
    ({"counties": "99001"}, "but has '99001'"),
    ({"counties": "29511"}, "29511 is no county of Missouri"),
    ({"counties": "29510;29510"}, "must name a county once"),
    ({"beds": "-1"}, "column 'beds': must be empty or a whole number from 0, but is '-1'"),
    ({"beds": "12.5"}, "column 'beds': must be empty or a whole number"),
    ({"beds": "a dozen"}, "column 'beds': must be empty or a whole number"),
    ({"beds_lgbtq": "13"}, "column 'beds_lgbtq': must not be more than beds, but is 13 of 12"),
    ({"beds_male": "13"}, "column 'beds_male': must not be more than beds, but is 13 of 12"),
    ({"beds": ""}, "column 'beds_lgbtq': must not be more than beds, but is 4 of none"),
    ({"service": "mentoring"}, "columns of beds: must be empty, since nobody spends the night in mentoring"),
    ({"max_age": "11"}, "column 'max_age': must not be less than min_age, but is 11 after 12"),
    ({"max_age": "170"}, "column 'max_age': must be empty or a whole number from 0 up to 120"),
    ({"min_age": "-2"}, "column 'min_age': must be empty or a whole number"),
    ({"checked_on": "3/31/2026"}, "column 'checked_on': must be a day written as 2026-03-31, but is '3/31/2026'"),
    ({"checked_on": "2026-02-30"}, "column 'checked_on': must be a day"),
    ({"checked_on": ""}, "column 'checked_on': must be a day"),
    ({"checked_on": "2027-01-01"}, "column 'checked_on': must not be after the folder's year 2026"),
]


@pytest.mark.parametrize(("change", "says"), FAULTS)
def test_a_wrong_service_is_refused_with_file_row_and_rule(change, says):
    other = {"provider": "Another House"}
    with pytest.raises(ParseError, match=says) as raised:
        services(other, change)
    assert str(raised.value).startswith("local_services/2026/providers.csv, row 3: ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"programme_line": "mentoring"}, "column 'programme_line': must be one of prevention_programmes, training_"),
        ({"grant_id": ""}, "column 'grant_id': must not be empty"),
        ({"provider": ""}, "column 'provider': must not be empty"),
        ({"counties": "29"}, "column 'counties': must hold five-digit"),
        ({"amount_usd": ""}, "column 'amount_usd': must be dollars above 0"),
        ({"amount_usd": "0.00"}, "column 'amount_usd': must be dollars above 0"),
        ({"amount_usd": "-5"}, "column 'amount_usd': must be dollars above 0"),
        ({"amount_usd": "$5"}, "column 'amount_usd': must be dollars above 0"),
        ({"amount_usd": "6,00"}, "column 'amount_usd': must be dollars above 0"),
        ({"start_on": "July 2026"}, "column 'start_on': must be a day"),
        ({"end_on": "2026-06-30"}, "column 'end_on': must not be before start_on, but is 2026-06-30 after 2026-07-01"),
    ],
)
def test_a_wrong_grant_is_refused_with_file_row_and_rule(change, says):
    with pytest.raises(ParseError, match=says) as raised:
        awards({"grant_id": "1"}, change)
    assert str(raised.value).startswith("local_services/2026/grants.csv, row 3: ")


def test_a_line_that_stands_twice_is_refused_whatever_its_case_and_blanks():
    with pytest.raises(ParseError, match=r"row 4: a provider and service must stand in one row, but row 2 is of") as no:
        services({}, {"provider": "Another House"}, {"provider": "EXAMPLE  house", "counties": "29183"})
    assert no.value.row == 4
    with pytest.raises(ParseError, match="row 3: a grant must stand in one row, but row 2 is of 2026-014 too"):
        awards({}, {"amount_usd": "1"})


@pytest.mark.parametrize(("name", "columns"), [("providers.csv", providers.COLUMNS), ("grants.csv", grants.COLUMNS)])
def test_a_list_without_rows_is_no_list(name, columns):
    with pytest.raises(ParseError, match="must have rows below its header"):
        read(name, (",".join(columns) + "\n").encode())
    with pytest.raises(ParseError, match=rf"must have the columns \['{columns[-1]}'\]"):
        read(name, (",".join(columns[:-1]) + "\n" + "," * (len(columns) - 2) + "\n").encode())


@given(st.permutations(list(SHELTER)))
def test_the_order_of_columns_does_not_matter(order):
    assert (
        read("providers.csv", written({name: SHELTER[name] for name in order}))
        .drop("snapshot_sha256")
        .equals(services({}).drop("snapshot_sha256"))
    )


def test_the_tables_say_that_absence_is_not_the_absence_of_services():
    assert "NEVER that there is no service" in PROVIDER.description
    assert "no listed service" in PROVIDER.description
    assert "NEVER that nothing was granted" in GRANT.description
    assert PROVIDER.may_be_empty and GRANT.may_be_empty


def test_nobody_publishes_the_lists_and_the_source_says_what_to_do():
    assert SOURCE.fetch is None and not any(vintage.live for vintage in SOURCE.vintages)
    assert SOURCE.not_live is not None
    assert "<DIR>/local_services/<year>/" in SOURCE.not_live and "docs/local-services-files.md" in SOURCE.not_live


def test_the_sample_has_every_service_and_every_line_and_counties_without_any():
    found = {name: read(name, body, vintage) for vintage, name, body in files("local_services")}
    assert set(found["providers.csv"]["service"]) == set(providers.SERVICES)
    assert set(found["grants.csv"]["programme_line"]) == set(grants.LINES)
    served = set(found["providers.csv"]["geo_id"])
    assert served < {county.fips for county in region().counties}
    assert len(served) == 12


def test_the_page_describes_every_column_and_service_and_its_examples_are_read():
    page = DOCS.read_text(encoding="utf-8")
    for name in (*providers.COLUMNS, *providers.SERVICES, *grants.COLUMNS, *grants.LINES):
        assert f"`{name}`" in page, name
    services_said = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ?(yes)? ?\|$", page, re.M))
    assert {name for name, beds in services_said.items() if beds} == set(providers.WITH_BEDS)
    listed, granted = re.findall(r"```csv\n(.*?)```", page, re.S)
    assert read("providers.csv", listed.encode()).height == 6
    assert read("grants.csv", granted.encode()).height == 5
