"""Read and judge the project's own indices before anything is computed.

One schema serves these (`models/indices/*.yaml`, whose members are indicators) and the index of any
table (`headwaters index`, whose members are columns): `declared` holds what they share. An error
names the file, the line and the key.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from models.engine.tree import Node, Recipe, TreeError
from models.engine.tree import judge as judge_tree
from models.indicators.indicator import Indicator, all_indicators
from models.indices.declared import (
    COMMON_KEYS,
    OF_TABLES,
    OWN_MEMBER_KEYS,
    OWN_ONLY,
    OWN_OPTIONAL,
    TABLE_MEMBER_KEYS,
    TABLE_ONLY,
    Change,
    Declared,
    Leaf,
    grow,
    read_approved_by,
    read_changes,
    read_groups,
    read_parent,
    read_recipe,
    read_sensitivity,
)
from models.indices.refusals import refusal
from models.indices.yaml_lines import DeclarationError, Entry, nearest, read

POPULATIONS = ("national",)
DEFAULT_MAX_AGE = 5
COMPARISON = "child_poverty_share"
"""Every index is shown with its rank correlation with this indicator alone, and with what it adds to it."""
# From the smallest area to the largest: a figure known only for a larger area ranks no smaller one.
_SIZE = {"tract": 0, "school_district": 1, "county": 2, "coc": 3, "service_area": 3, "state": 4, "us": 5}
_NEEDED = (
    "id", "title", "question", *OWN_ONLY, "normalisation", "aggregation", "missing", "min_coverage", "members",
    "approved_by",
)  # fmt: skip


@dataclass(frozen=True)
class MemberSpec:
    """An indicator or an index inside one of the project's own indices."""

    id: str
    is_index: bool
    weight: float
    max_age_years: int
    rationale: str
    parent: str | None = None


@dataclass(frozen=True)
class UnderCount:
    """A member that its publisher counts too low in some areas, as an alternative in the sensitivity analysis.

    Args:
        indicator: the member.
        factors: what its value might be multiplied by.
        where_quality: in the areas of this quality.
    """

    indicator: str
    factors: tuple[float, ...]
    where_quality: int


@dataclass(frozen=True, kw_only=True)
class IndexSpec(Declared):
    """A validated declaration of one of the project's own indices.

    `tree` holds its own members as leaves, all of direction +1; `full_tree` puts in directions and
    inner indices. `levels` are those that are ranked beside `geo_level`, each among its own, from the members that are
    known at that level; `changes` are the record of who changed what, when and why, oldest first.
    """

    geo_level: str
    levels: tuple[str, ...]
    reference_year: int
    reference_population: str
    members: tuple[MemberSpec, ...]
    changes: tuple[Change, ...] = ()
    under_counted: tuple[UnderCount, ...] = ()

    @property
    def is_composite(self) -> bool:
        return any(member.is_index for member in self.members)


def _own_member(entry: Entry, position: int, item: Any) -> MemberSpec:
    number = f"member {position + 1}"
    if not isinstance(item, Mapping):
        raise entry.error(
            f"{number}: must be a mapping with indicator or index, weight and rationale", "members", position
        )
    name = item.get("indicator") or item.get("index")
    member = entry.at(item, "members", position, label=f"{number} ({name})" if name else number)
    member.only(OWN_MEMBER_KEYS, dict.fromkeys(TABLE_MEMBER_KEYS, OF_TABLES))
    if ("indicator" in item) == ("index" in item):
        raise member.error("names either an indicator or an index")
    name = member.text("index" if "index" in item else "indicator")
    member.need("weight")
    age = item.get("max_age_years", DEFAULT_MAX_AGE)
    if isinstance(age, bool) or not isinstance(age, int) or age < 0:
        raise member.error(f"max_age_years must be a whole number of years, not {age!r}", "max_age_years")
    if not str(item.get("rationale") or "").strip():
        raise member.error("needs a rationale, because outsiders review it", "rationale")
    return MemberSpec(
        id=name,
        is_index="index" in item,
        weight=member.number("weight", above=0),
        max_age_years=age,
        rationale=str(item["rationale"]),
        parent=read_parent(member, entry.data["id"]),
    )


def _under_counted(entry: Entry, members: Iterable[MemberSpec]) -> tuple[UnderCount, ...]:
    names = [member.id for member in members if not member.is_index]
    found = []
    for position, item in enumerate(entry.items("under_counted") if "under_counted" in entry.data else []):
        inner = entry.at(item, "under_counted", position, label=f"under_counted {position + 1}")
        inner.only(("indicator", "factors", "where_quality"))
        inner.need("indicator", "factors", "where_quality")
        factors, quality = inner.items("factors"), inner.data["where_quality"]
        if not all(isinstance(factor, int | float) and factor > 1 for factor in factors):
            raise inner.error(f"factors must be numbers above 1, not {factors!r}", "factors")
        if quality not in (1, 2, 3):
            raise inner.error(f"where_quality must be 1, 2 or 3, not {quality!r}", "where_quality")
        indicator = inner.choice("indicator", names)
        found.append(UnderCount(indicator, tuple(float(factor) for factor in factors), quality))
    return tuple(found)


