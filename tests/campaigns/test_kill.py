"""The kill campaign, on a program of a few lines: one that is right, and some that are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest import MonkeyPatch, fixture, mark

from campaigns import kill
from campaigns.engine.records import Records
from campaigns.engine.trial import DIED, HANG, SAME, SILENT, TRACEBACK
from campaigns.engine.workloads import Workload
from campaigns.kill import CTRL_C, KILL_ALL, KILL_MAIN, WAYS, try_workloads

pytestmark = mark.processes

# Counts to 10 in a file, and goes on where it was.
COUNTER = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1]); folder.mkdir(parents=True, exist_ok=True)
path = folder / "count"
count = int(path.read_text()) if {resumes} and path.exists() else 0
log = folder / "log"
try:
    {start}
    while count < 10:
        count += 1
        time.sleep(0.02)
        with log.open("a") as stream:
            stream.write("x" if not {resumes} else "")
        (folder / "new").write_text(str(count))
        os.replace(folder / "new", path)
except KeyboardInterrupt:
    {interrupted}
"""
GOOD = dict(resumes="True", start="pass", interrupted="print('interrupted', file=sys.stderr); sys.exit(130)")


@fixture
def outcomes(tmp_path: Path, monkeypatch: MonkeyPatch) -> Callable[..., set[str]]:
    """Tries a program made of the parts above, and says what became of it."""
    monkeypatch.setattr(kill, "EARLIEST", 0.1)
    monkeypatch.setattr(kill, "SECONDS_TO_END", 1.0)

    def result(folder: Path) -> str:
        return (folder / "run" / "count").read_text() + (folder / "run" / "log").read_text()

    def try_it(way: str, **parts: str) -> set[str]:
        program = tmp_path / "program.py"
        program.write_text(COUNTER.format(**{**GOOD, **parts}))
        monkeypatch.setattr(kill, "WAYS", (way,))
        workload = Workload("counter", lambda folder: [str(program), str(folder / "run")], result, 2.0)
        records = Records(tmp_path / "trials.jsonl", f"{way} {parts}")
        trials = list(try_workloads({"counter": workload}, range(1), tmp_path / "trials", records))
        assert len(trials) == 1
        assert all(way in trial.what for trial in trials)
        return {trial.outcome for trial in trials}

    return try_it


@mark.parametrize("way", WAYS)
def test_a_program_that_goes_on_passes(way: str, outcomes: Callable[..., set[str]]) -> None:
    assert outcomes(way) == {SAME}


@mark.parametrize(
    ("way", "parts", "wanted"),
    [
        (KILL_ALL, {"resumes": "False"}, SILENT),
        (CTRL_C, {"interrupted": "raise"}, TRACEBACK),
        (CTRL_C, {"interrupted": "sys.exit(3)"}, DIED),
        (KILL_MAIN, {"start": "import subprocess; subprocess.Popen(['sleep', '30'])"}, DIED),
        (KILL_ALL, {"start": "time.sleep(30 if count else 0)"}, HANG),
    ],
    ids=["begins again", "traceback", "exit code", "leaves a process", "hangs"],
)
def test_a_program_that_is_not_right_fails(
    way: str, parts: dict[str, str], wanted: str, outcomes: Callable[..., set[str]]
) -> None:
    assert wanted in outcomes(way, **parts)
