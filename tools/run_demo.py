"""The whole path on rendered images: two classifiers and a random trunk, to detection and segmentation, to one table.

Ten minutes on two CPU cores. What is done is skipped, what was interrupted is continued. The images are drawings of
simple shapes: the table shows that the machinery works and says nothing about ImageNet.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from backbones.command import CommandParser, run_command
from backbones.data.shapes import cached_shapes
from backbones.options import natural_int, positive_int
from backbones.processes import usable_cpus

# Recipe and network of each row, as in the paper: the baseline on ResNet-B, the refinements on ResNet-D. Each has the
# larger of the learning rates that it bears in 900 updates: without warmup and zero gamma that is a fifth.
TRAINED = (("b-standard", "resnet18_b", "0.01"), ("d-smooth", "resnet18_d", "0.05"))
RANDOM = "random"
TRAINING = ["--epochs", "6", "--batch-size", "32", "--image-size", "40", "--workers", "1"]
TRANSFERS = (
    ("det", "tools/transfer_det.py", "det_configs/faster_rcnn_fpn_demo.py", "VOCdevkit"),
    ("seg", "tools/transfer_seg.py", "seg_configs/fcn_os8_demo.py", "ADEChallengeData2016"),
)


class Job(NamedTuple):
    """A command that could be typed by hand, and what it is called here."""

    name: str
    command: list[str]


def trainings(data: pathlib.Path, out: pathlib.Path, seed: int) -> Iterator[Job]:
    """The classifiers of one seed."""
    for recipe, network, rate in TRAINED:
        what = ["--data", str(data), "--network", network, "--recipe", recipe, "--lr", rate, *TRAINING]
        where = ["--seed", str(seed), "--resume", "--out", str(out / f"{recipe}-seed{seed}" / "cls")]
        yield Job(f"{recipe} cls", ["tools/train_cls.py", *what, *where])


def transfers(data: pathlib.Path, out: pathlib.Path, seed: int) -> Iterator[Job]:
    """Both tasks for the classifiers of one seed, and for a random trunk."""
    for recipe in (*(recipe for recipe, *_ in TRAINED), RANDOM):
        run = out / f"{recipe}-seed{seed}"
        backbone = "random:resnet18_d" if recipe == RANDOM else str(run / "cls" / "backbone.safetensors")
        for task, tool, config, layout in TRANSFERS:
            what = [config, "--backbone", backbone, "--data", str(data / layout)]
            where = ["--seed", str(seed), "--resume", "--out", str(run / task)]
            yield Job(f"{recipe} {task}", [tool, *what, *where])


def say(line: str) -> None:
    """Print a line in one piece: ``print`` would let that of another thread between text and end."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run_all(jobs: Iterable[Job], at_once: int, threads: int, started: float) -> None:
    """Run jobs, some at once; after one that fails, or after Ctrl-C, start no more and wait for those that run."""

    def run(job: Job) -> int:
        say(f"[{time.monotonic() - started:4.0f} s] {job.name}: python {' '.join(job.command)}")
        process = subprocess.Popen(
            [sys.executable, *job.command],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        for line in process.stdout or ():
            say(f"{job.name:<14} | {line.rstrip()}")
        return process.wait()

    pool = ThreadPoolExecutor(at_once)
    try:
        for future in as_completed([pool.submit(run, job) for job in jobs]):
            if code := future.result():
                sys.exit(code)
    finally:
        pool.shutdown(cancel_futures=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the images, train, transfer, compare."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/demo"), help="(%(default)s)")
    parser.add_argument("--seed", type=natural_int, default=0, help="further seeds join the same table (%(default)s)")
    # Networks and images are small: two processes with a core each do a third more than one with two.
    parser.add_argument("--jobs", type=positive_int, default=2, help="runs at a time (%(default)s)")
    options = parser.parse_args(arguments)
    started, out = time.monotonic(), options.out.resolve()
    threads = max(1, usable_cpus() // options.jobs)
    small = cached_shapes(4800, 48, seed=0, layouts=["classification"], workers=2)
    large = cached_shapes(320, 128, seed=0, layouts=["detection", "segmentation"], workers=2)
    run_all(trainings(small / "classification", out, options.seed), options.jobs, threads, started)
    run_all(transfers(large, out, options.seed), options.jobs, threads, started)
    print(f"[{time.monotonic() - started:4.0f} s] python tools/compare.py {out} --baseline b-standard\n", flush=True)
    sys.exit(subprocess.call([sys.executable, "tools/compare.py", str(out), "--baseline", "b-standard"], cwd=ROOT))


if __name__ == "__main__":
    run_command(main)
