"""A forked tool is a process of its own, and ends as one that Python starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from forked_tools import run_tool
from pytest import mark, raises

TOOL = """
import os, random, sys

print("said", sys.argv[1:], os.getcwd(), os.environ.get("MINE"), __name__)
print("told", file=sys.stderr)
ENDING
"""


@mark.parametrize(
    "ending",
    ["", "sys.exit(2)", "sys.exit('a reason')", "raise ValueError('é')", "os.kill(os.getpid(), 15)", "os._exit(7)"],
)
def test_streams_folder_environment_and_status_are_those_of_a_start(ending: str, tmp_path: Path) -> None:
    tool = tmp_path / "tool.py"
    tool.write_text(TOOL.replace("ENDING", ending), encoding="utf-8")
    words, environment = [str(tool), "--a", "b c"], {**os.environ, "MINE": "1"}
    forked = run_tool(words, environment, tmp_path)
    started = subprocess.run(
        [sys.executable, *words], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
    assert forked.stderr.splitlines()[::-1][:1] == started.stderr.splitlines()[::-1][:1]
    assert forked.stderr.startswith("told\n") == started.stderr.startswith("told\n")


def test_nothing_is_left_of_one_in_the_next(tmp_path: Path) -> None:
    tool = tmp_path / "tool.py"
    tool.write_text("import os, random, sys; sys.left = getattr(sys, 'left', 0) + 1; print(sys.left, random.random())")
    first, second = (run_tool([tool]).stdout.split() for _ in range(2))
    assert first[0] == second[0] == "1"
    assert first[1] != second[1]


def test_what_takes_too_long_is_killed(tmp_path: Path) -> None:
    tool = tmp_path / "tool.py"
    tool.write_text("import time; print('begun', flush=True); time.sleep(60)")
    with raises(subprocess.TimeoutExpired) as caught:
        run_tool([tool], timeout=1)
    assert caught.value.stdout == "begun\n"
    assert run_tool([tool.with_name("none.py")]).returncode == 1


def test_what_only_a_start_reads_is_as_asked(tmp_path: Path) -> None:
    tool = tmp_path / "tool.py"
    tool.write_text("import sys; print(sys.stdout.encoding)")
    assert run_tool([tool], {**os.environ, "PYTHONIOENCODING": "iso8859-1"}).stdout == "iso8859-1\n"
