"""A home on disk."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipelines.landing import Landing
from pipelines.settings import Settings
from pipelines.staleness import Steps
from pipelines.tables import TableStore


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

    @cached_property
    def steps(self) -> Steps:
        return Steps(self.settings, self.landing, self.tables, self.root / "recipes")

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
