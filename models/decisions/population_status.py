"""Which counts may be shown: a stated rule for small and unsure ones, and no withheld one to be had by subtraction.

The thresholds are choices, not a publisher's: an estimate of which the standard error is more than half says
little, and fewer than ten children are nearly persons.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.decisions.population_registry import POPULATIONS
from models.engine.margins import Z90

CV_CAUTION, CV_WITHHELD = 0.30, 0.50
"""Coefficients of variation above which a count is to be used with caution, and is withheld."""
MIN_COUNT = 10
"""Fewer people than this are withheld, zero included."""
FIGURES = ("count", "count_lower", "count_upper", "universe_count", "rate", "rate_lower", "rate_upper")
STATUSES = ("ok", "caution", "withheld", "missing")

_TOLERANCE = 1e-9
_BY_ADDITION = "withheld because with it a withheld count could be computed by subtraction"
_BY_UNIVERSE = "no rate: it would give away the withheld number of those whom it is a share of"

Cell = tuple[str, str, str]
"""geo_level, geo_id and population_id of a count."""


class Sum(NamedTuple):
    """A total and its parts with their weights; `is_area` where the parts are smaller areas, else the two sexes."""

    total: Cell
    parts: tuple[tuple[Cell, float], ...]
    is_area: bool


def judge(frame: pl.DataFrame) -> pl.DataFrame:
    """Say of every count whether it may be shown, and take away those that may not.

    Args:
        frame: rows as `models.decisions.population_acs.COUNTED` declares.

    Returns:
        The rows with `status` and `reason` in place of `is_withheld` and `note`; figures of withheld rows are null.
    """
    count, half = pl.col("count"), pl.col("count_upper") - pl.col("count")
    cv = pl.when((pl.col("interval") == "sampling") & (count > 0)).then(half / Z90 / count)
    width = (pl.col("count_upper") - pl.col("count_lower")) / 2
    is_wide = (pl.col("interval") == "bounds") & (width > CV_CAUTION * count)
    rules = [
        ("withheld", pl.col("is_withheld"), pl.lit(None, dtype=pl.String)),
        ("missing", count.is_null(), pl.lit(None, dtype=pl.String)),
        ("withheld", count < MIN_COUNT, pl.lit(f"withheld: fewer than {MIN_COUNT}")),
        (
            "withheld",
            cv > CV_WITHHELD,
            pl.format("withheld: the coefficient of variation is {} %, above 50 %", (100 * cv).round(0).cast(pl.Int64)),
        ),
        (
            "caution",
            cv > CV_CAUTION,
            pl.format("caution: the coefficient of variation is {} %, above 30 %", (100 * cv).round(0).cast(pl.Int64)),
        ),
        ("caution", is_wide, pl.lit("caution: suppression leaves wide bounds")),
        ("caution", pl.col("interval") == "none", pl.lit("caution: no error is published")),
    ]
    status = pl.coalesce(*(pl.when(is_so).then(pl.lit(name)) for name, is_so, _ in rules), pl.lit("ok"))
    why = pl.coalesce(*(pl.when(is_so).then(pl.coalesce(text, pl.lit(""))) for _, is_so, text in rules), pl.lit(""))
    judged = frame.with_columns(status=status, why=why.replace("", None))
    reason = pl.concat_str("why", "note", separator="; ", ignore_nulls=True).replace("", None)
    return _hide(judged.with_columns(reason=reason).drop("why", "note", "is_withheld"), pl.col("status") == "withheld")


def _hide(frame: pl.DataFrame, where: pl.Expr) -> pl.DataFrame:
    return frame.with_columns(pl.when(~where).then(name).alias(name) for name in FIGURES)


def sums_of(frame: pl.DataFrame, members: pl.DataFrame) -> list[Sum]:
    """What adds up in a table of populations: the sexes of a group, and the counties of larger areas.

    Args:
        frame: geo_level, geo_id, population_id of the rows that are published.
        members: geo_level, geo_id of areas that are made of counties, county_id, weight.
    """
    sums: list[Sum] = []
    parts_of: dict[str, list[str]] = {}
    for population in POPULATIONS.values():
        if population.total:
            parts_of.setdefault(population.total, []).append(population.id)
    areas = frame.select("geo_level", "geo_id").unique(maintain_order=True)
    for level, area in areas.iter_rows():
        for total, parts in parts_of.items():
            sums.append(Sum((level, area, total), tuple(((level, area, part), 1.0) for part in parts), False))
    counted = frame["population_id"].unique(maintain_order=True).to_list()
    for (level, area), group in members.group_by("geo_level", "geo_id", maintain_order=True):
        weights = list(group.select("county_id", "weight").iter_rows())
        for population_id in counted:
            inside = tuple((("county", county, population_id), float(weight)) for county, weight in weights)
            sums.append(Sum((str(level), str(area), population_id), inside, True))
    return sums


def determined(known: Mapping[Cell, float], guarded: set[Cell], sums: Sequence[Sum]) -> set[Cell]:
    """Guarded counts that the known ones fix: those in which no solution of the sums differs.

    Those that a single sum gives away come first, and the others once there are none of these.

    Args:
        known: counts that are published.
        guarded: counts that are withheld; a count in neither is unknown, and nobody has to guard it.
        sums: what adds up to what.
    """
    rows = [{cell: sign for cell, sign in ((one.total, -1.0), *one.parts) if cell not in known} for one in sums]
    # Most are alone in a sum; only what is left takes the solution of all sums together.
    if alone := {next(iter(row)) for row in rows if len(row) == 1} & guarded:
        return alone
    found: set[Cell] = set()
    for block in _blocks([row for row in rows if row]):
        names = list(dict.fromkeys(cell for row in block for cell in row))
        if guarded.isdisjoint(names):
            continue
        at = {cell: n for n, cell in enumerate(names)}
        matrix = np.zeros((len(block), len(names)))
        for n, row in enumerate(block):
            for cell, sign in row.items():
                matrix[n, at[cell]] = sign
        found |= {names[n] for n in _fixed(matrix)} & guarded
    return found


def _blocks(rows: list[dict[Cell, float]]) -> list[list[dict[Cell, float]]]:
    """Sums that hang together by their unknown counts."""
    blocks: list[tuple[set[Cell], list[dict[Cell, float]]]] = []
    home: dict[Cell, int] = {}
    for row in rows:
        touched = sorted({home[cell] for cell in row if cell in home})
        if not touched:
            blocks.append((set(), []))
            touched = [len(blocks) - 1]
        cells, inside = blocks[touched[0]]
        for other in touched[1:]:
            cells |= blocks[other][0]
            inside += blocks[other][1]
            blocks[other] = (set(), [])
        cells |= set(row)
        inside.append(row)
        home.update(dict.fromkeys(cells if len(touched) > 1 else row, touched[0]))
    return [inside for _, inside in blocks if inside]


def _fixed(matrix: NDArray[np.float64]) -> list[int]:
    """Columns in which every solution of `matrix @ x = b` agrees: where the null space is zero."""
    _, singular, right = np.linalg.svd(matrix)
    rank = int((singular > _TOLERANCE).sum())
    if rank == matrix.shape[1]:
        return list(range(rank))
    return [n for n, size in enumerate(np.abs(right[rank:]).max(axis=0)) if size < _TOLERANCE**0.5]


def protect(frame: pl.DataFrame, sums: Sequence[Sum]) -> pl.DataFrame:
    """Withhold further counts until no withheld one can be computed from what is left.

    Of two sexes the other one is withheld too, of areas the larger one: what is told of a group or a county stays
    where it can.

    Args:
        frame: rows with status, reason and FIGURES.
        sums: of `sums_of`.
    """
    keys = ["geo_level", "geo_id", "population_id"]
    known: dict[Cell, float] = {
        (level, area, population): count
        for level, area, population, count in frame.drop_nulls("count").select(*keys, "count").iter_rows()
    }
    guarded: set[Cell] = set(frame.filter(pl.col("status") == "withheld").select(keys).iter_rows())
    chosen: set[Cell] = set()
    where: dict[Cell, list[Sum]] = {}
    for one in sums:
        for cell in (one.total, *(part for part, _ in one.parts)):
            where.setdefault(cell, []).append(one)
    while given_away := determined(known, guarded, sums):
        before = len(chosen)
        for cell in sorted(given_away):
            if (more := _next(where[cell], known)) is not None:
                del known[more]
                chosen.add(more)
                guarded.add(more)
        if len(chosen) == before:
            raise ValueError(
                f"the withheld count of {min(given_away)} can be computed, and nothing is left to withhold"
            )
    mark = pl.DataFrame(sorted(chosen), schema=dict.fromkeys(keys, pl.String), orient="row").with_columns(also=True)
    marked = frame.join(mark, on=keys, how="left").with_columns(pl.col("also").fill_null(False))
    shown = _hide(marked, pl.col("also")).with_columns(
        status=pl.when("also").then(pl.lit("withheld")).otherwise("status"),
        reason=pl.when("also").then(pl.lit(_BY_ADDITION)).otherwise("reason"),
    )
    return shown.drop("also").select(frame.columns)


def _next(sums: Sequence[Sum], known: Mapping[Cell, float]) -> Cell | None:
    """What to withhold besides, so that a count cannot be computed: out of the sum that tells most of it.

    The total of an area; of two sexes the smaller one that is told, else their total; None where nothing is told.
    """

    def unknown(one: Sum) -> int:
        return sum(part not in known for part in (one.total, *(part for part, _ in one.parts)))

    for one in sorted(sums, key=lambda one: (unknown(one), one.total)):
        told = [part for part, _ in one.parts if part in known]
        if told and not (one.is_area and one.total in known):
            return min(told, key=lambda part: (known[part], part))
        if one.total in known:
            return one.total
    return None


def guard_universes(frame: pl.DataFrame) -> pl.DataFrame:
    """Take the rate of a group where the people whom it is a share of are themselves a withheld count."""
    bases = {population.id: population.base for population in POPULATIONS.values() if population.base}
    keys = ["geo_level", "geo_id", "base"]
    hidden = frame.filter(pl.col("status") == "withheld").select("geo_level", "geo_id", base="population_id")
    base = pl.col("population_id").replace_strict(bases, default=None, return_dtype=pl.String)
    marked = frame.with_columns(base=base).join(hidden.with_columns(gone=True), on=keys, how="left")
    gone = pl.col("gone").fill_null(False) & pl.col("count").is_not_null()
    return marked.with_columns(
        *(pl.when(~gone).then(name).alias(name) for name in FIGURES[3:]),
        reason=pl.when(gone)
        .then(pl.concat_str(pl.lit(_BY_UNIVERSE), "reason", separator="; ", ignore_nulls=True))
        .otherwise("reason"),
    ).select(frame.columns)
