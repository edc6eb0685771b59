"""Batches: complete, repeatable, independent of workers and of where a run starts."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pytest import MonkeyPatch, fixture, mark, raises

from backbones.data import loader
from backbones.data.folders.image_folder import ImageFolder, open_image_folder
from backbones.data.loader import Batch, ImageBatches, TrainingRequests, ValidationRequests, load_batches
from backbones.data.prefetch import Prefetch
from backbones.data.sampling import Request
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


def test_epochs_have_different_orders_and_different_crops(folder: ImageFolder) -> None:
    first, second = (next(iter(TrainingRequests(100, 100, 0, epoch, epoch + 1))).indices for epoch in (0, 1))
    assert not np.array_equal(first, second)
    dataset = ImageBatches(folder.train, 32, 0)
    one, other = (dataset[request._replace(epoch=epoch)] for epoch, request in ((0, FIRST_IMAGE), (1, FIRST_IMAGE)))
    assert not torch.equal(one.images, other.images)


FIRST_IMAGE = next(iter(ValidationRequests(1, 1)))


@mark.parametrize(("workers", "images_per_piece"), [(1, 1), (2, 2), (2, 3)])
def test_batches_do_not_depend_on_the_pieces(
    folder: ImageFolder, monkeypatch: MonkeyPatch, workers: int, images_per_piece: int
) -> None:
    whole = training_batches(folder)
    monkeypatch.setattr(loader, "plan_prefetch", lambda image_bytes, workers: Prefetch(images_per_piece, 2))
    assert same(whole, training_batches(folder, workers=workers))
    dataset = ImageBatches(folder.val, 32, 0)
    batches = load_batches(dataset, ValidationRequests(len(folder.val), 4), workers, CPU)
    assert [len(batch.labels) for batch in batches] == [4, 4, 1]


@mark.parametrize("together", [0, 1 << 40])
def test_batches_do_not_depend_on_how_many_are_decoded_before_they_are_resized(
    folder: ImageFolder, monkeypatch: MonkeyPatch, together: int
) -> None:
    batches = training_batches(folder)
    monkeypatch.setattr(loader, "CROPS_TOGETHER", together)
    assert same(batches, training_batches(folder))


class Priorities(ImageBatches):
    """The process's niceness as label."""

    def __getitem__(self, request: Request) -> Batch:
        images = torch.zeros(len(request.indices), 32, 32, 3, dtype=torch.uint8)
        return Batch(images, torch.full((len(request.indices),), os.nice(0)))


def test_workers_let_the_training_on_their_cores_go_first(folder: ImageFolder) -> None:
    before, priorities = os.nice(0), {}
    for workers in (0, 2):
        requests = ValidationRequests(len(folder.val), 2)
        batches = load_batches(Priorities(folder.val, 32, 0), requests, workers, CPU)
        priorities[workers] = {int(label) for batch in batches for label in batch.labels}
    assert os.nice(0) == before
    assert priorities == {0: {before}, 2: {min(19, before + 10)}}


def test_a_dead_worker_is_one_clear_error(folder: ImageFolder, monkeypatch: MonkeyPatch) -> None:
    main = os.getpid()

    def die(path: str) -> np.ndarray:
        assert os.getpid() != main
        os.kill(os.getpid(), signal.SIGBUS)  # what a full /dev/shm ends in
        raise AssertionError

    monkeypatch.setattr(loader, "decode_pixels", die)
    handler = signal.getsignal(signal.SIGCHLD)
    with raises(UserError, match=r"a loader worker died.*/dev/shm has \d+ of \d+ MiB free; use fewer --workers"):
        training_batches(folder, workers=1)
    assert signal.getsignal(signal.SIGCHLD) == handler


def test_full_shared_memory_is_one_clear_error(folder: ImageFolder, monkeypatch: MonkeyPatch) -> None:
    def full(tensor: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    with raises(UserError, match=r"cannot hand over its images.*use fewer --workers"):
        training_batches(folder, workers=1)


def test_workers_end_at_once_when_an_image_is_unreadable(folder: ImageFolder) -> None:
    Path(folder.train.path(7)).write_bytes(b"")
    with raises(UserError) as caught:
        training_batches(folder, workers=2)
    assert caught.tb is not None  # it keeps the frames, and must not keep the workers
    assert not multiprocessing.active_children()


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


@mark.skipif(sys.platform != "linux", reason="only Linux's workers are forks")
def test_workers_are_forks_whatever_this_python_starts_by_default(
    folder: ImageFolder, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "decode_pixels", lambda path: np.full((40, 40, 3), 7, dtype=np.uint8))
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)  # such workers would not know of the patch
    try:
        batches = training_batches(folder, workers=2)
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert len(batches) == 6
    assert all(batch.images.eq(7).all() for batch in batches)
