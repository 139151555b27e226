"""The published file as rows: a table that is not there is empty, and why is asked of meta.absent."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from atlas import summary

Row = dict[str, Any]

NON_USES = (
    "The published file carries no statement of what its figures are not for. They describe the conditions of places, "
    "say nothing of any person, and must be used against nobody."
)
"""Said where an older file has no meta.limits."""


class Published:
    """A published file that is open for reading; use it as a context."""

    def __init__(self, home: Path) -> None:
        self._connection = summary.connect(home)
        listed = self._connection.execute("SELECT table_schema || '.' || table_name FROM information_schema.tables")
        self._tables = {name for (name,) in listed.fetchall()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def has(self, table: str) -> bool:
        """Whether the file has the table or view `schema.name`."""
        return table in self._tables

    def sql(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """The rows that a query finds, by column."""
        result = self._connection.execute(sql, list(parameters))
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def rows(self, table: str, where: str = "TRUE", parameters: Sequence[object] = (), order: str = "ALL") -> list[Row]:
        """All columns of the rows of a table that meet a condition; none where the file has no such table."""
        if not self.has(table):
            return []
        schema, name = table.split(".", 1)
        return self.sql(f'SELECT * FROM {schema}."{name}" WHERE {where} ORDER BY {order}', parameters)

    def why_absent(self, *parts: str) -> list[str]:
        """What meta.absent says of these parts (a table's key, or what begins with it), each reason once."""
        found = self.rows("meta.absent", order="part, reason")
        reasons = [row["reason"] for row in found if any(_is_of(row["part"], part) for part in parts)]
        return list(dict.fromkeys(reasons))

    def release(self) -> Row:
        """The row of meta.releases of this file."""
        return self.rows("meta.releases", order="release DESC")[0]

    def limits(self) -> dict[str, str]:
        """What the figures are and what they are not for: `what_it_is` and `non_uses`."""
        found = {row["limit_id"]: row["text"] for row in self.rows("meta.limits")}
        described = self.sql(
            "SELECT comment FROM (SELECT schema_name, view_name AS name, comment FROM duckdb_views() UNION ALL "
            "SELECT schema_name, table_name, comment FROM duckdb_tables()) "
            "WHERE schema_name = 'risk' AND name = 'scores' AND comment IS NOT NULL"
        )
        return {"what_it_is": described[0]["comment"] if described else "", "non_uses": NON_USES} | found


def _is_of(part: str, wanted: str) -> bool:
    return part == wanted or part.startswith(f"{wanted}.")


def among(column: str, values: Sequence[object]) -> str:
    """A condition with a place for each value, for `rows`; of no value it is false."""
    return f"{column} IN ({', '.join('?' for _ in values)})" if values else "FALSE"
