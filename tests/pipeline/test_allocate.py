"""`headwaters allocate`: from a published file to awards, as a table, as CSV and as JSON."""

import csv
import io
import json
from pathlib import Path

import duckdb
import polars as pl
import pytest
from rich.console import Console

from atlas.summary import CURRENT, NotPublishedError
from models.decisions.allocation import DRIVERS, TABLE, request
from models.decisions.allocation_rules import AGES, POPULATIONS, RuleError
from models.decisions.award import AwardError
from models.limits import NON_USES
from pipelines.allocating import Outcome, as_table, read_hold_harmless, run, write_csv
from pipelines.indexing import FileError

COUNTIES = [f"97{2 * at + 1:03d}" for at in range(123)]
ASKED = request(1_500_000, 50_000, 0.2)


def build(home: Path, **tables: pl.DataFrame) -> Path:
    """A published file with these tables, by `schema__name`."""
    path = home / CURRENT
    path.parent.mkdir(parents=True)
    with duckdb.connect(str(path)) as connection:
        for key, frame in tables.items():
            schema, name = key.split("__")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            connection.register("incoming", frame.to_arrow())
            connection.execute(f'CREATE TABLE {schema}."{name}" AS SELECT * FROM incoming')
            connection.unregister("incoming")
    return home


def contents() -> dict[str, pl.DataFrame]:
    """The parts of a published file that are read, of 123 counties."""
    ids = pl.DataFrame({"geo_id": COUNTIES}).with_columns(geo_level=pl.lit("county"))
    counts = pl.Series([float(round(20_000 / (at + 1) ** 0.9)) for at in range(123)])
    named = ids.with_columns(geo_name=pl.format("Simulated {}", "geo_id"), index_id=pl.lit("priority"))
    return {
        "decision__populations": ids.with_columns(
            population_id=pl.lit("low_income_youth_5_17"), count=counts, count_lower=counts * 0.7,
            count_upper=counts * 1.3, status=pl.lit("ok"), reason=pl.lit(None, dtype=pl.String),
            period=pl.lit("2023"), vintage=pl.lit("2023"),
        ),
        "risk__scores": named,
        "risk__drivers": named.with_columns(
            indicator_id=pl.lit("unknown_share"), difference=pl.lit(3.25), driver_rank=pl.lit(1)
        ),
        "meta__releases": pl.DataFrame({"release": [1, 2], "is_simulated": [True, True]}),
    }  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("allocate") / "home", **contents())


@pytest.fixture(scope="module")
def outcome(home: Path) -> Outcome:
    return run(home, ASKED)


def test_the_tables_that_are_read_are_those_that_are_published():
    assert {key.replace(".", "__") for key in (POPULATIONS, DRIVERS)} <= set(contents())


def test_the_example_of_the_issue_is_met_to_the_cent(outcome):
    awards = outcome.frame["award_usd"]
    assert outcome.frame.height == 123
    assert round(awards.sum() * 100) == 1_500_000_00
    assert awards.filter(awards > 0).min() >= 50_000
    assert awards.max() <= 300_000
    assert outcome.found.n_funded == (awards > 0).sum() <= 30
    assert awards.is_sorted(descending=True)
    assert outcome.release == 2
    assert outcome.frame["drivers"][0] == "unknown_share (+3.2)"


def test_two_calls_say_the_same(home, outcome):
    assert run(home, ASKED).frame.equals(outcome.frame)


def test_the_csv_carries_every_column_the_citation_and_the_non_uses(outcome, tmp_path):
    path = tmp_path / "new" / "out.csv"
    write_csv(outcome, path)
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert list(rows[0]) == [*TABLE.column_names, "release", "citation", "limits"]
    assert {row["limits"] for row in rows} == {NON_USES}
    assert rows[0]["geo_id"] == "97001"
    assert sum(round(float(row["award_usd"]) * 100) for row in rows) == 1_500_000_00


