"""A dumped configuration trains, under the frameworks' own train scripts, the same weights as the tool."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from backbones.models import create_classifier
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.detection import DETECTION
from transfer.tasks.segmentation import SEGMENTATION

ROOT = Path(__file__).resolve().parents[3]
SHORT_DETECTION = ("train_cfg.max_epochs=1", "model.test_cfg.rcnn.score_thr=0.001")
TASKS = {
    "fpn": (DETECTION, "det_configs/faster_rcnn_fpn_demo.py", "VOCdevkit", SHORT_DETECTION),
    "c4": (DETECTION, "det_configs/faster_rcnn_c4_voc07.py", "VOCdevkit", SHORT_DETECTION),
    "seg": (
        SEGMENTATION,
        "seg_configs/fcn_os8_demo.py",
        "ADEChallengeData2016",
        ("train_cfg.max_iters=2", "multi_scale=True"),
    ),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data`` and a bundle whose normalisation is nobody's default."""
    root = tmp_path_factory.mktemp("files")
    make_shapes(root / "data", images=9, size=64, layouts=("detection", "segmentation"))
    torch.manual_seed(0)
    contract = imagenet_contract(64)
    training = {"recipe": "d-smooth", "network": "mobilenet_v1_025", "seed": 0}
    classifier = create_classifier("mobilenet_v1_025", 10)
    write_bundle(root / "backbone.safetensors", classifier, "mobilenet_v1_025", contract, training)
    return root


def start(kind: str, files: Path, *small: str, **options: Any) -> dict[str, Any]:
    task, protocol, folder, short = TASKS[kind]
    backbone, data = files / "backbone.safetensors", files / "data" / folder
    fixed = {"config": str(ROOT / protocol), "backbone": os.path.relpath(backbone), "data": os.path.relpath(data)}
    fixed |= {"seed": 3, "workers": 0, "total_batch": 4, "cfg_options": [*short, *small]}
    return run_transfer(task, TransferOptions(**fixed, **options))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(next(folder.glob("*.pth")), weights_only=True)["state_dict"]


def call(words: list[str], repository: str, folder: Path, current: Path) -> None:
    done = subprocess.run(
        [sys.executable, *words, "--work-dir", str(folder)],
        cwd=current,  # paths in it are absolute
        env={**os.environ, "PYTHONPATH": repository},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def measured(folder: Path) -> dict[str, float]:
    """What the frameworks' test script has left in its folder."""
    (record,) = folder.glob("*/*.json")
    return json.loads(record.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("kind", TASKS)
def test_the_frameworks_scripts_train_the_same_weights_and_measure_the_same(
    kind: str,
    files: Path,
    small_c4: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = small_c4 if kind == "c4" else ()
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))  # sums in the same order there
    dumped = tmp_path / "mine.py"
    assert start(kind, files, *small, dump_config=str(dumped)) == {}
    assert list(tmp_path.iterdir()) == [dumped]
    command = capsys.readouterr().out.strip()
    assert f"#   {command}\n" in dumped.read_text()
    setting, program, *words = shlex.split(command)
    name, _, repository = setting.partition("=")
    assert (name, program) == ("PYTHONPATH", "python")
    call(words, repository, tmp_path / "stock", tmp_path)
    metrics = start(kind, files, *small, out=str(tmp_path / "run"))["metrics"]
    ours, theirs = weights(tmp_path / "run/openmmlab"), weights(tmp_path / "stock")
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert ("--tta" in dumped.read_text()) == ("miou_multiscale" in metrics)
    checkpoint = str(next((tmp_path / "stock").glob("*.pth")))
    # mmdetection's asks for mmcv's ops before it has read the configuration, which brings them.
    with_ops = "import runpy, sys, transfer.registration; del sys.argv[0]; runpy.run_path(sys.argv[0], {}, '__main__')"
    test = ["-c", with_ops, str(Path(words[0]).with_name("test.py")), str(dumped), checkpoint]
    for ending, more in {"": [], "_multiscale": ["--tta"]}.items():
        expected = {name: value for name, value in metrics.items() if name.endswith("_multiscale") == bool(ending)}
        if expected:
            call([*test, *more], repository, tmp_path / f"test{ending}", tmp_path)
            values = measured(tmp_path / f"test{ending}")
            prefix = f"{TASKS[kind][0].name}/"
            found = {name: 100 * values[prefix + name.removesuffix(ending)] for name in expected}
            assert found == pytest.approx(expected, abs=1e-6)


def test_it_says_how_the_learning_rate_came_about(files: Path, tmp_path: Path) -> None:
    start("fpn", files, dump_config=str(tmp_path / "mine.py"))
    text = (tmp_path / "mine.py").read_text()
    assert "0.01 / 8 x 4 = 0.005 (total batch 4)" in text
    assert re.search(r"lr=0\.005\b", text)
    assert "auto_scale_lr" not in text


def test_nothing_of_a_bundle_or_a_path_becomes_code(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recipe is whatever a bundle says it is, and mmengine replaces words in double braces before it reads a file."""
    evil = "d\nopen('ran', 'w')\r{{$HOME:x}}\x1b[31m"
    nested = tmp_path / "{{$HOME:x}} '" / "a\nopen('ran', 'w')" / "{{fileDirname}}"
    nested.mkdir(parents=True)
    shutil.copytree(files / "data", nested / "data")
    classifier = create_classifier("mobilenet_v1_025", 10)
    training = {"recipe": evil, "network": evil, "seed": 0}
    write_bundle(nested / "backbone.safetensors", classifier, "mobilenet_v1_025", imagenet_contract(64), training)
    monkeypatch.chdir(tmp_path)
    start("fpn", nested, dump_config=str(nested / "mine.py"))
    read = Config.fromfile(nested / "mine.py")
    assert not (tmp_path / "ran").exists()
    assert read.train_dataloader.dataset.data_root == str(nested / "data/VOCdevkit")
    assert read.model.backbone.bundle == str(nested / "backbone.safetensors")
    comments = [line for line in (nested / "mine.py").read_text().splitlines() if line.startswith("#")]
    assert "recipe" not in read
    assert r"(d\nopen('ran', 'w')\r{ {$HOME:x}}\x1b[31m), seed 3" in comments[0]
    assert capsys.readouterr().out.count("\n") == 1


def test_a_bundle_that_does_not_say_how_it_was_trained_is_named(files: Path, tmp_path: Path) -> None:
    classifier = create_classifier("mobilenet_v1_025", 10)
    write_bundle(tmp_path / "backbone.safetensors", classifier, "mobilenet_v1_025", imagenet_contract(64), {})
    (tmp_path / "data").symlink_to(files / "data")
    with pytest.raises(UserError, match=r"backbone\.safetensors does not say by which recipe it was trained"):
        start("fpn", tmp_path, dump_config=str(tmp_path / "mine.py"))


@pytest.mark.parametrize(("name", "words"), [("mine.json", "ends in .py"), ("taken.py", "cannot be written")])
def test_a_name_that_cannot_be(name: str, words: str, files: Path, tmp_path: Path) -> None:
    (tmp_path / "taken.py").mkdir()
    with pytest.raises(UserError, match=words):
        start("seg", files, dump_config=str(tmp_path / name))
    assert list(tmp_path.rglob("*")) == [tmp_path / "taken.py"]
