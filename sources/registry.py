"""All sources, found by their folders: adding a folder is adding a source."""

import importlib
import pkgutil
from functools import cache

import sources
from quality.contract import Table
from sources.source import Source


@cache
def all_sources() -> dict[str, Source]:
    """Every source by id, in alphabetical order."""
    found: dict[str, Source] = {}
    for module in pkgutil.iter_modules(sources.__path__):
        if not module.ispkg or module.name == "simulated":
            continue
        source: Source = importlib.import_module(f"sources.{module.name}").SOURCE
        if source.id != module.name:
            raise ValueError(f"sources/{module.name} declares the id {source.id!r}: folder and id are one name")
        found[source.id] = source
    return dict(sorted(found.items()))


def core_tables() -> dict[str, tuple[Source, Table]]:
    """Every core table by key, with its source."""
    return {table.key: (source, table) for source in all_sources().values() for table in source.tables}
