"""Values of a configuration that would fail late, or train something else in silence: checked on reading."""

from __future__ import annotations

import math
from typing import Any

from mmengine.config import Config

from backbones.errors import UserError

# The least value that makes sense.
WHOLE_NUMBERS = {
    "train_cfg.max_iters": 1,
    "train_cfg.max_epochs": 1,
    "train_cfg.val_interval": 1,
    "val_dataloader.batch_size": 1,
    "test_dataloader.batch_size": 1,
    "train_dataloader.num_workers": 0,
    "val_dataloader.num_workers": 0,
    "test_dataloader.num_workers": 0,
    "base_batch_size": 1,
}
# What a run derives from the total batch and the machine: a second statement could disagree.
DERIVED_FROM_BATCH = ("train_dataloader.batch_size", "optim_wrapper.accumulative_counts")
PYTHON_WORDS = {"true": "True", "false": "False", "none": "None", "null": "None"}
REQUIRED = (
    "model.backbone",
    "train_cfg",
    "train_dataloader.dataset",
    "test_cfg",
    "test_dataloader.batch_size",
    "test_dataloader.dataset",
    "test_evaluator",
    "optim_wrapper.optimizer.lr",
    "base_batch_size",
)


def check_kind(key: str, present: Any, value: Any) -> None:
    """Refuse an option that replaces a value by one of another kind.

    Every misspelt number or switch is read as a word, and ``norm_eval=false`` would switch it on.

    Raises:
        UserError: A word for a number, a switch, a list or a section; or something else for a list or a section.
    """
    if isinstance(value, str) and value.lower() in PYTHON_WORDS:
        raise UserError(f"--cfg-options {key}={value}: write {PYTHON_WORDS[value.lower()]}, as in Python")
    if value is None or present is None or isinstance(present, str):
        return
    if isinstance(present, dict):
        fits, wanted = isinstance(value, dict), "a section {'name': value, ...}"
    elif isinstance(present, (list, tuple)):
        fits, wanted = isinstance(value, (list, tuple)), "a list [value, ...]"
    else:
        fits, wanted = not isinstance(value, str), "True or False" if isinstance(present, bool) else "a number"
    if not fits:
        raise UserError(f"--cfg-options {key}={value}: the configuration has {wanted} there")


def check_values(config: Config, path: str) -> None:
    """Check that the settings without which no transfer runs are there, and that its numbers are numbers.

    Raises:
        UserError: Names the setting, and what should be there.
    """
    for key in REQUIRED:
        if _find(config, key) is None:
            raise UserError(f"{path}: {key} is not set; set it there or with --cfg-options")
    if all(_find(config, f"train_cfg.{key}") is None for key in ("max_iters", "max_epochs")):
        raise UserError(f"{path}: neither train_cfg.max_iters nor train_cfg.max_epochs is set; set one of them")
    for key in DERIVED_FROM_BATCH:
        if (value := _find(config, key)) is not None:
            raise UserError(
                f"{path}: {key} is {value!r}, but base_batch_size is the total batch, which a run cuts over its "
                f"processes and --accumulate; take {key} out, or write None over a base file's"
            )
    for key, least in WHOLE_NUMBERS.items():
        value = _find(config, key)
        if value is not None and not (type(value) is int and value >= least):
            _refuse(path, key, value, f"a whole number from {least}")
    rate, decay = (_find(config, f"optim_wrapper.optimizer.{key}") for key in ("lr", "weight_decay"))
    if not (_is_finite(rate) and rate > 0):
        _refuse(path, "optim_wrapper.optimizer.lr", rate, "a number above 0")
    if decay is not None and not (_is_finite(decay) and decay >= 0):
        _refuse(path, "optim_wrapper.optimizer.weight_decay", decay, "a number from 0")


def _find(config: Config, key: str) -> Any:
    """The value of a dotted key; None when a part of it is missing."""
    node: Any = config
    for name in key.split("."):
        node = node.get(name) if hasattr(node, "get") else None
    return node


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(path: str, key: str, value: Any, wanted: str) -> None:
    raise UserError(f"{path}: {key} is {value!r} where {wanted} should be; set it there or with --cfg-options")
