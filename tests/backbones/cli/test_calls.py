"""A call from Python that cannot be is one line, whichever of the exported functions it is."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest import mark, raises

import backbones
import studies
import transfer
from backbones import UserError
from backbones.cli.calls import told

EXPORTED = [
    getattr(package, name)
    for package in (backbones, transfer, studies)
    for name in package.__all__
    if not isinstance(getattr(package, name), type)
]
NAMES = [function.__name__ for function in EXPORTED]


def message(function: Callable[..., Any], *given: Any, **named: Any) -> str:
    with raises(UserError) as caught:
        function(*given, **named)
    text = str(caught.value)
    assert text.startswith(f"{function.__name__}(")
    assert "\n" not in text
    return text


@mark.parametrize("function", EXPORTED, ids=NAMES)
def test_calls_that_cannot_be(function: Callable[..., Any]) -> None:
    parameters = inspect.signature(function).parameters
    by_place = [each for each in parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert "without one" in message(function, *range(len(by_place) + 1))
    missing = message(function)
    assert all(f"{name}=" in missing for name, each in parameters.items() if each.default is each.empty and by_place)
    name = next(iter(parameters))
    assert f"did you mean {name}" in message(function, **{f"{name}x": 1})
    if by_place:
        assert "twice" in message(function, 1, **{name: 1})


@mark.parametrize("function", EXPORTED, ids=NAMES)
def test_the_help_is_the_function_s_own_and_other_processes_find_it(function: Callable[..., Any]) -> None:
    original = inspect.unwrap(function)
    assert original is not function
    assert inspect.signature(function) == inspect.signature(original)
    assert function.__doc__ == original.__doc__ != ""
    assert pickle.loads(pickle.dumps(function)) is function


@mark.parametrize(
    ("call", "words"),
    [
        (lambda: backbones.make_shapes(images="a", size=64), "needs out="),
        (lambda: backbones.make_shapes("nowhere", imags=4, size=64), "did you mean images?"),
        (lambda: backbones.make_shapes("nowhere", images="a", size=64), "images='a'): a whole number is wanted"),
        (lambda: backbones.make_shapes("nowhere", images=8, size=64, layouts="detection"), "a list of texts"),
        (lambda: backbones.make_shapes(3, images=8, size=64), "make_shapes(3): a path is wanted"),
        (lambda: backbones.train_classifier("x"), "every argument by its name"),
        (lambda: backbones.read_result("a", "b"), "no more without a name than run"),
        (lambda: studies.compare_runs("x", baselin="b-standard"), "did you mean baseline?"),
        (lambda: studies.compare_runs("x", baseline=3), "baseline=3): a text is wanted"),
        (lambda: studies.compare_runs("x", row_names={"a": 3}), "a dictionary of texts by text is wanted"),
        (lambda: studies.write_page(None, with_images="no"), "with_images='no'): True or False is wanted"),
    ],
)
def test_wrong_arguments_are_told(call: Callable[[], Any], words: str) -> None:
    with raises(UserError) as caught:
        call()
    assert words in str(caught.value)
    assert not Path("nowhere").exists()


def test_what_a_function_itself_raises_is_left_alone() -> None:
    """Negative control: a defect inside is no wrong argument."""

    def defective(a: int, b: Path | None = None) -> int:
        return len(a)  # type: ignore[arg-type]

    checked = told(defective, __name__)
    with raises(TypeError, match="has no len"):
        checked(3, b=None)
    with raises(UserError, match=r"defective\('3'\): a whole number is wanted"):
        checked("3")
