"""The margins of proportions that CDC publishes, out of the estimates and margins beside them, in every county.

CDC calculated some of its percentages itself and took others, with their margins, from the Census
Bureau's own tables (SVI documentation, data dictionary: S0101_C02_030, DP04_0014P, DP04_0058P). The Bureau's margins of
percentages come from replicates, which know the covariance of part and whole; the rule for proportions
comes close to them and no closer.

The counts of occupied units that CDC divided HBURD (S2503) and CROWD (DP04) by are not in the file; households are,
and an occupied unit is a household: they give every county's percentage.
"""

from pathlib import Path

import polars as pl
import pytest

from models.engine.margins import proportion_moe

COUNTIES = {"2018": 3142, "2020": 3143}
CALCULATED = {
    "AGE17": "TOTPOP",
    "MINRTY": "TOTPOP",
    "GROUPQ": "TOTPOP",
    "SNGPNT": "HH",
    "HBURD": "HH",  # from 2020 on
    "CROWD": "HH",
    "MUNIT": "HU",
}
COPIED = {"AGE65": "TOTPOP", "MOBILE": "HU", "NOVEH": "HH"}
# Counties that are more than 0.1 off, and more than one unit of the published decimal.
DIFFERING = {
    "2018": {"AGE65": (125, 120), "MOBILE": (129, 81), "NOVEH": (166, 74)},
    "2020": {"AGE65": (114, 107), "MOBILE": (147, 89), "NOVEH": (210, 104)},
}
YEARS = pytest.mark.parametrize("year", ["2018", "2020"])


@pytest.fixture(scope="session")
def inputs(real_data: Path) -> dict[str, pl.DataFrame]:
    """The county files as numbers; -999 is missing."""
    frames = {}
    for year in COUNTIES:
        text = pl.read_csv(real_data / "cdc_svi" / year / f"SVI_{year}_US_county_inputs.csv", infer_schema=False)
        numbers = [pl.col(name).cast(pl.Float64) for name in text.columns if name.startswith(("E", "M"))]
        frames[year] = text.select("FIPS", *[pl.when(number != -999).then(number) for number in numbers])
    return frames


def against_published(frame: pl.DataFrame, part: str, whole: str, *, as_rounded: bool = False) -> pl.DataFrame:
    """Margins in percentage points by county: `ours` and `published`.

    With `as_rounded` the proportion is the published one, of one decimal, as CDC took it.
    """
    x, y, mx, my = (pl.col(name) for name in (f"E_{part}", f"E_{whole}", f"M_{part}", f"M_{whole}"))
    numerator = pl.col(f"EP_{part}") / 100 * y if as_rounded else x
    return frame.select(
        "FIPS", ours=100 * proportion_moe(numerator, y, mx, my), published=pl.col(f"MP_{part}")
    ).with_columns(off=(pl.col("ours") - pl.col("published")).abs())


def pairs(frame: pl.DataFrame, columns: dict[str, str]) -> list[tuple[str, str]]:
    return [(part, whole) for part, whole in columns.items() if f"E_{part}" in frame.columns]


@YEARS
def test_every_margin_that_cdc_calculated_comes_out_in_every_county(year, inputs):
    frame = inputs[year]
    columns = pairs(frame, CALCULATED)
    assert len(columns) == {"2018": 6, "2020": 7}[year]
    for part, whole in columns:
        margins = against_published(frame, part, whole)
        assert margins["off"].count() == COUNTIES[year], part
        assert margins.filter(pl.col("off") > 0.1).is_empty(), part


@YEARS
def test_with_the_published_percentage_they_agree_to_the_published_decimal(year, inputs):
    for part, whole in pairs(inputs[year], CALCULATED):
        margins = against_published(inputs[year], part, whole, as_rounded=True)
        # Half of the last digit, and 0.0001 for margins of 2018 that are themselves cut to a decimal.
        assert margins["off"].max() <= 0.0501, part


@YEARS
def test_the_denominators_give_the_published_percentages(year, inputs):
    for part, whole in pairs(inputs[year], CALCULATED | COPIED):
        off = (100 * pl.col(f"E_{part}") / pl.col(f"E_{whole}") - pl.col(f"EP_{part}")).abs()
        assert inputs[year].select(off.max()).item() <= 0.0501, part


def test_where_the_radicand_is_negative_cdc_flipped_it_too(inputs):
    """Without the flip these nine margins would be missing."""
    flipped = {}
    for part, whole in pairs(inputs["2020"], CALCULATED):
        share = pl.col(f"E_{part}") / pl.col(f"E_{whole}")
        negative = inputs["2020"].filter(pl.col(f"M_{part}") ** 2 < (share * pl.col(f"M_{whole}")) ** 2)
        if negative.height:
            flipped[part] = negative.height
            assert against_published(negative, part, whole)["off"].max() <= 0.1, part
    assert flipped == {"AGE17": 6, "HBURD": 1, "MINRTY": 2}


@YEARS
def test_margins_copied_from_the_bureaus_tables_differ_in_so_many_counties(year, inputs):
    frame = inputs[year]
    counts = {}
    for part, whole in COPIED.items():
        margins = against_published(frame, part, whole)
        assert margins["off"].count() == COUNTIES[year]
        beyond_a_unit = (pl.col("ours").round(1) - pl.col("published")).abs() > 0.15
        counts[part] = margins.select((pl.col("off") > 0.1).sum(), beyond_a_unit.sum().alias("units")).row(0)
    assert counts == DIFFERING[year]
