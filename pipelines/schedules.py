"""The nightly job and its schedule."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from pipelines.settings import Settings, nightly

JOB = "nightly"
CRON, TIMEZONE = "30 2 * * *", "America/Chicago"


def build_job() -> Any:
    """Everything, from fetching to the published file."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.all(),
        description="Land, parse, define, score, judge and publish everything.",
        # A process a step costs more than most steps do; threads work inside them.
        executor_def=dg.in_process_executor,
    )


def build_schedule(loaded: Settings, config: Mapping[str, Any]) -> dg.ScheduleDefinition:
    """Every night at 02:30 in St. Louis, with the input and region of headwaters.toml and no others."""

    @dg.schedule(
        job_name=JOB,
        cron_schedule=CRON,
        execution_timezone=TIMEZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night at 02:30 America/Chicago; input and region come from headwaters.toml.",
    )
    def nightly_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        asked = nightly(config)
        if asked is None:
            reason = "headwaters.toml names no input and region under [nightly]: nothing runs, least of all the sample"
            context.log.warning(reason)
            return dg.SkipReason(reason)
        if asked != loaded:
            reason = (
                f"this code location was started for input {loaded.input!r}, region {loaded.region.id!r}; "
                f"headwaters.toml asks for input {asked.input!r}, region {asked.region.id!r}: "
                "start it without other settings"
            )
            context.log.warning(reason)
            return dg.SkipReason(reason)
        return dg.RunRequest()

    return nightly_schedule
