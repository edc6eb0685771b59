"""Write the shapes data set: made-up pictures as ImageFolder, VOCdevkit and ADEChallengeData2016."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import after_images
from backbones.cli.options import natural_int, positive_int

EXAMPLE = "example:\n  python tools/make_shapes.py --images 2000 --size 64 --out DIR --workers 2\n"


def build_parser() -> CommandParser:
    """Options of this tool."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument(
        "--images", type=positive_int, required=True, help="training images per layout; a quarter more to test"
    )
    parser.add_argument("--size", type=positive_int, required=True, help="image side in pixels, 32 or more")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder to make; must not hold anything")
    parser.add_argument("--seed", type=natural_int, default=0, help="equal seeds give equal bytes (%(default)s)")
    parser.add_argument(
        "--layouts",
        nargs="+",
        metavar="LAYOUT",
        default=["classification", "detection", "segmentation"],
        help="which to write, of: %(default)s",
    )
    parser.add_argument(
        "--workers", type=positive_int, default=1, help="processes; they do not change the result (%(default)s)"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the folder, print its path."""
    options = vars(build_parser().parse_args(arguments))
    from tqdm import tqdm

    from backbones.data.shapes import image_count, make_shapes

    with tqdm(total=image_count(options["images"], options["layouts"]), unit="image", delay=0.5, disable=None) as bar:
        folder = make_shapes(**options, progress=bar.update)
    print(folder, flush=True)
    if "classification" in options["layouts"]:
        after_images(folder / "classification", options["size"], options["images"])


if __name__ == "__main__":
    run_command(main)
