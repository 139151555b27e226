"""The schools that serve a county: who graduates, and what pupils learn."""

from zlib import crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine.defaults import SEED
from models.engine.margins import Z90
from models.indicators.indicator import AbsentError, Indicator, Inputs, framed, indicator

ACGR, CROSSWALK, SEDA = "core.ed_acgr_district", "geography.crosswalk", "core.seda_county"
DISTRICT_COUNTY = "district_county"
N_DRAWS = 400
ENOUGH_COHORT = 0.5
"""The share of a county's cohort whose districts are known that a rate needs."""
MOST_OF_COHORT = 0.9
"""Below this share a rate is at best usable."""
Z95 = 1.96

Array = NDArray[np.float64]

_SCHOOL = "Difficulty in school recurs as a risk factor in Franchino-Olsen 2019, 10.1177/1524838018821956."


def districts(acgr: pl.DataFrame) -> pl.DataFrame:
    """Cohorts and printed bounds of all students by district and year, of the newest vintage.

    Args:
        acgr: rows of core.ed_acgr_district.

    Returns:
        geo_id, period (the last year), source_period, vintage, snapshot_sha256, size (null where it is not known),
        low and high (null where the rate is withheld, or where no count of the cohort gives the printed rate), reason.
    """
    from models.engine.censored import counts_within

    newest = (
        acgr.filter(pl.col("subgroup") == "all")
        .sort("vintage")
        .unique(["geo_id", "period"], keep="last")
        .sort("period", "geo_id")
    )
    read = newest.select(
        "geo_id",
        "vintage",
        "snapshot_sha256",
        period=pl.col("period").str.tail(4),
        source_period=pl.col("period"),
        size=pl.when(pl.col("cohort_count") > 0).then("cohort_count"),
        low="graduation_share_lower",
        high="graduation_share_upper",
    )
    low, high, size = (read[name].cast(pl.Float64).to_numpy().astype(float) for name in ("low", "high", "size"))
    first, last = counts_within(low, high, np.where(np.isnan(size), 1e6, size))
    impossible = pl.Series(first > last)
    return read.with_columns(
        low=pl.when(~impossible).then("low"),
        high=pl.when(~impossible).then("high"),
        reason=pl.when(impossible)
        .then(pl.lit("no number of graduates of the cohort gives the printed rate"))
        .when(pl.col("low").is_null())
        .then(pl.lit("the rate is withheld")),
    )


def drawn_rates(found: pl.DataFrame, period: str, n_draws: int = N_DRAWS) -> Array:
    """Draws of the graduation rates of one year's districts within their printed bounds.

    From a beta-binomial distribution of each state's districts, truncated to the bounds (`models.engine.censored`);
    never uniform: most districts that print `>=50%` graduate nine in ten.

    Args:
        found: rows of `districts` of one period.

    Returns:
        (n_draws, districts), NaN where a rate is withheld.
    """
    from models.engine.censored import Censored

    low, high, size = (found[name].cast(pl.Float64).to_numpy().astype(float) for name in ("low", "high", "size"))
    states = found["geo_id"].str.head(2).to_numpy()
    rates = Censored("graduation_share", low, high, np.where(np.isnan(low), np.nan, size), groups=states)
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([SEED, crc32(period.encode())])))
    return np.asarray(rates.draw(0, n_draws, generator)[0], dtype=np.float64)


def _summary(draws: Array) -> dict[str, Array]:
    """Median, 90 % bounds and spread of draws (n_draws, n); NaN where there are none."""
    out = np.full((4, draws.shape[1]), np.nan)
    known = ~np.isnan(draws).any(axis=0)
    if known.any():
        out[:3, known] = np.quantile(draws[:, known], [0.5, 0.05, 0.95], axis=0)
        out[3, known] = draws[:, known].std(axis=0, ddof=1)
    return dict(zip(("value", "value_lower", "value_upper", "se"), out, strict=True))


