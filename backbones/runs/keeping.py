"""What of a finished run stays on the disk (``--keep``): nobody resumes it, so its checkpoints have no use any more.

Nothing here is called before ``result.json`` is there, and a checkpoint goes only once what is kept of it is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from backbones.machine.lacks import describe_lack
from backbones.runs.run_folder import RunFolder

WEIGHTS, ALL = "weights", "all"
KEEPS = (WEIGHTS, ALL)
KEEP_HELP = "what stays of a finished run: weights, without the checkpoints that only a resumption needs; or all"
MEGABYTE = 1e6


def remove_checkpoints(folder: RunFolder, paths: Iterable[Path]) -> str:
    """Remove the checkpoints of a finished run, and say so in one line; empty where there was none.

    What cannot be removed stays, and is told: the run is finished all the same.

    Args:
        folder: The run's, in which this process works.
        paths: The files. One that is not there is left out.

    Raises:
        AssertionError: The run has no result yet.
    """
    if not folder.finished:
        raise AssertionError(f"{folder.path} is not finished, and needs its checkpoints")
    removed, size = [], 0
    for path in paths:
        try:
            file_size = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{path} stays: {describe_lack(error.errno or 0)}"
        removed.append(path.name)
        size += file_size
    if not removed:
        return ""
    return f"removed {', '.join(removed)} ({size / MEGABYTE:.0f} MB): the run is done; --keep all keeps checkpoints"
