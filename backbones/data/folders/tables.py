"""Where tables of labels stand in place of class folders; ``backbones.data.folders.image_table`` reads them."""

from __future__ import annotations

from pathlib import Path

_SUFFIXES = (".csv", ".txt")


def tables_of(root: Path) -> dict[str, Path]:
    """The tables of ``train`` and ``val``; empty unless that of ``train`` is there, and no folder of that name."""
    if (root / "train").is_dir() and any(each.is_dir() for each in (root / "train").iterdir()):
        return {}
    found = {
        part: path
        for part in ("train", "val")
        for path in (root / f"{part}{suffix}" for suffix in reversed(_SUFFIXES))
        if path.is_file()
    }
    return found if "train" in found and _has_labels(found["train"]) else {}


def _has_labels(path: Path) -> bool:
    """Whether a table's first line has two columns: lists of names, as segmentation has them, have one."""
    try:
        with path.open("rb") as stream:
            line = stream.readline(2**16).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return "," in line if path.suffix == ".csv" else len(line.split()) > 1
