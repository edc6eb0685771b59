"""Top-1 and top-5, against sorting by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, mark, raises
from torch import Tensor, nn

from backbones.bundles.contract import imagenet_contract
from backbones.data.loader import Batch
from backbones.errors import UserError
from backbones.evaluation.accuracy import Accuracy, count_correct, evaluate, predict
from backbones.machine.distributed import World


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


@mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_are_no_result(value: float) -> None:
    """Sorted as if they were numbers, they would make some accuracy: of NaNs all compare alike."""

    class Broken(Oracle):
        def forward(self, x: Tensor) -> Tensor:
            logits = super().forward(x)
            logits[logits[:, 2] == 1, 3] = value
            return logits

    labels = [0, 1, 2, 3, 2]
    with raises(UserError, match=r"after epoch 7: the logits of 2 of 5 images are not finite.*smaller --lr"):
        evaluate(Broken(), batches(labels, labels, 2), imagenet_contract(32), CPU, subject="after epoch 7")
    assert evaluate(Broken(), batches([0, 1], [0, 1], 2), imagenet_contract(32), CPU).top1 == 100.0


CPU = torch.device("cpu")


def test_predictions_come_batch_by_batch_in_evaluation_mode() -> None:
    model = Oracle().train()
    results = list(predict(model, batches([0, 1, 2, 3, 0], [0, 1, 2, 3, 4], 2), imagenet_contract(32), CPU))
    assert [len(labels) for _, labels in results] == [2, 2, 1]
    assert torch.cat([logits for logits, _ in results]).argmax(1).tolist() == [0, 1, 2, 3, 0]
    assert torch.cat([labels for _, labels in results]).tolist() == [0, 1, 2, 3, 4]
    assert not model.training
    assert not any(logits.requires_grad for logits, _ in results)


def test_images_are_normalised_as_the_contract_says() -> None:
    """The oracle reads its answer off the normalised red; in another normalisation it would read it wrongly."""
    contract = imagenet_contract(32)
    turned = replace(contract, mean=contract.mean[::-1], std=contract.std[::-1], channel_order="BGR")

    class Turned(Oracle):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.flip(1))

    labels = [0, 1, 2, 3]
    assert evaluate(Oracle(), batches(labels, labels, 2), contract, CPU).top1 == 100.0
    assert evaluate(Turned(), batches(labels, labels, 2), turned, CPU).top1 == 100.0


class OneOfThree(World):
    """Adds what two other processes counted: 4 of 10 first, 7 among five."""

    def sum(self, value: Tensor) -> Tensor:
        return value + torch.tensor([4, 7, 10, 0])


def test_the_images_of_all_processes_count_alike() -> None:
    told, labels = [0, 1, 2, 0, 0], [0, 1, 2, 3, 4]
    accuracy = evaluate(Oracle(), batches(told, labels, 2), imagenet_contract(32), CPU, world=OneOfThree(0, 3))
    own = count_correct(nn.functional.one_hot(torch.tensor(told), 8).float(), torch.tensor(labels)).tolist()
    assert accuracy == Accuracy(approx(100 * (own[0] + 4) / 15), approx(100 * (own[1] + 7) / 15))


def test_a_process_without_images_counts_none() -> None:
    assert evaluate(Oracle(), [], imagenet_contract(32), CPU, world=OneOfThree(0, 3)) == Accuracy(40.0, 70.0)
