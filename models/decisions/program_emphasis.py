"""Prevention profile: what speaks to primary, secondary and tertiary prevention and to the fund's lines, side by side.

There is no score: each item stands with its place among the region's areas and the interval of that place.
"""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import yaml

from models.decisions.decision import Decision, Found, Inputs, Place
from models.decisions.population_registry import published
from models.decisions.supply import PROVIDERS, SUPPLY, supply_of
from models.decisions.supply import READS as SUPPLY_READS
from models.indicators.assemble import AbsentPart
from models.indicators.indicator import UNITS, all_indicators
from quality.columns import GEO_NAME, geo_id, geo_level
from quality.contract import Column, Table

POPULATIONS, VALUES = "decision.populations", "indicator.values"
LEVELS = ("county", "coc")
PREVENTION = ("primary", "secondary", "tertiary")
FUND_LINES = ("prevention_programmes", "training_education", "survivor_services")
KINDS = {"indicators": "indicator", "populations": "population", "supply": "supply"}
MAPPING = Path(__file__).with_name("program_emphasis.yaml")

TABLE = Table(
    key="decision.program_emphasis",
    title="Prevention profile",
    description="One row an area, item and place in the profile: what speaks to primary, secondary and tertiary "
    "prevention, and to which line of the fund. Percentiles are among the region's areas of one level, upwards with "
    "need; for supply and for what has no direction, upwards with the value. Their intervals come from the bounds of "
    "the value, the other areas taken as they are. Items are never added or averaged: populations overlap. Where no "
    "list of services is at hand the value is null and the note says so: never read that as no service.",
    columns=(
        geo_level(*LEVELS),
        geo_id(*LEVELS),
        GEO_NAME,
        Column("prevention", pl.String, "Kind of prevention.", nullable=False, allowed=PREVENTION),
        Column("fund_line", pl.String, "Line of the fund.", nullable=False, allowed=FUND_LINES),
        Column("item_id", pl.String, "Indicator, population or piece of supply.", nullable=False),
        Column("item_kind", pl.String, "What the item is.", nullable=False, allowed=tuple(KINDS.values())),
        Column("title", pl.String, "The item in words.", nullable=False),
        Column("value", pl.Float64, "The value; of a population its count.", unit="as the column unit says"),
        Column("value_lower", pl.Float64, "Lower bound of its interval.", unit="as the column unit says"),
        Column("value_upper", pl.Float64, "Upper bound of its interval.", unit="as the column unit says"),
        Column("unit", pl.String, "Unit of the value.", nullable=False),
        *(
            Column(name, pl.Float64, text, unit="per cent", minimum=0, maximum=100)
            for name, text in (
                ("percentile", "Share of the region's other areas of known value that have less need by this, ties "
                    "half. Withheld counts are mostly small: of populations it is too low where many are withheld."),
                ("percentile_lower", "The same at the bound of the value with less need."),
                ("percentile_upper", "The same at the bound of the value with more need."),
            )
        ),
        Column(
            "quality", pl.Int8, "1 good, 2 usable, 3 do not act; null for supply.", minimum=1, maximum=3
        ),
        Column("note", pl.String, "What a reader of this row must know."),
        Column("rationale", pl.String, "Why the item stands here.", nullable=False),
        Column("period", pl.String, "The time that the value describes."),
        Column(
            "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
        ),
    ),
    primary_key=("geo_level", "geo_id", "prevention", "fund_line", "item_id"),
)  # fmt: skip


class EmphasisError(ValueError):
    """The mapping names what does not exist, twice the same, or no reason."""


class Item(NamedTuple):
    """One item in one place of the profile."""

    prevention: str
    fund_line: str
    item_id: str
    item_kind: str
    title: str
    unit: str
    direction: int
    levels: tuple[str, ...]
    rationale: str


@cache
def items() -> tuple[Item, ...]:
    """The declared mapping, judged."""
    return read_items(yaml.safe_load(MAPPING.read_text(encoding="utf-8")))


def read_items(declared: dict[str, Any]) -> tuple[Item, ...]:
    """The items of a mapping.

    Args:
        declared: `items`, a list of entries with prevention, fund_line, rationale and lists of ids by kind.

    Raises:
        EmphasisError: an entry has an unknown field, kind of prevention, line or id, no rationale, or repeats an item.
    """
    found: dict[tuple[str, str, str], Item] = {}
    for number, entry in enumerate(declared["items"], start=1):
        where = f"program_emphasis.yaml, entry {number}"
        if unknown := set(entry) - {"prevention", "fund_line", "rationale", *KINDS}:
            raise EmphasisError(f"{where}: unknown fields {', '.join(sorted(unknown))}")
        place = (entry.get("prevention"), entry.get("fund_line"))
        if place[0] not in PREVENTION or place[1] not in FUND_LINES:
            raise EmphasisError(f"{where}: {place} is none of {PREVENTION} and {FUND_LINES}")
        if not str(entry.get("rationale") or "").strip():
            raise EmphasisError(f"{where}: needs a rationale, so that a reader can object to it")
        for kind in KINDS:
            for name in entry.get(kind, ()):
                key = (*place, name)
                if key in found:
                    raise EmphasisError(f"{where}: {name} stands twice under {place[0]}, {place[1]}")
                found[key] = _item(where, *place, kind, name, entry["rationale"])
    return tuple(found.values())


