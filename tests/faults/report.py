"""docs/faults.md, written from the campaign's JSON: `python -m tests.faults.report data/soak.json docs/faults.md`."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.files import write_atomically
from tests.faults.child import PHASES

_HEAD = """# Fault campaign

Written by `tests/faults/report.py` from the campaign's own record; do not edit. To run it: `make soak`, which goes on
where it was stopped. A short form of each trial runs with the other tests.

Each trial harms a run of a small pipeline (two sources with news, two indicators, one index; what the others made lies
in the home) in a process of its own, and then looks at everything: the link `published/current.duckdb` leads to a whole
release, the one before or the one after; every published file opens and every table has the checksum that `meta.tables`
names; every landing record names bytes of that checksum; no kept release has lost what it was made from. Then the next
run has to succeed, publish the new file and leave nothing behind.
"""
_MEANS = {
    "fetch": "landing a file", "parse": "reading the landed files and writing their tables",
    "score": "an index and its draws", "build": "writing the release's file",
    "swap": "flushing, renaming, linking",
    "between": "anywhere else: Dagster's records, judging, recipes, retention",
}  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)])


def _worst(trials: Sequence[dict[str, Any]]) -> str:
    return f"{max((trial['recovery_s'] for trial in trials), default=0.0):.1f} s"


def _kills(told: dict[str, Any]) -> str:
    kills = [one for one in told.get("kills", []) if one.get("died") not in (None, "too late")]
    longest = max(Counter(one["died"] for one in kills).values(), default=1)
    rows = []
    for phase in (*PHASES, "between"):
        here = [one for one in kills if one["died"] == phase]
        new = sum(one["shown"] == "new" for one in here)
        bar = "█" * round(20 * len(here) / longest)
        left = sum(one["strays"] > 0 for one in here)
        rows.append((phase, _MEANS[phase], f"{bar} {len(here)}", len(here) - new, new, left, _worst(here)))
    head = ("killed in", "which is", "kills", "old release", "new release", "left files", "worst recovery")
    return f"## {len(kills)} times `kill -9`\n\n{_table(head, rows)}\n"


def _others(told: dict[str, Any]) -> str:
    whole = {kind: [one for one in told.get(kind, []) if "broken" not in one] for kind in _KINDS}
    full, races, readers = (whole[kind] for kind in _KINDS)
    failed = sum(one["result"].startswith("failed") for one in full)
    how = ", ".join(f"{count} on {name}" for name, count in Counter(one["how"] for one in full).items())
    refused = sum("busy" in one["results"] for one in races)
    rows = [
        ("disk full", len(full), f"{failed} runs failed with a sentence, {len(full) - failed} had room enough; {how}"),
        ("two runs together", len(races), f"{refused} times one was refused, else it came after"),
        ("polling readers", len(readers), f"{sum(one['reads'] for one in readers):,} whole reads, none torn"),
    ]
    worst = _worst([*full, *races])
    return f"## Other faults\n\n{_table(('fault', 'trials', 'what became of it'), rows)}\n\nWorst recovery: {worst}.\n"


_KINDS = ("full_disk", "races", "readers")


def _analysts(found: dict[str, Any]) -> str:
    middle = {kind: sorted(each)[len(each) // 2] for kind, each in found["seconds"].items()}
    rows = [(kind, len(found["seconds"][kind]), f"{seconds:.1f} s") for kind, seconds in middle.items()]
    return f"""## Eight analysts

{found["publishes"]} releases were published while eight connections (four kept, four opened afresh) compared every
table with its checksum without pause: {found["reads"]:,} reads, {len(found["errors"])} errors. Runs of the three kinds
alternate; the eight that burn compute the same checksums of a table in memory and open no file of ours. Both have a
nice value of {found["nice"]}: the run goes first, as the unit files in docs/deploy let it.

{_table(("run", "runs", "median"), rows)}

With readers against burners: {found["ratio_to_burners"]:.2f}: what reading costs a run, beyond the processors it takes.
With readers against alone: {found["ratio_to_alone"]:.2f}; eight readers and a run share the processors of one machine.
"""


def page(told: dict[str, Any]) -> str:
    """The page as Markdown."""
    trials = [one for kind in ("kills", *_KINDS) for one in told.get(kind, [])]
    broken = [one["broken"] for one in trials if "broken" in one]
    opened = sum(one.get("opened", 0) for one in trials)
    recovered = [one for one in trials if "recovery_s" in one]
    summary = (
        f"{len(trials)} trials; {opened} published files opened and compared table by table; worst recovery (the whole "
        f"of the next run) {_worst(recovered)}; **{len(broken)} trials found something broken**."
    )
    parts = [_HEAD, summary + "\n", _kills(told), _others(told)]
    if "analysts" in told:
        parts.append(_analysts(told["analysts"]))
    if broken:
        parts.append("## Broken\n\n" + "\n".join(f"- {text}" for text in dict.fromkeys(broken)) + "\n")
    return "\n".join(parts)


def write_page(path: Path, told: dict[str, Any]) -> None:
    write_atomically(path.resolve(), page(told).encode())


if __name__ == "__main__":
    write_page(Path(sys.argv[2]), json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
