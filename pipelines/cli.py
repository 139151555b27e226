"""`headwaters`: run, look at the UI, query, status, index a table."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from atlas import summary
from models.geography.regions import RegionError
from pipelines import cli_decisions, cli_pages, cli_releases
from pipelines import settings as configuration
from pipelines.locking import BusyError
from pipelines.redact import install, redact
from pipelines.terminal import (
    EXIT_FAILED,
    EXIT_USAGE,
    HomeOption,
    InputOption,
    JsonOption,
    RegionOption,
    fail,
    home_of,
    resolve,
    terminal,
)

app = typer.Typer(
    help="Indices of the conditions that youth-trafficking prevention programmes address, with their uncertainty.",
    no_args_is_help=True,
    add_completion=False,
    # Tracebacks that print local variables would print secrets.
    pretty_exceptions_enable=False,
)


def _print_areas(console: Console, areas: list[summary.Area], state: summary.Status) -> None:
    ranked = f" of {areas[0].n_ranked} areas" if areas else ""
    title = f"Greatest priority{ranked}, region {state.region}, release {state.release}"
    table = Table(
        title=("SIMULATED DATA, NO REAL PLACE: " if state.is_simulated else "") + title,
        caption="Conditions of places, in order of mean rank, 1 = greatest need; brackets hold 90 % intervals. score: "
        "0 to 100; top 10: chance of being among them; cov.: share of the index observed; q.: quality, 1 good, 2 "
        "usable, 3 do not act.",
        box=box.SIMPLE if console.is_terminal else box.ASCII2,
        title_justify="left",
        caption_justify="left",
        collapse_padding=console.is_terminal,
    )
    rows = [
        (
            f"{area.rank} [{area.rank_p05:.0f} to {area.rank_p95:.0f}]",
            area.geo_name,
            area.geo_id,
            f"{area.score:.1f} [{area.score_p05:.1f} to {area.score_p95:.1f}]",
            f"{area.p_top_10:.0%}",
            f"{area.coverage:.0%}",
            str(area.quality),
        )
        for area in areas
    ]
    for at, name in enumerate(("rank", "area", "id", "score", "top 10", "cov.", "q.")):
        if name == "area":
            table.add_column(name, overflow="fold")  # on a narrow terminal names wrap, so that no interval is cut off
        else:
            width = max(len(name), *(len(row[at]) for row in rows)) if rows else len(name)
            table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)


@app.command()
def run(
    input: InputOption = None,  # noqa: A002
    region: RegionOption = None,
    home: HomeOption = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Do not ask this source: what was landed of it before stays; may be given several times."),
    ] = None,
    tracts: Annotated[bool, typer.Option("--tracts", help="Rank census tracts too, for conditions only.")] = False,
    vintage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE=VINTAGE,…",
            help="Land these vintages of this source and ask nothing else; may be given several times.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Take every step, stale or not.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask every source for news, make anew what depends on it, publish; prints the ten areas of greatest priority."""
    settings = resolve(input, region, home, without or (), tracts=tracts)
    from pipelines import running  # Dagster costs seconds: status and query do without it
    from pipelines.backfill import parse_vintages

    try:
        configuration.check_binding(settings)
        vintages = parse_vintages(settings, vintage or ())
    except configuration.SettingsError as error:
        raise fail(str(error), EXIT_USAGE) from None
    from pipelines.home import Home

    console = Console(stderr=True) if as_json else terminal()
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with shown:

        def begin(total: int) -> running.Progress:
            task = shown.add_task("starting", total=total)
            return lambda done, step: shown.update(task, completed=done, description=escape(step[:48].ljust(48)))

        try:
            config = configuration.load_config()
            outcome = running.run(settings, config, begin, everything=everything, vintages=vintages)
        except BusyError as error:
            raise fail(str(error), EXIT_FAILED) from None
    if not as_json:
        for warning in outcome.warnings:
            console.print(f"warning: {escape(warning)}", soft_wrap=True)
    if not outcome.succeeded:
        previous = (
            "yesterday's published file stays as it was"
            if (settings.home / summary.CURRENT).exists()
            else "nothing is published"
        )
        for failure in outcome.failures:
            Console(stderr=True, highlight=False, soft_wrap=True).print(f"failed: {escape(failure)}")
        raise fail(f"the run failed and {previous}; results of all rules: {Home(settings).data_docs}", EXIT_FAILED)
    state, areas = summary.status(settings.home), summary.top_areas(settings.home)
    if as_json:
        print(
            json.dumps(
                {
                    "status": state.as_dict(),
                    "areas": [vars(area) for area in areas],
                    "warnings": outcome.warnings,
                    "taken": outcome.taken,
                    "unchanged": outcome.unchanged,
                }
            )
        )
        return
    _print_areas(console, areas, state)
    console.print(f"steps      {len(outcome.taken)} taken, {outcome.unchanged} had nothing to do")
    console.print(f"published  {settings.home / summary.CURRENT}", soft_wrap=True)
    console.print(
        f"rules      {Home(settings).data_docs}  ({state.checks} judged, {len(state.failed_checks)} suspicious)",
        soft_wrap=True,
    )
    console.print(f"absent     {len(state.absent)} parts: headwaters status --home {settings.home}", soft_wrap=True)


