"""The command line of tools/import_weights.py, as a user meets it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import timm
import torch
from forked_tools import run_tool
from pytest import mark
from safetensors.torch import save_file

from backbones.bundles.bundle import read_bundle

ROOT = Path(__file__).resolve().parents[2]
TOOL = [sys.executable, str(ROOT / "tools" / "import_weights.py")]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_tool([*TOOL[1:], *words], {**os.environ, "OMP_NUM_THREADS": "1", **environment})


def test_the_list_of_networks() -> None:
    process = run("--list")
    assert process.returncode == 0
    assert "timm:resnet50d" in process.stdout


def test_a_local_file_becomes_a_bundle(tmp_path: Path) -> None:
    torch.save({"state_dict": timm.create_model("resnet18d").state_dict()}, tmp_path / "weights.pth")
    source, weights, out = "timm:resnet18d.ra2_in1k", str(tmp_path / "weights.pth"), str(tmp_path / "bundle")
    process = run(source, "--checkpoint", weights, "--out", out, "--top1", "72.3")
    assert process.returncode == 0, process.stderr
    assert read_bundle(out).training["top1"] == 72.3
    assert "unwrapped  state_dict" in process.stdout
    assert process.stdout.splitlines()[-1] == f"written: {tmp_path / 'bundle'}"
    assert read_bundle(tmp_path / "bundle").architecture == "resnet18_d"


def test_timms_own_download_is_used(tmp_path: Path) -> None:
    """Its cache holds the file, and it is told to be offline."""
    repository = tmp_path / "hub" / "models--timm--resnet18d.ra2_in1k"
    snapshot = repository / "snapshots" / (40 * "0")
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(40 * "0")
    tensors = timm.create_model("resnet18d").state_dict()
    save_file(tensors, snapshot / "model.safetensors", metadata={"format": "pt"})
    process = run(
        "timm:resnet18d", "--out", str(tmp_path / "bundle"), HF_HUB_CACHE=str(tmp_path / "hub"), HF_HUB_OFFLINE="1"
    )
    assert process.returncode == 0, process.stderr
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.training["recipe"] == "timm:resnet18d.ra2_in1k"
    assert torch.equal(bundle.tensors["head.weight"], tensors["fc.weight"])


def test_a_failed_download_is_one_line(tmp_path: Path) -> None:
    process = run(
        "timm:resnet18d", "--out", str(tmp_path / "bundle"), HF_HUB_CACHE=str(tmp_path / "empty"), HF_HUB_OFFLINE="1"
    )
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1].startswith(
        "error: timm:resnet18d.ra2_in1k: timm could not get its weights ("
    )
    assert "--checkpoint FILE" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "bundle").exists()


@mark.parametrize(
    ("words", "message"),
    [
        ([], "error: give the weights, LIBRARY:NETWORK, and the bundle to write with --out"),
        (["timm:resnet50d"], "error: give the weights"),
        (["timm:resnet50d", "--out", "x", "--key", "model"], "error: --key names an entry of a local file"),
        (["timm:resnet49", "--out", "x"], "error: timm:resnet49: unknown network 'timm:resnet49': did you mean"),
        (["torchvision:resnet50", "--out", "x", "--checkpoint", "absent.pth"], "error: --checkpoint absent.pth: there"),
    ],
)
def test_bad_requests_exit_with_2_and_one_line(words: list[str], message: str) -> None:
    process = run(*words)
    assert process.returncode == 2
    assert process.stderr.startswith(message)
    assert process.stderr.count("\n") == 1
