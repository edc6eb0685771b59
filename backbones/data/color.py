"""Colour of training images and normalisation (Section 2.1, steps 4 to 6) as one affine map per image.

All steps are affine in (R, G, B). Composed once per image they are a 3x4 matrix, and a whole batch is one batched
matrix product on the device:

    brightness b   x -> b x
    saturation s   luma + s (x - luma)          scales the I and Q of YIQ
    hue h          I and Q turned by (h - 1) pi, so by up to 72 degrees either way; MXNet's ``HueJitterAug`` has the
                   same angle, torchvision and MXNet's ``random_hue`` operator work in HSV or HLS instead
    contrast c     m + c (x - m)                m: the mean luma of the image
    PCA noise      x + V (eigenvalues * alpha)  alpha ~ N(0, 0.1), AlexNet's three components of ImageNet
    normalisation  (x - mean) / std

Coefficients are uniform in [0.6, 1.4]. Which there are is a choice:

    paper     b, s, h   "hue, saturation and brightness" in Section 2.1; which angle a coefficient of hue means, it does
                        not say: 72 degrees are a strong change, and our reading
    gluoncv   b, s, c   the authors' ``train_imagenet.py``, from v0.3.0 (October 2018, the last before the paper) on:
                        0.4 of brightness, contrast and saturation, no hue

Recipes take ``paper``; "Hue or contrast" in docs/architecture.md weighs the sources. b, s and the noise of an image are
the same in both.

MXNet puts b, s and c into a random order. Here the order of all four is no choice: each of b, s and h is a linear map L
that keeps gray gray, L 1 = g 1, and scales luma by the same g, so m as well: g = b for brightness, 1 for the others.
Contrast first, L (c x + (1 - c) m 1) = c L x + (1 - c) g m 1, is then contrast last. b, s and h commute among
themselves: b scales everything, s and h scale and turn the plane of I and Q.

Nothing is clamped or rounded in between: the paper works in float32 throughout. GluonCV's loaders clamp and round to 8
bits after each step, so that there the order does matter; and the one for record files, which its published commands
use, takes luma of pixels in the order BGR, so with the weights of red and blue exchanged; the one for image files does
not, and neither do we. Where the paper is silent, values are GluonCV's: 0.1 is a standard deviation, eigenvalues and
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
# Its inverse. OpenBLAS, which would compute it, waits for ever for memory that it does not get.
YIQ_TO_RGB = np.array(
    [
        [0.9999999999999999, 0.9560502263958943, 0.6207549413271234],
        [1.0, -0.2720523436889242, -0.6472057134551777],
        [1.0, -1.1067043153243323, 1.7044212836963109],
    ]
)


@dataclass(frozen=True)
class ColorChange:
    """Coefficients of n images: ``brightness``, ``saturation``, ``hue`` (n,), and ``pca`` noise alphas (n, 3).

    ``contrast`` (n,) is None where it stays as it is, which spares the mean of each image.
    """

    brightness: np.ndarray
    saturation: np.ndarray
    hue: np.ndarray
    pca: np.ndarray
    contrast: np.ndarray | None = None

    def part(self, first: int, end: int) -> ColorChange:
        """The coefficients of images ``first`` to ``end``, excluded."""
        here = slice(first, end)
        contrast = None if self.contrast is None else self.contrast[here]
        return ColorChange(self.brightness[here], self.saturation[here], self.hue[here], self.pca[here], contrast)


def random_color(count: int, random: np.random.Generator, choice: str = "paper") -> ColorChange:
    """Draw the training-time change of ``count`` images; ``choice`` is one of ``backbones.recipes.recipe.COLORS``."""
    brightness, saturation, third = random.uniform(*JITTER, size=(3, count))
    hue, contrast = {"paper": (third, None), "gluoncv": (np.ones(count), third)}[choice]
    return ColorChange(brightness, saturation, hue, random.normal(0.0, PCA_STD, size=(count, 3)), contrast)


def identity_color(count: int) -> ColorChange:
    """The change that changes nothing, for validation."""
    ones = np.ones(count)
    return ColorChange(ones, ones, ones, np.zeros((count, 3)))


def color_map(change: ColorChange, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Affine maps (n, 3, 4), float32: from 0-255 RGB to normalised RGB; ``mean`` and ``std`` are on the 0-255 scale.

    Without contrast, which depends on the image: ``change_contrast`` adds it.
    """
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


def change_contrast(maps: Tensor, contrast: np.ndarray, images: Tensor) -> Tensor:
    """The maps (n, 3, 4) with a change of contrast before them, by coefficients (n,), on the device of the images.

    The images are those that are to be mapped, 8-bit RGB (n, H, W, 3).
    """
    scale = torch.from_numpy(contrast.astype(np.float32)).to(images.device, non_blocking=True)[:, None, None]
    linear, shift = maps[..., :3], maps[..., 3:]
    gray = (1.0 - scale) * mean_luma(images)[:, None, None]  # the same in R, G and B
    return torch.cat([scale * linear, shift + gray * linear.sum(2, keepdim=True)], dim=2)


def mean_luma(images: Tensor) -> Tensor:
    """Mean luma (n,), float32, of 8-bit RGB images (n, H, W, 3): 0.299 R + 0.587 G + 0.114 B."""
    count, height, width, _ = images.shape
    # Whole numbers add up to the same in any order, so neither the batch nor the number of threads shows. 32 bits hold
    # a column of 8 million pixels; whole rows at a time are twice as quick as pixels.
    columns = images.flatten(2).sum(1, dtype=torch.int32)
    red, green, blue = columns.view(count, width, 3).sum(1).unbind(1)
    weights = RGB_TO_YIQ[0].tolist()
    return (weights[0] * red + weights[1] * green + weights[2] * blue) / (height * width)


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
