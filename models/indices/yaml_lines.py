"""YAML read so that every key and value remembers its line, and a mistake can be told by it."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import yaml

Path = tuple[str | int, ...]
"""The way to a value: keys of mappings and positions in lists, from 0."""


class DeclarationError(ValueError):
    """A declaration that cannot be computed or must not be; says file, line and key, and why."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the known name that comes closest, or the known names where they are few."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(names)}" if 0 < len(names) <= 12 else ""


@dataclass(frozen=True)
class Entry:
    """A mapping of a declaration, with the file and the lines that it came from.

    Args:
        data: keys and plain values.
        where: the file, as errors name it.
        lines: the line of every key and list item by its path from the top; empty where the data did
            not come from a file.
        path: of this mapping.
        label: what errors call this mapping, such as `member 2 (POV)`; empty at the top.
    """

    data: Mapping[str, Any]
    where: str
    lines: Mapping[Path, int] = field(default_factory=dict)
    path: Path = ()
    label: str = ""

    def error(self, reason: str, *keys: str | int) -> DeclarationError:
        """An error at the given key, or at the mapping itself where the key is not there."""
        path = (*self.path, *keys)
        while path and path not in self.lines:
            path = path[:-1]
        line = f":{self.lines[path]}" if path in self.lines else ""
        label = f"{self.label}: " if self.label else ""
        return DeclarationError(f"{self.where}{line}: {label}{reason}")

    def only(self, known: Sequence[str], elsewhere: Mapping[str, str] | None = None) -> None:
        """Refuse keys that nothing reads.

        Args:
            known: the keys that may stand here.
            elsewhere: keys that mean something in other declarations, with what to do instead.
        """
        for key in self.data:
            if key in known:
                continue
            if elsewhere and key in elsewhere:
                raise self.error(f"{key}: {elsewhere[key]}", key)
            raise self.error(f"unknown key {key}{nearest(key, known)}", key)

    def need(self, *keys: str) -> None:
        """Refuse a mapping without one of the keys."""
        gone = [key for key in keys if key not in self.data]
        if gone:
            raise self.error(f"the key {' and the key '.join(gone)} {'is' if len(gone) == 1 else 'are'} missing")

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty."""
        value = self.data.get(key, default)
        if not isinstance(value, str):
            quoted = "" if value is None or isinstance(value, list | dict) else ": put it in quotes"
            raise self.error(f"{key} must be a text, not {value!r}{quoted}", key)
        if not value.strip():
            raise self.error(f"{key} is empty", key)
        return value

    def number(
        self, key: str, default: float | None = None, *, above: float = -math.inf, at_least: float = -math.inf
    ) -> float:
        """A finite number."""
        return self.judge_number(self.data.get(key, default), key, above=above, at_least=at_least)

    def judge_number(
        self, value: Any, *keys: str | int, above: float = -math.inf, at_least: float = -math.inf
    ) -> float:
        """The value as a finite number; `keys` lead to it."""
        name = str(keys[-1]) if isinstance(keys[-1], str) else str(keys[-2])
        wanted = "a number"
        if above > -math.inf:
            wanted = "a positive number" if above == 0 else f"a number above {above:g}"
        elif at_least > -math.inf:
            wanted = f"a number of at least {at_least:g}"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # A whole number of hundreds of digits is no float.
        if not is_number or not -1e300 < value < 1e300 or value <= above or value < at_least:
            raise self.error(f"{name} must be {wanted}, not {value!r}", *keys)
        return float(value)

    def choice(self, key: str, allowed: Sequence[str], default: str | None = None) -> str:
        """One of the allowed texts."""
        return self.judge_choice(self.data.get(key, default), allowed, key)

    def judge_choice(self, value: Any, allowed: Sequence[str], *keys: str | int) -> str:
        """The value as one of the allowed texts; `keys` lead to it."""
        if not isinstance(value, str) or value not in allowed:
            name = keys[0]
            hint = nearest(value, allowed) if isinstance(value, str) and get_close_matches(value, allowed, n=1) else ""
            raise self.error(f"{name} {value!r} is none of {', '.join(allowed)}{hint}", *keys)
        return value

    def items(self, key: str) -> list[Any]:
        """A list that is not empty."""
        value = self.data.get(key)
        if not isinstance(value, list) or not value:
            raise self.error(f"{key} must be a list with at least one entry, not {value!r}", key)
        return value

    def mapping(self, key: str, label: str | None = None) -> "Entry":
        """The mapping under a key."""
        return self.at(self.data.get(key), key, label=label or f"{self.label + ', ' if self.label else ''}{key}")

    def at(self, value: Any, *keys: str | int, label: str) -> "Entry":
        """The value at `keys` as a mapping of its own."""
        if not isinstance(value, Mapping):
            raise self.error(f"{label} must be a mapping of keys and values, not {value!r}", *keys)
        return Entry(value, self.where, self.lines, (*self.path, *keys), label)


class _Reader:
    """Turns composed nodes into plain values and notes where they stood."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.lines: dict[Path, int] = {}
        self._seen: set[int] = set()
        self._scalars = yaml.SafeLoader("")

    def _error(self, node: yaml.Node, reason: str) -> DeclarationError:
        return DeclarationError(f"{self.where}:{node.start_mark.line + 1}: {reason}")

    def plain(self, node: yaml.Node, path: Path) -> Any:
        # An alias gives the same node again: it could contain itself, or multiply a small file without end.
        if id(node) in self._seen:
            raise self._error(node, "anchors and aliases (& and *) are not read: write the value out")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            for position, item in enumerate(node.value):
                self.lines[*path, position] = item.start_mark.line + 1
            return [self.plain(item, (*path, position)) for position, item in enumerate(node.value)]
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, f"the tag {node.tag} is not read")
        try:
            value: Hashable = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            said = getattr(error, "problem", None) or str(error)
            raise self._error(node, f"{node.value!r} cannot be read: {said}") from None
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise self._error(key, "a key must be a plain text")
            # As it is written: `1`, `no` and `2020-01-01` are names here, not a number, a truth and a date.
            name = key.value
            if name in values:
                first = self.lines[*path, name]
                raise self._error(key, f"the key {name} stands twice, first in line {first}")
            self.lines[*path, name] = key.start_mark.line + 1
            values[name] = self.plain(value, (*path, name))
        return values


def read(text: str, where: str) -> Entry:
    """Read one YAML document whose top is a mapping.

    Args:
        text: the document.
        where: the file, as errors name it.

    Raises:
        DeclarationError: not YAML, no mapping, a key stands twice, or an alias or a tag that is not
            read; with file and line.
    """
    reader = _Reader(where)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise DeclarationError(f"{where}: is empty: an index declaration is a mapping of keys and values")
        data = reader.plain(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise DeclarationError(f"{where}{line}: is no valid YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line_number = text.count("\n", 0, error.position) + 1
        raise DeclarationError(f"{where}:{line_number}: is no valid YAML: {error.reason}") from None
    except RecursionError:
        raise DeclarationError(f"{where}: is nested too deep to be an index declaration") from None
    if not isinstance(data, dict):
        raise DeclarationError(f"{where}:1: must be a mapping of keys and values")
    return Entry(data, where, reader.lines)
