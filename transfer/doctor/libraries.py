"""Do the libraries load, and whose ops does mmcv call?"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator

from backbones.errors import UserError
from transfer.doctor.finding import Finding, guarded, ok, problem, words
from transfer.doctor.installation import install_all, pip, reinstall
from transfer.doctor.probe import kept_boxes, wrong_answer

# Module, and the package that brings it. torch first: what is built on it fails with it.
MODULES = {
    "numpy": "numpy",
    "torch": "torch",
    "torchvision": "torchvision",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "scipy": "scipy",
    "matplotlib": "matplotlib",
    "safetensors": "safetensors",
    "timm": "timm",
    "pycocotools.mask": "pycocotools",
    "tqdm": "tqdm",
    "tensorboard": "tensorboard",
    "mmengine": "mmengine",
    "mmcv": "mmcv-lite",
}
# Compiled for each other: they are replaced together.
TORCH_PAIR = ("torch", "torchvision")
# They import mmcv.ops, which must be answered for first.
MODELS = {"mmdet.models": "mmdet", "mmseg.models": "mmsegmentation"}


def check_libraries() -> Iterator[Finding]:
    """Import everything once, in the order in which the tools do, and call an op."""
    yield from _import_all(MODULES, "libraries")
    yield from guarded("ops", _check_ops, reinstall(TORCH_PAIR, force=True))
    yield from _import_all(MODELS, "toolkits")


def _import_all(modules: dict[str, str], subject: str) -> Iterator[Finding]:
    broken = [finding for module, package in modules.items() if (finding := _import(module, package))]
    yield from broken
    if not broken:
        yield ok(subject, f"all load: {', '.join(modules)}")


def _import(module: str, package: str) -> Finding | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside the libraries are no finding
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        lacking = error.name or module
        if lacking.split(".")[0] == module.split(".")[0]:
            return problem(f"import {module}", "cannot be found", reinstall([package]))
        return problem(f"import {module}", f"it needs {lacking}, which cannot be found", install_all())
    except Exception as error:
        return problem(f"import {module}", f"does not load: {words(error)}", _remedy(package, error))
    return None


def _remedy(package: str, error: Exception) -> str:
    """For a package that is there and does not load: its version may be right, so its files are replaced."""
    if "libGL" in str(error):
        return f"{pip()} uninstall -y opencv-python && {reinstall([package], force=True)}"
    if package == "torch" and "cannot open shared object file" in str(error):
        return install_all()  # a CUDA build without the packages that hold CUDA's libraries
    return reinstall(TORCH_PAIR if package in TORCH_PAIR else [package], force=True)


def _check_ops() -> Iterator[Finding]:
    """Whose ops answer, and that they do: overlapping boxes are suppressed."""
    from transfer.openmmlab import ops_bridge

    try:
        owner = ops_bridge.install()
    except UserError as error:  # a compiled extension that does not fit torch
        yield problem("ops", str(error), f"{pip()} uninstall -y mmcv && {reinstall(['mmcv-lite'])}")
        return
    from mmcv.ops import nms

    if complaint := wrong_answer(owner, kept_boxes(lambda *question: nms(*question)[1])):
        yield problem("ops", complaint, reinstall(TORCH_PAIR, force=True))
    elif owner == "mmcv":
        yield ok("ops", "mmcv's compiled extension (mmcv._ext) answers")
    else:
        yield ok("ops", "mmcv has no compiled extension; torchvision's kernels answer for nms and RoIAlign")
