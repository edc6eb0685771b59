"""The bridge between mmcv's op names and torchvision's kernels, against loops written from the definitions."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_ops import OPS, TOLERANCE, Box, ops, run_roi_align, slow_nms, slow_weights, some_rois

from backbones.errors import UserError
from transfer.openmmlab import ops_bridge

REPOSITORY = Path(__file__).resolve().parents[3]
bridged = pytest.mark.skipif(OPS != "torchvision", reason="mmcv's compiled ops are installed")

coordinates = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 9), st.integers(0, 9))
boxes_with_scores = st.lists(st.tuples(coordinates, st.integers(0, 6)), max_size=14)


@settings(deadline=None, max_examples=300)
@given(
    found=boxes_with_scores,
    tenths=st.integers(1, 9),
    offset=st.sampled_from([0, 1]),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
)
def test_nms_equals_the_definition(found: list[tuple[Box, int]], tenths: int, offset: int, dtype: torch.dtype) -> None:
    boxes = [(x, y, x + width, y + height) for (x, y, width, height), _ in found]
    scores = [eighths / 8 for _, eighths in found]
    box_tensor = torch.tensor(boxes, dtype=dtype).reshape(-1, 4)
    detections, kept = ops.nms(box_tensor, torch.tensor(scores, dtype=dtype), tenths / 10, offset)
    assert kept.tolist() == slow_nms(boxes, scores, Fraction(tenths, 10), offset)
    assert detections.dtype == dtype
    assert detections.tolist() == [[*boxes[index], scores[index]] for index in kept]


def test_legacy_offset_far_from_the_origin() -> None:
    """batched_nms moves classes apart: at 2**24, x2 + 1 is no float32. Widths 3 and 5, IoU 3/5."""
    boxes = torch.tensor([[0.0, 0, 2, 9], [0.0, 0, 4, 9]]) + torch.tensor([2.0**24, 0, 2.0**24, 0])
    assert ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.7, offset=1)[1].tolist() == [0, 1]
    assert ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5, offset=1)[1].tolist() == [0]


@pytest.mark.parametrize("tenths", range(1, 10))
def test_overlap_equal_to_the_threshold_stays(tenths: int) -> None:
    boxes = torch.tensor([[0.0, 0, 10, 1], [0.0, 0, tenths, 1]])
    assert ops.nms(boxes, torch.tensor([0.9, 0.8]), tenths / 10)[1].tolist() == [0, 1]
    assert ops.nms(boxes, torch.tensor([0.9, 0.8]), tenths / 10 - 0.001)[1].tolist() == [0]


def test_batched_nms_suppresses_within_a_class_only() -> None:
    generator = torch.Generator().manual_seed(0)
    corner = torch.randint(0, 30, (60, 2), generator=generator)
    boxes = torch.cat([corner, corner + torch.randint(5, 20, (60, 2), generator=generator)], dim=1)
    scores, classes = torch.rand(60, generator=generator), torch.randint(0, 3, (60,), generator=generator)
    _, kept = ops.batched_nms(boxes.float(), scores, classes, {"type": "nms", "iou_threshold": 0.5})
    expected: list[int] = []
    for label in range(3):
        members = torch.nonzero(classes == label).flatten().tolist()
        chosen = [tuple(boxes[index].tolist()) for index in members]
        survivors = slow_nms(chosen, scores[members].tolist(), Fraction(1, 2), 0)
        expected += [members[index] for index in survivors]
    assert len(expected) < 60
    assert kept.tolist() == sorted(expected, key=lambda index: -scores[index].item())


@pytest.fixture(params=["sparse matrix", "kernels"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The bridge's two ways of computing RoIAlign; the one for accelerators also runs on a CPU's tensors."""
    if request.param == "kernels":
        monkeypatch.setattr(ops_bridge, "_on_cpu", lambda _: False)
    return request.param


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("bins", [(7, 7), (3, 5)])
@pytest.mark.parametrize("scale", [0.25, 1 / 6])
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align_equals_the_definition(
    way: str, aligned: bool, ratio: int, scale: float, bins: tuple[int, int], dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(1)
    rois = some_rois()
    features = torch.randn(2, 3, 14, 22, generator=generator).to(dtype)
    cotangent = torch.randn(len(rois), 3, *bins, generator=generator).to(dtype)
    output, gradient = run_roi_align(features, rois, cotangent, scale, ratio, aligned)
    weights = slow_weights((2, 3, 14, 22), rois, bins, scale, ratio, aligned)
    expected = np.einsum("rijnyx,ncyx->rcij", weights, features.double().numpy())
    expected_gradient = np.einsum("rijnyx,rcij->ncyx", weights, cotangent.double().numpy())
    assert output.dtype == gradient.dtype == dtype
    for ours, theirs in ((output, expected), (gradient, expected_gradient)):
        assert np.abs(ours.double().numpy() - theirs).max() < TOLERANCE[dtype] * np.abs(theirs).max()


def test_settings_of_roi_align_matter() -> None:
    """Negative control: the reference at another setting is far from the result."""
    rois, features = some_rois(), torch.randn(2, 3, 14, 22, generator=torch.Generator().manual_seed(1))
    output, _ = run_roi_align(features, rois, torch.ones(len(rois), 3, 7, 7), 0.25, 0, True)
    for scale, ratio, aligned in ((0.25, 0, False), (0.25, 2, True), (0.2, 0, True)):
        weights = slow_weights((2, 3, 14, 22), rois, (7, 7), scale, ratio, aligned)
        other = np.einsum("rijnyx,ncyx->rcij", weights, features.double().numpy())
        assert np.abs(output.double().numpy() - other).max() > 0.1


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_no_rois(way: str, dtype: torch.dtype) -> None:
    features, rois = torch.ones(2, 3, 8, 8, dtype=dtype), torch.zeros(0, 5)
    output, gradient = run_roi_align(features, rois, torch.zeros(0, 3, 7, 7, dtype=dtype), 0.25, 0, True)
    assert output.shape == (0, 3, 7, 7)
    assert gradient.dtype == dtype
    assert torch.equal(gradient, torch.zeros_like(features))


@bridged
def test_max_pooling_is_refused() -> None:
    with pytest.raises(UserError, match=r"pool_mode='max'.*full mmcv 2\.1\.0"):
        ops.RoIAlign(7, pool_mode="max")(torch.ones(1, 1, 8, 8), torch.zeros(1, 5))


@bridged
def test_a_missing_op_is_named_when_it_is_called() -> None:
    with pytest.raises(UserError, match=r"'softnms'.*full mmcv 2\.1\.0"):
        ops.soft_nms(torch.tensor([[0.0, 0, 2, 2]]), torch.ones(1))
    with pytest.raises(UserError, match=r"'roi_pool_forward'"):
        ops.RoIPool(7)(torch.ones(1, 1, 8, 8), torch.zeros(1, 5))


@bridged
def test_the_module_passes_for_an_installed_one() -> None:
    extension = sys.modules["mmcv._ext"]
    assert extension.__spec__ is not None
    assert importlib.util.find_spec("mmcv._ext") is extension.__spec__
    assert pkgutil.find_loader("mmcv._ext") is extension.__loader__ is not None
    assert importlib.import_module("mmcv.utils.ext_loader").load_ext("_ext", ["nms", "anything"]) is extension
    assert not hasattr(extension, "__path__")
    assert ops_bridge.install() == ops_bridge.ops_in_use() == "torchvision"
    assert sys.modules["mmcv._ext"] is extension


def test_pkgutil_find_loader_is_put_back_where_python_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    full_mmcv_available = importlib.import_module("mmengine.utils.dl_utils").mmcv_full_available
    monkeypatch.delattr(pkgutil, "find_loader")
    with pytest.raises(AttributeError, match="find_loader"):
        full_mmcv_available()
    ops_bridge.install()
    assert full_mmcv_available() is True
    assert importlib.import_module("mmcv.utils.ext_loader").check_ops_exist() is True
    assert pkgutil.find_loader("mmcv._ext") is sys.modules["mmcv._ext"].__loader__
    assert pkgutil.find_loader("mmcv._no_such_module") is None
    with pytest.raises(ImportError, match=r"no_such_package\.module"):
        pkgutil.find_loader("no_such_package.module")


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python has no pkgutil.find_loader of its own")
@pytest.mark.filterwarnings("ignore:.*pkgutil.find_loader:DeprecationWarning")
@pytest.mark.parametrize("name", ["os", "xml", "xml.dom.minidom", "math", "mmcv.ops", "mmcv._ext", "no_such_module"])
def test_what_is_put_back_finds_what_the_standard_library_found(name: str) -> None:
    assert pkgutil.find_loader.__module__ == "pkgutil"  # install() leaves an existing one alone
    theirs, ours = pkgutil.find_loader(name), ops_bridge._find_loader(name)
    assert type(ours) is type(theirs)
    assert getattr(ours, "path", None) == getattr(theirs, "path", None)


@bridged
def test_order_of_calls_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mmcv._ext")
    with pytest.raises(RuntimeError, match=r"install\(\) of the bridge to mmcv.s ops has not been called"):
        ops_bridge.ops_in_use()
    monkeypatch.setitem(sys.modules, "mmseg.models", ModuleType("mmseg.models"))
    with pytest.raises(RuntimeError, match=r"mmseg\.models.* imported before"):
        ops_bridge.install()


def run_python(code: str, *paths: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*paths, REPOSITORY]))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_mmdetection_and_mmsegmentation_import_after_install() -> None:
    code = (
        "from transfer.openmmlab import ops_bridge; print(ops_bridge.install())\n"
        "from mmdet.models import FasterRCNN; import mmseg.models\n"
        "print(ops_bridge.ops_in_use(), FasterRCNN.__name__)"
    )
    assert run_python(code).split() == [OPS, OPS, "FasterRCNN"]


