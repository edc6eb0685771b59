"""Where a stopped training goes on."""

from __future__ import annotations

import re
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from backbones.bundles.ledger import name_tensors
from backbones.errors import UserError

REMEDY = "delete it to resume at the one before"
LONGEST = 200  # characters of PyTorch's own words
NAME = re.compile(r"(?:epoch|iter)_(\d+)\.pth")


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint that mmengine has left in a folder, or None.

    mmengine's own note of its last one is not asked: it holds a path that is wrong once the folder has moved, and
    nothing at all after a kill in the wrong moment. A checkpoint is a zip archive, whose directory is written last, so
    one that a kill has cut short is none.
    """
    found = {int(name[1]): path for path in folder.glob("*.pth") if (name := NAME.fullmatch(path.name))}
    return next((found[step] for step in sorted(found, reverse=True) if zipfile.is_zipfile(found[step])), None)


def check_checkpoint(path: Path, model: nn.Module) -> None:
    """See that a checkpoint holds exactly a model's tensors, by name and shape.

    Raises:
        UserError: It does not, or cannot be read.
    """
    try:
        there = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
    except Exception as error:  # torch and pickle raise many kinds
        words = textwrap.shorten(str(error), LONGEST, placeholder=" …")
        raise UserError(f"{path}: not a readable checkpoint ({words}); {REMEDY}") from error
    wanted = model.state_dict()
    faults = {
        "it lacks": [name for name in wanted if name not in there],
        "the model has no": [name for name in there if name not in wanted],
        "of another shape": [name for name in wanted if name in there and there[name].shape != wanted[name].shape],
    }
    if any(faults.values()):
        words = "; ".join(f"{fault} {name_tensors(names)}" for fault, names in faults.items() if names)
        raise UserError(f"{path}: not a checkpoint of this model: {words}; {REMEDY}")


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Keep checkpoints loadable with ``weights_only=True``.

    mmengine 0.10.7 stores its message hub with ``HistoryBuffer`` objects, which PyTorch refuses to unpickle since 2.6,
    with good reason. Smoothed log values are not worth a pickle: only plain scalars are kept, and the numbers of the
    checkpoints there are, so that the oldest go on making room.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        hub = checkpoint["message_hub"]
        # By exact type: NumPy's float64 is a float to isinstance, and a stranger to the unpickler.
        plain = {key: value for key, value in hub["runtime_info"].items() if _is_plain(value)}
        checkpoint["message_hub"] = {
            "log_scalars": {},
            "runtime_info": plain,
            "resumed_keys": {key: hub["resumed_keys"][key] for key in plain},
        }


def _is_plain(value: Any) -> bool:
    if type(value) is list:
        return all(type(item) is int for item in value)
    return type(value) in (int, float, str)
