"""One file that holds the whole configuration of a transfer, for mmdetection's and mmsegmentation's own scripts."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path

from mmengine.config import Config

from backbones.cli.shell import shell_command, shell_word
from backbones.errors import UserError, not_none
from backbones.external.sources import absolute_source
from backbones.files import write_bytes
from backbones.runs.fingerprint import ROOT
from transfer.protocol.derive import data_root
from transfer.protocol.source_text import comment, source_text
from transfer.run.plan import TransferPlan
from transfer.tasks.task import set_data_root

REGISTRATION = "transfer.registration"
HEADER = """\
# {protocol} with {network} ({recipe}), seed {seed}, as --dump-config wrote it.
#
#   {command}
#
# It trains what --out RUN would train, in {processes}: learning rate {rate}.
# In N of them: train_dataloader.batch_size = {total} / N, torchrun --nproc-per-node N in place of python, and
# --launcher pytorch at the end.
# Left out are the check of the data, the proofs before and after the training, and result.json, whose metrics test.py
# beside train.py gives{note}.
"""


def dump_config(plan: TransferPlan, path: Path) -> None:
    """Write a configuration that needs no other file but the bundle and the data, and this project to import from.

    Raises:
        UserError: The name does not end in .py, which mmengine wants, or the file cannot be written.
    """
    if path.suffix != ".py":
        raise UserError(f"--dump-config {path}: the name of a configuration ends in .py")
    command = _command(plan.task.framework, path)
    batch = plan.batch
    processes = f"{batch.processes} processes" if batch.processes > 1 else "one process"
    facts = {**plan.asked, "processes": processes, "total": batch.total, "rate": plan.rate, "note": _note(plan)}
    # Recipe and network are the bundle's, which may be anyone's, and a line break in them would begin a line of code.
    header = HEADER.format_map({name: comment(value) for name, value in {**facts, "command": command}.items()})
    try:
        text = source_text(_standalone(plan))
    except UserError as error:
        raise UserError(f"--dump-config {path}: {error}") from None
    try:
        write_bytes(path, (header + text).encode())
    except OSError as error:
        raise UserError(f"--dump-config {path}: cannot be written ({error})") from None
    print(command)


def _command(framework: str, path: Path) -> str:
    """The framework's own train script, which its package brings along, with this project to import from."""
    repository = ROOT
    script = Path(not_none(not_none(importlib.util.find_spec(framework)).origin)).parent / ".mim" / "tools" / "train.py"
    return f"PYTHONPATH={shell_word(str(repository))} {shell_command(['python', str(script), str(path)])}"


def _note(plan: TransferPlan) -> str:
    if plan.task.framework == "mmdet" and plan.asked["ops"] != "mmcv":
        return ", where mmcv is compiled: it asks for the ops before it reads this file"
    return "; those of multiple scales with --tta" if plan.config.get("multi_scale") else ""


def _standalone(plan: TransferPlan) -> Config:
    """The configuration with absolute paths, importing what it names, and with the hooks that change the training."""
    config = copy.deepcopy(plan.config)
    config.pop("multi_scale", None)  # a switch of our own; the script for tests has --tta
    root = data_root(config).resolve()
    set_data_root(config, root)
    if "data_root" in config:
        config.data_root = str(root)
    _replace_bundle(config.model, absolute_source(plan.options.backbone))
    imports = config.get("custom_imports") or {"imports": []}
    config.custom_imports = {"imports": [REGISTRATION, *imports["imports"]], "allow_failed_imports": False}
    speed = {"type": "SpeedHook", "bfloat16_modules": list(plan.bfloat16_modules)}
    passes = {"type": "PassesHook", "passes": plan.batch.accumulate}
    config.custom_hooks = [*(config.get("custom_hooks") or []), {"type": "PlainCheckpointHook"}, speed, passes]
    return config


def _replace_bundle(section: dict, source: str) -> None:
    """Name the bundle in every part of the model that is built from it."""
    for key, value in section.items():
        if key == "bundle":
            section[key] = source
        elif isinstance(value, dict):
            _replace_bundle(value, source)
