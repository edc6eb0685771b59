"""What a transfer will be: the request checked, the configuration of this run, and what ``run.json`` says of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from backbones.bundle import Bundle
from backbones.distributed import World
from backbones.errors import UserError
from backbones.files import sha256_file
from backbones.precision import resolve_device, resolve_precision
from backbones.runs.fingerprint import recorded_code
from backbones.trackers import check_trackers
from backbones.versions import hardware, package_versions
from transfer.catalogue import TASKS
from transfer.configure import (
    config_hash,
    describe_batch,
    find_classes,
    load_config,
    scale_learning_rate,
    set_input_contract,
    set_workers,
)
from transfer.mistakes import named_as
from transfer.task import Task, set_data_root
from transfer.trunk import RANDOM_PREFIX, bundle_trunk, open_bundle
from transfer.tuning import describe_tuning, without_tunable
from transfer.validation import refuse_validation_options, set_validation

PACKAGES = ("torch", "torchvision", "mmengine", "mmcv-lite", "mmcv", "mmdet", "mmsegmentation", "numpy")


@dataclass(frozen=True)
class TransferOptions:
    """What a user asks of one transfer; the fields are the options of ``tools/transfer_*.py``.

    ``out`` may be missing where nothing is trained: with ``dry_run`` or ``dump_config``.
    """

    config: str
    backbone: str
    out: str | None = None
    data: str | None = None
    classes: str | None = None
    seed: int = 0
    precision: str = "auto"
    workers: int | None = None
    resume: bool = False
    validate_every: int | None = None
    tensorboard: bool = False
    dry_run: bool = False
    dump_config: str | None = None
    cfg_options: Sequence[str] = ()
    tuned_over: int | None = None


@dataclass(frozen=True)
class TransferPlan:
    """One transfer, settled; ``asked`` is for ``run.json``, ``rate`` the learning rate as arithmetic."""

    task: Task
    options: TransferOptions
    world: World
    config: Config
    bundle: Bundle
    classes: tuple[str, ...]
    device: torch.device
    precision: str
    rate: str
    asked: dict[str, Any]

    @property
    def bfloat16_modules(self) -> tuple[str, ...]:
        """Submodules that compute in bf16."""
        return self.task.bfloat16_modules if self.precision == "bf16" else ()

    def check_data(self) -> dict[str, Any]:
        """Verify the whole data set; what ``run.json`` says of it. One process looks, all wait."""

        def check() -> dict[str, Any]:
            with named_as(["train_dataloader", "test_dataloader"], self.options.config, self.options.cfg_options):
                return self.task.check_data(self.config, self.classes)

        return self.world.lead(check)


def settle(task: Task, options: TransferOptions, world: World, ops: str) -> TransferPlan:
    """Everything that can be wrong with a request but for the data is found here, before a folder is made.

    Args:
        task: Detection or segmentation.
        options: The request.
        world: The processes that share the training.
        ops: Whose ops answer for mmcv's.

    Raises:
        UserError: Anything about options, configuration or bundle that the user can mend.
    """
    tuned = describe_tuning(options.cfg_options, options.tuned_over)
    check_trackers(options.tensorboard, None)
    refuse_validation_options(options.cfg_options)
    config = load_config(options.config, options.cfg_options)
    with named_as(["train_dataloader", "test_dataloader"], options.config, options.cfg_options):
        if options.data:
            set_data_root(config, Path(options.data))
        classes = find_classes(config, options.classes, task)
    device = resolve_device("auto")
    precision = _transfer_precision(options.precision, device)
    with named_as(["model"], options.config, options.cfg_options):
        task.set_classes(config, classes)
        downstream = config_hash(config, precision, world.size)
        fixed = config_hash(without_tunable(config), precision, world.size)
        bundle = _set_backbone(task, config, options)
    with named_as(["test_evaluator"], options.config, options.cfg_options):
        task.check_evaluator(config)
    with named_as(["train_dataloader", "optim_wrapper"], options.config, options.cfg_options):
        rate = _rate(config, world.size)
    set_validation(config, options.validate_every)
    set_workers(config, options.workers)
    config.randomness = dict(seed=options.seed)
    asked = _asked(task, options, bundle) | {
        "config_hash": downstream,
        "fixed_hash": fixed,
        **tuned,
        "classes": len(classes),
        "precision": precision,
        "hardware": {**hardware(device), "processes": world.size},
        "ops": ops,
    }
    return TransferPlan(task, options, world, config, bundle, classes, device, precision, rate, asked)


def _rate(config: Config, processes: int) -> str:
    """Scale the learning rate to the total batch; what became of it, and why."""
    stated = config.optim_wrapper.optimizer.lr
    arithmetic = scale_learning_rate(config, processes)
    batch = describe_batch(config, processes)
    if math.isclose(config.optim_wrapper.optimizer.lr, stated):
        return f"{stated:g} (the protocol's, for its batch of {batch.removeprefix('total batch ')})"
    return f"{arithmetic} ({batch})"


def _set_backbone(task: Task, config: Config, options: TransferOptions) -> Bundle:
    """Write the bundle, its channels and its input contract into the configuration."""
    bundle = open_bundle(options.backbone, options.seed)
    task.set_channels(config, bundle)
    set_input_contract(config, bundle.input_contract)
    config.model.backbone.update(bundle=options.backbone, seed=options.seed)
    # Built once on its own: an error here is a plain one, not wrapped in the frameworks' registries.
    bundle_trunk(**{key: value for key, value in config.model.backbone.items() if key != "type"})
    return bundle


def _transfer_precision(requested: str, device: torch.device) -> str:
    """bf16 or fp32: fp16 would need loss scaling across modules that stay in float32."""
    if requested == "fp16":
        raise UserError("--precision fp16: transfers run in bf16 or fp32")
    resolved = resolve_precision(requested, device)
    return "fp32" if resolved == "fp16" else resolved


def _asked(task: Task, options: TransferOptions, bundle: Bundle) -> dict[str, Any]:
    return {
        "task": task.name,
        "network": bundle.architecture,
        "recipe": bundle.training["recipe"],
        "seed": options.seed,
        "protocol": Path(options.config).stem,
        "backbone": _backbone_facts(options.backbone, bundle),
        "versions": package_versions(PACKAGES),
        "code": recorded_code(TASKS[task.name].tool, Path(options.config)),
    }


def _backbone_facts(source: str, bundle: Bundle) -> dict[str, Any]:
    facts: dict[str, Any] = {"path": source}
    if not source.startswith(RANDOM_PREFIX):
        facts["sha256"] = sha256_file(source)
    return facts | {key: bundle.training[key] for key in ("top1", "top5", "seed", "epochs") if key in bundle.training}
