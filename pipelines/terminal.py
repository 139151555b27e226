"""What the commands share: options, the console, how a command fails, which home is meant."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from atlas import summary
from models.geography.regions import RegionError
from pipelines import settings as configuration
from pipelines.redact import redact

EXIT_FAILED, EXIT_USAGE = 1, 2

InputOption = Annotated[
    str | None, typer.Option("--input", help="'sample' (default), 'live', or a directory of publishers' files.")
]
RegionOption = Annotated[
    str | None, typer.Option("--region", help="A region id, or state and county FIPS codes by comma.")
]
HomeOption = Annotated[Path | None, typer.Option("--home", help="Folder of landing, tables and published file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def terminal() -> Console:
    # Not a terminal: plain lines, wide enough that names are whole.
    return Console() if sys.stdout.isatty() else Console(width=140, no_color=True, highlight=False)


def fail(message: str, code: int) -> typer.Exit:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"headwaters: {escape(redact(message))}")
    return typer.Exit(code)


def resolve(
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
        raise fail(str(error), EXIT_USAGE) from None


def home_of(home: Path | None) -> Path:
    """The home to read: the given one, the environment's, else the only one of the default homes."""
    if home or os.environ.get(configuration.HOME_VARIABLE):
        return Path(home or os.environ[configuration.HOME_VARIABLE])
    found = [path for path in (Path("data/real"), Path("data/sample")) if (path / summary.CURRENT).exists()]
    if len(found) > 1:
        raise fail("both data/real and data/sample are published: say which with --home", EXIT_USAGE)
    return found[0] if found else Path("data/sample")
