"""How much memory this process has needed at most, so far."""

from __future__ import annotations

import resource
import sys

import torch


def peak_host_bytes() -> int:
    """Main memory of this process alone, without those that load its images."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def peak_bytes(device: torch.device) -> int:
    """Where the training is: the GPU's memory that PyTorch has taken, or the process's main memory."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_host_bytes()
