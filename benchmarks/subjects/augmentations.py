"""The paper's training augmentation as one would write it with torchvision, and with timm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from timm.data import ImageDataset, create_transform
from timm.data.loader import fast_collate
from torch import Tensor
from torch.utils.data import Dataset, default_collate
from torchvision import transforms as v1
from torchvision.datasets import DatasetFolder, ImageFolder
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from backbones.bundles.contract import IMAGENET_MEAN, IMAGENET_STD
from backbones.data.color import PCA_EIGENVALUES, PCA_EIGENVECTORS, PCA_STD

MEAN, STD = [value / 255 for value in IMAGENET_MEAN], [value / 255 for value in IMAGENET_STD]
# Brightness, contrast (none), saturation, and hue in full turns: the paper's 0.4 is one of half a turn.
JITTER = (0.4, 0.0, 0.4, 0.2)


class PcaNoise:
    """AlexNet's noise on a float image (3, H, W) from 0 to 1."""

    def __init__(self) -> None:
        self.components = torch.tensor(PCA_EIGENVECTORS * PCA_EIGENVALUES / 255, dtype=torch.float32)

    def __call__(self, image: Tensor) -> Tensor:
        return image + (self.components @ (torch.randn(3) * PCA_STD)).view(3, 1, 1)


def torchvision_images(root: Path, size: int) -> Dataset:
    """torchvision's folder and transforms on Pillow images."""
    steps = [v1.RandomResizedCrop(size), v1.RandomHorizontalFlip(), v1.ColorJitter(*JITTER), v1.ToTensor()]
    return ImageFolder(str(root / "train"), v1.Compose([*steps, PcaNoise(), v1.Normalize(MEAN, STD)]))


def torchvision_tensors(root: Path, size: int) -> Dataset:
    """torchvision's decoder and its transforms on 8-bit tensors."""
    steps = [v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), v2.ColorJitter(*JITTER)]
    steps += [v2.ToDtype(torch.float32, scale=True), PcaNoise(), v2.Normalize(MEAN, STD)]

    def read(path: str) -> Tensor:
        return decode_image(path, ImageReadMode.RGB)

    return DatasetFolder(str(root / "train"), read, (".jpg",), v2.Compose(steps))


def timm_images(root: Path, size: int) -> Dataset:
    """timm's dataset and transform, 8-bit for its prefetcher."""
    transform = create_transform(
        size, is_training=True, color_jitter=JITTER, interpolation="bilinear", use_prefetcher=True
    )
    return ImageDataset(str(root / "train"), transform=transform)


def over(dataset: Dataset, count: int, batch: int, collate: Callable = default_collate) -> Callable[[], None]:
    """What a loader worker does for one pass."""

    def work() -> None:
        for first in range(0, count, batch):
            collate([dataset[index] for index in range(first, min(first + batch, count))])

    return work


def timm_batches(root: Path, size: int, count: int, batch: int) -> Callable[[], None]:
    """timm's, collated and normalised as its prefetcher does."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))

    def collate(samples: list) -> Tensor:
        images, _ = fast_collate(samples)
        return images.float().sub_(mean).div_(std)

    return over(timm_images(root, size), count, batch, collate)
