"""Every network of timm against every kind of protocol: taken, or refused in one line; what docs/networks.md lists."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from backbones.cli.command import CommandParser, run_command
from backbones.errors import UserError
from backbones.files import append_line, write_bytes
from backbones.models import TIMM_PREFIX
from backbones.models.timm_survey import survey, timm_library
from benchmarks.timm_table import with_timm_table
from transfer.openmmlab.trunk import dense_trunk
from transfer.protocol.levels import LAST, Levels

EXAMPLE = """examples:
  python -m benchmarks.timm_sweep --out docs/timm_networks.jsonl --markdown docs/networks.md   # goes on where it ended
  python -m benchmarks.timm_sweep resnet50 convnext_atto --out some.jsonl
"""
PYRAMID, DILATED, SINGLE = "pyramid", "dilated", "single"
IMAGES = (2, 3, 256, 320)  # neither square nor of anybody's own size


def build_parser() -> CommandParser:
    """Options of this sweep."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument("networks", nargs="*", metavar="NAME", help="of timm (default: all with public weights)")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FILE", help="a line of JSON per network")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="write the table into this document")
    parser.add_argument("--table-only", action="store_true", help="examine nothing, write the table again")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Examine what is not in the file yet, and write the table."""
    options = build_parser().parse_args(arguments)
    published = pretrained_architectures()
    if not options.table_only:
        sweep(options.networks or published, options.out, print)
    if options.markdown:
        text = options.markdown.read_text(encoding="utf-8") if options.markdown.exists() else ""
        records = read_sweep(options.out)
        write_bytes(options.markdown, with_timm_table(text, records, published, options.out.name).encode())


def pretrained_architectures() -> list[str]:
    """Names, without those of weights, of all networks of timm that there are public weights for."""
    return sorted({name.partition(".")[0] for name in timm_library().list_pretrained()})


def sweep(names: Iterable[str], out: Path, report: Callable[[str], None]) -> None:
    """Append what ``examine`` finds of each network to a file; those that are in it are left alone."""
    done = {record["network"] for record in read_sweep(out)}
    # In an order that has nothing to do with families, so that shares of an unfinished sweep estimate those of a whole.
    waiting = sorted(set(names) - done, key=lambda name: sha256(name.encode()).hexdigest())
    for number, name in enumerate(waiting, start=1):
        append_line(out, json.dumps(examine(name), sort_keys=True))
        report(f"{number} of {len(waiting)}: {name}")


def read_sweep(path: Path) -> list[dict[str, Any]]:
    """The records of a sweep; none of one that has not begun."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def examine(name: str) -> dict[str, Any]:
    """What a network is, and by kind of protocol why it does not fit; None where it does.

    It is built as a transfer would build it, with all refusals of a transfer, and the maps of one training batch are
    followed back to every weight. That is on PyTorch's meta device: shapes and gradients are real, numbers are not.
    """
    network, torch_version = f"{TIMM_PREFIX}{name}", torch.__version__.partition("+")[0]
    found: dict[str, Any] = {"network": name, "timm": timm_library().__version__, "torch": torch_version}
    try:
        facts = survey(network)
    except UserError as error:
        return found | dict.fromkeys((PYRAMID, DILATED, SINGLE), str(error))
    levels = Levels(network, facts.features)
    pyramid, parameters = _refusal(levels)
    single, parameters = (None, parameters) if pyramid is None else _refusal(levels, out_indices=LAST)
    return found | {
        "image_size": facts.image_size,
        "parameters": parameters,
        "strides": [info.stride for info in facts.features],
        PYRAMID: pyramid,
        DILATED: _refusal(levels, output_stride=8)[0],
        SINGLE: single,
    }


def _refusal(levels: Levels, **asked: Any) -> tuple[str | None, int | None]:
    """Why the network does not train so, or None, and how many weights its trunk has, where it can be built."""
    try:
        with torch.device("meta"):
            trunk = dense_trunk(levels, **asked).train()
    except UserError as error:
        return str(error), None
    weights = sum(parameter.numel() for parameter in trunk.parameters())
    try:
        maps = trunk(torch.empty(IMAGES, device="meta"))
        torch.stack([grid.sum() for grid in maps]).sum().backward()
    except Exception as error:  # whatever a network of timm raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return f"{levels.network} does not train with images of {IMAGES[3]} x {IMAGES[2]} ({reason})", weights
    idle = [name for name, each in trunk.named_parameters() if each.requires_grad and each.grad is None]
    return f"{levels.network}: no gradient reaches {', '.join(idle[:3])}" if idle else None, weights


if __name__ == "__main__":
    run_command(main)
