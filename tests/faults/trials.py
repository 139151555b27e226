"""Trials: one fault each, then everything is looked at, then the next run has to succeed."""

import multiprocessing
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sources.simulated import files as simulated_files
from tests.faults.child import PHASES, SOURCES, Order, child
from tests.faults.invariants import BrokenError, Watch, require, strays
from tests.faults.reading import burner, reader

PATIENCE = 300.0
CHANGING = ("census_saipe", "2023", "est23all.xls")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.child", "tests.faults.reading"])


@dataclass
class Told:
    """What a child said: its phases with their times, and its result."""

    phases: list[tuple[str, float, float]] = field(default_factory=list)
    open: tuple[str, float] | None = None
    result: str | None = None
    seconds: float = 0.0

    def hear(self, text: str, at: float) -> None:
        word, rest = text.split(" ", 1)
        if word == "begin":
            self.open = (rest, at)
        elif word == "end" and self.open is not None:
            self.phases.append((rest, self.open[1], at))
            self.open = None
        elif word == "result":
            self.result = rest


class Run:
    """A child at work."""

    def __init__(self, order: Order) -> None:
        self.told = Told()
        self._wire, theirs = CONTEXT.Pipe(duplex=False)
        self.began = time.monotonic()
        self.process = CONTEXT.Process(target=child, args=(theirs, order))
        self.process.start()
        theirs.close()

    def hear(self, timeout: float) -> bool:
        """Wait for one message; False when none came, or none will come any more."""
        try:
            if not self._wire.poll(timeout):
                return False
            self.told.hear(self._wire.recv_bytes().decode(), time.monotonic())
        except (EOFError, OSError):
            return False
        return True

    def kill(self) -> None:
        """`kill -9`, then hear out what it had said before."""
        self.process.kill()
        self.end()

    def end(self) -> Told:
        until = time.monotonic() + PATIENCE
        while self.hear(max(0.0, until - time.monotonic())):
            pass
        self.process.join(max(1.0, until - time.monotonic()))
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise BrokenError(f"a run did not end within {PATIENCE:.0f} s")
        self.told.seconds = time.monotonic() - self.began
        self._wire.close()
        return self.told


class Bench:
    """A home, its input, and what is known of both.

    Args:
        base: a home that was published from the sample; it is copied.
        room: an empty folder.
        seed: of the moments at which faults happen.
    """

    def __init__(self, base: Path, room: Path, seed: int) -> None:
        self.room, self.home, self.files = room, room / "home", room / "files"
        self.random = random.Random(seed)
        self.version = 0
        self._base = base
        self.usual = Told()
        self.reset()

    def reset(self) -> None:
        """Begin anew from the base."""
        shutil.rmtree(self.home, ignore_errors=True)
        left_out = shutil.ignore_patterns("dagster", "logs")
        shutil.copytree(self._base, self.home, symlinks=True, ignore=left_out)
        for source in SOURCES:
            for vintage, name, body in simulated_files(source):
                path = self.files / source / vintage / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
        self._body = self.files.joinpath(*CHANGING).read_bytes()
        self.watch = Watch(self.home)
        self.offered = {"new": self._write()}
        self.settle()

    def _write(self) -> str:
        """Another file with the same figures: a workbook is read from its start, what follows it is passed over."""
        from hashlib import sha256

        body = self._body + self.version.to_bytes(512, "big")
        self.files.joinpath(*CHANGING).write_bytes(body)
        return sha256(body).hexdigest()

    def news(self) -> None:
        """The publisher has another file; what is published was made from the one before."""
        self.version += 1
        self.offered = {"old": self.offered["new"], "new": self._write()}

    def order(self, **given: Any) -> Order:
        return Order(self.home, self.files, **given)

    def settle(self) -> float:
        """The next run: it has to succeed, publish the new file and leave nothing behind. Returns its seconds."""
        run = Run(self.order())
        told = run.end()
        require(told.result in ("done", "idle"), f"the next run: {told.result}")
        require(self.watch.look(self.offered) == "new", "the next run has published the old file")
        require(not (left := strays(self.home)), f"the next run has left {left}")
        if {name for name, _, _ in told.phases} == set(PHASES):
            self.usual = told
        return told.seconds

    def look(self) -> str:
        return self.watch.look(self.offered)


# --- killed ------------------------------------------------------------------------------------------------------


def kill_once(bench: Bench, phase: str | None) -> dict[str, Any]:
    """Kill a run inside a phase, or at any moment; look at what it left; run again.

    Returns:
        Where it died, which release was current, and how long the next run took.
    """
    bench.news()
    run = Run(bench.order())
    if phase is None:
        run.told.result = None
        _hear_for(run, bench.random.uniform(0.0, bench.usual.seconds))
    else:
        _wait_inside(run, phase, bench)
    run.kill()
    died = run.told.open[0] if run.told.open else "between"
    if run.told.result is not None:
        died = "too late"
    shown = bench.look()
    left = len(strays(bench.home))
    seconds = bench.settle()
    return {
        "wanted": phase or "anywhere",
        "died": died,
        "shown": shown,
        "strays": left,
        "recovery_s": round(seconds, 2),
    }


