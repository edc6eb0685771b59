"""After training: what was held stayed, what trains moved, in both tasks; and everything that must be refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from backbones.bundles.bundle import Bundle
from backbones.bundles.ledger import ProofError
from backbones.data.shapes import make_shapes
from backbones.models import Trunk
from transfer.openmmlab.trunk import bundle_stage, bundle_trunk, open_bundle
from transfer.proof.after_training import (
    FIRST_STEPS,
    Held,
    check_after_training,
    check_gradients,
    check_will_move,
    first_losses,
)
from transfer.run.hooks import ProgressHook
from transfer.run.run import TransferOptions, run_transfer

ROOT = Path(__file__).resolve().parents[3]
NETWORK = "random:mobilenet_v1_025"
SEGMENTATION = (
    "train_cfg.max_iters=3",  # of 8 images, which are 12 of 2
    "model.data_preprocessor.size=(64,64)",
    "train_dataloader.dataset.pipeline.2.crop_size=(64,64)",
)
DETECTION = ("train_cfg.max_epochs=1",)
TOTAL_BATCH = {"seg": 2, "c4": 4}
HELD = ("model.backbone.frozen_stages=1", "model.backbone.norm_eval=True", "model.backbone.norm_frozen=True")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=8, size=64, layouts=("detection", "segmentation"))


def transfer(kind: str, data: Path, out: Path, *options: str, resume: bool = False) -> dict[str, Any]:
    from transfer.tasks.detection import DETECTION as detection
    from transfer.tasks.segmentation import SEGMENTATION as segmentation

    task, protocol, folder, small = {
        "seg": (segmentation, "seg_configs/fcn_os8_demo.py", "ADEChallengeData2016", SEGMENTATION),
        "c4": (detection, "det_configs/faster_rcnn_c4_voc07.py", "VOCdevkit", DETECTION),
    }[kind]
    fixed = {"config": str(ROOT / protocol), "backbone": NETWORK, "workers": 0, "seed": 1, "resume": resume}
    where = {"out": str(out), "data": str(data / folder), "total_batch": TOTAL_BATCH[kind]}
    return run_transfer(task, TransferOptions(**fixed, **where, cfg_options=(*small, *options)))


@pytest.mark.parametrize("kind", ["seg", "c4"])
def test_a_run_records_what_moved_and_its_first_losses(
    kind: str, data: Path, small_c4: tuple[str, ...], tmp_path: Path
) -> None:
    small = small_c4 if kind == "c4" else ()
    result = transfer(kind, data, tmp_path / "run", *small, *HELD)
    after = result["proof"]["after_training"]
    assert [stage["stage"] for stage in after["stages"]] == ["stem", "stage1", "stage2", "stage3", "stage4"]
    for stage in after["stages"]:
        frozen = stage["stage"] in ("stem", "stage1")
        assert (stage["before"] == stage["after"]) == frozen
        # A sixth of a stage's tensors are kernels; the others are BatchNorm's, and held.
        assert stage["moved"] == (0 if frozen else stage["tensors"] // 6)
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in records if record["step"] <= FIRST_STEPS]
    assert len(losses) == min(FIRST_STEPS, after["iterations"]) == after["first_losses"]["iterations"]
    assert after["first_losses"]["mean"]["loss"] == pytest.approx(sum(losses) / len(losses))
    assert result["batch_norm"] == "BatchNorm"
    assert set(result["proof"]["batch_norm"]) == {"BatchNorm2d"}


def test_a_resumed_run_is_compared_with_the_bundle_and_not_with_its_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (*HELD, "default_hooks.checkpoint.interval=3")
    step = ProgressHook.after_train_iter
    steps: list[int] = []

    def stop_once_at_5(self: Any, runner: Any, *rest: Any, **more: Any) -> None:
        steps.append(runner.iter + 1)
        if len(steps) == 5:
            raise KeyboardInterrupt
        step(self, runner, *rest, **more)

    monkeypatch.setattr(ProgressHook, "after_train_iter", stop_once_at_5)
    with pytest.raises(KeyboardInterrupt):
        transfer("seg", data, tmp_path / "run", *options)
    result = transfer("seg", data, tmp_path / "run", *options, resume=True)
    assert steps == [1, 2, 3, 4, 5, *range(4, 13)]  # it went on after its third step
    bundle = open_bundle(NETWORK, 1)
    untrained = check_after_training(bundle_trunk(NETWORK, seed=1), bundle, Held(frozen_stages=4))
    after = result["proof"]["after_training"]
    assert [stage["before"] for stage in after["stages"]] == [stage["before"] for stage in untrained]
    assert (after["iterations"], after["first_losses"]["iterations"]) == (12, FIRST_STEPS)


def test_a_stage_that_was_not_really_frozen_stops_the_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trunk, "freeze", lambda self, *held: self)
    with pytest.raises(ProofError, match=r"stem: the configuration holds tensors stem\..* fixed, but training changed"):
        transfer("seg", data, tmp_path / "run", "model.backbone.frozen_stages=1")
    assert not (tmp_path / "run/result.json").exists()


def test_a_trunk_without_a_learning_rate_stops_the_run(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ProofError, match=r"stem is to train, but tensors stem\..* have learning rate 0"):
        transfer("seg", data, tmp_path / "run", "optim_wrapper.paramwise_cfg.custom_keys.backbone={'lr_mult': 0}")
    assert list(tmp_path.iterdir()) == []  # before the first step


class Parts(nn.Module):
    """A trunk's first three stages, and the last as a head of regions."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = bundle_trunk(NETWORK, stages=3, out_indices=(2,))
        self.head = bundle_stage(NETWORK, 3)


