"""What NVIDIA's data sheets say that GPUs do at most: dense arithmetic, without sparsity, and memory.

By the name that CUDA gives the card. Of two numbers that a data sheet has for 16 bits the one without sparsity, and for
GeForce the one with sums in float32, which is what PyTorch asks for.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peak:
    """``half``: products in bf16 or fp16 on tensor cores, ``single``: float32 without them, both in TFLOP/s.

    ``memory`` is in GB/s; ``source`` the title of the data sheet.
    """

    half: float
    single: float
    memory: float
    source: str


_HOPPER = "NVIDIA H100 Tensor Core GPU Datasheet"
_AMPERE = "NVIDIA A100 Tensor Core GPU Datasheet"
_VOLTA = "NVIDIA V100 Tensor Core GPU Datasheet"
PEAKS = {
    "NVIDIA H200": Peak(989, 67, 4800, "NVIDIA H200 Tensor Core GPU Datasheet"),
    "NVIDIA H100 80GB HBM3": Peak(989, 67, 3350, _HOPPER),
    "NVIDIA H100 PCIe": Peak(756, 51, 2000, _HOPPER),
    "NVIDIA A100-SXM4-80GB": Peak(312, 19.5, 2039, _AMPERE),
    "NVIDIA A100-SXM4-40GB": Peak(312, 19.5, 1555, _AMPERE),
    "NVIDIA A100 80GB PCIe": Peak(312, 19.5, 1935, _AMPERE),
    "NVIDIA A100-PCIE-40GB": Peak(312, 19.5, 1555, _AMPERE),
    "Tesla V100-SXM2-16GB": Peak(125, 15.7, 900, _VOLTA),
    "Tesla V100-SXM2-32GB": Peak(125, 15.7, 900, _VOLTA),
    "Tesla V100-PCIE-16GB": Peak(112, 14, 900, _VOLTA),
    "Tesla V100-PCIE-32GB": Peak(112, 14, 900, _VOLTA),
    "Tesla T4": Peak(65, 8.1, 320, "NVIDIA T4 Tensor Core Datasheet"),
    "NVIDIA L4": Peak(121, 30.3, 300, "NVIDIA L4 Tensor Core GPU Datasheet"),
    "NVIDIA L40S": Peak(362, 91.6, 864, "NVIDIA L40S GPU Datasheet"),
    "NVIDIA A10": Peak(125, 31.2, 600, "NVIDIA A10 Tensor Core GPU Datasheet"),
    "NVIDIA GeForce RTX 3090": Peak(71, 35.6, 936, "NVIDIA Ampere GA102 GPU Architecture whitepaper"),
    "NVIDIA GeForce RTX 4090": Peak(165.2, 82.6, 1008, "NVIDIA Ada GPU Architecture whitepaper"),
}


def stated_flops(gpu: str, precision: str) -> float | None:
    """FLOP/s at most in "fp32", "bf16" or "fp16" by the data sheet; None for a card that is not in the table."""
    peak = PEAKS.get(gpu)
    if peak is None:
        return None
    return 1e12 * (peak.single if precision == "fp32" else peak.half)


def stated_bandwidth(gpu: str) -> float | None:
    """Bytes per second between the card and its memory; None as above."""
    peak = PEAKS.get(gpu)
    return None if peak is None else 1e9 * peak.memory
