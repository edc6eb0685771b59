"""The C4 protocol from the trunk to the numbers, on tiny rendered data, with one network of each family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from backbones.data.shapes import make_shapes
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.detection import DETECTION

PROTOCOL = Path(__file__).resolve().parents[3] / "det_configs/faster_rcnn_c4_voc07.py"
SHORT = ("train_cfg.max_epochs=1",)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=8, size=64, layouts=("detection",))


@pytest.mark.parametrize("network", ["resnet18_d", "mobilenet_v1_025", "inception_v3"])
def test_it_trains_and_measures(network: str, data: Path, small_c4: tuple[str, ...], tmp_path: Path) -> None:
    options = TransferOptions(
        config=str(PROTOCOL),
        backbone=f"random:{network}",
        out=str(tmp_path / "run"),
        data=str(data / "VOCdevkit"),
        seed=1,
        workers=0,
        total_batch=4,
        keep="all",
        cfg_options=(*SHORT, *small_c4),
    )
    result = run_transfer(DETECTION, options)
    assert list(result["metrics"]) == ["voc07_map", "voc_map", "coco_ap", "coco_ap50", "coco_ap75"]
    assert all(0 <= value <= 100 for value in result["metrics"].values())
    assert result["proof"]["features"]["equal"] is True
    ledger = json.loads((tmp_path / "run/ledger.json").read_text())
    places = {entry["source"].split(".")[1]: entry["target"] for entry in ledger if entry["target"]}
    assert places.pop("stage4").startswith("roi_head.shared_head.stage4.")
    assert all(target.startswith(f"backbone.{stage}.") for stage, target in places.items())
    trained = torch.load(Path((tmp_path / "run/openmmlab/last_checkpoint").read_text()), weights_only=True)[
        "state_dict"
    ]
    fresh = {entry["target"]: entry["checksum"] for entry in ledger if entry["target"]}
    assert fresh.keys() == {name for name in trained if name.startswith(("backbone.", "roi_head.shared_head."))}
    # The last stage trains with the rest: its BatchNorm has seen regions.
    seen = [value for name, value in trained.items() if "stage4" in name and name.endswith("num_batches_tracked")]
    assert seen
    assert all(value > 0 for value in seen)
