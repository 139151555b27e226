"""A release comes out the same cell for cell in another process, in another home, on one thread."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl

ROOT = Path(__file__).parents[2]
ONE_THREAD = {"POLARS_MAX_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# DuckDB takes as many threads as there are processors, and no variable says otherwise: each connection is told.
AGAIN = """
import json, sys
from pathlib import Path
import duckdb
connect = duckdb.connect
duckdb.connect = lambda *args, config=None, **kwargs: connect(*args, config={"threads": 1, **(config or {})}, **kwargs)
import numba, polars
from pipelines.home import Home
from pipelines.releases import reproduce
from pipelines.settings import resolve
found = reproduce(Home(resolve("sample", None, sys.argv[1], {})), 1, Path(sys.argv[2]))
((threads,),) = duckdb.connect().execute("SELECT current_setting('threads')").fetchall()
print(json.dumps({
    "threads": [polars.thread_pool_size(), numba.config.NUMBA_NUM_THREADS, threads],
    "differences": [vars(one) for one in found.differences],
    "is_same_code": found.is_same_code, "tables": found.n_tables, "rows": found.n_rows,
}))
"""


def test_a_release_is_built_again_cell_for_cell_in_another_home_on_one_thread(sample_home: Path, tmp_path: Path):
    assert pl.thread_pool_size() == len(os.sched_getaffinity(0)), "here on as many as there are"
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(sample_home), str(tmp_path)],
        cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["threads"] == [1, 1, 1]
    assert told["differences"] == []
    assert told["is_same_code"]
    assert told["tables"] > 80
    assert told["rows"] > 10_000
