"""Both protocols of one evaluation, on real predictions: each number and each averaged map against plain loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.hooks import Hook
from mmengine.runner import Runner
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional

from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from transfer.run.run import TransferOptions, run_transfer

SIDE, TOTAL_BATCH = 64, 4
SMALL = (
    "train_cfg.max_iters=3",  # of 8 images, which are 6 of TOTAL_BATCH
    f"model.data_preprocessor.size=({SIDE},{SIDE})",
    f"train_dataloader.dataset.pipeline.2.crop_size=({SIDE},{SIDE})",
)
PROTOCOL = Path(__file__).resolve().parents[3] / "seg_configs/fcn_os8_demo.py"
IGNORED = (0, 255)  # label values in ADE20K's files
KINDS = ("iou", "accuracy")


class Opinionated(Hook):
    """After so short a training all pixels get the same class; another last layer gives maps worth measuring."""

    @torch.no_grad()
    def after_train(self, runner: Runner) -> None:
        model, layer = runner.model.eval(), runner.model.decode_head.conv_seg
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(3)))
        images = model.data_preprocessor(next(iter(runner.test_dataloader)))["inputs"]
        layer.bias.copy_(layer.bias - model.decode_head(model.backbone(images)).mean((0, 2, 3)))


class Evaluation(NamedTuple):
    """A finished run. Predictions by file stem: of the single-scale pass, and of the multi-scale one."""

    result: dict[str, Any]
    labels: dict[str, NDArray]
    single: dict[str, NDArray]
    averaged: dict[str, NDArray]
    model: nn.Module
    images: Path
    classes: tuple[str, ...]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn scenes with stripes of both values that mean "no label", and one class taken out of the test set."""
    root = make_shapes(tmp_path_factory.mktemp("shapes") / "data", images=10, size=SIDE, layouts=("segmentation",))
    root = root / "ADEChallengeData2016"
    for path in sorted((root / "annotations/validation").glob("*.png")):
        labels = np.array(Image.open(path))
        labels[:7] = 0
        labels[:, 56:] = 255
        labels[labels == 2] = 0
        Image.fromarray(labels).save(path)
    return root


def request(data: Path, out: Path, *more: str) -> tuple[Any, TransferOptions]:
    from transfer.tasks.segmentation import SEGMENTATION

    fixed = {"config": str(PROTOCOL), "backbone": "random:mobilenet_v1_025", "precision": "fp32", "workers": 0}
    where = {"out": str(out), "data": str(data), "total_batch": TOTAL_BATCH}
    return SEGMENTATION, TransferOptions(**fixed, **where, cfg_options=(*SMALL, *more))


@pytest.fixture(scope="module")
def evaluation(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    import transfer.run.run
    from transfer.segmentation_metric import SegmentationMetric

    passes: dict[int, dict[str, NDArray]] = {}
    kept: list[Any] = []
    process, build = SegmentationMetric.process, transfer.run.run.build_runner

    def keep_predictions(self: Any, batch: Any, samples: Any) -> None:
        for sample in samples:
            path, prediction = Path(sample["img_path"]), sample["pred_sem_seg"]["data"]
            passes.setdefault(id(self), {})[path.stem] = prediction.squeeze().numpy().copy()
        process(self, batch, samples)

    def keep_runner(config: Any, path: str, changes: Any, hooks: Any) -> Any:
        kept.append(build(config, path, changes, [*hooks, Opinionated()]))
        return kept[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationMetric, "process", keep_predictions)
        patch.setattr("transfer.run.run.build_runner", keep_runner)
        result = run_transfer(*request(data, tmp_path_factory.mktemp("runs") / "run", "multi_scale=True"))
    single, averaged = passes.values()
    labels = {path.stem: np.array(Image.open(path)) for path in (data / "annotations/validation").glob("*.png")}
    classes = kept[0].test_dataloader.dataset.metainfo["classes"]
    return Evaluation(result, labels, single, averaged, kept[0].model.eval(), data / "images/validation", classes)


def counted(labels: list[NDArray], predictions: list[NDArray], classes: int) -> tuple[float, dict[int, list[float]]]:
    """Pixel accuracy, and class -> [iou, accuracy], pixel by pixel; nan where there is nothing to divide by."""
    both, called, true = [0] * classes, [0] * classes, [0] * classes
    for label, prediction in zip(labels, predictions, strict=True):
        for value, guess in zip(label.ravel().tolist(), prediction.ravel().tolist(), strict=True):
            if value not in IGNORED:
                true[value - 1] += 1
                called[guess] += 1
                both[guess] += guess == value - 1
    shares = {
        index: [
            both[index] / union if (union := called[index] + true[index] - both[index]) else float("nan"),
            both[index] / true[index] if true[index] else float("nan"),
        ]
        for index in range(classes)
    }
    return sum(both) / sum(true), shares


@pytest.mark.parametrize("ending", ["", "_multiscale"])
def test_every_number_is_what_plain_loops_count(evaluation: Evaluation, ending: str) -> None:
    predictions = evaluation.averaged if ending else evaluation.single
    stems = sorted(evaluation.labels)
    assert sorted(predictions) == stems
    accuracy, shares = counted(
        [evaluation.labels[stem] for stem in stems], [predictions[stem] for stem in stems], len(evaluation.classes)
    )
    metrics = evaluation.result["metrics"]
    assert metrics[f"pixel_accuracy{ending}"] == pytest.approx(100 * accuracy)
    held = [iou for iou, accuracy in shares.values() if not np.isnan(accuracy)]  # classes that the labels hold
    assert metrics[f"miou{ending}"] == pytest.approx(100 * sum(held) / len(held))
    for index, name in enumerate(evaluation.classes):
        expected = {kind: 100 * share for kind, share in zip(KINDS, shares[index], strict=True) if not np.isnan(share)}
        given_ = evaluation.result["per_class"].get(name, {})
        assert {kind: given_[kind + ending] for kind in KINDS if kind + ending in given_} == pytest.approx(expected)
    assert "accuracy" not in evaluation.result["per_class"].get(evaluation.classes[1], {})  # its label is in no map


def test_the_protocols_are_told_apart(evaluation: Evaluation) -> None:
    names = ["pixel_accuracy", "miou", "pixel_accuracy_multiscale", "miou_multiscale"]
    assert list(evaluation.result["metrics"]) == names
    assert any((evaluation.single[stem] != evaluation.averaged[stem]).any() for stem in evaluation.single)
    assert all(len(np.unique(list(maps.values()))) > 2 for maps in (evaluation.single, evaluation.averaged))
    # 0 as a class of its own, which it is not, would give another accuracy: the stripes do count nowhere.
    right = sum(int((evaluation.single[stem] + 1 == label).sum()) for stem, label in evaluation.labels.items())
    pixels = sum(label.size for label in evaluation.labels.values())
    assert evaluation.result["metrics"]["pixel_accuracy"] > 100 * right / pixels


def averaged_by_hand(model: nn.Module, image: NDArray) -> NDArray:
    """Class probabilities (classes, H, W): the mean over six sizes of the image (H, W, BGR) and of its mirror image."""
    height, width = image.shape[:2]
    total = 0
    for scale in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75):
        resized = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_LINEAR)
        for mirrored in (False, True):
            pixels = resized[:, ::-1].copy() if mirrored else resized
            batch = torch.from_numpy(pixels[:, :, ::-1].copy()).permute(2, 0, 1).float()[None]
            batch = (batch - model.data_preprocessor.mean) / model.data_preprocessor.std
            with torch.no_grad():
                logits = model.decode_head(model.backbone(batch))
            logits = functional.interpolate(logits, batch.shape[2:], mode="bilinear", align_corners=False)
            logits = logits.flip(3) if mirrored else logits
            logits = functional.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
            total = total + logits.softmax(1)[0]
    return (total / 12).numpy()


