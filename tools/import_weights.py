"""Make a bundle from public weights of torchvision or timm, for transfer, as a teacher or to train on."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import after_weights, starting
from backbones.errors import UserError
from backbones.external.families import family_list

EXAMPLE = """examples:
  python tools/import_weights.py timm:resnet50d.gluon_in1k --out resnet50d.safetensors
  python tools/import_weights.py torchvision:resnet50.IMAGENET1K_V1 --checkpoint resnet50-0676ba61.pth \\
      --out resnet50.safetensors
  python tools/import_weights.py torchvision:resnet50 --checkpoint dino.pth --key teacher --out dino.safetensors
"""


def build_parser() -> CommandParser:
    """The options."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument("source", nargs="?", metavar="LIBRARY:NETWORK[.WEIGHTS][@FILE]", help="the weights")
    parser.add_argument("--list", action="store_true", help="print the networks that can be imported")
    parser.add_argument("--out", type=pathlib.Path, help="the bundle to write")
    parser.add_argument(
        "--checkpoint", type=pathlib.Path, metavar="FILE", help="local .pth or .safetensors file (default: download)"
    )
    parser.add_argument(
        "--key", help="where in FILE the tensors are: an entry, or how their names begin (default: the only place)"
    )
    parser.add_argument(
        "--classes", type=pathlib.Path, metavar="NAMES", help="file with the head's class names (default: ImageNet's)"
    )
    parser.add_argument(
        "--top1", type=float, metavar="PERCENT", help="published for the weights in FILE; comparisons show it"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Import, or print the list."""
    options = build_parser().parse_args(arguments)
    if options.list:
        return print(family_list())
    if options.source is None or options.out is None:
        raise UserError("give the weights, LIBRARY:NETWORK, and the bundle to write with --out; --list prints networks")
    if options.key is not None and options.checkpoint is None:
        raise UserError("--key names an entry of a local file; give the file with --checkpoint")
    starting("loading PyTorch")
    from backbones.external.importing import import_weights

    given = (options.checkpoint, options.key, options.classes, options.top1)
    for line in import_weights(options.source, options.out, *given):
        print(line, flush=True)
    after_weights(options.out)


if __name__ == "__main__":
    run_command(main)
