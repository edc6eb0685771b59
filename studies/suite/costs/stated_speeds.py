"""What others say a training takes: the figures that a plan reckons with where nothing was measured yet.

All of them are of V100 GPUs, the ones that the paper had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backbones.recipes.paper import table_rows

GPU = "V100 GPU"
PAPER_IMAGES, PAPER_GPUS = 1_281_167, 8  # ImageNet's training images; Section 2.1


@dataclass(frozen=True)
class EpochTime:
    """A row of Table 3: minutes for an epoch of ImageNet on ``PAPER_GPUS``, in 16 bits (batch 1024) and 32 (256)."""

    label: str
    network: str
    efficient: float
    baseline: float


EPOCH_TIMES = tuple(
    EpochTime(row["label"], row["network"], row["efficient_minutes_per_epoch"], row["baseline_minutes_per_epoch"])
    for row in table_rows(3)
)


@dataclass(frozen=True)
class TransferSpeed:
    """What a transfer under a protocol takes.

    Attributes:
        gpu_seconds: For one training image of the protocol, as arithmetic with the stated figures.
        network: Whose trunk that is.
        images: Of the protocol's training set.
        epochs: Of the protocol.
        length: The setting that gives the protocol its length, and its value there.
        source: Who states the figures, and in what they differ from the protocol.
    """

    gpu_seconds: float
    network: str
    images: int
    epochs: int
    length: tuple[str, int]
    source: str

    @property
    def hours(self) -> float:
        """GPU-hours of a whole training; the evaluation after it, about a hundredth of that, is not counted."""
        return self.gpu_seconds * self.images * self.epochs / 3600


VOC0712_IMAGES = 5011 + 11540  # trainval of 2007 and of 2012
ADE20K_IMAGES = 20210

# Another project's figures, and so another project's code. Its images and heads are never quite the protocol's; where
# that was not reckoned with, the source says in which direction it errs.
TRANSFER_SPEEDS: Mapping[str, TransferSpeed] = {
    "faster_rcnn_c4_voc0712": TransferSpeed(
        gpu_seconds=0.537 * 8 / 16,
        network="resnet50_a",
        images=VOC0712_IMAGES,
        epochs=20,
        length=("train_cfg.max_epochs", 20),
        source="detectron2's MODEL_ZOO.md, Pascal VOC, R50-C4, 8 V100: 0.537 s per iteration of 16 images; "
        "it trains on 512 regions of an image, and the protocol on 128, so it is rather too much",
        # GluonCV's own log of its VOC run has 1312 to 1329 s per epoch on 4 GPUs that it does not name: 29 GPU-hours
        # (dmlc/web-data, gluoncv/logs/detection/faster_rcnn_resnet50_v1b_voc_train.log).
    ),
    "faster_rcnn_fpn_voc0712": TransferSpeed(
        gpu_seconds=0.216 * 8 / 16,
        network="resnet50_b",
        images=VOC0712_IMAGES,
        epochs=12,
        length=("train_cfg.max_epochs", 4),  # three repetitions of the images are one epoch to mmdetection
        source="mmdetection's docs/MODEL_ZOO.md (version 2.0), Faster R-CNN R50-FPN, 8 V100: 0.216 s per iteration of "
        "16 images of COCO; their shorter side is 800, and the protocol's 600, so it is rather too much",
    ),
    "fcn_os8_ade20k": TransferSpeed(
        # Multiply-adds of an image, forward, with both heads, by torch.utils.flop_counter: 130.5 G for this protocol's
        # FCN on ResNet-50-B at 480 x 480, 531.1 G for mmsegmentation's PSPNet at 1024 x 512.
        gpu_seconds=0.83 / 2 * 130.5 / 531.1,
        network="resnet50_b",
        images=ADE20K_IMAGES,
        epochs=120,
        length=("train_cfg.max_iters", 120 * ADE20K_IMAGES // 16),
        source="mmsegmentation's docs/en/model_zoo.md, PSPNet R101-D8, 8 V100: 0.83 s per iteration of 2 images of "
        "1024x512 per GPU; FCN R50-D8 at 480x480 by multiply-adds (130.5 G of 531.1 G)",
    ),
}
# Settings of a protocol that change what a run gives and not how long it takes. With any other, its time is unknown.
TIMELESS_SETTINGS = ("optim_wrapper.optimizer", "param_scheduler.", "default_hooks.", "multi_scale")


def nearest(network: str) -> EpochTime | None:
    """The row of Table 3 that is of a network's family; None where there is none."""
    family = network.partition("_")[0].rstrip("0123456789")  # resnet, inception, mobilenet
    return next((time for time in EPOCH_TIMES if time.network.startswith(family)), None)
