"""A home on disk, and the catalogue of tables that it holds."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from models.decisions.decision import all_decisions
from models.geography import published as crosswalks
from models.indicators.indicator import VALUES, all_indicators
from models.indices.spec import all_indices
from models.indices.tables import UNIONS, index_table, index_tables
from pipelines.landing import Landing
from pipelines.settings import Settings
from pipelines.tables import TableStore
from quality.contract import Table
from sources.registry import core_tables


def catalogue() -> dict[str, Table]:
    """Every table that is stored and published, by key, in the order in which data flow."""
    tables = [table for _, table in core_tables().values()]
    tables += [crosswalks.CROSSWALK, crosswalks.UNMATCHED, crosswalks.ACS_AREA]
    tables += [indicator.table for indicator in all_indicators().values()]
    tables += [table for spec in all_indices().values() for table in index_tables(spec)]
    tables += [table for decision in all_decisions().values() for table in decision.tables]
    return {table.key: table for table in tables}


def unions() -> list[tuple[Table, list[str]]]:
    """Each published union, and the keys of the tables that it unites."""
    united = [(VALUES, [indicator.table.key for indicator in all_indicators().values()])]
    united += [(union, [index_table(union, spec).key for spec in all_indices().values()]) for union in UNIONS]
    return united


@dataclass(frozen=True)
class Home:
    """The folders of one home; nothing else in the project knows their names."""

    settings: Settings

    @property
    def root(self) -> Path:
        return self.settings.home

    @cached_property
    def landing(self) -> Landing:
        return Landing(self.root / "landing")

    @cached_property
    def tables(self) -> TableStore:
        return TableStore(self.root / "tables")

    @property
    def checks(self) -> Path:
        return self.root / "checks"

    @property
    def data_docs(self) -> Path:
        return self.root / "data_docs" / "index.html"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"
