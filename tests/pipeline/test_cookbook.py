"""docs/cookbook.md runs on the sample, its recomputed figures are the published ones, and the sample lacks nothing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl
import pytest

from models.decisions.population_registry import LEVELS, POPULATIONS
from models.indices.spec import all_indices

ROOT = Path(__file__).parents[2]
COOKBOOK = ROOT / "docs" / "cookbook.md"
TOLERANCE = 1e-6
MAY_BE_EMPTY = "may be empty"
INDEX_LEVELS = ("county", "tract", "school_district", "coc", "service_area")
NOT_COUNTED = {
    "lgbtq_13_17": "the publication is cited for Illinois and Missouri, and the sample's state is neither",
    "refugee_youth": "no public source counts refugee youth",
}
"""Populations without a count anywhere in the sample, and why."""
ALLOWED_ABSENT = {
    r"decision\.populations of (lgbtq_13_17|refugee_youth)": "see NOT_COUNTED",
    r"core\.(foster_county_count|nces_ccd_enrolment)": "totals that would give away a suppressed part are withheld",
    r"analyst\.changes": "indicators of one period have no change",
    r"risk\.history\.\w+": "years in which too little of an index is known have no score, and a first year no change",
    r"risk\.validation\.stability_over_vintages\.\w+": "indices most of whose members have one period only",
    r"analyst\.drift(\.\w+)?": "a first release has no other to drift from",
}
"""What the sample may lack, and why: of each index one year and each level is there all the same."""


class Recipe(NamedTuple):
    """A block of the cookbook: the heading it stands under, its SQL, and whether it may have no rows."""

    title: str
    sql: str
    may_be_empty: bool


def recipes(text: str) -> list[Recipe]:
    """Every block of SQL, in order."""
    found: list[Recipe] = []
    title, before = "", ""
    block: list[str] | None = None
    for line in text.splitlines():
        if block is not None:
            if line == "```":
                found.append(Recipe(title, "\n".join(block), MAY_BE_EMPTY in before))
                block = None
            else:
                block.append(line)
        elif line == "```sql":
            block = []
        elif line.strip():
            before = line
            title = line.lstrip("# ") if line.startswith("#") else title
    return found


RECIPES = recipes(COOKBOOK.read_text(encoding="utf-8"))
RECOMPUTED = [recipe for recipe in RECIPES if "AS recomputed" in recipe.sql or "f.recomputed" in recipe.sql]


def disagreeing(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in which `published` and `recomputed` differ by more than TOLERANCE, or one is missing."""
    both = frame.with_columns(pl.col("published", "recomputed").cast(pl.Float64).fill_nan(None))
    distance = (pl.col("published") - pl.col("recomputed")).abs()
    return both.filter((distance > TOLERANCE) | distance.is_null())


