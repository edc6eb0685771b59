"""The LaTeX tables as a compiler would see them: braces, environments and columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from studies.comparison.compare import compare_runs
from studies.report.forms.latex import escape
from studies.report.page import write_page


def test_escape() -> None:
    assert escape("a_b 50% #1 & {x} $y^2~\\ <z>") == (
        r"a\_b 50\% \#1 \& \{x\} \$y\textasciicircum{}2\textasciitilde{}\textbackslash{} \textless{}z\textgreater{}"
    )


@pytest.fixture
def tables(tmp_path: Path, add_run: Callable[..., Path]) -> str:
    """Of runs whose names are full of what LaTeX would read as commands."""
    for seed in range(3):
        add_run(tmp_path, "detection", "b-standard", (50 + seed, 51), seed)
        add_run(tmp_path, "detection", "d-smooth", (53.21 + seed, 51), seed)
        add_run(tmp_path, "detection", "my_own 50% {", (52, 51), seed, folder=f"own-{seed}")
    write_page(compare_runs(tmp_path), tmp_path)
    return (tmp_path / "tables.tex").read_text()


def test_structure(tables: str) -> None:
    bare = re.sub(r"(?m)(?<!\\)%.*$", "", tables).replace(r"\{", "").replace(r"\}", "")
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", bare):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack


def test_every_line_has_as_many_cells_as_its_table(tables: str) -> None:
    found = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", tables, re.DOTALL)
    assert len(found) == 2
    for columns, body in found:
        lines = [line for line in body.splitlines() if line.rstrip().endswith(r"\\")]
        for line in lines[1:]:  # the first spans columns
            assert len(re.findall(r"(?<!\\)&", line)) + 1 == len(columns), line
        spans = [int(count) for count in re.findall(r"\\multicolumn\{(\d+)\}", lines[0])]
        assert 1 + sum(spans) == len(columns)


def test_content(tables: str) -> None:
    line = next(line for line in tables.splitlines() if line.strip().startswith("d-smooth"))
    assert "$+3.21$" in line
    assert "80.71" in line
    assert any(line.strip().startswith(r"my\_own 50\% \{") for line in tables.splitlines())
    assert any("d-mixup" in line and "not run" in line for line in tables.splitlines())
