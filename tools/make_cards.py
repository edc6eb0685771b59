"""Write the method cards, docs/tricks/NAME.md and their index, from the modules, the recipes and measured.json."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from backbones.cli.command import CommandParser, run_command


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one file per trick."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "tricks", help="folder of the cards")
    parser.add_argument(
        "--ablation",
        type=pathlib.Path,
        nargs="+",
        metavar="DIR",
        help="finished studies of tools/ablate.py to measure by",
    )
    asked = parser.parse_args(arguments)
    folder = asked.out

    from backbones.files import read_json, write_json
    from studies.ablation.measured_effects import measured
    from studies.ablation.method_cards import write_cards

    if asked.ablation:
        known = folder / "measured.json"
        write_json(known, {**(read_json(known) if known.exists() else {}), **measured(asked.ablation)})

    for path in write_cards(folder):
        print(path)


if __name__ == "__main__":
    run_command(main)
