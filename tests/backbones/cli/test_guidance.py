"""What is said at the start and at the end of commands, and where."""

from __future__ import annotations

import ast
import io
import shlex
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from pytest import CaptureFixture, MonkeyPatch, mark, raises

from backbones.cli import guidance
from backbones.errors import UserError
from tools import test_cls, train_cls

ROOT = Path(__file__).resolve().parents[3]
CODE = [path for room in ("backbones", "transfer", "studies", "tools") for path in sorted((ROOT / room).rglob("*.py"))]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@mark.parametrize(
    ("tool", "words"),
    [
        ("train_cls", ["--data", "none", "--network", "resnet18_d", "--recipe", "d-smooth", "--out", "run"]),
        ("test_cls", ["--model", "none", "--data", "none", "--out", "report"]),
        ("run_suite", ["none.yaml"]),
        ("compare", ["none"]),
        ("prepare_data", ["check", "none"]),
        ("import_weights", ["timm:none", "--out", "bundle"]),
    ],
)
def test_a_terminal_is_told_first_what_it_waits_for(
    tool: str, words: list[str], monkeypatch: MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for stream, told in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with raises(UserError):
            import_module(f"tools.{tool}").main(words)
        assert (stream.getvalue().split("\n")[0].endswith(" ...")) == told


def parse(build: Callable[[], object], command: str) -> None:
    words = shlex.split(command)
    assert words[0] == "python"
    build().parse_args(words[2:])  # type: ignore[attr-defined]


def test_what_comes_next_is_what_the_tools_take(capsys: CaptureFixture[str]) -> None:
    guidance.after_classifier(Path("my runs/a b"), Path("images"))
    out, err = capsys.readouterr()
    assert out == ""  # which is for programs
    detection, segmentation, test = (line.partition(": ")[2] for line in err.splitlines())
    for command, tool in ((detection, "det"), (segmentation, "seg")):
        words = shlex.split(command)
        assert words[1] == f"tools/transfer_{tool}.py"
        assert (ROOT / words[2]).is_file()
        assert words[words.index("--backbone") + 1] == "my runs/a b"
    parse(test_cls.build_parser, test)
    guidance.after_images(Path("shapes/classification"), size=48, images=20)
    command = capsys.readouterr().err.partition(": ")[2]
    parse(train_cls.build_parser, command)
    assert "--batch-size 20 --image-size 48" in command


def test_a_transfer_leads_to_the_comparison_of_its_folder(capsys: CaptureFixture[str], tmp_path: Path) -> None:
    guidance.after_transfer(tmp_path / "d-smooth-det")
    assert capsys.readouterr().err.startswith(f"next: python tools/compare.py {tmp_path}   (")


def test_no_bar_floods_a_log() -> None:
    """Each is for terminals alone: tqdm's ``disable=None``, or behind a question for one."""
    bars = 0
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tqdm":
                bars += 1
                disabled = [keyword.value for keyword in node.keywords if keyword.arg == "disable"]
                quiet = [isinstance(value, ast.Constant) and value.value is None for value in disabled] == [True]
                assert quiet or path.name == "progress.py", f"{path}, line {node.lineno}"
    assert bars > 5
