"""Names of others in Markdown are shown, and do nothing."""

from __future__ import annotations

from pytest import mark

from backbones.reporting.markdown import code, escape


@mark.parametrize(
    ("name", "expected"),
    [
        ("resnet50_d (d-smooth) ±1.5 %", "resnet50_d (d-smooth) ±1.5 %"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("![x](https://example.org/x.png)", "!\\[x\\](https://example.org/x.png)"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("a`b*c\\d", "a\\`b\\*c\\\\d"),
        ("a\n# title\x1b[31m", "a\\\\n# title\\\\x1b\\[31m"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert escape(name) == expected


@mark.parametrize(
    ("text", "expected"),
    [("python a.py", "`python a.py`"), ("a`b", "`` a`b ``"), ("```", "```` ``` ````"), ("a\nb", "`a\\nb`")],
)
def test_code(text: str, expected: str) -> None:
    assert code(text) == expected
