"""A configuration written as Python is read by mmengine as the same one, whatever its values are."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from backbones.errors import UserError
from transfer.protocol.source_text import comment, literal, source_text

NASTY = (
    *("{{$HOME:x}}", "{{ fileDirname }}/x", "{{fileBasename}}", "{{{$HOME:x}}}", "\\{{$HOME:x}}", "{{_base_.model}}"),
    *("a\nimport os", "'''", '"', "\\", "\udcff", "\x1b", "{{'$HOME:x'}}", "{{$HOME:(a+)+}}", "# x", "ä"),
)


def read_back(text: str, folder: Path) -> dict[str, Any]:
    (folder / "mine.py").write_text(text)
    return Config.fromfile(folder / "mine.py").to_dict()


def test_mmengine_reads_what_was_written(tmp_path: Path) -> None:
    config = {"data": {"root": list(NASTY), "inner": [{"path": each} for each in NASTY]}, "numbers": (1, -2.5, None)}
    config |= {"model": {"a b": {"c": True}, "type": NASTY[0]}, "name": NASTY[3], "empty": {}, "plain": {NASTY[0]: "x"}}
    assert read_back(source_text(Config(config)), tmp_path) == config


def test_negative_control_mmengine_replaces_what_is_not_written_out(tmp_path: Path) -> None:
    assert read_back(Config({"root": "{{fileDirname}}"}).pretty_text, tmp_path) == {"root": str(tmp_path)}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("{}$' \"\\:_xA\n#", max_size=12))
def test_any_word_comes_back(tmp_path: Path, word: str) -> None:
    text = f"# {comment(word)}\n{source_text(Config({'word': word, 'section': {'inner': [word]}}))}"
    assert read_back(text, tmp_path) == {"word": word, "section": {"inner": [word]}}


@pytest.mark.parametrize("key", ["'", "a': print('x'), 'b", "a\nb", "\\"])
def test_a_key_cannot_become_code(key: str) -> None:
    with pytest.raises(UserError, match="cannot be written as Python"):
        source_text(Config({"section": {key: 1}}))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), Path("x"), object()])
def test_a_value_without_plain_text_is_named(value: object) -> None:
    with pytest.raises(UserError, match=r"a key or a value that cannot be written as Python"):
        source_text(Config({"section": {"inner": [value]}, "other": 1}))


def test_a_comment_stays_one() -> None:
    assert comment("d\nimport os\n{{{$HOME:x}}}") == "d\\nimport os\\n{ { {$HOME:x}}}"


@pytest.mark.parametrize("value", ["plain", "{{{a}}}\n'", '"', "\U0001f600\udcff", "\\", 1.5, [1], None, True])
def test_a_literal_is_what_it_was(value: object) -> None:
    assert ast.literal_eval(literal(value)) == value
    assert "{{" not in literal(value)
    assert literal("plain") == '"plain"'
