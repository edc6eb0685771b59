"""Test a trained classifier, or several together: accuracy per class, confusion matrix and calibration, as tables and
pictures."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Mapping, Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.cli.command import CommandParser, run_command
from backbones.cli.guidance import starting
from backbones.cli.options import WEIGHTS_HELP, OneOrSeveral, natural_int, positive_int
from backbones.machine.processes import loader_workers

EXAMPLE = """example:
  python tools/test_cls.py --model RUN --data DIR --out REPORT
  python tools/test_cls.py --model RUN1 RUN2 RUN3 --data DIR --out REPORT    the mean of their probabilities

writes evaluation.json, per_class.csv, confusion.csv, calibration.csv, confusion.png, per_class.png, calibration.png
"""


def build_parser() -> CommandParser:
    """Options of this tool."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    path = pathlib.Path
    parser.add_argument(
        "--model",
        type=path,
        nargs="+",
        action=OneOrSeveral,
        required=True,
        metavar="WEIGHTS",
        help=f"what is tested, or several, of whose probabilities it is the mean: {WEIGHTS_HELP}",
    )
    parser.add_argument("--data", type=path, required=True, help="folder with train/CLASS/IMAGE and val/CLASS/IMAGE")
    parser.add_argument("--out", type=path, required=True, help="folder to make for the report")
    parser.add_argument(
        "--split",
        default="val",
        choices=("val", "train"),
        help="images to test on (%(default)s; what a training with --split held out is its val)",
    )
    parser.add_argument("--image-size", type=positive_int, help="side of the crop in pixels (default: the model's own)")
    parser.add_argument("--batch-size", type=positive_int, default=64, help="images at a time (%(default)s)")
    parser.add_argument("--workers", type=natural_int, default=loader_workers(), help="loader processes (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument(
        "--precision", default="fp32", choices=("auto", "fp32", "bf16", "fp16"), help="%(default)s as in a run's result"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the report, print its figures."""
    options = vars(build_parser().parse_args(arguments))
    starting("loading PyTorch")
    from backbones.evaluation.report import EvaluationRequest, evaluate_bundle

    request = EvaluationRequest(**options)
    report = evaluate_bundle(request)
    print(f"{report['images']} images at {report['protocol']}: {options['out']}")
    members = report["model"].get("members", ())
    if members:
        for word, member in zip(request.models, members, strict=True):
            print(f"{word}: {_figures(member['metrics'])}")
    print(("mean of their probabilities: " if members else "") + _figures(report["metrics"]))


def _figures(metrics: Mapping[str, float]) -> str:
    return (
        f"top-1 {metrics['top1']:.2f} %, top-5 {metrics['top5']:.2f} %, "
        f"expected calibration error {metrics['expected_calibration_error']:.2f} %, "
        f"negative log-likelihood {metrics['negative_log_likelihood']:.4f}"
    )


if __name__ == "__main__":
    run_command(main)
