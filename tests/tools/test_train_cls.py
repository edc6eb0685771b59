"""The command line of tools/train_cls.py, as a user meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from forked_tools import run_tool
from PIL import Image
from pytest import CaptureFixture, MonkeyPatch, TempPathFactory, fixture, mark, raises
from safetensors import safe_open

from backbones.cli.command import run_command
from backbones.machine.processes import loader_workers
from backbones.training.request import ClassificationRequest
from tools import train_cls

ROOT = Path(__file__).resolve().parents[2]
TOOL = [sys.executable, str(ROOT / "tools" / "train_cls.py")]


@fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: TempPathFactory) -> Iterator[None]:
    """What tests find out about their images is none of the user's business."""
    with MonkeyPatch.context() as patch:
        patch.setenv("CARRYOVER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


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
    return run_tool(command[1:], environment)


def test_recipe_list_needs_nothing_else() -> None:
    process = run([*TOOL, "--recipe", "list"])
    assert process.returncode == 0
    names = {line.split()[0] for line in process.stdout.splitlines() if not line.startswith(" ")}
    assert {"b-standard", "d-efficient", "d-smooth", "d-distill-mixup", "mixup", "batch1024-fp16"} <= names
    assert "top-1 in the paper's Table 6: resnet50_d 79.15" in process.stdout


def test_network_list_needs_nothing_else() -> None:
    process = run([*TOOL, "--network", "list"])
    assert process.returncode == 0
    lines = {line.split()[0]: line for line in process.stdout.splitlines()}
    assert {"resnet50_d", "inception_v3", "mobilenet_v1"} <= set(lines)
    described = r"resnet50_d +25\.58 M +4\.33 G  224 px  4 \(4, 8, 16, 32\); timm:resnet50d"
    assert re.fullmatch(described, lines["resnet50_d"])


def test_ctrl_c_then_resume_equals_an_uninterrupted_run(data: Path, tmp_path: Path) -> None:
    light = {"network": "mobilenet_v1_025", "recipe": "smooth", "epochs": "3"}
    whole = run(arguments(data, tmp_path / "whole", **light))
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.splitlines()[-1].startswith("top-1 ")

    command = arguments(data, tmp_path / "stopped", **light)
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
    assert process.stderr.startswith("error: ")
    assert str(culprit) in process.stderr
    assert process.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_tricks_named_in_several_options_all_count(data: Path, tmp_path: Path) -> None:
    """A dry run: what it says, it would do; and nothing is written."""
    tricks = ["--with", "mixup=0.4", "--without", "zero-gamma", "--with", "warmup=10", "--without", "cosine"]
    process = run([*arguments(data, tmp_path / "run", network="mobilenet_v1_025"), *tricks, "--dry-run"])
    assert process.returncode == 0, process.stderr
    assert "recipe    d-smooth +warmup=10 -zero-gamma -cosine +mixup=0.4: " in process.stdout
    assert process.stdout.splitlines()[-1] == "dry run: nothing was trained, nothing was written"
    assert not (tmp_path / "run").exists()


@mark.parametrize(
    ("options", "line"),
    [
        ([], "color     paper: brightness, saturation and hue"),
        (["--color", "gluoncv"], "color     gluoncv: brightness, saturation and contrast"),
    ],
)
def test_the_colours_of_a_run(data: Path, tmp_path: Path, options: list[str], line: str) -> None:
    light = {"network": "mobilenet_v1_025", "recipe": "smooth", "epochs": "1"}
    process = run([*arguments(data, tmp_path / "run", **light), *options])
    assert process.returncode == 0, process.stderr
    assert line in process.stdout.splitlines()
    chosen = options[-1] if options else "paper"
    assert json.loads((tmp_path / "run" / "result.json").read_text())["settings"]["color"] == chosen


def test_every_option_reaches_the_request(monkeypatch: MonkeyPatch, tmp_path: Path) -> None:
    asked: list[ClassificationRequest] = []
    monkeypatch.setattr("backbones.training.run.run_classification", lambda request: asked.append(request) or {})
    words = """--data D --network resnet50_d --recipe d-distill --with mixup warmup=3 --without cosine
        --with low-precision --epochs 3 --batch-size 64 --lr 0.5 --image-size 96 --color gluoncv --plugin P.py
        --teacher T --init-from I --auxiliary --ema 0.99 --clip 2.5 --accumulate 4 --sync-bn --seed 9 --workers 3
        --device cuda --precision bf16 --tensorboard --wandb P --resume --dry-run"""
    train_cls.main([*words.split(), "--out", str(tmp_path)])
    assert asked == [
        ClassificationRequest(
            data=Path("D"),
            network="resnet50_d",
            recipe="d-distill",
            out=tmp_path,
            switched_on=("mixup", "warmup=3", "low-precision"),
            switched_off=("cosine",),
            epochs=3,
            batch_size=64,
            learning_rate=0.5,
            image_size=96,
            color="gluoncv",
            plugin=Path("P.py"),
            teacher=Path("T"),
            init_from=Path("I"),
            auxiliary=True,
            ema=0.99,
            clip=2.5,
            accumulate=4,
            sync_bn=True,
            seed=9,
            workers=3,
            device="cuda",
            precision="bf16",
            tensorboard=True,
            wandb="P",
            resume=True,
            dry_run=True,
        )
    ]


def test_what_is_not_given_is_left_to_recipe_network_and_machine(monkeypatch: MonkeyPatch, tmp_path: Path) -> None:
    asked: list[ClassificationRequest] = []
    monkeypatch.setattr("backbones.training.run.run_classification", lambda request: asked.append(request) or {})
    for _ in range(2):  # no list of one call is left for the next
        train_cls.main(["--data", "D", "--network", "n", "--recipe", "r", "--out", str(tmp_path), "--with", "mixup"])
    bare = ClassificationRequest(Path("D"), "n", "r", tmp_path, ("mixup",), workers=loader_workers())
    assert asked == [bare, bare]


@mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": "d-smoth"}, "error: unknown recipe 'd-smoth': did you mean d-smooth?"),
        ({"data": "/nowhere/at/all"}, "error: /nowhere/at/all is not a folder"),
        (
            {"network": "mobilenet_v1"},
            "error: zero gamma needs residual blocks and MobileNetV1 has none; add --without zero-gamma",
        ),
        (
            {"network": "inception_v3", "image-size": "75"},
            "error: zero gamma needs residual blocks and InceptionV3 has none; add --without zero-gamma",
        ),
        ({"recipe": "d-distill"}, "error: d-distill distils and has no teacher: give --teacher RUN_OR_BUNDLE"),
        ({"teacher": "x"}, "error: --teacher: d-smooth does not distil; add --with distillation"),
        ({"with": "mixups"}, "error: --with mixups: no such trick; there are linear-scaling"),
    ],
)
def test_bad_requests_exit_with_2_and_one_line(
    data: Path, tmp_path: Path, capsys: CaptureFixture[str], changes: dict[str, str], message: str
) -> None:
    with raises(SystemExit) as stopped:
        run_command(lambda: train_cls.main(arguments(data, tmp_path / "run", **changes)[len(TOOL) :]))
    assert stopped.value.code == 2
    errors = capsys.readouterr().err
    assert errors.startswith(message)
    assert errors.count("\n") == 1
    assert not (tmp_path / "run").exists()


