"""What an ablation says of each trick, as ``docs/tricks/measured.json`` keeps it for the method cards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import read_json
from backbones.reporting.numbers import half_width, signed
from studies.ablation.rows import run_folder

LARGE = 1_000_000  # training images; ImageNet has 1.28 million


def measured(ablations: Iterable[Path]) -> dict[str, dict[str, str]]:
    """One entry per trick that was added or left out: "text", "command", "hardware".

    The effect is that of having the trick, so leaving one out counts with the opposite sign. Setting and hardware are
    those of the row's own runs: other studies may lie in the same folder.

    Args:
        ablations: Folders that ``tools/ablate.py`` wrote; of a trick in several, the last one counts.

    Raises:
        UserError: A folder holds no ablation, one in which nothing is finished, or a damaged one.
    """
    entries = {}
    for folder in ablations:
        table = read_json(folder / "ablation.json")
        try:
            if not any(row["values"] for row in table["rows"]):
                raise UserError(f"{folder} holds no finished run of its ablation; continue it: {table['command']}")
            entries.update(_entries(folder, table))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserError(
                f"{folder} holds no whole ablation ({error!r} in ablation.json or a result.json); repeat its command"
            ) from None
    return entries


def _entries(folder: Path, table: dict[str, Any]) -> dict[str, dict[str, str]]:
    means = {row["label"]: row["mean"] for row in table["rows"]}
    entries = {}
    for row in table["rows"]:
        how, _, option = row["label"].partition(" ")
        if row["difference"] and how in ("+", "without"):
            run = read_json(run_folder(folder, row["recipe"], min(map(int, row["values"]))) / "result.json")
            effect = _effect(row, means[row["reference"]], how == "+")
            value = f"{option}: " if "=" in option else ""
            entries[option.partition("=")[0]] = {
                "text": f"{value}{effect}; {_setting(table, run)}",
                "command": table["command"],
                "hardware": f"{run['hardware']['name']}, {run['hardware']['threads']} thread(s)",
            }
    return entries


def _effect(row: dict[str, Any], reference: float, added: bool) -> str:
    difference = row["difference"]
    before, after = (reference, row["mean"]) if added else (row["mean"], reference)
    points = signed(difference["value"] * (1 if added else -1))
    if difference["interval"]:
        points += f" ± {half_width(difference['interval'])}"
        seeds = f"95 % interval, {difference['pairs']} paired seeds"
    else:
        seeds = f"no interval, {difference['pairs']} seed"
    study = "added in turn" if added else "against leaving it out"
    return f"top-1 {before:.2f} -> {after:.2f}, {points} points ({seeds}), {study}"


def _setting(table: dict[str, Any], run: dict[str, Any]) -> str:
    data, settings = run["data"], run["settings"]
    small = ": a small data set, which says nothing about ImageNet" if data["train_images"] < LARGE else ""
    return (
        f"`{table['network']}`, {data['train_images']} images of {data['classes']} classes "
        f"in {Path(data['root']).name}, {settings['epochs']} epochs at {settings['image_size']} px{small}"
    )
