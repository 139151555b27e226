"""Homelessness as Continuums of Care know it: counts of one night and beds, never divided among counties."""

import polars as pl

from models.engine.margins import Z90
from models.indicators.indicator import AbsentError, Indicator, Inputs, framed, indicator

PIT, HIC = "core.hud_pit_coc", "core.hud_hic_coc"
YOUTH = ("Homeless Unaccompanied Youth (Under 25)", "Homeless Parenting Youth (Under 25)")
"""HUD's measures; since 2019 they begin with `Overall`."""
BEDS = ("Dedicated Youth Beds (ES, TH, SH)", *(f"Dedicated Youth Beds ({kind})" for kind in ("RRH", "PSH", "OPH")))
"""Dedicated youth beds by kind of project: emergency shelter, transitional housing and safe haven in one column."""
WAIVED = "2021"
"""The year in which most places did not count unsheltered people."""
N_YEARS, WINDOW, MIN_YEARS = 3, 5, 2
"""Years in a mean, the span that they may come from, and the fewest that make one."""

_AHAR = "US Department of Housing and Urban Development, Annual Homelessness Assessment Report, Part 1."
_PIT_FILE = "hud_pit/2025/2007-2025-PIT-Counts-by-CoC.xlsb"
_HIC_FILE = "hud_hic/2025/2007-2025-HIC-Counts-by-CoC.xlsx"


def _newest(table: pl.DataFrame, keys: tuple[str, ...] = ("geo_id", "period", "measure")) -> pl.DataFrame:
    """Each figure once: workbooks repeat earlier years, and the newest one holds the corrections."""
    return table.sort("vintage").unique(keys, keep="last").sort(keys)


