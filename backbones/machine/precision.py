"""Which number format this machine trains in.

The format belongs to the machine and not to the recipe: two rows of a comparison that ran on the same machine differ in
their tricks only. ``auto`` takes 16 bits only where the hardware computes in them; emulation is slower than float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from backbones.errors import UserError


def resolve_device(requested: str) -> torch.device:
    """The device named ("cpu", "cuda", "cuda:1"), or for "auto" the GPU if there is one.

    From here on float32 is float32 in this process: see ``forbid_tf32``.

    Raises:
        UserError: No such device here.
    """
    forbid_tf32()
    if requested == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(requested)
    except RuntimeError:
        raise UserError(f"--device {requested}: not a device; use auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {requested}: use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UserError(f"--device {requested}: PyTorch sees {count} CUDA devices here; use --device auto")
    return device


def forbid_tf32() -> None:
    """Have float32 convolutions and matrix products computed in float32.

    PyTorch lets cuDNN round their inputs to the ten bits of mantissa of TF32. Then "fp32" would mean one arithmetic on
    a CPU and another, hardly finer than bf16, on a GPU, and a classifier's accuracy would not be that of its weights.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


def allows_tf32() -> bool:
    """Whether float32 convolutions or matrix products of this process may be rounded to TF32 on a GPU."""
    return torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32


@contextmanager
def tuned_convolutions() -> Iterator[None]:
    """cuDNN times its algorithms inside, and takes the fastest: worth it where all images have one size."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def resolve_precision(requested: str, device: torch.device) -> str:
    """The precision asked for, or for "auto" the fastest that the device has hardware for.

    CPU: bf16 with AVX512-BF16 or AMX, else fp32. CUDA: bf16 from Ampere on, fp16 on older tensor cores, else fp32.

    Raises:
        UserError: The device cannot compute in the precision asked for.
    """
    fast = _fast_precisions(device)
    if requested == "auto":
        return fast[0]
    if requested == "fp16" and device.type == "cpu":
        raise UserError(f"--precision fp16 needs a CUDA device; on a CPU use {' or '.join(fast)}")
    if requested == "bf16" and not _can_compute_bf16(device):
        raise UserError(f"--precision bf16: {device} cannot compute in bf16; use {' or '.join(fast)}")
    return requested


def precision_for(low_precision: bool | None, requested: str, device: torch.device) -> str:
    """The precision of a recipe that insists on 16 bits (True), on float32 (False), or leaves it to the machine (None).

    Raises:
        UserError: Recipe and option contradict each other, or the device has no hardware for it.
    """
    if low_precision is None:
        return resolve_precision(requested, device)
    if low_precision is (requested == "fp32") and requested != "auto":
        word = "is low-precision" if low_precision else "is without low precision"
        raise UserError(f"--precision {requested}: the recipe {word}; leave --precision out")
    if not low_precision:
        return resolve_precision("fp32", device)
    precision = resolve_precision(requested, device)
    if precision == "fp32":
        raise UserError(f"low-precision: {device} has no hardware for 16 bits; switch it off: --without low-precision")
    return precision


def _fast_precisions(device: torch.device) -> tuple[str, ...]:
    if device.type == "cpu":
        features = torch.cpu.get_capabilities()
        native = features.get("avx512_bf16", False) or features.get("amx_bf16", False)
        return ("bf16", "fp32") if native and _can_compute_bf16(device) else ("fp32",)
    capability = torch.cuda.get_device_capability(device)
    if capability >= (8, 0):
        return ("bf16", "fp16", "fp32")
    return ("fp16", "fp32") if capability >= (7, 0) else ("fp32",)


def _can_compute_bf16(device: torch.device) -> bool:
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.cuda.get_device_capability(device) >= (8, 0)