def compiled_mmcv(folder: Path, extension: str) -> Path:
    """A package to stand for the full mmcv."""
    (folder / "mmcv").mkdir()
    (folder / "mmcv" / "__init__.py").touch()
    (folder / "mmcv" / "_ext.py").write_text(extension)
    return folder / "mmcv" / "_ext.py"


def test_a_compiled_extension_is_left_alone(tmp_path: Path) -> None:
    extension = compiled_mmcv(tmp_path, "nms = 'theirs'\n")
    code = (
        "from transfer.openmmlab import ops_bridge\n"
        "print(ops_bridge.install(), ops_bridge.install(), ops_bridge.ops_in_use())\n"
        "import mmcv._ext; print(mmcv._ext.nms, hasattr(mmcv._ext, 'roi_align_forward'), mmcv._ext.__file__)"
    )
    answer = run_python(code, tmp_path).split()
    assert answer == ["mmcv", "mmcv", "mmcv", "theirs", "False", str(extension)]


def test_a_compiled_extension_that_does_not_load_is_an_error(tmp_path: Path) -> None:
    compiled_mmcv(tmp_path, "raise ImportError('undefined symbol: _ZN3c10')\n")
    code = (
        "from transfer.openmmlab import ops_bridge\nfrom backbones.errors import UserError\n"
        "try: ops_bridge.install()\nexcept UserError as error: print(error)"
    )
    assert "undefined symbol: _ZN3c10" in run_python(code, tmp_path)
