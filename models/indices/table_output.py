"""What is asked of the index of a table, what comes out, and the columns that say how sure a rank is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine.defaults import SEED
from models.engine.errors import Drawer, Fixed
from models.engine.ranks import summarise
from models.engine.tiers import tiers
from models.indices.rank_columns import RANK_COLUMNS, rank_columns
from models.indices.table_spec import TableSpec

Vector = NDArray[np.float64]
Draws = NDArray[np.float32]
Mask = NDArray[np.bool_]

UNCERTAIN = tuple(name for name in RANK_COLUMNS if name not in ("rank_sd", "rank_p50"))
_WHOLE = ("rank", "rank_p05", "rank_p95", "tier")


@dataclass(frozen=True)
class Options:
    """What is asked of an index beside its declaration.

    Args:
        draws: of the errors; None takes the default of the declaration: N_DRAWS where it has errors, and none
            otherwise or with a preset.
        seed: the same gives the same draws.
        mode: `posterior` or `sampling`.
        sensitivity: whether the declared alternatives are tried.
    """

    draws: int | None = None
    seed: int = SEED
    mode: str = "posterior"
    sensitivity: bool = False


@dataclass(frozen=True)
class Result:
    """What an index makes of a table.

    Args:
        table: one row for each row of the input, in its order.
        beside: `treatments`, `sensitivity` and `factors`, where there is anything to say.
        notes: what a reader has to know, in sentences.
    """

    table: pl.DataFrame
    beside: Mapping[str, pl.DataFrame]
    notes: tuple[str, ...]


def of_all(inside: NDArray, ranked: Mask) -> Vector:
    """A column of all rows from that of the ranked ones; NaN elsewhere."""
    found = np.full(ranked.size, np.nan)
    found[ranked] = inside
    return found


def uncertain_columns(draws: Draws, ranked: Mask) -> dict[str, pl.Series]:
    """The columns UNCERTAIN of all rows, null where a row is not ranked.

    Args:
        draws: scores (n_draws, ranked rows), higher = greater need.
        ranked: (n,) which rows they are of.
    """
    found: dict[str, Any] = dict.fromkeys(UNCERTAIN, np.empty(0))
    if draws.shape[1]:
        found = rank_columns(summarise(draws), tiers(draws))
    series = {name: pl.Series(name, of_all(found[name], ranked), nan_to_null=True) for name in UNCERTAIN}
    return {name: column.cast(pl.Int64) if name in _WHOLE else column for name, column in series.items()}


def constant(value: Any, n: int) -> pl.Series:
    """The same in every row."""
    return pl.Series([value] * n)


def provenance(drawers: Sequence[Drawer], options: Options, n_draws: int, n: int) -> dict[str, pl.Series]:
    """What the draws of every row rest on."""
    return {
        "independence_assumed": constant(_are_independent(drawers), n),
        "seed": constant(options.seed, n),
        "n_draws": constant(n_draws, n),
        "mode": constant(options.mode, n),
    }


def _are_independent(drawers: Sequence[Drawer]) -> bool:
    """Whether errors of some members were drawn apart from those of others."""
    return sum(not isinstance(drawer, Fixed) for drawer in drawers) > 1


def remarks(spec: TableSpec, drawers: Sequence[Drawer], mode: str) -> list[str]:
    """What a reader of intervals has to know."""
    found = []
    exact = [member.id for member in spec.members if member.error.model == "none"]
    if exact:
        found.append(f"no error is declared of {', '.join(exact)}: drawn as exact, so that intervals are too short")
    if _are_independent(drawers):
        found.append(
            "errors of different members are taken as independent; where they are not, intervals are too short"
        )
    if mode == "sampling":
        found.append("the mode sampling shows how stable the published figures are; its intervals are too short")
    return found
