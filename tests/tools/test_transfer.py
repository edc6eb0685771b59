"""tools/transfer_det.py and tools/transfer_seg.py as a user meets them, on tiny rendered data, up to the comparison."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from forked_tools import run_tool
from PIL import Image
from pytest import TempPathFactory, fixture, mark

from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.data.shapes import make_shapes
from backbones.models import create_classifier

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {"det": "det_configs/faster_rcnn_fpn_demo.py", "seg": "seg_configs/fcn_os8_demo.py"}
DATA = {"det": "VOCdevkit", "seg": "ADEChallengeData2016"}
SHORT = {
    "det": ["train_cfg.max_epochs=1"],
    "seg": ["multi_scale=True", "train_cfg.max_iters=6", "default_hooks.checkpoint.interval=2"],
}


@fixture(scope="module")
def shapes(tmp_path_factory: TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=16, size=96, seed=0, layouts=("detection", "segmentation"))


@fixture(scope="module")
def bundle(tmp_path_factory: TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("bundle") / "backbone.safetensors"
    training = {"recipe": "d-smooth", "network": "resnet18_d", "seed": 0, "epochs": 1, "top1": 12.5, "top5": 50.0}
    write_bundle(path, create_classifier("resnet18_d", 10), "resnet18_d", imagenet_contract(64), training)
    return path


def command(kind: str, backbone: Path | str, data: Path, out: Path, *more: str) -> list[str]:
    tool, config = ROOT / f"tools/transfer_{kind}.py", ROOT / CONFIGS[kind]
    fixed = [str(config), "--backbone", str(backbone), "--data", str(data / DATA[kind]), "--out", str(out)]
    return [sys.executable, str(tool), *fixed, "--workers", "0", *more, "--cfg-options", *SHORT[kind]]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return run_tool(words[1:], environment())


@fixture(scope="module")
def runs(shapes: Path, bundle: Path, tmp_path_factory: TempPathFactory) -> Path:
    """A finished detection and a finished segmentation run of the same bundle, with what they printed."""
    root = tmp_path_factory.mktemp("runs")
    for kind in CONFIGS:
        done = run([*command(kind, bundle, shapes, root / kind), "--keep", "all"])
        assert done.returncode == 0, done.stderr
        (root / f"{kind}.txt").write_text(done.stdout)
        (root / f"{kind}.errors").write_text(done.stderr)
    return root


@mark.slow
@mark.parametrize(
    ("kind", "task", "metrics"),
    [
        ("det", "detection", {"voc07_map", "voc_map", "coco_ap", "coco_ap50", "coco_ap75"}),
        ("seg", "segmentation", {"pixel_accuracy", "miou", "pixel_accuracy_multiscale", "miou_multiscale"}),
    ],
)
def test_a_transfer_ends_with_a_proven_result(runs: Path, kind: str, task: str, metrics: set[str]) -> None:
    result = json.loads((runs / kind / "result.json").read_text())
    assert result["task"] == task
    assert result["metrics"].keys() == metrics
    assert all(0 <= value <= 100 for value in result["metrics"].values())
    assert (result["network"], result["recipe"], result["seed"]) == ("resnet18_d", "d-smooth", 0)
    assert result["backbone"]["top1"] == 12.5
    assert result["proof"]["features"]["equal"] is True
    assert result["proof"]["ledger"]["mapped"] == len(json.loads((runs / kind / "ledger.json").read_text())) - 2
    assert len(result["config_hash"]) == 12
    assert result["timings"]["total_seconds"] > 0
    assert 100e6 < result["timings"]["peak_memory_bytes"] < 64e9
    assert {"torch", "mmengine"} <= result["versions"].keys()
    assert re.fullmatch("[0-9a-f]{12}", result["code"])
    assert result["ops"] in ("torchvision", "mmcv")
    printed = (runs / f"{kind}.txt").read_text()
    assert "features equal bit for bit" in printed
    assert "batch norm: BatchNorm, over 8 images; layers as built: {'BatchNorm2d': " in printed
    assert "after training: stem, stage1, stage2, stage3, stage4 learnt, nothing stayed; mean loss" in printed
    assert all(f"{name} " in printed for name in metrics)
    assert result["per_class"]
    assert result["proof"]["after_training"]["first_losses"]["mean"]["loss"] > 0
    first = result["proof"]["first_step"]
    assert first["step"]["loss"] != first["random_trunk"]["loss"]
    losses = [json.loads(line)["loss"] for line in (runs / kind / "metrics.jsonl").read_text().splitlines()]
    assert losses[0] == first["step"]["loss"]


@mark.parametrize("kind", list(CONFIGS))
def test_what_was_measured_is_kept_image_by_image(runs: Path, shapes: Path, kind: str) -> None:
    """All numbers of the result can be computed from the stored files alone."""
    from transfer.openmmlab import ops_bridge

    ops_bridge.install()
    from transfer.catalogue import MULTI_SCALE, SINGLE_SCALE
    from transfer.evaluation.detection import measure_detection, voc_curves
    from transfer.evaluation.files import read_detections, read_segmentations
    from transfer.evaluation.segmentation import measure_segmentation
    from transfer.tasks import detection, segmentation

    result = json.loads((runs / kind / "result.json").read_text())
    if kind == "det":
        task, evaluation = detection, read_detections(runs / kind / SINGLE_SCALE)
        measured = {f"detection/{name}": v for name, v in measure_detection(evaluation, voc_curves(evaluation)).items()}
    else:
        task, evaluation = segmentation, read_segmentations(runs / kind / SINGLE_SCALE)
        files = {"": SINGLE_SCALE, "multi_scale/": MULTI_SCALE}
        measured = {
            f"{prefix}segmentation/{name}": value
            for prefix, file in files.items()
            for name, value in measure_segmentation(read_segmentations(runs / kind / file)).items()
        }
    assert task.metrics(measured) == result["metrics"]
    assert task.per_class(measured) == result["per_class"]
    assert len(evaluation.names) == result["data"]["test_images"]
    assert all((shapes / DATA[kind] / name).is_file() for name in evaluation.names)


@mark.parametrize("kind", list(CONFIGS))
def test_a_transfer_draws_pictures(runs: Path, kind: str) -> None:
    expected = {"best.png", "median.png", "worst.png", "per_class.png", "confusion.png"}
    pictures = json.loads((runs / kind / "result.json").read_text())["pictures"]
    assert set(pictures["drawn"]) == expected | {"precision_recall.png" if kind == "det" else "predictions.zip"}
    assert "failed" not in pictures
    files = sorted((runs / kind / "pictures").iterdir())
    assert [file.name for file in files] == sorted(pictures["drawn"])
    for file in files:
        if file.suffix == ".zip":
            continue
        assert 3000 < file.stat().st_size < 500_000
        with Image.open(file) as image:
            assert len(image.convert("RGB").getcolors(1 << 24)) > 10


# Whole lines of a short run; on a slow machine one of its progress may come between.
PRINTED = {
    "det": r"""learning rate 0\.01 \(the protocol's, for its total batch of 8\)
trains 1 epoch
proof: \d+ tensors arrived in the built detection model, features equal bit for bit
batch norm: BatchNorm, over 8 images; layers as built: \{'BatchNorm2d': \d+\}
after training: stem, stage1, .* learnt, nothing stayed; mean loss of the first 2 iterations \d\.\d{3}
voc07_map +\d+\.\d\d %
voc_map +\d+\.\d\d %
coco_ap +\d+\.\d\d %
coco_ap50 +\d+\.\d\d %
coco_ap75 +\d+\.\d\d %
written: .*/result\.json, pictures in .*/pictures
""",
    "seg": r"""learning rate 0\.01 \(the protocol's, for its total batch of 8\)
trains \d+\.\d epochs = \d+ iterations x 8 / \d+ images
proof: \d+ tensors arrived in the built segmentation model, features equal bit for bit: to the classifier's in its \
geometry, and to a fresh trunk's as built \(output stride 8\)
batch norm: BatchNorm, over 8 images; layers as built: \{'BatchNorm2d': \d+\}
after training: stem, stage1, .* learnt, nothing stayed; mean loss of the first 6 iterations \d\.\d{3}
pixel_accuracy +\d+\.\d\d %
miou +\d+\.\d\d %
pixel_accuracy_multiscale +\d+\.\d\d %
miou_multiscale +\d+\.\d\d %
written: .*/result\.json, pictures in .*/pictures
""".replace("\\\n", ""),
}


@mark.parametrize("kind", PRINTED)
def test_it_says_what_concerns_the_user_and_no_more(runs: Path, kind: str) -> None:
    lines = (runs / f"{kind}.txt").read_text().splitlines(keepends=True)
    printed = "".join(line for line in lines if not re.match(r"batch \d+/", line))
    assert re.fullmatch(PRINTED[kind], printed), printed
    assert re.fullmatch(r"next: python tools/compare\.py .*\n", (runs / f"{kind}.errors").read_text())


def test_checkpoints_load_with_weights_only(runs: Path) -> None:
    for kind in CONFIGS:
        path = Path((runs / kind / "openmmlab/last_checkpoint").read_text())
        assert "state_dict" in torch.load(path, weights_only=True)


def test_a_finished_run_is_not_done_again(runs: Path, shapes: Path, bundle: Path) -> None:
    before = (runs / "seg" / "result.json").read_bytes()
    refused = run(command("seg", bundle, shapes, runs / "seg"))
    assert refused.returncode == 2
    assert "a finished run" in refused.stderr
    again = run(command("seg", bundle, shapes, runs / "seg", "--resume"))
    assert again.returncode == 0
    assert "is finished" in again.stdout
    assert (runs / "seg" / "result.json").read_bytes() == before


@mark.slow
def test_a_run_can_be_stopped_and_continued(shapes: Path, bundle: Path, tmp_path: Path) -> None:
    words = command("seg", bundle, shapes, tmp_path / "run")
    words[-2] = "train_cfg.max_iters=400"
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    marker = tmp_path / "run/openmmlab/last_checkpoint"
    deadline = time.monotonic() + 120
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "continue with --resume" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "run/result.json").exists()
    stopped_at = torch.load(marker.read_text(), weights_only=True)["meta"]["iter"]
    metrics = tmp_path / "run/metrics.jsonl"
    first_part = metrics.read_text().splitlines()
    words[-2] = f"train_cfg.max_iters={stopped_at + 4}"
    assert "holds another run" in run([*words, "--resume"]).stderr  # the schedule is part of the protocol
    words[-2] = "train_cfg.max_iters=400"
    process = subprocess.Popen([*words, "--resume"], env=environment(), stdout=subprocess.PIPE, text=True)
    while time.monotonic() < deadline + 120:
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        steps = [json.loads(line)["step"] for line in lines if line.endswith("}")]
        if steps and max(steps) > stopped_at + 20:
            break
        time.sleep(0.2)
    process.kill()
    printed, _ = process.communicate()
    assert f"continues at {marker.parent / f'iter_{stopped_at}.pth'}" in printed
    assert "proof:" not in printed  # that was taken at the start, and is on record
    assert max(steps) > stopped_at
    assert len(steps) == len(set(steps))
    # What was done is not done again: the same lines, with the speed of then.
    done = [line for line in first_part if json.loads(line)["step"] <= stopped_at]
    assert metrics.read_text().splitlines()[: len(done)] == done
    assert len(done) > 0


def test_both_tasks_end_in_one_comparison(runs: Path) -> None:
    done = run([sys.executable, str(ROOT / "tools/compare.py"), str(runs), "--baseline", "d-smooth"])
    assert done.returncode == 0, done.stderr
    report = Path(done.stdout.strip().splitlines()[-1])
    assert "d-smooth" in report.read_text()
    row = json.loads((report.parent / "comparison.json").read_text())
    assert "80.71" in json.dumps(row)  # the paper's mAP of this row stands beside ours


@mark.slow
def test_the_choice_of_a_search_stands_beside_the_fixed_run(
    runs: Path, shapes: Path, bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "fixed").symlink_to(runs / "seg")
    words = command("seg", bundle, shapes, tmp_path / "tuned", "--tuned-over", "5")
    done = run([*words, "optim_wrapper.optimizer.lr=0.02"])
    assert done.returncode == 0, done.stderr
    fixed, tuned = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("fixed", "tuned"))
    assert tuned["tuned"] == {"search": 5, "changed": {"optim_wrapper.optimizer.lr": "0.02"}}
    assert "tuned" not in fixed
    assert tuned["config_hash"] != fixed["config_hash"]
    assert tuned["fixed_hash"] == fixed["fixed_hash"]
    again = run([*words, "optim_wrapper.optimizer.lr=0.02", "--resume"])
    assert "is finished" in again.stdout, again.stderr
    compare = [sys.executable, str(ROOT / "tools/compare.py"), str(tmp_path), "--baseline", "d-smooth"]
    done = run(compare)
    assert done.returncode == 0, done.stderr
    assert "segmentation, tuned: best of 5" in done.stdout
    assert "segmentation, tuned to: d-smooth: optim_wrapper.optimizer.lr=0.02." in done.stdout


def test_a_search_of_one_is_refused_and_nothing_is_begun(shapes: Path, bundle: Path, tmp_path: Path) -> None:
    done = run(command("seg", bundle, shapes, tmp_path / "run", "--tuned-over", "1"))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith("error: --tuned-over 1: ")
    assert not (tmp_path / "run").exists()


def break_xml(data: Path) -> None:
    path = next((data / "VOCdevkit/VOC2007/Annotations").glob("*.xml"))
    path.write_text(path.read_text().replace("<xmin>", "<xmin>9", 1))


def break_image(data: Path) -> None:
    path = next((data / "ADEChallengeData2016/images/training").glob("*.jpg"))
    path.write_bytes(path.read_bytes()[:200])


def remove_data(data: Path) -> None:
    shutil.rmtree(data / "VOCdevkit/VOC2007/ImageSets")


@mark.parametrize(
    ("kind", "breakage", "named"),
    [("det", break_xml, ".xml"), ("seg", break_image, ".jpg"), ("det", remove_data, "ImageSets")],
)
def test_broken_data_is_named_and_nothing_is_begun(
    kind: str, breakage, named: str, shapes: Path, bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(shapes, tmp_path / "data")
    breakage(tmp_path / "data")
    done = run(command(kind, bundle, tmp_path / "data", tmp_path / "run"))
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@mark.parametrize(
    "mistake", ["optim_wrapper.optimizer.lr=abc", "param_scheduler.0.type=NoSuch", "train_cfg.max_iters=-1"]
)
def test_a_mistaken_option_is_named_and_nothing_is_begun(
    mistake: str, shapes: Path, bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()  # an empty folder stays as it was
    done = run([*command("seg", bundle, shapes, tmp_path / "run"), mistake])
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert mistake.partition("=")[0].split(".")[-2] in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.rglob("*")) == [tmp_path / "run"]


def test_a_bundle_cut_short_is_named(shapes: Path, bundle: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.safetensors"
    short.write_bytes(bundle.read_bytes()[:5000])
    done = run(command("det", short, shapes, tmp_path / "run"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {short} is not a whole safetensors file")


def test_unknown_networks_and_help() -> None:
    done = run([sys.executable, str(ROOT / "tools/transfer_seg.py"), str(ROOT / CONFIGS["seg"]), "--backbone"])
    assert done.returncode == 2
    done = run(command("seg", "random:resnet18d", ROOT, ROOT / "none"))
    assert done.returncode == 2
    assert "did you mean resnet18_d" in done.stderr
    started = time.monotonic()
    assert "backbone.safetensors" in run([sys.executable, str(ROOT / "tools/transfer_det.py"), "--help"]).stdout
    assert time.monotonic() - started < 5
