"""Declared thresholds of drift and reconciliation, each with its reason: `thresholds.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("thresholds.yaml")


class ThresholdError(ValueError):
    """A threshold that is wrongly declared; names the entry and what to change."""


@dataclass(frozen=True)
class Threshold:
    """How far a measure of drift may go, and why; `min_areas` is the least number of areas that it is judged on."""

    threshold: float
    reason: str
    min_areas: int = 0


@dataclass(frozen=True)
class Tolerance:
    """How far two sources may differ beyond their intervals, and why: the larger of both parts counts."""

    absolute: float
    relative: float
    reason: str


def _entry(kind: type[Any], section: str, name: str, given: Any) -> Any:
    where = f"{FILE.name}: {section}.{name}"
    if not isinstance(given, Mapping):
        raise ThresholdError(f"{where}: must be a mapping of keys to values")
    known = set(kind.__dataclass_fields__)
    if unknown := sorted(set(given) - known):
        raise ThresholdError(f"{where}: unknown key {unknown[0]!r}; it may have {', '.join(sorted(known))}")
    numbers = {key: value for key, value in given.items() if key != "reason"}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise ThresholdError(f"{where}: {key} must be a number of 0 or more, not {value!r}")
    if not str(given.get("reason") or "").strip():
        raise ThresholdError(f"{where}: says no reason: write why it stands where it stands")
    try:
        return kind(**given)
    except TypeError as error:
        raise ThresholdError(f"{where}: {error}") from None


def read_thresholds(declared: Mapping[str, Any]) -> tuple[dict[str, Threshold], dict[str, Tolerance]]:
    """Read the thresholds of drift by measure, and the tolerances of reconciliation by comparison.

    Raises:
        ThresholdError: a section is missing, a key unknown or missing, a number negative, or a reason empty.
    """
    for section in ("drift", "reconciliation"):
        if not isinstance(declared.get(section), Mapping):
            raise ThresholdError(f"{FILE.name}: has no section {section}")
    return (
        {name: _entry(Threshold, "drift", name, given) for name, given in declared["drift"].items()},
        {name: _entry(Tolerance, "reconciliation", name, given) for name, given in declared["reconciliation"].items()},
    )


@cache
def _declared() -> tuple[dict[str, Threshold], dict[str, Tolerance]]:
    return read_thresholds(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def drift_thresholds() -> dict[str, Threshold]:
    """The declared thresholds of drift, by measure."""
    return _declared()[0]


def tolerances() -> dict[str, Tolerance]:
    """The declared tolerances of reconciliation, by comparison."""
    return _declared()[1]
