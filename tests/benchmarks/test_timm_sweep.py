"""The sweep over timm's networks: what it finds, that it goes on where it ended, and the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
from pytest import MonkeyPatch, mark

from benchmarks import timm_sweep
from benchmarks.timm_sweep import DILATED, PYRAMID, SINGLE, examine, read_sweep, sweep
from benchmarks.timm_table import with_timm_table


@mark.parametrize(
    ("name", "refused"),
    [
        ("regnety_002", {}),
        ("mobilenetv3_small_050", {DILATED: "upernet_ade20k.py takes it"}),
        ("vit_tiny_patch16_224", {PYRAMID: "stride 16 alone", DILATED: "stride 16 alone"}),
        ("mixer_s32_224", dict.fromkeys((PYRAMID, DILATED, SINGLE), "timm:mixer_s32_224 ")),
    ],
)
def test_a_network_is_taken_or_refused_in_one_line(name: str, refused: dict[str, str]) -> None:
    found = examine(name)
    assert {kind for kind in (PYRAMID, DILATED, SINGLE) if found[kind] is not None} == set(refused)
    assert all(words in found[kind] and "\n" not in found[kind] for kind, words in refused.items())
    if SINGLE not in refused:
        head = sum(each.numel() for each in timm.create_model(name).get_classifier().parameters())
        whole = sum(each.numel() for each in timm.create_model(name).parameters())
        assert 0 < found["parameters"] <= whole - head


def record(name: str, **refused: str) -> dict[str, Any]:
    kinds = dict.fromkeys((PYRAMID, DILATED, SINGLE))
    return {"network": name, "timm": "1", "parameters": 10**6, "image_size": 224, "strides": [4], **kinds, **refused}


def test_a_sweep_goes_on_where_it_ended(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(timm_sweep, "examine", lambda name: asked.append(name) or record(name))
    out = tmp_path / "records.jsonl"
    sweep(["a", "b"], out, lambda line: None)
    sweep(["a", "b", "c"], out, lambda line: None)
    assert sorted(asked) == ["a", "b", "c"]
    assert [each["network"] for each in read_sweep(out)] == asked
    assert all(json.loads(line) for line in out.read_text().splitlines())


def test_the_table_replaces_its_own_section_and_counts() -> None:
    records = [
        record("b", dilated="timm:b cannot"),
        record("a"),
        record("plain", pyramid="timm:plain has one", dilated="timm:plain has one"),
        record("nobody_published_it"),
    ]
    text = with_timm_table("# Networks\n\nmine\n", records, {"a", "b", "plain", "c"}, "r.jsonl")
    assert text == with_timm_table(text, records, {"a", "b", "plain", "c"}, "r.jsonl")
    assert text.startswith("# Networks\n\nmine\n\n## Networks of timm\n")
    assert "Of 4 architectures with public weights, 3 are examined so far" in text
    assert "FCN at output stride 8: 1 (33.3 %)" in text
    cells = {line.split("`")[1]: line.split("|")[5:9] for line in text.splitlines() if line.startswith("| `")}
    assert {name: [cell.strip() for cell in row] for name, row in cells.items()} == {
        "a": ["fpn", "yes", "fpn", "yes"],
        "b": ["fpn", "1", "fpn", "yes"],
        "plain": ["simple", "2", "simple", "yes"],
    }
    assert text.endswith("1. the network cannot\n2. the network has one\n")
