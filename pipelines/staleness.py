"""What is stale: each step's recipe is compared with the one by which its tables were last made.

A recipe is a checksum over the code of a step (`code_versions`), what it is asked (region, cells, declarations) and the
contents of what it reads. It says nothing of when anything ran. A step whose recipe is unchanged has nothing to do, and
one that makes the same tables again leaves everything after it as it is.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from models.decisions.decision import Decision, all_decisions
from models.geography import places
from models.geography import published as crosswalks
from models.indicators.indicator import Indicator, all_indicators
from models.indices.spec import COMPARISON, IndexSpec, all_indices, leaf_members
from models.indices.tables import index_tables
from pipelines import code_versions as code
from pipelines.catalogue import catalogue, parts_of, scope_of
from pipelines.files import write_atomically
from pipelines.landing import Landing
from pipelines.settings import Settings, asked, bound_to
from pipelines.tables import TableStore
from sources.registry import all_sources
from sources.source import Source

COUNTIES = "core.census_acs5_county"
"""The table that lists the counties: ACS 5-year covers every one of them."""
WAREHOUSE = "warehouse"
LANDING = "landing:"
"""Before a source's id: the files that it has landed, which a step reads as it reads tables."""
ONLY_NEWS = "headwaters/only-news"
"""Tag of a run that takes stale steps only: a landing without news makes nothing."""
VINTAGES = "headwaters/vintages."
"""Before a source's id: tag of a run that lands only these of its vintages, separated by commas."""


@dataclass(frozen=True)
class Step:
    """One step of the pipeline.

    Args:
        id: as Dagster names it.
        makes: keys of its tables; the warehouse makes none.
        reads: keys of the tables that it reads.
        code: checksum of the code behind it.
        asked: everything else that decides what it makes.
        order: steps of one order do not read each other.
    """

    id: str
    makes: tuple[str, ...]
    reads: tuple[str, ...]
    code: str
    asked: str
    order: int


def index_reads(spec: IndexSpec) -> tuple[list[str], list[str]]:
    """Indicators that an index is made of, with the one it is compared with; and all tables that it reads."""
    leaves = list(dict.fromkeys((*(member.id for member, _ in leaf_members(spec, all_indices())), COMPARISON)))
    tables = (*(f"indicator.{leaf}" for leaf in leaves), COUNTIES, crosswalks.CROSSWALK.key, *places.LISTS.values())
    return leaves, list(dict.fromkeys(tables))


GEOGRAPHY_READS = tuple(dict.fromkeys((*crosswalks.INPUTS, COUNTIES)))
"""Tables that crosswalks and the areas made of counties are built from."""


def indicator_reads(indicator: Indicator) -> list[str]:
    """Tables that an indicator reads, the list of counties among them where it has county rows."""
    return list(dict.fromkeys((*indicator.tables, *([COUNTIES] if "county" in indicator.levels else []))))


def decision_reads(decision: Decision) -> list[str]:
    """Tables that a decision reads, unions taken apart, and the list of counties."""
    return list(dict.fromkeys((*(part for key in decision.reads for part in parts_of(key)), COUNTIES)))


def _declared(indicator: Indicator) -> str:
    return str({name: value for name, value in vars(indicator).items() if name != "compute"})


def _family(spec: IndexSpec, specs: Mapping[str, IndexSpec]) -> list[IndexSpec]:
    """An index and those inside it."""
    return [spec, *(one for m in spec.members if m.is_index for one in _family(specs[m.id], specs))]


