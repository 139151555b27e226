"""How much more often a group is counted (in care, suspended, arrested) than its share of children says.

Disproportionality index = (share of the group among those counted) / (share of the group in the
child population); 1 is proportionate. Disparity ratio = the group's rate / the reference group's rate.
They describe conditions and the systems that count; they are no measure of a group.

Intervals are of the chance in who was counted, on the log scale, at 90 %. The population is taken as known.

Sources: Hill 2006, Synthesis of Research on Disproportionality in Child Welfare (index and ratio); National
Council of Juvenile and Family Court Judges, Disproportionality Rates for Children of Color in Foster Care;
Haldane 1956, Ann. Hum. Genet. 20:309 (one half added where a count is zero); Rothman, Greenland & Lash
2008, Modern Epidemiology, chapter 14 (intervals of ratios of rates).
"""

import polars as pl

from models.engine.margins import Z90

MIN_EXPECTED = 5.0
"""An index or ratio whose expected count is smaller than this is not given."""


def disproportionality(
    counts: pl.DataFrame, *, area: str, group: str, counted: str, population: str, reference: str
) -> pl.DataFrame:
    """Disproportionality index and disparity ratio of each group in each area, with 90 % intervals.

    Index: a / E with E = A n / N, of a counted members, n in the child population, A and N the sums over
    the area's groups. Log standard error sqrt(1/a - 1/A): a is a part of A. Where nobody or everybody
    counted is of the group, one half is added to a and to A - a.

    Ratio: (a/n) / (c/m), of c counted in a population of m in the reference group. Log standard error
    sqrt(1/a + 1/c). Where one of the two counts is zero, one half is added to both.

    Not given (null, with a reason) where the expected count is under MIN_EXPECTED: for the index, E; for
    the ratio, the smaller of the two groups' counts if both had the same rate. So small areas have none;
    add areas up to a region before comparing there.

    Args:
        counts: one row per area and group: ids `area` and `group`, numbers `counted` and `population`
            (children). The groups of an area must not overlap and must together be everybody: the sums over
            them are the totals. A count that is null (suppressed, not published) leaves its area without
            index, and the pairs that it belongs to without ratio; it is never taken as zero.
        reference: the value of `group` that ratios refer to. Its own ratio is null.

    Returns:
        The rows of `counts`, in their order, with columns added: expected, index, index_lower, index_upper,
        index_reason, ratio, ratio_lower, ratio_upper, ratio_reason. Reasons are null where a value is given.

    Raises:
        ValueError: an area has a group twice, a number is negative, or no row is of the reference group.
    """
    if counts.select(area, group).is_duplicated().any():
        raise ValueError(f"a group occurs twice in an area: make ({area}, {group}) unique")
    if counts.filter((pl.col(counted) < 0) | (pl.col(population) < 0)).height:
        raise ValueError("a count is negative: turn codes for missing values into null before this")
    if not (counts[group] == reference).any():
        raise ValueError(f"no row is of the reference group {reference!r}: name one of the values of {group!r}")
    others = counts.filter(pl.col(group) == reference).select(area, _c=counted, _m=population)
    frame = (
        counts.join(others, on=area, how="left", maintain_order="left")
        .with_columns(_a=pl.col(counted).cast(pl.Float64), _n=pl.col(population).cast(pl.Float64))
        .with_columns(_total("_a", area).alias("_A"), _total("_n", area).alias("_N"))
        .with_columns(expected=pl.when(pl.col("_N") > 0).then(pl.col("_A") * pl.col("_n") / pl.col("_N")))
        .with_columns(_index_reason(), _ratio_reason(pl.col(group) == reference))
    )
    return frame.with_columns(*_index(), *_ratio()).select(
        *counts.columns,
        "expected",
        *("index", "index_lower", "index_upper", "index_reason"),
        *("ratio", "ratio_lower", "ratio_upper", "ratio_reason"),
    )


def _total(column: str, area: str) -> pl.Expr:
    """Sum over an area's groups, null where one of them is null."""
    return pl.when(pl.col(column).is_null().any().over(area)).then(None).otherwise(pl.col(column).sum().over(area))


def _too_few() -> pl.Expr:
    return pl.lit(f"expected count under {MIN_EXPECTED:g}")


def _index_reason() -> pl.Expr:
    return (
        pl.when(pl.col("_A").is_null() | pl.col("_N").is_null())
        .then(pl.lit("a group's count is missing"))
        .when(pl.col("_n") == 0)
        .then(pl.lit("no population"))
        .when(pl.col("_n") == pl.col("_N"))
        .then(pl.lit("no other group"))
        .when(pl.col("expected") < MIN_EXPECTED)
        .then(_too_few())
        .alias("index_reason")
    )


def _ratio_reason(is_reference: pl.Expr) -> pl.Expr:
    smaller = pl.min_horizontal("_n", "_m")
    pair_expected = (pl.col("_a") + pl.col("_c")) * smaller / (pl.col("_n") + pl.col("_m"))
    return (
        pl.when(is_reference)
        .then(pl.lit("reference group"))
        .when(pl.any_horizontal([pl.col(name).is_null() for name in ("_a", "_n", "_c", "_m")]))
        .then(pl.lit("a group's count is missing"))
        .when(smaller == 0)
        .then(pl.lit("no population"))
        .when(pair_expected < MIN_EXPECTED)
        .then(_too_few())
        .alias("ratio_reason")
    )


def _interval(name: str, value: pl.Expr, log_error: pl.Expr) -> list[pl.Expr]:
    """The value and its 90 % bounds, null where the name's reason is given."""
    given = pl.col(f"{name}_reason").is_null()
    factor = (Z90 * log_error).exp()
    bounds = {name: value, f"{name}_lower": value / factor, f"{name}_upper": value * factor}
    return [pl.when(given).then(expression).alias(key) for key, expression in bounds.items()]


def _index() -> list[pl.Expr]:
    a, everybody = pl.col("_a"), pl.col("_A")
    extreme = (a == 0) | (a == everybody)
    # One half to the group and one half to the others.
    a, everybody = (
        pl.when(extreme).then(a + 0.5).otherwise(a),
        pl.when(extreme).then(everybody + 1).otherwise(everybody),
    )
    return _interval("index", (a / everybody) / (pl.col("_n") / pl.col("_N")), (1 / a - 1 / everybody).sqrt())


def _ratio() -> list[pl.Expr]:
    half = pl.when((pl.col("_a") == 0) | (pl.col("_c") == 0)).then(0.5).otherwise(0.0)
    a, c = pl.col("_a") + half, pl.col("_c") + half
    return _interval("ratio", (a / pl.col("_n")) / (c / pl.col("_m")), (1 / a + 1 / c).sqrt())
