"""What a run ran on."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from backbones.machine.precision import allows_tf32


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of the packages; a package that is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def is_version(package: str, expected: str) -> bool:
    """Whether a package is installed in that version: ``expected`` is its beginning, up to a dot."""
    try:
        return f"{version(package)}.".replace("+", ".").startswith(f"{expected}.")
    except PackageNotFoundError:
        return False


def hardware(device: torch.device) -> dict[str, str | int | bool]:
    """The processor that does the work, the CPU threads torch uses, and whether its float32 may be TF32."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()
    return {"device": str(device), "name": name, "threads": torch.get_num_threads(), "tf32": allows_tf32()}


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
