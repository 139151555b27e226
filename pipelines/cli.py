"""`headwaters`: run, look at the UI, query, status, index a table."""

import json
import os
import sys
from collections.abc import Sequence
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
from pipelines import settings as configuration
from pipelines.locking import BusyError
from pipelines.redact import install, redact

EXIT_FAILED, EXIT_USAGE = 1, 2

app = typer.Typer(
    help="Indices of the conditions that youth-trafficking prevention programmes address, with their uncertainty.",
    no_args_is_help=True,
    add_completion=False,
    # Tracebacks that print local variables would print secrets.
    pretty_exceptions_enable=False,
)

InputOption = Annotated[
    str | None, typer.Option("--input", help="'sample' (default), 'live', or a directory of publishers' files.")
]
RegionOption = Annotated[
    str | None, typer.Option("--region", help="A region id, or state and county FIPS codes by comma.")
]
HomeOption = Annotated[Path | None, typer.Option("--home", help="Folder of landing, tables and published file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def _console() -> Console:
    # Not a terminal: plain lines, wide enough that names are whole.
    return Console() if sys.stdout.isatty() else Console(width=140, no_color=True, highlight=False)


def _fail(message: str, code: int) -> typer.Exit:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"headwaters: {escape(redact(message))}")
    return typer.Exit(code)


def _resolve(
    input: str | None,  # noqa: A002
    region: str | None,
    home: Path | None,
    without: Sequence[str] = (),
    *,
    tracts: bool = False,
) -> configuration.Settings:
    try:
        return configuration.resolve(input, region, home, without=without, tracts=tracts)
    except (configuration.SettingsError, RegionError) as error:
        raise _fail(str(error), EXIT_USAGE) from None


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
    everything: Annotated[bool, typer.Option("--everything", help="Take every step, stale or not.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask every source for news, make anew what depends on it, publish; prints the ten areas of greatest priority."""
    settings = _resolve(input, region, home, without or (), tracts=tracts)
    try:
        configuration.check_binding(settings)
    except configuration.SettingsError as error:
        raise _fail(str(error), EXIT_USAGE) from None
    from pipelines import running  # Dagster costs seconds: status and query do without it
    from pipelines.home import Home

    console = Console(stderr=True) if as_json else _console()
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
            outcome = running.run(settings, configuration.load_config(), begin, everything=everything)
        except BusyError as error:
            raise _fail(str(error), EXIT_FAILED) from None
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
        raise _fail(f"the run failed and {previous}; results of all rules: {Home(settings).data_docs}", EXIT_FAILED)
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
def releases(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the releases that are kept: when, from what, by which code, and which of them readers see."""
    from pipelines.home import Home
    from pipelines.releases import kept

    found = kept(Home(_resolve(None, None, _home(home))))
    if as_json:
        print(json.dumps([vars(release) for release in found]))
        return
    console = _console()
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
        path = go_back(Home(_resolve(None, None, _home(home))), number)
    except (ReleaseError, BusyError) as error:
        raise _fail(str(error), EXIT_FAILED) from None
    _console().print(f"readers see release {number} now: {path}", soft_wrap=True)


@app.command()
def reproduce(number: int, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Build a release again from what was landed, in a home of its own, and compare it cell for cell."""
    from pipelines.home import Home
    from pipelines.releases import ReleaseError
    from pipelines.releases import reproduce as build_again

    try:
        found = build_again(Home(_resolve(None, None, _home(home))), number)
    except (ReleaseError, BusyError) as error:
        raise _fail(str(error), EXIT_FAILED) from None
    if as_json:
        print(json.dumps({**vars(found), "differences": [vars(one) for one in found.differences]}))
    else:
        console = _console()
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
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """What is published, from when, from which vintages, which checks failed, what is absent."""
    root = _home(home)
    try:
        state = summary.status(root)
    except summary.NotPublishedError as error:
        raise _fail(str(error), EXIT_FAILED) from None
    if as_json:
        print(json.dumps(state.as_dict()))
        return
    console = _console()
    simulated = "SIMULATED DATA, NO REAL PLACE. " if state.is_simulated else ""
    console.print(
        f"{simulated}release {state.release} of {state.published_at}, region {state.region}, input {state.input}"
    )
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
        raise _fail(f"no source is called {', '.join(unknown)}; known are {', '.join(known)}", EXIT_USAGE)
    try:
        fetcher = HttpFetcher(attempts=2, timeout=20.0, retry_after_max=10.0)
    except SourceError as error:
        raise _fail(str(error), EXIT_USAGE) from None
    findings = examine([known[name] for name in source or known], fetcher, date.today())
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings]))
    else:
        console = _console()
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
        with summary.connect(_home(home)) as connection:
            result = connection.execute(sql)
            names = [column[0] for column in result.description or []]
            rows = result.fetchall()
    except (summary.NotPublishedError, duckdb.Error) as error:
        raise _fail(str(error), EXIT_FAILED) from None
    if as_json:
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str))
        return
    console = _console()
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
        raise _fail(f"the mode {mode!r} is none of {', '.join(MODES)}", EXIT_USAGE)
    options = Options(draws, SEED if seed is None else seed, mode, sensitivity)
    try:
        outcome = indexing.run(declaration, table, output, options)
    except (DeclarationError, TableError, indexing.FileError) as error:
        raise _fail(str(error), EXIT_FAILED) from None
    notes = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in outcome.notes:
        notes.print(f"note: {escape(redact(note))}")
    console = _console()
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
        raise _fail(str(error), EXIT_USAGE) from None
    settings = configured or _resolve(input, region, home)
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


def _home(home: Path | None) -> Path:
    """The home to read: the given one, the environment's, else the only one of the default homes."""
    if home or os.environ.get(configuration.HOME_VARIABLE):
        return Path(home or os.environ[configuration.HOME_VARIABLE])
    found = [path for path in (Path("data/real"), Path("data/sample")) if (path / summary.CURRENT).exists()]
    if len(found) > 1:
        raise _fail("both data/real and data/sample are published: say which with --home", EXIT_USAGE)
    return found[0] if found else Path("data/sample")


def main() -> None:
    """Entry point of the console script."""
    install()
    app()