def test_a_csv_that_cannot_be_written_is_said_by_name(outcome, tmp_path):
    with pytest.raises(FileError, match="is a folder: name a file"):
        write_csv(outcome, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        write_csv(outcome, tmp_path / "file" / "out.csv")


def test_the_json_is_whole(outcome):
    found = json.loads(outcome.as_json())
    assert found["limits"] == NON_USES
    assert found["rule_id"] == "need"
    assert found["budget_usd"] == 1_500_000
    assert found["is_simulated"] is True
    assert len(found["awards"]) == 123
    assert found["regret_count"] == pytest.approx(sum(row["regret_count"] for row in found["awards"]))


def test_the_table_for_people_shows_the_awards_their_intervals_and_the_non_uses(outcome):
    console = Console(width=140, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(as_table(outcome))
    shown = " ".join(capture.get().split())
    assert shown.startswith("SIMULATED DATA, NO REAL PLACE: $1,500,000 by the rule need")
    assert "97001" in shown
    assert "[14,000 to 26,000]" in shown
    assert "must not be used for policing" in shown
    assert "97245" not in shown, "who gets nothing is only counted"


# --- hold harmless -------------------------------------------------------------------------------------------------


def test_least_amounts_of_a_file_are_met(home, tmp_path):
    path = tmp_path / "hold.csv"
    path.write_text("geo_id,amount\n97245,60000\n97001,299999.99\n", encoding="utf-8")
    frame = run(home, ASKED, path).frame
    held = dict(frame.select("geo_id", "award_usd").iter_rows())
    assert held["97245"] == 60_000
    assert held["97001"] >= 299_999.99
    assert round(frame["award_usd"].sum() * 100) == 1_500_000_00
    assert dict(frame.select("geo_id", "hold_harmless_usd").iter_rows())["97245"] == 60_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("county,amount\n97001,1\n", "hold.csv: has no column geo_id; it must have geo_id and amount, and has county"),
        ("geo_id,amount\n97001,1\n29510,1\n", "hold.csv: row 3: 29510 is no county of the region"),
        ("geo_id,amount\n97001,1\n97001,2\n", "hold.csv: row 3: 97001 stands already in an earlier row"),
        ("geo_id,amount\n97001,many\n", "hold.csv: row 2: an amount must be an amount of dollars"),
        ("geo_id,amount\n97001,-5\n", "hold.csv: row 2: an amount must be a finite amount of zero or more"),
        ("geo_id,amount\n97001,1.005\n", "hold.csv: row 2: an amount must be in whole cents"),
        ("geo_id,amount\n,5\n", "hold.csv: row 2: an empty geo_id is no county of the region"),
        ("geo_id,amount\n97001\n", "hold.csv: row 2"),
        ("", "hold.csv: is empty"),
    ],
)
def test_a_file_of_least_amounts_that_is_wrong_is_refused_with_its_row(tmp_path, text, says):
    path = tmp_path / "hold.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError, match=says):
        read_hold_harmless(path, set(COUNTIES))


def test_an_id_that_lost_its_zero_is_told_so(tmp_path):
    path = tmp_path / "hold.csv"
    path.write_text("geo_id,amount\n1001,5\n", encoding="utf-8")
    with pytest.raises(FileError, match="row 2: 1001 is no county of the region: write five digits"):
        read_hold_harmless(path, {"01001"})


def test_least_amounts_beyond_the_budget_are_refused(home, tmp_path):
    path = tmp_path / "hold.csv"
    path.write_text("geo_id,amount\n" + "".join(f"{area},299000\n" for area in COUNTIES[:6]), encoding="utf-8")
    with pytest.raises(AwardError, match=r"hold-harmless amounts sum to \$1,794,000, the budget is \$1,500,000"):
        run(home, ASKED, path)


# --- what is not there ---------------------------------------------------------------------------------------------


def test_a_rule_whose_table_is_not_published_is_refused(home):
    with pytest.raises(RuleError, match=r"core\.census_pep_county_age_sex"):
        run(home, request(1_500_000, rule="title_i"))
    assert AGES == "core.census_pep_county_age_sex"


def test_an_older_release_without_populations_is_told_so(tmp_path):
    parts = contents()
    del parts["decision__populations"], parts["risk__drivers"]
    with pytest.raises(RuleError, match=r"\(decision.populations\), and there is none"):
        run(build(tmp_path / "home", **parts), ASKED)


def test_without_a_published_file_nothing_is_divided(tmp_path):
    with pytest.raises(NotPublishedError, match="run `headwaters run` first"):
        run(tmp_path, ASKED)