@pytest.fixture(scope="module")
def published(sample_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published sample, open to be read."""
    with duckdb.connect(str(sample_home / "published" / "current.duckdb"), read_only=True) as connection:
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> pl.DataFrame:
    """What a query returns."""
    return connection.sql(sql.strip().rstrip(";")).pl()


def test_a_figure_that_is_off_or_missing_is_noticed() -> None:
    frame = pl.DataFrame({"published": [1.0, 1.0, None, 1.0], "recomputed": [1.0, 1.00001, 1.0, float("nan")]})
    assert disagreeing(frame).height == 3


def test_blocks_are_read_with_their_heading_and_mark() -> None:
    text = "## A\n```sql\nSELECT 1;\n```\n### B\n<!-- may be empty -->\n\n```sql\nSELECT 2;\n```\n```sh\nls\n```\n"
    assert recipes(text) == [Recipe("A", "SELECT 1;", False), Recipe("B", "SELECT 2;", True)]


def test_no_block_of_the_cookbook_is_overlooked() -> None:
    fences = re.findall(r"^```sql", COOKBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(RECIPES) == len(fences) >= 40
    assert len({recipe.title for recipe in RECIPES}) == len(RECIPES), "each recipe has a heading of its own"
    assert len(RECOMPUTED) >= 15


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_every_query_runs_on_the_sample(published: duckdb.DuckDBPyConnection, recipe: Recipe) -> None:
    found = rows(published, recipe.sql)
    assert found.height or recipe.may_be_empty, "a recipe without rows answers nothing"


@pytest.mark.parametrize("recipe", RECOMPUTED, ids=lambda recipe: recipe.title)
def test_what_is_recomputed_is_what_was_published(published: duckdb.DuckDBPyConnection, recipe: Recipe) -> None:
    found = rows(published, recipe.sql)
    assert {"published", "recomputed"} <= set(found.columns)
    off = disagreeing(found)
    assert off.is_empty(), f"{off.height} of {found.height} rows: {off.head(3).to_dicts()}"


def recipe_of(heading: str) -> Recipe:
    """The recipe under a heading that holds these words."""
    (found,) = (recipe for recipe in RECIPES if heading in recipe.title)
    return found


def test_shares_are_recomputed_for_every_survey_indicator_and_level(published: duckdb.DuckDBPyConnection) -> None:
    closed = rows(published, recipe_of("Every share of the American Community Survey").sql)
    pairs = {tuple(row) for row in closed.select("indicator_id", "geo_level").unique().iter_rows()}
    declared = rows(
        published,
        "SELECT indicator_id, trim(unnest(string_split(levels, ','))) AS geo_level FROM meta.indicators "
        "WHERE unit = 'share' AND error_model = 'moe'",
    )
    assert set(declared.iter_rows()) == pairs


def test_scores_close_where_nothing_is_missing_at_three_levels(published: duckdb.DuckDBPyConnection) -> None:
    factors = rows(published, recipe_of("of the four factors").sql)
    assert set(factors["geo_level"]) >= {"coc", "service_area", "school_district"}
    assert factors["index_id"].n_unique() == 4
    whole = rows(published, recipe_of("of the priority index out of").sql)
    assert set(whole["geo_level"]) == set(INDEX_LEVELS)


def test_scores_with_missing_members_lie_in_what_the_known_ones_leave_open(
    published: duckdb.DuckDBPyConnection,
) -> None:
    found = rows(published, recipe_of("between which bounds").sql)
    outside = found.filter(
        (pl.col("score_direct") < pl.col("at_least") - TOLERANCE)
        | (pl.col("score_direct") > pl.col("at_most") + TOLERANCE)
    )
    assert outside.is_empty(), outside.head(3).to_dicts()
    # Bounds of the whole scale would hold whatever the score: half of them fix it to within a point.
    assert (found["at_most"] - found["at_least"]).median() < 1  # type: ignore[operator]


def test_chances_of_being_among_the_first_k_add_up_to_k_or_a_tie_more(published: duckdb.DuckDBPyConnection) -> None:
    found = rows(published, recipe_of("among the first k add up").sql)
    assert set(found["k"]) == {5, 10, 20}
    # Counties that tie at the last place in a draw all count: at most a few of 1,000 draws have such a tie.
    over = found["sum_of_chances"] - found["k"]
    assert over.min() > -1e-9  # type: ignore[operator]
    assert over.max() < 0.2  # type: ignore[operator]


@pytest.mark.parametrize("level", INDEX_LEVELS)
def test_every_index_has_scores_at_every_level(published: duckdb.DuckDBPyConnection, level: str) -> None:
    found = rows(
        published,
        "SELECT index_id, count(score) AS scored, count(*) AS areas, count(rank) AS ranked "
        f"FROM (FROM risk.scores UNION ALL BY NAME FROM risk.areas) WHERE geo_level = '{level}' GROUP BY index_id",
    )
    assert set(found["index_id"]) == set(all_indices())
    assert found.filter((pl.col("scored") < pl.col("areas")) | (pl.col("ranked") < pl.col("areas"))).is_empty()


def test_every_population_has_a_row_at_every_level(published: duckdb.DuckDBPyConnection) -> None:
    found = rows(published, "SELECT DISTINCT population_id, geo_level FROM decision.populations")
    wanted = {(name, level) for name, one in POPULATIONS.items() if one.is_on for level in LEVELS}
    assert set(found.select("population_id", "geo_level").iter_rows()) == wanted


def test_every_population_that_somebody_counts_is_counted_somewhere(published: duckdb.DuckDBPyConnection) -> None:
    found = rows(
        published, "SELECT population_id FROM decision.populations GROUP BY population_id HAVING count(count) = 0"
    )
    assert set(found["population_id"]) == set(NOT_COUNTED)


def test_every_indicator_has_a_value_at_every_level_that_it_declares(published: duckdb.DuckDBPyConnection) -> None:
    declared = rows(
        published, "SELECT indicator_id, trim(unnest(string_split(levels, ','))) AS geo_level FROM meta.indicators"
    )
    known = rows(published, "SELECT DISTINCT indicator_id, geo_level FROM indicator.values WHERE value IS NOT NULL")
    assert set(declared.iter_rows()) - set(known.iter_rows()) == set()


def test_every_published_table_has_rows(published: duckdb.DuckDBPyConnection) -> None:
    empty = rows(published, "SELECT table_key FROM meta.tables WHERE n_rows = 0")["table_key"].to_list()
    # What compares releases has nothing to compare in the first one.
    assert [key for key in empty if key != "analyst.drift"] == []
    keys = set(rows(published, "SELECT table_key FROM meta.tables")["table_key"])
    assert {
        "decision.populations", "decision.program_emphasis", "decision.schools", "decision.districts",
        "decision.allocation", "analyst.board_memo", "analyst.changes", "risk.history", "risk.validation",
    } <= keys  # fmt: skip


def test_the_sample_lacks_only_what_is_allowed(published: duckdb.DuckDBPyConnection) -> None:
    absent = rows(published, "SELECT part, reason, file_missing FROM meta.absent")
    surprises = [row for row in absent.to_dicts() if not any(re.fullmatch(one, row["part"]) for one in ALLOWED_ABSENT)]
    assert surprises == []
    assert absent["file_missing"].drop_nulls().to_list() == [], "the sample holds every file that a part asks for"
