"""What the parts of a data set are called: by the programs that write them, and here."""

from __future__ import annotations

import re
from pathlib import Path

TRAIN, VAL, TEST = "train", "val", "test"
WHOLE = "all"  # the only part of a data set that has none
PART_WORDS = {
    TRAIN: ("train", "training", "trainval"),
    VAL: ("val", "valid", "validation"),
    TEST: ("test", "testing"),
}


def part_of(name: str) -> str | None:
    """Which part a name is about, by its words: "instances_train2017" is ``train``; None where it names none."""
    words = set(re.findall("[a-z]+", name.lower()))
    return next((part for part, names in PART_WORDS.items() if words & set(names)), None)


def part_folders(root: Path) -> dict[str, Path]:
    """Folders directly in ``root`` that are called as a part is, by part; of two for one part the first by name."""
    found: dict[str, Path] = {}
    for words in PART_WORDS.items():
        for word in words[1]:
            if (root / word).is_dir():
                found.setdefault(words[0], root / word)
    return found
