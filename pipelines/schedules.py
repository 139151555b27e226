"""The jobs: everything, and what is stale of it by night; and the schedule."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from pipelines.settings import Settings, nightly

JOB, EVERYTHING = "nightly", "everything"
CRON, TIMEZONE = "30 2 * * *", "America/Chicago"


def build_everything() -> Any:
    """Everything, from fetching to the published file, stale or not."""
    return dg.define_asset_job(
        EVERYTHING,
        selection=dg.AssetSelection.all(),
        description="Land, parse, define, score, judge and publish everything, whether it has changed or not.",
        # A process a step costs more than most steps do; threads work inside them.
        executor_def=dg.in_process_executor,
    )


def build_nightly(settings: Settings, config: Mapping[str, Any]) -> dg.JobDefinition:
    """Ask every source for news, and take the steps that are stale; each wave of them is a run of its own."""

    @dg.op(description="Ask every source for news, then make anew what depends on what has changed, and nothing else.")
    def night(context: dg.OpExecutionContext) -> None:
        from pipelines.running import run

        def begin(total: int) -> Callable[[int, str], None]:
            return lambda done, step: context.log.debug(f"{done} of {total}: {step}")

        outcome = run(settings, config, begin)
        for warning in outcome.warnings:
            context.log.warning(warning)
        for step, why in outcome.taken.items():
            context.log.info(f"{step}: {why}")
        context.log.info(f"{outcome.unchanged} steps had nothing to do")
        context.add_output_metadata({"taken": outcome.taken, "unchanged": outcome.unchanged})
        if not outcome.succeeded:
            raise dg.Failure("; ".join(outcome.failures), metadata={"taken": outcome.taken})

    @dg.job(
        name=JOB,
        executor_def=dg.in_process_executor,
        description="What is stale, from fetching to the published file; a night without news makes nothing.",
    )
    def nightly_job() -> None:
        night()

    return nightly_job


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
