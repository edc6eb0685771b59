"""Batches: complete, repeatable, independent of workers and of where a run starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import fixture, mark, raises

from backbones.data.image_folder import ImageFolder, open_image_folder
from backbones.data.loader import (
    Batch,
    ImageBatches,
    TrainingRequests,
    ValidationRequests,
    count_steps,
    load_batches,
)
from backbones.errors import UserError

CPU = torch.device("cpu")


@fixture
def folder(make_image_folder: Callable[..., Path]) -> ImageFolder:
    return open_image_folder(make_image_folder(classes=3, train=4, val=3))


def training_batches(folder: ImageFolder, seed: int = 0, first_step: int = 0, workers: int = 0) -> list[Batch]:
    """Three epochs of two batches of five of the twelve images."""
    requests = TrainingRequests(len(folder.train), 5, seed, first_step, total_steps=6)
    return list(load_batches(ImageBatches(folder.train, 32, seed), requests, workers, CPU))


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) for a, b in zip(one, other, strict=True)
    )


def test_batches_do_not_depend_on_the_workers(folder: ImageFolder) -> None:
    batches = training_batches(folder)
    assert same(batches, training_batches(folder, workers=2))
    assert not same(batches, training_batches(folder, seed=1))


@mark.parametrize("first_step", [1, 2, 5, 6])
def test_a_run_can_start_at_any_batch(folder: ImageFolder, first_step: int) -> None:
    assert same(training_batches(folder)[first_step:], training_batches(folder, first_step=first_step))


def test_shapes_types_and_labels(folder: ImageFolder) -> None:
    for batch in training_batches(folder):
        assert batch.images.shape == (5, 32, 32, 3)
        assert batch.images.dtype == torch.uint8
        assert batch.labels.dtype == torch.int64
        # The images of a class are brightest in their own channel.
        assert torch.equal(batch.images.float().mean(dim=(1, 2)).argmax(dim=1), batch.labels)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5), st.integers(1, 4))
@settings(deadline=None)
def test_an_epoch_visits_each_image_at_most_once(images: int, batch_size: int, seed: int, epochs: int) -> None:
    if batch_size > images:
        with raises(UserError, match=f"--batch-size {batch_size}.*only {images} images"):
            count_steps(images, batch_size)
        return
    steps = count_steps(images, batch_size)
    requests = list(TrainingRequests(images, batch_size, seed, 0, epochs * steps))
    assert [request.epoch for request in requests] == [epoch for epoch in range(epochs) for _ in range(steps)]
    for epoch in range(epochs):
        seen = np.concatenate([request.indices for request in requests if request.epoch == epoch])
        assert len(set(seen.tolist())) == len(seen) == steps * batch_size > images - batch_size
        assert set(seen.tolist()) <= set(range(images))


def test_epochs_have_different_orders_and_different_crops(folder: ImageFolder) -> None:
    first, second = (next(iter(TrainingRequests(100, 100, 0, epoch, epoch + 1))).indices for epoch in (0, 1))
    assert not np.array_equal(first, second)
    dataset = ImageBatches(folder.train, 32, 0)
    one, other = (dataset[request._replace(epoch=epoch)] for epoch, request in ((0, FIRST_IMAGE), (1, FIRST_IMAGE)))
    assert not torch.equal(one.images, other.images)


FIRST_IMAGE = next(iter(ValidationRequests(1, 1)))


@given(st.integers(1, 60), st.integers(1, 60))
def test_validation_visits_each_image_exactly_once(images: int, batch_size: int) -> None:
    indices = [index for request in ValidationRequests(images, batch_size) for index in request.indices]
    assert indices == list(range(images))


@mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_arrives_as_a_plain_user_error(folder: ImageFolder, workers: int) -> None:
    path = Path(folder.train.path(7))
    path.write_bytes(path.read_bytes()[:100])
    with raises(UserError) as caught:
        training_batches(folder, workers=workers)
    assert str(caught.value).startswith(f"{path} cannot be read as an image (")
    assert "\n" not in str(caught.value)


@mark.realdata
def test_every_validation_image_of_a_real_data_set_can_be_read(tiny_imagenet: Path) -> None:
    folder = open_image_folder(tiny_imagenet)
    assert (len(folder.classes), len(folder.train), len(folder.val)) == (100, 15000, 4000)
    batches = list(load_batches(ImageBatches(folder.val, 64, 0), ValidationRequests(4000, 500), 2, CPU))
    assert torch.bincount(torch.cat([batch.labels for batch in batches])).tolist() == [40] * 100
    assert all(30 < batch.images.float().mean() < 200 for batch in batches)


def test_a_loader_leaves_torchs_generator_alone(folder: ImageFolder) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    training_batches(folder, workers=1)
    assert torch.equal(before, torch.get_rng_state())
