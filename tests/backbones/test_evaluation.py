"""Top-1 and top-5, against sorting by hand."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx
from torch import Tensor, nn

from backbones.bundle import imagenet_contract
from backbones.data.loader import Batch
from backbones.evaluation import count_correct, evaluate


@given(st.integers(2, 12), st.integers(1, 20), st.integers(0, 1000))
@settings(deadline=None)
def test_counts_equal_sorting_by_hand(num_classes: int, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.stack([torch.randperm(num_classes, generator=generator).float() for _ in range(count)])
    labels = torch.randint(num_classes, (count,), generator=generator)
    expected = [0, 0]
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        order = sorted(range(num_classes), key=lambda index: -row[index])
        expected[0] += order[0] == label
        expected[1] += label in order[:5]
    assert count_correct(logits, labels).tolist() == expected


def test_with_fewer_than_five_classes_top5_is_everything() -> None:
    assert count_correct(torch.randn(9, 3), torch.randint(3, (9,)))[1] == 9


class Oracle(nn.Module):
    """Reads the class off the first channel of the normalised image: right whenever the image tells the truth."""

    def forward(self, x: Tensor) -> Tensor:
        level = (x[:, 0, 0, 0] * 58.393 + 123.68).round().long()
        return nn.functional.one_hot(level, 8).float()


def batches(told: list[int], labels: list[int], size: int) -> Iterator[Batch]:
    for first in range(0, len(labels), size):
        values = torch.tensor(told[first : first + size], dtype=torch.uint8)
        yield Batch(values[:, None, None, None].expand(-1, 4, 4, 3), torch.tensor(labels[first : first + size]))


def test_every_image_counts_once_also_in_a_smaller_last_batch() -> None:
    labels = [0, 1, 2, 3, 4, 5, 6]
    told = [0, 1, 2, 3, 4, 0, 0]
    for size in (1, 2, 5, 7):
        model = Oracle().train()
        accuracy = evaluate(model, batches(told, labels, size), imagenet_contract(32), torch.device("cpu"))
        assert accuracy.top1 == approx(100 * 5 / 7)
        assert not model.training