def _hear_for(run: Run, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (rest := until - time.monotonic()) > 0 and run.told.result is None:
        if not run.hear(rest) and not run.process.is_alive():
            return


def _wait_inside(run: Run, phase: str, bench: Bench) -> None:
    """Wait for a moment of a phase, chosen evenly from all that it takes."""
    spans = [until - since for name, since, until in bench.usual.phases if name == phase]
    at = bench.random.uniform(0.0, sum(spans))
    number = 0
    while number < len(spans) - 1 and at > spans[number]:
        at -= spans[number]
        number += 1
    begun = 0
    while begun <= number:
        was_open = run.told.open
        if not run.hear(PATIENCE) or run.told.result is not None:
            return
        if run.told.open and run.told.open is not was_open and run.told.open[0] == phase:
            begun += 1
    time.sleep(max(0.0, min(at, spans[number] * 0.98)))


# --- a full disk -------------------------------------------------------------------------------------------------


def fill_once(bench: Bench, *, is_mounted: bool) -> dict[str, Any]:
    """Let the disk, or the largest file that may be written, end at a random place of a run."""
    bench.news()
    ballast = bench.room / "ballast"
    if is_mounted:
        room = bench.random.choice((0, bench.random.randrange(200_000), bench.random.randrange(6_000_000)))
        free = shutil.disk_usage(bench.room).free
        with suppress(OSError), ballast.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(1, free - room))
        told = Run(bench.order()).end()
    else:
        room = bench.random.choice((100, bench.random.randrange(50_000), bench.random.randrange(6_000_000)))
        told = Run(bench.order(largest_file=room)).end()
    shown = bench.look()
    left = len(strays(bench.home))
    ballast.unlink(missing_ok=True)
    seconds = bench.settle()
    require(not (told.result or "").startswith("raised"), f"no sentence but an exception: {told.result}")
    return {
        "room_bytes": room,
        "result": (told.result or "none")[:300],
        "shown": shown,
        "strays": left,
        "recovery_s": round(seconds, 2),
    }


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A file system of its own in a folder, where that is permitted; says whether it is."""
    folder.mkdir(parents=True, exist_ok=True)
    call = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    done = subprocess.run(call, capture_output=True, check=False) if shutil.which("mount") else None
    is_mounted = done is not None and done.returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


# --- two runs ----------------------------------------------------------------------------------------------------


def race_once(bench: Bench, others: tuple[str, ...] = ("run", "publish")) -> dict[str, Any]:
    """Two processes start on one home together: one works, the other is refused or comes after."""
    bench.news()
    what = bench.random.choice(others)
    at = time.time() + 0.5
    late = bench.random.choice((0.0, bench.random.uniform(0.0, bench.usual.seconds)))
    pair = [Run(bench.order(at=at)), Run(bench.order(what=what, at=at + late))]
    results = [run.end().result for run in pair]
    shown = bench.look()
    require(any(result in ("done", "idle") for result in results), f"neither has worked: {results}")
    require(all(result in ("done", "idle", "busy") for result in results), f"a racer ended as {results}")
    seconds = bench.settle()
    return {"against": what, "results": results, "shown": shown, "recovery_s": round(seconds, 2)}


# --- readers -----------------------------------------------------------------------------------------------------


class Readers:
    """Processes that read the published file without pause while they are let."""

    def __init__(self, current: Path, how: list[str], every: int = 1, nice: int = 0) -> None:
        self._go, self._stop = CONTEXT.Event(), CONTEXT.Event()
        self._wires: list[Connection] = []
        self._processes = []
        for name in how:
            mine, theirs = CONTEXT.Pipe(duplex=False)
            target, args = (burner, (nice,)) if name == "burns" else (reader, (current, name, every, nice))
            process = CONTEXT.Process(target=target, args=(theirs, *args, self._go, self._stop))
            process.start()
            theirs.close()
            self._wires.append(mine)
            self._processes.append(process)
        for wire in self._wires:
            require(wire.poll(PATIENCE) and wire.recv_bytes() == b"ready", "a reader did not begin")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._go.set()
        try:
            yield
        finally:
            self._go.clear()

    def end(self) -> list[tuple[int, list[int], list[str]]]:
        """Reads, releases seen and faults of each; nothing of those that only take the processor."""
        self._stop.set()
        told = []
        for wire in self._wires:
            with suppress(EOFError):
                if wire.poll(PATIENCE):
                    told.append(wire.recv())
        for process in self._processes:
            process.join(PATIENCE)
        return told


def read_once(bench: Bench) -> dict[str, Any]:
    """A run publishes while one process opens the file again and again, and one keeps its connection."""
    bench.news()
    readers = Readers(bench.watch.current, ["opens", "keeps"])
    with readers.at_work():
        seconds = bench.settle()
    opened, kept = readers.end()
    for _, _, wrong in (opened, kept):
        require(not wrong, f"a reader: {wrong[:3]}")
    require(len(kept[1]) <= 1, f"a kept connection has seen releases {kept[1]}")
    return {"reads": opened[0] + kept[0], "releases": opened[1], "run_s": round(seconds, 2)}
