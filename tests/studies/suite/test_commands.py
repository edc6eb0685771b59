"""Options of a suite are those of the tool, and cannot become others."""

from __future__ import annotations

from typing import Any

from pytest import mark, raises

from backbones.errors import UserError
from studies.suite.commands import RESERVED, absolute, option_words
from tools.train_cls import build_parser


def test_they_become_the_words_of_a_command() -> None:
    options = {"epochs": 2, "ema": True, "with": ["mixup", "no-bias-decay"], "lr": 0.5}
    if "--ema" not in build_parser()._option_string_actions:
        options.pop("ema")
    words = option_words(options, build_parser(), "x")
    assert words[:2] == ["--epochs", "2"]
    assert words[words.index("--with") :][:3] == ["--with", "mixup", "no-bias-decay"]


@mark.parametrize(
    ("options", "message"),
    [
        ({"data=/other": True}, r"s.yaml: options\.data=/other: there is no such option for a run"),
        ({"epochs=3": True}, r"options\.epochs=3: there is no such option"),
        ({"epoch": 3}, r"options\.epoch: there is no such option for a run; did you mean epochs"),
        ({"help": True}, r"options\.help: there is no such option for a run"),
        ({"h": True}, r"options\.h: there is no such option for a run"),
        ({"": 1}, "there is no such option"),
        ({"with": ["mixup", "--out=X"]}, r"options\.with: '--out=X' would be another option"),
        ({"lr": "-x"}, "'-x' would be another option"),
        ({"epochs": {"a": 1}}, "where a word, a number, a list or true should be"),
        *[({name: "a"}, rf"options\.{name}: the suite gives it to each run itself") for name in RESERVED],
    ],
)
def test_what_is_no_option_of_a_run_is_refused(options: dict[str, Any], message: str) -> None:
    with raises(UserError, match=message):
        option_words(options, build_parser(), "s.yaml: options")


def test_a_user_who_does_not_exist_is_a_folder_that_is_not_there() -> None:
    assert absolute("~nosuchuser/x").endswith("/~nosuchuser/x")
