"""Arithmetic and traffic of operations are those that one counts by hand; no step beats its floor by the count."""

from __future__ import annotations

from pathlib import Path

import torch
from pytest import approx, mark
from torch.nn import functional

from benchmarks.cases.training import roofline
from benchmarks.harness.document import describe
from benchmarks.harness.settings import Settings
from benchmarks.subjects.operations import NORMS, OTHERS, PRODUCTS, Count, Machine, kind_of, seconds_by_kind

MACHINE = Machine(flops=1000.0, bandwidth=10.0)


def test_a_product_is_counted() -> None:
    left, right = torch.ones(3, 5), torch.ones(5, 7)
    with Count(MACHINE) as count:
        left @ right
    (found,) = count.kinds.values()
    assert count.kinds.keys() == {PRODUCTS}
    assert found.flops == 2 * 3 * 5 * 7
    assert found.bytes == 4 * (15 + 35 + 21)
    assert found.floor == approx(max(found.flops / 1000, found.bytes / 10))


def test_a_convolutions_passes_are_three_times_one() -> None:
    images, weights = torch.ones(2, 3, 8, 8, requires_grad=True), torch.ones(4, 3, 3, 3, requires_grad=True)
    with Count(MACHINE) as count:
        functional.conv2d(images, weights, padding=1).backward(torch.ones(2, 4, 8, 8))
    assert count.kinds[PRODUCTS].flops == 3 * 2 * (2 * 4 * 8 * 8) * (3 * 3 * 3)


def test_what_is_changed_in_place_is_read_and_written_and_views_are_nothing() -> None:
    tensor, other = torch.ones(6, 4), torch.ones(6, 4)
    with Count(MACHINE) as count:
        tensor.add_(other)
    assert count.kinds[OTHERS].bytes == 4 * 24 * 3
    with Count(MACHINE) as count:
        tensor.view(24).unsqueeze(0)
    assert not count.kinds


@mark.parametrize(
    ("name", "kind"),
    [("native_batch_norm_backward", NORMS), ("convolution_backward", PRODUCTS), ("addmm", PRODUCTS), ("relu_", OTHERS)],
)
def test_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_time_goes_to_the_kind_that_takes_it() -> None:
    large = torch.randn(400, 400)
    times = seconds_by_kind(lambda: large @ large, 3)
    assert times[PRODUCTS] > 0.5 * sum(times.values())


def test_the_case_and_its_picture(tmp_path: Path) -> None:
    found = roofline.measure(Settings(tmp_path, quick=True))
    step, *kinds = list(found.figures)[1:]
    assert [name.partition(" (")[0] for name in kinds] == [f"- {kind}" for kind in (PRODUCTS, NORMS, OTHERS)]
    line = found.figures[step]
    assert line[roofline.SHARE] == approx(line[roofline.DONE] / found.figures[roofline.MACHINE][roofline.PEAK])
    assert line["floor, ms"] == approx(sum(found.figures[kind]["floor, ms"] for kind in kinds))
    assert all(found.figures[kind]["floor, ms"] > 0 for kind in kinds)
    assert step in describe(found)
    assert roofline.draw(found).axes[0].get_xlabel() == "FLOP per byte moved"
