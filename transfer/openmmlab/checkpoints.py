"""Where a stopped training goes on, and which files mmengine's checkpoints are.

What they have in common with those of a classification is in ``backbones.runs.checkpoint_file``.
"""

from __future__ import annotations

import re
import reprlib
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from backbones.bundles.ledger import name_tensors
from backbones.errors import MachineError, UserError
from backbones.runs.checkpoint_file import UnusableCheckpoint, check_same_run, read_checkpoint
from backbones.runs.loaded_state import require_optimizer_state, require_same_structure

NAME = re.compile(r"(?:epoch|iter)_(\d+)\.pth")
# Of run.json, what a checkpoint does not say: into how many parts a batch was cut.
CUT = "training"
OPTIMIZER_PARTS = ("state", "param_groups")  # what mmengine adds to them is its own
BEST = "best_"  # begins the names of the checkpoints that validated best, and of what mmengine notes of them


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the highest number in a folder, sound or not, or None.

    mmengine's own note of its last one is not asked: it holds a path that is wrong once the folder has moved, and
    nothing at all after a kill in the wrong moment.
    """
    return next(iter(all_checkpoints(folder)), None)


def latest_checkpoint(folder: Path, before: Path | None = None) -> Path | None:
    """The newest checkpoint in a folder whose checksums hold, of those older than a certain one, or None."""
    there = all_checkpoints(folder)
    older = there[there.index(before) + 1 :] if before in there else there
    return next((path for path in older if _is_sound(path)), None)


def all_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints to resume from in a folder, sound or not, the one with the highest number first."""
    found = {path: int(name[1]) for path in folder.glob("*.pth") if (name := NAME.fullmatch(path.name))}
    return sorted(found, key=found.__getitem__, reverse=True)


def _is_sound(path: Path) -> bool:
    try:
        read_checkpoint(path)
    except MachineError:
        raise
    except UserError:
        return False
    return True


def remedy(path: Path) -> str:
    """What to do when a checkpoint cannot be used, as the end of a message."""
    older = latest_checkpoint(path.parent, before=path)
    return f"delete it to resume at {older.name}" if older else "delete it, and --resume begins the training again"


def check_checkpoint(path: Path, model: nn.Module, scheduled: bool = False) -> None:
    """See that a checkpoint is whole, and holds exactly a model's tensors, by name, shape and type.

    Args:
        path: The file.
        model: That is to have its tensors.
        scheduled: Whether it has to hold the state of schedules, too.

    Raises:
        UnusableCheckpoint: It is damaged, or not one to go on from.
        UserError: It cannot be read.
    """
    content = read_checkpoint(path)
    _check_parts(path, content, scheduled)
    _check_tensors(path, content["state_dict"], model)


def _check_parts(path: Path, content: Any, scheduled: bool) -> None:
    parts: dict[str, type] = {"meta": dict, "state_dict": Mapping, "message_hub": dict, "optimizer": dict}
    if scheduled:
        parts["param_schedulers"] = list
    for part, kind in parts.items():
        if not isinstance(content, dict) or not isinstance(content.get(part), kind):
            raise UnusableCheckpoint(f"{path}: not a checkpoint to go on from: it holds no {part}")
    if "config" in content["meta"]:
        raise UnusableCheckpoint(f"{path}: its meta holds a config, which mmengine would run and never writes")
    _check_hub(path, content["message_hub"])
    for name in ("epoch", "iter"):
        if type(content["meta"].get(name)) is not int:
            raise UnusableCheckpoint(f"{path}: not a checkpoint to go on from: its meta holds no {name}")


def _check_hub(path: Path, hub: Mapping[str, Any]) -> None:
    """What mmengine remembers in it are plain values, and numbers of checkpoints, by which it deletes files."""
    info = hub.get("runtime_info", {})
    strange = [str(key) for key, value in info.items() if not _is_plain(value)] if isinstance(info, dict) else ["all"]
    if not strange and not isinstance(info.get("keep_ckpt_ids", []), list):
        strange = ["keep_ckpt_ids"]
    if strange:
        raise UnusableCheckpoint(f"{path}: not a checkpoint to go on from: message_hub.runtime_info: {strange[0]}")


