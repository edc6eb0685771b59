"""One classification run: from a folder of images to ``backbone.safetensors`` and ``result.json``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from backbones.bundle import imagenet_contract, write_bundle
from backbones.checkpoint import Progression, load_checkpoint
from backbones.data.image_folder import ImageFolder, open_image_folder
from backbones.data.loader import count_steps
from backbones.errors import UserError
from backbones.files import read_json
from backbones.models import Classifier, create_classifier
from backbones.optimizer import create_optimizer
from backbones.precision import resolve_device, resolve_precision
from backbones.recipes import Recipe, find_recipe
from backbones.run_folder import RunFolder
from backbones.schedule import Schedule, peak_learning_rate, resolve_schedule
from backbones.training import TrainingJob, train
from backbones.tricks.low_precision import gradient_scaler
from backbones.versions import hardware, package_versions

SMALLEST_IMAGE = 32  # the networks' total stride
DESCRIPTIVE = ("name", "summary", "paper", "precision")  # of a recipe; a better wording does not make another run
VERSIONED = ("torch", "torchvision", "numpy", "pillow", "safetensors")


@dataclass(frozen=True)
class ClassificationRequest:
    """What a user asks for. None means: as the recipe has it. Sizes are in images and pixels."""

    data: Path
    network: str
    recipe: str
    out: Path
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    image_size: int = 224
    seed: int = 0
    workers: int = 0
    device: str = "auto"
    precision: str = "auto"
    resume: bool = False


@dataclass(frozen=True)
class _Plan:
    """A request with every open value settled."""

    request: ClassificationRequest
    recipe: Recipe
    data: ImageFolder
    epochs: int
    batch_size: int
    steps_per_epoch: int
    schedule: Schedule
    learning_rate_rule: str
    device: torch.device
    precision: str


def run_classification(request: ClassificationRequest) -> dict[str, Any]:
    """Train a classifier, or go on training it, and return what ``result.json`` holds.

    Raises:
        UserError: Something about the request, the images or the run folder is wrong; the message says what.
        KeyboardInterrupt: Stopped; the run folder holds what ``resume`` needs.
    """
    plan = _settle(request)
    model = _initial_model(plan)
    folder = RunFolder.open(request.out, _asked(plan), request.resume)
    if folder.finished:
        print(f"{request.out} is finished; there is nothing to resume")
        return read_json(folder.result)
    for line in _describe(plan, model):
        print(line, flush=True)
    job = _job(plan, model)
    progression = Progression()
    if folder.checkpoint.exists():
        progression = load_checkpoint(folder.checkpoint, job.model, job.optimizer, job.scaler)
        print(f"resumed   after batch {progression.step} of {plan.schedule.total_steps}")
    folder.forget_after(progression.step)
    train(job, folder, progression)
    _finish(plan, job, folder, progression)
    return read_json(folder.result)


def _settle(request: ClassificationRequest) -> _Plan:
    recipe = find_recipe(request.recipe)
    device = resolve_device(request.device)
    precision = resolve_precision(request.precision, device)
    epochs = recipe.epochs if request.epochs is None else request.epochs
    batch_size = recipe.batch_size if request.batch_size is None else request.batch_size
    if request.image_size < SMALLEST_IMAGE:
        raise UserError(f"--image-size {request.image_size}: the networks need {SMALLEST_IMAGE} pixels or more")
    if batch_size < 2:
        raise UserError(f"--batch-size {batch_size}: BatchNorm needs two images or more")
    data = open_image_folder(request.data)
    steps_per_epoch = count_steps(len(data.train), batch_size)
    peak, rule = peak_learning_rate(recipe, batch_size, request.learning_rate)
    schedule = resolve_schedule(recipe, epochs, steps_per_epoch, peak)
    return _Plan(request, recipe, data, epochs, batch_size, steps_per_epoch, schedule, rule, device, precision)


def _initial_model(plan: _Plan) -> Classifier:
    torch.manual_seed(plan.request.seed)
    model = create_classifier(plan.request.network, len(plan.data.classes), zero_gamma=plan.recipe.zero_gamma)
    return model.to(plan.device, memory_format=torch.channels_last)


def _job(plan: _Plan, model: Classifier) -> TrainingJob:
    if plan.device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # one image size, so the search pays off
    return TrainingJob(
        model=model,
        optimizer=create_optimizer(model, plan.recipe, fused=plan.precision != "fp16"),
        scaler=gradient_scaler(plan.precision, plan.device),
        schedule=plan.schedule,
        label_smoothing=plan.recipe.label_smoothing,
        data=plan.data,
        contract=imagenet_contract(plan.request.image_size),
        batch_size=plan.batch_size,
        steps_per_epoch=plan.steps_per_epoch,
        seed=plan.request.seed,
        device=plan.device,
        precision=plan.precision,
        workers=plan.request.workers,
    )


def _asked(plan: _Plan) -> dict[str, Any]:
    """What ``run.json`` says: everything that decides the outcome, and where it ran."""
    request, data = plan.request, plan.data
    measured = {"image_size": request.image_size, "fingerprint": data.fingerprint}
    return {
        "task": "classification",
        "network": request.network,
        "recipe": request.recipe,
        "seed": request.seed,
        "protocol": f"{request.image_size} px, one central crop",
        "config_hash": hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()[:12],
        "settings": {
            "epochs": plan.epochs,
            "batch_size": plan.batch_size,
            "image_size": request.image_size,
            "learning_rate": plan.learning_rate_rule,
            "precision": plan.precision,
            "schedule": asdict(plan.schedule),
            "recipe": {key: value for key, value in asdict(plan.recipe).items() if key not in DESCRIPTIVE},
        },
        "data": {
            "root": str(data.root.resolve()),
            "fingerprint": data.fingerprint,
            "classes": len(data.classes),
            "train_images": len(data.train),
            "val_images": len(data.val),
        },
        "versions": package_versions(VERSIONED),
        "hardware": {**hardware(plan.device), "workers": request.workers},
    }


def _describe(plan: _Plan, model: Classifier) -> list[str]:
    data, parameters = plan.data, sum(parameter.numel() for parameter in model.parameters())
    return [
        f"network   {plan.request.network}, {parameters / 1e6:.1f} M parameters",
        f"data      {data.root}: {len(data.classes)} classes, {len(data.train)} training and {len(data.val)} "
        f"validation images, fingerprint {data.fingerprint}",
        f"recipe    {plan.recipe.name}: {plan.recipe.summary}",
        f"run       {plan.epochs} epochs of {plan.steps_per_epoch} batches of {plan.batch_size} images at "
        f"{plan.request.image_size} px, seed {plan.request.seed}",
        f"lr        {plan.learning_rate_rule}",
        f"schedule  {plan.schedule.describe()}",
        f"machine   {plan.device}, {plan.precision}, {torch.get_num_threads()} threads, {plan.request.workers} workers",
    ]


def _finish(plan: _Plan, job: TrainingJob, folder: RunFolder, progression: Progression) -> None:
    """Write the bundle, then ``result.json``."""
    training = {
        "recipe": plan.recipe.name,
        "network": plan.request.network,
        "epochs": plan.epochs,
        "seed": plan.request.seed,
        "classes": list(plan.data.classes),
        "top1": progression.top1,
        "top5": progression.top5,
        "dataset": plan.data.root.resolve().name,
        "fingerprint": plan.data.fingerprint,
        "versions": folder.run["versions"],
    }
    write_bundle(folder.bundle, job.model, plan.request.network, job.contract, training)
    folder.finish(
        {
            "metrics": {"top1": progression.top1, "top5": progression.top5},
            "timings": {
                "train_seconds": round(progression.train_seconds, 2),
                "total_seconds": round(progression.total_seconds, 2),
            },
        }
    )
