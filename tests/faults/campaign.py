"""The fault campaign: many trials, kept in a JSON file as they end, so that it can be stopped and gone on with.

    python -m tests.faults.campaign --kills 300 --full-disk 50 --races 50 --readers 50 --resume data/soak.json

A trial that finds something broken is kept with what was broken, the home is made anew, and the campaign goes on; it
ends with exit code 1.
"""

import argparse
import json
import logging
import random
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.files import write_atomically
from pipelines.running import run
from pipelines.settings import resolve
from tests.faults.child import PHASES
from tests.faults.invariants import BrokenError
from tests.faults.report import write_page
from tests.faults.trials import Bench, Readers, fill_once, kill_once, race_once, read_once, small_disk

DISK_MEGABYTES = 400
ANALYSTS_NICE = 15
"""The run goes before eight processes that never pause, as the unit files let it; without that all nine share alike."""
LOG = logging.getLogger("campaign")
Trial = Callable[[Bench], dict[str, Any]]


class Ledger:
    """What was tried so far, on disk after every trial."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def trials(self, kind: str) -> list[dict[str, Any]]:
        return self.told.setdefault(kind, [])

    def whole(self, kind: str) -> list[dict[str, Any]]:
        """Trials that found nothing broken."""
        return [trial for trial in self.trials(kind) if "broken" not in trial]

    def keep(self) -> None:
        write_atomically(self._path, json.dumps(self.told, indent=1).encode())

    @property
    def n_broken(self) -> int:
        return sum("broken" in one for trials in self.told.values() if isinstance(trials, list) for one in trials)


def attempt(ledger: Ledger, kind: str, bench: Bench, trial: Trial, **more: Any) -> None:
    """One trial, into the ledger; after a broken one the home is made anew."""
    before = bench.watch.opened
    try:
        found = trial(bench)
    except BrokenError as error:
        found = {"broken": str(error)[:1000], "files": len(bench.watch.known)}
        shutil.copytree(bench.home, bench.room / f"broken-{kind}-{len(ledger.trials(kind))}", symlinks=True)
        bench.reset()
        before = bench.watch.opened
    found["opened"] = bench.watch.opened - before
    ledger.trials(kind).append(more | found)
    ledger.keep()
    LOG.info("%s %d: %s", kind, len(ledger.trials(kind)), found)


def next_phase(ledger: Ledger, kills: int) -> str | None:
    """The phase that lacks most of its sixth of the kills; None, any moment, when all have theirs."""
    died = Counter(trial["died"] for trial in ledger.whole("kills"))
    share = max(1, kills // 6)
    lacking = {phase: share - died[phase] for phase in PHASES if died[phase] < share}
    return max(lacking, key=lambda phase: lacking[phase]) if lacking else None


def n_killed(ledger: Ledger) -> int:
    """Kills that met a run at work."""
    return sum(trial["died"] != "too late" for trial in ledger.whole("kills"))


def analysts(bench: Bench, publishes: int) -> dict[str, Any]:
    """Runs alone, with eight readers, and with eight processes that take as much of the machine and read nothing.

    Runs of the three kinds alternate, so that a busy machine is busy for all of them.
    """
    readers = Readers(bench.watch.current, ["opens", "keeps"] * 4, nice=ANALYSTS_NICE)
    burners = Readers(bench.watch.current, ["burns"] * 8, nice=ANALYSTS_NICE)
    seconds: dict[str, list[float]] = {"alone": [], "with readers": [], "with burners": []}
    for _ in range(publishes):
        for kind in seconds:
            bench.news()
            if kind == "alone":
                took = bench.settle()
            else:
                with (readers if kind == "with readers" else burners).at_work():
                    took = bench.settle()
            seconds[kind].append(round(took, 2))
        LOG.info("analysts: %s", {kind: each[-1] for kind, each in seconds.items()})
    told = readers.end()
    burners.end()
    middle = {kind: statistics.median(each) for kind, each in seconds.items()}
    found = {
        "publishes": publishes,
        "nice": ANALYSTS_NICE,
        "reads": sum(reads for reads, _, _ in told),
        "releases_seen": len({release for _, seen, _ in told for release in seen}),
        "errors": [one for _, _, wrong in told for one in wrong][:20],
        "seconds": seconds,
        "ratio_to_alone": round(middle["with readers"] / middle["alone"], 3),
        "ratio_to_burners": round(middle["with readers"] / middle["with burners"], 3),
    }
    if found["errors"]:
        found["broken"] = "a reader met an error"
    return found


def base_home(room: Path, given: Path | None) -> Path:
    """A home that was published from the sample, made once."""
    if given is not None:
        return given
    base = room / "base"
    if not (base / "last_run.json").exists():
        LOG.info("publishing the sample once")
        outcome = run(resolve("sample", home=base, config={}), {}, lambda total: lambda done, step: None)
        if not outcome.succeeded:
            raise SystemExit("\n".join(outcome.failures))
    return base


def campaign(asked: argparse.Namespace, ledger: Ledger, room: Path) -> None:
    """All trials that are still to be made."""
    base = base_home(room, asked.base)
    ledger.told.setdefault("seed", asked.seed)

    def bench(kind: str, folder: Path) -> Bench:
        # What was tried before moves the seed, so that a campaign gone on with does not repeat itself.
        return Bench(base, folder, random.Random(f"{asked.seed}{kind}{len(ledger.trials(kind))}").getrandbits(32))

    if n_killed(ledger) < asked.kills:
        one = bench("kills", room / "kills")
        while n_killed(ledger) < asked.kills:
            phase = next_phase(ledger, asked.kills)
            attempt(ledger, "kills", one, lambda b, phase=phase: kill_once(b, phase))  # type: ignore[misc]
    if len(ledger.whole("full_disk")) < asked.full_disk:
        with small_disk(room / "disk", DISK_MEGABYTES) as is_mounted:
            one = bench("full_disk", room / "disk")
            how = "tmpfs" if is_mounted else "largest file"
            while len(ledger.whole("full_disk")) < asked.full_disk:
                attempt(ledger, "full_disk", one, lambda b: fill_once(b, is_mounted=is_mounted), how=how)
    for kind, wanted, trial in (("races", asked.races, race_once), ("readers", asked.readers, read_once)):
        if len(ledger.whole(kind)) < wanted:
            one = bench(kind, room / kind)
            while len(ledger.whole(kind)) < wanted:
                attempt(ledger, kind, one, trial)
    if asked.analysts and ledger.told.get("analysts", {}).get("publishes", 0) < asked.analysts:
        ledger.told["analysts"] = analysts(Bench(base, room / "analysts", asked.seed), asked.analysts)
        ledger.keep()


def main() -> None:
    """Read what is asked, go on with it, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("kills", "full-disk", "races", "readers", "analysts"):
        parser.add_argument(f"--{name}", type=int, default=0, help="how many in all, those of the file included")
    parser.add_argument("--resume", type=Path, required=True, help="the JSON file that is gone on with")
    parser.add_argument("--seed", type=int, default=20_260_101)
    parser.add_argument("--base", type=Path, help="a home published from the sample, to copy; without it one is made")
    parser.add_argument("--work", type=Path, help="a folder to work in; without it a temporary one")
    parser.add_argument("--page", type=Path, help="write the counts as a page of documentation")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    ledger = Ledger(asked.resume.resolve())
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-", dir=asked.work) as room:
        try:
            campaign(asked, ledger, Path(room))
        finally:
            ledger.told["seconds"] = round(ledger.told.get("seconds", 0) + time.monotonic() - began)
            ledger.keep()
            if asked.page:
                write_page(asked.page, ledger.told)
    raise SystemExit(1 if ledger.n_broken or ledger.told.get("analysts", {}).get("broken") else 0)


if __name__ == "__main__":
    main()
