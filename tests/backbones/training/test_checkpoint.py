"""Saving and restoring the state of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytest import fixture, mark, raises
from torch import nn

from backbones.errors import UserError
from backbones.training.checkpoint import Progression, load_checkpoint, save_checkpoint
from backbones.training.ema import WeightAverage

Parts = tuple[nn.Module, WeightAverage | None, torch.optim.SGD, torch.amp.GradScaler]
PROGRESSION = Progression(7, 5, 12.5, 50.0, 3, 13.5, 3.25, 10.0, 12.0)


def parts(width: int = 3, averaged: bool = False) -> Parts:
    model = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    average = WeightAverage(model, 0.9) if averaged else None
    return model, average, optimizer, torch.amp.GradScaler("cpu", init_scale=8.0)


def step(
    model: nn.Module, average: WeightAverage | None, optimizer: torch.optim.SGD, scaler: torch.amp.GradScaler
) -> None:
    torch.manual_seed(5)
    optimizer.zero_grad()
    scaler.scale(model(torch.rand(2, 3, 6, 6)).square().sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    if average:
        average.update(model, 3)


@fixture
def saved(tmp_path: Path) -> Path:
    state = parts()
    step(*state)
    save_checkpoint(tmp_path / "last.pt", *state, PROGRESSION)
    return tmp_path / "last.pt"


def test_restores_everything_that_the_next_step_depends_on(saved: Path) -> None:
    original, restored = parts(), parts()
    load_checkpoint(saved, *original)
    assert load_checkpoint(saved, *restored) == PROGRESSION
    fresh = parts()
    fresh[0].load_state_dict(original[0].state_dict())  # negative control: weights without momentum
    for state in (original, restored, fresh):
        step(*state)
    weights = [state[0].state_dict()["0.weight"] for state in (original, restored, fresh)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_scale_of_the_loss_is_restored(tmp_path: Path) -> None:
    state = parts()
    state[3].load_state_dict({**state[3].state_dict(), "scale": 2.0})
    step(*state)
    save_checkpoint(tmp_path / "last.pt", *state, PROGRESSION)
    restored = parts()
    load_checkpoint(tmp_path / "last.pt", *restored)
    assert restored[3].get_scale() == 2.0


def test_holds_no_code(saved: Path) -> None:
    keys = {"format", "model", "average", "optimizer", "scaler", "progression"}
    assert set(torch.load(saved, weights_only=True)) == keys


def test_the_average_is_restored_bit_for_bit(tmp_path: Path) -> None:
    state, restored = parts(averaged=True), parts(averaged=True)
    for _ in range(2):
        step(*state)
    save_checkpoint(tmp_path / "last.pt", *state, PROGRESSION)
    original = state[1].module.state_dict()
    assert not torch.equal(original["0.weight"], state[0].state_dict()["0.weight"])
    load_checkpoint(tmp_path / "last.pt", *restored)
    for name, value in restored[1].module.state_dict().items():
        assert torch.equal(value, original[name]), name
    for parts_ in (state, restored):
        step(*parts_)
    for name, value in restored[1].module.state_dict().items():
        assert torch.equal(value, state[1].module.state_dict()[name]), name
    assert not any(parameter.requires_grad for parameter in restored[1].module.parameters())


def test_a_checkpoint_without_average_does_not_fit_a_run_that_averages(saved: Path) -> None:
    with raises(UserError, match="belongs to another model"):
        load_checkpoint(saved, *parts(averaged=True))


def test_a_damaged_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-500])
    with raises(UserError, match=r"last\.pt is damaged"):
        load_checkpoint(saved, *parts())


def test_something_else_is_refused(tmp_path: Path) -> None:
    for other in ([1, 2], {"format": 1}, {"model": {}}):
        torch.save(other, tmp_path / "last.pt")
        with raises(UserError, match="not a checkpoint of format 2"):
            load_checkpoint(tmp_path / "last.pt", *parts())


def test_a_checkpoint_of_another_model_is_refused(saved: Path) -> None:
    with raises(UserError, match="belongs to another model"):
        load_checkpoint(saved, *parts(width=4))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with raises(UserError, match=r"last\.pt: no such checkpoint"):
        load_checkpoint(tmp_path / "last.pt", *parts())


RUN = {"task": "classification", "network": "resnet18_d", "seed": 1, "settings": {"epochs": 3}}


def test_a_checkpoint_of_another_run_is_refused_and_both_are_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", *parts(), PROGRESSION, run=RUN)
    assert load_checkpoint(tmp_path / "last.pt", *parts(), run=RUN) == PROGRESSION
    untouched = parts()
    before = untouched[0].state_dict()["0.weight"].clone()
    for other, words in (({"seed": 2}, "seed: 1 there, 2 asked"), ({"settings": {"epochs": 9}}, "3 there, 9 asked")):
        with raises(UserError, match=rf"last\.pt belongs to another run \(.*{words}\); put back .* or delete it"):
            load_checkpoint(tmp_path / "last.pt", *untouched, run={**RUN, **other})
    assert torch.equal(before, untouched[0].state_dict()["0.weight"])


def test_a_checkpoint_of_an_earlier_version_is_of_any_run_and_still_checked(saved: Path) -> None:
    assert load_checkpoint(saved, *parts(), run=RUN) == PROGRESSION
    content = bytearray(saved.read_bytes())
    weight = parts_of(saved)["model"]["0.weight"].numpy().tobytes()
    content[content.index(weight) + 2] ^= 1
    saved.write_bytes(content)
    with raises(UserError, match=r"last\.pt is damaged \('archive/data/\d': Bad CRC-32"):
        load_checkpoint(saved, *parts(), run=RUN)


def test_a_progression_that_is_none_is_refused(saved: Path) -> None:
    for values in (None, {"steps": 1}, {"step": "7"}, {"step": 1.5}, {"top1": True}, {"loss_sum": torch.ones(1)}):
        torch.save({**parts_of(saved), "progression": values}, saved)
        with raises(UserError, match=r"last\.pt belongs to another model \(") as caught:
            load_checkpoint(saved, *parts())
        assert "\n" not in str(caught.value)


DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "optimizer.state.0.momentum_buffer is not of": lambda state: state["optimizer"]["state"][0].update(
        momentum_buffer="text"
    ),
    "optimizer.param_groups.0.lr is True": lambda state: state["optimizer"]["param_groups"][0].update(lr=True),
    "scaler.scale is 'x'": lambda state: state["scaler"].update(scale="x"),
    "scaler lacks growth_factor": lambda state: state["scaler"].pop("growth_factor"),
    "0.weight is torch.int8": lambda state: state["model"].update(
        {"0.weight": torch.ones(3, 3, 3, 3, dtype=torch.int8)}
    ),
    "model.0.bias is no plain tensor but without values": lambda state: state["model"].update(
        {"0.bias": torch.ones(3, device="meta")}
    ),
    "optimizer.state.1.momentum_buffer is no plain tensor but torch.sparse_coo": lambda state: state["optimizer"][
        "state"
    ][1].update(momentum_buffer=torch.ones(3).to_sparse()),
}


@mark.parametrize("words", DAMAGE)
def test_an_entry_that_the_next_steps_would_stumble_over_is_named(words: str, saved: Path) -> None:
    state = parts_of(saved)
    DAMAGE[words](state)
    torch.save(state, saved)
    with raises(UserError, match=rf"last\.pt.*{words}.*; put back") as caught:
        load_checkpoint(saved, *parts())
    assert str(caught.value).isprintable()


def parts_of(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state