def _item(where: str, prevention: str, line: str, kind: str, name: str, rationale: str) -> Item:
    place = (prevention, line, name, KINDS[kind])
    if kind == "indicators" and name in all_indicators():
        one = all_indicators()[name]
        levels = tuple(level for level in one.levels if level in LEVELS)
        return Item(*place, one.title, UNITS[one.unit], one.direction, levels, rationale)
    if kind == "populations" and name in published():
        return Item(*place, published()[name].title, "persons", 1, LEVELS, rationale)
    if kind == "supply" and name in SUPPLY:
        return Item(*place, SUPPLY[name], "beds" if "_beds_" in name else "number", 0, ("county",), rationale)
    raise EmphasisError(f"{where}: {name!r} is none of the {kind} that exist")


def percentiles(values: pl.Series, points: pl.Series) -> pl.Series:
    """Place of each point among the values of the other areas, 0 to 100; ties count half.

    Args:
        values: of n areas, null where nothing is known.
        points: a value, or a bound, of each of these areas.

    Returns:
        Null where the area or the point is null, or fewer than two areas have a value.
    """
    known = np.sort(values.drop_nulls().to_numpy())
    if known.size < 2:
        return pl.Series([None] * len(values), dtype=pl.Float64)
    found: list[float | None] = []
    for own, point in zip(values, points, strict=True):
        if own is None or point is None:
            found.append(None)
            continue
        below, upto = (int(np.searchsorted(known, point, side)) for side in ("left", "right"))
        equal = upto - below - (own == point)
        below -= own < point
        found.append(100 * (below + equal / 2) / (known.size - 1))
    return pl.Series(found, dtype=pl.Float64)


def _placed(group: pl.DataFrame, direction: int) -> pl.DataFrame:
    """A group of one item and level with its percentiles; need upwards."""
    sign = -1.0 if direction < 0 else 1.0
    value = sign * group["value"]
    low, high = ("value_lower", "value_upper") if sign > 0 else ("value_upper", "value_lower")
    return group.with_columns(
        percentile=percentiles(value, value),
        percentile_lower=percentiles(value, sign * group[low]),
        percentile_upper=percentiles(value, sign * group[high]),
    )


_FIGURES = ("geo_level", "geo_id", "item_id", "value", "value_lower", "value_upper", "quality", "note", "period")


def _indicators(values: pl.DataFrame) -> pl.DataFrame:
    """The newest period of each indicator and level."""
    known = pl.col("value").is_not_null()
    newest = pl.col("period") == pl.col("period").filter(known).max().over("geo_level", "indicator_id")
    whole = values.filter(
        newest.fill_null(pl.col("period") == pl.col("period").max().over("geo_level", "indicator_id"))
    )
    return whole.rename({"indicator_id": "item_id"}).select(_FIGURES)


def _populations(populations: pl.DataFrame) -> pl.DataFrame:
    quality = pl.col("status").replace_strict({"ok": 1, "caution": 2}, default=3, return_dtype=pl.Int8)
    return populations.select(
        "geo_level",
        "geo_id",
        item_id="population_id",
        value="count",
        value_lower="count_lower",
        value_upper="count_upper",
        quality=quality,
        note="reason",
        period="period",
    )


def _supply(inputs: Inputs, counties: pl.DataFrame) -> pl.DataFrame:
    found = supply_of(inputs, counties)
    nothing = [pl.lit(None, dtype=pl.Float64).alias(name) for name in ("value_lower", "value_upper")]
    return found.with_columns(*nothing, geo_level=pl.lit("county"), quality=pl.lit(None, dtype=pl.Int8)).select(
        _FIGURES
    )


def compute(inputs: Inputs, place: Place) -> Found:
    """Every item of the mapping for every area of the levels at which it may be known."""
    names = inputs[POPULATIONS].select("geo_level", "geo_id", "geo_name").unique(maintain_order=True)
    listed = names.filter(pl.col("geo_level").is_in(LEVELS))
    figures = pl.concat(
        [
            _indicators(inputs[VALUES]),
            _populations(inputs[POPULATIONS]),
            _supply(inputs, place.counties),
        ]
    ).join(listed, on=["geo_level", "geo_id"], how="semi")
    by_item = {str(key[0]): group for key, group in figures.group_by("item_id")}
    frames = []
    for item in items():
        own = by_item.get(item.item_id, figures.clear()).drop("item_id")
        for level in item.levels:
            areas = listed.filter(pl.col("geo_level") == level)
            rows = areas.join(own, on=["geo_level", "geo_id"], how="left").sort("geo_id")
            frames.append(_finish(_placed(rows, item.direction), item, place))
    absent = []
    if inputs[PROVIDERS].is_empty():
        reason = "no list of services at hand, so where need meets no listed service cannot be said"
        absent.append(AbsentPart(f"{TABLE.key} of listed services", reason, "local_services/2026/providers.csv"))
    return Found({TABLE.key: TABLE.conform(pl.concat(frames))}, absent)


def _finish(rows: pl.DataFrame, item: Item, place: Place) -> pl.DataFrame:
    silent = pl.col("value").is_null() & pl.col("note").is_null()
    return rows.with_columns(
        prevention=pl.lit(item.prevention),
        fund_line=pl.lit(item.fund_line),
        item_id=pl.lit(item.item_id),
        item_kind=pl.lit(item.item_kind),
        title=pl.lit(item.title),
        unit=pl.lit(item.unit),
        rationale=pl.lit(item.rationale),
        note=pl.when(silent).then(pl.lit("no source gives a value for this area")).otherwise("note"),
        is_simulated=pl.lit(place.is_simulated),
    )


DECISION = Decision(
    id="program_emphasis",
    tables=(TABLE,),
    reads=(VALUES, POPULATIONS, *SUPPLY_READS),
    compute=compute,
)
