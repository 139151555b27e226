"""Commands that write what people look at: the service-area brief, and the results of a run."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from atlas import summary
from pipelines.terminal import EXIT_FAILED, EXIT_USAGE, HomeOption, fail, home_of, terminal

app = typer.Typer()


@app.command()
def brief(
    counties: Annotated[str, typer.Option(help="Counties of the service area: five-digit FIPS codes by comma.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    home: HomeOption = None,
) -> None:
    """Write a printable brief on a service area, in the order of the fund's six criteria for proposals."""
    from atlas.brief import BriefError, write

    asked = [county.strip() for county in counties.split(",") if county.strip()]
    try:
        written = write(home_of(home), asked, out)
    except BriefError as error:
        raise fail(str(error), EXIT_USAGE) from None
    except summary.NotPublishedError as error:
        raise fail(str(error), EXIT_FAILED) from None
    terminal().print(f"written  {escape(str(written))}", soft_wrap=True)


@app.command()
def results(
    out: Annotated[Path, typer.Option(help="The folder to write into.")] = Path("docs/results"),
    home: HomeOption = None,
) -> None:
    """Write the published run's scores, map and board paragraphs into a folder."""
    from atlas.results import write

    try:
        written = write(home_of(home), out)
    except summary.NotPublishedError as error:
        raise fail(str(error), EXIT_FAILED) from None
    for path in written:
        terminal().print(f"written  {escape(str(path))}", soft_wrap=True)
