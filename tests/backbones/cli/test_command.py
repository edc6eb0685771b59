"""Exit codes and what is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pytest import CaptureFixture, MonkeyPatch, fixture, mark, raises

from backbones.cli.command import run_command
from backbones.errors import ToldError, UserError

ROOT = Path(__file__).resolve().parents[3]


@fixture(autouse=True)
def no_time_to_tell(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr("backbones.cli.command.SECONDS_TO_TELL", 0.0)


@mark.parametrize(
    ("raised", "code", "printed"),
    [
        (None, 0, ""),
        (UserError("no such folder"), 2, "error: no such folder\n"),
        (ToldError("no such folder"), 2, ""),  # another process says it
        (KeyboardInterrupt("saved"), 130, "interrupted: saved\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_how_a_command_ends(raised: BaseException | None, code: int, printed: str, capsys: CaptureFixture[str]) -> None:
    def main() -> None:
        if raised is not None:
            raise raised

    with raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == code
    assert capsys.readouterr().err == printed


def test_a_defect_keeps_its_traceback() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with raises(ZeroDivisionError):
        run_command(main)


# Python frees what a module holds while it takes itself apart.
AMONG_OTHERS = """
import atexit
from backbones.cli.command import run_command

class Freed:
    def __del__(self):
        print("taken apart")

freed = Freed()
atexit.register(print, "tidied")
run_command(lambda: print("worked"))
"""


@mark.parametrize(
    ("environment", "printed"),
    [({}, ["worked", "tidied", "taken apart"]), ({"TORCHELASTIC_RUN_ID": "job"}, ["worked", "tidied"])],
    ids=["alone", "torchrun"],
)
def test_one_of_several_processes_leaves_python_standing(environment: dict[str, str], printed: list[str]) -> None:
    alone = {name: value for name, value in os.environ.items() if not name.startswith("TORCHELASTIC")}
    done = subprocess.run(
        [sys.executable, "-c", AMONG_OTHERS], capture_output=True, text=True, cwd=ROOT, env=alone | environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == printed
