"""`headwaters index` with the preset `svi` on CDC's own county files."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from models.engine.svi import REVERSED_2018, THEMES_2018, THEMES_2020, svi
from pipelines.cli import app

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
DESIGNS = {"2018": (THEMES_2018, REVERSED_2018, 1), "2020": (THEMES_2020, (), 0)}


def path_of(real_data: Path, year: str) -> Path:
    return real_data / "cdc_svi" / year / f"SVI_{year}_US_county_inputs.csv"


def call(table: Path, year: str, output: Path, *options: str) -> pl.DataFrame:
    result = CliRunner().invoke(
        app, ["index", str(EXAMPLES / f"svi-{year}.yaml"), str(table), "-o", str(output), *options]
    )
    assert result.exit_code == 0, result.output
    return pl.read_csv(output, schema_overrides={"id": pl.String}, infer_schema_length=None)


@pytest.mark.parametrize("year", ["2018", "2020"])
def test_every_county_has_cdcs_figures(year, real_data, tmp_path):
    themes, turned, n_lost = DESIGNS[year]
    source = path_of(real_data, year)
    written = call(source, year, tmp_path / "out.csv")
    inputs = pl.read_csv(source, schema_overrides={"FIPS": pl.String})
    assert written["id"].to_list() == inputs["FIPS"].to_list()
    assert written["name"].to_list() == inputs["LOCATION"].to_list()
    expected = svi(inputs, themes, reversed=turned)
    assert written.select(expected.columns).equals(expected)
    assert written["RPL_THEMES"].null_count() == n_lost


@pytest.mark.parametrize("year", ["2018", "2020"])
def test_with_draws_the_published_ranks_stand_beside_how_sure_they_are(year, real_data, tmp_path):
    source = path_of(real_data, year)
    lines = source.read_text(encoding="utf-8").splitlines()
    missouri = tmp_path / "missouri.csv"
    at = lines[0].split(",").index("FIPS")
    rows = [line for line in lines[1:] if line.split(",")[at].startswith("29")]
    missouri.write_text("\n".join([lines[0], *rows]) + "\n", encoding="utf-8")
    plain = call(missouri, year, tmp_path / "plain.csv")
    drawn = call(missouri, year, tmp_path / "drawn.csv", "--draws", "400")
    assert drawn.height == 115
    assert drawn.select(plain.columns[:-1]).equals(plain.select(plain.columns[:-1]))
    assert drawn["n_ranked"].unique().to_list() == [115]
    assert drawn["p_top_10"].sum() == pytest.approx(10, abs=0.05)
    # Ranks of counties are far from exact: the middle half spans tens of places.
    width = drawn["rank_p95"] - drawn["rank_p05"]
    assert 10 < width.median() < 70
    order = drawn.select(pl.corr("RPL_THEMES", "RPL_THEMES_mean", method="spearman")).item()
    assert order > 0.95
