"""From a publisher to core tables: land what the input offers, parse what was landed."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import polars as pl

from models.indicators.assemble import AbsentPart
from pipelines.catalogue import scope_of
from pipelines.home import Home
from pipelines.inputs import Input
from pipelines.landing import Snapshot
from pipelines.settings import LIVE
from quality import suppression
from quality.contract import ContractError, Table, concat
from sources.source import Source, SourceError

SHRINKAGE = 0.2
"""The part of a vintage's rows that may vanish between two runs before the run asks a person."""


@dataclass
class Landed:
    """What a source's landing did."""

    snapshots: list[Snapshot] = field(default_factory=list)
    changed: int = 0


def land(home: Home, source: Source, chosen: Input, vintages: Collection[str] | None = None) -> Landed:
    """Land every file that the input offers of a source; the offer counts only once all of it is there.

    Vintages of which the input says nothing stay as they were landed: those that were not asked for, and of a live
    run those that the publisher is not asked for.

    Args:
        vintages: those to land, and no others; None for all that the input speaks for.

    Raises:
        SourceError: a file cannot be had, or nothing of a vintage that was asked for by name; what was landed before
            stays current.
    """
    if source.id in home.settings.without:
        return Landed(home.landing.snapshots(source.id))
    done = Landed()
    asked = frozenset(chosen.vintages(source) if vintages is None else vintages)
    for vintage, fetched in chosen.files(source, scope_of(home.settings), asked):
        snapshot, is_new = home.landing.land(source, vintage, fetched, is_simulated=home.settings.is_simulated)
        done.snapshots.append(snapshot)
        done.changed += is_new
    if vintages is not None and (lacking := asked - {snapshot.vintage for snapshot in done.snapshots}):
        raise SourceError(
            f"{source.id}: the input has no file of {', '.join(sorted(lacking))} that the source reads; what was "
            "landed before stays. Put the files where the input looks for them, or leave the vintage out."
        )
    home.landing.offer(source, [*_kept(home, source, asked), *done.snapshots])
    return done


def _kept(home: Home, source: Source, asked: Collection[str]) -> list[Snapshot]:
    """What stays of a source's landing beside the vintages that were asked for."""
    others = [one for one in home.landing.snapshots(source.id) if one.vintage not in asked]
    # A home that was never published is not bound yet: what was simulated in it does not meet what is real.
    simulated = home.settings.is_simulated
    return [one for one in others if one.vintage in source.vintage_ids and one.is_simulated == simulated]


@dataclass(frozen=True)
class Parsed:
    """One core table: its rows, the files that fed it, and what is absent."""

    table: Table
    frame: pl.DataFrame
    files: list[str]
    absent: list[AbsentPart]


def parse(home: Home, source: Source, write: Callable[[Parsed], pl.DataFrame]) -> list[tuple[Parsed, pl.DataFrame]]:
    """Parse all landed files of a source, and write its tables once all of them are whole.

    Args:
        write: keeps a table and returns it as it is stored.

    Raises:
        ParseError: a file is malformed; no table of the source was written.
        SourceError: a vintage has shrunk.
    """
    try:
        parsed = _parse(home, source)
    except (SourceError, ContractError):
        home.landing.distrust(source.id)
        raise
    return [(one, write(one)) for one in parsed]


def _parse(home: Home, source: Source) -> list[Parsed]:
    tables = {table.key: table for table in source.tables}
    frames: dict[str, list[pl.DataFrame]] = {key: [] for key in tables}
    names: dict[str, list[str]] = {key: [] for key in tables}
    for snapshot, file in home.landing.files(source, scope_of(home.settings)):
        for key, frame in source.parse(file).items():
            frames[key].append(tables[key].conform(frame.with_columns(snapshot_sha256=pl.lit(snapshot.sha256))))
            names[key].append(file.label)
    parsed = []
    for key, table in tables.items():
        frame, withheld = suppression.protect(table, concat(table, frames[key]))
        _refuse_shrunk(home, source, table, frame)
        absent = [] if frames[key] else [_absent(home, source, table)]
        if withheld:
            reason = f"{withheld:,} totals are withheld, because with them a suppressed part could be computed"
            absent.append(AbsentPart(table.key, reason, None))
        parsed.append(Parsed(table, frame, names[key], absent))
    return parsed


def _refuse_shrunk(home: Home, source: Source, table: Table, frame: pl.DataFrame) -> None:
    """A vintage that has lost many of its rows since yesterday was cut off on its way, or withdrawn: ask a person."""
    if "vintage" not in table.column_names or not home.tables.has(table.key):
        return
    before = home.tables.counts(table.key, "vintage")
    now = dict(frame.group_by("vintage").len().iter_rows())
    for vintage, rows in before.items():
        # A vintage that is gone altogether was taken out of the input; that is no damage.
        if vintage in now and now[vintage] < (1 - SHRINKAGE) * rows:
            raise SourceError(
                f"{source.id}/{vintage}: {table.key} must not lose more than {SHRINKAGE:.0%} of a vintage's rows from "
                f"one run to the next, but has {now[vintage]:,} rows after {rows:,}. If the publisher withdrew them, "
                f"remove {home.tables.path(table.key)} and run again."
            )


def _absent(home: Home, source: Source, table: Table) -> AbsentPart:
    reason = "the input has no file for this table"
    if source.id in home.settings.without:
        reason = "the run was asked to do without this source, and nothing of it was landed before"
    elif home.settings.input == LIVE and source.not_live:
        reason = source.not_live
    return AbsentPart(table.key, reason, f"{source.id}/{source.vintages[-1].id}/{' or '.join(source.files[table.key])}")
