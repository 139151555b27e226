"""From an indicator's function to its published table: every area listed, errors and shrinkage in place."""

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from models.engine.defaults import SEED
from models.engine.margins import Z90, reliability
from models.geography.areas import LEVELS as SUMMED
from models.geography.counties import COUNTY_VINTAGE, to_vintage, why_unmatched
from models.indicators.indicator import BOUNDS, FRAME, AbsentError, Indicator, Inputs, framed

if TYPE_CHECKING:
    from models.engine.shrinkage import Posterior


class AbsentPart(NamedTuple):
    """A row of meta.absent: what is not there, why, and which file would bring it."""

    part: str
    reason: str
    file_missing: str | None


def assemble(indicator: Indicator, tables: Inputs, counties: pl.DataFrame) -> tuple[pl.DataFrame, list[AbsentPart]]:
    """Compute one indicator for every area of each of its levels.

    Args:
        indicator: the declaration with its function.
        tables: the core tables that it names.
        counties: the counties of the declared vintage (geo_id, geo_name), always the left table of the county rows.

    Returns:
        Rows of `indicator.table`, and what is absent. Without any value there is one row a county
        that says so.
    """
    part = indicator.table.key
    absent: list[AbsentPart] = []
    try:
        frame = indicator.compute(tables, indicator)
    except AbsentError as gone:
        absent.append(AbsentPart(part, gone.reason, gone.file_missing))
        frame = pl.DataFrame(schema=FRAME)
        if "county" in indicator.levels:
            frame = framed(
                counties.select("geo_id", period=pl.lit(COUNTY_VINTAGE)).with_columns(note=pl.lit(gone.reason))
            )
        return _finish(indicator, frame, "absent"), absent
    is_county = pl.col("geo_level") == "county"
    parts = [frame.filter(~is_county)]
    if "county" in indicator.levels:
        rows, lost = _county_rows(frame.filter(is_county), counties)
        parts.insert(0, rows)
        if lost:
            reason = f"not carried over to county vintage {COUNTY_VINTAGE}: {why_unmatched(lost)}"
            absent.append(AbsentPart(part, reason, None))
    frame = pl.concat(parts)
    present = set(frame.filter(pl.col("value").is_not_null())["geo_level"])
    if present and (lacking := [level for level in indicator.levels if level not in present]):
        absent.append(AbsentPart(part, f"what was landed has no figures by {' and '.join(lacking)}", None))
    return _finish(indicator, frame, "missing"), absent


def _county_rows(frame: pl.DataFrame, counties: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """A row for every county and period, and the county codes that have no counterpart."""
    frame, lost = to_vintage(frame, counties)
    periods = frame.select("period", "source_period", "vintage").unique().sort("period")
    frame = (
        counties.select("geo_id", geo_level=pl.lit("county"))
        .join(periods, how="cross")
        .join(frame, on=["geo_level", "geo_id", "period", "source_period", "vintage"], how="left")
        .select(*FRAME)
    )
    silent = pl.col("value").is_null() & pl.col("note").is_null()
    return frame.with_columns(
        note=pl.when(silent).then(pl.lit("the publisher gives no value for this county")).otherwise("note")
    ), lost


def posterior(indicator: Indicator, group: pl.DataFrame) -> "Posterior":
    """The posterior of an indicator with margins, over the areas of one level and period (value_direct, se).

    The table and the indices draw from the same one, so that what is published is what is ranked.
    """
    # What is compiled is loaded only where something is computed: the UI loads the definitions without it.
    from models.engine.shrinkage import Posterior

    direct, se = (group[name].cast(pl.Float64).to_numpy().astype(float) for name in ("value_direct", "se"))
    lower, upper = BOUNDS[indicator.unit]
    return Posterior(indicator.id, direct, se**2, seed=SEED, lower=lower, upper=upper)


def _shrunken(indicator: Indicator, group: pl.DataFrame) -> pl.DataFrame:
    """Posterior means and intervals of one level and period; nothing that is modelled already is shrunk."""
    group = group.with_columns(value_direct=pl.col("value").cast(pl.Float64))
    if not indicator.is_shrunk:
        low, high = BOUNDS[indicator.unit]
        half = Z90 * pl.col("se")
        return group.with_columns(
            value_lower=pl.col("value_lower").fill_null((pl.col("value_direct") - half).clip(low, high)),
            value_upper=pl.col("value_upper").fill_null((pl.col("value_direct") + half).clip(low, high)),
            share_borrowed=pl.when(pl.col("value").is_not_null()).then(0.0),
        )
    found = posterior(indicator, group).summary(seed=SEED)
    # Without a published error there is no interval: NaN becomes null, and the value stands as it is.
    return group.with_columns(
        value=pl.Series(found.mean).fill_nan(None).fill_null(group["value_direct"]),
        value_lower=pl.Series(found.lower).fill_nan(None),
        value_upper=pl.Series(found.upper).fill_nan(None),
        share_borrowed=pl.Series(found.share_borrowed).fill_nan(None),
    )


def _finish(indicator: Indicator, frame: pl.DataFrame, kind_of_null: str) -> pl.DataFrame:
    groups = [_shrunken(indicator, group) for group in frame.partition_by("geo_level", "period", maintain_order=True)]
    if not groups:
        return indicator.table.empty()
    known = pl.col("value").is_not_null()
    by_error = reliability(pl.col("value_direct"), pl.col("se")).fill_null(2)
    # What the indicator says of a row can make it worse than its error says, never better.
    quality = pl.when(~known).then(3).otherwise(pl.max_horizontal(by_error, "quality"))
    shrunk = pl.col("share_borrowed").fill_null(0) > 0
    # What is known for the smallest level is summed for a larger one; at its own level every row is native.
    is_summed = pl.col("geo_level").is_in(SUMMED) & pl.lit(indicator.native_level not in SUMMED)
    return indicator.table.conform(
        pl.concat(groups).with_columns(
            indicator_id=pl.lit(indicator.id),
            value_kind=pl.when(known).then(pl.lit("exact")).otherwise(pl.lit(kind_of_null)),
            native_level=pl.when(is_summed).then(pl.lit(indicator.native_level)).otherwise("geo_level"),
            is_modelled=pl.lit(indicator.is_modelled) | shrunk,
            is_imputed=pl.lit(False),
            quality=quality,
        )
    )
