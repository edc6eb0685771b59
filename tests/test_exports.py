"""What the rooms offer by name: loaded when it is asked for, and no part of the identity of code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pytest import mark, raises

import backbones
import studies
import transfer

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmseg", "numpy", "scipy", "matplotlib")


def loaded(code: str) -> set[str]:
    words = [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"]
    return set(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_rooms_loads_nothing_heavy() -> None:
    assert not loaded("import backbones, transfer, studies") & {*HEAVY}


@mark.parametrize(
    ("code", "needed", "spared"),
    [
        ("from backbones import UserError, read_result, train_classifier", (), HEAVY),
        ("from transfer import read_detections, to_detection", (), HEAVY),
        ("from studies import compare_runs, write_page", ("scipy",), ("torch", "mmengine", "mmcv", "mmdet", "mmseg")),
        ("from backbones.models import list_backbones", ("torch",), ("mmengine", "mmcv", "mmdet", "mmseg")),
    ],
)
def test_a_name_loads_what_it_needs(code: str, needed: tuple[str, ...], spared: tuple[str, ...]) -> None:
    found = loaded(code)
    assert found >= {*needed}
    assert not found & {*spared}


@mark.parametrize("package", [backbones, transfer, studies], ids=lambda package: package.__name__)
def test_names(package: object) -> None:
    for name in package.__all__:
        assert name in dir(package)
        assert f"{getattr(package, name).__module__}.".startswith(f"{package.__name__}.")
        assert not (ROOT / package.__name__ / f"{name}.py").exists()  # a module's name would win once it is imported
        assert not (ROOT / package.__name__ / name).exists()
    with raises(AttributeError, match="has no attribute 'nothing_like_it'"):
        _ = package.nothing_like_it


def test_no_tool_uses_what_is_offered() -> None:
    """The table names modules as seen from the package, so that the fingerprint does not take it for a use of them."""
    from backbones.runs.fingerprint import definitions

    for package in (backbones, transfer, studies):
        read = definitions.read_module(Path(package.__file__), ROOT)
        assert read.effects == []
        assert read.definitions["_PLACES"].references == ()
        assert set(read.imports) == {ROOT / "backbones/__init__.py", ROOT / "backbones/exports.py"}