@indicator(
    id="homeless_people_count",
    title="People homeless on one night",
    topic="context",
    definition="People counted as homeless on one night in January, sheltered and unsheltered.",
    universe="People in the Continuum of Care's area.",
    numerator="HUD PIT Overall Homeless",
    direction=0,
    unit="count",
    error="none",
    native_level="coc",
    tables=(PIT,),
    reference=_AHAR,
    bias="A count on one night misses those who are hidden or doubled up; in 2021 most places counted shelters only.",
)
def homeless_people_count(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Known only for a whole Continuum of Care, so it ranks no county inside one."""
    pit = tables[PIT].filter(pl.col("measure") == "Overall Homeless")
    if pit.is_empty():
        raise AbsentError("no Point-in-Time workbook by CoC was landed", _PIT_FILE)
    rows = _newest(pit).select(
        "geo_id",
        "period",
        "vintage",
        "snapshot_sha256",
        source_period=pl.col("period"),
        value=pl.col("count"),
        note=pl.lit("a count on one night; its error is not published"),
    )
    return framed(rows, "coc")


def young_people(pit: pl.DataFrame) -> pl.DataFrame:
    """Unaccompanied and parenting people under 25 by CoC and year, of years in which both parts were counted.

    Args:
        pit: rows of core.hud_pit_coc.

    Returns:
        geo_id, period, vintage, snapshot_sha256, count: nothing for 2021, for a year in which a CoC counted
        sheltered people only, and where either part is missing.
    """
    named = pit.with_columns(measure=pl.col("measure").str.strip_prefix("Overall "))
    whole = ~pl.col("count_type").str.contains(r"(?i)^sheltered.only").fill_null(False)
    counted = named.filter(pl.col("measure").is_in(YOUTH) & whole & (pl.col("period") != WAIVED))
    return (
        _newest(counted)
        .drop_nulls("count")
        .group_by("geo_id", "period")
        .agg(pl.col("vintage").max(), pl.col("snapshot_sha256").max(), pl.sum("count"), n=pl.len())
        .filter(pl.col("n") == len(YOUTH))
        .drop("n")
        .sort("geo_id", "period")
    )


def _mean_of_years(years: pl.DataFrame) -> pl.DataFrame:
    """The mean of the newest years up to each year that has at least one, with its error.

    Returns:
        geo_id, period (the last year), source_period, vintage, snapshot_sha256, value, se, n, listed.
    """
    numbered = years.with_columns(year=pl.col("period").cast(pl.Int64))
    ends = numbered.select("geo_id", end="year", period="period")
    return (
        ends.join(numbered.drop("period"), on="geo_id")
        .filter((pl.col("year") <= pl.col("end")) & (pl.col("year") > pl.col("end") - WINDOW))
        .sort("geo_id", "end", "year")
        .group_by("geo_id", "period", maintain_order=True)
        .tail(N_YEARS)
        .group_by("geo_id", "period", maintain_order=True)
        .agg(
            pl.col("vintage").max(),
            pl.col("snapshot_sha256").max(),
            value=pl.mean("count"),
            n=pl.len(),
            # Chance of a count alone, or the spread between the years where that is greater.
            se=pl.max_horizontal(pl.sum("count").sqrt() / pl.len(), (pl.col("count").std() / pl.len().sqrt())),
            listed=pl.col("year").cast(pl.String).str.join(", "),
            source_period=pl.format("{}-{}", pl.col("year").min(), pl.col("year").max()),
        )
    )


def _young(pit: pl.DataFrame) -> pl.DataFrame:
    years = young_people(pit)
    if years.is_empty():
        raise AbsentError("no Point-in-Time workbook with young people by CoC was landed", _PIT_FILE)
    return _mean_of_years(years)


@indicator(
    id="homeless_under_25_count",
    title="Young people homeless on one night",
    topic="context",
    definition="People under 25 who are homeless without an adult over 24, alone or as parents, on one night in "
    "January: mean of up to three years out of five.",
    universe="People in the Continuum of Care's area.",
    numerator="HUD PIT Homeless Unaccompanied Youth (Under 25) and Homeless Parenting Youth (Under 25)",
    direction=0,
    unit="count",
    error="declared",
    native_level="coc",
    tables=(PIT,),
    reference=_AHAR,
    bias="One night finds few of the young people whom a year finds; children in families are not among them. 2021 and "
    "years in which a CoC counted shelters only are left out. HUD takes 2017 as the first full count of young people. "
    "The interval is of chance and of the swing between years, and holds nothing of the undercount.",
)
def homeless_under_25_count(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """A mean of years: a single night swings. Fewer than two years make no mean. Ranks no county inside a CoC."""
    found = _young(tables[PIT])
    enough = pl.col("n") >= MIN_YEARS
    return framed(
        found.with_columns(
            value=pl.when(enough).then("value"),
            se=pl.when(enough).then("se"),
            note=pl.when(enough)
            .then(pl.format("mean of {}", "listed"))
            .otherwise(pl.format("only {} was counted in full: no mean of one year", "listed")),
        ),
        "coc",
    )


def youth_beds(hic: pl.DataFrame) -> pl.DataFrame:
    """Dedicated youth beds by CoC and year: geo_id, period, vintage, snapshot_sha256, beds; null with a part missing.

    Args:
        hic: rows of core.hud_hic_coc.
    """
    held = _newest(hic.filter(pl.col("measure").is_in(BEDS)))
    by = held.group_by("geo_id", "period", maintain_order=True)
    return by.agg(
        pl.col("vintage").max(),
        pl.col("snapshot_sha256").max(),
        beds=pl.when(pl.col("count").count() == len(BEDS)).then(pl.sum("count")),
    )


def _beds(hic: pl.DataFrame) -> pl.DataFrame:
    beds = youth_beds(hic)
    if beds.is_empty():
        raise AbsentError("no Housing Inventory workbook by CoC with youth beds was landed", _HIC_FILE)
    return beds


@indicator(
    id="youth_beds_count",
    title="Beds for young people",
    topic="context",
    definition="Beds dedicated to young people under 25 in shelters, transitional, rapid and permanent housing.",
    universe="Projects in the Continuum of Care's area on one night in January.",
    numerator="HUD HIC Dedicated Youth Beds of all project types",
    direction=0,
    unit="count",
    error="none",
    native_level="coc",
    tables=(HIC,),
    reference="US Department of Housing and Urban Development, Housing Inventory Count.",
    bias="Beds as projects report them; beds open to all ages are not among them, nor beds outside the inventory.",
)
def youth_beds_count(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Supply, not need: it enters no index."""
    rows = _beds(tables[HIC]).with_columns(
        source_period=pl.col("period"),
        value=pl.col("beds"),
        note=pl.when(pl.col("beds").is_null())
        .then(pl.lit("the inventory lacks a kind of project"))
        .otherwise(pl.lit("an inventory of the CoC's own; it has no sampling error")),
    )
    return framed(rows, "coc")


@indicator(
    id="youth_beds_ratio",
    title="Youth beds for each young person homeless on one night",
    topic="context",
    definition="Dedicated youth beds over people under 25 homeless without an older adult (mean of up to three years).",
    universe="The Continuum of Care's area.",
    numerator="HUD HIC Dedicated Youth Beds of all project types",
    denominator="HUD PIT Homeless Unaccompanied Youth (Under 25) and Homeless Parenting Youth (Under 25)",
    direction=0,
    unit="ratio",
    error="declared",
    native_level="coc",
    tables=(HIC, PIT),
    reference=_AHAR,
    bias="Those who sleep in a dedicated shelter bed are counted on both sides, and young people in permanent or rapid "
    "housing on neither: read it beside both counts.",
)
def youth_beds_ratio(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Beds of a year beside the count of the same year or of one of the two before it."""
    beds = _beds(tables[HIC]).drop_nulls("beds").with_columns(year=pl.col("period").cast(pl.Int64)).sort("year")
    need = (
        _young(tables[PIT])
        .filter((pl.col("n") >= MIN_YEARS) & (pl.col("value") > 0))
        .select("geo_id", "se", "listed", need="value", of="snapshot_sha256", year=pl.col("period").cast(pl.Int64))
        .sort("year")
    )
    both = beds.join_asof(
        need, on="year", by="geo_id", strategy="backward", tolerance=2, coalesce=True, check_sortedness=False
    ).drop_nulls("need")
    if both.is_empty():
        raise AbsentError(
            "no count of young people is of the years of the bed inventory or of the two before them", _PIT_FILE
        )
    # What is uncertain is the need below the line, so that the interval follows from its ends.
    low, high = pl.col("need") - Z90 * pl.col("se"), pl.col("need") + Z90 * pl.col("se")
    return framed(
        both.select(
            "geo_id",
            "period",
            "vintage",
            source_period=pl.col("period"),
            value=pl.col("beds") / pl.col("need"),
            value_lower=pl.col("beds") / high,
            # With a need that may be none there is no upper end: then there is no interval.
            value_upper=pl.when(low > 0).then(pl.col("beds") / low),
            note=pl.format("young people: mean of {}", "listed"),
            snapshot_sha256=pl.concat_str("snapshot_sha256", "of", separator=","),
        ),
        "coc",
    )
