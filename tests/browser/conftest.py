"""The Dagster UI as its user starts it, and Debian's Chromium to look at it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIEWPORT: ViewportSize = {"width": 1400, "height": 900}
PICTURE_LIMIT = 250_000
"""Bytes; pictures of this size can live in the repository."""

START_SECONDS, STOP_SECONDS, PAGE_SECONDS = 180, 20, 30

expect.set_options(timeout=PAGE_SECONDS * 1000)


def _chromium() -> Path | None:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium", path=f"/usr/bin{os.pathsep}{os.environ['PATH']}")
    return Path(found) if found and Path(found).exists() else None


def _environment() -> dict[str, str]:
    """The environment without settings and keys of whoever runs the tests."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HEADWATERS_", "DAGSTER_")) and name != "CENSUS_API_KEY"
    }


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again until it holds; False once the time is over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def processes_of(home: Path) -> list[str]:
    """Command lines of all living processes whose Dagster instance is this home's, in whatever group they are."""
    mark, found = f"DAGSTER_HOME={home / 'dagster'}\0".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip())
        except OSError:
            continue  # ended meanwhile, or not ours
    return found


@dataclass(frozen=True)
class Ui:
    """A running `headwaters ui`."""

    url: str
    home: Path
    log: Path

    def ask(self, query: str) -> dict[str, Any]:
        """What the server answers to a GraphQL query; proxies of whoever runs the tests are left aside."""
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(f"{self.url}/graphql", json={"query": query})
        return answer.raise_for_status().json()["data"]

    def is_loaded(self) -> bool:
        """Whether the code location is there, without an error."""
        try:
            entries = self.ask(
                "{workspaceOrError{... on Workspace{locationEntries{loadStatus locationOrLoadError{"
                "__typename ... on PythonError{message}}}}}}"
            )["workspaceOrError"]["locationEntries"]
        except httpx.HTTPError:
            return False
        loaded = [entry["locationOrLoadError"] for entry in entries if entry["loadStatus"] == "LOADED"]
        assert all(entry["__typename"] != "PythonError" for entry in loaded), loaded
        return bool(loaded) and len(loaded) == len(entries)

    def runs(self) -> list[str]:
        """The states of all runs, the newest first."""
        return [
            run["status"] for run in self.ask("{runsOrError{... on Runs{results{status}}}}")["runsOrError"]["results"]
        ]


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """`headwaters ui` on the sample, in a home of its own; stopped with Ctrl-C, as its user would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("ui")
    server = Ui(f"http://127.0.0.1:{port}", folder / "home", folder / "ui.log")
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("headwaters"), "ui", "--home", server.home, "--port", str(port)],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _until(lambda: process.poll() is not None or server.is_loaded(), START_SECONDS)
        assert process.poll() is None, f"`headwaters ui` ended at once:\n{server.log.read_text()}"
        assert server.is_loaded(), f"no code location after {START_SECONDS} s:\n{server.log.read_text()}"
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        _until(lambda: process.poll() is not None and not processes_of(server.home), STOP_SECONDS)
        left = processes_of(server.home)
        with suppress(ProcessLookupError):  # where the whole group has ended, as it should
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)
    assert not left, f"Ctrl-C left processes behind: {left}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium with a fresh profile; closed with the module, because it holds this thread's event loop."""
    executable = _chromium()
    if executable is None:
        reason = "no Chromium: `apt-get install chromium`, or name its executable in CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page(browser: Browser, ui: Ui) -> Iterator[Page]:
    """One tab for the whole module; it may talk to the server and to nobody else."""
    context = browser.new_context(viewport=VIEWPORT, locale="en-US", timezone_id="America/Chicago")
    # What the UI remembers of opened groups and closed dialogs: every page starts as on a first visit.
    context.add_init_script("if (location.protocol === 'http:') localStorage.clear()")
    tab = context.new_page()
    tab.set_default_timeout(PAGE_SECONDS * 1000)
    outside: list[str] = []
    tab.on(
        "request",
        lambda request: None if request.url.startswith((ui.url, "data:", "blob:")) else outside.append(request.url),
    )
    yield tab
    context.close()
    assert not outside, f"the UI asked other servers: {outside}"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Page, str], None]:
    """Takes a named picture of the page: into the tests' temporary folder, or where HEADWATERS_SCREENSHOTS says."""
    asked = os.environ.get("HEADWATERS_SCREENSHOTS")
    folder = ROOT / asked if asked else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)

    def take(tab: Page, name: str) -> None:
        # Nothing under the pointer and nothing in focus.
        tab.mouse.move(0, VIEWPORT["height"] - 1)
        tab.evaluate("document.activeElement?.blur()")
        taken = tab.screenshot(path=folder / f"{name}.png", animations="disabled")
        assert len(taken) < PICTURE_LIMIT, f"{name}.png has {len(taken):,} bytes"

    return take
