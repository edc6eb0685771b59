"""Transfers on a GPU: both tasks, by the kinds of protocol, in bf16 and float32."""

from __future__ import annotations

from pathlib import Path

import torch
from pytest import TempPathFactory, fixture, mark, raises

from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from backbones.files import read_json
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.detection import DETECTION
from transfer.tasks.segmentation import SEGMENTATION

pytestmark = [mark.gpu, mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
ROOT = Path(__file__).resolve().parents[3]
PROTOCOLS = {
    "FPN": (DETECTION, "det_configs/faster_rcnn_fpn_demo.py", "VOCdevkit", ("train_cfg.max_epochs=1",)),
    "FCN": (SEGMENTATION, "seg_configs/fcn_os8_demo.py", "ADEChallengeData2016", ("train_cfg.max_iters=4",)),
}


@fixture(scope="module")
def data(tmp_path_factory: TempPathFactory) -> Path:
    return make_shapes(tmp_path_factory.mktemp("shapes") / "data", images=16, size=96)


def options(kind: str, data: Path, out: Path, precision: str) -> TransferOptions:
    _, protocol, folder, short = PROTOCOLS[kind]
    return TransferOptions(
        config=str(ROOT / protocol),
        backbone="random:resnet18_d",
        out=str(out),
        data=str(data / folder),
        precision=precision,
        total_batch=4,
        cfg_options=short,
    )


@mark.parametrize("precision", ["bf16", "fp32"])
@mark.parametrize("kind", PROTOCOLS)
def test_it_trains_and_measures(kind: str, precision: str, data: Path, tmp_path: Path) -> None:
    result = run_transfer(PROTOCOLS[kind][0], options(kind, data, tmp_path / "run", precision))
    assert all(0 <= value <= 100 for value in result["metrics"].values())
    assert result["proof"]["features"]["equal"] is True
    run = read_json(tmp_path / "run/run.json")
    assert (run["precision"], run["hardware"]["device"]) == (precision, "cuda")


@mark.parametrize("kind", PROTOCOLS)
def test_fp16_is_refused(kind: str, data: Path, tmp_path: Path) -> None:
    with raises(UserError, match="--precision fp16: transfers run in bf16 or fp32"):
        run_transfer(PROTOCOLS[kind][0], options(kind, data, tmp_path / "run", "fp16"))


def test_c4_trains_and_measures(data: Path, tmp_path: Path, small_c4: tuple[str, ...]) -> None:
    asked = TransferOptions(
        config=str(ROOT / "det_configs/faster_rcnn_c4_voc07.py"),
        backbone="random:resnet18_d",
        out=str(tmp_path / "run"),
        data=str(data / "VOCdevkit"),
        total_batch=4,
        cfg_options=("train_cfg.max_epochs=1", *small_c4),
    )
    result = run_transfer(DETECTION, asked)
    assert all(0 <= value <= 100 for value in result["metrics"].values())