@app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """What is published, from when, from which vintages, which checks failed, what is absent."""
    root = home_of(home)
    try:
        state = summary.status(root)
    except summary.NotPublishedError as error:
        raise fail(str(error), EXIT_FAILED) from None
    if as_json:
        print(json.dumps(state.as_dict()))
        return
    console = terminal()
    simulated = "SIMULATED DATA, NO REAL PLACE. " if state.is_simulated else ""
    console.print(
        f"{simulated}release {state.release} of {state.published_at}, region {state.region}, input {state.input}"
    )
    if state.last_run:
        how = "succeeded" if state.last_run["succeeded"] else "failed"
        console.print(f"last run {how} at {state.last_run['ended_at']}: {len(state.last_run['taken'])} steps taken")
    for source, vintages in state.vintages.items():
        console.print(f"  {source:<16} {', '.join(vintages)}")
    console.print(f"{state.checks} rules judged, {len(state.failed_checks)} suspicious")
    for check in state.failed_checks:
        console.print(
            f"  {check['table']} {check['column'] or ''} {escape(check['rule'])}: {escape(check['observed'])}",
            soft_wrap=True,
        )
    console.print(f"{len(state.absent)} parts absent")
    for part in state.absent:
        missing = f" (missing: {part['file_missing']})" if part["file_missing"] else ""
        console.print(f"  {part['part']}: {escape(part['reason'] + missing)}", soft_wrap=True)


