"""The `@indicator` decorator, the registry, and the table that every indicator becomes."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import polars as pl

import models.indicators as package
from quality.columns import GEO_LEVELS, geo_id, geo_level
from quality.contract import Column, Table

ERROR_MODELS = ("moe", "published_interval", "censored", "binomial", "poisson", "declared", "none")
TOPICS = ("poverty", "homelessness", "family_instability", "systemic_risk", "context", "population")
UNITS = {
    "share": "share, 0 to 1",
    "usd": "US dollars",
    "count": "persons",
    "per_1000": "per 1,000",
    "ratio": "ratio",
    "gap": "difference of shares, -1 to 1",
    "score": "publisher's own scale",
}
_INF = float("inf")
BOUNDS = {
    "share": (0.0, 1.0),
    "usd": (0.0, _INF),
    "count": (0.0, _INF),
    "per_1000": (0.0, 1000.0),
    "ratio": (0.0, _INF),
    "gap": (-1.0, 1.0),
    "score": (-_INF, _INF),
}

CELL = r"[BCS]\d{4,5}[A-Z]*(?:_C\d{2})?_\d{3}"
"""A cell of an ACS table: B17001_002, S2801_C01_014."""

Inputs = Mapping[str, pl.DataFrame]


class IndicatorError(ValueError):
    """An indicator that is wrongly declared."""


class AbsentError(Exception):
    """What an indicator needs is in none of the landed files."""

    def __init__(self, reason: str, file_missing: str) -> None:
        super().__init__(reason)
        self.reason, self.file_missing = reason, file_missing


@dataclass(frozen=True)
class Indicator:
    """What is measured and how well.

    Args:
        id: ends in the suffix of its unit (`_share`, `_usd`, `_count`).
        topic: the index that it may serve; `context` serves none.
        definition: numerator over denominator in words.
        universe: of whom or what.
        numerator: the source's own cells that are counted, with + and -.
        denominator: the cells that they are set against, empty for values that stand alone.
        direction: +1 where more is greater need, -1 where less is, 0 where neither.
        unit: a key of UNITS.
        error: how the error is known, one of ERROR_MODELS.
        native_level: the smallest level at which the publisher knows the figure.
        levels: the levels that have rows, the native one among them.
        tables: the core tables that the function reads.
        is_modelled: whether the publisher's figure is itself a model's, and so never shrunk again.
        compares_groups: whether it sets groups of people against each other (a gap, a ratio, segregation): only so
            may race, ethnicity, nativity or language stand behind an indicator of an index.
        reference: why the indicator stands for its topic, citable.
        bias: what is known to be wrong with it, in words.
        compute: the function; takes the tables by key and this declaration, returns rows as `FRAME`
            declares.
    """

    id: str
    title: str
    topic: str
    definition: str
    universe: str
    numerator: str
    denominator: str
    direction: int
    unit: str
    error: str
    native_level: str
    levels: tuple[str, ...]
    tables: tuple[str, ...]
    is_modelled: bool
    compares_groups: bool
    reference: str
    bias: str
    compute: "Compute"

    @property
    def is_shrunk(self) -> bool:
        """Whether values with margins are shrunk: a count is not, its distribution is that of places' sizes."""
        return self.error == "moe" and self.unit != "count"

    @property
    def cells(self) -> tuple[str, ...]:
        """ACS cells that the indicator needs, in order, each once."""
        return tuple(dict.fromkeys(re.findall(CELL, f"{self.numerator} {self.denominator}")))

    @property
    def table(self) -> Table:
        """The contract of the table `indicator.<id>`."""
        lower, upper = BOUNDS[self.unit]
        return Table(
            key=f"indicator.{self.id}",
            title=self.title,
            description=f"{self.definition} Universe: {self.universe} Native level: {self.native_level}. "
            f"Error model: {self.error}.",
            columns=_columns(None if lower == -_INF else lower, None if upper == _INF else upper, UNITS[self.unit]),
            primary_key=("geo_level", "geo_id", "indicator_id", "period"),
            # County indicators always list every county; others list what their publisher lists.
            may_be_empty="county" not in self.levels,
        )


Compute = Callable[[Inputs, Indicator], pl.DataFrame]

FRAME = pl.Schema(
    {
        "geo_level": pl.String,
        "geo_id": pl.String,
        "period": pl.String,
        "source_period": pl.String,
        "vintage": pl.String,
        "value": pl.Float64,
        "value_lower": pl.Float64,
        "value_upper": pl.Float64,
        "se": pl.Float64,
        "note": pl.String,
        "quality": pl.Int8,
        "snapshot_sha256": pl.String,
    }
)
"""What an indicator function returns: direct values with their standard errors; a 90 % interval only where it does not
follow from them, else null; a quality only where the publisher or the indicator knows of a worse one than the error
says."""


def framed(frame: pl.DataFrame, geo_level: str = "county") -> pl.DataFrame:
    """Rows as `FRAME` declares: what a frame lacks is null, its level the one given."""
    level = [] if "geo_level" in frame.columns else [pl.lit(geo_level).alias("geo_level")]
    lacking = [pl.lit(None).alias(name) for name in FRAME if name not in frame.columns and name != "geo_level"]
    return frame.with_columns(*level, *lacking).select(*FRAME).cast(FRAME)


