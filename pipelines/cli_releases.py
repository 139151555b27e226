"""Commands on releases: list them, go back, build again, compare two."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.locking import BusyError
from pipelines.redact import redact
from pipelines.terminal import EXIT_FAILED, HomeOption, JsonOption, fail, home_of, resolve, terminal

app = typer.Typer()


@app.command()
def releases(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the releases that are kept: when, from what, by which code, and which of them readers see."""
    from pipelines.home import Home
    from pipelines.releases import kept

    found = kept(Home(resolve(None, None, home_of(home))))
    if as_json:
        print(json.dumps([vars(release) for release in found]))
        return
    console = terminal()
    for one in found:
        console.print(
            f"{'*' if one.is_current else ' '} {one.number:>4}  {one.published_at}  {one.region}, {one.input}, "
            f"{one.n_files} files, version {one.code_version}, seed {one.seed}, {one.n_draws} draws, "
            f"{one.n_warnings} warnings, {one.bytes / 1e6:,.0f} MB"
        )
    console.print("* is what readers see" if found else "nothing is published in this home yet")


@app.command()
def rollback(number: int, home: HomeOption = None) -> None:
    """Make a kept release the current one; it stays until something changes and a new one is published."""
    from pipelines.home import Home
    from pipelines.releases import ReleaseError
    from pipelines.releases import rollback as go_back

    try:
        path = go_back(Home(resolve(None, None, home_of(home))), number)
    except (ReleaseError, BusyError) as error:
        raise fail(str(error), EXIT_FAILED) from None
    terminal().print(f"readers see release {number} now: {path}", soft_wrap=True)


@app.command()
def reproduce(number: int, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Build a release again from what was landed, in a home of its own, and compare it cell for cell."""
    from pipelines.home import Home
    from pipelines.releases import ReleaseError
    from pipelines.releases import reproduce as build_again

    try:
        found = build_again(Home(resolve(None, None, home_of(home))), number)
    except (ReleaseError, BusyError) as error:
        raise fail(str(error), EXIT_FAILED) from None
    if as_json:
        print(json.dumps({**vars(found), "differences": [vars(one) for one in found.differences]}))
    else:
        console = terminal()
        code = "by the same code" if found.is_same_code else "by OTHER code than the release was made by"
        console.print(f"release {number} built again {code}: {found.n_tables} tables, {found.n_rows:,} rows compared")
        for one in found.differences:
            console.print(
                f"differs: {one.table}: {one.rows_then:,} rows then, {one.rows_now:,} now; "
                f"{one.only_then:,} only then, {one.only_now:,} only now"
            )
        console.print("identical, cell for cell" if not found.differences else "NOT identical")
    if found.differences:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="The earlier release: its number, or a .duckdb file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The later release, likewise.")],
    home: HomeOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The CSV file to write.")] = None,
) -> None:
    """Split each area's change between two releases into data and method (docs/time-and-diff.md)."""
    from models.indices.compare import CompareError, largest_changes
    from models.indices.yaml_lines import DeclarationError
    from pipelines import diffing

    try:
        outcome = diffing.run(a, b, home_of(home), output)
    except (DeclarationError, CompareError, diffing.DiffError) as error:
        raise fail(str(error), EXIT_FAILED) from None
    notes = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in outcome.comparison.notes:
        notes.print(f"note: {escape(redact(note))}")
    console = terminal()
    shown = largest_changes(outcome.comparison)
    table = Table(title="Greatest changes of each index", box=box.SIMPLE if console.is_terminal else box.ASCII2)
    for name in shown.columns:
        table.add_column(name)
    for row in shown.iter_rows():
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)
    if outcome.written is not None:
        rows = outcome.comparison.table.height
        console.print(f"written  {escape(str(outcome.written))}  {rows} rows", soft_wrap=True)
