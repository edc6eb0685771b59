"""Commands that are printed mean, in a shell, the words that they were made of."""

from __future__ import annotations

import os
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import mark

from backbones.cli.shell import shell_command, shell_word

NASTY = (
    *(
        "",
        "plain",
        "two words",
        "it's",
        'a"b',
        "$(touch x)",
        "`touch x`",
        "a;b",
        "~",
        "*",
        "{a,b}",
        "!x",
        "#x",
        "\\",
        "\\n",
    ),
    *(
        "a\nb",
        "\n",
        "'\n'",
        "\\\n",
        "$'\n'",
        "\t",
        "\r",
        "\x1b[31m",
        "\x00"[:0],
        "\x7f",
        "\udcff\udcfe",
        "ä\nö",
        "\u202e",
    ),
    *("{{$HOME:x}}", "--out=\ntouch x", "a\n#SBATCH --wrap=x", "\u2028", "\u00a0"),
)


def read_by_bash(command: str) -> list[bytes]:
    """The words that bash makes of a command."""
    script = f"printf '%s\\0' {command}"
    printed = subprocess.run(["bash", "-c", script], capture_output=True, check=True, timeout=30).stdout
    return printed.split(b"\0")[:-1]


def test_bash_reads_the_words_and_runs_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_by_bash(shell_command(NASTY)) == [os.fsencode(word) for word in NASTY]
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6), min_size=1))
def test_a_command_is_one_line_of_what_can_be_seen(words: list[str]) -> None:
    command = shell_command(words)
    assert command.isprintable()
    assert command.splitlines() == [command]


@mark.parametrize(("word", "expected"), [("a b", "'a b'"), ("plain", "plain"), ("a\n'b\\", "$'a\\x0a\\'b\\\\'")])
def test_ordinary_words_are_quoted_as_everywhere(word: str, expected: str) -> None:
    assert shell_word(word) == expected
