"""Foster care: rates of counties where published, counts of states that no county sees."""

import polars as pl
import pytest
from scipy.stats import chi2

from models.indicators.assemble import assemble
from models.indicators.foster_care import AFCARS, AGE_SEX, AGING_OUT, BY_RACE, COUNT, RATE, garwood, state_children
from models.indicators.indicator import AbsentError, all_indicators

SHA, OTHER = "f" * 64, "1" * 64
COUNTIES = pl.DataFrame({"geo_id": ["29001", "29003"], "geo_name": ["a", "b"]})


def figures(*rows: tuple, value: str = "count", unit: str | None = None) -> pl.DataFrame:
    """Rows from (document, period, level, geo_id, measure, value)."""
    frame = pl.DataFrame(
        [("2025", d, m, "Total", p, level, g, g[:2], v, SHA) for d, p, level, g, m, v in rows],
        schema={
            "vintage": pl.String, "source_document": pl.String, "measure": pl.String, "category": pl.String,
            "period": pl.String, "geo_level": pl.String, "geo_id": pl.String, "state_id": pl.String,
            value: pl.Float64, "snapshot_sha256": pl.String,
        },
        orient="row",
    )  # fmt: skip
    return frame.with_columns(unit=pl.lit(unit)) if unit else frame


def people(*rows: tuple, period: str = "2024") -> pl.DataFrame:
    """Rows of the population by age from (county, people in each of the three bands under 18)."""
    return pl.DataFrame(
        [("2025", period, "estimate", g, band, n, OTHER) for g, n in rows for band in ("0-4", "5-13", "14-17", "18+")],
        schema={
            "vintage": pl.String, "period": pl.String, "basis": pl.String, "geo_id": pl.String, "age_band": pl.String,
            "count": pl.Int64, "snapshot_sha256": pl.String,
        },
        orient="row",
    )  # fmt: skip


NO_RATES = figures(value="rate", unit="per_1000")


def entries(counts: pl.DataFrame, rates: pl.DataFrame = NO_RATES, population: pl.DataFrame | None = None) -> dict:
    tables = {COUNT: counts, RATE: rates, AGE_SEX: people(("29001", 1000)) if population is None else population}
    frame, _ = assemble(all_indicators()["foster_entry_per_1000"], tables, COUNTIES)
    return {(row["geo_id"], row["period"]): row for row in frame.to_dicts()}


def test_the_bounds_of_a_count_are_those_of_garwood():
    lower, upper = garwood(pl.Series([0, 1, 20, None]))
    assert lower.to_list()[:3] == pytest.approx([0.0, chi2.ppf(0.05, 2) / 2, chi2.ppf(0.05, 40) / 2])
    assert upper.to_list()[:3] == pytest.approx([chi2.ppf(0.95, 2 * (n + 1)) / 2 for n in (0, 1, 20)])
    assert (lower[3], upper[3]) == (None, None)


def test_a_rate_is_the_count_for_a_thousand_people_under_18():
    row = entries(figures(("report", "FY2024", "county", "29001", "entries", 12)))["29001", "2024"]
    # 12 for 3 x 1,000 children
    assert row["value"] == pytest.approx(4.0)
    assert row["value_lower"] == pytest.approx(chi2.ppf(0.05, 24) / 2 / 3)
    assert row["value_upper"] == pytest.approx(chi2.ppf(0.95, 26) / 2 / 3)
    assert (row["note"], row["snapshot_sha256"]) == ("report", f"{SHA},{OTHER}")


def test_a_states_figure_never_reaches_its_counties():
    found = entries(
        figures(
            ("report", "FY2024", "state", "29", "entries", 6000), ("report", "FY2024", "county", "29001", "entries", 12)
        )
    )
    assert found["29003", "2024"]["value"] is None
    assert found["29001", "2024"]["value"] == pytest.approx(4.0)


def test_a_state_alone_leaves_the_indicator_absent_with_the_file_that_would_bring_it():
    one = all_indicators()["foster_in_care_per_1000"]
    tables = {
        COUNT: figures(("report", "FY2024", "state", "29", "in_care", 13000)), RATE: NO_RATES,
        AGE_SEX: people(("29001", 1000)),
    }  # fmt: skip
    with pytest.raises(AbsentError) as caught:
        one.compute(tables, one)
    assert caught.value.file_missing.startswith("foster_county/")


def test_a_suppressed_count_is_missing_and_named():
    found = entries(
        figures(
            ("report", "FY2024", "county", "29001", "entries", None),
            ("report", "FY2024", "county", "29003", "entries", 7),
        ),
        population=people(("29001", 1000), ("29003", 1000)),
    )
    assert found["29001", "2024"]["value"] is None
    assert "suppressed" in found["29001", "2024"]["note"]


