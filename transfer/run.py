"""One transfer: a trunk, a task, a protocol, a seed."""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from backbones.bundle import Bundle
from backbones.errors import UserError
from backbones.files import read_json, sha256_file, write_json
from backbones.precision import resolve_device, resolve_precision
from backbones.run_folder import RunFolder
from backbones.versions import hardware, package_versions
from transfer import ops_bridge
from transfer.batch_norm import check_batch_norm, choose_batch_norm
from transfer.configure import (
    config_hash,
    find_classes,
    load_config,
    scale_learning_rate,
    set_input_contract,
)
from transfer.hooks import AfterTrainingHook, PlainCheckpointHook, ProgressHook, ProofHook, SpeedHook
from transfer.mistakes import named_as
from transfer.movement import Held, after_training, describe
from transfer.proof import prove
from transfer.runner import build_runner
from transfer.task import Task, set_data_root
from transfer.trunk import RANDOM_PREFIX, bundle_trunk, open_bundle
from transfer.vacancy import Vacancy

PACKAGES = ("torch", "torchvision", "mmengine", "mmcv-lite", "mmcv", "mmdet", "mmsegmentation", "numpy")


@dataclass(frozen=True)
class TransferOptions:
    """What a user asks of one transfer; the fields are the options of ``tools/transfer_*.py``."""

    config: str
    backbone: str
    out: str
    data: str | None = None
    classes: str | None = None
    seed: int = 0
    precision: str = "auto"
    workers: int | None = None
    resume: bool = False
    cfg_options: Sequence[str] = ()


def run_transfer(task: Task, options: TransferOptions) -> dict[str, Any]:
    """Train and evaluate one transfer in its run folder, proving the backbone before the first step.

    Returns:
        The content of ``result.json``; that of the finished run if the folder holds one and ``resume`` is set.

    Raises:
        UserError: Anything about options, data, configuration or bundle that the user can mend.
        ProofError: The built model does not hold the bundle's trunk, and nothing was trained; or training moved what
            the configuration holds fixed, or did not move the rest, and nothing is measured.
    """
    started = time.perf_counter()
    # OpenMMLab announces its own deprecations at every start; they concern its authors, and are in its log file.
    warnings.filterwarnings("ignore", module=r"(mmengine|mmcv|mmdet|mmseg)\.")
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    ops = ops_bridge.install()
    config, bundle, asked = _prepare(task, options)
    asked["ops"] = ops
    vacancy = Vacancy(Path(options.out))
    folder = RunFolder.check(options.out, asked, options.resume)
    if folder.finished:
        print(f"{folder.path} is finished; its result:")
        return read_json(folder.result)
    with folder.locked():
        folder.begin()
        return _run(task, config, bundle, folder, vacancy, options, started)


def _run(
    task: Task,
    config: Config,
    bundle: Bundle,
    folder: RunFolder,
    vacancy: Vacancy,
    options: TransferOptions,
    started: float,
) -> dict[str, Any]:
    with vacancy.restored_on_error():
        runner = _build(task, config, folder, bundle, folder.run["precision"], options)
    try:
        _train(runner, vacancy, options)
        trained = time.perf_counter()
        measured = runner.test()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"continue with --resume --out {folder.path}") from None
    proof = read_json(folder.path / "proof.json")
    return folder.finish(
        {
            "metrics": task.metrics(measured),
            "per_class": task.per_class(measured),
            "proof": proof,
            "timings": {
                "train_seconds": round(trained - started, 2),
                "test_seconds": round(time.perf_counter() - trained, 2),
                "total_seconds": round(time.perf_counter() - started, 2),
            },
        }
    )


def _train(runner: Runner, vacancy: Vacancy, options: TransferOptions) -> None:
    """Train; an error before the first step is done leaves nothing behind, and is blamed on changed settings."""
    try:
        runner.train()
    except Exception:
        if runner.iter > 0:
            raise
        with vacancy.restored_on_error():
            if not options.cfg_options:
                raise  # the protocols themselves are tested, so this wants a traceback
            with named_as(["model"], options.config, options.cfg_options):
                raise


