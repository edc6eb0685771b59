"""Every trick of the registry: its hook against a slow reference, and a training that it changes and that repeats."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pytest import approx, mark, raises, skip
from torch import Tensor, nn

from backbones.errors import UserError
from backbones.machine.precision import precision_for
from backbones.models import create_classifier
from backbones.recipes.recipe import find_recipe
from backbones.recipes.schedule import resolve_schedule
from backbones.recipes.switches import is_on, switch, trick_with, tricks_with, value_of
from backbones.training.loop import TrainingJob, training_step
from backbones.training.request import ClassificationRequest
from backbones.tricks import TRICKS
from backbones.tricks.trick import EXCLUSIVE, Trick

pytestmark = mark.usefixtures("one_thread")
STEP = 5
IMAGES = torch.randn(3, 3, 4, 5, generator=torch.Generator().manual_seed(0))
LABELS = [2, 0, 3]
TARGETS = torch.tensor([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
STUDENT, TEACHER = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))


def smoothed(labels: list[int], classes: int, eps: float) -> list[list[float]]:
    return [[1 - eps if k == label else eps / (classes - 1) for k in range(classes)] for label in labels]


def blended(batch: Tensor, weight: float) -> list[Any]:
    return [(weight * one + (1 - weight) * other).tolist() for one, other in zip(batch, [*batch][::-1], strict=True)]


def distilled(student: Tensor, teacher: Tensor, targets: Tensor, temperature: float) -> float:
    def powers(logits: list[float], heat: float) -> list[float]:
        found = [math.exp(logit / heat) for logit in logits]
        return [each / sum(found) for each in found]

    total = 0.0
    for z, r, p in zip(student.tolist(), teacher.tolist(), targets.tolist(), strict=True):
        plain, soft, asked = powers(z, 1), powers(z, temperature), powers(r, temperature)
        total -= sum(p[k] * math.log(plain[k]) + temperature**2 * asked[k] * math.log(soft[k]) for k in range(len(z)))
    return total / len(targets)


def block_ends(trick: Trick) -> list[float]:
    trunk = create_classifier("resnet18_d", 3).trunk
    trick.initialise(trunk, True)
    return [module.last_norm.weight.abs().sum().item() for module in trunk.modules() if hasattr(module, "last_norm")]


def decays(trick: Trick) -> dict[str, float]:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    groups = trick.parameter_groups(model, 0.1, True)
    found = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    return {name: found[id(parameter)] for name, parameter in model.named_parameters()}


def warmed(_: Trick) -> list[float]:
    recipe = switch(find_recipe("b-standard"), ["warmup"], [])
    return [resolve_schedule(recipe, 12, 8, 0.4).learning_rate(step) for step in range(6)]


class Case(NamedTuple):
    """``done`` is what the trick's hook makes of something, ``slow`` the same by hand; ``request``: what it needs."""

    done: Callable[[Trick], Any]
    slow: Callable[[], Any]
    request: dict[str, Any] = {}  # noqa: RUF012


CASES = {
    "linear-scaling": Case(lambda t: t.learning_rate(0.1, 1024, True)[0], lambda: 0.1 * 1024 / 256),
    "warmup": Case(
        warmed, lambda: [0.4 * batch / 4 for batch in (1, 2, 3, 4)] + [0.4, 0.4], {"switched_on": ("warmup=119",)}
    ),
    "zero-gamma": Case(block_ends, lambda: [0.0] * 8),
    "no-bias-decay": Case(decays, lambda: {"0.weight": 0.1, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0}),
    "low-precision": Case(lambda t: tuple(t)[5:], lambda: tuple(Trick())[5:], {"precision": "bf16"}),  # no hook
    "cosine": Case(
        lambda t: [t.decay(k, 4) for k in range(5)], lambda: [1, 0.5 + 0.125**0.5, 0.5, 0.5 - 0.125**0.5, 0]
    ),
    "label-smoothing": Case(lambda t: t.targets(torch.tensor(LABELS), 4, 0.3), lambda: smoothed(LABELS, 4, 0.3)),
    "distillation": Case(
        lambda t: t.loss(STUDENT, TEACHER, TARGETS, 4.0), lambda: distilled(STUDENT, TEACHER, TARGETS, 4)
    ),
    "mixup": Case(lambda t: t.mix(IMAGES, TARGETS, 0.3), lambda: (blended(IMAGES, 0.3), blended(TARGETS, 0.3))),
}


