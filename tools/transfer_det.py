"""Transfer a trunk to detection: prove that it arrived, train, evaluate, write result.json."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import starting
from transfer.run.options import add_transfer_options, parse_transfer_options, print_result


def main(arguments: Sequence[str] | None = None) -> None:
    parser = CommandParser(
        description=__doc__,
        epilog="example: python tools/transfer_det.py det_configs/faster_rcnn_fpn_voc0712.py "
        "--backbone RUN/backbone.safetensors --out RUN_DET",
    )
    add_transfer_options(parser)
    options = parse_transfer_options(parser, arguments)

    starting("loading PyTorch and OpenMMLab")
    from transfer.run.run import TransferOptions, run_transfer
    from transfer.tasks.detection import DETECTION

    print_result(run_transfer(DETECTION, TransferOptions(**options)), options["out"])


if __name__ == "__main__":
    run_command(main)
