"""Choice of device and precision."""

from __future__ import annotations

import torch
from pytest import MonkeyPatch, mark, raises

from backbones.errors import UserError
from backbones.precision import resolve_device, resolve_precision

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
    monkeypatch.setattr("backbones.precision._can_compute_bf16", lambda device: True)
    assert resolve_precision("auto", CPU) == expected


def test_bf16_is_refused_where_it_cannot_be_computed(monkeypatch: MonkeyPatch) -> None:
    pretend_cpu(monkeypatch, avx2=True)
    monkeypatch.setattr("backbones.precision._can_compute_bf16", lambda device: False)
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
