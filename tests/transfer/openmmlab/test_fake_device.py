"""The shipped protocols on tensors that only claim to be on a GPU: a wrong device raises, and every wait is counted.

Where ``FakeTensorMode`` stops, ``fake_cuda`` says. The backward pass of autograd wants a real GPU, so the bridge's own
is called by itself.
"""

from __future__ import annotations

import copy
import functools
import importlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from fake_cuda import CUDA, FakeCuda, fake_gradients, tensors_of, to_cuda
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from mmengine.structures import InstanceData, PixelData
from pytest import FixtureRequest, MonkeyPatch, TempPathFactory, fixture, mark, raises
from torch import Tensor, nn

from backbones.machine.distributed import ALONE
from transfer.openmmlab import ops_bridge
from transfer.openmmlab.speed.bfloat16 import compute_in_bfloat16
from transfer.openmmlab.speed.pixel_loss import use_per_image_loss
from transfer.openmmlab.speed.region_pooling import pool_whole_pyramids
from transfer.run.hooks import LossesHook
from transfer.run.plan import TransferPlan, settle
from transfer.run.request import TransferOptions
from transfer.tasks.detection import DETECTION
from transfer.tasks.segmentation import SEGMENTATION

OPS = ops_bridge.install()
count_pixels = importlib.import_module("transfer.segmentation_metric").count_pixels
bridged = mark.skipif(OPS != "torchvision", reason="mmcv's compiled ops are installed")
pytestmark = bridged

REPOSITORY = Path(__file__).resolve().parents[3]
IMAGES, SIDE = 2, 64
CROP = f"model.data_preprocessor.size=({SIDE},{SIDE})"
PROTOCOLS = {
    "C4": "det_configs/faster_rcnn_c4_voc07.py",
    "FPN": "det_configs/faster_rcnn_fpn_demo.py",
    "simple FPN": "det_configs/faster_rcnn_simple_fpn_voc07.py",
    "FCN": "seg_configs/fcn_os8_demo.py",
    "UPerNet": "seg_configs/upernet_ade20k.py",
    "linear": "seg_configs/linear_ade20k.py",
}
DETECTORS = [name for name, path in PROTOCOLS.items() if path.startswith("det")]
SEGMENTORS = [name for name in PROTOCOLS if name not in DETECTORS]


class Built:
    """A protocol's model, as it trains, on the CPU until it is moved; data as a loader hands them over."""

    def __init__(self, protocol: str, plan: TransferPlan, model: Any) -> None:
        self.protocol, self.plan, self.model = protocol, plan, model
        self.detects = protocol in DETECTORS

    def move(self) -> Built:
        to_cuda(self.model)
        compute_in_bfloat16(self.model, self.plan.bfloat16_modules)
        pool_whole_pyramids(self.model)
        use_per_image_loss(self.model)
        return self

    def data(self) -> dict[str, Any]:
        images = [torch.zeros(3, SIDE, SIDE, dtype=torch.uint8) for _ in range(IMAGES)]
        return {"inputs": images, "data_samples": [self._sample(number) for number in range(IMAGES)]}

    def _sample(self, number: int) -> Any:
        size = (SIDE, SIDE)
        shapes = dict.fromkeys(("img_shape", "ori_shape", "pad_shape", "batch_input_shape"), size)
        facts = dict(shapes, scale_factor=(1.0, 1.0), img_id=number, img_path=f"{number}.jpg", flip=False)
        if not self.detects:
            sample = importlib.import_module("mmseg.structures").SegDataSample(metainfo=facts)
            sample.gt_sem_seg = PixelData(data=torch.zeros(1, *size, dtype=torch.int64))
            return sample
        sample = importlib.import_module("mmdet.structures").DetDataSample(metainfo=facts)
        boxes = torch.tensor([[3.0, 4, 40, 50], [10, 10, 60, 60]])
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([1, 2]))
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.int64))
        return sample

    def losses(self, change: Callable[[Any], None] = lambda batch: None) -> dict[str, Tensor]:
        """The losses of a batch; ``change`` may spoil what the model is given."""
        self.model.train()
        batch = self.model.data_preprocessor(self.data(), True)
        change(batch)
        return self.model.parse_losses(self.model(**batch, mode="loss"))[1]

    @torch.no_grad()
    def predictions(self) -> list[Any]:
        self.model.eval()
        return self.model.test_step(self.data())


