"""Keep suppressed graduation rates hidden: with cohorts and bands of everybody else, some could be computed.

The publisher prints the cohort of every race, and suppresses the rate of those with at most five students. The races of
a school add up to all of its students: where the bands are narrow, what is left for a suppressed race is one number of
graduates. There the rates of all races are withheld; the rate of all students stays.
"""

import polars as pl

RACES = ("american_indian", "asian_pacific", "asian", "pacific", "black", "hispanic", "multiracial", "white")
_ROUNDING = 0.005  # rates are rounded to whole percentages
_EPSILON = 1e-9


def withhold(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """The same rows, with the rates of all races suppressed where a suppressed one among them could be computed.

    Args:
        frame: rows of one school year with `key`, `subgroup`, `cohort_count` and `graduation_share` with its bounds.
        key: the column that names the school or district.
    """
    size, kind = pl.col("cohort_count"), pl.col("graduation_share_kind")
    # The narrowest reading of a band: whoever knows how the publisher rounds knows no more than this.
    least = (pl.col("graduation_share_lower") * size - _EPSILON).ceil().fill_null(0)
    most = ((pl.col("graduation_share_upper") + _ROUNDING) * size + _EPSILON).floor().fill_null(size)
    bounded = frame.select(key, "subgroup", kind, size=size, least=least, most=pl.min_horizontal(most, size))
    races = bounded.filter(pl.col("subgroup").is_in(RACES))
    everyone = bounded.filter(pl.col("subgroup") == "all").select(
        key, whole="size", least_of_all="least", most_of_all="most"
    )
    sums = races.group_by(key).agg(
        pl.col("size").sum().alias("sizes"), pl.col("least").sum().alias("leasts"), pl.col("most").sum().alias("mosts")
    )
    hidden = (
        races.filter(kind == "suppressed")
        .join(sums, on=key)
        .join(everyone, on=key)
        .filter(pl.col("sizes") == pl.col("whole"))
    )
    fewest = pl.max_horizontal(pl.lit(0.0), pl.col("least_of_all") - (pl.col("mosts") - pl.col("most")))
    largest = pl.min_horizontal("size", pl.col("most_of_all") - (pl.col("leasts") - pl.col("least")))
    given_away = hidden.filter(fewest >= largest)[key].unique()
    is_withheld = pl.col(key).is_in(given_away.implode()) & pl.col("subgroup").is_in(RACES)
    figures = ("graduation_share", "graduation_share_lower", "graduation_share_upper")
    return frame.with_columns(
        *(pl.when(~is_withheld).then(pl.col(name)).alias(name) for name in figures),
        pl.when(is_withheld).then(pl.lit("suppressed")).otherwise(kind).alias("graduation_share_kind"),
    )