@pytest.fixture
def parts() -> tuple[Parts, Bundle]:
    return Parts(), open_bundle(NETWORK, 0)


@torch.no_grad()
def move(model: nn.Module, chosen: Callable[[str], bool]) -> None:
    for name, tensor in model.state_dict().items():
        if chosen(name):
            tensor.copy_(tensor + 1)


def is_norm(name: str) -> bool:
    return ".norm." in name


def is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def is_frozen(name: str) -> bool:
    return name.startswith(("backbone.stem.", "backbone.stage1."))


CASES = {
    "nothing held": (Held(), lambda name: True),
    "stem held": (Held(frozen_stages=0), lambda name: not name.startswith("backbone.stem.")),
    "two parts held": (Held(frozen_stages=1), lambda name: not is_frozen(name)),
    "statistics held": (Held(norm_eval=True), lambda name: not is_statistic(name)),
    "gamma and beta held": (Held(norm_frozen=True), lambda name: is_statistic(name) or not is_norm(name)),
    "all of it": (Held(1, True, True), lambda name: not is_frozen(name) and not is_norm(name)),
    "everything frozen": (Held(frozen_stages=4), lambda name: False),
}


@pytest.mark.parametrize(("held", "moves"), CASES.values(), ids=CASES)
def test_exactly_what_the_configuration_says_passes(
    held: Held, moves: Callable[[str], bool], parts: tuple[Parts, Bundle]
) -> None:
    model, bundle = parts
    names = list(model.state_dict())
    move(model, moves)
    stages = check_after_training(model, bundle, held)
    assert sum(stage["tensors"] for stage in stages) == len(names)
    assert sum(stage["moved"] for stage in stages) == sum(map(moves, names))
    assert all((stage["before"] != stage["after"]) == (stage["moved"] > 0) for stage in stages)
    first = {}  # of either sort
    for name in names:
        first.setdefault(moves(name), name)
    for moved, name in first.items():  # one tensor too many, or one too few
        tensor = model.state_dict()[name]
        kept = tensor.clone()
        source = bundle.tensors[f"trunk.{name.partition('.')[2]}"]
        tensor.copy_(source if moved else tensor + 1)
        wanted = "was to change tensor" if moved else "fixed, but training changed"
        with pytest.raises(ProofError, match=wanted) as caught:
            check_after_training(model, bundle, held)
        assert name.partition(".")[2] in str(caught.value)
        tensor.copy_(kept)


FREEZING = {"bundle": NETWORK, "stages": 3, "out_indices": (2,)}


