"""Read and judge the index of any table: members name columns, or a preset names a publisher's method."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from models.engine.imd import DOMAIN_WEIGHTS
from models.engine.svi import REVERSED_2018, THEMES_2018, THEMES_2020, THEMES_2022
from models.engine.tree import Node, Recipe
from models.indices.declared import (
    COMMON_KEYS,
    OF_OWN,
    OWN_ONLY,
    RECIPE_KEYS,
    TABLE_MEMBER_KEYS,
    Declared,
    GroupSpec,
    Leaf,
    grow,
    read_approved_by,
    read_groups,
    read_parent,
    read_recipe,
    read_sensitivity,
)
from models.indices.yaml_lines import Entry, nearest

TABLE_MIN_COVERAGE = 2 / 3
"""Share of the weight that a row of a table needs where its declaration does not say."""
_PRESET_KEYS = {
    "svi": ("vintage", "themes", "reversed", "population"),
    "imd": ("domains",),
}
SVI_THEMES = {"2018": THEMES_2018, "2020": THEMES_2020, "2022": THEMES_2022}


@dataclass(frozen=True)
class ErrorModel:
    """What an error model reads: columns, numbers, and which of them may be left out."""

    columns: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


ERROR_MODELS = {
    "none": ErrorModel(),
    "margin": ErrorModel(columns=("margin",)),
    "se": ErrorModel(columns=("se",)),
    "relative": ErrorModel(numbers=("cv",)),
    "binomial": ErrorModel(columns=("n",), numbers=("scale",), optional=("scale",)),
    "poisson": ErrorModel(columns=("exposure",), numbers=("per",), optional=("exposure", "per")),
    "published_interval": ErrorModel(columns=("lower", "upper"), numbers=("level",), optional=("level",)),
    "interval": ErrorModel(
        columns=("lower", "upper", "n"), numbers=("scale", "rounding"), optional=("scale", "rounding")
    ),
}
NORMAL = ("margin", "se", "relative")
"""Error models with a standard error: they are shrunk, and their errors may be declared to be correlated."""


@dataclass(frozen=True)
class ErrorSpec:
    """How the error of a column is known: a key of ERROR_MODELS, its columns and its numbers."""

    model: str = "none"
    columns: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnSpec:
    """A column of a table inside an index.

    Args:
        support: lowest and highest possible value; draws stay within.
    """

    id: str
    column: str
    direction: int
    weight: float
    parent: str | None
    error: ErrorSpec
    support: tuple[float, float]
    rationale: str


@dataclass(frozen=True)
class PresetSpec:
    """A publisher's own method.

    Args:
        name: `svi` or `imd`.
        vintage: of SVI, which decides its themes.
        themes: of SVI: theme to its variables, without the `EP_`; outputs number themes in this order.
        reversed: of SVI: variables where less is more vulnerable.
        population: of SVI: column of persons; rows with 0 are not ranked; None: every row is.
        domains: of IMD: column of a domain's rank to its weight.
    """

    name: str
    vintage: str = ""
    themes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reversed: tuple[str, ...] = ()
    population: str | None = None
    domains: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TableSpec(Declared):
    """A validated declaration of the index of a table.

    Args:
        id_column: names the rows.
        name_column: a second name for people, if there is one.
        missing_codes: cells that mean missing, as they are written.
        error_correlation: between the errors of members: one number for all pairs, pairs by name, or
            the path of a matrix; None where nothing is declared.
        preset: a publisher's method, which then stands in place of members.
        entry: the declaration as it was read, for errors that the table brings to light.
    """

    id_column: str
    name_column: str | None
    missing_codes: tuple[str, ...]
    members: tuple[ColumnSpec, ...]
    error_correlation: float | Mapping[str, Mapping[str, float]] | str | None
    preset: PresetSpec | None
    entry: Entry

    @property
    def member_ids(self) -> list[str]:
        return [member.id for member in self.members]


def _error(member: Entry) -> ErrorSpec:
    """The error model of a member, written out or as the short `margin` or `se`."""
    given = [key for key in ("margin", "se", "error") if key in member.data]
    if len(given) > 1:
        raise member.error(f"{' and '.join(given)} say the same thing twice: keep one", given[1])
    if not given:
        return ErrorSpec()
    if given != ["error"]:
        return ErrorSpec(given[0], {given[0]: member.text(given[0])})
    error = member.mapping("error")
    error.need("model")
    name = error.choice("model", tuple(ERROR_MODELS))
    model = ERROR_MODELS[name]
    error.only(("model", *model.columns, *model.numbers))
    error.need(*(key for key in (*model.columns, *model.numbers) if key not in model.optional))
    return ErrorSpec(
        name,
        {key: error.text(key) for key in model.columns if key in error.data},
        {key: _error_number(error, key) for key in model.numbers if key in error.data},
    )


def _error_number(error: Entry, key: str) -> float:
    number = error.number(key, at_least=0) if key == "rounding" else error.number(key, above=0)
    if key == "level" and number >= 1:
        raise error.error(f"level must lie between 0 and 1, such as 0.90, not {number:g}", key)
    return number


def _support(member: Entry) -> tuple[float, float]:
    ends = member.data.get("support")
    if ends is None:
        return (-math.inf, math.inf)
    if not isinstance(ends, list) or len(ends) != 2:
        raise member.error(f"support must be a list of two ends, null where there is none, not {ends!r}", "support")
    open_ends = (-math.inf, math.inf)
    lower, upper = (
        open_ends[n] if end is None else member.judge_number(end, "support", n) for n, end in enumerate(ends)
    )
    if lower >= upper:
        raise member.error(f"support must have its lower end first, not {ends!r}", "support")
    return lower, upper


def _column_member(entry: Entry, position: int, item: Any) -> ColumnSpec:
    number = f"member {position + 1}"
    member = entry.at(item, "members", position, label=number)
    name = item.get("id") or item.get("column")
    member = replace(member, label=f"{number} ({name})") if isinstance(name, str) else member
    member.only(
        TABLE_MEMBER_KEYS,
        dict.fromkeys(("indicator", "index", "max_age_years"), f"{OF_OWN}: name a column with `column`"),
    )
    member.need("column", "direction")
    direction = item["direction"]
    if isinstance(direction, bool) or direction not in (1, -1):
        raise member.error(
            f"direction must be +1 where more is greater need or -1 where less is, not {direction!r}", "direction"
        )
    return ColumnSpec(
        id=member.text("id", member.text("column")),
        column=member.text("column"),
        direction=int(direction),
        weight=member.number("weight", 1.0, above=0),
        parent=read_parent(member, entry.data["id"]),
        error=_error(member),
        support=_support(member),
        rationale=str(item.get("rationale") or ""),
    )


def _table_keys(entry: Entry) -> tuple[str, str | None, tuple[str, ...]]:
    table = entry.mapping("table")
    table.only(("id", "name", "missing_code"))
    table.need("id")
    codes = table.data.get("missing_code")
    listed = codes if isinstance(codes, list) else [] if codes is None else [codes]
    for code in listed:
        if isinstance(code, bool) or not isinstance(code, str | int | float):
            raise table.error(f"missing_code must be a number, a text or a list of them, not {code!r}", "missing_code")
    name = None if table.data.get("name") is None else table.text("name")
    return table.text("id"), name, tuple(str(code) for code in listed)


def _error_correlation(entry: Entry, members: Sequence[ColumnSpec]) -> float | dict[str, dict[str, float]] | str | None:
    """The declared correlation of errors between members."""
    key = "error_correlation"
    value = entry.data.get(key)
    if value is None or isinstance(value, str):
        return value if value is None else entry.text(key)
    if not isinstance(value, Mapping):
        return _correlation(entry, value, key)
    known = [member.id for member in members]
    pairs: dict[str, dict[str, float]] = {}
    for first, row in entry.mapping(key).data.items():
        inner = entry.at(row, key, first, label=f"{key}, {first}")
        for name in (first, *inner.data):
            if name not in known:
                raise inner.error(
                    f"no member is called {name}{nearest(name, known)}", *([name] if name != first else [])
                )
        pairs[first] = {second: _correlation(inner, number, second) for second, number in inner.data.items()}
    return pairs


def _correlation(entry: Entry, value: Any, key: str) -> float:
    number = entry.judge_number(value, key)
    if not -1 < number < 1:
        raise entry.error(f"{key} must lie between -1 and 1, not {value!r}", key)
    return number


def _preset(entry: Entry) -> PresetSpec:
    name = entry.choice("preset", tuple(_PRESET_KEYS))
    owned = {"members", "groups", "sensitivity", "error_correlation", *RECIPE_KEYS}
    foreign = {key: f"belongs to the preset {other}" for other, keys in _PRESET_KEYS.items() for key in keys}
    entry.only(
        ("id", "title", "question", "approved_by", "table", "preset", *_PRESET_KEYS[name]),
        foreign
        | dict.fromkeys(OWN_ONLY, OF_OWN)
        | dict.fromkeys(owned, f"is decided by the preset {name}: leave it out"),
    )
    if name == "svi":
        return _svi(entry)
    if entry.data.get("domains") is None:
        return PresetSpec(name, domains=dict(DOMAIN_WEIGHTS))
    domains = entry.mapping("domains")
    if not domains.data:
        raise domains.error("names no domain")
    return PresetSpec(name, domains={column: domains.number(column, above=0) for column in domains.data})


def _svi(entry: Entry) -> PresetSpec:
    vintage = ""
    if "vintage" in entry.data:
        vintage = str(entry.data["vintage"])
        if vintage not in SVI_THEMES:
            raise entry.error(f"vintage {vintage} is none of {', '.join(SVI_THEMES)}: give `themes` instead", "vintage")
    themes = _svi_themes(entry, vintage)
    every = [variable for theme in themes.values() for variable in theme]
    twice = [variable for variable, count in Counter(every).items() if count > 1]
    if twice:
        raise entry.error(f"themes: {twice[0]} stands in two places", "themes")
    turned = tuple(variable for variable in REVERSED_2018 if variable in every)
    if "reversed" in entry.data:
        listed = entry.items("reversed") if entry.data["reversed"] else []
        turned = tuple(entry.judge_choice(item, every, "reversed", n) for n, item in enumerate(listed))
    population = None if entry.data.get("population") is None else entry.text("population")
    return PresetSpec("svi", vintage, themes, turned, population)


def _svi_themes(entry: Entry, vintage: str) -> dict[str, tuple[str, ...]]:
    if "themes" not in entry.data:
        if not vintage:
            raise entry.error(f"the preset svi needs `vintage` ({', '.join(SVI_THEMES)}) or `themes`", "preset")
        return dict(SVI_THEMES[vintage])
    listed = entry.mapping("themes")
    if not listed.data:
        raise listed.error("names no theme")
    themes = {}
    for theme in listed.data:
        variables = listed.items(theme)
        if not all(isinstance(value, str) and value for value in variables):
            raise listed.error(f"{theme} must list names of variables, such as POV for the column EP_POV", theme)
        themes[theme] = tuple(variables)
    return themes


def read_table_index(entry: Entry) -> TableSpec:
    """Read the declaration of the index of a table.

    Raises:
        DeclarationError: a key is missing, unknown or has a value that cannot be used, or what is
            declared cannot be computed.
    """
    preset = _preset(entry) if "preset" in entry.data else None
    if preset is None:
        entry.only(
            (*COMMON_KEYS, "table", "error_correlation", "preset"),
            dict.fromkeys(OWN_ONLY, OF_OWN)
            | {
                key: f"belongs to a preset ({', '.join(_PRESET_KEYS)})"
                for keys in _PRESET_KEYS.values()
                for key in keys
            },
        )
    entry.need("id", "table", *(() if preset else ("members",)))
    name = entry.text("id")
    id_column, name_column, codes = _table_keys(entry)
    recipe, tree = Recipe(), Node(name)
    members: tuple[ColumnSpec, ...] = ()
    groups: tuple[GroupSpec, ...] = ()
    if preset is None:
        recipe = read_recipe(entry, Recipe(min_coverage=TABLE_MIN_COVERAGE))
        members = tuple(_column_member(entry, position, item) for position, item in enumerate(entry.items("members")))
        groups = read_groups(entry, recipe)
        leaves = [Leaf(Node(m.id, m.weight, m.direction), m.parent) for m in members]
        tree = grow(entry, name, recipe, groups, leaves)
    return TableSpec(
        id=name,
        title=entry.text("title", name),
        question=str(entry.data.get("question") or ""),
        recipe=recipe,
        groups=groups,
        sensitivity=read_sensitivity(entry, recipe, tree),
        approved_by=read_approved_by(entry),
        tree=tree,
        id_column=id_column,
        name_column=name_column,
        missing_codes=codes,
        members=members,
        error_correlation=_error_correlation(entry, members),
        preset=preset,
        entry=entry,
    )
