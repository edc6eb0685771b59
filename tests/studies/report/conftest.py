"""The page taken apart, a study to make it of, and a real browser, led over a pipe: no port, no further package."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from studies.comparison.compare import compare_runs
from studies.report.forms.text import write_report
from studies.report.page import write_page

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--remote-debugging-pipe", "about:blank"),
)
PATIENCE = 60.0
VOID = {"meta", "link", "input", "br", "img"}
NAMES = ("b-standard", "d-efficient", "d-cosine", "d-smooth")


class Page(HTMLParser):
    """The page taken apart. A tag that is closed where another is open is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str]]] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.numbers: list[tuple[str, str, str]] = []
        self.rows: dict[str, list[str]] = {}
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.tags.append((tag, found))
        if tag not in VOID:
            self.open.append((tag, found))
        if tag == "tr":
            self.rows.setdefault(self.table, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        tag, found = self.open[-1] if self.open else ("", {})
        if tag == "data":
            self.numbers.append((found["data-from"], found["value"], data))
        if tag not in ("script", "style"):
            self.text += data
            if self.rows.get(self.table):
                self.rows[self.table][-1] += f"{data} "

    @property
    def table(self) -> str:
        return next((found.get("id", "") for tag, found in reversed(self.open) if tag == "table"), "")

    def row(self, table: str, name: str) -> str:
        """The words of a table's row."""
        return next(" ".join(text.split()) for text in self.rows[table] if name in text.split())


@pytest.fixture
def study(tmp_path: Path, add_run: Callable[..., Path]) -> Path:
    """Four of the paper's rows with three seeds each and all tasks; d-smooth lacks a seed, d-mixup is unfinished."""
    for place, recipe in enumerate(NAMES):
        for seed in range(3):
            noise = (0.0, 0.31, -0.27)[(seed + place) % 3]
            backbone = {"seed": seed, "sha256": f"{recipe}-{seed}"}
            extra: dict[str, Any] = {
                "versions": {"torch": "2.11.0"},
                "command": f"python train --seed {seed} && {recipe}",
            }
            add_run(tmp_path, "classification", recipe, (60 + place + noise, 85.0), seed, **extra)
            if (recipe, seed) == ("d-smooth", 2):
                continue
            if recipe == "d-efficient":
                extra["versions"] = {"torch": "2.10.0"}
            extra["backbone"] = backbone
            values = (40 + 3 * place + noise, 42 + 2 * place + noise)
            add_run(tmp_path, "detection", recipe, values, seed, **extra)
            add_run(tmp_path, "segmentation", recipe, (70 + noise, 30 - place + noise), seed, **extra)
    add_run(tmp_path, "detection", "d-mixup", None, 1)
    return tmp_path


def _make(root: Path, **options: Any) -> tuple[Page, str, dict[str, Any]]:
    """Page, its source and the JSON beside it."""
    comparison = compare_runs(root, options.pop("baseline", None), stated_recipes=options.pop("stated_recipes", {}))
    folder = write_report(comparison, root / "report").parent
    text = write_page(comparison, folder, **options).read_text(encoding="utf-8")
    return Page(text), text, json.loads((folder / "comparison.json").read_text())


@pytest.fixture
def make() -> Callable[..., tuple[Page, str, dict[str, Any]]]:
    """From a folder of runs its page, the page's source and the JSON beside it."""
    return _make


class Browser:
    """One page of headless Chromium. ``events`` holds what it has reported, each as it came."""

    def __init__(self, program: str, profile: Path) -> None:
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()

        def place() -> None:  # Chromium reads commands from 3 and writes to 4
            high = [os.dup(commands), os.dup(answers)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [program, f"--user-data-dir={profile}", *FLAGS],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(3, 4),
            preexec_fn=place,
        )
        os.close(commands)
        os.close(answers)
        self.events: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self._rest = b""
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and wait for its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._answers, 1 << 16)
            assert piece, "the browser has gone"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path, width: int = 1280, height: int = 900, **emulation: Any) -> None:
        """Load a file in a window of that size and wait until it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", **emulation)
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        end = time.monotonic() + PATIENCE
        while self.run("document.readyState") != "complete" or self.run("location.protocol") != "file:":
            assert time.monotonic() < end, "the page did not load"
            time.sleep(0.05)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """The whole page as a PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def problems(self) -> list[dict[str, Any]]:
        """Errors and warnings that the page has caused."""
        return [
            event
            for event in self.events
            if event.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        ]

    def requests(self) -> list[str]:
        """Addresses that it has asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        os.close(self._commands)
        os.close(self._answers)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Headless Chromium; without it the test is skipped."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium here to open the page with (Debian: apt-get install chromium)")
    led = Browser(program, tmp_path_factory.mktemp("profile"))
    yield led
    led.close()
