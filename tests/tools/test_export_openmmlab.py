"""The command line of tools/export_openmmlab.py, as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from forked_tools import run_tool
from pytest import mark

from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.models import create_classifier

ROOT = Path(__file__).resolve().parents[2]
TOOL = [sys.executable, str(ROOT / "tools" / "export_openmmlab.py")]


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return run_tool([*TOOL[1:], *words], {**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_bundle(
        folder / "backbone.safetensors", create_classifier("resnet18_d", 2), "resnet18_d", imagenet_contract(64), {}
    )
    return folder


def test_a_finished_run_becomes_weights_and_configuration(finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "weights.pth"
    process = run(finished_run, "--style", "mmseg", "--out", out)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[0] == "tensors: 134 in the bundle; 132 written, 2 dropped: classifier head"
    assert lines[-2:] == [f"written: {out}", f"written: {out}.json"]
    pasted: dict[str, dict[str, object]] = {}
    exec("\n".join(lines[lines.index("model = dict(") : lines.index(")") + 1]), pasted)
    model = json.loads(Path(f"{out}.json").read_text())["config"]["model"]
    assert pasted["model"] == model
    assert model["backbone"]["init_cfg"] == {"type": "Pretrained", "checkpoint": str(out)}
    assert (
        len(torch.load(out, weights_only=True)["state_dict"]) == 132
    )  # 22 convolutions, each with the 5 tensors of its BatchNorm


@mark.parametrize(
    ("words", "message"),
    [
        (["--style", "mmdet"], "the following arguments are required: --out"),
        (["--style", "mmcls", "--out", "x.pth"], "invalid choice: 'mmcls'"),
        (["--style", "mmdet", "--out", "README.md"], "error: README.md exists; name another --out, or give --force"),
    ],
)
def test_misuse_is_told_in_one_line(
    finished_run: Path, words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").touch()
    process = run(finished_run, *words)
    assert process.returncode == 2
    assert message in process.stderr.splitlines()[-1]


def test_a_missing_bundle_is_told(tmp_path: Path) -> None:
    process = run(tmp_path / "absent", "--style", "mmdet", "--out", tmp_path / "x.pth")
    assert process.returncode == 2
    assert process.stderr == f"error: BUNDLE {tmp_path / 'absent'}: there is no such run folder or bundle\n"
