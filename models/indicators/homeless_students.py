"""Homeless pupils: how many a county's schools identify, and how well they look."""

import polars as pl

from models.indicators.indicator import AbsentError, Indicator, Inputs, framed, indicator

PUPILS, POOR = "core.ed_homeless_students_county", "core.census_saipe_county"

OVERCOUNT = 0.05
"""What the identified number may be too high: a pupil who moves between districts of a county is counted in each."""
MISSED = 0.25
"""What may be missed anywhere, as a share of those identified: about 300,000 beside 1.4 million in 2018-19."""
MISSED_WHERE_FEW = 1.0
"""What may be missed where fewer pupils are identified for each poor pupil than in nine tenths of counties."""
FEW = 0.10
"""The share of counties, among those that report, whose identification counts as weak."""
SAME_YEARS = 2
"""Years by which the count of poor pupils may be away from the school year."""

_FILE = "ed_homeless_students/2022/homelessness_2019-2022_county.csv"
_MISSING = "no homeless pupil was identified or reported, or fewer than are shown: missing, not zero"
_WEAK = "few pupils are identified for each poor pupil (lowest tenth of counties): the schools may not look"
_MCKINNEY = (
    "Homeless young people are the group with the strongest evidence: of 911 in 13 cities 19 % had been trafficked "
    "(Covenant House, Loyola and Penn 2017, St. Louis among the cities)."
)
_UNDERCOUNT = (
    "Center for Public Integrity 2022, Unhoused and Undercounted: against one in twenty pupils eligible for free or "
    "reduced-price lunch about 300,000 homeless pupils were not identified in 2018-19."
)


def identified(pupils: pl.DataFrame, poor: pl.DataFrame) -> pl.DataFrame:
    """Homeless pupils of each county and school year beside its pupils and its poor pupils.

    Args:
        pupils: rows of core.ed_homeless_students_county.
        poor: rows of core.census_saipe_county.

    Returns:
        One row a county and school year, of the newest vintage: geo_id, period (its last year), source_period, vintage,
        snapshot_sha256, grade (1 to 3, the publisher's); count with count_lower and count_upper (bounds are
        suppression), null where nobody was identified; pupils enrolled; poor with poor_lower and poor_upper (related
        children of 5 to 17 in poverty), of the nearest year, with of (the file); ratio (identified for each poor
        pupil) and is_weak (below the tenth percentile of its year, null without a ratio).
    """
    at_least_one = pl.col("count_published") > 0
    read = (
        pupils.sort("vintage")
        .unique(["geo_id", "period"], keep="last")
        .select(
            "geo_id",
            "vintage",
            "snapshot_sha256",
            year=pl.col("period").str.tail(4).cast(pl.Int64),
            source_period="period",
            grade=pl.col("count_quality").cast(pl.Int8),
            count=pl.when(at_least_one).then("count_published"),
            count_lower=pl.when(at_least_one).then("count_lower"),
            count_upper=pl.when(at_least_one).then("count_upper"),
            # The publisher gives the share and not the enrolment that it is of.
            pupils=pl.when(at_least_one & (pl.col("share_published") > 0)).then(
                pl.col("count_published") / pl.col("share_published")
            ),
        )
        .sort("year", "geo_id")
    )
    related = "poverty_5_17_related_count"
    needy = (
        poor.sort("vintage")
        .unique(["geo_id", "period"], keep="last")
        .select(
            "geo_id",
            year=pl.col("period").cast(pl.Int64),
            poor=related,
            poor_lower=f"{related}_lower",
            poor_upper=f"{related}_upper",
            of="snapshot_sha256",
        )
        .sort("year", "geo_id")
    )
    both = read.join_asof(
        needy, on="year", by="geo_id", strategy="nearest", tolerance=SAME_YEARS, check_sortedness=False
    )
    ratio = pl.when(pl.col("poor") > 0).then(pl.col("count") / pl.col("poor"))
    return both.with_columns(ratio=ratio, period=pl.col("year").cast(pl.String)).with_columns(
        is_weak=pl.col("ratio") < pl.col("ratio").quantile(FEW, "linear").over("period")
    )


def _found(tables: Inputs) -> pl.DataFrame:
    if tables[PUPILS].is_empty():
        raise AbsentError("no file of homeless pupils by county was landed", _FILE)
    return identified(tables[PUPILS], tables[POOR])