def _columns(minimum: float | None, maximum: float | None, unit: str) -> tuple[Column, ...]:
    def number(name: str, description: str, low: float | None = minimum, high: float | None = maximum) -> Column:
        return Column(name, pl.Float64, description, unit=unit, minimum=low, maximum=high)

    return (
        geo_level(*GEO_LEVELS),
        geo_id(*GEO_LEVELS),
        Column("indicator_id", pl.String, "The indicator; see meta.indicators.", nullable=False),
        Column(
            "period",
            pl.String,
            "The year that the value stands for: the last year of source_period.",
            nullable=False,
            pattern=r"^\d{4}$",
        ),
        Column("source_period", pl.String, "The time that the publisher's figures describe."),
        Column("vintage", pl.String, "The publisher's release."),
        number(
            "value",
            "The value that indices use: the posterior mean where the indicator is shrunken, else as published.",
        ),
        number("value_direct", "The value computed from the publisher's figures alone."),
        number("value_lower", "Lower bound of the 90 % interval of `value`."),
        number("value_upper", "Upper bound of the 90 % interval of `value`."),
        Column("value_kind", pl.String, "What the row holds.", nullable=False, allowed=("exact", "missing", "absent")),
        Column("se", pl.Float64, "Standard error of `value_direct` from sampling.", unit=unit, minimum=0),
        Column(
            "native_level",
            pl.String,
            "The level at which the publisher knows the figure.",
            nullable=False,
            allowed=GEO_LEVELS,
        ),
        Column(
            "share_borrowed",
            pl.Float64,
            "Share of `value` that comes from the nation's distribution.",
            unit="share, 0 to 1",
            minimum=0,
            maximum=1,
        ),
        Column(
            "is_modelled", pl.Boolean, "Whether `value` comes from a model, the publisher's or ours.", nullable=False
        ),
        Column("is_imputed", pl.Boolean, "Whether `value` was predicted from other indicators.", nullable=False),
        Column(
            "quality",
            pl.Int8,
            "1 good: coefficient of variation up to 12 %; 2 usable: up to 40 %; 3 do not act.",
            nullable=False,
            minimum=1,
            maximum=3,
        ),
        Column("note", pl.String, "What a reader of this row must know."),
        Column("snapshot_sha256", pl.String, "SHA-256 of the publisher's files behind the row; see meta.snapshots."),
    )


VALUES = Table(
    key="indicator.values",
    title="All indicators",
    description="The union of all tables indicator.<id>: one row an area, indicator and period.",
    columns=_columns(None, None, "unit of the indicator"),
    primary_key=("geo_level", "geo_id", "indicator_id", "period"),
)

_REGISTRY: dict[str, Indicator] = {}


def indicator(
    *,
    id: str,  # noqa: A002 - the published name of the field
    title: str,
    topic: str,
    definition: str,
    universe: str,
    numerator: str,
    denominator: str = "",
    direction: int,
    unit: str,
    error: str,
    native_level: str = "county",
    levels: tuple[str, ...] = (),
    tables: tuple[str, ...],
    is_modelled: bool = False,
    compares_groups: bool = False,
    reference: str,
    bias: str = "",
) -> Callable[[Compute], Indicator]:
    """Register a function as an indicator.

    Raises:
        IndicatorError: a field is not one of the allowed values, or the id is taken.
    """

    def register(compute: Compute) -> Indicator:
        problems = [
            f"{field} {value!r} is none of {', '.join(map(str, allowed))}"
            for field, value, allowed in (
                ("topic", topic, TOPICS),
                ("unit", unit, tuple(UNITS)),
                ("error", error, ERROR_MODELS),
                ("direction", direction, (-1, 0, 1)),
                ("native_level", native_level, GEO_LEVELS),
                *(("level", level, GEO_LEVELS) for level in levels),
            )
            if value not in allowed
        ]
        if not id.endswith(f"_{unit}"):
            problems.append(f"the id must end in _{unit}")
        if id in _REGISTRY:
            problems.append("the id is taken")
        if problems:
            raise IndicatorError(f"indicator {id}: {'; '.join(problems)}")
        _REGISTRY[id] = Indicator(
            id,
            title,
            topic,
            definition,
            universe,
            numerator,
            denominator,
            direction,
            unit,
            error,
            native_level,
            _with_service_areas(levels or (native_level,)),
            tables,
            is_modelled,
            compares_groups,
            reference,
            bias,
            compute,
        )
        return _REGISTRY[id]

    return register


def _with_service_areas(levels: tuple[str, ...]) -> tuple[str, ...]:
    """What is summed over the counties of a Continuum of Care is summed over those of a service area too."""
    is_summed = "county" in levels and "coc" in levels and "service_area" not in levels
    return (*levels, "service_area") if is_summed else levels


@cache
def all_indicators() -> dict[str, Indicator]:
    """Every indicator by id; importing a topic's module registers its indicators."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_REGISTRY.items()))