class Steps:
    """All steps of a home, and which of them are stale."""

    def __init__(self, settings: Settings, landing: Landing, tables: TableStore, recipes: Path) -> None:
        self._settings, self._landing, self._tables, self._root = settings, landing, tables, recipes

    @cached_property
    def all(self) -> dict[str, Step]:
        """Every step by id, in an order in which they can be taken."""
        found = [self._core(source) for source in all_sources().values()]
        found.append(self._geography())
        found += [self._indicator(one) for one in all_indicators().values()]
        found += [self._risk(spec) for spec in all_indices().values()]
        found += self._decisions()
        reads = (*catalogue(), *(f"{LANDING}{source}" for source in all_sources()))
        last = max(step.order for step in found) + 1
        found.append(Step(WAREHOUSE, (), reads, code.of_everything(), self._region, last))
        return {step.id: step for step in found}

    @property
    def _region(self) -> str:
        return json.dumps(asked(self._settings))

    def _core(self, source: Source) -> Step:
        said = f"{scope_of(self._settings)}{self._settings.is_simulated}{[repr(table) for table in source.tables]}"
        version = code.of_modules([f"sources.{source.id}", "quality.suppression"])
        return Step(
            f"core_{source.id}", tuple(t.key for t in source.tables), (f"{LANDING}{source.id}",), version, said, 1
        )

    def _geography(self) -> Step:
        makes = tuple(table.key for table in crosswalks.TABLES)
        return Step("geography", makes, GEOGRAPHY_READS, code.of_modules(["models.geography.published"]), "", 2)

    def _indicator(self, one: Indicator) -> Step:
        version = code.of_function(one.compute.__module__, one.compute.__name__)
        version += code.of_modules(["models.indicators.assemble"])
        return Step(f"indicator_{one.id}", (one.table.key,), tuple(indicator_reads(one)), version, _declared(one), 3)

    def _risk(self, spec: IndexSpec) -> Step:
        leaves, reads = index_reads(spec)
        family = [repr(one) for one in _family(spec, all_indices())]
        said = "".join((*family, *(_declared(all_indicators()[leaf]) for leaf in leaves), self._region))
        version = code.of_modules(["models.indices.assess", "models.indices.areas"])
        makes = tuple(table.key for table in index_tables(spec))
        return Step(f"risk_{spec.id}", makes, tuple(reads), version, said, 4)

    def _decisions(self) -> Iterator[Step]:
        declared = "".join(_declared(one) for one in all_indicators().values())
        order: dict[str, int] = {}
        for decision in all_decisions().values():
            reads = decision_reads(decision)
            mine = 1 + max((order.get(key, 4) for key in reads), default=4)
            order |= {table.key: mine for table in decision.tables}
            version = code.of_modules([f"models.decisions.{decision.id}"])
            makes = tuple(table.key for table in decision.tables)
            yield Step(f"decide_{decision.id}", makes, tuple(reads), version, declared + self._region, mine)

    def _content(self, key: str) -> str:
        """Checksum of what stands in a table, or of the files that a source has landed."""
        if key.startswith(LANDING):
            landed = self._landing.snapshots(key.removeprefix(LANDING))
            return hashlib.sha256(json.dumps([[s.vintage, s.name, s.sha256] for s in landed]).encode()).hexdigest()
        return self._tables.sha256(key) if self._tables.has(key) else ""

    def recipe(self, step: Step) -> dict[str, str]:
        """What a step's tables would be made of now: its code, what it is asked, and the contents of what it reads."""
        said = hashlib.sha256(step.asked.encode()).hexdigest()
        return {"code": step.code, "asked": said} | {key: self._content(key) for key in step.reads}

    def _path(self, step: Step) -> Path:
        return self._root / f"{step.id}.json"

    def why_stale(self, step: Step) -> str | None:
        """Why a step has to be taken, in words; None where it has nothing to do."""
        path = self._path(step)
        if not path.exists():
            return "never made in this home"
        if lacking := [key for key in step.makes if not self._tables.has(key)]:
            return f"{', '.join(lacking)} is gone"
        if step.id == WAREHOUSE and bound_to(self._settings.home) is None:
            return "nothing is published"
        before, now = json.loads(path.read_text(encoding="utf-8")), self.recipe(step)
        changed = [key for key in now if before.get(key) != now[key]]
        changed += [key for key in before if key not in now]
        words = {"code": "its code has changed", "asked": "its declaration has changed"}
        return ", ".join(words.get(key, f"{key} has changed") for key in changed) or None

    @contextmanager
    def making(self, step_id: str) -> Iterator[None]:
        """While a step's tables are made it counts as stale; once they stand, the recipe is kept.

        The recipe is taken before anything is read, so that what changes meanwhile is seen the next time.
        """
        step = self.all[step_id]
        recipe = self.recipe(step)
        self._path(step).unlink(missing_ok=True)
        yield
        write_atomically(self._path(step), json.dumps(recipe).encode())

    def forget(self, key: str) -> None:
        """Make a table's step stale: what it made broke a rule."""
        for step in self.all.values():
            if key in step.makes:
                self._path(step).unlink(missing_ok=True)
