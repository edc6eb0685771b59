"""Versions that do not fit together, by what is recorded about them."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator

from transfer.doctor.finding import Finding, ok, problem, warning
from transfer.doctor.installation import (
    agrees,
    declared_requirements,
    install_all,
    installed_version,
    pins,
    pip,
    reinstall,
)

OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 14)
# The ones that must fit each other; each gets a finding of its own.
CORE = ("torch", "torchvision", "mmengine", "mmdet", "mmsegmentation", "numpy", "setuptools")
MMCV_BUILDS = ("mmcv-lite", "mmcv")
# Said in their code and not in their records.
UNDECLARED = {
    "mmcv": (">=2.0.0rc4,<2.2.0", "mmdet 3.3 and mmsegmentation 1.2 refuse to be imported with others"),
    "mmengine": (">=0.7.1,<1.0.0", "mmdet 3.3 refuses to be imported with others"),
    "setuptools": ("<81", "mmengine imports pkg_resources, which setuptools 81 no longer has"),
}
# Parts of a CUDA build of torch; a build for CPUs comes without.
CUDA_PARTS = ("nvidia-", "cuda-", "triton")
HEADLESS, WINDOWED = "opencv-python-headless", "opencv-python"


def check_python() -> Iterator[Finding]:
    """The interpreter: mmcv, mmdet and mmsegmentation set the bounds."""
    running = sys.version_info[:2]
    name = f"{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"
    another = "make --always-make PYTHON=/path/to/python3.12 .venv/.ready"
    if not OLDEST_PYTHON <= running <= NEWEST_PYTHON:
        yield problem("python", f"{name} is not one of 3.10 to 3.14", another)
    elif not hasattr(tarfile, "data_filter"):
        message = f"{name} cannot unpack tar archives safely (3.10.12, 3.11.4 and 3.12 can), which prepare_data.py does"
        yield warning("python", message, another)
    else:
        yield ok("python", name)


def check_versions() -> Iterator[Finding]:
    """Each core package against its pin and the others; all further pins together."""
    pinned = pins()
    for package in CORE:
        yield _check_core(package, installed_version(package), pinned.get(package))
    yield _check_mmcv(pinned.get(MMCV_BUILDS[0]))
    yield _check_opencv(pinned.get(HEADLESS))
    yield _check_builds()
    others = pinned.keys() - {*CORE, *MMCV_BUILDS, HEADLESS}
    yield _check_others({name: pinned[name] for name in sorted(others) if not name.startswith(CUDA_PARTS)})


def _check_core(package: str, found: str | None, pin: str | None) -> Finding:
    if found is None:
        return problem(package, "not installed", reinstall([package]))
    if conflict := _conflict(package, found):
        # torch and torchvision move together, or the one that moves leaves the other behind.
        replaced = ("torch", "torchvision") if package in ("torch", "torchvision") else (package,)
        return problem(package, conflict, reinstall(replaced))
    if pin and not agrees(found, f"=={pin}"):
        return warning(package, f"{found} is not the {pin} that this project is tested with", reinstall([package]))
    return ok(package, found)


def _conflict(package: str, found: str) -> str | None:
    """Why this version cannot be, by undeclared constraints and by those the core packages declare."""
    from packaging.requirements import Requirement

    if package in UNDECLARED:
        specifier, reason = UNDECLARED[package]
        if not agrees(found, specifier):
            return f"{found} does not fit: {reason} (it must be {specifier})"
    for other in (*CORE, HEADLESS):
        for line in declared_requirements(other) if installed_version(other) else []:
            requirement = Requirement(line)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if requirement.name == package and wanted and not agrees(found, str(requirement.specifier)):
                return (
                    f"{found} does not fit: {other} {installed_version(other)} needs {package}{requirement.specifier}"
                )
    return None


def _check_mmcv(pin: str | None) -> Finding:
    """One of two packages that fill the same folder."""
    found = {build: version for build in MMCV_BUILDS if (version := installed_version(build))}
    lite = f"{MMCV_BUILDS[0]}{f'=={pin}' if pin else ''}"
    again = f"{pip()} uninstall -y {' '.join(found)} && {pip()} install --no-deps {lite}"
    if not found:
        return problem("mmcv", "not installed", f"{pip()} install --no-deps {lite}")
    if len(found) > 1:
        return problem("mmcv", "mmcv and mmcv-lite are both installed, and overwrite each other's files", again)
    ((build, version),) = found.items()
    specifier, reason = UNDECLARED["mmcv"]
    if not agrees(version, specifier):
        return problem("mmcv", f"{build} {version} does not fit: {reason} (it must be {specifier})", again)
    if pin and not agrees(version, f"=={pin}"):
        return warning("mmcv", f"{build} {version} is not the {pin} that this project is tested with", again)
    return ok("mmcv", f"{build} {version}")


def _check_opencv(pin: str | None) -> Finding:
    """Two packages with the same module, one of which needs libGL; a server without libGL lacks nothing otherwise."""
    headless, windowed = installed_version(HEADLESS), installed_version(WINDOWED)
    wanted = f"{HEADLESS}{f'=={pin}' if pin else ''}"
    if windowed is None:
        if headless is None:
            return problem("opencv", "not installed", f"{pip()} install --no-deps {wanted}")
        if pin and not agrees(headless, f"=={pin}"):
            message = f"{HEADLESS} {headless} is not the {pin} that this project is tested with"
            return warning("opencv", message, f"{pip()} install --no-deps {wanted}")
        return ok("opencv", f"{HEADLESS} {headless}, which needs no libGL")
    there = [WINDOWED] + ([HEADLESS] if headless else [])
    # Uninstalling either takes files of the other away, so the one that stays is installed anew.
    remedy = f"{pip()} uninstall -y {' '.join(there)} && {pip()} install --no-deps {wanted}"
    if headless:
        message = f"{WINDOWED} {windowed} beside {HEADLESS} {headless}: the same module twice, and one needs libGL"
    else:
        message = f"{WINDOWED} {windowed} needs libGL, which a server may lack; the headless build does not"
    return warning("opencv", message, remedy)


def _check_builds() -> Finding:
    """torch and torchvision for the same CUDA, as far as their versions say; the import tells for certain."""
    local = {}
    for package in ("torch", "torchvision"):
        release, _, build = (installed_version(package) or "").partition("+")
        if release and build:
            local[package] = build
    if len(set(local.values())) > 1:
        words = " and ".join(f"{package} for {build}" for package, build in local.items())
        message = f"{words}: compiled for different devices, so torchvision's ops fail"
        return problem("torch builds", message, reinstall(["torch", "torchvision"], force=True))
    return ok("torch builds", "torch and torchvision name no different builds")


def _check_others(pinned: dict[str, str]) -> Finding:
    missing, different = [], []
    for package, pin in pinned.items():
        found = installed_version(package)
        if found is None:
            missing.append(package)
        elif not agrees(found, f"=={pin}"):
            different.append(f"{package} {found} (pinned: {pin})")
    if not missing and not different:
        return ok("other packages", f"all {len(pinned)} as in requirements.txt")
    parts = [f"not installed: {', '.join(missing)}"] if missing else []
    parts += [f"not as in requirements.txt: {', '.join(different)}"] if different else []
    return warning("other packages", "; ".join(parts), install_all())
