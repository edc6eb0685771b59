"""Colour of training images and normalisation (Section 2.1, steps 4 to 6) as one affine map per image.

Brightness, saturation, hue, PCA noise and normalisation are all linear in (R, G, B, 1). Composed once per image they
are a 3x4 matrix, and a whole batch is one batched matrix product on the device:

    brightness b   x -> b x
    saturation s   luma + s (x - luma)          scales the I and Q of YIQ
    hue h          I and Q turned by (h - 1) pi; MXNet's ``HueJitterAug`` has the same angle, torchvision and MXNet's
                   ``random_hue`` operator work in HSV or HLS instead
    PCA noise      x + V (eigenvalues * alpha)  alpha ~ N(0, 0.1), AlexNet's three components of ImageNet
    normalisation  (x - mean) / std

b, s and h are uniform in [0.6, 1.4]. The first three commute, so their order is no choice. Nothing is clamped or
rounded in between: the paper works in float32 throughout (GluonCV's loader works on 8-bit pixels, and has contrast in
place of hue). Where the paper is silent, values are GluonCV's: 0.1 is a standard deviation, eigenvalues and
eigenvectors are on the 0-255 scale.

Validation uses the same map with identity colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

JITTER = (0.6, 1.4)
PCA_STD = 0.1
_CACHED_PIXELS = 1 << 17  # 3 MB of intermediate results
PCA_EIGENVALUES = np.array([55.46, 4.794, 1.148])
PCA_EIGENVECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
# Four digits, because then the rows of I and Q sum to 0 and gray stays gray; with the usual three they do not.
RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
YIQ_TO_RGB = np.linalg.inv(RGB_TO_YIQ)


@dataclass(frozen=True)
class ColorChange:
    """Coefficients of n images: ``brightness``, ``saturation`` and ``hue`` (n,), and ``pca`` noise alphas (n, 3)."""

    brightness: np.ndarray
    saturation: np.ndarray
    hue: np.ndarray
    pca: np.ndarray

    def part(self, first: int, end: int) -> ColorChange:
        """The coefficients of images ``first`` to ``end``, excluded."""
        here = slice(first, end)
        return ColorChange(self.brightness[here], self.saturation[here], self.hue[here], self.pca[here])


def random_color(count: int, random: np.random.Generator) -> ColorChange:
    """Draw the training-time change of ``count`` images."""
    brightness, saturation, hue = random.uniform(*JITTER, size=(3, count))
    return ColorChange(brightness, saturation, hue, random.normal(0.0, PCA_STD, size=(count, 3)))


def identity_color(count: int) -> ColorChange:
    """The change that changes nothing, for validation."""
    ones = np.ones(count)
    return ColorChange(ones, ones, ones, np.zeros((count, 3)))


def color_map(change: ColorChange, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Affine maps (n, 3, 4), float32: from 0-255 RGB to normalised RGB; ``mean`` and ``std`` are on the 0-255 scale."""
    angle = (change.hue - 1.0) * np.pi
    chroma = np.zeros((len(angle), 3, 3))
    chroma[:, 0, 0] = 1.0
    chroma[:, 1, 1] = chroma[:, 2, 2] = change.saturation * np.cos(angle)
    chroma[:, 2, 1] = change.saturation * np.sin(angle)
    chroma[:, 1, 2] = -chroma[:, 2, 1]
    linear = change.brightness[:, None, None] * (YIQ_TO_RGB @ chroma @ RGB_TO_YIQ)
    shift = (change.pca * PCA_EIGENVALUES) @ PCA_EIGENVECTORS.T
    affine = np.concatenate([linear, (shift - np.asarray(mean))[:, :, None]], axis=2)
    return torch.from_numpy((affine / np.asarray(std)[:, None]).astype(np.float32))


def apply_color(images: Tensor, maps: Tensor) -> Tensor:
    """Map 8-bit images (n, H, W, 3) by (n, 3, 4) on their device: float32 (n, 3, H, W) in channels_last memory format.

    Call it outside autocast, which would round pixels to 16 bits before they are normalised.
    """
    count, height, width, _ = images.shape
    shape = (count, 3, height, width)
    mapped = torch.empty(shape, device=images.device, memory_format=torch.channels_last)
    # A CPU has its intermediate results at hand as long as they fit into its caches; a GPU wants all at once.
    at_once = max(1, _CACHED_PIXELS // (height * width)) if images.device.type == "cpu" else count
    for first in range(0, count, at_once):
        here = slice(first, first + at_once)
        # Planes of pixels: (3, 3) @ (3, H W). The other way round, (H W, 3) @ (3, 3), is ten times slower.
        planes = images[here].permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        product = torch.baddbmm(maps[here, :, 3:], maps[here, :, :3], planes.flatten(2))
        mapped[here] = product.view_as(planes)
    return mapped
