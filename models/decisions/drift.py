"""`analyst.drift`: whether an indicator of one period is the same measure as that of the period before.

Drift is not change: places do change (`analyst.changes`). A cut file, a new universe or a changed unit moves all areas
at once, and shows in five figures: rows, areas that lost their value, share without a value, the shape of the
distribution (two-sample Kolmogorov-Smirnov distance, Smirnov 1939) and the order of members of an index towards each
other (Spearman). Thresholds and their reasons are declared in `thresholds.yaml`. A flag is a question to a person;
nothing is stopped.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import polars as pl

from models.decisions.comparable import between, price_factor
from models.decisions.decision import Decision, Found, Inputs, Place
from models.decisions.thresholds import drift_thresholds
from models.indicators.indicator import all_indicators
from models.indices.spec import all_indices
from quality.columns import GEO_LEVELS, geo_level
from quality.contract import Column, Table

VALUES = "indicator.values"
ROWS, LOST, MISSING = "rows", "regions_lost", "missing_share"
SHIFT, ORDER = "distribution_shift", "rank_correlation"
MEASURES = (ROWS, LOST, MISSING, SHIFT, ORDER)
ITSELF = "itself"
"""What an indicator is compared with where that is its own earlier period."""
MAX_AREAS = 20
"""Ids that a row names at most; its figures tell how many there are."""
N_MOVED = 5

DRIFT = Table(
    key="analyst.drift",
    title="Drift of indicators between two periods",
    description="One row an indicator, level, two consecutive periods and measure of drift, over all areas at hand, "
    "not the region alone. A flag asks a person to look and stops nothing; a declared break of definition explains it. "
    "area_ids with indicator_id, geo_level and period lead to the rows of indicator.values. See docs/quality.md.",
    columns=(
        Column("indicator_id", pl.String, "The indicator; see meta.indicators.", nullable=False),
        Column(
            "compared_with", pl.String, nullable=False,
            description=f"`{ITSELF}`; for {ORDER} the other member of the index.",
        ),
        geo_level(*GEO_LEVELS),
        Column("measure", pl.String, "What is compared.", nullable=False, allowed=MEASURES),
        Column("period_from", pl.String, "The earlier period.", nullable=False, pattern=r"^\d{4}$"),
        Column("period_to", pl.String, "The later period.", nullable=False, pattern=r"^\d{4}$"),
        Column("index_id", pl.String, "The index whose members are compared; null for an indicator by itself."),
        Column("n_areas", pl.Int64, "Areas that the figure is over.", nullable=False, minimum=0, unit="areas"),
        Column(
            "value_from", pl.Float64, "Of the earlier period: rows, areas with a value, share without one, median "
            "(dollars in those of the later year), or correlation.",
        ),
        Column("value_to", pl.Float64, "The same of the later period."),
        Column(
            "figure", pl.Float64, minimum=0,
            description="How large the drift is, against the threshold: relative change of rows; share of areas that "
            "lost their value; rise of the share missing; Kolmogorov-Smirnov distance; absolute change of correlation. "
            "Null where too few areas are known.",
        ),
        Column("threshold", pl.Float64, "Above it a row is flagged.", nullable=False, minimum=0),
        Column("is_flagged", pl.Boolean, "Whether it is beyond; null where too few areas are known to say."),
        Column("area_ids", pl.String, f"Areas that lost their value, or moved most in order; at most {MAX_AREAS} ids."),
        Column("break_note", pl.String, "Breaks of definition declared between both periods, which explain a drift."),
        Column("reason", pl.String, "Why the threshold stands where it stands.", nullable=False),
        Column("sentence", pl.String, "The finding in a sentence.", nullable=False),
        Column(
            "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
        ),
    ),
    primary_key=("indicator_id", "compared_with", "geo_level", "measure", "period_from", "period_to"),
    may_be_empty=True,
)  # fmt: skip

Row = dict[str, object]
_WORDS = {
    ROWS: "{value_from:,.0f} rows became {value_to:,.0f}, a change of {figure:.1%}",
    LOST: "{value_from:,.0f} areas had a value and {value_to:,.0f} of them have one still, {figure:.1%} lost it",
    MISSING: "{value_from:.1%} of the rows had no value and {value_to:.1%} have none, a rise of {figure:.1%}",
    SHIFT: "the median went from {value_from:.4g} to {value_to:.4g} and the distributions differ by {figure:.3f} (KS)",
    ORDER: "its rank correlation with {compared_with} went from {value_from:.2f} to {value_to:.2f}",
}


def _finish(row: Row) -> Row:
    """Judge a row against its threshold and say it in words."""
    declared = drift_thresholds()[str(row["measure"])]
    figure, n = row["figure"], row["n_areas"]
    assert isinstance(n, int)
    if figure is None or n < declared.min_areas:
        row["figure"], flagged = None, None
        said = f"{n} areas are too few to judge {row['measure']} (at least {declared.min_areas})"
    else:
        assert isinstance(figure, float)
        flagged = figure > declared.threshold
        said = _WORDS[str(row["measure"])].format(**row)
        said += f", {'beyond' if flagged else 'within'} the threshold of {declared.threshold:g}"
        if flagged and row["break_note"]:
            said += f"; declared: {row['break_note']}"
    where = f"{row['indicator_id']} by {row['geo_level']}, {row['period_from']} to {row['period_to']}: "
    return row | {
        "threshold": float(declared.threshold),
        "reason": declared.reason,
        "is_flagged": flagged,
        "sentence": f"{where}{said}.",
    }


def _notes(*indicators: str, first: str, last: str) -> str | None:
    known = all_indicators()
    notes = [each.note for name in indicators if name in known for each in between(known[name], first, last)]
    return "; ".join(dict.fromkeys(notes)) or None


def _ids(areas: pl.Series) -> str | None:
    return ", ".join(areas.sort().head(MAX_AREAS)) or None


def ks_distance(earlier: pl.Series, later: pl.Series) -> float:
    """Largest distance between two empirical distributions, 0 to 1; neither may be empty or hold nulls."""
    a, b = np.sort(earlier.to_numpy()), np.sort(later.to_numpy())
    at = np.concatenate([a, b])
    below = [np.searchsorted(one, at, side="right") / one.size for one in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _of_one(name: str, level: str, first: str, last: str, earlier: pl.DataFrame, later: pl.DataFrame) -> Iterator[Row]:
    """The four measures of an indicator by itself; frames hold geo_id and value, which may be null."""
    shared: Row = {
        "indicator_id": name, "compared_with": ITSELF, "geo_level": level, "period_from": first, "period_to": last,
        "index_id": None, "area_ids": None, "break_note": _notes(name, first=first, last=last),
    }  # fmt: skip
    yield shared | {
        "measure": ROWS, "n_areas": earlier.height, "value_from": float(earlier.height),
        "value_to": float(later.height),
        "figure": abs(later.height - earlier.height) / earlier.height,
    }  # fmt: skip
    had, has = (frame.filter(pl.col("value").is_not_null()) for frame in (earlier, later))
    lost = had.join(has, on="geo_id", how="anti")
    yield shared | {
        "measure": LOST, "n_areas": had.height, "value_from": float(had.height),
        "value_to": float(had.height - lost.height), "figure": lost.height / had.height if had.height else None,
        "area_ids": _ids(lost["geo_id"]),
    }  # fmt: skip
    gone = [1 - known.height / frame.height for known, frame in ((had, earlier), (has, later))]
    yield shared | {
        "measure": MISSING, "n_areas": later.height, "value_from": gone[0], "value_to": gone[1],
        "figure": max(0.0, gone[1] - gone[0]),
    }  # fmt: skip
    yield shared | _shift(name, first, last, had, has)


def _shift(name: str, first: str, last: str, had: pl.DataFrame, has: pl.DataFrame) -> Row:
    """The distance of two distributions over the areas known in both, in dollars of one year."""
    indicator = all_indicators().get(name)
    factor = price_factor(indicator.unit if indicator else "", first, last) or 1.0
    both = had.join(has, on="geo_id", suffix="_to").with_columns(pl.col("value") * factor)
    n = both.height
    row: Row = {"measure": SHIFT, "n_areas": n, "value_from": None, "value_to": None, "figure": None, "area_ids": None}
    if not n:
        return row
    moved = (pl.col("value_to").rank() - pl.col("value").rank()).abs()
    most = both.with_columns(moved=moved).sort(["moved", "geo_id"], descending=[True, False]).head(N_MOVED)
    return row | {
        "value_from": both["value"].median(), "value_to": both["value_to"].median(),
        "figure": ks_distance(both["value"], both["value_to"]),
        "area_ids": _ids(most.filter(pl.col("moved") > 0)["geo_id"]),
    }  # fmt: skip


def _spearman(frame: pl.DataFrame, a: str, b: str) -> float | None:
    found = frame.select(pl.corr(a, b, method="spearman")).item()
    return None if found is None or found != found else float(found)  # a column that is the same everywhere


def _of_members(values: pl.DataFrame) -> Iterator[Row]:
    """How the order of two members of an index towards each other changed, over areas known all four times."""
    for index in all_indices().values():
        members = sorted(member.id for member in index.members if not member.is_index)
        mine = values.filter(
            (pl.col("geo_level") == index.geo_level)
            & pl.col("indicator_id").is_in(members)
            & pl.col("value").is_not_null()
        )
        frames = {
            (str(name), str(period)): frame.select("geo_id", "value")
            for (name, period), frame in mine.partition_by("indicator_id", "period", as_dict=True).items()
        }
        for a, b in combinations(members, 2):
            common = sorted({p for name, p in frames if name == a} & {p for name, p in frames if name == b})
            for first, last in pairwise(common):
                wide = frames[a, first].rename({"value": "a_from"})
                for name, column in (((b, first), "b_from"), ((a, last), "a_to"), ((b, last), "b_to")):
                    wide = wide.join(frames[name].rename({"value": column}), on="geo_id")
                was, now = (_spearman(wide, f"a_{when}", f"b_{when}") for when in ("from", "to"))
                yield {
                    "indicator_id": a, "compared_with": b, "geo_level": index.geo_level, "measure": ORDER,
                    "period_from": first, "period_to": last, "index_id": index.id, "n_areas": wide.height,
                    "value_from": was, "value_to": now, "area_ids": None,
                    "figure": None if was is None or now is None else abs(now - was),
                    "break_note": _notes(a, b, first=first, last=last),
                }  # fmt: skip


def drift(values: pl.DataFrame, *, is_simulated: bool) -> pl.DataFrame:
    """The rows of `DRIFT`.

    Args:
        values: rows of indicator.values (geo_level, geo_id, indicator_id, period, value).
    """
    needed = values.select("geo_level", "geo_id", "indicator_id", "period", "value")
    rows: list[Row] = []
    groups = needed.partition_by("indicator_id", "geo_level", as_dict=True)
    for (name, level), frame in sorted(groups.items(), key=lambda item: (str(item[0][0]), str(item[0][1]))):
        periods = {str(key[0]): part for key, part in frame.partition_by("period", as_dict=True).items()}
        for first, last in pairwise(sorted(periods)):
            rows += _of_one(str(name), str(level), first, last, periods[first], periods[last])
    rows += _of_members(needed)
    schema = {column.name: column.dtype for column in DRIFT.columns}
    found = [{name: row.get(name) for name in schema} for row in map(_finish, rows)]
    return DRIFT.conform(pl.DataFrame(found, schema=schema).with_columns(is_simulated=pl.lit(is_simulated)))


def _compute(inputs: Inputs, place: Place) -> Found:
    return Found({DRIFT.key: drift(inputs[VALUES], is_simulated=place.is_simulated)}, [])


DECISION = Decision("drift", (DRIFT,), (VALUES,), _compute)