def keep_best_inside(content: Mapping[str, Any], folder: Path) -> None:
    """Have the best checkpoint, which mmengine deletes for a better one, be one of a folder, wherever that now is."""
    info = content["message_hub"].get("runtime_info", {})
    for key in [key for key in info if key.startswith(f"{BEST}ckpt")]:
        name = Path(str(info[key])).name
        if name.startswith(BEST) and name.endswith(".pth"):
            info[key] = str(folder / name)
        else:
            del info[key]


def check_training_state(content: Mapping[str, Any], wrapper: OptimWrapper, schedules: Sequence[Any]) -> None:
    """See that a checkpoint's optimizer and schedules are of the kind of those that are to go on with it.

    Args:
        content: Of the checkpoint.
        wrapper: Around the optimizer.
        schedules: mmengine's, in order.

    Raises:
        ValueError: They are not; the message names the entry.
    """
    state, own = content["optimizer"], wrapper.state_dict()
    require_optimizer_state(state, wrapper.optimizer)
    require_same_structure(state, {key: value for key, value in own.items() if key not in OPTIMIZER_PARTS}, "optimizer")
    _refuse_strangers(state, own, "optimizer")
    if schedules:
        own_states = [schedule.state_dict() for schedule in schedules]
        require_same_structure(content["param_schedulers"], own_states, "param_schedulers")
        for number, (there, here) in enumerate(zip(content["param_schedulers"], own_states, strict=True)):
            _refuse_strangers(there, here, f"param_schedulers.{number}")


def _refuse_strangers(there: Mapping[str, Any], own: Mapping[str, Any], name: str) -> None:
    """An entry of its own might be in the place of a method, or be one weight more."""
    if strangers := [key for key in there if key not in own]:
        raise ValueError(f"{name} has {reprlib.repr(strangers[0])}, which this training has not")


def _check_tensors(path: Path, there: Mapping[Any, Any], model: nn.Module) -> None:
    wanted = model.state_dict()
    faults = {
        "it lacks": [name for name in wanted if name not in there],
        "the model has no": [str(name) for name in there if name not in wanted],
        "of another shape or type": [
            name for name in wanted if name in there and not _has_same_shape_and_type(there[name], wanted[name])
        ],
    }
    if any(faults.values()):
        words = "; ".join(f"{fault} {name_tensors(names)}" for fault, names in faults.items() if names)
        raise UnusableCheckpoint(f"{path}: not a checkpoint of this model: {words}")


def _has_same_shape_and_type(there: Any, wanted: Tensor) -> bool:
    return isinstance(there, Tensor) and there.shape == wanted.shape and there.dtype == wanted.dtype


class OwnCheckpointsHook(Hook):
    """Has checkpoints say of which run they are, and refuses those of another one.

    Args:
        run: What ``run.json`` says, in plain values (``RunFolder.record``).
        seed: The run's. All that a checkpoint of an earlier version says of its run.
    """

    priority = "HIGHEST"  # before anything believes a checkpoint that is of another run

    def __init__(self, run: Mapping[str, Any], seed: int) -> None:
        self.run = {key: value for key, value in run.items() if key != CUT}
        self.seed = seed

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint["meta"]["run"] = self.run

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        path, meta = Path(runner._load_from), checkpoint["meta"]
        there = meta.get("run", {**self.run, "seed": meta.get("seed")})
        check_same_run(path, there, self.run)


class OrderlyCheckpointHook(CheckpointHook):
    """mmengine's, which makes room first: where one is kept, there would be none while the next is written."""

    keep_ckpt_ids: deque[int]

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        if self.max_keep_ckpts != 1:
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        previous = [other for other in self.keep_ckpt_ids if other != step]
        self.keep_ckpt_ids = deque([step], maxlen=1)
        runner.message_hub.update_info("keep_ckpt_ids", [step])
        super()._save_checkpoint_with_step(runner, step, meta)
        if is_main_process():
            for other in previous:
                Path(self.out_dir, self.filename_tmpl.format(other)).unlink(missing_ok=True)


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
