"""The checkpoints of a finished transfer, of which the weights alone stay (``backbones.runs.keeping``)."""

from __future__ import annotations

import io
from pathlib import Path

import torch

from backbones.errors import UserError
from backbones.files import write_bytes
from backbones.runs.checkpoint_file import read_checkpoint
from backbones.runs.keeping import remove_checkpoints
from backbones.runs.run_folder import RunFolder
from transfer.openmmlab.checkpoints import all_checkpoints

WEIGHTS_FILE = "weights.pth"
NOTE = "last_checkpoint"  # mmengine's, of a file that is then no more


def keep_weights(folder: RunFolder, openmmlab: Path, iterations: int) -> str:
    """Put the last weights of a finished transfer into a file of their own, and remove its checkpoints.

    ``best_*.pth`` stay: they are weights alone.

    Args:
        folder: The run's.
        openmmlab: The folder of its checkpoints.
        iterations: Of the whole training: those of the checkpoint that has the weights which were measured.

    Returns:
        A line that says so, or why the checkpoints stay; empty where there are none.
    """
    checkpoints = all_checkpoints(openmmlab)
    if not checkpoints:
        return ""
    try:
        content = read_checkpoint(checkpoints[0])
        if content["meta"]["iter"] != iterations:
            return f"the checkpoints stay: {checkpoints[0]} is not of the last iteration, {iterations}"
        stream = io.BytesIO()
        torch.save({"meta": content["meta"], "state_dict": content["state_dict"]}, stream)
        write_bytes(openmmlab / WEIGHTS_FILE, stream.getvalue())
    except (UserError, MemoryError) as error:
        return f"the checkpoints stay: {error or 'not enough memory'}"
    return remove_checkpoints(folder, [*checkpoints, openmmlab / NOTE])
