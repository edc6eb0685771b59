"""What a person is told besides the outcome: that something has begun, and what to type when it is done.

On standard error, so that what is printed for other programs stays as it is.
"""

from __future__ import annotations

import os
import sys

from backbones.cli.shell import shell_word
from backbones.cli.streams import say

Path = str | os.PathLike[str]
FIRST, FURTHER = "next: ", "  or: "


def starting(what: str) -> None:
    """Say on a terminal what takes the first seconds, in which nothing else can be seen."""
    if sys.stderr is not None and sys.stderr.isatty():
        say(f"{what} ...")


def comes_next(*commands: str) -> None:
    """Say what to type next, one command per line.

    Args:
        commands: In the order in which most people need them; the later ones are alternatives.
    """
    for number, command in enumerate(commands):
        say(f"{FURTHER if number else FIRST}{command}")


def is_guidance(line: str) -> bool:
    """Whether a line is one of ``comes_next``, which who runs commands by itself does not pass on."""
    return line.startswith((FIRST, FURTHER))


def after_images(folder: Path, size: int, images: int) -> None:
    """Of a folder in the layout of ImageFolder, with images of ``size`` pixels, ``images`` of them to train on."""
    comes_next(
        f"python tools/train_cls.py --data {_word(folder)} --network resnet18_d --recipe d-smooth --epochs 6 "
        f"--batch-size {min(images, 32)} --image-size {size} --out RUN"
    )


def after_weights(bundle: Path) -> None:
    """Of a trunk that can be transferred: a bundle, or a run folder."""
    comes_next(*_transfers(bundle))


def after_classifier(run: Path, data: Path) -> None:
    """Of a finished run, and the images that it was trained on."""
    comes_next(
        *_transfers(run), f"python tools/test_cls.py --model {_word(run)} --data {_word(data)} --out {_word(run)}-test"
    )


def after_transfer(run: Path) -> None:
    """Of a finished run, which stands beside those of other rows."""
    above = _word(os.path.dirname(os.path.abspath(os.path.expanduser(run))))
    comes_next(f"python tools/compare.py {above}   (or the folder above it, where the runs of other rows are)")


def _transfers(weights: Path) -> list[str]:
    tools = {"transfer_det": "det_configs/faster_rcnn_fpn_voc07.py", "transfer_seg": "seg_configs/fcn_os8_index_png.py"}
    return [
        f"python tools/{tool}.py {protocol} --backbone {_word(weights)} --data DIR --out RUN_{tool[-3:].upper()}"
        for tool, protocol in tools.items()
    ]


def _word(path: Path) -> str:
    return shell_word(os.fspath(path))
