"""What a transfer will be: the request checked, the configuration of this run, and what ``run.json`` says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from backbones.bundles.bundle import Bundle
from backbones.data.folders.drawing_lots import HeldOut, share_size
from backbones.errors import UserError
from backbones.external.sources import RANDOM_PREFIX, Opened
from backbones.machine.distributed import World
from backbones.machine.precision import resolve_device, resolve_precision
from backbones.machine.versions import hardware, package_versions
from backbones.monitoring.trackers import check_trackers
from backbones.runs.fingerprint import recorded_code
from transfer.catalogue import TASKS
from transfer.openmmlab.batch_norm import images_per_estimate
from transfer.openmmlab.trunk import bundle_trunk, open_backbone
from transfer.protocol.config_errors import named_as
from transfer.protocol.derive import find_classes, set_input_contract, set_workers
from transfer.protocol.identity import config_hash, former_hash
from transfer.protocol.load import load_config, set_batch
from transfer.protocol.total_batch import TotalBatch, describe_epochs, epochs, require_whole_batch, settle_batch
from transfer.protocol.tunable import describe_tuning, without_tunable
from transfer.run.request import TransferOptions
from transfer.run.validation import refuse_validation_options, set_validation
from transfer.tasks.task import Task, draw_fraction, set_data_root

PACKAGES = ("torch", "torchvision", "mmengine", "mmcv-lite", "mmcv", "mmdet", "mmsegmentation", "numpy")


@dataclass(frozen=True)
class TransferPlan:
    """One transfer, settled; ``asked`` is for ``run.json``.

    ``rate`` is the learning rate as arithmetic, ``moved`` what another total batch than the protocol's makes of its
    lengths.
    """

    task: Task
    options: TransferOptions
    world: World
    config: Config
    bundle: Bundle
    classes: tuple[str, ...]
    device: torch.device
    precision: str
    batch: TotalBatch
    rate: str
    moved: tuple[str, ...]
    asked: dict[str, Any]
    told: tuple[str, ...] = ()

    @property
    def bfloat16_modules(self) -> tuple[str, ...]:
        """Submodules that compute in bf16."""
        return self.task.bfloat16_modules if self.precision == "bf16" else ()

    def check_data(self) -> dict[str, Any]:
        """Verify the whole data set; what ``run.json`` says of it. One process looks, all wait."""

        def check() -> dict[str, Any]:
            with named_as(["train_dataloader", "test_dataloader"], self.options.config, self.options.cfg_options):
                return self.task.check_data(self.config, self.classes, self.options.allow_shared_images)

        facts = self.world.on_rank_zero(check)
        fraction = self.options.fraction
        if fraction is None:
            return facts
        return {**facts, "fraction": fraction, "train_images": share_size(facts["train_images"], fraction)}

    def require_whole_batch(self, images: int) -> None:
        """Refuse a training set of fewer images than a batch (``transfer.protocol.total_batch``)."""
        options = self.options
        require_whole_batch(self.config, images, self.batch, options.total_batch, Path(options.config).stem)

    def training_facts(self, images: int, chosen: str) -> dict[str, Any]:
        """What ``run.json`` says of batch, learning rate and length.

        Args:
            images: Of the training set.
            chosen: The kind of BatchNorm (``transfer.openmmlab.batch_norm``).
        """
        return {
            "total_batch": self.batch.total,
            "processes": self.batch.processes,
            "accumulate": self.batch.accumulate,
            "learning_rate": self.config.optim_wrapper.optimizer.lr,
            "rate": self.rate,
            "epochs": epochs(self.config, images),
            "length": describe_epochs(self.config, images),
            "batch_norm_images": images_per_estimate(
                self.config, chosen, self.batch, any(name.endswith("running_var") for name in self.bundle.tensors)
            ),
        }


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
    with named_as(["train_dataloader", "optim_wrapper", "param_scheduler"], options.config, options.cfg_options):
        batch, rate, moved = settle_batch(config, options.total_batch, world.size, options.accumulate)
    classes = _set_data(task, config, options)
    device = resolve_device("auto")
    precision = _transfer_precision(options.precision, device)
    with named_as(["model"], options.config, options.cfg_options):
        task.set_classes(config, classes)
        hashed = (config, without_tunable(config))
        downstream, fixed = (config_hash(each, precision) for each in hashed)
        former = [former_hash(each, precision) for each in hashed]
        set_batch(config, batch)  # after the hashes, which are of the total batch
        opened = _set_backbone(task, config, options)
    with named_as(["test_evaluator"], options.config, options.cfg_options):
        task.check_evaluator(config)
    set_validation(config, options.validate_every)
    set_workers(config, options.workers)
    config.randomness = dict(seed=options.seed)
    asked = _asked(task, options, opened) | {
        "config_hash": downstream,
        "fixed_hash": fixed,
        "former_hashes": dict(zip(("config_hash", "fixed_hash"), former, strict=True)),
        **tuned,
        "classes": len(classes),
        "precision": precision,
        "hardware": {**hardware(device), "processes": world.size},
        "ops": ops,
    }
    return TransferPlan(
        *(task, options, world, config, opened.bundle, classes, device, precision, batch, rate, moved, asked),
        told=opened.told,
    )


def _set_data(task: Task, config: Config, options: TransferOptions) -> tuple[str, ...]:
    """Write the data, and which part of them, into the configuration; the names of the classes."""
    with named_as(["train_dataloader", "test_dataloader"], options.config, options.cfg_options):
        if options.data:
            set_data_root(config, Path(options.data))
        held_out = None if options.split is None else HeldOut(options.split, options.split_seed)
        adopted = task.adopt(config, held_out)
        if options.fraction is not None:
            draw_fraction(config, options.fraction)
        return find_classes(config, options.classes, task, adopted)


def _set_backbone(task: Task, config: Config, options: TransferOptions) -> Opened:
    """Write the bundle, its channels and its input contract into the configuration."""
    opened = open_backbone(options.backbone, options.seed)
    bundle = opened.bundle
    if "recipe" not in bundle.training:
        raise UserError(
            f"{bundle.source} does not say by which recipe it was trained (training.recipe); write it again"
        )
    task.set_channels(config, bundle)
    set_input_contract(config, bundle.input_contract)
    config.model.backbone.update(bundle=options.backbone, seed=options.seed)
    # Built once on its own: an error here is a plain one, not wrapped in the frameworks' registries.
    bundle_trunk(**{key: value for key, value in config.model.backbone.items() if key != "type"})
    return opened


def _transfer_precision(requested: str, device: torch.device) -> str:
    """bf16 or fp32: fp16 would need loss scaling across modules that stay in float32."""
    if requested == "fp16":
        raise UserError("--precision fp16: transfers run in bf16 or fp32")
    resolved = resolve_precision(requested, device)
    return "fp32" if resolved == "fp16" else resolved


def _asked(task: Task, options: TransferOptions, opened: Opened) -> dict[str, Any]:
    return {
        "task": task.name,
        "network": opened.bundle.architecture,
        "recipe": opened.bundle.training["recipe"],
        "seed": options.seed,
        "protocol": Path(options.config).stem,
        "backbone": _backbone_facts(options.backbone, opened),
        "versions": package_versions(PACKAGES),
        "code": recorded_code(TASKS[task.name].tool, Path(options.config)),
    }


def _backbone_facts(source: str, opened: Opened) -> dict[str, Any]:
    facts: dict[str, Any] = {"path": source}
    if not source.startswith(RANDOM_PREFIX):
        facts |= opened.record()
    training = opened.bundle.training
    kept = ("top1", "top5", "seed", "epochs", "initialisation")
    return facts | {key: training[key] for key in kept if key in training}