@app.command()
def doctor(
    source: Annotated[list[str] | None, typer.Option(help="Only this source; may be given several times.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask every publisher: reachable, as expected, anything newer, key accepted; exit 1 where something is broken."""
    from datetime import date

    from pipelines.doctor import examine
    from pipelines.http import HttpFetcher
    from sources.registry import all_sources
    from sources.source import SourceError

    known = all_sources()
    if unknown := [name for name in source or () if name not in known]:
        raise fail(f"no source is called {', '.join(unknown)}; known are {', '.join(known)}", EXIT_USAGE)
    try:
        fetcher = HttpFetcher(attempts=2, timeout=20.0, retry_after_max=10.0)
    except SourceError as error:
        raise fail(str(error), EXIT_USAGE) from None
    findings = examine([known[name] for name in source or known], fetcher, date.today())
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings]))
    else:
        console = terminal()
        table = Table(box=box.SIMPLE if console.is_terminal else box.ASCII2)
        for name in ("source", "ours", "state", "newer", "late", "key"):
            table.add_column(name, no_wrap=True)
        table.add_column("said", overflow="fold")
        for found in findings:
            late = f"{found.late_days} days" if found.late_days else ""
            row = (found.source_id, found.vintage, found.state, found.newer or "", late, found.key or "", found.said)
            table.add_row(*(escape(cell) for cell in row))
        console.print(table)
    if any(finding.is_broken for finding in findings):
        raise typer.Exit(EXIT_FAILED)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="A query.")], home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Query the published file; it is opened read-only."""
    import duckdb

    try:
        with summary.connect(home_of(home)) as connection:
            result = connection.execute(sql)
            names = [column[0] for column in result.description or []]
            rows = result.fetchall()
    except (summary.NotPublishedError, duckdb.Error) as error:
        raise fail(str(error), EXIT_FAILED) from None
    if as_json:
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str))
        return
    console = terminal()
    table = Table(box=box.SIMPLE if console.is_terminal else box.ASCII2)
    for name in names:
        table.add_column(name)
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    console.print(table)


@app.command()
def index(
    declaration: Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="What the index is made of.")],
    table: Annotated[Path, typer.Argument(metavar="TABLE.csv", help="One row an area, a header, UTF-8.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The CSV file to write.")],
    draws: Annotated[
        int | None,
        typer.Option(min=0, help="Draws of the errors; default 1000 where members declare errors, else 0."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed gives the same draws.")] = None,
    sensitivity: Annotated[bool, typer.Option("--sensitivity", help="Also try the declared alternatives.")] = False,
    mode: Annotated[str, typer.Option(help="posterior, or sampling, whose intervals are too short.")] = "posterior",
) -> None:
    """Score and rank the rows of any table, as a declaration says (docs/index-any-table.md)."""
    from models.indices.table_errors import MODES
    from models.indices.table_output import SEED, Options
    from models.indices.table_values import TableError
    from models.indices.yaml_lines import DeclarationError
    from pipelines import indexing

    if mode not in MODES:
        raise fail(f"the mode {mode!r} is none of {', '.join(MODES)}", EXIT_USAGE)
    options = Options(draws, SEED if seed is None else seed, mode, sensitivity)
    try:
        outcome = indexing.run(declaration, table, output, options)
    except (DeclarationError, TableError, indexing.FileError) as error:
        raise fail(str(error), EXIT_FAILED) from None
    notes = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in outcome.notes:
        notes.print(f"note: {escape(redact(note))}")
    console = terminal()
    for path, rows in outcome.written.items():
        console.print(f"written  {escape(str(path))}  {rows} rows", soft_wrap=True)


@app.command()
def ui(
    input: InputOption = None,  # noqa: A002
    region: RegionOption = None,
    home: HomeOption = None,
    port: Annotated[int, typer.Option(help="Port on the loopback address.")] = 3000,
) -> None:
    """Open the Dagster UI on loopback, with the schedule's daemon; stops with Ctrl-C."""
    from pipelines import instance
    from pipelines.home import Home

    given = input or region or home
    try:
        configured = None if given else configuration.nightly(configuration.load_config())
    except (configuration.SettingsError, RegionError) as error:
        raise fail(str(error), EXIT_USAGE) from None
    settings = configured or resolve(input, region, home)
    instance.prepare(Home(settings))
    environment = dict(os.environ)
    if given:
        environment |= {
            configuration.INPUT_VARIABLE: settings.input,
            configuration.REGION_VARIABLE: region or settings.region.id,
            configuration.HOME_VARIABLE: str(settings.home),
        }
    workspace = Path(__file__).parents[1] / "workspace.yaml"
    dg_command = Path(sys.executable).with_name("dg")
    arguments = [str(dg_command), "dev", "-w", str(workspace), "--host", "127.0.0.1", "--port", str(port)]
    os.execve(dg_command, arguments, environment)


app.add_typer(cli_releases.app)
app.add_typer(cli_decisions.app)
app.add_typer(cli_pages.app)


def main() -> None:
    """Entry point of the console script."""
    install()
    app()
