"""What a test leaves in the run folder when something comes between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backbones.data.shapes import make_shapes
from transfer.evaluation.files import read_segmentations
from transfer.evaluation.pictures.predictions import read_predictions
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.segmentation import SEGMENTATION

PROTOCOL = Path(__file__).resolve().parents[3] / "seg_configs/fcn_os8_demo.py"
SMALL = (
    "train_cfg.max_iters=1",  # of 8 images
    "default_hooks.checkpoint.interval=1",
    "model.data_preprocessor.size=(64,64)",
    "train_dataloader.dataset.pipeline.2.crop_size=(64,64)",
)


@pytest.mark.slow
def test_a_run_stopped_while_it_draws_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_shapes(tmp_path / "shapes", images=10, size=64, layouts=("segmentation",)) / "ADEChallengeData2016"

    def start(**more: Any) -> dict[str, Any]:
        fixed = {"config": str(PROTOCOL), "backbone": "random:mobilenet_v1_025", "precision": "fp32", "workers": 0}
        options = TransferOptions(
            **fixed, **more, total_batch=4, out=str(tmp_path / "run"), data=str(data), cfg_options=SMALL
        )
        return run_transfer(SEGMENTATION, options)

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("no such picture")

    from transfer.evaluation.pictures import segmentation

    with monkeypatch.context() as patch:
        patch.setattr(segmentation, "draw_iou", stop)
        with pytest.raises(KeyboardInterrupt, match="continue with --resume"):
            start()
    assert not (tmp_path / "run/result.json").exists()
    stored = read_segmentations(tmp_path / "run/evaluation.npz")
    monkeypatch.setattr(segmentation, "draw_iou", fail)
    result = start(resume=True)
    assert result["pictures"] == {
        "drawn": ["best.png", "median.png", "worst.png", "confusion.png", "predictions.zip"],
        "failed": {"per_class.png": "ZeroDivisionError: no such picture"},
    }
    assert json.loads((tmp_path / "run/result.json").read_text())["metrics"] == result["metrics"]
    assert "per_class.png could not be drawn" in capsys.readouterr().err
    again = read_segmentations(tmp_path / "run/evaluation.npz")
    assert again.names == stored.names
    assert (again.confusion() == stored.confusion()).all()
    assert not (tmp_path / "run/evaluation_multi_scale.npz").exists()
    maps = read_predictions(tmp_path / "run/pictures/predictions.zip")
    assert set(maps) == set(again.names)  # so few images are all kept
    for index, name in enumerate(again.names):  # and so small that every pixel is: they are those that were counted
        with Image.open(data / name.replace("images", "annotations").replace(".jpg", ".png")) as image:
            label = np.asarray(image).astype(int) - 1
        confusion = np.zeros_like(again.confusion(index))
        np.add.at(confusion, (label[label >= 0], maps[name][label >= 0]), 1)
        np.testing.assert_array_equal(confusion, again.confusion(index))
    log = next((tmp_path / "run/openmmlab").rglob("*.log"))
    assert any("in fail" in path.read_text() for path in log.parent.parent.rglob("*.log"))
    with Image.open(tmp_path / "run/pictures/best.png") as image:
        assert image.format == "PNG"
