"""The documents: whatever file of the project they name or link to exists."""

from __future__ import annotations

import re
from pathlib import Path

from pytest import mark

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
MENTION = re.compile(r"(?<![\w./<-])((?:[\w.-]+/)+[\w-]+\.(?:py|yaml|json))\b(?!/)")
OURS = (
    "backbones",
    "transfer",
    "studies",
    "benchmarks",
    "tools",
    "tests",
    "docs",
    "suites",
    "det_configs",
    "seg_configs",
)


def broken_links(document: Path) -> list[str]:
    """Relative links whose file or heading is not there."""
    return [link for link in LINK.findall(document.read_text()) if "://" not in link and not _is_there(document, link)]


def _is_there(document: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = document.parent / path if path else document
    return target.exists() and (not heading or heading in headings(target))


def headings(document: Path) -> set[str]:
    """Of a Markdown file, as GitHub names them in links."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def missing_files(document: Path) -> list[str]:
    """Python, YAML and JSON files that the text names by their path in the project, and that are not there."""
    named = dict.fromkeys(MENTION.findall(document.read_text()))
    ours = [name for name in named if name.partition("/")[0] in OURS and "NAME" not in name]  # which stands for one
    return [name for name in ours if not (ROOT / name).exists()]


@mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    assert broken_links(document) == []


@mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    assert missing_files(document) == []


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text(
        "# One heading\n[a](a.md) [b](b.md) [c](#one-heading) [d](a.md#two) [e](https://f.org/g.md)\n"
        "`tools/compare.py` backbones/nothing.py, python tools/nothing.py; other/nothing.py, x/tools/nothing.py\n"
    )
    assert broken_links(document) == ["b.md", "a.md#two"]
    assert missing_files(document) == ["backbones/nothing.py", "tools/nothing.py"]
