"""The Dagster code location; thin on purpose."""

import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from pipelines.assets import build_assets
from pipelines.backfill import build_backfill
from pipelines.checks import build_checks
from pipelines.home import Home
from pipelines.redact import install
from pipelines.schedules import build_everything, build_nightly, build_schedule
from pipelines.sensors import build_sensors
from pipelines.settings import HOME_VARIABLE, INPUT_VARIABLE, REGION_VARIABLE, Settings, load_config, nightly, resolve


def build_defs(settings: Settings, config: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions of one home; tests and the command line call this with settings of their own."""
    home = Home(settings)
    night = build_nightly(settings, config or {})
    return dg.Definitions(
        assets=build_assets(home),
        asset_checks=build_checks(home),
        jobs=[night, build_everything(), build_backfill(settings)],
        schedules=[build_schedule(settings, config or {})],
        sensors=build_sensors(home, config or {}, night),
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What the environment asks for, else the nightly settings of headwaters.toml, else the sample."""
    install()
    config = load_config()
    given = any(os.environ.get(name) for name in (INPUT_VARIABLE, REGION_VARIABLE, HOME_VARIABLE))
    settings = None if given else nightly(config)
    return build_defs(settings or resolve(config=config), config)
