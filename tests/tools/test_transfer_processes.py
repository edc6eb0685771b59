"""The real transfer commands in real processes: killed, and spread over two with torchrun."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from forked_tools import run_tool
from pytest import TempPathFactory, approx, fixture, mark, param

from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.data.shapes import make_shapes
from backbones.models import create_classifier
from transfer.proof.after_training import FIRST_STEPS

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
CONFIGS = {"det": "det_configs/faster_rcnn_fpn_demo.py", "seg": "seg_configs/fcn_os8_demo.py"}
DATA = {"det": "VOCdevkit", "seg": "ADEChallengeData2016"}
PATIENCE = 300  # seconds; the machine may be busy
TEST_IMAGES = 7  # a number that two processes cannot share evenly
# The odd one out is the only one of its batch; detections of all images are kept, whatever their scores.
SMALL = {
    "det": [
        "test_dataloader.batch_size=2",
        "optim_wrapper.optimizer.lr=0.05",
        "param_scheduler.0.end=3",
        "model.test_cfg.rcnn.score_thr=0.001",
    ],
    "seg": [
        "test_dataloader.batch_size=2",
        "optim_wrapper.optimizer.lr=0.04",
        "multi_scale=True",
    ],
}
LENGTH = {"det": "train_cfg.max_epochs={}", "seg": "train_cfg.max_iters={}"}
Command = Callable[..., list[str]]


@fixture(scope="module")
def files(tmp_path_factory: TempPathFactory) -> Path:
    """A folder with ``data`` and a bundle of a small network."""
    root = tmp_path_factory.mktemp("files")
    make_shapes(root / "data", images=28, size=64, seed=0, layouts=("detection", "segmentation"))
    torch.manual_seed(0)
    training = {"recipe": "d-smooth", "network": "mobilenet_v1_025", "seed": 0}
    classifier = create_classifier("mobilenet_v1_025", 10)
    write_bundle(root / "backbone.safetensors", classifier, "mobilenet_v1_025", imagenet_contract(64), training)
    return root


def command(kind: str, files: Path, length: int, *more: str) -> list[str]:
    tool = [str(ROOT / f"tools/transfer_{kind}.py"), str(ROOT / CONFIGS[kind])]
    where = ["--backbone", str(files / "backbone.safetensors"), "--data", str(files / "data" / DATA[kind])]
    exact = ["--workers", "0", "--precision", "fp32", *more]
    return [*tool, *where, *exact, "--cfg-options", LENGTH[kind].format(length), *SMALL[kind]]


def run(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    if words[0] != "-m":
        return run_tool(words, ENVIRONMENT, cwd)
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def result_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def steps_of(folder: Path) -> list[int]:
    metrics = folder / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    records = [json.loads(line) for line in lines if line.endswith("}")]
    return [record["step"] for record in records if record["kind"] == "step"]


def resumed_by_one(two: Path, alone: Path, words: list[str], cwd: Path) -> dict[str, Any]:
    """What one process measures of the weights that two have trained: it finds the training done, and evaluates."""
    shutil.copytree(two, alone)
    (alone / "result.json").unlink()
    asked = json.loads((alone / "run.json").read_text())
    refused = run(words, cwd)
    assert "training.processes: 2 there, 1 asked" in refused.stderr
    assert "config_hash" not in refused.stderr  # the total batch is the same
    rate = asked["training"]["rate"].replace(" = 4 images x 2 processes", "")
    asked["training"] |= {"processes": 1, "batch_norm_images": 8, "rate": rate}
    (alone / "run.json").write_text(json.dumps(asked))
    done = run(words, cwd)
    assert done.returncode == 0, done.stderr
    return result_of(alone)


@mark.slow
@mark.parametrize(("kind", "length"), [("det", 12), ("seg", 30)])
def test_two_processes_count_each_image_once(kind: str, length: int, files: Path, tmp_path: Path) -> None:
    two = tmp_path / "two"
    watch = ["--validate-every", str(length - 1), "--tensorboard", "--keep", "all"]
    done = run([*TORCHRUN, *command(kind, files, length, *watch, "--out", str(two))], tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == [two]  # nor has mmengine left files in the current folder
    for told_once in ("learning rate", "proof:", "batch norm: BatchNorm, ", "after training: "):
        assert done.stdout.count(told_once) == 1
    assert "batch of 8 = 4 images x 2 processes)\n" in done.stdout
    assert "batch norm: BatchNorm, over 4 images; " in done.stdout
    result = result_of(two)
    assert result["hardware"]["processes"] == 2
    assert result["data"]["test_images"] == TEST_IMAGES
    records = [json.loads(line) for line in (two / "metrics.jsonl").read_text().splitlines()]
    early, last = (record for record in records if record["kind"] == "validation")
    assert early["step"] < last["step"]
    assert all(last[name] == result["metrics"][name] for name in last.keys() & result["metrics"].keys())
    assert len(list((two / "openmmlab").glob("best_*.pth"))) == 1
    assert len(list((two / "tensorboard").glob("events.*"))) > 0
    steps = steps_of(two)
    assert len(steps) == len(set(steps)) > 0
    assert steps[:FIRST_STEPS] == list(range(1, FIRST_STEPS + 1))
    again = command(kind, files, length, "--resume", "--keep", "all", "--out", str(tmp_path / "alone"))
    alone = resumed_by_one(two, tmp_path / "alone", again, tmp_path)
    assert alone["metrics"] == approx(result["metrics"], abs=1e-6)
    assert alone["per_class"] == result["per_class"]
    assert alone["pictures"] == result["pictures"]
    assert "failed" not in result["pictures"]
    names, names_alone = (np.load(folder / "evaluation.npz")["names"].tolist() for folder in (two, tmp_path / "alone"))
    assert names == names_alone
    assert len(set(names)) == TEST_IMAGES
    after = result["proof"]["after_training"]
    assert alone["proof"]["after_training"] == after
    assert all(stage["before"] != stage["after"] for stage in after["stages"])
    if kind == "seg":
        assert list(result["metrics"]) == ["pixel_accuracy", "miou", "pixel_accuracy_multiscale", "miou_multiscale"]
        assert result["metrics"]["miou_multiscale"] != result["metrics"]["miou"]
    else:
        assert result["metrics"]["voc_map"] > 0  # equal zeros would say nothing


def rates_of(folder: Path) -> list[tuple[int, float]]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(record["step"], record["learning_rate"]) for record in records if record["kind"] == "step"]


@mark.parametrize(("kind", "length"), [param("det", 2, marks=mark.slow), ("seg", 6)])
def test_a_total_batch_trains_alike_however_it_is_cut(kind: str, length: int, files: Path, tmp_path: Path) -> None:
    ways = {
        "one": command(kind, files, length, "--out", str(tmp_path / "one")),
        "parts": command(kind, files, length, "--accumulate", "2", "--out", str(tmp_path / "parts")),
        "two": [*TORCHRUN, *command(kind, files, length, "--out", str(tmp_path / "two"))],
    }
    results = {}
    for name, words in ways.items():
        done = run(words, tmp_path)
        assert done.returncode == 0, done.stderr
        results[name] = result_of(tmp_path / name)
    steps = 4 * length if kind == "det" else length
    for name, result in results.items():
        training = result["training"]
        assert training["total_batch"] == 8
        assert training["updates"] == steps
        assert training["epochs"] == approx(length if kind == "det" else length * 8 / 28)
        assert training["learning_rate"] == (0.05 if kind == "det" else 0.04)
        assert (training["processes"], training["accumulate"]) == {"one": (1, 1), "parts": (1, 2), "two": (2, 1)}[name]
        assert training["batch_norm_images"] == (8 if name == "one" else 4)
        assert result["config_hash"] == results["one"]["config_hash"]
        assert rates_of(tmp_path / name) == rates_of(tmp_path / "one")
        checkpoint = torch.load(max((tmp_path / name / "openmmlab").glob("*.pth")), weights_only=True)
        assert checkpoint["meta"]["iter"] == steps


def start(words: list[str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(found: Callable[[], Any], process: subprocess.Popen[str], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return value


@mark.parametrize(("kind", "length"), [param("det", 8, marks=mark.slow), ("seg", 60)])
def test_a_killed_run_goes_on_and_ends(kind: str, length: int, files: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = command(kind, files, length, "--out", str(out), "--resume")
    if kind == "seg":
        words.append("default_hooks.checkpoint.interval=5")
    process = start(words, tmp_path)
    try:
        wait_for(lambda: sorted((out / "openmmlab").glob("*.pth"))[1:], process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (out / "result.json").exists()
    done = run(words, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "proof:" not in done.stdout  # that was taken at the start, and is on record
    result = result_of(out)
    assert result["proof"]["features"]["equal"] is True
    newest = max((out / "openmmlab").glob("*.pth"), key=lambda path: path.stat().st_mtime)
    final = torch.load(newest, weights_only=True)
    assert final["meta"]["iter"] == (length if kind == "seg" else 4 * length)  # 28 images in batches of 8
    steps = steps_of(out)
    assert steps == sorted(set(steps))
    assert steps[-1] == final["meta"]["iter"]
    assert result["timings"]["train_seconds"] >= final["meta"]["train_seconds"] > 0


@mark.slow
@mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the workers through /proc")
def test_a_process_that_dies_ends_the_job(
    files: Path, tmp_path: Path, worker_of_rank: Callable[[int, int], int | None]
) -> None:
    out = tmp_path / "run"
    process = start([*TORCHRUN, *command("seg", files, 10000, "--out", str(out))], tmp_path)
    try:
        wait_for(lambda: steps_of(out), process)
        os.kill(worker_of_rank(1, process.pid), signal.SIGKILL)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0
    assert "SIGKILL" in errors or "Signal 9" in errors


def test_a_mistake_is_told_once_by_two_processes_and_leaves_no_folder(files: Path, tmp_path: Path) -> None:
    words = [*TORCHRUN, *command("det", files, 1, "--out", str(tmp_path / "run")), "model.neck.out_channels=64"]
    done = run(words, tmp_path)
    assert done.returncode != 0
    assert done.stderr.count("error: ") == 1
    assert "model.neck.out_channels=64" in done.stderr
    assert list(tmp_path.iterdir()) == []


@mark.slow
def test_two_processes_try_a_few_steps(files: Path, tmp_path: Path) -> None:
    done = run([*TORCHRUN, *command("det", files, 5, "--dry-run")], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("lr        0.05 (the protocol's, for its total batch of 8 = 4 images x 2 processes)") == 1
    assert "machine   2 x cpu, fp32" in done.stdout
    assert "training ends at iteration 20 (5 epochs)" in done.stdout  # 28 images in steps of 8
    assert list(tmp_path.iterdir()) == []
