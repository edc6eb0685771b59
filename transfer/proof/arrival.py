"""Proof that the built detector or segmentor computes with the trained trunk.

Taken after the framework has done all its own building, initialising and loading, and before the first training step:

inputs    the model's data preprocessor turns a fixed BGR image into what the classifier's normalisation makes of it;
ledger    every tensor of the bundle's trunk arrived with its value in one place of the model: in ``backbone``, or for
          the stage that the heads of regions share, there (``backbones.bundles.ledger``);
features  a fixed batch gives, bit for bit, the features of the classifier's own trunk. A dilated or padded backbone is
          another function of the same tensors, so there it is compared twice: its tensors in a trunk of classification
          geometry with the classifier's own, and itself with the bundle's tensors in a fresh trunk of its geometry.
          The classifier's trunk of a network of timm is timm's own model, whole.
          Stage by stage first, which names the one that differs; then as the model calls it, so that another
          ``forward`` or a hook that was attached to the module is part of what is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from backbones.bundles.bundle import Bundle, tensor_checksum
from backbones.bundles.contract import InputContract
from backbones.bundles.ledger import Ledger, ProofError, load_trunk, take_parts_ledger
from backbones.models import CLASSIFICATION_STRIDE, FeatureInfo, Trunk, create_backbone, create_classifier
from transfer.openmmlab.trunk import RoIStage

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
    parts = {name: module for name, module in model.named_modules() if isinstance(module, (Trunk, RoIStage))}
    reference = _classifier_trunk(bundle)
    images = proof_images(bundle.input_contract, reference.smallest_image)
    inputs = check_inputs(model.get_submodule("data_preprocessor"), images, bundle.input_contract)
    ledger = take_parts_ledger(bundle, parts)
    features = check_features(list(parts.values()), reference, normalise(images, bundle.input_contract), bundle)
    return ledger, {"inputs": inputs, "ledger": ledger.summary(), "features": features}


def proof_images(contract: InputContract, smallest: int) -> Tensor:
    """Fixed images (2, 3, S, S), uint8, channels in the contract's order.

    S is the evaluation size, or the network's smallest image where that is larger, rounded up to 32 pixels.
    """
    size = -(-max(contract.eval_size, smallest) // CLASSIFICATION_STRIDE) * CLASSIFICATION_STRIDE
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
    built = preprocessor({"inputs": list(files), "data_samples": []}, False)["inputs"].cpu()
    difference = (built - normalise(images, contract)).abs().max().item()
    if not difference <= INPUT_TOLERANCE:
        raise ProofError(
            "the model's data_preprocessor does not follow the bundle's input contract "
            f"({contract.channel_order}, mean {contract.mean}, std {contract.std}): inputs differ by up to "
            f"{difference:.3g}; remove mean, std and channel conversion from the configuration"
        )
    return {"contract": vars(contract), "max_abs_difference": difference}


@torch.no_grad()
def check_features(
    parts: Sequence[Trunk | RoIStage], reference: Trunk, batch: Tensor, bundle: Bundle
) -> dict[str, Any]:
    """Compare the features that a built model computes with those of the classifier's trunk.

    Args:
        parts: The built model's backbone and, where it is not the whole trunk, the next stage; in any mode, in which
            they are left.
        reference: The classifier's trunk, with all stages.
        batch: Normalised images (N, 3, S, S).
        bundle: The source of the weights.

    Raises:
        ProofError: A stage's features differ in any bit, or what the parts return when they are called.
    """
    backbone = parts[0]
    assert isinstance(backbone, Trunk)
    device = next(backbone.parameters()).device
    batch = batch.to(device)
    # A trunk that lacks its last stages was built with their classification strides.
    output_stride = backbone.output_stride if len(parts) == 1 else CLASSIFICATION_STRIDE
    dense = output_stride != CLASSIFICATION_STRIDE or backbone.padded != reference.padded
    expected = as_built = _features([reference.to(device)], batch)
    if dense:
        same_geometry = _fresh_trunk(bundle, output_stride=output_stride, padded=backbone.padded)
        as_built = _features([same_geometry.to(device)], batch)
        _compare(bundle.feature_info, as_built, _features(parts, batch))
        rebuilt = create_backbone(bundle.architecture)
        rebuilt.load_state_dict({name: value for part in parts for name, value in part.state_dict().items()})
        compared = _compare(bundle.feature_info, expected, _features([rebuilt.to(device)], batch))
    else:
        compared = _compare(bundle.feature_info, expected, _features(parts, batch))
    return {
        "equal": True,
        "stages": compared,
        "returned": _compare_calls(parts, as_built, batch, bundle.feature_info),
        "geometry": "classification, with the built tensors; and as built" if dense else "as built",
        "dense_output_stride": output_stride,
        "padded": backbone.padded,
    }


def _classifier_trunk(bundle: Bundle) -> Trunk:
    """The trunk inside a classifier, with all its maps."""
    trunk = create_classifier(bundle.architecture, num_classes=2).trunk
    trunk.out_indices = tuple(range(len(trunk.feature_info)))
    load_trunk(trunk, bundle)
    return trunk


def _fresh_trunk(bundle: Bundle, **geometry: Any) -> Trunk:
    trunk = create_backbone(bundle.architecture, **geometry)
    load_trunk(trunk, bundle)
    return trunk


def _compare(info: Sequence[FeatureInfo], expected: Sequence[Tensor], seen: Sequence[Tensor]) -> list[dict[str, Any]]:
    """The stages that were seen, each with its checksum; zeros in both would be no evidence, and are refused."""
    if not seen:
        raise ProofError("the built model's backbone computes no stage, so there is nothing to compare")
    compared = []
    count = len(seen)  # a backbone may end before the trunk does
    for stage, one, other in zip(info[:count], expected[:count], seen, strict=True):
        if not _equal(one, other):
            how = f"of shape {list(other.shape)} and {other.dtype}, not {list(one.shape)} and {one.dtype}"
            if (one.shape, one.dtype) == (other.shape, other.dtype):
                how = f"by up to {(one - other).abs().max().item():.3g}"
            raise ProofError(f"{stage.name} of the built model computes other features ({how})")
        if not one.any():
            raise ProofError(f"{stage.name} computes nothing but zeros, whose equality would prove nothing")
        compared.append({"stage": stage.name, "shape": list(one.shape), "checksum": tensor_checksum(one)})
    return compared


def _features(parts: Sequence[Trunk | RoIStage], batch: Tensor) -> list[Tensor]:
    """Maps of all stages in evaluation mode."""
    trunk, *heads = parts
    assert isinstance(trunk, Trunk)
    with _evaluating(parts):
        maps = trunk.stages(batch)
        for head in heads:
            maps.append(head(maps[-1]))
    return maps


def _compare_calls(
    parts: Sequence[Trunk | RoIStage], expected: Sequence[Tensor], batch: Tensor, info: Sequence[FeatureInfo]
) -> list[str]:
    """Names of the stages that the parts return when the model calls them; each must be the one that was expected."""
    trunk, *heads = parts
    assert isinstance(trunk, Trunk)
    with _evaluating(parts):
        returned = list(trunk(batch))
        wanted, placed = list(trunk.out_indices), trunk.returned(expected, batch)
        for head in heads:
            returned.append(head(returned[-1]))
            wanted.append(wanted[-1] + 1)
            placed.append(expected[wanted[-1]])
    if len(returned) != len(wanted):
        raise ProofError(f"the built model's backbone returns {len(returned)} maps where {len(wanted)} are expected")
    for index, one, seen in zip(wanted, placed, returned, strict=True):
        if not _equal(one, seen):
            raise ProofError(
                f"when it is called, the built model's backbone returns something else for {info[index].name}, which "
                "it computes rightly: another forward or a hook is attached to it"
            )
    return [info[index].name for index in wanted]


def _equal(one: Tensor, other: Tensor) -> bool:
    """Bit for bit; tensors of two types are not."""
    return one.dtype == other.dtype and torch.equal(one, other)


@contextmanager
def _evaluating(parts: Sequence[nn.Module]) -> Iterator[None]:
    """Evaluation mode; the parts' own modes are restored."""
    modes = [part.training for part in parts]
    for part in parts:
        part.eval()
    try:
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.train(mode)
