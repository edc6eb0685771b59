"""Ask a GPU what docs/gpu.md is to tell, step by step; what is done is not done again."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from backbones.cli.command import CommandParser, run_command
from backbones.cli.options import positive_int
from backbones.errors import MachineError, UserError, did_you_mean

if TYPE_CHECKING:
    from benchmarks.gpu.step import Step

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = """examples:
  python -m benchmarks.gpu                    # all that this GPU has not been asked yet; the same command goes on
  python -m benchmarks.gpu --rounds 1         # one round of less than ten minutes, then leave
  python -m benchmarks.gpu rates loops --again
  python -m benchmarks.gpu --list
"""


def build_parser() -> CommandParser:
    """Options of this command."""
    parser = CommandParser(prog="python -m benchmarks.gpu", description=__doc__, epilog=EXAMPLE)
    parser.add_argument("names", nargs="*", metavar="STEP", help="steps (default: all)")
    parser.add_argument("--list", action="store_true", help="print the steps and how long they should take, and leave")
    parser.add_argument("--again", action="store_true", help="what is measured on this GPU, too")
    parser.add_argument("--device", default="cuda", metavar="CUDA", help="cuda or cuda:N (%(default)s)")
    parser.add_argument("--seconds", type=positive_int, default=590, help="of a round, at most (%(default)s)")
    parser.add_argument(
        "--rounds", type=positive_int, metavar="N", help="leave after so many (default: when all is done)"
    )
    parser.add_argument("--photographs", type=pathlib.Path, metavar="DIR", help="JPEG files to load (default: made up)")
    parser.add_argument(
        "--scratch", type=pathlib.Path, default=ROOT / "runs/gpu", metavar="DIR", help="for what is made (runs/gpu)"
    )
    parser.add_argument(
        "--out", type=pathlib.Path, default=ROOT / "docs", metavar="DIR", help="folder of gpu.{json,md} (docs)"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the steps asked for, and say what has failed.

    Raises:
        UserError: No such step, or no such GPU; or a step has failed.
    """
    options = build_parser().parse_args(arguments)
    from benchmarks.gpu.registry import STEPS, plan_lines

    known = {step.name: step for step in STEPS}
    for name in options.names:
        if name not in known:
            raise UserError(f"no step {name}; {did_you_mean(name, known)}there are {', '.join(known)}")
    steps = [known[name] for name in options.names] or list(STEPS)
    if options.list:
        print("\n".join(plan_lines(steps)))
        return
    _run(steps, options)


def _run(steps: Sequence[Step], options: argparse.Namespace) -> None:
    import torch

    from backbones.machine.precision import resolve_device
    from benchmarks.gpu.runner import Asked, run_steps

    if not torch.cuda.is_available():
        raise MachineError(
            f"no CUDA device: PyTorch {torch.__version__} sees none here; docs/gpu.md says what to carry to a machine "
            "that has one"
        )
    if not options.device.startswith("cuda"):
        raise UserError(f"--device {options.device}: these steps are for a GPU; give cuda or cuda:N")
    asked = Asked(
        *(resolve_device(options.device), options.out, options.scratch.resolve(), options.photographs),
        *(float(options.seconds), options.rounds, options.again),
    )
    if failed := run_steps(steps, asked, lambda line: print(line, flush=True)):
        raise MachineError(f"{failed} of {len(steps)} steps failed; {options.out / 'gpu.md'} says why")


if __name__ == "__main__":
    run_command(main)
