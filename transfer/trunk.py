"""The one backbone type of all detectors and segmentors: a trunk out of a bundle.

What the registry builds is the trunk itself, the very class that was trained inside the classifier; there is no
wrapper, so its parameters are called ``backbone.stem…`` in the detector as they are ``trunk.stem…`` in the classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from mmengine.registry import MODELS

from backbones.bundle import Bundle, imagenet_contract, make_bundle, read_bundle
from backbones.errors import UserError
from backbones.ledger import load_trunk
from backbones.models import Trunk, create_backbone, create_classifier

RANDOM_PREFIX = "random:"
RANDOM_RECIPE = "random"


@lru_cache(maxsize=1)
def open_bundle(source: str, seed: int) -> Bundle:
    """A bundle from its file, or for ``random:NETWORK`` an untrained one, initialised from ``seed``.

    Raises:
        UserError: The file is not a readable bundle, or the network is unknown.
    """
    if not source.startswith(RANDOM_PREFIX):
        return read_bundle(source)
    network = source.removeprefix(RANDOM_PREFIX)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = create_classifier(network, num_classes=1)
    training = {"recipe": RANDOM_RECIPE, "network": network, "seed": seed}
    return make_bundle(classifier, network, imagenet_contract(224), training, source)


@MODELS.register_module(name="BundleTrunk")
def bundle_trunk(
    bundle: str,
    seed: int = 0,
    out_indices: Sequence[int] = (0, 1, 2, 3),
    output_stride: int = 32,
    frozen_stages: int = -1,
    norm_eval: bool = False,
) -> Trunk:
    """Build a trunk and load its tensors, every one accounted for.

    Args:
        bundle: Path of a ``backbone.safetensors``, or ``random:NETWORK``.
        seed: Initialisation of a random trunk; a bundle from a file ignores it.
        out_indices: Stages the neck or the heads get, from 0.
        output_stride: 32, or 16 or 8 with dilation.
        frozen_stages: -1 none, 0 the stem, k the stem and k stages.
        norm_eval: BatchNorm keeps the statistics it was pretrained with.

    Raises:
        UserError: No bundle given, an unreadable bundle, an unknown network, or a geometry the network does not have.
        ProofError: A tensor did not arrive.
    """
    if not bundle:
        raise UserError("this configuration names no trunk; give --backbone BUNDLE or --backbone random:NETWORK")
    source = open_bundle(bundle, seed)
    trunk = create_backbone(source.architecture, output_stride=output_stride, out_indices=out_indices)
    load_trunk(trunk, source)
    return trunk.freeze(frozen_stages, norm_eval)