def _notes(*others: pl.Expr) -> pl.Expr:
    """The notes that apply, in one text; why there is no value where there is none."""
    said = pl.concat_str(*others, separator="; ", ignore_nulls=True)
    return pl.when(pl.col("count").is_null()).then(pl.lit(_MISSING)).when(said != "").then(said)


def _suppressed() -> pl.Expr:
    wide = pl.col("count_upper") > pl.col("count_lower")
    return pl.when(wide).then(
        pl.format(
            "{} to {} identified: some districts are suppressed",
            pl.col("count_lower").cast(pl.Int64),
            pl.col("count_upper").cast(pl.Int64),
        )
    )


def _quality() -> pl.Expr:
    """The publisher's grade; 3 where identification is weak."""
    return pl.max_horizontal("grade", pl.when(pl.col("is_weak")).then(pl.lit(3, pl.Int8)))


@indicator(
    id="homeless_students_share",
    title="Homeless pupils",
    topic="homelessness",
    definition="Pupils identified as homeless at some time of the school year over pupils enrolled.",
    universe="Public-school pupils of the districts whose office lies in the county.",
    numerator="ed_homeless_students_county count (EDFacts FS118, summed by the Urban Institute)",
    denominator="enrolment behind its share_published",
    direction=+1,
    unit="share",
    error="declared",
    tables=(PUPILS, POOR),
    reference=f"{_MCKINNEY} {_UNDERCOUNT}",
    bias="Counts what liaisons find: rural districts find too few, and Missouri's rise follows better identification; "
    "Illinois reported in part until 2016-17. The interval is declared, not estimated: from the lower bound of the "
    f"suppressed figures less {OVERCOUNT:.0%} to the upper bound and {MISSED:.0%} more, and {MISSED_WHERE_FEW:.0%} "
    "more where few pupils are identified for each poor pupil. A zero or no report is missing.",
)
def homeless_students_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """What is published is the value; the undercount widens the upper side and moves nothing by itself."""
    factor = 1 + pl.when(pl.col("is_weak").fill_null(False)).then(MISSED_WHERE_FEW).otherwise(MISSED)
    rows = _found(tables).with_columns(
        value=pl.col("count") / pl.col("pupils"),
        value_lower=pl.col("count_lower") * (1 - OVERCOUNT) / pl.col("pupils"),
        value_upper=(pl.col("count_upper") * factor / pl.col("pupils")).clip(upper_bound=1),
        note=_notes(_suppressed(), pl.when(pl.col("is_weak")).then(pl.lit(_WEAK))),
        quality=_quality(),
    )
    return framed(rows)


@indicator(
    id="identified_pupils_ratio",
    title="Homeless pupils identified for each poor pupil",
    topic="context",
    definition="Pupils identified as homeless at some time of the school year over related children of 5 to 17 in "
    "families in poverty.",
    universe="The county; districts of the numerator are those whose office lies in it.",
    numerator="ed_homeless_students_county count",
    denominator="census_saipe_county poverty_5_17_related_count of the nearest year, at most two away",
    direction=0,
    unit="ratio",
    error="declared",
    tables=(PUPILS, POOR),
    reference=_UNDERCOUNT,
    bias="Low where schools do not look and where housing is cheap: it does not tell the two apart. The interval is "
    "from the lowest count over the most poor pupils to the highest count over the fewest, wider than 90 %.",
)
def identified_pupils_ratio(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """How well schools look: quality 3 below the tenth percentile of the counties that report."""
    rows = (
        _found(tables)
        .filter(pl.col("poor").is_not_null())
        .with_columns(
            value=pl.col("ratio"),
            value_lower=pl.when(pl.col("poor_upper") > 0).then(pl.col("count_lower") / pl.col("poor_upper")),
            value_upper=pl.when(pl.col("poor_lower") > 0).then(pl.col("count_upper") / pl.col("poor_lower")),
            note=_notes(_suppressed(), pl.when(pl.col("is_weak")).then(pl.lit(_WEAK))),
            quality=_quality(),
            snapshot_sha256=pl.concat_str("snapshot_sha256", "of", separator=","),
        )
    )
    if rows.is_empty():
        raise AbsentError(
            f"no count of poor pupils is within {SAME_YEARS} years of the homeless pupils",
            "census_saipe/2023/est23all.xls",
        )
    return framed(rows)
