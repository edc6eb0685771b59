"""One classification run: from a folder of images to ``backbone.safetensors`` and ``result.json``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from backbones.bundles.contract import InputContract, imagenet_contract
from backbones.bundles.loading import initialise_from
from backbones.data.folders.image_folder import verify_images
from backbones.data.folders.shared_images import SplitImages, count_shared
from backbones.errors import MachineError, UserError, not_none
from backbones.external.sources import Opened, open_source
from backbones.files import full_disk_told, read_json
from backbones.machine.distributed import join_world, leave_world
from backbones.machine.lacks import is_lack_of_memory
from backbones.machine.precision import tuned_convolutions
from backbones.models import Classifier, create_classifier, initialisation
from backbones.models.convolution import adopt_convolutions
from backbones.models.depthwise import quicken_depthwise
from backbones.models.sync_batch_norm import synchronise_batch_norm
from backbones.monitoring.energy import EnergyMeter, energy_record, meter_for
from backbones.monitoring.memory import peak_bytes
from backbones.monitoring.trackers import open_trackers
from backbones.recipes.recipe import COLORS
from backbones.recipes.switches import tricks_with
from backbones.runs.keeping import WEIGHTS, remove_checkpoints
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
from backbones.training.teacher import Teacher, describe_teachers, load_teachers, teachers_record
from backbones.tricks.low_precision import gradient_scaler
from backbones.tricks.zero_gamma import undo_zero_last_gamma


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
    model, contract, teachers, asked, lines = world.on_all_ranks(lambda: _prepare(plan))
    with tuned_convolutions():
        if request.dry_run:
            dry_run(_job(plan, model, contract, teachers, {}), lines)
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
        job = _job(plan, model, contract, teachers, folder.run["versions"])
        with world.leading(folder.locked()), full_disk_told(folder.path):
            return _train(plan, job, folder, lines, shared)


def _check_images(plan: Plan) -> int:
    """Every image can be decoded and is in one split alone; how many are in both, where that is allowed."""
    verify_images(plan.data)
    train, val = (SplitImages.of_folder(split) for split in (plan.data.train, plan.data.val))
    return count_shared(train, val, plan.request.allow_shared_images)


def _prepare(plan: Plan) -> tuple[Classifier, InputContract, tuple[Teacher, ...], dict[str, Any], list[str]]:
    """Untrained classifier, the images it wants, its teachers, what ``run.json`` says, and what is printed."""
    request = plan.request
    start = open_source(request.init_from, "--init-from", request.seed) if request.init_from else None
    model, contract, origin = _initial_model(plan, start)
    teachers = load_teachers(request.teachers, plan.data.classes, plan.image_size, plan.device)
    told = [line for each in (start, *teachers) if each for line in each.told]
    return model, contract, teachers, _asked(plan, teachers, start), [*told, *_describe(plan, model, origin, teachers)]


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
    except Exception as error:
        if isinstance(error, UserError) or not is_lack_of_memory(error):
            raise
        raise MachineError(
            f"{plan.device} has not enough memory for {plan.batch_size // plan.parts} images of {plan.image_size} px; "
            f"give a smaller --batch-size, or a larger --accumulate"
        ) from None
    return world.on_rank_zero(lambda: _finish(plan, job, folder, progression, meter))


def _initial_model(plan: Plan, start: Opened | None) -> tuple[Classifier, InputContract, str]:
    """The untrained (or, to be trained further, trained) classifier, what images it wants, and where it comes from."""
    request = plan.request
    torch.manual_seed(request.seed)
    model = create_classifier(
        request.network,
        len(plan.data.classes),
        auxiliary=request.auxiliary,
        drop_path=request.drop_path or 0.0,
        grad_checkpointing=request.grad_checkpointing,
    )
    if not plan.recipe.zero_gamma:
        undo_zero_last_gamma(model.trunk)
    for trick, value in tricks_with(plan.recipe, "initialise"):
        not_none(trick.initialise)(model.trunk, value)
    if reason := model.why_not(plan.image_size):
        what = f"{request.network} with --auxiliary" if request.auxiliary else request.network
        raise UserError(f"--image-size {plan.image_size}: {what} {reason}")
    contract = imagenet_contract(plan.image_size)
    origin = initialisation(request.network)
    if start:
        origin = initialise_from(model, start.bundle, plan.data.classes, request.network)
        contract = replace(
            start.bundle.input_contract, train_size=plan.image_size, eval_size=plan.image_size, interpolation="bilinear"
        )
    model.to(plan.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
    adopt_convolutions(model)
    quicken_depthwise(model)
    return model, contract, origin


def _replica(plan: Plan, model: Classifier) -> nn.Module:
    """What computes as the model does, and averages gradients over the processes if there are several."""
    if plan.world.size == 1:
        return model
    devices = [plan.device.index] if plan.device.type == "cuda" else None
    # BatchNorm's running statistics are shared before they are evaluated; training does not read them.
    return DistributedDataParallel(model, devices, broadcast_buffers=False)


def _job(
    plan: Plan, model: Classifier, contract: InputContract, teachers: Sequence[Teacher], versions: dict[str, Any]
) -> TrainingJob:
    request, recipe = plan.request, plan.recipe
    if request.sync_bn:
        model = synchronise_batch_norm(model)
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
            teacher=teachers[0] if teachers else None,
            precision=plan.precision,
            fellows=tuple(teachers[1:]),
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
            **({} if request.split is None else {"split": {"share": request.split, "seed": request.split_seed}}),
            **({} if request.split is None or request.fraction is None else {"fraction": request.fraction}),
            "versions": versions,
        },
        world=plan.world,
    )


def _asked(plan: Plan, teachers: Sequence[Teacher], start: Opened | None) -> dict[str, Any]:
    """What ``run.json`` says, with the weights that come from elsewhere by their content."""
    whole = asked(plan)
    if teachers:
        whole["teacher"] = teachers_record(teachers, plan.request.teachers)
    if start:
        whole["init_from"] = {**start.record(), "path": str(plan.request.init_from)}
    return whole


def _describe(plan: Plan, model: Classifier, origin: str, teachers: Sequence[Teacher]) -> list[str]:
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
    if data.layout:
        lines.insert(2, f"layout    {data.layout}; trains on train, measures on {data.measured}")
    if plan.request.split is not None:
        lines.insert(2, f"split     {plan.request.split:g} of train is held out, by seed {plan.request.split_seed}")
    if plan.request.fraction is not None:
        lines.insert(2, f"fraction  {plan.request.fraction:g} of the training images, for a first look")
    if plan.plugin:
        lines.insert(3, f"plugin    {plan.request.plugin}, sha256 {plan.plugin}")
    lines[1:1] = describe_teachers(teachers, plan.request.teachers)
    return lines


def _log(plan: Plan, folder: RunFolder, progression: Progression) -> TrainingLog:
    request, trackers = plan.request, []

    def open_them() -> None:
        trackers.extend(open_trackers(folder.path, request.tensorboard, request.wandb, folder.run, progression.step))

    plan.world.on_rank_zero(open_them)
    return TrainingLog(plan.schedule, plan.steps_per_epoch, folder, progression, plan.device, trackers, plan.world)


def _finish(
    plan: Plan, job: TrainingJob, folder: RunFolder, progression: Progression, meter: EnergyMeter | None
) -> dict[str, Any]:
    """Write the bundle, then ``result.json``; then what nobody needs any more may go."""
    job.write_bundle(folder.bundle, progression)
    result = folder.finish(
        {
            "metrics": {"top1": progression.top1, "top5": progression.top5},
            "best": {"top1": progression.best_top1, "epoch": progression.best_step / job.steps_per_epoch},
            "timings": {
                "train_seconds": round(progression.train_seconds, 2),
                "total_seconds": round(progression.total_seconds, 2),
                "peak_memory_bytes": peak_bytes(job.device),  # since the last start, in the leading process
                **energy_record(meter, folder.sessions),
            },
        }
    )
    if plan.request.keep == WEIGHTS and (line := remove_checkpoints(folder, [folder.checkpoint])):
        print(line, flush=True)
    return result
