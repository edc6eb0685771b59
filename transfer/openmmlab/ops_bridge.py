"""mmdetection without mmcv's compiled ops: torchvision's kernels answer for them.

``mmcv-lite`` is mmcv without its extension module ``mmcv._ext``, which has no wheel for current PyTorch. mmdetection
imports all of ``mmcv.ops``, and every file in there asks that extension for its functions by name. Faster R-CNN calls
three of them: ``nms``, ``roi_align_forward`` and ``roi_align_backward``. torchvision has these, compiled for CPU and
CUDA, and both libraries define them alike. So a module of that name goes into ``sys.modules``: it answers for the
three, and gives for any other name a function that raises when it is called. RoIAlign on a CPU goes by
``transfer.openmmlab.modules.roi_align``, which computes the same and is many times faster.

Where the real extension is installed, nothing is replaced.

mmengine and mmcv find out by ``pkgutil.find_loader`` whether it is there. Python 3.14 no longer has that function, and
is given it back.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, NoReturn

import torch
import torchvision  # noqa: F401 -- registers torch.ops.torchvision
from torch import Tensor

from backbones.errors import UserError
from transfer.openmmlab.modules.roi_align import Sampling, roi_align, roi_align_gradient

EXTENSION = "mmcv._ext"
_AVERAGE_POOLING = 1  # mmcv's code for pool_mode="avg"; 0 is "max"


def install() -> str:
    """Make ``mmcv.ops`` importable. Call it before mmdet or mmseg is imported; calling it again changes nothing.

    Returns:
        Whose ops answer: "mmcv" (the compiled extension, untouched) or "torchvision".

    Raises:
        UserError: mmcv's compiled extension is installed but does not load.
        RuntimeError: mmdet's or mmseg's models were imported before, without ops.
    """
    _provide_find_loader()
    if EXTENSION not in sys.modules:
        if find_spec(EXTENSION) is None:
            _put_bridge_in_place()
        else:
            _load_compiled_extension()
    return ops_in_use()


def ops_in_use() -> str:
    """Whose ops answer, as ``install`` returned it.

    Raises:
        RuntimeError: ``install`` has not been called.
    """
    module = sys.modules.get(EXTENSION)
    if module is None:
        raise RuntimeError("install() of the bridge to mmcv's ops has not been called")
    return "torchvision" if isinstance(getattr(module, "__loader__", None), _BridgeLoader) else "mmcv"


def _provide_find_loader() -> None:
    if not hasattr(pkgutil, "find_loader"):
        pkgutil.find_loader = _find_loader  # type: ignore[attr-defined, unused-ignore]  # there up to Python 3.13


def _find_loader(fullname: str) -> Loader | None:
    """``pkgutil.find_loader`` as Python 3.12 had it."""
    try:
        spec = find_spec(fullname)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ImportError(f"Error while finding loader for {fullname!r} ({type(error)}: {error})") from error
    return spec.loader if spec else None


def _load_compiled_extension() -> None:
    try:
        importlib.import_module(EXTENSION)
    except ImportError as error:
        raise UserError(
            f"mmcv's compiled ops do not load with torch {torch.__version__} ({error}): rebuild mmcv against it, "
            "or replace it by the one without compiled ops: pip uninstall mmcv && pip install mmcv-lite==2.1.0"
        ) from error


def _put_bridge_in_place() -> None:
    # Both import what they find of mmcv.ops and go on without the rest: too late to bring it back.
    late = sorted({"mmdet.models", "mmseg.models"} & sys.modules.keys())
    if late:
        raise RuntimeError(f"{', '.join(late)} imported before install() of the bridge to mmcv's ops")
    # mmengine recognises a full mmcv by pkgutil.find_loader, which wants a __spec__ with a loader.
    module = module_from_spec(ModuleSpec(EXTENSION, _BridgeLoader(), origin=__name__))
    _BridgeLoader().exec_module(module)
    sys.modules[EXTENSION] = module
    importlib.import_module("mmcv")._ext = module  # type: ignore[attr-defined]


class _BridgeLoader(Loader):
    """Fills the module that stands in for ``mmcv._ext``."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave making the module to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its three ops, and an answer for every other name."""
        for op in (nms, roi_align_forward, roi_align_backward):
            setattr(module, op.__name__, op)
        module.__getattr__ = _missing_op  # type: ignore[method-assign]


