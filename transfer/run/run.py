"""One transfer: a trunk, a task, a protocol, a seed."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from backbones.cli.shell import shell_word
from backbones.errors import UserError
from backbones.files import full_disk_told, read_json, write_json
from backbones.machine.distributed import join_world, leave_world
from backbones.monitoring.energy import energy_record, meter_for
from backbones.monitoring.memory import peak_bytes
from backbones.recipes.recipe import RANDOM_RECIPE
from backbones.runs.keeping import WEIGHTS
from backbones.runs.run_folder import RunFolder
from transfer.openmmlab import ops_bridge
from transfer.openmmlab.batch_norm import SharedBuffersHook, check_batch_norm, choose_batch_norm, describe_norms
from transfer.openmmlab.checkpoints import OwnCheckpointsHook, PlainCheckpointHook, newest_checkpoint
from transfer.openmmlab.keeping import keep_weights
from transfer.openmmlab.logs import logs_end_with_the_run
from transfer.openmmlab.passes import PassesHook
from transfer.openmmlab.speed.hook import SpeedHook
from transfer.openmmlab.tensorboard import TensorboardHook, set_tensorboard
from transfer.proof.after_training import Held, after_training, describe
from transfer.proof.announce import describe_proof
from transfer.proof.arrival import prove
from transfer.proof.first_loss import FirstLossHook
from transfer.proof.hooks import AfterTrainingHook, MovableHook, ProofHook
from transfer.run.dry_run import dry_run
from transfer.run.dump import dump_config
from transfer.run.hooks import ClockHook, LossesHook, ProgressHook
from transfer.run.out_of_memory import lack_of_memory_explained
from transfer.run.plan import TransferPlan, settle
from transfer.run.recording import record_evaluation
from transfer.run.request import TransferOptions
from transfer.run.rollback import Rollback
from transfer.run.runner import blamed_on_settings, build_runner, set_run
from transfer.run.validation import ValidationHook
from transfer.tasks.task import Task

__all__ = ["TransferOptions", "run_transfer"]


def run_transfer(task: Task, options: TransferOptions) -> dict[str, Any]:
    """Train and evaluate one transfer in its run folder, proving the backbone before the first step.

    Of several processes, started by ``torchrun``, all call it.

    Returns:
        The content of ``result.json``; that of the finished run if the folder holds one and ``resume`` is set. Empty
        when nothing was to be trained, and in all processes but the leading one.

    Raises:
        UserError: Anything about options, data, configuration or bundle that the user can mend.
        ProofError: The built model does not hold the bundle's trunk, and nothing was trained; or training moved what
            the configuration holds fixed, or did not move the rest, and nothing is measured.
    """
    started = time.perf_counter()
    # OpenMMLab announces its own deprecations at every start; they concern its authors, and are in its log file.
    warnings.filterwarnings("ignore", module=r"(mmengine|mmcv|mmdet|mmseg)\.")
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    # A 1x1 kernel is in both memory layouts at once, and PyTorch's replicas wonder which of them was meant.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    world = join_world("auto")
    try:
        with world.one_error_for_all(), logs_end_with_the_run():
            plan = settle(task, options, world, ops_bridge.install())
            result = _carry_out(plan, started)
            return result if world.leads else {}
    finally:
        leave_world()


def _carry_out(plan: TransferPlan, started: float) -> dict[str, Any]:
    options, world = plan.options, plan.world
    dumped, out = options.dump_config, options.out
    if dumped:
        world.on_rank_zero(lambda: dump_config(plan, Path(dumped)))
        return {}
    if world.leads:
        for line in plan.told:
            print(line)
    if world.leads and not options.dry_run:  # which has it in its plan
        print("\n".join([f"learning rate {plan.rate}", *(f"length {each}" for each in plan.moved)]), flush=True)
    plan.asked["data"] = plan.check_data()
    plan.require_whole_batch(plan.asked["data"]["train_images"])
    plan.asked["batch_norm"] = choose_batch_norm(plan.config, plan.device, world.size)
    plan.asked["training"] = plan.training_facts(plan.asked["data"]["train_images"], plan.asked["batch_norm"])
    if world.leads and not options.dry_run:
        print(f"trains {plan.asked['training']['length']}", flush=True)
    if options.dry_run:
        dry_run(plan)
        return {}
    if out is None:
        raise UserError("a transfer writes a run folder: say which with out (--out), or make it a dry run")
    rollback = Rollback(Path(out), owned=world.leads)
    folder = world.on_rank_zero(lambda: RunFolder.check(out, plan.asked, options.resume))
    if world.on_rank_zero(lambda: folder.finished):
        if world.leads:
            print(f"{folder.path} is finished; its result:")
        return world.on_rank_zero(lambda: read_json(folder.result))
    with world.leading(folder.locked()), full_disk_told(folder.path):
        world.on_rank_zero(folder.begin)
        return _run(plan, folder, rollback, started)


def _run(plan: TransferPlan, folder: RunFolder, rollback: Rollback, started: float) -> dict[str, Any]:
    clock = ClockHook(started)
    meter = meter_for(plan.device) if plan.world.leads else None
    with rollback.restored_on_error(), plan.world.one_error_for_all():
        runner = _build(plan, folder, clock)
    plan.world.on_rank_zero(lambda: folder.note("training.updates", runner.max_iters))
    try:
        _train(runner, rollback, plan)
        train_seconds = clock.seconds
        trained = time.perf_counter()
        with lack_of_memory_explained(plan.batch):
            measured = runner.test()
        test_seconds = time.perf_counter() - trained
        pictures = plan.world.on_rank_zero(lambda: record_evaluation(plan.task, runner, folder.path))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"continue with --resume --out {shell_word(str(folder.path))}") from None
    result = {
        "metrics": plan.task.metrics(measured),
        "per_class": plan.task.per_class(measured),
        "pictures": pictures,
        "timings": {
            "train_seconds": round(train_seconds, 2),
            "test_seconds": round(test_seconds, 2),
            "total_seconds": round(train_seconds + test_seconds, 2),
            "peak_memory_bytes": peak_bytes(plan.device),  # since the last start, in the leading process
            **(energy_record(meter, folder.sessions) if plan.world.leads else {}),
        },
    }
    return plan.world.on_rank_zero(lambda: _finish(plan, folder, result, runner.max_iters))


def _finish(plan: TransferPlan, folder: RunFolder, result: dict[str, Any], iterations: int) -> dict[str, Any]:
    """Write ``result.json``; then what nobody needs any more may go."""
    result = folder.finish({**result, "proof": read_json(folder.path / "proof.json")})
    if plan.options.keep == WEIGHTS and (line := keep_weights(folder, folder.path / "openmmlab", iterations)):
        print(line, flush=True)
    return result


def _train(runner: Runner, rollback: Rollback, plan: TransferPlan) -> None:
    """Train; an error before the first step is done leaves nothing behind, and is blamed on changed settings."""
    try:
        with (
            plan.world.one_error_for_all(),
            blamed_on_settings(runner, plan.options.config, plan.options.cfg_options),
            lack_of_memory_explained(plan.batch),
        ):
            runner.train()
    except Exception:
        if runner.iter > 0:
            raise
        with rollback.restored_on_error():
            raise


def _build(plan: TransferPlan, folder: RunFolder, clock: ClockHook) -> Runner:
    options, world = plan.options, plan.world
    if options.tensorboard:
        set_tensorboard(plan.config, folder.path / "tensorboard")
    set_run(plan, folder.path / "openmmlab")
    checkpoint = world.on_rank_zero(lambda: newest_checkpoint(folder.path / "openmmlab"))
    if checkpoint:
        plan.config.update(resume=True, load_from=str(checkpoint))
    losses = LossesHook(world)
    progress = ProgressHook(folder, losses, world)
    own = OwnCheckpointsHook(folder.record, plan.asked["seed"])
    hooks = [*_proof_hooks(plan, folder), PlainCheckpointHook(), own, clock, losses, progress]
    hooks += [SpeedHook(plan.bfloat16_modules), SharedBuffersHook(world), PassesHook(plan.batch.accumulate)]
    if options.validate_every:
        hooks.append(ValidationHook(folder, plan.task, world, progress.tell))
    if options.tensorboard:
        hooks.append(TensorboardHook(world))
    return build_runner(plan.config, options.config, options.cfg_options, hooks)


def _proof_hooks(plan: TransferPlan, folder: RunFolder) -> list[Hook]:
    """Those that write ``ledger.json`` and ``proof.json``: before the training, with its first step, and after it."""
    world, path = plan.world, folder.path / "proof.json"
    chosen, images = plan.asked["batch_norm"], plan.asked["training"]["batch_norm_images"]

    def record_proof(model: nn.Module) -> None:
        ledger, proof = prove(model, plan.bundle)
        proof["batch_norm"] = check_batch_norm(model, chosen, images)
        if world.leads:
            write_json(folder.path / "ledger.json", ledger.rows())
            write_json(path, proof)
            print(f"proof: {describe_proof(ledger, proof, f'{plan.task.name} model')}")
            print(f"batch norm: {describe_norms(chosen, images, proof['batch_norm'])}")

    def record_after_training(model: nn.Module, iterations: int) -> None:
        after = after_training(model, plan.bundle, Held.of(plan.config.model.backbone), iterations, folder.metrics)
        write_json(path, {**read_json(path), "after_training": after})
        print(f"after training: {describe(after)}")

    def record_first_step(facts: dict[str, Any]) -> None:
        write_json(path, {**read_json(path), "first_step": facts})

    hooks = [
        ProofHook(record_proof),
        AfterTrainingHook(lambda *trained: world.on_rank_zero(lambda: record_after_training(*trained))),
    ]
    trained = plan.bundle.training["recipe"] != RANDOM_RECIPE
    hooks.append(MovableHook(Held.of(plan.config.model.backbone), trained))
    if trained:
        hooks.append(
            FirstLossHook(
                plan.bundle, lambda facts: world.on_rank_zero(lambda: record_first_step(facts)), plan.batch.accumulate
            )
        )
    return hooks
