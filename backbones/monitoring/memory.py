"""How much memory this process has needed at most, so far."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")


def peak_host_bytes() -> int:
    """Main memory of this process alone, without those that load its images.

    What ``getrusage`` says of a process, Linux hands on to the programs that it starts; the high-water mark of its
    address space begins anew in each.
    """
    own = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE) if _STATUS.exists() else None
    if own:
        return int(own[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def peak_bytes(device: torch.device) -> int:
    """Where the training is: the GPU's memory that PyTorch has taken, or the process's main memory."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_host_bytes()