def read_index(entry: Any, where: str) -> IndexSpec:
    """Read one declaration of the project's own, on its own.

    Args:
        entry: a mapping, or an `Entry`, which knows its lines.
        where: the file, as errors name it.

    Raises:
        DeclarationError: a key is missing, unknown or has a value that cannot be used.
    """
    if not isinstance(entry, Entry):
        if not isinstance(entry, Mapping):
            raise DeclarationError(f"{where}: must be a mapping")
        entry = Entry(entry, where)
    entry.only((*COMMON_KEYS, *OWN_ONLY, *OWN_OPTIONAL), dict.fromkeys(TABLE_ONLY, OF_TABLES))
    entry.need(*_NEEDED)
    name = entry.text("id")
    year = entry.data["reference_year"]
    if isinstance(year, bool) or not isinstance(year, int):
        raise entry.error(f"reference_year must be a year, not {year!r}", "reference_year")
    recipe = read_recipe(entry, Recipe())
    members = tuple(_own_member(entry, position, item) for position, item in enumerate(entry.items("members")))
    groups = read_groups(entry, recipe)
    tree = grow(entry, name, recipe, groups, [Leaf(Node(m.id, m.weight), m.parent) for m in members])
    geo_level = entry.choice("geo_level", tuple(_SIZE))
    levels = entry.items("levels") if entry.data.get("levels") else []
    others = tuple(level for level in _SIZE if level != geo_level)
    return IndexSpec(
        id=name,
        title=entry.text("title"),
        question=entry.text("question"),
        geo_level=geo_level,
        levels=tuple(entry.judge_choice(level, others, "levels", n) for n, level in enumerate(levels)),
        reference_year=year,
        reference_population=entry.choice("reference_population", POPULATIONS),
        recipe=recipe,
        members=members,
        under_counted=_under_counted(entry, members),
        groups=groups,
        sensitivity=read_sensitivity(entry, recipe, tree),
        approved_by=read_approved_by(entry),
        tree=tree,
        changes=read_changes(entry),
    )


def leaf_members(spec: IndexSpec, specs: Mapping[str, IndexSpec]) -> list[tuple[MemberSpec, int]]:
    """All indicators under an index with the reference year of the index that names them."""
    found: list[tuple[MemberSpec, int]] = []
    for member in spec.members:
        found += leaf_members(specs[member.id], specs) if member.is_index else [(member, spec.reference_year)]
    return found


def full_tree(spec: IndexSpec, specs: Mapping[str, IndexSpec], directions: Mapping[str, int]) -> Node:
    """The tree of an index down to the indicators.

    Args:
        specs: every index by id, for those that are members.
        directions: of the indicators by id, +1 or -1.

    Raises:
        DeclarationError: methods and directions do not go together.
    """
    inner = {member.id: full_tree(specs[member.id], specs, directions) for member in spec.members if member.is_index}

    def fill(node: Node) -> Node:
        if not node.is_leaf:
            return replace(node, children=tuple(fill(child) for child in node.children))
        if node.id in inner:
            return replace(inner[node.id], weight=node.weight)
        return replace(node, direction=directions[node.id])

    try:
        return judge_tree(fill(spec.tree))
    except TreeError as error:
        raise DeclarationError(f"{spec.id}: {error}") from None


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
                hint = nearest(member.id, indicators)
                raise DeclarationError(f"{spec.id}: indicator {member.id} is not declared{hint}")
            if _SIZE[indicator.native_level] > _SIZE[spec.geo_level]:
                raise DeclarationError(
                    f"{spec.id}: {member.id} is known only by {indicator.native_level}: a value of a larger area "
                    f"never ranks the {spec.geo_level} areas inside it"
                )
            if spec.geo_level not in indicator.levels:
                raise DeclarationError(f"{spec.id}: {member.id} has no figures by {spec.geo_level}")
            if (why := refusal(indicator)) is not None:
                raise DeclarationError(f"{spec.id}: {member.id} {why}")
            if indicator.topic != spec.id:
                raise DeclarationError(f"{spec.id}: {member.id} belongs to the topic {indicator.topic}")
    twice = [name for name, count in seen.items() if count > 1]
    if twice:
        raise DeclarationError(
            f"a member belongs to exactly one index, but {', '.join(sorted(twice))} stands in several places"
        )
    directions = {name: indicator.direction for name, indicator in indicators.items()}
    for spec in in_order(by_id):
        full_tree(spec, by_id, directions)


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
        entry = read(path.read_text(encoding="utf-8"), path.name)
        spec = read_index(entry, path.name)
        if spec.id != path.stem:
            raise entry.error(f"declares the id {spec.id!r}; file and id are one name", "id")
        specs.append(spec)
    judge(specs, all_indicators())
    return {spec.id: spec for spec in in_order({spec.id: spec for spec in specs})}
