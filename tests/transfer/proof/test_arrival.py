"""The line about the proof says what was compared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from backbones.bundles.ledger import load_trunk
from backbones.models import create_backbone
from transfer.openmmlab.trunk import bundle_trunk, open_bundle
from transfer.proof.announce import describe_proof
from transfer.proof.arrival import check_features, normalise, proof_images
from transfer.protocol.total_batch import cut, describe_rate

DENSE = ": to the classifier's in its geometry, and to a fresh trunk's as built"


@pytest.mark.parametrize(
    ("network", "geometry", "words"),
    [
        ("mobilenet_v1_025", {}, ""),
        ("mobilenet_v1_025", {"output_stride": 8}, f"{DENSE} (output stride 8)"),
        ("inception_v3", {}, f"{DENSE} (padded)"),
    ],
)
@torch.no_grad()
def test_as_it_was_proved(network: str, geometry: dict[str, Any], words: str) -> None:
    bundle = open_bundle(f"random:{network}", 0)
    trunk = bundle_trunk(f"random:{network}", **geometry)
    reference = create_backbone(network)
    load_trunk(reference, bundle)
    batch = normalise(proof_images(bundle.input_contract, reference.smallest_image), bundle.input_contract)
    features = check_features([trunk], reference, batch, bundle)
    line = describe_proof(SimpleNamespace(mapped=7), {"features": features}, "model")
    assert line == f"7 tensors arrived in the built model, features equal bit for bit{words}"


@pytest.mark.parametrize(
    ("total", "accumulate", "processes", "line"),
    [
        (12, 1, 1, "0.001 (the protocol's, for its total batch of 12)"),
        (12, 2, 2, "0.001 (the protocol's, for its total batch of 12 = 3 images x 2 parts x 2 processes)"),
        (12, 1, 12, "0.001 (the protocol's, for its total batch of 12 = 1 image x 12 processes)"),
        (24, 1, 2, "0.001 / 12 x 24 = 0.002 (total batch 24 = 12 images x 2 processes)"),
    ],
)
def test_the_learning_rate_is_arithmetic_only_where_it_is_scaled(
    total: int, accumulate: int, processes: int, line: str
) -> None:
    assert describe_rate(0.001, 12, cut(total, processes, accumulate)) == line
