"""`headwaters allocate`: the published counts in, awards with their certainty out."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from rich import box
from rich.markup import escape
from rich.table import Table

from atlas import summary
from models.decisions.allocation import DRIVERS, Allocation, Request, allocate, finish
from models.decisions.allocation_rules import AGES, POPULATIONS, RENTS, rule_frame
from models.decisions.award import AwardError, cents, dollars
from models.limits import NON_USES
from pipelines.files import write_atomically
from pipelines.indexing import FileError, read_table
from pipelines.spreadsheet import csv_bytes

COUNTIES = "risk.scores"
_SHOWN_DRIVERS = 1


@dataclass(frozen=True)
class Outcome:
    """A divided budget with what its reader has to know.

    Args:
        frame: rows of `decision.allocation`, the greatest award first.
        release: number of the published file that the counts are from.
    """

    asked: Request
    found: Allocation
    frame: pl.DataFrame
    release: int
    is_simulated: bool

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        rule = self.asked.rule
        return {
            "rule_id": rule.id,
            "rule": rule.text,
            "citation": rule.citation,
            "population_id": self.asked.population,
            "budget_usd": self.asked.terms.budget / 100,
            "minimum_usd": self.asked.terms.minimum / 100,
            "cap_share": self.asked.cap_share,
            "n_funded": self.found.n_funded,
            "regret_count": self.found.regret_count,
            "n_draws": self.asked.n_draws,
            "seed": self.asked.seed,
            "release": self.release,
            "is_simulated": self.is_simulated,
            "limits": NON_USES,
            "awards": self.frame.to_dicts(),
        }

    def as_json(self) -> str:
        return json.dumps(self.as_dict())


def read_hold_harmless(path: Path, areas: Collection[str]) -> dict[str, int]:
    """Read the least amounts of areas that are held harmless: a CSV file with the columns geo_id and amount.

    Args:
        path: the file; amounts are dollars, such as 50000 or 50000.00.
        areas: ids of the region's counties.

    Returns:
        Cents by geo_id.

    Raises:
        FileError: it cannot be read, lacks a column, or a row is wrong; names the file and the row.
    """
    frame = read_table(path)
    if lacking := [name for name in ("geo_id", "amount") if name not in frame.columns]:
        raise FileError(
            f"{path.name}: has no column {' and no column '.join(lacking)}; it must have geo_id and amount, and has "
            f"{', '.join(frame.columns)}"
        )
    held: dict[str, int] = {}
    for row, (area, amount) in enumerate(frame.select("geo_id", "amount").iter_rows(), start=2):
        where = f"{path.name}: row {row}"
        area, amount = (area or "").strip(), (amount or "").strip()
        if area in held:
            raise FileError(f"{where}: {area} stands already in an earlier row")
        if area not in areas:
            hint = ": write five digits with their zeros" if area.zfill(5) in areas else ""
            raise FileError(f"{where}: {area or 'an empty geo_id'} is no county of the region{hint}")
        try:
            held[area] = cents("an amount", amount)
        except AwardError as error:
            raise FileError(f"{where}: {error}") from None
    return held


def _published(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> Mapping[str, pl.DataFrame]:
    """The tables of the published file by key; one that it does not have is left out."""
    names = connection.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall()
    there = {f"{schema}.{name}" for schema, name in names}
    return {key: connection.sql('SELECT * FROM {}."{}"'.format(*key.split("."))).pl() for key in keys if key in there}


def run(home: Path, asked: Request, hold_harmless: Path | None = None) -> Outcome:
    """Divide a budget among the counties of a home's region, from its published file alone.

    Args:
        home: the home.
        asked: rule, terms and draws.
        hold_harmless: a file of least amounts, which then stand in the request.

    Raises:
        NotPublishedError: nothing is published in the home.
        FileError: the file of least amounts cannot be used.
        RuleError: the published file lacks what the rule needs.
        AwardError: the terms cannot be met.
    """
    with summary.connect(home) as connection:
        tables = _published(connection, (POPULATIONS, RENTS, AGES, DRIVERS))
        counties = connection.sql(
            f"SELECT DISTINCT geo_id, geo_name FROM {COUNTIES} WHERE geo_level = 'county' ORDER BY geo_id"
        ).pl()
        release, is_simulated = connection.execute(
            "SELECT release, is_simulated FROM meta.releases ORDER BY release DESC LIMIT 1"
        ).fetchall()[0]
    if hold_harmless is not None:
        asked = replace(asked, hold_harmless=read_hold_harmless(hold_harmless, set(counties["geo_id"])))
    found = allocate(rule_frame(asked.rule, asked.population, tables, counties), asked)
    frame = finish(found, tables.get(DRIVERS), is_simulated=is_simulated)
    order = frame.sort(
        "award_usd", "expected_share", "geo_id", descending=[True, True, False], nulls_last=True, maintain_order=True
    )
    return Outcome(asked, found, order, release, is_simulated)


def write_csv(outcome: Outcome, path: Path) -> None:
    """Write the awards, a row a county, with the citation of the rule and what the figures are not for in each row.

    Raises:
        FileError: the file cannot be written.
    """
    if path.is_dir():
        raise FileError(f"{path}: is a folder: name a file")
    frame = outcome.frame.with_columns(
        release=pl.lit(outcome.release), citation=pl.lit(outcome.asked.rule.citation), limits=pl.lit(NON_USES)
    )
    try:
        write_atomically(path, csv_bytes(frame))
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None


def as_table(outcome: Outcome, *, is_terminal: bool = False) -> Table:
    """The awards as a table for people; areas without an award are counted below it."""
    asked, given = outcome.asked, outcome.asked.terms
    none, unknown = (
        int((outcome.frame["award_usd"] == 0).sum()),
        int(outcome.frame["award_usd"].is_null().sum()),
    )
    table = Table(
        title=("SIMULATED DATA, NO REAL PLACE: " if outcome.is_simulated else "")
        + f"{dollars(given.budget)} by the rule {asked.rule.id} ({asked.population}), {outcome.found.n_funded} awards, "
        f"release {outcome.release}",
        caption=f"Brackets hold 90 % intervals: of the count, and of what the rule would award were it known; funded: "
        f"chance of an award were it known. No award: {none} areas; count not known: {unknown}. Funding the list by "
        f"published counts is expected to miss {outcome.found.regret_count:,.0f} young people in need whom the best "
        f"list of that length reaches. The rule: {asked.rule.citation} {NON_USES}",
        box=box.SIMPLE if is_terminal else box.ASCII2,
        title_justify="left",
        caption_justify="left",
        collapse_padding=is_terminal,
    )
    table.add_column("area", overflow="fold")
    table.add_column("id", no_wrap=True)
    for name in ("need", "award", "were it known", "funded"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("drivers", overflow="fold")
    for row in outcome.frame.filter(pl.col("award_usd") > 0).iter_rows(named=True):
        table.add_row(*(escape(cell) for cell in _cells(row)))
    return table


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    need = "not known"
    if row["need_count"] is not None:
        need = f"{row['need_count']:,.0f} [{row['need_count_lower']:,.0f} to {row['need_count_upper']:,.0f}]"
    low, high = (f"${row[f'award_usd_{end}']:,.0f}" for end in ("p05", "p95"))
    return (
        row["geo_name"] or "",
        row["geo_id"],
        need,
        f"${row['award_usd']:,.2f}",
        f"[{low} to {high}]",
        f"{row['p_funded']:.0%}",
        "; ".join((row["drivers"] or "").split("; ")[:_SHOWN_DRIVERS]),
    )
