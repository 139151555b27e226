"""The Dagster instance of a home: its own folder, so that the UI shows what the command line ran."""

import os

import dagster as dg

from pipelines.files import write_atomically
from pipelines.home import Home

_CONFIG = b"""# Written by headwaters; change it as you like, it is not overwritten.
telemetry:
  enabled: false
nux:
  enabled: false
"""


def prepare(home: Home) -> None:
    """Make the instance's folder and point this process, and those it starts, to it."""
    config = home.dagster / "dagster.yaml"
    if not config.exists():
        write_atomically(config, _CONFIG)
    os.environ["DAGSTER_HOME"] = str(home.dagster)


def open_instance(home: Home) -> dg.DagsterInstance:
    """The instance of this home."""
    prepare(home)
    return dg.DagsterInstance.get()
