"""One classification run: from a folder of images to ``backbone.safetensors`` and ``result.json``."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from backbones.bundles.bundle import read_bundle
from backbones.bundles.contract import InputContract, imagenet_contract
from backbones.bundles.loading import find_bundle, initialise_from
from backbones.data.image_folder import verify_images
from backbones.data.shared_images import SplitImages, count_shared
from backbones.errors import UserError, not_none
from backbones.files import full_disk_told, read_json, sha256_file
from backbones.machine.distributed import join_world, leave_world
from backbones.machine.precision import tuned_convolutions
from backbones.models import Classifier, create_classifier
from backbones.monitoring.energy import EnergyMeter, energy_record, meter_for
from backbones.monitoring.memory import peak_bytes
from backbones.monitoring.trackers import open_trackers
from backbones.recipes.recipe import COLORS
from backbones.recipes.switches import tricks_with
from backbones.runs.run_folder import RunFolder
from backbones.training.checkpoint import Progression, load_checkpoint
from backbones.training.dry_run import dry_run
from backbones.training.ema import WeightAverage
from backbones.training.log import TrainingLog
from backbones.training.loop import TrainingJob, train
from backbones.training.objective import Objective
from backbones.training.optimizer import create_optimizer
from backbones.training.plan import Plan, asked, settle
from backbones.training.request import ClassificationRequest
from backbones.training.teacher import Teacher, load_teacher
from backbones.tricks.low_precision import gradient_scaler


def run_classification(request: ClassificationRequest) -> dict[str, Any]:
    """Train a classifier, or go on training it, and return what ``result.json`` holds; empty after a dry run.

    Raises:
        UserError: Something about the request, the images or the run folder is wrong; the message says what.
        KeyboardInterrupt: Stopped; the run folder holds what ``resume`` needs.
    """
    world = join_world(request.device)
    try:
        return _run(settle(request, world))
    finally:
        leave_world()


def _run(plan: Plan) -> dict[str, Any]:
    request, world = plan.request, plan.world
    model, contract, teacher, asked, lines = world.on_all_ranks(lambda: _prepare(plan))
    with tuned_convolutions():
        if request.dry_run:
            dry_run(_job(plan, model, contract, teacher, {}), lines)
            return {}
        out = request.out
        if out is None:
            raise UserError("a training writes a run folder: say which with out (--out), or make it a dry run")
        folder = world.on_rank_zero(lambda: RunFolder.check(out, asked, request.resume))
        if world.on_rank_zero(lambda: folder.finished):
            if world.leads:
                print(f"{request.out} is finished; there is nothing to resume")
            return world.on_rank_zero(lambda: read_json(folder.result))
        shared = world.on_rank_zero(lambda: _check_images(plan))
        job = _job(plan, model, contract, teacher, folder.run["versions"])
        with world.leading(folder.locked()), full_disk_told(folder.path):
            return _train(plan, job, folder, lines, shared)


def _check_images(plan: Plan) -> int:
    """Every image can be decoded and is in one split alone; how many are in both, where that is allowed."""
    verify_images(plan.data)
    train, val = (SplitImages.of_folder(split) for split in (plan.data.train, plan.data.val))
    return count_shared(train, val, plan.request.allow_shared_images)


def _prepare(plan: Plan) -> tuple[Classifier, InputContract, Teacher | None, dict[str, Any], list[str]]:
    """Untrained classifier, the images it wants, its teacher, what ``run.json`` says, and what is printed."""
    model, contract, origin = _initial_model(plan)
    teacher = None
    if plan.request.teacher:
        teacher = load_teacher(plan.request.teacher, plan.data.classes, plan.image_size, plan.device)
    return model, contract, teacher, _asked(plan, teacher), _describe(plan, model, origin, teacher)


def _train(plan: Plan, job: TrainingJob, folder: RunFolder, lines: list[str], shared: int) -> dict[str, Any]:
    """Start the run in its folder, or go on with it there, to its end."""
    world = plan.world
    meter = meter_for(plan.device) if world.leads else None
    progression = Progression()
    if world.on_rank_zero(lambda: os.path.lexists(folder.checkpoint)):
        state = (job.model, job.average, job.optimizer, job.scaler)
        progression = world.on_all_ranks(lambda: load_checkpoint(folder.checkpoint, *state, run=folder.record))
        lines.append(f"resumed   after batch {progression.step} of {plan.schedule.total_steps}")
    world.on_rank_zero(folder.begin)
    if plan.request.allow_shared_images:
        world.on_rank_zero(lambda: folder.note("data.shared_images", shared))
    if world.leads:
        print("\n".join(lines), flush=True)
    world.on_rank_zero(lambda: folder.forget_after(progression.step, progression.evaluated_step))
    try:
        train(job, folder, progression, _log(plan, folder, progression))
    except torch.OutOfMemoryError:
        raise UserError(
            f"{plan.device} has not enough memory for {plan.batch_size // plan.parts} images of {plan.image_size} px; "
            f"give a smaller --batch-size, or a larger --accumulate"
        ) from None
    return world.on_rank_zero(lambda: _finish(job, folder, progression, meter))


def _initial_model(plan: Plan) -> tuple[Classifier, InputContract, str]:
    """The untrained (or, to be trained further, trained) classifier, what images it wants, and where it comes from."""
    request = plan.request
    torch.manual_seed(request.seed)
    model = create_classifier(request.network, len(plan.data.classes), auxiliary=request.auxiliary)
    for trick, value in tricks_with(plan.recipe, "initialise"):
        not_none(trick.initialise)(model.trunk, value)
    if plan.image_size < model.smallest_image:
        least = model.smallest_image
        what = f"{request.network} with --auxiliary" if request.auxiliary else request.network
        raise UserError(f"--image-size {plan.image_size}: {what} needs {least} pixels or more")
    contract = imagenet_contract(plan.image_size)
    origin = "Xavier initialisation"
    if request.init_from:
        bundle = read_bundle(find_bundle(request.init_from, "--init-from"))
        origin = initialise_from(model, bundle, plan.data.classes, request.network)
        contract = replace(
            bundle.input_contract, train_size=plan.image_size, eval_size=plan.image_size, interpolation="bilinear"
        )
    model.to(plan.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
    return model, contract, origin


def _replica(plan: Plan, model: Classifier) -> nn.Module:
    """What computes as the model does, and averages gradients over the processes if there are several."""
    if plan.world.size == 1:
        return model
    devices = [plan.device.index] if plan.device.type == "cuda" else None
    # BatchNorm's running statistics are shared before they are evaluated; training does not read them.
    return DistributedDataParallel(model, devices, broadcast_buffers=False)


def _job(
    plan: Plan, model: Classifier, contract: InputContract, teacher: Teacher | None, versions: dict[str, Any]
) -> TrainingJob:
    request, recipe = plan.request, plan.recipe
    if request.sync_bn:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return TrainingJob(
        model=model,
        replica=_replica(plan, model),
        average=WeightAverage(model, request.ema) if request.ema else None,
        optimizer=create_optimizer(model, recipe, fused=plan.precision != "fp16"),
        scaler=gradient_scaler(plan.precision, plan.device),
        schedule=plan.schedule,
        objective=Objective(
            classes=len(plan.data.classes),
            contract=contract,
            recipe=recipe,
            teacher=teacher,
            precision=plan.precision,
        ),
        data=plan.data,
        batch_size=plan.batch_size,
        accumulate=request.accumulate,
        clip=request.clip,
        steps_per_epoch=plan.steps_per_epoch,
        seed=request.seed,
        color=plan.color,
        device=plan.device,
        precision=plan.precision,
        workers=request.workers,
        network=request.network,
        facts={
            "recipe": recipe.name,
            "network": request.network,
            "seed": request.seed,
            "classes": list(plan.data.classes),
            "dataset": plan.data.root.resolve().name,
            "fingerprint": plan.data.fingerprint,
            "versions": versions,
        },
        world=plan.world,
    )


def _asked(plan: Plan, teacher: Teacher | None) -> dict[str, Any]:
    """What ``run.json`` says, with the weights that come from elsewhere by their content."""
    whole = asked(plan)
    if teacher:
        whole["teacher"] = {"network": teacher.network, "sha256": teacher.sha256, "path": str(plan.request.teacher)}
    if plan.request.init_from:
        path = find_bundle(plan.request.init_from, "--init-from")
        whole["init_from"] = {"sha256": sha256_file(path), "path": str(plan.request.init_from)}
    return whole


def _describe(plan: Plan, model: Classifier, origin: str, teacher: Teacher | None) -> list[str]:
    data, parameters = plan.data, sum(parameter.numel() for parameter in model.parameters())
    cut = f" in {plan.parts} parts" if plan.parts > 1 else ""
    lines = [
        f"network   {plan.request.network}, {parameters / 1e6:.1f} M parameters, {origin}",
        f"data      {data.root}: {len(data.classes)} classes, {len(data.train)} training and {len(data.val)} "
        f"validation images, fingerprint {data.fingerprint}",
        f"recipe    {plan.recipe.name}: {plan.recipe.summary}",
        f"run       {plan.epochs} epochs of {plan.steps_per_epoch} batches of {plan.batch_size} images{cut} at "
        f"{plan.image_size} px, seed {plan.request.seed}",
        f"color     {plan.color}: {COLORS[plan.color]}",
        f"lr        {plan.learning_rate_rule}",
        f"schedule  {plan.schedule.describe()}",
        f"machine   {plan.world.size} x {plan.device}, {plan.precision}, {torch.get_num_threads()} threads, "
        f"{plan.request.workers} workers",
    ]
    if plan.request.split is not None:
        lines.insert(2, f"split     {plan.request.split:g} of train is held out, by seed {plan.request.split_seed}")
    if plan.request.fraction is not None:
        lines.insert(2, f"fraction  {plan.request.fraction:g} of the training images, for a first look")
    if plan.plugin:
        lines.insert(3, f"plugin    {plan.request.plugin}, sha256 {plan.plugin}")
    if teacher:
        lines.insert(1, f"teacher   {teacher.network} from {plan.request.teacher}")
    return lines


def _log(plan: Plan, folder: RunFolder, progression: Progression) -> TrainingLog:
    request, trackers = plan.request, []

    def open_them() -> None:
        trackers.extend(open_trackers(folder.path, request.tensorboard, request.wandb, folder.run, progression.step))

    plan.world.on_rank_zero(open_them)
    return TrainingLog(plan.schedule, plan.steps_per_epoch, folder, progression, plan.device, trackers, plan.world)


def _finish(job: TrainingJob, folder: RunFolder, progression: Progression, meter: EnergyMeter | None) -> dict[str, Any]:
    """Write the bundle, then ``result.json``."""
    job.write_bundle(folder.bundle, progression)
    return folder.finish(
        {
            "metrics": {"top1": progression.top1, "top5": progression.top5},
            "best": {"top1": progression.best_top1, "epoch": progression.best_step / job.steps_per_epoch},
            "timings": {
                "train_seconds": round(progression.train_seconds, 2),
                "total_seconds": round(progression.total_seconds, 2),
                "peak_memory_bytes": peak_bytes(job.device),  # of the last sitting, in the leading process
                **energy_record(meter, folder.sessions),
            },
        }
    )
