"""The whole path on rendered images: two classifiers and a random trunk, to detection and segmentation, to one table.

Ten minutes on two CPU cores. What is done is skipped, what was interrupted is continued. The images are drawings of
simple shapes: the table shows that the machinery works and says nothing about ImageNet.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from backbones.command import run_command
from backbones.data.shapes import cached_shapes
from backbones.options import natural_int

# Recipe and network of each row, as in the paper: the baseline on ResNet-B, the refinements on ResNet-D. Each has the
# larger of the learning rates that it bears in 1,200 updates: without warmup and zero gamma that is a fifth.
TRAINED = (("b-standard", "resnet18_b", "0.01"), ("d-smooth", "resnet18_d", "0.05"))
RANDOM = ("random", "resnet18_d", "")
TRAINING = ["--epochs", "8", "--batch-size", "32", "--image-size", "40", "--workers", "1"]


def commands(small: pathlib.Path, large: pathlib.Path, out: pathlib.Path, seed: int) -> Iterator[list[str]]:
    """The commands of one seed, in order; each could be typed by hand."""
    for recipe, network, rate in (*TRAINED, RANDOM):
        run, backbone = out / f"{recipe}-seed{seed}", f"random:{network}"
        common = ["--seed", str(seed), "--resume"]
        if recipe != RANDOM[0]:
            what = ["--data", str(small / "classification"), "--network", network, "--recipe", recipe, "--lr", rate]
            yield ["tools/train_cls.py", *what, *TRAINING, *common, "--out", str(run / "cls")]
            backbone = str(run / "cls" / "backbone.safetensors")
        for tool, config, data in (
            ("tools/transfer_det.py", "det_configs/faster_rcnn_fpn_demo.py", large / "VOCdevkit"),
            ("tools/transfer_seg.py", "seg_configs/fcn_os8_demo.py", large / "ADEChallengeData2016"),
        ):
            task = tool[-6:-3]
            yield [tool, config, "--backbone", backbone, "--data", str(data), *common, "--out", str(run / task)]
    yield ["tools/compare.py", str(out), "--baseline", "b-standard"]


def run(command: list[str]) -> int:
    """Run one command to its end; after Ctrl-C, which reaches it too, let it save what it has."""
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the images, run every command, stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/demo"), help="(%(default)s)")
    parser.add_argument("--seed", type=natural_int, default=0, help="further seeds join the same table (%(default)s)")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    small = cached_shapes(4800, 48, seed=0, layouts=["classification"], workers=2)
    large = cached_shapes(320, 128, seed=0, layouts=["detection", "segmentation"], workers=2)
    for command in commands(small, large, options.out.resolve(), options.seed):
        print(f"\n[{time.monotonic() - started:4.0f} s] python {' '.join(command)}", flush=True)
        if code := run(command):
            sys.exit(code)


if __name__ == "__main__":
    run_command(main)
