"""What training did to the trunk: frozen stages are the bundle's to the last bit, the others learnt.

That the others can learn is looked at before the first step and after the first backward pass, so that a trunk without
a learning rate costs no training.
The proof before the first step showed that the built model held the bundle, so the bundle's checksums are those from
before, also for a run that was stopped and resumed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from backbones.bundles.bundle import Bundle, tensor_checksum
from backbones.bundles.ledger import TRUNK_PREFIX, ProofError, name_tensors
from backbones.models import Trunk
from backbones.text_files import read_records
from transfer.openmmlab.trunk import RoIStage
from transfer.protocol.levels import level

STEM = "stem"
FIRST_STEPS = 10
_REMEDY = (
    "to hold a stage fixed use model.backbone.frozen_stages, and else see that optim_wrapper gives it a learning rate "
    "and the loss reaches it"
)


@dataclass(frozen=True)
class Held:
    """What a configuration holds fixed, in its own words (``transfer.openmmlab.trunk.bundle_trunk``)."""

    frozen_stages: int = -1
    norm_eval: bool = False
    norm_frozen: bool = False

    @classmethod
    def of(cls, backbone: Mapping[str, Any]) -> Held:
        """From the configuration's ``model.backbone``; a stage that regions share is held alike."""
        return cls(**{name: backbone[name] for name in cls.__dataclass_fields__ if name in backbone})

    def moves(self, stage: int, is_norm: bool, is_parameter: bool, is_fixed: bool = False) -> bool:
        """Whether training changes a tensor of a stage (0 is the stem), in a BatchNorm or not, if it changes at all."""
        if stage <= self.frozen_stages or is_fixed:
            return False
        return not (is_norm and (self.norm_frozen if is_parameter else self.norm_eval))


@dataclass(frozen=True)
class _Seen:
    """A tensor of the trunk after training."""

    name: str
    moves: bool
    before: str
    after: str


def after_training(model: nn.Module, bundle: Bundle, held: Held, iterations: int, metrics: Path) -> dict[str, Any]:
    """What ``result.json`` says of a completed training under ``proof.after_training``.

    Raises:
        ProofError: See ``check_after_training``.
    """
    stages = check_after_training(model, bundle, held)
    return {"iterations": iterations, "stages": stages, "first_losses": first_losses(metrics)}


def describe(after: Mapping[str, Any]) -> str:
    """The same in one line."""
    learnt = ", ".join(stage["stage"] for stage in after["stages"] if stage["moved"])
    stayed = ", ".join(stage["stage"] for stage in after["stages"] if not stage["moved"])
    losses = ""
    if (first := after["first_losses"])["mean"]:
        losses = f"; mean loss of the first {first['iterations']} iterations {first['mean']['loss']:.3f}"
    return f"{learnt or 'nothing'} learnt, {stayed or 'nothing'} stayed{losses}"


def check_after_training(model: nn.Module, bundle: Bundle, held: Held) -> list[dict[str, Any]]:
    """Compare every tensor of a trained model's trunk with the bundle that it started from.

    Args:
        model: Detector or segmentor after training.
        bundle: The source of its trunk.
        held: What the configuration holds fixed. The model's own ``requires_grad`` is not asked: it may be what is
            wrong.

    Returns:
        Per stage, one digest over its tensors from before and one from after, how many tensors were to move, and how
        many there are.

    Raises:
        ProofError: A tensor that is held moved, or one that trains did not; the message names stage and tensors.
    """
    stages: dict[str, list[_Seen]] = {}
    for part in _parts(model):
        for stage, seen in _tensors(part, bundle, held):
            stages.setdefault(stage, []).append(seen)
    for stage, tensors in stages.items():
        _check_stage(stage, tensors)
    return [
        {
            "stage": stage,
            "tensors": len(tensors),
            "moved": sum(tensor.moves for tensor in tensors),
            "before": _digest(tensor.before for tensor in tensors),
            "after": _digest(tensor.after for tensor in tensors),
        }
        for stage, tensors in stages.items()
    ]


