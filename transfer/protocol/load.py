"""From a protocol file to the configuration of one run."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from backbones.errors import UserError
from backbones.machine.lacks import blame_machine
from transfer.protocol.config_errors import named_as
from transfer.protocol.derived import refuse_derived
from transfer.protocol.total_batch import TotalBatch
from transfer.protocol.values import check_kind, check_values

# Settings that are read; other names of a file (``max_epochs``, ``train_pipeline``) are copied into these on reading.
LIVE_KEYS = (
    "model",
    "train_dataloader",
    "test_dataloader",
    "optim_wrapper",
    "param_scheduler",
    "train_cfg",
    "test_cfg",
    "test_evaluator",
    "default_hooks",
    "env_cfg",
    "log_processor",
    "base_batch_size",
    "sync_bn",
    "multi_scale",
    "tta_model",
    "tta_pipeline",
)


def load_config(path: str, options: Sequence[str], imports: bool = True) -> Config:
    """Read a protocol file and apply ``key=value`` options, as OpenMMLab's tools do.

    Without ``imports`` nothing that the file names is imported, which is enough for looking at its numbers.

    Raises:
        UserError: No such file, a file that is no configuration, an option that names nothing in it or something that
            a run derives, or a value that cannot be right.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such configuration file; the protocols are in det_configs/ and seg_configs/")
    try:
        config = Config.fromfile(path, import_custom_modules=imports)
    except Exception as error:  # anything the file's own Python raises
        blame_machine(error, f"{path} cannot be read")
        raise UserError(f"{path} is not a readable configuration: {error}") from error
    if "model" not in config:
        raise UserError(f"{path} defines no model; choose a file of det_configs/ or seg_configs/")
    planned = _training_length(config)
    for option in options:
        with named_as([option.partition("=")[0]], path, [option]):
            changes = _parse_option(config, option)
            refuse_derived(config, changes)
            config.merge_from_dict(changes)
    check_values(config, path)
    asked = _training_length(config)
    if planned and asked and planned != asked:
        _move_schedule(config, planned, asked, [option.partition("=")[0] for option in options])
    return config


def _training_length(config: Config) -> int | None:
    training = config.get("train_cfg") or {}
    return training.get("max_iters") or training.get("max_epochs")


def _move_schedule(config: Config, planned: int, asked: int, options: Sequence[str]) -> None:
    """A schedule that ended with the training still does when an option changes its length; milestones move along.

    Milestones stay before the end of the training: one at its end would be none. Whatever counts in another unit than
    the training does stays as it is, and so does what the options themselves set.

    Raises:
        UserError: The training is too short for a milestone.
    """
    by_epoch = config.train_cfg.get("max_iters") is None
    schedulers = config.get("param_scheduler") or []
    for number, scheduler in enumerate([schedulers] if isinstance(schedulers, dict) else schedulers):
        place = "param_scheduler" if isinstance(schedulers, dict) else f"param_scheduler.{number}"
        if scheduler.get("by_epoch", True) != by_epoch or {"param_scheduler", place} & set(options):
            continue
        if scheduler.get("milestones") and scheduler.get("end") == planned and f"{place}.milestones" not in options:
            if asked == 1:
                raise UserError(
                    f"a training of length 1 leaves no place for {place}.milestones={scheduler['milestones']} (of "
                    f"{planned}); make it longer, or leave them out: --cfg-options {place}.milestones=[]"
                )
            steps = (math.floor(step * asked / planned) for step in scheduler["milestones"])
            scheduler["milestones"] = [min(max(step, 1), asked - 1) for step in steps]
        for key in ("end", "T_max"):
            if scheduler.get(key) == planned and f"{place}.{key}" not in options:
                scheduler[key] = asked


def _parse_option(config: Config, option: str) -> dict[str, Any]:
    key, separator, text = option.partition("=")
    if not separator:
        raise UserError(f"--cfg-options {option}: write key=value")
    *parents, name = key.split(".")
    if key.split(".")[0] not in LIVE_KEYS:
        raise UserError(f"--cfg-options {key}: not a setting in use; start with one of {', '.join(LIVE_KEYS)}")
    node: Any = config
    for parent in parents:
        node = _inside(node, parent)
        if node is None:
            raise UserError(f"--cfg-options {key}: the configuration has no {parent!r} there")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text  # a plain word is a string
    if _inside(node, name) is None and not isinstance(node, (dict, Config)):
        raise UserError(f"--cfg-options {key}: the configuration has no place {name!r} there")
    check_kind(key, _inside(node, name), value)
    return {key: value}


def _inside(node: Any, name: str) -> Any:
    """The value called ``name`` in a section, or at that place in a list; None when there is none."""
    if isinstance(node, list):
        return node[int(name)] if name.isdigit() and int(name) < len(node) else None
    return node.get(name) if hasattr(node, "get") else None


def set_batch(config: Config, batch: TotalBatch) -> None:
    """Let every process load its share of the total batch."""
    config.pop("auto_scale_lr", None)  # mmengine's own rule must not scale the learning rate a second time
    config.train_dataloader.batch_size = batch.per_process
