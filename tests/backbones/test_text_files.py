"""Texts of someone else: what is no regular file, too large, too deep or no record is one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import fixture, mark, raises

from backbones.errors import UserError
from backbones.files import read_json
from backbones.text_files import parse_json, read_records, read_text

GOOD = [{"kind": "step", "step": 1, "loss": 0.5}, {"kind": "epoch", "step": 1}, {"kind": "step", "step": 2}]


@fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in GOOD))
    return path


def test_a_pipe_and_a_device_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with raises((UserError, IsADirectoryError)):
            read_text(path)
        with raises(UserError, match=r"is not a regular file|is a folder where a file should be"):
            read_json(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(2**40)  # a hole, which takes no room
    with raises(UserError, match=r"large has 1099511627776 bytes, more than 268435456; is it the right file\?"):
        read_json(path)


@mark.parametrize("text", ["NaN", "[Infinity]", '{"a": 1e999}', "[" * 100_000, "9" * 5000, "", "{", "\ud800"])
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with raises(ValueError, match=r"\S"):
        parse_json(text)


@settings(max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    )
)
def test_what_was_written_is_read(value: object) -> None:
    assert parse_json(json.dumps(value, allow_nan=False)) == value


@mark.parametrize("end", ["", '{"kind": "step"', '{"kind": "step", "st\n', "\n"])
def test_a_last_line_that_was_cut_short_is_left_out(end: str, log: Path) -> None:
    with log.open("a") as stream:
        stream.write(end)
    assert read_records(log) == GOOD


@mark.parametrize(
    "line",
    [
        *("[1]", "null", "{}", '{"kind": "step"}', '{"step": 3}', '{"kind": 1, "step": 3}', "[" * 10_000),
        *(f'{{"kind": "step", "step": 3, "loss": {loss}}}' for loss in ('"2"', "null", "true", "[]", "9" * 400)),
        *('{"kind": "step", "step": %s}' % step for step in ('"3"', "-1", "true", "NaN")),  # noqa: UP031
    ],
)
def test_another_line_that_is_no_record_is_named(line: str, log: Path) -> None:
    lines = log.read_text().split("\n")
    log.write_text("\n".join([lines[0], line, *lines[1:]]))
    with raises(UserError, match=r"metrics\.jsonl, line 2: no record of a run; delete this line"):
        read_records(log)


def test_bytes_that_are_no_text_are_named(log: Path) -> None:
    log.write_bytes(b"\xff\xfe" + log.read_bytes())
    with raises(UserError, match=r"cannot read .*metrics\.jsonl: it is no text; restore it, or begin the run anew"):
        read_records(log)
