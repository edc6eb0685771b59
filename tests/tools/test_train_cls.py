"""The command line of tools/train_cls.py, as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from pytest import TempPathFactory, fixture, mark
from safetensors import safe_open

ROOT = Path(__file__).resolve().parents[2]
TOOL = [sys.executable, str(ROOT / "tools" / "train_cls.py")]


@fixture(scope="module")
def data(tmp_path_factory: TempPathFactory) -> Path:
    """Two classes of coloured noise: 16 training and 4 validation images each."""
    root, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4)):
        for label in range(2):
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 120, (40, 36, 3), dtype=np.uint8)
                pixels[..., label] += 100
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def arguments(images: Path, out: Path, **changes: str) -> list[str]:
    options = {
        "data": str(images),
        "network": "resnet18_d",
        "recipe": "d-smooth",
        "epochs": "2",
        "batch-size": "8",
        "image-size": "32",
        "workers": "1",
        "device": "cpu",
        "precision": "fp32",
        "out": str(out),
        **changes,
    }
    return [*TOOL, *(word for name, value in options.items() for word in (f"--{name}", value))]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


def test_help_is_there_at_once() -> None:
    started = time.monotonic()
    process = run([*TOOL, "--help"])
    assert process.returncode == 0
    assert "--recipe" in process.stdout
    # 0.05 s on a quiet machine; importing torch alone would take seconds.
    assert time.monotonic() - started < 1.5


def test_recipe_list_needs_nothing_else() -> None:
    process = run([*TOOL, "--recipe", "list"])
    assert process.returncode == 0
    assert all(name in process.stdout for name in ("b-standard", "d-efficient", "d-cosine", "d-smooth"))


def test_network_list_needs_nothing_else() -> None:
    process = run([*TOOL, "--network", "list"])
    assert process.returncode == 0
    assert "resnet50_d" in process.stdout.splitlines()


def test_ctrl_c_then_resume_equals_an_uninterrupted_run(data: Path, tmp_path: Path) -> None:
    whole = run(arguments(data, tmp_path / "whole", epochs="3"))
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.splitlines()[-1].startswith("top-1 ")

    command = arguments(data, tmp_path / "stopped", epochs="3")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 1/3"):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "continue with --resume" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "stopped" / "result.json").exists()

    resumed = run([*command, "--resume"])
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed" in resumed.stdout
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "stopped")]
    assert results[0]["metrics"] == results[1]["metrics"]


def weights(folder: Path) -> dict[str, bytes]:
    with safe_open(folder / "backbone.safetensors", framework="np") as stream:
        return {name: stream.get_tensor(name).tobytes() for name in stream.keys()}  # noqa: SIM118


def test_an_unreadable_image_ends_with_one_line(data: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt"
    for path in data.rglob("*.png"):
        target = spoilt / path.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    culprit = spoilt / "train/class1/3.png"
    culprit.write_bytes(culprit.read_bytes()[:50])
    process = run(arguments(spoilt, tmp_path / "run"))
    assert process.returncode == 2
    assert process.stderr.startswith(f"error: {culprit} cannot be read as an image")
    assert process.stderr.count("\n") == 1


@mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": "d-smoth"}, "error: unknown recipe 'd-smoth': known are b-standard"),
        ({"data": "/nowhere/at/all"}, "error: /nowhere/at/all is not a folder"),
    ],
)
def test_bad_requests_exit_with_2_and_one_line(
    data: Path, tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    process = run(arguments(data, tmp_path / "run", **changes))
    assert process.returncode == 2
    assert process.stderr.startswith(message)
    assert process.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


@mark.parametrize(
    ("words", "message"),
    [
        (["--data", "x", "--recipe", "d-smooth"], "--network, --out not given"),
        (["--epochs", "0"], "argument --epochs: must be 1 or more"),
        (["--lr", "-1"], "argument --lr"),
        (["--seed", "1.5"], "'1.5' is not a whole number"),
        (["--precision", "int8"], "invalid choice: 'int8'"),
        (["--epoch", "3"], "unrecognized arguments: --epoch"),
    ],
)
def test_bad_options_exit_with_2(words: list[str], message: str) -> None:
    process = run([*TOOL, *words])
    assert process.returncode == 2
    assert message in process.stderr
