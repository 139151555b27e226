"""The catalogue of indicators: its cells judged against the Census Bureau's labels, and a page that reviewers read.

`python -m models.indicators.catalogue > docs/indicators.md` writes the page anew.
"""

import csv
import re
import sys
from collections.abc import Iterator, Mapping
from io import StringIO
from itertools import combinations, groupby
from typing import TYPE_CHECKING, NamedTuple

from models.indicators import acs
from models.indicators.equivalents import OTHER_CELLS, SVI
from models.indicators.indicator import CELL, TOPICS, UNITS, Indicator

if TYPE_CHECKING:
    from models.indices.spec import IndexSpec

CROSS_UNIVERSE = {
    "kin_care_share": "the grandchildren of B10002 are among the children of B09001",
    "vacant_nonseasonal_share": "B25004 divides the vacant units of B25002",
}
"""Indicators that set cells of one table against another and compare no groups, and why they may."""


class Entry(NamedTuple):
    """A cell of the publisher's list of variables.

    Args:
        label: the way to the cell, from the widest to the narrowest, with ` > ` between.
        concept: title of the table.
        basis: how the label is known: `checked`, `read` or `structure` (see tests/catalogue/README.md).
    """

    label: str
    concept: str
    basis: str

    @property
    def path(self) -> tuple[str, ...]:
        """The parts of the label, without the colons that some releases put behind them."""
        return tuple(part.strip().removesuffix(":") for part in self.label.split(" > "))


Catalogue = Mapping[str, Entry]


class CatalogueError(ValueError):
    """A file of cells that cannot be read."""


def read_catalogue(text: str) -> dict[str, Entry]:
    """Read a file of cells of one vintage.

    Args:
        text: CSV with the columns cell, label, concept, basis.

    Raises:
        CatalogueError: a column is missing, a cell does not look like one or stands twice.
    """
    rows = csv.DictReader(StringIO(text))
    if tuple(rows.fieldnames or ()) != ("cell", *Entry._fields):
        raise CatalogueError(f"the columns must be cell, label, concept, basis, not {rows.fieldnames}")
    found: dict[str, Entry] = {}
    for line, row in enumerate(rows, start=2):
        cell = row["cell"]
        if not re.fullmatch(CELL, cell) or cell in found:
            raise CatalogueError(f"line {line}: {cell!r} is no ACS cell or stands twice")
        found[cell] = Entry(row["label"], row["concept"], row["basis"])
    return found


# --- judging -----------------------------------------------------------------------------------------------------


def crosses_tables(indicator: Indicator) -> bool:
    """Whether an indicator may set cells of one table against another: groups of people have a table each."""
    return indicator.compares_groups or indicator.id in CROSS_UNIVERSE


def expressions(indicator: Indicator) -> list[tuple[str, str]]:
    """Numerators and denominators of ACS cells that stand for an indicator, the declared one first.

    An indicator of another source, or one that says in words what it does with its cells, has none.
    """
    found = [(indicator.numerator, indicator.denominator), OTHER_CELLS.get(indicator.id, ("", ""))]
    return [(top, bottom) for top, bottom in found if _is_sum(top) and (not bottom or _is_sum(bottom))]


def _is_sum(expression: str) -> bool:
    try:
        return bool(acs.terms(expression))
    except ValueError:
        return False


def faults(
    numerator: str, denominator: str, catalogue: Catalogue, *, crosses: bool = False, pattern: str = ""
) -> list[str]:
    """What is wrong with a numerator and a denominator by the labels of their cells.

    Args:
        denominator: empty for counts and values that stand alone.
        crosses: whether cells of two tables may be set against each other.
        pattern: what the label of every counted cell must match, from its first letter or later; empty for any.

    Returns:
        A sentence a fault: a cell that the vintage lacks, a label that is not as expected, a cell counted twice
        because one of its parts is counted too, a numerator outside its denominator.
    """
    top, bottom = acs.terms(numerator), acs.terms(denominator) if denominator else []
    missing = dict.fromkeys(cell for _, cell in top + bottom if cell not in catalogue)
    if missing:
        return [f"{cell} is no cell of this vintage" for cell in missing]
    labels = [
        f"{cell} is {catalogue[cell].label!r}, not {pattern!r}"
        for sign, cell in top
        if pattern and sign > 0 and not re.search(pattern, catalogue[cell].label)
    ]
    return [
        *labels,
        *_twice(top, catalogue),
        *_twice(bottom, catalogue),
        *_not_taken_from(top, top + bottom, catalogue, crosses=crosses),
        *_not_taken_from(bottom, bottom, catalogue, crosses=crosses),
        *(_outside(top, bottom, catalogue, crosses=crosses) if bottom else ()),
    ]


