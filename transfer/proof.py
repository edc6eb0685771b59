"""Proof that the built detector or segmentor computes with the trained trunk.

Taken after the framework has done all its own building, initialising and loading, and before the first training step:

inputs    the model's data preprocessor turns a fixed BGR image into what the classifier's normalisation makes of it;
ledger    every tensor of the bundle arrived in ``model.backbone`` with its value (``backbones.ledger``);
features  a fixed batch gives, bit for bit, the features of the classifier's own trunk, in classification geometry. A
          dilated backbone is another function of the same tensors, so its tensors are put into a trunk of output
          stride 32 for this comparison.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from backbones.bundle import Bundle, InputContract, tensor_checksum
from backbones.ledger import Ledger, ProofError, load_trunk, take_ledger
from backbones.models import Trunk, create_backbone

CLASSIFICATION_STRIDE = 32
PROOF_IMAGES = 2
PROOF_SEED = 1812_01187
# Half a grey level is 8e-3 in normalised units; rounding of a float32 normalisation stays below this.
INPUT_TOLERANCE = 1e-4


def prove(model: nn.Module, bundle: Bundle) -> tuple[Ledger, dict[str, Any]]:
    """Prove a built model against the bundle that its backbone came from.

    Args:
        model: Detector or segmentor with ``backbone`` and ``data_preprocessor``, after all loading.
        bundle: The source of its backbone.

    Returns:
        The ledger, and the proof as plain data for ``result.json``.

    Raises:
        ProofError: The input normalisation, a tensor or a feature differs; the message says which.
    """
    images = proof_images(bundle.input_contract)
    inputs = check_inputs(model.data_preprocessor, images, bundle.input_contract)
    ledger = take_ledger(bundle, model.backbone.state_dict())
    features = check_features(model.backbone, normalise(images, bundle.input_contract), bundle)
    return ledger, {"inputs": inputs, "ledger": ledger.summary(), "features": features}


def proof_images(contract: InputContract) -> Tensor:
    """Fixed images (2, 3, S, S), uint8, channels in the contract's order, S the evaluation size rounded up to 32."""
    size = -(-contract.eval_size // CLASSIFICATION_STRIDE) * CLASSIFICATION_STRIDE
    generator = torch.Generator().manual_seed(PROOF_SEED)
    return torch.randint(0, 256, (PROOF_IMAGES, 3, size, size), generator=generator, dtype=torch.uint8)


def normalise(images: Tensor, contract: InputContract) -> Tensor:
    """What the classifier was trained on: (x - mean) / std per channel, for uint8 images (N, 3, H, W)."""
    mean = torch.tensor(contract.mean).view(1, 3, 1, 1)
    std = torch.tensor(contract.std).view(1, 3, 1, 1)
    return (images.float() - mean) / std


def check_inputs(preprocessor: nn.Module, images: Tensor, contract: InputContract) -> dict[str, Any]:
    """Compare a model's own preprocessing with the input contract.

    Both frameworks read files as BGR, so the images are handed over in that order.

    Raises:
        ProofError: Mean, standard deviation or channel order are not the contract's.
    """
    files = images.flip(1) if contract.channel_order == "RGB" else images
    built = preprocessor({"inputs": list(files), "data_samples": None}, False)["inputs"].cpu()
    difference = (built - normalise(images, contract)).abs().max().item()
    if not difference <= INPUT_TOLERANCE:
        raise ProofError(
            "the model's data_preprocessor does not follow the bundle's input contract "
            f"({contract.channel_order}, mean {contract.mean}, std {contract.std}): inputs differ by up to "
            f"{difference:.3g}; remove mean, std and channel conversion from the configuration"
        )
    return {"contract": vars(contract), "max_abs_difference": difference}


@torch.no_grad()
def check_features(backbone: Trunk, batch: Tensor, bundle: Bundle) -> dict[str, Any]:
    """Compare the features of a built backbone with those of the classifier's trunk.

    Args:
        backbone: The built model's backbone, in any mode; it is left as it was.
        batch: Normalised images (N, 3, S, S).
        bundle: The source of the weights.

    Raises:
        ProofError: A stage's features differ in any bit.
    """
    device = next(backbone.parameters()).device
    stages = tuple(range(len(bundle.feature_info)))
    reference = create_backbone(bundle.architecture, out_indices=stages)
    load_trunk(reference, bundle)
    built = backbone
    if backbone.output_stride != CLASSIFICATION_STRIDE or backbone.out_indices != stages:
        built = create_backbone(bundle.architecture, out_indices=stages)
        built.load_state_dict(backbone.state_dict())
    expected = _features(reference.to(device), batch.to(device))
    seen = _features(built.to(device), batch.to(device))
    compared = []
    for info, one, other in zip(bundle.feature_info, expected, seen, strict=True):
        if not torch.equal(one, other):
            difference = (one - other).abs().max().item()
            raise ProofError(f"{info.name} of the built backbone computes other features (by up to {difference:.3g})")
        compared.append({"stage": info.name, "shape": list(one.shape), "checksum": tensor_checksum(one)})
    return {
        "equal": True,
        "stages": compared,
        "geometry": "as built" if built is backbone else "at output stride 32, with the built backbone's tensors",
        "dense_output_stride": backbone.output_stride,
    }


def _features(trunk: Trunk, batch: Tensor) -> list[Tensor]:
    """Features in evaluation mode and full precision; the trunk's mode is restored."""
    mode = trunk.training
    trunk.eval()
    try:
        # The class's own forward: a precision wrapper on the instance is not part of what the weights compute.
        return [features.float() for features in type(trunk).forward(trunk, batch)]
    finally:
        trunk.train(mode)