def _settle(protocol: str, folder: Path) -> TransferPlan:
    detects = protocol in DETECTORS
    options = TransferOptions(
        config=str(REPOSITORY / PROTOCOLS[protocol]),
        backbone="random:timm:vit_tiny_patch16_224" if protocol == "simple FPN" else "random:mobilenet_v1_025",
        out=str(folder / "run"),
        data=str(folder),  # empty: the protocols' own classes
        precision="bf16",
        cfg_options=() if detects else (CROP,),
    )
    return settle(DETECTION if detects else SEGMENTATION, options, ALONE, OPS)


@fixture(scope="module")
def originals(tmp_path_factory: TempPathFactory) -> Callable[[str], tuple[TransferPlan, nn.Module]]:
    """Plan and real model of a protocol, built once."""

    @functools.cache
    def build(protocol: str) -> tuple[TransferPlan, nn.Module]:
        plan = _settle(protocol, tmp_path_factory.mktemp("empty"))
        importlib.import_module(f"{plan.task.framework}.utils").register_all_modules()
        model: Any = MODELS.build(plan.config.model)
        return plan, model.to(memory_format=torch.channels_last)

    return build


@fixture
def built(request: FixtureRequest, originals: Callable[[str], tuple[TransferPlan, nn.Module]]) -> Built:
    """A copy, for one test."""
    plan, model = originals(request.param)
    return Built(request.param, plan, copy.deepcopy(model))


every = mark.parametrize("built", PROTOCOLS, indirect=True)
one_each = mark.parametrize("built", ["FPN", "FCN"], indirect=True)
detectors = mark.parametrize("built", DETECTORS, indirect=True)
segmentors = mark.parametrize("built", SEGMENTORS, indirect=True)


@every
def test_losses_stay_on_the_device(built: Built) -> None:
    computed = set()
    with FakeCuda() as fake:
        *_, last = (
            module for module in built.move().model.backbone.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
        )
        last.register_forward_hook(lambda module, seen, output: computed.add(output.dtype))
        losses = built.losses()
        assert computed == {torch.bfloat16}
        assert {loss.device for loss in losses.values()} == {CUDA}
        assert losses["loss"].dtype == torch.float32
        assert losses["loss"].requires_grad
        assert all("non-maximum suppression" in what for what, _ in fake.ours())


@every
def test_predictions_stay_on_the_device(built: Built) -> None:
    with FakeCuda() as fake:
        found = built.move().predictions()
        fields = ("pred_instances",) if built.detects else ("pred_sem_seg", "seg_logits")
        tensors = [each for sample in found for name in fields for each in tensors_of(_values(sample, name))]
        assert len(tensors) >= IMAGES * (3 if built.detects else 2)
        assert {tensor.device for tensor in tensors} == {CUDA}
        assert all("non-maximum suppression" in what for what, _ in fake.ours())


def _values(sample: Any, name: str) -> list[Any]:
    return [value for _, value in getattr(sample, name).items()]


# What mmdetection, mmsegmentation and mmengine themselves wait for in a step of two small images, of which docs/gpu.md
# tells; with mmengine's gradient clipping, where the protocol clips, one more than without.
STOCK = {"C4": 96, "FPN": 116, "simple FPN": 116, "FCN": 10, "UPerNet": 10, "linear": 8}


@every
def test_a_step_waits_once_for_our_part(built: Built) -> None:
    with FakeCuda() as fake, fake_gradients(built.model):
        model = built.move().model.train()
        wrapper = build_optim_wrapper(model, built.plan.config.optim_wrapper)
        fake.waits.clear()
        outputs = model.train_step(built.data(), wrapper)
        runner: Any = SimpleNamespace(optim_wrapper=wrapper, iter=0)
        LossesHook().after_train_iter(runner, 0, None, outputs)
    by_kind = Counter[str]()
    for (what, _), count in fake.ours().items():
        by_kind[what] += count
    suppressions = Counter({"non-maximum suppression": IMAGES} if built.detects else {})  # mmcv's own kernel waits too
    assert by_kind == Counter({"copy from the device": 1}) + suppressions
    assert {value.device.type for value in outputs.values()} == {"cpu"}  # so mmengine's hooks wait for none
    assert fake.total - sum(fake.ours().values()) == STOCK[built.protocol], fake.waits


