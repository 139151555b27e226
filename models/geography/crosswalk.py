"""Crosswalks between geographies: weights that carry their own error, and counts carried over with theirs.

The weight of a source and a target is the share of the source that lies in the target. Over all targets
the weights of a source sum to one; what is missing from one is listed as left out, never dropped.

Errors. A count that is carried over, X_t = sum of a_st X_s, has two. The published error of its parts:
sum of a_st^2 Var(X_s). And the error of the weights, because a group that is counted need not live where
all people live: sum of Var(a_st) X_s^2. The two add up without a product term, because a published X_s^2
already exceeds the true one by Var(X_s) on average. The weights of a source are taken as Dirichlet
around their published values, Var(a) = a (1 - a) / (pieces + 1): as uncertain as if the source consisted of so
many pieces, each of which lies in one target; see `weight_se`. Targets that share a source have errors that
depend on each other: a sum over them is surer than its parts say, so add sources, not targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

TOLERANCE = 1e-9
"""How far weights of a source may sum from one."""
SLIVER = 0.03
"""Parts below this share come from boundaries of two agencies that do not meet."""
PIECES = 10
"""Pieces of a source of which nothing more is known: tracts of a middling county."""
NONE = "NONE"
"""No counterpart."""

WEIGHTS = {"from_id": pl.String, "to_id": pl.String, "weight": pl.Float64, "weight_se": pl.Float64, "basis": pl.String}
UNMATCHED = {
    "side": pl.String,
    "id": pl.String,
    "counterpart_id": pl.String,
    "weight": pl.Float64,
    "treatment": pl.String,
    "reason": pl.String,
}
LEFT_OUT, REDISTRIBUTED, NOT_USED = TREATMENTS = ("left_out", "redistributed", "not_used")
"""What became of a part: lost to every target; given to the source's other targets; or it never had a weight."""


class CrosswalkError(ValueError):
    """Weights that lose or invent a part of a source, or figures that cannot be carried over."""


def weight_se(weight: pl.Expr, pieces: pl.Expr) -> pl.Expr:
    """Standard error of a Dirichlet weight: zero for a whole source, greatest at one half.

    Args:
        weight: share of the source, 0 to 1.
        pieces: how many pieces the source consists of. With as many pieces as targets and equal weights all
            divisions are equally likely.
    """
    # A whole source whose parts add up to a last digit less is whole, and not uncertain by a root of that digit.
    share = weight.round(12)
    return (share * (1 - share) / (pieces + 1)).clip(0).sqrt()


def unmatched(
    side: str,
    ids: pl.Series | Sequence[str],
    reason: str,
    *,
    weight: pl.Series | float | None = None,
    counterpart: pl.Series | str = NONE,
    treatment: str = LEFT_OUT,
) -> pl.DataFrame:
    """Rows of `UNMATCHED`: one an id, `side` being `from` or `to`."""
    columns = {"side": side, "counterpart_id": counterpart, "weight": weight, "treatment": treatment, "reason": reason}
    return (
        pl.DataFrame({"id": pl.Series(ids, dtype=pl.String)})
        .with_columns(pl.lit(value, dtype=UNMATCHED[name]).alias(name) for name, value in columns.items())
        .select(*UNMATCHED)
    )


def no_rows(schema: dict[str, type[pl.DataType]] | None = None) -> pl.DataFrame:
    """An empty frame, of unmatched parts unless told otherwise."""
    return pl.DataFrame(schema=UNMATCHED if schema is None else schema)


@dataclass(frozen=True)
class Crosswalk:
    """Weights from one level of areas to another.

    Args:
        id: what it is called in published tables.
        weights: `WEIGHTS`; one row a source and a target, weights above 0 and up to 1. `basis` says what a weight
            rests on (`population`, `tracts`, `equal`, ...).
        unmatched: `UNMATCHED`; what has no counterpart and what was dropped, each with its reason.

    Raises:
        CrosswalkError: weights of a source and what is left out of it do not sum to one.
    """

    id: str
    from_level: str
    to_level: str
    weights: pl.DataFrame
    unmatched: pl.DataFrame

    def __post_init__(self) -> None:
        if dict(self.weights.schema) != WEIGHTS or dict(self.unmatched.schema) != UNMATCHED:
            raise CrosswalkError(f"{self.id}: columns must be {list(WEIGHTS)} and {list(UNMATCHED)}")
        if self.weights.null_count().sum_horizontal().sum() or (self.weights.is_empty() and self.unmatched.is_empty()):
            raise CrosswalkError(f"{self.id}: must have weights, and none may be null")
        if self.weights.select("from_id", "to_id").is_duplicated().any():
            raise CrosswalkError(f"{self.id}: a source and a target stand there twice")
        lost = self.left_out().select(from_id="id", weight="weight")
        sums = pl.concat([self.weights.select("from_id", "weight"), lost]).group_by("from_id").agg(pl.sum("weight"))
        wrong = pl.concat(
            [
                self.weights.filter((pl.col("weight") <= 0) | (pl.col("weight") > 1 + TOLERANCE))["from_id"],
                sums.filter((pl.col("weight") - 1).abs() > TOLERANCE)["from_id"],
            ]
        )
        if wrong.len():
            raise CrosswalkError(
                f"{self.id}: weights above 0 and what is left out must sum to one, but not so of {wrong.sort()[0]}"
            )

    def left_out(self) -> pl.DataFrame:
        """Parts of sources that reach no target, with their weights."""
        return self.unmatched.filter((pl.col("side") == "from") & (pl.col("treatment") == LEFT_OUT))


