"""The Dagster instance of a home: its own folder, so that the UI shows what the command line ran."""

import os
import shutil
from datetime import UTC, datetime, timedelta

import dagster as dg

from pipelines.files import write_atomically
from pipelines.home import Home

# The same file as docs/deploy/dagster.yaml; a test compares them.
_CONFIG = b"""# Written by headwaters; change it as you like, it is not overwritten.
# Runs, events and ticks are kept in SQLite files beside this one; for Postgres see docs/operations.md.
telemetry:
  enabled: false
nux:
  enabled: false

# A home takes one run at a time: a second one waits in the queue and does not fail at the lock.
concurrency:
  runs:
    max_concurrent_runs: 1
  pools:
    granularity: op
    default_limit: 1

# A run that never started, or of which the process died, is given up after a while and counts as failed.
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  max_runtime_seconds: 21600
  free_slots_after_run_end_seconds: 300

# What died is tried again. A broken rule stays broken: that is for a person.
run_retries:
  enabled: true
  max_retries: 1
  retry_on_asset_or_op_failure: false

# Ticks; runs and their events are kept for 90 days, and as long as they tell of an asset's newest version.
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 90
"""
WAVE = "headwaters/wave"
"""Tag of the Dagster runs of which one run of ours is made."""
RUN_DAYS = 90
_AT_WORK = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


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


def bury(instance: dg.DagsterInstance) -> list[str]:
    """Mark waves that never ended as failed, and free what they held; to be called with the home's lock held.

    Who holds the lock is the only run: a wave that still counts as at work belongs to a process that was killed.

    Returns:
        Ids of their Dagster runs.
    """
    dead = instance.get_runs(dg.RunsFilter(statuses=_AT_WORK, tags={WAVE: "true"}))
    for one in dead:
        instance.report_run_failed(one, "the process of this run was killed; a later run has found it")
        if instance.event_log_storage.supports_global_concurrency_limits:
            instance.event_log_storage.free_concurrency_slots_for_run(one.run_id)
    return [one.run_id for one in dead]


def retire_runs(home: Home, instance: dg.DagsterInstance, days: int = RUN_DAYS) -> list[str]:
    """Remove ended runs that are older than `days`, with their events and output.

    The run that made an asset's newest version stays: freshness and the UI rest on it.

    Returns:
        Ids of the removed runs.
    """
    limit = datetime.now(UTC) - timedelta(days=days)
    ended = [status for status in dg.DagsterRunStatus if status.name in ("SUCCESS", "FAILURE", "CANCELED")]
    old = instance.get_runs(dg.RunsFilter(statuses=ended, created_before=limit))
    if not old:
        return []
    records = instance.get_asset_records()
    telling = {made.run_id for one in records if (made := one.asset_entry.last_materialization_record)}
    gone = [one.run_id for one in old if one.run_id not in telling]
    for run_id in gone:
        instance.delete_run(run_id)
        shutil.rmtree(home.dagster / "storage" / run_id, ignore_errors=True)
    return gone