@mark.parametrize(
    ("words", "message"),
    [
        (["--data", "x", "--recipe", "d-smooth"], "--network, --out not given"),
        (["--data", "x", "--recipe", "d-smooth", "--dry-run"], "--network not given"),
        (["--epochs", "0"], "argument --epochs: must be 1 or more"),
        (["--lr", "-1"], "argument --lr"),
        (["--seed", "1.5"], "'1.5' is not a whole number"),
        (["--precision", "int8"], "invalid choice: 'int8'"),
        (["--color", "hue"], "argument --color: invalid choice: 'hue' (choose from 'paper', 'gluoncv')"),
        (["--epoch", "3"], "unrecognized arguments: --epoch"),
        (["--ema", "1"], "argument --ema: '1' is not a number between 0 and 1"),
        (["--clip", "0"], "argument --clip: '0' is not a number above 0"),
        (["--accumulate", "0"], "argument --accumulate: must be 1 or more"),
        (["--with"], "argument --with: expected at least one argument"),
    ],
)
def test_bad_options_exit_with_2(words: list[str], message: str, capsys: CaptureFixture[str]) -> None:
    with raises(SystemExit) as stopped:
        run_command(lambda: train_cls.main(words))
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_dry_run_needs_no_folder(data: Path, tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    """It writes nothing, so there is nowhere to write."""
    words = arguments(data, tmp_path / "run")[len(TOOL) :]
    place = words.index("--out")
    train_cls.main([*words[:place], *words[place + 2 :], "--dry-run"])
    assert "dry run: nothing was trained, nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