def build(
    crosswalk_id: str,
    from_level: str,
    to_level: str,
    weights: pl.DataFrame,
    listed: Sequence[pl.DataFrame] = (),
    *,
    remainder: str = "no target covers this part",
    sources: pl.Series | None = None,
    targets: pl.Series | None = None,
) -> Crosswalk:
    """A crosswalk whose lost parts are listed.

    Args:
        listed: rows of `UNMATCHED` that are known already.
        remainder: reason for what the weights of a source, and its listed parts, lack of one.
        sources: areas that should have a target; those that have none are listed.
        targets: areas that should have a source.
    """
    weights = weights.select(*WEIGHTS).sort("from_id", "to_id")
    known = pl.concat([no_rows(), *listed])
    lost = known.filter((pl.col("side") == "from") & (pl.col("treatment") == LEFT_OUT))
    sums = pl.concat([weights.select("from_id", "weight"), lost.select(from_id="id", weight="weight")])
    rest = (
        sums.group_by("from_id").agg(rest=1 - pl.sum("weight")).filter(pl.col("rest") > TOLERANCE / 2).sort("from_id")
    )
    found = [known, unmatched("from", rest["from_id"], remainder, weight=rest["rest"])]
    if sources is not None:
        seen = pl.concat([weights["from_id"], lost["id"]])
        alone = sources.filter(~sources.is_in(seen.implode())).unique().sort()
        found.append(unmatched("from", alone, "no target", weight=1.0))
    if targets is not None:
        seen = pl.concat([weights["to_id"], known.filter(pl.col("side") == "to")["id"]])
        empty = targets.filter(~targets.is_in(seen.implode())).unique().sort()
        found.append(unmatched("to", empty, "no source", treatment=NOT_USED))
    return Crosswalk(crosswalk_id, from_level, to_level, weights, pl.concat(found))


def drop_slivers(parts: pl.DataFrame, threshold: float = SLIVER) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drop small parts and give what they held to the source's other targets.

    The largest part of a source stays, however small.

    Args:
        parts: from_id, to_id, weight, and any other columns.

    Returns:
        The parts that stay, a source's weights summing to what they summed to, and the dropped ones as `UNMATCHED`.
    """
    total = pl.sum("weight").over("from_id")
    small = (pl.col("weight") < threshold) & (pl.col("weight") < pl.max("weight").over("from_id"))
    judged = parts.with_columns(is_sliver=small, total=total)
    kept = judged.filter(~pl.col("is_sliver")).with_columns(weight=pl.col("weight") * pl.col("total") / total)
    gone = judged.filter(pl.col("is_sliver")).sort("from_id", "to_id")
    listed = unmatched(
        "from",
        gone["from_id"],
        f"sliver below {threshold:.0%}",
        weight=gone["weight"],
        counterpart=gone["to_id"],
        treatment=REDISTRIBUTED,
    )
    return kept.drop("is_sliver", "total"), listed


def reverse(crosswalk: Crosswalk, sizes: pl.DataFrame, *, crosswalk_id: str, pieces: int = PIECES) -> Crosswalk:
    """The crosswalk the other way round: what share of a target each source brings.

    Args:
        sizes: geo_id, size, basis: people (or tracts) of each source, by which its share of a target is
            weighed. A target whose sources do not all have a size of one basis is divided equally, and says so.
    """
    parts = crosswalk.weights.select("from_id", "to_id", share="weight").join(
        sizes.select(from_id="geo_id", size="size", size_basis="basis"), on="from_id", how="left"
    )
    held = pl.col("share") * pl.col("size")
    whole, n = pl.col("held").sum().over("to_id"), pl.len().over("to_id")
    is_known = (
        pl.col("held").is_not_null().all().over("to_id")
        & (pl.col("size_basis").n_unique().over("to_id") == 1)
        & (whole > 0)
    )
    weights = (
        parts.with_columns(held=held)
        .with_columns(
            weight=pl.when(is_known).then(pl.col("held") / whole).otherwise(1 / n),
            basis=pl.when(n == 1).then(pl.lit("whole")).when(is_known).then("size_basis").otherwise(pl.lit("equal")),
            pieces=pl.when(is_known).then(pl.max_horizontal(n, pl.lit(pieces))).otherwise(n),
        )
        .filter(pl.col("weight") > 0)
        .select(
            "basis", "weight", from_id="to_id", to_id="from_id", weight_se=weight_se(pl.col("weight"), pl.col("pieces"))
        )
    )
    swapped = crosswalk.unmatched.filter(pl.col("treatment") != REDISTRIBUTED).with_columns(
        side=pl.col("side").replace({"from": "to", "to": "from"}),
        weight=pl.when(pl.col("side") == "to").then(1.0).otherwise(None),
        treatment=pl.when(pl.col("side") == "to").then(pl.lit(LEFT_OUT)).otherwise(pl.lit(NOT_USED)),
    )
    return build(crosswalk_id, crosswalk.to_level, crosswalk.from_level, weights, [swapped])