def test_the_averaged_maps_are_what_is_averaged_by_hand(evaluation: Evaluation) -> None:
    for stem, prediction in list(evaluation.averaged.items())[:3]:
        path = next(evaluation.images.glob(f"{stem}.*"))
        probabilities = averaged_by_hand(evaluation.model, cv2.imread(str(path)))
        first, second = np.sort(probabilities, 0)[:-3:-1]
        clear = first - second > 1e-4  # elsewhere rounding decides
        assert clear.mean() > 0.9
        assert (probabilities.argmax(0) == prediction)[clear].all()


def test_without_multiple_scales_there_is_one_protocol(data: Path, tmp_path: Path) -> None:
    result = run_transfer(*request(data, tmp_path / "run"))
    assert list(result["metrics"]) == ["pixel_accuracy", "miou"]
    assert all(set(shares) <= set(KINDS) for shares in result["per_class"].values())


def test_another_test_loop_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="extends a test_cfg of type TestLoop"):
        run_transfer(*request(data, tmp_path / "run", "multi_scale=True", "test_cfg.type=ValLoop"))
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 6), images=st.integers(1, 3))
def test_the_metric_on_any_maps(seed: int, classes: int, images: int) -> None:
    from transfer.segmentation_metric import SegmentationMetric
    from transfer.tasks.segmentation import metrics, per_class

    random = np.random.default_rng(seed)
    labels = [random.choice([0, 255, *range(1, classes)], (5, 7)).astype(np.uint8) for _ in range(images)]
    labels[0][0, 0] = 1  # at least one pixel has a label; the last class never appears
    predictions = [random.integers(0, classes, (5, 7)) for _ in range(images)]
    metric = SegmentationMetric()
    metric.dataset_meta = {"classes": tuple(f"class/{index}" for index in range(classes))}
    for label, prediction in zip(labels, predictions, strict=True):
        target = torch.from_numpy(np.where(np.isin(label, IGNORED), 255, label - 1).astype(np.int64))[None]
        maps = {"pred_sem_seg": {"data": torch.from_numpy(prediction)[None]}, "gt_sem_seg": {"data": target}}
        sample = {"img_path": "some.jpg", **maps}
        metric.process({}, [sample])
    measured = metric.evaluate(images)
    accuracy, shares = counted(labels, predictions, classes)
    held = [iou for iou, accuracy in shares.values() if not np.isnan(accuracy)]  # classes that the labels hold
    assert metrics(measured) == pytest.approx({"pixel_accuracy": 100 * accuracy, "miou": 100 * sum(held) / len(held)})
    expected = {
        f"class/{index}": {kind: 100 * value for kind, value in zip(KINDS, pair, strict=True) if not np.isnan(value)}
        for index, pair in shares.items()
    }
    assert {name: pytest.approx(pair) for name, pair in per_class(measured).items()} == {
        name: pair for name, pair in expected.items() if pair
    }