def _table(cell: str) -> str:
    return cell[:-4]


def is_part(cell: str, whole: str, catalogue: Catalogue) -> bool:
    """Whether a cell is another of the same table or lies under it; a table of one race is part of that of all.

    Under it also lies what the table shows of the same line in a finer division: in B07001 `Moved within same county
    > 5 to 17 years` is part of `5 to 17 years`.
    """
    if _table(whole) not in (_table(cell), re.sub(r"(?<=\d)[A-I]$", "", _table(cell))):
        return False
    inner, outer = catalogue[cell].path, catalogue[whole].path
    under = inner[: len(outer)] == outer
    crossed = inner[-1] == outer[-1] and inner[: len(outer) - 1] == outer[:-1]
    return under or crossed


def _twice(terms: list[tuple[int, str]], catalogue: Catalogue) -> Iterator[str]:
    for (sign, one), (other_sign, other) in combinations(terms, 2):
        if sign == other_sign and (is_part(one, other, catalogue) or is_part(other, one, catalogue)):
            yield f"{one} and {other} count the same people twice"


def _not_taken_from(
    terms: list[tuple[int, str]], held: list[tuple[int, str]], catalogue: Catalogue, *, crosses: bool
) -> Iterator[str]:
    """Cells that are taken away from what does not hold them; the parts of a difference lie in the denominator."""
    wholes = [whole for sign, whole in held if sign > 0]
    for sign, cell in terms:
        if sign < 0 and not crosses and not any(is_part(cell, whole, catalogue) for whole in wholes):
            yield f"{cell} is taken away from what does not hold it"


def _outside(
    top: list[tuple[int, str]], bottom: list[tuple[int, str]], catalogue: Catalogue, *, crosses: bool
) -> Iterator[str]:
    for sign, cell in top:
        if sign < 0:
            continue
        if any(is_part(cell, gone, catalogue) for other, gone in bottom if other < 0):
            yield f"{cell} is counted and taken out of the denominator"
        elif not crosses and not any(is_part(cell, whole, catalogue) for other, whole in bottom if other > 0):
            yield f"{cell} lies in no cell of the denominator"


# --- the page ----------------------------------------------------------------------------------------------------

_INTRO = """\
# Indicators

What is measured, from which cells of which publisher, how well, and what is known to be wrong with it. This page is
written from the declarations in `models/indicators/` and `models/indices/*.yaml`
(`python -m models.indicators.catalogue > docs/indicators.md`); a test fails when it is out of date. The same stands in
`meta.indicators` and `meta.indices` of every published file; values stand in `indicator.values`, one row an area,
indicator and vintage, with the vintages that were on hand.

An index describes the conditions of places. It says nothing of any person and does not predict trafficking.
Cells are those of the American Community Survey (ACS) unless a publisher is named; a cell is a table and a line.
Weights count within their index; `approved_by` is empty until a fund has approved them.
"""

_DIRECTIONS = {1: "more is greater need", -1: "less is greater need", 0: "context, ranks nothing"}
_ERRORS = {
    "moe": "published margins of error",
    "published_interval": "the publisher's own interval",
    "censored": "bounds that a publisher's suppression leaves",
    "binomial": "binomial, from the published numbers",
    "poisson": "Poisson, from the published counts",
    "declared": "declared here, with its reason",
    "none": "none published",
}
_BESIDE = {
    "context": "Context: shown, and enters no index",
    "population": "Populations: counted, and enter no index",
}


