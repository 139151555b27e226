"""The process that is killed: a run of a home, slimmed so that it takes seconds, which says in which phase it is.

Nothing of this is known to the project itself. The registries are cut down to two sources, two indicators and one
index; what the others made lies in the home and is left alone, as on a night on which two publishers have news.
Modules are loaded once, by multiprocessing's fork server; each child is a process of its own.
"""

import importlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml

from models.decisions.decision import all_decisions
from models.indicators.indicator import all_indicators
from models.indices import assess as assessing
from models.indices import spec as indices
from models.indices.spec import all_indices
from pipelines import assets, code_versions, ingest, running, warehouse
from pipelines.catalogue import catalogue
from pipelines.home import Home
from pipelines.inputs import DirectoryInput
from pipelines.landing import Landing
from pipelines.locking import BusyError
from pipelines.settings import resolve
from quality import gx
from sources.registry import all_sources

SOURCES = ("acf_cwo", "census_saipe")
INDICATORS = ("child_poverty_share", "no_vehicle_share")
INDEX = "poverty"
FETCH, PARSE, SCORE, BUILD, SWAP = PHASES = ("fetch", "parse", "score", "build", "swap")
DWELL = {FETCH: 0.005, SWAP: 0.01}
"""Seconds that a child pauses before each change of a file in a phase too short to be hit otherwise."""
KEEP = 3
_CHANGES = ("os.rename", "os.symlink", "os.remove", "os.chmod", "os.mkdir", "shutil.copyfile")

_LATER = ("alembic.command", "dagster._core.instance.factory", "dagster._core.storage.event_log.sqlite",
          "dagster._daemon.daemon", "dagster._grpc.impl", "structlog")  # fmt: skip
"""What a run loads when it comes to it; loaded before any child is forked, because it takes seconds."""
for _name in _LATER:
    with suppress(ImportError):
        importlib.import_module(_name)
gx._great_expectations()
code_versions.of_everything()


@dataclass(frozen=True)
class Order:
    """What a child is to do.

    Args:
        home: a home that was published from the sample.
        files: the input, laid out `<source>/<vintage>/<file>`.
        what: `run`, or `publish` what stands, without asking for news.
        largest_file: no file may grow beyond this many bytes, as if the disk were full.
        at: moment at which to begin, by the machine's clock, so that two begin together.
    """

    home: Path
    files: Path
    what: str = "run"
    largest_file: int | None = None
    at: float = 0.0


def slim(files: Path) -> None:
    """Cut the registries of this process down, and take the input from a directory."""
    whole = catalogue()
    assets.catalogue = lambda: whole  # an indicator that is kept looks up tables of sources that are cut
    assets.open_input = lambda settings, fetcher: DirectoryInput(files)
    registries: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        (all_sources(), SOURCES), (all_indicators(), INDICATORS), (all_indices(), (INDEX,)), (all_decisions(), ()),
    ]  # fmt: skip
    for registry, kept in registries:
        for name in set(registry) - set(kept):
            del registry[name]
    path = Path(indices.__file__).with_name(f"{INDEX}.yaml")
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    declared["members"] = [member for member in declared["members"] if member["indicator"] in INDICATORS]
    declared |= {"levels": [], "sensitivity": {"aggregation": ["geometric"]}}
    all_indices()[INDEX] = indices.read_index(indices.read(yaml.safe_dump(declared), path.name), path.name)


class Announcer:
    """Says where the child is; each message is written in one piece."""

    def __init__(self, wire: Connection) -> None:
        self._wire, self._phase = wire, ""
        sys.addaudithook(self._dwell)

    def _dwell(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event in _CHANGES or (event == "open" and isinstance(arguments[1], str) and "r" not in arguments[1])
        if writes and self._phase in DWELL:
            time.sleep(DWELL[self._phase])

    def say(self, text: str) -> None:
        self._wire.send_bytes(text.encode())

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.begin(name)
        try:
            yield
        finally:
            self.end(name)

    def begin(self, name: str) -> None:
        self.say(f"begin {name}")
        self._phase = name

    def end(self, name: str) -> None:
        self._phase = ""
        self.say(f"end {name}")

    def during(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.phase(name):
                return function(*args, **kwargs)

        return inside

    def listen(self) -> None:
        """Wrap what the phases are made of."""
        Landing.land = self.during(FETCH, Landing.land)  # type: ignore[method-assign]
        ingest.parse = self.during(PARSE, ingest.parse)
        assessing.assess = self.during(SCORE, assessing.assess)
        build, point = self.during(BUILD, warehouse._build), warehouse.point_to

        def built(*args: Any, **kwargs: Any) -> Any:
            release = build(*args, **kwargs)
            self.begin(SWAP)  # from the finished file to the link: flushing, renaming, linking
            return release

        def pointed(*args: Any, **kwargs: Any) -> None:
            point(*args, **kwargs)
            self.end(SWAP)

        warehouse._build, warehouse.point_to = built, pointed


def child(wire: Connection, order: Order) -> None:
    """Do what is asked and say how it ended: `done`, `idle`, `busy`, `failed: ...` or `raised: ...`."""
    slim(order.files)
    told = Announcer(wire)
    told.listen()
    if order.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.largest_file, resource.RLIM_INFINITY))
    time.sleep(max(0.0, order.at - time.time()))
    try:
        told.say(f"result {_do(order)}")
    except BusyError:
        told.say("result busy")
    except BaseException as error:
        told.say(f"result raised: {type(error).__name__}: {error}"[:2000])
    os._exit(0)  # threads of libraries need not be waited for


def _do(order: Order) -> str:
    settings = resolve("sample", home=order.home, config={})
    home = Home(settings)
    if order.what == "publish":
        warehouse.publish(home)
        return "done"
    config = {"retention": {"releases": KEEP}}
    outcome = running.run(settings, config, lambda total: lambda done, step: None)
    if not outcome.succeeded:
        return f"failed: {'; '.join(outcome.failures)}"[:2000]
    return "done" if outcome.taken else "idle"
