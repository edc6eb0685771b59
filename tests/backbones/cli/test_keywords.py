"""Options from Python: what is taken, what is refused, and that commands refuse the same."""

from __future__ import annotations

import argparse
import inspect
import runpy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from pytest import fixture, mark, raises

import backbones.python
import transfer.python
from backbones.cli.keywords import as_path, one_of, read_keywords, takes_keywords_of
from backbones.cli.options import positive_int
from backbones.errors import UserError
from backbones.training.request import ClassificationRequest
from transfer.run.options import add_transfer_options
from transfer.run.request import TransferOptions

ROOT = Path(__file__).resolve().parents[3]
LIMITS = {"size": positive_int, "order": one_of("RGB", "BGR")}


@dataclass(frozen=True)
class Wish:
    file: Path
    name: str = "x"
    size: int | None = None
    rate: float = 0.5
    loud: bool = False
    words: tuple[str, ...] = ()
    more: Sequence[str] = ()
    order: str = "RGB"


def wish(**given: Any) -> Wish:
    return read_keywords("wish", Wish, given, LIMITS)


def test_values_become_what_the_fields_hold() -> None:
    found = wish(file="a/b", name=Path("c"), size=np.int64(3), rate=2, words=["u", "v"], more=("w",), order="BGR")
    assert found == Wish(Path("a/b"), "c", 3, 2.0, False, ("u", "v"), ("w",), "BGR")
    assert (type(found.size), type(found.rate)) == (int, float)
    assert wish(file=Path("a"), size=None) == Wish(Path("a"))


@mark.parametrize(
    ("given", "message"),
    [
        ({"flie": "a"}, "wish() has no 'flie'; did you mean file? it takes file, name, size, rate, loud, words, more"),
        ({}, "wish() needs file="),
        ({"file": None}, "wish(file=None): a path is wanted, not None"),
        ({"file": "a", "size": "3"}, "wish(size='3'): a whole number is wanted, not a value of type str"),
        ({"file": "a", "size": 3.0}, "wish(size=3.0): a whole number is wanted, not a value of type float"),
        ({"file": "a", "size": True}, "wish(size=True): a whole number is wanted, not a value of type bool"),
        ({"file": "a", "size": 0}, "wish(size=0): must be 1 or more"),
        ({"file": "a", "rate": "x"}, "wish(rate='x'): a number is wanted, not a value of type str"),
        ({"file": "a", "loud": 1}, "wish(loud=1): True or False is wanted, not a value of type int"),
        ({"file": "a", "words": "uv"}, "wish(words='uv'): a list of texts is wanted, not a value of type str"),
        ({"file": "a", "more": [1]}, "wish(more=[1]): a list of texts is wanted, not a value of type list"),
        ({"file": "a", "order": "GBR"}, "wish(order='GBR'): did you mean "),
    ],
)
def test_anything_else_is_told_in_one_line(given: dict[str, Any], message: str) -> None:
    with raises(UserError) as caught:
        wish(**given)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_path_is_text_or_path() -> None:
    assert as_path("read(x)", "x") == as_path("read(x)", Path("x")) == Path("x")
    with raises(UserError, match=r"read\(3\): a path is wanted, not a value of type int"):
        as_path("read(3)", 3)


def test_help_shows_the_fields() -> None:
    @takes_keywords_of(Wish, size=7)
    def make(**options: Any) -> None: ...

    shown = inspect.signature(make).parameters
    assert list(shown) == [each.name for each in fields(Wish)]
    assert shown["file"].default is inspect.Parameter.empty
    assert (shown["rate"].default, shown["size"].default) == (0.5, 7)


@fixture
def parsers() -> dict[type, argparse.ArgumentParser]:
    transfers = argparse.ArgumentParser()
    add_transfer_options(transfers)
    return {
        ClassificationRequest: runpy.run_path(str(ROOT / "tools/train_cls.py"))["build_parser"](),
        TransferOptions: transfers,
    }


@mark.parametrize(
    ("request_type", "limits"),
    [(ClassificationRequest, backbones.python.LIMITS), (TransferOptions, transfer.python.LIMITS)],
    ids=["classification", "transfer"],
)
def test_limits_are_those_of_the_command(
    request_type: type, limits: dict[str, Any], parsers: dict[type, argparse.ArgumentParser]
) -> None:
    actions = {
        "learning_rate" if action.dest == "lr" else action.dest: action for action in parsers[request_type]._actions
    }
    names = {each.name for each in fields(request_type)}
    checked = {name for name in names & set(actions) if actions[name].choices or actions[name].type not in (None, Path)}
    assert set(limits) == checked
    for name, limit in limits.items():
        if actions[name].choices:
            assert [limit(each) for each in actions[name].choices] == list(actions[name].choices)
            with raises(argparse.ArgumentTypeError):
                limit("none of them")
        else:
            assert limit is actions[name].type