def _columns(draws: Array) -> list[pl.Series]:
    return [pl.Series(name, values).fill_nan(None) for name, values in _summary(draws).items()]


def county_weights(crosswalk: pl.DataFrame) -> pl.DataFrame:
    """Parts of districts by county, without elementary districts, which graduate nobody.

    Args:
        crosswalk: rows of geography.crosswalk; charter schools stand in it under the county of their host.

    Returns:
        from_id, to_id, weight, weight_se of the newest vintage.
    """
    ours = crosswalk.filter(pl.col("crosswalk_id") == DISTRICT_COUNTY)
    return ours.filter(
        (pl.col("vintage") == ours["vintage"].max()) & (pl.col("from_layer").fill_null("") != "elementary")
    ).select("from_id", "to_id", "weight", "weight_se")


def county_rates(found: pl.DataFrame, draws: Array, weights: pl.DataFrame) -> pl.DataFrame:
    """Graduation rates by county: graduates and cohorts of the parts of districts, each summed and then divided.

    Args:
        found: rows of `districts` of one period.
        draws: (n_draws, districts) of `drawn_rates`.
        weights: of `county_weights`.

    Returns:
        geo_id, value (median), value_lower, value_upper, se, known_share (of the cohort, by districts that are not
        withheld), n_districts, n_withheld; draws hold the error of the weights as well. Null where less than
        ENOUGH_COHORT of the cohort is known.
    """
    parts = (
        found.with_row_index("row")
        .select("row", "size", from_id="geo_id", is_known=pl.col("low").is_not_null())
        .drop_nulls("size")
        .join(weights, on="from_id")
        .with_columns(cohort=pl.col("weight") * pl.col("size"))
        .sort("to_id", "row")
    )
    known = parts.filter("is_known")
    counties = parts["to_id"].unique().sort()
    at = known["to_id"].replace_strict(counties, pl.int_range(counties.len(), eager=True)).to_numpy()
    row, cohort = known["row"].to_numpy(), known["cohort"].to_numpy()
    # One indicator matrix of parts by county would be large; a running sum by county is not.
    order = np.flatnonzero(np.diff(at, prepend=-1))
    present = at[order]
    graduates = np.add.reduceat(draws[:, row] * cohort, order, axis=1) if order.size else np.empty((len(draws), 0))
    sizes = np.add.reduceat(cohort, order) if order.size else np.empty(0)
    rates = graduates / sizes
    # A part that is larger or smaller than its weight moves the rate by how far the district is from its county.
    mean = np.repeat(rates.mean(axis=0), np.diff(np.append(order, at.size)))
    moved = known["weight_se"].to_numpy() * known["size"].to_numpy() * (draws[:, row].mean(axis=0) - mean)
    spread = np.sqrt(np.add.reduceat(moved**2, order)) / sizes if order.size else np.empty(0)
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([SEED, crc32(b"district_county")])))
    rates = np.clip(rates + spread * generator.standard_normal(rates.shape), 0, 1)
    figures = pl.DataFrame([counties.gather(present).rename("geo_id"), *_columns(rates)])
    about = parts.group_by(geo_id="to_id").agg(
        known_share=pl.col("cohort").filter("is_known").sum() / pl.sum("cohort"),
        n_districts=pl.len(),
        n_withheld=(~pl.col("is_known")).sum(),
    )
    enough = pl.col("known_share") >= ENOUGH_COHORT
    values = ("value", "value_lower", "value_upper", "se")
    return (
        about.join(figures, on="geo_id", how="left")
        .with_columns(*[pl.when(enough).then(name).alias(name) for name in values])
        .sort("geo_id")
    )


