"""The document of the campaigns."""

from __future__ import annotations

import json
from pathlib import Path

from pytest import raises

from backbones.errors import UserError
from campaigns.engine.records import Records
from campaigns.engine.trial import HANG, OTHER, REFUSED, SAME, TRACEBACK, Trial
from campaigns.report import document, write_report


def trial(
    subject: str, seed: int, outcome: str, kind: str = "", commit: str = "new", campaign: str = "mutation"
) -> Trial:
    return Trial(campaign, subject, seed, f"a|b <c>\n`{seed}`", outcome, kind, "", 1.5, commit)


def test_counts_by_subject_and_kind(tmp_path: Path) -> None:
    records = Records(tmp_path / "trials.jsonl", "new")
    records.add(trial("old", 0, HANG, "slow", commit="old"))
    for seed, outcome in enumerate((SAME, REFUSED, REFUSED, OTHER)):
        records.add(trial("one.json", seed, outcome))
    for seed in (7, 3):
        records.add(trial("one.json", seed, TRACEBACK, "ValueError in read (backbones/files.py)"))
    records.add(trial("two.pt", 0, TRACEBACK, "ValueError in read (backbones/files.py)"))
    records.add(trial("train_cls", 0, HANG, "slow", campaign="kill"))
    path = write_report(records.path, tmp_path / "docs")
    text = path.read_text()
    assert "8 trials, 4 passed, 4 failed" in text
    assert "commit new" in text
    rows = {cells[1]: cells for line in text.splitlines() if line.startswith("| ") and (cells := line.split())}
    assert rows["one.json"][3:13:2] == ["6", "4", "1", "1", "2"]
    assert "3 \u00d7 traceback, ValueError in read (backbones/files.py). In one.json (2), two.pt (1)." in " ".join(
        text.split()
    )
    assert "For example one.json, seed 7: a/b &lt;c> '7'" in " ".join(text.split())
    assert "old" not in rows
    assert "{{" not in text
    found = json.loads((tmp_path / "docs" / "reliability.json").read_text())
    assert document(found) == text
    assert found["campaigns"]["mutation"]["one.json"]["seeds"] == [0, 7]
    assert [each["kind"] for each in found["failures"]] == ["ValueError in read (backbones/files.py)", "slow"]


def test_nothing_tried_is_an_error(tmp_path: Path) -> None:
    with raises(UserError, match="holds no trials"):
        write_report(tmp_path / "none.jsonl", tmp_path)
