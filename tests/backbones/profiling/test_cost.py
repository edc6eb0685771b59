"""Counts and measurements, against layer-by-layer arithmetic, published figures and memory worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch, approx, mark, raises
from torch import Tensor, nn

from backbones.errors import UserError
from backbones.files import read_json
from backbones.models import create_classifier
from backbones.profiling.cost import (
    ProfileRequest,
    TrainingStep,
    activation_bytes_per_image,
    count_flops,
    count_operations,
    profile_networks,
)
from backbones.profiling.stopwatch import Speed, Stopwatch
from backbones.profiling.table import TIMM_HEADING, network_document, profile_to_files
from backbones.recipes.paper import table_rows

DOCS = Path(__file__).resolve().parents[3] / "docs"


def multiply_adds_by_hand(model: nn.Module, images: Tensor) -> int:
    """One multiplication and addition per weight a position of the output looks at, layer by layer."""
    total = 0

    def add(layer: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += output.numel() * layer.in_channels // layer.groups * math.prod(layer.kernel_size)
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    for layer in model.modules():
        layer.register_forward_hook(add)
    with torch.no_grad():
        model(images)
    return total


@mark.parametrize("network", ["resnet18_a", "resnet50_d", "mobilenet_v1", "inception_v3"])
def test_multiply_adds_equal_the_sum_over_layers(network: str) -> None:
    with torch.device("meta"):
        model = create_classifier(network, 1000).eval()
        expected = multiply_adds_by_hand(model, torch.empty(1, 3, 160, 160))
    counted = count_operations(network, 160)
    assert counted["multiply_adds"] == expected
    assert counted["flops"] == 2 * expected
    assert counted["parameters"] == sum(parameter.numel() for parameter in model.parameters())


@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 2),
    st.integers(6, 20),
    st.integers(1, 3),
)
@settings(deadline=None)
def test_any_convolution_counts_as_by_hand(
    groups: int, width: int, kernel: int, stride: int, size: int, images: int
) -> None:
    with torch.device("meta"):
        convolution = nn.Conv2d(groups * width, 2 * groups, kernel, stride, groups=groups, bias=False)
        model = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * groups, 7))
        pixels = torch.empty(images, groups * width, size, size)
    assert count_flops(model, pixels) == 2 * multiply_adds_by_hand(model, pixels)


@mark.parametrize(
    ("network", "weights", "size"),
    [
        ("resnet18_a", torchvision.models.ResNet18_Weights.IMAGENET1K_V1, 224),
        ("resnet50_b", torchvision.models.ResNet50_Weights.IMAGENET1K_V1, 224),
        ("resnet101_b", torchvision.models.ResNet101_Weights.IMAGENET1K_V1, 224),
        ("inception_v3", torchvision.models.Inception_V3_Weights.IMAGENET1K_V1, 299),
    ],
)
def test_counts_equal_what_torchvision_publishes(network: str, weights: Any, size: int) -> None:
    counted = count_operations(network, size)
    assert counted["multiply_adds"] / 1e9 == approx(weights.meta["_ops"], abs=6e-4)
    if network != "inception_v3":  # torchvision's number includes the auxiliary head
        assert counted["parameters"] == weights.meta["num_params"]


def test_table_5_is_the_papers_within_its_rounding() -> None:
    for row in table_rows(5):
        counted = count_operations(row["network"], 224)
        assert counted["multiply_adds"] / 1e9 == approx(row["flops"], abs=0.06)
        assert math.floor(counted["parameters"] / 1e6) == row["parameters"]


def test_activations_of_a_small_network_worked_out_by_hand() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),  # keeps its input
        nn.BatchNorm2d(4),  # keeps its input
        nn.ReLU(inplace=True),  # keeps its output
        nn.Flatten(),
        nn.Linear(4 * 8 * 8, 5),  # keeps its input: the same storage again
    )
    floats = 3 * 10 * 10 + 4 * 8 * 8 + 4 * 8 * 8 + 5  # and the loss the log-probabilities
    labels = 8
    assert activation_bytes_per_image(model, torch.randn(1, 3, 10, 10), "fp32") == 4 * floats + labels


def test_16_bit_activations_are_about_half_and_weight_copies_do_not_count() -> None:
    model = create_classifier("resnet18_d", 1000).to(memory_format=torch.channels_last)
    image = torch.randn(1, 3, 64, 64)
    whole, half = (activation_bytes_per_image(model, image, precision) for precision in ("fp32", "bf16"))
    assert 0.45 * whole < half < 0.65 * whole
    assert whole < 4 * sum(parameter.numel() for parameter in model.parameters()) / 10


def test_a_training_step_has_gradients_and_leaves_the_weights() -> None:
    model = create_classifier("resnet18_a", 10)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    means = model.trunk.stem.norm.running_mean.clone()
    TrainingStep(model, torch.randn(2, 3, 32, 32), torch.tensor([0, 1]), "fp32")()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.equal(parameter, before[name]), name
    assert not torch.equal(model.trunk.stem.norm.running_mean, means)


def five_samples(step: Callable[[], None], images: int) -> Speed:
    stopwatch = Stopwatch(step, images, torch.device("cpu"))
    for _ in range(5):
        stopwatch.sample()
    return stopwatch.speed


def test_speed_is_the_median_of_samples_after_a_warm_up(monkeypatch: MonkeyPatch) -> None:
    durations = iter([100.0, 100.0, 1.0, 2.0, 4.0, 5.0, 10.0])  # two to warm up
    now = 0.0

    def step() -> None:
        nonlocal now
        now += next(durations)

    monkeypatch.setattr("backbones.profiling.stopwatch.time.perf_counter", lambda: now)
    speed = five_samples(step, images=20)
    assert (speed.median, speed.slowest, speed.fastest) == (5.0, 2.0, 20.0)
    assert next(durations, None) is None


def test_a_short_step_is_repeated_until_a_clock_can_tell(monkeypatch: MonkeyPatch) -> None:
    now, steps = 0.0, 0

    def step() -> None:
        nonlocal now, steps
        now, steps = now + 0.01, steps + 1

    monkeypatch.setattr("backbones.profiling.stopwatch.time.perf_counter", lambda: now)
    speed = five_samples(step, images=1)
    assert speed.median == approx(100.0)
    assert steps == 2 + 5 * 20


@mark.parametrize(
    ("changes", "message"),
    [
        ({"networks": ("resnet50_x",)}, "unknown network 'resnet50_x'"),
        ({"batch_size": 1}, "--batch-size 1: BatchNorm needs two images or more"),
        ({"samples": 4}, "--samples 4: a median of fewer than 5"),
        ({"networks": ("inception_v3",), "image_size": 40}, "--image-size 40 is too small for inception_v3"),
        ({"device": "tpu"}, "--device tpu"),
        ({"device": "cpu", "precision": "fp16"}, "--precision fp16 needs a CUDA device"),
    ],
)
def test_impossible_requests_are_refused_before_anything_runs(changes: dict[str, Any], message: str) -> None:
    turns: list[str] = []
    with raises(UserError, match=message):
        profile_networks(ProfileRequest(**{"networks": ("resnet18_a",), **changes}), report=turns.append)
    assert turns == []


def a_profile(lowest: float = 39.75, **changes: Any) -> dict[str, Any]:
    speed = {"median": 50.0, "slowest": 45.0, "fastest": 1234.5}
    networks = [
        {
            "network": network,
            "image_size": 224,
            "parameters": 25_000_000 + 500_000 * number,
            "multiply_adds": 4_000_000_000,
            "flops": 8_000_000_000,
            "activation_bytes_per_image": 3 * 2**20,
            "peak_cuda_bytes": None,
            "forward": speed,
            "training": {"median": 40.0 - number, "slowest": lowest - number, "fastest": 40.5 - number},
            **changes,
        }
        for number, network in enumerate(("resnet50_a", "resnet50_d"))
    ]
    return {
        "format": 1,
        "command": "python tools/profile_network.py THIS",
        "settings": {"batch_size": 8, "precision": "bf16", "samples": 5, "classes": 1000},
        "hardware": {"device": "cpu", "name": "Some Processor", "threads": 3},
        "versions": {"python": "3.11.0", "torch": "2.11.0"},
        "networks": networks,
    }


def test_document_sets_our_counts_beside_the_papers() -> None:
    text = network_document(a_profile(), "networks.json")
    rows = [" ".join(line.split()) for line in text.splitlines() if line.startswith("|")]
    expected = "| 25.50 M | 25 M | +0.50 M (+2.0 %) | 4.00 G | 4.3 G | -0.30 G (-7.0 %) | 77.16 | 93.52 |"
    assert f"| ResNet-50-D (`resnet50_d`) {expected}" in rows
    cost = "| 224 px | 25.50 M | 4.00 G | 8.00 G | 3.0 MiB | 50 (45 to 1234) | 39 (38.8 to 39.5) | -2.5 % |"
    assert f"| `resnet50_d` {cost}" in rows
    assert "python tools/profile_network.py THIS" in text
    assert "Some Processor (cpu with 3 threads), bf16, PyTorch 2.11.0, Python 3.11.0" in text
    assert "Peak memory" not in text
    assert "within spread" not in text


def test_a_difference_in_speed_that_could_be_chance_is_not_printed() -> None:
    text = network_document(a_profile(lowest=30.0), "networks.json")
    assert "within spread" in text
    assert "-2.5 %" not in text


def test_document_of_a_gpu_has_its_memory_and_other_sizes_are_not_table_5() -> None:
    on_gpu = network_document(a_profile(peak_cuda_bytes=1536 * 2**20), "networks.json")
    assert " 1536 MiB |" in on_gpu
    assert "**Peak memory**" in on_gpu
    assert "Table 5" in network_document(a_profile(), "networks.json")
    assert "Table 5" not in network_document(a_profile(image_size=192), "networks.json")


def test_documented_numbers_are_those_of_the_result_file() -> None:
    result = read_json(DOCS / "networks.json")
    text = (DOCS / "networks.md").read_text(encoding="utf-8")
    assert text.partition(TIMM_HEADING)[0].rstrip() == network_document(result, "networks.json").rstrip()
    for row in result["networks"]:
        counted = count_operations(row["network"], row["image_size"])
        assert counted == {name: row[name] for name in counted}


def test_the_document_is_refused_without_its_numbers(tmp_path: Path) -> None:
    with raises(UserError, match="--markdown needs --out"):
        profile_to_files(["resnet18_a"], markdown=tmp_path / "n.md")
    with raises(UserError, match="no network given"):
        profile_to_files([], out=tmp_path / "n.json")
    (tmp_path / "n.json").write_text("[]")
    with raises(UserError, match=r"n\.json is no result of tools/profile_network\.py"):
        profile_to_files([], out=tmp_path / "n.json", markdown=tmp_path / "n.md")