def test_of_two_documents_the_one_that_knows_more_counties_stands():
    found = entries(
        figures(
            ("full", "FY2024", "county", "29001", "entries", 12), ("full", "FY2024", "county", "29003", "entries", 6),
            ("part", "FY2024", "county", "29001", "entries", 99),
        ),
        population=people(("29001", 1000), ("29003", 1000)),
    )  # fmt: skip
    assert found["29001", "2024"]["note"] == "full"
    assert found["29001", "2024"]["value"] == pytest.approx(4.0)


def test_a_published_rate_stands_where_no_population_is_at_hand_with_the_chance_of_its_count():
    counts = figures(("kids", "2018", "county", "29001", "entries", 20))
    rates = figures(("kids", "2018", "county", "29001", "entries", 5.0), value="rate", unit="per_1000")
    row = entries(counts, rates)["29001", "2018"]
    assert row["value"] == 5.0
    assert row["value_lower"] == pytest.approx(chi2.ppf(0.05, 40) / 2 / 4)


def afcars(**counts: float | None) -> pl.DataFrame:
    names = {"black": "Black or African American", "white": "White", "unknown": "Unknown/Unable to Determine"}
    return pl.DataFrame(
        [("2021", "FY2021", "state", "29", "in_care", names[key], n, SHA) for key, n in counts.items()],
        schema={
            "vintage": pl.String, "period": pl.String, "geo_level": pl.String, "geo_id": pl.String,
            "section": pl.String, "measure": pl.String, "count": pl.Float64, "snapshot_sha256": pl.String,
        },
        orient="row",
    )  # fmt: skip


def by_race(*counties: str, black: int = 10, everybody: int = 50) -> pl.DataFrame:
    """Each of four age bands and two sexes has these people in each county."""
    bands = ("0-4", "5-9", "10-14", "15-19", "20-24")
    groups = (("all", everybody), ("black_alone", black))
    rows = [
        ("2025", "2021", "estimate", g, band, name, n, n, OTHER)
        for g in counties
        for band in bands
        for name, n in groups
    ]
    columns = [
        "vintage",
        "period",
        "basis",
        "geo_id",
        "age_band",
        "race_group",
        "male_count",
        "female_count",
        "snapshot_sha256",
    ]
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_disproportionality_by_hand():
    one = all_indicators()["black_children_in_care_ratio"]
    tables = {
        AFCARS: afcars(black=300, white=700, unknown=250), BY_RACE: by_race("29001", "29003"),
        AGE_SEX: people(("29001", 5), ("29003", 5)),
    }  # fmt: skip
    [row] = one.compute(tables, one).to_dicts()
    # 30 % of children of known race in care, 20 % of people under 20
    assert row["value"] == pytest.approx(1.5)
    assert row["value_lower"] < 1.5 < row["value_upper"]
    assert (row["geo_level"], row["geo_id"], row["period"]) == ("state", "29", "2021")
    assert row["note"] == "race unknown for 20.0 % of children in care"


def test_a_state_with_a_county_lacking_is_no_state():
    assert state_children(by_race("29001"), people(("29001", 5), ("29003", 5))).is_empty()
    [row] = state_children(by_race("29001", "29003"), people(("29001", 5), ("29003", 5))).to_dicts()
    # 2 counties x 4 bands x 2 sexes x 10 people
    assert (row["black"], row["others"]) == (160, 640)


def test_a_withheld_group_leaves_a_state_out():
    one = all_indicators()["black_children_in_care_ratio"]
    tables = {AFCARS: afcars(black=None, white=700), BY_RACE: by_race("29001"), AGE_SEX: people(("29001", 5))}
    with pytest.raises(AbsentError):
        one.compute(tables, one)


@pytest.mark.parametrize(
    ("name", "table", "measure"),
    [
        ("children_in_care_count", AFCARS, "Number in foster care on September 30"),
        ("aged_out_count", AGING_OUT, "Number of Children Exiting to Emancipation"),
    ],
)
def test_counts_of_states_take_the_newest_vintage_of_a_year_and_have_no_counties(name, table, measure):
    columns = ["vintage", "period", "geo_level", "geo_id", "measure", "count", "snapshot_sha256"]
    rows = [(v, "FY2021", "state", "29", measure, n, SHA) for v, n in (("2022", 602.0), ("2021", 601.0))]
    one = all_indicators()[name]
    frame = one.compute({table: pl.DataFrame(rows, schema=columns, orient="row")}, one)
    assert frame.select("geo_level", "geo_id", "period", "value").rows() == [("state", "29", "2021", 602.0)]
    assert one.levels == ("state",)
    with pytest.raises(AbsentError):
        one.compute({table: pl.DataFrame(rows, schema=columns, orient="row").clear()}, one)
