"""What might have been decided otherwise: factors with alternatives, and the tree that a choice among them makes.

A factor lists its choices, the first of which is what the tree says. Unless a node is named, a
factor holds for every node that it concerns: `normalisation`, `treatment` and `reference` for nodes
that normalise their children (whose recipe does not say `none`), `aggregation`, `weighting` and
`weight_range` for nodes of two or more children.

Source: Saisana, Saltelli & Tarantola 2005, J. R. Stat. Soc. A 168:307 (the decisions behind a
composite indicator as uncertain inputs); OECD 2008, Handbook on Constructing Composite Indicators,
step 7.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
AS_DECLARED = "as declared"


@dataclass(frozen=True, eq=False)
class Values:
    """Other values of an indicator: give either points or a factor.

    Args:
        points: (n,) instead of the published ones. Draws are moved by the difference, so that the
            error stays what it is; where only the alternative has a value, it has no error, and
            where it has none (NaN) the draws have none.
        factor: what points and draws are multiplied by, one number or (n,).
    """

    points: Vector | None = None
    factor: float | Vector | None = None

    def __post_init__(self) -> None:
        if (self.points is None) == (self.factor is None):
            raise ValueError("alternative values are either `points` or a `factor` of the published ones: give one")


@dataclass(frozen=True)
class Change:
    """One thing that is done otherwise.

    Args:
        kind: normalisation, aggregation, weighting, treatment, reference, leave_out or values.
        value: what it is instead.
        node: the node whose children are treated so, or the indicator; None for every node concerned.
    """

    kind: str
    value: Any
    node: str | None = None


@dataclass(frozen=True)
class Choice:
    """One alternative of a factor: a name for people and the changes that it stands for."""

    label: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Factor:
    """One decision that might have been taken otherwise.

    Args:
        name: unique among the factors.
        kind: as in Change, or weight_range, or joined.
        choices: at least two, the first as the tree says; none for a weight range.
        spread: of a weight range, the share by which each weight may differ, between 0 and 1.
        node: of a weight range, the node whose children's weights vary; None for every node.
    """

    name: str
    kind: str
    choices: tuple[Choice, ...] = ()
    spread: float | None = None
    node: str | None = None

    def __post_init__(self) -> None:
        if self.spread is not None:
            if not 0 < self.spread < 1:
                raise ValueError(f"{self.name}: a weight range lies between 0 and 1, such as 0.25, not {self.spread}")
            return
        labels = [choice.label for choice in self.choices]
        if len(labels) < 2:
            raise ValueError(f"{self.name}: a factor needs at least two choices, the first as the tree says")
        if len(set(labels)) < len(labels):
            raise ValueError(f"{self.name}: two choices have the same name: {', '.join(labels)}")

    def choice(self, label: str) -> Choice:
        for choice in self.choices:
            if choice.label == label:
                return choice
        raise ValueError(
            f"{self.name}: {label!r} is none of {', '.join(c.label for c in self.choices) or 'its choices'}"
        )


def _label(value: Any) -> str:
    if isinstance(value, str):
        return value
    name, *rest = value
    numbers = [f"{number:g}" for part in rest for number in (part if isinstance(part, Sequence) else (part,))]
    return f"{name} {' to '.join(numbers)}"


def _simple(kind: str, values: Sequence[Any], node: str | None, name: str | None) -> Factor:
    choices = (Choice(_label(value), () if value == AS_DECLARED else (Change(kind, value, node),)) for value in values)
    return Factor(name or (f"{kind} of {node}" if node else kind), kind, tuple(choices))


def normalisation(
    *values: str | tuple[str, tuple[float, float]], node: str | None = None, name: str | None = None
) -> Factor:
    """How children are normalised; `("min_max", (1, 100))` gives the scale too."""
    return _simple("normalisation", values, node, name)


def aggregation(*values: str | tuple[str, float], node: str | None = None, name: str | None = None) -> Factor:
    """How children are put together; `("power", 0.5)` gives the exponent."""
    return _simple("aggregation", values, node, name)


def weighting(*values: str, node: str | None = None, name: str | None = None) -> Factor:
    """Where the weights come from: given, equal or pca."""
    return _simple("weighting", values, node, name)


def treatment(*values: str, node: str | None = None, name: str | None = None) -> Factor:
    """How outliers are treated."""
    return _simple("treatment", values, node, name)


def reference(*values: str, node: str | None = None, name: str | None = None) -> Factor:
    """What children are normalised against."""
    return _simple("reference", values, node, name)


def weights(sets: Mapping[str, Mapping[str, float]], *, name: str = "weights") -> Factor:
    """Named sets of weights beside those of the tree; a set gives a weight to every child of each node it touches."""
    changed = (Choice(label, (Change("weighting", dict(found)),)) for label, found in sets.items())
    return Factor(name, "weights", (Choice(AS_DECLARED), *changed))


def weight_range(spread: float = 0.25, *, node: str | None = None, name: str | None = None) -> Factor:
    """Every weight between 1 - spread and 1 + spread times what it is, independently and evenly, renormalised."""
    title = name or (f"weights of {node}" if node else "weight range")
    return Factor(title, "weight_range", spread=spread, node=node)


def leave_out(*ids: str, name: str = "leave out") -> Factor:
    """Nothing or one of the indicators (or whole groups) left out."""
    out = (Choice(member, (Change("leave_out", True, member),)) for member in ids)
    return Factor(name, "leave_out", (Choice("none"), *out))


def leave_out_each(*ids: str) -> tuple[Factor, ...]:
    """One factor for each of the indicators, in or out."""
    return tuple(
        Factor(f"leave out {member}", "leave_out", (Choice("in"), Choice("out", (Change("leave_out", True, member),))))
        for member in ids
    )


def values(leaf: str, alternatives: Mapping[str, Values], *, name: str | None = None) -> Factor:
    """Other values of one indicator."""
    found = (Choice(label, (Change("values", other, leaf),)) for label, other in alternatives.items())
    return Factor(name or f"values of {leaf}", "values", (Choice(AS_DECLARED), *found))


def joined(name: str, choices: Mapping[str, Sequence[Change]]) -> Factor:
    """Changes that only make sense together as one factor, such as a z-score with the arithmetic mean."""
    found = (Choice(label, tuple(changes)) for label, changes in choices.items())
    return Factor(name, "joined", (Choice(AS_DECLARED), *found))


@dataclass(frozen=True)
class Alternatives:
    """All factors of an analysis.

    Args:
        factors: at least one.
        excluded: combinations that are not computed, as partial assignments of factor to choice:
            every combination that agrees with one of them falls out. Factors are then no longer
            independent, which the result says.
    """

    factors: tuple[Factor, ...]
    excluded: tuple[Mapping[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.factors:
            raise ValueError("a sensitivity analysis needs at least one factor")
        names = [factor.name for factor in self.factors]
        if len(set(names)) < len(names):
            raise ValueError(f"two factors have the same name ({', '.join(sorted(names))}): give one a `name`")
        for pattern in self.excluded:
            if not pattern:
                raise ValueError("an excluded combination has to name at least one choice")
            for name, label in pattern.items():
                self.factor(name).choice(label)
        if self.excluded and not self.is_discrete:
            raise ValueError(
                "combinations can only be excluded from a design that is enumerated, and a weight range is continuous: "
                "join the choices that do not go together into one factor"
            )
        if self.excluded and self.is_excluded(self.nominal):
            raise ValueError("the tree as declared cannot be excluded")

    def factor(self, name: str) -> Factor:
        for factor in self.factors:
            if factor.name == name:
                return factor
        raise ValueError(f"there is no factor {name!r}: {', '.join(factor.name for factor in self.factors)}")

    @property
    def is_discrete(self) -> bool:
        return all(factor.spread is None for factor in self.factors)

    @property
    def discrete(self) -> tuple[Factor, ...]:
        return tuple(factor for factor in self.factors if factor.spread is None)

    @property
    def nominal(self) -> dict[str, str]:
        return {factor.name: factor.choices[0].label for factor in self.discrete}

    @property
    def n_combinations(self) -> int:
        """Of the choices, before any is excluded; a weight range does not count."""
        return math.prod(len(factor.choices) for factor in self.discrete)

    def is_excluded(self, chosen: Mapping[str, str]) -> bool:
        return any(all(chosen[name] == label for name, label in pattern.items()) for pattern in self.excluded)

    def labels(self, levels: Sequence[int]) -> dict[str, str]:
        """The choices at these levels, one for each factor that is no range."""
        pairs = zip(self.discrete, levels, strict=True)
        return {factor.name: factor.choices[level].label for factor, level in pairs}

    def levels(self) -> NDArray[np.int64]:
        """(combinations, factors): the whole design, the tree as declared first, without what is excluded."""
        sizes = [range(len(factor.choices)) for factor in self.discrete]
        kept = [levels for levels in product(*sizes) if not (self.excluded and self.is_excluded(self.labels(levels)))]
        return np.array(kept, dtype=np.int64).reshape(len(kept), len(sizes))

    def left_out(self) -> list[dict[str, str]]:
        """The combinations that are excluded, one by one."""
        sizes = [range(len(factor.choices)) for factor in self.discrete]
        everything = (self.labels(levels) for levels in product(*sizes)) if self.excluded else ()
        return [chosen for chosen in everything if self.is_excluded(chosen)]
