"""tools/simulate_statistics.py as a person runs it; what it simulates is tested beside the simulations."""

from __future__ import annotations

import shutil
from pathlib import Path

from pytest import CaptureFixture, raises

from backbones.errors import UserError
from tools.simulate_statistics import main

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_document_alone_is_written_from_the_numbers_that_are_there(
    tmp_path: Path, capsys: CaptureFixture[str]
) -> None:
    shutil.copy(DOCS / "simulations.json", tmp_path)
    main(["--document", "--out", str(tmp_path)])
    assert capsys.readouterr().out == f"{tmp_path / 'simulations.md'}\n"
    assert (tmp_path / "simulations.md").read_bytes() == (DOCS / "simulations.md").read_bytes()


def test_without_numbers_there_is_one_message(tmp_path: Path) -> None:
    with raises(UserError, match=r"simulations\.json does not exist"):
        main(["--document", "--out", str(tmp_path)])
