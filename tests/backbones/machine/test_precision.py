"""Choice of device and precision."""

from __future__ import annotations

import torch
from pytest import MonkeyPatch, mark, raises

from backbones.errors import UserError
from backbones.machine.precision import precision_for, resolve_device, resolve_precision
from backbones.machine.versions import hardware

CPU = torch.device("cpu")


def pretend_cpu(patch: MonkeyPatch, **features: bool) -> None:
    patch.setattr(torch.cpu, "get_capabilities", lambda: features)


@mark.parametrize(
    ("features", "expected"),
    [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx512_f": True, "avx2": True}, "fp32")],
)
def test_auto_takes_bf16_only_where_the_cpu_has_it(
    monkeypatch: MonkeyPatch, features: dict[str, bool], expected: str
) -> None:
    pretend_cpu(monkeypatch, **features)
    monkeypatch.setattr("backbones.machine.precision._can_compute_bf16", lambda device: True)
    assert resolve_precision("auto", CPU) == expected


def test_bf16_is_refused_where_it_cannot_be_computed(monkeypatch: MonkeyPatch) -> None:
    pretend_cpu(monkeypatch, avx2=True)
    monkeypatch.setattr("backbones.machine.precision._can_compute_bf16", lambda device: False)
    with raises(UserError, match="--precision bf16: cpu cannot compute in bf16; use fp32"):
        resolve_precision("bf16", CPU)


@mark.parametrize(("capability", "expected"), [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 0), "fp16"), ((6, 1), "fp32")])
def test_auto_on_cuda_follows_the_tensor_cores(
    monkeypatch: MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", torch.device("cuda")) == expected


def test_fp16_is_refused_on_a_cpu() -> None:
    with raises(UserError, match="fp16 needs a CUDA device"):
        resolve_precision("fp16", CPU)


def test_fp32_works_everywhere() -> None:
    assert resolve_precision("fp32", CPU) == "fp32"


def test_devices() -> None:
    assert resolve_device("cpu") == CPU
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@mark.parametrize("name", ["gpu", "cuda:99", "mps", "cuda:x"])
def test_devices_that_are_not_there_are_refused(name: str) -> None:
    with raises(UserError, match=f"--device {name}"):
        resolve_device(name)


def pretend_bf16(patch: MonkeyPatch, available: bool) -> None:
    pretend_cpu(patch, avx512_bf16=available)
    patch.setattr("backbones.machine.precision._can_compute_bf16", lambda device: available)


@mark.parametrize(
    ("low_precision", "requested", "expected"),
    [
        (None, "auto", "bf16"),
        (None, "fp32", "fp32"),
        (None, "bf16", "bf16"),
        (True, "auto", "bf16"),
        (True, "bf16", "bf16"),
        (False, "auto", "fp32"),
        (False, "fp32", "fp32"),
    ],
)
def test_a_recipe_may_insist(
    monkeypatch: MonkeyPatch, low_precision: bool | None, requested: str, expected: str
) -> None:
    pretend_bf16(monkeypatch, True)
    assert precision_for(low_precision, requested, CPU) == expected


@mark.parametrize(
    ("low_precision", "requested", "message"),
    [
        (True, "fp32", "--precision fp32: the recipe is low-precision; leave --precision out"),
        (False, "bf16", "--precision bf16: the recipe is without low precision; leave --precision out"),
        (False, "fp16", "--precision fp16: the recipe is without low precision"),
    ],
)
@mark.parametrize("available", [True, False])
def test_recipe_and_option_may_not_contradict_each_other(
    monkeypatch: MonkeyPatch, low_precision: bool, requested: str, message: str, available: bool
) -> None:
    pretend_bf16(monkeypatch, available)
    with raises(UserError, match=message):
        precision_for(low_precision, requested, CPU)


def test_low_precision_is_refused_where_the_hardware_has_none(monkeypatch: MonkeyPatch) -> None:
    pretend_bf16(monkeypatch, False)
    with raises(UserError, match="low-precision: cpu has no hardware for 16 bits; switch it off: --without low-prec"):
        precision_for(True, "auto", CPU)
    with raises(UserError, match="--precision bf16: cpu cannot compute in bf16"):
        precision_for(True, "bf16", CPU)
    assert precision_for(None, "auto", CPU) == "fp32"


def test_older_tensor_cores_have_fp16(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 0))
    assert precision_for(True, "auto", torch.device("cuda")) == "fp16"
    assert precision_for(False, "auto", torch.device("cuda")) == "fp32"


def test_float32_is_not_tf32() -> None:
    """The flags of the process, which a CPU ignores; PyTorch allows cuDNN to round by default."""
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = True
    assert hardware(CPU)["tf32"] is True
    device = resolve_device("auto")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"
    assert hardware(device)["tf32"] is False


@mark.gpu
@mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_float32_convolutions_are_exact_on_a_gpu() -> None:
    device = resolve_device("cuda")
    torch.manual_seed(0)
    images, weights = torch.randn(4, 64, 32, 32), torch.randn(64, 64, 3, 3)
    exact = torch.nn.functional.conv2d(images.double(), weights.double())
    error = (torch.nn.functional.conv2d(images.to(device), weights.to(device)).cpu() - exact).abs().max()
    assert error < 1e-3  # TF32: about 0.05
