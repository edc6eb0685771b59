"""What transfers cost and reach, from their run folders: how an instrument for a study was chosen.

python -m benchmarks.evidence.instruments RUN... --out docs/results/instruments.json
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbones.cli.command import CommandParser, run_command
from backbones.errors import UserError
from backbones.files import write_bytes
from backbones.runs.record import read_record

FIRST_METRICS = ("voc07_map", "miou")


def read_run(folder: Path) -> dict[str, Any]:
    """Protocol, updates, seconds of training and evaluation, and the first metric.

    Raises:
        UserError: It is not the folder of a finished transfer.
    """
    if not (folder / "result.json").is_file():
        raise UserError(f"{folder}: there is no finished transfer (result.json)")
    result = read_record(folder / "result.json")
    metric = next(name for name in FIRST_METRICS if name in result["metrics"])
    return {
        "protocol": result["protocol"],
        "network": result["network"],
        "seed": result["seed"],
        "updates": result["training"]["updates"],
        "seconds": result["timings"]["total_seconds"],
        "metric": metric,
        "value": result["metrics"][metric],
        "hardware": f"{result['hardware']['name']}, {result['hardware']['threads']} thread",
    }


def main(words: Sequence[str] | None = None) -> None:
    """Write the file."""
    parser = CommandParser(description=(__doc__ or "").partition("\n\n")[0], prog="benchmarks.evidence.instruments")
    parser.add_argument("runs", nargs="+", metavar="LABEL=RUN", help="a name, and the folder of a finished transfer")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args(words)
    parts = [text.rpartition("=") for text in options.runs]
    runs = [{"label": label, **read_run(Path(folder))} for label, _, folder in parts]
    hardware = " and ".join(dict.fromkeys(run.pop("hardware") for run in runs))
    write_bytes(options.out, (json.dumps({"hardware": hardware, "runs": runs}, indent=1) + "\n").encode())
    print(f"written: {options.out}")


if __name__ == "__main__":
    run_command(main)
