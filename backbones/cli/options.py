"""Types of command-line options, with messages a user can act on."""

from __future__ import annotations

import argparse
import math
from typing import Any

# What --backbone, --teacher, --init-from and --model take (``backbones.external.sources``).
WEIGHTS_HELP = (
    "bundle, run folder, random:NETWORK, timm:NAME.TAG or torchvision:NAME.TAG, with @FILE a local checkpoint"
)
LARGEST = 2**32 - 1  # NumPy's and PyTorch's seeds agree up to here


class OneOrSeveral(argparse.Action):
    """Of an option that takes several values: one as itself, as where it could take no more, several as a tuple."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Keep what was given."""
        setattr(namespace, self.dest, values[0] if len(values) == 1 else tuple(values))


def natural_int(text: str) -> int:
    """0, 1, 2, ..."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    if int(text) > LARGEST:
        raise argparse.ArgumentTypeError(f"{text} is more than {LARGEST}")
    return int(text)


def positive_int(text: str) -> int:
    """1, 2, 3, ..."""
    if (value := natural_int(text)) == 0:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def positive_float(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def add_allow_shared_images(parser: argparse._ActionsContainer) -> None:
    """The option of all that compares the images of two splits (``backbones.data.folders.shared_images``)."""
    parser.add_argument(
        "--allow-shared-images",
        action="store_true",
        help="accept images that are trained on and tested on, too; else they are refused",
    )


def add_parts(parser: argparse._ActionsContainer) -> None:
    """The options of all trainings that divide their data, or train on a share of them."""
    parser.add_argument(
        "--split",
        type=fraction,
        metavar="SHARE",
        help="where the data have no part to measure on: hold out this share of the images, stratified by class",
    )
    parser.add_argument(
        "--split-seed", type=natural_int, default=0, metavar="N", help="another one holds out other images (0)"
    )
    parser.add_argument(
        "--fraction", type=fraction, metavar="SHARE", help="for a first look: train on this share of the images"
    )


def fraction(text: str) -> float:
    """A number above 0 and below 1."""
    if (value := positive_float(text)) >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value
