"""What ``pytest --fast`` leaves out: OpenMMLab at any depth, and other processes."""

from __future__ import annotations

from pathlib import Path

from fast_selection import is_fast
from pytest import mark

TESTS = Path(__file__).parent


@mark.parametrize(
    ("code", "fast"),
    [
        ("from studies.statistics.seeds import subtract", True),
        ("import torch\nfrom transfer.catalogue import TASKS", True),
        ("import mmdet", False),
        ("def inside():\n    from mmengine.config import Config", False),
        ("from transfer.run import plan", False),  # which imports mmengine
        ("def inside():\n    import subprocess", False),
        ("from torch.multiprocessing import spawn", False),
        ("from studies.suite.executors.slurm import run_on_slurm", False),  # which imports subprocess
        ("import mmdetection_in_name_alone", True),
    ],
)
def test_imports_decide(tmp_path: Path, code: str, fast: bool) -> None:
    module = tmp_path / "test_something.py"
    module.write_text(code)
    assert is_fast(module) is fast


def test_of_each_room_some_modules_are_fast() -> None:
    for room in ("backbones", "transfer", "studies"):
        assert any(map(is_fast, (TESTS / room).rglob("test_*.py")))
