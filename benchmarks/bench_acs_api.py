"""What 51 states by the Census API cost: requests for each chunk and state, and time against one request at a time.

A server in a process of its own answers after 50 ms, as many areas a state as asked for on the command line
(default 60: counties of a state; try 1650 for its tracts). Nothing leaves this machine.
"""

import json
import os
import subprocess
import sys
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from pipelines.http import HttpFetcher
from sources.census_acs5 import cells, live
from sources.source import Scope

LATENCY = 0.05
STATES = tuple(state for state in cells.NATION if state != "72")
HOST = "https://api.census.gov"


def serve(areas: int) -> None:
    """Answer `get=...&for=tract:*&in=state:XX county:*` until the parent goes away; prints its port."""

    @cache  # a publisher does not compute on our cores
    def answer(fields: tuple[str, ...]) -> bytes:
        values = ["Simulated", *(str(n) for n in range(len(fields) - 1))]
        rows = [[*values, "@@", f"{n % 100:03d}", f"{n:06d}"] for n in range(areas)]
        return json.dumps([[*fields, "state", "county", "tract"], *rows]).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # the second packet of an answer would wait for the first one to be acknowledged

        def do_GET(self) -> None:
            if self.path == "/requests":
                body = str(len(counted)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            counted.append(1)
            query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
            fields, state = query["get"].split(","), query["in"][6:8]
            body = answer(tuple(fields)).replace(b"@@", state.encode())
            time.sleep(LATENCY)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    counted: list[int] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def fetch(port: int, workers: int) -> tuple[int, float]:
    """Answers and seconds for the tracts of all states, as a run asks for them."""
    os.environ["CENSUS_API_KEY"] = "benchmark-key"
    live.WORKERS = workers
    everything = live.groups
    live.groups = lambda scope: [group for group in everything(scope) if group.folder.startswith("tract/")]
    try:
        fetcher = HttpFetcher(rewrite={HOST: f"http://127.0.0.1:{port}"})
        start = time.perf_counter()
        answers = sum(1 for _ in live.fetch(fetcher, "2023", Scope(states=STATES)))
        return answers, time.perf_counter() - start
    finally:
        live.groups = everything


def main() -> None:
    areas = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    command = [sys.executable, __file__, "--serve", str(areas)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            workers = live.WORKERS
            chunks = len(STATES) * len(cells.chunks(cells.wanted(cells.TRACT, ())))
            first = fetch(port, workers)
            with urlopen(f"http://127.0.0.1:{port}/requests") as told:
                requests = int(told.read())
            pairs = [(first, fetch(port, 1)), *((fetch(port, workers), fetch(port, 1)) for _ in range(2))]
        finally:
            server.terminate()
    (answers, at_once), (same, in_turn) = min(pairs, key=lambda pair: pair[0][1])
    assert answers == same
    ratios = sorted(turn / once for (_, once), (_, turn) in pairs)
    print(
        f"{len(STATES)} states, {chunks} chunks of 49 variables and state, {areas} areas each, {LATENCY * 1000:.0f} ms"
    )
    print(f"requests: {requests}, {requests / chunks:.2f} a chunk and state (aim: at most 1.20)")
    print(f"{workers} threads {at_once:.2f} s, in sequence {in_turn:.2f} s: {ratios[1]:.1f} times faster (aim: 5)")


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve(int(sys.argv[-1]))
    else:
        main()