def _missing_op(name: str) -> Callable[..., NoReturn]:
    """A function to stand for an op that is not there; mmcv looks all of them up while it is imported."""
    if name.startswith("_"):  # Python's own questions to a module, such as __path__
        raise AttributeError(f"module {EXTENSION!r} has no attribute {name!r}")

    def raise_missing(*_: object, **__: object) -> NoReturn:
        raise UserError(
            f"the model calls mmcv's compiled op {name!r}, which mmcv-lite does not have (only nms and RoIAlign are "
            "bridged to torchvision): install the full mmcv 2.1.0 with its compiled ops in place of mmcv-lite "
            "(pip uninstall mmcv-lite; MMCV_WITH_OPS=1 pip install --no-build-isolation --no-binary mmcv mmcv==2.1.0; "
            "it needs a compiler), or configure a model without this op"
        )

    return raise_missing


def nms(bboxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy non-maximum suppression: ``mmcv._ext.nms``.

    Args:
        bboxes: N x 4, (x1, y1, x2, y2) in pixels.
        scores: N. Among equal scores, the lower index goes first.
        iou_threshold: A box goes when its IoU with a kept box is greater than this.
        offset: Box width is x2 - x1 + offset, 0 or 1.

    Returns:
        Indices of the kept boxes, highest score first, int64.
    """
    # (x2 + 1) - x1 is the legacy width (x2 - x1) + 1. In float64 the sum is exact; in float32 it would round
    # differently from mmcv's.
    dtype = torch.float64 if offset else _computing_dtype(bboxes)
    boxes = bboxes.to(dtype)
    if offset:  # else nothing is copied to a GPU, which would be waited for
        boxes = boxes + bboxes.new_tensor([0, 0, offset, offset], dtype=dtype)
    # A float32 IoU that equals the threshold must not exceed it: round the threshold alike.
    threshold = torch.tensor(iou_threshold, dtype=dtype).item()
    return torch.ops.torchvision.nms(boxes, scores.to(dtype), threshold)


def roi_align_forward(
    features: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor, **geometry: Any
) -> None:
    """RoIAlign with average pooling: ``mmcv._ext.roi_align_forward``.

    Args:
        features: N x C x H x W.
        rois: R x 5, (index into N, x1, y1, x2, y2) in pixels of the image.
        output: R x C x aligned_height x aligned_width, overwritten.
        argmax_y: Of use to max pooling only, as is argmax_x.
        geometry: aligned_height, aligned_width, spatial_scale, sampling_ratio, pool_mode and aligned.

    Raises:
        UserError: For max pooling.
    """
    sampling = _sampling(**geometry)
    dtype = _computing_dtype(features)
    features, rois = features.to(dtype), rois.to(dtype)
    if _on_cpu(features):
        output.copy_(roi_align(features, rois, sampling))
    else:
        bins, scale, ratio, aligned = sampling
        output.copy_(torch.ops.torchvision.roi_align(features, rois, scale, *bins, ratio, aligned))


def roi_align_backward(
    grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor, **geometry: Any
) -> None:
    """Gradient of RoIAlign with respect to the features: ``mmcv._ext.roi_align_backward``.

    Args as in ``roi_align_forward``; ``grad_output`` has the shape of its output, and the gradient is added to
    ``grad_input``, which has the shape of its features.
    """
    sampling, shape = _sampling(**geometry), grad_input.shape
    dtype = _computing_dtype(grad_output)
    grad_output, rois = grad_output.to(dtype), rois.to(dtype)
    if _on_cpu(grad_output):
        grad_input += roi_align_gradient(grad_output, rois, shape, sampling)
    else:
        bins, scale, ratio, aligned = sampling
        backward = torch.ops.torchvision._roi_align_backward
        grad_input += backward(grad_output, rois, scale, *bins, *shape, ratio, aligned)


def _computing_dtype(tensor: Tensor) -> torch.dtype:
    """float32 for the half precisions, which torchvision's kernels do not all take; else the tensor's own."""
    return torch.promote_types(tensor.dtype, torch.float32)


def _on_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


def _sampling(
    aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int, pool_mode: int, aligned: bool
) -> Sampling:
    if pool_mode != _AVERAGE_POOLING:
        raise UserError(
            "RoIAlign with pool_mode='max' needs mmcv's compiled ops: install the full mmcv 2.1.0, "
            "or set pool_mode='avg' in the configuration's roi_layer"
        )
    return Sampling((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