def _county_rows(found: pl.DataFrame, draws: Array, weights: pl.DataFrame) -> pl.DataFrame:
    files = found.select(
        "period", "source_period", "vintage", pl.col("snapshot_sha256").unique().sort().str.join(",")
    ).head(1)
    percent = (100 * pl.col("known_share")).round(0).cast(pl.Int64)
    note = (
        pl.when(pl.col("value").is_null())
        .then(pl.format("districts with {} % of the cohort are known: too few", percent))
        .when(pl.col("n_withheld") > 0)
        .then(pl.format("districts with {} % of the cohort are known; the others are withheld", percent))
    )
    rows = county_rates(found, draws, weights).with_columns(
        note=note, quality=pl.when(pl.col("known_share") < MOST_OF_COHORT).then(2)
    )
    return framed(rows.join(files, how="cross"))


@indicator(
    id="graduation_share",
    title="Young people who finish high school in four years",
    topic="systemic_risk",
    definition="Graduates after four years over the adjusted cohort, of the districts that serve the county.",
    universe="Pupils of the four-year adjusted cohort of public high schools.",
    numerator="ed_acgr_district graduation_share of all students, as bounds, times its cohort",
    denominator="ed_acgr_district cohort_count of all students",
    direction=-1,
    unit="share",
    error="censored",
    native_level="school_district",
    levels=("county", "school_district"),
    tables=(ACGR, CROSSWALK),
    reference=_SCHOOL,
    bias="Most rates are printed as bands: the value is the median of draws within them from the distribution of the "
    "state's districts. Districts are divided by the homes of their children (SAIPE), not by those of the cohort, and "
    "charter schools count where their host district is. Agencies of a whole state are in no county.",
)
def graduation_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Counties by crosswalk from districts, and districts as they are; withheld ones are missing."""
    found = districts(tables[ACGR])
    if found.is_empty():
        raise AbsentError("no district file of graduation rates was landed", "ed_acgr/2022/edfactsdownload.csv")
    weights = county_weights(tables[CROSSWALK])
    frames = []
    for (period,), year in found.group_by("period", maintain_order=True):
        draws = drawn_rates(year, str(period))
        frames.append(framed(year.with_columns(*_columns(draws), note="reason"), "school_district"))
        if weights.height:
            frames.append(_county_rows(year, draws, weights))
    return pl.concat(frames)


@indicator(
    id="learning_rate_score",
    title="What pupils learn in a year",
    topic="systemic_risk",
    definition="Grade levels that one cohort of pupils gained a year in English between grades 3 and 8.",
    universe="Public-school pupils in grades 3 to 8 of the county.",
    numerator="seda_county learning_rate of all students (Urban Institute, from SEDA)",
    direction=-1,
    unit="score",
    error="published_interval",
    is_modelled=True,
    tables=(SEDA,),
    reference=f"{_SCHOOL} Reardon 2019, Educational Opportunity in Early and Middle Childhood, RSF 5:40: growth says "
    "what schools add, the mean says what families bring.",
    bias="A pupil who moves leaves one county's cohort for another's. The newest year is 2017-18, before the pandemic. "
    "The publisher adds noise, and prints 95 % bounds, of which 90 % ones are made here. Pooled SEDA measures of other "
    "releases are on another scale and stay out.",
)
def learning_rate_score(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Growth rather than level; the publisher's grade stands in quality."""
    rates = (
        tables[SEDA]
        .filter((pl.col("measure") == "learning_rate") & (pl.col("subgroup") == "all"))
        .sort("vintage")
        .unique(["geo_id", "period"], keep="last")
        .sort("period", "geo_id")
    )
    if rates.is_empty():
        raise AbsentError("no learning rates by county were landed", "seda/2018/SEDA_all_county.csv")
    value, low, high = (pl.col(f"estimate{end}") for end in ("", "_lower", "_upper"))
    return framed(
        rates.with_columns(
            source_period="period",
            period=pl.col("period").str.tail(4),
            value=value,
            value_lower=value - (value - low) * Z90 / Z95,
            value_upper=value + (high - value) * Z90 / Z95,
            se=(high - low) / (2 * Z95),
            quality=pl.col("estimate_quality").cast(pl.Int8),
            note=pl.when(value.is_null()).then(pl.lit("too few tests were taken")),
        )
    )