def render(indicators: Mapping[str, Indicator], specs: Mapping[str, "IndexSpec"]) -> str:
    """The page of all indicators, by index and weight; then those beside the indices, by topic.

    Args:
        indicators: all of them by id.
        specs: all indices by id.
    """
    parts = [_INTRO]
    rest = dict(indicators)
    for spec in sorted(specs.values(), key=lambda spec: TOPICS.index(spec.id) if spec.id in TOPICS else len(TOPICS)):
        status = f"approved by {spec.approved_by}" if spec.approved_by else "not yet approved by a fund"
        parts.append(f"## {spec.title}\n\n{spec.question} Index `{spec.id}`, {status}.\n")
        parts.append(_weights(spec, indicators))
        parts += [f"- {change.date}, {change.by}: {change.what} {change.why}\n" for change in spec.changes]
        for member in sorted(spec.members, key=lambda member: -member.weight):
            if not member.is_index:
                parts.append(_section(rest.pop(member.id)))
        beside = [name for name, one in rest.items() if one.topic == spec.id]
        if beside:
            parts.append(f"### Beside the index of {spec.title.lower()}, and not in it\n")
            parts += [_section(rest.pop(name), "####") for name in beside]
    for topic, title in _BESIDE.items():
        listed = [name for name, one in rest.items() if one.topic == topic]
        if listed:
            parts.append(f"## {title}\n")
            parts += [_section(rest.pop(name)) for name in listed]
    return "\n".join(parts)


def _weights(spec: "IndexSpec", indicators: Mapping[str, Indicator]) -> str:
    rows = [
        f"| {_member_title(member.id, indicators)} | {member.weight:g} | {member.rationale} |"
        for member in sorted(spec.members, key=lambda member: -member.weight)
    ]
    return "\n".join(("| Member | Weight | Why so much |", "| --- | ---: | --- |", *rows, ""))


def _member_title(name: str, indicators: Mapping[str, Indicator]) -> str:
    """How the table of weights names a member: an indicator by its title, an index by its id."""
    return indicators[name].title if name in indicators else f"index `{name}`"


def _section(one: Indicator, heading: str = "###") -> str:
    cells = f"`{short(one.numerator)}`" + (f" over `{short(one.denominator)}`" if one.denominator else "")
    others = [f"`{short(top)}` over `{short(bottom)}`" for top, bottom in [OTHER_CELLS.get(one.id, ("", ""))] if top]
    others += [f"{SVI[one.id]} of CDC's Social Vulnerability Index, by county"] if one.id in SVI else []
    shrunk = "; small areas drawn towards the nation's distribution" if one.is_shrunk else ""
    lines = {
        "Universe": one.universe,
        "Cells": cells + (f"; where these were not landed {', else '.join(others)}" if others else ""),
        "Reads": f"{_DIRECTIONS[one.direction]}; {UNITS[one.unit]}; error: {_ERRORS[one.error]}{shrunk}",
        "Levels": ", ".join(level.replace("_", " ") for level in one.levels)
        + (f"; known by {one.native_level}" if one.native_level not in one.levels[:1] else ""),
        "Stands for its factor": one.reference,
        "Known bias": one.bias or "none noted",
    }
    listed = "\n".join(f"- {name}: {text}" for name, text in lines.items())
    return f"{heading} {one.title}\n\n`{one.id}`. {one.definition}\n\n{listed}\n"


def short(expression: str) -> str:
    """An expression with runs of three lines and more of a table written as `B15003_002 to _016`."""
    if not _is_sum(expression):
        return expression
    text = ""
    terms = acs.terms(expression)
    # Lines that follow each other keep the same distance to their position.
    runs = groupby(enumerate(terms), lambda item: (item[1][0], _table(item[1][1]), int(item[1][1][-3:]) - item[0]))
    for (sign, _, _), run in runs:
        cells = [cell for _, (_, cell) in run]
        kept = [f"{cells[0]} to {cells[-1][-4:]}"] if len(cells) > 2 else cells
        for cell in kept:
            text += (" - " if sign < 0 else " + " if text else "") + cell
    return text


if __name__ == "__main__":
    from models.indicators.indicator import all_indicators
    from models.indices.spec import all_indices

    sys.stdout.write(render(all_indicators(), all_indices()))
