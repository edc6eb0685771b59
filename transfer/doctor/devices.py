"""What can compute here, and in which number format."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from transfer.doctor.finding import Finding, guarded, ok, problem, warning, words
from transfer.doctor.installation import install_all, reinstall
from transfer.doctor.probe import kept_boxes, wrong_answer

GIB = 1 << 30
LEAST_GPU_MEMORY = 4 * GIB
DRIVER_FILES = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"), Path("/dev/dxg"))
# Oldest NVIDIA driver on Linux by a CUDA build's major version (table 3 of NVIDIA's CUDA release notes).
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
CPU_FEATURES = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16")


def check_devices() -> Iterator[Finding]:
    """The CPU, the driver against torch's build, and each GPU."""
    import torch

    yield from guarded("cpu", _check_cpu, reinstall(["torch"], force=True))
    build = torch.version.cuda
    driver = driver_version()
    if build is None:
        yield _cpu_build(driver)
    elif driver is None:
        yield ok("cuda", f"torch is built for CUDA {build}, but there is no NVIDIA driver: training runs on the CPU")
    elif not torch.cuda.is_available():
        yield _unusable_driver(build, driver)
    else:
        yield ok("cuda", f"torch is built for CUDA {build}, the driver is {driver}")
        for index in range(torch.cuda.device_count()):
            yield from guarded(f"cuda:{index}", partial(_check_gpu, index), "restart the machine")


def driver_version() -> str | None:
    """NVIDIA's driver as ``nvidia-smi`` names it; "unknown" when only its files are there, None without them."""
    program = shutil.which("nvidia-smi")
    if program:
        query = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            answer = ""
        if answer.strip():
            return answer.splitlines()[0].strip()
    return "unknown" if any(path.exists() for path in DRIVER_FILES) else None


def _check_cpu() -> Iterator[Finding]:
    import torch

    from backbones.machine.versions import hardware

    device = torch.device("cpu")
    features = torch.cpu.get_capabilities()
    there = [name for name in CPU_FEATURES if features.get(name)]
    fast = f"with {', '.join(there)}" if there else "without AVX2, AVX-512 or AMX"
    precision = _automatic_precision(device)
    yield ok(
        "cpu",
        f"{hardware(device)['name']}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {fast}; "
        f"--precision auto is {precision}",
    )


def _automatic_precision(device: Any) -> str:
    resolved = importlib.import_module("backbones.machine.precision").resolve_precision("auto", device)
    return "fp16 in classification and fp32 in transfers" if resolved == "fp16" else resolved


def _cpu_build(driver: str | None) -> Finding:
    if driver is None:
        return ok("cuda", "torch is built for CPUs, and there is no NVIDIA driver")
    return warning(
        "cuda",
        f"there is an NVIDIA driver ({driver}), but torch is built for CPUs and will not use the GPU",
        f"{reinstall(['torch', 'torchvision'], force=True)} && {install_all()}",
    )


def _unusable_driver(build: str, driver: str) -> Finding:
    """An old driver is the usual reason; of others, torch's own words tell."""
    import torch

    oldest = OLDEST_DRIVER.get(int(build.split(".")[0]))
    major = driver.split(".")[0]
    if oldest and major.isdigit() and int(major) < oldest:
        return problem(
            "cuda",
            f"the driver {driver} is too old for torch's CUDA {build}",
            f"install NVIDIA driver {oldest} or newer (Ubuntu: sudo apt install nvidia-driver-{oldest})",
        )
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return warning("cuda", "CUDA_VISIBLE_DEVICES hides all GPUs", "unset CUDA_VISIBLE_DEVICES")
    try:
        torch.cuda.init()
        reason = "torch finds no device"
    except Exception as error:  # torch has several types for it
        reason = words(error)
    message = f"the driver {driver} is there, but the GPU cannot be used: {reason}"
    return problem("cuda", message, "start the container with --gpus all, or restart the machine")


def _check_gpu(index: int) -> Iterator[Finding]:
    import torch
    import torchvision

    device = torch.device("cuda", index)
    subject = f"cuda:{index}"
    capability = torch.cuda.get_device_capability(device)
    if not has_kernels(capability, torch.cuda.get_arch_list()):
        yield problem(
            subject,
            f"{torch.cuda.get_device_name(device)} (sm_{capability[0]}{capability[1]}): torch {torch.__version__} has "
            f"no kernels for it, only for {', '.join(torch.cuda.get_arch_list())}",
            "put CUDA_VISIBLE_DEVICES= before the command to compute on the CPU, or CUDA_VISIBLE_DEVICES=NUMBER for "
            "another GPU",
        )
        return
    free, whole = torch.cuda.mem_get_info(device)
    if complaint := wrong_answer("torchvision on the GPU", kept_boxes(torchvision.ops.nms, device)):
        yield problem(subject, complaint, reinstall(["torch", "torchvision"], force=True))
    message = (
        f"{torch.cuda.get_device_name(device)} (sm_{capability[0]}{capability[1]}), {free / GIB:.1f} of "
        f"{whole / GIB:.1f} GiB free; --precision auto is {_automatic_precision(device)}"
    )
    if free < LEAST_GPU_MEMORY:
        yield warning(subject, message, "end the programs that nvidia-smi lists, or use a smaller batch")
    else:
        yield ok(subject, message)


def has_kernels(capability: tuple[int, int], architectures: list[str]) -> bool:
    """Whether a build for these architectures runs on a GPU of this capability.

    Machine code (sm_) runs on its own and higher minor versions, intermediate code (compute_) on all newer GPUs.
    """
    for name in architectures:
        kind, _, digits = name.rstrip("af").partition("_")
        major, minor = int(digits[:-1]), int(digits[-1])
        if kind == "sm" and major == capability[0] and minor <= capability[1]:
            return True
        if kind == "compute" and (major, minor) <= capability:
            return True
    return False
