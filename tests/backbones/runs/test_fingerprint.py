"""The fingerprint of code: what a definition is counts, where it lies and what it is called does not."""

from __future__ import annotations

import ast
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from pytest import MonkeyPatch, fail, fixture, mark, raises

from backbones.errors import UserError
from backbones.files import cache_dir
from backbones.runs.fingerprint import ROOT, WATCHING, code_fingerprint, recorded_code
from backbones.runs.fingerprint.definitions import read_module
from backbones.runs.fingerprint.scopes import module_file

TOOL = """
import sys

sys.path.insert(0, ".")

from backbones.used import Shape, run


def main():
    from backbones.late import half
    return run(Shape(half(4)))
"""
USED = '''
"""What it does."""
from dataclasses import dataclass

import numpy as np

from backbones import helpers
from backbones.helpers import SIZE as LENGTH

UNUSED = 1


@dataclass(frozen=True)
class Unused:
    side: int = 1


@np.vectorize
def registered(x):
    return x


class Shape:
    """A shape."""
    side: int = LENGTH

    def area(self):
        LENGTH = 5  # its own
        return helpers.square(self.side) + LENGTH


def run(shape: "Shape") -> int:
    return [even(value) for value in range(shape.area())]


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)
'''
FILES = {
    "tools/run.py": TOOL,
    "backbones/__init__.py": "",
    "backbones/used.py": USED,
    "backbones/helpers.py": "SIZE = 3\n\n\ndef square(x):\n    return x * x\n\n\ndef cube(x):\n    return x**3\n",
    "backbones/late.py": "def half(x):\n    return x // 2\n",
    "backbones/unused.py": "x = 1\n",
    "backbones/reporting/drawing.py": "def draw():\n    return 1\n",
    "transfer/__init__.py": "",
    "transfer/metric.py": "x = 1\n",
    "configs/base.py": "custom_imports = dict(imports=['transfer.metric'])\n",
    "configs/mine.py": "_base_ = ['./base.py', 'mmdet::x.py']\nx = 1\n",
    "docs/page.md": "words",
}


@fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


@fixture
def fingerprint(project: Path) -> Callable[[], str]:
    def compute() -> str:
        code_fingerprint.cache_clear()
        read_module.cache_clear()
        return code_fingerprint("tools/run.py", project / "configs" / "mine.py", project)

    yield compute
    code_fingerprint.cache_clear()
    read_module.cache_clear()


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for said, instead in changes:
        assert said in text, said
        text = text.replace(said, instead)
    path.write_text(text)


@mark.parametrize(
    ("name", "said", "instead"),
    [
        ("backbones/used.py", "n == 0 or", "n == 1 or"),
        ("backbones/used.py", "n - 1)\n", "n - 2)\n"),  # of a function that calls itself through another
        ("backbones/used.py", "LENGTH = 5", "LENGTH = 6"),
        ("backbones/used.py", "LENGTH\n\n    def", "LENGTH + 1\n\n    def"),
        ("backbones/used.py", "return x\n", "return -x\n"),  # registered by a decorator, and called by nobody here
        ("backbones/used.py", "helpers.square", "helpers.cube"),
        ("backbones/used.py", "import SIZE", "import cube"),
        ("backbones/used.py", "import numpy as np", "import torch as np"),
        ("backbones/helpers.py", "SIZE = 3", "SIZE = 4"),
        ("backbones/helpers.py", "x * x", "x + x"),
        ("backbones/helpers.py", "SIZE = 3", "SIZE = 3\nprint(SIZE)"),  # it runs on import
        ("backbones/late.py", "x // 2", "x / 2"),
        ("backbones/late.py", "def half", "import sys\nsys.setrecursionlimit(99)\n\n\ndef half"),
        ("transfer/metric.py", "x = 1", "x = 2"),
        ("tools/run.py", "half(4)", "half(5)"),
        ("configs/base.py", "'transfer.metric'])", "'transfer.metric'])\nx = 1"),
        ("configs/mine.py", "x = 1", "x = 2"),
    ],
)
def test_what_is_used_counts(project: Path, fingerprint: Callable[[], str], name: str, said: str, instead: str) -> None:
    before = fingerprint()
    edit(project / name, (said, instead))
    assert fingerprint() != before


@mark.parametrize(
    ("name", "said", "instead"),
    [
        ("backbones/used.py", '"""What it does."""', '"""Says more."""'),
        ("backbones/used.py", '    """A shape."""\n', ""),
        ("backbones/used.py", "UNUSED = 1", "UNUSED = 2"),
        ("backbones/used.py", "side: int = 1", "side: int = 2"),  # a dataclass registers nothing
        ("backbones/used.py", "LENGTH = 5  # its own", "LENGTH = 5"),
        ("backbones/used.py", '(shape: "Shape") -> int', "(shape)"),
        ("backbones/helpers.py", "x**3", "x**4"),
        ("backbones/unused.py", "x = 1", "x = 2"),
        ("backbones/reporting/drawing.py", "return 1", "return 2"),
        ("configs/mine.py", "x = 1\n", "x = 1  # one\n"),
        ("docs/page.md", "words", "other words"),
    ],
)
def test_what_is_not_used_and_what_is_only_read_does_not(
    project: Path, fingerprint: Callable[[], str], name: str, said: str, instead: str
) -> None:
    before = fingerprint()
    edit(project / name, (said, instead))
    assert fingerprint() == before


