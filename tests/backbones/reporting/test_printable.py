"""What others have written is shown on one line, whatever it holds."""

from __future__ import annotations

from pytest import mark

from backbones.reporting.printable import printable


@mark.parametrize(
    ("text", "expected"),
    [
        ("ResNet-50 (größer)", "ResNet-50 (größer)"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\udce9", "\\udce9"),
        ("\u202e\u2028", "\\u202e\\u2028"),
        (7, "7"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: object, expected: str) -> None:
    assert printable(text) == expected
    assert printable(text).isprintable()
