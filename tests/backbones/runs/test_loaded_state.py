"""What is taken over from a checkpoint is of the kind of what it is put in the place of."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest import fixture, mark, raises
from torch import nn

from backbones.runs.loaded_state import require_optimizer_state, require_same_structure

OWN = {"rate": 0.1, "steps": 3, "on": False, "how": None, "name": "a", "betas": (0.9, 0.99), "inner": {"x": 1}}
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats(-1e38, 1e38) | st.text(max_size=2),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=2), inside, max_size=3),
    max_leaves=5,
)


@given(plain)
def test_everything_is_of_its_own_kind(value: Any) -> None:
    require_same_structure(copy.deepcopy(value), value, "state")


@mark.parametrize("value", [{"on": None}, {"on": True}, {"rate": 2}, {"betas": [0, 1]}, {"more": "x"}, {"how": 0.5}])
def test_what_differs_in_value_alone_has_the_same_structure(value: dict[str, Any]) -> None:
    require_same_structure({**OWN, **value}, OWN, "state")
    require_same_structure({key: each for key, each in OWN.items() if key not in ("on", "how")}, OWN, "state")


@mark.parametrize(
    ("value", "words"),
    [
        ({"rate": "0.1"}, "state.rate is '0.1', not of the kind of 0.1"),
        ({"rate": float("nan")}, "state.rate is nan"),
        ({"rate": float("inf")}, "state.rate is inf"),
        ({"rate": 10**400}, "state.rate is 1000"),
        ({"rate": 1e308}, "state.rate is 1e"),
        ({"rate": True}, "state.rate is True"),
        ({"on": 1}, "state.on is 1"),
        ({"how": "for each"}, "state.how is 'for each'"),
        ({"name": None}, "state.name is None"),
        ({"betas": (0.9,)}, "state.betas is"),
        ({"betas": (0.9, "x")}, "state.betas.1 is 'x'"),
        ({"inner": []}, "state.inner is"),
        ({"inner": {}}, "state.inner lacks x"),
    ],
)
def test_what_is_of_another_kind_is_named(value: dict[str, Any], words: str) -> None:
    with raises(ValueError, match=words):
        require_same_structure({**OWN, **value}, OWN, "state")


def make(optimizer: Callable[..., torch.optim.Optimizer]) -> torch.optim.Optimizer:
    """After a step, in two groups."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    made = optimizer([{"params": model[0].parameters()}, {"params": model[1].parameters(), "weight_decay": 0.0}])
    model(torch.rand(4, 2)).square().sum().backward()
    made.step()
    return made


@fixture(params=["sgd", "adamw"])
def optimizer(request: Any) -> torch.optim.Optimizer:
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True),
        "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.1),
    }
    return make(kinds[request.param])


def test_an_optimizer_s_own_state_is_taken(optimizer: torch.optim.Optimizer) -> None:
    state = optimizer.state_dict()
    require_optimizer_state(state, optimizer)
    require_optimizer_state({**state, "state": {}}, optimizer)  # before the first step
    state["param_groups"][0]["initial_lr"] = 0.5  # as schedules leave it
    del state["param_groups"][0]["maximize"]  # which older versions had not
    require_optimizer_state(state, optimizer)


def kept(state: dict[str, Any], value: Any) -> None:
    first = state["state"][0]
    first[next(name for name in first if name != "step")] = value


DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "param_groups is not a list of 2": lambda state: state["param_groups"].pop(),
    "param_groups.0.lr is 'x'": lambda state: state["param_groups"][0].update(lr="x"),
    "param_groups.1.lr is nan": lambda state: state["param_groups"][1].update(lr=float("nan")),
    "param_groups.0 lacks weight_decay": lambda state: state["param_groups"][0].pop("weight_decay"),
    "param_groups.0.initial_lr is None": lambda state: state["param_groups"][0].update(initial_lr=None),
    "param_groups.0.params are not the weights": lambda state: state["param_groups"][0].update(params=[1, 0]),
    "param_groups.0.params is ": lambda state: state["param_groups"][0].update(params=[0]),
    "param_groups.1 is 7, not a section": lambda state: state["param_groups"].__setitem__(1, 7),
    "state is not a section for each weight": lambda state: state.update(state=[]),
    "state is not a section for each ": lambda state: state["state"].update({1: "text"}),
    "state has not the same of all weights": lambda state: state["state"][1].update(unknown=1),
    "state.9 is of no weight": lambda state: state["state"].update({9: state["state"].pop(0)}),
    "is not of the weight's shape and type": lambda state: kept(state, torch.zeros(7)),
    "is not of the weight's shape and type, ": lambda state: kept(state, torch.zeros(3, 2, dtype=torch.int8)),
    "of some weights as single numbers": lambda state: kept(state, 0.5),
    "of some weights as single ": lambda state: kept(state, torch.tensor(0.5)),
    "is not of the weight's shape and type, and": lambda state: kept(state, "text"),
}


@mark.parametrize("words", DAMAGE)
def test_a_damaged_optimizer_is_named(words: str, optimizer: torch.optim.Optimizer) -> None:
    state = copy.deepcopy(optimizer.state_dict())
    DAMAGE[words](state)
    with raises(ValueError, match=words):
        require_optimizer_state(state, optimizer)


def test_no_section_at_all(optimizer: torch.optim.Optimizer) -> None:
    for there in (None, [], "x"):
        with raises(ValueError, match="optimizer is"):
            require_optimizer_state(there, optimizer)
