"""How endings are judged, and how calls come to theirs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NoReturn

import numpy as np
from pytest import mark

from backbones.errors import UserError
from campaigns.engine import commands, forked
from campaigns.engine.records import Records, read_trials
from campaigns.engine.sandbox import Sandbox
from campaigns.engine.trial import (
    DIED,
    HANG,
    INTERRUPTED,
    MESSAGE,
    OTHER,
    REFUSED,
    SAME,
    SILENT,
    TRACEBACK,
    Ending,
    Trial,
    classify_ending,
)

pytestmark = mark.processes

TRACE = 'Traceback (most recent call last):\n  File "/x/backbones/files.py", line 3, in read\n    x\nzlib.error: a: b\n'


@mark.parametrize(
    ("ending", "wanted"),
    [
        (Ending(0, "as ever"), (SAME, "")),
        (Ending(0, "as good"), (SAME, "")),
        (Ending(0, "something else"), (SILENT, "exit 0 with another result")),
        (Ending(None), (HANG, "still running as the time was up")),
        (Ending(2, "", "error: /d/a.txt is damaged\n"), (REFUSED, "")),
        (Ending(2, "", "error: --data is damaged\n"), (REFUSED, "")),
        (Ending(2, "", "error: something is damaged\n"), (MESSAGE, "names neither file nor option")),
        (Ending(2, "", "error: a.txt is\ndamaged\n"), (MESSAGE, "more than one line")),
        (Ending(2, "", "error: a.txt is \x1b[31m\n"), (MESSAGE, "characters that cannot be printed")),
        (Ending(2, "", "a.txt is damaged\n"), (MESSAGE, "a line that is no 'error: '")),
        (Ending(2, "", "\n"), (MESSAGE, "no error line")),
        (Ending(1, "", TRACE), (TRACEBACK, "zlib.error in read (backbones/files.py)")),
        (Ending(2, "", f"error: a.txt\n{TRACE}"), (TRACEBACK, "zlib.error in read (backbones/files.py)")),
        (Ending(130, "", "interrupted\n"), (INTERRUPTED, "")),
        (Ending(1), (DIED, "exit 1")),
        (Ending(-11), (DIED, "signal 11")),
    ],
)
def test_endings(ending: Ending, wanted: tuple[str, str]) -> None:
    assert classify_ending(ending, ("as ever", "as good"), ("a.txt", "--data")) == wanted


def test_another_input_may_have_another_result() -> None:
    assert classify_ending(Ending(0, "b"), ("a",), (), may_differ=True) == (OTHER, "")


def _die() -> NoReturn:
    os.abort()


def _refuse() -> NoReturn:
    raise UserError("no")


def test_calls() -> None:
    assert forked.call(lambda: [1, "a"]) == Ending(0, "[1, 'a']")
    assert forked.call(_refuse) == Ending(2, "", "error: no\n")
    assert "ZeroDivisionError" in forked.call(lambda: 1 // 0).errors
    assert forked.call(_die).code == -6
    assert forked.call(lambda: time.sleep(60), seconds=0.2) == Ending(None)
    long = "x" * 1_000_000  # more than a pipe holds
    assert forked.call(lambda: long).result == repr(long)


def test_a_call_gets_no_more_memory_than_it_may(tmp_path: Path) -> None:
    assert forked.call(lambda: np.ones(10**6).sum(), memory=2**28).result == "np.float64(1000000.0)"
    assert "MemoryError" in forked.call(lambda: np.ones(10**8).sum(), memory=2**28).errors


def test_a_command_and_what_it_has_started_end_when_their_time_is_up() -> None:
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    started = time.monotonic()
    assert commands.run(["-c", program], seconds=1.0).code is None
    assert time.monotonic() - started < 30  # else the grandchild would have kept the pipes open
    assert commands.run(["-c", "print(3)"]) == Ending(0, "3\n", "")


def test_a_folder_is_put_in_order(tmp_path: Path) -> None:
    sound = tmp_path / "sound"
    sound.mkdir()
    (sound / "a.txt").write_text("a")
    sandbox = Sandbox(sound, tmp_path / "box")
    victim, other = sandbox.folder / "a.txt", sandbox.folder / "b.txt"

    def damage() -> None:
        victim.write_text("b")

    def read() -> Ending:
        return Ending(0, victim.read_text())

    def write() -> Ending:
        other.write_text("b")
        victim.unlink()
        return Ending(0)

    assert sandbox.run(read) == (Ending(0, "a"), [])
    assert sandbox.run(read, damage) == (Ending(0, "b"), [])
    assert sandbox.run(read) == (Ending(0, "a"), [])
    assert sandbox.run(write) == (Ending(0), ["a.txt", "b.txt"])
    assert sandbox.run(write, damage, ("b*",)) == (Ending(0), ["a.txt"])
    assert sandbox.run(read) == (Ending(0, "a"), [])
    assert not other.exists()


def test_records_are_kept_by_commit(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    trial = Trial("mutation", "a", 3, "what", SAME, "", "", 0.1, "one")
    Records(path, "one").add(trial)
    with path.open("a") as stream:
        stream.write('{"campaign": "muta')  # cut short by a kill
    assert list(read_trials(path)) == [trial]
    assert ("mutation", "a", 3) in Records(path, "one")
    assert ("mutation", "a", 4) not in Records(path, "one")
    assert ("mutation", "a", 3) not in Records(path, "two")