def check_will_move(model: nn.Module, optimizer: Optimizer, held: Held) -> None:
    """Before the first step: whatever is to train requires a gradient and has a learning rate.

    Args:
        model: Detector or segmentor as it is about to train.
        optimizer: Its optimizer; a rate that a warmup begins from zero counts by what it warms up to.
        held: What the configuration holds fixed.

    Raises:
        ProofError: A parameter would not move; the message names stage and parameters.
    """
    rates = {
        id(parameter): group.get("initial_lr", group["lr"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for stage, parameters in _trained(model, held).items():
        for reason, idle in (
            ("require no gradient", [name for name, each in parameters.items() if not each.requires_grad]),
            ("are not in the optimizer", [name for name, each in parameters.items() if id(each) not in rates]),
            ("have learning rate 0", [name for name, each in parameters.items() if not rates.get(id(each), 1)]),
        ):
            if idle:
                raise ProofError(f"{stage} is to train, but {name_tensors(idle)} {reason}; {_REMEDY}")


def check_gradients(model: nn.Module, held: Held) -> None:
    """After the first backward pass, before its gradients are cleared: the loss reaches every stage that is to train.

    Args as in ``check_will_move``.

    Raises:
        ProofError: No parameter of a stage got a gradient other than zero.
    """
    for stage, parameters in _trained(model, held).items():
        gradients = [each.grad for each in parameters.values() if each.grad is not None]
        if not any(gradient.count_nonzero() for gradient in gradients):
            how = "only zeros as gradients" if gradients else "no gradient"
            raise ProofError(f"{stage} is to train, but got {how} from the first loss; {_REMEDY}")


def _trained(model: nn.Module, held: Held) -> dict[str, dict[str, nn.Parameter]]:
    """By stage and name, the trunk's parameters that training is to change."""
    parts = _parts(model)
    stages = [name for part in parts for name in _stage_names(part)]
    found: dict[str, dict[str, nn.Parameter]] = {}
    for part in parts:
        for name, parameter in part.named_parameters():
            stage, level = _stage(part, name, stages)
            if held.moves(level, _is_norm(part, name), is_parameter=True, is_fixed=_is_fixed(part, name)):
                found.setdefault(stage, {})[name] = parameter
    return found


def _parts(model: nn.Module) -> list[Trunk | RoIStage]:
    """A trunk before the stage that was taken off it."""
    parts = [module for module in model.modules() if isinstance(module, (Trunk, RoIStage))]
    return sorted(parts, key=lambda part: isinstance(part, RoIStage))


def _stage_names(part: Trunk | RoIStage) -> list[str]:
    return [part.stage_name] if isinstance(part, RoIStage) else [info.name for info in part.feature_info]


def _tensors(part: Trunk | RoIStage, bundle: Bundle, held: Held) -> Iterator[tuple[str, _Seen]]:
    parameters = {name for name, _ in part.named_parameters()}
    for name, tensor in part.state_dict().items():
        stage, level = _stage(part, name, [info.name for info in bundle.feature_info])
        moves = held.moves(level, _is_norm(part, name), name in parameters, _is_fixed(part, name))
        yield stage, _Seen(name, moves, bundle.checksums[TRUNK_PREFIX + name], tensor_checksum(tensor))


def _is_norm(part: nn.Module, name: str) -> bool:
    return isinstance(part.get_submodule(name.rpartition(".")[0]), _BatchNorm)


def _is_fixed(part: Trunk | RoIStage, name: str) -> bool:
    return isinstance(part, Trunk) and name in part.fixed


def _stage(part: Trunk | RoIStage, name: str, stages: Sequence[str]) -> tuple[str, int]:
    """A tensor's stage by name, and its number among a protocol's; whatever belongs to none is the stem, 0."""
    if isinstance(part, RoIStage):
        return part.stage_name, stages.index(part.stage_name) + 1
    number = part.stage_of(name)
    return stages[number - 1] if number else STEM, level(part.levels, number)


def _check_stage(stage: str, tensors: Iterable[_Seen]) -> None:
    moved = [tensor.name for tensor in tensors if not tensor.moves and tensor.before != tensor.after]
    if moved:
        raise ProofError(
            f"{stage}: the configuration holds {name_tensors(moved)} fixed, but training changed them; the result is "
            "not of this protocol"
        )
    stayed = [tensor.name for tensor in tensors if tensor.moves and tensor.before == tensor.after]
    if stayed:
        raise ProofError(
            f"{stage}: training was to change {name_tensors(stayed)}, which are still the bundle's; {_REMEDY}"
        )


def _digest(checksums: Iterable[str]) -> str:
    return hashlib.sha256("".join(checksums).encode()).hexdigest()


def first_losses(metrics: Path) -> dict[str, Any]:
    """Mean losses of a run's first ``FIRST_STEPS`` iterations, from its ``metrics.jsonl``."""
    first = [record for record in read_records(metrics) if record["kind"] == "step" and record["step"] <= FIRST_STEPS]
    names = [name for name in first[0] if "loss" in name] if first else []
    names = [name for name in names if all(name in record for record in first)]
    return {"iterations": len(first), "mean": {name: fmean(record[name] for record in first) for name in names}}
