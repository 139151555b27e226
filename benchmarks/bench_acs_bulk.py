"""What it takes to filter one summary file of the nation to counties and tracts: memory, and time against a bare scan.

Writes a file of 600,000 geographies and 120 columns (60 estimates, 60 margins), as long as the largest that the Census
Bureau publishes, and reads it in processes of their own: with our filter, and with DuckDB and Polars, which only sum
every column. Nothing leaves this machine.
"""

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

GEOGRAPHIES, CELLS = 600_000, 60
COUNTIES, TRACTS = 3_222, 85_396
NAME = "acsdt5y2023-b17001.dat"
STATES = [f"{n:02d}" for n in range(1, 57)]
ROUNDS = 3


def write(path: Path) -> None:
    """Counties, tracts and block groups, states mixed, figures of one to five digits."""
    rng = np.random.default_rng(1)
    header = "|".join(["GEO_ID", *(f"B17001_{kind}{n:03d}" for n in range(1, CELLS + 1) for kind in "EM")])
    figures = ["|".join(map(str, row)) for row in (10 ** rng.uniform(0, 5, (4000, 2 * CELLS))).astype(int)]
    with path.open("w", encoding="ascii") as out:
        out.write(header + "\n")
        for n in range(GEOGRAPHIES):
            state = STATES[n % len(STATES)]
            if n < COUNTIES:
                geo = f"0500000US{state}{n // len(STATES):03d}"
            elif n < COUNTIES + TRACTS:
                geo = f"1400000US{state}{n // len(STATES):09d}"
            else:
                geo = f"1500000US{state}{n // len(STATES):010d}"
            out.write(f"{geo}|{figures[n % 4000]}\n")


def ours(path: Path) -> int:
    """All 60 cells of counties and tracts of every state, as `census_acs5` reads them."""
    from sources.census_acs5 import summary
    from sources.source import RawFile

    wanted = [f"B17001_{n:03d}" for n in range(1, CELLS + 1)]
    frame = summary.read_lines(RawFile("census_acs5", "2023", NAME, path), wanted, STATES)
    assert frame.width == 3 + 2 * CELLS
    return frame.height


def polars(path: Path) -> int:
    import polars as pl

    scan = pl.scan_csv(path, separator="|")
    return scan.select(pl.len(), pl.all().exclude("GEO_ID").sum()).collect(engine="streaming")["len"][0]


def duckdb(path: Path) -> int:
    import duckdb as db

    sums = "sum(COLUMNS(* EXCLUDE GEO_ID))"
    return db.execute(f"SELECT count(*), {sums} FROM read_csv('{path}', delim='|', header=true)").fetchall()[0][0]


TASKS = {"ours": ours, "polars": polars, "duckdb": duckdb}


def run(task: str, path: Path) -> tuple[float, float, int]:
    """Seconds, peak memory in MB and rows of one task in a process of its own; imports are not counted."""
    told = subprocess.run(
        [sys.executable, __file__, task, str(path)], capture_output=True, text=True, check=True
    ).stdout
    seconds, memory, rows = re.findall(r"[\d.]+", told)
    return float(seconds), float(memory), int(rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        write(path)
        print(f"{GEOGRAPHIES:,} geographies, {2 * CELLS} columns, {path.stat().st_size / 1e6:.0f} MB")
        found = {task: [run(task, path) for _ in range(ROUNDS)] for task in TASKS}
    assert found["ours"][0][2] == COUNTIES + TRACTS
    assert found["polars"][0][2] == found["duckdb"][0][2] == GEOGRAPHIES
    for task, rounds in found.items():
        print(f"{task:<7} {median(r[0] for r in rounds):6.2f} s   peak {max(r[1] for r in rounds):6.0f} MB")
    for peer in ("polars", "duckdb"):
        ratio = median(a[0] / b[0] for a, b in zip(found["ours"], found[peer], strict=True))
        print(f"filtered to {COUNTIES + TRACTS:,} areas: {ratio:.2f} times the scan of {peer} (aim: at most 3)")
    print(f"peak memory {max(r[1] for r in found['ours']):.0f} MB (aim: under 1,000)")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import duckdb as _duckdb  # noqa: F401 - what a task imports is not timed
        import polars as _polars  # noqa: F401

        import sources.census_acs5.summary  # noqa: F401

        start = time.perf_counter()
        rows = TASKS[sys.argv[1]](Path(sys.argv[2]))
        seconds = time.perf_counter() - start
        print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, rows)
    else:
        main()
