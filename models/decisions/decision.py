"""What every decision table is made of: what it reads, what it publishes, and the function between."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import polars as pl

import models.decisions as package
from models.indicators.assemble import AbsentPart
from quality.contract import Table

Inputs = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Place:
    """The region that is looked at: `counties` has geo_id and geo_name, in order of id."""

    region_id: str
    title: str
    counties: pl.DataFrame
    is_simulated: bool


class Found(NamedTuple):
    """The tables of a decision by key, and what of them is absent and why."""

    frames: dict[str, pl.DataFrame]
    absent: list[AbsentPart]


@dataclass(frozen=True)
class Decision:
    """One question and its tables.

    Args:
        id: the module's name.
        tables: the contracts of what it publishes, in the schemas `decision`, `risk` or `analyst`.
        reads: keys of the tables that it needs; a union (`indicator.values`, `risk.scores`, `risk.drivers`,
            `risk.sensitivity`) stands for all its parts.
        compute: takes what it reads by key, and the region; returns every table of `tables`.
    """

    id: str
    tables: tuple[Table, ...]
    reads: tuple[str, ...]
    compute: Callable[[Inputs, Place], Found]


class DecisionError(ValueError):
    """Decisions that need each other in a circle."""


def in_order(decisions: Mapping[str, Decision]) -> list[Decision]:
    """Decisions so that each comes after those whose tables it reads.

    Raises:
        DecisionError: they need each other in a circle.
    """
    maker = {table.key: decision for decision in decisions.values() for table in decision.tables}
    ordered: list[Decision] = []

    def visit(decision: Decision, path: tuple[str, ...]) -> None:
        if decision.id in path:
            raise DecisionError(f"decisions need each other: {' -> '.join((*path, decision.id))}")
        for key in decision.reads:
            if key in maker:
                visit(maker[key], (*path, decision.id))
        if decision not in ordered:
            ordered.append(decision)

    for decision in decisions.values():
        visit(decision, ())
    return ordered


@cache
def all_decisions() -> dict[str, Decision]:
    """Every decision by id, in the order in which they are made: the `DECISION` of each module beside this one."""
    found = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        decision = getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "DECISION", None)
        if decision is not None:
            found[decision.id] = decision
    return {decision.id: decision for decision in in_order(found)}
