"""The real command in real processes: killed at any moment, and spread over several with torchrun."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pytest import approx, fixture, mark
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
TOOL = str(ROOT / "tools" / "train_cls.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
Command = Callable[..., list[str]]


@fixture
def data(tmp_path: Path) -> Path:
    """Three classes of noise; 7 validation images, a number that two processes cannot share evenly."""
    numbers = np.random.default_rng(0)
    for split, counts in (("train", (14, 14, 14)), ("val", (3, 2, 2))):
        for label, count in enumerate(counts):
            folder = tmp_path / "data" / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = numbers.integers(0, 120, (40, 40, 3), dtype=np.uint8)
                pixels[..., label] += 100
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "data"


@fixture
def options(data: Path) -> Command:
    """Options of a run of 3 epochs of 7 batches, on the CPU in float32."""

    def make(out: Path, *more: str) -> list[str]:
        common = ["--data", str(data), "--network", "resnet18_d", "--epochs", "3", "--batch-size", "6"]
        exact = ["--image-size", "32", "--lr", "0.05", "--device", "cpu", "--precision", "fp32"]
        return [TOOL, *common, *exact, "--out", str(out), *more]

    return make


def finish(command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def tensors(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "backbone.safetensors")


def kill_after(seconds: float, command: list[str]) -> bool:
    """Start a command in a session of its own and kill all of it after some time; whether it was still running."""
    process = subprocess.Popen(
        [sys.executable, *command], env=ENVIRONMENT, start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


@mark.slow
def test_killed_again_and_again_it_ends_with_the_same_bits(options: Command, tmp_path: Path) -> None:
    tricks = ("--recipe", "d-smooth", "--with", "mixup", "--ema", "0.99", "--workers", "2", "--seed", "3", "--resume")
    started = time.monotonic()
    finish(options(tmp_path / "whole", *tricks))
    seconds = time.monotonic() - started
    moments, command = random.Random(0), options(tmp_path / "killed", *tricks)
    while not kill_after(moments.uniform(0.3, 0.95) * seconds, command):  # the machine has become faster meanwhile
        shutil.rmtree(tmp_path / "killed")
        seconds /= 2
    for _ in range(3):
        kill_after(moments.uniform(0.3, 0.95) * seconds, command)
    finish(options(tmp_path / "killed", *tricks))
    whole, killed = tensors(tmp_path / "whole"), tensors(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    assert [name for name in whole if not torch.equal(whole[name], killed[name])] == []
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "killed")]
    assert results[0]["metrics"] == results[1]["metrics"]
    epochs = [
        [record["epoch"] for record in map(json.loads, (tmp_path / name / "metrics.jsonl").read_text().splitlines())]
        for name in ("whole", "killed")
    ]
    assert epochs[0] == epochs[1] == [1, 2, 3]


def torchrun(*command: str) -> list[str]:
    return ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *command]


@mark.slow
def test_two_processes_do_what_one_does_with_two_parts(options: Command, tmp_path: Path) -> None:
    tricks = ("--recipe", "d-smooth", "--with", "mixup", "--clip", "1", "--workers", "1")
    finish(torchrun(*options(tmp_path / "two", *tricks)))
    finish(options(tmp_path / "one", *tricks, "--accumulate", "2"))
    two, one = tensors(tmp_path / "two"), tensors(tmp_path / "one")
    learned = [name for name in one if "running" not in name and "num_batches" not in name]
    furthest = max(float((two[name] - one[name]).abs().max()) for name in learned)
    assert furthest < 1e-4
    finish(options(tmp_path / "whole", *tricks))  # negative control: BatchNorm over the whole batch is another run
    whole = tensors(tmp_path / "whole")
    assert max(float((whole[name] - one[name]).abs().max()) for name in learned) > 10 * furthest
    result = json.loads((tmp_path / "two" / "result.json").read_text())
    right = result["metrics"]["top1"] * 7 / 100  # of 7 images, each counted once
    assert right == approx(round(right))
    records = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2, 3]  # written by one process only
    losses = [json.loads(line)["loss"] for line in (tmp_path / "one" / "metrics.jsonl").read_text().splitlines()]
    assert [record["loss"] for record in records] == approx(losses, rel=1e-3)


@mark.slow
@mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the workers through /proc")
def test_a_rank_that_dies_ends_the_job(
    options: Command, tmp_path: Path, worker_of_rank: Callable[[int, int], int | None]
) -> None:
    command = options(tmp_path / "run", "--recipe", "b-standard", "--workers", "0", "--epochs", "10000")
    process = subprocess.Popen(
        [sys.executable, *torchrun(*command)],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 90
        while not (tmp_path / "run" / "last.pt").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        worker = worker_of_rank(1, process.pid)
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0
    assert "SIGKILL" in errors or "Signal 9" in errors


def stderr_of_failing_pair(command: list[str]) -> str:
    """What two processes print that end because of one error."""
    words = [sys.executable, *torchrun(*command)]
    process = subprocess.Popen(words, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        _, errors = process.communicate(timeout=100)
    finally:
        if process.poll() is None:  # one waits for the other
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0
    assert "exitcode  : 2" in errors  # torchrun's account
    assert not [line for line in errors.splitlines() if "File" in line and str(ROOT / "backbones") in line]
    return errors


def test_torchrun_cannot_share_a_batch_unevenly(options: Command, tmp_path: Path) -> None:
    errors = stderr_of_failing_pair(options(tmp_path / "run", "--recipe", "b-standard", "--batch-size", "7"))
    assert errors.count("error: --batch-size 7 cannot be cut into 2 processes") == 1
    assert not (tmp_path / "run").exists()


@mark.slow
def test_a_folder_in_use_ends_all_processes_with_one_message(options: Command, tmp_path: Path) -> None:
    command = options(tmp_path / "run", "--recipe", "b-standard", "--workers", "0")
    (tmp_path / "run").mkdir()
    with open(tmp_path / "run" / ".lock", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        errors = stderr_of_failing_pair(command)
    assert errors.count(f"error: {tmp_path / 'run'}: another process works in this folder") == 1
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


@mark.slow
def test_a_full_disk_ends_all_processes_with_one_message(options: Command, tmp_path: Path) -> None:
    """The leading process alone writes; the others must not wait for it for ever."""
    program = tmp_path / "small_disk.py"
    program.write_text(
        "import resource, runpy, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        f"runpy.run_path({TOOL!r}, run_name='__main__')\n"
    )
    _, *words = options(tmp_path / "run", "--recipe", "b-standard", "--workers", "0")
    errors = stderr_of_failing_pair([str(program), *words])
    assert errors.count(f"error: cannot write {tmp_path / 'run' / 'last.pt'}: File too large") == 1