def test_a_module_may_move_and_be_renamed(project: Path, fingerprint: Callable[[], str]) -> None:
    before = fingerprint()
    (project / "backbones/deep").mkdir()
    (project / "backbones/deep/__init__.py").write_text("")
    shutil.move(project / "backbones/helpers.py", project / "backbones/deep/tools_of_mine.py")
    edit(
        project / "backbones/used.py",
        ("from backbones import helpers", "import backbones.deep.tools_of_mine"),
        ("from backbones.helpers import SIZE", "from backbones.deep.tools_of_mine import SIZE"),
        ("helpers.square", "backbones.deep.tools_of_mine.square"),
    )
    shutil.move(project / "transfer/metric.py", project / "backbones/deep/metric.py")
    edit(project / "configs/base.py", ("transfer.metric", "backbones.deep.metric"))
    assert fingerprint() == before


def test_a_module_may_be_cut_and_its_definitions_renamed(project: Path, fingerprint: Callable[[], str]) -> None:
    before = fingerprint()
    parity = USED[USED.index("def even") :]
    edit(
        project / "backbones/used.py",
        (parity, ""),
        ("from backbones import helpers", "from backbones import helpers, parity"),
    )
    edit(project / "backbones/used.py", ("even(value)", "parity.is_even(value)"))
    (project / "backbones/parity.py").write_text(parity.replace("even", "is_even").replace("odd", "is_odd"))
    assert fingerprint() == before


def test_an_import_through_a_package_is_what_it_leads_to(project: Path, fingerprint: Callable[[], str]) -> None:
    before = fingerprint()
    (project / "backbones/__init__.py").write_text("from backbones.helpers import SIZE, square\n")
    edit(project / "backbones/used.py", ("from backbones.helpers import SIZE", "from backbones import SIZE"))
    assert fingerprint() == before


def test_every_definition_in_use_counts(project: Path) -> None:
    """On this project itself: a number changed anywhere in what a training uses changes the fingerprint."""
    copy = project / "copy"
    for folder in ("backbones", "tools", "transfer"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))

    def compute() -> str:
        code_fingerprint.cache_clear()
        read_module.cache_clear()
        return code_fingerprint("tools/train_cls.py", None, copy)

    before = compute()
    assert before == code_fingerprint("tools/train_cls.py")  # where the project lies does not count
    chosen = random.Random(0).sample(
        ["training/loop", "recipes/schedule", "training/optimizer", "models/resnet", "data/color", "bundles/bundle"], 3
    )
    for name in chosen:
        path = copy / f"backbones/{name}.py"
        text = path.read_text()
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Return)]
        line = functions[0].lineno - 1
        lines = text.splitlines(keepends=True)
        indent = lines[line][: len(lines[line]) - len(lines[line].lstrip())]
        path.write_text("".join([*lines[:line], f"{indent}assert 1\n", *lines[line:]]))
        assert compute() != before, name
        path.write_text(text)
    assert compute() == before
    code_fingerprint.cache_clear()
    read_module.cache_clear()


def test_what_only_watches_exists() -> None:
    for name in WATCHING:
        assert module_file(ROOT, name) or (ROOT.joinpath(*name.split("."))).is_dir(), name


@mark.parametrize(
    ("text", "message"),
    [
        ("x = (\n", r"mine\.py is not a readable configuration: "),
        ("_base_ = ['./gone.py']\n", r"gone\.py is not a readable configuration: "),
        ("name = 'base'\n_base_ = [f'./{name}.py']\n", r"mine\.py: _base_ is computed; write the names"),
    ],
)
def test_a_protocol_that_cannot_be_read_is_one_message(project: Path, text: str, message: str) -> None:
    protocol = project / "configs" / "mine.py"
    protocol.write_text(text)
    with raises(UserError, match=message):
        code_fingerprint("tools/run.py", protocol, project)
    assert recorded_code("tools/transfer_det.py", protocol) is None


def test_it_is_remembered_as_long_as_no_file_changes(project: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(project.parent / "cache"))

    def compute() -> str:
        code_fingerprint.cache_clear()
        read_module.cache_clear()
        return code_fingerprint("tools/run.py", project / "configs" / "mine.py", project)

    first = compute()
    with monkeypatch.context() as patch:
        patch.setattr("backbones.runs.fingerprint._make", lambda *_: fail("made again"))
        assert compute() == first
    (record,) = (cache_dir() / "code").glob("*.json")
    names = [Path(name) for name in json.loads(record.read_text())["files"] if Path(name).is_relative_to(project)]
    assert len(names) >= 5
    for name in names:
        content = name.read_bytes()
        name.write_bytes(content + b"\nprint('more')\n")
        assert compute() != first, name
        name.write_bytes(content)
    for damaged in ("", "[]", '{"files": {}}', '{"files": 1, "code": "a"}'):
        record.write_text(damaged)
        assert compute() == first


def test_what_was_read_before_a_change_is_not_remembered_as_what_is_there_now(project: Path) -> None:
    """In one process, as a notebook is, a module is read once."""

    def compute() -> str:
        code_fingerprint.cache_clear()
        return code_fingerprint("tools/run.py", project / "configs" / "mine.py", project)

    before = compute()
    path = project / "tools" / "run.py"
    path.write_text(path.read_text() + "\nprint('more')\n")
    assert compute() == before
    read_module.cache_clear()
    assert compute() != before
