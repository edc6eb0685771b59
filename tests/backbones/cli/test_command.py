"""Exit codes and what is printed."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from pytest import CaptureFixture, MonkeyPatch, fixture, mark, raises

from backbones.cli.command import CommandParser, run_command
from backbones.errors import ToldError, UserError
from backbones.machine.lacks import remedy_of

ROOT = Path(__file__).resolve().parents[3]
FILES, MEMORY = (remedy_of(code) for code in (errno.EMFILE, errno.ENOMEM))


@fixture(autouse=True)
def no_time_to_tell(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr("backbones.cli.command.SECONDS_TO_TELL", 0.0)


@mark.parametrize(
    ("raised", "code", "printed"),
    [
        (None, 0, ""),
        (UserError("no such folder"), 2, "error: no such folder\n"),
        (UserError("no\nsuch \x1b[31mfolder, caf\udce9"), 2, "error: no\\nsuch \\x1b[31mfolder, caf\\udce9\n"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/x"), 2, f"error: /x: Too many open files; {FILES}\n"),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "/x"),
            2,
            "error: /x: File name too long; give a shorter name\n",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            2,
            "error: /x: Permission denied; check its permissions\n",
        ),
        (MemoryError(), 2, f"error: Cannot allocate memory (MemoryError); {MEMORY}\n"),
        (SystemExit(0), 0, ""),
        (SystemExit(2), 2, ""),
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


@mark.parametrize("words", [["--out", ""], ["--out="], ["--out", "a", "--models", "b", " "], ["--out", "a", ""]])
def test_a_path_that_is_empty_is_not_the_current_folder(words: list[str], capsys: CaptureFixture[str]) -> None:
    parser = CommandParser(prog="tool")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--models", type=Path, nargs="+")
    parser.add_argument("place", type=Path, nargs="?")
    assert parser.parse_args(["--out", ".", "b"]).out == Path()
    with raises(SystemExit):
        parser.parse_args(words)
    told = capsys.readouterr().err
    assert re.fullmatch(r"error: argument \S+: it is empty; name a file or a folder .*; see tool --help\n", told)


def test_a_defect_keeps_its_traceback() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with raises(ZeroDivisionError):
        run_command(main)


# Python frees what a module holds while it takes itself apart.
AMONG_OTHERS = """
import atexit
from backbones.cli.command import CommandParser, run_command

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


def run(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command of its own whose ``main`` is some code."""
    script = f"from backbones.cli.command import run_command\n\ndef main():\n    {code}\n\nrun_command(main)\n"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment, **options}
    return subprocess.run([sys.executable, "-c", script], text=True, cwd=ROOT, check=False, **given)


def test_any_name_is_printed_on_any_terminal() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run(r"""print("na\u00efve caf\udce9")""", env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "na\\xefve caf\\udce9\n", "")


@mark.parametrize(
    ("code", "status"),
    [
        ("print('one line')", 0),
        ("for _ in range(10**5): print('many lines')", 141),
        ("import os; os.write(1, b'x')", 141),
    ],
    ids=["when all is done", "in the middle", "without Python's buffer"],
)
def test_a_command_that_nobody_listens_to_ends_quietly(code: str, status: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(code, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (status, "")


def test_a_pipe_that_breaks_elsewhere_is_a_defect(tmp_path: Path) -> None:
    done = run("raise BrokenPipeError(32, 'of a process')")
    assert done.returncode == 1
    assert "BrokenPipeError" in done.stderr


@mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_what_cannot_be_printed_is_told() -> None:
    with open("/dev/full", "w") as full:
        done = run("print('a result')", stdout=full)
    assert done.returncode == 2
    assert done.stderr == "error: cannot print: No space left on device; check disk and permissions\n"


def test_a_command_without_streams_works() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" tools/train_cls.py --recipe list >&- 2>&-', sys.executable], cwd=ROOT, check=False
    )
    assert done.returncode == 0


def test_a_lack_of_memory_is_told_while_nothing_is_left() -> None:
    taken = "import resource; from pathlib import Path; kept = []"
    limit = "used = int(Path('/proc/self/statm').read_text().split()[0]) * 4096"
    less = "resource.setrlimit(resource.RLIMIT_AS, (used + 2**22, used + 2**22))"
    fill = "[kept.append(bytearray(size)) for size in (2**20, 2**16, 2**12, 2**8) for _ in iter(int, 1)]"
    done = run(f"{taken}; {limit}; {less}; {fill}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "memory" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_removed_current_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    script = "\n".join(
        [
            "import os, pathlib, sys",
            "sys.path.insert(0, sys.argv[1])",
            "from backbones.cli.command import run_command",
            "os.rmdir(os.getcwd())",
            "run_command(lambda: pathlib.Path('x').resolve())",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "error: the current folder is gone; change to another one\n")


def test_a_library_of_a_library_has_nothing_to_tell_a_user(capsys: CaptureFixture[str]) -> None:
    def main() -> None:
        warnings.warn("pkg_resources is deprecated as an API. See https://...", UserWarning, stacklevel=1)
        warnings.warn("this is news", UserWarning, stacklevel=1)

    with warnings.catch_warnings(record=True) as caught, raises(SystemExit):
        run_command(main)
    assert [str(each.message) for each in caught] == ["this is news"]
