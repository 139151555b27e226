"""Which tables there are, which of them are read as one, and what of the publishers' data they need."""

from models.decisions.decision import all_decisions
from models.geography import published as crosswalks
from models.indicators.indicator import VALUES, all_indicators
from models.indices.spec import all_indices
from models.indices.tables import UNIONS, index_table, index_tables
from pipelines.settings import Settings
from quality.contract import Table
from sources.registry import core_tables
from sources.source import Scope


def catalogue() -> dict[str, Table]:
    """Every table that is stored and published, by key, in the order in which data flow."""
    tables = [table for _, table in core_tables().values()]
    tables += crosswalks.TABLES
    tables += [indicator.table for indicator in all_indicators().values()]
    tables += [table for spec in all_indices().values() for table in index_tables(spec)]
    tables += [table for decision in all_decisions().values() for table in decision.tables]
    return {table.key: table for table in tables}


def unions() -> list[tuple[Table, list[str]]]:
    """Each published union, and the keys of the tables that it unites."""
    united = [(VALUES, [indicator.table.key for indicator in all_indicators().values()])]
    united += [(union, [index_table(union, spec).key for spec in all_indices().values()]) for union in UNIONS]
    return united


def parts_of(key: str) -> list[str]:
    """The tables of a union; a table is its own only part."""
    return next((keys for union, keys in unions() if union.key == key), [key])


def scope_of(settings: Settings) -> Scope:
    """What a run needs: the cells of all indicators, the states of its region."""
    cells = sorted({cell for indicator in all_indicators().values() for cell in indicator.cells})
    return Scope(tuple(cells), settings.region.touched_states)