def plain(value: Any) -> Any:
    """Tensors as nested lists, to be compared."""
    if isinstance(value, Tensor):
        return value.tolist()
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == (approx(expected, rel=1e-5, abs=1e-6) if isinstance(expected, (int, float, dict)) else expected)


def test_every_trick_has_a_case() -> None:
    assert list(CASES) == list(TRICKS)


def test_every_module_of_a_refinement_is_in_the_table() -> None:
    folder = Path(importlib.import_module("backbones.tricks").__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "trick"}
    assert modules == {name.replace("-", "_") for name in TRICKS}


@mark.parametrize("name", TRICKS)
def test_its_hook_does_what_the_slow_reference_does(name: str) -> None:
    assert_same(plain(CASES[name].done(TRICKS[name])), plain(CASES[name].slow()))


def test_a_wrong_hook_is_found() -> None:
    """Negative control: the smoothing of PyTorch, and a partner that is the neighbour."""
    spread = Trick(
        targets=lambda labels, k, eps: torch.full((len(labels), k), eps / k).scatter_(1, labels[:, None], 1 - eps)
    )
    rolled = Trick(
        draw=lambda *_: 0, mix=lambda x, y, w: (torch.lerp(x.roll(1, 0), x, w), torch.lerp(y.roll(1, 0), y, w))
    )
    for name, wrong in (("label-smoothing", spread), ("mixup", rolled)):
        with raises(AssertionError):
            assert_same(plain(CASES[name].done(wrong)), plain(CASES[name].slow()))


@mark.parametrize("name", TRICKS)
def test_a_step_with_it_is_another_and_repeats_to_the_bit(
    name: str,
    request_run: ClassificationRequest,
    job_of: Callable[..., TrainingJob],
    make_bundle_file: Callable[..., Any],
) -> None:
    changes = {"switched_on": (name,), **CASES[name].request}
    if TRICKS[name].needs_teacher:
        changes["teacher"], _ = make_bundle_file()
    if name == "low-precision":
        needs_bf16()
    base = replace(request_run, recipe="b-standard")
    weights = []
    for request in (replace(base, **changes), replace(base, **changes), base):
        job = job_of(request)
        batches = job.training_batches(STEP)
        training_step(job, next(batches), STEP)
        batches.close()
        weights.append(torch.cat([parameter.detach().flatten() for parameter in job.model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def needs_bf16() -> None:
    try:
        precision_for(True, "bf16", torch.device("cpu"))
    except UserError:
        skip("this CPU does not compute in 16 bits")


@mark.parametrize("hook", EXCLUSIVE)
def test_two_tricks_do_not_share_a_place(hook: str, own_registries: None) -> None:
    taken = next((name for name, trick in TRICKS.items() if getattr(trick, hook)))
    TRICKS["another"] = Trick(**{hook: lambda *_: None})
    recipe = find_recipe("b-standard")
    assert is_on(switch(recipe, ["another"], []), "another")  # alone it may
    with raises(UserError, match=f"{taken} and another both decide the {hook.replace('_', ' ')}; switch one off"):
        switch(recipe, [taken, "another"], [])


def test_what_mixes_stacks_and_draws_one_after_the_other(own_registries: None) -> None:
    TRICKS["second"] = Trick(
        on=3.0, off=0.0, lowest=0, draw=lambda value, random: random.random(), mix=lambda x, y, drawn: (x + drawn, y)
    )
    recipe = switch(find_recipe("d-smooth"), ["mixup", "second=5"], [])
    assert recipe.name == "d-smooth +mixup +second=5"
    assert recipe.tricks == {"second": 5.0}
    assert value_of(recipe, "second") == 5.0
    assert [value for _, value in tricks_with(recipe, "mix")] == [0.2, 5.0]
    random, expected = np.random.default_rng(4), np.random.default_rng(4)
    drawn = [trick.draw(value, random) for trick, value in tricks_with(recipe, "mix")]
    assert drawn == [expected.beta(0.2, 0.2), expected.random()]
    assert switch(recipe, [], ["second"]).tricks == {}
    assert trick_with(recipe, "loss") is None
