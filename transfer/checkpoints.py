"""Where a stopped training goes on."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

NAME = re.compile(r"(?:epoch|iter)_(\d+)\.pth")


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint that mmengine has left in a folder, or None.

    mmengine's own note of its last one is not asked: it holds a path that is wrong once the folder has moved, and
    nothing at all after a kill in the wrong moment. A checkpoint is a zip archive, whose directory is written last, so
    one that a kill has cut short is none.
    """
    found = {int(name[1]): path for path in folder.glob("*.pth") if (name := NAME.fullmatch(path.name))}
    return next((found[step] for step in sorted(found, reverse=True) if zipfile.is_zipfile(found[step])), None)
