"""torchvision's published weights: their configuration, and their tensors by torchvision's own download."""

from __future__ import annotations

from torch import Tensor
from torchvision.models import WeightsEnum, get_model, get_model_weights

from backbones.bundles.contract import InputContract
from backbones.external.families import Source
from backbones.external.weights import Catalogue, PublicWeights, pixel_levels

# torchvision's Inception-V3 turns ImageNet's normalisation into x / 127.5 - 1 before its first convolution
# (transform_input, which is on for published weights): that is what the convolutions were trained on.
_SYMMETRIC = {"inception_v3": (127.5, 127.5, 127.5)}
# The second training recipe crops to 176 pixels; the weights' configuration holds only the evaluation's size.
_TRAIN_SIZES = {"IMAGENET1K_V2": 176}
_DATA = "ImageNet-1K"


def catalogue(source: Source) -> Catalogue:
    """The published weights of a network."""
    published = get_model_weights(source.network)
    described = {entry.name: _describe(Source("torchvision", source.network, entry.name), entry) for entry in published}
    return Catalogue(described, published.DEFAULT.name)


def download(weights: PublicWeights) -> dict[str, Tensor]:
    """Tensors by torchvision's names; torchvision checks their SHA-256 and caches the file."""
    return get_model(weights.source.network, weights=weights.source.tag).state_dict()


def _describe(source: Source, entry: WeightsEnum) -> PublicWeights:
    transforms = entry.transforms()
    (crop,), (resize,) = transforms.crop_size, transforms.resize_size
    symmetric = _SYMMETRIC.get(source.network)
    contract = InputContract(
        mean=symmetric or pixel_levels(transforms.mean),
        std=symmetric or pixel_levels(transforms.std),
        channel_order="RGB",
        train_size=_TRAIN_SIZES.get(entry.name, crop),
        eval_size=crop,
        interpolation=transforms.interpolation.value,
    )
    accuracy = entry.meta["_metrics"][_DATA]
    return PublicWeights(
        source=source,
        contract=contract,
        evaluation={"resize_size": resize, "crop_size": crop, "interpolation": contract.interpolation},
        top1=accuracy["acc@1"],
        top5=accuracy["acc@5"],
        url=entry.url,
        license=None,
    )
