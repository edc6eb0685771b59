"""What a transfer says of its proof, in a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backbones.bundles.ledger import Ledger
from backbones.models import CLASSIFICATION_STRIDE


def describe_proof(ledger: Ledger, proof: Mapping[str, Any], model: str) -> str:
    """How many tensors arrived in a model, and whose features its trunk computes.

    Args:
        ledger: The account of the tensors.
        proof: The rest of ``transfer.proof.arrival.prove``.
        model: What was built, in words.
    """
    features = proof["features"]
    stride = features["dense_output_stride"]
    changed = f"output stride {stride}" if stride != CLASSIFICATION_STRIDE else "padded"
    line = f"{ledger.mapped} tensors arrived in the built {model}, features equal bit for bit"
    if features["geometry"] == "as built":
        return line
    return f"{line}: to the classifier's in its geometry, and to a fresh trunk's as built ({changed})"