def test_both_ways_of_the_bridges_roi_align_stay_on_the_device() -> None:
    geometry = dict(aligned_height=7, aligned_width=7, spatial_scale=0.25, sampling_ratio=0, pool_mode=1, aligned=True)
    with FakeCuda() as fake:
        features, output = (torch.zeros(shape, device=CUDA) for shape in ((2, 3, 8, 8), (5, 3, 7, 7)))
        rois, unused = torch.zeros(5, 5, device=CUDA), torch.zeros(0, device=CUDA)
        fake.waits.clear()
        ops_bridge.roi_align_forward(features, rois, output, unused, unused, **geometry)
        ops_bridge.roi_align_backward(output, rois, unused, unused, features, **geometry)
        assert not fake.waits
        for call in (
            lambda left: ops_bridge.roi_align_forward(features, left, output, unused, unused, **geometry),
            lambda left: ops_bridge.roi_align_backward(output, left, unused, unused, features, **geometry),
            lambda left: ops_bridge.nms(left[:, :4], rois[:, 0], 0.5, 0),
        ):
            with raises(RuntimeError, match="device"):
                call(torch.zeros(5, 5, device="cpu"))


@segmentors
def test_a_map_is_counted_on_the_device(built: Built) -> None:
    with FakeCuda() as fake:
        (first, _) = built.move().predictions()
        label, prediction = first.gt_sem_seg.data.squeeze(), first.pred_sem_seg.data.squeeze()
        fake.waits.clear()
        with raises(RuntimeError, match="numpy"):  # as far as fake tensors go
            count_pixels(label, prediction, 150)
    assert fake.total == 3  # the count, the pairs that there are, and the first of two copies


@detectors
@mark.parametrize("field", ["labels", "bboxes"])
def test_annotations_on_the_processor_are_refused(built: Built, field: str) -> None:
    def spoil(batch: Any) -> None:
        instances = batch["data_samples"][0].gt_instances
        setattr(instances, field, torch.zeros_like(instances[field], device="cpu"))

    with FakeCuda(), raises(RuntimeError, match="device"):
        built.move().losses(spoil)


@segmentors
def test_a_label_map_on_the_processor_is_refused(built: Built) -> None:
    def spoil(batch: Any) -> None:
        sample = batch["data_samples"][0]
        sample.gt_sem_seg = PixelData(data=torch.zeros(1, SIDE, SIDE, dtype=torch.int64, device="cpu"))

    with FakeCuda(), raises(RuntimeError, match="device"):
        built.move().losses(spoil)


@detectors
def test_anchors_on_the_processor_are_refused(built: Built, monkeypatch: MonkeyPatch) -> None:
    generator = built.model.rpn_head.prior_generator
    one_level = generator.single_level_grid_priors
    with FakeCuda():
        built.move()
        monkeypatch.setattr(
            generator, "single_level_grid_priors", lambda *a, **k: one_level(*a, **{**k, "device": "cpu"})
        )
        with raises(RuntimeError, match="device"):
            built.losses()


@one_each
@mark.parametrize("forgotten", ["parameter", "buffer"])
def test_a_weight_that_was_not_moved_is_refused(built: Built, forgotten: str) -> None:
    with FakeCuda():
        built.move()
        module, name = _last(built.model, forgotten)
        tensor = getattr(module, name)
        left = torch.zeros(tensor.shape, dtype=tensor.dtype, device="cpu")
        setattr(module, name, nn.Parameter(left) if forgotten == "parameter" else left)
        with raises(RuntimeError, match="device"):
            built.losses()


def _last(model: nn.Module, kind: str) -> tuple[nn.Module, str]:
    """The trunk's last weight, or the model's mean of images."""
    if kind == "buffer":
        return model.data_preprocessor, "mean"
    *_, name = (name for name, tensor in model.backbone.named_parameters() if tensor.ndim > 1)
    path, _, last = name.rpartition(".")
    return model.backbone.get_submodule(path), last
