"""From 8-bit images to what a network was trained on."""

from __future__ import annotations

from torch import Tensor

from backbones.bundles.contract import InputContract
from backbones.data.color import ColorChange, apply_color, change_contrast, color_map


def network_input(images: Tensor, change: ColorChange, contract: InputContract) -> Tensor:
    """RGB images (n, H, W, 3), uint8, with their colours changed, in the normalisation and channel order of a contract.

    Returns float32 (n, 3, H, W) in channels_last memory format on the images' device.
    """
    if contract.channel_order == "RGB":
        maps = color_map(change, contract.mean, contract.std)
    else:
        maps = color_map(change, contract.mean[::-1], contract.std[::-1]).flip(1)
    maps = maps.to(images.device, non_blocking=True)
    if change.contrast is not None:
        maps = change_contrast(maps, change.contrast, images)
    return apply_color(images, maps)
