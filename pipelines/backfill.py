"""Land some vintages of some sources and nothing else: from the command line, and as a backfill from the UI.

The landing assets themselves have no partitions: sources differ in their vintages, Dagster lets no job span assets of
different partitions, and "everything" and the nightly waves have to stay one run. So the partitions are those of a job,
one `<source>/<vintage>` each: what a run of the job lands, it tells of the landing asset, the vintage as its partition.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg

from pipelines.assets import land_source, landed_metadata, landing_key, landing_pool, landing_retries
from pipelines.home import Home
from pipelines.inputs import fetched_vintages
from pipelines.locking import BusyError, locked
from pipelines.settings import LIVE, Settings, SettingsError
from sources.registry import all_sources
from sources.source import Source

BACKFILL = "backfill"
PATIENCE, PAUSE = 3600, 1
"""Seconds: how long the run of a vintage waits for another run of its home, and how often it looks."""


def vintages_of(settings: Settings, source: Source) -> tuple[str, ...]:
    """The vintages that can be asked for by name: all that are declared, of a live run those that are fetched."""
    return fetched_vintages(source) if settings.input == LIVE else tuple(source.vintage_ids)


def parse_vintages(settings: Settings, given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Vintages to land by source, from words such as `hud_pit=2018,2024`; a source may be named several times.

    Raises:
        SettingsError: a word has another form, or names a source or a vintage that cannot be asked for.
    """
    asked: dict[str, tuple[str, ...]] = {}
    for word in given:
        source_id, _, listed = word.partition("=")
        names = [name.strip() for name in listed.split(",")]
        if not source_id or not all(names):
            raise SettingsError(f"--vintage {word!r} is not of the form SOURCE=VINTAGE,VINTAGE, as hud_pit=2018,2024")
        for name in names:
            _refuse_unknown(settings, source_id, name)
        asked[source_id] = tuple(dict.fromkeys((*asked.get(source_id, ()), *names)))
    return asked


def _refuse_unknown(settings: Settings, source_id: str, vintage: str) -> None:
    source = all_sources().get(source_id)
    if source is None:
        raise SettingsError(f"no source is called {source_id}; known are {', '.join(all_sources())}")
    if source_id in settings.without:
        raise SettingsError(f"{source_id} is both left out and asked for: give --without or --vintage, not both")
    if vintage not in source.vintage_ids:
        raise SettingsError(f"{source_id} has no vintage {vintage}; declared are {', '.join(source.vintage_ids)}")
    if vintage not in vintages_of(settings, source):
        fetched = ", ".join(vintages_of(settings, source)) or "none"
        raise SettingsError(
            f"{source_id}/{vintage} is not fetched by a live run ({fetched}): put its files into "
            f"DIRECTORY/{source_id}/{vintage}/ and give --input DIRECTORY"
        )


def partition_keys(settings: Settings) -> list[str]:
    """`<source>/<vintage>` of every vintage that can be landed by itself."""
    return [f"{source.id}/{vintage}" for source in all_sources().values() for vintage in vintages_of(settings, source)]


@contextmanager
def _when_free(home: Path) -> Iterator[None]:
    """Hold the lock of a home as soon as nobody else does: the runs of a backfill are started together.

    Raises:
        BusyError: it was never free.
    """
    with ExitStack() as stack:
        for _ in range(PATIENCE // PAUSE):
            try:
                stack.enter_context(locked(home))
                break
            except BusyError:
                time.sleep(PAUSE)
        else:
            stack.enter_context(locked(home))
        yield


def land_vintage(home: Home, partition: str) -> dg.AssetMaterialization | dg.AssetObservation:
    """Land one vintage; the event says whether there was news, as a night's landing does."""
    source_id, vintage = partition.split("/", 1)
    with _when_free(home.root):
        done, unread = land_source(home, all_sources()[source_id], (vintage,))
    metadata = landed_metadata(done, [line for line in unread if line.startswith(f"{partition}/")])
    event = dg.AssetMaterialization if done.changed else dg.AssetObservation
    return event(landing_key(source_id), partition=vintage, metadata=metadata)


def build_backfill(settings: Settings) -> dg.JobDefinition:
    """The job of which each partition lands one vintage of one source."""
    home = Home(settings)

    @dg.op(
        description="Land one vintage of one source; all other vintages stay as they were landed.",
        retry_policy=landing_retries(home),
        pool=landing_pool(home),
    )
    def vintage(context: dg.OpExecutionContext) -> None:
        context.log_event(land_vintage(home, context.partition_key))

    @dg.job(
        name=BACKFILL,
        partitions_def=dg.StaticPartitionsDefinition(partition_keys(settings)),
        executor_def=dg.in_process_executor,
        description="Land chosen vintages of chosen sources, one a partition; the next night, or `headwaters run`, "
        "makes anew what depends on them, and nothing else.",
    )
    def backfill_job() -> None:
        vintage()

    return backfill_job
