"""The paper's training augmentation (Section 2.1) of JPEG files of 500 x 375 pixels to 224 x 224, with one thread:
random crop of 8 to 100 % of the area, resize, flip, brightness, saturation and hue in [0.6, 1.4], PCA noise,
normalisation, batches of 32 images.

The others are what their libraries offer: torchvision's transforms on Pillow images and on tensors (with its own JPEG
decoder), timm's dataset, transform, collation and the normalisation of its prefetcher, which here is the same thread's.
timm has no PCA noise, which is to its favour. All hue changes but ours are in HSV. Ours does crop, resize
and flip in the worker; colour, noise and normalisation are one affine map per image on the device, which in the lines
"with colour" is the same CPU thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import simplejpeg
import torch

from backbones.bundles.contract import IMAGENET_MEAN, IMAGENET_STD
from backbones.data.color import apply_color, color_map, random_color
from backbones.data.folders.image_folder import ImageSplit, open_image_folder
from backbones.data.loader import ImageBatches
from backbones.data.randomness import Purpose, keyed_generator
from backbones.data.sampling import Request
from backbones.errors import UserError
from benchmarks.harness.findings import Aim, Findings, compare
from benchmarks.harness.interleaved import take_turns
from benchmarks.harness.settings import Settings
from benchmarks.subjects import augmentations as peers
from benchmarks.subjects.photographs import image_folder, photographs, source

TITLE = "Input pipeline, images/s of one core"
QUICK = True
SIZE, BATCH = 224, 32
V1, V2, TIMM = "torchvision, Pillow", "torchvision v2, tensors", "timm"
ALONE, WORKER, WHOLE = "reading and decoding alone", "ours, worker", "ours, worker and colour"
AIMS = (
    *(Aim(WORKER, other, 3.0) for other in (V1, V2, TIMM)),
    *(Aim(WHOLE, other, 2.0) for other in (V1, V2, TIMM)),
    Aim(WORKER, ALONE, 0.75),
)


def measure(settings: Settings) -> Findings:
    """All contenders over the same files."""
    torch.set_num_threads(1)
    count = settings.amount(8, 2) * BATCH
    root = image_folder(settings.scratch / "data", photographs(settings, count))
    split = open_image_folder(root).train
    contenders: dict[str, Callable[[], object]] = {
        V1: peers.over(peers.torchvision_images(root, SIZE), count, BATCH),
        V2: peers.over(peers.torchvision_tensors(root, SIZE), count, BATCH),
        TIMM: peers.timm_batches(root, SIZE, count, BATCH),
        ALONE: lambda: _decode_all(split),
        WORKER: lambda: sum(1 for _ in _batches(split)),
        WHOLE: lambda: _with_color(split),
    }
    seconds = take_turns(contenders, settings.rounds)
    return Findings((compare(source(settings), "images/s", count, seconds, AIMS),))


def _decode_all(split: ImageSplit) -> None:
    for index in range(len(split)):
        simplejpeg.decode_jpeg(Path(split.path(index)).read_bytes())


def _batches(split: ImageSplit) -> Iterator[torch.Tensor]:
    """What a worker hands over."""
    dataset = ImageBatches(split, SIZE, 0)
    for first in range(0, len(split), BATCH):
        batch = dataset[Request(0, np.arange(first, min(first + BATCH, len(split))))]
        if isinstance(batch, UserError):
            raise batch
        yield batch.images


def _with_color(split: ImageSplit) -> None:
    for number, images in enumerate(_batches(split)):
        change = random_color(len(images), keyed_generator(Purpose.COLOR, 0, 0, number))
        apply_color(images, color_map(change, IMAGENET_MEAN, IMAGENET_STD))