def _prepare(task: Task, options: TransferOptions) -> tuple[Config, Bundle, dict[str, Any]]:
    """Everything that can be wrong with a request is found here, before a folder is made."""
    config = load_config(options.config, options.cfg_options)
    with named_as(["train_dataloader", "test_dataloader"], options.config, options.cfg_options):
        if options.data:
            set_data_root(config, Path(options.data))
        classes = find_classes(config, options.classes, task)
    device = resolve_device("auto")
    precision = _transfer_precision(options.precision, device)
    with named_as(["model"], options.config, options.cfg_options):
        task.set_classes(config, classes)
        downstream = config_hash(config, precision)
        bundle = _set_backbone(task, config, options)
    with named_as(["test_evaluator"], options.config, options.cfg_options):
        task.check_evaluator(config)
    print(
        f"learning rate {scale_learning_rate(config, processes=1)} (total batch {config.train_dataloader.batch_size})"
    )
    with named_as(["train_dataloader", "test_dataloader"], options.config, options.cfg_options):
        data = task.check_data(config, classes)
    asked = {
        "task": task.name,
        "network": bundle.architecture,
        "recipe": bundle.training["recipe"],
        "seed": options.seed,
        "protocol": Path(options.config).stem,
        "config_hash": downstream,
        "classes": len(classes),
        "precision": precision,
        "batch_norm": choose_batch_norm(config, device, processes=1),
        "backbone": _backbone_facts(options.backbone, bundle),
        "data": data,
        "versions": package_versions(PACKAGES),
        "hardware": hardware(device),
    }
    return config, bundle, asked


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


def _backbone_facts(source: str, bundle: Bundle) -> dict[str, Any]:
    facts: dict[str, Any] = {"path": source}
    if not source.startswith(RANDOM_PREFIX):
        facts["sha256"] = sha256_file(source)
    return facts | {key: bundle.training[key] for key in ("top1", "top5", "seed", "epochs") if key in bundle.training}


def _build(
    task: Task, config: Config, folder: RunFolder, bundle: Bundle, precision: str, options: TransferOptions
) -> Runner:
    config.work_dir = str(folder.path / "openmmlab")
    config.randomness = dict(seed=options.seed)
    config.resume = options.resume
    config.experiment_name = folder.path.name
    if config.get("visualizer"):
        config.visualizer.name = config.work_dir  # mmengine keeps visualizers by name, with the folder they write to
    if options.workers is not None:
        for split in ("train", "val", "test"):
            if loader := config.get(f"{split}_dataloader"):
                loader.update(num_workers=options.workers, persistent_workers=options.workers > 0)
    importlib.import_module(f"{task.framework}.utils").register_all_modules()

    def record_proof(model: nn.Module) -> None:
        ledger, proof = prove(model, bundle)
        proof["batch_norm"] = check_batch_norm(model, folder.run["batch_norm"])
        write_json(folder.path / "ledger.json", ledger.rows())
        write_json(folder.path / "proof.json", proof)
        print(f"proof: {ledger.mapped} tensors arrived in the built {task.name} model, features equal bit for bit")
        print(f"batch norm: {folder.run['batch_norm']}, layers as built: {proof['batch_norm']}")

    def record_movement(model: nn.Module, iterations: int) -> None:
        after = after_training(model, bundle, Held.of(config.model.backbone), iterations, folder.metrics)
        write_json(folder.path / "proof.json", {**read_json(folder.path / "proof.json"), "after_training": after})
        print(f"after training: {describe(after)}")

    hooks = [ProofHook(record_proof), PlainCheckpointHook(), ProgressHook(folder), AfterTrainingHook(record_movement)]
    hooks.append(SpeedHook(task.bfloat16_modules if precision == "bf16" else ()))
    return build_runner(config, options.config, options.cfg_options, hooks)
