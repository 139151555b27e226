"""What broke in a run, by name: the step, the tables and rules, and the sources behind them."""

import re
from dataclasses import dataclass

from pipelines.assets import LANDING_OP
from pipelines.home import Home
from pipelines.staleness import LANDING

# As `judging.explain` puts it.
_RULE = re.compile(r"(?:^|; )([a-z]+\.\w+): rule (.+?)(?: on column '.+?')? is broken")


@dataclass(frozen=True)
class Broken:
    """One failure of a run.

    Args:
        step: the step that failed, as Dagster names it.
        tables: tables of which a rule is broken.
        rules: the broken rules, in words.
        sources: sources that the step or the tables are made of.
        said: what was said, without secrets.
    """

    step: str
    tables: list[str]
    rules: list[str]
    sources: list[str]
    said: str


def named_failure(home: Home, step: str, said: str) -> Broken:
    """A failure by name, from the step and what was said of it."""
    found = _RULE.findall(said)
    tables = list(dict.fromkeys(table for table, _ in found))
    behind = {source for table in tables for source in sources_of(home, table)}
    if not behind:
        behind = {step.removeprefix(LANDING_OP)} if step.startswith(LANDING_OP) else set(_of_step(home, step))
    return Broken(step, tables, list(dict.fromkeys(rule for _, rule in found)), sorted(behind), said)


def sources_of(home: Home, table: str) -> list[str]:
    """The sources that a table is made of, at any depth."""
    makers = [step.id for step in home.steps.all.values() if table in step.makes]
    return sorted({source for maker in makers for source in _of_step(home, maker)})


def _of_step(home: Home, step_id: str) -> list[str]:
    steps = home.steps.all
    maker = {key: step.id for step in steps.values() for key in step.makes}
    seen: set[str] = set()
    ahead = [step_id]
    while ahead:
        step = ahead.pop()
        if step not in seen:
            seen.add(step)
            reads = steps[step].reads if step in steps else ()
            ahead += [key if key.startswith(LANDING) else maker[key] for key in reads if key in maker or ":" in key]
    return sorted(one.removeprefix(LANDING) for one in seen if one.startswith(LANDING))