class Trained(nn.Module):
    """As a configuration with this ``Held`` builds it, with something behind the trunk."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self.backbone = bundle_trunk(**FREEZING, **vars(held))
        self.head = bundle_stage(NETWORK, 3, norm_eval=held.norm_eval, norm_frozen=held.norm_frozen)
        self.last = nn.Conv2d(self.head(torch.zeros(2, self.backbone.feature_info[-1].channels, 4, 4)).shape[1], 1, 1)

    def loss(self) -> torch.Tensor:
        (third,) = self.backbone(torch.randn(2, 3, 64, 64))
        return self.last(self.head(third)).square().mean()


def sgd(*groups: Any, lr: float = 0.1) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": list(group)} for group in groups], lr=lr)


@pytest.mark.parametrize("held", [Held(), Held(0), Held(1, True, True), Held(2, True), Held(3)])
def test_what_will_move_passes_before_it_does(held: Held) -> None:
    model = Trained(held)
    optimizer = sgd(parameter for parameter in model.parameters() if parameter.requires_grad)
    check_will_move(model, optimizer, held)
    seen = []
    handle = optimizer.register_step_pre_hook(lambda *_: seen.append(check_gradients(model, held)))
    model.loss().backward()
    optimizer.step()
    handle.remove()
    assert len(seen) == 1


def test_a_rate_that_warms_up_from_zero_is_a_rate() -> None:
    model = Trained(Held())
    optimizer = sgd(model.parameters())
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    assert optimizer.param_groups[0]["lr"] == 0
    check_will_move(model, optimizer, Held())


def test_what_will_not_move_is_refused_before_the_first_step() -> None:
    model = Trained(Held())
    stage2 = list(model.backbone.stage2.parameters())
    others = [each for each in model.parameters() if all(each is not mine for mine in stage2)]
    with pytest.raises(ProofError, match=r"stage2 is to train, but tensors stage2\..* are not in the optimizer"):
        check_will_move(model, sgd(others), Held())
    optimizer = sgd(stage2, others)
    optimizer.param_groups[0]["lr"] = 0.0
    with pytest.raises(ProofError, match=r"stage2 is to train, but tensors stage2\..* have learning rate 0"):
        check_will_move(model, optimizer, Held())
    check_will_move(model, sgd(model.parameters()), Held(2))  # held, nothing is asked of it
    model.head.stage4[0].requires_grad_(False)
    with pytest.raises(ProofError, match=r"stage4 is to train, but tensors stage4\.0\..* require no gradient"):
        check_will_move(model, sgd(model.parameters()), Held())


def test_a_stage_that_the_loss_does_not_reach_is_refused_after_the_first_backward_pass() -> None:
    model = Trained(Held())
    with pytest.raises(ProofError, match="stem is to train, but got no gradient from the first loss"):
        check_gradients(model, Held())
    (third,) = model.backbone(torch.randn(2, 3, 64, 64))
    third.mean().backward()
    with pytest.raises(ProofError, match="stage4 is to train, but got no gradient"):
        check_gradients(model, Held())
    check_gradients(model, Held(4))
    (model.loss() * 0).backward()
    with pytest.raises(ProofError, match="stage4 is to train, but got only zeros as gradients"):
        check_gradients(model, Held())
    model.loss().backward()
    check_gradients(model, Held())


def test_held_is_read_from_the_configuration() -> None:
    assert Held.of({"type": "BundleTrunk", "bundle": "x", "output_stride": 8}) == Held()
    assert Held.of({"frozen_stages": 2, "norm_eval": True, "norm_frozen": True, "seed": 3}) == Held(2, True, True)


def test_first_losses_of_a_short_record(tmp_path: Path) -> None:
    lines = [{"kind": "step", "step": step, "loss": float(step), "aux.loss_ce": 1.0, "acc": 9.0} for step in (1, 2, 20)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert first_losses(tmp_path / "metrics.jsonl") == {"iterations": 2, "mean": {"loss": 1.5, "aux.loss_ce": 1.0}}
    (tmp_path / "metrics.jsonl").write_text("")
    assert first_losses(tmp_path / "metrics.jsonl") == {"iterations": 0, "mean": {}}
