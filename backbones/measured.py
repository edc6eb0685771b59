"""What an ablation says of each trick, as ``docs/tricks/measured.json`` keeps it for the method cards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import read_json


def measured(ablations: Iterable[Path]) -> dict[str, dict[str, str]]:
    """One entry per trick that was added or left out: "text", "command", "hardware".

    The effect is that of having the trick, so leaving one out counts with the opposite sign.

    Args:
        ablations: Folders that ``tools/ablate.py`` wrote; of a trick in several, the last one counts.

    Raises:
        UserError: A folder holds no finished ablation.
    """
    entries = {}
    for folder in ablations:
        table = read_json(folder / "ablation.json")
        runs = sorted(folder.glob("*/result.json"))
        if not runs:
            raise UserError(f"{folder} holds no finished run; continue its ablation: {table['command']}")
        run = read_json(runs[0])  # tools/ablate.py holds all of them to the same data and options
        means = {row["label"]: row["mean"] for row in table["rows"]}
        for row in table["rows"]:
            how, _, trick = row["label"].partition(" ")
            if row["difference"] and how in ("+", "without"):
                entries[trick] = {
                    "text": f"{_effect(row, means[row['reference']], how == '+')}; {_setting(table, run)}",
                    "command": table["command"],
                    "hardware": f"{run['hardware']['name']}, {run['hardware']['threads']} thread(s)",
                }
    return entries


def _effect(row: dict[str, Any], reference: float, added: bool) -> str:
    difference = row["difference"]
    before, after = (reference, row["mean"]) if added else (row["mean"], reference)
    points = f"{difference['value'] * (1 if added else -1) + 0.0:+.2f}"
    if difference["interval"]:
        low, high = difference["interval"]
        points += f" ± {(high - low) / 2:.2f}"
        seeds = f"95 % interval, {difference['pairs']} paired seeds"
    else:
        seeds = f"no interval, {difference['pairs']} seed"
    study = "added in turn" if added else "against leaving it out"
    return f"top-1 {before:.2f} -> {after:.2f}, {points} points ({seeds}), {study}"


def _setting(table: dict[str, Any], run: dict[str, Any]) -> str:
    data, settings = run["data"], run["settings"]
    return (
        f"`{table['network']}`, {data['train_images']} images of {data['classes']} classes "
        f"in {Path(data['root']).name}, {settings['epochs']} epochs at {settings['image_size']} px: "
        "far too little to say anything about ImageNet"
    )
