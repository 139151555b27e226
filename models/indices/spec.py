"""Read and judge index declarations before anything is computed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from models.indicators.indicator import Indicator, all_indicators

NORMALISATIONS = ("percentile",)
AGGREGATIONS = ("arithmetic",)
MISSING = ("impute",)
POPULATIONS = ("national",)
DEFAULT_MAX_AGE = 5
# From the smallest area to the largest: a figure known only for a larger area ranks no smaller one.
_SIZE = {"tract": 0, "school_district": 1, "county": 2, "coc": 3, "state": 4, "us": 5}
_INDEX_KEYS = {
    "id",
    "title",
    "question",
    "geo_level",
    "reference_year",
    "reference_population",
    "normalisation",
    "aggregation",
    "missing",
    "min_coverage",
    "members",
    "approved_by",
}
_MEMBER_KEYS = {"indicator", "index", "weight", "max_age_years", "rationale"}


class DeclarationError(ValueError):
    """An index declaration that cannot be computed or must not be; says which key and why."""


@dataclass(frozen=True)
class MemberSpec:
    """An indicator or an index inside an index."""

    id: str
    is_index: bool
    weight: float
    max_age_years: int
    rationale: str


@dataclass(frozen=True)
class IndexSpec:
    """A validated declaration."""

    id: str
    title: str
    question: str
    geo_level: str
    reference_year: int
    reference_population: str
    normalisation: str
    aggregation: str
    missing: str
    min_coverage: float
    members: tuple[MemberSpec, ...]
    approved_by: str | None

    @property
    def is_composite(self) -> bool:
        return any(member.is_index for member in self.members)


def _member(where: str, entry: Any) -> MemberSpec:
    if not isinstance(entry, Mapping):
        raise DeclarationError(f"{where}: must be a mapping with indicator or index, weight and rationale")
    unknown = set(entry) - _MEMBER_KEYS
    if unknown:
        raise DeclarationError(f"{where}: unknown key {', '.join(sorted(unknown))}")
    if ("indicator" in entry) == ("index" in entry):
        raise DeclarationError(f"{where}: names either an indicator or an index")
    name = entry.get("indicator") or entry.get("index")
    weight = entry.get("weight")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        raise DeclarationError(f"{where} ({name}): weight must be a positive number, not {weight!r}")
    age = entry.get("max_age_years", DEFAULT_MAX_AGE)
    if isinstance(age, bool) or not isinstance(age, int) or age < 0:
        raise DeclarationError(f"{where} ({name}): max_age_years must be a whole number of years, not {age!r}")
    if not str(entry.get("rationale") or "").strip():
        raise DeclarationError(f"{where} ({name}): needs a rationale, because outsiders review it")
    return MemberSpec(str(name), "index" in entry, float(weight), age, str(entry["rationale"]))


def read_index(entry: Any, where: str) -> IndexSpec:
    """Read one declaration, on its own.

    Raises:
        DeclarationError: a key is missing, unknown or has a value that cannot be used.
    """
    if not isinstance(entry, Mapping):
        raise DeclarationError(f"{where}: must be a mapping")
    missing, unknown = _INDEX_KEYS - set(entry), set(entry) - _INDEX_KEYS
    if missing or unknown:
        raise DeclarationError(f"{where}: keys missing: {sorted(missing)}; unknown: {sorted(unknown)}")
    for key, allowed in (
        ("normalisation", NORMALISATIONS),
        ("aggregation", AGGREGATIONS),
        ("missing", MISSING),
        ("reference_population", POPULATIONS),
        ("geo_level", tuple(_SIZE)),
    ):
        if entry[key] not in allowed:
            raise DeclarationError(f"{where}: {key} {entry[key]!r} is none of {', '.join(allowed)}")
    coverage = entry["min_coverage"]
    if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 < coverage <= 1:
        raise DeclarationError(f"{where}: min_coverage must lie above 0 and at most at 1, not {coverage!r}")
    if not isinstance(entry["reference_year"], int):
        raise DeclarationError(f"{where}: reference_year must be a year, not {entry['reference_year']!r}")
    if not isinstance(entry["members"], list) or not entry["members"]:
        raise DeclarationError(f"{where}: needs at least one member")
    members = tuple(_member(f"{where}: member {n}", item) for n, item in enumerate(entry["members"], start=1))
    return IndexSpec(**{**entry, "min_coverage": float(coverage), "members": members})


def judge(specs: Iterable[IndexSpec], indicators: Mapping[str, Indicator]) -> None:
    """Judge declarations against each other and against the indicators.

    Raises:
        DeclarationError: a member is unknown, stands twice, is context only, is known only for a larger
            area than the index ranks, or indices contain each other in a circle.
    """
    by_id = {spec.id: spec for spec in specs}
    seen: Counter[str] = Counter()
    for spec in by_id.values():
        for member in spec.members:
            seen[member.id] += 1
            if member.is_index:
                if member.id not in by_id:
                    raise DeclarationError(f"{spec.id}: index {member.id} is not declared")
                continue
            indicator = indicators.get(member.id)
            if indicator is None:
                raise DeclarationError(f"{spec.id}: indicator {member.id} is not declared")
            if _SIZE[indicator.native_level] > _SIZE[spec.geo_level]:
                raise DeclarationError(
                    f"{spec.id}: {member.id} is known only by {indicator.native_level}: a value of a larger area "
                    f"never ranks the {spec.geo_level} areas inside it"
                )
            if indicator.topic == "context" or indicator.direction == 0:
                raise DeclarationError(f"{spec.id}: {member.id} is context and enters no index")
            if indicator.topic != spec.id:
                raise DeclarationError(f"{spec.id}: {member.id} belongs to the topic {indicator.topic}")
    twice = [name for name, count in seen.items() if count > 1]
    if twice:
        raise DeclarationError(
            f"a member belongs to exactly one index, but {', '.join(sorted(twice))} stands in several places"
        )
    in_order(by_id)


def in_order(by_id: Mapping[str, IndexSpec]) -> list[IndexSpec]:
    """Indices so that members come before those that contain them.

    Raises:
        DeclarationError: indices contain each other in a circle.
    """
    ordered: list[IndexSpec] = []

    def visit(spec: IndexSpec, path: tuple[str, ...]) -> None:
        if spec.id in path:
            raise DeclarationError(f"indices contain each other: {' -> '.join((*path, spec.id))}")
        for member in spec.members:
            if member.is_index:
                visit(by_id[member.id], (*path, spec.id))
        if spec not in ordered:
            ordered.append(spec)

    for spec in by_id.values():
        visit(spec, ())
    return ordered


@cache
def all_indices() -> dict[str, IndexSpec]:
    """Every index of `models/indices/*.yaml`, judged, members before composites.

    Raises:
        DeclarationError: see `read_index` and `judge`; also where a file and its id differ.
    """
    specs = []
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        spec = read_index(yaml.safe_load(path.read_text(encoding="utf-8")), path.name)
        if spec.id != path.stem:
            raise DeclarationError(f"{path.name}: declares the id {spec.id!r}; file and id are one name")
        specs.append(spec)
    judge(specs, all_indicators())
    return {spec.id: spec for spec in in_order({spec.id: spec for spec in specs})}
